// SPDX-License-Identifier: GPL-2.0-only
/*
 * sendmsg() of a socket with the ULP, from a binding's memory.
 *
 * It is the kernel's own, with two things of ours: what makes an iovec into
 * frags (tx.c), and a zerocopy descriptor, which all skbs with a piece of the
 * payload refer to: those that wait, those that may be sent again, and their
 * clones on the way. When the last one is gone, the peer has acknowledged all
 * of it, or the connection is over; then the user is told through the socket's
 * error queue. That is the kernel's own notification again, with its counter,
 * so that the ids of these sends and those of ordinary MSG_ZEROCOPY are one
 * row.
 *
 * The core compares the devices of a binding and of a packet for its own
 * dma-bufs only. A DMA address means nothing to another device, or worse, so
 * the same is done here, in the socket's sk_validate_xmit_skb(): a route may
 * change, and tc may redirect. It stays until the last such packet is gone,
 * which may be after the socket was closed.
 */
#include <linux/errqueue.h>
#include <linux/rcupdate.h>
#include <linux/skbuff.h>
#include <linux/slab.h>
#include <linux/uio.h>
#include <net/dst.h>
#include <net/tcp.h>

#include "../compat/mm.h"
#include "binding_priv.h"
#include "tcp.h"
#include "tx_priv.h"

/* All others ask for something that is not there, or may not be. */
#define PPIOV_SEND_FLAGS                                                   \
	(MSG_ZEROCOPY | MSG_DONTWAIT | MSG_NOSIGNAL | MSG_MORE | MSG_EOR | \
	 MSG_CMSG_COMPAT)

/**
 * struct ppiov_send - a call of sendmsg()
 * @ubuf: refcnt: one for each piece of packet memory with a part of the
 *	payload, whatever the number of clones, and the call's own until it
 *	returns
 * @binding: a reference, for @tx
 * @psk: a reference: as long as there is one, the socket looks where its
 *	packets go
 * @note: the kernel's notification, with a reference of the socket; NULL if
 *	nothing was sent
 */
struct ppiov_send {
	struct ubuf_info ubuf;
	struct ppiov_binding *binding;
	struct ppiov_sock *psk;
	struct ubuf_info *note;
};

static void ppiov_send_complete(struct sk_buff *skb, struct ubuf_info *ubuf,
				bool success)
{
	struct ppiov_send *send = container_of(ubuf, struct ppiov_send, ubuf);
	struct ppiov_binding *binding = send->binding;

	if (!refcount_dec_and_test(&ubuf->refcnt))
		return;

	/* The socket is there as long as the notification is. */
	ppiov_sock_put(send->psk);
	net_zcopy_put(send->note);
	kfree(send);
	atomic_dec(&binding->tx->sends);
	ppiov_binding_put(binding);
}

/* An skb has one descriptor, and all it has is of that. -EEXIST makes TCP come
 * again with an empty skb.
 */
static int ppiov_send_link_skb(struct sk_buff *skb, struct ubuf_info *ubuf)
{
	if (skb->len || skb_zcopy(skb))
		return -EEXIST;
	net_zcopy_get(ubuf);
	skb_zcopy_init(skb, ubuf);
	return 0;
}

static const struct ubuf_info_ops ppiov_send_ops = {
	.complete = ppiov_send_complete,
	.link_skb = ppiov_send_link_skb,
};

static struct ppiov_send *ppiov_send_of(struct sk_buff *skb)
{
	struct ubuf_info *ubuf = skb_zcopy(skb);

	if (!ubuf || ubuf->ops != &ppiov_send_ops)
		return NULL;
	return container_of(ubuf, struct ppiov_send, ubuf);
}

static int ppiov_send_fill(struct sk_buff *skb, struct iov_iter *from,
			   size_t length)
{
	struct ppiov_send *send = ppiov_send_of(skb);

	if (WARN_ON_ONCE(!send))
		return -EFAULT;
	return ppiov_tx_fill(send->binding->tx, skb, from, length);
}

/* -------------------------------------------------------- where packets go */

/* A packet of the socket is about to leave through @dev. BH off. */
static struct sk_buff *ppiov_send_validate(struct sock *sk,
					   struct net_device *dev,
					   struct sk_buff *skb)
{
	struct ppiov_send *send = ppiov_send_of(skb);
	const struct ppiov_binding *binding;

	if (!send)
		return skb;
	binding = send->binding;
	if (likely(READ_ONCE(binding->dev) == dev))
		return skb;
	atomic64_inc(&binding->tx->drops);
	kfree_skb(skb);
	return NULL;
}

/* Under the socket lock. */
static int ppiov_send_watch(struct sock *sk)
{
	if (sk->sk_validate_xmit_skb == ppiov_send_validate)
		return 0;
	if (sk->sk_validate_xmit_skb)
		return -EBUSY;
	WRITE_ONCE(sk->sk_validate_xmit_skb, ppiov_send_validate);
	return 0;
}

/**
 * ppiov_send_unwatch() - no packet with a binding's memory is left, or will be
 * @sk: whose last reference of struct ppiov_sock has just gone
 *
 * Who is in the function right now has BH off, and module exit waits for that.
 *
 * Context: any.
 */
void ppiov_send_unwatch(struct sock *sk)
{
	if (sk->sk_validate_xmit_skb == ppiov_send_validate)
		WRITE_ONCE(sk->sk_validate_xmit_skb, NULL);
}

