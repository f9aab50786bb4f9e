// SPDX-License-Identifier: GPL-2.0-only
/*
 * Frames of a flow that the device joins: NETIF_F_GRO_HW and NETIF_F_LRO.
 *
 * A super-packet of the sender's goes whole to a receiver that takes those
 * (engine.c). Frames that come one by one wait here for each other, before they
 * are given buffers, and become what the sender could have sent. They wait only
 * where the stack does not join packets itself (NETIF_F_GRO): it has them in
 * the poll anyway, and a device has to guess how long to wait. With
 * NETIF_F_LRO, which nobody has on who has not asked for it, they wait in any
 * case. What is joined is the same, so it is marked as what can be cut again
 * (gso_type). Not every LRO does that: skb_warn_if_lro() has nothing to say.
 *
 * It waits while the queue's frames keep coming, PPNIC_GRO_IDLE_NS after the
 * last one, since the sender may lose its CPU for some time slices, and at most
 * PPNIC_GRO_MOST_NS after the first of the flow; a frame with PSH, or one
 * shorter than those before, is the last. What may join is
 * what GRO would join (tcp_gro_receive(), inet_gro_receive(),
 * ipv6_gro_receive(), and these in an IP tunnel), so that the frames can be
 * made of it again. What may not lets go of its flow's frames first, so no
 * frame of a flow overtakes another.
 */
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/slab.h>
#include <linux/tcp.h>
#include <linux/timex.h>
#include <net/checksum.h>
#include <net/ip.h>

#include "../compat/gso.h"
#include "../compat/irq.h"
#include "../compat/mm.h"
#include "frame.h"

/* With these an emulated machine takes some ms to send a frame: of 32 flows
 * whose frames come in turn, none had its second one in time. It is more than
 * the least RTO of TCP, and costs who ends a window without PSH a
 * retransmission, where the stack's GRO is off and the queue always busy.
 */
#if IS_ENABLED(CONFIG_KASAN) || IS_ENABLED(CONFIG_KCSAN)
#define PPNIC_GRO_IDLE_NS (50 * NSEC_PER_MSEC)
#define PPNIC_GRO_MOST_NS (2 * NSEC_PER_SEC)
#else
#define PPNIC_GRO_IDLE_NS (10 * NSEC_PER_MSEC)
#define PPNIC_GRO_MOST_NS (100 * NSEC_PER_MSEC)
#endif
#define PPNIC_GRO_FLOWS 1024 /* of a queue, at a time */

/* An IP header after the first has this one's id, or counts up from it. */
enum ppnic_gro_ids {
	PPNIC_GRO_IDS_UNKNOWN, /* of one frame */
	PPNIC_GRO_IDS_FIXED,
	PPNIC_GRO_IDS_COUNT,
};

/* Where the headers of a frame are that matter here. */
struct ppnic_gro_headers {
	struct ppnic_headers in; /* those of TCP and of the IP around it */
	u16 l3_off[2];           /* of each IP header, the outer one first */
	u32 nr_l3;
};

/*
 * struct ppnic_aggregate - frames of one flow, each a copy
 *
 * The first one's headers become those of all.
 */
struct ppnic_aggregate {
	struct list_head node; /* of ppnic_gro.waiting */
	struct ppnic_gro_headers h;
	struct ppnic_held *held[PPNIC_MAX_SG];
	u32 frames;
	u32 size; /* payload of each; the last may have less */
	u32 seq;  /* where the next one begins */
	enum ppnic_gro_ids ids[2];
	ktime_t since;
	bool psh;
};

static bool ppnic_is_v4(const u8 *hdr, u32 off)
{
	return hdr[off] >> 4 == 4;
}

/* Returns whether the frame is of a TCP flow, joined or not. */
static bool ppnic_gro_parse(const struct ppnic_frame *f,
			    struct ppnic_gro_headers *h)
{
	if (f->h.l4 == PPNIC_L4_OTHER &&
	    ppnic_parse_ipip(f->hdr, f->fetched, &f->h, &h->in)) {
		h->l3_off[0] = f->h.l3_off;
		h->l3_off[1] = h->in.l3_off;
		h->nr_l3 = 2;
	} else {
		h->in = f->h;
		h->l3_off[0] = f->h.l3_off;
		h->nr_l3 = 1;
	}
	return h->in.l4 == PPNIC_L4_TCP && !h->in.is_frag;
}

