// SPDX-License-Identifier: GPL-2.0-only
/*
 * Provider "ring": iovs over memory that user space has mapped, refilled by
 * user space through a ring that it has mapped as well (ring.c, ring_mem.c).
 *
 * recvmsg() tells offsets, user space reads its own memory there, and gives
 * buffers back without a system call: that is io_uring's zero-copy receive,
 * for who has no io_uring. Unlike there, what comes back is a packet's token,
 * not a buffer's: one entry for all buffers of a packet.
 *
 * From: io_uring/zcrx.c for the way of the buffers; threads 2 and 5 for one
 * completion per packet.
 */
#include <linux/dma-buf.h>
#include <linux/module.h>
#include <linux/slab.h>

#include "../include/ppiov/carrier.h"
#include "../include/ppiov/pool.h"
#include "../include/ppiov/ring.h"
#include "binding_priv.h"
#include "internal.h"
#include "ring_priv.h"

/* ------------------------------------------------------------------ buffers */

static void ppiov_ring_fill_chunk(struct ppiov_ring_buffers *b,
				  struct ppiov_chunk *chunk, u32 first,
				  const struct ppiov_run *run, u32 shift)
{
	u32 i;

	chunk->iovs = &b->iovs[first];
	chunk->nr = run->len >> shift;
	chunk->shift = shift;
	chunk->base = run->base;
	chunk->dma = run->dma;
	for (i = 0; i < chunk->nr; i++)
		chunk->iovs[i].owner = chunk;
}

static void ppiov_ring_buffers_free(struct ppiov_ring_buffers *b)
{
	kvfree(b->free);
	kvfree(b->iovs);
	kvfree(b->chunks);
	b->free = NULL;
	b->iovs = NULL;
	b->chunks = NULL;
	b->nr_free = 0;
	b->binding = NULL;
}

static int ppiov_ring_buffers_alloc(struct ppiov_ring_buffers *b,
				    struct ppiov_binding *binding)
{
	u32 shift = PAGE_SHIFT + binding->order;
	u32 nr = binding->size >> shift;
	u32 runs = 0, i, at = 0;
	struct ppiov_run run;

	lockdep_assert_held(&b->lock);
	ppiov_run_first(binding, &run);
	while (ppiov_run_next(binding, &run))
		runs++;

	b->chunks = kvcalloc(runs, sizeof(*b->chunks), GFP_KERNEL);
	b->iovs = kvcalloc(nr, sizeof(*b->iovs), GFP_KERNEL);
	b->free = kvmalloc_array(nr, sizeof(*b->free), GFP_KERNEL);
	if (!b->chunks || !b->iovs || !b->free) {
		ppiov_ring_buffers_free(b);
		return -ENOMEM;
	}

	ppiov_run_first(binding, &run);
	for (i = 0; i < runs && ppiov_run_next(binding, &run); i++) {
		ppiov_ring_fill_chunk(b, &b->chunks[i], at, &run, shift);
		at += b->chunks[i].nr;
	}
	/* From the last, so that the first is given out first. */
	while (at)
		b->free[b->nr_free++] = &b->iovs[--at];
	b->binding = binding;
	return 0;
}

/* ------------------------------------------------------------- the provider */

static int ppiov_ring_pool_init(struct ppiov_pool *pool)
{
	const struct ppiov_pool_params *p = ppiov_pool_params(pool);
	struct ppiov_binding *binding = p->binding;
	struct ppiov_ring_buffers *b;
	struct ppiov_ring_file *ring;
	int err = 0;

	/* What a driver might get wrong. */
	if (!binding || !binding->sgt || p->dev != binding->dma_dev ||
	    p->order != binding->order)
		return -EINVAL;
	/* Lives as long as the dma-buf, which is the binding's. */
	ring = ppiov_ring_of(binding->dmabuf);
	if (!ring)
		return ppiov_pool_refuse(pool, -EINVAL,
					 "ring: the dma-buf is not of a ring");

	b = &ring->buffers;
	mutex_lock(&b->lock);
	if (!b->pools)
		err = ppiov_ring_buffers_alloc(b, binding);
	else if (b->binding != binding)
		err = ppiov_pool_refuse(pool, -EBUSY,
					"ring: buffers of its last binding are out");
	if (!err) {
		b->pools++;
		ppiov_pool_set_priv(pool, ring);
	}
	mutex_unlock(&b->lock);
	return err;
}

static struct page_pool_iov *ppiov_ring_pop(struct ppiov_ring_buffers *b)
{
	struct page_pool_iov *iov = NULL;

