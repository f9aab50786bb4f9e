/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef PPCAT_NETDEV_NL_H
#define PPCAT_NETDEV_NL_H

#include <linux/types.h>
#include <stdbool.h>
#include <stddef.h>

#include "nl.h"

/* nl is the "netdev" family; the binding lives as long as its socket. */
int netdev_bind_rx(struct nl *nl, __u32 ifindex, const __u32 *queue,
		   size_t queues, int dmabuf_fd, __u32 *dmabuf_id);
int netdev_queue_of_napi(struct nl *nl, __u32 ifindex, __u32 napi_id,
			 __u32 *queue);

/* nl is NETLINK_ROUTE. */
int netdev_has_parent(struct nl *nl, __u32 ifindex, bool *yes);

#endif
