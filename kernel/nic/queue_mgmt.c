// SPDX-License-Identifier: GPL-2.0-only
/*
 * Restart one RX queue while the others go on: netdev_queue_mgmt_ops, for the
 * core, and the same steps for ppiov's bindings (queue_bind.c).
 *
 * The core calls these when a memory provider is bound to or unbound from a
 * queue (net/core/netdev_rx_queue.c, netdev_rx_queue_restart()): mem_alloc for
 * the new memory, stop to get the old, start with the new, mem_free of the
 * old; on failure of start, start with the old one. The core of 6.12 does all
 * of it for a port that is down as well, later ones only mem_alloc and
 * mem_free. It has the ops lock, and not always the RTNL.
 */
#include "../compat/netdev.h"
#include "../compat/queue_mgmt.h"
#include "ppnic.h"

/* How long a queue that got no memory waits before it asks again. */
#define PPNIC_RESTART_DELAY msecs_to_jiffies(100)

/* What the core hands around; mem_free isn't told the queue. */
struct ppnic_queue_mem {
	struct ppnic_rx_mem mem;
	struct ppnic_rxq *rxq; /* NULL: nothing in it */
};

static int ppnic_queue_mem_alloc(struct net_device *dev, void *per_queue_mem,
				 int idx, u32 page_size)
{
	struct ppnic_port *port = netdev_priv(dev);
	struct ppnic_queue_mem *qm = per_queue_mem;
	int err;

	if (ppnic_fault_next(&port->faults.queue_mem_alloc))
		return -ENOMEM;

	err = ppnic_rx_mem_alloc(&port->rxqs[idx], &qm->mem, &port->cfg,
				 page_size);
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

/* What buffers of a provider may be: powers of two, and no frame needs more. */
static int __maybe_unused ppnic_queue_validate(u32 rx_page_size,
					       struct netlink_ext_ack *extack)
{
	if (is_power_of_2(rx_page_size) && rx_page_size >= PAGE_SIZE &&
	    rx_page_size <= PPNIC_MAX_RX_BUF)
		return 0;
	NL_SET_ERR_MSG_FMT(extack,
			   "buffers are powers of two from %lu to %u bytes",
			   PAGE_SIZE, PPNIC_MAX_RX_BUF);
	return -ERANGE;
}

COMPAT_QUEUE_OPS(ppnic_queue_mem_alloc, ppnic_queue_start, ppnic_queue_validate)

const struct netdev_queue_mgmt_ops ppnic_queue_mgmt_ops = {
	.ndo_queue_mem_size = sizeof(struct ppnic_queue_mem),
	.ndo_queue_mem_free = ppnic_queue_mem_free,
	.ndo_queue_stop = ppnic_queue_stop,
	COMPAT_QUEUE_OPS_INIT(ppnic_queue_mem_alloc, ppnic_queue_start,
			      ppnic_queue_validate),
};

/* A queue without memory, of a port that is up. Who waits for its buffers looks
 * again, since the time after which their frames are dropped went with them.
 */
static void ppnic_queue_later(struct ppnic_rxq *rxq)
{
	rxq->restart = true;
	schedule_delayed_work(&rxq->port->restart_work, PPNIC_RESTART_DELAY);

	local_bh_disable();
	ppnic_engine_kick_waiters(rxq);
	local_bh_enable();
}

/**
 * ppnic_queue_restart() - new memory for a queue, of what it is bound to now
 * @rxq: the queue; the port may be down
 *
 * As the core's netdev_rx_queue_restart() does it, and with the same faults.
 *
 * Context: process, RTNL and ops lock held.
 * Return: 0, or an error with the queue as it was. A queue that could be
 * started neither with the new nor with the old memory waits for more; one of
 * a port that is down has none, as before.
 */
int ppnic_queue_restart(struct ppnic_rxq *rxq)
{
	struct net_device *dev = rxq->port->dev;
	struct ppnic_queue_mem new = {}, old = {};
	int err;

	ASSERT_RTNL();
	compat_netdev_assert_ops_locked(dev);

	err = ppnic_queue_mem_alloc(dev, &new, rxq->index,
				    compat_rxq_page_size(dev, rxq->index));
	if (err)
		return err;
	err = ppnic_queue_stop(dev, &old, rxq->index);
	if (err)
		goto free_new;
	err = ppnic_queue_start(dev, &new, rxq->index);
	if (err && !ppnic_queue_start(dev, &old, rxq->index))
		goto free_new;

	ppnic_queue_mem_free(dev, &old);
	if (err && rxq->port->up) {
		ppnic_channel_enable(&rxq->port->channels[rxq->index]);
		ppnic_queue_later(rxq);
	}
free_new:
	ppnic_queue_mem_free(dev, &new);
	return err;
}

/**
 * ppnic_queue_take_down() - stop a queue that must not keep its memory
 * @rxq: the queue; its restart failed
 *
 * It is started as soon as there is memory for it. Meanwhile frames for it
 * wait or are dropped, as during any restart; the queue pair's TX goes on.
 *
 * Context: process, RTNL and ops lock held.
 */
void ppnic_queue_take_down(struct ppnic_rxq *rxq)
{
	struct ppnic_port *port = rxq->port;
	struct ppnic_channel *ch = &port->channels[rxq->index];
	struct ppnic_rx_mem old;

	ASSERT_RTNL();
	compat_netdev_assert_ops_locked(port->dev);
	if (!port->up)
		return;

	ppnic_channel_disable(ch);
	ppnic_rx_stop(rxq, &old);
	ppnic_channel_enable(ch);

	ppnic_rx_mem_free(rxq, &old);
	ppnic_queue_later(rxq);
}

/* Returns false if there is still no memory. */
static bool ppnic_queue_try(struct ppnic_rxq *rxq)
{
	struct ppnic_port *port = rxq->port;
	struct ppnic_channel *ch = &port->channels[rxq->index];
	struct ppnic_rx_mem mem;

	/* The port may have been down since, and come up with new rings. */
	if (!rxq->restart || !port->up || rxq->started) {
		rxq->restart = false;
		return true;
	}
	if (ppnic_rx_mem_alloc(rxq, &mem, &port->cfg,
			       compat_rxq_page_size(port->dev, rxq->index)))
		return false;

	ppnic_channel_disable(ch);
	ppnic_rx_start(rxq, &mem);
	ppnic_channel_enable(ch);
	rxq->restart = false;
	return true;
}

static void ppnic_restart_work(struct work_struct *work)
{
	struct ppnic_port *port = container_of(to_delayed_work(work),
					       struct ppnic_port, restart_work);
	bool all = true;
	u32 i;

	/* ppnic_queue_mgmt_exit() waits for us with the RTNL held. */
	if (!rtnl_trylock()) {
		schedule_delayed_work(&port->restart_work, 1);
		return;
	}
	compat_netdev_lock_ops(port->dev);
	for (i = 0; i < port->dev->real_num_rx_queues; i++)
		all &= ppnic_queue_try(&port->rxqs[i]);
	compat_netdev_unlock_ops(port->dev);
	if (!all)
		schedule_delayed_work(&port->restart_work, PPNIC_RESTART_DELAY);
	rtnl_unlock();
}

/**
 * ppnic_queue_mgmt_init() - set up what restarts need
 * @port: the port
 *
 * Context: process.
 */
void ppnic_queue_mgmt_init(struct ppnic_port *port)
{
	INIT_DELAYED_WORK(&port->restart_work, ppnic_restart_work);
}

/**
 * ppnic_queue_mgmt_exit() - no queue is started by itself any more
 * @port: the port, down
 *
 * Context: process, RTNL held.
 */
void ppnic_queue_mgmt_exit(struct ppnic_port *port)
{
	cancel_delayed_work_sync(&port->restart_work);
}
