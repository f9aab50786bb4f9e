// SPDX-License-Identifier: GPL-2.0-only
/*
 * The device's engine: serves a TX ring, frame by frame.
 *
 * Runs where the doorbell is rung (xmit), and again where the reason to stop
 * is gone (the peer's refill, the end of a pause, the end of a fault); but in
 * NAPI where netpoll rings, whose interrupts are off. Whoever holds engine_lock
 * serves the queue; others leave a note in PENDING. Each frame goes over the
 * wire (wire.c) to a queue of the peer (deliver.c).
 */
#include <linux/timekeeping.h>
#include <linux/timex.h>

#include "esp.h"
#include "frame.h"
#include "macsec.h"
#include "psp.h"
#include "shaper.h"

/* Frames served in one go; NAPI goes on with the rest. */
#define PPNIC_ENGINE_BUDGET 256

/* Out of the MAC: a frame, or a piece of one, as it is or as MACsec makes it.
 */
static int ppnic_out(struct ppnic_txq *txq, struct ppnic_port *to,
		     struct ppnic_frame *f, const struct ppnic_txd *first)
{
	if (unlikely(first->flags & PPNIC_TXD_MACSEC))
		return ppnic_macsec_out(txq, to, f, first->secy);
	return ppnic_wire(txq, to, f);
}

/* Payload bytes of one piece of a super-packet that @to takes at a time. */
static u32 ppnic_gso_chunk(const struct ppnic_port *from,
			   const struct ppnic_port *to,
			   const struct ppnic_frame *f,
			   const struct ppnic_txd *first)
{
	u32 limit, mss = first->gso_size;

	/* A super-packet in a tunnel would have to say so of all its layers,
	 * each segment has a SecTAG of its own, a burst of wrong bits is in
	 * one of them, and a program sees them one by one.
	 */
	if (!(ppnic_features(to) & PPNIC_JOIN_FEATURES) || f->tunnel ||
	    f->h.l4 != PPNIC_L4_TCP || first->flags & PPNIC_TXD_MACSEC ||
	    READ_ONCE(from->faults.bit_errors.arg) ||
	    rcu_access_pointer(to->bpf))
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
	u32 chunk = ppnic_gso_chunk(txq->port, to, whole, first);
	enum skb_drop_reason reason;
	struct ppnic_frame seg;
	int ret;

	while (txq->progress < whole->data_len) {
		u32 len = min(chunk, whole->data_len - txq->progress);

		ret = ppnic_segment(&seg, whole, first, txq->progress, len);
		if (ret) {
			txq->gso_reason = SKB_DROP_REASON_SKB_GSO_SEG;
			if (ret == -EFAULT)
				hw_inc(txq, dma_errors);
			else
				hw_inc(txq, malformed);
			break;
		}
		ret = ppnic_out(txq, to, &seg, first);
		if (ret == PPNIC_BLOCKED)
			return ret;
		if (ret)
			txq->gso_reason = ret;
		txq->progress += len;
	}
	reason = txq->gso_reason;
	txq->gso_reason = SKB_NOT_DROPPED_YET;
	txq->progress = 0;
	return reason;
}

/* May the frame at @txq->fetch go now, by the rates of its queue? */
static bool ppnic_admit(struct ppnic_txq *txq, const struct ppnic_frame *f,
			const struct ppnic_txd *first)
{
	u32 frames = 1;

	if (first->flags & PPNIC_TXD_GSO && first->gso_size)
		frames = max(DIV_ROUND_UP(f->data_len, first->gso_size), 1U);
	if (!txq->admitted)
		txq->admitted =
			ppnic_shaper_admit(txq,
					   frames * f->hdr_len + f->data_len,
					   frames);
	return txq->admitted;
}

