// SPDX-License-Identifier: GPL-2.0-only
/*
 * The driver half of receive: from a completion to an skb.
 *
 * A frame that the device has split has its headers in a host buffer and its
 * payload in data buffers, whose address in kernel memory nobody here asks for
 * (rx_mem.c); one that it could not split stands wholly in host buffers.
 */
#include <linux/etherdevice.h>
#include <linux/skbuff.h>
#include <net/gro.h>

#include "../compat/netdev.h"
#include "../compat/page_pool.h"
#include "esp.h"
#include "macsec.h"
#include "psp.h"
#include "ppnic.h"

static void ppnic_drop_bufs(struct ppnic_rx_ring *ring, u32 n)
{
	while (n--)
		ppnic_source_put(&ring->src,
				 ring->buf[ring->clean++ & ring->mask], true);
}

static void ppnic_count_lost(struct ppnic_rxq *rxq, u64_stats_t *why,
			     u32 frames)
{
	u64_stats_update_begin(&rxq->stats.sync);
	u64_stats_add(why, frames);
	u64_stats_update_end(&rxq->stats.sync);
}

/* The headers of the frame whose first host buffer is @ahead of the next one.
 */
static u8 *ppnic_peek(struct ppnic_rxq *rxq, u32 ahead,
		      const struct ppnic_cqe *cqe)
{
	struct ppnic_rx_ring *host = &rxq->mem.host;
	netmem_ref head = host->buf[(host->clean + ahead) & host->mask].core;

	/* page_pool adds the pool's offset itself. */
	page_pool_dma_sync_netmem_for_cpu(host->src.core, head, 0,
					  min(cqe->host_len, host->room));
	return page_address(netmem_to_page(head)) + host->headroom;
}

/* Build the skb of one completion, or of @frames with @size bytes of payload
 * each; consumes their buffers either way. Of several, the first has the head.
 */
static struct sk_buff *ppnic_build_skb(struct ppnic_rxq *rxq,
				       const struct ppnic_cqe *cqe, u8 *hdr,
				       u32 frames, u32 size)
{
	struct ppnic_rx_ring *host = &rxq->mem.host, *data = &rxq->mem.data;
	u32 len = min(cqe->host_len, host->room);
	u32 more = cqe->host_bufs + frames - 2;
	struct sk_buff *skb;

	skb = napi_build_skb(hdr - host->headroom, PAGE_SIZE);
	if (unlikely(!skb)) {
		ppnic_drop_bufs(host, more + 1);
		ppnic_drop_bufs(data, cqe->data_bufs);
		ppnic_count_lost(rxq, &rxq->stats.skb_alloc_fail, frames);
		return NULL;
	}
	host->clean++;
	skb_reserve(skb, host->headroom);
	__skb_put(skb, len);
	skb_mark_for_recycle(skb);

	/* Frags of a page_pool: that can't fail. */
	if (frames == 1)
		ppnic_source_attach(host, skb, more, cqe->host_len - len,
				    cqe->host_len - len);
	else
		ppnic_drop_bufs(host, more);
	if (cqe->data_bufs &&
	    unlikely(ppnic_fault_next_rx(rxq, &rxq->port->faults.rx_attach) ||
		     ppnic_source_attach(data, skb, cqe->data_bufs,
					 cqe->data_len, size))) {
		ppnic_drop_bufs(data, cqe->data_bufs);
		kfree_skb_reason(skb, SKB_DROP_REASON_NOMEM);
		ppnic_count_lost(rxq, &rxq->stats.carrier_fail, frames);
		return NULL;
	}
	return skb;
}

