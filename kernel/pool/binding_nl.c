// SPDX-License-Identifier: GPL-2.0-only
/*
 * The netlink family's operations on bindings.
 *
 * Generic netlink has seen to types, lengths and the ranges that are in
 * netlink/ppiov.yaml before anything here is called.
 */
#include <linux/netdevice.h>
#include <linux/rtnetlink.h>

#include "../include/ppiov/pool.h"
#include "binding_priv.h"
#include "internal.h"
#include "nl_gen.h"
#include "tx.h"

/**
 * ppiov_nl_check() - refuse an attribute that is there twice
 * @info: the request
 * @multi: an attribute of which there may be several; 0: none
 *
 * Of two, netlink would silently take the last.
 *
 * Context: process.
 * Return: 0 or -EINVAL.
 */
int ppiov_nl_check(const struct genl_info *info, int multi)
{
	struct nlattr *attr;
	u64 seen = 0;
	int rem;

	nla_for_each_attr(attr, genlmsg_data(info->genlhdr),
			  genlmsg_len(info->genlhdr), rem) {
		int type = nla_type(attr);

		if (type == multi)
			continue;
		/* Others than these were refused already. */
		if (WARN_ON_ONCE(type >= BITS_PER_TYPE(seen)))
			return -EINVAL;
		if (seen & BIT_ULL(type)) {
			NL_SET_ERR_MSG_ATTR(info->extack, attr,
					    "attribute is there twice");
			return -EINVAL;
		}
		seen |= BIT_ULL(type);
	}
	return 0;
}

/**
 * ppiov_nl_need() - refuse a request without an attribute
 * @info: the request
 * @attr: that has to be there
 * @name: what it is called
 *
 * Context: process.
 * Return: 0 or -EINVAL.
 */
int ppiov_nl_need(const struct genl_info *info, int attr, const char *name)
{
	if (!GENL_REQ_ATTR_CHECK(info, attr))
		return 0;
	GENL_SET_ERR_MSG_FMT(info, "attribute %s is missing", name);
	return -EINVAL;
}

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
	struct ppiov_binding *binding;
	struct sk_buff *rsp;
	int err;

	err = ppiov_nl_check(info, 0) ?:
		      ppiov_nl_need(info, PPIOV_A_BINDING_ID, "id");
	if (err)
		return err;

	rsp = genlmsg_new(GENLMSG_DEFAULT_SIZE, GFP_KERNEL);
	if (!rsp)
		return -ENOMEM;

	rtnl_lock();
	binding = ppiov_nl_binding(info);
	if (binding && ppiov_nl_sees(info, binding))
		err = ppiov_nl_fill_binding(rsp, binding, info);
	else
		err = ppiov_nl_no_binding(info);
	rtnl_unlock();

	if (err) {
		nlmsg_free(rsp);
		return err;
	}
	return genlmsg_reply(rsp, info);
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
	const struct genl_info *info = genl_info_dump(cb);
	unsigned long id = cb->args[0];
	struct ppiov_binding *binding;
	int err = 0;

	rtnl_lock();
	for (; (binding = ppiov_binding_next(&id)); id++) {
		if (!ppiov_nl_sees(info, binding))
			continue;
		err = ppiov_nl_fill_binding(skb, binding, info);
		if (err)
			break;
	}
	rtnl_unlock();

	cb->args[0] = id;
	return err;
}

/* -------------------------------------------------------- bind and unbind */

/**
 * ppiov_nl_dev() - the device that a request names
 * @info: the request, for its namespace
 * @attr: the ifindex
 *
 * Context: process, RTNL held, which keeps the device.
 * Return: a device that ppiov_nic_ops() knows; or ERR_PTR(), extack saying why:
 * -ENODEV, -EOPNOTSUPP.
 */
struct net_device *ppiov_nl_dev(const struct genl_info *info,
				struct nlattr *attr)
{
	struct net_device *dev;

