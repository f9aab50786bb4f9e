/* SPDX-License-Identifier: GPL-2.0-only */
/* What a port has at most, and what it has unless it is told otherwise. */
#ifndef PPNIC_LIMITS_H
#define PPNIC_LIMITS_H

#include <linux/sizes.h>
#include <linux/skbuff.h>
#include <net/xdp.h>

#define PPNIC_DEF_QUEUES 4
#define PPNIC_MAX_QUEUES 128

#define PPNIC_DEF_RING      512
#define PPNIC_MIN_RING      64
#define PPNIC_MAX_RING      8192
#define PPNIC_MAX_MTU       9600
#define PPNIC_MAX_RX_BUF    SZ_2M  /* of a provider */
#define PPNIC_MAX_BUF_LEN   SZ_64K /* rx-buf-len */
#define PPNIC_MAX_HDS       PPNIC_MAX_MTU
#define PPNIC_HDR_MAX       256 /* the parser and TSO look no further */
#define PPNIC_MAX_SG        (MAX_SKB_FRAGS + 1)
#define PPNIC_RSS_MIN_INDIR 128 /* entries of a table, a power of two */
#define PPNIC_RSS_PER_QUEUE 8   /* ... and of it for each queue, at least */
#define PPNIC_RSS_MAX_INDIR (PPNIC_RSS_PER_QUEUE * PPNIC_MAX_QUEUES)
#define PPNIC_RSS_KEY       52
#define PPNIC_RSS_CONTEXTS  64 /* context 0 is the default one */
#define PPNIC_STEER_RULES   1024
#define PPNIC_MAX_SAS       1024 /* of IPsec */
#define PPNIC_MAX_PSP_KEYS  1024 /* to send, and as many to receive */
#define PPNIC_ESP_BUCKETS   64   /* of the hash that finds inbound ones */
#define PPNIC_MAX_SECYS     16   /* of MACsec */
#define PPNIC_MAX_RX_SCS    32   /* of a SecY */
#define PPNIC_RX_SC_BUCKETS 64   /* of the hash that finds them */
#define PPNIC_DEF_PAUSE_MS  100
#define PPNIC_DEF_RX_USECS  8
#define PPNIC_DEF_RX_FRAMES 32
#define PPNIC_DEF_TX_USECS  32
#define PPNIC_DEF_TX_FRAMES 64

/* A program may use all of XDP_PACKET_HEADROOM; a frame's own words beside. */
#define PPNIC_XDP_HEADROOM                                                \
	(XDP_PACKET_HEADROOM + SKB_DATA_ALIGN(sizeof(struct xdp_frame)) + \
	 NET_IP_ALIGN)

#endif /* PPNIC_LIMITS_H */
