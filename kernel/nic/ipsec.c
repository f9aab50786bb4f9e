// SPDX-License-Identifier: GPL-2.0-only
/*
 * IPsec, the driver's half: security associations for the device, and what the
 * stack and the device tell each other of a frame.
 *
 * The device does the cryptography (esp.c). Policies, replay, lifetimes and the
 * trailer are the stack's: "offload crypto" of ip xfrm state, not "packet".
 */
#include <linux/slab.h>
#include <net/esp.h>
#include <net/xfrm.h>

#include "../compat/mm.h"
#include "../compat/xfrm.h"
#include "aead.h"
#include "esp.h"

#define PPNIC_ESP_CIPHER "rfc4106(gcm(aes))"

/* Could it be one of the device's? */
static int ppnic_ipsec_check(const struct xfrm_state *x,
			     struct netlink_ext_ack *extack)
{
	if (x->xso.type != XFRM_DEV_OFFLOAD_CRYPTO) {
		NL_SET_ERR_MSG(extack,
			       "ppnic offloads the cryptography only, not policies, replay and lifetimes: offload crypto");
		return -EINVAL;
	}
	if (x->id.proto != IPPROTO_ESP) {
		NL_SET_ERR_MSG(extack, "ppnic offloads ESP only");
		return -EINVAL;
	}
	if (x->props.mode != XFRM_MODE_TRANSPORT &&
	    x->props.mode != XFRM_MODE_TUNNEL) {
		NL_SET_ERR_MSG(extack,
			       "ppnic offloads transport and tunnel mode only");
		return -EINVAL;
	}
	if (x->encap) {
		NL_SET_ERR_MSG(extack, "ppnic can't offload ESP in UDP or TCP");
		return -EINVAL;
	}
	if (!x->aead || strcmp(x->aead->alg_name, PPNIC_ESP_CIPHER)) {
		NL_SET_ERR_MSG(extack,
			       "ppnic offloads " PPNIC_ESP_CIPHER " only");
		return -EINVAL;
	}
	/* The IV is the sequence number. */
	if (x->props.extra_flags & XFRM_SA_XFLAG_OSEQ_MAY_WRAP) {
		NL_SET_ERR_MSG(extack,
			       "ppnic can't offload oseq-may-wrap: an IV would come twice");
		return -EINVAL;
	}
	if (x->xso.dir == XFRM_DEV_OFFLOAD_IN && x->mark.m) {
		NL_SET_ERR_MSG(extack,
			       "ppnic can't offload an inbound state with a mark: a frame has none yet");
		return -EINVAL;
	}
	return 0;
}

static void ppnic_ipsec_describe(struct ppnic_sa *sa, struct xfrm_state *x)
{
	const struct xfrm_replay_state_esn *esn = x->replay_esn;

	sa->x = x;
	sa->inbound = x->xso.dir == XFRM_DEV_OFFLOAD_IN;
	sa->spi = x->id.spi;
	if (x->props.family == AF_INET) {
		sa->l3_proto = htons(ETH_P_IP);
		sa->daddr.s6_addr32[0] = x->id.daddr.a4;
	} else {
		sa->l3_proto = htons(ETH_P_IPV6);
		sa->daddr = x->id.daddr.in6;
	}
	sa->icv_len = x->aead->alg_icv_len / 8;
	spin_lock_init(&sa->lock);
	if (x->props.flags & XFRM_STATE_ESN) {
		sa->esn = true;
		sa->top = (u64)esn->seq_hi << 32 | esn->seq;
		sa->window = esn->replay_window;
	}
}

static int ppnic_ipsec_add(struct net_device *dev, struct xfrm_state *x,
			   struct netlink_ext_ack *extack)
{
	struct ppnic_port *port = netdev_priv(dev);
	struct ppnic_sa *sa;
	int err;

	err = ppnic_ipsec_check(x, extack);
	if (err)
		return err;

	sa = kzalloc_obj(*sa);
	if (!sa)
		return -ENOMEM;
	sa->aead = ppnic_aead_new(PPNIC_ESP_CIPHER, x->aead->alg_key,
				  DIV_ROUND_UP(x->aead->alg_key_len, 8),
				  x->aead->alg_icv_len / 8, extack);
	if (IS_ERR(sa->aead)) {
		err = PTR_ERR(sa->aead);
		goto err_sa;
	}
	ppnic_ipsec_describe(sa, x);

	err = ppnic_esp_add(&port->esp, sa);
	if (err == -ENOSPC)
		NL_SET_ERR_MSG(extack, "ppnic has all the states it can have");
	if (err)
		goto err_aead;
	x->xso.offload_handle = sa->id;
	return 0;

err_aead:
	crypto_free_aead(sa->aead);
err_sa:
	kfree(sa);
	/* Of this one error the stack would make a state without offload. */
	return err == -EOPNOTSUPP ? -EINVAL : err;
}

/* Who adds and frees has the only reference to an SA that lasts. */
static struct ppnic_sa *ppnic_ipsec_sa(struct ppnic_port *port,
				       const struct xfrm_state *x)
{
	struct ppnic_sa *sa = xa_load(&port->esp.sas, x->xso.offload_handle);

	/* A port under a bond may have been given the number of another's. */
	return sa && sa->x == x ? sa : NULL;
}

/* In a softirq, if the state's time is over. */
static void ppnic_ipsec_delete(struct net_device *dev, struct xfrm_state *x)
{
	struct ppnic_port *port = netdev_priv(dev);
	struct ppnic_sa *sa = ppnic_ipsec_sa(port, x);

	if (sa)
		ppnic_esp_disable(&port->esp, sa);
}

