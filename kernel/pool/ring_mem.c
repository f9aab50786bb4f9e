// SPDX-License-Identifier: GPL-2.0-only
/*
 * The memory of a ring: ordinary pages, as a dma-buf.
 *
 * A dma-buf, since all that a binding does with memory from user space is
 * there for dma-bufs, and user space's view of it, mmap() and syncing, too.
 */
#include <linux/dma-buf.h>
#include <linux/dma-mapping.h>
#include <linux/gfp.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/sched/signal.h>
#include <linux/scatterlist.h>
#include <linux/slab.h>
#include <kunit/visibility.h>

#include "../compat/mm.h"
#include "ring_priv.h"

/* One importer's mapping; in ppiov_ring_memory.maps. */
struct ppiov_ring_map {
	struct list_head list;
	struct sg_table sgt;
	struct device *dev;
	enum dma_data_direction dir;
};

/**
 * ppiov_ring_memory_alloc() - get the pages
 * @memory: zeroed
 * @size: bytes, whole pages
 *
 * Context: process.
 * Return: 0, -ENOMEM, or -EINTR for who is killed meanwhile. To be followed by
 * ppiov_ring_memory_free() in any case.
 */
int ppiov_ring_memory_alloc(struct ppiov_ring_memory *memory, u64 size)
{
	u32 nr = size >> PAGE_SHIFT;

	memory->pages = kvcalloc(nr, sizeof(*memory->pages),
				 GFP_KERNEL_ACCOUNT);
	if (!memory->pages)
		return -ENOMEM;
	while (memory->nr < nr) {
		struct page *page;

		if (fatal_signal_pending(current))
			return -EINTR;
		page = alloc_page(GFP_KERNEL_ACCOUNT | __GFP_ZERO |
				  __GFP_NOWARN);
		if (!page)
			return -ENOMEM;
		memory->pages[memory->nr++] = page;
		cond_resched();
	}
	return 0;
}

/**
 * ppiov_ring_memory_free() - give the pages back
 * @memory: as far as ppiov_ring_memory_alloc() came; zeroed again
 *
 * Context: process; nobody maps it.
 */
void ppiov_ring_memory_free(struct ppiov_ring_memory *memory)
{
	while (memory->nr)
		put_page(memory->pages[--memory->nr]);
	kvfree(memory->pages);
	memory->pages = NULL;
}

/* -------------------------------------------------------------- the dma-buf */

static struct sg_table *ppiov_ring_map(struct dma_buf_attachment *attachment,
				       enum dma_data_direction dir)
{
	struct ppiov_ring_file *ring = attachment->dmabuf->priv;
	struct ppiov_ring_memory *memory = &ring->memory;
	struct ppiov_ring_map *map;
	int err;

	map = kzalloc_obj(*map);
	if (!map)
		return ERR_PTR(-ENOMEM);
	map->dev = attachment->dev;
	map->dir = dir;

	err = sg_alloc_table_from_pages(&map->sgt, memory->pages, memory->nr, 0,
					(u64)memory->nr << PAGE_SHIFT,
					GFP_KERNEL);
	if (err)
		goto err_free;
	err = dma_map_sgtable(map->dev, &map->sgt, dir, 0);
	if (err)
		goto err_table;

	mutex_lock(&memory->lock);
	list_add(&map->list, &memory->maps);
	mutex_unlock(&memory->lock);
	return &map->sgt;

err_table:
	sg_free_table(&map->sgt);
err_free:
	kfree(map);
	return ERR_PTR(err);
}

static void ppiov_ring_unmap(struct dma_buf_attachment *attachment,
			     struct sg_table *sgt, enum dma_data_direction dir)
{
	struct ppiov_ring_map *map = container_of(sgt, struct ppiov_ring_map,
						  sgt);
	struct ppiov_ring_file *ring = attachment->dmabuf->priv;

	mutex_lock(&ring->memory.lock);
	list_del(&map->list);
	mutex_unlock(&ring->memory.lock);
	dma_unmap_sgtable(map->dev, &map->sgt, dir, 0);
	sg_free_table(&map->sgt);
	kfree(map);
}

