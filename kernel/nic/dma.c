// SPDX-License-Identifier: GPL-2.0-only
/*
 * ppnic: the device's own IOMMU.
 *
 * A software device could follow any pointer. Then a driver that forgets to
 * map a buffer, or unmaps it too early, would work here and fail on hardware.
 * So the parent device has DMA operations of its own: every mapping gets a
 * range of I/O virtual addresses (IOVA) in a table, and the engine reaches
 * memory only through that table.
 *
 * This file has the parent device and the operations; the table itself is in
 * dma_table.c, the engine's side in dma_access.c.
 */
#include <linux/io.h>
#include <linux/memremap.h>
#include <linux/module.h>
#include <linux/moduleparam.h>
#include <linux/rcupdate.h>
#include <linux/scatterlist.h>
#include <linux/slab.h>
#include <linux/timex.h>
#include <linux/wait_bit.h>

#include "../compat/dma_ops.h"
#include "../compat/mm.h"
#include "../compat/rcu.h"
#include "dma.h"

static struct kmem_cache *ppnic_region_cache;

/* All parents not yet released, by id. */
static DEFINE_XARRAY_FLAGS(ppnic_parents, XA_FLAGS_ALLOC | XA_FLAGS_LOCK_BH);

static uint dma_bits = 64;

static int ppnic_set_dma_bits(const char *val, const struct kernel_param *kp)
{
	return param_set_uint_minmax(val, kp, 24, 64);
}

static const struct kernel_param_ops ppnic_dma_bits_ops = {
	.set = ppnic_set_dma_bits,
	.get = param_get_uint,
};

module_param_cb(dma_bits, &ppnic_dma_bits_ops, &dma_bits, 0644);
MODULE_PARM_DESC(dma_bits,
		 "width of the DMA mask of ports created from now on, 24 to 64 (default 64)");

static struct ppnic_parent *to_parent(struct device *dev)
{
	return container_of(dev, struct ppnic_parent, dev);
}

/* ------------------------------------------------------------ map, unmap */

static struct ppnic_region *ppnic_region_alloc(enum ppnic_region_kind kind,
					       unsigned long offset, size_t len,
					       enum dma_data_direction dir)
{
	struct ppnic_region *r;

	if (!len)
		return NULL;
	r = kmem_cache_alloc(ppnic_region_cache, GFP_ATOMIC | __GFP_NOWARN);
	if (!r)
		return NULL;
	r->kind = kind;
	r->start = offset; /* ppnic_region_add() completes it */
	r->len = len;
	r->dir = dir;
	return r;
}

static dma_addr_t ppnic_map_phys(struct device *dev, phys_addr_t phys,
				 size_t size, enum dma_data_direction dir)
{
	struct ppnic_region *r;

	r = ppnic_region_alloc(PPNIC_REGION_PAGES, offset_in_page(phys), size,
			       dir);
	if (!r)
		return DMA_MAPPING_ERROR;
	r->phys = phys;
	if (ppnic_region_add(to_parent(dev), r)) {
		kmem_cache_free(ppnic_region_cache, r);
		return DMA_MAPPING_ERROR;
	}
	return r->start;
}

static dma_addr_t ppnic_map_mmio(struct device *dev, phys_addr_t phys,
				 size_t size, enum dma_data_direction dir)
{
	struct ppnic_region *r;

	/* ioremap() sleeps. Those who map a BAR are dma-buf exporters, and
	 * they do it in process context.
	 */
	if (WARN_ON_ONCE(in_interrupt()))
		return DMA_MAPPING_ERROR;
	/* RAM has cached mappings that must not be given an uncached alias. */
	if (region_intersects(phys, size, IORESOURCE_SYSTEM_RAM,
			      IORES_DESC_NONE) != REGION_DISJOINT)
		return DMA_MAPPING_ERROR;

	r = ppnic_region_alloc(PPNIC_REGION_MMIO, offset_in_page(phys), size,
			       dir);
	if (!r)
		return DMA_MAPPING_ERROR;
	/* Others may have the BAR mapped in another way already. */
	r->io = ioremap_wc(phys, size);
	if (!r->io)
		r->io = ioremap(phys, size);
	if (!r->io)
		goto err_free;
	if (ppnic_region_add(to_parent(dev), r))
		goto err_iounmap;
	return r->start;

err_iounmap:
	iounmap(r->io);
err_free:
	kmem_cache_free(ppnic_region_cache, r);
	return DMA_MAPPING_ERROR;
}

