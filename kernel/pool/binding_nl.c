// SPDX-License-Identifier: GPL-2.0-only
/* The netlink family's operations on bindings. */
#include <linux/netdevice.h>
#include <linux/rtnetlink.h>

#include "../include/ppiov/pool.h"
#include "binding_priv.h"
#include "internal.h"
#include "nl.h"
#include "tx.h"

/* --------------------------------------------------------- telling of them */

static int ppiov_nl_fill_tx(struct sk_buff *skb, const struct ppiov_tx *tx)
{
	if (nla_put_flag(skb, PPIOV_A_BINDING_TX) ||
	    nla_put_u32(skb, PPIOV_A_BINDING_SENDS, ppiov_tx_sends(tx)) ||
	    nla_put_uint(skb, PPIOV_A_BINDING_DROPS, ppiov_tx_drops(tx)))
		return -EMSGSIZE;
	return 0;
}

static int ppiov_nl_fill_binding(struct sk_buff *skb,
				 struct ppiov_binding *binding,
				 const struct genl_info *info)
{
	unsigned long queue;
	void *hdr, *entry;

	hdr = genlmsg_iput(skb, info);
	if (!hdr)
		return -EMSGSIZE;

	if (nla_put_u32(skb, PPIOV_A_BINDING_ID, binding->id) ||
	    nla_put_u32(skb, PPIOV_A_BINDING_IFINDEX, binding->dev->ifindex) ||
	    nla_put_string(skb, PPIOV_A_BINDING_PROVIDER,
			   binding->provider->name) ||
	    nla_put_u32(skb, PPIOV_A_BINDING_ORDER, binding->order))
		goto err_cancel;
	if (binding->size &&
	    nla_put_uint(skb, PPIOV_A_BINDING_SIZE, binding->size))
		goto err_cancel;
	xa_for_each(&binding->queues, queue, entry)
		if (nla_put_u32(skb, PPIOV_A_BINDING_QUEUES, queue))
			goto err_cancel;
	if (binding->tx && ppiov_nl_fill_tx(skb, binding->tx))
		goto err_cancel;

	genlmsg_end(skb, hdr);
	return 0;

err_cancel:
	genlmsg_cancel(skb, hdr);
	return -EMSGSIZE;
}

/**
 * ppiov_nl_notify_binding() - tell who listens that a binding came or went
 * @binding: with its queues, and a device
 * @cmd: PPIOV_CMD_BIND_NTF or PPIOV_CMD_UNBIND_NTF
 * @portid: of the socket that asked for it, in the device's namespace, or 0.
 *	It gets an answer, and the YNL of 6.12 gets lost where both come.
 *
 * Context: process, RTNL held.
 */
void ppiov_nl_notify_binding(struct ppiov_binding *binding, u8 cmd, u32 portid)
{
	struct net *net = dev_net(binding->dev);
	struct genl_info info;
	struct sk_buff *skb;

	if (!genl_has_listeners(&ppiov_nl_family, net, PPIOV_NLGRP_EVENTS))
		return;

	genl_info_init_ntf(&info, &ppiov_nl_family, cmd);
	skb = genlmsg_new(GENLMSG_DEFAULT_SIZE, GFP_KERNEL);
	if (!skb)
		return;
	if (ppiov_nl_fill_binding(skb, binding, &info)) {
		nlmsg_free(skb);
		return;
	}
	genlmsg_multicast_netns(&ppiov_nl_family, net, skb, portid,
				PPIOV_NLGRP_EVENTS, GFP_KERNEL);
}

/* The binding that a request names, if @info's namespace has its device. */
static struct ppiov_binding *ppiov_nl_binding(const struct genl_info *info)
{
	u32 wanted = nla_get_u32(info->attrs[PPIOV_A_BINDING_ID]);
	unsigned long id = wanted;
	struct ppiov_binding *binding = ppiov_binding_next(&id);

	if (!binding || id != wanted)
		return NULL;
	return binding;
}

static bool ppiov_nl_sees(const struct genl_info *info,
			  const struct ppiov_binding *binding)
{
	return net_eq(dev_net(binding->dev), genl_info_net(info));
}

static int ppiov_nl_no_binding(const struct genl_info *info)
{
	NL_SET_ERR_MSG_ATTR(info->extack, info->attrs[PPIOV_A_BINDING_ID],
			    "there is no such binding");
	return -ENOENT;
}

