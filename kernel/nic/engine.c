// SPDX-License-Identifier: GPL-2.0-only
/*
 * The device half: moves frames from a TX ring to the peer's RX rings.
 *
 * Runs where the doorbell is rung (xmit), and again where the reason to stop
 * is gone (the peer's refill, the end of a pause, the end of a fault). Whoever
 * holds engine_lock serves the queue; others leave a note in PENDING.
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

#include "frame.h"

/* A frame that finds no buffers now and may later. */
#define PPNIC_BLOCKED (-EAGAIN)

/* Frames served in one go; NAPI goes on with the rest. */
#define PPNIC_ENGINE_BUDGET 256

/* How long the reorder fault keeps a frame that nothing follows. */
#define PPNIC_REORDER_JIFFIES msecs_to_jiffies(10)

/* A frame copied out of the TX ring: to be kept back, or to be corrupted. */
struct ppnic_held {
	struct ppnic_parent *parent;
	dma_addr_t addr;
	u32 len;
	struct ppnic_frame frame;
	u8 data[];
};

/* @q: an rxq with its lock held, or a txq with engine_lock held. */
#define hw_inc(q, field)                               \
	do {                                           \
		typeof(q) __q = (q);                   \
		u64_stats_update_begin(&__q->hw.sync); \
		u64_stats_inc(&__q->hw.field);         \
		u64_stats_update_end(&__q->hw.sync);   \
	} while (0)

static u32 ppnic_ring_avail(const struct ppnic_rx_ring *ring)
{
	/* Pairs with the release in ppnic_ring_fill(). */
	return smp_load_acquire(&ring->prod) - ring->cons;
}

/* ----------------------------------------------------------- classification */

static enum skb_drop_reason ppnic_classify(struct ppnic_port *to,
					   struct ppnic_frame *f, u16 *queue)
{
	u32 nr = READ_ONCE(to->dev->real_num_rx_queues), target = 0, ctx = 0;
	bool to_queue = false;

	if (to->dev->features & NETIF_F_NTUPLE) {
		switch (ppnic_steer(to, &f->h, f->hdr, &target)) {
		case PPNIC_STEER_DROP:
			/* Of no queue; counted at the first. */
			spin_lock(&to->rxqs[0].lock);
			hw_inc(&to->rxqs[0], steer_drops);
			spin_unlock(&to->rxqs[0].lock);
			return SKB_DROP_REASON_TAP_FILTER;
		case PPNIC_STEER_QUEUE:
			to_queue = target < nr;
			break;
		case PPNIC_STEER_CONTEXT:
			ctx = target;
			break;
		case PPNIC_STEER_NONE:
			break;
		}
	}

	/* A frame steered to a queue has the hash of the default context. */
	*queue = ppnic_rss_lookup(to, ctx, &f->h, &f->hash, &f->hash_type) % nr;
	if (to_queue)
		*queue = target;
	return SKB_NOT_DROPPED_YET;
}

/* ----------------------------------------------------------------- delivery */

/*
 * Is an urgent pointer set? tcp_urg() reads the byte that it points at, and
 * calls BUG() if it can't, so the payload of such a segment stays readable.
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
	if (ppnic_fault_next(&rxq->port->faults.stray_dma))
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
		.hash = f->hash,
		.hash_type = f->hash_type,
	};
	if (need->data)
		cqe->flags |= PPNIC_CQ_SPLIT;
	if (f->csum == PPNIC_CSUM_PSEUDO)
		cqe->flags |= PPNIC_CQ_CSUM_PARTIAL;
	else if (f->csum == PPNIC_CSUM_GOOD)
		cqe->flags |= PPNIC_CQ_CSUM_OK;

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
	    (unreadable || (rxq->port->dev->features & NETIF_F_RXCSUM)))
		f->csum = ppnic_frame_verify(f);

	if (f->csum == PPNIC_CSUM_BAD)
		hw_inc(rxq, csum_bad);
	if ((unreadable && f->csum != PPNIC_CSUM_GOOD &&
	     f->csum != PPNIC_CSUM_PSEUDO) ||
	    (f->gso_size && f->csum == PPNIC_CSUM_BAD)) {
		hw_inc(rxq, csum_bad_dropped);
		return SKB_DROP_REASON_TCP_CSUM;
	}

	if (f->csum == PPNIC_CSUM_GOOD && !unreadable &&
	    !(rxq->port->dev->features & NETIF_F_RXCSUM))
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

	set_bit(txq->index, &rxq->waiters);
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
	if (READ_ONCE(rxq->port->faults.stall_rx) & BIT_ULL(rxq->index))
		return false;
	return ppnic_ring_avail(&rxq->mem.host) >= need->host &&
	       ppnic_ring_avail(&rxq->mem.data) >= need->data;
}

/*
 * Deliver one frame to one queue. Returns PPNIC_BLOCKED, or a drop reason
 * (SKB_NOT_DROPPED_YET: delivered).
 */
