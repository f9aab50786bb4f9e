// SPDX-License-Identifier: GPL-2.0-only
/*
 * MACsec, the driver's half: what the device has counted, and how far the
 * numbers are. The stack asks for both when they are listed.
 */
#include <linux/limits.h>
#include <linux/netdevice.h>
#include <linux/rtnetlink.h>

#include "macsec.h"

static struct ppnic_macsec *ppnic_macsec_of(const struct macsec_context *ctx)
{
	struct ppnic_port *port = netdev_priv(ctx->netdev);

	return &port->macsec;
}

static struct ppnic_secy *ppnic_stats_secy(const struct macsec_context *ctx)
{
	return ppnic_secy_find(ppnic_macsec_of(ctx), ctx->secy->sci);
}

static struct ppnic_rx_sc *ppnic_stats_sc(const struct macsec_context *ctx)
{
	struct ppnic_secy *secy = ppnic_stats_secy(ctx);

	if (!secy)
		return NULL;
	return ppnic_rx_sc_find(ppnic_macsec_of(ctx), secy, ctx->rx_sc->sci);
}

/* Of 32 bits, the stack knows no number after the last. */
static u64 ppnic_stats_pn(const struct ppnic_macsec_sa *sa)
{
	return sa->xpn ? sa->next_pn : min_t(u64, sa->next_pn, U32_MAX);
}

/**
 * ppnic_macsec_dev_stats() - mdo_get_dev_stats
 * @ctx: of a SecY
 *
 * Context: RTNL.
 * Return: 0 or -ENOENT.
 */
int ppnic_macsec_dev_stats(struct macsec_context *ctx)
{
	struct macsec_dev_stats *to = ctx->stats.dev_stats;
	struct ppnic_secy *secy = ppnic_stats_secy(ctx);

	if (!secy)
		return -ENOENT;
	spin_lock_bh(&secy->rx_lock);
	*to = secy->in;
	spin_unlock_bh(&secy->rx_lock);
	spin_lock_bh(&secy->tx_lock);
	to->OutPktsUntagged = secy->out.OutPktsUntagged;
	to->OutPktsTooLong = secy->out.OutPktsTooLong;
	spin_unlock_bh(&secy->tx_lock);
	return 0;
}

/**
 * ppnic_macsec_tx_sc_stats() - mdo_get_tx_sc_stats
 * @ctx: of a SecY
 *
 * Context: RTNL.
 * Return: 0 or -ENOENT.
 */
int ppnic_macsec_tx_sc_stats(struct macsec_context *ctx)
{
	struct ppnic_secy *secy = ppnic_stats_secy(ctx);

	if (!secy)
		return -ENOENT;
	spin_lock_bh(&secy->tx_lock);
	*ctx->stats.tx_sc_stats = secy->tx;
	spin_unlock_bh(&secy->tx_lock);
	return 0;
}

/**
 * ppnic_macsec_tx_sa_stats() - mdo_get_tx_sa_stats
 * @ctx: of an association
 *
 * Context: RTNL.
 * Return: 0 or -ENOENT.
 */
int ppnic_macsec_tx_sa_stats(struct macsec_context *ctx)
{
	struct ppnic_secy *secy = ppnic_stats_secy(ctx);
	struct macsec_tx_sa *theirs = ctx->sa.tx_sa;
	struct ppnic_macsec_sa *sa;
	u64 pn;

	if (!secy)
		return -ENOENT;
	sa = rtnl_dereference(secy->tx_sa[ctx->sa.assoc_num]);
	if (!sa)
		return -ENOENT;
	spin_lock_bh(&secy->tx_lock);
	*ctx->stats.tx_sa_stats = sa->tx;
	pn = ppnic_stats_pn(sa);
	spin_unlock_bh(&secy->tx_lock);

	spin_lock_bh(&theirs->lock);
	theirs->next_pn = pn;
	spin_unlock_bh(&theirs->lock);
	return 0;
}

/**
 * ppnic_macsec_rx_sc_stats() - mdo_get_rx_sc_stats
 * @ctx: of a channel
 *
 * Context: RTNL.
 * Return: 0 or -ENOENT.
 */
int ppnic_macsec_rx_sc_stats(struct macsec_context *ctx)
{
	struct ppnic_rx_sc *sc = ppnic_stats_sc(ctx);

	if (!sc)
		return -ENOENT;
	spin_lock_bh(&sc->secy->rx_lock);
	*ctx->stats.rx_sc_stats = sc->stats;
	spin_unlock_bh(&sc->secy->rx_lock);
	return 0;
}

/**
 * ppnic_macsec_rx_sa_stats() - mdo_get_rx_sa_stats
 * @ctx: of an association
 *
 * Context: RTNL.
 * Return: 0 or -ENOENT.
 */
int ppnic_macsec_rx_sa_stats(struct macsec_context *ctx)
{
	struct ppnic_rx_sc *sc = ppnic_stats_sc(ctx);
	struct macsec_rx_sa *theirs = ctx->sa.rx_sa;
	struct ppnic_macsec_sa *sa;
	u64 pn;

	if (!sc)
		return -ENOENT;
	sa = rtnl_dereference(sc->sa[ctx->sa.assoc_num]);
	if (!sa)
		return -ENOENT;
	spin_lock_bh(&sc->secy->rx_lock);
	*ctx->stats.rx_sa_stats = sa->rx;
	pn = ppnic_stats_pn(sa);
	spin_unlock_bh(&sc->secy->rx_lock);

	spin_lock_bh(&theirs->lock);
	theirs->next_pn = pn;
	spin_unlock_bh(&theirs->lock);
	return 0;
}
