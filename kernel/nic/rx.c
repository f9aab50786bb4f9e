// SPDX-License-Identifier: GPL-2.0-only
/*
 * The driver half of receive: pools, posted buffers, completions to skbs.
 *
 * A queue has one ring of host buffers, and with header split a second one of
 * data buffers. Host buffers are memory that the kernel may read: pages of a
 * pool, or what an AF_XDP socket lends. Data buffers come from whatever feeds
 * the queue (rx_source.c), so nothing here ever asks for their address in
 * kernel memory. A frame that the device could not split stands wholly in host
 * buffers.
 */
#include <linux/etherdevice.h>
#include <linux/skbuff.h>
#include <net/gro.h>
#include <net/xdp_sock_drv.h>

#include "../compat/netdev.h"
#include "../compat/page_pool.h"
#include "esp.h"
#include "macsec.h"
#include "ppnic.h"

/* The head of a received skb is the host buffer itself. */
#define PPNIC_HEADROOM (NET_SKB_PAD + NET_IP_ALIGN)

static u32 ppnic_ring_size(const struct ppnic_rx_ring *ring)
{
	return ppnic_ring_exists(ring) ? ring->mask + 1 : 0;
}

/* Post buffers up to a full ring. Returns false if the pool ran dry. */
static bool ppnic_ring_fill(struct ppnic_rxq *rxq, struct ppnic_rx_ring *ring,
			    gfp_t gfp)
{
	u32 size = ppnic_ring_size(ring), prod = ring->prod;
	u32 want = size - (prod - ring->clean);
	bool full = true;

	while (want--) {
		u32 slot = prod & ring->mask;
		dma_addr_t addr;

		if (ppnic_fault_next_rx(rxq, &rxq->port->faults.rx_alloc) ||
		    !ppnic_source_alloc(&ring->src, gfp, &ring->buf[slot],
					&addr)) {
			full = false;
			break;
		}
		ring->desc[slot].addr = addr + ring->headroom;
		ring->desc[slot].len = ring->room;
		prod++;
	}

	/* Pairs with the acquire in the engine: descriptors before index. */
	smp_store_release(&ring->prod, prod);
	return full;
}

static bool ppnic_fill_host(struct ppnic_rxq *rxq, struct ppnic_rx_mem *mem,
			    gfp_t gfp)
{
	return ppnic_ring_fill(rxq, &mem->host, gfp);
}

static bool ppnic_fill_data(struct ppnic_rxq *rxq, struct ppnic_rx_mem *mem,
			    gfp_t gfp)
{
	return !ppnic_ring_exists(&mem->data) ||
	       ppnic_ring_fill(rxq, &mem->data, gfp);
}

/* Fill rings that were not started: nobody else consumes from their pools, so
 * no need for NAPI.
 */
static bool ppnic_first_fill(struct ppnic_rxq *rxq, struct ppnic_rx_mem *mem)
{
	bool full;
	gfp_t gfp;

	/* There may be a ring that consumes from its pool. */
	if (mem->host.src.exclusive)
		return true;
	if (!ppnic_fill_host(rxq, mem, GFP_KERNEL))
		return false;
	if (!ppnic_ring_exists(&mem->data))
		return true;

	gfp = ppnic_source_first_fill(&mem->data.src);
	full = ppnic_fill_data(rxq, mem, gfp);
	ppnic_source_filled(&mem->data.src);
	return full || mem->data.src.scarce;
}

/* @buf_len: of data buffers, or 0 for a host ring. */
static int ppnic_ring_alloc(struct ppnic_rxq *rxq, struct ppnic_rx_ring *ring,
			    u32 size, u32 buf_len, bool xdp)
{
	enum dma_data_direction dir = xdp ? DMA_BIDIRECTIONAL : DMA_FROM_DEVICE;
	int err;

	memset(ring, 0, sizeof(*ring));
	ring->mask = size - 1;

	ring->desc = kvcalloc(size, sizeof(*ring->desc), GFP_KERNEL);
	if (!ring->desc)
		return -ENOMEM;

	ring->buf = kvcalloc(size, sizeof(*ring->buf), GFP_KERNEL);
	if (!ring->buf) {
		err = -ENOMEM;
		goto err_desc;
	}

	if (buf_len) {
		err = ppnic_source_data(rxq, ring, buf_len, dir);
	} else {
		ring->headroom = xdp ? PPNIC_XDP_HEADROOM : PPNIC_HEADROOM;
		ring->room = SKB_WITH_OVERHEAD(PAGE_SIZE) - ring->headroom;
		err = ppnic_source_host(rxq, ring, dir);
	}
	if (err)
		goto err_buf;
	return 0;

err_buf:
	kvfree(ring->buf);
err_desc:
	kvfree(ring->desc);
	memset(ring, 0, sizeof(*ring));
	return err;
}

