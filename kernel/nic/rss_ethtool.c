// SPDX-License-Identifier: GPL-2.0-only
/*
 * ppnic: receive side scaling, the user's half: ethtool -x, -X, -n, -N.
 *
 * All ops run under the ops lock. The core keeps its copy of each context other
 * than 0 (struct ethtool_rxfh_context) and answers reads from it; the driver
 * has to fill in what the user left open when a context is created.
 */
#include <linux/ethtool.h>
#include <linux/rtnetlink.h>
#include <linux/slab.h>

#include "../compat/ethtool.h"
#include "ppnic.h"

#define PPNIC_RSS_FIELDS (RXH_IP_SRC | RXH_IP_DST | RXH_L4_B_0_1 | RXH_L4_B_2_3)

/**
 * ppnic_get_rxfh_key_size - ethtool op
 * @dev: netdev
 *
 * Context: ops lock.
 * Return: bytes of a hash key.
 */
u32 ppnic_get_rxfh_key_size(struct net_device *dev)
{
	return PPNIC_RSS_KEY;
}

/**
 * ppnic_get_rxfh_indir_size - ethtool op
 * @dev: netdev
 *
 * Context: ops lock.
 * Return: entries of an indirection table.
 */
u32 ppnic_get_rxfh_indir_size(struct net_device *dev)
{
	return ppnic_rss_ctx_get(netdev_priv(dev), 0)->size;
}

/**
 * ppnic_get_rxfh - ethtool op: key, table and function of a context
 * @dev: netdev
 * @rxfh: asks with rss_context; only what it has room for is filled in
 *
 * Context: ops lock.
 * Return: 0, or -ENOENT if there is no such context.
 */
int ppnic_get_rxfh(struct net_device *dev, struct ethtool_rxfh_param *rxfh)
{
	struct ppnic_port *port = netdev_priv(dev);
	const struct ppnic_rss_ctx *ctx;
	u32 i;

	ctx = ppnic_rss_ctx_get(port, rxfh->rss_context);
	if (!ctx)
		return -ENOENT;

	rxfh->hfunc = ETH_RSS_HASH_TOP;
	rxfh->input_xfrm = ctx->input_xfrm;
	if (rxfh->indir)
		for (i = 0; i < ctx->size; i++)
			rxfh->indir[i] = ctx->indir[i];
	if (rxfh->key)
		memcpy(rxfh->key, ctx->key, PPNIC_RSS_KEY);
	return 0;
}

/* Does a field count if and only if its opposite does? */
static bool fields_symmetric(u32 fields)
{
	return !!(fields & RXH_IP_SRC) == !!(fields & RXH_IP_DST) &&
	       !!(fields & RXH_L4_B_0_1) == !!(fields & RXH_L4_B_2_3);
}

/* Writes what @rxfh wants changed into @ctx, which may have @queues queues. */
static int rss_apply(struct net_device *dev, struct ppnic_rss_ctx *ctx,
		     u32 queues, const struct ethtool_rxfh_param *rxfh,
		     struct netlink_ext_ack *extack)
{
	u32 i;

	if (rxfh->hfunc != ETH_RSS_HASH_NO_CHANGE &&
	    rxfh->hfunc != ETH_RSS_HASH_TOP) {
		NL_SET_ERR_MSG(extack, "toeplitz is the only hash function");
		return -EOPNOTSUPP;
	}

	if (rxfh->input_xfrm != RXH_XFRM_NO_CHANGE) {
		if (rxfh->input_xfrm & ~RXH_XFRM_SYM_XOR) {
			NL_SET_ERR_MSG(extack,
				       "symmetric-xor is the only input transformation");
			return -EOPNOTSUPP;
		}
		for (i = 0; rxfh->input_xfrm && i < PPNIC_RSS_FLOWS; i++) {
			if (fields_symmetric(ctx->fields[i]))
				continue;
			NL_SET_ERR_MSG(extack,
				       "hashed fields are not symmetric");
			return -EINVAL;
		}
		ctx->input_xfrm = rxfh->input_xfrm;
	}

	if (rxfh->indir) {
		for (i = 0; i < ctx->size; i++) {
			if (rxfh->indir[i] >= dev->real_num_rx_queues) {
				NL_SET_ERR_MSG_FMT(extack,
						   "entry %u: RX queue %u is not in use",
						   i, rxfh->indir[i]);
				return -EINVAL;
			}
			if (rxfh->indir[i] >= queues) {
				NL_SET_ERR_MSG_FMT(extack,
						   "entry %u: an ntuple rule adds too much to RX queue %u",
						   i, rxfh->indir[i]);
				return -EBUSY;
			}
			ctx->indir[i] = rxfh->indir[i];
		}
	}

	if (rxfh->key)
		memcpy(ctx->key, rxfh->key, PPNIC_RSS_KEY);
	return 0;
}

static int rss_modify(struct net_device *dev, u32 id,
		      const struct ethtool_rxfh_param *rxfh,
		      struct netlink_ext_ack *extack)
{
	struct ppnic_port *port = netdev_priv(dev);
	struct ppnic_rss_ctx *ctx;
	int err;

