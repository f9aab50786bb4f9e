// SPDX-License-Identifier: GPL-2.0-only
/*
 * Provider "zone_device": struct pages of device memory.
 *
 * The driver of a device that has memory brings it: ppiov_zone_add() makes
 * struct pages for it, MEMORY_DEVICE_GENERIC, since that is what such memory
 * is to mm: nobody's to free, and its owner's to hand out. A pool takes a run
 * of those pages when it is made, and maps it for the NIC in one piece.
 *
 * In struct page, pgmap and zone_device_data lie where a pool has pp_magic and
 * pp. So a page swaps: its two words are saved when the pool takes it, and
 * restored when it comes back. In between the page still says that it is of
 * ZONE_DEVICE, but nobody may ask it for its pgmap. Who would:
 *
 *  - the last put_page() of such a page: never comes, the owner's reference
 *    stays, and the stack counts no buffer of a carrier;
 *  - is_pci_p2pdma_page(), for a page in a scatterlist that is mapped for DMA:
 *    only with CONFIG_PCI_P2PDMA, so there the provider is not offered;
 *  - 6.12's put_page(), as long as a DAX file system is mounted: it asks each
 *    page of ZONE_DEVICE. See docs/providers.md.
 *
 * From: the third way of thread 2 (July 2023).
 */
#include <linux/bitmap.h>
#include <linux/delay.h>
#include <linux/device.h>
#include <linux/dma-mapping.h>
#include <linux/list.h>
#include <linux/memremap.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/slab.h>
#include <linux/spinlock.h>

#include "../compat/dma.h"
#include "../compat/mm.h"
#include "../include/ppiov/pool.h"
#include "../include/ppiov/zone_device.h"
#include "internal.h"

#define PPIOV_ZONE_MAX_PAGES BIT(20) /* 4 GiB, in one zone */
#define PPIOV_ZONE_TRIES     16 /* pages that others still use, per alloc */

/* pgmap lies in front of it, whichever struct the kernel names it in. */
static_assert(offsetof(struct page, zone_device_data) ==
	      offsetof(struct page, lru.prev));

/**
 * struct ppiov_zone - a device's memory, as struct pages
 * @list: in ppiov_zones
 * @pgmap: what memremap_pages() works with
 * @dev: the memory's; the caller of ppiov_zone_add() sees to it that it lives
 * @pages: the first of them
 * @nr: pages
 * @used: a bit each: a pool has it, or has left it behind (ppiov_zone_lock)
 * @behind: a bit each: its pool is gone, but somebody in mm still has a
 *	reference; once that is dropped, it is free again (ppiov_zone_lock)
 *
 * Lifetime: from ppiov_zone_add() to ppiov_zone_del(), which waits for the
 * last page.
 */
struct ppiov_zone {
	struct list_head list;
	struct dev_pagemap pgmap;
	struct device *dev;
	struct page *pages;
	u32 nr;
	unsigned long *used;
	unsigned long *behind;
};

/* All zones, and who has which page of them. Sleeps; never taken in traffic. */
static DEFINE_MUTEX(ppiov_zone_lock);
static LIST_HEAD(ppiov_zones);

/* What a page has in the words that are the pool's as long as it is there. */
struct ppiov_zone_words {
	void *pgmap;
	void *zone_device_data;
};

/**
 * struct ppiov_zone_run - what a pool has of a zone
 * @zone: stays, as its pages are used
 * @first: index of the first page in the zone
 * @nr: pages, and entries of @free and @saved
 * @dma: where the device finds the first
 * @lock: @head, @nr_free, @free; BH off
 * @head: of @free, a ring: the page that has been idle for longest
 * @nr_free: in @free
 * @free: indices in the run of pages that the pool does not have
 * @saved: by index in the run; the page's, while the pool has it
 */
struct ppiov_zone_run {
	struct ppiov_zone *zone;
	u32 first;
	u32 nr;
	dma_addr_t dma;
	spinlock_t lock; /* the free ring */
	u32 head;
	u32 nr_free;
	u32 *free;
	struct ppiov_zone_words *saved;
};

/* ---------------------------------------------------------------- the zones */

static bool ppiov_zone_possible(void)
{
	return IS_ENABLED(CONFIG_ZONE_DEVICE) && !IS_ENABLED(CONFIG_PCI_P2PDMA);
}

