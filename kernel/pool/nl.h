/* SPDX-License-Identifier: GPL-2.0-only */
/* What the netlink family's operations have in common, for *_nl.c. */
#ifndef PPIOV_NL_H
#define PPIOV_NL_H

#include "nl_gen.h"

/* nl.c */
int ppiov_nl_check(const struct genl_info *info, int multi);
int ppiov_nl_need(const struct genl_info *info, int attr, const char *name);
struct net_device *ppiov_nl_dev(const struct genl_info *info,
				struct nlattr *attr);
int ppiov_nl_answer(struct genl_info *info, int attr, const char *name,
		    int (*tell)(struct sk_buff *skb,
				const struct genl_info *info));
int ppiov_nl_dump(struct sk_buff *skb, struct netlink_callback *cb,
		  int (*tell)(struct sk_buff *skb, const struct genl_info *info,
			      unsigned long *at));

#endif /* PPIOV_NL_H */
