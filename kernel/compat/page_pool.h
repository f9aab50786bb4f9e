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

#endif /* PPIOV_COMPAT_PAGE_POOL_H */