static int ppiov_ring_begin_cpu(struct dma_buf *dmabuf,
				enum dma_data_direction dir)
{
	struct ppiov_ring_file *ring = dmabuf->priv;
	struct ppiov_ring_map *map;

	mutex_lock(&ring->memory.lock);
	list_for_each_entry(map, &ring->memory.maps, list)
		dma_sync_sgtable_for_cpu(map->dev, &map->sgt, map->dir);
	mutex_unlock(&ring->memory.lock);
	return 0;
}

static int ppiov_ring_end_cpu(struct dma_buf *dmabuf,
			      enum dma_data_direction dir)
{
	struct ppiov_ring_file *ring = dmabuf->priv;
	struct ppiov_ring_map *map;

	mutex_lock(&ring->memory.lock);
	list_for_each_entry(map, &ring->memory.maps, list)
		dma_sync_sgtable_for_device(map->dev, &map->sgt, map->dir);
	mutex_unlock(&ring->memory.lock);
	return 0;
}

static vm_fault_t ppiov_ring_fault(struct vm_fault *vmf)
{
	struct ppiov_ring_file *ring = vmf->vma->vm_private_data;

	if (vmf->pgoff >= ring->memory.nr)
		return VM_FAULT_SIGBUS;
	vmf->page = ring->memory.pages[vmf->pgoff];
	get_page(vmf->page);
	return 0;
}

static const struct vm_operations_struct ppiov_ring_vm_ops = {
	.fault = ppiov_ring_fault,
};

static int ppiov_ring_mmap_memory(struct dma_buf *dmabuf,
				  struct vm_area_struct *vma)
{
	if (!(vma->vm_flags & VM_SHARED))
		return -EINVAL;
	vm_flags_set(vma, VM_DONTEXPAND | VM_DONTDUMP);
	/* The mapping holds the dma-buf's file. */
	vma->vm_private_data = dmabuf->priv;
	vma->vm_ops = &ppiov_ring_vm_ops;
	return 0;
}

static void ppiov_ring_release_memory(struct dma_buf *dmabuf)
{
	ppiov_ring_put(dmabuf->priv);
}

static const struct dma_buf_ops ppiov_ring_dmabuf_ops = {
	.map_dma_buf = ppiov_ring_map,
	.unmap_dma_buf = ppiov_ring_unmap,
	.begin_cpu_access = ppiov_ring_begin_cpu,
	.end_cpu_access = ppiov_ring_end_cpu,
	.mmap = ppiov_ring_mmap_memory,
	.release = ppiov_ring_release_memory,
};

/**
 * ppiov_ring_export() - make the dma-buf of a ring's memory
 * @ring: complete
 *
 * Context: process.
 * Return: a dma-buf, which has a reference to @ring; or ERR_PTR.
 */
struct dma_buf *ppiov_ring_export(struct ppiov_ring_file *ring)
{
	DEFINE_DMA_BUF_EXPORT_INFO(info);
	struct dma_buf *dmabuf;

	info.ops = &ppiov_ring_dmabuf_ops;
	info.size = (size_t)ring->memory.nr << PAGE_SHIFT;
	info.flags = O_RDWR;
	info.priv = ring;
	kref_get(&ring->ref);
	dmabuf = dma_buf_export(&info);
	if (IS_ERR(dmabuf))
		ppiov_ring_put(ring);
	return dmabuf;
}
EXPORT_SYMBOL_IF_KUNIT(ppiov_ring_export);

/**
 * ppiov_ring_of() - the ring of a dma-buf
 * @dmabuf: any, or NULL
 *
 * Context: any.
 * Return: the ring, which lives as long as @dmabuf; NULL if it is another's.
 */
struct ppiov_ring_file *ppiov_ring_of(const struct dma_buf *dmabuf)
{
	if (!dmabuf || dmabuf->ops != &ppiov_ring_dmabuf_ops)
		return NULL;
	return dmabuf->priv;
}
