// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the netlink family's operations have in common.
 *
 * Generic netlink has seen to types, lengths and the ranges that are in
 * netlink/ppiov.yaml before anything here is called.
 */
#include <linux/netdevice.h>
#include <linux/rtnetlink.h>

#include "binding_priv.h"
#include "internal.h"
#include "nl.h"

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

/**
 * ppiov_nl_answer() - answer a request for one thing
 * @info: the request
 * @attr: that names the thing, and has to be there
 * @name: what the attribute is called
 * @tell: find it and put it into @skb; on error extack says why. Called with
 *	RTNL held.
 *
 * Context: process; takes RTNL.
 * Return: 0, -EINVAL, -ENOMEM, what @tell says, or what sending says.
 */
int ppiov_nl_answer(struct genl_info *info, int attr, const char *name,
		    int (*tell)(struct sk_buff *skb,
				const struct genl_info *info))
{
	struct sk_buff *rsp;
	int err;

	err = ppiov_nl_check(info, 0) ?: ppiov_nl_need(info, attr, name);
	if (err)
		return err;

	rsp = genlmsg_new(GENLMSG_DEFAULT_SIZE, GFP_KERNEL);
	if (!rsp)
		return -ENOMEM;

	rtnl_lock();
	err = tell(rsp, info);
	rtnl_unlock();

	if (err) {
		nlmsg_free(rsp);
		return err;
	}
	return genlmsg_reply(rsp, info);
}

/**
 * ppiov_nl_dump() - tell of all things of a kind
 * @skb: to be filled
 * @cb: where the walk is: args[0]
 * @tell: go on to the next thing that is not before @at, and put it into @skb
 *	if @info's namespace sees it; or -ENOENT: there is none. Called with
 *	RTNL held, with an @at one higher each time.
 *
 * What did not fit is told again in the next message.
 *
 * Context: process; takes RTNL.
 * Return: 0 at the end, otherwise what @tell says, -EMSGSIZE.
 */
int ppiov_nl_dump(struct sk_buff *skb, struct netlink_callback *cb,
		  int (*tell)(struct sk_buff *skb, const struct genl_info *info,
			      unsigned long *at))
{
	const struct genl_info *info = genl_info_dump(cb);
	unsigned long at = cb->args[0];
	int err;

	rtnl_lock();
	while (!(err = tell(skb, info, &at)))
		at++;
	rtnl_unlock();

	cb->args[0] = at;
	return err == -ENOENT ? 0 : err;
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