static bool ppnic_gro_same_flow(const struct ppnic_headers *a,
				const struct ppnic_headers *b)
{
	if (a->sport != b->sport || a->dport != b->dport ||
	    a->l3_proto != b->l3_proto)
		return false;
	if (a->l3_proto == htons(ETH_P_IP))
		return a->v4.saddr == b->v4.saddr && a->v4.daddr == b->v4.daddr;
	return ipv6_addr_equal(&a->v6.saddr, &b->v6.saddr) &&
	       ipv6_addr_equal(&a->v6.daddr, &b->v6.daddr);
}

/* What came by MACsec, and by which channel, is told of all of them at once. */
static struct ppnic_aggregate *ppnic_gro_find(const struct ppnic_gro *gro,
					      const struct ppnic_frame *f,
					      const struct ppnic_gro_headers *h)
{
	struct ppnic_aggregate *a;

	list_for_each_entry(a, &gro->waiting, node)
		if (a->h.nr_l3 == h->nr_l3 &&
		    a->held[0]->frame.rx_sc == f->rx_sc &&
		    ppnic_gro_same_flow(&a->h.in, &h->in))
			return a;
	return NULL;
}

/* May this frame be one of several, whichever? */
static bool ppnic_gro_able(const struct ppnic_frame *f,
			   const struct ppnic_gro_headers *h)
{
	const struct tcphdr *th = (const void *)(f->hdr + h->in.l4_off);
	__be32 never = TCP_FLAG_SYN | TCP_FLAG_FIN | TCP_FLAG_RST |
		       TCP_FLAG_URG;
	u32 i;

	if (!COMPAT_GSO_TCP_ACCECN)
		never |= TCP_FLAG_CWR;
	if (tcp_flag_word(th) & never || !(tcp_flag_word(th) & TCP_FLAG_ACK))
		return false;

	/* No padding, and payload. */
	if (f->gso_size || h->in.frame_len != f->hdr_len + f->data_len ||
	    h->in.frame_len == h->in.hdr_len)
		return false;

	/* What stands with the headers has to be where the rest of it is. A
	 * frame that the wire held has only that: ppnic_hold().
	 */
	if (f->data_off < f->hdr_len - h->in.hdr_len)
		return false;

	for (i = 0; i < h->nr_l3; i++) {
		const u8 *l3 = f->hdr + h->l3_off[i];

		if (ppnic_is_v4(l3, 0) &&
		    (*l3 != 0x45 || ip_fast_csum(l3, sizeof(struct iphdr) / 4)))
			return false;
	}

	if (h->nr_l3 == 1)
		return f->csum == PPNIC_CSUM_GOOD;
	return ppnic_frame_verify(f, &h->in) == PPNIC_CSUM_GOOD;
}

/* The parser leaves all that it fetched of a tunnel's frame with the headers.
 */
static void ppnic_gro_cut_headers(struct ppnic_frame *f,
				  const struct ppnic_gro_headers *h)
{
	u32 payload = f->hdr_len - h->in.hdr_len;

	f->hdr_len -= payload;
	f->data_off -= payload;
	f->data_len += payload;
}

/* Of the header at @l3 of the frame after @frames others, the first at @first.
 */
static enum ppnic_gro_ids ppnic_gro_ids(const struct ppnic_aggregate *a, u32 i,
					const u8 *hdr)
{
	const struct ppnic_frame *first = &a->held[0]->frame;
	const struct iphdr *was = (const void *)(first->hdr + a->h.l3_off[i]);
	const struct iphdr *is = (const void *)(hdr + a->h.l3_off[i]);
	u16 step = ntohs(is->id) - ntohs(was->id);
	enum ppnic_gro_ids ids = a->ids[i];

	if (ids != PPNIC_GRO_IDS_COUNT && !step &&
	    (COMPAT_GSO_FIXEDID_INNER ||
	     (is->frag_off & htons(IP_DF) && a->h.nr_l3 == 1)))
		return PPNIC_GRO_IDS_FIXED;
	if (ids != PPNIC_GRO_IDS_FIXED && step == (u16)a->frames)
		return PPNIC_GRO_IDS_COUNT;
	return PPNIC_GRO_IDS_UNKNOWN;
}

