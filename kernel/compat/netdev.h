/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What differs between kernels in how a net_device is locked and made.
 *
 * From 6.15 on, a device with queue management has a lock of its own inside the
 * RTNL. The core takes it around the driver's ops, many of which come without
 * the RTNL since. "The ops lock" is that one, or the RTNL of older kernels.
 */
#ifndef PPIOV_COMPAT_NETDEV_H
#define PPIOV_COMPAT_NETDEV_H

#include <linux/netdevice.h>
#include <linux/rtnetlink.h>

#ifdef HAVE_NETDEV_LOCK_OPS
#include <net/netdev_lock.h>
#endif

/* ---------------------------------------------------------- the ops lock */

/* netdev_lock_ops(), for who has the RTNL. */
static inline void compat_netdev_lock_ops(struct net_device *dev)
{
#ifdef HAVE_NETDEV_LOCK_OPS
	netdev_lock_ops(dev);
#endif
}

static inline void compat_netdev_unlock_ops(struct net_device *dev)
{
#ifdef HAVE_NETDEV_LOCK_OPS
	netdev_unlock_ops(dev);
#endif
}

/* Is called where one of the driver's ops may be. */
static inline void compat_netdev_assert_ops_locked(const struct net_device *dev)
{
#ifdef HAVE_NETDEV_LOCK_OPS
	lockdep_assert_held(&dev->lock);
#else
	ASSERT_RTNL();
#endif
}

/*
 * For rcu_dereference_protected(). The RTNL counts as well: where the core
 * calls with nothing else, it is setting up or tearing down.
 */
static inline bool compat_netdev_ops_locked(const struct net_device *dev)
{
#ifdef HAVE_NETDEV_LOCK_OPS
	return lockdep_is_held(&dev->lock) || lockdep_rtnl_is_held();
#else
	return lockdep_rtnl_is_held();
#endif
}

/* ------------------------------------------------- NAPI, in a driver's op */

/*
 * A NAPI with an index keeps its ID and what the user set of it, as threaded
 * polling, while it is disabled.
 */
static inline void
compat_napi_add(struct net_device *dev, struct napi_struct *napi,
		int (*poll)(struct napi_struct *napi, int budget), int index)
{
#ifdef HAVE_NETIF_NAPI_ADD_CONFIG
	netif_napi_add_config(dev, napi, poll, index);
#else
	netif_napi_add(dev, napi, poll);
#endif
}

static inline void compat_napi_enable(struct napi_struct *napi)
{
#ifdef HAVE_NETDEV_LOCK_OPS
	napi_enable_locked(napi);
#else
	napi_enable(napi);
#endif
}

static inline void compat_napi_disable(struct napi_struct *napi)
{
#ifdef HAVE_NETDEV_LOCK_OPS
	napi_disable_locked(napi);
#else
	napi_disable(napi);
#endif
}

static inline void compat_napi_set_irq(struct napi_struct *napi, int irq)
{
#ifdef HAVE_NETDEV_LOCK_OPS
	netif_napi_set_irq_locked(napi, irq);
#else
	netif_napi_set_irq(napi, irq);
#endif
}

/* ------------------------------------------------------- net_device_ops */

/*
 * ndo_set_rx_mode, of a driver that has nothing to do there. The op must be
 * there all the same: without it the core refuses multicast addresses.
 */
#ifdef HAVE_NDO_SET_RX_MODE_ASYNC
#define COMPAT_NDO_RX_MODE_NOTHING \
	.ndo_set_rx_mode_async = compat_rx_mode_nothing
static inline int compat_rx_mode_nothing(struct net_device *dev,
					 struct netdev_hw_addr_list *uc,
					 struct netdev_hw_addr_list *mc)
{
	return 0;
}
#else
#define COMPAT_NDO_RX_MODE_NOTHING .ndo_set_rx_mode = compat_rx_mode_nothing
static inline void compat_rx_mode_nothing(struct net_device *dev)
{
}
#endif

/* What sends, and the rates of its queues where the kernel has such. */
#ifdef HAVE_NET_SHAPER
#define COMPAT_NDO_XMIT(xmit, shapers) \
	.ndo_start_xmit = xmit, .net_shaper_ops = &(shapers)
#else
#define COMPAT_NDO_XMIT(xmit, ...) .ndo_start_xmit = xmit
#endif

/* The device can send from memory that the CPU can't read. */
static inline void compat_netdev_set_netmem_tx(struct net_device *dev)
{
#ifdef HAVE_NETMEM_TX_DMA
	dev->netmem_tx = NETMEM_TX_DMA;
#elif defined(HAVE_NETMEM_TX)
	dev->netmem_tx = true;
#endif
}

#endif /* PPIOV_COMPAT_NETDEV_H */
