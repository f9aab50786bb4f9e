// SPDX-License-Identifier: GPL-2.0-only
/*
 * ppnic: the device's header parser.
 *
 * What it finds decides split, hash, steering, checksum and coalescing, so
 * it is strict: a header that is cut short or disagrees with the one before
 * it is reported as not there. The frame then goes to the stack as it came,
 * and the stack judges it.
 */
#include <linux/if_ether.h>
#include <linux/if_vlan.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/tcp.h>
#include <linux/udp.h>
#include <linux/unaligned.h>
#include <net/ip.h>
#include <net/ipv6.h>

#include "ppnic.h"

#define PPNIC_MAX_VLANS 2

/* Headers are copied out: nothing in a frame is aligned for the CPU. */
static bool peek(const u8 *data, u32 avail, u32 off, void *to, u32 len)
{
	if (off > avail || len > avail - off)
		return false;
	memcpy(to, data + off, len);
	return true;
}

/* Returns the offset of what follows L2, 0 if L2 itself is cut short. */
static u32 parse_l2(const u8 *data, u32 avail, struct ppnic_headers *h)
{
	u32 off = ETH_HLEN;

	if (avail < ETH_HLEN)
		return 0;

	h->l3_proto = get_unaligned((__be16 *)(data + off - sizeof(__be16)));
	while (eth_type_vlan(h->l3_proto) && h->nr_vlans < PPNIC_MAX_VLANS) {
		struct vlan_hdr vlan;

		if (!peek(data, avail, off, &vlan, sizeof(vlan)))
			return 0;
		if (!h->nr_vlans)
			h->vlan_tci = ntohs(vlan.h_vlan_TCI);
		h->nr_vlans++;
		h->l3_proto = vlan.h_vlan_encapsulated_proto;
		off += sizeof(vlan);
	}
	return off;
}

/* Returns the offset of L4, 0 if there is none that could be read. */
static u32 parse_ipv4(const u8 *data, u32 avail, u32 off,
		      struct ppnic_headers *h)
{
	struct iphdr ip;
	u32 total;

	if (!peek(data, avail, off, &ip, sizeof(ip)))
		return 0;
	if (ip.version != 4 || ip.ihl < sizeof(ip) / 4)
		return 0;

	h->l3_off = off;
	h->ip_proto = ip.protocol;
	h->v4.saddr = ip.saddr;
	h->v4.daddr = ip.daddr;
	h->is_frag = ip_is_fragment(&ip);

	total = ntohs(ip.tot_len);
	if (total < ip.ihl * 4 || total > h->frame_len - off)
		return 0;
	h->frame_len = off + total;

	if (ip.frag_off & htons(IP_OFFSET))
		return 0;
	return off + ip.ihl * 4;
}

/*
 * As parse_ipv4(). Each extension header is at least 8 bytes long, so the
 * walk ends by itself at @avail.
 */
static u32 parse_ipv6(const u8 *data, u32 avail, u32 off,
		      struct ppnic_headers *h)
{
	struct ipv6hdr ip;
	u32 payload;

	if (!peek(data, avail, off, &ip, sizeof(ip)))
		return 0;
	if (ip.version != 6)
		return 0;

	h->l3_off = off;
	h->ip_proto = ip.nexthdr;
	h->v6.saddr = ip.saddr;
	h->v6.daddr = ip.daddr;
	h->v6.flow_label = ip6_flowlabel(&ip);

	/* No jumbograms: the MTU ends long before them. */
	off += sizeof(ip);
	payload = ntohs(ip.payload_len);
	if (payload > h->frame_len - off)
		return 0;
	h->frame_len = off + payload;

