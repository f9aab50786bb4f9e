// SPDX-License-Identifier: GPL-2.0-only
/*
 * Bit errors on the wire, and the forward error correction (FEC) that two ports
 * agree on: what of a frame's wrong bits the receiver puts right, and what its
 * check sequence finds.
 *
 * A burst of wrong bits (debugfs, fault.c) is within one block of the code, and
 * begins where a symbol of it does:
 *
 *   BaseR, IEEE 802.3 clause 74: a burst of 11 bits in a block of 2112
 *   RS(528,514), clauses 91 and 108: 7 symbols of 10 bits in a block of 5280
 *
 * Nothing is encoded. Which bursts a code corrects is known, and those that it
 * does not are lost: no frame gets through that a check sequence of 32 bits
 * would not let through. Each speed can do without a code, as a user may want,
 * also 100 Gb/s, of which the standard would have RS always.
 */
#include <linux/ethtool.h>
#include <linux/kernel.h>

#include "../compat/ethtool.h"
#include "frame.h"

#define PPNIC_BASER_BURST 11 /* bits */
#define PPNIC_RS_SYMBOL   10 /* bits */

/* Blocks by wrong symbols; those without any are not counted, since between
 * frames there is nothing on this wire.
 */
static const struct ethtool_fec_hist_range fec_ranges[] = {
	{ 1, 1 }, { 2, 2 }, { 3, 3 }, { 4, 4 },
	{ 5, 5 }, { 6, 6 }, { 7, 7 }, {} /* the end, as the core wants it */
};

static_assert(ARRAY_SIZE(fec_ranges) == PPNIC_RS_CORRECTS + 1);
static_assert(ARRAY_SIZE(fec_ranges) <= ETHTOOL_FEC_HIST_MAX);

/* The codes of the port's modes, see linkmode.c. */
static u32 fec_of_speed(u32 speed)
{
	switch (speed) {
	case SPEED_10000:
	case SPEED_40000:
		return ETHTOOL_FEC_OFF | ETHTOOL_FEC_BASER;
	case SPEED_25000:
	case SPEED_50000:
		return ETHTOOL_FEC_OFF | ETHTOOL_FEC_BASER | ETHTOOL_FEC_RS;
	case SPEED_100000:
		return ETHTOOL_FEC_OFF | ETHTOOL_FEC_RS;
	default:
		return ETHTOOL_FEC_OFF;
	}
}

static u32 fec_allowed(const struct ppnic_port *port)
{
	u32 modes = READ_ONCE(port->fec.modes);

	return modes & ETHTOOL_FEC_AUTO ? ~0U : modes;
}

/* The strongest code that both ends allow and their speed has; 0 without a
 * link. Under RCU.
 */
static u32 fec_active(struct ppnic_port *port)
{
	struct ppnic_port *peer = ppnic_listener(port);
	u32 common;

	if (!peer)
		return 0;
	common = fec_of_speed(READ_ONCE(port->speed)) & fec_allowed(port) &
		 fec_allowed(peer);
	if (common & ETHTOOL_FEC_RS)
		return ETHTOOL_FEC_RS;
	return common & ETHTOOL_FEC_BASER ?: ETHTOOL_FEC_OFF;
}

/**
 * ppnic_fec_init() - as a port is made: it takes what there is
 * @fec: the port's, zeroed
 *
 * Context: process.
 */
void ppnic_fec_init(struct ppnic_fec *fec)
{
	fec->modes = ETHTOOL_FEC_AUTO;
}

/**
 * ppnic_fec_receive() - a frame comes with a burst of wrong bits
 * @to: the receiver
 * @burst: how many in a row, at least 1
 *
 * Context: BH off, under RCU.
 * Return: true if the receiver has put them right. Both is counted.
 */
bool ppnic_fec_receive(struct ppnic_port *to, u32 burst)
{
	struct ppnic_fec *fec = &to->fec;

	switch (fec_active(to)) {
	case ETHTOOL_FEC_RS:
		if (burst > PPNIC_RS_CORRECTS * PPNIC_RS_SYMBOL)
			goto uncorrectable;
		atomic64_inc(&fec->symbols[(burst - 1) / PPNIC_RS_SYMBOL]);
		break;
	case ETHTOOL_FEC_BASER:
		if (burst > PPNIC_BASER_BURST)
			goto uncorrectable;
		break;
	default:
		return false;
	}
	atomic64_inc(&fec->corrected_blocks);
	atomic64_add(burst, &fec->corrected_bits);
	return true;

uncorrectable:
	atomic64_inc(&fec->uncorrectable_blocks);
	return false;
}

/**
 * ppnic_get_fecparam() - ethtool op: which codes a port takes, and has
 * @dev: the port
 * @param: filled in; zeroed before
 *
 * Context: process, RTNL or ops lock held.
 * Return: 0.
 */
int ppnic_get_fecparam(struct net_device *dev, struct ethtool_fecparam *param)
{
	struct ppnic_port *port = netdev_priv(dev);

	param->fec = port->fec.modes;
	rcu_read_lock();
	param->active_fec = fec_active(port);
	rcu_read_unlock();
	return 0;
}

/**
 * ppnic_set_fecparam() - ethtool op: take these codes only
 * @dev: the port
 * @param: what is wanted
 *
 * What the other end does not take as well, or their speed does not have, is
 * not used: they come to another code, or to none. The link stays.
 *
 * Context: process, RTNL or ops lock held.
 * Return: 0, or -EINVAL: a code that no mode of this port's has.
 */
int ppnic_set_fecparam(struct net_device *dev, struct ethtool_fecparam *param)
{
	struct ppnic_port *port = netdev_priv(dev);

	if (param->fec & ~(ETHTOOL_FEC_AUTO | ETHTOOL_FEC_OFF |
			   ETHTOOL_FEC_BASER | ETHTOOL_FEC_RS))
		return -EINVAL;
	WRITE_ONCE(port->fec.modes, param->fec);
	return 0;
}

/**
 * ppnic_get_fec_stats() - ethtool op: blocks with wrong bits
 * @dev: the port
 * @stats: receives those that were put right, their bits, and the others
 * @hist: receives those that RS has put right, by symbols
 *
 * Context: process, RTNL or ops lock held.
 */
void ppnic_get_fec_stats(struct net_device *dev,
			 struct ethtool_fec_stats *stats,
			 struct ethtool_fec_hist *hist)
{
	struct ppnic_port *port = netdev_priv(dev);
	struct ppnic_fec *fec = &port->fec;
	u32 i;

	stats->corrected_blocks.total = atomic64_read(&fec->corrected_blocks);
	stats->uncorrectable_blocks.total =
		atomic64_read(&fec->uncorrectable_blocks);
	stats->corrected_bits.total = atomic64_read(&fec->corrected_bits);
	hist->ranges = fec_ranges;
	for (i = 0; i < PPNIC_RS_CORRECTS; i++)
		hist->values[i].sum = atomic64_read(&fec->symbols[i]);
}