/* All but lengths, ids and sums, up to @end, is the same. */
static bool ppnic_gro_same_l3(const u8 *a, const u8 *b, u32 off, u32 end)
{
	if (ppnic_is_v4(a, off)) {
		const struct iphdr *x = (const void *)(a + off);
		const struct iphdr *y = (const void *)(b + off);

		return *(const u16 *)x == *(const u16 *)y &&
		       x->frag_off == y->frag_off && x->ttl == y->ttl &&
		       x->protocol == y->protocol && x->saddr == y->saddr &&
		       x->daddr == y->daddr;
	} else {
		u32 after = off + offsetof(struct ipv6hdr, nexthdr);

		/* Extension headers, too. */
		return *(const __be32 *)(a + off) ==
			       *(const __be32 *)(b + off) &&
		       !memcmp(a + after, b + after, end - after);
	}
}

/* Does this frame, which is able, go on where @a ends? */
static bool ppnic_gro_joins(const struct ppnic_rxq *rxq,
			    const struct ppnic_aggregate *a,
			    const struct ppnic_frame *f,
			    const struct ppnic_gro_headers *h,
			    enum ppnic_gro_ids *ids)
{
	struct ppnic_frame *all = &a->held[0]->frame;
	const struct net_device *dev = rxq->port->dev;
	u32 l4 = h->in.l4_off, len = h->in.frame_len - h->in.hdr_len, most, i;
	const struct tcphdr *x = (const void *)(all->hdr + l4);
	const struct tcphdr *y = (const void *)(f->hdr + l4);
	bool fits;

	if (a->frames == PPNIC_MAX_SG || len > a->size ||
	    a->held[0]->parent != f->src || l4 != a->h.in.l4_off ||
	    h->in.hdr_len != a->h.in.hdr_len ||
	    memcmp(all->hdr, f->hdr, h->l3_off[0]))
		return false;

	for (i = 0; i < h->nr_l3; i++) {
		u32 off = h->l3_off[i];

		if (off != a->h.l3_off[i] ||
		    ppnic_is_v4(all->hdr, off) != ppnic_is_v4(f->hdr, off))
			return false;
		if (!ppnic_gro_same_l3(all->hdr, f->hdr, off,
				       i + 1 < h->nr_l3 ? h->l3_off[i + 1] :
							  l4))
			return false;
		if (!ppnic_is_v4(f->hdr, off))
			continue;
		ids[i] = ppnic_gro_ids(a, i, f->hdr);
		if (ids[i] == PPNIC_GRO_IDS_UNKNOWN)
			return false;
	}

	/* The word has length, flags and window. */
	if (ntohl(y->seq) != a->seq || x->ack_seq != y->ack_seq ||
	    (tcp_flag_word(x) ^ tcp_flag_word(y)) & ~TCP_FLAG_PSH ||
	    memcmp(x + 1, y + 1, h->in.hdr_len - l4 - sizeof(*x)))
		return false;

	most = ppnic_is_v4(f->hdr, h->l3_off[0]) ?
		       READ_ONCE(dev->gro_ipv4_max_size) :
		       READ_ONCE(dev->gro_max_size);
	if (all->hdr_len - h->l3_off[0] + all->data_len + len >
	    min_t(u32, most, U16_MAX))
		return false;

	all->data_len += len;
	all->h.frame_len += len;
	fits = ppnic_deliver_fits(rxq, all);
	all->data_len -= len;
	all->h.frame_len -= len;
	return fits;
}

/* Returns whether there was memory for it. */
static bool ppnic_gro_add(struct ppnic_txq *txq, struct ppnic_aggregate *a,
			  struct ppnic_frame *f,
			  const struct ppnic_gro_headers *h)
{
	const struct tcphdr *th = (const void *)(f->hdr + h->in.l4_off);
	struct ppnic_held *held;

	ppnic_gro_cut_headers(f, h);
	held = ppnic_hold(txq->port, f);
	if (!held)
		return false;

	a->held[a->frames] = held;
	a->seq = ntohl(th->seq) + f->data_len;
	a->psh = th->psh;
	if (a->frames++) {
		struct ppnic_frame *all = &a->held[0]->frame;

		all->sg[all->nr_sg++] = held->frame.sg[0];
		all->data_len += f->data_len;
		all->h.frame_len += f->data_len;
	}
	return true;
}

