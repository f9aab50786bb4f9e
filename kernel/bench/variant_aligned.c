// SPDX-License-Identifier: GPL-2.0-only
/*
 * An iov that looks like a page wherever a pool looks: the same words at the
 * same places, filled in so that the page's answers come out. No tag, no
 * branch; and nothing that would keep it out of mm (thread 4).
 */
#include "variant.h"

/* As large as struct page, up to and with the count that mm has in it. */
struct ppiov_v_lookalike {
	union {
		struct page page;
		struct ppiov_netmem_desc desc;
	};
};

static struct ppiov_v_lookalike ppiov_v_lookalikes[PPIOV_V_BUFFERS];

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

#define V(name) ppiov_v_aligned_##name
#include "variant_pool.h"

static unsigned long V(make)(struct ppiov_v_pool *pool, struct page *page,
			     u32 i)
{
	struct ppiov_v_lookalike *iov = &ppiov_v_lookalikes[i];

	if (page)
		return ppiov_v_make(pool, page, i);
	/* The pool's node, as the page's flags say it. */
	memset(iov, 0, sizeof(*iov));
	set_page_node(&iov->page, pool->nid);
	set_page_count(&iov->page, 1);
	atomic_long_set(&iov->desc.pp_ref_count, 1);
	iov->desc.dma_addr = (unsigned long)i << PAGE_SHIFT;
	return (unsigned long)iov;
}

const struct ppiov_v_design ppiov_v_aligned = {
	.name = "aligned",
	.make = V(make),
	.iov_bytes = sizeof(struct ppiov_v_lookalike),
};
