// SPDX-License-Identifier: GPL-2.0-only
/*
 * The receiving side of the device: from the wire into a queue's buffers.
 *
 * A frame that finds no buffer holds its TX queue back, as a pause frame
 * would, if both ends agreed to pause (ethtool -A). The pause ends when the
 * peer refills, or after pause_ms (ethtool tunable pfc-prevention-tout); then
 * frames for that queue are dropped until it refills, so that one starved
 * queue can't stop a link for ever.
 */
#include <linux/etherdevice.h>
#include <linux/if_vlan.h>
#include <linux/tcp.h>
#include <linux/timekeeping.h>

#include "bpf.h"
#include "esp.h"
#include "frame.h"
#include "mac_merge.h"
#include "macsec.h"
#include "psp.h"

static u32 ppnic_ring_avail(const struct ppnic_rx_ring *ring)
{
	/* Pairs with the release in ppnic_ring_fill(). */
	return smp_load_acquire(&ring->prod) - ring->cons;
}

/* ----------------------------------------------------------- classification */

/* Of no queue: a MAC counts it at the first. */
static void ppnic_count_arrived(struct ppnic_port *to,
				const struct ppnic_frame *wire)
{
	struct ppnic_rxq *first = &to->rxqs[0];

	spin_lock(&first->lock);
	ppnic_mac_count(&first->mac[wire->mac], wire);
	spin_unlock(&first->lock);
}

#define ppnic_count_dropped(to, field, wire)                \
	do {                                                \
		struct ppnic_port *__to = (to);             \
		struct ppnic_rxq *__first = &__to->rxqs[0]; \
		spin_lock(&__first->lock);                  \
		hw_inc(__first, field);                     \
		spin_unlock(&__first->lock);                \
		ppnic_count_arrived(__to, wire);            \
	} while (0)

static enum skb_drop_reason ppnic_classify(struct ppnic_port *to,
					   struct ppnic_frame *f,
					   const struct ppnic_frame *wire,
					   u16 *queue)
{
	u32 nr = READ_ONCE(to->dev->real_num_rx_queues), ctx = 0;
	bool to_queue = false;
	u16 given = 0;

	if (ppnic_features(to) & NETIF_F_NTUPLE) {
		switch (ppnic_steer(to, &f->h, f->hdr, &given, &ctx)) {
		case PPNIC_STEER_DROP:
			ppnic_count_dropped(to, steer_drops, wire);
			return SKB_DROP_REASON_TAP_FILTER;
		case PPNIC_STEER_QUEUE:
			to_queue = given < nr;
			break;
		case PPNIC_STEER_CONTEXT:
		case PPNIC_STEER_NONE:
			break;
		}
	}

	/* A frame steered to a queue has the hash of the default context. */
	*queue = ppnic_rss_lookup(to, ctx, &f->h, &f->hash, &f->hash_type);
	*queue = to_queue ? given : (*queue + given) % nr;
	if (f->to_queue && f->queue < nr)
		*queue = f->queue;
	return SKB_NOT_DROPPED_YET;
}

/* ----------------------------------------------------------------- delivery */

/* tcp_urg() reads the byte that an urgent pointer names from its segment; that
 * it is not one of a later segment is ppiov's business (pool/urgent.c).
 */
static bool ppnic_is_urgent(const struct ppnic_frame *f)
{
	const struct tcphdr *th = (const void *)(f->hdr + f->h.l4_off);

	return th->urg;
}

/* How many buffers of each kind a frame takes in this queue. */
struct ppnic_need {
	u32 host;
	u32 data;
};

static bool ppnic_need(const struct ppnic_rxq *rxq, const struct ppnic_frame *f,
		       struct ppnic_need *need)
{
	const struct ppnic_rx_mem *mem = &rxq->mem;
	u32 len = f->hdr_len + f->data_len;

	/* Made before the queue became one of XDP's, which are told no
	 * super-packets: ppnic_fix_features().
	 */
	if (f->gso_size && (mem->xdp || mem->xsk))
		return false;

