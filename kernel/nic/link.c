// SPDX-License-Identifier: GPL-2.0-only
/*
 * rtnl_link_ops: `ip link add a type ppnic peer name b`.
 *
 * Both ports are created and removed together. Each can live in a network
 * namespace of its own; the link between them is a pair of RCU pointers.
 */
#include <linux/etherdevice.h>
#include <linux/if_vlan.h>

#include "../compat/netdev.h"
#include "../compat/rtnetlink.h"
#include "../include/ppnic_link.h"
#include "esp.h"
#include "macsec.h"
#include "psp.h"

/* What the device does without help. */
#define PPNIC_FEATURES                                                       \
	(NETIF_F_SG | NETIF_F_HIGHDMA | NETIF_F_HW_CSUM | NETIF_F_RXCSUM |   \
	 NETIF_F_TSO | NETIF_F_TSO6 | NETIF_F_TSO_ECN | NETIF_F_GSO_UDP_L4 | \
	 NETIF_F_RXHASH | NETIF_F_NTUPLE | NETIF_F_GRO_HW)

/* ... around which there may be one of these. The checksum of GRE needs the
 * stack's help: it makes headers that each segment can have.
 */
#define PPNIC_PARTIAL_FEATURES NETIF_F_GSO_GRE_CSUM
#define PPNIC_TUNNEL_FEATURES                                        \
	(NETIF_F_GSO_UDP_TUNNEL | NETIF_F_GSO_UDP_TUNNEL_CSUM |      \
	 NETIF_F_GSO_GRE | NETIF_F_GSO_IPXIP4 | NETIF_F_GSO_IPXIP6 | \
	 NETIF_F_GSO_PARTIAL | PPNIC_PARTIAL_FEATURES)

/* What can be done to what is in a tunnel. */
#define PPNIC_ENC_FEATURES                                              \
	(NETIF_F_SG | NETIF_F_HIGHDMA | NETIF_F_HW_CSUM | NETIF_F_TSO | \
	 NETIF_F_TSO6 | NETIF_F_TSO_ECN | NETIF_F_GSO_UDP_L4 |          \
	 PPNIC_ESP_FEATURES | PPNIC_TUNNEL_FEATURES)

static void ppnic_setup(struct net_device *dev)
{
	ether_setup(dev);

	dev->netdev_ops = &ppnic_netdev_ops;
	dev->ethtool_ops = &ppnic_ethtool_ops;
	dev->stat_ops = &ppnic_stat_ops;
	dev->queue_mgmt_ops = &ppnic_queue_mgmt_ops;

	dev->needs_free_netdev = true;
	dev->priv_destructor = ppnic_priv_destructor;
	dev->priv_flags &= ~IFF_TX_SKB_SHARING;
	dev->priv_flags |= IFF_LIVE_ADDR_CHANGE | IFF_UNICAST_FLT;
	dev->watchdog_timeo = 5 * HZ;
	dev->min_mtu = ETH_MIN_MTU;
	dev->max_mtu = PPNIC_MAX_MTU;

	dev->xdp_features = NETDEV_XDP_ACT_BASIC | NETDEV_XDP_ACT_REDIRECT |
			    NETDEV_XDP_ACT_RX_SG | NETDEV_XDP_ACT_NDO_XMIT |
			    NETDEV_XDP_ACT_NDO_XMIT_SG;
	if (IS_ENABLED(CONFIG_BPF_SYSCALL))
		dev->xdp_features |= NETDEV_XDP_ACT_HW_OFFLOAD;
	if (IS_ENABLED(CONFIG_XDP_SOCKETS))
		dev->xdp_features |= NETDEV_XDP_ACT_XSK_ZEROCOPY;
	dev->xdp_metadata_ops = &ppnic_xdp_metadata_ops;

	dev->features = PPNIC_FEATURES | PPNIC_TUNNEL_FEATURES |
			PPNIC_ESP_FEATURES;
	/* LRO and NETIF_F_GRO_HW exclude each other: netdev_fix_features(). */
	dev->hw_features = dev->features | NETIF_F_LOOPBACK | NETIF_F_LRO;
	/* Not to be turned off: the stack could then not remove a SecY. */
	dev->features |= PPNIC_MACSEC_FEATURES;
	/* A state is a device's: a VLAN device has no ops for them. And the
	 * device looks for a SecTAG where no VLAN tag is before it.
	 */
	dev->vlan_features = dev->features &
			     ~(NETIF_F_NTUPLE | NETIF_F_GRO_HW |
			       PPNIC_ESP_FEATURES | PPNIC_MACSEC_FEATURES);
	dev->hw_enc_features = PPNIC_ENC_FEATURES;
	dev->gso_partial_features = PPNIC_PARTIAL_FEATURES;
	ppnic_ipsec_setup(dev);
	ppnic_macsec_setup(dev);
	netif_set_tso_max_size(dev, GSO_LEGACY_MAX_SIZE);
	/* The engine reads memory by DMA address only: device memory is none
	 * other.
	 */
	compat_netdev_set_netmem_tx(dev);
}