/* Later accesses are refused. One that has begun may still finish, as with an
 * IOMMU whose TLB is flushed lazily: the driver stops the queue first.
 */
static void ppnic_unmap(struct device *dev, dma_addr_t addr, size_t size,
			enum dma_data_direction dir)
{
	struct ppnic_parent *p = to_parent(dev);
	struct ppnic_region *r;

	rcu_read_lock();
	r = ppnic_region_find(p, addr, size);
	if (!r || r->start != addr || r->len != size || r->dir != dir) {
		rcu_read_unlock();
		ppnic_dma_refuse(p, "unmap", addr, size);
		dev_WARN_ONCE(dev, true,
			      "unmap of %zu bytes at %pad, which were not mapped so\n",
			      size, &addr);
		return;
	}
	rcu_read_unlock();

	ppnic_region_del(p, r);
	switch (r->kind) {
	case PPNIC_REGION_SG:
		/* A reader that came in before finds NULL and gives up. */
		xa_destroy(&r->pages);
		fallthrough;
	case PPNIC_REGION_PAGES:
		kfree_rcu(r, rcu);
		break;
	case PPNIC_REGION_MMIO:
		synchronize_rcu();
		iounmap(r->io);
		kmem_cache_free(ppnic_region_cache, r);
		break;
	}
	/* Last: ppnic_dma_exit() destroys the cache when all parents are gone.
	 */
	put_device(&p->dev);
}

/* Can the whole list be one range, and does one segment hold its length? */
static bool ppnic_sg_mergeable(struct device *dev, struct scatterlist *sgl,
			       int nents, size_t *total)
{
	struct scatterlist *sg;
	int i;

	*total = 0;
	for_each_sg(sgl, sg, nents, i) {
		if (i > 0 && sg->offset & ~PAGE_MASK)
			return false;
		if (i < nents - 1 && (sg->offset + sg->length) & ~PAGE_MASK)
			return false;
		if (check_add_overflow(*total, (size_t)sg->length, total))
			return false;
	}
	return *total <= dma_get_max_seg_size(dev);
}

static struct ppnic_region *ppnic_sg_region(struct scatterlist *sgl, int nents,
					    size_t total,
					    enum dma_data_direction dir)
{
	unsigned long pfn, last, at = 0;
	struct ppnic_region *r;
	struct scatterlist *sg;
	int i;

	r = ppnic_region_alloc(PPNIC_REGION_SG, offset_in_page(sgl->offset),
			       total, dir);
	if (!r)
		return NULL;
	/* An array for a large dma-buf is more than GFP_ATOMIC can give in
	 * one piece, and map_sg has no other allocation context.
	 */
	xa_init_flags(&r->pages, XA_FLAGS_LOCK_BH);
	for_each_sg(sgl, sg, nents, i) {
		pfn = PHYS_PFN(sg_phys(sg));
		last = PHYS_PFN(sg_phys(sg) + sg->length - 1);
		for (; pfn <= last; pfn++, at++) {
			if (xa_err(xa_store_bh(&r->pages, at, pfn_to_page(pfn),
					       GFP_ATOMIC | __GFP_NOWARN)))
				goto err;
		}
	}
	return r;

err:
	xa_destroy(&r->pages);
	kmem_cache_free(ppnic_region_cache, r);
	return NULL;
}

static void ppnic_unmap_sg(struct device *dev, struct scatterlist *sgl,
			   int nents, enum dma_data_direction dir,
			   unsigned long attrs)
{
	struct scatterlist *sg;
	int i;

	for_each_sg(sgl, sg, nents, i) {
		if (!sg_dma_len(sg))
			break;
		ppnic_unmap(dev, sg_dma_address(sg), sg_dma_len(sg), dir);
	}
}

