// SPDX-License-Identifier: GPL-2.0-only
/*
 * The driver half of transmit: map, describe, ring the doorbell; reap.
 *
 * The skb stays mapped and owned by the ring until the device has written its
 * status back; what the device dropped is freed with the reason it gave.
 */
#include <linux/etherdevice.h>
#include <linux/if_vlan.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/tcp.h>
#include <linux/udp.h>
#include <net/gre.h>

#include "../compat/gso.h"
#include "esp.h"
#include "macsec.h"
#include "psp.h"
#include "tx.h"

/* How many frames one poll reaps at most, as other drivers have it. */
#define PPNIC_TX_BUDGET 256

/**
 * ppnic_tx_unmap() - undo the mapping of one descriptor
 * @txq: the queue
 * @slot: of the descriptor
 *
 * Context: any.
 */
void ppnic_tx_unmap(struct ppnic_txq *txq, u32 slot)
{
	struct device *dev = &txq->port->parent->dev;
	struct ppnic_txd *txd = &txq->mem.desc[slot];

	switch (txq->mem.buf[slot].map) {
	case PPNIC_TX_SINGLE:
		dma_unmap_single(dev, txd->addr, txd->len, DMA_TO_DEVICE);
		break;
	case PPNIC_TX_PAGE:
		dma_unmap_page(dev, txd->addr, txd->len, DMA_TO_DEVICE);
		break;
	case PPNIC_TX_BOUND:
	case PPNIC_TX_XSK:
		break;
	}
}

/* Map the linear part and each frag. Returns descriptors used, or -errno. */
static int ppnic_tx_map(struct ppnic_txq *txq, struct sk_buff *skb)
{
	struct device *dev = &txq->port->parent->dev;
	u32 mask = txq->mem.mask, n = 0, i;

	if (skb_headlen(skb)) {
		struct ppnic_txd *txd = &txq->mem.desc[txq->prod & mask];

		txd->len = skb_headlen(skb);
		txd->addr = dma_map_single(dev, skb->data, txd->len,
					   DMA_TO_DEVICE);
		if (dma_mapping_error(dev, txd->addr))
			return -ENOMEM;
		txq->mem.buf[txq->prod & mask].map = PPNIC_TX_SINGLE;
		n++;
	}

	for (i = 0; i < skb_shinfo(skb)->nr_frags; i++) {
		const skb_frag_t *frag = &skb_shinfo(skb)->frags[i];
		u32 slot = (txq->prod + n) & mask;
		struct ppnic_txd *txd = &txq->mem.desc[slot];

		/* Device memory was mapped for the port when it was bound to
		 * it; the core has seen to it that it is this one.
		 */
		txd->len = skb_frag_size(frag);
		txd->addr = skb_frag_dma_map(dev, frag, 0, txd->len,
					     DMA_TO_DEVICE);
		if (dma_mapping_error(dev, txd->addr))
			goto err_unmap;
		txq->mem.buf[slot].map = skb_frag_is_net_iov(frag) ?
						 PPNIC_TX_BOUND :
						 PPNIC_TX_PAGE;
		n++;
	}
	return n;

err_unmap:
	while (n--)
		ppnic_tx_unmap(txq, (txq->prod + n) & mask);
	return -ENOMEM;
}

/* What each segment of a GSO skb begins with. */
static u32 ppnic_gso_headers(const struct sk_buff *skb)
{
	bool udp = skb_shinfo(skb)->gso_type & SKB_GSO_UDP_L4;

	if (skb->encapsulation)
		return udp ? skb_inner_transport_offset(skb) +
				       sizeof(struct udphdr) :
			     skb_inner_tcp_all_headers(skb);
	return udp ? skb_transport_offset(skb) + sizeof(struct udphdr) :
		     skb_tcp_all_headers(skb);
}

/* A driver's mistakes, one after the other: headers that lie in front of those
 * around them, behind what the device sees, within each other, and a tunnel of
 * another kind.
 */
