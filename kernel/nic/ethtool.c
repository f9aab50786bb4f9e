// SPDX-License-Identifier: GPL-2.0-only
/*
 * ppnic: ethtool, apart from RSS and ntuple (rss_ethtool.c), the counters of
 * -S (stats.c) and speeds (linkmode.c).
 *
 * All ops run under the ops lock; those that stop the whole port have the RTNL
 * too, as the peer's carrier depends on it.
 */
#include <linux/ethtool.h>
#include <linux/ethtool_netlink.h>
#include <linux/log2.h>
#include <linux/rtnetlink.h>

#include "../compat/ethtool.h"
#include "ppnic.h"

/* Coalescing longer than this is a stalled link to any protocol above. */
#define PPNIC_MAX_COAL_USECS 10000
/* More can't be outstanding. */
#define PPNIC_MAX_COAL_FRAMES PPNIC_MAX_RING

/* The core adds the version (the kernel's) and the bus (the parent). */
static void ppnic_get_drvinfo(struct net_device *dev,
			      struct ethtool_drvinfo *info)
{
	strscpy(info->driver, PPNIC_NAME, sizeof(info->driver));
}

/* ---------------------------------------------------------------- -g, -G */

static void ppnic_get_ringparam(struct net_device *dev,
				struct ethtool_ringparam *ring,
				struct kernel_ethtool_ringparam *kring,
				struct netlink_ext_ack *extack)
{
	struct ppnic_port *port = netdev_priv(dev);

	ring->rx_max_pending = PPNIC_MAX_RING;
	ring->tx_max_pending = PPNIC_MAX_RING;
	ring->rx_pending = port->cfg.rx;
	ring->tx_pending = port->cfg.tx;
	kring->rx_buf_len = port->cfg.buf_len;
	kring->tcp_data_split = port->cfg.split ?
					ETHTOOL_TCP_DATA_SPLIT_ENABLED :
					ETHTOOL_TCP_DATA_SPLIT_DISABLED;
	compat_hds_thresh_report(kring, port->hds_thresh, PPNIC_MAX_HDS);
}

/* Of a size that there is; the core has checked the maximum. */
static u32 ring_size(u32 wanted)
{
	return roundup_pow_of_two(max_t(u32, wanted, PPNIC_MIN_RING));
}

static bool ring_cfg_equal(const struct ppnic_ring_cfg *a,
			   const struct ppnic_ring_cfg *b)
{
	return a->rx == b->rx && a->tx == b->tx && a->buf_len == b->buf_len &&
	       a->split == b->split;
}

/* Split is off unless asked for, so "auto" is off. */
static int ppnic_set_ringparam(struct net_device *dev,
			       struct ethtool_ringparam *ring,
			       struct kernel_ethtool_ringparam *kring,
			       struct netlink_ext_ack *extack)
{
	struct ppnic_ring_cfg cfg = {
		.rx = ring_size(ring->rx_pending),
		.tx = ring_size(ring->tx_pending),
		.buf_len = kring->rx_buf_len,
		.split = kring->tcp_data_split ==
			 ETHTOOL_TCP_DATA_SPLIT_ENABLED,
	};
	struct ppnic_port *port = netdev_priv(dev);
	u32 thresh = compat_hds_thresh(kring);
	int err;

	if (ring->rx_mini_pending || ring->rx_jumbo_pending) {
		NL_SET_ERR_MSG(extack, "there are no mini and jumbo rings");
		return -EINVAL;
	}
	if (ring->rx_pending < PPNIC_MIN_RING ||
	    ring->tx_pending < PPNIC_MIN_RING) {
		NL_SET_ERR_MSG_FMT(extack, "rings have at least %u descriptors",
				   PPNIC_MIN_RING);
		return -EINVAL;
	}
	if (!is_power_of_2(cfg.buf_len) || cfg.buf_len < PAGE_SIZE ||
	    cfg.buf_len > PPNIC_MAX_BUF_LEN) {
		NL_SET_ERR_MSG_FMT(extack,
				   "rx-buf-len is a power of two from %lu to %u",
				   PAGE_SIZE, PPNIC_MAX_BUF_LEN);
		return -EINVAL;
	}
	if (cfg.split && ppnic_xdp_is_single(port)) {
		NL_SET_ERR_MSG(extack,
			       "no tcp-data-split with an XDP program that wants a frame in one buffer");
		return -EBUSY;
	}
	if ((!cfg.split || thresh) && ppnic_port_has_provider(port, 0)) {
		NL_SET_ERR_MSG(extack,
			       "tcp-data-split stays on, and hds-thresh zero, while a memory provider is bound");
		return -EBUSY;
	}

