// SPDX-License-Identifier: GPL-2.0-only
/*
 * ppnic: ntuple flow steering (ethtool -N), a small TCAM.
 *
 * A rule is a value and a mask over one fixed key, whatever its flow type;
 * the engine builds the key of a frame once and compares it with rule after
 * rule, in order of location. What a frame lacks is zero in its key, and a
 * flow type asks for the presence of what it names, so that no rule matches
 * by absence.
 *
 * With ethtool -K ntuple off rules stay, but don't act, and no new ones are
 * taken: a user who switches it off to look at RSS alone finds the rules
 * again.
 */
#include <linux/ethtool.h>
#include <linux/etherdevice.h>
#include <linux/rculist.h>
#include <linux/rtnetlink.h>
#include <linux/slab.h>
#include <linux/unaligned.h>

#include "../compat/mm.h"
#include "ppnic.h"

/* A presence byte: compared as a whole. */
#define YES 0xff

struct steer_key {
	union {
		struct {
			__be32 saddr[4]; /* IPv4 takes the first */
			__be32 daddr[4];
			__be16 sport;
			__be16 dport;
			__be16 l3_proto;   /* behind all VLAN tags */
			__be16 vlan_etype; /* of the outermost tag */
			__be16 vlan_tci;
			u8 has_vlan;
			u8 has_ip;
			u8 dst[ETH_ALEN];
			u8 src[ETH_ALEN];
			u8 has_ports; /* whole TCP or UDP */
			u8 ip_proto;
			u8 tos;
			u8 zero;
		};
		u32 words[15];
	};
};

/* Padding would be compared too. */
static_assert(sizeof(struct steer_key) == 15 * sizeof(u32));

/* Never changed once in the list: a change is a replacement. */
struct steer_rule {
	struct list_head list;
	struct rcu_head rcu;
	struct steer_key value; /* zero where the mask is */
	struct steer_key mask;
	struct ethtool_rx_flow_spec fs; /* as the user gave it */
	u32 rss_context;                /* with FLOW_RSS */
};

/* How many queues the port must have for a rule. */
static u32 rule_queues(struct ppnic_port *port, u32 flow_type, u64 cookie,
		       u32 rss_context)
{
	if (cookie == RX_CLS_FLOW_DISC)
		return 0;
	if (flow_type & FLOW_RSS)
		return cookie + ppnic_rss_ctx_queues(port, rss_context);
	return cookie + 1;
}

/*
 * Bytes of @data are only touched where ppnic_parse() has found a header,
 * that is within what it was allowed to read.
 */
static void key_of_frame(struct steer_key *key, const struct ppnic_headers *h,
			 const u8 *data)
{
	const u8 *ip = data + h->l3_off;

	memset(key, 0, sizeof(*key));
	memcpy(key->dst, data, ETH_ALEN);
	memcpy(key->src, data + ETH_ALEN, ETH_ALEN);
	key->l3_proto = h->l3_proto;
	if (h->nr_vlans) {
		key->has_vlan = YES;
		key->vlan_tci = htons(h->vlan_tci);
		key->vlan_etype =
			get_unaligned((__be16 *)(data + 2 * ETH_ALEN));
	}
	if (!h->l3_off)
		return;

	key->has_ip = YES;
	key->ip_proto = h->ip_proto;
	if (h->l3_proto == htons(ETH_P_IP)) {
		key->saddr[0] = h->v4.saddr;
		key->daddr[0] = h->v4.daddr;
		key->tos = ip[1];
	} else {
		memcpy(key->saddr, &h->v6.saddr, sizeof(key->saddr));
		memcpy(key->daddr, &h->v6.daddr, sizeof(key->daddr));
		key->tos = get_unaligned_be16(ip) >> 4;
	}
	/*
	 * Only the first fragment has ports. Were it steered by them, the
	 * pieces of a datagram would part.
	 */
	if (h->l4 != PPNIC_L4_OTHER && !h->is_frag) {
		key->has_ports = YES;
		key->sport = h->sport;
		key->dport = h->dport;
	}
}

static bool rule_matches(const struct steer_rule *rule,
			 const struct steer_key *key)
{
	u32 i;

	for (i = 0; i < ARRAY_SIZE(key->words); i++)
		if ((key->words[i] & rule->mask.words[i]) !=
		    rule->value.words[i])
			return false;
	return true;
}