static int ppnic_deliver_queue(struct ppnic_txq *txq, struct ppnic_rxq *rxq,
			       struct ppnic_frame *f)
{
	struct ppnic_port *to = rxq->port;
	enum skb_drop_reason reason = SKB_NOT_DROPPED_YET;
	struct ppnic_need need;

	spin_lock(&rxq->lock);
	if (!rxq->started) {
		/* A queue in restart is back in no time; a port that is
		 * down is not, and has no carrier either.
		 */
		if (netif_running(to->dev) && netif_carrier_ok(to->dev) &&
		    ppnic_may_pause(txq, rxq)) {
			spin_unlock(&rxq->lock);
			return PPNIC_BLOCKED;
		}
		hw_inc(rxq, down);
		reason = SKB_DROP_REASON_DEV_READY;
		goto out;
	}

	if (!ppnic_need(rxq, f, &need)) {
		hw_inc(rxq, too_long);
		reason = SKB_DROP_REASON_PKT_TOO_BIG;
		goto out;
	}

	if (!ppnic_has_room(rxq, &need)) {
		if (ppnic_may_pause(txq, rxq) && !ppnic_has_room(rxq, &need)) {
			spin_unlock(&rxq->lock);
			return PPNIC_BLOCKED;
		}
		if (!ppnic_has_room(rxq, &need)) {
			hw_inc(rxq, overruns);
			reason = SKB_DROP_REASON_FULL_RING;
			goto out;
		}
	}
	rxq->storm = false;
	rxq->pausing = false;

	reason = ppnic_check_csum(rxq, f, &need);
	if (reason)
		goto out;
	if (ppnic_place(rxq, f, &need))
		reason = SKB_DROP_REASON_DEV_HDR;
out:
	spin_unlock(&rxq->lock);
	ppnic_irq_event_rx(&to->channels[rxq->index], 1);
	return reason;
}

static int ppnic_deliver(struct ppnic_txq *txq, struct ppnic_port *to,
			 struct ppnic_frame *f)
{
	u32 limit = READ_ONCE(to->dev->mtu) + ETH_HLEN +
		    f->h.nr_vlans * VLAN_HLEN;
	enum skb_drop_reason reason;
	u16 queue;

	reason = ppnic_classify(to, f, &queue);
	if (reason)
		return reason;

	if (f->hdr_len + (f->gso_size ?: f->data_len) > limit) {
		struct ppnic_rxq *rxq = &to->rxqs[queue];

		spin_lock(&rxq->lock);
		hw_inc(rxq, too_long);
		spin_unlock(&rxq->lock);
		return SKB_DROP_REASON_PKT_TOO_BIG;
	}
	return ppnic_deliver_queue(txq, &to->rxqs[queue], f);
}

/* --------------------------------------------------- faults on the wire */

static void ppnic_held_free(struct ppnic_held *held)
{
	dma_unmap_single(&held->parent->dev, held->addr, held->len,
			 DMA_TO_DEVICE);
	put_device(&held->parent->dev);
	kfree(held);
}

