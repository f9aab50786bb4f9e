// SPDX-License-Identifier: GPL-2.0-only
/* What the netlink family tells of providers and pools. */
#include <linux/module.h>
#include <linux/netdevice.h>
#include <linux/rtnetlink.h>

#include "../include/ppiov/pool.h"
#include "binding_priv.h"
#include "internal.h"
#include "nl.h"

static_assert(PPIOV_F_IOV == PPIOV_PROVIDER_FLAG_IOV);
static_assert(PPIOV_F_DMABUF == PPIOV_PROVIDER_FLAG_DMABUF);
static_assert(PPIOV_F_MAPPED == PPIOV_PROVIDER_FLAG_MAPPED);
static_assert(PPIOV_PROVIDER_NAME_MAX + 1 == PPIOV_NAME_LEN);

/* --------------------------------------------------------------- providers */

static int ppiov_nl_fill_provider(struct sk_buff *skb,
				  const struct ppiov_provider_ops *ops,
				  const struct genl_info *info)
{
	void *hdr = genlmsg_iput(skb, info);

	if (!hdr)
		return -EMSGSIZE;
	if (nla_put_string(skb, PPIOV_A_PROVIDER_NAME, ops->name) ||
	    nla_put_u32(skb, PPIOV_A_PROVIDER_FLAGS, ops->flags))
		goto err_cancel;
	if (ops->owner && nla_put_string(skb, PPIOV_A_PROVIDER_MODULE,
					 module_name(ops->owner)))
		goto err_cancel;
	genlmsg_end(skb, hdr);
	return 0;

err_cancel:
	genlmsg_cancel(skb, hdr);
	return -EMSGSIZE;
}

static int ppiov_nl_tell_provider(struct sk_buff *skb,
				  const struct genl_info *info)
{
	struct nlattr *name = info->attrs[PPIOV_A_PROVIDER_NAME];
	const struct ppiov_provider_ops *ops;
	int err;

	ops = ppiov_provider_get(nla_data(name));
	if (!ops) {
		NL_SET_ERR_MSG_ATTR_FMT(info->extack, name,
					"there is no memory provider \"%s\"",
					(const char *)nla_data(name));
		return -ENOENT;
	}
	err = ppiov_nl_fill_provider(skb, ops, info);
	ppiov_provider_put(ops);
	return err;
}

/**
 * ppiov_nl_provider_get_doit() - tell of one provider
 * @skb: the request
 * @info: the request
 *
 * Context: process; takes RTNL.
 * Return: 0, -EINVAL, -ENOENT, or what sending says.
 */
int ppiov_nl_provider_get_doit(struct sk_buff *skb, struct genl_info *info)
{
	return ppiov_nl_answer(info, PPIOV_A_PROVIDER_NAME, "name",
			       ppiov_nl_tell_provider);
}

struct ppiov_nl_providers {
	struct sk_buff *skb;
	const struct genl_info *info;
	unsigned long skip;
	unsigned long told;
};

static int ppiov_nl_dump_provider(const struct ppiov_provider_ops *ops,
				  void *arg)
{
	struct ppiov_nl_providers *dump = arg;
	int err;

	if (dump->skip) {
		dump->skip--;
		return 0;
	}
	err = ppiov_nl_fill_provider(dump->skb, ops, dump->info);
	if (!err)
		dump->told++;
	return err;
}

/**
 * ppiov_nl_provider_get_dumpit() - tell of all providers
 * @skb: to be filled
 * @cb: where the walk is: args[0] were told
 *
 * Context: process.
 * Return: 0 at the end, otherwise -EMSGSIZE.
 */
int ppiov_nl_provider_get_dumpit(struct sk_buff *skb,
				 struct netlink_callback *cb)
{
	struct ppiov_nl_providers dump = {
		.skb = skb,
		.info = genl_info_dump(cb),
		.skip = cb->args[0],
	};
	int err;

	err = ppiov_provider_for_each(ppiov_nl_dump_provider, &dump);
	cb->args[0] += dump.told;
	return err;
}

/* ------------------------------------------------------------------- pools */