/*
 * Under the socket lock. Return: 0, -ENODEV, or why there is no route; or
 * -EOPNOTSUPP for a device that can't gather: the stack would linearize each
 * packet, which it can't, and drop it. TCP's own sk_route_caps always say that
 * it can.
 */
static int ppiov_send_route(struct sock *sk,
			    const struct ppiov_binding *binding)
{
	const struct net_device *dev;
	const struct dst_entry *dst;
	int err;

	/* Does nothing where the route is still good. */
	err = inet_csk(sk)->icsk_af_ops->rebuild_header(sk);
	if (err)
		return err;

	rcu_read_lock();
	dst = __sk_dst_get(sk);
	dev = dst ? READ_ONCE(dst->dev) : NULL;
	if (!dev || dev != READ_ONCE(binding->dev))
		err = -ENODEV;
	else if (!(dev->features & NETIF_F_SG))
		err = -EOPNOTSUPP;
	rcu_read_unlock();
	return err;
}

/*
 * Path MTU probes (tcp_mtu_probe()) are made of the frags of what is queued,
 * without their descriptor, and say that they can be read.
 */
static bool ppiov_send_probes_mtu(const struct sock *sk)
{
	return inet_csk(sk)->icsk_mtup.enabled ||
	       READ_ONCE(sock_net(sk)->ipv4.sysctl_tcp_mtu_probing);
}

/* -------------------------------------------------------------- the call */

static int ppiov_send_check(const struct sock *sk, const struct msghdr *msg)
{
	if (!(msg->msg_flags & MSG_ZEROCOPY) || !sock_flag(sk, SOCK_ZEROCOPY))
		return -EINVAL;
	if (msg->msg_flags & ~PPIOV_SEND_FLAGS || msg->msg_ubuf ||
	    !user_backed_iter(&msg->msg_iter))
		return -EOPNOTSUPP;
	if (tcp_sk(sk)->repair || inet_test_bit(DEFER_CONNECT, sk) ||
	    ppiov_send_probes_mtu(sk))
		return -EOPNOTSUPP;
	return 0;
}

static struct ppiov_send *ppiov_send_new(struct sock *sk, size_t size,
					 struct ppiov_binding *binding)
{
	struct ppiov_send *send = kzalloc_obj(*send, GFP_KERNEL_ACCOUNT);

	if (!send)
		return NULL;
	send->note = msg_zerocopy_realloc(sk, size, NULL, true);
	if (!send->note) {
		kfree(send);
		return NULL;
	}
	send->ubuf.ops = &ppiov_send_ops;
	/* DONT_ORPHAN: TCP sends clones. MANAGED: see ppiov_tx_fill(). */
	send->ubuf.flags = SKBFL_ZEROCOPY_FRAG | SKBFL_DONT_ORPHAN |
			   SKBFL_MANAGED_FRAG_REFS;
	refcount_set(&send->ubuf.refcnt, 1);
	send->psk = ppiov_sk(sk);
	refcount_inc(&send->psk->ref);
	send->binding = binding;
	ppiov_binding_get(binding);
	atomic_inc(&binding->tx->sends);
	return send;
}

/* Under the socket lock; @binding is for sending. */
static int ppiov_send_from(struct sock *sk, struct msghdr *msg, size_t size,
			   struct ppiov_binding *binding)
{
	struct ppiov_send *send;
	int ret;

	if (!ppiov_tx_covers(binding->tx, &msg->msg_iter))
		return -EFAULT;
	ret = ppiov_send_route(sk, binding);
	if (ret)
		return ret;
	/* Else TCP would copy, from the user's memory. */
	if (!(sk->sk_route_caps & NETIF_F_SG))
		return -EOPNOTSUPP;
	if (!size)
		return 0;
	ret = ppiov_send_watch(sk);
	if (ret)
		return ret;
	send = ppiov_send_new(sk, size, binding);
	if (!send)
		return -ENOBUFS;

	msg->msg_ubuf = &send->ubuf;
	msg->sg_from_iter = ppiov_send_fill;
	ret = tcp_sendmsg_locked(sk, msg, size);
	msg->msg_ubuf = NULL;
	msg->sg_from_iter = NULL;

	if (ret < 0) {
		net_zcopy_put_abort(send->note, true);
		send->note = NULL;
	}
	net_zcopy_put(&send->ubuf);
	return ret;
}

/**
 * ppiov_send() - sendmsg() from a binding's memory
 * @sk: with the ULP
 * @msg: its iovec has offsets in the dma-buf
 * @size: bytes
 * @id: of the binding
 *
 * Context: process; takes the socket lock.
 * Return: bytes that will be sent; -EINVAL without MSG_ZEROCOPY or
 * SO_ZEROCOPY; -EOPNOTSUPP for other flags, while MTU probing is on, and where
 * the route's device can't gather; -ENOENT if there is no such binding for
 * sending; -EFAULT if not all of the iovec is in its memory; -ENODEV if the
 * route is not through its device; -EBUSY if something else looks at the
 * socket's packets; -ENOBUFS; and what TCP says.
 */
int ppiov_send(struct sock *sk, struct msghdr *msg, size_t size, u32 id)
{
	struct ppiov_binding *binding;
	int ret;

	lock_sock(sk);
	ret = ppiov_send_check(sk, msg);
	if (ret)
		goto out;
	binding = ppiov_binding_get_tx(id);
	if (!binding) {
		ret = -ENOENT;
		goto out;
	}
	ret = ppiov_send_from(sk, msg, size, binding);
	ppiov_binding_put(binding);
out:
	release_sock(sk);
	return ret;
}