#define PPNIC_AT_MOST "a ppnic has at most " __stringify(PPNIC_MAX_QUEUES)

static int ppnic_validate(struct nlattr *tb[], struct nlattr *data[],
			  struct netlink_ext_ack *extack)
{
	if (tb[IFLA_ADDRESS]) {
		if (nla_len(tb[IFLA_ADDRESS]) != ETH_ALEN) {
			NL_SET_ERR_MSG_ATTR(extack, tb[IFLA_ADDRESS],
					    "address is not 6 bytes long");
			return -EINVAL;
		}
		if (!is_valid_ether_addr(nla_data(tb[IFLA_ADDRESS]))) {
			NL_SET_ERR_MSG_ATTR(extack, tb[IFLA_ADDRESS],
					    "address is zero or multicast");
			return -EADDRNOTAVAIL;
		}
	}
	if (tb[IFLA_NUM_RX_QUEUES] &&
	    nla_get_u32(tb[IFLA_NUM_RX_QUEUES]) > PPNIC_MAX_QUEUES) {
		NL_SET_ERR_MSG_ATTR(extack, tb[IFLA_NUM_RX_QUEUES],
				    PPNIC_AT_MOST " RX queues");
		return -ERANGE;
	}
	if (tb[IFLA_NUM_TX_QUEUES] &&
	    nla_get_u32(tb[IFLA_NUM_TX_QUEUES]) > PPNIC_MAX_QUEUES) {
		NL_SET_ERR_MSG_ATTR(extack, tb[IFLA_NUM_TX_QUEUES],
				    PPNIC_AT_MOST " TX queues");
		return -ERANGE;
	}
	return 0;
}

static int ppnic_newlink(struct net_device *dev,
			 struct rtnl_newlink_params *params,
			 struct netlink_ext_ack *extack)
{
	struct nlattr **tb = params->tb, **data = params->data;
	struct nlattr *peer_tb[IFLA_MAX + 1], **ptb = tb;
	unsigned char assign_type = NET_NAME_ENUM;
	struct ppnic_port *port, *peer_port;
	char ifname[IFNAMSIZ] = PPNIC_NAME "%d";
	struct ifinfomsg *ifmp = NULL;
	struct net_device *peer;
	struct net *net;
	int err;

	/* A port takes much memory and interrupts that no cgroup accounts. */
	if (!capable(CAP_NET_ADMIN)) {
		NL_SET_ERR_MSG(extack,
			       "needs CAP_NET_ADMIN in the initial user namespace");
		return -EPERM;
	}

	if (data && data[PPNIC_INFO_PEER]) {
		ifmp = nla_data(data[PPNIC_INFO_PEER]);
		err = rtnl_nla_parse_ifinfomsg(peer_tb, data[PPNIC_INFO_PEER],
					       extack);
		if (err)
			return err;

		err = ppnic_validate(peer_tb, NULL, extack);
		if (err)
			return err;

		ptb = peer_tb;
		if (ptb[IFLA_IFNAME]) {
			nla_strscpy(ifname, ptb[IFLA_IFNAME], IFNAMSIZ);
			assign_type = NET_NAME_USER;
		}
	}