static void ppnic_ipsec_gone(struct work_struct *work)
{
	struct ppnic_sa *sa = container_of(to_rcu_work(work), struct ppnic_sa,
					   gone);

	crypto_free_aead(sa->aead);
	kfree(sa);
}

static void ppnic_ipsec_free(struct net_device *dev, struct xfrm_state *x)
{
	struct ppnic_port *port = netdev_priv(dev);
	struct ppnic_sa *sa = ppnic_ipsec_sa(port, x);

	if (!sa)
		return;
	ppnic_esp_disable(&port->esp, sa);
	ppnic_esp_remove(&port->esp, sa);
	INIT_RCU_WORK(&sa->gone, ppnic_ipsec_gone);
	ppnic_aead_later(&sa->gone);
}

/* The stack's window has moved: by what it received, which the device knows, or
 * because user space has said where it is. Called with x->lock held.
 */
static void ppnic_ipsec_advance_esn(struct net_device *dev,
				    struct xfrm_state *x)
{
	struct xfrm_replay_state_esn *esn = x->replay_esn;
	struct ppnic_sa *sa;
	u64 top;

	if (x->xso.dir != XFRM_DEV_OFFLOAD_IN || !dev ||
	    dev->netdev_ops != &ppnic_netdev_ops)
		return;
	top = (u64)esn->seq_hi << 32 | esn->seq;
	rcu_read_lock();
	sa = ppnic_ipsec_sa(netdev_priv(dev), x);
	if (sa) {
		spin_lock_bh(&sa->lock);
		sa->top = max(sa->top, top);
		spin_unlock_bh(&sa->lock);
	}
	rcu_read_unlock();
}

/* What stands between IP and ESP may be longer than the device looks. */
static bool ppnic_ipsec_offload_ok(struct sk_buff *skb, struct xfrm_state *x)
{
	if (x->props.family == AF_INET6)
		return !ipv6_ext_hdr(ipv6_hdr(skb)->nexthdr);
	return true;
}

COMPAT_XFRMDEV(ppnic_ipsec)

static const struct xfrmdev_ops ppnic_xfrmdev_ops = {
	COMPAT_XFRMDEV_OPS(ppnic_ipsec),
	.xdo_dev_offload_ok = ppnic_ipsec_offload_ok,
};

/**
 * ppnic_ipsec_setup() - what the stack is to know before a port is registered
 * @dev: the port
 *
 * Context: process.
 */
void ppnic_ipsec_setup(struct net_device *dev)
{
	dev->xfrmdev_ops = &ppnic_xfrmdev_ops;
}

/**
 * ppnic_ipsec_tx() - tell the device by which association to encrypt a frame
 * @port: the port
 * @skb: the frame
 * @txd: its first descriptor; unchanged if the frame is none of the device's
 *
 * If the association is gone meanwhile, or is of another port, the descriptor
 * names none, and the device sends nothing.
 *
 * Context: TX queue lock held, BH off.
 */
void ppnic_ipsec_tx(struct ppnic_port *port, struct sk_buff *skb,
		    struct ppnic_txd *txd)
{
	struct xfrm_offload *xo = xfrm_offload(skb);
	const struct ppnic_sa *sa;
	u32 low;

	if (likely(!xo) || !(xo->flags & XFRM_XMIT))
		return;

	rcu_read_lock();
	sa = ppnic_ipsec_sa(port, xfrm_input_state(skb));
	txd->sa = sa ? sa->id : 0;
	rcu_read_unlock();
	txd->flags |= PPNIC_TXD_ESP;
	/* Of a frame that was cut, @xo counts the next one already. */
	low = ntohl(ip_esp_hdr(skb)->seq_no);
	txd->seq_hi = xo->seq.hi - (xo->seq.low < low);
}

/**
 * ppnic_ipsec_rx() - tell the stack what the device has decrypted
 * @port: the port
 * @skb: the frame, its device set
 * @cqe: its completion, which names an association
 *
 * Context: NAPI.
 * Return: false if it can't be told: the association is gone, or there is no
 * memory. Then the frame is nobody's.
 */
bool ppnic_ipsec_rx(struct ppnic_port *port, struct sk_buff *skb,
		    const struct ppnic_cqe *cqe)
{
	bool good = cqe->flags & PPNIC_CQ_ESP_OK;
	struct xfrm_state *x = NULL;
	struct xfrm_offload *xo;
	struct ppnic_sa *sa;
	struct sec_path *sp;

	rcu_read_lock();
	sa = xa_load(&port->esp.sas, cqe->sa);
	if (sa && !READ_ONCE(sa->dead) && refcount_inc_not_zero(&sa->x->refcnt))
		x = sa->x;
	rcu_read_unlock();
	if (!x)
		return false;

	sp = secpath_set(skb);
	if (!sp) {
		xfrm_state_put(x);
		return false;
	}
	sp->xvec[sp->len++] = x;
	sp->olen++;
	/* The stack takes its own upper half for authentic. User space may have
	 * moved its window, but not yet the device's.
	 */
	if (good && xfrm_replay_seqhi(x, htonl(lower_32_bits(cqe->seq))) !=
			    upper_32_bits(cqe->seq))
		good = false;
	xo = xfrm_offload(skb);
	xo->flags = CRYPTO_DONE;
	if (good)
		xo->status = CRYPTO_SUCCESS;
	else if (x->props.mode == XFRM_MODE_TUNNEL)
		xo->status = CRYPTO_TUNNEL_ESP_AUTH_FAILED;
	else
		xo->status = CRYPTO_TRANSPORT_ESP_AUTH_FAILED;
	return true;
}