/* As dma-iommu does it: one segment where the list allows it. */
static int ppnic_map_sg(struct device *dev, struct scatterlist *sgl, int nents,
			enum dma_data_direction dir, unsigned long attrs)
{
	struct ppnic_region *r;
	struct scatterlist *sg;
	size_t total;
	int i;

	for_each_sg(sgl, sg, nents, i) {
		if (is_pci_p2pdma_page(sg_page(sg)))
			return -EREMOTEIO;
		if (!sg->length)
			return -EINVAL;
		sg_dma_address(sg) = DMA_MAPPING_ERROR;
		sg_dma_len(sg) = 0;
	}

	if (nents > 1 && ppnic_sg_mergeable(dev, sgl, nents, &total)) {
		r = ppnic_sg_region(sgl, nents, total, dir);
		if (!r)
			return -ENOMEM;
		if (ppnic_region_add(to_parent(dev), r)) {
			xa_destroy(&r->pages);
			kmem_cache_free(ppnic_region_cache, r);
			return -ENOMEM;
		}
		sg_dma_address(sgl) = r->start;
		sg_dma_len(sgl) = total;
		return 1;
	}

	for_each_sg(sgl, sg, nents, i) {
		sg_dma_address(sg) = ppnic_map_phys(dev, sg_phys(sg),
						    sg->length, dir);
		if (sg_dma_address(sg) == DMA_MAPPING_ERROR) {
			ppnic_unmap_sg(dev, sgl, i, dir, attrs);
			return -ENOMEM;
		}
		sg_dma_len(sg) = sg->length;
	}
	return nents;
}

/* ------------------------------------------------------------------ sync */

/* Memory is coherent here, so a sync is nothing. But hardware's would touch
 * what is no longer mapped, so that is counted; and so is what looking takes,
 * as the device's other work is (engine_cycles): nobody would do it.
 */
static void ppnic_sync_single(struct device *dev, dma_addr_t addr, size_t size,
			      enum dma_data_direction dir)
{
	struct ppnic_parent *p = to_parent(dev);
	u64 from = get_cycles();
	bool mapped;

	rcu_read_lock();
	mapped = ppnic_region_find(p, addr, size);
	rcu_read_unlock();
	if (!mapped)
		ppnic_dma_refuse(p, "sync", addr, size);
	atomic64_add(get_cycles() - from, &p->sync_cycles);
}

static void ppnic_sync_sg(struct device *dev, struct scatterlist *sgl,
			  int nents, enum dma_data_direction dir)
{
	struct scatterlist *sg;
	int i;

	for_each_sg(sgl, sg, nents, i) {
		if (!sg_dma_len(sg))
			break;
		ppnic_sync_single(dev, sg_dma_address(sg), sg_dma_len(sg), dir);
	}
}

/* -------------------------------------------------------- the operations */

COMPAT_DMA_OPS(ppnic_map_phys, ppnic_map_mmio, ppnic_unmap)

static unsigned long ppnic_op_merge_boundary(struct device *dev)
{
	return PAGE_SIZE - 1;
}

/* No alloc: the rings are the device's own memory and need no address. */
static const struct dma_map_ops ppnic_dma_ops = {
	COMPAT_DMA_OPS_INIT(ppnic_map_phys, ppnic_unmap),
	.map_sg = ppnic_map_sg,
	.unmap_sg = ppnic_unmap_sg,
	.sync_single_for_cpu = ppnic_sync_single,
	.sync_single_for_device = ppnic_sync_single,
	.sync_sg_for_cpu = ppnic_sync_sg,
	.sync_sg_for_device = ppnic_sync_sg,
	.get_merge_boundary = ppnic_op_merge_boundary,
};

/* ------------------------------------------------------------ the parent */

/* May run in softirq: the last reference can be an in-flight page's. */
static void ppnic_parent_release(struct device *dev)
{
	struct ppnic_parent *p = to_parent(dev);

	WARN_ON(!xa_empty(&p->regions));
	xa_erase_bh(&ppnic_parents, p->id);
	kfree(p);
	/* To whoever waits in ppnic_dma_exit(), which then waits for us to
	 * have left this function.
	 */
	wake_up_var(&ppnic_parents);
}

