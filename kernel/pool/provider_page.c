// SPDX-License-Identifier: GPL-2.0-only
/*
 * Provider "page": the buddy allocator, as in the core's page_pool.
 *
 * The CPU can read what arrives: plain recv() and tcpdump work on it.
 */
#include <linux/gfp.h>
#include <linux/limits.h>
#include <linux/minmax.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/string.h>

#include "../compat/mm.h"
#include "../include/ppiov/pool.h"
#include "buffer.h"
#include "internal.h"

static int ppiov_page_init(struct ppiov_pool *pool)
{
	return 0;
}

/* The administrator's limit counts what is out and what is idle. */
static unsigned int ppiov_page_room(const struct ppiov_pool *pool)
{
	const struct ppiov_pool_params *p = ppiov_pool_params(pool);
	u32 inflight = ppiov_pool_inflight(pool);
	u64 most = p->size >> (PAGE_SHIFT + p->order);

	if (!p->size)
		return UINT_MAX;
	return most > inflight ? min_t(u64, most - inflight, UINT_MAX) : 0;
}

/* Of an order, one: as page_pool, and as the allocator has it. */
static unsigned int ppiov_page_get(struct ppiov_pool *pool, gfp_t gfp,
				   struct page **pages, unsigned int n)
{
	const struct ppiov_pool_params *p = ppiov_pool_params(pool);

	n = min(n, ppiov_page_room(pool));
	if (!n)
		return 0;
	if (p->order) {
		pages[0] = alloc_pages_node(p->nid, gfp | __GFP_COMP, p->order);
		return !!pages[0];
	}
	/* It fills what is NULL. */
	memset(pages, 0, n * sizeof(*pages));
	return compat_alloc_pages_bulk(gfp, p->nid, n, pages);
}

/* The allocator gives several for little more than one. */
static unsigned int ppiov_page_alloc_bulk(struct ppiov_pool *pool, gfp_t gfp,
					  ppiov_netmem_t *netmems,
					  unsigned int n)
{
	/* A page's netmem is where it is: one array is enough. */
	struct page **pages = (struct page **)netmems;
	unsigned int i, nr = 0, got;
	ppiov_netmem_t netmem;
	struct page *page;

	BUILD_BUG_ON(sizeof(*pages) != sizeof(*netmems));
	got = ppiov_page_get(pool, gfp | __GFP_NOWARN, pages, n);
	for (i = 0; i < got; i++) {
		page = pages[i];
		netmem = __ppiov_netmem_init_page(pool, page);
		if (likely(netmem != PPIOV_NETMEM_NONE))
			netmems[nr++] = netmem;
		else
			put_page(page);
	}
	return nr;
}

void ppiov_page_release(struct ppiov_pool *pool, ppiov_netmem_t netmem)
{
	if (!__ppiov_netmem_fini_page(pool, netmem))
		return;
	/* Not __free_pages(): somebody else may have a reference, as after
	 * __skb_zcopy_downgrade_managed(). Not put_page(), which asks whether
	 * it is a device's.
	 */
	folio_put(page_folio(ppiov_netmem_to_page(netmem)));
}

static void ppiov_page_destroy(struct ppiov_pool *pool)
{
}

static const struct ppiov_provider_ops ppiov_page_ops = {
	.name = "page",
	.owner = THIS_MODULE,
	.init = ppiov_page_init,
	.alloc_bulk = ppiov_page_alloc_bulk,
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
