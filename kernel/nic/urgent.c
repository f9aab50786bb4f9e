// SPDX-License-Identifier: GPL-2.0-only
/*
 * TCP's urgent pointer, and payload that the stack can't read.
 *
 * tcp_urg() reads the byte that the pointer names from the segment that has
 * it, and calls BUG() if it can't. So a segment with a pointer is not split.
 * That does not help where the byte is in a later segment, which may come
 * without a pointer: a peer that wants to can have any byte looked for.
 *
 * While queues of the port have unreadable buffers of ppiov, a pointer to a
 * later segment is therefore not told: the flag is taken off the copy that is
 * delivered. Nothing is lost by it, since a sender names the byte again in each
 * segment up to the one that has it (RFC 9293, 3.8.5: SND.UP); the receiver
 * hears of it later. Queues of the core's providers are left as other NICs have
 * them, with what the core does about it (docs/bugs/tcp-urg.md).
 */
#include <linux/tcp.h>
#include <net/checksum.h>
#include <net/net_namespace.h>
#include <net/netns/ipv4.h>

#include "frame.h"

static struct tcphdr *ppnic_tcp(struct ppnic_frame *f)
{
	return (struct tcphdr *)(f->hdr + f->h.l4_off);
}

/**
 * ppnic_is_urgent() - does a segment have an urgent pointer?
 * @f: a frame with a TCP header
 *
 * Context: any.
 */
bool ppnic_is_urgent(const struct ppnic_frame *f)
{
	const struct tcphdr *th = (const void *)(f->hdr + f->h.l4_off);

	return th->urg;
}

/* Which byte of the segment is it, by the rules of the port's namespace? */
static u32 ppnic_urgent_byte(const struct ppnic_port *to,
			     const struct tcphdr *th)
{
	u32 ptr = ntohs(th->urg_ptr);

	if (ptr && !READ_ONCE(dev_net(to->dev)->ipv4.sysctl_tcp_stdurg))
		ptr--;
	return ptr;
}

/**
 * ppnic_urgent_hide() - tell nothing about a byte that is yet to come
 * @to: the port that receives it
 * @f: the frame, about to be placed; its checksum was looked at
 *
 * Context: BH off, under RCU.
 */
void ppnic_urgent_hide(const struct ppnic_port *to, struct ppnic_frame *f)
{
	struct tcphdr *th = ppnic_tcp(f);
	__be32 was;

	if (!READ_ONCE(to->iov_queues) || f->h.l4 != PPNIC_L4_TCP ||
	    f->h.is_frag || !ppnic_is_urgent(f) ||
	    ppnic_urgent_byte(to, th) < f->h.frame_len - f->h.hdr_len)
		return;

	was = tcp_flag_word(th);
	tcp_flag_word(th) &= ~TCP_FLAG_URG;
	if (f->csum != PPNIC_CSUM_PSEUDO)
		csum_replace4(&th->check, was, tcp_flag_word(th));
}
