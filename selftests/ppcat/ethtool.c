// SPDX-License-Identifier: GPL-2.0-only
/*
 * Header split by netlink, and flow rules by ioctl: the netlink family has
 * none for them.
 */
#include "ethtool.h"

#include <errno.h>
#include <linux/ethtool.h>
#include <linux/ethtool_netlink.h>
#include <linux/genetlink.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

static void put_header(struct nlmsghdr *req, __u32 ifindex)
{
	struct nlattr *nest;

	nest = mnl_attr_nest_start(req, ETHTOOL_A_RINGS_HEADER);
	mnl_attr_put_u32(req, ETHTOOL_A_HEADER_DEV_INDEX, ifindex);
	mnl_attr_nest_end(req, nest);
}

static int on_rings_attr(const struct nlattr *attr, void *arg)
{
	if (mnl_attr_get_type(attr) == ETHTOOL_A_RINGS_TCP_DATA_SPLIT &&
	    !mnl_attr_validate(attr, MNL_TYPE_U8))
		*(__u8 *)arg = mnl_attr_get_u8(attr);
	return MNL_CB_OK;
}

static int on_rings(const struct nlmsghdr *nlh, void *arg)
{
	return mnl_attr_parse(nlh, sizeof(struct genlmsghdr), on_rings_attr,
			      arg);
}

int ethtool_get_split(struct nl *nl, __u32 ifindex, __u8 *state)
{
	char buf[NL_BUFFER];
	struct nlmsghdr *req;

	*state = ETHTOOL_TCP_DATA_SPLIT_UNKNOWN;
	req = nl_genl_request(nl, buf, ETHTOOL_MSG_RINGS_GET,
			      ETHTOOL_GENL_VERSION);
	put_header(req, ifindex);
	return nl_talk(nl, req, on_rings, state);
}

int ethtool_set_split(struct nl *nl, __u32 ifindex, __u8 state)
{
	char buf[NL_BUFFER];
	struct nlmsghdr *req;

	req = nl_genl_request(nl, buf, ETHTOOL_MSG_RINGS_SET,
			      ETHTOOL_GENL_VERSION);
	put_header(req, ifindex);
	mnl_attr_put_u8(req, ETHTOOL_A_RINGS_TCP_DATA_SPLIT, state);
	return nl_talk(nl, req, NULL, NULL);
}

static int rxnfc(const char *ifname, struct ethtool_rxnfc *nfc)
{
	struct ifreq ifr = { 0 };
	int fd, err;

	fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	/* That it fits was checked with the options */
	memcpy(ifr.ifr_name, ifname, strlen(ifname) + 1);
	ifr.ifr_data = (void *)nfc;
	err = ioctl(fd, SIOCETHTOOL, &ifr) ? -errno : 0;
	close(fd);
	return err;
}

/*
 * Where a new rule may go: anywhere if the driver chooses, else the last free
 * place of its table, where the rule takes precedence over none of the user's.
 */
static int free_location(const char *ifname, __u32 *location)
{
	struct ethtool_rxnfc count = { .cmd = ETHTOOL_GRXCLSRLCNT };
	struct ethtool_rxnfc *all;
	__u32 size, place, i;
	int err;

	err = rxnfc(ifname, &count);
	if (err)
		return err;
	if (count.data & RX_CLS_LOC_SPECIAL) {
		*location = RX_CLS_LOC_ANY;
		return 0;
	}

	all = calloc(1, sizeof(*all) + count.rule_cnt * sizeof(__u32));
	if (!all)
		return -ENOMEM;
	all->cmd = ETHTOOL_GRXCLSRLALL;
	all->rule_cnt = count.rule_cnt;
	err = rxnfc(ifname, all);
	if (err)
		goto out_free;

	err = -ENOSPC;
	size = all->data;
	for (place = size; err && place--;) {
		for (i = 0; i < all->rule_cnt; i++)
			if (all->rule_locs[i] == place)
				break;
		if (i == all->rule_cnt) {
			*location = place;
			err = 0;
		}
	}

out_free:
	free(all);
	return err;
}

static void match_ipv4(struct ethtool_rx_flow_spec *fs, const struct addr *to)
{
	fs->flow_type = TCP_V4_FLOW;
	fs->h_u.tcp_ip4_spec.pdst = to->in.sin_port;
	fs->m_u.tcp_ip4_spec.pdst = 0xffff;
	if (to->in.sin_addr.s_addr == htonl(INADDR_ANY))
		return;
	fs->h_u.tcp_ip4_spec.ip4dst = to->in.sin_addr.s_addr;
	fs->m_u.tcp_ip4_spec.ip4dst = 0xffffffff;
}

static void match_ipv6(struct ethtool_rx_flow_spec *fs, const struct addr *to)
{
	fs->flow_type = TCP_V6_FLOW;
	fs->h_u.tcp_ip6_spec.pdst = to->in6.sin6_port;
	fs->m_u.tcp_ip6_spec.pdst = 0xffff;
	if (IN6_IS_ADDR_UNSPECIFIED(&to->in6.sin6_addr))
		return;
	memcpy(fs->h_u.tcp_ip6_spec.ip6dst, &to->in6.sin6_addr, 16);
	memset(fs->m_u.tcp_ip6_spec.ip6dst, 0xff, 16);
}

/* Steer TCP to this port, and address unless that is any, to a queue. */
int ethtool_add_rule(const char *ifname, const struct addr *to, __u32 queue,
		     __u32 *location)
{
	struct ethtool_rxnfc nfc = { .cmd = ETHTOOL_SRXCLSRLINS };
	int err;

	err = free_location(ifname, &nfc.fs.location);
	if (err)
		return err;
	if (to->sa.sa_family == AF_INET)
		match_ipv4(&nfc.fs, to);
	else
		match_ipv6(&nfc.fs, to);
	nfc.fs.ring_cookie = queue;
	err = rxnfc(ifname, &nfc);
	if (err)
		return err;
	*location = nfc.fs.location;
	return 0;
}

int ethtool_delete_rule(const char *ifname, __u32 location)
{
	struct ethtool_rxnfc nfc = { .cmd = ETHTOOL_SRXCLSRLDEL };

	nfc.fs.location = location;
	return rxnfc(ifname, &nfc);
}
