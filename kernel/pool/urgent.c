// SPDX-License-Identifier: GPL-2.0-only
/*
 * TCP's urgent pointer, and payload that the stack can't read.
 *
 * tcp_urg() reads the byte that the pointer names from the segment that has
 * it, and calls BUG() if it can't. A driver keeps segments with a pointer out
 * of iovs; but the byte may be one of a later segment, which may come without
 * a pointer: a peer that wants to can have any byte looked for, and bring the
 * machine down (docs/bugs/tcp-urg.md).
 *
 * So a pointer to a later segment is not told to TCP: the flag is taken off
 * where a packet enters the host, from whatever device, reassembled and out of
 * its tunnel. Always, and not only while there are iovs, since a socket
 * remembers a pointer until its byte comes. Little is lost: a sender names the
 * byte again in each segment up to the one that has it (RFC 9293, 3.8.5:
 * SND.UP), so the receiver hears of it later; and one that has closed its
 * window until it is told so is not told.
 */
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/module.h>
#include <linux/netfilter.h>
#include <linux/netfilter_ipv4.h>
#include <linux/netfilter_ipv6.h>
#include <linux/skbuff.h>
#include <linux/tcp.h>
#include <kunit/visibility.h>
#include <net/checksum.h>
#include <net/ip.h>
#include <net/ipv6.h>
#include <net/net_namespace.h>
#include <net/netns/ipv4.h>

#include "internal.h"
#include "urgent.h"

static bool hide_urgent = true;
module_param(hide_urgent, bool, 0644);
MODULE_PARM_DESC(hide_urgent,
		 "tell TCP of no urgent byte that is yet to come; without it a peer can bring down a machine that receives into iovs");

/* Is the byte that @th names behind the @len bytes of its own segment? As
 * tcp_check_urg() and tcp_urg() count.
 */
static bool ppiov_urgent_is_later(const struct tcphdr *th, u32 len, bool stdurg)
{
	u32 ptr = ntohs(th->urg_ptr);

	if (ptr && !stdurg)
		ptr--;
	return ptr >= len + th->syn;
}

/**
 * ppiov_urgent_hide() - take the flag off a segment whose pointer leaves it
 * @skb: a packet
 * @at: where its TCP header begins, from skb->data on
 * @whole: all of the segment is there. Of one that is not, nobody knows how
 *	long it is: no pointer of its is told.
 * @stdurg: how pointers are read, net.ipv4.tcp_stdurg
 *
 * Context: any.
 * Return: false if the header can't be written to: the packet is to be dropped.
 */
VISIBLE_IF_KUNIT bool ppiov_urgent_hide(struct sk_buff *skb, u32 at, bool whole,
					bool stdurg)
{
	struct tcphdr *th, copy;
	__be32 was;
	u32 end;

	th = skb_header_pointer(skb, at, sizeof(copy), &copy);
	/* TCP takes no segment with a header that is cut short. */
	if (!th || likely(!th->urg))
		return true;
	end = at + __tcp_hdrlen(th);
	if (whole && (end > skb->len ||
		      !ppiov_urgent_is_later(th, skb->len - end, stdurg)))
		return true;

	if (skb_ensure_writable(skb, at + sizeof(*th)))
		return false;
	th = (struct tcphdr *)(skb->data + at);
	was = tcp_flag_word(th);
	tcp_flag_word(th) &= ~TCP_FLAG_URG;
	inet_proto_csum_replace4(&th->check, skb, was, tcp_flag_word(th),
				 false);
	return true;
}
EXPORT_SYMBOL_IF_KUNIT(ppiov_urgent_hide);

static unsigned int ppiov_urgent_look(struct sk_buff *skb, u32 at, bool whole,
				      const struct net *net)
{
	bool stdurg = READ_ONCE(net->ipv4.sysctl_tcp_stdurg);

	return ppiov_urgent_hide(skb, at, whole, stdurg) ? NF_ACCEPT : NF_DROP;
}

/* Behind the reassembly of fragments. BH off, RCU. */
static unsigned int ppiov_urgent_ipv4(void *priv, struct sk_buff *skb,
				      const struct nf_hook_state *state)
{
	const struct iphdr *ip = ip_hdr(skb);

	if (ip->protocol != IPPROTO_TCP || !READ_ONCE(hide_urgent))
		return NF_ACCEPT;
	return ppiov_urgent_look(skb, skb_network_offset(skb) + ip_hdrlen(skb),
				 true, state->net);
}

/* In front of it, but the first fragment has all of the TCP header: the stack
 * takes no other (ipv6frag_thdr_truncated()). BH off, RCU.
 */
static unsigned int ppiov_urgent_ipv6(void *priv, struct sk_buff *skb,
				      const struct nf_hook_state *state)
{
	unsigned int at = 0;
	int flags = 0;

	if (!READ_ONCE(hide_urgent) ||
	    ipv6_find_hdr(skb, &at, IPPROTO_TCP, NULL, &flags) < 0)
		return NF_ACCEPT;
	return ppiov_urgent_look(skb, at, !(flags & IP6_FH_F_FRAG), state->net);
}

/* The last that look: nobody changes a packet after them. */
static const struct nf_hook_ops ppiov_urgent_hooks[] = {
	{
		.hook = ppiov_urgent_ipv4,
		.pf = NFPROTO_IPV4,
		.hooknum = NF_INET_LOCAL_IN,
		.priority = NF_IP_PRI_LAST,
	},
	{
		.hook = ppiov_urgent_ipv6,
		.pf = NFPROTO_IPV6,
		.hooknum = NF_INET_LOCAL_IN,
		.priority = NF_IP6_PRI_LAST,
	},
};

static int __net_init ppiov_urgent_net_init(struct net *net)
{
	return nf_register_net_hooks(net, ppiov_urgent_hooks,
				     ARRAY_SIZE(ppiov_urgent_hooks));
}

static void __net_exit ppiov_urgent_net_exit(struct net *net)
{
	nf_unregister_net_hooks(net, ppiov_urgent_hooks,
				ARRAY_SIZE(ppiov_urgent_hooks));
}

static struct pernet_operations ppiov_urgent_net_ops = {
	.init = ppiov_urgent_net_init,
	.exit = ppiov_urgent_net_exit,
};

/**
 * ppiov_urgent_init() - look at what comes in, in all namespaces
 *
 * Context: module init, before there can be a pool of iovs.
 * Return: 0 or -errno.
 */
int __init ppiov_urgent_init(void)
{
	return register_pernet_subsys(&ppiov_urgent_net_ops);
}

/**
 * ppiov_urgent_exit() - no longer look
 *
 * Context: module exit, when no payload is in iovs any more.
 */
void ppiov_urgent_exit(void)
{
	unregister_pernet_subsys(&ppiov_urgent_net_ops);
}
