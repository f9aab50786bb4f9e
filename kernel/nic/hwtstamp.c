// SPDX-License-Identifier: GPL-2.0-only
/*
 * Hardware timestamps: the device notes when a frame left it, if the frame's
 * sender wants to know, and when one came, of all or of none.
 *
 * A frame is stamped where it is handed over to the other port, on the way out
 * and on the way in; of a super-packet that was cut, it is the last segment.
 */
#include <linux/ethtool.h>
#include <linux/net_tstamp.h>
#include <linux/timekeeping.h>

#include "ppnic.h"

/**
 * ppnic_hwtstamp_get() - ndo_hwtstamp_get
 * @dev: the port
 * @cfg: receives what is on
 *
 * Context: process, ops lock or RTNL.
 * Return: 0.
 */
int ppnic_hwtstamp_get(struct net_device *dev,
		       struct kernel_hwtstamp_config *cfg)
{
	struct ppnic_port *port = netdev_priv(dev);

	cfg->flags = 0;
	cfg->tx_type = port->stamp_tx ? HWTSTAMP_TX_ON : HWTSTAMP_TX_OFF;
	cfg->rx_filter = port->stamp_rx ? HWTSTAMP_FILTER_ALL :
					  HWTSTAMP_FILTER_NONE;
	return 0;
}

/**
 * ppnic_hwtstamp_set() - ndo_hwtstamp_set
 * @dev: the port
 * @cfg: what is wanted; receives what is on then
 * @extack: for the reason of a refusal
 *
 * The device can't tell PTP's frames from others, so whoever wants some of
 * them gets all.
 *
 * Context: process, ops lock or RTNL.
 * Return: 0, -ERANGE for what the device can't do.
 */
int ppnic_hwtstamp_set(struct net_device *dev,
		       struct kernel_hwtstamp_config *cfg,
		       struct netlink_ext_ack *extack)
{
	struct ppnic_port *port = netdev_priv(dev);

	if (cfg->tx_type != HWTSTAMP_TX_OFF && cfg->tx_type != HWTSTAMP_TX_ON) {
		NL_SET_ERR_MSG(extack, "frames are not changed on their way");
		return -ERANGE;
	}
	if (cfg->rx_filter != HWTSTAMP_FILTER_NONE)
		cfg->rx_filter = HWTSTAMP_FILTER_ALL;

	/* The device looks at it frame by frame, so does the driver. */
	WRITE_ONCE(port->stamp_tx, cfg->tx_type == HWTSTAMP_TX_ON);
	WRITE_ONCE(port->stamp_rx, cfg->rx_filter == HWTSTAMP_FILTER_ALL);
	return 0;
}

/**
 * ppnic_get_ts_info() - ethtool op: what can be stamped, by which clock
 * @dev: the port
 * @info: filled in
 *
 * Context: process, ops lock or RTNL.
 * Return: 0.
 */
int ppnic_get_ts_info(struct net_device *dev,
		      struct kernel_ethtool_ts_info *info)
{
	info->so_timestamping =
		SOF_TIMESTAMPING_TX_SOFTWARE | SOF_TIMESTAMPING_RX_SOFTWARE |
		SOF_TIMESTAMPING_SOFTWARE | SOF_TIMESTAMPING_TX_HARDWARE |
		SOF_TIMESTAMPING_RX_HARDWARE | SOF_TIMESTAMPING_RAW_HARDWARE;
	info->phc_index = ppnic_phc_index(netdev_priv(dev));
	info->tx_types = BIT(HWTSTAMP_TX_OFF) | BIT(HWTSTAMP_TX_ON);
	info->rx_filters = BIT(HWTSTAMP_FILTER_NONE) | BIT(HWTSTAMP_FILTER_ALL);
	return 0;
}

/**
 * ppnic_stamp_wanted() - is a frame about to be sent to be stamped?
 * @port: the port
 * @skb: the frame; marked if it is
 *
 * Context: TX queue lock held.
 * Return: true if it is.
 */
bool ppnic_stamp_wanted(struct ppnic_port *port, struct sk_buff *skb)
{
	if (likely(!(skb_shinfo(skb)->tx_flags & SKBTX_HW_TSTAMP)) ||
	    !READ_ONCE(port->stamp_tx))
		return false;
	skb_shinfo(skb)->tx_flags |= SKBTX_IN_PROGRESS;
	return true;
}

/**
 * ppnic_stamp_tx() - tell a frame's sender when it went
 * @port: the port
 * @skb: the frame
 * @count: the device's stamp
 *
 * Context: NAPI.
 */
void ppnic_stamp_tx(struct ppnic_port *port, struct sk_buff *skb, u64 count)
{
	struct skb_shared_hwtstamps stamps = {
		.hwtstamp = ns_to_ktime(ppnic_phc_ns(port, count)),
	};

	skb_tstamp_tx(skb, &stamps);
}

/**
 * ppnic_stamp_rx() - note in a frame when it came
 * @port: the port
 * @skb: the frame
 * @count: the device's stamp
 *
 * Context: NAPI.
 */
void ppnic_stamp_rx(struct ppnic_port *port, struct sk_buff *skb, u64 count)
{
	skb_hwtstamps(skb)->hwtstamp = ns_to_ktime(ppnic_phc_ns(port, count));
}
