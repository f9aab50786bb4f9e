// SPDX-License-Identifier: GPL-2.0-only
/*
 * The TCP upper-layer protocol "ppiov": a socket's calls become ours.
 *
 * A socket with the ULP holds this module, from TCP_ULP until the socket is
 * destroyed, which may be long after close() and in softirq.
 */
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/slab.h>
#include <linux/socket.h>
#include <linux/uaccess.h>
#include <net/inet_common.h>
#include <net/mptcp.h>
#include <net/tcp.h>

#include "../compat/mm.h"
#include "../compat/tcp.h"
#include "internal.h"
#include "tcp.h"
#include "tx.h"

/* Connected, and there may be something to receive, now or later. */
#define PPIOV_TCP_STATES                                      \
	(TCPF_ESTABLISHED | TCPF_FIN_WAIT1 | TCPF_FIN_WAIT2 | \
	 TCPF_CLOSE_WAIT | TCPF_CLOSING | TCPF_LAST_ACK)

static struct ppiov_proto ppiov_protos[2]; /* IPv4, IPv6 */
static DEFINE_MUTEX(ppiov_protos_lock);    /* their first use */

COMPAT_PROTO_RECVMSG(ppiov_recvmsg)

/* Return: 0 and the id of a binding, 0 if none is named; or -EINVAL. */
static int ppiov_sendmsg_binding(struct msghdr *msg, u32 *id)
{
	const struct ppiov_tx_cmsg *tx;
	struct cmsghdr *cmsg;

	*id = 0;
	for (cmsg = CMSG_FIRSTHDR(msg); cmsg; cmsg = CMSG_NXTHDR(msg, cmsg)) {
		if (!CMSG_OK(msg, cmsg))
			return -EINVAL;
		if (cmsg->cmsg_level != SOL_PPIOV)
			continue;
		if (cmsg->cmsg_type != PPIOV_CMSG_TX_DEVMEM ||
		    cmsg->cmsg_len != CMSG_LEN(sizeof(*tx)))
			return -EINVAL;
		tx = CMSG_DATA(cmsg);
		if (*id || !tx->binding || tx->reserved)
			return -EINVAL;
		*id = tx->binding;
	}
	return 0;
}

static int ppiov_sendmsg(struct sock *sk, struct msghdr *msg, size_t size)
{
	u32 id;
	int err;

	if (!msg->msg_controllen)
		return ppiov_base(sk)->sendmsg(sk, msg, size);
	err = ppiov_sendmsg_binding(msg, &id);
	if (err)
		return err;
	if (id)
		return ppiov_send(sk, msg, size, id);
	return ppiov_base(sk)->sendmsg(sk, msg, size);
}

static int ppiov_setsockopt(struct sock *sk, int level, int optname,
			    sockptr_t optval, unsigned int optlen)
{
	if (level != SOL_PPIOV)
		return ppiov_base(sk)->setsockopt(sk, level, optname, optval,
						  optlen);
	if (optname != PPIOV_DONTNEED)
		return -ENOPROTOOPT;
	return ppiov_tokens_dontneed(sk, optval, optlen);
}

static int ppiov_getsockopt(struct sock *sk, int level, int optname,
			    char __user *optval, int __user *optlen)
{
	struct ppiov_info info = {};
	struct ppiov_sock *psk;
	int len;

	if (level != SOL_PPIOV)
		return ppiov_base(sk)->getsockopt(sk, level, optname, optval,
						  optlen);
	if (optname != PPIOV_INFO)
		return -ENOPROTOOPT;
	if (get_user(len, optlen))
		return -EFAULT;
	if (len < 0)
		return -EINVAL;

	lock_sock(sk);
	psk = ppiov_sk(sk);
	info.tokens = psk->nr_tokens;
	info.devmem_bytes = psk->devmem_bytes;
	info.linear_bytes = psk->linear_bytes;
	release_sock(sk);

	len = min_t(unsigned int, len, sizeof(info));
	if (copy_to_user(optval, &info, len) || put_user(len, optlen))
		return -EFAULT;
	return 0;
}