	/* Only TCP is split; what is not goes to host buffers as a whole,
	 * since the stack must be able to read it.
	 */
	if (ppnic_ring_exists(&mem->data) && f->h.l4 == PPNIC_L4_TCP &&
	    f->h.hdr_len && !f->h.is_frag && f->data_len &&
	    f->h.frame_len == len && !ppnic_is_urgent(f) &&
	    len > READ_ONCE(rxq->port->hds_thresh)) {
		need->host = 1;
		need->data = DIV_ROUND_UP(f->data_len, mem->data.room);
		return need->data <= mem->data.max_bufs;
	}

	need->data = 0;
	need->host = DIV_ROUND_UP(len, mem->host.room);
	return need->host <= mem->host.max_bufs;
}

/* Scatter the next @len bytes of @f over @n buffers of @ring. */
static int ppnic_scatter(struct ppnic_rxq *rxq, struct ppnic_rx_ring *ring,
			 u32 n, struct ppnic_frame *f, u32 *pos, u32 len,
			 dma_addr_t stray)
{
	u32 i;
	int err;

	for (i = 0; i < n; i++) {
		struct ppnic_rxd *d =
			&ring->desc[(ring->cons + i) & ring->mask];
		u32 part = min(len, d->len);

		err = ppnic_frame_copy(f, pos, rxq->port->parent,
				       d->addr + stray, part);
		if (err)
			return err;
		len -= part;
	}
	return 0;
}

/* Write the frame and its completion. Called with rxq->lock held. */
static int ppnic_place(struct ppnic_rxq *rxq, struct ppnic_frame *f,
		       const struct ppnic_need *need)
{
	struct ppnic_rx_mem *mem = &rxq->mem;
	u32 pos = 0, len = f->hdr_len + f->data_len;
	u32 host_len = need->data ? f->hdr_len : len;
	struct ppnic_cqe *cqe = &mem->cq[mem->cq_prod & mem->cq_mask];
	dma_addr_t stray = 0;
	int err;

	/* Half the address space away: nothing is mapped there. */
	if (ppnic_fault_next_rx(rxq, &rxq->port->faults.stray_dma))
		stray = rxq->port->parent->dma_mask / 2 + 1;

	err = ppnic_scatter(rxq, &mem->host, need->host, f, &pos, host_len,
			    need->data ? 0 : stray);
	if (!err)
		err = ppnic_scatter(rxq, &mem->data, need->data, f, &pos,
				    len - host_len, stray);
	if (err) {
		hw_inc(rxq, dma_errors);
		return err;
	}

	*cqe = (struct ppnic_cqe) {
		.host_len = host_len,
		.data_len = len - host_len,
		.host_bufs = need->host,
		.data_bufs = need->data,
		.gso_size = f->gso_size,
		.gso_segs = f->gso_segs,
		.gso_hdr = f->hdr_len,
		.gso_type = f->gso_type,
		.csum_start = f->csum_start,
		.csum_offset = f->csum_offset,
		.l3_off = f->h.l3_off,
		.l4_off = f->h.l4_off,
		.inner_off = f->inner_off,
		.hash = f->hash,
		.hash_type = f->hash_type,
		.l3_proto = f->h.l3_proto,
		.l4 = f->h.l4,
		.sa = f->sa,
		.seq = f->seq,
		.rx_sc = f->rx_sc,
		.psp_generation = f->psp_generation,
		.stamp = READ_ONCE(rxq->port->stamp_rx) ? ktime_get_raw_ns() :
							  0,
	};
	if (need->data)
		cqe->flags |= PPNIC_CQ_SPLIT;
	if (f->gso_size && ppnic_features(rxq->port) & NETIF_F_LRO)
		cqe->flags |= PPNIC_CQ_LRO;
	if (f->csum == PPNIC_CSUM_PSEUDO)
		cqe->flags |= PPNIC_CQ_CSUM_PARTIAL;
	else if (f->csum == PPNIC_CSUM_GOOD)
		cqe->flags |= PPNIC_CQ_CSUM_OK;
	if (f->sa && f->sa_bad) {
		hw_inc(rxq, esp_bad);
	} else if (f->sa) {
		hw_inc(rxq, esp_decrypted);
		cqe->flags |= PPNIC_CQ_ESP_OK;
	}
	if (f->psp) {
		hw_inc(rxq, psp_decrypted);
		cqe->flags |= PPNIC_CQ_PSP_OK;
	}

	mem->host.cons += need->host;
	mem->data.cons += need->data;
	/* The frame and its completion before the index. */
	smp_store_release(&mem->cq_prod, mem->cq_prod + 1);
	return 0;
}

