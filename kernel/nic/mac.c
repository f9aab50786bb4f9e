// SPDX-License-Identifier: GPL-2.0-only
/*
 * ppnic: what a MAC counts, for the standard groups of ethtool -S.
 *
 * Both ends count as frames pass from one to the other, and nobody contends for
 * the wire between them: what IEEE 802.3 has about collisions is zero.
 */
#include <linux/etherdevice.h>
#include <linux/ethtool.h>
#include <linux/if_vlan.h>

#include "frame.h"

/* The longest frame that a port takes, with two VLAN tags. */
#define PPNIC_MAX_FRAME (PPNIC_MAX_MTU + ETH_HLEN + 2 * VLAN_HLEN + ETH_FCS_LEN)
/* Of a MAC control frame, behind its EtherType. */
#define PPNIC_OPCODE_PAUSE 0x0001

static const struct ethtool_rmon_hist_range mac_ranges[] = {
	{ 0, 64 },
	{ 65, 127 },
	{ 128, 255 },
	{ 256, 511 },
	{ 512, 1023 },
	{ 1024, 1518 },
	{ 1519, 4095 },
	{ 4096, PPNIC_MAX_FRAME },
	{} /* the end, as the core wants it */
};

static_assert(ARRAY_SIZE(mac_ranges) == PPNIC_MAC_RANGES + 1);
static_assert(PPNIC_MAC_RANGES <= ETHTOOL_RMON_HIST_MAX);
static_assert(PPNIC_MAX_FRAME <= U16_MAX);

/* On the wire a short frame is padded, and each has a check sequence. */
static u32 mac_len(u32 len)
{
	return max_t(u32, len, ETH_ZLEN) + ETH_FCS_LEN;
}

static void mac_size(struct ppnic_mac_stats *mac, u32 len, u32 frames)
{
	u32 i = 0;

	while (i < PPNIC_MAC_RANGES - 1 && len > mac_ranges[i].high)
		i++;
	u64_stats_add(&mac->sizes[i], frames);
	u64_stats_add(&mac->octets, (u64)len * frames);
}

static bool mac_is_pause(const struct ppnic_frame *f)
{
	const u8 *opcode = f->hdr + ETH_HLEN;

	return f->fetched >= ETH_HLEN + sizeof(__be16) &&
	       opcode[0] == PPNIC_OPCODE_PAUSE >> 8 &&
	       opcode[1] == (PPNIC_OPCODE_PAUSE & 0xff);
}

/**
 * ppnic_mac_init() - set up the counters of a queue
 * @mac: one for each MAC, zeroed
 *
 * Context: any.
 */
void ppnic_mac_init(struct ppnic_mac_stats *mac)
{
	u32 i;

	for (i = 0; i < PPNIC_MACS; i++)
		u64_stats_init(&mac[i].sync);
}

/**
 * ppnic_mac_count() - count a frame, or the segments of a super-packet
 * @mac: counters of the queue that it leaves or reaches, and of its MAC
 * @f: the frame, parsed
 *
 * Context: BH off, with the lock of the queue's device half.
 */
void ppnic_mac_count(struct ppnic_mac_stats *mac, const struct ppnic_frame *f)
{
	u32 segs = f->gso_size ? f->gso_segs : 1;
	u32 last = f->data_len - (segs - 1) * f->gso_size;

	u64_stats_update_begin(&mac->sync);
	u64_stats_add(&mac->frames, segs);
	if (segs > 1)
		mac_size(mac, mac_len(f->hdr_len + f->gso_size), segs - 1);
	mac_size(mac, mac_len(f->hdr_len + last), 1);
	if (is_broadcast_ether_addr(f->hdr))
		u64_stats_add(&mac->broadcast, segs);
	else if (is_multicast_ether_addr(f->hdr))
		u64_stats_add(&mac->multicast, segs);
	if (f->h.l3_proto == htons(ETH_P_PAUSE)) {
		u64_stats_inc(&mac->control);
		if (mac_is_pause(f))
			u64_stats_inc(&mac->pause);
	}
	u64_stats_update_end(&mac->sync);
}

/* The counters of struct ppnic_mac_stats, added up over queues. */
struct mac_sum {
	u64 frames;
	u64 octets;
	u64 multicast;
	u64 broadcast;
	u64 control;
	u64 pause;
	u64 sizes[PPNIC_MAC_RANGES];
};

static void mac_add(struct mac_sum *sum, const struct ppnic_mac_stats *mac)
{
	unsigned int start;
	struct mac_sum new;
	u32 i;

	do {
		new = *sum;
		start = u64_stats_fetch_begin(&mac->sync);
		new.frames += u64_stats_read(&mac->frames);
		new.octets += u64_stats_read(&mac->octets);
		new.multicast += u64_stats_read(&mac->multicast);
		new.broadcast += u64_stats_read(&mac->broadcast);
		new.control += u64_stats_read(&mac->control);
		new.pause += u64_stats_read(&mac->pause);
		for (i = 0; i < PPNIC_MAC_RANGES; i++)
			new.sizes[i] += u64_stats_read(&mac->sizes[i]);
	} while (u64_stats_fetch_retry(&mac->sync, start));
	*sum = new;
}

