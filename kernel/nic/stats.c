// SPDX-License-Identifier: GPL-2.0-only
/*
 * ppnic: what the counters of ppnic.h are called outside.
 *
 * One counter goes to up to three readers: ip -s link, the netdev family's
 * qstats, and ethtool -S. Each has a table; counters are named by where they
 * stand in a queue.
 */
#include <linux/ethtool.h>
#include <linux/netdevice.h>
#include <net/netdev_queues.h>

#include "ppnic.h"

struct counter {
	const char *name;
	u16 sync; /* offsets in the queue */
	u16 value;
};

/* A counter that is added to a field of some structure of u64. */
struct sum {
	struct counter from;
	u16 to; /* offset in that structure */
};

enum {
	RX_SYNC_stats = offsetof(struct ppnic_rxq, stats.sync),
	RX_SYNC_hw = offsetof(struct ppnic_rxq, hw.sync),
	TX_SYNC_stats = offsetof(struct ppnic_txq, stats.sync),
	TX_SYNC_done_stats = offsetof(struct ppnic_txq, done_stats.sync),
	TX_SYNC_hw = offsetof(struct ppnic_txq, hw.sync),
};

#define RX(block, counter)                                          \
	{                                                           \
		.name = #counter, .sync = RX_SYNC_##block,          \
		.value = offsetof(struct ppnic_rxq, block.counter), \
	}

#define TX(block, counter)                                          \
	{                                                           \
		.name = #counter, .sync = TX_SYNC_##block,          \
		.value = offsetof(struct ppnic_txq, block.counter), \
	}

static u64 counter_read(const void *queue, const struct counter *c)
{
	const struct u64_stats_sync *sync = queue + c->sync;
	unsigned int start;
	u64 v;

	do {
		start = u64_stats_fetch_begin(sync);
		v = u64_stats_read(queue + c->value);
	} while (u64_stats_fetch_retry(sync, start));
	return v;
}

static void sums_zero(void *to, const struct sum *sums, u32 nr)
{
	u32 i;

	for (i = 0; i < nr; i++)
		*(u64 *)(to + sums[i].to) = 0;
}

static void sums_add(void *to, const void *queue, const struct sum *sums,
		     u32 nr)
{
	u32 i;

	for (i = 0; i < nr; i++)
		*(u64 *)(to + sums[i].to) += counter_read(queue, &sums[i].from);
}

/* ------------------------------------------------------------- ip -s link */

#define TO_LINK(field) offsetof(struct rtnl_link_stats64, field)

/*
 * Frames the device had no buffer for are missed; good ones that went
 * elsewhere than up are dropped; the rest was wrong in itself.
 */
static const struct sum link_rx[] = {
	{ RX(stats, packets), TO_LINK(rx_packets) },
	{ RX(stats, bytes), TO_LINK(rx_bytes) },
	{ RX(stats, skb_alloc_fail), TO_LINK(rx_dropped) },
	{ RX(stats, carrier_fail), TO_LINK(rx_dropped) },
	{ RX(stats, xdp_failed), TO_LINK(rx_dropped) },
	{ RX(stats, esp_lost), TO_LINK(rx_dropped) },
	{ RX(stats, macsec_lost), TO_LINK(rx_dropped) },
	{ RX(stats, psp_lost), TO_LINK(rx_dropped) },
	{ RX(hw, down), TO_LINK(rx_dropped) },
	{ RX(hw, steer_drops), TO_LINK(rx_dropped) },
	{ RX(hw, macsec_dropped), TO_LINK(rx_dropped) },
	{ RX(hw, psp_dropped), TO_LINK(rx_dropped) },
	{ RX(hw, bpf_failed), TO_LINK(rx_dropped) },
	{ RX(hw, overruns), TO_LINK(rx_missed_errors) },
	{ RX(hw, too_long), TO_LINK(rx_length_errors) },
	{ RX(hw, fcs_errors), TO_LINK(rx_crc_errors) },
	{ RX(hw, fcs_errors), TO_LINK(rx_errors) },
	{ RX(hw, smd_errors), TO_LINK(rx_frame_errors) },
	{ RX(hw, smd_errors), TO_LINK(rx_errors) },
	{ RX(hw, too_long), TO_LINK(rx_errors) },
	{ RX(hw, csum_bad_dropped), TO_LINK(rx_errors) },
	{ RX(hw, dma_errors), TO_LINK(rx_errors) },
};

