/* SPDX-License-Identifier: GPL-2.0-only */
/* The socket side, for the tcp_*.c files only. */
#ifndef PPIOV_TCP_H
#define PPIOV_TCP_H

#include <linux/net.h>
#include <linux/rcupdate.h>
#include <linux/refcount.h>
#include <linux/sockptr.h>
#include <linux/xarray.h>
#include <net/inet_connection_sock.h>
#include <net/sock.h>

#include "../include/uapi/ppiov_tcp.h"

struct ppiov_carrier;
struct ppiov_hold;
struct sk_buff;

/**
 * struct ppiov_proto - what a socket's calls become
 * @prot: a copy of @base with some calls of our own
 * @base: the kernel's; NULL until the first socket of the family
 * @ops: a copy of @base_ops without what would hand out skbs or pages
 * @base_ops: the kernel's
 *
 * One per address family, until the module goes: a socket with the ULP holds
 * it. Constant once @base is set.
 */
struct ppiov_proto {
	struct proto prot;
	struct proto *base;
	const struct proto_ops *ops;
	const struct proto_ops *base_ops;
};

/**
 * struct ppiov_sock - what a socket with the ULP has
 * @ref: the ULP's, and one of each send from a binding's memory
 * @sk: the socket. Who has a reference here has one of it too, or, for the
 *	ULP, is part of it.
 * @holds: struct ppiov_hold by the upper bits of its tokens. Filled and emptied
 *	under the socket lock; its own lock, BH off, is for release, which may
 *	come in softirq.
 * @filling: of @holds, gives the next token if it is of the same packet; or
 *	NULL (socket lock)
 * @spare: not in use, for the next packet; or NULL (socket lock)
 * @nr_tokens: out, of all @holds (socket lock)
 * @devmem_bytes: since the ULP was set (socket lock)
 * @linear_bytes: since the ULP was set (socket lock)
 * @rcu: frees it
 *
 * Lifetime: icsk_ulp_data, from the ULP's init until its release. Who has the
 * socket's file open may use it. close() empties @holds. After the release it
 * lives on for the sends that are out.
 */
struct ppiov_sock {
	refcount_t ref;
	struct sock *sk;
	struct xarray holds;
	struct ppiov_hold *filling;
	struct ppiov_hold *spare;
	u64 nr_tokens;
	u64 devmem_bytes;
	u64 linear_bytes;
	struct rcu_head rcu;
};

/**
 * struct ppiov_piece - what can be handed out in one go
 * @skb: has it: the one in the queue, or one below it
 * @offset: in @skb
 * @len: bytes
 * @carrier: NULL if the bytes are to be copied; else:
 * @index: of carrier->bufs[]
 * @start: where that buffer begins in the carrier's payload
 * @at: where it begins in that buffer's piece
 */
struct ppiov_piece {
	const struct sk_buff *skb;
	u32 offset;
	u32 len;
	struct ppiov_carrier *carrier;
	u32 index;
	u32 start;
	u32 at;
};

/* Under the socket lock, or in release: then there is nobody else. */
static inline struct ppiov_sock *ppiov_sk(const struct sock *sk)
{
	return (__force struct ppiov_sock *)inet_csk(sk)->icsk_ulp_data;
}

/* The kernel's own calls, of a socket whose calls are ours. */
static inline struct proto *ppiov_base(const struct sock *sk)
{
	return container_of(READ_ONCE(sk->sk_prot), struct ppiov_proto, prot)
		->base;
}

/* tcp_ulp.c */
void ppiov_sock_put(struct ppiov_sock *psk);

/* tcp_recv.c */
int ppiov_recvmsg(struct sock *sk, struct msghdr *msg, size_t len, int flags,
		  int *addr_len);

/* tcp_skb.c */
int ppiov_piece_at(const struct sk_buff *skb, u32 offset, u32 max,
		   struct ppiov_piece *piece);
void ppiov_skb_drop_children(struct sk_buff *skb);

/* tcp_tokens.c */
int ppiov_tokens_init(struct ppiov_sock *psk);
int ppiov_token_add(struct ppiov_sock *psk, struct ppiov_carrier *carrier,
		    u32 *token);
void ppiov_token_del(struct ppiov_sock *psk, u32 token);
int ppiov_tokens_dontneed(struct sock *sk, sockptr_t optval,
			  unsigned int optlen);
void ppiov_tokens_free_all(struct ppiov_sock *psk);

#endif /* PPIOV_TCP_H */
