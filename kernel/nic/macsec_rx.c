// SPDX-License-Identifier: GPL-2.0-only
/*
 * MACsec, the device's half: what is received.
 *
 * A frame of a known channel is judged as IEEE 802.1AE, 10.6 has it, and goes
 * on without SecTAG and ICV, or ends here. One of a channel that no SecY of the
 * device has goes up as it came: it may be of one that the stack does itself,
 * and the stack judges it otherwise. All is counted in the SecYs, as the stack
 * counts its own.
 */
#include <linux/etherdevice.h>
#include <linux/slab.h>
#include <linux/unaligned.h>

#include "frame.h"
#include "macsec.h"

#define PPNIC_MACS (2 * ETH_ALEN)

/* What is known of a frame on its way through. */
struct ppnic_macsec_rx {
	struct ppnic_rx_sc *sc;
	struct ppnic_macsec_sa *sa; /* NULL: none in use */
	struct ppnic_sectag tag;
	struct ppnic_secy_cfg cfg; /* as it was when the frame came */
	u32 user;                  /* bytes of the user's data */
	u64 pn;                    /* valid with @sa, as are ... */
	bool valid;                /* ... was looked at, and authentic */
};

/* Frames of a channel that the device does not know, or of none. */
static void ppnic_macsec_count_others(struct ppnic_macsec *macsec, u32 frames,
				      bool tagged, bool changed)
{
	struct ppnic_secy *secy;
	unsigned long id;

	xa_for_each(&macsec->secys, id, secy) {
		spin_lock(&secy->rx_lock);
		if (!secy->cfg.running)
			; /* nobody who could receive it */
		else if (!tagged)
			secy->in.InPktsNoTag += frames;
		else if (changed ||
			 secy->cfg.validate == MACSEC_VALIDATE_STRICT)
			secy->in.InPktsNoSCI += frames;
		else
			secy->in.InPktsUnknownSCI += frames;
		spin_unlock(&secy->rx_lock);
	}
}

/* The only channel of the only SecY, if that is so, and it is active. */
static sci_t ppnic_macsec_only_sci(struct ppnic_macsec *macsec)
{
	struct ppnic_rx_sc *sc, *only = NULL;
	unsigned long id;

	if (READ_ONCE(macsec->count) != 1)
		return 0;
	xa_for_each(&macsec->scs, id, sc) {
		if (only)
			return 0;
		only = sc;
	}
	return only && READ_ONCE(only->active) ? only->sci : 0;
}

/* Of which channel is it? 0: of none. */
static sci_t ppnic_macsec_sci(struct ppnic_macsec *macsec, const u8 *frame,
			      const struct ppnic_sectag *tag)
{
	__be16 port = MACSEC_PORT_ES;
	sci_t sci;

	if (tag->tci & MACSEC_TCI_SC)
		return tag->sci;
	if (!(tag->tci & MACSEC_TCI_ES) && READ_ONCE(macsec->count) == 1)
		return ppnic_macsec_only_sci(macsec);
	memcpy(&sci, frame + ETH_ALEN, ETH_ALEN);
	memcpy((u8 *)&sci + ETH_ALEN, &port, sizeof(port));
	return sci;
}

static struct ppnic_rx_sc *ppnic_macsec_find(struct ppnic_macsec *macsec,
					     sci_t sci)
{
	struct ppnic_rx_sc *sc;

	hlist_for_each_entry_rcu(sc, &macsec->rx_scs[ppnic_rx_sc_bucket(sci)],
				 node)
		if (sc->sci == sci)
			return sc;
	return NULL;
}

/* 9.12: is it a SecTAG that a SecY sends, and is the frame as long as it says?
 * What follows the ICV of a short frame is padding.
 */
static bool ppnic_macsec_tag_good(struct ppnic_macsec_rx *rx, u32 len)
{
	const struct ppnic_sectag *tag = &rx->tag;
	u32 around = PPNIC_MACS + tag->len + rx->cfg.icv_len;

	if (tag->tci & MACSEC_TCI_VERSION || tag->spare ||
	    (tag->tci & MACSEC_TCI_SC &&
	     tag->tci & (MACSEC_TCI_ES | MACSEC_TCI_SCB)) ||
	    (!tag->pn && !rx->cfg.xpn))
		return false;
	if (!tag->short_len) {
		rx->user = len - min(len, around);
		return rx->user >= PPNIC_SECTAG_LONG;
	}
	rx->user = tag->short_len;
	return rx->user >= sizeof(__be16) && rx->user < PPNIC_SECTAG_LONG &&
	       around + rx->user <= len;
}