/**
 * ppnic_steer - ask the rules where a frame belongs
 * @port: receiving port
 * @h: the frame's headers
 * @data: start of the frame, readable as far as ppnic_parse() was told
 * @queue: receives the queue (PPNIC_STEER_QUEUE), or what the context's queue
 *	is added to (PPNIC_STEER_CONTEXT)
 * @ctx: receives the RSS context. All existed when the rule was made; the
 *	caller checks again
 *
 * Context: softirq or bottom halves off.
 * Return: what to do; that of the first rule that matches.
 */
enum ppnic_verdict ppnic_steer(struct ppnic_port *port,
			       const struct ppnic_headers *h, const u8 *data,
			       u16 *queue, u32 *ctx)
{
	const struct steer_rule *rule;
	struct steer_key key;

	/* Nearly always there are none; and no L2 header, no key. */
	if (list_empty(&port->steer.rules) || !h->l3_proto ||
	    !(ppnic_features(port) & NETIF_F_NTUPLE))
		return PPNIC_STEER_NONE;

	key_of_frame(&key, h, data);
	list_for_each_entry_rcu(rule, &port->steer.rules, list) {
		if (!rule_matches(rule, &key))
			continue;
		if (rule->fs.ring_cookie == RX_CLS_FLOW_DISC)
			return PPNIC_STEER_DROP;
		*queue = rule->fs.ring_cookie;
		if (!(rule->fs.flow_type & FLOW_RSS))
			return PPNIC_STEER_QUEUE;
		*ctx = rule->rss_context;
		return PPNIC_STEER_CONTEXT;
	}
	return PPNIC_STEER_NONE;
}

/* ------------------------------------------------- from ethtool's to ours */

/* Asks for presence, or for another exact value. */
static void exact(u8 *value, u8 *mask, u8 want)
{
	*value = want;
	*mask = 0xff;
}

static void set_ports(struct steer_key *key, __be16 sport, __be16 dport)
{
	key->sport = sport;
	key->dport = dport;
}

static void l4_4_bytes(struct steer_key *key, __be32 bytes)
{
	u32 ports = be32_to_cpu(bytes);

	set_ports(key, cpu_to_be16(ports >> 16), cpu_to_be16(ports));
}

static void tcpip4(struct steer_key *key, const struct ethtool_tcpip4_spec *s)
{
	key->saddr[0] = s->ip4src;
	key->daddr[0] = s->ip4dst;
	key->tos = s->tos;
	set_ports(key, s->psrc, s->pdst);
}

static void tcpip6(struct steer_key *key, const struct ethtool_tcpip6_spec *s)
{
	memcpy(key->saddr, s->ip6src, sizeof(key->saddr));
	memcpy(key->daddr, s->ip6dst, sizeof(key->daddr));
	key->tos = s->tclass;
	set_ports(key, s->psrc, s->pdst);
}

static void usrip4(struct steer_key *key, const struct ethtool_usrip4_spec *s)
{
	key->saddr[0] = s->ip4src;
	key->daddr[0] = s->ip4dst;
	key->tos = s->tos;
	key->ip_proto = s->proto;
	l4_4_bytes(key, s->l4_4_bytes);
}

static void usrip6(struct steer_key *key, const struct ethtool_usrip6_spec *s)
{
	memcpy(key->saddr, s->ip6src, sizeof(key->saddr));
	memcpy(key->daddr, s->ip6dst, sizeof(key->daddr));
	key->tos = s->tclass;
	key->ip_proto = s->l4_proto;
	l4_4_bytes(key, s->l4_4_bytes);
}

static void ether(struct steer_key *key, const struct ethhdr *s)
{
	ether_addr_copy(key->dst, s->h_dest);
	ether_addr_copy(key->src, s->h_source);
	key->l3_proto = s->h_proto;
}