/* What the device refused comes back to the reaper as dropped. */
static const struct sum link_tx[] = {
	{ TX(stats, packets), TO_LINK(tx_packets) },
	{ TX(stats, bytes), TO_LINK(tx_bytes) },
	{ TX(stats, map_errors), TO_LINK(tx_dropped) },
	{ TX(stats, psp_unmade), TO_LINK(tx_dropped) },
	{ TX(done_stats, dropped), TO_LINK(tx_dropped) },
};

/**
 * ppnic_get_stats64 - netdev op
 * @dev: netdev
 * @s: receives the totals over all queues the port has ever used; zeroed by
 *	the caller
 *
 * Context: RCU or RTNL; the queues live as long as the netdev.
 */
void ppnic_get_stats64(struct net_device *dev, struct rtnl_link_stats64 *s)
{
	struct ppnic_port *port = netdev_priv(dev);
	u32 i;

	for (i = 0; i < dev->num_rx_queues; i++)
		sums_add(s, &port->rxqs[i], link_rx, ARRAY_SIZE(link_rx));
	for (i = 0; i < dev->num_tx_queues; i++)
		sums_add(s, &port->txqs[i], link_tx, ARRAY_SIZE(link_tx));
}

/* ----------------------------------------------------------------- qstats */

#define TO_QRX(field) offsetof(struct netdev_queue_stats_rx, field)
#define TO_QTX(field) offsetof(struct netdev_queue_stats_tx, field)

static const struct sum queue_rx[] = {
	{ RX(stats, packets), TO_QRX(packets) },
	{ RX(stats, bytes), TO_QRX(bytes) },
	{ RX(stats, alloc_fail), TO_QRX(alloc_fail) },
	{ RX(stats, skb_alloc_fail), TO_QRX(alloc_fail) },
	{ RX(stats, carrier_fail), TO_QRX(alloc_fail) },
	{ RX(hw, overruns), TO_QRX(hw_drops) },
	{ RX(hw, down), TO_QRX(hw_drops) },
	{ RX(hw, steer_drops), TO_QRX(hw_drops) },
	{ RX(hw, macsec_dropped), TO_QRX(hw_drops) },
	{ RX(hw, psp_dropped), TO_QRX(hw_drops) },
	{ RX(hw, bpf_failed), TO_QRX(hw_drops) },
	{ RX(hw, too_long), TO_QRX(hw_drops) },
	{ RX(hw, fcs_errors), TO_QRX(hw_drops) },
	{ RX(hw, smd_errors), TO_QRX(hw_drops) },
	{ RX(hw, csum_bad_dropped), TO_QRX(hw_drops) },
	{ RX(hw, dma_errors), TO_QRX(hw_drops) },
	{ RX(hw, overruns), TO_QRX(hw_drop_overruns) },
	{ RX(stats, csum_unnecessary), TO_QRX(csum_unnecessary) },
	{ RX(stats, csum_none), TO_QRX(csum_none) },
	{ RX(hw, csum_bad), TO_QRX(csum_bad) },
	{ RX(stats, hw_gro_packets), TO_QRX(hw_gro_packets) },
	{ RX(stats, hw_gro_bytes), TO_QRX(hw_gro_bytes) },
	{ RX(stats, hw_gro_wire_packets), TO_QRX(hw_gro_wire_packets) },
	{ RX(stats, hw_gro_wire_bytes), TO_QRX(hw_gro_wire_bytes) },
};

static const struct sum queue_tx[] = {
	{ TX(stats, packets), TO_QTX(packets) },
	{ TX(stats, bytes), TO_QTX(bytes) },
	{ TX(done_stats, dropped), TO_QTX(hw_drops) },
	{ TX(hw, dma_errors), TO_QTX(hw_drop_errors) },
	{ TX(hw, malformed), TO_QTX(hw_drop_errors) },
	{ TX(hw, esp_refused), TO_QTX(hw_drop_errors) },
	{ TX(hw, macsec_refused), TO_QTX(hw_drop_errors) },
	{ TX(hw, psp_refused), TO_QTX(hw_drop_errors) },
	{ TX(stats, csum_none), TO_QTX(csum_none) },
	{ TX(stats, needs_csum), TO_QTX(needs_csum) },
	{ TX(stats, gso_packets), TO_QTX(hw_gso_packets) },
	{ TX(stats, gso_bytes), TO_QTX(hw_gso_bytes) },
	{ TX(stats, gso_wire_packets), TO_QTX(hw_gso_wire_packets) },
	{ TX(stats, gso_wire_bytes), TO_QTX(hw_gso_wire_bytes) },
	{ TX(stats, stop), TO_QTX(stop) },
	{ TX(done_stats, wake), TO_QTX(wake) },
};