/* Take back pages that were left behind and that nobody uses any more. */
static void ppiov_zone_reclaim(struct ppiov_zone *zone)
{
	u32 i;

	lockdep_assert_held(&ppiov_zone_lock);
	for_each_set_bit(i, zone->behind, zone->nr) {
		if (page_ref_count(&zone->pages[i]) != 1)
			continue;
		__clear_bit(i, zone->behind);
		__clear_bit(i, zone->used);
	}
}

/**
 * ppiov_zone_add() - make struct pages for device memory, for the provider
 * @dev: whose memory
 * @start: physical address, aligned to memremap_compat_align() (2 MiB on x86)
 * @size: bytes, aligned likewise
 *
 * Context: process; @dev is bound to a driver.
 * Return: the zone; -EOPNOTSUPP where the kernel's configuration has no way,
 * -EINVAL for a wrong alignment or size, or what memremap_pages() says.
 */
struct ppiov_zone *ppiov_zone_add(struct device *dev, phys_addr_t start,
				  u64 size)
{
	unsigned long align = memremap_compat_align();
	u64 nr = size >> PAGE_SHIFT;
	struct ppiov_zone *zone;
	void *at;
	int err;

	if (!ppiov_zone_possible())
		return ERR_PTR(-EOPNOTSUPP);
	if (!size || !IS_ALIGNED(start | size, align) ||
	    nr > PPIOV_ZONE_MAX_PAGES)
		return ERR_PTR(-EINVAL);

	zone = kzalloc_obj(*zone);
	if (!zone)
		return ERR_PTR(-ENOMEM);
	zone->dev = dev;
	zone->nr = nr;
	zone->used = bitmap_zalloc(nr, GFP_KERNEL);
	zone->behind = bitmap_zalloc(nr, GFP_KERNEL);
	if (!zone->used || !zone->behind) {
		err = -ENOMEM;
		goto err_free;
	}

	zone->pgmap.type = MEMORY_DEVICE_GENERIC;
	zone->pgmap.owner = zone;
	zone->pgmap.nr_range = 1;
	zone->pgmap.range.start = start;
	zone->pgmap.range.end = start + size - 1;
	at = devm_memremap_pages(dev, &zone->pgmap);
	if (IS_ERR(at)) {
		err = PTR_ERR(at);
		goto err_free;
	}
	zone->pages = virt_to_page(at);

	mutex_lock(&ppiov_zone_lock);
	list_add_tail(&zone->list, &ppiov_zones);
	mutex_unlock(&ppiov_zone_lock);
	return zone;

err_free:
	bitmap_free(zone->behind);
	bitmap_free(zone->used);
	kfree(zone);
	return ERR_PTR(err);
}
EXPORT_SYMBOL_GPL(ppiov_zone_add);

/**
 * ppiov_zone_del() - no longer offer a zone, and wait until it is unused
 * @zone: from ppiov_zone_add()
 *
 * Context: process. Sleeps as long as a pool has pages of the zone, or a
 * socket does, and says so every 10 seconds.
 */
void ppiov_zone_del(struct ppiov_zone *zone)
{
	unsigned long said = jiffies;
	u32 left;

	mutex_lock(&ppiov_zone_lock);
	list_del(&zone->list);
	for (;;) {
		ppiov_zone_reclaim(zone);
		left = bitmap_weight(zone->used, zone->nr);
		if (!left)
			break;
		mutex_unlock(&ppiov_zone_lock);
		/* Who drops a page's last reference in mm tells nobody. */
		msleep(20);
		if (time_after(jiffies, said + 10 * HZ)) {
			dev_warn(zone->dev, "waiting for %u pages in use\n",
				 left);
			said = jiffies;
		}
		mutex_lock(&ppiov_zone_lock);
	}
	mutex_unlock(&ppiov_zone_lock);

	devm_memunmap_pages(zone->dev, &zone->pgmap);
	bitmap_free(zone->behind);
	bitmap_free(zone->used);
	kfree(zone);
}
EXPORT_SYMBOL_GPL(ppiov_zone_del);

