/* SPDX-License-Identifier: GPL-2.0-only */
/* What differs between kernels in struct ethtool_ops. */
#ifndef PPIOV_COMPAT_ETHTOOL_H
#define PPIOV_COMPAT_ETHTOOL_H

#include <linux/ethtool.h>
#include <linux/netdevice.h>

/*
 * Of a device with an ops lock of its own, ops come with that alone. These want
 * the RTNL as well: rings and channels as they stop and start the whole port,
 * link settings for the peer, get_link() for the core's link watch.
 */
#ifdef HAVE_ETHTOOL_OP_NEEDS_RTNL
#define COMPAT_ETHTOOL_RTNL_OPS(ringparam, channels)          \
	.set_ringparam = ringparam, .set_channels = channels, \
	.get_link = ethtool_op_get_link,                      \
	.op_needs_rtnl = ETHTOOL_OP_NEEDS_RTNL_SRINGPARAM |   \
			 ETHTOOL_OP_NEEDS_RTNL_SCHANNELS |    \
			 ETHTOOL_OP_NEEDS_RTNL_LINKSETTINGS | \
			 ETHTOOL_OP_NEEDS_RTNL_GLINK
#else
#define COMPAT_ETHTOOL_RTNL_OPS(ringparam, channels)          \
	.set_ringparam = ringparam, .set_channels = channels, \
	.get_link = ethtool_op_get_link
#endif

/* The number of RX rings was one of get_rxnfc()'s answers, and is an op now. */
#ifdef HAVE_ETHTOOL_GET_RX_RING_COUNT
#define COMPAT_ETHTOOL_RXNFC_OPS(rxnfc, ring_count) \
	.get_rxnfc = rxnfc, .get_rx_ring_count = ring_count
#else
#define COMPAT_ETHTOOL_RXNFC_OPS(rxnfc, ...) .get_rxnfc = rxnfc
#endif

/* A rule with an RSS context and a queue: since 6.13 that must be allowed. */
#ifdef HAVE_ETHTOOL_CAP_RSS_RXNFC_ADDS
#define COMPAT_ETHTOOL_RSS_CAPS \
	.rxfh_per_ctx_key = true, .cap_rss_rxnfc_adds = true
#else
#define COMPAT_ETHTOOL_RSS_CAPS .rxfh_per_ctx_key = true
#endif

/* The flow label of IPv6 as part of the RSS hash. */
#ifdef RXH_IP6_FL
#define COMPAT_RXH_IP6_FL RXH_IP6_FL
#else
#define COMPAT_RXH_IP6_FL 0
#endif

/*
 * For how many queues an indirection table is made. Its size can go with those
 * in use where the core resizes what it keeps of each context.
 */
static inline u32 compat_rxfh_queues(const struct net_device *dev,
				     u32 nr_queues)
{
#ifdef HAVE_RXFH_CTXS_RESIZE
	return nr_queues;
#else
	return dev->num_rx_queues;
#endif
}

/* May the table of the default context, and those of all others, be resized? */
static inline bool compat_rxfh_can_resize(struct net_device *dev,
					  const u32 *indir, u32 size, u32 to)
{
#ifdef HAVE_RXFH_CTXS_RESIZE
	return size == to ||
	       (ethtool_rxfh_indir_can_resize(dev, indir, size, to) &&
		!ethtool_rxfh_ctxs_can_resize(dev, to));
#else
	return size == to;
#endif
}

static inline void compat_rxfh_ctxs_resize(struct net_device *dev, u32 to)
{
#ifdef HAVE_RXFH_CTXS_RESIZE
	ethtool_rxfh_ctxs_resize(dev, to);
#endif
}

/* Frame preemption, where the core has what asks the other end for it. */
#ifdef HAVE_ETHTOOL_MMSV
#define COMPAT_ETHTOOL_MM_OPS(get, set, stats) \
	.get_mm = get, .set_mm = set, .get_mm_stats = stats
#else
#define COMPAT_ETHTOOL_MM_OPS(...) .get_mm = NULL
#endif

/*
 * Blocks with wrong symbols, by how many these are. An older core has no place
 * for them.
 */
#ifdef HAVE_ETHTOOL_FEC_HIST
#define COMPAT_FEC_STATS(name)                                  \
	static void name##_compat(struct net_device *dev,       \
				  struct ethtool_fec_stats *st, \
				  struct ethtool_fec_hist *hi)  \
	{                                                       \
		name(dev, st, hi);                              \
	}
#else
#define ETHTOOL_FEC_HIST_MAX 17

struct ethtool_fec_hist_range {
	u16 low;
	u16 high;
};

struct ethtool_fec_hist {
	struct {
		u64 sum;
	} values[ETHTOOL_FEC_HIST_MAX];
	const struct ethtool_fec_hist_range *ranges;
};

#define COMPAT_FEC_STATS(name)                                  \
	static void name##_compat(struct net_device *dev,       \
				  struct ethtool_fec_stats *st) \
	{                                                       \
		struct ethtool_fec_hist nowhere;                \
		name(dev, st, &nowhere);                        \
	}
#endif
#define COMPAT_FEC_STATS_OP(name) .get_fec_stats = name##_compat

/* hds-thresh: frames longer than this are split, if any. */
#ifdef HAVE_HDS_THRESH
#define COMPAT_RING_USE_HDS_THRS ETHTOOL_RING_USE_HDS_THRS
#else
#define COMPAT_RING_USE_HDS_THRS 0
#endif

static inline void
compat_hds_thresh_report(struct kernel_ethtool_ringparam *kring, u32 thresh,
			 u32 max)
{
#ifdef HAVE_HDS_THRESH
	kring->hds_thresh = thresh;
	kring->hds_thresh_max = max;
#endif
}

/* Returns what the user asks for, which the core has checked. */
static inline u32
compat_hds_thresh(const struct kernel_ethtool_ringparam *kring)
{
#ifdef HAVE_HDS_THRESH
	return kring->hds_thresh;
#else
	return 0;
#endif
}

#endif /* PPIOV_COMPAT_ETHTOOL_H */