/* The device is off this ring: from @clean on, all is ours. */
static void ppnic_ring_empty(struct ppnic_rx_ring *ring)
{
	while (ring->clean != ring->prod)
		ppnic_source_put(&ring->src,
				 ring->buf[ring->clean++ & ring->mask], false);
	ring->cons = ring->prod;
}

static void ppnic_ring_free(struct ppnic_rx_ring *ring)
{
	if (!ppnic_ring_exists(ring))
		return;

	ppnic_ring_empty(ring);
	ppnic_source_destroy(&ring->src);
	kvfree(ring->buf);
	kvfree(ring->desc);
	memset(ring, 0, sizeof(*ring));
}

/**
 * ppnic_rxq_has_provider() - is a memory provider bound to this queue?
 * @port: the port
 * @index: RX queue, below dev->num_rx_queues
 *
 * Context: process, ops lock held.
 * Return: true if one is.
 */
bool ppnic_rxq_has_provider(struct ppnic_port *port, u32 index)
{
	compat_netdev_assert_ops_locked(port->dev);
	return port->rxqs[index].binding ||
	       compat_rxq_has_provider(port->dev, index);
}

/**
 * ppnic_port_has_provider() - is a memory provider bound to one of the queues?
 * @port: the port
 * @first: RX queue; this and those after it are asked
 *
 * Context: process, ops lock held.
 * Return: true if one is.
 */
bool ppnic_port_has_provider(struct ppnic_port *port, u32 first)
{
	u32 i;

	for (i = first; i < port->dev->num_rx_queues; i++)
		if (ppnic_rxq_has_provider(port, i))
			return true;
	return false;
}

/**
 * ppnic_rx_mem_alloc() - all that an RX queue needs before it can be started
 * @rxq: the queue it will serve
 * @mem: filled in; contents on entry don't matter, zero on error
 * @cfg: of the rings
 * @page_size: of the buffers, if the core's memory provider feeds the queue
 *
 * A provider may have less to give than a ring holds (a small dma-buf, or one
 * whose buffers the socket still has): that is no error, the refill timer
 * tries again. Host pages are another matter. An AF_XDP socket's ring is filled
 * when it has been started.
 *
 * Context: process, ops lock held (page_pool reads the queue's provider).
 * Return: 0, -EINVAL for a provider without split, -EBUSY for two providers or
 * one with XDP, -ENOMEM, or what the making of a pool says.
 */
int ppnic_rx_mem_alloc(struct ppnic_rxq *rxq, struct ppnic_rx_mem *mem,
		       const struct ppnic_ring_cfg *cfg, u32 page_size)
{
	int err;

	memset(mem, 0, sizeof(*mem));
	mem->xsk = rxq->port->channels[rxq->index].xsk;

	/* The core of 6.12 does not look at header split when it binds. */
	if (!cfg->split && ppnic_rxq_has_provider(rxq->port, rxq->index)) {
		netdev_err(rxq->port->dev,
			   "queue %u: a memory provider needs header split; turn tcp-data-split on first\n",
			   rxq->index);
		return -EINVAL;
	}

	/* Nor at XDP. */
	if (cfg->xdp && ppnic_rxq_has_provider(rxq->port, rxq->index)) {
		netdev_err(rxq->port->dev,
			   "queue %u: no memory provider while an XDP program is attached\n",
			   rxq->index);
		return -EBUSY;
	}

	mem->cq_mask = cfg->rx - 1;
	mem->cq = kvcalloc(cfg->rx, sizeof(*mem->cq), GFP_KERNEL);
	if (!mem->cq)
		return -ENOMEM;

	err = ppnic_ring_alloc(rxq, &mem->host, cfg->rx, 0, cfg->xdp);
	if (err)
		goto err_cq;

	/* A socket gets whole frames. */
	if (cfg->split && !mem->xsk) {
		bool bound = compat_rxq_has_provider(rxq->port->dev,
						     rxq->index);

		err = ppnic_ring_alloc(rxq, &mem->data, cfg->rx,
				       bound ? page_size : cfg->buf_len,
				       cfg->xdp);
		if (err)
			goto err_host;
	}

	if (cfg->xdp && !mem->xsk) {
		err = ppnic_rx_xdp_alloc(rxq, mem);
		if (err)
			goto err_data;
	}

	if (!ppnic_first_fill(rxq, mem)) {
		err = -ENOMEM;
		goto err_xdp;
	}
	return 0;

err_xdp:
	ppnic_rx_xdp_free(mem);
err_data:
	ppnic_ring_free(&mem->data);
err_host:
	ppnic_ring_free(&mem->host);
err_cq:
	kvfree(mem->cq);
	memset(mem, 0, sizeof(*mem));
	return err;
}

