// SPDX-License-Identifier: GPL-2.0-only
/* Do not edit directly, auto-generated from: */
/*	kernel/netlink/ppiov.yaml */
/* YNL-GEN kernel source */

#include <net/netlink.h>
#include <net/genetlink.h>

#include "nl_gen.h"

#include <uapi/ppiov_netlink.h>

/* Integer value ranges */
static const struct netlink_range_validation ppiov_a_binding_ifindex_range = {
	.min	= 1ULL,
	.max	= S32_MAX,
};

static const struct netlink_range_validation ppiov_a_dev_ifindex_range = {
	.min	= 1ULL,
	.max	= S32_MAX,
};

/* PPIOV_CMD_PROVIDER_GET - do */
static const struct nla_policy ppiov_provider_get_nl_policy[PPIOV_A_PROVIDER_NAME + 1] = {
	[PPIOV_A_PROVIDER_NAME] = { .type = NLA_NUL_STRING, .len = PPIOV_PROVIDER_NAME_MAX, },
};

/* PPIOV_CMD_BIND_RX - do */
static const struct nla_policy ppiov_bind_rx_nl_policy[PPIOV_A_BINDING_ORDER + 1] = {
	[PPIOV_A_BINDING_IFINDEX] = NLA_POLICY_FULL_RANGE(NLA_U32, &ppiov_a_binding_ifindex_range),
	[PPIOV_A_BINDING_QUEUES] = { .type = NLA_U32, },
	[PPIOV_A_BINDING_PROVIDER] = { .type = NLA_NUL_STRING, .len = PPIOV_PROVIDER_NAME_MAX, },
	[PPIOV_A_BINDING_DMABUF_FD] = NLA_POLICY_MIN(NLA_S32, 0),
	[PPIOV_A_BINDING_SIZE] = { .type = NLA_UINT, },
	[PPIOV_A_BINDING_ORDER] = NLA_POLICY_MAX(NLA_U32, PPIOV_MAX_ORDER),
};

/* PPIOV_CMD_UNBIND - do */
static const struct nla_policy ppiov_unbind_nl_policy[PPIOV_A_BINDING_ID + 1] = {
	[PPIOV_A_BINDING_ID] = NLA_POLICY_MIN(NLA_U32, 1),
};

/* PPIOV_CMD_BINDING_GET - do */
static const struct nla_policy ppiov_binding_get_nl_policy[PPIOV_A_BINDING_ID + 1] = {
	[PPIOV_A_BINDING_ID] = NLA_POLICY_MIN(NLA_U32, 1),
};

/* PPIOV_CMD_POOL_GET - do */
static const struct nla_policy ppiov_pool_get_nl_policy[PPIOV_A_POOL_ID + 1] = {
	[PPIOV_A_POOL_ID] = NLA_POLICY_MIN(NLA_U32, 1),
};

/* PPIOV_CMD_DEV_GET - do */
static const struct nla_policy ppiov_dev_get_nl_policy[PPIOV_A_DEV_IFINDEX + 1] = {
	[PPIOV_A_DEV_IFINDEX] = NLA_POLICY_FULL_RANGE(NLA_U32, &ppiov_a_dev_ifindex_range),
};

/* PPIOV_CMD_BIND_TX - do */
static const struct nla_policy ppiov_bind_tx_nl_policy[PPIOV_A_BINDING_DMABUF_FD + 1] = {
	[PPIOV_A_BINDING_IFINDEX] = NLA_POLICY_FULL_RANGE(NLA_U32, &ppiov_a_binding_ifindex_range),
	[PPIOV_A_BINDING_DMABUF_FD] = NLA_POLICY_MIN(NLA_S32, 0),
};

/* Ops table for ppiov */
static const struct genl_split_ops ppiov_nl_ops[] = {
	{
		.cmd		= PPIOV_CMD_PROVIDER_GET,
		.doit		= ppiov_nl_provider_get_doit,
		.policy		= ppiov_provider_get_nl_policy,
		.maxattr	= PPIOV_A_PROVIDER_NAME,
		.flags		= GENL_CMD_CAP_DO,
	},
	{
		.cmd	= PPIOV_CMD_PROVIDER_GET,
		.dumpit	= ppiov_nl_provider_get_dumpit,
		.flags	= GENL_CMD_CAP_DUMP,
	},
	{
		.cmd		= PPIOV_CMD_BIND_RX,
		.doit		= ppiov_nl_bind_rx_doit,
		.policy		= ppiov_bind_rx_nl_policy,
		.maxattr	= PPIOV_A_BINDING_ORDER,
		.flags		= GENL_ADMIN_PERM | GENL_CMD_CAP_DO,
	},
	{
		.cmd		= PPIOV_CMD_UNBIND,
		.doit		= ppiov_nl_unbind_doit,
		.policy		= ppiov_unbind_nl_policy,
		.maxattr	= PPIOV_A_BINDING_ID,
		.flags		= GENL_ADMIN_PERM | GENL_CMD_CAP_DO,
	},
	{
		.cmd		= PPIOV_CMD_BINDING_GET,
		.doit		= ppiov_nl_binding_get_doit,
		.policy		= ppiov_binding_get_nl_policy,
		.maxattr	= PPIOV_A_BINDING_ID,
		.flags		= GENL_CMD_CAP_DO,
	},
	{
		.cmd	= PPIOV_CMD_BINDING_GET,
		.dumpit	= ppiov_nl_binding_get_dumpit,
		.flags	= GENL_CMD_CAP_DUMP,
	},
	{
		.cmd		= PPIOV_CMD_POOL_GET,
		.doit		= ppiov_nl_pool_get_doit,
		.policy		= ppiov_pool_get_nl_policy,
		.maxattr	= PPIOV_A_POOL_ID,
		.flags		= GENL_CMD_CAP_DO,
	},
	{
		.cmd	= PPIOV_CMD_POOL_GET,
		.dumpit	= ppiov_nl_pool_get_dumpit,
		.flags	= GENL_CMD_CAP_DUMP,
	},
	{
		.cmd		= PPIOV_CMD_DEV_GET,
		.doit		= ppiov_nl_dev_get_doit,
		.policy		= ppiov_dev_get_nl_policy,
		.maxattr	= PPIOV_A_DEV_IFINDEX,
		.flags		= GENL_CMD_CAP_DO,
	},
	{
		.cmd	= PPIOV_CMD_DEV_GET,
		.dumpit	= ppiov_nl_dev_get_dumpit,
		.flags	= GENL_CMD_CAP_DUMP,
	},
	{
		.cmd		= PPIOV_CMD_BIND_TX,
		.doit		= ppiov_nl_bind_tx_doit,
		.policy		= ppiov_bind_tx_nl_policy,
		.maxattr	= PPIOV_A_BINDING_DMABUF_FD,
		.flags		= GENL_ADMIN_PERM | GENL_CMD_CAP_DO,
	},
};

static const struct genl_multicast_group ppiov_nl_mcgrps[] = {
	[PPIOV_NLGRP_EVENTS] = { "events", },
};

struct genl_family ppiov_nl_family __ro_after_init = {
	.name		= PPIOV_FAMILY_NAME,
	.version	= PPIOV_FAMILY_VERSION,
	.netnsok	= true,
	.parallel_ops	= true,
	.module		= THIS_MODULE,
	.split_ops	= ppiov_nl_ops,
	.n_split_ops	= ARRAY_SIZE(ppiov_nl_ops),
	.mcgrps		= ppiov_nl_mcgrps,
	.n_mcgrps	= ARRAY_SIZE(ppiov_nl_mcgrps),
};