static int ppiov_nl_tell_binding(struct sk_buff *skb,
				 const struct genl_info *info)
{
	struct ppiov_binding *binding = ppiov_nl_binding(info);

	if (!binding || !ppiov_nl_sees(info, binding))
		return ppiov_nl_no_binding(info);
	return ppiov_nl_fill_binding(skb, binding, info);
}

/**
 * ppiov_nl_binding_get_doit() - tell of one binding
 * @skb: the request
 * @info: the request
 *
 * Context: process; takes RTNL.
 * Return: 0, -EINVAL, -ENOENT, or what sending says.
 */
int ppiov_nl_binding_get_doit(struct sk_buff *skb, struct genl_info *info)
{
	return ppiov_nl_answer(info, PPIOV_A_BINDING_ID, "id",
			       ppiov_nl_tell_binding);
}

static int ppiov_nl_tell_next_binding(struct sk_buff *skb,
				      const struct genl_info *info,
				      unsigned long *id)
{
	struct ppiov_binding *binding = ppiov_binding_next(id);

	if (!binding)
		return -ENOENT;
	if (!ppiov_nl_sees(info, binding))
		return 0;
	return ppiov_nl_fill_binding(skb, binding, info);
}

/**
 * ppiov_nl_binding_get_dumpit() - tell of the bindings of a namespace's devices
 * @skb: to be filled
 * @cb: where the walk is: args[0] is the lowest id that was not told
 *
 * Context: process; takes RTNL.
 * Return: 0 at the end, otherwise -EMSGSIZE.
 */
int ppiov_nl_binding_get_dumpit(struct sk_buff *skb,
				struct netlink_callback *cb)
{
	return ppiov_nl_dump(skb, cb, ppiov_nl_tell_next_binding);
}

/* -------------------------------------------------------- bind and unbind */

static const struct ppiov_provider_ops *
ppiov_nl_provider(const struct genl_info *info)
{
	struct nlattr *attr = info->attrs[PPIOV_A_BINDING_PROVIDER];
	struct nlattr *fd = info->attrs[PPIOV_A_BINDING_DMABUF_FD];
	const struct ppiov_provider_ops *provider;

	provider = ppiov_provider_get(nla_data(attr));
	if (!provider) {
		NL_SET_ERR_MSG_ATTR_FMT(info->extack, attr,
					"there is no memory provider \"%s\"",
					(const char *)nla_data(attr));
		return ERR_PTR(-ENOENT);
	}
	if (!(provider->flags & PPIOV_F_DMABUF) && fd) {
		NL_SET_ERR_MSG_ATTR_FMT(info->extack, fd,
					"provider \"%s\" takes no dma-buf",
					provider->name);
		goto err_put;
	}
	if (provider->flags & PPIOV_F_DMABUF && !fd) {
		NL_SET_ERR_ATTR_MISS(info->extack, NULL,
				     PPIOV_A_BINDING_DMABUF_FD);
		GENL_SET_ERR_MSG_FMT(info, "provider \"%s\" needs a dmabuf-fd",
				     provider->name);
		goto err_put;
	}
	return provider;

err_put:
	ppiov_provider_put(provider);
	return ERR_PTR(-EINVAL);
}

static struct ppiov_binding *ppiov_nl_new(const struct genl_info *info,
					  struct sock *sk)
{
	const struct ppiov_provider_ops *provider;
	struct ppiov_binding *binding;
	struct net_device *dev;

	dev = ppiov_nl_dev(info, info->attrs[PPIOV_A_BINDING_IFINDEX]);
	if (IS_ERR(dev))
		return ERR_CAST(dev);

	provider = ppiov_nl_provider(info);
	if (IS_ERR(provider))
		return ERR_CAST(provider);

	binding = ppiov_binding_new(dev, provider, sk);
	if (IS_ERR(binding)) {
		GENL_SET_ERR_MSG(info, "no memory for a binding");
		ppiov_provider_put(provider);
	}
	return binding;
}

/* All that can be refused before memory is taken and a queue is stopped. */
static int ppiov_nl_want_queues(const struct genl_info *info,
				struct ppiov_binding *binding)
{
	struct nlattr *attr;
	unsigned int n = 0;
	int err, rem;

	nla_for_each_attr(attr, genlmsg_data(info->genlhdr),
			  genlmsg_len(info->genlhdr), rem) {
		if (nla_type(attr) != PPIOV_A_BINDING_QUEUES)
			continue;
		if (++n > PPIOV_MAX_QUEUES) {
			NL_SET_ERR_MSG_ATTR(info->extack, attr,
					    "too many queues for one binding");
			return -E2BIG;
		}
		err = ppiov_binding_want_queue(binding, nla_get_u32(attr),
					       info->extack);
		if (err) {
			NL_SET_BAD_ATTR(info->extack, attr);
			return err;
		}
	}
	return 0;
}

