// SPDX-License-Identifier: GPL-2.0-only
/*
 * Frames: fetch from descriptors, checksum, segment.
 *
 * Segmentation follows what skb_segment(), tcp_gso_segment() and
 * __udp_gso_segment() do in software: sequence number and IP id count up, FIN
 * and PSH only on the last segment, CWR only on the first; each datagram has a
 * length of its own. What is around that of a tunnel is in tunnel.c.
 */
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/tcp.h>
#include <linux/udp.h>
#include <net/checksum.h>
#include <net/ip6_checksum.h>
#include <net/tcp.h>

#include "frame.h"

/* Fold @len bytes of the sender's memory from @off on into @sum at @pos. */
static int ppnic_sg_csum(const struct ppnic_frame *f, u32 off, u32 len, u32 pos,
			 __wsum *sum)
{
	u32 i;
	int err;

	for (i = 0; i < f->nr_sg && len; i++) {
		u32 n;

		if (off >= f->sg[i].len) {
			off -= f->sg[i].len;
			continue;
		}
		n = min(len, f->sg[i].len - off);
		err = ppnic_dma_csum(f->src, f->sg[i].addr + off, n, pos, sum);
		if (err)
			return err;
		pos += n;
		len -= n;
		off = 0;
	}
	return len ? -EINVAL : 0;
}

/**
 * ppnic_frame_sum() - sum of a frame's bytes from somewhere to its end
 * @f: frame
 * @start: from where, in its headers
 * @sum: result, not folded
 *
 * Context: BH off.
 * Return: 0, -EINVAL, -EFAULT from the table.
 */
int ppnic_frame_sum(const struct ppnic_frame *f, u32 start, __wsum *sum)
{
	*sum = csum_partial(f->hdr + start, f->hdr_len - start, 0);
	return ppnic_sg_csum(f, f->data_off, f->data_len, f->hdr_len - start,
			     sum);
}

/**
 * ppnic_pseudo_sum() - the pseudo header's sum, not inverted
 * @h: has the addresses and the protocol
 * @l4_len: bytes of L4
 *
 * Context: any.
 * Return: the sum.
 */
__wsum ppnic_pseudo_sum(const struct ppnic_headers *h, u32 l4_len)
{
	if (h->l3_proto == htons(ETH_P_IP))
		return csum_tcpudp_nofold(h->v4.saddr, h->v4.daddr, l4_len,
					  h->ip_proto, 0);
	return ~csum_unfold(csum_ipv6_magic(&h->v6.saddr, &h->v6.daddr, l4_len,
					    h->ip_proto, 0));
}

/**
 * ppnic_frame_read() - copy a frame's bytes to where the CPU can work on them
 * @f: frame
 * @from: the first one, in its headers or where they end
 * @to: receives them, to the frame's end
 *
 * Context: BH off.
 * Return: 0, -EINVAL, -EFAULT from the table.
 */
int ppnic_frame_read(const struct ppnic_frame *f, u32 from, u8 *to)
{
	u32 i, off = f->data_off, got = 0;
	int err;

	memcpy(to, f->hdr + from, f->hdr_len - from);
	to += f->hdr_len - from;
	for (i = 0; i < f->nr_sg && got < f->data_len; i++) {
		u32 n;

		if (off >= f->sg[i].len) {
			off -= f->sg[i].len;
			continue;
		}
		n = min(f->data_len - got, f->sg[i].len - off);
		err = ppnic_dma_read(f->src, to + got, f->sg[i].addr + off, n);
		if (err)
			return err;
		got += n;
		off = 0;
	}
	return got == f->data_len ? 0 : -EINVAL;
}

/**
 * ppnic_frame_parse() - find out what a frame is that nobody has looked at
 * @f: its first @f->fetched bytes are there, and @f->sg is all of it
 * @total: bytes of the frame
 *
 * Context: any.
 */