	for (;;) {
		struct ipv6_opt_hdr opt;
		struct frag_hdr frag;

		switch (h->ip_proto) {
		case NEXTHDR_HOP:
		case NEXTHDR_ROUTING:
		case NEXTHDR_DEST:
			if (!peek(data, avail, off, &opt, sizeof(opt)))
				return 0;
			h->ip_proto = opt.nexthdr;
			off += ipv6_optlen(&opt);
			break;
		case NEXTHDR_FRAGMENT:
			/*
			 * An atomic fragment counts as one too: rebuilding
			 * it from segments would need another ID for each.
			 */
			h->is_frag = true;
			if (!peek(data, avail, off, &frag, sizeof(frag)))
				return 0;
			h->ip_proto = frag.nexthdr;
			if (frag.frag_off & htons(IP6_OFFSET))
				return 0;
			off += sizeof(frag);
			break;
		default:
			return off;
		}
	}
}

static void parse_tcp(const u8 *data, u32 avail, u32 off,
		      struct ppnic_headers *h)
{
	struct tcphdr tcp;
	u32 end;

	if (!peek(data, avail, off, &tcp, sizeof(tcp)))
		return;
	end = off + tcp.doff * 4;
	if (tcp.doff < sizeof(tcp) / 4 || end > avail)
		return;

	h->l4 = PPNIC_L4_TCP;
	h->l4_off = off;
	h->hdr_len = end;
	h->sport = tcp.source;
	h->dport = tcp.dest;
}

static void parse_udp(const u8 *data, u32 avail, u32 off,
		      struct ppnic_headers *h)
{
	struct udphdr udp;

	if (!peek(data, avail, off, &udp, sizeof(udp)))
		return;
	/*
	 * A datagram shorter than its packet (UDP options) has a checksum
	 * that doesn't reach the end of the frame; it is left to the stack.
	 * The length of a fragmented one is that of the whole.
	 */
	if (!h->is_frag && ntohs(udp.len) != h->frame_len - off)
		return;

	h->l4 = PPNIC_L4_UDP;
	h->l4_off = off;
	h->hdr_len = off + sizeof(udp);
	h->sport = udp.source;
	h->dport = udp.dest;
}

static void parse_l4(const u8 *data, u32 avail, u32 off,
		     struct ppnic_headers *h)
{
	/* What is padding to IP is no header to L4. */
	avail = min(avail, h->frame_len);
	if (h->ip_proto == IPPROTO_TCP)
		parse_tcp(data, avail, off, h);
	else if (h->ip_proto == IPPROTO_UDP)
		parse_udp(data, avail, off, h);
}

/**
 * ppnic_parse - find the headers of a frame
 * @data: start of the frame
 * @avail: bytes readable at @data; all headers must lie within them
 * @frame_len: length of the whole frame, at least @avail
 * @h: result, always written as a whole
 *
 * Context: any; touches nothing but its arguments.
 */
void ppnic_parse(const u8 *data, u32 avail, u32 frame_len,
		 struct ppnic_headers *h)
{
	u32 l3, l4 = 0;

	memset(h, 0, sizeof(*h));
	h->frame_len = frame_len;
	avail = min3(avail, frame_len, PPNIC_HDR_MAX);

	l3 = parse_l2(data, avail, h);
	if (!l3)
		return;

	if (h->l3_proto == htons(ETH_P_IP))
		l4 = parse_ipv4(data, avail, l3, h);
	else if (h->l3_proto == htons(ETH_P_IPV6))
		l4 = parse_ipv6(data, avail, l3, h);
	if (!l4)
		return;
	h->next_off = l4;

	parse_l4(data, avail, l4, h);
}

/**
 * ppnic_parse_ipip() - find the headers behind those of an IP tunnel
 * @data: start of the frame
 * @avail: bytes readable at @data
 * @outer: what ppnic_parse() found
 * @h: result, written as a whole if there is one
 *
 * IP in IP, of any two versions, the outer one without options and extension
 * headers.
 *
 * Context: any; touches nothing but its arguments.
 * Return: whether the frame is of such a tunnel and its inner IP header could
 * be read.
 */
