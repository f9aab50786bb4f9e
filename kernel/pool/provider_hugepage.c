// SPDX-License-Identifier: GPL-2.0-only
/*
 * Provider "hugepage": pages cut from chunks of 2 MiB, each mapped for the
 * device in one piece.
 *
 * A chunk is split into pages that stand on their own, since the words of a
 * buffer lie over its struct page, and in the tail of a compound page mm uses
 * the first of them. So a buffer is always one page, and the CPU can read it.
 *
 * What the pool may take is fixed when it is made: no allocation in the
 * middle of traffic, and nothing to give when it is used up.
 */
#include <linux/dma-mapping.h>
#include <linux/gfp.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/slab.h>
#include <linux/spinlock.h>

#include "../include/ppiov/pool.h"
#include "internal.h"

#define PPIOV_HUGE_ORDER (21 - PAGE_SHIFT)
#define PPIOV_HUGE_PAGES BIT(PPIOV_HUGE_ORDER)
#define PPIOV_HUGE_MAX   512U /* chunks: 1 GiB */

/* A chunk: pages[0] to pages[PPIOV_HUGE_PAGES - 1] are its pages. */
struct ppiov_huge_chunk {
	struct page *pages;
	dma_addr_t dma;
};

/**
 * struct ppiov_huge - a pool's chunks
 * @lock: @free and @nr_free; BH off
 * @nr: of @chunks; constant
 * @nr_free: pages in @free
 * @free: pages that the pool does not have, as a stack
 * @chunks: constant
 *
 * Lifetime: the pool's. Each page has one reference of ours until the chunk is
 * unmapped, since the device may write to all of it until then: also a page
 * that found another user in mm, which is given up when it comes back.
 */
struct ppiov_huge {
	spinlock_t lock; /* see above */
	u32 nr;
	u32 nr_free;
	struct page **free;
	struct ppiov_huge_chunk chunks[] __counted_by(nr);
};

static void ppiov_huge_free(struct ppiov_pool *pool, struct ppiov_huge *huge)
{
	const struct ppiov_pool_params *p = ppiov_pool_params(pool);
	u32 i, at;

	for (i = 0; i < huge->nr && huge->chunks[i].pages; i++) {
		if (p->dev)
			dma_unmap_page_attrs(p->dev, huge->chunks[i].dma,
					     PPIOV_HUGE_PAGES * PAGE_SIZE,
					     p->dma_dir,
					     DMA_ATTR_SKIP_CPU_SYNC);
		for (at = 0; at < PPIOV_HUGE_PAGES; at++)
			put_page(&huge->chunks[i].pages[at]);
	}
	kvfree(huge->free);
	kfree(huge);
}

static int ppiov_huge_add(struct ppiov_pool *pool, struct ppiov_huge *huge,
			  struct ppiov_huge_chunk *chunk)
{
	const struct ppiov_pool_params *p = ppiov_pool_params(pool);
	struct page *pages;
	u32 i;

	pages = alloc_pages_node(p->nid, GFP_KERNEL | __GFP_NOWARN,
				 PPIOV_HUGE_ORDER);
	if (!pages)
		return -ENOMEM;

	if (p->dev) {
		chunk->dma = dma_map_page_attrs(p->dev, pages, 0,
						PPIOV_HUGE_PAGES * PAGE_SIZE,
						p->dma_dir,
						DMA_ATTR_SKIP_CPU_SYNC);
		if (dma_mapping_error(p->dev, chunk->dma)) {
			__free_pages(pages, PPIOV_HUGE_ORDER);
			return -ENOMEM;
		}
	}
	split_page(pages, PPIOV_HUGE_ORDER);
	chunk->pages = pages;
	/* From the last, so that the first is given out first. */
	for (i = PPIOV_HUGE_PAGES; i--;) {
		/* The allocator has said so for the first one only. */
		clear_page_pfmemalloc(&pages[i]);
		huge->free[huge->nr_free++] = &pages[i];
	}
	return 0;
}

