// SPDX-License-Identifier: GPL-2.0-only
/*
 * MACsec, the driver's half: SecYs, channels and associations for the device,
 * and what the stack and the device tell each other of a frame.
 *
 * The stack keeps its own of all of them. A SecY is known by the SCI that it
 * sends by, which no two of a port share. Both name a channel by its SCI in the
 * metadata of a frame, so the stack need not guess for which SecY one came
 * (rx_uses_md_dst). The stack calls with RTNL held.
 */
#include <linux/netdevice.h>
#include <linux/rtnetlink.h>
#include <linux/slab.h>
#include <net/dst_metadata.h>

#include "../compat/mm.h"
#include "aead.h"
#include "macsec.h"

#define PPNIC_MACSEC_CIPHER "gcm(aes)"

/**
 * ppnic_macsec_init() - a port that has no SecY yet
 * @macsec: zeroed
 *
 * Context: process.
 */
void ppnic_macsec_init(struct ppnic_macsec *macsec)
{
	xa_init_flags(&macsec->secys, XA_FLAGS_ALLOC1);
	xa_init_flags(&macsec->scs, XA_FLAGS_ALLOC1);
}

/**
 * ppnic_macsec_exit() - a port goes
 * @macsec: the port's; empty, unless the stack has forgotten a SecY, as it does
 *	if it can't register one after it was added
 *
 * Context: RTNL.
 */
void ppnic_macsec_exit(struct ppnic_macsec *macsec)
{
	struct ppnic_secy *secy;
	unsigned long id;

	xa_for_each(&macsec->secys, id, secy)
		ppnic_secy_remove(macsec, secy);
}

static struct ppnic_macsec *ppnic_macsec_of(const struct macsec_context *ctx)
{
	struct ppnic_port *port = netdev_priv(ctx->netdev);

	return &port->macsec;
}

/* -------------------------------------------------------------------- SecYs */

static struct ppnic_secy *ppnic_mdo_secy(const struct macsec_context *ctx)
{
	return ppnic_secy_find(ppnic_macsec_of(ctx), ctx->secy->sci);
}

/* Tell the device what the stack says of a SecY now. */
static void ppnic_secy_tell(struct ppnic_secy *secy,
			    const struct macsec_secy *theirs, bool running)
{
	struct ppnic_secy_cfg cfg = {
		.running = running,
		.protect = theirs->protect_frames,
		.encrypt = theirs->tx_sc.encrypt,
		.send_sci = macsec_send_sci(theirs),
		.end_station = theirs->tx_sc.end_station,
		.scb = theirs->tx_sc.scb,
		.encoding_sa = theirs->tx_sc.encoding_sa,
		.icv_len = theirs->icv_len,
		.xpn = theirs->xpn,
		.validate = theirs->validate_frames,
		.replay_protect = theirs->replay_protect,
		.window = theirs->replay_window,
	};

	spin_lock_bh(&secy->tx_lock);
	spin_lock(&secy->rx_lock);
	secy->cfg = cfg;
	spin_unlock(&secy->rx_lock);
	spin_unlock_bh(&secy->tx_lock);
}

static int ppnic_mdo_tell(struct macsec_context *ctx, bool running)
{
	struct ppnic_secy *secy = ppnic_mdo_secy(ctx);

	if (!secy)
		return -ENOENT;
	ppnic_secy_tell(secy, ctx->secy, running);
	return 0;
}

static int ppnic_mdo_dev_open(struct macsec_context *ctx)
{
	return ppnic_mdo_tell(ctx, true);
}

static int ppnic_mdo_dev_stop(struct macsec_context *ctx)
{
	return ppnic_mdo_tell(ctx, false);
}