static void ppnic_queue_stats_rx(struct net_device *dev, int idx,
				 struct netdev_queue_stats_rx *stats)
{
	static const struct counter dropped = RX(hw, csum_bad_dropped);
	struct ppnic_port *port = netdev_priv(dev);
	const struct ppnic_rxq *rxq = &port->rxqs[idx];

	sums_zero(stats, queue_rx, ARRAY_SIZE(queue_rx));
	sums_add(stats, rxq, queue_rx, ARRAY_SIZE(queue_rx));
	/* Here only those that went up all the same. */
	stats->csum_bad -= min(stats->csum_bad, counter_read(rxq, &dropped));
}

static void ppnic_queue_stats_tx(struct net_device *dev, int idx,
				 struct netdev_queue_stats_tx *stats)
{
	struct ppnic_port *port = netdev_priv(dev);

	sums_zero(stats, queue_tx, ARRAY_SIZE(queue_tx));
	sums_add(stats, &port->txqs[idx], queue_tx, ARRAY_SIZE(queue_tx));
}

/* Queues keep their counters; the core asks us for those it doesn't see. */
static void ppnic_base_stats(struct net_device *dev,
			     struct netdev_queue_stats_rx *rx,
			     struct netdev_queue_stats_tx *tx)
{
	sums_zero(rx, queue_rx, ARRAY_SIZE(queue_rx));
	sums_zero(tx, queue_tx, ARRAY_SIZE(queue_tx));
	netdev_stat_queue_sum(dev, dev->real_num_rx_queues, dev->num_rx_queues,
			      rx, dev->real_num_tx_queues, dev->num_tx_queues,
			      tx);
}

const struct netdev_stat_ops ppnic_stat_ops = {
	.get_queue_stats_rx = ppnic_queue_stats_rx,
	.get_queue_stats_tx = ppnic_queue_stats_tx,
	.get_base_stats = ppnic_base_stats,
};

/* --------------------------------------------------- for the MAC's counters */

static const struct sum lost_tx[] = {
	{ TX(hw, dma_errors), offsetof(struct ppnic_lost, tx) },
	{ TX(hw, malformed), offsetof(struct ppnic_lost, tx) },
};

static const struct sum lost_rx[] = {
	{ RX(hw, dma_errors), offsetof(struct ppnic_lost, rx) },
	{ RX(hw, too_long), offsetof(struct ppnic_lost, too_long) },
	{ RX(hw, fcs_errors), offsetof(struct ppnic_lost, fcs) },
};

/**
 * ppnic_lost_frames() - frames that the device itself lost
 * @port: the port
 * @lost: receives them, by why
 *
 * Context: any; the queues live as long as the netdev.
 */
void ppnic_lost_frames(struct ppnic_port *port, struct ppnic_lost *lost)
{
	u32 i;

	memset(lost, 0, sizeof(*lost));

	for (i = 0; i < port->dev->num_tx_queues; i++)
		sums_add(lost, &port->txqs[i], lost_tx, ARRAY_SIZE(lost_tx));
	for (i = 0; i < port->dev->num_rx_queues; i++)
		sums_add(lost, &port->rxqs[i], lost_rx, ARRAY_SIZE(lost_rx));
}

/**
 * ppnic_smd_errors() - frames that a port did not understand
 * @port: the port
 *
 * Context: any; the queues live as long as the netdev.
 * Return: how many.
 */
u64 ppnic_smd_errors(struct ppnic_port *port)
{
	static const struct counter smd_errors = RX(hw, smd_errors);
	u64 sum = 0;
	u32 i;

	for (i = 0; i < port->dev->num_rx_queues; i++)
		sum += counter_read(&port->rxqs[i], &smd_errors);
	return sum;
}