	cfg.xdp = port->cfg.xdp;
	if (!ring_cfg_equal(&cfg, &port->cfg)) {
		err = ppnic_port_resize(port, &cfg, extack);
		if (err)
			return err;
	}
	/* The device looks at it frame by frame. */
	WRITE_ONCE(port->hds_thresh, thresh);

	if (cfg.rx != ring->rx_pending || cfg.tx != ring->tx_pending)
		NL_SET_ERR_MSG_FMT(extack, "rounded to rx %u tx %u", cfg.rx,
				   cfg.tx);
	return 0;
}

/* ---------------------------------------------------------------- -l, -L */

/*
 * Queue pair i shares an interrupt, so pairs are combined channels. What one
 * direction has more than the other is its own. Either direction may use all
 * its queues, in pairs or not; so the maxima overlap.
 */
static void ppnic_get_channels(struct net_device *dev,
			       struct ethtool_channels *ch)
{
	ch->max_rx = dev->num_rx_queues;
	ch->max_tx = dev->num_tx_queues;
	ch->max_combined = min(dev->num_rx_queues, dev->num_tx_queues);
	ch->combined_count = min(dev->real_num_rx_queues,
				 dev->real_num_tx_queues);
	ch->rx_count = dev->real_num_rx_queues - ch->combined_count;
	ch->tx_count = dev->real_num_tx_queues - ch->combined_count;
}

static int ppnic_set_channels(struct net_device *dev,
			      struct ethtool_channels *ch)
{
	u32 rx = ch->combined_count + ch->rx_count;
	u32 tx = ch->combined_count + ch->tx_count;
	struct ppnic_port *port = netdev_priv(dev);
	int err;

	/* One of each would be a pair. */
	if (ch->rx_count && ch->tx_count)
		return -EINVAL;
	if (!rx || rx > dev->num_rx_queues || !tx || tx > dev->num_tx_queues)
		return -EINVAL;
	/* The core has looked at these before and told the user which it is. */
	if (ppnic_rss_in_use(port, rx) || ppnic_steer_in_use(port, rx) ||
	    ppnic_port_has_provider(port, rx) ||
	    ppnic_xsk_in_use(port, min(rx, tx)))
		return -EBUSY;
	if (tx < port->tc_queues) {
		netdev_warn(dev,
			    "mqprio has given %u TX queues to traffic classes\n",
			    port->tc_queues);
		return -EBUSY;
	}
	err = ppnic_rss_check_size(port, rx);
	if (err) {
		netdev_warn(dev,
			    "an RSS table that was set can't be that of %u queues\n",
			    rx);
		return err;
	}
	if (rx == dev->real_num_rx_queues && tx == dev->real_num_tx_queues)
		return 0;

	/*
	 * The tables shrink before the queues go and grow after they came, or
	 * come back if they stayed. Should the second step lack memory, then
	 * they are narrower than they could be, which is valid.
	 */
	if (rx < dev->real_num_rx_queues) {
		err = ppnic_rss_spread(port, rx);
		if (err)
			return err;
	}
	err = ppnic_port_set_channels(port, rx, tx);
	ppnic_rss_spread(port, dev->real_num_rx_queues);
	return err;
}

/* ---------------------------------------------------------------- -c, -C */

static void channel_get_coalesce(const struct ppnic_channel *ch,
				 struct ethtool_coalesce *coal)
{
	coal->rx_coalesce_usecs = ch->rx_mod.usecs;
	coal->rx_max_coalesced_frames = ch->rx_mod.frames;
	coal->tx_coalesce_usecs = ch->tx_mod.usecs;
	coal->tx_max_coalesced_frames = ch->tx_mod.frames;
}

/* The device reads these at any time, each by itself. */
static void channel_set_coalesce(struct ppnic_channel *ch,
				 const struct ethtool_coalesce *coal)
{
	WRITE_ONCE(ch->rx_mod.usecs, coal->rx_coalesce_usecs);
	WRITE_ONCE(ch->rx_mod.frames, coal->rx_max_coalesced_frames);
	WRITE_ONCE(ch->tx_mod.usecs, coal->tx_coalesce_usecs);
	WRITE_ONCE(ch->tx_mod.frames, coal->tx_max_coalesced_frames);
}

static int check_moderation(u32 usecs, u32 frames, const char *direction,
			    struct netlink_ext_ack *extack)
{
	if (usecs > PPNIC_MAX_COAL_USECS || frames > PPNIC_MAX_COAL_FRAMES) {
		NL_SET_ERR_MSG_FMT(extack, "%s: at most %u usecs and %u frames",
				   direction, PPNIC_MAX_COAL_USECS,
				   PPNIC_MAX_COAL_FRAMES);
		return -ERANGE;
	}
	/* The last frames of a burst would wait for ever. */
	if (!usecs && frames > 1) {
		NL_SET_ERR_MSG_FMT(extack, "%s: waiting for frames needs usecs",
				   direction);
		return -EINVAL;
	}
	return 0;
}