static int ppnic_mdo_add_secy(struct macsec_context *ctx)
{
	struct ppnic_secy *secy;
	int err;

	if (ppnic_mdo_secy(ctx))
		return -EEXIST;
	secy = kzalloc_obj(*secy);
	if (!secy)
		return -ENOMEM;
	secy->sci = ctx->secy->sci;
	spin_lock_init(&secy->tx_lock);
	spin_lock_init(&secy->rx_lock);
	ppnic_secy_tell(secy, ctx->secy, netif_running(ctx->secy->netdev));
	err = ppnic_secy_add(ppnic_macsec_of(ctx), secy);
	if (err)
		kfree(secy);
	return err;
}

static int ppnic_mdo_upd_secy(struct macsec_context *ctx)
{
	return ppnic_mdo_tell(ctx, netif_running(ctx->secy->netdev));
}

static int ppnic_mdo_del_secy(struct macsec_context *ctx)
{
	struct ppnic_secy *secy = ppnic_mdo_secy(ctx);

	if (!secy)
		return -ENOENT;
	ppnic_secy_remove(ppnic_macsec_of(ctx), secy);
	return 0;
}

/* ----------------------------------------------------------------- channels */

static struct ppnic_rx_sc *ppnic_mdo_sc(const struct macsec_context *ctx,
					const struct macsec_rx_sc *theirs)
{
	struct ppnic_secy *secy = ppnic_mdo_secy(ctx);

	if (!secy)
		return NULL;
	return ppnic_rx_sc_find(ppnic_macsec_of(ctx), secy, theirs->sci);
}

static int ppnic_mdo_add_rxsc(struct macsec_context *ctx)
{
	struct ppnic_secy *secy = ppnic_mdo_secy(ctx);
	struct ppnic_rx_sc *sc;
	int err = -ENOMEM;

	if (!secy)
		return -ENOENT;
	sc = kzalloc_obj(*sc);
	if (!sc)
		return -ENOMEM;
	sc->md = metadata_dst_alloc(0, METADATA_MACSEC, GFP_KERNEL);
	if (!sc->md)
		goto err_sc;
	sc->md->u.macsec_info.sci = ctx->rx_sc->sci;
	sc->sci = ctx->rx_sc->sci;
	sc->active = ctx->rx_sc->active;
	sc->secy = secy;
	err = ppnic_rx_sc_add(ppnic_macsec_of(ctx), sc);
	if (err)
		goto err_md;
	/* More than one: frames are to name theirs. */
	return ppnic_mdo_upd_secy(ctx);

err_md:
	dst_release(&sc->md->dst);
err_sc:
	kfree(sc);
	return err;
}

static int ppnic_mdo_upd_rxsc(struct macsec_context *ctx)
{
	struct ppnic_rx_sc *sc = ppnic_mdo_sc(ctx, ctx->rx_sc);

	if (!sc)
		return -ENOENT;
	WRITE_ONCE(sc->active, ctx->rx_sc->active);
	return ppnic_mdo_upd_secy(ctx);
}

static int ppnic_mdo_del_rxsc(struct macsec_context *ctx)
{
	struct ppnic_rx_sc *sc = ppnic_mdo_sc(ctx, ctx->rx_sc);

	if (!sc)
		return -ENOENT;
	ppnic_rx_sc_remove(ppnic_macsec_of(ctx), sc);
	return ppnic_mdo_upd_secy(ctx);
}

/* ------------------------------------------------------------- associations */

/* @ssci, @salt: of 64-bit numbers, of which each frame's IV is made. */
static struct ppnic_macsec_sa *ppnic_mdo_new_sa(struct macsec_context *ctx,
						sci_t sci, const void *ssci,
						const union salt *salt)
{
	const struct macsec_secy *secy = ctx->secy;
	struct ppnic_macsec_sa *sa;
	struct crypto_aead *tfm;
	u32 i;

	sa = kzalloc_obj(*sa);
	if (!sa)
		return ERR_PTR(-ENOMEM);
	tfm = ppnic_aead_new(PPNIC_MACSEC_CIPHER, ctx->sa.key, secy->key_len,
			     secy->icv_len, NULL);
	if (IS_ERR(tfm)) {
		kfree(sa);
		return ERR_CAST(tfm);
	}
	sa->tfm = tfm;
	sa->icv_len = secy->icv_len;
	sa->xpn = secy->xpn;
	if (!secy->xpn) {
		memcpy(sa->iv, &sci, sizeof(sci));
		return sa;
	}
	memcpy(sa->iv, salt->bytes, sizeof(sa->iv));
	for (i = 0; i < sizeof(ssci_t); i++)
		sa->iv[i] ^= ((const u8 *)ssci)[i];
	return sa;
}