static u64 ppnic_macsec_lowest(const struct ppnic_macsec_rx *rx)
{
	u64 next = rx->sa->next_pn;

	return next > rx->cfg.window ? next - rx->cfg.window : 0;
}

/* 10.6.2: the upper half of a number, by the lowest that may come. */
static u64 ppnic_macsec_number(const struct ppnic_macsec_rx *rx)
{
	u64 lowest = ppnic_macsec_lowest(rx);
	u32 upper = upper_32_bits(lowest);

	if (!rx->cfg.xpn)
		return rx->tag.pn;
	if (lower_32_bits(lowest) & BIT(31) && !(rx->tag.pn & BIT(31)))
		upper++;
	return (u64)upper << 32 | rx->tag.pn;
}

/* Is it too old? Counts it then. */
static bool ppnic_macsec_late(const struct ppnic_macsec_rx *rx)
{
	if (!rx->cfg.replay_protect || rx->pn >= ppnic_macsec_lowest(rx))
		return false;
	rx->sc->stats.InPktsLate++;
	return true;
}

/* If what can't be validated has to end here. */
static bool ppnic_macsec_must(const struct ppnic_macsec_rx *rx)
{
	return rx->tag.tci & MACSEC_TCI_C ||
	       rx->cfg.validate == MACSEC_VALIDATE_STRICT;
}

/* All that can be said before the cipher: does the frame go on? The SecY's
 * rx_lock held.
 */
static bool ppnic_macsec_before(struct ppnic_macsec_rx *rx, u32 len)
{
	struct ppnic_rx_sc *sc = rx->sc;
	struct ppnic_macsec_sa *sa;

	rx->cfg = sc->secy->cfg;
	if (!rx->cfg.running)
		return false;
	if (!ppnic_macsec_tag_good(rx, len)) {
		sc->secy->in.InPktsBadTag++;
		return false;
	}

	sa = rcu_dereference(sc->sa[rx->tag.an]);
	if (sa && sa->active) {
		rx->sa = sa;
		rx->pn = ppnic_macsec_number(rx);
		return !ppnic_macsec_late(rx);
	}
	if (ppnic_macsec_must(rx)) {
		sc->stats.InPktsNotUsingSA++;
		if (sa)
			sa->rx.InPktsNotUsingSA++;
		return false;
	}
	sc->stats.InPktsUnusedSA++;
	if (sa)
		sa->rx.InPktsUnusedSA++;
	return true;
}

/* A frame that is authentic, or does not have to be. */
static void ppnic_macsec_accept(struct ppnic_macsec_rx *rx)
{
	bool old = rx->pn < ppnic_macsec_lowest(rx);
	struct ppnic_macsec_sa *sa = rx->sa;
	struct macsec_rx_sc_stats *stats = &rx->sc->stats;

	if (!rx->valid && rx->cfg.validate == MACSEC_VALIDATE_CHECK) {
		stats->InPktsInvalid++;
		sa->rx.InPktsInvalid++;
	} else if (old) {
		stats->InPktsDelayed++;
	} else if (rx->valid) {
		stats->InPktsOK++;
		sa->rx.InPktsOK++;
	} else {
		stats->InPktsUnchecked++;
	}
	/* What is not authentic moves no window. */
	if (rx->valid && rx->pn >= sa->next_pn)
		sa->next_pn = rx->pn + 1;
}

/* ... and what can be said after it. The SecY's rx_lock held. */
static bool ppnic_macsec_after(struct ppnic_macsec_rx *rx)
{
	struct macsec_rx_sc_stats *stats = &rx->sc->stats;

	if (!rx->sa)
		return true;
	/* Another one may have come meanwhile. */
	if (ppnic_macsec_late(rx))
		return false;
	if (rx->cfg.validate != MACSEC_VALIDATE_DISABLED) {
		if (rx->tag.tci & MACSEC_TCI_E)
			stats->InOctetsDecrypted += rx->user;
		else
			stats->InOctetsValidated += rx->user;
	}
	if (!rx->valid && ppnic_macsec_must(rx)) {
		stats->InPktsNotValid++;
		rx->sa->rx.InPktsNotValid++;
		return false;
	}
	ppnic_macsec_accept(rx);
	return true;
}

