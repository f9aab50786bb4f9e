// SPDX-License-Identifier: GPL-2.0-only
/*
 * The pool's fast paths: alloc, put, frags and references.
 *
 * The structure is that of net/core/page_pool.c. What is different: the
 * source of buffers is always a provider, a put that comes twice is refused,
 * and after ppiov_pool_destroy() buffers go straight back to the provider
 * instead of waiting in the ring for a work item to look.
 */
#include <linux/bottom_half.h>
#include <linux/dma-mapping.h>
#include <linux/indirect_call_wrapper.h>
#include <linux/netdevice.h>
#include <linux/preempt.h>

#include "buffer.h"
#include "pool_priv.h"

/* Patching the kernel's text stops all CPUs, and a pool lives no longer than a
 * setting of the NIC. So the branch is turned on at once and off at leisure:
 * until then page and iov are told apart by the tag alone, which is right too.
 */
DEFINE_STATIC_KEY_DEFERRED_FALSE(ppiov_iov_key, PPIOV_IOV_KEY_LINGERS);
/* For what <ppiov/netmem.h> asks inline. */
EXPORT_SYMBOL_GPL(ppiov_iov_key);

/* As many references as no user comes near; see ppiov_pool_alloc_frag(). */
#define PPIOV_FRAG_BIAS (LONG_MAX >> 1)

/* From IDLE to OUT, or back. Bit 1 stays, and it is one instruction. */
static __always_inline void ppiov_flip_magic(struct ppiov_netmem_desc *desc)
{
	desc->pp_magic ^= PPIOV_MAGIC_OUT ^ PPIOV_MAGIC_IDLE;
}

/* ------------------------------------------------------------ to the device */

static void ppiov_sync_for_device(const struct ppiov_pool *pool,
				  ppiov_netmem_t netmem)
{
	if (pool->sync)
		dma_sync_single_range_for_device(pool->p.dev,
						 ppiov_netmem_dma(netmem),
						 pool->p.sync_offset,
						 pool->p.sync_len,
						 pool->p.dma_dir);
}

/**
 * ppiov_pool_sync_for_cpu() - make visible what the device wrote
 * @pool: whose buffer
 * @netmem: the buffer; nothing happens for an iov, which no CPU reads
 * @offset: from the pool's sync_offset on, bytes
 * @len: bytes
 *
 * Context: any but hard interrupt.
 */
void ppiov_pool_sync_for_cpu(const struct ppiov_pool *pool,
			     ppiov_netmem_t netmem, unsigned int offset,
			     unsigned int len)
{
	if (pool->sync)
		dma_sync_single_range_for_cpu(pool->p.dev,
					      ppiov_netmem_dma(netmem),
					      pool->p.sync_offset + offset, len,
					      pool->p.dma_dir);
}
EXPORT_SYMBOL_GPL(ppiov_pool_sync_for_cpu);

/* ---------------------------------------------------------------- provider */

/* The pool may go as soon as @released says that this was the last one:
 * ppiov_pool_end() waits for us.
 */
static __always_inline void __ppiov_release(struct ppiov_pool *pool,
					    ppiov_netmem_t netmem)
{
	INDIRECT_CALL_1(pool->ops->release, ppiov_page_release, pool, netmem);
	/* Fully ordered against the store to @destroying. */
	atomic_inc_return(&pool->released);
	if (unlikely(READ_ONCE(pool->destroying)) && !ppiov_pool_inflight(pool))
		ppiov_pool_kick(pool);
}

/* Who waits for RCU waits for whoever has BH off. */
static noinline void ppiov_release_rcu(struct ppiov_pool *pool,
				       ppiov_netmem_t netmem)
{
	rcu_read_lock();
	__ppiov_release(pool, netmem);
	rcu_read_unlock();
}

/* Give a buffer that nobody uses back to the provider. Any context. */
static void ppiov_release(struct ppiov_pool *pool, ppiov_netmem_t netmem)
{
	if (likely(in_softirq()))
		__ppiov_release(pool, netmem);
	else
		ppiov_release_rcu(pool, netmem);
}