/* Find @run->nr pages in a row. */
static int ppiov_zone_take(struct ppiov_zone_run *run)
{
	struct ppiov_zone *zone;
	unsigned long at;
	int err = -ENODEV;

	mutex_lock(&ppiov_zone_lock);
	list_for_each_entry(zone, &ppiov_zones, list) {
		err = -ENOMEM;
		ppiov_zone_reclaim(zone);
		at = bitmap_find_next_zero_area(zone->used, zone->nr, 0,
						run->nr, 0);
		if (at >= zone->nr)
			continue;
		bitmap_set(zone->used, at, run->nr);
		run->zone = zone;
		run->first = at;
		err = 0;
		break;
	}
	mutex_unlock(&ppiov_zone_lock);
	return err;
}

static struct page *ppiov_zone_page(const struct ppiov_zone_run *run, u32 index)
{
	return &run->zone->pages[run->first + index];
}

static void ppiov_zone_give_back(struct ppiov_zone_run *run)
{
	u32 i;

	mutex_lock(&ppiov_zone_lock);
	bitmap_set(run->zone->behind, run->first, run->nr);
	for (i = 0; i < run->nr; i++)
		WARN_ON_ONCE(ppiov_zone_page(run, i)->lru.next !=
			     (void *)&run->zone->pgmap);
	ppiov_zone_reclaim(run->zone);
	mutex_unlock(&ppiov_zone_lock);
}

/* ------------------------------------------------------------- the provider */

static int ppiov_zone_map(struct ppiov_pool *pool, struct ppiov_zone_run *run)
{
	const struct ppiov_pool_params *p = ppiov_pool_params(pool);

	if (!p->dev)
		return 0;
	run->dma = compat_dma_map_pages(p->dev, ppiov_zone_page(run, 0),
					(size_t)run->nr << PAGE_SHIFT,
					p->dma_dir, DMA_ATTR_SKIP_CPU_SYNC);
	return dma_mapping_error(p->dev, run->dma) ? -ENOMEM : 0;
}

static int ppiov_zone_init(struct ppiov_pool *pool)
{
	const struct ppiov_pool_params *p = ppiov_pool_params(pool);
	u64 want = p->size ?: 2ULL * p->ring_size * PAGE_SIZE;
	u64 nr = DIV_ROUND_UP_ULL(want, PAGE_SIZE);
	struct ppiov_zone_run *run;
	int err;
	u32 i;

	/* They are no compound pages, so mm takes them one at a time only. */
	if (p->order)
		return ppiov_pool_refuse(pool, -EOPNOTSUPP,
					 "zone_device: a buffer is one page");
	if (nr > PPIOV_ZONE_MAX_PAGES)
		return ppiov_pool_refuse(pool, -E2BIG,
					 "zone_device: at most %lu pages",
					 PPIOV_ZONE_MAX_PAGES);

	run = kzalloc_obj(*run);
	if (!run)
		return -ENOMEM;
	spin_lock_init(&run->lock);
	run->nr = nr;
	run->nr_free = nr;
	run->free = kvmalloc_array(nr, sizeof(*run->free), GFP_KERNEL);
	run->saved = kvcalloc(nr, sizeof(*run->saved), GFP_KERNEL);
	if (!run->free || !run->saved) {
		err = -ENOMEM;
		goto err_free;
	}
	for (i = 0; i < nr; i++)
		run->free[i] = i;

	err = ppiov_zone_take(run);
	if (err) {
		ppiov_pool_refuse(pool, err, "zone_device: %s",
				  err == -ENODEV ? "no device gives memory" :
						   "too little in a row");
		goto err_free;
	}
	err = ppiov_zone_map(pool, run);
	if (err)
		goto err_give_back;
	ppiov_pool_set_priv(pool, run);
	return 0;

err_give_back:
	ppiov_zone_give_back(run);
err_free:
	kvfree(run->saved);
	kvfree(run->free);
	kfree(run);
	return err;
}

/* An idle page that nobody else uses. One may have found a user in mm. */
static bool ppiov_zone_pop(struct ppiov_zone_run *run, u32 *index)
{
	u32 tries = min_t(u32, run->nr_free, PPIOV_ZONE_TRIES);
	u32 tail;

	lockdep_assert_held(&run->lock);
	while (tries--) {
		*index = run->free[run->head];
		run->head = (run->head + 1) % run->nr;
		if (likely(page_ref_count(ppiov_zone_page(run, *index)) == 1)) {
			run->nr_free--;
			return true;
		}
		tail = (run->head + run->nr_free - 1) % run->nr;
		run->free[tail] = *index;
	}
	return false;
}

