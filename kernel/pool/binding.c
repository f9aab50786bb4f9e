// SPDX-License-Identifier: GPL-2.0-only
/*
 * Bindings: who may be bound, what is bound, and how that ends.
 *
 * Devices tell of themselves with ppiov_nic_register(), and take their word
 * back with ppiov_nic_unregister(). That is the one way in which a device ends
 * its bindings: the driver alone knows when its queues can no longer be
 * restarted, and a netdevice notifier would come before its ndo_uninit, when
 * nothing may have been torn down yet, or not at all for a driver that only
 * stops to support bindings.
 */
#include <linux/netdevice.h>
#include <linux/netlink.h>
#include <linux/notifier.h>
#include <linux/rtnetlink.h>
#include <linux/slab.h>
#include <kunit/visibility.h>
#include <net/sock.h>

#include "../compat/mm.h"
#include "../compat/page_pool.h"
#include "../include/ppiov/pool.h"
#include "binding_priv.h"
#include "internal.h"
#include "nl_gen.h"
#include "tx.h"

/* A device that can be bound. */
struct ppiov_nic {
	struct list_head list;
	struct net_device *dev;
	const struct ppiov_nic_ops *ops;
};

static LIST_HEAD(ppiov_nics); /* RTNL */

/*
 * All bindings that are not freed yet, by id. Changed under RTNL; read under
 * that or the xarray's own lock. That lock also covers their @sk.
 */
static DEFINE_XARRAY_ALLOC1(ppiov_bindings);
static u32 ppiov_binding_next_id; /* RTNL */

static struct workqueue_struct *ppiov_binding_wq;

/* -------------------------------------------------------------- references */

static void ppiov_binding_free(struct ppiov_binding *binding)
{
	ASSERT_RTNL();
	xa_erase(&ppiov_bindings, binding->id);

	WARN_ON(binding->priv);
	ppiov_tx_destroy(binding->tx);
	ppiov_binding_put_dmabuf(binding);
	/* May be the last reference to this module: ppiov_binding_exit() waits
	 * for whoever still runs here.
	 */
	ppiov_provider_put(binding->provider);
	kfree(binding);
}

static void ppiov_binding_free_work(struct work_struct *work)
{
	struct ppiov_binding *binding = container_of(work, struct ppiov_binding,
						     free);

	/* Those who walk the bindings hold no reference, but this. */
	rtnl_lock();
	ppiov_binding_free(binding);
	rtnl_unlock();
}

/**
 * ppiov_binding_get() - take a reference
 * @binding: the caller has a reference, or it is in force and RTNL is held
 *
 * Context: any.
 */
void ppiov_binding_get(struct ppiov_binding *binding)
{
	refcount_inc(&binding->ref);
}
EXPORT_SYMBOL_GPL(ppiov_binding_get);

/**
 * ppiov_binding_put() - drop a reference
 * @binding: not to be touched afterwards
 *
 * Context: any.
 */
void ppiov_binding_put(struct ppiov_binding *binding)
{
	if (refcount_dec_and_test(&binding->ref))
		queue_work(ppiov_binding_wq, &binding->free);
}
EXPORT_SYMBOL_GPL(ppiov_binding_put);

/* The same for who holds RTNL: what nobody uses is gone at once. */
static void ppiov_binding_drop(struct ppiov_binding *binding)
{
	ASSERT_RTNL();
	if (refcount_dec_and_test(&binding->ref))
		ppiov_binding_free(binding);
}

/* ----------------------------------------------------------------- devices */

static struct ppiov_nic *ppiov_nic_find(const struct net_device *dev)
{
	struct ppiov_nic *nic;

	ASSERT_RTNL();
	list_for_each_entry(nic, &ppiov_nics, list)
		if (nic->dev == dev)
			return nic;
	return NULL;
}

/**
 * ppiov_nic_ops() - what a device offers
 * @dev: any device
 *
 * Context: process, RTNL held.
 * Return: its operations, or NULL if its queues can't be bound.
 */
const struct ppiov_nic_ops *ppiov_nic_ops(const struct net_device *dev)
{
	struct ppiov_nic *nic = ppiov_nic_find(dev);

	return nic ? nic->ops : NULL;
}
EXPORT_SYMBOL_IF_KUNIT(ppiov_nic_ops);

/**
 * ppiov_nic_at() - walk the devices that can be bound
 * @index: counts from 0
 *
 * Context: process, RTNL held, which keeps the device.
 * Return: the device, or NULL: there are not so many.
 */
