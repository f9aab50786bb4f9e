/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What differs between kernels in page_pool's driver interface.
 *
 * Each helper stands for one call of today's kernel, spelled for the kernel
 * at hand; a probe in compat/Kbuild.probes decides, never a version number.
 */
#ifndef PPIOV_COMPAT_PAGE_POOL_H
#define PPIOV_COMPAT_PAGE_POOL_H

#include <linux/rtnetlink.h>
#include <net/netdev_queues.h>
#include <net/netdev_rx_queue.h>
#include <net/page_pool/helpers.h>
#include <net/page_pool/types.h>

/* page_pool_enable_direct_recycling(): @napi becomes the pool's consumer. */
static inline void compat_page_pool_attach_napi(struct page_pool *pool,
						struct napi_struct *napi)
{
#ifdef HAVE_PAGE_POOL_ENABLE_DIRECT_RECYCLING
	page_pool_enable_direct_recycling(pool, napi);
#else
	WRITE_ONCE(pool->p.napi, napi);
#endif
}

/* netif_rxq_has_unreadable_mp(): is a memory provider bound to the queue? */
static inline bool compat_rxq_has_provider(struct net_device *dev, int idx)
{
#ifdef HAVE_NETIF_RXQ_HAS_UNREADABLE_MP
	return netif_rxq_has_unreadable_mp(dev, idx);
#else
	return !!__netif_get_rx_queue(dev, idx)->mp_params.mp_priv;
#endif
}

/*
 * page_pool_put_netmem_bulk(), for pages that are all of one pool. It took the
 * pages' addresses once, as XDP frames had them.
 */
#ifdef HAVE_PAGE_POOL_PUT_NETMEM_BULK
#define compat_page_pool_bulk_t     netmem_ref
#define compat_page_pool_bulk(page) page_to_netmem(page)
#else
#define compat_page_pool_bulk_t     void *
#define compat_page_pool_bulk(page) page_address(page)
#endif

static inline void compat_page_pool_put_bulk(struct page_pool *pool,
					     compat_page_pool_bulk_t *bulk,
					     unsigned int n)
{
#ifdef HAVE_PAGE_POOL_PUT_NETMEM_BULK
	page_pool_put_netmem_bulk(bulk, n);
#else
	page_pool_put_page_bulk(pool, bulk, n);
#endif
}

#endif /* PPIOV_COMPAT_PAGE_POOL_H */