static int ppiov_nl_take_memory(const struct genl_info *info,
				struct ppiov_binding *binding)
{
	struct nlattr *order = info->attrs[PPIOV_A_BINDING_ORDER];
	struct nlattr *size = info->attrs[PPIOV_A_BINDING_SIZE];
	struct nlattr *fd = info->attrs[PPIOV_A_BINDING_DMABUF_FD];
	int err;

	if (order)
		binding->order = nla_get_u32(order);
	if (fd) {
		err = ppiov_binding_open_dmabuf(binding, nla_get_s32(fd),
						info->extack);
		if (err)
			goto err_fd;
	}

	if (size && !nla_get_uint(size)) {
		NL_SET_ERR_MSG_ATTR(info->extack, size, "size is 0");
		return -EINVAL;
	}
	err = ppiov_binding_set_size(binding, size ? nla_get_uint(size) : 0,
				     info->extack);
	if (err) {
		NL_SET_BAD_ATTR(info->extack, size ?: fd);
		return err;
	}

	if (fd) {
		err = ppiov_binding_map_dmabuf(binding, DMA_FROM_DEVICE,
					       info->extack);
		if (err)
			goto err_fd;
	}
	return 0;

err_fd:
	NL_SET_BAD_ATTR(info->extack, fd);
	return err;
}

static int ppiov_nl_bind_queues(const struct genl_info *info,
				struct ppiov_binding *binding)
{
	struct nlattr *attr;
	int err, rem;

	nla_for_each_attr(attr, genlmsg_data(info->genlhdr),
			  genlmsg_len(info->genlhdr), rem) {
		if (nla_type(attr) != PPIOV_A_BINDING_QUEUES)
			continue;
		err = ppiov_binding_bind_queue(binding, nla_get_u32(attr),
					       info->extack);
		if (err) {
			NL_SET_BAD_ATTR(info->extack, attr);
			return err;
		}
	}
	return 0;
}

/*
 * A request for a binding: @make makes one, @fill it to what was asked for, and
 * answer and notification go out. On error all is as it was.
 */
static int
ppiov_nl_bind(struct sk_buff *skb, struct genl_info *info,
	      struct ppiov_binding *(*make)(const struct genl_info *info,
					    struct sock *sk),
	      int (*fill)(const struct genl_info *info,
			  struct ppiov_binding *binding))
{
	struct ppiov_binding *binding;
	struct sk_buff *rsp;
	void *hdr;
	int err;

	/* A queue is not restarted for an answer that can't be given. */
	rsp = genlmsg_new(GENLMSG_DEFAULT_SIZE, GFP_KERNEL);
	if (!rsp)
		return -ENOMEM;
	hdr = genlmsg_iput(rsp, info);
	if (!hdr) {
		err = -EMSGSIZE;
		goto err_free_rsp;
	}

	rtnl_lock();
	binding = make(info, NETLINK_CB(skb).sk);
	if (IS_ERR(binding)) {
		err = PTR_ERR(binding);
		goto err_unlock;
	}
	err = nla_put_u32(rsp, PPIOV_A_BINDING_ID, binding->id) ?:
		      fill(info, binding);
	if (err)
		goto err_cancel;

	genlmsg_end(rsp, hdr);
	err = genlmsg_reply(rsp, info);
	rsp = NULL;
	/* Who doesn't read its answers doesn't know what to unbind. */
	if (err)
		goto err_cancel;
	ppiov_nl_notify_binding(binding, PPIOV_CMD_BIND_NTF, info->snd_portid);
	rtnl_unlock();
	return 0;

err_cancel:
	ppiov_binding_cancel(binding);
err_unlock:
	rtnl_unlock();
err_free_rsp:
	nlmsg_free(rsp);
	return err;
}

static int ppiov_nl_fill_rx(const struct genl_info *info,
			    struct ppiov_binding *binding)
{
	return ppiov_nl_want_queues(info, binding)         ?:
		       ppiov_nl_take_memory(info, binding) ?:
		       ppiov_nl_bind_queues(info, binding);
}

/**
 * ppiov_nl_bind_rx_doit() - let a provider feed queues
 * @skb: the request
 * @info: the request
 *
 * Context: process; takes RTNL. CAP_NET_ADMIN was asked for.
 * Return: 0; or -errno, extack saying why, and all is as it was.
 */
