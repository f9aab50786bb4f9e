// SPDX-License-Identifier: GPL-2.0-only
/*
 * The pool's beginning and end.
 *
 *   ppiov_pool_destroy()      last buffer, last pin
 *          |                          |
 *          v                          v
 *   flush, detach  ---- kick ---->  work: nothing out?  -> free
 *                                     | no: look again each second,
 *                                     '     and say so each minute
 */
#include <linux/bottom_half.h>
#include <linux/device.h>
#include <linux/module.h>
#include <linux/netdevice.h>
#include <linux/netlink.h>
#include <linux/slab.h>
#include <linux/xarray.h>

#include "../compat/mm.h"
#include "../include/ppiov/binding.h"
#include "internal.h"
#include "pool_priv.h"

/* How often the end is looked at where nobody kicks, as page_pool has it. */
#define PPIOV_POOL_LOOK (HZ)

/* A ptr_ring clears consumed slots in batches, so one with exactly as many
 * slots as buffers can be full with none in it.
 */
#define PPIOV_RING_SLACK 32

static unsigned int stall_seconds = 60;
module_param(stall_seconds, uint, 0644);
MODULE_PARM_DESC(stall_seconds,
		 "a destroyed pool with buffers out is reported this often");

/* Pools by id, from publication to the end; the xarray's own lock, BH off. */
static DEFINE_XARRAY_FLAGS(ppiov_pools, XA_FLAGS_ALLOC1 | XA_FLAGS_LOCK_BH);
static u32 ppiov_pool_last_id;
static struct workqueue_struct *ppiov_pool_wq;

static u32 ppiov_pool_seconds(const struct ppiov_pool *pool)
{
	return (jiffies - pool->destroyed_at) / HZ;
}

static void ppiov_pool_say_stalled(struct ppiov_pool *pool)
{
	unsigned int every = READ_ONCE(stall_seconds);

	if (!every || time_before(jiffies, pool->warned_at + every * HZ))
		return;
	pool->warned_at = jiffies;
	pr_warn("ppiov: stalled pool shutdown: id %u, provider %s, %u in flight, %d pinned, %u s\n",
		pool->id, pool->ops->name, ppiov_pool_inflight(pool),
		atomic_read(&pool->pins), ppiov_pool_seconds(pool));
	ppiov_nl_notify_pool_stalled(pool, ppiov_pool_seconds(pool));
}

static void ppiov_pool_free(struct ppiov_pool *pool)
{
	if (pool->is_iov)
		static_branch_slow_dec_deferred(&ppiov_iov_key);
	if (pool->p.binding)
		ppiov_binding_put(pool->p.binding);
	put_device(pool->p.dev);
	ppiov_provider_put(pool->ops);
	ptr_ring_cleanup(&pool->ring, NULL);
	free_percpu(pool->stats);
	kfree(pool);
}

static void ppiov_pool_end(struct work_struct *work)
{
	struct ppiov_pool *pool = container_of(to_delayed_work(work),
					       struct ppiov_pool, work);

	if (!pool->ended) {
		if (ppiov_pool_inflight(pool) || atomic_read(&pool->pins)) {
			ppiov_pool_say_stalled(pool);
			goto again;
		}
		/* Pairs with ppiov_release(): all that it did is seen. */
		smp_acquire__after_ctrl_dep();
		pool->ops->destroy(pool);
		pool->ended = true;
	}

	/* Off the list after that: who finds no pool finds its memory free.
	 * Under the lock, so that ppiov_pool_next() finds no pool that goes.
	 */
	xa_lock_bh(&ppiov_pools);
	if (atomic_read(&pool->pins)) {
		xa_unlock_bh(&ppiov_pools);
		goto again;
	}
	__xa_erase(&ppiov_pools, pool->id);
	xa_unlock_bh(&ppiov_pools);

	/* Who gave back the last buffer or pin may still be looking. */
	synchronize_rcu();
	/* ... and may have kicked; it finds the pool alive until here. */
	cancel_delayed_work(&pool->work);
	ppiov_pool_free(pool);
	return;

again:
	queue_delayed_work(ppiov_pool_wq, &pool->work, PPIOV_POOL_LOOK);
}

/**
 * ppiov_pool_kick() - look now whether a destroyed pool can go
 * @pool: the pool
 *
 * Context: any but hard interrupt, under RCU.
 */
