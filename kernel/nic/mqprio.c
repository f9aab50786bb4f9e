// SPDX-License-Identifier: GPL-2.0-only
/*
 * Traffic classes: which TX queues are of which, and which of them may be
 * preempted (`tc qdisc add dev NAME root mqprio ... hw 1`).
 *
 * The stack sorts packets to queues by what it is told here. No queue waits for
 * another one in this device, whatever their classes are; the rates that mqprio
 * can give each are those of the net-shaper family (shaper.c), and refused.
 */
#include <linux/netdevice.h>
#include <net/pkt_sched.h>

#include "ppnic.h"

static bool mqprio_has_rates(const struct tc_mqprio_qopt_offload *opt)
{
	return opt->flags & TC_MQPRIO_F_SHAPER &&
	       opt->shaper != TC_MQPRIO_SHAPER_DCB;
}

/* The core has checked that queues exist and are of one class each. */
static int mqprio_set(struct ppnic_port *port,
		      struct tc_mqprio_qopt_offload *opt)
{
	struct tc_mqprio_qopt *qopt = &opt->qopt;
	u32 tc, i, queues = 0;
	int err;

	if (mqprio_has_rates(opt)) {
		NL_SET_ERR_MSG(opt->extack,
			       "rates of TX queues are set with net shapers");
		return -EOPNOTSUPP;
	}

	err = netdev_set_num_tc(port->dev, qopt->num_tc);
	if (err)
		return err;
	for (tc = 0; tc < qopt->num_tc; tc++) {
		netdev_set_tc_queue(port->dev, tc, qopt->count[tc],
				    qopt->offset[tc]);
		for (i = 0; i < qopt->count[tc]; i++)
			assign_bit(qopt->offset[tc] + i, port->preemptible,
				   opt->preemptible_tcs & BIT(tc));
		queues = max_t(u32, queues, qopt->offset[tc] + qopt->count[tc]);
	}
	port->tc_queues = queues;
	qopt->hw = TC_MQPRIO_HW_OFFLOAD_TCS;
	return 0;
}

static void mqprio_reset(struct ppnic_port *port)
{
	u32 i;

	netdev_reset_tc(port->dev);
	for (i = 0; i < port->tc_queues; i++)
		clear_bit(i, port->preemptible);
	port->tc_queues = 0;
}

static int setup_caps(const struct tc_query_caps_base *base)
{
	struct tc_mqprio_caps *caps = base->caps;

	if (base->type != TC_SETUP_QDISC_MQPRIO)
		return -EOPNOTSUPP;
	caps->validate_queue_counts = true;
	return 0;
}

static int setup_mqprio(struct ppnic_port *port,
			struct tc_mqprio_qopt_offload *opt)
{
	if (opt->qopt.num_tc)
		return mqprio_set(port, opt);
	mqprio_reset(port);
	return 0;
}

/**
 * ppnic_setup_tc() - netdev op
 * @dev: netdev
 * @type: what of tc
 * @type_data: ... and how
 *
 * Context: process, RTNL and ops lock held.
 * Return: 0, or a negative errno; -EOPNOTSUPP for all but mqprio.
 */
int ppnic_setup_tc(struct net_device *dev, enum tc_setup_type type,
		   void *type_data)
{
	switch (type) {
	case TC_QUERY_CAPS:
		return setup_caps(type_data);
	case TC_SETUP_QDISC_MQPRIO:
		return setup_mqprio(netdev_priv(dev), type_data);
	default:
		return -EOPNOTSUPP;
	}
}
