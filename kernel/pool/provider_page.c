// SPDX-License-Identifier: GPL-2.0-only
/*
 * Provider "page": the buddy allocator, as in the core's page_pool.
 *
 * The CPU can read what arrives: plain recv() and tcpdump work on it.
 */
#include <linux/gfp.h>
#include <linux/module.h>
#include <linux/slab.h>

#include "../compat/mm.h"
#include "../include/ppiov/pool.h"
#include "internal.h"

#define PPIOV_PAGE_BULK 64

/**
 * struct ppiov_page_stash - pages that are the provider's still
 * @nr: of @pages
 * @pages: the allocator gives several for little more than one
 *
 * Written by alloc, which has one caller at a time. Only of pools without a
 * limit, and of single pages.
 */
struct ppiov_page_stash {
	u32 nr;
	struct page *pages[PPIOV_PAGE_BULK];
};

static int ppiov_page_init(struct ppiov_pool *pool)
{
	struct ppiov_page_stash *stash = kzalloc(sizeof(*stash), GFP_KERNEL);

	ppiov_pool_set_priv(pool, stash);
	return stash ? 0 : -ENOMEM;
}

static struct page *ppiov_page_get(struct ppiov_pool *pool, gfp_t gfp)
{
	const struct ppiov_pool_params *p = ppiov_pool_params(pool);
	struct ppiov_page_stash *stash = ppiov_pool_priv(pool);

	if (p->order)
		return alloc_pages_node(p->nid, gfp | __GFP_COMP, p->order);
	if (p->size)
		return alloc_pages_node(p->nid, gfp, 0);

	if (!stash->nr) {
		/* It fills what is NULL. */
		memset(stash->pages, 0, sizeof(stash->pages));
		stash->nr = compat_alloc_pages_bulk(gfp, p->nid,
						    PPIOV_PAGE_BULK,
						    stash->pages);
		if (!stash->nr)
			return NULL;
	}
	return stash->pages[--stash->nr];
}

static ppiov_netmem_t ppiov_page_alloc(struct ppiov_pool *pool, gfp_t gfp)
{
	const struct ppiov_pool_params *p = ppiov_pool_params(pool);
	ppiov_netmem_t netmem;
	struct page *page;

	/* The administrator's limit counts what is out and what is idle. */
	if (p->size &&
	    (u64)(ppiov_pool_inflight(pool) + 1) * ppiov_pool_buf_size(pool) >
		    p->size)
		return PPIOV_NETMEM_NONE;

	page = ppiov_page_get(pool, gfp | __GFP_NOWARN);
	if (!page)
		return PPIOV_NETMEM_NONE;

	netmem = ppiov_netmem_init_page(pool, page, gfp);
	if (netmem == PPIOV_NETMEM_NONE)
		put_page(page);
	return netmem;
}

static void ppiov_page_release(struct ppiov_pool *pool, ppiov_netmem_t netmem)
{
	struct page *page = ppiov_netmem_fini_page(pool, netmem);

	/* Not __free_pages(): somebody else may have a reference, as after
	 * __skb_zcopy_downgrade_managed().
	 */
	if (page)
		put_page(page);
}

static void ppiov_page_destroy(struct ppiov_pool *pool)
{
	struct ppiov_page_stash *stash = ppiov_pool_priv(pool);

	while (stash->nr)
		put_page(stash->pages[--stash->nr]);
	kfree(stash);
}

static const struct ppiov_provider_ops ppiov_page_ops = {
	.name = "page",
	.owner = THIS_MODULE,
	.init = ppiov_page_init,
	.alloc = ppiov_page_alloc,
	.release = ppiov_page_release,
	.destroy = ppiov_page_destroy,
};

/**
 * ppiov_provider_page_init() - offer the provider
 *
 * Context: module init.
 * Return: 0 or -errno.
 */
int __init ppiov_provider_page_init(void)
{
	return ppiov_provider_register(&ppiov_page_ops);
}

/**
 * ppiov_provider_page_exit() - no longer offer it
 *
 * Context: module exit.
 */
void ppiov_provider_page_exit(void)
{
	ppiov_provider_unregister(&ppiov_page_ops);
}
