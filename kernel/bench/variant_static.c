// SPDX-License-Identifier: GPL-2.0-only
/*
 * ppiov's design (thread 1): as long as there is no iov, nothing is asked.
 *
 * A put looks at the tag behind a static branch, once, before anything else:
 * all that is left of it while the branch is off is its NOP.
 */
#include "variant.h"

static __always_inline bool v_is_iov(unsigned long buf)
{
	return static_branch_unlikely(&ppiov_v_key) && (buf & PPIOV_NETMEM_IOV);
}

#define V(name) ppiov_v_static_##name

static __always_inline struct ppiov_netmem_desc *v_desc(unsigned long buf)
{
	return (struct ppiov_netmem_desc *)buf;
}

static __always_inline bool v_reusable(const struct ppiov_v_pool *pool,
				       unsigned long buf)
{
	return ppiov_v_page_reusable(pool, (struct page *)buf);
}

static __always_inline dma_addr_t v_dma(const struct ppiov_v_pool *pool,
					unsigned long buf)
{
	return ppiov_v_desc_dma(buf);
}

static noinline void V(put_iov)(struct ppiov_v_pool *pool, unsigned long buf)
{
	struct ppiov_netmem_desc *desc = v_desc(buf & ~PPIOV_NETMEM_IOV);

	if (unlikely(atomic_long_read(&desc->pp_ref_count) != 1 ||
		     pool->count == PPIOV_V_CACHE)) {
		pool->lost++;
		return;
	}
	pool->cache[pool->count++] = buf;
}

static __always_inline bool v_other(struct ppiov_v_pool *pool,
				    unsigned long buf)
{
	if (!v_is_iov(buf))
		return false;
	V(put_iov)(pool, buf);
	return true;
}

#include "variant_pool.h"

const struct ppiov_v_design ppiov_v_static = {
	.name = "static",
	.make = ppiov_v_make,
	.iov_bytes = sizeof(struct page_pool_iov),
};
