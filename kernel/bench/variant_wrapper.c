// SPDX-License-Identifier: GPL-2.0-only
/*
 * A wrapper around every buffer, page or iov, with all that a pool wants to
 * know of it: «struct netmem» of thread 1. No question is left.
 */
#include <linux/slab.h>

#include "../compat/mm.h"
#include "variant.h"

/* In the words of thread 1. What it wraps the pool never looks at. */
struct ppiov_v_wrapped {
	atomic_long_t pp_ref_count;
	struct ppiov_v_pool *pp;
	dma_addr_t dma_addr;
	int nid;
	bool pfmemalloc;
	union {
		struct page *page;
		void *owner;
	};
};

static __always_inline struct ppiov_v_wrapped *v_desc(unsigned long buf)
{
	return (struct ppiov_v_wrapped *)buf;
}

/* A page's own count is mm's, and mm is where it has to be asked. */
static __always_inline bool v_reusable(const struct ppiov_v_pool *pool,
				       unsigned long buf)
{
	return likely(!v_desc(buf)->pfmemalloc &&
		      v_desc(buf)->nid == pool->nid);
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

#define V(name) ppiov_v_wrapper_##name
#include "variant_pool.h"

static unsigned long V(make)(struct ppiov_v_pool *pool, struct page *page,
			     u32 i)
{
	struct ppiov_v_wrapped *wrapped = kzalloc_obj(*wrapped);

	if (!wrapped)
		return 0;
	atomic_long_set(&wrapped->pp_ref_count, 1);
	wrapped->pp = pool;
	wrapped->nid = pool->nid;
	wrapped->dma_addr = (dma_addr_t)i << PAGE_SHIFT;
	wrapped->page = page;
	return (unsigned long)wrapped;
}

static void V(drop)(unsigned long buf)
{
	kfree((void *)buf);
}

const struct ppiov_v_design ppiov_v_wrapper = {
	.name = "wrapper",
	.make = V(make),
	.drop = V(drop),
	.iov_bytes = sizeof(struct ppiov_v_wrapped),
	.page_bytes = sizeof(struct ppiov_v_wrapped),
};