/**
 * ppnic_parent_create() - make the device behind a port
 *
 * Context: process context.
 * Return: the parent, in sysfs as ppnic.<id>, with one reference; or ERR_PTR.
 */
struct ppnic_parent *ppnic_parent_create(void)
{
	u64 mask = DMA_BIT_MASK(READ_ONCE(dma_bits));
	struct ppnic_parent *p;
	u32 id;
	int err;

	p = kzalloc_obj(*p);
	if (!p)
		return ERR_PTR(-ENOMEM);

	err = xa_alloc_bh(&ppnic_parents, &id, p, xa_limit_31b, GFP_KERNEL);
	if (err) {
		kfree(p);
		return ERR_PTR(err);
	}
	p->id = id;
	xa_init_flags(&p->regions, XA_FLAGS_LOCK_IRQ);

	device_initialize(&p->dev);
	p->dev.release = ppnic_parent_release;
	p->dev.dma_mask = &p->dma_mask;
	p->dev.dma_parms = &p->dma_parms;
	set_dma_ops(&p->dev, &ppnic_dma_ops);

	err = dev_set_name(&p->dev, PPNIC_NAME ".%d", p->id);
	if (err)
		goto err_put;
	err = dma_set_mask_and_coherent(&p->dev, mask);
	if (err)
		goto err_put;
	atomic64_set(&p->next_iova, ppnic_iova_base(p));
	/* Nothing here limits a segment; a dma-buf can stay in one piece. */
	dma_set_max_seg_size(&p->dev, UINT_MAX);

	err = device_add(&p->dev);
	if (err)
		goto err_put;
	return p;

err_put:
	put_device(&p->dev);
	return ERR_PTR(err);
}

/**
 * ppnic_parent_destroy() - give up the port's reference to its parent
 * @parent: from ppnic_parent_create()
 *
 * Takes it out of sysfs; what is still mapped keeps the memory.
 *
 * Context: process context, after the netdev, its child, left sysfs: so from
 * priv_destructor, not from ndo_uninit.
 */
void ppnic_parent_destroy(struct ppnic_parent *parent)
{
	device_unregister(&parent->dev);
}

/**
 * ppnic_dma_init() - set up what all parents share
 *
 * Context: module init.
 * Return: 0 or an error.
 */
int ppnic_dma_init(void)
{
	/* Without it set_dma_ops() does nothing and the core maps directly. */
	if (!IS_ENABLED(CONFIG_ARCH_HAS_DMA_OPS)) {
		pr_err("ppnic: this kernel lacks CONFIG_ARCH_HAS_DMA_OPS\n");
		return -EOPNOTSUPP;
	}

	ppnic_region_cache = KMEM_CACHE(ppnic_region, SLAB_HWCACHE_ALIGN);
	return ppnic_region_cache ? 0 : -ENOMEM;
}

static unsigned long ppnic_mappings_held(void)
{
	struct ppnic_parent *p;
	unsigned long id, sum = 0;

	/* The lock holds up ppnic_parent_release(). */
	xa_lock_bh(&ppnic_parents);
	xa_for_each(&ppnic_parents, id, p)
		sum += atomic_read(&p->nr_regions);
	xa_unlock_bh(&ppnic_parents);
	return sum;
}

/**
 * ppnic_dma_exit() - wait for all parents, then undo ppnic_dma_init()
 *
 * A dma-buf binding or a page in a socket may outlive the ports, and will call
 * our map operations when it goes.
 *
 * Context: module exit, after the last port is gone. Sleeps as long as there
 * are mappings, and says so every 10 seconds.
 */
void ppnic_dma_exit(void)
{
	while (!wait_var_event_timeout(&ppnic_parents, xa_empty(&ppnic_parents),
				       10 * HZ))
		pr_warn("ppnic: waiting for %lu mappings that others still hold\n",
			ppnic_mappings_held());

	/* The last put may still be on its way out of our text: under RCU if
	 * it came from softirq, else as a task that was preempted there.
	 */
	compat_synchronize_text();

	/* Waits for what kfree_rcu() still has. */
	kmem_cache_destroy(ppnic_region_cache);
	xa_destroy(&ppnic_parents);
}