/* Copy a frame's payload and map the copy, as if the driver had sent it. */
static struct ppnic_held *ppnic_hold(struct ppnic_port *port,
				     const struct ppnic_frame *f)
{
	u32 len = max(f->data_len, 1U), i, off = f->data_off, got = 0;
	struct device *dev = &port->parent->dev;
	struct ppnic_held *held;

	held = kmalloc(struct_size(held, data, len), GFP_ATOMIC | __GFP_NOWARN);
	if (!held)
		return NULL;

	held->frame = *f;
	held->parent = port->parent;
	held->len = len;
	for (i = 0; i < f->nr_sg && got < f->data_len; i++) {
		u32 n;

		if (off >= f->sg[i].len) {
			off -= f->sg[i].len;
			continue;
		}
		n = min(f->data_len - got, f->sg[i].len - off);
		if (ppnic_dma_read(f->src, held->data + got,
				   f->sg[i].addr + off, n))
			goto err_free;
		got += n;
		off = 0;
	}

	held->addr = dma_map_single(dev, held->data, len, DMA_TO_DEVICE);
	if (dma_mapping_error(dev, held->addr))
		goto err_free;
	get_device(dev);
	held->frame.sg[0].addr = held->addr;
	held->frame.sg[0].len = len;
	held->frame.nr_sg = 1;
	held->frame.data_off = 0;
	return held;

err_free:
	kfree(held);
	return NULL;
}

/* Deliver a copy of @f with one bit flipped, behind the checksum's back. */
static int ppnic_deliver_corrupted(struct ppnic_txq *txq, struct ppnic_port *to,
				   struct ppnic_frame *f)
{
	struct ppnic_held *held;
	int ret;

	/* A device that aggregates checks each segment first. */
	if (f->gso_size) {
		f->csum = PPNIC_CSUM_BAD;
		return ppnic_deliver(txq, to, f);
	}

	held = ppnic_hold(txq->port, f);
	if (!held)
		return SKB_DROP_REASON_NOMEM;
	if (f->data_len)
		held->data[f->data_len - 1] ^= 0x01;
	else
		held->frame.hdr[f->hdr_len - 1] ^= 0x01;
	held->frame.csum = PPNIC_CSUM_VERIFY;
	ret = ppnic_deliver(txq, to, &held->frame);
	ppnic_held_free(held);
	return ret;
}

/* Let the held frame go, if there is one and it is time. */
static int ppnic_release_held(struct ppnic_txq *txq, struct ppnic_port *to)
{
	int ret;

	if (!txq->held || !test_bit(PPNIC_ENGINE_FLUSH, &txq->engine_flags))
		return 0;

	ret = ppnic_deliver(txq, to, &txq->held->frame);
	if (ret == PPNIC_BLOCKED)
		return ret;

	clear_bit(PPNIC_ENGINE_FLUSH, &txq->engine_flags);
	ppnic_held_free(txq->held);
	txq->held = NULL;
	return 0;
}

/* Send one ordinary frame or super-packet through the faults of the wire. */
static int ppnic_wire(struct ppnic_txq *txq, struct ppnic_port *to,
		      struct ppnic_frame *f)
{
	struct ppnic_faults *faults = &txq->port->faults;
	int ret;

	ret = ppnic_release_held(txq, to);
	if (ret)
		return ret;

	/* The injected losses have no reason: the wire gives none. The counter
	 * is lose_hits, and a period counts each frame once, also if it has to
	 * be tried again.
	 */
	if (!txq->retry) {
		if (ppnic_fault_every(&faults->lose))
			return SKB_DROP_REASON_NOT_SPECIFIED;
		if (ppnic_fault_every(&faults->reorder) && !txq->held) {
			txq->held = ppnic_hold(txq->port, f);
			if (txq->held) {
				mod_timer(&txq->reorder_timer,
					  jiffies + PPNIC_REORDER_JIFFIES);
				return SKB_NOT_DROPPED_YET;
			}
		}
		txq->corrupt = ppnic_fault_every(&faults->corrupt);
	}

