// SPDX-License-Identifier: GPL-2.0-only
/*
 * netdev_queue_mgmt_ops: restart one RX queue while the others go on.
 *
 * The core calls these when a memory provider is bound to or unbound from a
 * queue (net/core/netdev_rx_queue.c, netdev_rx_queue_restart()): mem_alloc for
 * the new memory, stop to get the old, start with the new, mem_free of the
 * old; on failure of start, start with the old one. The core of 6.12 does so
 * for a port that is down as well.
 */
#include "ppnic.h"

/* What the core hands around; mem_free isn't told the queue. */
struct ppnic_queue_mem {
	struct ppnic_rx_mem mem;
	struct ppnic_rxq *rxq; /* NULL: nothing in it */
};

static int ppnic_queue_mem_alloc(struct net_device *dev, void *per_queue_mem,
				 int idx)
{
	struct ppnic_port *port = netdev_priv(dev);
	struct ppnic_queue_mem *qm = per_queue_mem;
	int err;

	if (ppnic_fault_next(&port->faults.queue_mem_alloc))
		return -ENOMEM;

	err = ppnic_rx_mem_alloc(&port->rxqs[idx], &qm->mem, port->rx_ring,
				 port->split);
	if (err)
		return err;
	qm->rxq = &port->rxqs[idx];
	return 0;
}

static void ppnic_queue_mem_free(struct net_device *dev, void *per_queue_mem)
{
	struct ppnic_queue_mem *qm = per_queue_mem;

	if (qm->rxq)
		ppnic_rx_mem_free(qm->rxq, &qm->mem);
}

static int ppnic_queue_start(struct net_device *dev, void *per_queue_mem,
			     int idx)
{
	struct ppnic_port *port = netdev_priv(dev);
	struct ppnic_queue_mem *qm = per_queue_mem;
	struct ppnic_rxq *rxq = &port->rxqs[idx];

	if (ppnic_fault_next(&port->faults.queue_start))
		return -EIO;

	/* Down: ndo_open makes memory of its own, with the provider that is
	 * bound then.
	 */
	if (!port->up) {
		ppnic_rx_mem_free(rxq, &qm->mem);
		return 0;
	}

	ppnic_rx_start(rxq, &qm->mem);
	ppnic_channel_enable(&port->channels[idx]);
	return 0;
}

static int ppnic_queue_stop(struct net_device *dev, void *per_queue_mem,
			    int idx)
{
	struct ppnic_port *port = netdev_priv(dev);
	struct ppnic_queue_mem *qm = per_queue_mem;

	if (ppnic_fault_next(&port->faults.queue_stop))
		return -EIO;
	if (!port->up)
		return 0;

	ppnic_channel_disable(&port->channels[idx]);
	ppnic_rx_stop(&port->rxqs[idx], &qm->mem);
	qm->rxq = &port->rxqs[idx];
	return 0;
}

const struct netdev_queue_mgmt_ops ppnic_queue_mgmt_ops = {
	.ndo_queue_mem_size = sizeof(struct ppnic_queue_mem),
	.ndo_queue_mem_alloc = ppnic_queue_mem_alloc,
	.ndo_queue_mem_free = ppnic_queue_mem_free,
	.ndo_queue_start = ppnic_queue_start,
	.ndo_queue_stop = ppnic_queue_stop,
};