void ppnic_frame_parse(struct ppnic_frame *f, u32 total)
{
	ppnic_parse(f->hdr, f->fetched, total, &f->h);
	f->hdr_len = f->h.hdr_len ?: f->fetched;
	f->data_off = f->hdr_len;
	f->data_len = total - f->hdr_len;
	f->csum = PPNIC_CSUM_VERIFY;
	f->gso_size = 0;
	f->gso_segs = 0;
	f->gso_type = 0;
	f->inner_off = 0;
	f->sa = 0;
	f->seq = 0;
	f->rx_sc = 0;
	f->psp = false;
	f->turned = false;
	f->to_queue = false;
	f->csum_start = 0;
	f->csum_offset = 0;
	f->tunnel = false;
}

/**
 * ppnic_frame_load() - fetch a frame's headers and note where its payload is
 * @f: filled in
 * @txq: the queue it comes from, engine_lock held
 * @first: its first descriptor
 *
 * Context: BH off.
 * Return: 0, -EINVAL for an unusable descriptor chain, -EFAULT from the table.
 */
int ppnic_frame_load(struct ppnic_frame *f, struct ppnic_txq *txq,
		     const struct ppnic_txd *first)
{
	u32 slot = first - txq->mem.desc, total = 0, want, got = 0, i;
	int err;

	if (!first->ndesc || first->ndesc > PPNIC_MAX_SG)
		return -EINVAL;

	f->src = txq->port->parent;
	f->nr_sg = first->ndesc;
	for (i = 0; i < f->nr_sg; i++) {
		const struct ppnic_txd *d =
			&txq->mem.desc[(slot + i) & txq->mem.mask];

		f->sg[i].addr = d->addr;
		f->sg[i].len = d->len;
		total += d->len;
	}
	/* User space may describe anything (AF_XDP). */
	if (total < ETH_HLEN)
		return -EINVAL;

	want = min_t(u32, total, PPNIC_HDR_MAX);
	for (i = 0; got < want; i++) {
		u32 n = min(want - got, f->sg[i].len);

		err = ppnic_dma_read(f->src, f->hdr + got, f->sg[i].addr, n);
		if (err)
			return err;
		got += n;
	}

	f->fetched = got;
	ppnic_frame_parse(f, total);
	if (first->flags & PPNIC_TXD_GSO && first->flags & PPNIC_TXD_TUNNEL)
		return ppnic_tunnel_load(f, first);
	return 0;
}

/* The checksum field of a frame's L4 header; 0 if there is none. */
static u32 ppnic_csum_field(const struct ppnic_headers *h)
{
	if (h->is_frag || !h->l4_off)
		return 0;
	switch (h->l4) {
	case PPNIC_L4_TCP:
		return h->l4_off + offsetof(struct tcphdr, check);
	case PPNIC_L4_UDP:
		return h->l4_off + offsetof(struct udphdr, check);
	default:
		return 0;
	}
}

/**
 * ppnic_frame_csum() - TX checksum offload: what CHECKSUM_PARTIAL asks for
 * @f: frame, not a GSO one
 * @first: its first descriptor
 *
 * Any field in the fetched bytes is filled in. Whether the result is the
 * frame's L4 checksum, and right, is another question: a packet socket can ask
 * for any sum anywhere. It is if it is asked of the L4 header and the field
 * held the pseudo header's sum.
 *
 * Context: BH off.
 * Return: 0, -EINVAL if the field is outside the headers, -EFAULT.
 */
int ppnic_frame_csum(struct ppnic_frame *f, const struct ppnic_txd *first)
{
	u32 field = first->csum_start + first->csum_offset;
	u32 l4_len = f->hdr_len + f->data_len - f->h.l4_off;
	__sum16 initial, folded;
	__wsum sum;
	int err;

	if (field + sizeof(__sum16) > f->fetched)
		return -EINVAL;
	/* Deeper than the headers we know: then it moves with them. */
	if (field + sizeof(__sum16) > f->hdr_len) {
		u32 more = field + sizeof(__sum16) - f->hdr_len;

		f->hdr_len += more;
		f->data_off += more;
		f->data_len -= more;
	}

	memcpy(&initial, f->hdr + field, sizeof(initial));
	err = ppnic_frame_sum(f, first->csum_start, &sum);
	if (err)
		return err;

	/* The field holds the pseudo header's sum; a UDP sum of 0 would say
	 * "none".
	 */
	folded = csum_fold(sum);
	if (!folded && f->h.l4 == PPNIC_L4_UDP)
		folded = CSUM_MANGLED_0;
	memcpy(f->hdr + field, &folded, sizeof(folded));

	if (field == ppnic_csum_field(&f->h) &&
	    first->csum_start == f->h.l4_off &&
	    initial == (__force __sum16)~csum_fold(ppnic_pseudo_sum(&f->h,
								    l4_len)))
		f->csum = PPNIC_CSUM_GOOD;
	return 0;
}