	net = compat_newlink_peer_net(params, ptb);
	if (IS_ERR(net))
		return PTR_ERR(net);

	peer = rtnl_create_link(net, ifname, assign_type, &ppnic_link_ops, ptb,
				extack);
	if (IS_ERR(peer)) {
		err = PTR_ERR(peer);
		goto err_put_net;
	}
	if (!ifmp || !ptb[IFLA_ADDRESS])
		eth_hw_addr_random(peer);
	if (ifmp && dev->ifindex)
		peer->ifindex = ifmp->ifi_index;

	err = register_netdevice(peer);
	if (err) {
		NL_SET_ERR_MSG(extack, "the peer could not be registered");
		free_netdev(peer);
		goto err_put_net;
	}
	netif_carrier_off(peer);
	err = ppnic_psp_create(peer);
	if (err)
		goto err_unregister_peer;

	err = rtnl_configure_link(peer, ifmp, 0, NULL);
	if (err)
		goto err_unregister_peer;

	if (!tb[IFLA_ADDRESS])
		eth_hw_addr_random(dev);
	if (tb[IFLA_IFNAME])
		nla_strscpy(dev->name, tb[IFLA_IFNAME], IFNAMSIZ);
	else
		strscpy(dev->name, PPNIC_NAME "%d", IFNAMSIZ);

	err = register_netdevice(dev); /* the core frees @dev on error */
	if (err)
		goto err_unregister_peer;
	netif_carrier_off(dev);
	err = ppnic_psp_create(dev);
	if (err)
		goto err_unregister;

	port = netdev_priv(dev);
	peer_port = netdev_priv(peer);
	rcu_assign_pointer(port->peer, peer_port);
	rcu_assign_pointer(peer_port->peer, port);
	ppnic_carrier_update(port);

	put_net(net);
	return 0;

err_unregister:
	unregister_netdevice(dev);
err_unregister_peer:
	unregister_netdevice(peer);
err_put_net:
	put_net(net);
	return err;
}

COMPAT_NEWLINK(ppnic_newlink)

static void ppnic_dellink(struct net_device *dev, struct list_head *head)
{
	struct ppnic_port *port = netdev_priv(dev);
	struct ppnic_port *peer = ppnic_peer_rtnl(port);

	/* The engine may still follow the pointers until the grace period
	 * that the core waits for before it frees a netdev.
	 */
	RCU_INIT_POINTER(port->peer, NULL);
	unregister_netdevice_queue(dev, head);

	if (peer) {
		RCU_INIT_POINTER(peer->peer, NULL);
		unregister_netdevice_queue(peer->dev, head);
	}
}

static struct net *ppnic_get_link_net(const struct net_device *dev)
{
	struct ppnic_port *port = netdev_priv(dev);
	struct ppnic_port *peer = ppnic_peer_rtnl(port);

	return dev_net(peer ? peer->dev : dev);
}

static unsigned int ppnic_default_queues(void)
{
	return PPNIC_DEF_QUEUES;
}

static const struct nla_policy ppnic_policy[PPNIC_INFO_MAX + 1] = {
	[PPNIC_INFO_PEER] = { .len = sizeof(struct ifinfomsg) },
};

struct rtnl_link_ops ppnic_link_ops = {
	.kind = PPNIC_NAME,
	.priv_size = sizeof(struct ppnic_port),
	.setup = ppnic_setup,
	.validate = ppnic_validate,
	COMPAT_NEWLINK_OPS(ppnic_newlink, PPNIC_INFO_PEER),
	.dellink = ppnic_dellink,
	.policy = ppnic_policy,
	.maxtype = PPNIC_INFO_MAX,
	.get_link_net = ppnic_get_link_net,
	.get_num_tx_queues = ppnic_default_queues,
	.get_num_rx_queues = ppnic_default_queues,
};