void ppiov_pool_kick(struct ppiov_pool *pool)
{
	mod_delayed_work(ppiov_pool_wq, &pool->work, 0);
}

/**
 * ppiov_pool_pin() - keep a pool, though it may be destroyed
 * @pool: the caller has a buffer of it, a pin, or the right to destroy it
 *
 * Context: any.
 */
void ppiov_pool_pin(struct ppiov_pool *pool)
{
	atomic_inc(&pool->pins);
}
EXPORT_SYMBOL_GPL(ppiov_pool_pin);

/**
 * ppiov_pool_unpin() - undo ppiov_pool_pin()
 * @pool: not to be touched afterwards, unless the caller has another reason
 *
 * Context: any but hard interrupt.
 */
void ppiov_pool_unpin(struct ppiov_pool *pool)
{
	rcu_read_lock();
	/* Fully ordered against the store to @destroying. */
	if (atomic_dec_and_test(&pool->pins) && READ_ONCE(pool->destroying))
		ppiov_pool_kick(pool);
	rcu_read_unlock();
}
EXPORT_SYMBOL_GPL(ppiov_pool_unpin);

static int ppiov_pool_check(const struct ppiov_pool_params *p)
{
	if (!p->provider || !p->ring_size || p->ring_size > PPIOV_MAX_RING ||
	    p->order > MAX_PAGE_ORDER)
		return -EINVAL;
	if (p->dev && p->dma_dir != DMA_FROM_DEVICE &&
	    p->dma_dir != DMA_BIDIRECTIONAL)
		return -EINVAL;
	if (p->sync_len &&
	    (u64)p->sync_offset + p->sync_len > (u64)PAGE_SIZE << p->order)
		return -EINVAL;
	return 0;
}

/**
 * ppiov_pool_create() - make a pool
 * @params: copied
 *
 * Context: process, may sleep.
 * Return: a pool, or ERR_PTR(): -EINVAL for params out of range, -ENOMEM, or
 * what the provider's init says.
 */
struct ppiov_pool *ppiov_pool_create(const struct ppiov_pool_params *params)
{
	struct ppiov_pool *pool;
	int err;

	err = ppiov_pool_check(params);
	if (err)
		return ERR_PTR(err);

	pool = kzalloc_obj(*pool);
	if (!pool)
		return ERR_PTR(-ENOMEM);

	pool->p = *params;
	pool->buf_size = PAGE_SIZE << params->order;
	pool->is_iov = params->provider->flags & PPIOV_F_IOV;
	pool->sync = params->dev && params->sync_len && !pool->is_iov;
	INIT_DELAYED_WORK(&pool->work, ppiov_pool_end);

	pool->stats = alloc_percpu(struct ppiov_pool_stats);
	if (!pool->stats) {
		err = -ENOMEM;
		goto err_pool;
	}
	err = ptr_ring_init(&pool->ring, params->ring_size + PPIOV_RING_SLACK,
			    GFP_KERNEL);
	if (err)
		goto err_stats;

	/* The caller has one; the pool may outlive it. */
	if (!try_module_get(params->provider->owner)) {
		err = -ENODEV;
		goto err_ring;
	}
	pool->ops = params->provider;
	get_device(params->dev);
	if (params->binding)
		ppiov_binding_get(params->binding);
	/* On before the first iov, and until after the last. */
	if (pool->is_iov)
		static_branch_deferred_inc(&ppiov_iov_key);

	err = pool->ops->init(pool);
	if (err)
		goto err_held;

	err = xa_alloc_cyclic_bh(&ppiov_pools, &pool->id, pool, xa_limit_31b,
				 &ppiov_pool_last_id, GFP_KERNEL);
	if (err < 0)
		goto err_init;
	return pool;

err_init:
	pool->ops->destroy(pool);
err_held:
	/* Drops what was taken since err_ring, and frees all else. */
	ppiov_pool_free(pool);
	return ERR_PTR(err);

err_ring:
	ptr_ring_cleanup(&pool->ring, NULL);
err_stats:
	free_percpu(pool->stats);
err_pool:
	kfree(pool);
	return ERR_PTR(err);
}
EXPORT_SYMBOL_GPL(ppiov_pool_create);

/**
 * ppiov_pool_destroy() - the driver is done with a pool
 * @pool: nobody allocates from it any more; buffers may be out
 *
 * The pool goes when its last buffer is back; until then it is reported as
 * detached, and as stalled each stall_seconds.
 *
 * Context: process, may sleep.
 */