static int rule_set_flow(struct steer_rule *rule,
			 const struct ethtool_rx_flow_spec *fs)
{
	u32 type = fs->flow_type & ~(FLOW_EXT | FLOW_MAC_EXT | FLOW_RSS);
	__be16 l3_proto = htons(ETH_P_IP);
	u8 ip_proto = IPPROTO_TCP;

	switch (type) {
	case ETHER_FLOW:
		ether(&rule->value, &fs->h_u.ether_spec);
		ether(&rule->mask, &fs->m_u.ether_spec);
		return 0;
	case UDP_V4_FLOW:
		ip_proto = IPPROTO_UDP;
		fallthrough;
	case TCP_V4_FLOW:
		tcpip4(&rule->value, &fs->h_u.tcp_ip4_spec);
		tcpip4(&rule->mask, &fs->m_u.tcp_ip4_spec);
		break;
	case UDP_V6_FLOW:
		ip_proto = IPPROTO_UDP;
		fallthrough;
	case TCP_V6_FLOW:
		tcpip6(&rule->value, &fs->h_u.tcp_ip6_spec);
		tcpip6(&rule->mask, &fs->m_u.tcp_ip6_spec);
		l3_proto = htons(ETH_P_IPV6);
		break;
	case IPV4_USER_FLOW:
		/* The uAPI fixes these two. */
		if (fs->h_u.usr_ip4_spec.ip_ver != ETH_RX_NFC_IP4 ||
		    fs->m_u.usr_ip4_spec.ip_ver)
			return -EINVAL;
		usrip4(&rule->value, &fs->h_u.usr_ip4_spec);
		usrip4(&rule->mask, &fs->m_u.usr_ip4_spec);
		break;
	case IPV6_USER_FLOW:
		usrip6(&rule->value, &fs->h_u.usr_ip6_spec);
		usrip6(&rule->mask, &fs->m_u.usr_ip6_spec);
		l3_proto = htons(ETH_P_IPV6);
		break;
	default:
		return -EOPNOTSUPP;
	}

	rule->value.l3_proto = l3_proto;
	rule->mask.l3_proto = cpu_to_be16(0xffff);
	exact(&rule->value.has_ip, &rule->mask.has_ip, YES);
	if (type != IPV4_USER_FLOW && type != IPV6_USER_FLOW) {
		exact(&rule->value.ip_proto, &rule->mask.ip_proto, ip_proto);
		exact(&rule->value.has_ports, &rule->mask.has_ports, YES);
	} else if (rule->mask.sport || rule->mask.dport) {
		exact(&rule->value.has_ports, &rule->mask.has_ports, YES);
	}
	return 0;
}

static int rule_set_ext(struct steer_rule *rule,
			const struct ethtool_rx_flow_spec *fs)
{
	const struct ethtool_flow_ext *h = &fs->h_ext, *m = &fs->m_ext;

	if (fs->flow_type & FLOW_EXT) {
		if (m->data[0] || m->data[1])
			return -EOPNOTSUPP;
		rule->value.vlan_etype = h->vlan_etype;
		rule->mask.vlan_etype = m->vlan_etype;
		rule->value.vlan_tci = h->vlan_tci;
		rule->mask.vlan_tci = m->vlan_tci;
		if (m->vlan_etype || m->vlan_tci)
			exact(&rule->value.has_vlan, &rule->mask.has_vlan, YES);
	}
	if (fs->flow_type & FLOW_MAC_EXT) {
		/* An Ethernet rule has said it already. */
		if (!is_zero_ether_addr(rule->mask.dst))
			return -EINVAL;
		ether_addr_copy(rule->value.dst, h->h_dest);
		ether_addr_copy(rule->mask.dst, m->h_dest);
	}
	return 0;
}

static int check_target(struct ppnic_port *port,
			const struct ethtool_rxnfc *cmd)
{
	u32 nr = port->dev->real_num_rx_queues, type = cmd->fs.flow_type;
	u64 cookie = cmd->fs.ring_cookie;

	if (type & FLOW_RSS && !ppnic_rss_ctx_get(port, cmd->rss_context))
		return -EINVAL;
	if (cookie == RX_CLS_FLOW_DISC)
		return 0;
	if (cookie == RX_CLS_FLOW_WAKE)
		return -EOPNOTSUPP;
	/* This leaves no room for a virtual function either: there are none. */
	if (cookie >= nr ||
	    rule_queues(port, type, cookie, cmd->rss_context) > nr)
		return -EINVAL;
	return 0;
}

static struct steer_rule *rule_new(struct ppnic_port *port,
				   const struct ethtool_rxnfc *cmd)
{
	struct steer_rule *rule;
	u32 i;
	int err;

	err = check_target(port, cmd);
	if (err)
		return ERR_PTR(err);

	rule = kzalloc_obj(*rule);
	if (!rule)
		return ERR_PTR(-ENOMEM);
	err = rule_set_flow(rule, &cmd->fs);
	if (err)
		goto err_free;
	err = rule_set_ext(rule, &cmd->fs);
	if (err)
		goto err_free;

	for (i = 0; i < ARRAY_SIZE(rule->value.words); i++)
		rule->value.words[i] &= rule->mask.words[i];
	rule->fs = cmd->fs;
	rule->rss_context = cmd->rss_context;
	return rule;

err_free:
	kfree(rule);
	return ERR_PTR(err);
}