	if (!ppnic_rss_ctx_get(port, id)) {
		NL_SET_ERR_MSG_FMT(extack, "no RSS context %u", id);
		return -ENOENT;
	}

	ctx = ppnic_rss_ctx_dup(port, id);
	if (!ctx)
		return -ENOMEM;
	err = rss_apply(dev, ctx, ppnic_steer_most_queues(port, id), rxfh,
			extack);
	if (err)
		goto err_free;
	ppnic_rss_ctx_set(port, id, ctx);
	return 0;

err_free:
	kfree(ctx);
	return err;
}

/**
 * ppnic_set_rxfh - ethtool op: change the default context
 * @dev: netdev
 * @rxfh: what to change
 * @extack: says what was refused
 *
 * Context: ops lock.
 * Return: 0; -EOPNOTSUPP for another hash or transformation, -EINVAL for a
 * queue not in use, -EBUSY for one to which an ntuple rule adds too much,
 * -ENOMEM.
 */
int ppnic_set_rxfh(struct net_device *dev, struct ethtool_rxfh_param *rxfh,
		   struct netlink_ext_ack *extack)
{
	return rss_modify(dev, 0, rxfh, extack);
}

/**
 * ppnic_create_rxfh_context - ethtool op
 * @dev: netdev
 * @ctx: the core's copy, to be filled with the defaults the device chose
 * @rxfh: what the user asks for; the core has chosen the number
 * @extack: says what was refused
 *
 * Context: ops lock.
 * Return: as ppnic_set_rxfh().
 */
int ppnic_create_rxfh_context(struct net_device *dev,
			      struct ethtool_rxfh_context *ctx,
			      const struct ethtool_rxfh_param *rxfh,
			      struct netlink_ext_ack *extack)
{
	u32 *indir = ethtool_rxfh_context_indir(ctx);
	struct ppnic_port *port = netdev_priv(dev);
	struct ppnic_rss_ctx *rss;
	u32 i;
	int err;

	if (rxfh->rss_context >= PPNIC_RSS_CONTEXTS) {
		NL_SET_ERR_MSG(extack, "no more RSS contexts");
		return -ENOSPC;
	}

	rss = ppnic_rss_ctx_new(port);
	if (!rss)
		return -ENOMEM;
	err = rss_apply(dev, rss, dev->real_num_rx_queues, rxfh, extack);
	if (err)
		goto err_free;

	for (i = 0; i < rss->size; i++)
		indir[i] = rss->indir[i];
	memcpy(ethtool_rxfh_context_key(ctx), rss->key, PPNIC_RSS_KEY);
	ctx->hfunc = ETH_RSS_HASH_TOP;
	ctx->input_xfrm = rss->input_xfrm;

	ppnic_rss_ctx_set(port, rxfh->rss_context, rss);
	return 0;

err_free:
	kfree(rss);
	return err;
}

/**
 * ppnic_modify_rxfh_context - ethtool op
 * @dev: netdev
 * @ctx: the core's copy, which the core updates itself
 * @rxfh: what to change
 * @extack: says what was refused
 *
 * Context: ops lock.
 * Return: as ppnic_set_rxfh(), or -ENOENT if there is no such context.
 */
int ppnic_modify_rxfh_context(struct net_device *dev,
			      struct ethtool_rxfh_context *ctx,
			      const struct ethtool_rxfh_param *rxfh,
			      struct netlink_ext_ack *extack)
{
	return rss_modify(dev, rxfh->rss_context, rxfh, extack);
}

/**
 * ppnic_remove_rxfh_context - ethtool op
 * @dev: netdev
 * @ctx: the core's copy
 * @rss_context: which
 * @extack: says what was refused
 *
 * The core also calls this for each context left when the netdev goes, and
 * then takes no answer: what stays is freed by ppnic_rss_free().
 *
 * Context: ops lock.
 * Return: 0; -EBUSY while an ntuple rule points to the context.
 */
int ppnic_remove_rxfh_context(struct net_device *dev,
			      struct ethtool_rxfh_context *ctx, u32 rss_context,
			      struct netlink_ext_ack *extack)
{
	struct ppnic_port *port = netdev_priv(dev);

	if (ppnic_steer_uses_context(port, rss_context)) {
		NL_SET_ERR_MSG(extack, "an ntuple rule uses this RSS context");
		return -EBUSY;
	}
	if (ppnic_rss_ctx_get(port, rss_context))
		ppnic_rss_ctx_set(port, rss_context, NULL);
	return 0;
}

/**
 * ppnic_get_rx_ring_count - ethtool op: how far a table or a rule may point
 * @dev: netdev
 *
 * Context: ops lock.
 * Return: number of RX queues in use.
 */
u32 ppnic_get_rx_ring_count(struct net_device *dev)
{
	return dev->real_num_rx_queues;
}

/* Returns the place of a flow type in ppnic_rss_ctx.fields, or an errno. */
static int rss_flow(u32 flow_type)
{
	switch (flow_type) {
	case TCP_V4_FLOW:
		return PPNIC_RSS_TCP4;
	case UDP_V4_FLOW:
		return PPNIC_RSS_UDP4;
	case TCP_V6_FLOW:
		return PPNIC_RSS_TCP6;
	case UDP_V6_FLOW:
		return PPNIC_RSS_UDP6;
	default:
		return -EOPNOTSUPP;
	}
}

