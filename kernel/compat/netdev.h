/* SPDX-License-Identifier: GPL-2.0-only */
/* What differs between kernels in how a net_device is locked. */
#ifndef PPIOV_COMPAT_NETDEV_H
#define PPIOV_COMPAT_NETDEV_H

#include <linux/netdevice.h>

#ifdef HAVE_NETDEV_LOCK_OPS
#include <net/netdev_lock.h>
#endif

/*
 * netdev_lock_ops(): from 6.15 on, a device with queue management has a lock
 * of its own inside the RTNL, which NAPI and queues are changed under. The
 * core takes it around the driver's ops.
 */
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

#endif /* PPIOV_COMPAT_NETDEV_H */
