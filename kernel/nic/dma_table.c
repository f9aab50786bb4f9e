// SPDX-License-Identifier: GPL-2.0-only
/*
 * ppnic: the table of what the device may access.
 *
 *  - addresses come from a running counter, so an old one stays invalid for
 *    as long as the address space allows;
 *  - a large region begins at a multiple of its size, or of 2 MiB, so that
 *    large buffers can be cut from it;
 *  - an unmapped page follows each region, so an overrun hits nothing;
 *  - addresses start above what RAM has, so a physical address hits nothing;
 *  - the direction of the mapping is the permission.
 *
 * It is an xarray from IOVA page to region. As of any device, memory may be
 * mapped in any context, hence the lock with interrupts off and GFP_ATOMIC;
 * lookups are under RCU only.
 */
#include <linux/log2.h>
#include <linux/mm.h>
#include <linux/rcupdate.h>
#include <linux/seq_file.h>
#include <linux/sizes.h>

#include "dma.h"

#define PPNIC_IOVA_BASE  SZ_1T /* above the RAM of any test machine */
#define PPNIC_IOVA_TRIES 4096  /* live ranges skipped before giving up */
#define PPNIC_IOVA_ALIGN (SZ_2M >> PAGE_SHIFT)

/**
 * ppnic_iova_base() - the first page number given out
 * @p: the parent, whose dma_mask is set
 *
 * Context: any.
 * Return: a page number.
 */
u64 ppnic_iova_base(const struct ppnic_parent *p)
{
	/* In a narrow address space the lower half stays unused. */
	return min_t(u64, PPNIC_IOVA_BASE, p->dma_mask / 2 + 1) >> PAGE_SHIFT;
}

static void ppnic_region_erase(struct ppnic_parent *p, unsigned long first,
			       unsigned long nr)
{
	unsigned long flags;

	/* Page by page, since a region may be a large dma-buf. */
	while (nr--) {
		xa_lock_irqsave(&p->regions, flags);
		__xa_erase(&p->regions, first + nr);
		xa_unlock_irqrestore(&p->regions, flags);
	}
}

static int ppnic_region_enter(struct ppnic_parent *p, struct ppnic_region *r,
			      unsigned long first, unsigned long nr)
{
	unsigned long flags, i;
	int err;

	/* Guard pages. The running counter provides them until it wraps. */
	if (xa_load(&p->regions, first - 1) || xa_load(&p->regions, first + nr))
		return -EBUSY;

	for (i = 0; i < nr; i++) {
		xa_lock_irqsave(&p->regions, flags);
		err = __xa_insert(&p->regions, first + i, r,
				  GFP_ATOMIC | __GFP_NOWARN);
		xa_unlock_irqrestore(&p->regions, flags);
		if (err) {
			ppnic_region_erase(p, first, i);
			return err;
		}
	}
	return 0;
}

/**
 * ppnic_region_add() - find a place for a region and enter it into the table
 * @p: the parent; gets one more reference
 * @r: the region; its start says the offset in page, and is completed
 *
 * The counter hands out disjoint ranges, so two callers meet only after a
 * whole turn, and then xa_insert() tells.
 *
 * Context: any.
 * Return: 0, -ENOSPC or -ENOMEM.
 */
int ppnic_region_add(struct ppnic_parent *p, struct ppnic_region *r)
{
	u64 end = min_t(u64, p->dma_mask >> PAGE_SHIFT, ULONG_MAX - 1);
	unsigned long nr = ppnic_region_nr_pages(r), align, take;
	unsigned long offset = offset_in_page(r->start);
	unsigned int tries;
	int err = -ENOSPC;
	u64 first;

	align = min_t(unsigned long, roundup_pow_of_two(nr), PPNIC_IOVA_ALIGN);
	if (nr + align >= end - ppnic_iova_base(p))
		align = 1; /* in a narrow address space */
	take = nr + align; /* 1 for the guard, the rest to choose from */
	if (take > end - ppnic_iova_base(p))
		return -ENOSPC;

	for (tries = 0; tries < PPNIC_IOVA_TRIES; tries++) {
		first = atomic64_fetch_add(take, &p->next_iova);
		if (first + take > end) {
			/* If this fails, another caller went past the end as
			 * well, and the last one to do so succeeds.
			 */
			atomic64_cmpxchg(&p->next_iova, first + take,
					 ppnic_iova_base(p));
			continue;
		}

		first = round_up(first, align);
		r->start = (first << PAGE_SHIFT) + offset;
		err = ppnic_region_enter(p, r, first, nr);
		if (!err) {
			get_device(&p->dev);
			atomic_inc(&p->nr_regions);
			return 0;
		}
		if (err != -EBUSY)
			return err;
	}
	return -ENOSPC;
}

/**
 * ppnic_region_del() - take a region out of the table
 * @p: the parent; the region's reference is now the caller's
 * @r: the region; readers may use it for one more grace period
 *
 * Context: any.
 */
void ppnic_region_del(struct ppnic_parent *p, struct ppnic_region *r)
{
	ppnic_region_erase(p, ppnic_region_first(r), ppnic_region_nr_pages(r));
	atomic_dec(&p->nr_regions);
}

/**
 * ppnic_dma_refuse() - count an access that the table does not allow
 * @p: whose table refused
 * @what: the kind of access, for the debug message
 * @addr: the DMA address
 * @len: bytes
 *
 * Context: any.
 */
void ppnic_dma_refuse(struct ppnic_parent *p, const char *what, dma_addr_t addr,
		      size_t len)
{
	/* A counter only: a peer's traffic must not be able to fill the log. */
	atomic64_inc(&p->faults);
	dev_dbg(&p->dev, "%s of %zu bytes at %pad refused\n", what, len, &addr);
}

/**
 * ppnic_dma_show() - list the regions of a parent
 * @m: where to
 * @p: the parent
 *
 * Regions that come and go meanwhile may or may not be listed.
 *
 * Context: process context.
 */
void ppnic_dma_show(struct seq_file *m, struct ppnic_parent *p)
{
	static const char *const dirs[] = {
		[DMA_BIDIRECTIONAL] = "rw",
		[DMA_TO_DEVICE] = "r",
		[DMA_FROM_DEVICE] = "w",
	};
	static const char *const kinds[] = {
		[PPNIC_REGION_PAGES] = "pages",
		[PPNIC_REGION_SG] = "sg",
		[PPNIC_REGION_MMIO] = "mmio",
	};
	struct ppnic_region *r;
	unsigned long index = 0;

	seq_puts(m, "# iova len device-may kind\n");
	for (;;) {
		rcu_read_lock();
		r = xa_find(&p->regions, &index, ULONG_MAX, XA_PRESENT);
		if (!r) {
			rcu_read_unlock();
			return;
		}
		seq_printf(m, "%#llx %zu %s %s\n", (u64)r->start, r->len,
			   dirs[r->dir], kinds[r->kind]);
		index = ppnic_region_first(r) + ppnic_region_nr_pages(r);
		rcu_read_unlock();
		cond_resched();
	}
}
