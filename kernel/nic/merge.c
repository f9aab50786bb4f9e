// SPDX-License-Identifier: GPL-2.0-only
/*
 * Frames of a flow that become one skb: GRO, for payload that leaves in a
 * carrier.
 *
 * GRO holds no packet that has a frag_list (dev_gro_receive()), so each frame
 * with a carrier would go up the stack alone, and be acknowledged and waited
 * for alone. Here they are joined while they are completions still: one head,
 * one carrier, and the headers of all but the first go straight back to their
 * pool. What is joined is what GRO would join (tcp_gro_receive(),
 * inet_gro_receive(), ipv6_gro_receive()), so the wire's frames can be made of
 * it again; and nothing is held beyond a poll.
 */
#include <linux/etherdevice.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/limits.h>
#include <linux/minmax.h>
#include <linux/netdevice.h>
#include <linux/tcp.h>
#include <net/ip.h>
#include <net/ip6_checksum.h>
#include <net/tcp.h>

#include "../include/ppiov/carrier.h"
#include "ppnic.h"

/* Of a frame that others follow; of what joins it, PSH is fine and the end. */
#define PPNIC_MERGE_FLAGS                                            \
	(TCP_FLAG_CWR | TCP_FLAG_URG | TCP_FLAG_ACK | TCP_FLAG_PSH | \
	 TCP_FLAG_RST | TCP_FLAG_SYN | TCP_FLAG_FIN)

/* May this frame be one of several, by what the device says of it? */
static bool ppnic_merge_able(const struct ppnic_rxq *rxq,
			     const struct ppnic_cqe *cqe)
{
	return cqe->flags & PPNIC_CQ_SPLIT && cqe->flags & PPNIC_CQ_CSUM_OK &&
	       !cqe->gso_size && !cqe->stamp &&
	       !netif_elide_gro(rxq->port->dev);
}

/* Bytes of payload that one packet may have. */
static u32 ppnic_merge_limit(const struct ppnic_rxq *rxq,
			     const struct ppnic_cqe *cqe)
{
	const struct net_device *dev = rxq->port->dev;
	u32 most = cqe->l3_proto == htons(ETH_P_IP) ?
			   READ_ONCE(dev->gro_ipv4_max_size) :
			   READ_ONCE(dev->gro_max_size);

	most = min_t(u32, most, U16_MAX);
	most -= min_t(u32, most, cqe->host_len - cqe->l3_off);
	return min_t(u32, most, PPIOV_CARRIER_MAX_BYTES);
}

/* Headers of the kind that GRO knows, without options of IP. */
static bool ppnic_merge_l3(const struct ppnic_cqe *cqe, const u8 *hdr)
{
	u32 len = cqe->l4_off - cqe->l3_off;

	if (cqe->l3_proto == htons(ETH_P_IP))
		return len == sizeof(struct iphdr) && hdr[cqe->l3_off] == 0x45;
	return cqe->l3_proto == htons(ETH_P_IPV6) &&
	       len == sizeof(struct ipv6hdr);
}

/**
 * ppnic_merge_begin() - may more frames follow this one into an skb?
 * @rxq: the queue
 * @merge: with no frame; has this one if the answer is yes
 * @cqe: the frame
 * @hdr: its headers, the CPU's to read and write; of the queue's next buffer
 *
 * Context: NAPI of the queue's channel.
 * Return: whether @merge has it.
 */
bool ppnic_merge_begin(const struct ppnic_rxq *rxq, struct ppnic_merge *merge,
		       const struct ppnic_cqe *cqe, u8 *hdr)
{
	const struct tcphdr *th = (const struct tcphdr *)(hdr + cqe->l4_off);

	if (!ppnic_merge_able(rxq, cqe) || !ppnic_merge_l3(cqe, hdr) ||
	    (tcp_flag_word(th) & PPNIC_MERGE_FLAGS) != TCP_FLAG_ACK)
		return false;
	merge->most = ppnic_merge_limit(rxq, cqe);
	if (merge->most < cqe->data_len)
		return false;

	merge->cqe = *cqe;
	merge->frames = 1;
	merge->hdr = hdr;
	merge->size = cqe->data_len;
	merge->seq = ntohl(th->seq) + cqe->data_len;
	if (cqe->l3_proto == htons(ETH_P_IP))
		merge->id =
			ntohs(((const struct iphdr *)(hdr + cqe->l3_off))->id);
	merge->psh = false;
	merge->full = false;
	return true;
}

/* memcmp() is byte by byte. VLAN tags are few, and options are words. */
static bool ppnic_merge_same_l2(const struct ppnic_merge *merge, const u8 *hdr)
{
	u32 tags = merge->cqe.l3_off - ETH_HLEN;

	return !compare_ether_header(merge->hdr, hdr) &&
	       (likely(!tags) ||
		!memcmp(merge->hdr + ETH_HLEN, hdr + ETH_HLEN, tags));
}

static bool ppnic_merge_same_options(const struct ppnic_merge *merge,
				     const u8 *hdr)
{
	u32 i;

	for (i = merge->cqe.l4_off + sizeof(struct tcphdr);
	     i < merge->cqe.host_len; i += sizeof(u32))
		if (*(const u32 *)(merge->hdr + i) != *(const u32 *)(hdr + i))
			return false;
	return true;
}