static void ppiov_zone_push(struct ppiov_zone_run *run, u32 index)
{
	spin_lock_bh(&run->lock);
	run->free[(run->head + run->nr_free) % run->nr] = index;
	run->nr_free++;
	spin_unlock_bh(&run->lock);
}

static void ppiov_zone_save(struct ppiov_zone_run *run, u32 index)
{
	struct page *page = ppiov_zone_page(run, index);

	run->saved[index].pgmap = page->lru.next;
	run->saved[index].zone_device_data = page->lru.prev;
}

static void ppiov_zone_restore(struct ppiov_zone_run *run, u32 index)
{
	struct page *page = ppiov_zone_page(run, index);

	page->lru.next = run->saved[index].pgmap;
	page->lru.prev = run->saved[index].zone_device_data;
}

static ppiov_netmem_t ppiov_zone_alloc(struct ppiov_pool *pool, gfp_t gfp)
{
	struct ppiov_zone_run *run = ppiov_pool_priv(pool);
	ppiov_netmem_t netmem;
	bool found;
	u32 index;

	spin_lock_bh(&run->lock);
	found = ppiov_zone_pop(run, &index);
	spin_unlock_bh(&run->lock);
	if (!found)
		return PPIOV_NETMEM_NONE;

	ppiov_zone_save(run, index);
	netmem = ppiov_netmem_init_mapped(pool, ppiov_zone_page(run, index),
					  run->dma + (u64)index * PAGE_SIZE);
	if (unlikely(netmem == PPIOV_NETMEM_NONE)) {
		ppiov_zone_restore(run, index);
		ppiov_zone_push(run, index);
	}
	return netmem;
}

static void ppiov_zone_release(struct ppiov_pool *pool, ppiov_netmem_t netmem)
{
	struct ppiov_zone_run *run = ppiov_pool_priv(pool);
	struct page *page = ppiov_netmem_fini_page(pool, netmem);
	u32 index;

	if (!page)
		return;
	index = page - ppiov_zone_page(run, 0);
	ppiov_zone_restore(run, index);
	ppiov_zone_push(run, index);
}

static void ppiov_zone_destroy(struct ppiov_pool *pool)
{
	const struct ppiov_pool_params *p = ppiov_pool_params(pool);
	struct ppiov_zone_run *run = ppiov_pool_priv(pool);

	if (p->dev)
		compat_dma_unmap_pages(p->dev, run->dma,
				       (size_t)run->nr << PAGE_SHIFT,
				       p->dma_dir, DMA_ATTR_SKIP_CPU_SYNC);
	ppiov_zone_give_back(run);
	kvfree(run->saved);
	kvfree(run->free);
	kfree(run);
}

static const struct ppiov_provider_ops ppiov_zone_ops = {
	.name = "zone_device",
	.owner = THIS_MODULE,
	.flags = PPIOV_F_MAPPED,
	.init = ppiov_zone_init,
	.alloc = ppiov_zone_alloc,
	.release = ppiov_zone_release,
	.destroy = ppiov_zone_destroy,
};

/**
 * ppiov_provider_zone_init() - offer the provider, where the kernel can
 *
 * What can't work is not offered, rather than refused at each bind: so
 * provider-get tells what there is.
 *
 * Context: module init.
 * Return: 0 or -errno.
 */
int __init ppiov_provider_zone_init(void)
{
	if (!IS_ENABLED(CONFIG_ZONE_DEVICE))
		pr_info("ppiov: no provider zone_device: this kernel lacks CONFIG_ZONE_DEVICE\n");
	else if (IS_ENABLED(CONFIG_PCI_P2PDMA))
		pr_info("ppiov: no provider zone_device: with CONFIG_PCI_P2PDMA this kernel asks pages in scatterlists for words that are a pool's\n");
	if (!ppiov_zone_possible())
		return 0;
	return ppiov_provider_register(&ppiov_zone_ops);
}

/**
 * ppiov_provider_zone_exit() - no longer offer it
 *
 * Context: module exit; all zones are gone, as their owners hold the module.
 */
void ppiov_provider_zone_exit(void)
{
	if (ppiov_zone_possible())
		ppiov_provider_unregister(&ppiov_zone_ops);
}
