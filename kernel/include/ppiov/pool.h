/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The pool: buffers for one RX queue, from a memory provider.
 *
 *            alloc                                   put
 *   user <--------- cache (128, NAPI only) <-direct-------- user
 *                     ^  refill                             |
 *                     ring (any CPU) <----------------------'
 *                     ^                                     | full
 *                   provider alloc          provider release <'
 *
 * A driver needs three calls: ppiov_pool_alloc(), ppiov_pool_put() and
 * ppiov_netmem_dma().
 *
 * From: net/core/page_pool.c for the cache, the ring and the way it is
 * destroyed; the provider calls are those of the memory-provider RFCs of 2023
 * (threads 1, 2 and 5).
 */
#ifndef PPIOV_POOL_H
#define PPIOV_POOL_H

#include <linux/build_bug.h>
#include <linux/dma-direction.h>
#include <linux/gfp_types.h>
#include <linux/list.h>
#include <linux/percpu.h>
#include <linux/ptr_ring.h>
#include <linux/refcount.h>
#include <linux/spinlock.h>
#include <linux/workqueue.h>

#include "netmem.h"

struct device;
struct module;
struct napi_struct;
struct net_device;
struct netlink_ext_ack;
struct ppiov_binding;
struct ppiov_pool;

#define PPIOV_CACHE_SIZE   128
#define PPIOV_CACHE_REFILL 64
#define PPIOV_MAX_RING     16384
#define PPIOV_NAME_LEN     16

/* Provider flags. */
#define PPIOV_F_IOV    BIT(0) /* gives iovs, else pages; never both */
#define PPIOV_F_DMABUF BIT(1) /* a binding must bring a dma-buf */
#define PPIOV_F_MAPPED BIT(2) /* sets DMA addresses itself: don't map */

/**
 * struct ppiov_provider_ops - where a pool's buffers come from
 * @name: what netlink calls it; unique
 * @owner: THIS_MODULE; held while a pool or a binding uses the provider
 * @flags: PPIOV_F_*
 * @init: take what the pool will need. Process context, may sleep.
 *	ppiov_pool_priv() and ppiov_pool_set_priv() are the provider's. 0 or
 *	-errno, for which ppiov_pool_refuse() has words; on error nothing else
 *	is called.
 * @alloc: one buffer, or PPIOV_NETMEM_NONE. The provider has called
 *	ppiov_netmem_init_page(), ppiov_netmem_init_mapped() or
 *	ppiov_netmem_init_iov() on it once. BH off, one caller at a time: the
 *	pool's consumer.
 * @alloc_bulk: in place of @alloc, for who gives several for little more than
 *	one: fills @netmems from the front with @n buffers or fewer, and returns
 *	how many. The same holds for each of them, and it puts none into the
 *	pool meanwhile. What is not wanted yet waits in the pool's cache, so it
 *	is not for memory that several pools have in common.
 * @release: take one buffer back, which nobody uses any more. Any context but
 *	hard interrupt, several CPUs at a time.
 * @destroy: all buffers were released. Process context, may sleep.
 *
 * From: struct memory_provider_ops of the 2023 RFCs (thread 2); core's
 * struct memory_provider_ops (include/net/page_pool/memory_provider.h).
 */
struct ppiov_provider_ops {
	const char *name;
	struct module *owner;
	unsigned int flags;
	int (*init)(struct ppiov_pool *pool);
	ppiov_netmem_t (*alloc)(struct ppiov_pool *pool, gfp_t gfp);
	unsigned int (*alloc_bulk)(struct ppiov_pool *pool, gfp_t gfp,
				   ppiov_netmem_t *netmems, unsigned int n);
	void (*release)(struct ppiov_pool *pool, ppiov_netmem_t netmem);
	void (*destroy)(struct ppiov_pool *pool);
};

int __ppiov_provider_register(const struct ppiov_provider_ops *ops);
void ppiov_provider_unregister(const struct ppiov_provider_ops *ops);

/**
 * ppiov_provider_register() - offer a provider
 * @ops: static const, so that the compiler can look at it
 *
 * A call that is missing, or twice, is an error of the compiler.
 *
 * Context: process.
 * Return: 0, -EEXIST if the name is taken, -EINVAL for a bad one, -ENOMEM.
 */