/* Nothing that is to be encrypted leaves in clear. */
static int ppnic_send_esp(struct ppnic_txq *txq, struct ppnic_port *to,
			  const struct ppnic_frame *f,
			  const struct ppnic_txd *first)
{
	struct ppnic_held *held = ppnic_esp_encrypt(txq, f, first);
	int ret;

	if (!held)
		return SKB_DROP_REASON_DEV_HDR;
	ret = ppnic_out(txq, to, &held->frame, first);
	ppnic_held_free(held);
	return ret;
}

/* As above. */
static int ppnic_send_psp(struct ppnic_txq *txq, struct ppnic_port *to,
			  const struct ppnic_frame *f,
			  const struct ppnic_txd *first)
{
	struct ppnic_held *held = ppnic_psp_seal(txq, f, first);
	int ret;

	if (!held)
		return SKB_DROP_REASON_DEV_HDR;
	ret = ppnic_out(txq, to, &held->frame, first);
	if (ret != PPNIC_BLOCKED) {
		hw_inc(txq, psp_encrypted);
		ppnic_psp_sent(txq->port, held);
	}
	ppnic_held_free(held);
	return ret;
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

	if (!ppnic_admit(txq, &f, first))
		return PPNIC_BLOCKED;

	if (first->flags & PPNIC_TXD_ESP)
		return ppnic_send_esp(txq, to, &f, first);
	if (first->flags & PPNIC_TXD_PSP)
		return ppnic_send_psp(txq, to, &f, first);

	if (first->flags & PPNIC_TXD_GSO) {
		u32 udp = first->gso_type & SKB_GSO_UDP_L4;
		enum ppnic_l4 l4 = f.tunnel ? f.inner.l4 : f.h.l4;

		if (l4 == (udp ? PPNIC_L4_UDP : PPNIC_L4_TCP) &&
		    first->gso_size && f.data_len)
			return ppnic_send_gso(txq, to, &f, first);
		err = -EINVAL;
		goto err_load;
	}

	if (first->flags & PPNIC_TXD_CSUM) {
		err = ppnic_frame_csum(&f, first);
		if (err)
			goto err_load;
	}
	return ppnic_out(txq, to, &f, first);

err_load:
	if (err == -EFAULT) {
		hw_inc(txq, dma_errors);
		return SKB_DROP_REASON_DEV_HDR;
	}
	hw_inc(txq, malformed);
	return SKB_DROP_REASON_HDR_TRUNC;
}

/**
 * ppnic_listener() - whose receiver hears what a port sends?
 * @port: the sender
 *
 * Context: under RCU.
 * Return: its peer, itself in loopback, or NULL: nobody's, or there is no link.
 */
struct ppnic_port *ppnic_listener(struct ppnic_port *port)
{
	struct ppnic_port *peer;

	/* Not all that sends asks for the carrier first: XDP does not. */
	if (!READ_ONCE(port->speed))
		return NULL;
	if (ppnic_features(port) & NETIF_F_LOOPBACK)
		return port;
	peer = rcu_dereference(port->peer);
	/* One that listens to itself hears nobody else. */
	if (peer && ppnic_features(peer) & NETIF_F_LOOPBACK)
		return NULL;
	return peer;
}

/* The frame at @txq->fetch is done, or given up: what of it was kept goes. */
static void ppnic_engine_forget(struct ppnic_txq *txq)
{
	txq->admitted = false;
	txq->retry = false;
	txq->progress = 0;
	txq->gso_reason = SKB_NOT_DROPPED_YET;
	ppnic_arrival_forget(&txq->arrival);
	if (unlikely(txq->sealed)) {
		ppnic_held_free(txq->sealed);
		txq->sealed = NULL;
	}
}