/* The device of a pool: RTNL keeps it. A detached pool has its binding's. */
static const struct net_device *ppiov_nl_pool_dev(const struct ppiov_pool *pool)
{
	const struct ppiov_pool_params *p = ppiov_pool_params(pool);

	ASSERT_RTNL();
	if (p->binding)
		return p->binding->dev;
	return READ_ONCE(p->netdev);
}

/* Who sees a pool. One without a device is seen where modules are loaded. */
static struct net *ppiov_nl_pool_net(const struct ppiov_pool *pool)
{
	const struct net_device *dev = ppiov_nl_pool_dev(pool);

	return dev ? dev_net(dev) : &init_net;
}

#define PPIOV_NL_STAT(attr, field)                               \
	{                                                        \
		PPIOV_A_POOL_STATS_##attr,                       \
			offsetof(struct ppiov_pool_stats, field) \
	}

static const struct {
	int attr;
	size_t offset; /* of an u64 */
} ppiov_nl_stats[] = {
	PPIOV_NL_STAT(ALLOC_FAST, alloc_fast),
	PPIOV_NL_STAT(ALLOC_REFILL, alloc_refill),
	PPIOV_NL_STAT(ALLOC_SLOW, alloc_slow),
	PPIOV_NL_STAT(ALLOC_FAIL, alloc_fail),
	PPIOV_NL_STAT(RECYCLE_CACHE, recycle_cache),
	PPIOV_NL_STAT(RECYCLE_CACHE_FULL, recycle_cache_full),
	PPIOV_NL_STAT(RECYCLE_RING, recycle_ring),
	PPIOV_NL_STAT(RECYCLE_RING_FULL, recycle_ring_full),
	PPIOV_NL_STAT(RECYCLE_FOREIGN, recycle_foreign),
	PPIOV_NL_STAT(DOUBLE_PUT, double_put),
};

/* Whoever adds a counter adds it here, and in the spec. */
static_assert(ARRAY_SIZE(ppiov_nl_stats) == PPIOV_A_POOL_STATS_MAX);
static_assert(ARRAY_SIZE(ppiov_nl_stats) * sizeof(u64) ==
	      sizeof(struct ppiov_pool_stats));

static int ppiov_nl_put_stats(struct sk_buff *skb,
			      const struct ppiov_pool *pool)
{
	struct ppiov_pool_stats stats;
	struct nlattr *nest;
	unsigned int i;

	nest = nla_nest_start(skb, PPIOV_A_POOL_STATS);
	if (!nest)
		return -EMSGSIZE;

	ppiov_pool_get_stats(pool, &stats);
	for (i = 0; i < ARRAY_SIZE(ppiov_nl_stats); i++) {
		void *value = (void *)&stats + ppiov_nl_stats[i].offset;

		if (nla_put_uint(skb, ppiov_nl_stats[i].attr, *(u64 *)value))
			return -EMSGSIZE;
	}
	nla_nest_end(skb, nest);
	return 0;
}

/* @stalled: seconds, for the notification; 0: not told */
static int ppiov_nl_fill_pool(struct sk_buff *skb,
			      const struct ppiov_pool *pool, u32 stalled,
			      const struct genl_info *info)
{
	const struct ppiov_pool_params *p = ppiov_pool_params(pool);
	const struct net_device *dev = ppiov_nl_pool_dev(pool);
	void *hdr = genlmsg_iput(skb, info);

	if (!hdr)
		return -EMSGSIZE;
	if (nla_put_u32(skb, PPIOV_A_POOL_ID, ppiov_pool_id(pool)) ||
	    nla_put_string(skb, PPIOV_A_POOL_PROVIDER, p->provider->name) ||
	    nla_put_u32(skb, PPIOV_A_POOL_BUFFER_SIZE,
			ppiov_pool_buf_size(pool)) ||
	    nla_put_u32(skb, PPIOV_A_POOL_INFLIGHT, ppiov_pool_inflight(pool)))
		goto err_cancel;
	if (dev && (nla_put_u32(skb, PPIOV_A_POOL_IFINDEX, dev->ifindex) ||
		    nla_put_u32(skb, PPIOV_A_POOL_QUEUE, p->queue)))
		goto err_cancel;
	if (p->binding &&
	    nla_put_u32(skb, PPIOV_A_POOL_BINDING, p->binding->id))
		goto err_cancel;
	if (ppiov_pool_detached(pool) &&
	    nla_put_flag(skb, PPIOV_A_POOL_DETACHED))
		goto err_cancel;
	if (stalled && nla_put_u32(skb, PPIOV_A_POOL_STALLED, stalled))
		goto err_cancel;
	if (ppiov_nl_put_stats(skb, pool))
		goto err_cancel;
	genlmsg_end(skb, hdr);
	return 0;

err_cancel:
	genlmsg_cancel(skb, hdr);
	return -EMSGSIZE;
}