static int ppnic_mdo_add_rxsa(struct macsec_context *ctx)
{
	struct macsec_rx_sa *theirs = ctx->sa.rx_sa;
	struct ppnic_rx_sc *sc = ppnic_mdo_sc(ctx, theirs->sc);
	struct ppnic_macsec_sa *sa;

	if (!sc)
		return -ENOENT;
	sa = ppnic_mdo_new_sa(ctx, sc->sci, &theirs->ssci, &theirs->key.salt);
	if (IS_ERR(sa))
		return PTR_ERR(sa);
	sa->active = theirs->active;
	sa->next_pn = theirs->next_pn;
	ppnic_macsec_sa_set(&sc->sa[ctx->sa.assoc_num], sa);
	return 0;
}

static int ppnic_mdo_upd_rxsa(struct macsec_context *ctx)
{
	struct macsec_rx_sa *theirs = ctx->sa.rx_sa;
	struct ppnic_rx_sc *sc = ppnic_mdo_sc(ctx, theirs->sc);
	struct ppnic_macsec_sa *sa;

	if (!sc)
		return -ENOENT;
	sa = rtnl_dereference(sc->sa[ctx->sa.assoc_num]);
	if (!sa)
		return -ENOENT;
	spin_lock_bh(&sc->secy->rx_lock);
	sa->active = theirs->active;
	if (ctx->sa.update_pn)
		sa->next_pn = theirs->next_pn;
	spin_unlock_bh(&sc->secy->rx_lock);
	return 0;
}

static int ppnic_mdo_del_rxsa(struct macsec_context *ctx)
{
	struct ppnic_rx_sc *sc = ppnic_mdo_sc(ctx, ctx->sa.rx_sa->sc);

	if (!sc)
		return -ENOENT;
	ppnic_macsec_sa_set(&sc->sa[ctx->sa.assoc_num], NULL);
	return 0;
}

static int ppnic_mdo_add_txsa(struct macsec_context *ctx)
{
	struct ppnic_secy *secy = ppnic_mdo_secy(ctx);
	struct macsec_tx_sa *theirs = ctx->sa.tx_sa;
	struct ppnic_macsec_sa *sa;

	if (!secy)
		return -ENOENT;
	sa = ppnic_mdo_new_sa(ctx, secy->sci, &theirs->ssci, &theirs->key.salt);
	if (IS_ERR(sa))
		return PTR_ERR(sa);
	sa->active = theirs->active;
	sa->next_pn = theirs->next_pn;
	ppnic_macsec_sa_set(&secy->tx_sa[ctx->sa.assoc_num], sa);
	return 0;
}

static int ppnic_mdo_upd_txsa(struct macsec_context *ctx)
{
	struct ppnic_secy *secy = ppnic_mdo_secy(ctx);
	struct macsec_tx_sa *theirs = ctx->sa.tx_sa;
	struct ppnic_macsec_sa *sa;

	if (!secy)
		return -ENOENT;
	sa = rtnl_dereference(secy->tx_sa[ctx->sa.assoc_num]);
	if (!sa)
		return -ENOENT;
	spin_lock_bh(&secy->tx_lock);
	sa->active = theirs->active;
	if (ctx->sa.update_pn)
		sa->next_pn = theirs->next_pn;
	spin_unlock_bh(&secy->tx_lock);
	return 0;
}

static int ppnic_mdo_del_txsa(struct macsec_context *ctx)
{
	struct ppnic_secy *secy = ppnic_mdo_secy(ctx);

	if (!secy)
		return -ENOENT;
	ppnic_macsec_sa_set(&secy->tx_sa[ctx->sa.assoc_num], NULL);
	return 0;
}