static void ppnic_tx_misdescribe(struct ppnic_fault *f, struct ppnic_txd *txd)
{
	switch (atomic64_read(&f->hits) % 6) {
	case 0:
		txd->inner_l3 = 0;
		break;
	case 1:
		txd->inner_l3 = U16_MAX;
		txd->inner_l4 = U16_MAX;
		break;
	case 2:
		txd->inner_l4 = txd->inner_l3;
		break;
	case 3:
		txd->inner_l4 = U16_MAX;
		break;
	case 4:
		txd->inner_l3 = PPNIC_HDR_MAX - 1;
		txd->inner_l4 = txd->inner_l3 + sizeof(struct iphdr);
		break;
	case 5:
		txd->gso_type |= SKB_GSO_GRE | SKB_GSO_IPXIP4 |
				 SKB_GSO_UDP_TUNNEL;
		break;
	}
}

static void ppnic_tx_describe_gso(struct ppnic_port *port,
				  struct ppnic_txd *txd,
				  const struct sk_buff *skb)
{
	u32 gso_type = skb_shinfo(skb)->gso_type;

	txd->flags |= PPNIC_TXD_GSO;
	txd->gso_size = skb_shinfo(skb)->gso_size;
	txd->gso_type = gso_type;
	if (compat_gso_fixed_id(gso_type, skb->encapsulation))
		txd->flags |= PPNIC_TXD_FIX_ID;
	if (!skb->encapsulation)
		return;

	txd->flags |= PPNIC_TXD_TUNNEL;
	if (compat_gso_fixed_inner_id(gso_type))
		txd->flags |= PPNIC_TXD_FIX_INNER_ID;
	txd->inner_l3 = skb_inner_network_offset(skb);
	txd->inner_l4 = skb_inner_transport_offset(skb);
	if (ppnic_fault_next(&port->faults.tx_inner))
		ppnic_tx_misdescribe(&port->faults.tx_inner, txd);
}

/* What the device must know beyond addresses, for the first descriptor. */
static void ppnic_tx_describe(struct ppnic_txq *txq, struct sk_buff *skb,
			      u16 ndesc, u32 psp)
{
	struct ppnic_txd *txd = &txq->mem.desc[txq->prod & txq->mem.mask];
	struct ppnic_tx_buf *buf = &txq->mem.buf[txq->prod & txq->mem.mask];
	u32 segs = 1, hdr = 0, wire;

	txd->ndesc = ndesc;
	txd->flags = 0;
	txd->status = SKB_NOT_DROPPED_YET;
	buf->skb = skb;
	buf->xdpf = NULL;
	if (ppnic_stamp_wanted(txq->port, skb))
		txd->flags |= PPNIC_TXD_STAMP;

	if (skb->ip_summed == CHECKSUM_PARTIAL) {
		txd->flags |= PPNIC_TXD_CSUM;
		txd->csum_start = skb_checksum_start_offset(skb);
		txd->csum_offset = skb->csum_offset;
	}
	if (skb_is_gso(skb)) {
		ppnic_tx_describe_gso(txq->port, txd, skb);
		hdr = ppnic_gso_headers(skb);
		segs = DIV_ROUND_UP(skb->len - hdr, txd->gso_size);
	}
	wire = skb->len + (segs - 1) * hdr;
	ppnic_ipsec_tx(txq->port, skb, txd);
	ppnic_macsec_tx(txq->port, skb, txd);
	if (psp) {
		txd->flags |= PPNIC_TXD_PSP;
		txd->sa = psp;
	}

	u64_stats_update_begin(&txq->stats.sync);
	u64_stats_add(&txq->stats.packets, segs);
	u64_stats_add(&txq->stats.bytes, wire);
	u64_stats_inc(txd->flags & PPNIC_TXD_CSUM ? &txq->stats.needs_csum :
						    &txq->stats.csum_none);
	if (txd->flags & PPNIC_TXD_GSO) {
		u64_stats_inc(&txq->stats.gso_packets);
		u64_stats_add(&txq->stats.gso_bytes, skb->len);
		u64_stats_add(&txq->stats.gso_wire_packets, segs);
		u64_stats_add(&txq->stats.gso_wire_bytes, wire);
	}
	u64_stats_update_end(&txq->stats.sync);
}

/* A header that all segments can have? GRO calls GRE with a checksum plain GRE,
 * and then nobody would make it each segment's.
 */
static bool ppnic_gre_able(const struct sk_buff *skb)
{
	const struct gre_base_hdr *gre;
	struct gre_base_hdr copy;

	gre = skb_header_pointer(skb, skb_transport_offset(skb), sizeof(copy),
				 &copy);
	return gre && !(gre->flags & ~(GRE_CSUM | GRE_KEY)) &&
	       (!(gre->flags & GRE_CSUM) ||
		skb_shinfo(skb)->gso_type & SKB_GSO_GRE_CSUM);
}