/**
 * ppiov_sock_put() - drop a reference
 * @psk: not to be touched afterwards
 *
 * Context: any; something else keeps the socket.
 */
void ppiov_sock_put(struct ppiov_sock *psk)
{
	if (!refcount_dec_and_test(&psk->ref))
		return;
	ppiov_send_unwatch(psk->sk);
	kfree_rcu(psk, rcu);
}

static void ppiov_unset_proto(struct sock *sk)
{
	write_lock_bh(&sk->sk_callback_lock);
	/* Pairs with lockless reads in core. */
	WRITE_ONCE(sk->sk_prot, ppiov_base(sk));
	write_unlock_bh(&sk->sk_callback_lock);
}

static void ppiov_close(struct sock *sk, long timeout)
{
	struct proto *base = ppiov_base(sk);

	/* The ULP's reference may go while base->close() runs. Behind our own
	 * there is but a return, and module exit waits for that.
	 */
	__module_get(THIS_MODULE);
	lock_sock(sk);
	ppiov_tokens_free_all(ppiov_sk(sk));
	ppiov_unset_proto(sk);
	release_sock(sk);
	base->close(sk, timeout);
	module_put(THIS_MODULE);
}

static ssize_t ppiov_splice_read(struct socket *sock, loff_t *ppos,
				 struct pipe_inode_info *pipe, size_t len,
				 unsigned int flags)
{
	return -EOPNOTSUPP;
}

static int ppiov_read_sock(struct sock *sk, read_descriptor_t *desc,
			   sk_read_actor_t recv_actor)
{
	return -EOPNOTSUPP;
}

static int ppiov_read_skb(struct sock *sk, skb_read_actor_t recv_actor)
{
	return -EOPNOTSUPP;
}

/* TCP as it comes, not as BPF, MPTCP or a module has changed it. What they
 * change is compared with tcp_prot; tcpv6_prot has the same functions there,
 * and naming it would make IPv6 a dependency.
 */
static bool ppiov_is_plain(const struct proto *prot,
			   const struct proto_ops *ops)
{
	return prot->recvmsg == tcp_prot.recvmsg &&
	       prot->sendmsg == tcp_prot.sendmsg &&
	       prot->setsockopt == tcp_prot.setsockopt &&
	       prot->getsockopt == tcp_prot.getsockopt &&
	       prot->close == tcp_prot.close &&
	       prot->release_cb == tcp_prot.release_cb &&
	       ops->poll == inet_stream_ops.poll &&
	       ops->splice_read == inet_stream_ops.splice_read &&
	       ops->read_sock == inet_stream_ops.read_sock &&
	       ops->read_skb == inet_stream_ops.read_skb;
}

static void ppiov_ops_fill(struct proto_ops *ops, const struct proto_ops *base)
{
	*ops = *base;
	ops->splice_read = ppiov_splice_read;
	ops->read_sock = ppiov_read_sock;
	ops->read_skb = ppiov_read_skb;
}

static int ppiov_proto_build(struct ppiov_proto *proto, struct proto *base,
			     const struct proto_ops *base_ops)
{
	void *ops = kmalloc(sizeof(*base_ops), GFP_KERNEL);

	if (!ops)
		return -ENOMEM;
	ppiov_ops_fill(ops, base_ops);
	proto->ops = ops;

	proto->prot = *base;
	proto->prot.recvmsg = ppiov_recvmsg_compat;
	proto->prot.sendmsg = ppiov_sendmsg;
	proto->prot.setsockopt = ppiov_setsockopt;
	proto->prot.getsockopt = ppiov_getsockopt;
	proto->prot.close = ppiov_close;

	proto->base_ops = base_ops;
	proto->base = base;
	return 0;
}

/* Return: the family's calls, or ERR_PTR(): -EBUSY if the socket's are not the
 * kernel's, -ENOMEM.
 */
