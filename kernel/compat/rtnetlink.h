/* SPDX-License-Identifier: GPL-2.0-only */
/* What differs between kernels in struct rtnl_link_ops. */
#ifndef PPIOV_COMPAT_RTNETLINK_H
#define PPIOV_COMPAT_RTNETLINK_H

#include <net/net_namespace.h>
#include <net/rtnetlink.h>

/*
 * newlink() got its arguments in a struct, and the peer's netns among them: it
 * was looked up, and the user's right to it, by the attribute of peer_type.
 */
#ifdef HAVE_RTNL_NEWLINK_PARAMS
#define COMPAT_NEWLINK(name)                                         \
	static int name##_compat(struct net_device *dev,             \
				 struct rtnl_newlink_params *params, \
				 struct netlink_ext_ack *extack)     \
	{                                                            \
		return name(dev, params, extack);                    \
	}
#define COMPAT_NEWLINK_OPS(name, peer) \
	.newlink = name##_compat, .peer_type = peer
#else
struct rtnl_newlink_params {
	struct net *src_net;
	struct nlattr **tb;
	struct nlattr **data;
};

#define COMPAT_NEWLINK(name)                                                  \
	static int name##_compat(struct net *src_net, struct net_device *dev, \
				 struct nlattr *tb[], struct nlattr *data[],  \
				 struct netlink_ext_ack *extack)              \
	{                                                                     \
		struct rtnl_newlink_params params = {                         \
			.src_net = src_net,                                   \
			.tb = tb,                                             \
			.data = data,                                         \
		};                                                            \
		return name(dev, &params, extack);                            \
	}
#define COMPAT_NEWLINK_OPS(name, ...) .newlink = name##_compat
#endif

/* The peer's netns, with a reference. @tb: the peer's attributes. */
static inline struct net *
compat_newlink_peer_net(struct rtnl_newlink_params *params, struct nlattr *tb[])
{
#ifdef HAVE_RTNL_NEWLINK_PARAMS
	return get_net(rtnl_newlink_peer_net(params));
#else
	return rtnl_link_get_net(params->src_net, tb);
#endif
}

#endif /* PPIOV_COMPAT_RTNETLINK_H */