static u32 rss_flow_fields(int flow)
{
	bool v6 = flow == PPNIC_RSS_TCP6 || flow == PPNIC_RSS_UDP6;

	return PPNIC_RSS_FIELDS | (v6 ? COMPAT_RXH_IP6_FL : 0);
}

static bool rss_flow_fixed(u32 flow_type)
{
	return flow_type == IPV4_FLOW || flow_type == IPV6_FLOW;
}

/**
 * ppnic_get_rxfh_fields - ethtool op: what a flow's hash is made of
 * @dev: netdev
 * @fields: flow type and context; receives RXH_*
 *
 * Context: ops lock.
 * Return: 0; -EOPNOTSUPP for a flow the device doesn't hash on its own,
 * -ENOENT if there is no such context.
 */
int ppnic_get_rxfh_fields(struct net_device *dev,
			  struct ethtool_rxfh_fields *fields)
{
	const struct ppnic_rss_ctx *ctx;
	int flow;

	ctx = ppnic_rss_ctx_get(netdev_priv(dev), fields->rss_context);
	if (!ctx)
		return -ENOENT;

	if (rss_flow_fixed(fields->flow_type)) {
		fields->data = RXH_IP_SRC | RXH_IP_DST;
		return 0;
	}
	flow = rss_flow(fields->flow_type);
	if (flow < 0)
		return flow;
	fields->data = ctx->fields[flow];
	return 0;
}

/**
 * ppnic_set_rxfh_fields - ethtool op: choose what a flow's hash is made of
 * @dev: netdev
 * @fields: flow type, context and any of the two addresses, the two ports and,
 *	where the kernel knows it, the IPv6 flow label
 * @extack: says what was refused
 *
 * Context: ops lock.
 * Return: 0; -EOPNOTSUPP for a flow or field the device can't hash, -EINVAL
 * for half a pair under symmetric-xor, -ENOENT if there is no such context,
 * -ENOMEM.
 */
int ppnic_set_rxfh_fields(struct net_device *dev,
			  const struct ethtool_rxfh_fields *fields,
			  struct netlink_ext_ack *extack)
{
	struct ppnic_port *port = netdev_priv(dev);
	struct ppnic_rss_ctx *ctx;
	int flow;

	ctx = ppnic_rss_ctx_get(port, fields->rss_context);
	if (!ctx) {
		NL_SET_ERR_MSG_FMT(extack, "no RSS context %u",
				   fields->rss_context);
		return -ENOENT;
	}

	if (rss_flow_fixed(fields->flow_type)) {
		if (fields->data == (RXH_IP_SRC | RXH_IP_DST))
			return 0;
		NL_SET_ERR_MSG(extack,
			       "other IP traffic is hashed by both addresses");
		return -EOPNOTSUPP;
	}

	flow = rss_flow(fields->flow_type);
	if (flow < 0) {
		NL_SET_ERR_MSG(extack, "only TCP and UDP can be configured");
		return flow;
	}
	if (fields->data & ~rss_flow_fields(flow)) {
		NL_SET_ERR_MSG(extack,
			       "only IP addresses, ports and, of IPv6, the flow label can be hashed");
		return -EOPNOTSUPP;
	}
	if (ctx->input_xfrm && !fields_symmetric(fields->data)) {
		NL_SET_ERR_MSG(extack,
			       "symmetric-xor needs both fields of a pair");
		return -EINVAL;
	}

	ctx = ppnic_rss_ctx_dup(port, fields->rss_context);
	if (!ctx)
		return -ENOMEM;
	ctx->fields[flow] = fields->data;
	ppnic_rss_ctx_set(port, fields->rss_context, ctx);
	return 0;
}

/**
 * ppnic_get_rxnfc - ethtool op: queue count and ntuple rules
 * @dev: netdev
 * @cmd: the question, receives the answer
 * @locs: room for the locations of all rules, with ETHTOOL_GRXCLSRLALL
 *
 * Context: ops lock.
 * Return: 0 or an errno, as ppnic_steer_get_rxnfc().
 */
int ppnic_get_rxnfc(struct net_device *dev, struct ethtool_rxnfc *cmd,
		    u32 *locs)
{
	if (cmd->cmd == ETHTOOL_GRXRINGS) {
		cmd->data = ppnic_get_rx_ring_count(dev);
		return 0;
	}
	return ppnic_steer_get_rxnfc(netdev_priv(dev), cmd, locs);
}

/**
 * ppnic_set_rxnfc - ethtool op: insert or delete an ntuple rule
 * @dev: netdev
 * @cmd: the rule; receives the location that was taken
 *
 * Context: ops lock.
 * Return: 0 or an errno, as ppnic_steer_set_rxnfc().
 */
int ppnic_set_rxnfc(struct net_device *dev, struct ethtool_rxnfc *cmd)
{
	return ppnic_steer_set_rxnfc(netdev_priv(dev), cmd);
}