/* Can the device cut this out of its tunnel? It takes one of these at a time,
 * and is told of what the stack keeps in order only.
 */
static bool ppnic_tunnel_able(const struct sk_buff *skb)
{
	u32 gso_type = skb_shinfo(skb)->gso_type;
	bool udp = gso_type & (SKB_GSO_UDP_TUNNEL | SKB_GSO_UDP_TUNNEL_CSUM);
	bool gre = gso_type & (SKB_GSO_GRE | SKB_GSO_GRE_CSUM);
	bool ip = gso_type & (SKB_GSO_IPXIP4 | SKB_GSO_IPXIP6);
	int l4_len = gso_type & SKB_GSO_UDP_L4 ? sizeof(struct udphdr) :
						 sizeof(struct tcphdr);

	/* Lengths that the outer headers can't tell. */
	if (udp + gre + ip != 1 || skb->len - skb_network_offset(skb) > U16_MAX)
		return false;
	if (gre && !ppnic_gre_able(skb))
		return false;
	return skb_inner_network_offset(skb) > skb_network_offset(skb) &&
	       skb_inner_transport_offset(skb) + l4_len <=
		       (int)skb_headlen(skb) &&
	       skb_checksum_start_offset(skb) ==
		       skb_inner_transport_offset(skb);
}

/* Can the device cut this? */
static bool ppnic_gso_able(const struct sk_buff *skb)
{
	u32 l3 = skb_network_header_len(skb);
	bool v6;

	if (!(skb_shinfo(skb)->gso_type &
	      (SKB_GSO_TCPV4 | SKB_GSO_TCPV6 | SKB_GSO_UDP_L4)))
		return false;

	if (skb->encapsulation) {
		if (!ppnic_tunnel_able(skb))
			return false;
		l3 = skb_inner_network_header_len(skb);
		v6 = inner_ip_hdr(skb)->version == 6;
	} else {
		v6 = vlan_get_protocol(skb) == htons(ETH_P_IPV6);
	}
	return (!v6 || l3 == sizeof(struct ipv6hdr)) &&
	       ppnic_gso_headers(skb) <= PPNIC_HDR_MAX;
}

/**
 * ppnic_features_check() - ndo_features_check: what the device can't segment
 * @skb: about to be sent
 * @dev: the port
 * @features: what the core would use
 *
 * The device sees the first PPNIC_HDR_MAX bytes only, knows no extension
 * headers of what it cuts, and one tunnel around it.
 *
 * Context: softirq or process with BH off.
 * Return: @features, less GSO and checksum where software must do it.
 */
netdev_features_t ppnic_features_check(struct sk_buff *skb,
				       struct net_device *dev,
				       netdev_features_t features)
{
	features = vlan_features_check(skb, features);

	if (skb_is_gso(skb) && (!ppnic_gso_able(skb) || ppnic_psp_is(skb)))
		features &= ~NETIF_F_GSO_MASK;
	if (skb->ip_summed == CHECKSUM_PARTIAL &&
	    skb_checksum_start_offset(skb) + skb->csum_offset +
			    sizeof(__sum16) >
		    PPNIC_HDR_MAX) {
		features &= ~(NETIF_F_CSUM_MASK | NETIF_F_GSO_MASK);
	}
	return features;
}

/**
 * ppnic_xmit() - ndo_start_xmit
 * @skb: to send
 * @dev: the port
 *
 * Context: TX queue lock held; BH off, or, called by netpoll, interrupts.
 * Return: NETDEV_TX_OK, or NETDEV_TX_BUSY with a full ring.
 */