	if (txq->corrupt)
		ret = ppnic_deliver_corrupted(txq, to, f);
	else
		ret = ppnic_deliver(txq, to, f);
	txq->retry = ret == PPNIC_BLOCKED;
	if (txq->retry)
		return ret;

	if (ppnic_fault_every(&faults->duplicate))
		ppnic_deliver(txq, to, f);
	if (txq->held)
		set_bit(PPNIC_ENGINE_FLUSH, &txq->engine_flags);
	return ret;
}

/* ------------------------------------------------------------------ engine */

/* Payload bytes of one piece of a super-packet that @to takes at a time. */
static u32 ppnic_gso_chunk(const struct ppnic_port *to,
			   const struct ppnic_frame *f, u32 mss)
{
	u32 limit;

	if (!(to->dev->features & NETIF_F_GRO_HW))
		return mss;

	/* What fits an IP packet, and the buffers of an skb if unsplit. */
	limit = min_t(u32, U16_MAX - (f->hdr_len - f->h.l3_off),
		      MAX_SKB_FRAGS * (PAGE_SIZE / 4 * 3));
	return max(rounddown(limit, mss), mss);
}

static int ppnic_send_gso(struct ppnic_txq *txq, struct ppnic_port *to,
			  struct ppnic_frame *whole,
			  const struct ppnic_txd *first)
{
	u32 chunk = ppnic_gso_chunk(to, whole, first->gso_size);
	enum skb_drop_reason reason = SKB_NOT_DROPPED_YET;
	struct ppnic_frame seg;
	int ret;

	while (txq->progress < whole->data_len) {
		u32 len = min(chunk, whole->data_len - txq->progress);

		ret = ppnic_segment(&seg, whole, first, txq->progress, len);
		if (ret) {
			reason = SKB_DROP_REASON_SKB_GSO_SEG;
			if (ret == -EFAULT)
				hw_inc(txq, dma_errors);
			else
				hw_inc(txq, malformed);
			break;
		}
		ret = ppnic_wire(txq, to, &seg);
		if (ret == PPNIC_BLOCKED)
			return ret;
		if (ret)
			reason = ret;
		txq->progress += len;
	}
	txq->progress = 0;
	return reason;
}

/* Send the frame at @first: PPNIC_BLOCKED or a drop reason. */
static int ppnic_send(struct ppnic_txq *txq, struct ppnic_port *to,
		      const struct ppnic_txd *first)
{
	struct ppnic_frame f;
	int err;

	err = ppnic_frame_load(&f, txq, first);
	if (err)
		goto err_load;

	if (first->flags & PPNIC_TXD_GSO) {
		if (f.h.l4 == PPNIC_L4_TCP && first->gso_size && f.data_len)
			return ppnic_send_gso(txq, to, &f, first);
		err = -EINVAL;
		goto err_load;
	}

	if (first->flags & PPNIC_TXD_CSUM) {
		err = ppnic_frame_csum(&f, first);
		if (err)
			goto err_load;
	}
	return ppnic_wire(txq, to, &f);

err_load:
	if (err == -EFAULT) {
		hw_inc(txq, dma_errors);
		return SKB_DROP_REASON_DEV_HDR;
	}
	hw_inc(txq, malformed);
	return SKB_DROP_REASON_HDR_TRUNC;
}