/* Write what the headers of all frames together say. */
static void ppnic_gro_finish(struct ppnic_aggregate *a)
{
	struct ppnic_frame *all = &a->held[0]->frame;
	u32 end = all->hdr_len + all->data_len, l4 = a->h.in.l4_off, i;
	struct tcphdr *th = (struct tcphdr *)(all->hdr + l4);

	all->gso_size = a->size;
	all->gso_segs = a->frames;
	all->gso_type = a->h.in.l3_proto == htons(ETH_P_IP) ? SKB_GSO_TCPV4 :
							      SKB_GSO_TCPV6;
	for (i = 0; i < a->h.nr_l3; i++) {
		u32 off = a->h.l3_off[i];
		bool v4 = ppnic_is_v4(all->hdr, off);

		if (v4) {
			struct iphdr *iph = (struct iphdr *)(all->hdr + off);

			iph->tot_len = htons(end - off);
			ip_send_check(iph);
			if (a->ids[i] == PPNIC_GRO_IDS_FIXED)
				all->gso_type |= i ? COMPAT_GSO_FIXEDID_INNER :
						     SKB_GSO_TCP_FIXEDID;
		} else {
			struct ipv6hdr *ip6h = (void *)(all->hdr + off);

			ip6h->payload_len = htons(end - off - sizeof(*ip6h));
		}
		if (i + 1 < a->h.nr_l3)
			all->gso_type |= v4 ? SKB_GSO_IPXIP4 : SKB_GSO_IPXIP6;
	}
	if (a->h.nr_l3 > 1)
		all->inner_off = a->h.in.l3_off;

	th->psh = a->psh;
	if (th->cwr)
		all->gso_type |= COMPAT_GSO_TCP_ACCECN;
	th->check = ~csum_fold(ppnic_pseudo_sum(&a->h.in, end - l4));
	all->csum = PPNIC_CSUM_PSEUDO;
	all->csum_start = l4;
	all->csum_offset = offsetof(struct tcphdr, check);
}

static void ppnic_gro_free(struct ppnic_gro *gro, struct ppnic_aggregate *a)
{
	u32 i;

	list_del(&a->node);
	gro->count--;
	for (i = 0; i < a->frames; i++)
		ppnic_held_free(a->held[i]);
	kfree(a);
}

static void ppnic_gro_release(struct ppnic_rxq *rxq, struct ppnic_aggregate *a)
{
	if (a->frames > 1)
		ppnic_gro_finish(a);
	ppnic_deliver_aggregate(rxq, &a->held[0]->frame);
	ppnic_gro_free(&rxq->gro, a);
}

/* Returns whether the frame waits now. */
static bool ppnic_gro_begin(struct ppnic_txq *txq, struct ppnic_rxq *rxq,
			    struct ppnic_frame *f,
			    const struct ppnic_gro_headers *h)
{
	const struct tcphdr *th = (const void *)(f->hdr + h->in.l4_off);
	struct ppnic_gro *gro = &rxq->gro;
	struct ppnic_aggregate *a;

	if (th->psh || gro->count == PPNIC_GRO_FLOWS)
		return false;

	a = kzalloc_obj(*a, GFP_ATOMIC | __GFP_NOWARN);
	if (!a)
		return false;
	a->h = *h;
	a->size = h->in.frame_len - h->in.hdr_len;
	a->since = gro->last;
	if (!ppnic_gro_add(txq, a, f, h)) {
		kfree(a);
		return false;
	}

	if (list_empty(&gro->waiting))
		hrtimer_start(&gro->timer, ns_to_ktime(PPNIC_GRO_IDLE_NS),
			      HRTIMER_MODE_REL_SOFT);
	list_add_tail(&a->node, &gro->waiting);
	gro->count++;
	return true;
}

/**
 * ppnic_gro_receive() - shall a frame wait for more of its flow?
 * @txq: the queue that it comes from
 * @rxq: the queue that it comes to, its lock held
 * @f: a frame that can be delivered, and its checksum's state is known
 *
 * What was waiting is delivered where this frame ends it, or may not overtake
 * it.
 *
 * Context: @txq's engine_lock held, under RCU.
 * Return: whether it waits, or has gone with those that did; else it is to be
 * delivered now.
 */