int ppiov_nl_bind_rx_doit(struct sk_buff *skb, struct genl_info *info)
{
	int err;

	err = ppiov_nl_check(info, PPIOV_A_BINDING_QUEUES)                    ?:
		      ppiov_nl_need(info, PPIOV_A_BINDING_IFINDEX, "ifindex") ?:
		      ppiov_nl_need(info, PPIOV_A_BINDING_QUEUES, "queues")   ?:
		      ppiov_nl_need(info, PPIOV_A_BINDING_PROVIDER, "provider");
	if (err)
		return err;
	return ppiov_nl_bind(skb, info, ppiov_nl_new, ppiov_nl_fill_rx);
}

static struct ppiov_binding *ppiov_nl_new_tx(const struct genl_info *info,
					     struct sock *sk)
{
	struct nlattr *attr = info->attrs[PPIOV_A_BINDING_IFINDEX];
	const struct ppiov_provider_ops *provider;
	struct ppiov_binding *binding;
	struct net_device *dev;
	const char *lacks;

	dev = ppiov_nl_dev(info, attr);
	if (IS_ERR(dev))
		return ERR_CAST(dev);
	lacks = ppiov_tx_lacks(dev);
	if (lacks) {
		NL_SET_ERR_MSG_ATTR_FMT(info->extack, attr,
					"no TX from a dma-buf: %s", lacks);
		return ERR_PTR(-EOPNOTSUPP);
	}

	/* It does nothing here, but what is out holds this module with it. */
	provider = ppiov_provider_get("dmabuf");
	binding = provider ? ppiov_binding_new(dev, provider, sk) :
			     ERR_PTR(-ENOENT);
	if (IS_ERR(binding)) {
		GENL_SET_ERR_MSG(info, "no memory for a binding");
		if (provider)
			ppiov_provider_put(provider);
	}
	return binding;
}

static int ppiov_nl_take_tx_memory(const struct genl_info *info,
				   struct ppiov_binding *binding)
{
	struct nlattr *fd = info->attrs[PPIOV_A_BINDING_DMABUF_FD];
	int err;

	err = ppiov_binding_open_dmabuf(binding, nla_get_s32(fd), info->extack);
	if (err)
		goto err_fd;
	err = ppiov_binding_set_size(binding, 0, info->extack);
	if (err)
		goto err_fd;
	err = ppiov_binding_map_dmabuf(binding, DMA_TO_DEVICE, info->extack);
	if (err)
		goto err_fd;
	err = ppiov_binding_make_tx(binding, info->extack);
	if (err)
		goto err_fd;
	return 0;

err_fd:
	NL_SET_BAD_ATTR(info->extack, fd);
	return err;
}

/**
 * ppiov_nl_bind_tx_doit() - let sockets send from a dma-buf
 * @skb: the request
 * @info: the request
 *
 * Context: process; takes RTNL. CAP_NET_ADMIN was asked for.
 * Return: 0; or -errno, extack saying why, and all is as it was.
 */
int ppiov_nl_bind_tx_doit(struct sk_buff *skb, struct genl_info *info)
{
	int err;

	err = ppiov_nl_check(info, 0)                                         ?:
		      ppiov_nl_need(info, PPIOV_A_BINDING_IFINDEX, "ifindex") ?:
		      ppiov_nl_need(info, PPIOV_A_BINDING_DMABUF_FD,
				    "dmabuf-fd");
	if (err)
		return err;
	return ppiov_nl_bind(skb, info, ppiov_nl_new_tx,
			     ppiov_nl_take_tx_memory);
}

/**
 * ppiov_nl_unbind_doit() - end a binding
 * @skb: the request
 * @info: the request
 *
 * Context: process; takes RTNL. CAP_NET_ADMIN was asked for.
 * Return: 0, -EINVAL or -ENOENT.
 */
int ppiov_nl_unbind_doit(struct sk_buff *skb, struct genl_info *info)
{
	struct ppiov_binding *binding;
	int err;

	err = ppiov_nl_check(info, 0) ?:
		      ppiov_nl_need(info, PPIOV_A_BINDING_ID, "id");
	if (err)
		return err;

	rtnl_lock();
	binding = ppiov_nl_binding(info);
	/* The device may have moved to another namespace than its socket. */
	if (binding && ppiov_nl_sees(info, binding))
		ppiov_binding_end(binding, info->snd_portid);
	else if (binding && binding->sk == NETLINK_CB(skb).sk)
		ppiov_binding_end(binding, 0);
	else
		err = ppiov_nl_no_binding(info);
	rtnl_unlock();
	return err;
}