	dev = __dev_get_by_index(genl_info_net(info), nla_get_u32(attr));
	if (!dev) {
		NL_SET_ERR_MSG_ATTR(info->extack, attr,
				    "there is no such device");
		return ERR_PTR(-ENODEV);
	}
	if (dev->reg_state != NETREG_REGISTERED || !netif_device_present(dev)) {
		NL_SET_ERR_MSG_ATTR(info->extack, attr,
				    "the device is about to go");
		return ERR_PTR(-ENODEV);
	}
	if (!ppiov_nic_ops(dev)) {
		NL_SET_ERR_MSG_ATTR(info->extack, attr,
				    "the device's driver can't bind its queues");
		return ERR_PTR(-EOPNOTSUPP);
	}
	return dev;
}

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
	struct ppiov_binding *binding;
	struct sk_buff *rsp;
	void *hdr;
	int err;

	err = ppiov_nl_check(info, PPIOV_A_BINDING_QUEUES)                    ?:
		      ppiov_nl_need(info, PPIOV_A_BINDING_IFINDEX, "ifindex") ?:
		      ppiov_nl_need(info, PPIOV_A_BINDING_QUEUES, "queues")   ?:
		      ppiov_nl_need(info, PPIOV_A_BINDING_PROVIDER, "provider");
	if (err)
		return err;

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
	binding = ppiov_nl_new(info, NETLINK_CB(skb).sk);
	if (IS_ERR(binding)) {
		err = PTR_ERR(binding);
		goto err_unlock;
	}

	err = ppiov_nl_want_queues(info, binding)                       ?:
		      ppiov_nl_take_memory(info, binding)               ?:
		      nla_put_u32(rsp, PPIOV_A_BINDING_ID, binding->id) ?:
		      ppiov_nl_bind_queues(info, binding);
	if (err)
		goto err_cancel;

	ppiov_nl_notify_binding(binding, PPIOV_CMD_BIND_NTF, info->snd_portid);
	rtnl_unlock();

	genlmsg_end(rsp, hdr);
	return genlmsg_reply(rsp, info);

err_cancel:
	ppiov_binding_cancel(binding);
err_unlock:
	rtnl_unlock();
err_free_rsp:
	nlmsg_free(rsp);
	return err;
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
	struct ppiov_binding *binding;
	struct sk_buff *rsp;
	void *hdr;
	int err;

	err = ppiov_nl_check(info, 0)                                         ?:
		      ppiov_nl_need(info, PPIOV_A_BINDING_IFINDEX, "ifindex") ?:
		      ppiov_nl_need(info, PPIOV_A_BINDING_DMABUF_FD,
				    "dmabuf-fd");
	if (err)
		return err;

	rsp = genlmsg_new(GENLMSG_DEFAULT_SIZE, GFP_KERNEL);
	if (!rsp)
		return -ENOMEM;
	hdr = genlmsg_iput(rsp, info);
	if (!hdr) {
		err = -EMSGSIZE;
		goto err_free_rsp;
	}

	rtnl_lock();
	binding = ppiov_nl_new_tx(info, NETLINK_CB(skb).sk);
	if (IS_ERR(binding)) {
		err = PTR_ERR(binding);
		goto err_unlock;
	}
	err = nla_put_u32(rsp, PPIOV_A_BINDING_ID, binding->id) ?:
		      ppiov_nl_take_tx_memory(info, binding);
	if (err)
		goto err_cancel;
	ppiov_nl_notify_binding(binding, PPIOV_CMD_BIND_NTF, info->snd_portid);
	rtnl_unlock();

	genlmsg_end(rsp, hdr);
	return genlmsg_reply(rsp, info);

err_cancel:
	ppiov_binding_cancel(binding);
err_unlock:
	rtnl_unlock();
err_free_rsp:
	nlmsg_free(rsp);
	return err;
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

/* ------------------------------------------------------------ load, unload */

/**
 * ppiov_nl_init() - offer the netlink family
 *
 * Context: module init, after all else: requests may come at once.
 * Return: 0 or -errno.
 */
int __init ppiov_nl_init(void)
{
	return genl_register_family(&ppiov_nl_family);
}

/**
 * ppiov_nl_exit() - no longer offer it; waits for requests
 *
 * Context: module exit, before all else.
 */
void ppiov_nl_exit(void)
{
	genl_unregister_family(&ppiov_nl_family);
}
