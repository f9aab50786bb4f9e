/* SPDX-License-Identifier: GPL-2.0-only */
/* What differs between kernels in struct proto. */
#ifndef PPIOV_COMPAT_TCP_H
#define PPIOV_COMPAT_TCP_H

#include <net/sock.h>

/*
 * recvmsg() of struct proto lost its last argument, the length of the peer's
 * address, which TCP never set. Ours has it, and passes it on where it exists.
 */
#ifdef HAVE_PROTO_RECVMSG_WITHOUT_ADDR_LEN
#define COMPAT_PROTO_RECVMSG(name)                                    \
	static int name##_compat(struct sock *sk, struct msghdr *msg, \
				 size_t len, int flags)               \
	{                                                             \
		return name(sk, msg, len, flags, NULL);               \
	}
#else
#define COMPAT_PROTO_RECVMSG(name)                                     \
	static int name##_compat(struct sock *sk, struct msghdr *msg,  \
				 size_t len, int flags, int *addr_len) \
	{                                                              \
		return name(sk, msg, len, flags, addr_len);            \
	}
#endif

static inline int compat_proto_recvmsg(const struct proto *prot,
				       struct sock *sk, struct msghdr *msg,
				       size_t len, int flags, int *addr_len)
{
#ifdef HAVE_PROTO_RECVMSG_WITHOUT_ADDR_LEN
	return prot->recvmsg(sk, msg, len, flags);
#else
	return prot->recvmsg(sk, msg, len, flags, addr_len);
#endif
}

#endif /* PPIOV_COMPAT_TCP_H */
