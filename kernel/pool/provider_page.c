// SPDX-License-Identifier: GPL-2.0-only
/*
 * Provider "page": the buddy allocator, as in the core's page_pool.
 *
 * The CPU can read what arrives: plain recv() and tcpdump work on it.
 */
#include <linux/gfp.h>
#include <linux/module.h>

#include "../include/ppiov/pool.h"
#include "internal.h"

static int ppiov_page_init(struct ppiov_pool *pool)
{
	return 0;
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

	gfp |= __GFP_NOWARN;
	if (p->order)
		gfp |= __GFP_COMP;
	page = alloc_pages_node(p->nid, gfp, p->order);
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