static struct ppiov_proto *ppiov_proto_get(const struct sock *sk)
{
	struct ppiov_proto *proto = &ppiov_protos[sk->sk_family == AF_INET6];
	const struct proto_ops *ops = READ_ONCE(sk->sk_socket->ops);
	struct proto *prot = READ_ONCE(sk->sk_prot);
	int err = 0;

	if (!ppiov_is_plain(prot, ops))
		return ERR_PTR(-EBUSY);
	mutex_lock(&ppiov_protos_lock);
	if (!proto->base)
		err = ppiov_proto_build(proto, prot, ops);
	else if (proto->base != prot || proto->base_ops != ops)
		err = -EBUSY;
	mutex_unlock(&ppiov_protos_lock);
	return err ? ERR_PTR(err) : proto;
}

/* Under the socket lock. */
static int ppiov_ulp_init(struct sock *sk)
{
	struct ppiov_proto *proto;
	struct ppiov_sock *psk;
	int err;

	if (sk_is_mptcp(sk))
		return -EOPNOTSUPP;
	if (!((1 << sk->sk_state) & PPIOV_TCP_STATES) || !sk->sk_socket)
		return -ENOTCONN;
	proto = ppiov_proto_get(sk);
	if (IS_ERR(proto))
		return PTR_ERR(proto);
	psk = kzalloc_obj(*psk, GFP_KERNEL_ACCOUNT);
	if (!psk)
		return -ENOMEM;
	err = ppiov_tokens_init(psk);
	if (err)
		goto err_free;
	refcount_set(&psk->ref, 1);
	psk->sk = sk;

	write_lock_bh(&sk->sk_callback_lock);
	if (sk->sk_user_data) {
		write_unlock_bh(&sk->sk_callback_lock);
		err = -EBUSY;
		goto err_tokens;
	}
	rcu_assign_pointer(inet_csk(sk)->icsk_ulp_data, psk);
	/* Other threads may be about to call the socket, and look at both
	 * without a lock. Who sees the new ops sees what is in them ...
	 */
	smp_store_release(&sk->sk_socket->ops, proto->ops);
	/* ... and who sees the new proto its calls, and their base. */
	smp_store_release(&sk->sk_prot, &proto->prot);
	write_unlock_bh(&sk->sk_callback_lock);
	return 0;

err_tokens:
	ppiov_tokens_free_all(psk);
err_free:
	kfree(psk);
	return err;
}

/* The socket is destroyed; softirq, or process context. */
static void ppiov_ulp_release(struct sock *sk)
{
	struct ppiov_sock *psk = ppiov_sk(sk);

	/* close() came before this for all sockets that had a file. */
	if (READ_ONCE(sk->sk_prot)->close == ppiov_close)
		ppiov_unset_proto(sk);
	ppiov_tokens_free_all(psk);
	rcu_assign_pointer(inet_csk(sk)->icsk_ulp_data, NULL);
	ppiov_sock_put(psk);
}

/* No clone: a listener can't have it, so nobody inherits it. */
static struct tcp_ulp_ops ppiov_ulp_ops __read_mostly = {
	.name = PPIOV_ULP_NAME,
	.owner = THIS_MODULE,
	.init = ppiov_ulp_init,
	.release = ppiov_ulp_release,
};

/**
 * ppiov_tcp_init() - offer the ULP
 *
 * Context: process.
 * Return: 0, or -EEXIST if another module has the name.
 */
int ppiov_tcp_init(void)
{
	return tcp_register_ulp(&ppiov_ulp_ops);
}

/**
 * ppiov_tcp_exit() - nobody gets the ULP any more; nobody has it
 *
 * Context: process, may sleep.
 */
void ppiov_tcp_exit(void)
{
	unsigned int i;

	tcp_unregister_ulp(&ppiov_ulp_ops);
	for (i = 0; i < ARRAY_SIZE(ppiov_protos); i++)
		kfree(ppiov_protos[i].ops);
}

MODULE_ALIAS_TCP_ULP(PPIOV_ULP_NAME);
