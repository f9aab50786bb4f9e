// SPDX-License-Identifier: GPL-2.0-only
/* What a packet in a receive queue is made of. */
#include <linux/skbuff.h>
#include <kunit/visibility.h>

#include "../include/ppiov/carrier.h"
#include "../include/ppiov/pool.h"
#include "tcp.h"

/* Which buffer has the byte at @pos? Who reads on finds it behind the last one,
 * whatever there is before that.
 */
static bool ppiov_carrier_seek(struct ppiov_carrier *carrier, u32 pos,
			       struct ppiov_piece *piece)
{
	u32 index, from = 0, start = 0;

	if (piece->carrier == carrier && pos >= piece->start) {
		from = piece->index;
		start = piece->start;
	}
	if (!ppiov_carrier_at(carrier, pos - start, from, &index, &piece->at))
		return false;
	piece->carrier = carrier;
	piece->start = pos - piece->at;
	piece->index = index;
	return true;
}

/* @offset in @skb is in its frags, which can't be read. A trim has shrunk the
 * frags from the end, a pull has moved their offset; it is still the position
 * in the payload.
 */
static int ppiov_piece_devmem(const struct sk_buff *skb, u32 offset, u32 max,
			      struct ppiov_piece *piece)
{
	const struct skb_shared_info *shinfo = skb_shinfo(skb);
	struct ppiov_carrier *carrier = ppiov_carrier_of(skb);
	const skb_frag_t *frag;
	u32 i, left;

	if (!carrier || !ppiov_pool_is_iov(carrier->pool))
		return -EFAULT;

	offset -= skb_headlen(skb);
	for (i = 0; i < shinfo->nr_frags; i++) {
		frag = &shinfo->frags[i];
		if (offset < skb_frag_size(frag))
			break;
		offset -= skb_frag_size(frag);
	}
	if (i == shinfo->nr_frags ||
	    !ppiov_carrier_seek(carrier, skb_frag_off(frag) + offset, piece))
		return -EFAULT;

	left = piece->carrier->bufs[piece->index].len - piece->at;
	piece->len = min3(max, skb_frag_size(frag) - offset, left);
	return 0;
}

/**
 * ppiov_piece_at() - what can be handed out from a byte of a packet on
 * @skb: in a receive queue: ours, another driver's, or what GRO or TCP made of
 *	several
 * @offset: of the byte, in @skb
 * @max: bytes that are wanted, at least 1
 * @piece: filled; not more than @max, and not beyond the skb or buffer that has
 *	the byte. Zero before, or the piece of an earlier byte of the same skb.
 *
 * Context: under the socket lock, or whatever else keeps @skb as it is.
 * Return: 0, or -EFAULT if there is no way to hand that byte out.
 */
int ppiov_piece_at(const struct sk_buff *skb, u32 offset, u32 max,
		   struct ppiov_piece *piece)
{
	const struct sk_buff *child;
	u32 readable, len;

	for (;;) {
		len = skb_pagelen(skb);
		readable = skb_frags_readable(skb) ? len : skb_headlen(skb);
		if (offset < readable) {
			piece->skb = skb;
			piece->offset = offset;
			piece->len = min(max, readable - offset);
			piece->carrier = NULL;
			return 0;
		}
		if (offset < len)
			return ppiov_piece_devmem(skb, offset, max, piece);

		offset -= len;
		skb_walk_frags(skb, child) {
			if (offset < child->len)
				break;
			offset -= child->len;
		}
		if (!child)
			return -EFAULT;
		skb = child;
	}
}
EXPORT_SYMBOL_IF_KUNIT(ppiov_piece_at);

/**
 * ppiov_skb_drop_children() - give back what a packet has below it
 * @skb: in a receive queue, all of it was read
 *
 * tcp_read_done() may leave the skb on a list of the CPU that it came from, for
 * as long as that has nothing to receive. The buffers are not to wait there.
 *
 * A clone has its children in common with @skb, and so has, after
 * pskb_expand_head() (pedit, NAT), the clone of before, although @skb counts as
 * not cloned. What links the children then stays: it is the other's list, too.
 *
 * Context: under the socket lock.
 */
void ppiov_skb_drop_children(struct sk_buff *skb)
{
	struct sk_buff *list = skb_shinfo(skb)->frag_list;

	if (!list || skb_cloned(skb))
		return;
	skb_shinfo(skb)->frag_list = NULL;
	kfree_skb_list_reason(list, SKB_CONSUMED);
}
EXPORT_SYMBOL_IF_KUNIT(ppiov_skb_drop_children);
