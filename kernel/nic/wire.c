// SPDX-License-Identifier: GPL-2.0-only
/*
 * The wire between two ports, and what can go wrong on it: frames that are
 * lost, doubled, overtaken, corrupted or damaged (debugfs, fault.c). Damage is
 * found or put right by the receiver (fec.c), corruption is not.
 */
#include "frame.h"
#include "mac_merge.h"

/* How long the reorder fault keeps a frame that nothing follows. With less, on
 * an emulated machine with KASAN, it was over before eight frames were
 * encrypted; more would be longer than the least RTO of TCP.
 */
#define PPNIC_REORDER_JIFFIES msecs_to_jiffies(100)

/**
 * ppnic_held_free() - forget a frame that was copied
 * @held: from ppnic_hold()
 *
 * Context: any but hard interrupts.
 */
void ppnic_held_free(struct ppnic_held *held)
{
	ppnic_arrival_forget(&held->arrival);
	dma_unmap_single(&held->parent->dev, held->addr, held->len,
			 DMA_TO_DEVICE);
	put_device(&held->parent->dev);
	kfree(held);
}

/**
 * ppnic_arrival_forget() - what was made of a frame is not wanted any more
 * @arrival: may be empty, and is then
 *
 * Context: any but hard interrupts.
 */
void ppnic_arrival_forget(struct ppnic_arrival *arrival)
{
	if (unlikely(arrival->frame))
		ppnic_held_free(arrival->frame);
	*arrival = (struct ppnic_arrival) {};
}

/**
 * ppnic_arrival_put() - this is what was made of a frame, instead of what was
 * @arrival: where it is kept
 * @made: a frame; NULL: nothing new
 *
 * Context: any but hard interrupts.
 */
void ppnic_arrival_put(struct ppnic_arrival *arrival, struct ppnic_held *made)
{
	if (!made)
		return;
	if (arrival->frame)
		ppnic_held_free(arrival->frame);
	arrival->frame = made;
}

/* Make @held's data, @len bytes, known to the device, as @port's. */
static int ppnic_held_map(struct ppnic_port *port, struct ppnic_held *held,
			  u32 len)
{
	struct device *dev = &port->parent->dev;

	held->addr = dma_map_single(dev, held->data, len, DMA_TO_DEVICE);
	if (dma_mapping_error(dev, held->addr))
		return -ENOMEM;
	get_device(dev);
	held->parent = port->parent;
	held->len = len;
	held->arrival = (struct ppnic_arrival) {};
	held->frame.nr_sg = 1;
	return 0;
}

/**
 * ppnic_hold() - copy a frame, as if the driver had sent the copy
 * @port: the sender
 * @f: the frame
 *
 * Context: BH off.
 * Return: the copy, whose payload is one mapped piece, or NULL: no memory, or
 * the sender's can't be read.
 */
struct ppnic_held *ppnic_hold(struct ppnic_port *port,
			      const struct ppnic_frame *f)
{
	u32 len = max(f->data_len, 1U);
	struct ppnic_held *held;

	held = kmalloc(struct_size(held, data, len), GFP_ATOMIC | __GFP_NOWARN);
	if (!held)
		return NULL;

	held->frame = *f;
	if (ppnic_frame_read(f, f->hdr_len, held->data) ||
	    ppnic_held_map(port, held, len))
		goto err_free;
	held->frame.sg[0].addr = held->addr;
	held->frame.sg[0].len = len;
	held->frame.data_off = 0;
	return held;

err_free:
	kfree(held);
	return NULL;
}

/**
 * ppnic_held_make() - a frame of the device's own, as if a driver had sent it
 * @port: that driver's
 * @held: allocated, with nothing but its @data, where the frame is
 * @room: bytes of it
 * @off: where it begins
 * @len: bytes of the frame
 *
 * Context: BH off.
 * Return: 0; then give @held to ppnic_held_free(). -ENOMEM: to kfree().
 */
int ppnic_held_make(struct ppnic_port *port, struct ppnic_held *held, u32 room,
		    u32 off, u32 len)
{
	struct ppnic_frame *f = &held->frame;
	int err;

	err = ppnic_held_map(port, held, room);
	if (err)
		return err;
	f->src = port->parent;
	f->sg[0].addr = held->addr + off;
	f->sg[0].len = len;
	f->fetched = min_t(u32, len, PPNIC_HDR_MAX);
	memcpy(f->hdr, held->data + off, f->fetched);
	ppnic_frame_parse(f, len);
	return 0;
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
		return ppnic_deliver(txq, to, f, &txq->arrival);
	}

	held = ppnic_hold(txq->port, f);
	if (!held)
		return SKB_DROP_REASON_NOMEM;
	if (f->data_len)
		held->data[f->data_len - 1] ^= 0x01;
	else
		held->frame.hdr[f->hdr_len - 1] ^= 0x01;
	held->frame.csum = PPNIC_CSUM_VERIFY;
	ret = ppnic_deliver(txq, to, &held->frame, &txq->arrival);
	ppnic_held_free(held);
	return ret;
}