static void ppnic_set_metadata(struct ppnic_rxq *rxq, struct sk_buff *skb,
			       const struct ppnic_cqe *cqe)
{
	struct net_device *dev = rxq->port->dev;

	if (cqe->flags & PPNIC_CQ_CSUM_PARTIAL) {
		/* As after tcp_gro_complete(): can be segmented again. */
		skb->ip_summed = CHECKSUM_PARTIAL;
		skb->csum_start = skb_headroom(skb) + cqe->csum_start;
		skb->csum_offset = cqe->csum_offset;
	} else if (cqe->flags & PPNIC_CQ_CSUM_OK) {
		skb->ip_summed = CHECKSUM_UNNECESSARY;
	}

	if (cqe->gso_size) {
		skb_shinfo(skb)->gso_size = cqe->gso_size;
		skb_shinfo(skb)->gso_segs = cqe->gso_segs;
		skb_shinfo(skb)->gso_type = cqe->gso_type;
	}

	if (cqe->inner_off) {
		/* As after inet_gro_complete() and tcp_gro_complete(). */
		bool v6 = cqe->gso_type & SKB_GSO_TCPV6;

		skb->encapsulation = 1;
		skb_set_inner_protocol(skb, htons(v6 ? ETH_P_IPV6 : ETH_P_IP));
		skb_set_inner_network_header(skb, cqe->inner_off);
		skb_set_inner_transport_header(skb, cqe->csum_start);
	}

	if (cqe->hash_type != PKT_HASH_TYPE_NONE &&
	    (ppnic_features(rxq->port) & NETIF_F_RXHASH))
		skb_set_hash(skb, cqe->hash, cqe->hash_type);

	if (cqe->stamp)
		ppnic_stamp_rx(rxq->port, skb, cqe->stamp);

	skb_record_rx_queue(skb, rxq->index);
	skb->protocol = eth_type_trans(skb, dev);
}

/* What the wire saw; what @frames, or the segments of a super-packet, became is
 * the stack's business.
 */
static void ppnic_count(struct ppnic_rxq *rxq, const struct ppnic_cqe *cqe,
			u32 frames)
{
	struct ppnic_rx_stats *s = &rxq->stats;
	u32 len = cqe->host_len * frames + cqe->data_len;
	u32 packets = frames, bytes = len;
	bool super = cqe->gso_size && frames == 1;

	if (super) {
		packets = cqe->gso_segs;
		bytes += (packets - 1) * cqe->gso_hdr;
	}

	u64_stats_update_begin(&s->sync);
	u64_stats_add(&s->packets, packets);
	u64_stats_add(&s->bytes, bytes);
	u64_stats_add(&s->merged, frames - 1);
	u64_stats_add(cqe->flags & PPNIC_CQ_SPLIT ? &s->split : &s->unsplit,
		      frames);
	u64_stats_add(cqe->flags & (PPNIC_CQ_CSUM_OK | PPNIC_CQ_CSUM_PARTIAL) ?
			      &s->csum_unnecessary :
			      &s->csum_none,
		      frames);
	if (super && cqe->flags & PPNIC_CQ_LRO) {
		/* netdev.yaml: rx-hw-gro-packets has none of LRO's. */
		u64_stats_inc(&s->lro_packets);
		u64_stats_add(&s->lro_wire_packets, packets);
	} else if (super) {
		u64_stats_inc(&s->hw_gro_packets);
		u64_stats_add(&s->hw_gro_bytes, len);
		u64_stats_add(&s->hw_gro_wire_packets, packets);
		u64_stats_add(&s->hw_gro_wire_bytes, bytes);
	}
	u64_stats_update_end(&s->sync);
}

/**
 * ppnic_rx_pending() - has the device a frame for the driver
 * @rxq: the queue
 *
 * Context: NAPI of the queue's channel.
 * Return: true if it has.
 */
bool ppnic_rx_pending(struct ppnic_rxq *rxq)
{
	if (!rxq->mem.cq)
		return false;
	/* Pairs with the release in ppnic_place(): frame before index. */
	return rxq->mem.cq_cons != smp_load_acquire(&rxq->mem.cq_prod);
}

/* Hand an skb to the stack, with all that the device says of it. */
static void ppnic_rx_skb(struct ppnic_rxq *rxq, struct sk_buff *skb,
			 const struct ppnic_cqe *cqe)
{
	struct ppnic_channel *ch = &rxq->port->channels[rxq->index];

	ppnic_set_metadata(rxq, skb, cqe);
	if (cqe->sa && unlikely(!ppnic_ipsec_rx(rxq->port, skb, cqe))) {
		kfree_skb_reason(skb, SKB_DROP_REASON_DEV_HDR);
		ppnic_count_lost(rxq, &rxq->stats.esp_lost, 1);
		return;
	}
	if (cqe->rx_sc && unlikely(!ppnic_macsec_rx(rxq->port, skb, cqe))) {
		kfree_skb_reason(skb, SKB_DROP_REASON_DEV_HDR);
		ppnic_count_lost(rxq, &rxq->stats.macsec_lost, 1);
		return;
	}
	if (cqe->flags & PPNIC_CQ_PSP_OK &&
	    unlikely(!ppnic_psp_rx(rxq->port, skb, cqe))) {
		kfree_skb_reason(skb, SKB_DROP_REASON_DEV_HDR);
		ppnic_count_lost(rxq, &rxq->stats.psp_lost, 1);
		return;
	}
	napi_gro_receive(&ch->napi, skb);
}

