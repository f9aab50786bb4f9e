/* SPDX-License-Identifier: GPL-2.0-only */
/* What is sent from, for tx.c, tcp_send.c and the tests. */
#ifndef PPIOV_TX_PRIV_H
#define PPIOV_TX_PRIV_H

#include <linux/atomic.h>
#include <linux/sizes.h>
#include <linux/skbuff.h>

#include "../compat/netmem_tx.h"
#include "tx.h"

struct iov_iter;

/* The largest piece that is one net_iov: an offset in a frag is an int. */
#define PPIOV_TX_CHUNK_MAX SZ_1G

/**
 * struct ppiov_tx_chunk - a part of a dma-buf, in one piece for the device
 * @base: where it begins in the dma-buf, bytes
 * @len: bytes
 * @area: @niov's, with nothing else in it
 * @niov: what a frag refers to; all of the chunk, not a page's worth
 */
struct ppiov_tx_chunk {
	u64 base;
	u32 len;
	struct net_iov_area area;
	struct net_iov niov;
};

/**
 * struct ppiov_tx - a dma-buf that is sent from
 * @sends: struct ppiov_send that are not freed
 * @drops: packets that were about to leave through another device
 * @n: of @chunks
 * @chunks: by @base, without gaps; constant
 *
 * Lifetime: as long as its binding, which each send holds.
 */
struct ppiov_tx {
	atomic_t sends;
	atomic64_t drops;
	u32 n;
	struct ppiov_tx_chunk chunks[] __counted_by(n);
};

bool ppiov_tx_covers(const struct ppiov_tx *tx, const struct iov_iter *iter);
int ppiov_tx_fill(struct ppiov_tx *tx, struct sk_buff *skb,
		  struct iov_iter *from, size_t length);

#endif /* PPIOV_TX_PRIV_H */
