/* SPDX-License-Identifier: GPL-2.0-only */
/* Where the device finds the headers of a frame. */
#ifndef PPNIC_PARSE_H
#define PPNIC_PARSE_H

#include <linux/in6.h>
#include <linux/types.h>

enum ppnic_l4 {
	PPNIC_L4_OTHER,
	PPNIC_L4_TCP,
	PPNIC_L4_UDP,
};

/* struct ppnic_headers - what the device's parser found */
struct ppnic_headers {
	__be16 l3_proto; /* ETH_P_IP, ETH_P_IPV6 or what L2 says */
	u16 l3_off;      /* of the IP header; 0 if not IP */
	u16 l4_off;      /* 0 if none: later fragment, other protocol */
	u16 next_off;    /* what follows IP, whatever; 0 if out of reach */
	u16 hdr_len;     /* up to the TCP payload or UDP's; 0 if no L4 */
	u32 frame_len;   /* that L2+L3 claim; padding beyond is no payload */
	u8 ip_proto;
	u8 nr_vlans;
	u16 vlan_tci; /* of the outermost tag, 0 if none */
	enum ppnic_l4 l4;
	bool is_frag;
	union {
		struct {
			__be32 saddr, daddr;
		} v4;
		struct {
			struct in6_addr saddr, daddr;
			__be32 flow_label; /* 20 bits */
		} v6;
	};
	__be16 sport, dport;
};

void ppnic_parse(const u8 *data, u32 avail, u32 frame_len,
		 struct ppnic_headers *h);
bool ppnic_parse_inner(const u8 *data, u32 avail, u32 l3_off, u32 l4_off,
		       struct ppnic_headers *h);
bool ppnic_parse_ipip(const u8 *data, u32 avail,
		      const struct ppnic_headers *outer,
		      struct ppnic_headers *h);

#endif /* PPNIC_PARSE_H */