static int ppiov_nl_tell_pool(struct sk_buff *skb, const struct genl_info *info)
{
	struct nlattr *attr = info->attrs[PPIOV_A_POOL_ID];
	u32 wanted = nla_get_u32(attr), id = wanted;
	struct ppiov_pool *pool = ppiov_pool_next(&id);
	int err;

	if (pool && id == wanted &&
	    net_eq(ppiov_nl_pool_net(pool), genl_info_net(info))) {
		err = ppiov_nl_fill_pool(skb, pool, 0, info);
	} else {
		NL_SET_ERR_MSG_ATTR(info->extack, attr,
				    "there is no such pool");
		err = -ENOENT;
	}
	if (pool)
		ppiov_pool_unpin(pool);
	return err;
}

/**
 * ppiov_nl_pool_get_doit() - tell of one pool
 * @skb: the request
 * @info: the request
 *
 * Context: process; takes RTNL.
 * Return: 0, -EINVAL, -ENOENT, or what sending says.
 */
int ppiov_nl_pool_get_doit(struct sk_buff *skb, struct genl_info *info)
{
	return ppiov_nl_answer(info, PPIOV_A_POOL_ID, "id", ppiov_nl_tell_pool);
}

static int ppiov_nl_tell_next_pool(struct sk_buff *skb,
				   const struct genl_info *info,
				   unsigned long *at)
{
	u32 id = *at;
	struct ppiov_pool *pool = ppiov_pool_next(&id);
	int err = 0;

	if (!pool)
		return -ENOENT;
	*at = id;
	if (net_eq(ppiov_nl_pool_net(pool), genl_info_net(info)))
		err = ppiov_nl_fill_pool(skb, pool, 0, info);
	ppiov_pool_unpin(pool);
	return err;
}

/**
 * ppiov_nl_pool_get_dumpit() - tell of the pools of a namespace's devices
 * @skb: to be filled
 * @cb: where the walk is: args[0] is the lowest id that was not told
 *
 * Context: process; takes RTNL.
 * Return: 0 at the end, otherwise -EMSGSIZE.
 */
int ppiov_nl_pool_get_dumpit(struct sk_buff *skb, struct netlink_callback *cb)
{
	return ppiov_nl_dump(skb, cb, ppiov_nl_tell_next_pool);
}

/**
 * ppiov_nl_notify_pool_stalled() - tell who listens that a pool can't end
 * @pool: was destroyed, has buffers or pins out
 * @seconds: since when
 *
 * Context: process; takes RTNL.
 */
void ppiov_nl_notify_pool_stalled(const struct ppiov_pool *pool,
				  unsigned int seconds)
{
	struct genl_info info;
	struct sk_buff *skb;
	struct net *net;

	rtnl_lock();
	net = ppiov_nl_pool_net(pool);
	if (!genl_has_listeners(&ppiov_nl_family, net, PPIOV_NLGRP_EVENTS))
		goto unlock;

	genl_info_init_ntf(&info, &ppiov_nl_family, PPIOV_CMD_POOL_STALLED_NTF);
	skb = genlmsg_new(GENLMSG_DEFAULT_SIZE, GFP_KERNEL);
	if (!skb)
		goto unlock;
	if (ppiov_nl_fill_pool(skb, pool, seconds, &info)) {
		nlmsg_free(skb);
		goto unlock;
	}
	genlmsg_multicast_netns(&ppiov_nl_family, net, skb, 0,
				PPIOV_NLGRP_EVENTS, GFP_KERNEL);
unlock:
	rtnl_unlock();
}