static int check_coalesce(const struct ethtool_coalesce *coal,
			  struct netlink_ext_ack *extack)
{
	int err;

	err = check_moderation(coal->rx_coalesce_usecs,
			       coal->rx_max_coalesced_frames, "rx", extack);
	if (err)
		return err;
	return check_moderation(coal->tx_coalesce_usecs,
				coal->tx_max_coalesced_frames, "tx", extack);
}

/* All channels agree, or were set one by one: then the first speaks. */
static int ppnic_get_coalesce(struct net_device *dev,
			      struct ethtool_coalesce *coal,
			      struct kernel_ethtool_coalesce *kcoal,
			      struct netlink_ext_ack *extack)
{
	struct ppnic_port *port = netdev_priv(dev);

	channel_get_coalesce(&port->channels[0], coal);
	return 0;
}

static int ppnic_set_coalesce(struct net_device *dev,
			      struct ethtool_coalesce *coal,
			      struct kernel_ethtool_coalesce *kcoal,
			      struct netlink_ext_ack *extack)
{
	struct ppnic_port *port = netdev_priv(dev);
	u32 i;
	int err;

	err = check_coalesce(coal, extack);
	if (err)
		return err;
	for (i = 0; i < port->nr_channels; i++)
		channel_set_coalesce(&port->channels[i], coal);
	return 0;
}

/* Also for channels not in use: they keep it until they are. */
static int ppnic_get_per_queue_coalesce(struct net_device *dev, u32 queue,
					struct ethtool_coalesce *coal)
{
	struct ppnic_port *port = netdev_priv(dev);

	if (queue >= port->nr_channels)
		return -EINVAL;
	channel_get_coalesce(&port->channels[queue], coal);
	return 0;
}

static int ppnic_set_per_queue_coalesce(struct net_device *dev, u32 queue,
					struct ethtool_coalesce *coal)
{
	struct ppnic_port *port = netdev_priv(dev);
	int err;

	if (queue >= port->nr_channels)
		return -EINVAL;
	err = check_coalesce(coal, NULL);
	if (err)
		return err;
	channel_set_coalesce(&port->channels[queue], coal);
	return 0;
}

/* ---------------------------------------------------------------- -a, -A */

static void ppnic_get_pauseparam(struct net_device *dev,
				 struct ethtool_pauseparam *pause)
{
	struct ppnic_port *port = netdev_priv(dev);

	pause->rx_pause = port->rx_pause;
	pause->tx_pause = port->tx_pause;
}

static int ppnic_set_pauseparam(struct net_device *dev,
				struct ethtool_pauseparam *pause)
{
	struct ppnic_port *port = netdev_priv(dev);
	struct ppnic_port *peer;

	/* Nobody to negotiate with. */
	if (pause->autoneg)
		return -EINVAL;

	WRITE_ONCE(port->rx_pause, pause->rx_pause);
	WRITE_ONCE(port->tx_pause, pause->tx_pause);
	if (!pause->tx_pause)
		ppnic_release_senders(port);

	rcu_read_lock();
	peer = rcu_dereference(port->peer);
	if (!pause->rx_pause && peer)
		ppnic_release_senders(peer);
	rcu_read_unlock();
	return 0;
}

/* The pauses a port asked for, without a frame being sent. */
static u64 port_pauses(const struct ppnic_port *port)
{
	u64 pauses, sum = 0;
	unsigned int start;
	u32 i;

	for (i = 0; i < port->dev->num_rx_queues; i++) {
		struct ppnic_rx_hw_stats *hw = &port->rxqs[i].hw;

		do {
			start = u64_stats_fetch_begin(&hw->sync);
			pauses = u64_stats_read(&hw->pauses);
		} while (u64_stats_fetch_retry(&hw->sync, start));
		sum += pauses;
	}
	return sum;
}

/*
 * What one end asked for, the other heeded; express, if there were frames for
 * it. Pause frames that a program sent are counted as well, and do nothing.
 */
static void ppnic_get_pause_stats(struct net_device *dev,
				  struct ethtool_pause_stats *stats)
{
	struct ppnic_port *port = netdev_priv(dev), *peer;

	ppnic_mac_pauses(port, stats->src, &stats->tx_pause_frames,
			 &stats->rx_pause_frames);
	if (stats->src == ETHTOOL_MAC_STATS_SRC_PMAC)
		return;
	stats->tx_pause_frames += port_pauses(port);
	rcu_read_lock();
	peer = rcu_dereference(port->peer);
	if (peer)
		stats->rx_pause_frames += port_pauses(peer);
	rcu_read_unlock();
}