static bool ppnic_merge_same_l3(const struct ppnic_merge *merge, const u8 *hdr)
{
	u32 off = merge->cqe.l3_off;

	if (merge->cqe.l3_proto == htons(ETH_P_IP)) {
		const struct iphdr *a =
			(const struct iphdr *)(merge->hdr + off);
		const struct iphdr *b = (const struct iphdr *)(hdr + off);

		return a->saddr == b->saddr && a->daddr == b->daddr &&
		       a->tos == b->tos && a->ttl == b->ttl &&
		       a->frag_off == b->frag_off && hdr[off] == 0x45 &&
		       ntohs(b->id) == (u16)(merge->id + merge->frames);
	} else {
		const struct ipv6hdr *a =
			(const struct ipv6hdr *)(merge->hdr + off);
		const struct ipv6hdr *b = (const struct ipv6hdr *)(hdr + off);

		return *(const __be32 *)a == *(const __be32 *)b &&
		       a->hop_limit == b->hop_limit &&
		       ipv6_addr_equal(&a->saddr, &b->saddr) &&
		       ipv6_addr_equal(&a->daddr, &b->daddr);
	}
}

static bool ppnic_merge_same_l4(const struct ppnic_merge *merge, const u8 *hdr)
{
	u32 off = merge->cqe.l4_off;
	const struct tcphdr *a = (const struct tcphdr *)(merge->hdr + off);
	const struct tcphdr *b = (const struct tcphdr *)(hdr + off);

	/* The word has length, flags and window. */
	return a->source == b->source && a->dest == b->dest &&
	       ntohl(b->seq) == merge->seq && a->ack_seq == b->ack_seq &&
	       !((tcp_flag_word(a) ^ tcp_flag_word(b)) & ~TCP_FLAG_PSH) &&
	       ppnic_merge_same_options(merge, hdr);
}

/**
 * ppnic_merge_join() - does this frame go on where the last one ended?
 * @rxq: the queue
 * @merge: frames, or none; has this one as well if the answer is yes
 * @cqe: the frame
 * @hdr: its headers
 *
 * Context: NAPI of the queue's channel.
 * Return: whether @merge has it.
 */
bool ppnic_merge_join(const struct ppnic_rxq *rxq, struct ppnic_merge *merge,
		      const struct ppnic_cqe *cqe, const u8 *hdr)
{
	struct ppnic_cqe *all = &merge->cqe;

	if (!merge->frames || merge->full || cqe->hash != all->hash ||
	    cqe->hash_type != all->hash_type || cqe->rx_sc != all->rx_sc ||
	    cqe->host_len != all->host_len || cqe->l3_off != all->l3_off ||
	    cqe->l4_off != all->l4_off || cqe->l3_proto != all->l3_proto)
		return false;
	if (cqe->data_len > merge->size ||
	    cqe->data_len > merge->most - all->data_len ||
	    cqe->data_bufs > rxq->mem.data.max_bufs - all->data_bufs)
		return false;
	if (!ppnic_merge_able(rxq, cqe) || !ppnic_merge_same_l2(merge, hdr) ||
	    !ppnic_merge_same_l3(merge, hdr) ||
	    !ppnic_merge_same_l4(merge, hdr))
		return false;

	merge->frames++;
	merge->seq += cqe->data_len;
	merge->psh = ((const struct tcphdr *)(hdr + all->l4_off))->psh;
	merge->full = merge->psh || cqe->data_len < merge->size;
	all->data_len += cqe->data_len;
	all->data_bufs += cqe->data_bufs;
	return true;
}

/**
 * ppnic_merge_end() - write what the headers of all frames together say
 * @merge: one frame or more
 *
 * As tcp_gro_complete() leaves it: can be segmented again.
 *
 * Context: NAPI of the queue's channel.
 */
void ppnic_merge_end(struct ppnic_merge *merge)
{
	struct ppnic_cqe *all = &merge->cqe;
	u8 *l3 = merge->hdr + all->l3_off;
	struct tcphdr *th = (struct tcphdr *)(merge->hdr + all->l4_off);
	u32 l4_len = all->host_len - all->l4_off + all->data_len;

	if (merge->frames == 1)
		return;

	if (all->l3_proto == htons(ETH_P_IP)) {
		struct iphdr *iph = (struct iphdr *)l3;

		iph->tot_len = htons(sizeof(*iph) + l4_len);
		ip_send_check(iph);
		th->check = ~tcp_v4_check(l4_len, iph->saddr, iph->daddr, 0);
		all->gso_type = SKB_GSO_TCPV4;
	} else {
		struct ipv6hdr *ip6h = (struct ipv6hdr *)l3;

		ip6h->payload_len = htons(l4_len);
		th->check = ~tcp_v6_check(l4_len, &ip6h->saddr, &ip6h->daddr,
					  0);
		all->gso_type = SKB_GSO_TCPV6;
	}
	th->psh = merge->psh;
	all->gso_size = merge->size;
	all->gso_segs = merge->frames;
	all->flags &= ~PPNIC_CQ_CSUM_OK;
	all->flags |= PPNIC_CQ_CSUM_PARTIAL;
	all->csum_start = all->l4_off;
	all->csum_offset = offsetof(struct tcphdr, check);
}
