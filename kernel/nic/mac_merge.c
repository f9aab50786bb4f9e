// SPDX-License-Identifier: GPL-2.0-only
/*
 * The MAC Merge sublayer (IEEE 802.3, clause 99): beside the express MAC there
 * is one whose frames may be preempted, and what TX queues send of the traffic
 * classes that are preemptible (mqprio.c) is of that one.
 *
 * Whether the other end has been asked if it understands them, and what it
 * said, is the core's state machine's (net/ethtool/mm.c); here are its
 * mPackets. A frame takes no time on this wire, so none is ever caught half
 * way: fragments are not sent, and their counters are zero.
 */
#include <linux/ethtool.h>
#include <linux/etherdevice.h>
#include <linux/mutex.h>
#include <linux/slab.h>
#include <linux/workqueue.h>

#include "../compat/mm.h"
#include "frame.h"
#include "mac_merge.h"

/**
 * struct ppnic_mac_merge - of a port
 * @port: ...
 * @lock: over each call that stops and starts @mmsv, which does not bear two at
 *	a time; ethtool's come with the ops lock, and those of a link with the
 *	RTNL. Innermost but for what @mmsv and workqueues take
 * @mmsv: the core's; its own lock is held where it calls us
 * @work: sends @mpackets, since the other end's @mmsv answers at once
 * @mpackets: BIT(enum ethtool_mpacket), bitops
 * @tx_min_frag_size: as set; ops lock
 * @tx_active: preemptible classes leave by the pMAC; the device reads
 * @rx_enabled: what left another one's pMAC is understood; the device reads
 */
struct ppnic_mac_merge {
	struct ppnic_port *port;
	struct mutex lock; /* as above */
	struct ethtool_mmsv mmsv;
	struct work_struct work;
	unsigned long mpackets;
	u32 tx_min_frag_size;
	bool tx_active;
	bool rx_enabled;
};

static void mac_merge_configure_tx(struct ethtool_mmsv *mmsv, bool tx_active)
{
	struct ppnic_mac_merge *merge =
		container_of(mmsv, struct ppnic_mac_merge, mmsv);

	WRITE_ONCE(merge->tx_active, tx_active);
}

static void mac_merge_send_mpacket(struct ethtool_mmsv *mmsv,
				   enum ethtool_mpacket mpacket)
{
	struct ppnic_mac_merge *merge =
		container_of(mmsv, struct ppnic_mac_merge, mmsv);

	/* As ETHTOOL_MMSV_LD_SENT_VERIFY_MPACKET would have it, which needs the
	 * lock that is held here, and told later may undo a verdict.
	 */
	if (mpacket == ETHTOOL_MPACKET_VERIFY)
		mmsv->status = ETHTOOL_MM_VERIFY_STATUS_VERIFYING;
	set_bit(mpacket, &merge->mpackets);
	queue_work(system_highpri_wq, &merge->work);
}

static const struct ethtool_mmsv_ops mac_merge_ops = {
	.configure_tx = mac_merge_configure_tx,
	.send_mpacket = mac_merge_send_mpacket,
};

/* Tell a state machine what has come. Its timer wants its lock, too. */
static void mac_merge_event(struct ppnic_mac_merge *merge,
			    enum ethtool_mmsv_event event)
{
	local_bh_disable();
	ethtool_mmsv_event_handle(&merge->mmsv, event);
	local_bh_enable();
}

/* What the port's mPackets are to whom hears them: without a link, nobody. */
static void mac_merge_work(struct work_struct *work)
{
	struct ppnic_mac_merge *merge =
		container_of(work, struct ppnic_mac_merge, work);
	struct ppnic_port *to;

	rcu_read_lock();
	to = ppnic_listener(merge->port);
	if (test_and_clear_bit(ETHTOOL_MPACKET_VERIFY, &merge->mpackets) && to)
		mac_merge_event(to->mac_merge,
				ETHTOOL_MMSV_LP_SENT_VERIFY_MPACKET);
	if (test_and_clear_bit(ETHTOOL_MPACKET_RESPONSE, &merge->mpackets) &&
	    to)
		mac_merge_event(to->mac_merge,
				ETHTOOL_MMSV_LP_SENT_RESPONSE_MPACKET);
	rcu_read_unlock();
}

/**
 * ppnic_mac_merge_init() - give a port its pMAC, which is off
 * @port: ...
 *
 * Context: process.
 * Return: 0 or -ENOMEM.
 */
int ppnic_mac_merge_init(struct ppnic_port *port)
{
	struct ppnic_mac_merge *merge;

	merge = kzalloc_obj(*merge);
	if (!merge)
		return -ENOMEM;
	merge->port = port;
	merge->tx_min_frag_size = ETH_ZLEN;
	mutex_init(&merge->lock);
	INIT_WORK(&merge->work, mac_merge_work);
	ethtool_mmsv_init(&merge->mmsv, port->dev, &mac_merge_ops);
	port->mac_merge = merge;
	return 0;
}