/**
 * ppnic_frame_verify() - RX checksum offload: is the L4 checksum right?
 * @f: frame
 * @h: its headers, or those in a tunnel
 *
 * Context: BH off.
 * Return: PPNIC_CSUM_GOOD, _BAD, or _NONE: not TCP or UDP, a fragment, a
 * frame with padding, a UDP datagram without a checksum.
 */
enum ppnic_csum ppnic_frame_verify(const struct ppnic_frame *f,
				   const struct ppnic_headers *h)
{
	u32 l4_len = h->frame_len - h->l4_off;
	u32 field = ppnic_csum_field(h);
	__wsum sum;

	if (!field || h->frame_len != f->hdr_len + f->data_len)
		return PPNIC_CSUM_NONE;
	if (h->l4 == PPNIC_L4_UDP && !f->hdr[field] && !f->hdr[field + 1])
		return PPNIC_CSUM_NONE;
	if (ppnic_frame_sum(f, h->l4_off, &sum))
		return PPNIC_CSUM_NONE;

	return csum_fold(csum_add(sum, ppnic_pseudo_sum(h, l4_len))) ?
		       PPNIC_CSUM_BAD :
		       PPNIC_CSUM_GOOD;
}

/**
 * ppnic_frame_copy() - move the next bytes of a frame to the receiver's memory
 * @f: frame
 * @pos: bytes of it already moved; advanced by @len on success
 * @to: the receiver's table
 * @addr: where to
 * @len: bytes, within the frame
 *
 * Context: BH off.
 * Return: 0 or -EFAULT.
 */
int ppnic_frame_copy(struct ppnic_frame *f, u32 *pos, struct ppnic_parent *to,
		     dma_addr_t addr, u32 len)
{
	u32 off, i, n;
	int err;

	if (*pos < f->hdr_len && len) {
		n = min(len, f->hdr_len - *pos);
		err = ppnic_dma_write(to, addr, f->hdr + *pos, n);
		if (err)
			return err;
		*pos += n;
		addr += n;
		len -= n;
	}
	if (!len)
		return 0;

	off = f->data_off + *pos - f->hdr_len;
	for (i = 0; i < f->nr_sg && len; i++) {
		if (off >= f->sg[i].len) {
			off -= f->sg[i].len;
			continue;
		}
		n = min(len, f->sg[i].len - off);
		err = ppnic_dma_copy(to, addr, f->src, f->sg[i].addr + off, n);
		if (err)
			return err;
		*pos += n;
		addr += n;
		len -= n;
		off = 0;
	}
	return len ? -EINVAL : 0;
}

/**
 * ppnic_segment_id() - give a segment's IPv4 header the id that follows
 * @hdr: the segment's headers
 * @h: where in them
 * @index: segments before this one
 *
 * Context: any.
 */
void ppnic_segment_id(u8 *hdr, const struct ppnic_headers *h, u32 index)
{
	struct iphdr *iph = (struct iphdr *)(hdr + h->l3_off);

	if (h->l3_proto != htons(ETH_P_IP))
		return;
	iph->id = htons(ntohs(iph->id) + index);
	ip_send_check(iph);
}

/**
 * ppnic_segment_l3() - make a super-packet's IP header that of a segment
 * @hdr: the segment's headers
 * @h: where in them
 * @index: by how much the id of IPv4 goes on
 * @l3_len: bytes from the IP header to the segment's end
 *
 * Context: any.
 */