bool ppnic_parse_ipip(const u8 *data, u32 avail,
		      const struct ppnic_headers *outer,
		      struct ppnic_headers *h)
{
	u32 off = outer->l3_off, l4;
	u8 next;

	if (!off || outer->is_frag || outer->l4 != PPNIC_L4_OTHER)
		return false;
	avail = min3(avail, outer->frame_len, PPNIC_HDR_MAX);

	if (outer->l3_proto == htons(ETH_P_IP)) {
		if (data[off] != 0x45)
			return false;
		next = data[off + offsetof(struct iphdr, protocol)];
		off += sizeof(struct iphdr);
	} else {
		next = data[off + offsetof(struct ipv6hdr, nexthdr)];
		off += sizeof(struct ipv6hdr);
	}

	memset(h, 0, sizeof(*h));
	h->frame_len = outer->frame_len;
	h->nr_vlans = outer->nr_vlans;
	h->vlan_tci = outer->vlan_tci;
	if (next == IPPROTO_IPIP) {
		h->l3_proto = htons(ETH_P_IP);
		l4 = parse_ipv4(data, avail, off, h);
	} else if (next == IPPROTO_IPV6) {
		h->l3_proto = htons(ETH_P_IPV6);
		l4 = parse_ipv6(data, avail, off, h);
	} else {
		return false;
	}
	if (l4)
		parse_l4(data, avail, l4, h);
	return h->l3_off;
}

/**
 * ppnic_parse_inner() - find the headers of a packet in a tunnel
 * @data: start of the frame
 * @avail: bytes readable at @data; all headers must lie within them
 * @l3_off: where the sender says that the IP header is
 * @l4_off: ... and that of TCP or UDP
 * @h: result; its addresses, offsets and protocols only
 *
 * For a super-packet: what its headers say of lengths is not looked at, as each
 * segment gets others. IPv6 has no extension headers here.
 *
 * Context: any; touches nothing but its arguments.
 * Return: whether the headers are there, and where the sender says.
 */
bool ppnic_parse_inner(const u8 *data, u32 avail, u32 l3_off, u32 l4_off,
		       struct ppnic_headers *h)
{
	struct ipv6hdr ip6;
	struct tcphdr tcp;
	struct iphdr ip;

	memset(h, 0, sizeof(*h));
	avail = min(avail, PPNIC_HDR_MAX);
	if (!peek(data, avail, l3_off, &ip, sizeof(ip)))
		return false;
	if (ip.version == 4) {
		if (ip.ihl < sizeof(ip) / 4 || l4_off != l3_off + ip.ihl * 4 ||
		    ip_is_fragment(&ip))
			return false;
		h->l3_proto = htons(ETH_P_IP);
		h->ip_proto = ip.protocol;
		h->v4.saddr = ip.saddr;
		h->v4.daddr = ip.daddr;
	} else {
		if (!peek(data, avail, l3_off, &ip6, sizeof(ip6)) ||
		    ip6.version != 6 || l4_off != l3_off + sizeof(ip6))
			return false;
		h->l3_proto = htons(ETH_P_IPV6);
		h->ip_proto = ip6.nexthdr;
		h->v6.saddr = ip6.saddr;
		h->v6.daddr = ip6.daddr;
	}
	h->l3_off = l3_off;
	h->l4_off = l4_off;
	h->next_off = l4_off;

	switch (h->ip_proto) {
	case IPPROTO_TCP:
		if (!peek(data, avail, l4_off, &tcp, sizeof(tcp)) ||
		    tcp.doff < sizeof(tcp) / 4)
			return false;
		h->l4 = PPNIC_L4_TCP;
		h->hdr_len = l4_off + tcp.doff * 4;
		break;
	case IPPROTO_UDP:
		h->l4 = PPNIC_L4_UDP;
		h->hdr_len = l4_off + sizeof(struct udphdr);
		break;
	default:
		return false;
	}
	return h->hdr_len <= avail;
}
