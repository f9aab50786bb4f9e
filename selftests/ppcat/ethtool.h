/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef PPCAT_ETHTOOL_H
#define PPCAT_ETHTOOL_H

#include <linux/types.h>

#include "addr.h"
#include "nl.h"

/* nl is the "ethtool" family; state is one of ETHTOOL_TCP_DATA_SPLIT_*. */
int ethtool_get_split(struct nl *nl, __u32 ifindex, __u8 *state);
int ethtool_set_split(struct nl *nl, __u32 ifindex, __u8 state);

int ethtool_add_rule(const char *ifname, const struct addr *to, __u32 queue,
		     __u32 *location);
int ethtool_delete_rule(const char *ifname, __u32 location);

#endif