void ppnic_segment_l3(u8 *hdr, const struct ppnic_headers *h, u32 index,
		      u32 l3_len)
{
	u8 *l3 = hdr + h->l3_off;

	if (h->l3_proto == htons(ETH_P_IP)) {
		((struct iphdr *)l3)->tot_len = htons(l3_len);
		ppnic_segment_id(hdr, h, index);
	} else {
		((struct ipv6hdr *)l3)->payload_len =
			htons(l3_len - sizeof(struct ipv6hdr));
	}
}

static void ppnic_segment_tcp(u8 *l4, u32 pos, bool last)
{
	struct tcphdr *th = (struct tcphdr *)l4;

	th->seq = htonl(ntohl(th->seq) + pos);
	if (!last) {
		th->fin = 0;
		th->psh = 0;
	}
	if (pos)
		th->cwr = 0;
}

/**
 * ppnic_segment() - cut one frame out of a TSO or USO super-packet
 * @seg: the result: an ordinary frame if @len is at most the segment size,
 *	 else a smaller super-packet for a receiver that takes them (TCP, and
 *	 not in a tunnel)
 * @whole: the super-packet as loaded
 * @first: its first descriptor
 * @pos: payload bytes already sent; a multiple of the segment size
 * @len: payload bytes of this one
 *
 * Context: BH off.
 * Return: 0, -EINVAL for headers that can't be segmented, -EFAULT.
 */
int ppnic_segment(struct ppnic_frame *seg, const struct ppnic_frame *whole,
		  const struct ppnic_txd *first, u32 pos, u32 len)
{
	const struct ppnic_headers *h = whole->tunnel ? &whole->inner :
							&whole->h;
	u32 fix = whole->tunnel ? PPNIC_TXD_FIX_INNER_ID : PPNIC_TXD_FIX_ID;
	bool last = pos + len >= whole->data_len;
	u32 l4_len, frame_len, index = pos / first->gso_size;
	u32 field = ppnic_csum_field(h);
	__wsum pseudo, sum;
	__sum16 check = 0;
	int err;

	if (!field || !h->hdr_len)
		return -EINVAL;

	*seg = *whole;
	seg->data_off = whole->hdr_len + pos;
	seg->data_len = len;
	seg->gso_type = first->gso_type;
	frame_len = seg->hdr_len + len;
	seg->h.frame_len = frame_len;
	ppnic_segment_l3(seg->hdr, h, first->flags & fix ? 0 : index,
			 frame_len - h->l3_off);

	l4_len = frame_len - h->l4_off;
	if (h->l4 == PPNIC_L4_TCP)
		ppnic_segment_tcp(seg->hdr + h->l4_off, pos, last);
	else
		((struct udphdr *)(seg->hdr + h->l4_off))->len = htons(l4_len);
	pseudo = ppnic_pseudo_sum(h, l4_len);

	if (len > first->gso_size) {
		/* What tcp_gro_complete() would leave: resegmentable. */
		check = ~csum_fold(pseudo);
		memcpy(seg->hdr + field, &check, sizeof(check));
		seg->csum = PPNIC_CSUM_PSEUDO;
		seg->csum_start = h->l4_off;
		seg->csum_offset = field - h->l4_off;
		seg->gso_size = first->gso_size;
		seg->gso_segs = DIV_ROUND_UP(len, first->gso_size);
		seg->gso_type &= SKB_GSO_TCPV4 | SKB_GSO_TCPV6 |
				 SKB_GSO_TCP_ECN | SKB_GSO_TCP_FIXEDID;
		return 0;
	}

	memcpy(seg->hdr + field, &check, sizeof(check));
	err = ppnic_frame_sum(seg, h->l4_off, &sum);
	if (err)
		return err;
	check = csum_fold(csum_add(sum, pseudo));
	/* Of a datagram, 0 would say that there is none. */
	if (!check && h->l4 == PPNIC_L4_UDP)
		check = CSUM_MANGLED_0;
	memcpy(seg->hdr + field, &check, sizeof(check));
	seg->csum = PPNIC_CSUM_GOOD;
	seg->gso_type = 0;
	return whole->tunnel ? ppnic_tunnel_segment(seg, first, index) : 0;
}
