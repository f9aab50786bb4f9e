// SPDX-License-Identifier: GPL-2.0-only
/*
 * recvmsg() of a socket with the ULP.
 *
 * What TCP does and a module can do it does too, through tcp_recv_skb() and
 * tcp_read_done(). An skb is taken apart into pieces (tcp_skb.c): bytes that
 * are copied, and pieces of iovs, which become a control message and a token
 * each. The socket moves on only by what was handed out.
 */
#include <linux/limits.h>
#include <linux/sched/signal.h>
#include <linux/skbuff.h>
#include <net/busy_poll.h>
#include <net/tcp.h>

#include "../compat/tcp.h"
#include "../include/ppiov/binding.h"
#include "../include/ppiov/carrier.h"
#include "../include/ppiov/pool.h"
#include "../include/ppiov/ring.h"
#include "tcp.h"

/**
 * struct ppiov_rx - a call of recvmsg()
 * @psk: the socket's
 * @msg: the caller's
 * @run: bytes copied since the last control message
 * @devmem: there was a message for iovs, so each run gets one as well
 * @held: the carrier that @ring_token is for, in the skb at hand; or NULL
 * @ring_token: of a ring
 */
struct ppiov_rx {
	struct ppiov_sock *psk;
	struct msghdr *msg;
	u32 run;
	bool devmem;
	const struct ppiov_carrier *held;
	u32 ring_token;
};

/* Messages are never truncated: is there room for @n whole ones? */
static bool ppiov_cmsg_room(const struct msghdr *msg, unsigned int n)
{
	return msg->msg_control &&
	       msg->msg_controllen >=
		       (n - 1) * CMSG_SPACE(sizeof(struct ppiov_cmsg)) +
			       CMSG_LEN(sizeof(struct ppiov_cmsg));
}

/* The caller has made sure that there is room. */
static int ppiov_put_linear(struct ppiov_rx *rx)
{
	struct ppiov_cmsg cmsg = { .frag_size = rx->run };

	rx->run = 0;
	return put_cmsg(rx->msg, SOL_PPIOV, PPIOV_CMSG_LINEAR, sizeof(cmsg),
			&cmsg);
}

/* Return: the type of the message that has the token, or -errno. */
static int ppiov_rx_hold(struct ppiov_rx *rx, struct ppiov_carrier *carrier,
			 u32 *token)
{
	int err = 0;

	if (rx->held != carrier)
		err = ppiov_ring_hold(carrier, &rx->ring_token);
	if (!err) {
		*token = rx->ring_token;
		return PPIOV_CMSG_RING;
	}
	if (err == -ENOENT)
		err = ppiov_token_add(rx->psk, carrier, token);
	return err ?: PPIOV_CMSG_DEVMEM;
}

static void ppiov_rx_unhold(struct ppiov_rx *rx, struct ppiov_carrier *carrier,
			    int type, u32 token)
{
	if (type == PPIOV_CMSG_DEVMEM)
		ppiov_token_del(rx->psk, token);
	else if (rx->held != carrier)
		ppiov_ring_drop(carrier, token);
}

static int ppiov_rx_devmem(struct ppiov_rx *rx, const struct ppiov_piece *piece)
{
	const struct ppiov_buf *buf = &piece->carrier->bufs[piece->index];
	const struct ppiov_binding *binding;
	struct ppiov_cmsg cmsg = {};
	int type, err;

	if (!ppiov_cmsg_room(rx->msg, rx->run ? 2 : 1))
		return -EMSGSIZE;
	type = ppiov_rx_hold(rx, piece->carrier, &cmsg.frag_token);
	if (type < 0)
		return type;
	if (rx->run) {
		err = ppiov_put_linear(rx);
		if (err)
			goto err_token;
	}

	binding = ppiov_pool_params(piece->carrier->pool)->binding;
	cmsg.frag_offset = ppiov_iov_offset(ppiov_netmem_to_iov(buf->netmem)) +
			   buf->offset + piece->at;
	cmsg.frag_size = piece->len;
	cmsg.binding = binding ? binding->id : 0;
	err = put_cmsg(rx->msg, SOL_PPIOV, type, sizeof(cmsg), &cmsg);
	if (err)
		goto err_token;

	if (type == PPIOV_CMSG_RING)
		rx->held = piece->carrier;
	rx->devmem = true;
	rx->psk->devmem_bytes += piece->len;
	return 0;

err_token:
	ppiov_rx_unhold(rx, piece->carrier, type, cmsg.frag_token);
	return err;
}