static const struct macsec_ops ppnic_macsec_ops = {
	.mdo_dev_open = ppnic_mdo_dev_open,
	.mdo_dev_stop = ppnic_mdo_dev_stop,
	.mdo_add_secy = ppnic_mdo_add_secy,
	.mdo_upd_secy = ppnic_mdo_upd_secy,
	.mdo_del_secy = ppnic_mdo_del_secy,
	.mdo_add_rxsc = ppnic_mdo_add_rxsc,
	.mdo_upd_rxsc = ppnic_mdo_upd_rxsc,
	.mdo_del_rxsc = ppnic_mdo_del_rxsc,
	.mdo_add_rxsa = ppnic_mdo_add_rxsa,
	.mdo_upd_rxsa = ppnic_mdo_upd_rxsa,
	.mdo_del_rxsa = ppnic_mdo_del_rxsa,
	.mdo_add_txsa = ppnic_mdo_add_txsa,
	.mdo_upd_txsa = ppnic_mdo_upd_txsa,
	.mdo_del_txsa = ppnic_mdo_del_txsa,
	.mdo_get_dev_stats = ppnic_macsec_dev_stats,
	.mdo_get_tx_sc_stats = ppnic_macsec_tx_sc_stats,
	.mdo_get_tx_sa_stats = ppnic_macsec_tx_sa_stats,
	.mdo_get_rx_sc_stats = ppnic_macsec_rx_sc_stats,
	.mdo_get_rx_sa_stats = ppnic_macsec_rx_sa_stats,
	.rx_uses_md_dst = true,
};

/* ------------------------------------------------------------------- frames */

/**
 * ppnic_macsec_setup() - what the stack is to know before a port is registered
 * @dev: the port
 *
 * Context: process.
 */
void ppnic_macsec_setup(struct net_device *dev)
{
	dev->macsec_ops = &ppnic_macsec_ops;
	/* Which SecY a frame is of is said there. */
	netif_keep_dst(dev);
}

/**
 * ppnic_macsec_tx() - tell the device by which SecY to protect a frame
 * @port: the port
 * @skb: the frame
 * @txd: its first descriptor; unchanged if the frame is of none
 *
 * If the SecY is gone meanwhile, or is of another port, the descriptor names
 * none, and the device sends nothing.
 *
 * Context: TX queue lock held, BH off.
 */
void ppnic_macsec_tx(struct ppnic_port *port, struct sk_buff *skb,
		     struct ppnic_txd *txd)
{
	const struct metadata_dst *md = skb_metadata_dst(skb);
	const struct ppnic_secy *secy;

	if (likely(!md) || md->type != METADATA_MACSEC)
		return;

	rcu_read_lock();
	secy = ppnic_secy_find(&port->macsec, md->u.macsec_info.sci);
	txd->secy = secy ? secy->id : 0;
	rcu_read_unlock();
	txd->flags |= PPNIC_TXD_MACSEC;
}

/**
 * ppnic_macsec_rx() - tell the stack by which channel a frame came
 * @port: the port
 * @skb: the frame
 * @cqe: its completion, which names a channel
 *
 * Context: NAPI.
 * Return: false if it can't be told, as the channel is gone or its SecY down.
 * Then the frame is nobody's: what was protected is not for who gets all else.
 */
bool ppnic_macsec_rx(struct ppnic_port *port, struct sk_buff *skb,
		     const struct ppnic_cqe *cqe)
{
	struct ppnic_rx_sc *sc;
	bool told = false;

	rcu_read_lock();
	sc = xa_load(&port->macsec.scs, cqe->rx_sc);
	if (sc && READ_ONCE(sc->secy->cfg.running)) {
		dst_hold(&sc->md->dst);
		skb_dst_set(skb, &sc->md->dst);
		told = true;
	}
	rcu_read_unlock();
	return told;
}
