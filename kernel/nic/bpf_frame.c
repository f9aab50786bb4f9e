// SPDX-License-Identifier: GPL-2.0-only
/*
 * XDP in the device: what a program does to a frame that has come from the
 * wire, after MACsec and PSP and before the device chooses a queue.
 *
 * So it sees what MACsec and PSP have decrypted (of PSP with its headers), and
 * what the wire has joined is not joined yet. It costs the driver nothing, and
 * the frames that it ends never reach a buffer.
 */
#include <linux/filter.h>
#include <linux/slab.h>

#include "bpf.h"
#include "frame.h"

/* The frame with room in front of it. */
static struct ppnic_held *ppnic_bpf_read(const struct ppnic_frame *f,
					 struct ppnic_bpf_ctx *ctx)
{
	u32 len = f->hdr_len + f->data_len;
	struct ppnic_held *held;

	held = kmalloc(struct_size(held, data, XDP_PACKET_HEADROOM + len),
		       GFP_ATOMIC | __GFP_NOWARN);
	if (!held)
		return NULL;
	/* What a program could let grow into its frame is nobody else's. */
	memset(held->data, 0, XDP_PACKET_HEADROOM);
	*ctx = (struct ppnic_bpf_ctx) {
		.start = held->data,
		.data = held->data + XDP_PACKET_HEADROOM,
		.end = held->data + XDP_PACKET_HEADROOM + len,
	};
	if (ppnic_frame_read(f, 0, ctx->data)) {
		kfree(held);
		return NULL;
	}
	return held;
}

/* What the program has left, as a frame. */
static int ppnic_bpf_make(struct ppnic_port *port, struct ppnic_held *held,
			  const struct ppnic_bpf_ctx *ctx,
			  const struct ppnic_frame *f)
{
	int err;

	err = ppnic_held_make(port, held, ctx->end - ctx->start,
			      ctx->data - ctx->start, ctx->end - ctx->data);
	if (err)
		return err;
	held->frame.rx_sc = f->rx_sc;
	if (f->psp) {
		held->frame.psp = true;
		held->frame.psp_generation = f->psp_generation;
		held->frame.csum = PPNIC_CSUM_NONE;
	}
	held->frame.queue = ctx->queue;
	held->frame.to_queue = ctx->to_queue;
	held->frame.mac = PPNIC_EMAC;
	return 0;
}

/* Out of the port that it came in by. Nobody could be told to wait, so that
 * one's peer has buffers now, or it is lost there. Consumes @held.
 */
static bool ppnic_bpf_send(struct ppnic_txq *txq, struct ppnic_port *to,
			   struct ppnic_held *held)
{
	struct ppnic_port *back = ppnic_listener(to);
	struct ppnic_rxq *first = &to->rxqs[0];
	struct ppnic_arrival arrival = {};

	if (!back || !netif_running(back->dev)) {
		ppnic_held_free(held);
		return false;
	}
	spin_lock(&first->lock);
	ppnic_mac_count(&to->bpf_sent, &held->frame);
	spin_unlock(&first->lock);

	held->frame.to_queue = false;
	held->frame.turned = true;
	ppnic_deliver(txq, back, &held->frame, &arrival);
	ppnic_arrival_forget(&arrival);
	ppnic_held_free(held);
	return true;
}

/* Not twice: two ports could have it to and fro for ever. And not in clear what
 * came encrypted.
 */
static bool ppnic_bpf_may_send(const struct ppnic_frame *f)
{
	return !f->turned && !f->rx_sc && !f->psp;
}

/**
 * ppnic_bpf_frame() - let the program in the device decide about a frame
 * @txq: the queue that it comes from
 * @to: the port that receives it
 * @f: the frame
 * @arrival: gets what the program has made of it, if it goes on
 *
 * Context: @txq's engine_lock held, under RCU.
 * Return: what has become of it; whatever ended it is counted.
 */
enum ppnic_bpf_end ppnic_bpf_frame(struct ppnic_txq *txq, struct ppnic_port *to,
				   const struct ppnic_frame *f,
				   struct ppnic_arrival *arrival)
{
	struct ppnic_bpf_prog *prog = rcu_dereference(to->bpf);
	struct ppnic_bpf_ctx ctx;
	struct ppnic_held *held;
	u32 act;

	if (likely(!prog))
		return PPNIC_BPF_PASS;

	/* Joined before there was a program. */
	held = f->gso_size ? NULL : ppnic_bpf_read(f, &ctx);
	if (!held)
		goto failed;

	act = ppnic_bpf_run(prog, &ctx);
	if ((act != XDP_PASS && act != XDP_TX) ||
	    (act == XDP_TX && !ppnic_bpf_may_send(f)))
		goto err_free;
	if (ppnic_bpf_make(txq->port, held, &ctx, f)) {
		kfree(held);
		goto failed;
	}
	held->frame.turned = f->turned;

	if (act == XDP_PASS) {
		ppnic_count_unread(to, bpf_pass, f);
		ppnic_arrival_put(arrival, held);
		return PPNIC_BPF_PASS;
	}
	if (!ppnic_bpf_send(txq, to, held))
		goto failed;
	ppnic_count_unread(to, bpf_tx, f);
	return PPNIC_BPF_SENT;

err_free:
	kfree(held);
	if (act == XDP_TX)
		goto failed;
	if (act == XDP_DROP)
		ppnic_count_unread(to, bpf_drop, f);
	else /* aborted, or what a device can't do */
		ppnic_count_unread(to, bpf_aborted, f);
	return PPNIC_BPF_DROP;

failed:
	ppnic_count_unread(to, bpf_failed, f);
	return PPNIC_BPF_DROP;
}