/* -------------------------------------------------- the list, ops lock */

static struct steer_rule *rule_find(struct ppnic_port *port, u32 location)
{
	struct steer_rule *rule;

	list_for_each_entry(rule, &port->steer.rules, list)
		if (rule->fs.location == location)
			return rule;
	return NULL;
}

/* The rule that matches the same frames. */
static struct steer_rule *rule_like(struct ppnic_port *port,
				    const struct steer_rule *new)
{
	struct steer_rule *rule;

	list_for_each_entry(rule, &port->steer.rules, list)
		if (!memcmp(&rule->value, &new->value, sizeof(new->value)) &&
		    !memcmp(&rule->mask, &new->mask, sizeof(new->mask)))
			return rule;
	return NULL;
}

/* Resolves RX_CLS_LOC_*: the lowest location free, or the highest. */
static int free_location(struct ppnic_port *port, u32 *location)
{
	struct steer_rule *rule;
	u32 loc;

	switch (*location) {
	case RX_CLS_LOC_ANY:
	case RX_CLS_LOC_FIRST:
		loc = 0;
		list_for_each_entry(rule, &port->steer.rules, list)
			if (rule->fs.location == loc)
				loc++;
		break;
	case RX_CLS_LOC_LAST:
		loc = PPNIC_STEER_RULES - 1;
		list_for_each_entry_reverse(rule, &port->steer.rules, list)
			if (rule->fs.location == loc)
				loc--;
		break;
	default:
		loc = *location;
		if (loc >= PPNIC_STEER_RULES)
			return -EINVAL;
		break;
	}
	if (loc >= PPNIC_STEER_RULES)
		return -ENOSPC;
	*location = loc;
	return 0;
}

static int rule_insert(struct ppnic_port *port, struct ethtool_rxnfc *cmd)
{
	struct steer_rule *rule, *old;
	struct list_head *before;
	int err;

	if (!(ppnic_features(port) & NETIF_F_NTUPLE))
		return -EOPNOTSUPP;
	rule = rule_new(port, cmd);
	if (IS_ERR(rule))
		return PTR_ERR(rule);

	/* Two of the same match: the second could never be reached. */
	old = cmd->fs.location == RX_CLS_LOC_ANY ? rule_like(port, rule) : NULL;
	if (old)
		cmd->fs.location = old->fs.location;
	err = free_location(port, &cmd->fs.location);
	if (err)
		goto err_free;
	rule->fs.location = cmd->fs.location;

	old = rule_find(port, rule->fs.location);
	if (old) {
		list_replace_rcu(&old->list, &rule->list);
		kfree_rcu(old, rcu);
		return 0;
	}

	before = &port->steer.rules;
	list_for_each_entry(old, &port->steer.rules, list) {
		if (old->fs.location > rule->fs.location) {
			before = &old->list;
			break;
		}
	}
	list_add_tail_rcu(&rule->list, before);
	port->steer.count++;
	return 0;

err_free:
	kfree(rule);
	return err;
}

static void rule_del(struct ppnic_port *port, struct steer_rule *rule)
{
	list_del_rcu(&rule->list);
	port->steer.count--;
	kfree_rcu(rule, rcu);
}

/**
 * ppnic_steer_set_rxnfc - insert or delete a rule
 * @port: port
 * @cmd: ETHTOOL_SRXCLSRLINS or _SRXCLSRLDEL; an insertion over a location in
 *	use replaces its rule, as one of RX_CLS_LOC_ANY does with a rule of
 *	the same match; RX_CLS_LOC_* is overwritten with the location taken
 *
 * Context: ops lock, may sleep.
 * Return: 0; -EOPNOTSUPP for an unknown command, flow type or field, or with
 * ntuple off; -EINVAL for a queue not in use, a virtual function, an unknown
 * RSS context or a location out of range; -ENOSPC if all are taken; -ENOENT
 * if there is nothing to delete; -ENOMEM.
 */
int ppnic_steer_set_rxnfc(struct ppnic_port *port, struct ethtool_rxnfc *cmd)
{
	struct steer_rule *rule;

	switch (cmd->cmd) {
	case ETHTOOL_SRXCLSRLINS:
		return rule_insert(port, cmd);
	case ETHTOOL_SRXCLSRLDEL:
		rule = rule_find(port, cmd->fs.location);
		if (!rule)
			return -ENOENT;
		rule_del(port, rule);
		return 0;
	default:
		return -EOPNOTSUPP;
	}
}