netdev_tx_t ppnic_xmit(struct sk_buff *skb, struct net_device *dev)
{
	struct ppnic_port *port = netdev_priv(dev);
	struct ppnic_txq *txq = &port->txqs[skb_get_queue_mapping(skb)];
	struct netdev_queue *nq = netdev_get_tx_queue(dev, txq->index);
	enum skb_drop_reason reason = SKB_DROP_REASON_NOMEM;
	bool more = netdev_xmit_more();
	u32 psp;
	int n;

	if (unlikely(!netif_txq_maybe_stop(nq, ppnic_tx_room(txq),
					   PPNIC_TX_STOP, PPNIC_TX_START))) {
		u64_stats_update_begin(&txq->stats.sync);
		u64_stats_inc(&txq->stats.busy);
		u64_stats_update_end(&txq->stats.sync);
		ppnic_engine_kick(txq);
		return NETDEV_TX_BUSY;
	}

	if (unlikely(!ppnic_psp_tx(port, skb, &psp))) {
		u64_stats_update_begin(&txq->stats.sync);
		u64_stats_inc(&txq->stats.psp_unmade);
		u64_stats_update_end(&txq->stats.sync);
		reason = SKB_DROP_REASON_DEV_HDR;
		goto err_free;
	}
	n = ppnic_tx_map(txq, skb);
	if (unlikely(n < 0)) {
		u64_stats_update_begin(&txq->stats.sync);
		u64_stats_inc(&txq->stats.map_errors);
		u64_stats_update_end(&txq->stats.sync);
		goto err_free;
	}
	ppnic_tx_describe(txq, skb, n, psp);
	skb_tx_timestamp(skb);

	more = !__netdev_tx_sent_queue(nq, skb->len, more);
	WRITE_ONCE(txq->prod, txq->prod + n);

	if (!netif_txq_maybe_stop(nq, ppnic_tx_room(txq), PPNIC_TX_STOP,
				  PPNIC_TX_START)) {
		u64_stats_update_begin(&txq->stats.sync);
		u64_stats_inc(&txq->stats.stop);
		u64_stats_update_end(&txq->stats.sync);
		more = false;
	}
	if (!more)
		ppnic_tx_doorbell(txq);
	return NETDEV_TX_OK;

err_free:
	dev_kfree_skb_any_reason(skb, reason);
	/* What was queued with xmit_more must still go. */
	ppnic_tx_doorbell(txq);
	return NETDEV_TX_OK;
}

/**
 * ppnic_tx_maybe_stop() - a frame not of the stack's was put into the ring
 * @txq: the queue
 *
 * If the stack's next one might not fit, it waits.
 *
 * Context: BH off, TX queue lock held.
 */
void ppnic_tx_maybe_stop(struct ppnic_txq *txq)
{
	struct netdev_queue *nq = netdev_get_tx_queue(txq->port->dev,
						      txq->index);

	if (ppnic_tx_room(txq) >= PPNIC_TX_STOP)
		return;
	netif_tx_stop_queue(nq);
	/* As netif_txq_maybe_stop() does it, for the same reaper; but what the
	 * qdisc has kept meanwhile needs someone to run it.
	 */
	smp_mb__after_atomic();
	if (ppnic_tx_room(txq) >= PPNIC_TX_START)
		netif_tx_wake_queue(nq);
}

/**
 * ppnic_tx_pending() - is there something for ppnic_tx_reap() to do
 * @txq: the queue
 *
 * Context: NAPI of the queue's channel.
 * Return: true if the device has written back a frame, or waits for NAPI to go
 * on.
 */
bool ppnic_tx_pending(struct ppnic_txq *txq)
{
	if (!txq->mem.desc)
		return false;
	if (test_bit(PPNIC_ENGINE_MORE, &txq->engine_flags))
		return true;
	/* Pairs with the release in the engine: status before index. */
	return txq->clean != smp_load_acquire(&txq->done);
}

/* What a reaper has taken back. */
struct ppnic_reaped {
	u32 frames;
	u32 dropped; /* of them */
	u32 xsk;     /* of them: of AF_XDP sockets */
	u32 pkts;    /* these two: as BQL knows them, without XDP's */
	u32 bytes;
};

/* Unmap and free the frame at @clean. */
static void ppnic_tx_finish(struct ppnic_txq *txq, u32 clean, int budget,
			    struct ppnic_reaped *reaped)
{
	struct ppnic_tx_mem *mem = &txq->mem;
	struct ppnic_txd *txd = &mem->desc[clean & mem->mask];
	struct ppnic_tx_buf *buf = &mem->buf[clean & mem->mask];
	u32 i;

	for (i = 0; i < txd->ndesc; i++)
		ppnic_tx_unmap(txq, (clean + i) & mem->mask);

	reaped->frames++;
	if (txd->status != SKB_NOT_DROPPED_YET)
		reaped->dropped++;

	if (buf->xdpf) {
		xdp_return_frame(buf->xdpf);
		buf->xdpf = NULL;
		return;
	}
	if (!buf->skb) {
		reaped->xsk++;
		return;
	}