/* Fill the empty cache from the provider, and return one of its buffers. */
static ppiov_netmem_t ppiov_alloc_bulk(struct ppiov_pool *pool, gfp_t gfp)
{
	unsigned int n, i;

	n = pool->ops->alloc_bulk(pool, gfp, pool->cache, PPIOV_CACHE_REFILL);
	if (unlikely(!n))
		return PPIOV_NETMEM_NONE;
	WRITE_ONCE(pool->held, pool->held + n);
	this_cpu_add(pool->stats->alloc_slow, n);
	if (pool->sync)
		for (i = 0; i < n; i++)
			ppiov_sync_for_device(pool, pool->cache[i]);
	pool->count = n - 1;
	return pool->cache[n - 1];
}

/* Get a buffer from the provider, and perhaps more for the empty cache. */
static noinline ppiov_netmem_t ppiov_alloc_slow(struct ppiov_pool *pool,
						gfp_t gfp)
{
	ppiov_netmem_t netmem;

	if (pool->ops->alloc_bulk)
		return ppiov_alloc_bulk(pool, gfp);
	netmem = pool->ops->alloc(pool, gfp);
	if (unlikely(netmem == PPIOV_NETMEM_NONE))
		return netmem;
	WRITE_ONCE(pool->held, pool->held + 1);
	this_cpu_inc(pool->stats->alloc_slow);
	ppiov_sync_for_device(pool, netmem);
	return netmem;
}

/* ------------------------------------------------------------------- alloc */

/* Another node's page costs more on each use than a new one does once. */
static bool ppiov_wrong_node(const struct ppiov_pool *pool,
			     ppiov_netmem_t netmem)
{
	int nid;

	if (!IS_ENABLED(CONFIG_NUMA) || pool->p.nid == NUMA_NO_NODE)
		return false;
	nid = ppiov_netmem_nid(netmem);
	return nid != NUMA_NO_NODE && nid != pool->p.nid;
}

static noinline ppiov_netmem_t ppiov_refill(struct ppiov_pool *pool)
{
	ppiov_netmem_t netmem;
	void *entry;

	while (pool->count < PPIOV_CACHE_REFILL) {
		/* The consumer is alone, so no lock: see struct ppiov_pool. */
		entry = __ptr_ring_consume(&pool->ring);
		if (!entry)
			break;
		netmem = (__force ppiov_netmem_t)(unsigned long)entry;
		if (unlikely(ppiov_wrong_node(pool, netmem))) {
			this_cpu_inc(pool->stats->recycle_foreign);
			ppiov_release(pool, netmem);
			continue;
		}
		pool->cache[pool->count++] = netmem;
	}
	if (!pool->count)
		return PPIOV_NETMEM_NONE;

	this_cpu_inc(pool->stats->alloc_refill);
	return pool->cache[--pool->count];
}

/* The cache is empty. Kept out of ppiov_pool_alloc(), which then saves no
 * registers.
 */
static noinline ppiov_netmem_t ppiov_alloc_refill(struct ppiov_pool *pool,
						  gfp_t gfp)
{
	ppiov_netmem_t netmem = ppiov_refill(pool);

	if (netmem == PPIOV_NETMEM_NONE)
		netmem = ppiov_alloc_slow(pool, gfp);
	/* A provider that takes buffers back from user space puts them into
	 * the pool by that.
	 */
	if (netmem == PPIOV_NETMEM_NONE)
		netmem = ppiov_refill(pool);
	if (netmem == PPIOV_NETMEM_NONE) {
		this_cpu_inc(pool->stats->alloc_fail);
		return netmem;
	}
	ppiov_flip_magic(ppiov_netmem_desc(netmem));
	return netmem;
}

static __always_inline ppiov_netmem_t ppiov_alloc(struct ppiov_pool *pool,
						  gfp_t gfp)
{
	ppiov_netmem_t netmem;

	if (unlikely(!pool->count))
		return ppiov_alloc_refill(pool, gfp);
	netmem = pool->cache[--pool->count];
	this_cpu_inc(pool->stats->alloc_fast);
	ppiov_flip_magic(ppiov_netmem_desc(netmem));
	return netmem;
}