/**
 * ppnic_steer_get_rxnfc - read the rules
 * @port: port
 * @cmd: ETHTOOL_GRXCLSRLCNT, _GRXCLSRULE or _GRXCLSRLALL; receives the answer
 * @locs: room for cmd->rule_cnt locations, with _GRXCLSRLALL
 *
 * Context: ops lock.
 * Return: 0; -EOPNOTSUPP for another command, -ENOENT if there is no such
 * rule, -EMSGSIZE if @locs is too small.
 */
int ppnic_steer_get_rxnfc(struct ppnic_port *port, struct ethtool_rxnfc *cmd,
			  u32 *locs)
{
	struct steer_rule *rule;
	u32 n = 0;

	switch (cmd->cmd) {
	case ETHTOOL_GRXCLSRLCNT:
		cmd->rule_cnt = port->steer.count;
		cmd->data = PPNIC_STEER_RULES | RX_CLS_LOC_SPECIAL;
		return 0;
	case ETHTOOL_GRXCLSRULE:
		rule = rule_find(port, cmd->fs.location);
		if (!rule)
			return -ENOENT;
		cmd->fs = rule->fs;
		cmd->rss_context = rule->rss_context;
		return 0;
	case ETHTOOL_GRXCLSRLALL:
		if (cmd->rule_cnt < port->steer.count)
			return -EMSGSIZE;
		list_for_each_entry(rule, &port->steer.rules, list)
			locs[n++] = rule->fs.location;
		cmd->rule_cnt = n;
		cmd->data = PPNIC_STEER_RULES;
		return 0;
	default:
		return -EOPNOTSUPP;
	}
}

/**
 * ppnic_steer_in_use - would a rule lose its queue?
 * @port: port
 * @first_gone: lowest RX queue that would go
 *
 * Context: ops lock.
 * Return: true if a rule points to a queue from @first_gone on.
 */
bool ppnic_steer_in_use(struct ppnic_port *port, u32 first_gone)
{
	struct steer_rule *rule;

	list_for_each_entry(rule, &port->steer.rules, list) {
		/* That is for the table to say, which may be made anew. */
		if (rule->fs.flow_type & FLOW_RSS && !rule->fs.ring_cookie)
			continue;
		if (rule_queues(port, rule->fs.flow_type, rule->fs.ring_cookie,
				rule->rss_context) > first_gone)
			return true;
	}
	return false;
}

/**
 * ppnic_steer_most_queues - up to which queues may an RSS context point?
 * @port: port
 * @ctx: the context
 *
 * A rule with a context and a queue adds the one to the other.
 *
 * Context: ops lock.
 * Return: how many queues of the port the context can have.
 */
u32 ppnic_steer_most_queues(struct ppnic_port *port, u32 ctx)
{
	u32 nr = port->dev->real_num_rx_queues, added = 0;
	struct steer_rule *rule;

	list_for_each_entry(rule, &port->steer.rules, list)
		if (rule->fs.flow_type & FLOW_RSS && rule->rss_context == ctx &&
		    rule->fs.ring_cookie != RX_CLS_FLOW_DISC)
			added = max_t(u32, added, rule->fs.ring_cookie);
	return nr - added;
}

/**
 * ppnic_steer_uses_context - does a rule point to an RSS context?
 * @port: port
 * @ctx: the context
 *
 * Context: ops lock.
 * Return: true if so.
 */
bool ppnic_steer_uses_context(struct ppnic_port *port, u32 ctx)
{
	struct steer_rule *rule;

	list_for_each_entry(rule, &port->steer.rules, list)
		if ((rule->fs.flow_type & FLOW_RSS) && rule->rss_context == ctx)
			return true;
	return false;
}

/**
 * ppnic_steer_init - start without rules
 * @port: port
 *
 * Context: any.
 */
void ppnic_steer_init(struct ppnic_port *port)
{
	INIT_LIST_HEAD(&port->steer.rules);
	port->steer.count = 0;
}

/**
 * ppnic_steer_free - drop all rules
 * @port: port
 *
 * Context: ops lock, or nobody else is left. The engine may still be reading.
 */
void ppnic_steer_free(struct ppnic_port *port)
{
	struct steer_rule *rule, *next;

	list_for_each_entry_safe(rule, next, &port->steer.rules, list)
		rule_del(port, rule);
}