/* Hand one frame to the stack, or what several of them became. */
static void ppnic_rx_up(struct ppnic_rxq *rxq, const struct ppnic_cqe *cqe,
			u8 *hdr, u32 frames, u32 size)
{
	struct sk_buff *skb = ppnic_build_skb(rxq, cqe, hdr, frames, size);

	if (!skb)
		return;
	ppnic_count(rxq, cqe, frames);
	ppnic_rx_skb(rxq, skb, cqe);
}

static void ppnic_rx_up_merged(struct ppnic_rxq *rxq, struct ppnic_merge *merge)
{
	if (!merge->frames)
		return;
	ppnic_merge_end(merge);
	ppnic_rx_up(rxq, &merge->cqe, merge->hdr, merge->frames, merge->size);
	merge->frames = 0;
}

/* In the order they came: what is joined goes up before what can't join it. */
static void ppnic_rx_one(struct ppnic_rxq *rxq, struct ppnic_merge *merge,
			 const struct ppnic_cqe *cqe)
{
	u8 *hdr = ppnic_peek(rxq, merge->frames, cqe);

	if (rxq->mem.data.src.carried) {
		if (ppnic_merge_join(rxq, merge, cqe, hdr))
			return;
		ppnic_rx_up_merged(rxq, merge);
		if (ppnic_merge_begin(rxq, merge, cqe, hdr))
			return;
	}
	ppnic_rx_up(rxq, cqe, hdr, 1, cqe->data_len);
}

/* @prog may be NULL where the buffers are an AF_XDP socket's. */
static void ppnic_rx_one_xdp(struct ppnic_rxq *rxq, struct bpf_prog *prog,
			     const struct ppnic_cqe *cqe,
			     struct ppnic_xdp_out *out)
{
	struct sk_buff *skb;

	if (rxq->mem.xsk)
		skb = ppnic_xsk_rx(rxq, prog, cqe, out);
	else
		skb = ppnic_xdp_rx(rxq, prog, cqe, out);

	/* XDP is the stack's first layer: it has received the frame. */
	if (skb || prog)
		ppnic_count(rxq, cqe, 1);
	if (skb)
		ppnic_rx_skb(rxq, skb, cqe);
}

/**
 * ppnic_rx_poll() - hand received frames to the stack and refill
 * @rxq: the queue; may be down
 * @budget: frames to take at most; 0 takes none and refills nothing
 *
 * Context: NAPI of the queue's channel.
 * Return: frames taken.
 */
int ppnic_rx_poll(struct ppnic_rxq *rxq, int budget)
{
	struct ppnic_rx_mem *mem = &rxq->mem;
	struct ppnic_merge merge = {};
	struct ppnic_xdp_out out = {};
	struct bpf_prog *prog = NULL;
	int done = 0;

	if (!mem->cq || !budget)
		return 0;

	/* NAPI is an RCU reader; a program that goes is freed after it. */
	if (mem->xdp || mem->xsk)
		prog = rcu_dereference_bh(rxq->port->xdp_prog);

	while (done < budget && ppnic_rx_pending(rxq)) {
		struct ppnic_cqe cqe = mem->cq[mem->cq_cons & mem->cq_mask];

		if (prog || mem->xsk)
			ppnic_rx_one_xdp(rxq, prog, &cqe, &out);
		else
			ppnic_rx_one(rxq, &merge, &cqe);
		mem->cq_cons++;
		done++;
	}
	ppnic_rx_up_merged(rxq, &merge);
	ppnic_xdp_flush(rxq->port, &out);

	ppnic_rx_refill(rxq);
	return done;
}
