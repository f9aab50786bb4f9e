/* SPDX-License-Identifier: GPL-2.0-only */
/* struct ppiov_pool, for pool*.c and buffer.h only. */
#ifndef PPIOV_POOL_PRIV_H
#define PPIOV_POOL_PRIV_H

#include <linux/cache.h>
#include <linux/wait.h>

#include "../include/ppiov/pool.h"

/**
 * struct ppiov_pool - buffers for one RX queue
 *
 * Lifetime: from ppiov_pool_create() until ppiov_pool_destroy() was called,
 * the last buffer is back with the provider, and nobody pins the pool. Then
 * @work frees it after a grace period: who gives back the last buffer, or the
 * last pin, still looks at the pool under RCU.
 *
 * Locking: what is under "consumer" belongs to whoever allocates, one at a
 * time: the NAPI, or process context while that is off. The ring has its own
 * locks; @destroying is set under its producer lock, so that nothing enters
 * the ring once it is being emptied.
 *
 * @p: constant, but p.netdev, which is NULL once @destroying (RTNL)
 * @ops: p.provider
 * @buf_size: bytes
 * @is_iov: by the provider's flags
 * @sync: the device's writes have to be synced
 * @id: in netlink; of the registry, never 0
 * @priv: the provider's
 * @napi: the consumer's, while direct recycling is allowed
 * @destroying: ppiov_pool_destroy() was called
 * @destroyed_at: jiffies then
 * @warned_at: jiffies of the last stall report
 * @ended: the provider's destroy was called; @work's
 * @cache: consumer
 * @count: of @cache; consumer
 * @held: buffers that the provider gave, counted up; written by the consumer
 * @frag: the buffer that ppiov_pool_alloc_frag() cuts; consumer
 * @ring: buffers put by others than the consumer
 * @released: buffers that the provider got back, counted up
 * @pins: see ppiov_pool_pin()
 * @stats: per CPU
 * @work: ends the pool; on ppiov_pool_wq
 */
struct ppiov_pool {
	struct ppiov_pool_params p;
	const struct ppiov_provider_ops *ops;
	u32 buf_size;
	bool is_iov;
	bool sync;
	u32 id;
	void *priv;
	struct napi_struct *napi;
	bool destroying;
	unsigned long destroyed_at;
	unsigned long warned_at;
	bool ended;

	u32 count ____cacheline_aligned_in_smp;
	u32 held;
	ppiov_netmem_t cache[PPIOV_CACHE_SIZE];
	struct {
		ppiov_netmem_t netmem;
		u32 offset;
		long users;
	} frag;

	struct ptr_ring ring ____cacheline_aligned_in_smp;
	atomic_t released ____cacheline_aligned_in_smp;
	atomic_t pins;
	struct ppiov_pool_stats __percpu *stats;
	struct delayed_work work;
};

/* pool.c, for pool_life.c */
void ppiov_pool_flush(struct ppiov_pool *pool);

/* provider_page.c, for pool.c: no indirect call for what is called most. */
void ppiov_page_release(struct ppiov_pool *pool, ppiov_netmem_t netmem);

/* pool_life.c, for pool.c */
void ppiov_pool_kick(struct ppiov_pool *pool);

#endif /* PPIOV_POOL_PRIV_H */