/**
 * ppnic_rx_mem_free() - give back what ppnic_rx_mem_alloc() made
 * @rxq: the queue it was made for
 * @mem: not in use by any queue; may be zero; zero afterwards
 *
 * Buffers still in skbs or held by sockets keep their pool alive.
 *
 * Context: process.
 */
void ppnic_rx_mem_free(struct ppnic_rxq *rxq, struct ppnic_rx_mem *mem)
{
	ppnic_rx_xdp_free(mem);
	ppnic_ring_free(&mem->data);
	ppnic_ring_free(&mem->host);
	kvfree(mem->cq);
	memset(mem, 0, sizeof(*mem));
}

/**
 * ppnic_rx_start() - give the device a queue's memory
 * @rxq: stopped queue
 * @mem: moved into the queue, zero afterwards
 *
 * Context: process, ops lock held, the channel's NAPI disabled.
 */
void ppnic_rx_start(struct ppnic_rxq *rxq, struct ppnic_rx_mem *mem)
{
	struct ppnic_channel *ch = &rxq->port->channels[rxq->index];

	WARN_ON_ONCE(ch->enabled);
	ppnic_source_start(&mem->host.src, &ch->napi);
	if (ppnic_ring_exists(&mem->data))
		ppnic_source_start(&mem->data.src, &ch->napi);

	spin_lock_bh(&rxq->lock);
	rxq->mem = *mem;
	rxq->storm = false;
	rxq->pausing = false;
	rxq->started = true;
	spin_unlock_bh(&rxq->lock);
	memset(mem, 0, sizeof(*mem));

	/* Who was held back while there was no memory. */
	local_bh_disable();
	ppnic_engine_kick_waiters(rxq);
	local_bh_enable();

	netif_queue_set_napi(rxq->port->dev, rxq->index, NETDEV_QUEUE_TYPE_RX,
			     &ch->napi);

	/* Whatever fell short at allocation is tried again from NAPI. */
	if (ppnic_ring_exists(&rxq->mem.data) &&
	    rxq->mem.data.prod - rxq->mem.data.clean <= rxq->mem.data.mask)
		mod_timer(&rxq->refill_timer, jiffies + 1);
}

/**
 * ppnic_rx_stop() - take a queue's memory from the device
 * @rxq: started queue, or one that is down
 * @mem: receives the memory; zero if the queue was down
 *
 * Frames that were received and not yet polled are dropped with the memory,
 * and counted as those that come while it is down.
 *
 * Context: process, ops lock held, the channel's NAPI disabled.
 */
void ppnic_rx_stop(struct ppnic_rxq *rxq, struct ppnic_rx_mem *mem)
{
	u32 lost;

	netif_queue_set_napi(rxq->port->dev, rxq->index, NETDEV_QUEUE_TYPE_RX,
			     NULL);

	spin_lock_bh(&rxq->lock);
	*mem = rxq->mem;
	lost = mem->cq_prod - mem->cq_cons + ppnic_gro_drop(rxq);
	u64_stats_update_begin(&rxq->hw.sync);
	u64_stats_add(&rxq->hw.down, lost);
	u64_stats_update_end(&rxq->hw.sync);
	memset(&rxq->mem, 0, sizeof(rxq->mem));
	rxq->started = false;
	spin_unlock_bh(&rxq->lock);

	if (mem->host.src.exclusive) {
		ppnic_ring_empty(&mem->host);
		mem->cq_cons = mem->cq_prod;
	}

	timer_delete_sync(&rxq->refill_timer);
	timer_delete_sync(&rxq->pause_timer);
	ppnic_gro_stop(rxq);

	if (ppnic_ring_exists(&mem->host))
		ppnic_source_stop(&mem->host.src);
	if (ppnic_ring_exists(&mem->data))
		ppnic_source_stop(&mem->data.src);
}

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
	    (dev->features & NETIF_F_RXHASH))
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
	if (super) {
		u64_stats_inc(&s->hw_gro_packets);
		u64_stats_add(&s->hw_gro_bytes, len);
		u64_stats_add(&s->hw_gro_wire_packets, packets);
		u64_stats_add(&s->hw_gro_wire_bytes, bytes);
	}
	u64_stats_update_end(&s->sync);
}

