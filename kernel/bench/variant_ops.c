// SPDX-License-Identifier: GPL-2.0-only
/*
 * Operations of the pool's: page and iov may differ in all they like. The
 * words of both lie at one place here as in the other designs, so that what is
 * asked of the operations is only what differs.
 */
#include "variant.h"

static bool ppiov_v_ops_page_reusable(const struct ppiov_v_pool *pool,
				      unsigned long buf)
{
	return ppiov_v_page_reusable(pool, (struct page *)buf);
}

static bool ppiov_v_ops_iov_reusable(const struct ppiov_v_pool *pool,
				     unsigned long buf)
{
	return true;
}

static dma_addr_t ppiov_v_ops_dma(unsigned long buf)
{
	return ppiov_v_desc_dma(buf);
}

static const struct ppiov_v_ops ppiov_v_ops_of_pages = {
	.reusable = ppiov_v_ops_page_reusable,
	.dma = ppiov_v_ops_dma,
};

static const struct ppiov_v_ops ppiov_v_ops_of_iovs = {
	.reusable = ppiov_v_ops_iov_reusable,
	.dma = ppiov_v_ops_dma,
};

static __always_inline struct ppiov_netmem_desc *v_desc(unsigned long buf)
{
	return (struct ppiov_netmem_desc *)(buf & ~PPIOV_NETMEM_IOV);
}

static __always_inline bool v_reusable(const struct ppiov_v_pool *pool,
				       unsigned long buf)
{
	return pool->ops->reusable(pool, buf);
}

static __always_inline dma_addr_t v_dma(const struct ppiov_v_pool *pool,
					unsigned long buf)
{
	return pool->ops->dma(buf);
}

static __always_inline bool v_other(struct ppiov_v_pool *pool,
				    unsigned long buf)
{
	return false;
}

#define V(name) ppiov_v_ops_##name
#include "variant_pool.h"

static unsigned long V(make)(struct ppiov_v_pool *pool, struct page *page,
			     u32 i)
{
	pool->ops = page ? &ppiov_v_ops_of_pages : &ppiov_v_ops_of_iovs;
	return ppiov_v_make(pool, page, i);
}

const struct ppiov_v_design ppiov_v_ops_design = {
	.name = "ops",
	.make = V(make),
	.iov_bytes = sizeof(struct page_pool_iov),
};
