// SPDX-License-Identifier: GPL-2.0-only
/* What the netlink family tells of devices that can be bound. */
#include <linux/netdevice.h>
#include <linux/rtnetlink.h>

#include "binding_priv.h"
#include "nl.h"
#include "tx.h"

static int ppiov_nl_fill_dev(struct sk_buff *skb, struct net_device *dev,
			     const struct genl_info *info)
{
	const struct ppiov_nic_ops *ops = ppiov_nic_ops(dev);
	const char *lacks = ppiov_tx_lacks(dev);
	void *hdr = genlmsg_iput(skb, info);
	u32 flags = PPIOV_DEV_FLAG_RX;

	if (!hdr)
		return -EMSGSIZE;
	if (!lacks)
		flags |= PPIOV_DEV_FLAG_TX;
	if (nla_put_u32(skb, PPIOV_A_DEV_IFINDEX, dev->ifindex) ||
	    nla_put_u32(skb, PPIOV_A_DEV_FLAGS, flags) ||
	    nla_put_u32(skb, PPIOV_A_DEV_QUEUES, ops->nr_queues(dev)))
		goto err_cancel;
	if (lacks && nla_put_string(skb, PPIOV_A_DEV_TX_LACKS, lacks))
		goto err_cancel;
	genlmsg_end(skb, hdr);
	return 0;

err_cancel:
	genlmsg_cancel(skb, hdr);
	return -EMSGSIZE;
}

static int ppiov_nl_tell_dev(struct sk_buff *skb, const struct genl_info *info)
{
	struct net_device *dev;

	dev = ppiov_nl_dev(info, info->attrs[PPIOV_A_DEV_IFINDEX]);
	if (IS_ERR(dev))
		return PTR_ERR(dev);
	return ppiov_nl_fill_dev(skb, dev, info);
}

/**
 * ppiov_nl_dev_get_doit() - tell of one device
 * @skb: the request
 * @info: the request
 *
 * Context: process; takes RTNL.
 * Return: 0, -EINVAL, -ENODEV, -EOPNOTSUPP, or what sending says.
 */
int ppiov_nl_dev_get_doit(struct sk_buff *skb, struct genl_info *info)
{
	return ppiov_nl_answer(info, PPIOV_A_DEV_IFINDEX, "ifindex",
			       ppiov_nl_tell_dev);
}

static int ppiov_nl_tell_next_dev(struct sk_buff *skb,
				  const struct genl_info *info,
				  unsigned long *index)
{
	struct net_device *dev = ppiov_nic_at(*index);

	if (!dev)
		return -ENOENT;
	if (!net_eq(dev_net(dev), genl_info_net(info)))
		return 0;
	return ppiov_nl_fill_dev(skb, dev, info);
}

/**
 * ppiov_nl_dev_get_dumpit() - tell of a namespace's devices
 * @skb: to be filled
 * @cb: where the walk is: args[0] were looked at
 *
 * Context: process; takes RTNL.
 * Return: 0 at the end, otherwise -EMSGSIZE.
 */
int ppiov_nl_dev_get_dumpit(struct sk_buff *skb, struct netlink_callback *cb)
{
	return ppiov_nl_dump(skb, cb, ppiov_nl_tell_next_dev);
}