/* The frame without SecTAG and ICV, and whether it is authentic; or NULL, if
 * that could not be found out.
 */
static struct ppnic_held *ppnic_macsec_open(struct ppnic_port *port,
					    struct ppnic_macsec_rx *rx,
					    const struct ppnic_frame *f)
{
	u32 room = f->hdr_len + f->data_len, tag_len = rx->tag.len;
	bool concealed = rx->tag.tci & MACSEC_TCI_E;
	struct ppnic_held *held;
	int err;

	held = kmalloc(struct_size(held, data, room),
		       GFP_ATOMIC | __GFP_NOWARN);
	if (!held)
		return NULL;
	if (ppnic_frame_read(f, 0, held->data))
		goto err_free;
	if (rx->sa && (rx->tag.tci & MACSEC_TCI_C ||
		       rx->cfg.validate != MACSEC_VALIDATE_DISABLED)) {
		u32 len = PPNIC_MACS + tag_len + rx->user + rx->sa->icv_len;

		err = ppnic_sectag_crypt(rx->sa, held->data, len, tag_len,
					 rx->pn, concealed, false);
		if (err && err != -EBADMSG)
			goto err_free;
		rx->valid = !err;
	}
	memmove(held->data + tag_len, held->data, PPNIC_MACS);
	if (ppnic_held_make(port, held, room, tag_len, PPNIC_MACS + rx->user))
		goto err_free;
	held->frame.rx_sc = rx->sc->id;
	return held;

err_free:
	kfree(held);
	return NULL;
}

static struct ppnic_held *ppnic_macsec_judge(struct ppnic_port *port,
					     struct ppnic_macsec_rx *rx,
					     const struct ppnic_frame *f)
{
	struct ppnic_secy *secy = rx->sc->secy;
	struct ppnic_held *held;
	bool good;

	spin_lock(&secy->rx_lock);
	good = ppnic_macsec_before(rx, f->hdr_len + f->data_len);
	spin_unlock(&secy->rx_lock);
	if (!good)
		return NULL;

	held = ppnic_macsec_open(port, rx, f);
	spin_lock(&secy->rx_lock);
	if (held)
		good = ppnic_macsec_after(rx);
	else
		secy->in.InPktsOverrun++;
	spin_unlock(&secy->rx_lock);
	if (held && !good) {
		ppnic_held_free(held);
		held = NULL;
	}
	return held;
}

/**
 * ppnic_macsec_in() - judge a frame that came from the wire
 * @txq: the queue that it comes from
 * @to: the port that receives it
 * @f: the frame
 * @drop: whether it ends here
 *
 * Context: @txq's engine_lock held, under RCU; once for each frame.
 * Return: the frame to deliver instead; give it to ppnic_held_free(). NULL:
 * deliver @f, unless @drop.
 */
struct ppnic_held *ppnic_macsec_in(struct ppnic_txq *txq, struct ppnic_port *to,
				   struct ppnic_frame *f, bool *drop)
{
	struct ppnic_macsec *macsec = &to->macsec;
	struct ppnic_macsec_rx rx;
	struct ppnic_held *held;
	sci_t sci;

	*drop = false;
	if (likely(!READ_ONCE(macsec->count)))
		return NULL;
	if (get_unaligned_be16(f->hdr + PPNIC_MACS) != ETH_P_MACSEC) {
		ppnic_macsec_count_others(macsec, f->gso_segs ?: 1, false,
					  false);
		return NULL;
	}

	rx = (struct ppnic_macsec_rx) {};
	/* Cut short; or encrypted and not changed, which is said of frames
	 * that are not for a SecY.
	 */
	if (!ppnic_sectag_read(f->hdr, f->hdr_len, &rx.tag) ||
	    (rx.tag.tci & MACSEC_TCI_CONFID) == MACSEC_TCI_E)
		return NULL;
	sci = ppnic_macsec_sci(macsec, f->hdr, &rx.tag);
	if (!sci)
		return NULL;
	rx.sc = ppnic_macsec_find(macsec, sci);
	if (!rx.sc) {
		ppnic_macsec_count_others(macsec, 1, true,
					  rx.tag.tci & MACSEC_TCI_C);
		return NULL;
	}

	held = ppnic_macsec_judge(txq->port, &rx, f);
	*drop = !held;
	return held;
}
