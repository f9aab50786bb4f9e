/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The carrier: how a pool's buffers travel through a stock network stack.
 *
 *   head skb   headers only, nr_frags 0, unreadable as the child is
 *    `- frag_list -> child skb   headlen 0, zerocopy, managed frag references
 *                     |          iov: one frag, a placeholder that is never
 *                     |          read, unreadable; page: the pages themselves
 *                     `- descriptor {ubuf_info, n, bufs[]}: owns the buffers
 *
 * The stack counts no buffer: when the child dies the descriptor's
 * complete() gives them all back in one go, one count per skb (thread 5).
 */
#ifndef PPIOV_CARRIER_H
#define PPIOV_CARRIER_H

#include <linux/sizes.h>
#include <linux/skbuff.h>

#include "netmem.h"

struct ppiov_binding;
struct ppiov_pool;

/* Buffers of one packet. Pages stand in the child's frags, one each. */
#define PPIOV_CARRIER_MAX_IOVS  64
#define PPIOV_CARRIER_MAX_PAGES MAX_SKB_FRAGS

/* Payload in iovs: as long as the placeholder, so that what reads frags and
 * does not ask (TCP-MD5 is one) finds zeros, not somebody's memory.
 */
#define PPIOV_CARRIER_MAX_BYTES SZ_64K

/**
 * struct ppiov_buf - a piece of payload
 * @netmem: the buffer it is in
 * @offset: where it begins in the buffer, bytes
 * @len: its bytes
 */
struct ppiov_buf {
	ppiov_netmem_t netmem;
	u32 offset;
	u32 len;
};

/**
 * struct ppiov_carrier - the descriptor: what the child's zerocopy state is
 * @ubuf: refcnt: one for the child (and what the stack clones of it), one for
 *	each token that user space has
 * @pool: pinned until the last reference goes
 * @n: of @bufs
 * @bufs: constant
 */
struct ppiov_carrier {
	struct ubuf_info ubuf;
	struct ppiov_pool *pool;
	u32 n;
	struct ppiov_buf bufs[] __counted_by(n);
};

int ppiov_carrier_attach(struct sk_buff *head, struct ppiov_pool *pool,
			 const struct ppiov_buf *bufs, u32 n, gfp_t gfp);
struct ppiov_carrier *ppiov_carrier_of(const struct sk_buff *child);
void ppiov_carrier_get(struct ppiov_carrier *carrier);
void ppiov_carrier_put(struct ppiov_carrier *carrier);
bool ppiov_carrier_at(const struct ppiov_carrier *carrier, u32 pos, u32 from,
		      u32 *index, u32 *offset);

#endif /* PPIOV_CARRIER_H */