/* Add up what a request is about: both MACs, or one. */
static void mac_add_queue(struct mac_sum *sum,
			  const struct ppnic_mac_stats *mac,
			  enum ethtool_mac_stats_src src)
{
	if (src != ETHTOOL_MAC_STATS_SRC_PMAC)
		mac_add(sum, &mac[PPNIC_EMAC]);
	if (src != ETHTOOL_MAC_STATS_SRC_EMAC)
		mac_add(sum, &mac[PPNIC_PMAC]);
}

static void mac_sums(struct ppnic_port *port, enum ethtool_mac_stats_src src,
		     struct mac_sum *tx, struct mac_sum *rx)
{
	u32 i;

	memset(tx, 0, sizeof(*tx));
	memset(rx, 0, sizeof(*rx));
	for (i = 0; i < port->dev->num_tx_queues; i++)
		mac_add_queue(tx, port->txqs[i].mac, src);
	if (src != ETHTOOL_MAC_STATS_SRC_PMAC)
		mac_add(tx, &port->bpf_sent);
	for (i = 0; i < port->dev->num_rx_queues; i++)
		mac_add_queue(rx, port->rxqs[i].mac, src);
}

/* What the device itself loses is counted with the express MAC, whichever would
 * have had it.
 */
static void mac_lost(struct ppnic_port *port, enum ethtool_mac_stats_src src,
		     struct ppnic_lost *lost)
{
	if (src == ETHTOOL_MAC_STATS_SRC_PMAC)
		memset(lost, 0, sizeof(*lost));
	else
		ppnic_lost_frames(port, lost);
}

/**
 * ppnic_mac_pauses() - pause frames that programs sent
 * @port: the port
 * @src: by which MAC
 * @sent: receives those that left it
 * @received: receives those that reached it
 *
 * Context: any; the queues live as long as the netdev.
 */
void ppnic_mac_pauses(struct ppnic_port *port, enum ethtool_mac_stats_src src,
		      u64 *sent, u64 *received)
{
	struct mac_sum tx, rx;

	mac_sums(port, src, &tx, &rx);
	*sent = tx.pause;
	*received = rx.pause;
}

/**
 * ppnic_get_eth_mac_stats() - ethtool op: eth-mac
 * @dev: netdev
 * @stats: receives all counters
 *
 * Context: RTNL or ops lock.
 */
void ppnic_get_eth_mac_stats(struct net_device *dev,
			     struct ethtool_eth_mac_stats *stats)
{
	struct ppnic_port *port = netdev_priv(dev);
	struct mac_sum tx, rx;
	struct ppnic_lost lost;

	mac_sums(port, stats->src, &tx, &rx);
	mac_lost(port, stats->src, &lost);

	memset(&stats->stats, 0, sizeof(stats->stats));
	stats->FramesTransmittedOK = tx.frames;
	stats->OctetsTransmittedOK = tx.octets;
	stats->MulticastFramesXmittedOK = tx.multicast;
	stats->BroadcastFramesXmittedOK = tx.broadcast;
	stats->FramesLostDueToIntMACXmitError = lost.tx;
	stats->FramesReceivedOK = rx.frames;
	stats->OctetsReceivedOK = rx.octets;
	stats->MulticastFramesReceivedOK = rx.multicast;
	stats->BroadcastFramesReceivedOK = rx.broadcast;
	stats->FramesLostDueToIntMACRcvError = lost.rx;
	stats->FrameCheckSequenceErrors = lost.fcs;
	stats->FrameTooLongErrors = lost.too_long;
}

/**
 * ppnic_get_eth_ctrl_stats() - ethtool op: eth-ctrl
 * @dev: netdev
 * @stats: receives all counters; every opcode is known to nobody here
 *
 * Context: RTNL or ops lock.
 */
void ppnic_get_eth_ctrl_stats(struct net_device *dev,
			      struct ethtool_eth_ctrl_stats *stats)
{
	struct mac_sum tx, rx;

	mac_sums(netdev_priv(dev), stats->src, &tx, &rx);
	stats->MACControlFramesTransmitted = tx.control;
	stats->MACControlFramesReceived = rx.control;
	stats->UnsupportedOpcodesReceived = rx.control - rx.pause;
}

/**
 * ppnic_get_rmon_stats() - ethtool op: rmon
 * @dev: netdev
 * @stats: receives the frames of each size
 * @ranges: receives the sizes
 *
 * Context: RTNL or ops lock.
 */
void ppnic_get_rmon_stats(struct net_device *dev,
			  struct ethtool_rmon_stats *stats,
			  const struct ethtool_rmon_hist_range **ranges)
{
	struct ppnic_port *port = netdev_priv(dev);
	struct mac_sum tx, rx;
	struct ppnic_lost lost;
	u32 i;

	mac_sums(port, stats->src, &tx, &rx);
	mac_lost(port, stats->src, &lost);
	stats->undersize_pkts = 0;
	stats->oversize_pkts = lost.too_long;
	stats->fragments = 0;
	stats->jabbers = 0;
	for (i = 0; i < PPNIC_MAC_RANGES; i++) {
		stats->hist[i] = rx.sizes[i];
		stats->hist_tx[i] = tx.sizes[i];
	}
	*ranges = mac_ranges;
}
