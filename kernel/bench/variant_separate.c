// SPDX-License-Identifier: GPL-2.0-only
/*
 * Two pools (thread 1): page_pool, and ppiov_pool, which look alike. A driver
 * asks its queue which one it has; who frees a packet has only the buffer, and
 * asks the tag.
 */
#include "variant.h"

static noinline unsigned long
ppiov_v_separate_page_alloc(struct ppiov_v_pool *pool)
{
	if (unlikely(!pool->count))
		return 0;
	return pool->cache[--pool->count];
}

static noinline void ppiov_v_separate_page_put(struct ppiov_v_pool *pool,
					       struct page *page)
{
	struct ppiov_netmem_desc *desc = (struct ppiov_netmem_desc *)page;

	if (unlikely(atomic_long_read(&desc->pp_ref_count) != 1 ||
		     !ppiov_v_page_reusable(pool, page) ||
		     pool->count == PPIOV_V_CACHE)) {
		pool->lost++;
		return;
	}
	pool->cache[pool->count++] = (unsigned long)page;
}

static __always_inline dma_addr_t ppiov_v_separate_page_dma(unsigned long buf)
{
	return ((struct ppiov_netmem_desc *)buf)->dma_addr;
}

static noinline unsigned long
ppiov_v_separate_iov_alloc(struct ppiov_v_pool *pool)
{
	if (unlikely(!pool->count))
		return 0;
	return pool->cache[--pool->count];
}

static noinline void ppiov_v_separate_iov_put(struct ppiov_v_pool *pool,
					      struct page_pool_iov *iov)
{
	struct ppiov_netmem_desc *desc = &iov->desc;

	if (unlikely(atomic_long_read(&desc->pp_ref_count) != 1 ||
		     pool->count == PPIOV_V_CACHE)) {
		pool->lost++;
		return;
	}
	pool->cache[pool->count++] = (unsigned long)iov | PPIOV_NETMEM_IOV;
}

static __always_inline dma_addr_t ppiov_v_separate_iov_dma(unsigned long buf)
{
	return ppiov_v_desc_dma(buf);
}

void ppiov_v_separate_loop(struct ppiov_bench_run *run, u32 n)
{
	struct ppiov_v_pool *pool = run->priv;
	unsigned long buf;
	u32 i;

	for (i = 0; i < n; i++) {
		if (READ_ONCE(pool->is_iov))
			buf = ppiov_v_separate_iov_alloc(pool);
		else
			buf = ppiov_v_separate_page_alloc(pool);
		if (!buf)
			break;
		barrier();
		if (buf & PPIOV_NETMEM_IOV)
			ppiov_v_separate_iov_put(pool,
						 (void *)(buf &
							  ~PPIOV_NETMEM_IOV));
		else
			ppiov_v_separate_page_put(pool, (struct page *)buf);
	}
	run->done += i;
}

void ppiov_v_separate_dma_loop(struct ppiov_bench_run *run, u32 n)
{
	struct ppiov_v_pool *pool = run->priv;
	dma_addr_t descriptor = 0;
	unsigned long buf;
	u32 i;

	for (i = 0; i < n; i++) {
		buf = READ_ONCE(pool->cache[i % 64]);
		if (READ_ONCE(pool->is_iov))
			WRITE_ONCE(descriptor, ppiov_v_separate_iov_dma(buf));
		else
			WRITE_ONCE(descriptor, ppiov_v_separate_page_dma(buf));
	}
	run->done += n;
}

const struct ppiov_v_design ppiov_v_separate = {
	.name = "separate",
	.make = ppiov_v_make,
	.iov_bytes = sizeof(struct page_pool_iov),
};