	spin_lock_bh(&b->free_lock);
	if (b->nr_free)
		iov = b->free[--b->nr_free];
	spin_unlock_bh(&b->free_lock);
	return iov;
}

static void ppiov_ring_push(struct ppiov_ring_buffers *b,
			    struct page_pool_iov *iov)
{
	spin_lock_bh(&b->free_lock);
	b->free[b->nr_free++] = iov;
	spin_unlock_bh(&b->free_lock);
}

/*
 * The pool is out of buffers, so look what user space has returned. That goes
 * to the pool's cache and ring first; we get what these have no room for.
 */
static ppiov_netmem_t ppiov_ring_alloc(struct ppiov_pool *pool, gfp_t gfp)
{
	struct ppiov_ring_file *ring = ppiov_pool_priv(pool);
	struct ppiov_ring_buffers *b = &ring->buffers;
	struct page_pool_iov *iov = ppiov_ring_pop(b);
	ppiov_netmem_t netmem;

	if (!iov && ppiov_ring_consume(ring))
		iov = ppiov_ring_pop(b);
	if (!iov)
		return PPIOV_NETMEM_NONE;

	netmem = ppiov_netmem_init_iov(pool, iov,
				       iov->owner->dma +
					       ((u64)ppiov_iov_index(iov)
						<< iov->owner->shift));
	if (netmem == PPIOV_NETMEM_NONE)
		ppiov_ring_push(b, iov);
	return netmem;
}

static void ppiov_ring_pool_release(struct ppiov_pool *pool,
				    ppiov_netmem_t netmem)
{
	struct ppiov_ring_file *ring = ppiov_pool_priv(pool);
	struct page_pool_iov *iov = ppiov_netmem_fini_iov(pool, netmem);

	if (iov)
		ppiov_ring_push(&ring->buffers, iov);
}

static void ppiov_ring_pool_destroy(struct ppiov_pool *pool)
{
	struct ppiov_ring_file *ring = ppiov_pool_priv(pool);
	struct ppiov_ring_buffers *b = &ring->buffers;

	mutex_lock(&b->lock);
	if (!--b->pools)
		ppiov_ring_buffers_free(b);
	mutex_unlock(&b->lock);
}

static const struct ppiov_provider_ops ppiov_ring_ops = {
	.name = "ring",
	.owner = THIS_MODULE,
	.flags = PPIOV_F_IOV | PPIOV_F_DMABUF | PPIOV_F_MAPPED,
	.init = ppiov_ring_pool_init,
	.alloc = ppiov_ring_alloc,
	.release = ppiov_ring_pool_release,
	.destroy = ppiov_ring_pool_destroy,
};

/* ------------------------------------------------------------ for recvmsg() */

/**
 * ppiov_ring_hold() - let user space have a packet's payload, by the ring
 * @carrier: the packet's
 * @token: what user space is to put into the ring
 *
 * Once for a packet in one recvmsg(), before the first piece of it is handed
 * out; its other pieces have the same token.
 *
 * Context: process, the socket locked.
 * Return: 0 and a reference of @carrier is the ring's; -ENOENT if the payload
 * is in no ring's buffers, so that the socket's tokens are to be used;
 * -ENOBUFS if all tokens are out, -ESHUTDOWN if the ring was closed.
 */
int ppiov_ring_hold(struct ppiov_carrier *carrier, u32 *token)
{
	const struct ppiov_pool_params *p = ppiov_pool_params(carrier->pool);

	if (p->provider != &ppiov_ring_ops)
		return -ENOENT;
	return ppiov_ring_hold_token(ppiov_pool_priv(carrier->pool), carrier,
				     token);
}

/**
 * ppiov_ring_drop() - undo ppiov_ring_hold()
 * @carrier: as there
 * @token: that user space was not told
 *
 * Context: process, the socket locked.
 */
void ppiov_ring_drop(struct ppiov_carrier *carrier, u32 token)
{
	ppiov_ring_drop_token(ppiov_pool_priv(carrier->pool), token);
}

/**
 * ppiov_provider_ring_init() - offer the provider
 *
 * Context: module init.
 * Return: 0 or -errno.
 */
int __init ppiov_provider_ring_init(void)
{
	int err;

	err = ppiov_ring_init();
	if (err)
		return err;
	err = ppiov_provider_register(&ppiov_ring_ops);
	if (err)
		ppiov_ring_exit();
	return err;
}

/**
 * ppiov_provider_ring_exit() - no longer offer it
 *
 * Context: module exit.
 */
void ppiov_provider_ring_exit(void)
{
	ppiov_provider_unregister(&ppiov_ring_ops);
	ppiov_ring_exit();
}
