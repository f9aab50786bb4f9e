// SPDX-License-Identifier: GPL-2.0-only
/*
 * struct ppiov_nic_ops: queues whose payload buffers come from a provider of
 * ppiov.ko, as an administrator bound them.
 *
 * A queue keeps its binding while the port is down, and through changes of
 * rings and channels; whoever makes memory for it asks (rx_source.c).
 */
#include "../compat/netdev.h"
#include "../compat/page_pool.h"
#include "../include/ppiov/binding.h"
#include "ppnic.h"

static struct device *ppnic_bind_dma_dev(struct net_device *dev)
{
	struct ppnic_port *port = netdev_priv(dev);

	return &port->parent->dev;
}

static u32 ppnic_bind_nr_queues(struct net_device *dev)
{
	return dev->real_num_rx_queues;
}

static int ppnic_bind_locked(struct net_device *dev, u32 queue,
			     struct ppiov_binding *binding,
			     struct netlink_ext_ack *extack)
{
	struct ppnic_port *port = netdev_priv(dev);
	struct ppnic_rxq *rxq = &port->rxqs[queue];
	int err;

	ASSERT_RTNL();
	if (!port->cfg.split) {
		NL_SET_ERR_MSG(extack,
			       "a provider needs header split: tcp-data-split is off");
		return -EINVAL;
	}
	if (port->hds_thresh) {
		NL_SET_ERR_MSG(extack,
			       "a provider needs all payload split: hds-thresh is not zero");
		return -EINVAL;
	}
	if (port->cfg.xdp) {
		NL_SET_ERR_MSG(extack,
			       "no provider while an XDP program is attached");
		return -EBUSY;
	}
	if (port->channels[queue].xsk) {
		NL_SET_ERR_MSG_FMT(extack,
				   "RX queue %u has the buffers of an AF_XDP socket",
				   queue);
		return -EBUSY;
	}
	if (compat_rxq_has_provider(dev, queue)) {
		NL_SET_ERR_MSG_FMT(extack,
				   "RX queue %u has a memory provider of the core",
				   queue);
		return -EBUSY;
	}
	if (rxq->binding) {
		NL_SET_ERR_MSG_FMT(extack,
				   "RX queue %u is bound already, by binding %u",
				   queue, rxq->binding->id);
		return -EBUSY;
	}

	rxq->binding = binding;
	err = ppnic_queue_restart(rxq);
	if (err) {
		rxq->binding = NULL;
		if (!extack->_msg) /* the provider knows best */
			NL_SET_ERR_MSG_FMT(extack,
					   "RX queue %u could not be restarted with the provider's buffers",
					   queue);
	}
	return err;
}

static int ppnic_bind(struct net_device *dev, u32 queue,
		      struct ppiov_binding *binding,
		      struct netlink_ext_ack *extack)
{
	int err;

	compat_netdev_lock_ops(dev);
	err = ppnic_bind_locked(dev, queue, binding, extack);
	compat_netdev_unlock_ops(dev);
	return err;
}

static void ppnic_unbind(struct net_device *dev, u32 queue)
{
	struct ppnic_port *port = netdev_priv(dev);
	struct ppnic_rxq *rxq = &port->rxqs[queue];

	ASSERT_RTNL();
	compat_netdev_lock_ops(dev);
	rxq->binding = NULL;
	if (port->up && ppnic_queue_restart(rxq))
		ppnic_queue_take_down(rxq);
	compat_netdev_unlock_ops(dev);
}

static const struct ppiov_nic_ops ppnic_bind_ops = {
	.dma_dev = ppnic_bind_dma_dev,
	.nr_queues = ppnic_bind_nr_queues,
	.bind = ppnic_bind,
	.unbind = ppnic_unbind,
};

/**
 * ppnic_bind_init() - let the port's queues be bound
 * @port: the port, being registered
 *
 * Context: process, RTNL held.
 * Return: 0 or what ppiov says.
 */
int ppnic_bind_init(struct ppnic_port *port)
{
	return ppiov_nic_register(port->dev, &ppnic_bind_ops);
}

/**
 * ppnic_bind_exit() - end the bindings of the port's queues
 * @port: the port, being unregistered; down
 *
 * Context: process, RTNL held.
 */
void ppnic_bind_exit(struct ppnic_port *port)
{
	ppiov_nic_unregister(port->dev);
}
