/* SPDX-License-Identifier: GPL-2.0-only */
/* What differs between kernels in struct ethtool_ops. */
#ifndef PPIOV_COMPAT_ETHTOOL_H
#define PPIOV_COMPAT_ETHTOOL_H

#include <linux/ethtool.h>

/*
 * Of a device with an ops lock of its own, ops come with that alone. These want
 * the RTNL as well: rings and channels as they stop and start the whole port,
 * get_link() for the core's link watch.
 */
#ifdef HAVE_ETHTOOL_OP_NEEDS_RTNL
#define COMPAT_ETHTOOL_RTNL_OPS(ringparam, channels)          \
	.set_ringparam = ringparam, .set_channels = channels, \
	.get_link = ethtool_op_get_link,                      \
	.op_needs_rtnl = ETHTOOL_OP_NEEDS_RTNL_SRINGPARAM |   \
			 ETHTOOL_OP_NEEDS_RTNL_SCHANNELS |    \
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
#define COMPAT_ETHTOOL_RXNFC_OPS(rxnfc, ring_count) .get_rxnfc = rxnfc
#endif

#endif /* PPIOV_COMPAT_ETHTOOL_H */