static __always_inline int
ppiov_provider_register(const struct ppiov_provider_ops *ops)
{
	BUILD_BUG_ON_MSG(!ops->init, "provider lacks init");
	BUILD_BUG_ON_MSG(!ops->alloc && !ops->alloc_bulk,
			 "provider lacks alloc");
	BUILD_BUG_ON_MSG(ops->alloc && ops->alloc_bulk,
			 "provider has alloc and alloc_bulk");
	BUILD_BUG_ON_MSG(!ops->release, "provider lacks release");
	BUILD_BUG_ON_MSG(!ops->destroy, "provider lacks destroy");
	return __ppiov_provider_register(ops);
}

const struct ppiov_provider_ops *ppiov_provider_get(const char *name);
void ppiov_provider_put(const struct ppiov_provider_ops *ops);
int ppiov_provider_for_each(int (*fn)(const struct ppiov_provider_ops *ops,
				      void *arg),
			    void *arg);

/**
 * struct ppiov_pool_params - what a pool is made of
 * @order: a buffer has PAGE_SIZE << @order bytes
 * @ring_size: buffers that the ring takes; 1 to PPIOV_MAX_RING
 * @nid: NUMA node to take memory from, or NUMA_NO_NODE
 * @dev: maps and syncs; NULL: no DMA (the tests' pools)
 * @dma_dir: as for dma_map_page()
 * @sync_offset: where what the device writes begins in a buffer, bytes
 * @sync_len: how many bytes it writes at most; 0: nothing is synced
 * @netdev: for netlink's eyes; may be NULL
 * @queue: of @netdev
 * @provider: whose buffers; the pool takes a reference
 * @binding: brought the provider's memory; the pool takes a reference; NULL
 *	without netlink
 * @size: bytes of memory the provider may take; 0: its default
 */
struct ppiov_pool_params {
	unsigned int order;
	unsigned int ring_size;
	int nid;
	struct device *dev;
	enum dma_data_direction dma_dir;
	unsigned int sync_offset;
	unsigned int sync_len;
	struct net_device *netdev;
	u32 queue;
	const struct ppiov_provider_ops *provider;
	struct ppiov_binding *binding;
	u64 size;
};

/**
 * struct ppiov_pool_stats - sums over all CPUs, since the pool was made
 * @alloc_fast: from the cache
 * @alloc_refill: the ring filled the cache
 * @alloc_slow: that the provider gave; those of @alloc_bulk that are not wanted
 *	yet come from the cache later
 * @alloc_fail: nobody had one
 * @recycle_cache: put straight into the cache
 * @recycle_cache_full: might have been, but the cache was full
 * @recycle_ring: put into the ring
 * @recycle_ring_full: ring full, so released to the provider
 * @recycle_foreign: of another node, or from the reserves: released
 * @double_put: refused, see ppiov_pool_put()
 */
struct ppiov_pool_stats {
	u64 alloc_fast;
	u64 alloc_refill;
	u64 alloc_slow;
	u64 alloc_fail;
	u64 recycle_cache;
	u64 recycle_cache_full;
	u64 recycle_ring;
	u64 recycle_ring_full;
	u64 recycle_foreign;
	u64 double_put;
};

struct ppiov_pool *ppiov_pool_create(const struct ppiov_pool_params *params);
void ppiov_pool_destroy(struct ppiov_pool *pool);

ppiov_netmem_t ppiov_pool_alloc(struct ppiov_pool *pool, gfp_t gfp);
unsigned int ppiov_pool_alloc_bulk(struct ppiov_pool *pool, gfp_t gfp,
				   ppiov_netmem_t *netmems, unsigned int n);
ppiov_netmem_t ppiov_pool_alloc_frag(struct ppiov_pool *pool, gfp_t gfp,
				     unsigned int size, unsigned int *offset);
void ppiov_pool_put_last(struct ppiov_pool *pool, ppiov_netmem_t netmem,
			 bool direct);
void ppiov_pool_put_bulk(struct ppiov_pool *pool, const ppiov_netmem_t *netmems,
			 unsigned int n, bool direct);
