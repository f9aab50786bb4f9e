// SPDX-License-Identifier: GPL-2.0-only
/*
 * Speeds, and how the two ports agree on one: what a PHY does for a NIC.
 *
 * The speed is a word that both ends agree on, and without one there is no
 * link. Frames go as fast as memory lets them, whatever it is.
 *
 * Both negotiate: the highest speed that both advertise. Both are forced: their
 * speed, if it is the same. One of them is: its speed, if the other one
 * advertises it (parallel detection).
 */
#include <linux/bits.h>
#include <linux/ethtool.h>
#include <linux/kernel.h>

#include "ppnic.h"

/* From the slowest; a port's set of modes is a mask of places in here. */
static const struct ppnic_mode {
	u32 speed;
	enum ethtool_link_mode_bit_indices bit;
} ppnic_modes[] = {
	{ SPEED_1000, ETHTOOL_LINK_MODE_1000baseKX_Full_BIT },
	{ SPEED_10000, ETHTOOL_LINK_MODE_10000baseKR_Full_BIT },
	{ SPEED_25000, ETHTOOL_LINK_MODE_25000baseKR_Full_BIT },
	{ SPEED_40000, ETHTOOL_LINK_MODE_40000baseKR4_Full_BIT },
	{ SPEED_50000, ETHTOOL_LINK_MODE_50000baseKR2_Full_BIT },
	{ SPEED_100000, ETHTOOL_LINK_MODE_100000baseKR4_Full_BIT },
};

#define PPNIC_ALL_MODES GENMASK(ARRAY_SIZE(ppnic_modes) - 1, 0)

static unsigned long ppnic_modes_of_speed(u32 speed)
{
	unsigned long modes = 0;
	u32 i;

	for (i = 0; i < ARRAY_SIZE(ppnic_modes); i++)
		if (ppnic_modes[i].speed == speed)
			modes |= BIT(i);
	return modes;
}

/* What a port would take. */
static unsigned long ppnic_modes_offered(const struct ppnic_phy *phy)
{
	return phy->autoneg ? phy->advertised :
			      ppnic_modes_of_speed(phy->forced);
}

/**
 * ppnic_phy_init() - negotiate all there is
 * @phy: a port's
 *
 * Context: process.
 */
void ppnic_phy_init(struct ppnic_phy *phy)
{
	phy->autoneg = true;
	phy->advertised = PPNIC_ALL_MODES;
}

/**
 * ppnic_phy_agree() - which speed do two ports come to?
 * @a: the one
 * @b: the other; the same one in loopback
 *
 * Context: process, RTNL held.
 * Return: Mb/s, 0 if there is none.
 */
u32 ppnic_phy_agree(const struct ppnic_phy *a, const struct ppnic_phy *b)
{
	unsigned long common = ppnic_modes_offered(a) & ppnic_modes_offered(b);

	return common ? ppnic_modes[__fls(common)].speed : 0;
}

/* ---------------------------------------------------------------- ethtool */

static void ppnic_modes_put(unsigned long modes, unsigned long *to)
{
	u32 i;

	for_each_set_bit(i, &modes, ARRAY_SIZE(ppnic_modes))
		__set_bit(ppnic_modes[i].bit, to);
	__set_bit(ETHTOOL_LINK_MODE_Backplane_BIT, to);
}

/**
 * ppnic_get_link_ksettings() - ethtool op: speed, and what could be
 * @dev: the port
 * @cmd: filled in; zeroed before
 *
 * Context: process, RTNL and ops lock held.
 * Return: 0.
 */
int ppnic_get_link_ksettings(struct net_device *dev,
			     struct ethtool_link_ksettings *cmd)
{
	struct ppnic_port *port = netdev_priv(dev);
	struct ppnic_port *peer = ppnic_peer_rtnl(port);