struct net_device *ppiov_nic_at(unsigned long index)
{
	struct ppiov_nic *nic;

	ASSERT_RTNL();
	list_for_each_entry(nic, &ppiov_nics, list)
		if (!index--)
			return nic->dev;
	return NULL;
}

/**
 * ppiov_nic_register() - from now on a device's queues can be bound
 * @dev: the device, up or down
 * @ops: all of them; live until ppiov_nic_unregister()
 *
 * Context: process, RTNL held.
 * Return: 0, -EINVAL if an operation is missing, -EEXIST, -ENOMEM.
 */
int ppiov_nic_register(struct net_device *dev, const struct ppiov_nic_ops *ops)
{
	struct ppiov_nic *nic;

	if (!ops->dma_dev || !ops->nr_queues || !ops->bind || !ops->unbind)
		return -EINVAL;
	if (ppiov_nic_find(dev))
		return -EEXIST;

	nic = kzalloc_obj(*nic);
	if (!nic)
		return -ENOMEM;
	nic->dev = dev;
	nic->ops = ops;
	list_add_tail(&nic->list, &ppiov_nics);
	return 0;
}
EXPORT_SYMBOL_GPL(ppiov_nic_register);

/* --------------------------------------------------------- making a binding */

/**
 * ppiov_binding_new() - make a binding that binds nothing yet
 * @dev: a device that ppiov_nic_ops() knows
 * @provider: the caller's reference becomes the binding's, if there is one
 * @sk: the netlink socket that asks for it
 *
 * Followed by ppiov_binding_cancel() where something goes wrong. Nobody sees
 * the binding before RTNL is released.
 *
 * Context: process, RTNL held.
 * Return: a binding, or ERR_PTR(): -ENOMEM, or -EBUSY without a free id.
 */
struct ppiov_binding *
ppiov_binding_new(struct net_device *dev,
		  const struct ppiov_provider_ops *provider, struct sock *sk)
{
	struct ppiov_binding *binding;
	int err;

	ASSERT_RTNL();
	binding = kzalloc_obj(*binding);
	if (!binding)
		return ERR_PTR(-ENOMEM);

	refcount_set(&binding->ref, 1);
	binding->dev = dev;
	xa_init(&binding->queues);
	sock_hold(sk);
	binding->sk = sk;
	INIT_WORK(&binding->free, ppiov_binding_free_work);

	err = xa_alloc_cyclic(&ppiov_bindings, &binding->id, binding,
			      xa_limit_31b, &ppiov_binding_next_id, GFP_KERNEL);
	if (err < 0) {
		sock_put(sk);
		kfree(binding);
		return ERR_PTR(err);
	}
	binding->provider = provider;
	return binding;
}

/**
 * ppiov_binding_want_queue() - see if a queue can be bound, and note it
 * @binding: not in force yet
 * @queue: an RX queue of its device
 * @extack: for the reason of a refusal
 *
 * Context: process, RTNL held.
 * Return: 0; -ERANGE if there is no such queue, -EINVAL if it was noted
 * before, -EEXIST if it has a binding, -EBUSY if it has the core's, -ENOMEM.
 */
int ppiov_binding_want_queue(struct ppiov_binding *binding, u32 queue,
			     struct netlink_ext_ack *extack)
{
	const struct ppiov_nic_ops *ops = ppiov_nic_ops(binding->dev);
	struct ppiov_binding *other;
	unsigned long id;
	int err;

	if (queue >= ops->nr_queues(binding->dev)) {
		NL_SET_ERR_MSG_FMT(extack, "there is no RX queue %u", queue);
		return -ERANGE;
	}
	if (xa_load(&binding->queues, queue)) {
		NL_SET_ERR_MSG_FMT(extack, "queue %u is named twice", queue);
		return -EINVAL;
	}
	xa_for_each(&ppiov_bindings, id, other) {
		if (other->dev == binding->dev &&
		    xa_load(&other->queues, queue)) {
			NL_SET_ERR_MSG_FMT(extack,
					   "queue %u is bound already, binding %u",
					   queue, other->id);
			return -EEXIST;
		}
	}
	if (compat_rxq_has_provider(binding->dev, queue)) {
		NL_SET_ERR_MSG_FMT(extack,
				   "queue %u has a memory provider of the core",
				   queue);
		return -EBUSY;
	}

