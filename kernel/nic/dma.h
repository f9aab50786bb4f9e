/* SPDX-License-Identifier: GPL-2.0-only */
/* ppnic: the table of mapped regions, shared by the dma*.c files only. */
#ifndef PPNIC_DMA_H
#define PPNIC_DMA_H

#include "ppnic.h"

enum ppnic_region_kind {
	PPNIC_REGION_PAGES, /* physically contiguous */
	PPNIC_REGION_SG,    /* a scatterlist, contiguous in IOVA only */
	PPNIC_REGION_MMIO,  /* a BAR; no struct page */
};

/*
 * One mapping. Constant while it is in the table, from map to unmap; freed a
 * grace period later, as the engine may still be reading it. Holds a reference
 * to its parent until unmap is done.
 */
struct ppnic_region {
	dma_addr_t start; /* exact byte, not the page */
	size_t len;
	enum dma_data_direction dir;
	enum ppnic_region_kind kind;
	union {
		phys_addr_t phys;    /* PAGES */
		struct xarray pages; /* SG: page number in region -> page */
		void __iomem *io;    /* MMIO */
	};
	struct rcu_head rcu;
};

static inline unsigned long ppnic_region_first(const struct ppnic_region *r)
{
	return r->start >> PAGE_SHIFT;
}

static inline unsigned long ppnic_region_nr_pages(const struct ppnic_region *r)
{
	return (offset_in_page(r->start) + r->len + PAGE_SIZE - 1) >>
	       PAGE_SHIFT;
}

/* The region that holds all of [addr, addr + len). Caller: RCU read lock. */
static inline struct ppnic_region *
ppnic_region_find(struct ppnic_parent *p, dma_addr_t addr, size_t len)
{
	struct ppnic_region *r = xa_load(&p->regions, addr >> PAGE_SHIFT);

	if (!r || addr < r->start || addr - r->start > r->len ||
	    len > r->len - (addr - r->start))
		return NULL;
	return r;
}

/* dma_table.c */
u64 ppnic_iova_base(const struct ppnic_parent *p);
int ppnic_region_add(struct ppnic_parent *p, struct ppnic_region *r);
void ppnic_region_del(struct ppnic_parent *p, struct ppnic_region *r);
void ppnic_dma_refuse(struct ppnic_parent *p, const char *what, dma_addr_t addr,
		      size_t len);

#endif /* PPNIC_DMA_H */
