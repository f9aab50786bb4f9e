/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The socket side of ppiov, for user space: after
 *
 *	setsockopt(fd, SOL_TCP, TCP_ULP, "ppiov", sizeof("ppiov"))
 *
 * recvmsg() hands out payload that lies in a provider's buffers as control
 * messages of level SOL_PPIOV, and all else as bytes.
 *
 * The ULP is for connected TCP sockets, also where the peer has closed already:
 * ENOTCONN for a listener or one that has not connected, EBUSY where something
 * else has taken the socket over (sockmap, KCM), EEXIST where there is a ULP.
 * Sockets of MPTCP do not have the option: ENOPROTOOPT.
 *
 * recvmsg() returns how many bytes of the stream it handed out, one way or the
 * other, and no more than fit into the iovec. A piece of a buffer is a
 * PPIOV_CMSG_DEVMEM; a buffer that lies across two reads is two pieces with a
 * token each. If there is such a message, then there is a PPIOV_CMSG_LINEAR for
 * each run of bytes too, so the messages tell the order; without one all bytes
 * are in the iovec. Where the next message doesn't fit into the control buffer
 * the call ends before the piece, or fails with EMSGSIZE if that is the first:
 * nothing is lost.
 *
 * EOPNOTSUPP: MSG_PEEK, MSG_TRUNC, MSG_SOCK_DEVMEM, splice() from the socket.
 * EFAULT: the next payload is unreadable and not of ppiov, or a buffer of the
 * caller's can't be written; nothing is lost. SO_TIMESTAMP and its kin are not
 * reported.
 *
 * sendmsg() is TCP's own, unless a PPIOV_CMSG_TX_DEVMEM goes with it. Then:
 * EOPNOTSUPP where the kernel can't (dev-get of the netlink family says so, and
 * why), for flags that make no sense, and while path MTU probing is on
 * (net.ipv4.tcp_mtu_probing). EINVAL: no MSG_ZEROCOPY or SO_ZEROCOPY. ENOENT:
 * no such binding, or one for receiving. ENODEV: the route is not through its
 * device. EFAULT: an offset outside of its memory. An ordinary MSG_ZEROCOPY
 * right behind such a send may fail with ENOBUFS, as behind one of io_uring;
 * without the flag it works.
 */
#ifndef _UAPI_PPIOV_TCP_H
#define _UAPI_PPIOV_TCP_H

#include <linux/types.h>

#define PPIOV_ULP_NAME "ppiov"

/* Level of the control messages and socket options: "pp". */
#define SOL_PPIOV 0x7070

/*
 * Control messages, each with a struct ppiov_cmsg, but for the last.
 *
 * DEVMEM: payload in a buffer; the token is to be returned.
 * LINEAR: only frag_size: so many bytes of the iovec.
 * RING: as DEVMEM, but the token goes back through the binding's ring, and all
 * pieces of a packet have the same one; see ppiov_ring.h.
 * TX_DEVMEM, to sendmsg(), with a struct ppiov_tx_cmsg: the payload is in the
 * memory of a binding of bind-tx, and the addresses in the iovec are offsets in
 * it. It needs MSG_ZEROCOPY and, on the socket, SO_ZEROCOPY, and ends as
 * MSG_ZEROCOPY does, with a message of SO_EE_ORIGIN_ZEROCOPY in the error
 * queue: from then on nobody reads the memory for this call any more.
 */
#define PPIOV_CMSG_DEVMEM    1
#define PPIOV_CMSG_LINEAR    2
#define PPIOV_CMSG_TX_DEVMEM 3
#define PPIOV_CMSG_RING      4

/*
 * Socket options.
 *
 * DONTNEED, set: return tokens, an array of struct ppiov_token. Returns how
 * many were freed; one that the socket doesn't have (any more) is passed over,
 * and close() frees all. More than PPIOV_MAX_TOKEN_RANGES ranges are refused,
 * with EINVAL as for one that overflows, and a call ends when it has looked at
 * PPIOV_MAX_TOKENS tokens. EINVAL too for a length that is no array, or 0, and
 * EFAULT; where it fails no token is freed.
 * INFO, get: struct ppiov_info, or its beginning, as much as there is room for.
 */
#define PPIOV_DONTNEED 1
#define PPIOV_INFO     2

#define PPIOV_MAX_TOKEN_RANGES 128
#define PPIOV_MAX_TOKENS       1024

/**
 * struct ppiov_cmsg - where a piece of payload is
 * @frag_offset: in the binding's memory, bytes
 * @frag_size: bytes
 * @frag_token: to be returned with PPIOV_DONTNEED
 * @binding: its id
 * @reserved: 0
 */
struct ppiov_cmsg {
	__u64 frag_offset;
	__u32 frag_size;
	__u32 frag_token;
	__u32 binding;
	__u32 reserved;
};

/**
 * struct ppiov_tx_cmsg - where what is to be sent is
 * @binding: the id that bind-tx gave
 * @reserved: 0
 */
struct ppiov_tx_cmsg {
	__u32 binding;
	__u32 reserved;
};

/**
 * struct ppiov_token - a range of tokens
 * @token_start: the first
 * @token_count: how many
 */
struct ppiov_token {
	__u32 token_start;
	__u32 token_count;
};

/**
 * struct ppiov_info - what a socket holds
 * @tokens: handed out and not returned
 * @devmem_bytes: handed out as control messages so far
 * @linear_bytes: copied so far
 */
struct ppiov_info {
	__u64 tokens;
	__u64 devmem_bytes;
	__u64 linear_bytes;
};

#endif /* _UAPI_PPIOV_TCP_H */