/**
 * ppnic_mac_merge_free() - undo ppnic_mac_merge_init()
 * @port: nobody's other end any more, for a grace period
 *
 * Context: process.
 */
void ppnic_mac_merge_free(struct ppnic_port *port)
{
	ethtool_mmsv_stop(&port->mac_merge->mmsv);
	cancel_work_sync(&port->mac_merge->work);
	mutex_destroy(&port->mac_merge->lock);
	kfree(port->mac_merge);
}

/* What was settled is not any more, and what is on its way is lost. */
static void mac_merge_settle_nothing(struct ppnic_mac_merge *merge)
{
	ethtool_mmsv_stop(&merge->mmsv);
	cancel_work_sync(&merge->work);
	merge->mpackets = 0;
	WRITE_ONCE(merge->tx_active, false);
}

/**
 * ppnic_mac_merge_link() - there is another link than before, or none
 * @port: ...
 * @up: which it is
 *
 * The core (7.3) ends preemption where there is no link, and not where there is
 * another one that is verified anew.
 *
 * Context: process, RTNL held.
 */
void ppnic_mac_merge_link(struct ppnic_port *port, bool up)
{
	struct ppnic_mac_merge *merge = port->mac_merge;

	mutex_lock(&merge->lock);
	mac_merge_settle_nothing(merge);
	ethtool_mmsv_link_state_handle(&merge->mmsv, up);
	mutex_unlock(&merge->lock);
}

/**
 * ppnic_mac_merge_tx() - by which MAC does what a queue sends leave?
 * @txq: the queue
 *
 * Context: any.
 * Return: the MAC.
 */
enum ppnic_mac ppnic_mac_merge_tx(const struct ppnic_txq *txq)
{
	const struct ppnic_port *port = txq->port;

	return READ_ONCE(port->mac_merge->tx_active) &&
			       test_bit(txq->index, port->preemptible) ?
		       PPNIC_PMAC :
		       PPNIC_EMAC;
}

/**
 * ppnic_mac_merge_rx() - does a port understand a frame's first byte?
 * @port: where it arrives
 * @f: the frame
 *
 * That of a preemptible frame (SMD-S) is no delimiter to whom has no pMAC.
 *
 * Context: any.
 * Return: whether it does.
 */
bool ppnic_mac_merge_rx(const struct ppnic_port *port,
			const struct ppnic_frame *f)
{
	return f->mac == PPNIC_EMAC || READ_ONCE(port->mac_merge->rx_enabled);
}

/**
 * ppnic_get_mm() - ethtool op: --show-mm
 * @dev: netdev
 * @state: receives it
 *
 * Context: ops lock.
 * Return: 0.
 */
int ppnic_get_mm(struct net_device *dev, struct ethtool_mm_state *state)
{
	struct ppnic_port *port = netdev_priv(dev);

	ethtool_mmsv_get_mm(&port->mac_merge->mmsv, state);
	state->tx_min_frag_size = port->mac_merge->tx_min_frag_size;
	state->rx_min_frag_size = ETH_ZLEN;
	return 0;
}

/**
 * ppnic_set_mm() - ethtool op: --set-mm
 * @dev: netdev
 * @cfg: checked by the core
 * @extack: ...
 *
 * The core calls configure_tx() where it is settled that preemption is on or
 * off (7.3). A new verification settles nothing, so what the last one came to
 * ends here; and whether the pMAC receives is said here alone, as
 * configure_pmac() isn't called with a verification.
 *
 * Context: ops lock.
 * Return: 0.
 */
int ppnic_set_mm(struct net_device *dev, struct ethtool_mm_cfg *cfg,
		 struct netlink_ext_ack *extack)
{
	struct ppnic_port *port = netdev_priv(dev);
	struct ppnic_mac_merge *merge = port->mac_merge;

	mutex_lock(&merge->lock);
	mac_merge_settle_nothing(merge);
	WRITE_ONCE(merge->rx_enabled, cfg->pmac_enabled);
	merge->tx_min_frag_size = cfg->tx_min_frag_size;
	ethtool_mmsv_set_mm(&merge->mmsv, cfg);
	mutex_unlock(&merge->lock);
	return 0;
}

/**
 * ppnic_get_mm_stats() - ethtool op: --include-statistics --show-mm
 * @dev: netdev
 * @stats: receives all counters
 *
 * Context: ops lock.
 */
void ppnic_get_mm_stats(struct net_device *dev, struct ethtool_mm_stats *stats)
{
	memset(stats, 0, sizeof(*stats));
	stats->MACMergeFrameSmdErrorCount = ppnic_smd_errors(netdev_priv(dev));
}
