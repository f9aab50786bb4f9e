// SPDX-License-Identifier: GPL-2.0-only
/* No dispatch at all: pages, and nothing else. The rest is held against it. */
#include "variant.h"

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
	return v_desc(buf)->dma_addr;
}

static __always_inline bool v_other(struct ppiov_v_pool *pool,
				    unsigned long buf)
{
	return false;
}

#define V(name) ppiov_v_none_##name
#include "variant_pool.h"

static unsigned long V(make)(struct ppiov_v_pool *pool, struct page *page,
			     u32 i)
{
	return page ? ppiov_v_make(pool, page, i) : 0;
}

const struct ppiov_v_design ppiov_v_none = {
	.name = "none",
	.make = V(make),
};