/**
 * ppiov_pool_alloc() - get a buffer, with one reference
 * @pool: from here
 * @gfp: for the provider, if it has to allocate
 *
 * Context: the pool's consumer: its NAPI, or with that off.
 * Return: a buffer, or PPIOV_NETMEM_NONE.
 */
ppiov_netmem_t ppiov_pool_alloc(struct ppiov_pool *pool, gfp_t gfp)
{
	return ppiov_alloc(pool, gfp);
}
EXPORT_SYMBOL_GPL(ppiov_pool_alloc);

/**
 * ppiov_pool_alloc_bulk() - get several buffers, with one reference each
 * @pool: from here
 * @gfp: as for ppiov_pool_alloc()
 * @netmems: filled from the front
 * @n: how many are wanted
 *
 * Context: as ppiov_pool_alloc().
 * Return: how many there are, 0 to @n.
 */
unsigned int ppiov_pool_alloc_bulk(struct ppiov_pool *pool, gfp_t gfp,
				   ppiov_netmem_t *netmems, unsigned int n)
{
	unsigned int i;

	for (i = 0; i < n; i++) {
		netmems[i] = ppiov_alloc(pool, gfp);
		if (netmems[i] == PPIOV_NETMEM_NONE)
			break;
	}
	return i;
}
EXPORT_SYMBOL_GPL(ppiov_pool_alloc_bulk);

/* -------------------------------------------------------------- references */

/**
 * ppiov_netmem_get() - more users of a buffer
 * @netmem: a buffer that is out
 * @n: how many, positive
 *
 * Context: any; the caller has a reference.
 */
void ppiov_netmem_get(ppiov_netmem_t netmem, long n)
{
	atomic_long_add(n, &ppiov_netmem_desc(netmem)->pp_ref_count);
}
EXPORT_SYMBOL_GPL(ppiov_netmem_get);

/* --------------------------------------------------------------------- put */

/* May this buffer be used again? A page may have found other users in mm. */
static __always_inline bool ppiov_recyclable(ppiov_netmem_t netmem)
{
	const struct page *page;

	if (ppiov_netmem_is_iov(netmem))
		return true;
	/* Not asked again: ppiov_netmem_to_page() would. */
	page = (const struct page *)ppiov_netmem_desc(netmem);
	return likely(page_ref_count(page) == 1 && !page_is_pfmemalloc(page));
}

/* Is the caller alone with the consumer's side? As page_pool_napi_local(). */
static bool ppiov_is_consumer(const struct ppiov_pool *pool)
{
	const struct napi_struct *napi;

	if (!in_softirq() || in_hardirq())
		return false;
	napi = READ_ONCE(pool->napi);
	return napi && READ_ONCE(napi->list_owner) == smp_processor_id();
}

static noinline void ppiov_refuse(struct ppiov_pool *pool)
{
	this_cpu_inc(pool->stats->double_put);
	WARN_ONCE(1, "ppiov: buffer was put twice, or into the wrong pool\n");
}

enum ppiov_odd {
	PPIOV_ODD_REFUSED, /* the pool has it already, or it is not its own */
	PPIOV_ODD_FOREIGN, /* can't be used again: to be released */
	PPIOV_ODD_PLAIN,   /* can be, after all */
};

/* Take the last reference of a buffer that is not ppiov_plain(): mark it as
 * the pool's, unless it is refused.
 */
static __always_inline enum ppiov_odd ppiov_take_odd(struct ppiov_pool *pool,
						     ppiov_netmem_t netmem)
{
	struct ppiov_netmem_desc *desc = ppiov_netmem_desc(netmem);

	if (unlikely(ppiov_magic(desc) != PPIOV_MAGIC_OUT || desc->pp != pool))
		return PPIOV_ODD_REFUSED;
	ppiov_flip_magic(desc);
	/* Somebody's reference of the page may have gone since it was asked. */
	if (unlikely(ppiov_recyclable(netmem)))
		return PPIOV_ODD_PLAIN;
	this_cpu_inc(pool->stats->recycle_foreign);
	return PPIOV_ODD_FOREIGN;
}

