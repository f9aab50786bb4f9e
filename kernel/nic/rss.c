// SPDX-License-Identifier: GPL-2.0-only
/*
 * ppnic: receive side scaling, the device's half.
 *
 * A context is a key, a table and the choice of hashed fields. Writers hold
 * the ops lock and swap a context for a changed copy; the engine reads under
 * RCU and so never sees half a change.
 */
#include <linux/skbuff.h>
#include <linux/slab.h>

#include "../compat/ethtool.h"
#include "../compat/mm.h"
#include "../compat/netdev.h"
#include "ppnic.h"

#define PPNIC_RSS_IP (RXH_IP_SRC | RXH_IP_DST)
#define PPNIC_RSS_L4 (RXH_L4_B_0_1 | RXH_L4_B_2_3)

/* Two IPv6 addresses, a flow label and two ports: the longest input. */
#define PPNIC_RSS_INPUT 40

/* The hash looks at a window of 32 key bits for every bit of its input. */
static_assert(PPNIC_RSS_INPUT + sizeof(u32) <= PPNIC_RSS_KEY);

/**
 * ppnic_toeplitz - the Toeplitz hash of Microsoft's RSS specification
 * @key: PPNIC_RSS_KEY bytes
 * @data: input, in network byte order
 * @len: of @data, at most PPNIC_RSS_INPUT
 *
 * The specification's verification suite, with its key 6d 5a 56 da ...,
 * gives for 66.9.149.187:2794 -> 161.142.100.80:1766
 *	0x51ccc178 with ports, 0x323e8fc2 without,
 * and for [3ffe:2501:200:1fff::7]:2794 -> [3ffe:2501:200:3::1]:1766
 *	0x40207d3d with ports, 0x2cc18cd5 without.
 *
 * Context: any.
 * Return: the hash.
 */
u32 ppnic_toeplitz(const u8 *key, const u8 *data, u32 len)
{
	u32 window = (u32)key[0] << 24 | key[1] << 16 | key[2] << 8 | key[3];
	u32 hash = 0;
	u32 i;
	int bit;

	for (i = 0; i < len; i++) {
		for (bit = 7; bit >= 0; bit--) {
			if (data[i] >> bit & 1)
				hash ^= window;
			window = window << 1 | (key[i + 4] >> bit & 1);
		}
	}
	return hash;
}

/*
 * A fragment has its ports in one piece only: hashing them would spread the
 * pieces of one datagram.
 */
static u32 rss_fields(const struct ppnic_rss_ctx *ctx,
		      const struct ppnic_headers *h)
{
	bool v4 = h->l3_proto == htons(ETH_P_IP);

	if (!h->l3_off)
		return 0;
	if (h->is_frag || h->l4 == PPNIC_L4_OTHER)
		return PPNIC_RSS_IP;
	if (h->l4 == PPNIC_L4_TCP)
		return ctx->fields[v4 ? PPNIC_RSS_TCP4 : PPNIC_RSS_TCP6];
	return ctx->fields[v4 ? PPNIC_RSS_UDP4 : PPNIC_RSS_UDP6];
}

/* Appends the selected ones of two equally long fields; returns the end. */
static u8 *rss_put(u8 *to, const void *src, const void *dst, u32 len,
		   bool put_src, bool put_dst, bool symmetric)
{
	const u8 *s = src, *d = dst;
	u32 i;

	if (symmetric && put_src && put_dst) {
		for (i = 0; i < len; i++) {
			to[i] = s[i] ^ d[i];
			to[len + i] = to[i];
		}
		return to + 2 * len;
	}
	if (put_src) {
		memcpy(to, s, len);
		to += len;
	}
	if (put_dst) {
		memcpy(to, d, len);
		to += len;
	}
	return to;
}

/* A context removed a moment ago leaves its frames to the default one. */
static const struct ppnic_rss_ctx *rss_ctx_rcu(struct ppnic_port *port, u32 id)
{
	const struct ppnic_rss_ctx *ctx = NULL;

	if (id < PPNIC_RSS_CONTEXTS)
		ctx = rcu_dereference_bh(port->rss.ctx[id]);
	return ctx ?: rcu_dereference_bh(port->rss.ctx[0]);
}

static u32 rss_hash(const struct ppnic_rss_ctx *rss, u32 fields,
		    const struct ppnic_headers *h)
{
	bool symmetric = rss->input_xfrm & RXH_XFRM_SYM_XOR;
	u8 input[PPNIC_RSS_INPUT];
	u8 *end = input;

	if (h->l3_proto == htons(ETH_P_IP))
		end = rss_put(end, &h->v4.saddr, &h->v4.daddr,
			      sizeof(h->v4.saddr), fields & RXH_IP_SRC,
			      fields & RXH_IP_DST, symmetric);
	else
		end = rss_put(end, &h->v6.saddr, &h->v6.daddr,
			      sizeof(h->v6.saddr), fields & RXH_IP_SRC,
			      fields & RXH_IP_DST, symmetric);
	end = rss_put(end, &h->v6.flow_label, NULL, sizeof(h->v6.flow_label),
		      fields & COMPAT_RXH_IP6_FL, false, false);
	end = rss_put(end, &h->sport, &h->dport, sizeof(h->sport),
		      fields & RXH_L4_B_0_1, fields & RXH_L4_B_2_3, symmetric);

	return ppnic_toeplitz(rss->key, input, end - input);
}