/**
 * ppnic_wire_flush() - let the held frame go, if there is one and it is time
 * @txq: the queue that it came from
 * @to: the port at the other end, up
 *
 * Context: engine_lock held, under RCU.
 * Return: 0, or PPNIC_BLOCKED. Whatever else becomes of the held frame, its
 * sender has been told that it was sent; the receiver counts it.
 */
int ppnic_wire_flush(struct ppnic_txq *txq, struct ppnic_port *to)
{
	int ret;

	if (!txq->held || !test_bit(PPNIC_ENGINE_FLUSH, &txq->engine_flags))
		return 0;

	ret = ppnic_deliver(txq, to, &txq->held->frame, &txq->held->arrival);
	if (ret == PPNIC_BLOCKED)
		return ret;

	clear_bit(PPNIC_ENGINE_FLUSH, &txq->engine_flags);
	ppnic_held_free(txq->held);
	txq->held = NULL;
	return 0;
}

/* Some bits of @f are wrong when it arrives. Returns false if they stay so. */
static bool ppnic_wire_correct(const struct ppnic_port *from,
			       struct ppnic_port *to,
			       const struct ppnic_frame *f)
{
	if (ppnic_fec_receive(to, READ_ONCE(from->faults.burst) ?: 1))
		return true;
	ppnic_count_unread(to, fcs_errors, f);
	return false;
}

/**
 * ppnic_wire() - send a frame through the faults of the wire
 * @txq: the queue that it comes from
 * @to: the port at the other end, up
 * @f: an ordinary frame or a super-packet
 *
 * Context: engine_lock held, under RCU.
 * Return: PPNIC_BLOCKED, to be tried again, or a drop reason.
 */
int ppnic_wire(struct ppnic_txq *txq, struct ppnic_port *to,
	       struct ppnic_frame *f)
{
	struct ppnic_faults *faults = &txq->port->faults;
	struct ppnic_arrival twice = {};
	int ret;

	ret = ppnic_wire_flush(txq, to);
	if (ret)
		return ret;

	f->mac = txq->retry ? txq->by : ppnic_mac_merge_tx(txq);
	txq->by = f->mac;
	/* A period counts each frame once, also if it has to be tried again. */
	if (!txq->retry) {
		ppnic_mac_count(&txq->mac[f->mac], f);
		if (ppnic_fault_every(&faults->lose))
			return SKB_DROP_REASON_TAP_TXFILTER;
		if (ppnic_fault_every(&faults->bit_errors) &&
		    !ppnic_wire_correct(txq->port, to, f))
			return SKB_DROP_REASON_DEV_HDR;
		if (ppnic_fault_due(&faults->reorder) && !txq->held) {
			txq->held = ppnic_hold(txq->port, f);
			if (txq->held) {
				ppnic_fault_struck(&faults->reorder);
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
		ret = ppnic_deliver(txq, to, f, &txq->arrival);
	txq->retry = ret == PPNIC_BLOCKED;
	if (txq->retry)
		return ret;

	if (ppnic_fault_due(&faults->duplicate) &&
	    ppnic_deliver(txq, to, f, &twice) != PPNIC_BLOCKED)
		ppnic_fault_struck(&faults->duplicate);
	ppnic_arrival_forget(&twice);
	if (txq->held)
		set_bit(PPNIC_ENGINE_FLUSH, &txq->engine_flags);
	return ret;
}

static void ppnic_reorder_timer(struct timer_list *t)
{
	struct ppnic_txq *txq = container_of(t, struct ppnic_txq,
					     reorder_timer);

	set_bit(PPNIC_ENGINE_FLUSH, &txq->engine_flags);
	ppnic_engine_kick(txq);
}

/**
 * ppnic_wire_init() - set up the wire behind a TX queue
 * @txq: the queue
 *
 * Context: process.
 */
void ppnic_wire_init(struct ppnic_txq *txq)
{
	timer_setup(&txq->reorder_timer, ppnic_reorder_timer, 0);
}

/**
 * ppnic_wire_lose() - the frame on the wire, if there is one, is nobody's
 * @txq: the queue that it came from
 *
 * Its sender has been told that it was sent.
 *
 * Context: BH off, engine_lock held.
 */
void ppnic_wire_lose(struct ppnic_txq *txq)
{
	struct ppnic_held *held = txq->held;

	clear_bit(PPNIC_ENGINE_FLUSH, &txq->engine_flags);
	if (!held)
		return;
	txq->held = NULL;
	hw_inc(txq, no_link);
	ppnic_held_free(held);
}

/**
 * ppnic_wire_drain() - forget what a stopped TX queue left on the wire
 * @txq: the queue, not started
 *
 * Context: process.
 */
void ppnic_wire_drain(struct ppnic_txq *txq)
{
	struct ppnic_held *sealed;

	timer_delete_sync(&txq->reorder_timer);

	spin_lock_bh(&txq->engine_lock);
	ppnic_wire_lose(txq);
	ppnic_arrival_forget(&txq->arrival);
	sealed = txq->sealed;
	txq->sealed = NULL;
	txq->retry = false;
	spin_unlock_bh(&txq->engine_lock);

	if (sealed)
		ppnic_held_free(sealed);
}