/*
 * Is it what nearly every put brings? All that is asked of the magic is one
 * comparison: whose it is, that it is out, and that it is not from the
 * reserves, whose bit is in the same word and never set in an iov.
 */
static __always_inline bool ppiov_plain(const struct ppiov_pool *pool,
					ppiov_netmem_t netmem)
{
	const struct ppiov_netmem_desc *desc = ppiov_netmem_desc(netmem);

	if (READ_ONCE(desc->pp_magic) != PPIOV_MAGIC_OUT || desc->pp != pool)
		return false;
	return ppiov_netmem_is_iov(netmem) ||
	       page_ref_count((const struct page *)desc) == 1;
}

/* Is there something left to be done with it? */
static noinline bool ppiov_take_slow(struct ppiov_pool *pool,
				     ppiov_netmem_t netmem)
{
	switch (ppiov_take_odd(pool, netmem)) {
	case PPIOV_ODD_REFUSED:
		ppiov_refuse(pool);
		return false;
	case PPIOV_ODD_FOREIGN:
		ppiov_release(pool, netmem);
		return false;
	case PPIOV_ODD_PLAIN:
		break;
	}
	ppiov_sync_for_device(pool, netmem);
	return true;
}

/* The same, but quick for a plain one. */
static __always_inline bool ppiov_take(struct ppiov_pool *pool,
				       ppiov_netmem_t netmem)
{
	if (unlikely(!ppiov_plain(pool, netmem)))
		return ppiov_take_slow(pool, netmem);
	ppiov_flip_magic(ppiov_netmem_desc(netmem));
	ppiov_sync_for_device(pool, netmem);
	return true;
}

static __always_inline bool ppiov_put_cache(struct ppiov_pool *pool,
					    ppiov_netmem_t netmem)
{
	if (unlikely(pool->count == PPIOV_CACHE_SIZE)) {
		this_cpu_inc(pool->stats->recycle_cache_full);
		return false;
	}
	pool->cache[pool->count++] = netmem;
	this_cpu_inc(pool->stats->recycle_cache);
	return true;
}

/* Returns how many of the first @n buffers the ring took. */
static __always_inline unsigned int ppiov_produce(struct ppiov_pool *pool,
						  const ppiov_netmem_t *netmems,
						  unsigned int n)
{
	unsigned int i = 0;

	/* Once destroyed, nobody takes them out again. */
	if (likely(!pool->destroying))
		for (; i < n; i++)
			if (__ptr_ring_produce(&pool->ring,
					       (void *)(__force unsigned long)
						       netmems[i]))
				break;
	/* Once the lock is free, what the ring took keeps no pool. */
	this_cpu_add(pool->stats->recycle_ring, i);
	return i;
}

/* The same, under the ring's lock. Softirq needn't turn off what is off. */
static __always_inline unsigned int
ppiov_put_ring(struct ppiov_pool *pool, const ppiov_netmem_t *netmems,
	       unsigned int n)
{
	unsigned int i;

	if (in_softirq()) {
		spin_lock(&pool->ring.producer_lock);
		i = ppiov_produce(pool, netmems, n);
		spin_unlock(&pool->ring.producer_lock);
	} else {
		spin_lock_bh(&pool->ring.producer_lock);
		i = ppiov_produce(pool, netmems, n);
		spin_unlock_bh(&pool->ring.producer_lock);
	}

	if (unlikely(i < n))
		this_cpu_add(pool->stats->recycle_ring_full, n - i);
	return i;
}

/* Called under the ring's lock. Once destroyed, nobody takes them out again. */
static __always_inline bool ppiov_produce_one(struct ppiov_pool *pool,
					      ppiov_netmem_t netmem)
{
	if (unlikely(pool->destroying ||
		     __ptr_ring_produce(&pool->ring,
					(void *)(__force unsigned long)netmem)))
		return false;
	this_cpu_inc(pool->stats->recycle_ring);
	return true;
}