static int ppiov_huge_init(struct ppiov_pool *pool)
{
	const struct ppiov_pool_params *p = ppiov_pool_params(pool);
	u64 want = p->size ?: 2ULL * p->ring_size * PAGE_SIZE;
	u64 nr = DIV_ROUND_UP_ULL(want, PPIOV_HUGE_PAGES * PAGE_SIZE);
	struct ppiov_huge *huge;
	u32 i;
	int err;

	if (p->order)
		return ppiov_pool_refuse(pool, -EOPNOTSUPP,
					 "hugepage: a buffer is one page");
	if (nr > PPIOV_HUGE_MAX)
		return ppiov_pool_refuse(pool, -E2BIG,
					 "hugepage: at most %u chunks of 2 MiB",
					 PPIOV_HUGE_MAX);

	huge = kzalloc(struct_size(huge, chunks, nr), GFP_KERNEL);
	if (!huge)
		return -ENOMEM;
	huge->nr = nr;
	spin_lock_init(&huge->lock);

	huge->free = kvcalloc(nr * PPIOV_HUGE_PAGES, sizeof(*huge->free),
			      GFP_KERNEL);
	if (!huge->free) {
		err = -ENOMEM;
		goto err_free;
	}
	/* The first chunk lies on top of the stack. */
	for (i = 0; i < nr; i++) {
		err = ppiov_huge_add(pool, huge, &huge->chunks[i]);
		if (err)
			goto err_free;
	}
	ppiov_pool_set_priv(pool, huge);
	return 0;

err_free:
	ppiov_huge_free(pool, huge);
	return err;
}

static dma_addr_t ppiov_huge_dma(const struct ppiov_huge *huge,
				 const struct page *page)
{
	u32 i;

	for (i = 0; i < huge->nr; i++) {
		const struct ppiov_huge_chunk *chunk = &huge->chunks[i];
		unsigned long at = page_to_pfn(page) -
				   page_to_pfn(chunk->pages);

		if (at < PPIOV_HUGE_PAGES)
			return chunk->dma + at * PAGE_SIZE;
	}
	return DMA_MAPPING_ERROR;
}

/* The pages are this pool's at any rate: in its cache they lie as well. */
static unsigned int ppiov_huge_alloc_bulk(struct ppiov_pool *pool, gfp_t gfp,
					  ppiov_netmem_t *netmems,
					  unsigned int n)
{
	struct ppiov_huge *huge = ppiov_pool_priv(pool);
	unsigned int i, nr = 0;
	ppiov_netmem_t netmem;
	struct page *page;

	spin_lock_bh(&huge->lock);
	n = min(n, huge->nr_free);
	for (i = 0; i < n; i++)
		netmems[i] = ppiov_page_to_netmem(huge->free[--huge->nr_free]);
	spin_unlock_bh(&huge->lock);

	for (i = 0; i < n; i++) {
		page = ppiov_netmem_to_page(netmems[i]);
		netmem = ppiov_netmem_init_mapped(pool, page,
						  ppiov_huge_dma(huge, page));
		/* One whose address does not fit is not tried again. */
		if (likely(netmem != PPIOV_NETMEM_NONE))
			netmems[nr++] = netmem;
	}
	return nr;
}

static void ppiov_huge_release(struct ppiov_pool *pool, ppiov_netmem_t netmem)
{
	struct ppiov_huge *huge = ppiov_pool_priv(pool);
	struct page *page = ppiov_netmem_fini_page(pool, netmem);

	if (!page)
		return;
	/* Somebody in mm still has it, so it can't be written to again. */
	if (page_ref_count(page) != 1)
		return;
	spin_lock_bh(&huge->lock);
	huge->free[huge->nr_free++] = page;
	spin_unlock_bh(&huge->lock);
}

static void ppiov_huge_destroy(struct ppiov_pool *pool)
{
	ppiov_huge_free(pool, ppiov_pool_priv(pool));
}

static const struct ppiov_provider_ops ppiov_huge_ops = {
	.name = "hugepage",
	.owner = THIS_MODULE,
	.flags = PPIOV_F_MAPPED,
	.init = ppiov_huge_init,
	.alloc_bulk = ppiov_huge_alloc_bulk,
	.release = ppiov_huge_release,
	.destroy = ppiov_huge_destroy,
};

/**
 * ppiov_provider_hugepage_init() - offer the provider
 *
 * Context: module init.
 * Return: 0 or -errno.
 */
int __init ppiov_provider_hugepage_init(void)
{
	return ppiov_provider_register(&ppiov_huge_ops);
}

/**
 * ppiov_provider_hugepage_exit() - no longer offer it
 *
 * Context: module exit.
 */
void ppiov_provider_hugepage_exit(void)
{
	ppiov_provider_unregister(&ppiov_huge_ops);
}
