/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What differs between kernels in netdev_queue_mgmt_ops: in newer ones a queue
 * has a configuration, of which the size of the buffers is one part.
 */
#ifndef PPIOV_COMPAT_QUEUE_MGMT_H
#define PPIOV_COMPAT_QUEUE_MGMT_H

#include <net/netdev_queues.h>

/*
 * COMPAT_QUEUE_OPS() makes the operations, COMPAT_QUEUE_OPS_INIT fills them in.
 *
 * int alloc(struct net_device *dev, void *mem, int idx)
 * int start(struct net_device *dev, void *mem, int idx)
 */
#ifdef HAVE_NETDEV_QUEUE_CONFIG
#define COMPAT_QUEUE_OPS(alloc, start)                                      \
	static int compat_queue_mem_alloc(struct net_device *dev,           \
					  struct netdev_queue_config *qcfg, \
					  void *mem, int idx)               \
	{                                                                   \
		return alloc(dev, mem, idx);                                \
	}                                                                   \
	static int compat_queue_start(struct net_device *dev,               \
				      struct netdev_queue_config *qcfg,     \
				      void *mem, int idx)                   \
	{                                                                   \
		return start(dev, mem, idx);                                \
	}
#define COMPAT_QUEUE_OPS_INIT                          \
	.ndo_queue_mem_alloc = compat_queue_mem_alloc, \
	.ndo_queue_start = compat_queue_start
#else
#define COMPAT_QUEUE_OPS(alloc, start)                                       \
	static int compat_queue_mem_alloc(struct net_device *dev, void *mem, \
					  int idx)                           \
	{                                                                    \
		return alloc(dev, mem, idx);                                 \
	}                                                                    \
	static int compat_queue_start(struct net_device *dev, void *mem,     \
				      int idx)                               \
	{                                                                    \
		return start(dev, mem, idx);                                 \
	}
#define COMPAT_QUEUE_OPS_INIT                          \
	.ndo_queue_mem_alloc = compat_queue_mem_alloc, \
	.ndo_queue_start = compat_queue_start
#endif

#endif /* PPIOV_COMPAT_QUEUE_MGMT_H */