bool ppnic_gro_receive(struct ppnic_txq *txq, struct ppnic_rxq *rxq,
		       struct ppnic_frame *f)
{
	netdev_features_t features = ppnic_features(rxq->port);
	bool on = features & NETIF_F_LRO ||
		  (features & NETIF_F_GRO_HW && !(features & NETIF_F_GRO));
	struct ppnic_gro *gro = &rxq->gro;
	enum ppnic_gro_ids ids[2] = {};
	struct ppnic_gro_headers h;
	struct ppnic_aggregate *a;

	/* A time stamp says when a frame came. */
	on = on && !READ_ONCE(rxq->port->stamp_rx);
	if (!on && list_empty(&gro->waiting))
		return false;
	gro->last = ktime_get();
	if (!ppnic_gro_parse(f, &h))
		return false;

	on = on && ppnic_gro_able(f, &h);
	a = ppnic_gro_find(gro, f, &h);
	if (a && on && ppnic_gro_joins(rxq, a, f, &h, ids) &&
	    ppnic_gro_add(txq, a, f, &h)) {
		memcpy(a->ids, ids, sizeof(ids));
		if (a->psh || f->data_len < a->size)
			ppnic_gro_release(rxq, a);
		return true;
	}
	if (a)
		ppnic_gro_release(rxq, a);
	return on && ppnic_gro_begin(txq, rxq, f, &h);
}

/* Whoever has waited for long enough goes; for the others it comes again. */
static enum hrtimer_restart ppnic_gro_timer(struct hrtimer *timer)
{
	struct ppnic_gro *gro = container_of(timer, struct ppnic_gro, timer);
	struct ppnic_rxq *rxq = container_of(gro, struct ppnic_rxq, gro);
	struct ppnic_aggregate *a, *next;
	u64 from = get_cycles();
	bool released = false;
	ktime_t now, idle;

	spin_lock(&rxq->lock);
	now = ktime_get();
	idle = ktime_add_ns(gro->last, PPNIC_GRO_IDLE_NS);
	list_for_each_entry_safe(a, next, &gro->waiting, node) {
		ktime_t most = ktime_add_ns(a->since, PPNIC_GRO_MOST_NS);
		ktime_t until = ktime_before(idle, most) ? idle : most;

		if (ktime_before(now, until)) {
			hrtimer_start(timer, ktime_sub(until, now),
				      HRTIMER_MODE_REL_SOFT);
			break;
		}
		ppnic_gro_release(rxq, a);
		released = true;
	}
	spin_unlock(&rxq->lock);

	if (released)
		ppnic_irq_event_rx(&rxq->port->channels[rxq->index], 1);
	ppnic_engine_charge(rxq->port, from);
	return HRTIMER_NORESTART;
}

/**
 * ppnic_gro_init() - set up the waiting of a queue's frames
 * @rxq: the queue
 *
 * Context: process.
 */
void ppnic_gro_init(struct ppnic_rxq *rxq)
{
	INIT_LIST_HEAD(&rxq->gro.waiting);
	compat_hrtimer_setup(&rxq->gro.timer, ppnic_gro_timer, CLOCK_MONOTONIC,
			     HRTIMER_MODE_REL_SOFT);
}

/**
 * ppnic_gro_drop() - forget the frames that wait
 * @rxq: the queue, its lock held; it is being stopped
 *
 * Context: BH off.
 * Return: how many there were.
 */
u32 ppnic_gro_drop(struct ppnic_rxq *rxq)
{
	struct ppnic_aggregate *a, *next;
	u32 frames = 0;

	list_for_each_entry_safe(a, next, &rxq->gro.waiting, node) {
		frames += a->frames;
		ppnic_gro_free(&rxq->gro, a);
	}
	return frames;
}

/**
 * ppnic_gro_stop() - wait for the timer of a queue in which no frame waits
 * @rxq: the queue, not started
 *
 * Context: process.
 */
void ppnic_gro_stop(struct ppnic_rxq *rxq)
{
	hrtimer_cancel(&rxq->gro.timer);
}