/* One that the consumer's cache does not get, or has no room for: nearly all
 * that come from user space. So not ppiov_put_ring(), which has a loop.
 */
static noinline void ppiov_put_one(struct ppiov_pool *pool,
				   ppiov_netmem_t netmem)
{
	bool kept;

	if (in_softirq()) {
		spin_lock(&pool->ring.producer_lock);
		kept = ppiov_produce_one(pool, netmem);
		spin_unlock(&pool->ring.producer_lock);
	} else {
		spin_lock_bh(&pool->ring.producer_lock);
		kept = ppiov_produce_one(pool, netmem);
		spin_unlock_bh(&pool->ring.producer_lock);
	}
	if (likely(kept))
		return;
	this_cpu_inc(pool->stats->recycle_ring_full);
	ppiov_release(pool, netmem);
}

static __always_inline void ppiov_put_taken(struct ppiov_pool *pool,
					    ppiov_netmem_t netmem, bool direct)
{
	if ((direct || ppiov_is_consumer(pool)) &&
	    ppiov_put_cache(pool, netmem))
		return;
	ppiov_put_one(pool, netmem);
}

static noinline void ppiov_put_synced(struct ppiov_pool *pool,
				      ppiov_netmem_t netmem, bool direct)
{
	ppiov_sync_for_device(pool, netmem);
	ppiov_put_taken(pool, netmem, direct);
}

/* Ends in a call whatever it is, and so saves nothing for one. */
static noinline void ppiov_put_odd(struct ppiov_pool *pool,
				   ppiov_netmem_t netmem, bool direct)
{
	switch (ppiov_take_odd(pool, netmem)) {
	case PPIOV_ODD_REFUSED:
		ppiov_refuse(pool);
		return;
	case PPIOV_ODD_FOREIGN:
		ppiov_release(pool, netmem);
		return;
	case PPIOV_ODD_PLAIN:
		ppiov_put_synced(pool, netmem, direct);
		return;
	}
}

/**
 * ppiov_pool_put_last() - recycle a buffer whose last reference it was
 * @pool: that the buffer came from
 * @netmem: the buffer, as ppiov_netmem_put_refs() leaves it
 * @direct: as for ppiov_pool_put()
 *
 * What needs a call is done by another function that ends this one, so that
 * nothing is saved for it: 8 instructions.
 *
 * Context: any but hard interrupt.
 */
void ppiov_pool_put_last(struct ppiov_pool *pool, ppiov_netmem_t netmem,
			 bool direct)
{
	struct ppiov_netmem_desc *desc = ppiov_netmem_desc(netmem);

	if (unlikely(!ppiov_plain(pool, netmem))) {
		ppiov_put_odd(pool, netmem, direct);
		return;
	}
	ppiov_flip_magic(desc);
	if (unlikely(pool->sync)) {
		ppiov_put_synced(pool, netmem, direct);
		return;
	}
	ppiov_put_taken(pool, netmem, direct);
}
EXPORT_SYMBOL_GPL(ppiov_pool_put_last);

/**
 * ppiov_pool_put_bulk() - ppiov_pool_put() for several buffers, in one go
 * @pool: that they came from
 * @netmems: the buffers
 * @n: how many
 * @direct: as for ppiov_pool_put()
 *
 * The ring's lock is taken once for up to 16 of them.
 *
 * Context: any but hard interrupt.
 */
void ppiov_pool_put_bulk(struct ppiov_pool *pool, const ppiov_netmem_t *netmems,
			 unsigned int n, bool direct)
{
	ppiov_netmem_t batch[16];
	unsigned int i, nr = 0, done;

	direct = direct || ppiov_is_consumer(pool);
	for (i = 0; i < n; i++) {
		if (ppiov_netmem_put_refs(netmems[i], 1) &&
		    ppiov_take(pool, netmems[i]) &&
		    !(direct && ppiov_put_cache(pool, netmems[i])))
			batch[nr++] = netmems[i];

		if (nr && (nr == ARRAY_SIZE(batch) || i == n - 1)) {
			done = ppiov_put_ring(pool, batch, nr);
			while (done < nr)
				ppiov_release(pool, batch[done++]);
			nr = 0;
		}
	}
}
EXPORT_SYMBOL_GPL(ppiov_pool_put_bulk);

