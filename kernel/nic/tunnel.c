// SPDX-License-Identifier: GPL-2.0-only
/*
 * Super-packets in a tunnel: the headers around what is cut.
 *
 *   Ethernet | IP | UDP, GRE or nothing | ... | IP | TCP or UDP | payload
 *            h    h.next_off                  inner.l3_off, .l4_off
 *
 * The descriptor says where the inner headers are and of which kind the tunnel
 * is; the rest is the outer headers' to say. What stands between a UDP header
 * and the inner IP header (VXLAN, Geneve, Ethernet) is the same in each segment
 * and is not looked at. As __skb_udp_tunnel_segment(), gre_gso_segment() and
 * ipip_gso_segment() do it, the outer IPv4 id counts up too.
 *
 * The checksum of GRE is not this device's: with SKB_GSO_PARTIAL the stack has
 * made the outer headers those of one segment, and GRE's sum is the same for
 * all of one length, as each inner checksum makes up for what it covers.
 */
#include <linux/ip.h>
#include <linux/unaligned.h>
#include <net/checksum.h>
#include <net/gre.h>

#include "frame.h"

#define PPNIC_GSO_UDP (SKB_GSO_UDP_TUNNEL | SKB_GSO_UDP_TUNNEL_CSUM)
#define PPNIC_GSO_GRE (SKB_GSO_GRE | SKB_GSO_GRE_CSUM)
#define PPNIC_GSO_IP  (SKB_GSO_IPXIP4 | SKB_GSO_IPXIP6)

/* Bytes of the GRE header at @off; 0 for one that this device can't repeat. */
static u32 ppnic_gre_len(const struct ppnic_frame *f, u32 off, bool partial)
{
	u32 len = sizeof(struct gre_base_hdr);
	__be16 flags;

	if (off + len > f->fetched)
		return 0;
	flags = get_unaligned((__be16 *)(f->hdr + off));
	/* A sequence number counts up, and other versions know more. */
	if (flags & ~(GRE_CSUM | GRE_KEY))
		return 0;
	if (flags & GRE_CSUM && !partial)
		return 0;
	if (flags & GRE_CSUM)
		len += sizeof(__be32);
	if (flags & GRE_KEY)
		len += sizeof(__be32);
	return len;
}

/* Can the inner IP header be at @l3 in a tunnel of this kind? */
static bool ppnic_tunnel_fits(const struct ppnic_frame *f, u32 gso_type, u32 l3)
{
	u32 off = f->h.next_off, gre;

	/* One kind at a time: the header of a second one needs care too. */
	if (gso_type & PPNIC_GSO_UDP)
		return !(gso_type & (PPNIC_GSO_GRE | PPNIC_GSO_IP)) &&
		       f->h.ip_proto == IPPROTO_UDP &&
		       l3 >= off + sizeof(struct udphdr);
	if (gso_type & PPNIC_GSO_GRE) {
		gre = ppnic_gre_len(f, off, gso_type & SKB_GSO_PARTIAL);
		return !(gso_type & PPNIC_GSO_IP) &&
		       f->h.ip_proto == IPPROTO_GRE && gre && l3 >= off + gre;
	}
	return gso_type & PPNIC_GSO_IP && l3 == off &&
	       (f->h.ip_proto == IPPROTO_IPIP || f->h.ip_proto == IPPROTO_IPV6);
}

/**
 * ppnic_tunnel_load() - find the headers of what is to be cut in a tunnel
 * @f: frame, its outer headers parsed; its payload then is that of the inner
 *	packet
 * @first: its first descriptor, which may say anything
 *
 * Context: BH off.
 * Return: 0, or -EINVAL if the headers are not what the descriptor says, or end
 * beyond what was fetched.
 */
int ppnic_tunnel_load(struct ppnic_frame *f, const struct ppnic_txd *first)
{
	u32 total = f->hdr_len + f->data_len;

	if (!f->h.next_off || f->h.is_frag ||
	    !ppnic_tunnel_fits(f, first->gso_type, first->inner_l3) ||
	    !ppnic_parse_inner(f->hdr, f->fetched, first->inner_l3,
			       first->inner_l4, &f->inner))
		return -EINVAL;

	f->tunnel = true;
	f->hdr_len = f->inner.hdr_len;
	f->data_off = f->hdr_len;
	f->data_len = total - f->hdr_len;
	return 0;
}

/* Make the outer UDP header that of a segment whose inner headers are done. */
static int ppnic_tunnel_udp(struct ppnic_frame *seg, bool csum)
{
	u32 off = seg->h.next_off, len = seg->h.frame_len - off;
	struct udphdr *uh = (struct udphdr *)(seg->hdr + off);
	__wsum sum;
	int err;

	uh->len = htons(len);
	if (!csum)
		return 0;

	uh->check = 0;
	err = ppnic_frame_sum(seg, off, &sum);
	if (err)
		return err;
	uh->check = csum_fold(csum_add(sum, ppnic_pseudo_sum(&seg->h, len))) ?:
			    CSUM_MANGLED_0;
	return 0;
}

/**
 * ppnic_tunnel_segment() - make a super-packet's outer headers a segment's
 * @seg: the segment, its inner headers done
 * @first: the super-packet's first descriptor
 * @index: segments before this one
 *
 * The segment then is a frame as any other: the receiver's parser is told
 * nothing of the tunnel.
 *
 * Context: BH off.
 * Return: 0, -EINVAL, -EFAULT from the table.
 */
int ppnic_tunnel_segment(struct ppnic_frame *seg, const struct ppnic_txd *first,
			 u32 index)
{
	u32 frame_len = seg->h.frame_len;
	int err;

	if (first->flags & PPNIC_TXD_FIX_ID)
		index = 0;
	if (first->gso_type & SKB_GSO_PARTIAL) {
		ppnic_segment_id(seg->hdr, &seg->h, index);
	} else {
		ppnic_segment_l3(seg->hdr, &seg->h, index,
				 frame_len - seg->h.l3_off);
		if (first->gso_type & PPNIC_GSO_UDP) {
			err = ppnic_tunnel_udp(seg,
					       first->gso_type &
						       SKB_GSO_UDP_TUNNEL_CSUM);
			if (err)
				return err;
		}
	}

	seg->tunnel = false;
	seg->csum = PPNIC_CSUM_VERIFY;
	ppnic_parse(seg->hdr, seg->hdr_len, frame_len, &seg->h);
	return 0;
}