/* ------------------------------------------------------------- ethtool -S */

static const struct counter all_rx[] = {
	RX(stats, packets),
	RX(stats, bytes),
	RX(stats, alloc_fail),
	RX(stats, skb_alloc_fail),
	RX(stats, carrier_fail),
	RX(stats, merged),
	RX(stats, split),
	RX(stats, unsplit),
	RX(stats, csum_unnecessary),
	RX(stats, csum_none),
	RX(stats, hw_gro_packets),
	RX(stats, hw_gro_bytes),
	RX(stats, hw_gro_wire_packets),
	RX(stats, hw_gro_wire_bytes),
	RX(stats, lro_packets),
	RX(stats, lro_wire_packets),
	RX(stats, xdp_pass),
	RX(stats, xdp_drop),
	RX(stats, xdp_tx),
	RX(stats, xdp_redirect),
	RX(stats, xdp_aborted),
	RX(stats, xdp_failed),
	RX(stats, xsk_frames),
	RX(stats, esp_lost),
	RX(stats, macsec_lost),
	RX(stats, psp_lost),
	RX(hw, overruns),
	RX(hw, down),
	RX(hw, csum_bad),
	RX(hw, csum_bad_dropped),
	RX(hw, steer_drops),
	RX(hw, too_long),
	RX(hw, fcs_errors),
	RX(hw, smd_errors),
	RX(hw, dma_errors),
	RX(hw, esp_decrypted),
	RX(hw, esp_bad),
	RX(hw, macsec_accepted),
	RX(hw, macsec_dropped),
	RX(hw, psp_decrypted),
	RX(hw, psp_dropped),
	RX(hw, bpf_pass),
	RX(hw, bpf_drop),
	RX(hw, bpf_tx),
	RX(hw, bpf_aborted),
	RX(hw, bpf_failed),
	RX(hw, pauses),
	RX(hw, pause_expired),
};

static const struct counter all_tx[] = {
	TX(stats, packets),        TX(stats, bytes),
	TX(stats, map_errors),     TX(stats, busy),
	TX(stats, stop),           TX(stats, needs_csum),
	TX(stats, csum_none),      TX(stats, gso_packets),
	TX(stats, gso_bytes),      TX(stats, gso_wire_packets),
	TX(stats, gso_wire_bytes), TX(stats, xdp_frames),
	TX(stats, xdp_full),       TX(stats, xsk_frames),
	TX(done_stats, wake),      TX(done_stats, dropped),
	TX(hw, dma_errors),        TX(hw, malformed),
	TX(hw, no_link),           TX(hw, stalls),
	TX(hw, esp_encrypted),     TX(hw, esp_refused),
	TX(hw, macsec_protected),  TX(hw, macsec_refused),
	TX(hw, psp_encrypted),     TX(hw, psp_refused),
	TX(stats, psp_unmade),
};

/* A new counter must not be forgotten here; sync takes no room on 64 bits. */
#define NR_COUNTERS(type) \
	((sizeof(struct type) - sizeof(struct u64_stats_sync)) / sizeof(u64))
#ifdef CONFIG_64BIT
static_assert(ARRAY_SIZE(all_rx) ==
	      NR_COUNTERS(ppnic_rx_stats) + NR_COUNTERS(ppnic_rx_hw_stats));
static_assert(ARRAY_SIZE(all_tx) == NR_COUNTERS(ppnic_tx_stats) +
					    NR_COUNTERS(ppnic_tx_done_stats) +
					    NR_COUNTERS(ppnic_tx_hw_stats));
#endif
#undef NR_COUNTERS

struct fault_counter {
	const char *name;
	u16 offset; /* of the fault in struct ppnic_faults */
};

#define FAULT(fault)                                            \
	{                                                       \
		.name = #fault,                                 \
		.offset = offsetof(struct ppnic_faults, fault), \
	}

static const struct fault_counter all_faults[] = {
	FAULT(lose),       FAULT(duplicate),       FAULT(reorder),
	FAULT(corrupt),    FAULT(rx_alloc),        FAULT(rx_attach),
	FAULT(stray_dma),  FAULT(queue_mem_alloc), FAULT(queue_start),
	FAULT(queue_stop), FAULT(tx_inner),        FAULT(bit_errors),
};

#undef FAULT