void ppiov_pool_destroy(struct ppiov_pool *pool)
{
	ppiov_pool_disable_direct(pool);

	pool->destroyed_at = jiffies;
	pool->warned_at = jiffies;
	WRITE_ONCE(pool->p.netdev, NULL);

	/* As soon as @destroying is seen, the last buffer's release may kick,
	 * and the pool be gone: keep it.
	 */
	ppiov_pool_pin(pool);
	/* Under the lock: see ppiov_put_ring(). */
	spin_lock_bh(&pool->ring.producer_lock);
	WRITE_ONCE(pool->destroying, true);
	spin_unlock_bh(&pool->ring.producer_lock);

	ppiov_pool_flush(pool);
	/* Not ppiov_pool_unpin(): others' pins are no reason not to look. Who
	 * looks finds out that they stay, and says so.
	 */
	rcu_read_lock();
	atomic_dec(&pool->pins);
	ppiov_pool_kick(pool);
	rcu_read_unlock();
}
EXPORT_SYMBOL_GPL(ppiov_pool_destroy);

/**
 * ppiov_pool_enable_direct() - from now on a NAPI is the pool's consumer
 * @pool: the pool
 * @napi: disabled
 *
 * Buffers that are put in softirq while @napi runs on the same CPU go straight
 * into the cache. Called when a queue starts, not when its pool is made: a
 * pool may be made and thrown away while another one is in use.
 *
 * Context: process.
 */
void ppiov_pool_enable_direct(struct ppiov_pool *pool, struct napi_struct *napi)
{
	WRITE_ONCE(pool->napi, napi);
}
EXPORT_SYMBOL_GPL(ppiov_pool_enable_direct);

/**
 * ppiov_pool_disable_direct() - the pool has no consumer any more
 * @pool: the pool
 *
 * Context: process; the NAPI is disabled, or has never run for the pool.
 */
void ppiov_pool_disable_direct(struct ppiov_pool *pool)
{
	WRITE_ONCE(pool->napi, NULL);
}
EXPORT_SYMBOL_GPL(ppiov_pool_disable_direct);

/* ----------------------------------------------------------- what is there */

/**
 * ppiov_pool_next() - walk the pools
 * @id: in: the lowest id to look at. out: the pool's
 *
 * Context: process or softirq.
 * Return: the pool, pinned: ppiov_pool_unpin() it. NULL: no more.
 */
struct ppiov_pool *ppiov_pool_next(u32 *id)
{
	unsigned long index = *id;
	struct ppiov_pool *pool;

	xa_lock_bh(&ppiov_pools);
	pool = xa_find(&ppiov_pools, &index, UINT_MAX, XA_PRESENT);
	if (pool) {
		ppiov_pool_pin(pool);
		*id = index;
	}
	xa_unlock_bh(&ppiov_pools);
	return pool;
}
EXPORT_SYMBOL_GPL(ppiov_pool_next);

/**
 * ppiov_pool_inflight() - buffers that the provider gave and has not got back
 * @pool: the pool
 *
 * Those that wait in the pool's cache and ring are among them, as in core's
 * page_pool_inflight().
 *
 * Context: any.
 * Return: how many.
 */
u32 ppiov_pool_inflight(const struct ppiov_pool *pool)
{
	return READ_ONCE(pool->held) - (u32)atomic_read(&pool->released);
}
EXPORT_SYMBOL_GPL(ppiov_pool_inflight);

/**
 * ppiov_pool_detached() - was it destroyed, with buffers or pins out?
 * @pool: the pool
 *
 * Context: any.
 * Return: whether it was.
 */
bool ppiov_pool_detached(const struct ppiov_pool *pool)
{
	return READ_ONCE(pool->destroying);
}
EXPORT_SYMBOL_GPL(ppiov_pool_detached);

/**
 * ppiov_pool_id() - what netlink calls a pool
 * @pool: the pool
 *
 * Context: any.
 * Return: a number, never 0.
 */
u32 ppiov_pool_id(const struct ppiov_pool *pool)
{
	return pool->id;
}
EXPORT_SYMBOL_GPL(ppiov_pool_id);

/**
 * ppiov_pool_buf_size() - how large a buffer is
 * @pool: the pool
 *
 * Context: any.
 * Return: bytes.
 */
u32 ppiov_pool_buf_size(const struct ppiov_pool *pool)
{
	return pool->buf_size;
}
EXPORT_SYMBOL_GPL(ppiov_pool_buf_size);

