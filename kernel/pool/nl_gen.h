/* SPDX-License-Identifier: GPL-2.0-only */
/* Do not edit directly, auto-generated from: */
/*	kernel/netlink/ppiov.yaml */
/* YNL-GEN kernel header */

#ifndef _LINUX_PPIOV_GEN_H
#define _LINUX_PPIOV_GEN_H

#include <net/netlink.h>
#include <net/genetlink.h>

#include <uapi/ppiov_netlink.h>

int ppiov_nl_provider_get_doit(struct sk_buff *skb, struct genl_info *info);
int ppiov_nl_provider_get_dumpit(struct sk_buff *skb,
				 struct netlink_callback *cb);
int ppiov_nl_bind_rx_doit(struct sk_buff *skb, struct genl_info *info);
int ppiov_nl_unbind_doit(struct sk_buff *skb, struct genl_info *info);
int ppiov_nl_binding_get_doit(struct sk_buff *skb, struct genl_info *info);
int ppiov_nl_binding_get_dumpit(struct sk_buff *skb,
				struct netlink_callback *cb);
int ppiov_nl_pool_get_doit(struct sk_buff *skb, struct genl_info *info);
int ppiov_nl_pool_get_dumpit(struct sk_buff *skb, struct netlink_callback *cb);
int ppiov_nl_dev_get_doit(struct sk_buff *skb, struct genl_info *info);
int ppiov_nl_dev_get_dumpit(struct sk_buff *skb, struct netlink_callback *cb);
int ppiov_nl_bind_tx_doit(struct sk_buff *skb, struct genl_info *info);

enum {
	PPIOV_NLGRP_EVENTS,
};

extern struct genl_family ppiov_nl_family;

#endif /* _LINUX_PPIOV_GEN_H */