	err = xa_insert(&binding->queues, queue, xa_mk_value(queue),
			GFP_KERNEL);
	if (err)
		NL_SET_ERR_MSG(extack, "no memory");
	return err;
}

/**
 * ppiov_binding_bind_queue() - restart a queue with the provider's buffers
 * @binding: complete
 * @queue: from ppiov_binding_want_queue()
 * @extack: for the reason of a refusal
 *
 * Context: process, RTNL held.
 * Return: 0, or what the driver says.
 */
int ppiov_binding_bind_queue(struct ppiov_binding *binding, u32 queue,
			     struct netlink_ext_ack *extack)
{
	const struct ppiov_nic_ops *ops = ppiov_nic_ops(binding->dev);
	int err;

	binding->extack = extack;
	err = ops->bind(binding->dev, queue, binding, extack);
	binding->extack = NULL;
	if (err) {
		NL_SET_ERR_MSG_WEAK(extack,
				    "the queue can't be restarted with these buffers");
		return err;
	}
	xa_set_mark(&binding->queues, queue, PPIOV_QUEUE_BOUND);
	return 0;
}

/**
 * ppiov_binding_make_tx() - from now on sockets may send from it
 * @binding: its dma-buf is mapped with DMA_TO_DEVICE
 * @extack: for the reason of a refusal
 *
 * Context: process, RTNL held.
 * Return: 0, or what ppiov_tx_create() says.
 */
int ppiov_binding_make_tx(struct ppiov_binding *binding,
			  struct netlink_ext_ack *extack)
{
	struct ppiov_tx *tx = ppiov_tx_create(binding, extack);

	if (IS_ERR(tx))
		return PTR_ERR(tx);
	/* Who guesses the id may send at once. */
	xa_lock(&ppiov_bindings);
	binding->tx = tx;
	xa_unlock(&ppiov_bindings);
	return 0;
}

/**
 * ppiov_binding_get_tx() - find a binding to send from
 * @id: of the binding, in whatever namespace
 *
 * Context: process.
 * Return: with a reference, for ppiov_binding_put(); NULL if there is none in
 * force, or it is for receiving.
 */
struct ppiov_binding *ppiov_binding_get_tx(u32 id)
{
	struct ppiov_binding *binding;

	xa_lock(&ppiov_bindings);
	binding = xa_load(&ppiov_bindings, id);
	/* In force: so it has a reference, and goes on having it here. */
	if (binding && binding->sk && binding->tx)
		ppiov_binding_get(binding);
	else
		binding = NULL;
	xa_unlock(&ppiov_bindings);
	return binding;
}

/* ---------------------------------------------------------------- the end */

static void ppiov_binding_unbind_queues(struct ppiov_binding *binding)
{
	const struct ppiov_nic_ops *ops = ppiov_nic_ops(binding->dev);
	unsigned long queue;
	void *entry;

	xa_for_each_marked(&binding->queues, queue, entry, PPIOV_QUEUE_BOUND)
		ops->unbind(binding->dev, queue);
}

/* No longer in force; the caller's reference was the socket's. */
static void ppiov_binding_retire(struct ppiov_binding *binding)
{
	struct sock *sk = binding->sk;

	xa_destroy(&binding->queues);
	xa_lock(&ppiov_bindings);
	binding->sk = NULL;
	xa_unlock(&ppiov_bindings);
	sock_put(sk);
	ppiov_binding_drop(binding);
}

/**
 * ppiov_binding_cancel() - undo what was done since ppiov_binding_new()
 * @binding: as far as it came; not to be touched afterwards
 *
 * Context: process, RTNL held since ppiov_binding_new().
 */
void ppiov_binding_cancel(struct ppiov_binding *binding)
{
	ppiov_binding_unbind_queues(binding);
	ppiov_binding_retire(binding);
}

/**
 * ppiov_binding_end() - give the queues their own buffers again, and say so
 * @binding: in force; not to be touched afterwards without a reference
 * @portid: of the socket that need not be told, or 0
 *
 * Context: process, RTNL held.
 */
void ppiov_binding_end(struct ppiov_binding *binding, u32 portid)
{
	ASSERT_RTNL();
	ppiov_binding_unbind_queues(binding);
	ppiov_nl_notify_binding(binding, PPIOV_CMD_UNBIND_NTF, portid);
	ppiov_binding_retire(binding);
}