/**
 * ppiov_pool_is_iov() - what the buffers are
 * @pool: the pool
 *
 * Context: any.
 * Return: true for iovs, false for pages.
 */
bool ppiov_pool_is_iov(const struct ppiov_pool *pool)
{
	return pool->is_iov;
}
EXPORT_SYMBOL_GPL(ppiov_pool_is_iov);

/**
 * ppiov_pool_params() - what a pool was made of
 * @pool: the pool
 *
 * Context: any; @netdev in it under RTNL, once the pool may be destroyed.
 * Return: as given to ppiov_pool_create(); constant, but @netdev.
 */
const struct ppiov_pool_params *ppiov_pool_params(const struct ppiov_pool *pool)
{
	return &pool->p;
}
EXPORT_SYMBOL_GPL(ppiov_pool_params);

/**
 * ppiov_pool_refuse() - in a provider's init: why it will not
 * @pool: being made
 * @err: negative errno
 * @fmt: a sentence for whoever asked for the binding; at most 79 bytes are told
 *
 * Told only if netlink asks for the pool: a queue that is bound while its port
 * is down has it made later. The words are copied, as the provider's module may
 * be gone when they are sent.
 *
 * Context: process, as init; RTNL held if netlink asks.
 * Return: @err.
 */
int ppiov_pool_refuse(const struct ppiov_pool *pool, int err, const char *fmt,
		      ...)
{
	const struct ppiov_binding *binding = pool->p.binding;
	struct va_format vaf = { .fmt = fmt };
	va_list args;

	va_start(args, fmt);
	vaf.va = &args;
	if (binding)
		NL_SET_ERR_MSG_FMT(binding->extack, "%pV", &vaf);
	va_end(args);
	return err;
}
EXPORT_SYMBOL_GPL(ppiov_pool_refuse);

/**
 * ppiov_pool_priv() - what a provider keeps with a pool
 * @pool: of the provider
 *
 * Context: any.
 * Return: as given to ppiov_pool_set_priv(), or NULL.
 */
void *ppiov_pool_priv(const struct ppiov_pool *pool)
{
	return pool->priv;
}
EXPORT_SYMBOL_GPL(ppiov_pool_priv);

/**
 * ppiov_pool_set_priv() - keep something with a pool
 * @pool: of the provider
 * @priv: whatever the provider likes
 *
 * Context: the provider's init.
 */
void ppiov_pool_set_priv(struct ppiov_pool *pool, void *priv)
{
	pool->priv = priv;
}
EXPORT_SYMBOL_GPL(ppiov_pool_set_priv);

/* ------------------------------------------------------------ load, unload */

/* What compat/page_layout.h asserted, looked at in a page of this kernel. */
static int __init ppiov_check_page(void)
{
	struct page *page = alloc_page(GFP_KERNEL);
	struct ppiov_netmem_desc *desc = (struct ppiov_netmem_desc *)page;
	int err = 0;

	if (!page)
		return -ENOMEM;

	atomic_long_set(&desc->pp_ref_count, 42);
	if (page_private(page) != 42 || page->mapping ||
	    desc->_pp_mapping_pad || page_ref_count(page) != 1 ||
	    PageTail(page)) {
		pr_err("ppiov: struct page is not laid out as this module was built for\n");
		err = -EINVAL;
	}
	atomic_long_set(&desc->pp_ref_count, 0);
	__free_page(page);
	return err;
}

/**
 * ppiov_pool_init() - set up what all pools need
 *
 * Context: module init.
 * Return: 0, -ENOMEM, or -EINVAL for a kernel with another struct page.
 */
int __init ppiov_pool_init(void)
{
	int err = ppiov_check_page();

	if (err)
		return err;
	ppiov_pool_wq = alloc_workqueue("ppiov_pool", WQ_UNBOUND, 0);
	return ppiov_pool_wq ? 0 : -ENOMEM;
}

/**
 * ppiov_pool_exit() - wait until the last pool is gone
 *
 * A pool holds its provider's module, and that is this one or depends on it:
 * what is left here is a work item that has put it and is about to return.
 *
 * Context: module exit.
 */
void ppiov_pool_exit(void)
{
	destroy_workqueue(ppiov_pool_wq);
	static_key_deferred_flush(&ppiov_iov_key);
	WARN_ON(!xa_empty(&ppiov_pools));
}