/*
 * Look at the checksum, if the receiver wants to know or must: what goes to
 * memory that the stack can't read has to be right, as nobody above could find
 * out, and a super-packet's is taken for granted. Returns a drop reason.
 */
static enum skb_drop_reason ppnic_check_csum(struct ppnic_rxq *rxq,
					     struct ppnic_frame *f,
					     const struct ppnic_need *need)
{
	bool unreadable = need->data && rxq->mem.data.src.unreadable;

	if (f->csum == PPNIC_CSUM_VERIFY &&
	    (unreadable || (ppnic_features(rxq->port) & NETIF_F_RXCSUM)))
		f->csum = ppnic_frame_verify(f, &f->h);

	if (f->csum == PPNIC_CSUM_BAD)
		hw_inc(rxq, csum_bad);
	if ((unreadable && f->csum != PPNIC_CSUM_GOOD &&
	     f->csum != PPNIC_CSUM_PSEUDO) ||
	    (f->gso_size && f->csum == PPNIC_CSUM_BAD)) {
		hw_inc(rxq, csum_bad_dropped);
		return SKB_DROP_REASON_TCP_CSUM;
	}

	if (f->csum == PPNIC_CSUM_GOOD && !unreadable &&
	    !(ppnic_features(rxq->port) & NETIF_F_RXCSUM))
		f->csum = PPNIC_CSUM_NONE;
	return SKB_NOT_DROPPED_YET;
}

/* May the queue wait, or must the frame be dropped? rxq->lock held. */
static bool ppnic_may_pause(struct ppnic_txq *txq, struct ppnic_rxq *rxq)
{
	struct ppnic_port *to = rxq->port;
	u32 ms = READ_ONCE(to->pause_ms);

	if (!READ_ONCE(txq->port->rx_pause) || !READ_ONCE(to->tx_pause) ||
	    rxq->storm)
		return false;

	set_bit(txq->index, rxq->waiters);
	if (!rxq->pausing) {
		rxq->pausing = true;
		rxq->pause_began = jiffies;
		hw_inc(rxq, pauses);
	}
	if (!timer_pending(&rxq->pause_timer))
		mod_timer(&rxq->pause_timer,
			  rxq->pause_began + msecs_to_jiffies(ms));

	/* Pairs with the barrier in ppnic_refill(): either we see its new
	 * buffers, or it sees our bit.
	 */
	smp_mb__after_atomic();
	return true;
}

static bool ppnic_has_room(struct ppnic_rxq *rxq, const struct ppnic_need *need)
{
	if (ppnic_fault_has_queue(&rxq->port->faults.stall_rx, rxq->index))
		return false;
	return ppnic_ring_avail(&rxq->mem.host) >= need->host &&
	       ppnic_ring_avail(&rxq->mem.data) >= need->data;
}

/* Returns 0, PPNIC_BLOCKED, if the frame may wait, or a drop reason. rxq->lock
 * held.
 */
static int ppnic_find_room(struct ppnic_txq *txq, struct ppnic_rxq *rxq,
			   const struct ppnic_need *need, bool wait)
{
	if (ppnic_has_room(rxq, need))
		return SKB_NOT_DROPPED_YET;
	if (wait && ppnic_may_pause(txq, rxq) && !ppnic_has_room(rxq, need))
		return PPNIC_BLOCKED;
	if (ppnic_has_room(rxq, need))
		return SKB_NOT_DROPPED_YET;
	hw_inc(rxq, overruns);
	return SKB_DROP_REASON_FULL_RING;
}

