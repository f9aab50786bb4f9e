// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a provider calls: a page or an iov becomes a buffer of a pool, and is
 * none any more.
 */
#include "buffer.h"

/**
 * ppiov_netmem_init_page() - make a page a buffer of a pool
 * @pool: the pool
 * @page: one reference, its owner's words free; a head page for an order
 * @gfp: as alloc was called with
 *
 * Maps it. For a provider that says PPIOV_F_MAPPED there is
 * ppiov_netmem_init_mapped().
 *
 * Context: a provider's alloc.
 * Return: the buffer, or PPIOV_NETMEM_NONE if it can't be mapped.
 */
ppiov_netmem_t ppiov_netmem_init_page(struct ppiov_pool *pool,
				      struct page *page, gfp_t gfp)
{
	return __ppiov_netmem_init_page(pool, page);
}
EXPORT_SYMBOL_GPL(ppiov_netmem_init_page);

/**
 * ppiov_netmem_init_mapped() - make a page a buffer, which its provider maps
 * @pool: the pool, of a PPIOV_F_MAPPED provider
 * @page: as for ppiov_netmem_init_page()
 * @dma: where the device finds it; anything if the pool has no device
 *
 * Context: a provider's alloc.
 * Return: the buffer, or PPIOV_NETMEM_NONE if the address does not fit into
 * the buffer's word: 32 bits have no room for some of a wider dma_addr_t.
 */
ppiov_netmem_t ppiov_netmem_init_mapped(struct ppiov_pool *pool,
					struct page *page, dma_addr_t dma)
{
	return ppiov_netmem_init(pool, ppiov_page_to_netmem(page), dma);
}
EXPORT_SYMBOL_GPL(ppiov_netmem_init_mapped);

/**
 * ppiov_netmem_init_iov() - make an iov a buffer of a pool
 * @pool: the pool, of a PPIOV_F_IOV provider
 * @iov: in nobody's hands
 * @dma: where the device finds it
 *
 * Context: a provider's alloc.
 * Return: the buffer, or PPIOV_NETMEM_NONE if @dma does not fit.
 */
ppiov_netmem_t ppiov_netmem_init_iov(struct ppiov_pool *pool,
				     struct page_pool_iov *iov, dma_addr_t dma)
{
	return ppiov_netmem_init(pool, ppiov_iov_to_netmem(iov), dma);
}
EXPORT_SYMBOL_GPL(ppiov_netmem_init_iov);

/**
 * ppiov_netmem_fini_page() - make a buffer an ordinary page again
 * @pool: the pool
 * @netmem: the buffer
 *
 * Context: a provider's release.
 * Return: the page, unmapped, or NULL with a warning for one that the provider
 * had already got back.
 */
struct page *ppiov_netmem_fini_page(struct ppiov_pool *pool,
				    ppiov_netmem_t netmem)
{
	if (!__ppiov_netmem_fini_page(pool, netmem))
		return NULL;
	return ppiov_netmem_to_page(netmem);
}
EXPORT_SYMBOL_GPL(ppiov_netmem_fini_page);

/**
 * ppiov_netmem_fini_iov() - take an iov back from a pool
 * @pool: the pool
 * @netmem: the buffer
 *
 * Context: a provider's release.
 * Return: the iov, or NULL with a warning for one that the provider had
 * already got back.
 */
struct page_pool_iov *ppiov_netmem_fini_iov(struct ppiov_pool *pool,
					    ppiov_netmem_t netmem)
{
	if (!ppiov_netmem_idle(pool, netmem))
		return NULL;
	ppiov_netmem_fini(netmem);
	return ppiov_netmem_to_iov(netmem);
}
EXPORT_SYMBOL_GPL(ppiov_netmem_fini_iov);