/* Called with engine_lock held, under RCU. */
static void ppnic_engine_run(struct ppnic_txq *txq)
{
	struct ppnic_port *to = rcu_dereference(txq->port->peer);
	u32 sent = 0;

	if (!txq->started)
		return;
	if (READ_ONCE(txq->port->faults.stall_tx) & BIT_ULL(txq->index)) {
		hw_inc(txq, stalls);
		return;
	}

	/* Pairs with the release in ppnic_xmit(). */
	while (txq->fetch != smp_load_acquire(&txq->doorbell)) {
		struct ppnic_txd *first =
			&txq->mem.desc[txq->fetch & txq->mem.mask];
		int ret;

		/* Another CPU may ring the doorbell as fast as we serve it. */
		if (sent == PPNIC_ENGINE_BUDGET) {
			set_bit(PPNIC_ENGINE_MORE, &txq->engine_flags);
			break;
		}

		if (!to || !netif_running(to->dev)) {
			hw_inc(txq, no_link);
			ret = SKB_DROP_REASON_DEV_READY;
		} else {
			ret = ppnic_send(txq, to, first);
		}
		if (ret == PPNIC_BLOCKED)
			break;

		first->status = ret;
		txq->fetch += first->ndesc;
		/* Status before index; the reaper acquires it. */
		smp_store_release(&txq->done, txq->fetch);
		sent++;
	}

	if (to && netif_running(to->dev))
		ppnic_release_held(txq, to);
	if (sent)
		ppnic_irq_event_tx(&txq->port->channels[txq->index], sent);
}

/**
 * ppnic_engine_kick() - serve a TX queue now, or leave that to who already does
 * @txq: the queue; may be down
 *
 * Context: BH off, neither engine_lock nor an rxq's lock held.
 */
void ppnic_engine_kick(struct ppnic_txq *txq)
{
	set_bit(PPNIC_ENGINE_PENDING, &txq->engine_flags);
	/* The note before the look at the lock; the holder looks at the note
	 * again after it has let go.
	 */
	smp_mb__after_atomic();

	while (test_bit(PPNIC_ENGINE_PENDING, &txq->engine_flags)) {
		if (!spin_trylock(&txq->engine_lock))
			return;
		rcu_read_lock();
		if (test_and_clear_bit(PPNIC_ENGINE_PENDING,
				       &txq->engine_flags))
			ppnic_engine_run(txq);
		rcu_read_unlock();
		spin_unlock(&txq->engine_lock);
		smp_mb(); /* as above */
	}
}

/**
 * ppnic_engine_kick_waiters() - an RX queue has room again, or ends a pause
 * @rxq: the queue
 *
 * Context: BH off, no lock of ours held.
 */
void ppnic_engine_kick_waiters(struct ppnic_rxq *rxq)
{
	struct ppnic_port *peer;
	unsigned long waiters;
	int i;

	rcu_read_lock();
	peer = rcu_dereference(rxq->port->peer);
	waiters = xchg(&rxq->waiters, 0);
	for_each_set_bit(i, &waiters, PPNIC_MAX_QUEUES)
		if (peer && i < peer->dev->num_tx_queues)
			ppnic_engine_kick(&peer->txqs[i]);
	rcu_read_unlock();
}

static void ppnic_reorder_timer(struct timer_list *t)
{
	struct ppnic_txq *txq = container_of(t, struct ppnic_txq,
					     reorder_timer);

	set_bit(PPNIC_ENGINE_FLUSH, &txq->engine_flags);
	ppnic_engine_kick(txq);
}

/**
 * ppnic_engine_init() - set up what the device needs for a TX queue
 * @txq: the queue
 *
 * Context: process.
 */
void ppnic_engine_init(struct ppnic_txq *txq)
{
	timer_setup(&txq->reorder_timer, ppnic_reorder_timer, 0);
}

/**
 * ppnic_engine_drain() - forget what a stopped TX queue left on the wire
 * @txq: the queue, not started
 *
 * Context: process.
 */
void ppnic_engine_drain(struct ppnic_txq *txq)
{
	struct ppnic_held *held;

	timer_delete_sync(&txq->reorder_timer);

	spin_lock_bh(&txq->engine_lock);
	held = txq->held;
	txq->held = NULL;
	txq->retry = false;
	if (held)
		hw_inc(txq, no_link);
	clear_bit(PPNIC_ENGINE_FLUSH, &txq->engine_flags);
	clear_bit(PPNIC_ENGINE_MORE, &txq->engine_flags);
	spin_unlock_bh(&txq->engine_lock);

	if (held)
		ppnic_held_free(held);
}