void ppiov_netmem_get(ppiov_netmem_t netmem, long n);
/**
 * ppiov_netmem_put_refs() - fewer users of a buffer
 * @netmem: a buffer that is out
 * @n: references to drop, positive
 *
 * Inline, as page_pool_unref_netmem() is, and for its reason: who is the only
 * user needs nothing atomic, and who isn't needs no call.
 *
 * Context: any.
 * Return: true if they were the last. The buffer has one reference again then,
 * which is the caller's: to be given to ppiov_pool_put().
 */
static inline bool ppiov_netmem_put_refs(ppiov_netmem_t netmem, long n)
{
	atomic_long_t *refs = &ppiov_netmem_desc(netmem)->pp_ref_count;
	long left;

	/* The only user: nobody else can come or go. */
	if (likely(atomic_long_read(refs) == n)) {
		if (unlikely(n != 1))
			atomic_long_set(refs, 1);
		return true;
	}

	left = atomic_long_sub_return(n, refs);
	WARN_ON_ONCE(left < 0);
	if (left)
		return false;
	atomic_long_set(refs, 1);
	return true;
}

/**
 * ppiov_pool_put() - drop one reference; the last one recycles the buffer
 * @pool: that the buffer came from
 * @netmem: the buffer
 * @direct: the caller is the pool's consumer, as in ppiov_pool_alloc(); if it
 *	can't know, false: the pool finds out
 *
 * A buffer that the pool has already is refused: one warning, counted as
 * double_put, and nothing else happens.
 *
 * Context: any but hard interrupt.
 */
static inline void ppiov_pool_put(struct ppiov_pool *pool,
				  ppiov_netmem_t netmem, bool direct)
{
	if (ppiov_netmem_put_refs(netmem, 1))
		ppiov_pool_put_last(pool, netmem, direct);
}

void ppiov_pool_enable_direct(struct ppiov_pool *pool,
			      struct napi_struct *napi);
void ppiov_pool_disable_direct(struct ppiov_pool *pool);

void ppiov_pool_sync_for_cpu(const struct ppiov_pool *pool,
			     ppiov_netmem_t netmem, unsigned int offset,
			     unsigned int len);

/* A child skb or a token: the pool stays until it is put. Softirq is fine. */
void ppiov_pool_pin(struct ppiov_pool *pool);
void ppiov_pool_unpin(struct ppiov_pool *pool);

u32 ppiov_pool_id(const struct ppiov_pool *pool);
u32 ppiov_pool_buf_size(const struct ppiov_pool *pool);
bool ppiov_pool_is_iov(const struct ppiov_pool *pool);
u32 ppiov_pool_inflight(const struct ppiov_pool *pool);
bool ppiov_pool_detached(const struct ppiov_pool *pool);
const struct ppiov_pool_params *
ppiov_pool_params(const struct ppiov_pool *pool);
void ppiov_pool_get_stats(const struct ppiov_pool *pool,
			  struct ppiov_pool_stats *stats);
struct ppiov_pool *ppiov_pool_next(u32 *id);

/* ------------------------------------------------------ for providers only */

__printf(3, 4) int ppiov_pool_refuse(const struct ppiov_pool *pool, int err,
				     const char *fmt, ...);

void *ppiov_pool_priv(const struct ppiov_pool *pool);
void ppiov_pool_set_priv(struct ppiov_pool *pool, void *priv);
ppiov_netmem_t ppiov_netmem_init_page(struct ppiov_pool *pool,
				      struct page *page, gfp_t gfp);
ppiov_netmem_t ppiov_netmem_init_mapped(struct ppiov_pool *pool,
					struct page *page, dma_addr_t dma);
ppiov_netmem_t ppiov_netmem_init_iov(struct ppiov_pool *pool,
				     struct page_pool_iov *iov, dma_addr_t dma);
struct page *ppiov_netmem_fini_page(struct ppiov_pool *pool,
				    ppiov_netmem_t netmem);
struct page_pool_iov *ppiov_netmem_fini_iov(struct ppiov_pool *pool,
					    ppiov_netmem_t netmem);

#endif /* PPIOV_POOL_H */