/**
 * ppnic_rss_lookup - hash a frame and find its queue, as a context says
 * @port: receiving port
 * @id: context, 0 for the default one
 * @h: the frame's headers
 * @hash: the hash, 0 if there is nothing to hash
 * @type: what it is made of; PKT_HASH_TYPE_NONE if there is no hash
 *
 * All three come from one state of the context.
 *
 * Context: softirq or bottom halves off.
 * Return: index of an RX queue, in use when the table was set. The number of
 * queues may have changed since, so the caller checks it.
 */
u16 ppnic_rss_lookup(struct ppnic_port *port, u32 id,
		     const struct ppnic_headers *h, u32 *hash,
		     enum pkt_hash_types *type)
{
	const struct ppnic_rss_ctx *rss = rss_ctx_rcu(port, id);
	u32 fields = rss_fields(rss, h);

	*hash = fields ? rss_hash(rss, fields, h) : 0;
	if (fields & PPNIC_RSS_L4)
		*type = PKT_HASH_TYPE_L4;
	else
		*type = fields ? PKT_HASH_TYPE_L3 : PKT_HASH_TYPE_NONE;

	return rss->indir[*hash % rss->size];
}

/**
 * ppnic_rss_ctx_get - a context, to look at
 * @port: port
 * @id: context, 0 for the default one
 *
 * Context: ops lock, which also keeps what is returned alive.
 * Return: the context, or NULL if there is none of that number.
 */
struct ppnic_rss_ctx *ppnic_rss_ctx_get(struct ppnic_port *port, u32 id)
{
	if (id >= PPNIC_RSS_CONTEXTS)
		return NULL;
	return rcu_dereference_protected(port->rss.ctx[id],
					 compat_netdev_ops_locked(port->dev));
}

/* Entries of a port's tables for a number of RX queues. */
static u32 rss_size(const struct ppnic_port *port, u32 nr_queues)
{
	u32 nr = compat_rxfh_queues(port->dev, nr_queues);

	return max_t(u32, PPNIC_RSS_MIN_INDIR,
		     PPNIC_RSS_PER_QUEUE * roundup_pow_of_two(nr));
}

static void rss_default_table(struct ppnic_rss_ctx *ctx, u32 nr_queues)
{
	u32 i;

	for (i = 0; i < ctx->size; i++)
		ctx->indir[i] = ethtool_rxfh_indir_default(i, nr_queues);
}

/**
 * ppnic_rss_ctx_new - a context with the defaults
 * @port: port
 *
 * Context: ops lock, may sleep.
 * Return: a context that belongs to the caller until ppnic_rss_ctx_set() or
 * kfree(); NULL without memory.
 */
struct ppnic_rss_ctx *ppnic_rss_ctx_new(struct ppnic_port *port)
{
	const struct ppnic_rss_ctx *other = ppnic_rss_ctx_get(port, 0);
	u32 i, nr_queues = port->dev->real_num_rx_queues;
	struct ppnic_rss_ctx *ctx;

	ctx = kzalloc_obj(*ctx);
	if (!ctx)
		return NULL;

	netdev_rss_key_fill(ctx->key, sizeof(ctx->key));
	ctx->size = other ? other->size : rss_size(port, nr_queues);
	rss_default_table(ctx, nr_queues);
	for (i = 0; i < PPNIC_RSS_FLOWS; i++)
		ctx->fields[i] = PPNIC_RSS_IP | PPNIC_RSS_L4;
	return ctx;
}

/**
 * ppnic_rss_ctx_dup - a copy of a context, to change
 * @port: port
 * @id: an existing context
 *
 * Context: ops lock, may sleep.
 * Return: as ppnic_rss_ctx_new().
 */
struct ppnic_rss_ctx *ppnic_rss_ctx_dup(struct ppnic_port *port, u32 id)
{
	return kmemdup(ppnic_rss_ctx_get(port, id),
		       sizeof(struct ppnic_rss_ctx), GFP_KERNEL);
}

/**
 * ppnic_rss_ctx_set - put a context in place, or take it away
 * @port: port
 * @id: which
 * @ctx: from ppnic_rss_ctx_new() or _dup(), now the port's; NULL: take away
 *
 * Context: ops lock.
 */
void ppnic_rss_ctx_set(struct ppnic_port *port, u32 id,
		       struct ppnic_rss_ctx *ctx)
{
	ctx = rcu_replace_pointer(port->rss.ctx[id], ctx,
				  compat_netdev_ops_locked(port->dev));
	if (ctx)
		kfree_rcu(ctx, rcu);
}

/* How many queues the port must have for a table. */
static u32 rss_queues(const struct ppnic_rss_ctx *ctx)
{
	u32 i, last = 0;

	for (i = 0; i < ctx->size; i++)
		last = max(last, ctx->indir[i]);
	return last + 1;
}