/* Returns false if a pool ran dry, and nobody will tell when that is over. */
static bool ppnic_fill(struct ppnic_rxq *rxq)
{
	struct ppnic_rx_mem *mem = &rxq->mem;
	bool full;

	full = ppnic_fill_host(rxq, mem, GFP_ATOMIC | __GFP_NOWARN);
	full &= ppnic_fill_data(rxq, mem, GFP_ATOMIC | __GFP_NOWARN);
	if (unlikely(!full))
		ppnic_count_lost(rxq, &rxq->stats.alloc_fail, 1);

	if (mem->xsk && ppnic_xsk_ask(mem->xsk, !full)) {
		ppnic_fill_host(rxq, mem, GFP_ATOMIC | __GFP_NOWARN);
		return true;
	}
	return full;
}

static bool ppnic_rx_has_waiters(const struct ppnic_rxq *rxq)
{
	u32 i;

	for (i = 0; i < ARRAY_SIZE(rxq->waiters); i++)
		if (READ_ONCE(rxq->waiters[i]))
			return true;
	return false;
}

static void ppnic_refill(struct ppnic_rxq *rxq)
{
	u32 before = rxq->mem.host.prod + rxq->mem.data.prod;

	/* Nobody tells a driver when user space returns its tokens. */
	if (unlikely(!ppnic_fill(rxq)))
		mod_timer(&rxq->refill_timer, jiffies + 1);

	if (rxq->mem.host.prod + rxq->mem.data.prod == before)
		return;

	/* Order the new index before the look at who waits for it; pairs
	 * with the barrier in the engine between setting the bit and
	 * looking at the index once more.
	 */
	smp_mb();
	if (ppnic_rx_has_waiters(rxq))
		ppnic_engine_kick_waiters(rxq);
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

	ppnic_refill(rxq);
	return done;
}

/* A refill that fell short, or a fault that held buffers: poll again. */
static void ppnic_refill_timer(struct timer_list *t)
{
	struct ppnic_rxq *rxq = container_of(t, struct ppnic_rxq, refill_timer);

	napi_schedule(&rxq->port->channels[rxq->index].napi);
}

/* Senders were held back for as long as they put up with? */
static void ppnic_pause_timer(struct timer_list *t)
{
	struct ppnic_rxq *rxq = container_of(t, struct ppnic_rxq, pause_timer);
	unsigned long end;
	bool over = false;

	spin_lock(&rxq->lock);
	if (rxq->pausing) {
		end = rxq->pause_began +
		      msecs_to_jiffies(READ_ONCE(rxq->port->pause_ms));
		over = time_after_eq(jiffies, end);
		if (!over) /* a later pause than the one it was set for */
			mod_timer(&rxq->pause_timer, end);
	}
	if (over) {
		rxq->pausing = false;
		rxq->storm = true;
		u64_stats_update_begin(&rxq->hw.sync);
		u64_stats_inc(&rxq->hw.pause_expired);
		u64_stats_update_end(&rxq->hw.sync);
	}
	spin_unlock(&rxq->lock);

	if (over)
		ppnic_engine_kick_waiters(rxq);
}

/**
 * ppnic_rx_queue_init() - set up what an RX queue has all its life
 * @port: the port
 * @index: RX queue, below dev->num_rx_queues
 *
 * Context: process.
 */
void ppnic_rx_queue_init(struct ppnic_port *port, u16 index)
{
	struct ppnic_rxq *rxq = &port->rxqs[index];

	rxq->port = port;
	rxq->index = index;
	spin_lock_init(&rxq->lock);
	u64_stats_init(&rxq->stats.sync);
	u64_stats_init(&rxq->hw.sync);
	u64_stats_init(&rxq->mac.sync);
	timer_setup(&rxq->pause_timer, ppnic_pause_timer, 0);
	timer_setup(&rxq->refill_timer, ppnic_refill_timer, 0);
	ppnic_gro_init(rxq);
}