	reaped->pkts++;
	reaped->bytes += buf->skb->len;
	if (txd->status == SKB_NOT_DROPPED_YET && txd->flags & PPNIC_TXD_STAMP)
		ppnic_stamp_tx(txq->port, buf->skb, txd->stamp);
	if (txd->status == SKB_NOT_DROPPED_YET)
		napi_consume_skb(buf->skb, budget);
	else
		dev_kfree_skb_any_reason(buf->skb, txd->status);
	buf->skb = NULL;
}

/* All that was reaped was XDP's: netif_txq_completed_wake() would do nothing,
 * and the queue may have been stopped on account of it.
 */
static bool ppnic_tx_wake(struct ppnic_txq *txq)
{
	struct netdev_queue *nq = netdev_get_tx_queue(txq->port->dev,
						      txq->index);

	/* @clean before the look at the bit; pairs with the barrier in
	 * ppnic_tx_maybe_stop().
	 */
	smp_mb();
	if (!netif_tx_queue_stopped(nq) || ppnic_tx_room(txq) < PPNIC_TX_START)
		return false;
	netif_tx_wake_queue(nq);
	return true;
}

/**
 * ppnic_tx_reap() - take back what the device is done with
 * @txq: the queue; may be down
 * @budget: NAPI budget; 0: of netpoll, which must not touch what XDP has sent
 *	nor run the device, and so takes the stack's frames up to the first one
 *	of XDP's
 *
 * Context: NAPI of the queue's channel; with @budget 0 any.
 * Return: true if more is waiting than one poll should take.
 */
bool ppnic_tx_reap(struct ppnic_txq *txq, int budget)
{
	struct netdev_queue *nq = netdev_get_tx_queue(txq->port->dev,
						      txq->index);
	u32 clean = txq->clean, done;
	struct ppnic_reaped r = {};

	if (!txq->mem.desc)
		return false;

	if (budget && test_and_clear_bit(PPNIC_ENGINE_MORE, &txq->engine_flags))
		ppnic_engine_kick(txq);

	/* Pairs with the release in the engine: status before index. */
	done = smp_load_acquire(&txq->done);
	while (clean != done && r.frames < PPNIC_TX_BUDGET) {
		u16 n = txq->mem.desc[clean & txq->mem.mask].ndesc;

		if (!budget && !txq->mem.buf[clean & txq->mem.mask].skb)
			break;
		ppnic_tx_finish(txq, clean, budget, &r);
		clean += n;
	}
	WRITE_ONCE(txq->clean, clean);
	if (!r.frames)
		return false;
	ppnic_xsk_sent(txq, r.xsk);

	u64_stats_update_begin(&txq->done_stats.sync);
	u64_stats_add(&txq->done_stats.dropped, r.dropped);
	if (!__netif_txq_completed_wake(nq, r.pkts, r.bytes, ppnic_tx_room(txq),
					PPNIC_TX_START, false) ||
	    (!r.pkts && ppnic_tx_wake(txq)))
		u64_stats_inc(&txq->done_stats.wake);
	u64_stats_update_end(&txq->done_stats.sync);

	return clean != done;
}

/**
 * ppnic_tx_mem_alloc() - what a TX queue needs while it is up
 * @mem: filled in; zero on error
 * @ring: descriptors, a power of two
 *
 * Context: process.
 * Return: 0 or -ENOMEM.
 */
int ppnic_tx_mem_alloc(struct ppnic_tx_mem *mem, u32 ring)
{
	mem->mask = ring - 1;
	mem->desc = kvcalloc(ring, sizeof(*mem->desc), GFP_KERNEL);
	if (!mem->desc)
		return -ENOMEM;

	mem->buf = kvcalloc(ring, sizeof(*mem->buf), GFP_KERNEL);
	if (!mem->buf) {
		kvfree(mem->desc);
		mem->desc = NULL;
		return -ENOMEM;
	}
	return 0;
}

/**
 * ppnic_tx_mem_free() - give back what ppnic_tx_mem_alloc() made
 * @mem: holds no frames; may be zero
 *
 * Context: process.
 */
void ppnic_tx_mem_free(struct ppnic_tx_mem *mem)
{
	kvfree(mem->buf);
	kvfree(mem->desc);
	memset(mem, 0, sizeof(*mem));
}