/* ------------------------------------------------- --get/set-tunable */

static int ppnic_get_tunable(struct net_device *dev,
			     const struct ethtool_tunable *tuna, void *data)
{
	struct ppnic_port *port = netdev_priv(dev);

	if (tuna->id != ETHTOOL_PFC_PREVENTION_TOUT)
		return -EOPNOTSUPP;
	*(u16 *)data = port->pause_ms;
	return 0;
}

static int ppnic_set_tunable(struct net_device *dev,
			     const struct ethtool_tunable *tuna,
			     const void *data)
{
	struct ppnic_port *port = netdev_priv(dev);
	u16 msecs;

	if (tuna->id != ETHTOOL_PFC_PREVENTION_TOUT)
		return -EOPNOTSUPP;

	msecs = *(const u16 *)data;
	switch (msecs) {
	case PFC_STORM_PREVENTION_DISABLE:
		/*
		 * That would be a pause without end, and a receiver that
		 * died would take its sender along. For none at all there
		 * is ethtool -A.
		 */
		return -EINVAL;
	case PFC_STORM_PREVENTION_AUTO:
		msecs = PPNIC_DEF_PAUSE_MS;
		break;
	}
	WRITE_ONCE(port->pause_ms, msecs);
	return 0;
}

COMPAT_FEC_STATS(ppnic_get_fec_stats)

const struct ethtool_ops ppnic_ethtool_ops = {
	.supported_coalesce_params = ETHTOOL_COALESCE_USECS |
				     ETHTOOL_COALESCE_MAX_FRAMES,
	.supported_ring_params = ETHTOOL_RING_USE_TCP_DATA_SPLIT |
				 ETHTOOL_RING_USE_RX_BUF_LEN |
				 COMPAT_RING_USE_HDS_THRS,
	.supported_input_xfrm = RXH_XFRM_SYM_XOR,
	.rxfh_per_ctx_fields = true,
	COMPAT_ETHTOOL_RSS_CAPS,
	.rxfh_max_num_contexts = PPNIC_RSS_CONTEXTS,
	.rxfh_indir_space = PPNIC_RSS_MAX_INDIR,
	.get_drvinfo = ppnic_get_drvinfo,
	COMPAT_ETHTOOL_RTNL_OPS(ppnic_set_ringparam, ppnic_set_channels),
	.get_link_ksettings = ppnic_get_link_ksettings,
	.set_link_ksettings = ppnic_set_link_ksettings,
	.get_link_ext_state = ppnic_get_link_ext_state,
	.get_fecparam = ppnic_get_fecparam,
	.set_fecparam = ppnic_set_fecparam,
	COMPAT_FEC_STATS_OP(ppnic_get_fec_stats),
	.get_ts_info = ppnic_get_ts_info,
	.get_ringparam = ppnic_get_ringparam,
	.get_channels = ppnic_get_channels,
	.get_coalesce = ppnic_get_coalesce,
	.set_coalesce = ppnic_set_coalesce,
	.get_per_queue_coalesce = ppnic_get_per_queue_coalesce,
	.set_per_queue_coalesce = ppnic_set_per_queue_coalesce,
	.get_pauseparam = ppnic_get_pauseparam,
	.set_pauseparam = ppnic_set_pauseparam,
	.get_pause_stats = ppnic_get_pause_stats,
	.get_tunable = ppnic_get_tunable,
	.set_tunable = ppnic_set_tunable,
	.get_sset_count = ppnic_get_sset_count,
	.get_strings = ppnic_get_strings,
	.get_ethtool_stats = ppnic_get_ethtool_stats,
	.get_eth_mac_stats = ppnic_get_eth_mac_stats,
	.get_eth_ctrl_stats = ppnic_get_eth_ctrl_stats,
	.get_rmon_stats = ppnic_get_rmon_stats,
	COMPAT_ETHTOOL_MM_OPS(ppnic_get_mm, ppnic_set_mm, ppnic_get_mm_stats),
	.get_rxfh_key_size = ppnic_get_rxfh_key_size,
	.get_rxfh_indir_size = ppnic_get_rxfh_indir_size,
	.get_rxfh = ppnic_get_rxfh,
	.set_rxfh = ppnic_set_rxfh,
	.create_rxfh_context = ppnic_create_rxfh_context,
	.modify_rxfh_context = ppnic_modify_rxfh_context,
	.remove_rxfh_context = ppnic_remove_rxfh_context,
	.get_rxfh_fields = ppnic_get_rxfh_fields,
	.set_rxfh_fields = ppnic_set_rxfh_fields,
	COMPAT_ETHTOOL_RXNFC_OPS(ppnic_get_rxnfc, ppnic_get_rx_ring_count),
	.set_rxnfc = ppnic_set_rxnfc,
};