/* ------------------------------------------------------------------- frags */

/* Give back what the frags did not use of the bias. */
static ppiov_netmem_t ppiov_frag_drain(struct ppiov_pool *pool)
{
	ppiov_netmem_t netmem = pool->frag.netmem;

	pool->frag.netmem = PPIOV_NETMEM_NONE;
	if (!ppiov_netmem_put_refs(netmem, PPIOV_FRAG_BIAS - pool->frag.users))
		return PPIOV_NETMEM_NONE;

	/* All frags are back: the same buffer can be cut again. */
	if (ppiov_recyclable(netmem)) {
		ppiov_sync_for_device(pool, netmem);
		return netmem;
	}
	ppiov_pool_put(pool, netmem, true);
	return PPIOV_NETMEM_NONE;
}

/**
 * ppiov_pool_alloc_frag() - get a part of a buffer, with one reference
 * @pool: from here
 * @gfp: as for ppiov_pool_alloc()
 * @size: bytes, at most a buffer
 * @offset: where in the buffer the part begins
 *
 * Each part is given back with ppiov_pool_put(). References are taken as a
 * large number at once and what is left is dropped when the buffer is used
 * up, as in page_pool_alloc_frag_netmem(): no atomic per frag.
 *
 * Context: as ppiov_pool_alloc().
 * Return: the buffer, or PPIOV_NETMEM_NONE.
 */
ppiov_netmem_t ppiov_pool_alloc_frag(struct ppiov_pool *pool, gfp_t gfp,
				     unsigned int size, unsigned int *offset)
{
	ppiov_netmem_t netmem = pool->frag.netmem;

	if (WARN_ON_ONCE(!size || size > pool->buf_size))
		return PPIOV_NETMEM_NONE;
	size = ALIGN(size, dma_get_cache_alignment());

	if (netmem != PPIOV_NETMEM_NONE &&
	    pool->frag.offset + size <= pool->buf_size) {
		pool->frag.users++;
		*offset = pool->frag.offset;
		pool->frag.offset += size;
		return netmem;
	}

	if (netmem != PPIOV_NETMEM_NONE)
		netmem = ppiov_frag_drain(pool);
	if (netmem == PPIOV_NETMEM_NONE)
		netmem = ppiov_pool_alloc(pool, gfp);
	if (netmem == PPIOV_NETMEM_NONE)
		return netmem;

	atomic_long_set(&ppiov_netmem_desc(netmem)->pp_ref_count,
			PPIOV_FRAG_BIAS);
	pool->frag.netmem = netmem;
	pool->frag.users = 1;
	pool->frag.offset = size;
	*offset = 0;
	return netmem;
}
EXPORT_SYMBOL_GPL(ppiov_pool_alloc_frag);

/**
 * ppiov_pool_flush() - give all idle buffers back to the provider
 * @pool: with @destroying set, so that nothing enters the ring any more
 *
 * Context: process; there is no consumer any more.
 */
void ppiov_pool_flush(struct ppiov_pool *pool)
{
	ppiov_netmem_t netmem;
	void *entry;

	if (pool->frag.netmem != PPIOV_NETMEM_NONE) {
		netmem = ppiov_frag_drain(pool);
		if (netmem != PPIOV_NETMEM_NONE)
			ppiov_pool_put(pool, netmem, false);
	}
	while (pool->count)
		ppiov_release(pool, pool->cache[--pool->count]);
	while ((entry = ptr_ring_consume_bh(&pool->ring)))
		ppiov_release(pool,
			      (__force ppiov_netmem_t)(unsigned long)entry);
}