/**
 * ppiov_binding_next() - walk the bindings that are in force
 * @id: in: the lowest id to look at. out: the binding's
 *
 * Context: process, RTNL held, which keeps the binding.
 * Return: the binding, or NULL: no more.
 */
struct ppiov_binding *ppiov_binding_next(unsigned long *id)
{
	struct ppiov_binding *binding;

	ASSERT_RTNL();
	xa_for_each_start(&ppiov_bindings, *id, binding, *id)
		if (binding->sk)
			return binding;
	return NULL;
}

/* Was the socket closed? It is dead before the notifier hears of it. */
static bool ppiov_binding_orphaned(const struct ppiov_binding *binding)
{
	return binding->sk && sock_flag(binding->sk, SOCK_DEAD);
}

/*
 * A netlink socket was closed. There is no better hook: genl_sk_priv_get() is
 * not exported.
 *
 * It is named by its portid, which another socket may have taken over by now,
 * and bound with. So nobody looks at that: whatever has a dead socket ends.
 */
static int ppiov_netlink_event(struct notifier_block *nb, unsigned long event,
			       void *ptr)
{
	const struct netlink_notify *n = ptr;
	struct ppiov_binding *binding;
	unsigned long id;
	bool any = false;

	if (event != NETLINK_URELEASE || n->protocol != NETLINK_GENERIC)
		return NOTIFY_DONE;

	/* Sockets come and go all the time, and RTNL is dear. */
	xa_lock(&ppiov_bindings);
	xa_for_each(&ppiov_bindings, id, binding)
		any |= ppiov_binding_orphaned(binding);
	xa_unlock(&ppiov_bindings);
	if (!any)
		return NOTIFY_DONE;

	rtnl_lock();
	xa_for_each(&ppiov_bindings, id, binding)
		if (ppiov_binding_orphaned(binding))
			ppiov_binding_end(binding, 0);
	rtnl_unlock();
	return NOTIFY_OK;
}

static struct notifier_block ppiov_netlink_nb = {
	.notifier_call = ppiov_netlink_event,
};

/**
 * ppiov_nic_unregister() - end a device's bindings, and allow no new ones
 * @dev: as registered
 *
 * Best called from ndo_uninit: the device is down by then, so that no queue is
 * restarted just to be torn down. Memory of the bindings stays mapped for the
 * device's dma_dev until the last buffer is back, also after this.
 *
 * Context: process, RTNL held. Calls the device's unbind.
 */
void ppiov_nic_unregister(struct net_device *dev)
{
	struct ppiov_nic *nic = ppiov_nic_find(dev);
	struct ppiov_binding *binding;
	unsigned long id;

	if (WARN_ON(!nic))
		return;

	xa_for_each(&ppiov_bindings, id, binding) {
		if (binding->dev != dev)
			continue;
		if (!binding->sk) {
			/* Only buffers keep it, or nothing any more. */
			WRITE_ONCE(binding->dev, NULL);
			continue;
		}
		ppiov_binding_get(binding);
		ppiov_binding_end(binding, 0);
		WRITE_ONCE(binding->dev, NULL);
		ppiov_binding_drop(binding);
	}
	list_del(&nic->list);
	kfree(nic);
}
EXPORT_SYMBOL_GPL(ppiov_nic_unregister);

/* ------------------------------------------------------------ load, unload */

/**
 * ppiov_binding_init() - set up what all bindings need
 *
 * Context: module init.
 * Return: 0 or -errno.
 */
int __init ppiov_binding_init(void)
{
	int err;

	ppiov_binding_wq = alloc_workqueue("ppiov_binding", WQ_UNBOUND, 0);
	if (!ppiov_binding_wq)
		return -ENOMEM;

	err = netlink_register_notifier(&ppiov_netlink_nb);
	if (err)
		destroy_workqueue(ppiov_binding_wq);
	return err;
}

/**
 * ppiov_binding_exit() - wait until the last binding is freed
 *
 * A binding holds its provider's module, which is this one or depends on it,
 * and a device's driver depends on this one: nothing is left here but a work
 * item that has put that reference and is about to return.
 *
 * Context: module exit, after ppiov_nl_exit().
 */
void ppiov_binding_exit(void)
{
	netlink_unregister_notifier(&ppiov_netlink_nb);
	destroy_workqueue(ppiov_binding_wq);
	WARN_ON(!list_empty(&ppiov_nics));
	WARN_ON(!xa_empty(&ppiov_bindings));
}