static int ppiov_rx_copy(struct ppiov_rx *rx, const struct ppiov_piece *piece)
{
	/* A run that needs a message takes its room when it begins. */
	if (rx->devmem && !rx->run && !ppiov_cmsg_room(rx->msg, 1))
		return -EMSGSIZE;
	if (skb_copy_datagram_msg(piece->skb, piece->offset, rx->msg,
				  piece->len))
		return -EFAULT;
	rx->run += piece->len;
	rx->psk->linear_bytes += piece->len;
	return 0;
}

/* Return: how many of the @max bytes at @offset were handed out; if none, why.
 */
static int ppiov_rx_skb(struct ppiov_rx *rx, const struct sk_buff *skb,
			u32 offset, u32 max)
{
	struct ppiov_piece piece = {};
	u32 done = 0;
	int err = 0;

	/* The last skb's may be gone, and its address another carrier's. */
	rx->held = NULL;

	while (done < max) {
		err = ppiov_piece_at(skb, offset + done, max - done, &piece);
		if (err)
			break;
		if (piece.carrier)
			err = ppiov_rx_devmem(rx, &piece);
		else
			err = ppiov_rx_copy(rx, &piece);
		if (err)
			break;
		done += piece.len;
	}
	return done ?: err;
}

/* The @n bytes at @offset of @skb, the queue's first, are read.
 * Return: true if the stream's end came behind them.
 */
static bool ppiov_rx_done(struct sock *sk, struct sk_buff *skb, u32 offset,
			  u32 n)
{
	struct tcp_sock *tp = tcp_sk(sk);
	bool fin = false;

	if (offset + n == skb->len) {
		fin = TCP_SKB_CB(skb)->tcp_flags & TCPHDR_FIN;
		ppiov_skb_drop_children(skb);
	}
	tcp_read_done(sk, n);

	if (unlikely(tp->urg_data) && after(tp->copied_seq, tp->urg_seq)) {
		WRITE_ONCE(tp->urg_data, 0);
		tcp_fast_path_check(sk);
	}
	return fin;
}

/* Nothing is in the queue.
 * Return: 1 to look again, 0 if that's all for this call, or -errno.
 */
static int ppiov_rx_wait(struct sock *sk, int copied, int target, long *timeo)
{
	int err;

	if (copied >= target && !READ_ONCE(sk->sk_backlog.tail))
		return 0;

	if (copied) {
		if (!*timeo || sk->sk_err || sk->sk_state == TCP_CLOSE ||
		    (sk->sk_shutdown & RCV_SHUTDOWN) || signal_pending(current))
			return 0;
	} else {
		if (sock_flag(sk, SOCK_DONE))
			return 0;
		if (sk->sk_err)
			return sock_error(sk);
		if (sk->sk_shutdown & RCV_SHUTDOWN)
			return 0;
		if (sk->sk_state == TCP_CLOSE)
			return -ENOTCONN;
		if (!*timeo)
			return -EAGAIN;
		if (signal_pending(current))
			return sock_intr_errno(*timeo);
	}

	if (copied >= target) {
		__sk_flush_backlog(sk);
		return 1;
	}
	err = sk_wait_data(sk, timeo, NULL);
	return err < 0 ? err : 1;
}

/* Return: bytes until the urgent one, at most @used; 0 if it comes now and is
 * not for the stream.
 */
static u32 ppiov_rx_urgent(const struct sock *sk, u32 used)
{
	const struct tcp_sock *tp = tcp_sk(sk);
	u32 urg_offset = tp->urg_seq - tp->copied_seq;

	if (urg_offset >= used)
		return used;
	if (urg_offset)
		return urg_offset;
	return sock_flag(sk, SOCK_URGINLINE) ? used : 0;
}

