/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A page or an iov becomes a buffer of a pool, and is none any more.
 *
 * Inline, for pool.c and for the provider whose pages are new each time: there
 * a call is 8 instructions per page, of 200. Others call buffer.c.
 */
#ifndef PPIOV_BUFFER_H
#define PPIOV_BUFFER_H

#include <linux/bug.h>
#include <linux/dma-mapping.h>

#include "pool_priv.h"

/* Bit 1 of the word is the page's own: page_is_pfmemalloc(). */
static inline unsigned long ppiov_magic(const struct ppiov_netmem_desc *desc)
{
	return READ_ONCE(desc->pp_magic) & ~PPIOV_MAGIC_PFMEMALLOC;
}

static inline void ppiov_set_magic(struct ppiov_netmem_desc *desc,
				   unsigned long magic)
{
	WRITE_ONCE(desc->pp_magic,
		   magic | (desc->pp_magic & PPIOV_MAGIC_PFMEMALLOC));
}

static inline ppiov_netmem_t ppiov_netmem_init(struct ppiov_pool *pool,
					       ppiov_netmem_t netmem,
					       dma_addr_t dma)
{
	struct ppiov_netmem_desc *desc = ppiov_netmem_desc(netmem);

	if (!ppiov_dma_pack(dma, BITS_PER_LONG, &desc->dma_addr)) {
		/* In a page the word is its next owner's. */
		desc->dma_addr = 0;
		return PPIOV_NETMEM_NONE;
	}
	desc->pp = pool;
	atomic_long_set(&desc->pp_ref_count, 1);
	ppiov_set_magic(desc, PPIOV_MAGIC_IDLE);
	return netmem;
}

/* Does the pool have it, and not somebody else or the provider? */
static inline bool ppiov_netmem_idle(const struct ppiov_pool *pool,
				     ppiov_netmem_t netmem)
{
	const struct ppiov_netmem_desc *desc = ppiov_netmem_desc(netmem);
	bool idle = ppiov_magic(desc) == PPIOV_MAGIC_IDLE && desc->pp == pool;

	WARN_ONCE(!idle, "ppiov: provider %s releases a buffer that it has\n",
		  pool->ops->name);
	return idle;
}

/* In a page these are words of mm's, which wants them clean. */
static inline void ppiov_netmem_fini(ppiov_netmem_t netmem)
{
	struct ppiov_netmem_desc *desc = ppiov_netmem_desc(netmem);

	ppiov_set_magic(desc, 0);
	desc->pp = NULL;
	desc->dma_addr = 0;
	atomic_long_set(&desc->pp_ref_count, 0);
}

static inline void ppiov_netmem_unmap(struct ppiov_pool *pool, dma_addr_t dma)
{
	dma_unmap_page_attrs(pool->p.dev, dma, pool->buf_size, pool->p.dma_dir,
			     DMA_ATTR_SKIP_CPU_SYNC | DMA_ATTR_WEAK_ORDERING);
}

/* See ppiov_netmem_init_page(). */
static inline ppiov_netmem_t __ppiov_netmem_init_page(struct ppiov_pool *pool,
						      struct page *page)
{
	struct device *dev = pool->p.dev;
	ppiov_netmem_t netmem;
	dma_addr_t dma;

	if (!dev)
		return ppiov_netmem_init(pool, ppiov_page_to_netmem(page), 0);

	dma = dma_map_page_attrs(dev, page, 0, pool->buf_size, pool->p.dma_dir,
				 DMA_ATTR_SKIP_CPU_SYNC |
					 DMA_ATTR_WEAK_ORDERING);
	if (dma_mapping_error(dev, dma))
		return PPIOV_NETMEM_NONE;

	netmem = ppiov_netmem_init(pool, ppiov_page_to_netmem(page), dma);
	if (netmem == PPIOV_NETMEM_NONE)
		ppiov_netmem_unmap(pool, dma);
	return netmem;
}

/* See ppiov_netmem_fini_page(). Returns false if it is not the pool's. */
static inline bool __ppiov_netmem_fini_page(struct ppiov_pool *pool,
					    ppiov_netmem_t netmem)
{
	if (!ppiov_netmem_idle(pool, netmem))
		return false;
	if (pool->p.dev && !(pool->ops->flags & PPIOV_F_MAPPED))
		ppiov_netmem_unmap(pool, ppiov_netmem_dma(netmem));
	ppiov_netmem_fini(netmem);
	return true;
}

#endif /* PPIOV_BUFFER_H */