/*
 * Deliver one frame to one queue; @wire is what the MAC saw of it. Returns
 * PPNIC_BLOCKED, or a drop reason (SKB_NOT_DROPPED_YET: delivered).
 */
static int ppnic_deliver_queue(struct ppnic_txq *txq, struct ppnic_rxq *rxq,
			       struct ppnic_frame *f,
			       const struct ppnic_frame *wire)
{
	struct ppnic_port *to = rxq->port;
	int reason = SKB_NOT_DROPPED_YET;
	struct ppnic_held *clear = NULL;
	bool wait = !wire->turned;
	struct ppnic_need need;
	bool more;
	u32 before;

	spin_lock(&rxq->lock);
	before = rxq->mem.cq_prod;
	if (!rxq->started) {
		/* A queue in restart is back in no time; a port that is
		 * down is not, and has no carrier either.
		 */
		if (wait && netif_running(to->dev) &&
		    netif_carrier_ok(to->dev) && ppnic_may_pause(txq, rxq)) {
			spin_unlock(&rxq->lock);
			return PPNIC_BLOCKED;
		}
		hw_inc(rxq, down);
		reason = SKB_DROP_REASON_DEV_READY;
		goto out_unlock;
	}

	if (!ppnic_need(rxq, f, &need)) {
		hw_inc(rxq, too_long);
		reason = SKB_DROP_REASON_PKT_TOO_BIG;
		goto out;
	}

	reason = ppnic_find_room(txq, rxq, &need, wait);
	if (reason == PPNIC_BLOCKED)
		goto out_unlock;
	if (reason)
		goto out;
	rxq->storm = false;
	rxq->pausing = false;

	clear = ppnic_esp_decrypt(txq, to, f);
	if (clear)
		f = &clear->frame;
	reason = ppnic_check_csum(rxq, f, &need);
	if (reason)
		goto out;
	if (ppnic_gro_receive(txq, rxq, f))
		goto out;
	/* Frames that this one may not overtake have gone before it. */
	reason = ppnic_find_room(txq, rxq, &need, wait);
	if (reason == PPNIC_BLOCKED)
		goto out_unlock;
	if (reason)
		goto out;
	if (ppnic_place(rxq, f, &need))
		reason = SKB_DROP_REASON_DEV_HDR;
out:
	if (f->rx_sc && !reason)
		hw_inc(rxq, macsec_accepted);
	ppnic_mac_count(&rxq->mac[wire->mac], wire);
out_unlock:
	/* One that waits, here or at its sender, is not the driver's yet. */
	more = rxq->mem.cq_prod != before ||
	       (reason && reason != PPNIC_BLOCKED);
	spin_unlock(&rxq->lock);
	if (more)
		ppnic_irq_event_rx(&to->channels[rxq->index], 1);
	if (clear)
		ppnic_held_free(clear);
	return reason;
}

/**
 * ppnic_deliver_fits() - has the queue ever as many buffers as a frame takes?
 * @rxq: the queue, its lock held
 * @f: the frame
 *
 * Context: BH off.
 * Return: whether it has, if all of them are free.
 */
bool ppnic_deliver_fits(const struct ppnic_rxq *rxq,
			const struct ppnic_frame *f)
{
	struct ppnic_need need;

	return ppnic_need(rxq, f, &need);
}

/**
 * ppnic_deliver_aggregate() - give buffers to what has waited in the device
 * @rxq: the queue, its lock held
 * @f: the frame, or what several became
 *
 * Who sent it can't be held back any more: without buffers it is lost. The
 * caller raises the interrupt.
 *
 * Context: BH off.
 */
void ppnic_deliver_aggregate(struct ppnic_rxq *rxq, struct ppnic_frame *f)
{
	struct ppnic_need need;

	if (!ppnic_need(rxq, f, &need))
		hw_inc(rxq, too_long);
	else if (!ppnic_has_room(rxq, &need))
		hw_inc(rxq, overruns);
	else
		ppnic_place(rxq, f, &need);
}