/**
 * ppnic_rss_ctx_queues - how many queues must the port have for a context?
 * @port: port
 * @id: an existing context
 *
 * Context: ops lock.
 * Return: one more than the highest queue that its table points to.
 */
u32 ppnic_rss_ctx_queues(struct ppnic_port *port, u32 id)
{
	return rss_queues(ppnic_rss_ctx_get(port, id));
}

/**
 * ppnic_rss_in_use - would a table lose queues?
 * @port: port
 * @first_gone: lowest RX queue that would go
 *
 * The default context counts only if its table was set by the user: else
 * ppnic_rss_spread() makes a new one.
 *
 * Context: ops lock.
 * Return: true if a table points to a queue from @first_gone on.
 */
bool ppnic_rss_in_use(struct ppnic_port *port, u32 first_gone)
{
	const struct ppnic_rss_ctx *ctx;
	u32 i = netif_is_rxfh_configured(port->dev) ? 0 : 1;

	for (; i < PPNIC_RSS_CONTEXTS; i++) {
		ctx = ppnic_rss_ctx_get(port, i);
		if (ctx && rss_queues(ctx) > first_gone)
			return true;
	}
	return false;
}

/**
 * ppnic_rss_check_size - can tables be of the size for a number of queues?
 * @port: port
 * @nr_queues: RX queues that will be in use
 *
 * One that the user set can be no smaller than what was set, and must repeat
 * itself to be cut.
 *
 * Context: ops lock, may sleep.
 * Return: 0 or -EINVAL.
 */
int ppnic_rss_check_size(struct ppnic_port *port, u32 nr_queues)
{
	struct ppnic_rss_ctx *ctx = ppnic_rss_ctx_get(port, 0);

	return compat_rxfh_can_resize(port->dev, ctx->indir, ctx->size,
				      rss_size(port, nr_queues)) ?
		       0 :
		       -EINVAL;
}

/* A copy of a context with a table of another size, which repeats the old one
 * or is its beginning.
 */
static struct ppnic_rss_ctx *rss_ctx_resized(struct ppnic_port *port, u32 id,
					     u32 size)
{
	struct ppnic_rss_ctx *ctx = ppnic_rss_ctx_dup(port, id);
	u32 i;

	if (!ctx)
		return NULL;
	for (i = ctx->size; i < size; i++)
		ctx->indir[i] = ctx->indir[i - ctx->size];
	ctx->size = size;
	return ctx;
}

/**
 * ppnic_rss_spread - fit the tables to a number of queues
 * @port: port
 * @nr_queues: RX queues that will be in use; ppnic_rss_check_size() has said
 *	yes to them
 *
 * The default table is made anew unless the user has set it; all have the size
 * for so many queues. To be called before queues go and after they came.
 *
 * Context: ops lock, may sleep.
 * Return: 0, -EBUSY if a table would lose queues, -ENOMEM. Nothing changes
 * then.
 */
int ppnic_rss_spread(struct ppnic_port *port, u32 nr_queues)
{
	u32 size = rss_size(port, nr_queues), old, i;
	struct ppnic_rss_ctx *new[PPNIC_RSS_CONTEXTS] = {};

	if (ppnic_rss_in_use(port, nr_queues))
		return -EBUSY;

	old = ppnic_rss_ctx_get(port, 0)->size;
	for (i = 0; i < PPNIC_RSS_CONTEXTS; i++) {
		if (!ppnic_rss_ctx_get(port, i) || (i && size == old))
			continue;
		new[i] = rss_ctx_resized(port, i, size);
		if (!new[i])
			goto err_free;
	}
	if (!netif_is_rxfh_configured(port->dev))
		rss_default_table(new[0], nr_queues);

	for (i = 0; i < PPNIC_RSS_CONTEXTS; i++)
		if (new[i])
			ppnic_rss_ctx_set(port, i, new[i]);
	/* The core's copies: it looks whether ours have their size. */
	if (size != old)
		compat_rxfh_ctxs_resize(port->dev, size);
	return 0;

err_free:
	while (i--)
		kfree(new[i]);
	return -ENOMEM;
}

/**
 * ppnic_rss_init - make the default context
 * @port: port, with its number of RX queues known
 *
 * Context: ops lock, may sleep.
 * Return: 0 or -ENOMEM.
 */
int ppnic_rss_init(struct ppnic_port *port)
{
	struct ppnic_rss_ctx *ctx = ppnic_rss_ctx_new(port);

	if (!ctx)
		return -ENOMEM;
	ppnic_rss_ctx_set(port, 0, ctx);
	return 0;
}

/**
 * ppnic_rss_free - drop all contexts
 * @port: port that no engine can reach any more; may never have been
 *	initialised
 *
 * Context: any that may sleep; no lock needed, nobody else is left.
 */
void ppnic_rss_free(struct ppnic_port *port)
{
	u32 i;

	for (i = 0; i < PPNIC_RSS_CONTEXTS; i++) {
		kfree(rcu_dereference_protected(port->rss.ctx[i], true));
		RCU_INIT_POINTER(port->rss.ctx[i], NULL);
	}
}