/* Refused accesses, counted at the parent, and the device half's time. */
#define NR_PORT_COUNTERS 2

/**
 * ppnic_get_sset_count - ethtool op
 * @dev: netdev
 * @sset: string set
 *
 * Queues that are not in use are listed too: their counts belong to the
 * totals.
 *
 * Context: RTNL.
 * Return: number of strings, -EOPNOTSUPP for a set other than ETH_SS_STATS.
 */
int ppnic_get_sset_count(struct net_device *dev, int sset)
{
	struct ppnic_port *port = netdev_priv(dev);

	if (sset != ETH_SS_STATS)
		return -EOPNOTSUPP;
	return (1 + dev->num_rx_queues) * ARRAY_SIZE(all_rx) +
	       (1 + dev->num_tx_queues) * ARRAY_SIZE(all_tx) +
	       NR_PORT_COUNTERS + port->nr_channels + ARRAY_SIZE(all_faults);
}

/**
 * ppnic_get_strings - ethtool op
 * @dev: netdev
 * @sset: string set
 * @data: receives ppnic_get_sset_count() strings
 *
 * Context: RTNL.
 */
void ppnic_get_strings(struct net_device *dev, u32 sset, u8 *data)
{
	struct ppnic_port *port = netdev_priv(dev);
	u32 i, q;

	if (sset != ETH_SS_STATS)
		return;

	for (i = 0; i < ARRAY_SIZE(all_rx); i++)
		ethtool_sprintf(&data, "rx_%s", all_rx[i].name);
	for (i = 0; i < ARRAY_SIZE(all_tx); i++)
		ethtool_sprintf(&data, "tx_%s", all_tx[i].name);
	ethtool_puts(&data, "dma_faults");
	ethtool_puts(&data, "engine_cycles");

	for (q = 0; q < dev->num_rx_queues; q++)
		for (i = 0; i < ARRAY_SIZE(all_rx); i++)
			ethtool_sprintf(&data, "rx%u_%s", q, all_rx[i].name);
	for (q = 0; q < dev->num_tx_queues; q++)
		for (i = 0; i < ARRAY_SIZE(all_tx); i++)
			ethtool_sprintf(&data, "tx%u_%s", q, all_tx[i].name);
	for (q = 0; q < port->nr_channels; q++)
		ethtool_sprintf(&data, "ch%u_interrupts", q);
	for (i = 0; i < ARRAY_SIZE(all_faults); i++)
		ethtool_sprintf(&data, "fault_%s", all_faults[i].name);
}

/**
 * ppnic_get_ethtool_stats - ethtool op
 * @dev: netdev
 * @stats: not used
 * @data: receives one value for each of ppnic_get_strings()
 *
 * Context: RTNL.
 */
void ppnic_get_ethtool_stats(struct net_device *dev,
			     struct ethtool_stats *stats, u64 *data)
{
	u64 *rx = data, *tx = rx + ARRAY_SIZE(all_rx);
	struct ppnic_port *port = netdev_priv(dev);
	u32 i, q;

	/* The totals come first, and are added up on the way. */
	memset(data, 0,
	       (ARRAY_SIZE(all_rx) + ARRAY_SIZE(all_tx)) * sizeof(*data));
	data = tx + ARRAY_SIZE(all_tx);
	*data++ = atomic64_read(&port->parent->faults);
	*data++ = atomic64_read(&port->engine_cycles) +
		  atomic64_read(&port->parent->sync_cycles);

	for (q = 0; q < dev->num_rx_queues; q++) {
		for (i = 0; i < ARRAY_SIZE(all_rx); i++) {
			*data = counter_read(&port->rxqs[q], &all_rx[i]);
			rx[i] += *data++;
		}
	}
	for (q = 0; q < dev->num_tx_queues; q++) {
		for (i = 0; i < ARRAY_SIZE(all_tx); i++) {
			*data = counter_read(&port->txqs[q], &all_tx[i]);
			tx[i] += *data++;
		}
	}
	for (q = 0; q < port->nr_channels; q++)
		*data++ = atomic64_read(&port->channels[q].interrupts);
	for (i = 0; i < ARRAY_SIZE(all_faults); i++) {
		struct ppnic_fault *fault = (void *)&port->faults +
					    all_faults[i].offset;

		*data++ = atomic64_read(&fault->hits);
	}
}