/* What the device makes of a frame that came from the wire: @arrival gets what
 * goes on instead of it. Returns true if it goes on; else @reason says why not.
 */
static bool ppnic_receive(struct ppnic_txq *txq, struct ppnic_port *to,
			  struct ppnic_frame *f, struct ppnic_arrival *arrival,
			  int *reason)
{
	struct ppnic_frame *now = f;
	bool drop = false;

	*reason = SKB_DROP_REASON_DEV_HDR;
	ppnic_arrival_put(arrival, ppnic_macsec_in(txq, to, f, &drop));
	if (drop) {
		ppnic_count_dropped(to, macsec_dropped, f);
		return false;
	}
	if (arrival->frame)
		now = &arrival->frame->frame;

	ppnic_arrival_put(arrival, ppnic_psp_open(txq, to, now, &drop));
	if (drop) {
		ppnic_count_dropped(to, psp_dropped, f);
		return false;
	}
	if (arrival->frame)
		now = &arrival->frame->frame;

	switch (ppnic_bpf_frame(txq, to, now, arrival)) {
	case PPNIC_BPF_PASS:
		return true;
	case PPNIC_BPF_SENT:
		*reason = SKB_NOT_DROPPED_YET;
		break;
	case PPNIC_BPF_DROP:
		*reason = SKB_DROP_REASON_XDP;
		break;
	}
	ppnic_count_arrived(to, f);
	return false;
}

/* Longer than the MTU, which is counted at the queue it would have gone to. */
static bool ppnic_is_too_long(const struct ppnic_port *to,
			      const struct ppnic_frame *f)
{
	u32 limit = READ_ONCE(to->dev->mtu) + ETH_HLEN +
		    f->h.nr_vlans * VLAN_HLEN;

	return f->hdr_len + (f->gso_size ?: f->data_len) > limit;
}

/**
 * ppnic_deliver() - bring a frame to the queue that it belongs to
 * @txq: the queue that it comes from; waits if the other end pauses it
 * @to: the port at the other end
 * @f: the frame; its hash and its checksum's state are filled in
 * @arrival: what @to has made of it before, if it comes once more; empty after
 *	any other end than PPNIC_BLOCKED
 *
 * Context: @txq's engine_lock held, under RCU.
 * Return: PPNIC_BLOCKED, or a drop reason (SKB_NOT_DROPPED_YET: delivered).
 */
int ppnic_deliver(struct ppnic_txq *txq, struct ppnic_port *to,
		  struct ppnic_frame *f, struct ppnic_arrival *arrival)
{
	bool too_long = ppnic_is_too_long(to, f);
	u32 len = f->hdr_len + f->data_len;
	struct ppnic_frame *now = f;
	struct ppnic_rxq *rxq;
	u16 queue;
	int ret;

	if (arrival->by != to || arrival->len != len) {
		ppnic_arrival_forget(arrival);
		if (unlikely(!ppnic_mac_merge_rx(to, f))) {
			ppnic_count_unread(to, smd_errors, f);
			return SKB_DROP_REASON_DEV_HDR;
		}
		if (!too_long && !ppnic_receive(txq, to, f, arrival, &ret))
			goto out;
	}
	if (arrival->frame)
		now = &arrival->frame->frame;

	ret = ppnic_classify(to, now, f, &queue);
	if (ret)
		goto out;
	rxq = &to->rxqs[queue];
	if (too_long) {
		spin_lock(&rxq->lock);
		hw_inc(rxq, too_long);
		spin_unlock(&rxq->lock);
		ret = SKB_DROP_REASON_PKT_TOO_BIG;
		goto out;
	}
	ret = ppnic_deliver_queue(txq, rxq, now, f);
	if (ret == PPNIC_BLOCKED) {
		arrival->by = to;
		arrival->len = len;
		return ret;
	}
out:
	ppnic_arrival_forget(arrival);
	return ret;
}
