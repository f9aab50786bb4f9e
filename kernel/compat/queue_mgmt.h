/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What differs between kernels in netdev_queue_mgmt_ops: in newer ones a queue
 * has a configuration, of which the size of the buffers is one part.
 */
#ifndef PPIOV_COMPAT_QUEUE_MGMT_H
#define PPIOV_COMPAT_QUEUE_MGMT_H

#include <net/netdev_queues.h>

/*
 * COMPAT_QUEUE_OPS() makes the operations, COMPAT_QUEUE_OPS_INIT() fills them
 * in.
 *
 * int alloc(struct net_device *dev, void *mem, int idx, u32 rx_page_size)
 * int start(struct net_device *dev, void *mem, int idx)
 * int validate(u32 rx_page_size, struct netlink_ext_ack *extack)
 *
 * The memory is made as the configuration says, so start() needn't know it.
 */
#ifdef HAVE_NETDEV_QUEUE_CONFIG
#define COMPAT_QUEUE_OPS(alloc, start, validate)                               \
	static int alloc##_compat(struct net_device *dev,                      \
				  struct netdev_queue_config *qcfg, void *mem, \
				  int idx)                                     \
	{                                                                      \
		return alloc(dev, mem, idx, qcfg->rx_page_size);               \
	}                                                                      \
	static int start##_compat(struct net_device *dev,                      \
				  struct netdev_queue_config *qcfg, void *mem, \
				  int idx)                                     \
	{                                                                      \
		return start(dev, mem, idx);                                   \
	}                                                                      \
	static void validate##_default(struct net_device *dev,                 \
				       struct netdev_queue_config *qcfg)       \
	{                                                                      \
		qcfg->rx_page_size = PAGE_SIZE;                                \
	}                                                                      \
	static int validate##_compat(struct net_device *dev,                   \
				     struct netdev_queue_config *qcfg,         \
				     struct netlink_ext_ack *extack)           \
	{                                                                      \
		return validate(qcfg->rx_page_size, extack);                   \
	}
#define COMPAT_QUEUE_OPS_INIT(alloc, start, validate) \
	.ndo_queue_mem_alloc = alloc##_compat,        \
	.ndo_queue_start = start##_compat,            \
	.ndo_default_qcfg = validate##_default,       \
	.ndo_validate_qcfg = validate##_compat,       \
	.supported_params = QCFG_RX_PAGE_SIZE
#else
/* Nobody asks for a size. */
#define COMPAT_QUEUE_OPS(alloc, start, ...)                                   \
	static int alloc##_compat(struct net_device *dev, void *mem, int idx) \
	{                                                                     \
		return alloc(dev, mem, idx, PAGE_SIZE);                       \
	}                                                                     \
	static int start##_compat(struct net_device *dev, void *mem, int idx) \
	{                                                                     \
		return start(dev, mem, idx);                                  \
	}
#define COMPAT_QUEUE_OPS_INIT(alloc, start, ...) \
	.ndo_queue_mem_alloc = alloc##_compat, .ndo_queue_start = start##_compat
#endif

/*
 * How large are the buffers that the core wants in this queue? For memory that
 * it didn't ask for itself, as at ndo_open.
 */
static inline u32 compat_rxq_page_size(struct net_device *dev, int idx)
{
#ifdef HAVE_NETDEV_QUEUE_CONFIG
	struct netdev_queue_config qcfg;

	netdev_queue_config(dev, idx, &qcfg);
	return qcfg.rx_page_size;
#else
	return PAGE_SIZE;
#endif
}

#endif /* PPIOV_COMPAT_QUEUE_MGMT_H */