	ppnic_modes_put(PPNIC_ALL_MODES, cmd->link_modes.supported);
	ppnic_modes_put(port->phy.advertised, cmd->link_modes.advertising);
	ethtool_link_ksettings_add_link_mode(cmd, supported, Autoneg);
	cmd->base.autoneg = AUTONEG_DISABLE;
	if (port->phy.autoneg) {
		cmd->base.autoneg = AUTONEG_ENABLE;
		ethtool_link_ksettings_add_link_mode(cmd, advertising, Autoneg);
	}
	if (port->phy.autoneg && port->speed && peer && peer->phy.autoneg) {
		ppnic_modes_put(peer->phy.advertised,
				cmd->link_modes.lp_advertising);
		ethtool_link_ksettings_add_link_mode(cmd, lp_advertising,
						     Autoneg);
	}
	cmd->base.speed = port->speed ?: SPEED_UNKNOWN;
	cmd->base.duplex = port->speed ? DUPLEX_FULL : DUPLEX_UNKNOWN;
	cmd->base.port = PORT_NONE;
	return 0;
}

/* The modes that a user advertises. Returns 0 for none, or one of others. */
static unsigned long
ppnic_modes_wanted(const struct ethtool_link_ksettings *cmd)
{
	__ETHTOOL_DECLARE_LINK_MODE_MASK(known) = {};
	unsigned long modes = 0;
	u32 i;

	ppnic_modes_put(PPNIC_ALL_MODES, known);
	__set_bit(ETHTOOL_LINK_MODE_Autoneg_BIT, known);
	if (!bitmap_subset(cmd->link_modes.advertising, known,
			   __ETHTOOL_LINK_MODE_MASK_NBITS))
		return 0;
	for (i = 0; i < ARRAY_SIZE(ppnic_modes); i++)
		if (test_bit(ppnic_modes[i].bit, cmd->link_modes.advertising))
			modes |= BIT(i);
	return modes;
}

/**
 * ppnic_set_link_ksettings() - ethtool op: force a speed, or advertise some
 * @dev: the port
 * @cmd: what is wanted
 *
 * Context: process, RTNL and ops lock held.
 * Return: 0, or -EINVAL: a speed, duplex or mode that there is not.
 */
int ppnic_set_link_ksettings(struct net_device *dev,
			     const struct ethtool_link_ksettings *cmd)
{
	struct ppnic_port *port = netdev_priv(dev);
	struct ppnic_phy phy = port->phy;

	phy.autoneg = cmd->base.autoneg == AUTONEG_ENABLE;
	if (phy.autoneg) {
		phy.advertised = ppnic_modes_wanted(cmd);
		if (!phy.advertised)
			return -EINVAL;
	} else {
		/* Of a port without link the user knows no duplex. */
		if (!ppnic_modes_of_speed(cmd->base.speed) ||
		    cmd->base.duplex == DUPLEX_HALF)
			return -EINVAL;
		phy.forced = cmd->base.speed;
	}
	port->phy = phy;
	ppnic_carrier_update(port);
	return 0;
}

/**
 * ppnic_get_link_ext_state() - ethtool op: why is there no link?
 * @dev: the port
 * @info: filled in
 *
 * Context: process, RTNL and ops lock held.
 * Return: 0, -ENODATA if there is.
 */
int ppnic_get_link_ext_state(struct net_device *dev,
			     struct ethtool_link_ext_state_info *info)
{
	struct ppnic_port *port = netdev_priv(dev);
	struct ppnic_port *peer = ppnic_peer_rtnl(port);

	if (port->speed)
		return -ENODATA;
	if (port->faults.unplugged) {
		info->link_ext_state = ETHTOOL_LINK_EXT_STATE_NO_CABLE;
		return 0;
	}
	info->link_ext_state = ETHTOOL_LINK_EXT_STATE_AUTONEG;
	info->autoneg =
		ETHTOOL_LINK_EXT_SUBSTATE_AN_NO_PARTNER_DETECTED_FORCE_MODE;
	if (port->phy.autoneg && peer && peer->up && port->up &&
	    !peer->faults.unplugged)
		info->autoneg = ETHTOOL_LINK_EXT_SUBSTATE_AN_NO_HCD;
	else if (port->phy.autoneg)
		info->autoneg =
			ETHTOOL_LINK_EXT_SUBSTATE_AN_NO_PARTNER_DETECTED;
	return 0;
}