/* Called with engine_lock held, under RCU. */
static void ppnic_engine_run(struct ppnic_txq *txq)
{
	struct ppnic_port *to = ppnic_listener(txq->port);
	u32 sent = 0;

	if (!txq->started)
		return;
	if (ppnic_fault_has_queue(&txq->port->faults.stall_tx, txq->index)) {
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
		if (ret == PPNIC_BLOCKED) {
			/* Our bit among the receiver's waiters comes before
			 * this look, in ppnic_carrier_update() the speed before
			 * those who wait are woken: one of the two sees it.
			 */
			if (!READ_ONCE(txq->port->speed))
				set_bit(PPNIC_ENGINE_PENDING,
					&txq->engine_flags);
			break;
		}

		if (first->flags & PPNIC_TXD_STAMP)
			first->stamp = ktime_get_raw_ns();
		ppnic_engine_forget(txq);
		first->status = ret;
		WRITE_ONCE(txq->fetch, txq->fetch + first->ndesc);
		/* Status before index; the reaper acquires it. */
		smp_store_release(&txq->done, txq->fetch);
		sent++;
	}

	if (to && netif_running(to->dev))
		ppnic_wire_flush(txq, to);
	else
		ppnic_wire_lose(txq);
	if (sent)
		ppnic_irq_event_tx(&txq->port->channels[txq->index], sent);
}

static void ppnic_engine_serve(struct ppnic_txq *txq)
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
		/* NAPI goes on, however often the doorbell rings. */
		if (test_bit(PPNIC_ENGINE_MORE, &txq->engine_flags))
			return;
	}
}

/**
 * ppnic_engine_charge() - the device has worked on a CPU of the kernel's
 * @port: on whose account
 * @from: since when; get_cycles()
 *
 * Context: any.
 */
void ppnic_engine_charge(struct ppnic_port *port, u64 from)
{
	atomic64_add(get_cycles() - from, &port->engine_cycles);
}

/* Leave a TX queue to its channel's NAPI. */
static void ppnic_engine_defer(struct ppnic_txq *txq)
{
	set_bit(PPNIC_ENGINE_MORE, &txq->engine_flags);
	/* The note before the look at armed; pairs with the cmpxchg in
	 * ppnic_irq_rearm(), which then finds the note.
	 */
	smp_mb__after_atomic();
	ppnic_irq_fire(&txq->port->channels[txq->index]);
}

/**
 * ppnic_engine_kick() - serve a TX queue now, or leave that to who already does
 * @txq: the queue; may be down
 *
 * With interrupts off it is netpoll that sends, maybe from a hard interrupt
 * that came while the device was at work with its locks held on this CPU. Then
 * the frame waits in the ring for the next NAPI poll. Nothing is lost by that:
 * who receives it is a NAPI of the same machine.
 *
 * Context: BH or interrupts off, neither engine_lock nor an rxq's lock held;
 * with interrupts off they may be.
 */
void ppnic_engine_kick(struct ppnic_txq *txq)
{
	u64 from;

	if (unlikely(irqs_disabled())) {
		ppnic_engine_defer(txq);
		return;
	}

	from = get_cycles();
	ppnic_engine_serve(txq);
	ppnic_engine_charge(txq->port, from);
}

/**
 * ppnic_engine_kick_waiters() - an RX queue has room again, or ends a pause
 * @rxq: the queue
 *
 * Context: BH off, no lock of ours held.
 */
void ppnic_engine_kick_waiters(struct ppnic_rxq *rxq)
{
	struct ppnic_port *senders[2] = { rxq->port };
	u64 from = get_cycles();
	DECLARE_BITMAP(waiters, PPNIC_MAX_QUEUES);
	u32 i, s;

	rcu_read_lock();
	/* The peer's, or in loopback its own; it may have changed since. */
	senders[1] = rcu_dereference(rxq->port->peer);
	for (i = 0; i < ARRAY_SIZE(waiters); i++)
		waiters[i] = xchg(&rxq->waiters[i], 0);
	for_each_set_bit(i, waiters, PPNIC_MAX_QUEUES)
		for (s = 0; s < ARRAY_SIZE(senders); s++)
			if (senders[s] && i < senders[s]->dev->num_tx_queues)
				ppnic_engine_serve(&senders[s]->txqs[i]);
	rcu_read_unlock();
	ppnic_engine_charge(rxq->port, from);
}
