// SPDX-License-Identifier: GPL-2.0-only
/*
 * A memory provider in a module of its own, to be copied: pages of one block,
 * taken and mapped when the pool is made. See docs/writing-a-provider.md.
 */
#include <linux/dma-mapping.h>
#include <linux/gfp.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <ppiov/pool.h>

/**
 * struct example - what a pool has of us; from init to destroy
 * @lock: @nr and @free; BH off, since release comes in softirq too
 * @nr: of @free
 * @dma: where the block begins for the device
 * @block: its first page
 * @order: of the block
 * @free: pages that the pool does not have, as a stack
 */
struct example {
	spinlock_t lock; /* see above */
	u32 nr;
	dma_addr_t dma;
	struct page *block;
	unsigned int order;
	struct page *free[];
};

/* Once a pool, before anything else. What is said here, the user sees. */
static int example_init(struct ppiov_pool *pool)
{
	const struct ppiov_pool_params *p = ppiov_pool_params(pool);
	u64 size = p->size ?: (u64)p->ring_size * PAGE_SIZE;
	struct example *ex;
	u32 i, nr;

	if (p->order) /* the words of a buffer lie over its own struct page */
		return ppiov_pool_refuse(pool, -EOPNOTSUPP, "one page each");
	if (size > (u64)PAGE_SIZE << MAX_PAGE_ORDER)
		return ppiov_pool_refuse(pool, -E2BIG, "more than a block");
	nr = 1U << get_order(size);
	ex = kzalloc(struct_size(ex, free, nr), GFP_KERNEL);
	if (!ex)
		return -ENOMEM;
	spin_lock_init(&ex->lock);
	ex->order = get_order(size);
	ex->block = alloc_pages_node(p->nid, GFP_KERNEL | __GFP_NOWARN,
				     ex->order);
	if (!ex->block)
		goto err_free;

	if (p->dev) { /* a pool of a test has none */
		ex->dma = dma_map_page_attrs(p->dev, ex->block, 0,
					     PAGE_SIZE << ex->order, p->dma_dir,
					     DMA_ATTR_SKIP_CPU_SYNC);
		if (dma_mapping_error(p->dev, ex->dma))
			goto err_block;
	}
	split_page(ex->block, ex->order); /* each is a page on its own now */
	for (i = nr; i--;)
		ex->free[ex->nr++] = ex->block + i;
	ppiov_pool_set_priv(pool, ex);
	return 0;

err_block:
	__free_pages(ex->block, ex->order);
err_free:
	kfree(ex);
	return -ENOMEM;
}

/* One buffer, when cache and ring have none. Atomic context. */
static ppiov_netmem_t example_alloc(struct ppiov_pool *pool, gfp_t gfp)
{
	struct example *ex = ppiov_pool_priv(pool);
	struct page *page = NULL;

	spin_lock_bh(&ex->lock);
	if (ex->nr)
		page = ex->free[--ex->nr];
	spin_unlock_bh(&ex->lock);
	if (!page)
		return PPIOV_NETMEM_NONE; /* the NIC drops, and asks again */

	/* PPIOV_F_MAPPED: the address is ours to say. With none of a buffer's
	 * words wide enough for it the page stays unused.
	 */
	return ppiov_netmem_init_mapped(pool, page,
					ex->dma +
						(page - ex->block) * PAGE_SIZE);
}

/* One buffer back: the ring was full, or the pool is ending. Any CPU. */
static void example_release(struct ppiov_pool *pool, ppiov_netmem_t netmem)
{
	struct example *ex = ppiov_pool_priv(pool);
	struct page *page = ppiov_netmem_fini_page(pool, netmem);

	if (!page) /* we have it already; the pool has warned */
		return;
	if (page_ref_count(page) != 1) /* somebody in mm reads it still */
		return;
	spin_lock_bh(&ex->lock);
	ex->free[ex->nr++] = page;
	spin_unlock_bh(&ex->lock);
}

/* Once, when all buffers were released. */
static void example_destroy(struct ppiov_pool *pool)
{
	const struct ppiov_pool_params *p = ppiov_pool_params(pool);
	struct example *ex = ppiov_pool_priv(pool);
	u32 i;

	if (p->dev)
		dma_unmap_page_attrs(p->dev, ex->dma, PAGE_SIZE << ex->order,
				     p->dma_dir, DMA_ATTR_SKIP_CPU_SYNC);
	/* The device can't write any more; those that mm has go later. */
	for (i = 0; i < 1U << ex->order; i++)
		put_page(ex->block + i);
	kfree(ex);
}

static const struct ppiov_provider_ops example_ops = {
	.name = "example",
	.owner = THIS_MODULE,
	.flags = PPIOV_F_MAPPED,
	.init = example_init,
	.alloc = example_alloc,
	.release = example_release,
	.destroy = example_destroy,
};

static int __init example_module_init(void)
{
	return ppiov_provider_register(&example_ops);
}
module_init(example_module_init);

static void __exit example_module_exit(void)
{
	ppiov_provider_unregister(&example_ops);
}
module_exit(example_module_exit);
MODULE_DESCRIPTION("Example of a memory provider for ppiov");
MODULE_LICENSE("GPL");