/**
 * ppnic_tx_start() - give the device a queue's ring
 * @txq: stopped queue
 * @mem: moved into the queue, zero afterwards
 *
 * Context: process, ops lock held, the channel's NAPI disabled.
 */
void ppnic_tx_start(struct ppnic_txq *txq, struct ppnic_tx_mem *mem)
{
	struct ppnic_channel *ch = &txq->port->channels[txq->index];

	spin_lock_bh(&txq->engine_lock);
	txq->mem = *mem;
	txq->prod = 0;
	txq->doorbell = 0;
	txq->fetch = 0;
	txq->done = 0;
	txq->clean = 0;
	txq->progress = 0;
	txq->gso_reason = SKB_NOT_DROPPED_YET;
	txq->admitted = false;
	txq->started = true;
	spin_unlock_bh(&txq->engine_lock);
	memset(mem, 0, sizeof(*mem));

	netdev_tx_reset_queue(netdev_get_tx_queue(txq->port->dev, txq->index));
	netif_queue_set_napi(txq->port->dev, txq->index, NETDEV_QUEUE_TYPE_TX,
			     &ch->napi);
}

/**
 * ppnic_tx_stop() - take a queue's ring from the device
 * @txq: started queue, or one that is down
 * @mem: receives the ring, emptied; zero if the queue was down
 *
 * What was not sent yet is dropped with SKB_DROP_REASON_QUEUE_PURGE.
 *
 * Context: process, ops lock held, no xmit, the channel's NAPI disabled.
 */
void ppnic_tx_stop(struct ppnic_txq *txq, struct ppnic_tx_mem *mem)
{
	struct ppnic_reaped r = {};
	u32 clean;

	netif_queue_set_napi(txq->port->dev, txq->index, NETDEV_QUEUE_TYPE_TX,
			     NULL);

	spin_lock_bh(&txq->engine_lock);
	txq->started = false;
	clear_bit(PPNIC_ENGINE_MORE, &txq->engine_flags);
	spin_unlock_bh(&txq->engine_lock);
	ppnic_wire_drain(txq);

	for (clean = txq->clean; clean != txq->prod;) {
		struct ppnic_txd *txd = &txq->mem.desc[clean & txq->mem.mask];

		/* Not yet fetched: only we know what becomes of it. */
		if ((s32)(clean - txq->done) >= 0)
			txd->status = SKB_DROP_REASON_QUEUE_PURGE;
		ppnic_tx_finish(txq, clean, 0, &r);
		clean += txd->ndesc;
	}
	txq->clean = clean;
	ppnic_xsk_sent(txq, r.xsk);

	u64_stats_update_begin(&txq->done_stats.sync);
	u64_stats_add(&txq->done_stats.dropped, r.dropped);
	u64_stats_update_end(&txq->done_stats.sync);

	*mem = txq->mem;
	memset(&txq->mem, 0, sizeof(txq->mem));
}

/**
 * ppnic_tx_restart() - begin with an empty ring
 * @txq: started queue
 *
 * What was not sent yet is dropped, as ppnic_tx_stop() does it.
 *
 * Context: process, ops lock held, the channel's NAPI disabled. Nobody sends
 * meanwhile: all who do have the TX queue lock.
 */
void ppnic_tx_restart(struct ppnic_txq *txq)
{
	struct netdev_queue *nq = netdev_get_tx_queue(txq->port->dev,
						      txq->index);
	struct ppnic_tx_mem mem;

	__netif_tx_lock_bh(nq);
	ppnic_tx_stop(txq, &mem);
	ppnic_tx_start(txq, &mem);
	netif_tx_wake_queue(nq);
	__netif_tx_unlock_bh(nq);
}

/**
 * ppnic_tx_queue_init() - set up what a TX queue has all its life
 * @port: the port
 * @index: TX queue, below dev->num_tx_queues
 *
 * Context: process.
 */
void ppnic_tx_queue_init(struct ppnic_port *port, u16 index)
{
	struct ppnic_txq *txq = &port->txqs[index];

	txq->port = port;
	txq->index = index;
	spin_lock_init(&txq->engine_lock);
	u64_stats_init(&txq->stats.sync);
	u64_stats_init(&txq->done_stats.sync);
	u64_stats_init(&txq->hw.sync);
	ppnic_mac_init(txq->mac);
	ppnic_wire_init(txq);
}
