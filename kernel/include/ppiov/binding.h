/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A binding: an administrator's word, over netlink, that queues of a NIC take
 * their payload buffers from a provider.
 */
#ifndef PPIOV_BINDING_H
#define PPIOV_BINDING_H

#include <linux/dma-direction.h>
#include <linux/refcount.h>
#include <linux/types.h>
#include <linux/workqueue.h>
#include <linux/xarray.h>

struct device;
struct dma_buf;
struct dma_buf_attachment;
struct net_device;
struct netlink_ext_ack;
struct ppiov_provider_ops;
struct ppiov_tx;
struct sg_table;
struct sock;

/**
 * struct ppiov_binding - queues, a provider, and the memory for it
 *
 * Or, for sending: no queues, and a dma-buf that is sent from.
 *
 * @ref: one while the binding is in force, which is the netlink socket's: it
 *	is put by unbind, when the socket is closed, or when the device goes,
 *	whatever comes first. And one of each pool that was made for it, until
 *	the pool's last buffer and last pin are back; and one of each call of
 *	sendmsg(), until none of its payload is in a packet. The last put frees
 *	the memory, from a workqueue, since it may come in softirq.
 * @id: in netlink and in control messages; never 0, not reused while alive
 * @provider: a reference is held until the binding is freed, after @dmabuf
 * @dev: whose queues, or what is sent through; NULL once the device is gone
 *	(RTNL; who sends compares it without). No reference: the driver's
 *	ppiov_nic_unregister() clears it.
 * @queues: an entry each, XA_MARK_1 on those that the driver has bound; empty
 *	once the binding is no longer in force (RTNL)
 * @sk: the socket that made it, a reference is held; NULL: no longer in force
 *	(RTNL and binding.c's own lock for writers, either for readers)
 * @size: bytes that the provider may take; 0: its default. All of @dmabuf if
 *	there is one and nothing else was asked for.
 * @order: a buffer has PAGE_SIZE << @order bytes
 * @dmabuf: with PPIOV_F_DMABUF: referenced, attached and mapped for @dma_dev
 *	as long as the binding lives
 * @dma_dev: maps @dmabuf; a reference is held
 * @attachment: of @dmabuf
 * @sgt: of @attachment
 * @dir: what @sgt is mapped for
 * @tx: what is sent from; NULL: it is for receiving. Set before the binding is
 *	in force (binding.c's own lock), freed with it.
 * @extack: of the request that is binding queues, for a provider's words; else
 *	NULL (RTNL)
 * @priv: a provider's, for what its pools share. It comes with the first pool
 *	and is gone with the last: NULL when the binding is freed.
 * @free: frees it
 *
 * What is not marked is constant once the first queue is bound.
 */
struct ppiov_binding {
	refcount_t ref;
	u32 id;
	const struct ppiov_provider_ops *provider;
	struct net_device *dev;
	struct xarray queues;
	struct sock *sk;
	u64 size;
	u32 order;
	struct dma_buf *dmabuf;
	struct device *dma_dev;
	struct dma_buf_attachment *attachment;
	struct sg_table *sgt;
	enum dma_data_direction dir;
	struct ppiov_tx *tx;
	struct netlink_ext_ack *extack;
	void *priv;
	struct work_struct free;
};

void ppiov_binding_get(struct ppiov_binding *binding);
void ppiov_binding_put(struct ppiov_binding *binding);

/**
 * struct ppiov_nic_ops - what a driver offers whose queues can be bound
 * @dma_dev: the device that payload is mapped for
 * @nr_queues: RX queues that exist now
 * @bind: restart RX queue @queue so that its payload buffers come from
 *	@binding's provider. The driver makes a pool with ppiov_pool_create()
 *	and params.binding = @binding. On error the queue runs on as before,
 *	and extack says why.
 * @unbind: restart @queue with its own buffers. Must not fail: a queue that
 *	gets no memory stays stopped until it does.
 *
 * All are called with RTNL held, in process context.
 */
struct ppiov_nic_ops {
	struct device *(*dma_dev)(struct net_device *dev);
	u32 (*nr_queues)(struct net_device *dev);
	int (*bind)(struct net_device *dev, u32 queue,
		    struct ppiov_binding *binding,
		    struct netlink_ext_ack *extack);
	void (*unbind)(struct net_device *dev, u32 queue);
};

int ppiov_nic_register(struct net_device *dev, const struct ppiov_nic_ops *ops);
void ppiov_nic_unregister(struct net_device *dev);

#endif /* PPIOV_BINDING_H */