static int ppiov_recvmsg_locked(struct sock *sk, struct msghdr *msg, size_t len,
				int flags)
{
	long timeo = sock_rcvtimeo(sk, flags & MSG_DONTWAIT);
	int target = sock_rcvlowat(sk, flags & MSG_WAITALL, len);
	struct ppiov_rx rx = { .psk = ppiov_sk(sk), .msg = msg };
	struct tcp_sock *tp = tcp_sk(sk);
	struct sk_buff *skb;
	int copied = 0, err = 0;
	u32 offset, used;

	if (unlikely(tp->repair))
		return -EPERM;

	do {
		/* Reads stop before urgent data, and SIGURG gets its turn. */
		if (unlikely(tp->urg_data) && tp->urg_seq == tp->copied_seq) {
			if (copied)
				break;
			if (signal_pending(current)) {
				err = timeo ? sock_intr_errno(timeo) : -EAGAIN;
				break;
			}
		}

		skb = tcp_recv_skb(sk, tp->copied_seq, &offset);
		if (!skb) {
			err = ppiov_rx_wait(sk, copied, target, &timeo);
			if (err <= 0)
				break;
			continue;
		}
		if (offset >= skb->len) {
			/* A FIN alone: it counts one in the sequence. */
			tcp_read_done(sk, 1);
			break;
		}

		used = min_t(size_t, skb->len - offset, len);
		if (unlikely(tp->urg_data)) {
			used = ppiov_rx_urgent(sk, used);
			if (!used && len) {
				if (ppiov_rx_done(sk, skb, offset, 1))
					break;
				continue;
			}
		}

		err = ppiov_rx_skb(&rx, skb, offset, used);
		if (err <= 0)
			break;
		copied += err;
		len -= err;
		if (ppiov_rx_done(sk, skb, offset, err) || err < used)
			break;
	} while (len > 0);

	/* A fault here loses the order, which the caller could not read. */
	if (rx.devmem && rx.run)
		ppiov_put_linear(&rx);
	return copied ?: min(err, 0);
}

static int ppiov_inq(const struct sock *sk)
{
	const struct tcp_sock *tp = tcp_sk(sk);
	int inq = tp->rcv_nxt - tp->copied_seq;

	/* The end of the stream is something to read. */
	return !inq && sock_flag(sk, SOCK_DONE) ? 1 : inq;
}

/**
 * ppiov_recvmsg() - struct proto's recvmsg
 * @sk: a socket with the ULP
 * @msg: the caller's
 * @len: bytes of its iovec
 * @flags: MSG_*
 * @addr_len: the base's business; NULL where the kernel has none
 *
 * Context: process.
 * Return: bytes handed out, or -errno; see uapi/ppiov_tcp.h.
 */
int ppiov_recvmsg(struct sock *sk, struct msghdr *msg, size_t len, int flags,
		  int *addr_len)
{
	bool inq_cmsg, want_inq;
	int ret, inq;

	/* Neither looks at the receive queue. */
	if (unlikely(flags & (MSG_ERRQUEUE | MSG_OOB)))
		return compat_proto_recvmsg(ppiov_base(sk), sk, msg, len, flags,
					    addr_len);
	if (flags & (MSG_PEEK | MSG_TRUNC | MSG_SOCK_DEVMEM))
		return -EOPNOTSUPP;

	if (sk_can_busy_loop(sk) &&
	    skb_queue_empty_lockless(&sk->sk_receive_queue) &&
	    sk->sk_state == TCP_ESTABLISHED)
		sk_busy_loop(sk, flags & MSG_DONTWAIT);

	lock_sock(sk);
	ret = ppiov_recvmsg_locked(sk, msg, len, flags);
	inq = ppiov_inq(sk);
	inq_cmsg = tcp_sk(sk)->recvmsg_inq;
	release_sock(sk);

	want_inq = inq_cmsg || msg->msg_get_inq;
	if (ret < 0 || !want_inq)
		return ret;
	msg->msg_inq = inq;
	if (inq_cmsg)
		put_cmsg(msg, SOL_TCP, TCP_CM_INQ, sizeof(inq), &inq);
	return ret;
}
