// SPDX-License-Identifier: GPL-2.0-only
/*
 * MACsec, the device's half: what is sent.
 *
 * A frame is numbered, sealed and put on the wire in one go, so that the other
 * end sees the numbers of a channel in order, whichever queues its frames come
 * from. One that has to wait there is kept as it was sealed.
 */
#include <linux/etherdevice.h>
#include <linux/slab.h>

#include "frame.h"
#include "macsec.h"

#define PPNIC_MACS (2 * ETH_ALEN)

/* What the SecTAG of a SecY's next frame says, but for its length. */
static void ppnic_secy_tag(const struct ppnic_secy *secy,
			   struct ppnic_sectag *tag)
{
	const struct ppnic_secy_cfg *cfg = &secy->cfg;

	*tag = (struct ppnic_sectag) { .an = cfg->encoding_sa,
				       .len = PPNIC_SECTAG };
	if (cfg->send_sci) {
		tag->tci |= MACSEC_TCI_SC;
		tag->sci = secy->sci;
		tag->len = PPNIC_SECTAG_SCI;
	} else if (cfg->end_station) {
		tag->tci |= MACSEC_TCI_ES;
	} else if (cfg->scb) {
		tag->tci |= MACSEC_TCI_SCB;
	}
	if (cfg->encrypt)
		tag->tci |= MACSEC_TCI_E | MACSEC_TCI_C;
	else if (cfg->icv_len != MACSEC_DEFAULT_ICV_LEN)
		tag->tci |= MACSEC_TCI_C;
}

static void ppnic_secy_count(struct ppnic_secy *secy,
			     struct ppnic_macsec_sa *sa, u32 user)
{
	if (secy->cfg.encrypt) {
		secy->tx.OutPktsEncrypted++;
		secy->tx.OutOctetsEncrypted += user;
		sa->tx.OutPktsEncrypted++;
	} else {
		secy->tx.OutPktsProtected++;
		secy->tx.OutOctetsProtected += user;
		sa->tx.OutPktsProtected++;
	}
}

/* Numbers are used once: one that comes to nothing is used as well. */
static u64 ppnic_secy_number(struct ppnic_macsec_sa *sa)
{
	u64 pn = sa->next_pn++;

	if (!sa->xpn)
		sa->next_pn = lower_32_bits(sa->next_pn);
	return pn;
}

/* The protected frame, or NULL. @secy's tx_lock held. */
static struct ppnic_held *ppnic_secy_seal(struct ppnic_port *port,
					  struct ppnic_secy *secy,
					  const struct ppnic_frame *f)
{
	u32 user = f->hdr_len + f->data_len - PPNIC_MACS, len;
	const struct ppnic_secy_cfg *cfg = &secy->cfg;
	struct ppnic_macsec_sa *sa;
	struct ppnic_sectag tag;
	struct ppnic_held *held;
	u64 pn;

	sa = rcu_dereference(secy->tx_sa[cfg->encoding_sa]);
	if (!cfg->running || !sa || !sa->active || !sa->next_pn)
		return NULL;
	ppnic_secy_tag(secy, &tag);
	len = PPNIC_MACS + tag.len + user + sa->icv_len;
	if (len > READ_ONCE(port->dev->mtu) + ETH_HLEN) {
		secy->out.OutPktsTooLong++;
		return NULL;
	}
	held = kmalloc(struct_size(held, data, len), GFP_ATOMIC | __GFP_NOWARN);
	if (!held)
		return NULL;

	pn = ppnic_secy_number(sa);
	tag.pn = lower_32_bits(pn);
	if (user < PPNIC_SECTAG_LONG)
		tag.short_len = user;
	memcpy(held->data, f->hdr, PPNIC_MACS);
	ppnic_sectag_write(held->data, &tag);
	if (ppnic_frame_read(f, PPNIC_MACS,
			     held->data + PPNIC_MACS + tag.len) ||
	    ppnic_sectag_crypt(sa, held->data, len, tag.len, pn, cfg->encrypt,
			       true) ||
	    ppnic_held_make(port, held, len, 0, len))
		goto err_free;
	ppnic_secy_count(secy, sa, user);
	return held;

err_free:
	kfree(held);
	return NULL;
}

/* Without protection, by the administrator's word. @secy's tx_lock held. */
static int ppnic_secy_plain(struct ppnic_txq *txq, struct ppnic_port *to,
			    struct ppnic_secy *secy, struct ppnic_frame *f)
{
	int ret = ppnic_wire(txq, to, f);

	if (ret != PPNIC_BLOCKED)
		secy->out.OutPktsUntagged++;
	return ret;
}

/**
 * ppnic_macsec_out() - send a frame as its SecY wants it
 * @txq: the queue that it comes from
 * @to: the port at the other end, up
 * @f: the frame, or a segment of it, its checksum complete
 * @id: of the SecY
 *
 * What is to be protected leaves protected or not at all.
 *
 * Context: @txq's engine_lock held, under RCU.
 * Return: PPNIC_BLOCKED, to be tried again, or a drop reason. If the SecY is
 * gone, is down, or has no key or no number left, or if there was no memory,
 * the frame is dropped, and counted.
 */
int ppnic_macsec_out(struct ppnic_txq *txq, struct ppnic_port *to,
		     struct ppnic_frame *f, u32 id)
{
	struct ppnic_held *held = txq->sealed;
	struct ppnic_secy *secy;
	int ret;

	if (held) {
		ret = ppnic_wire(txq, to, &held->frame);
		goto out;
	}

	secy = xa_load(&txq->port->macsec.secys, id);
	if (!secy)
		goto err;
	spin_lock(&secy->tx_lock);
	if (secy->cfg.running && !secy->cfg.protect) {
		ret = ppnic_secy_plain(txq, to, secy, f);
		spin_unlock(&secy->tx_lock);
		return ret;
	}
	held = ppnic_secy_seal(txq->port, secy, f);
	if (held) {
		hw_inc(txq, macsec_protected);
		ret = ppnic_wire(txq, to, &held->frame);
	}
	spin_unlock(&secy->tx_lock);
	if (!held)
		goto err;
out:
	if (ret == PPNIC_BLOCKED) {
		txq->sealed = held;
		return ret;
	}
	txq->sealed = NULL;
	ppnic_held_free(held);
	return ret;

err:
	hw_inc(txq, macsec_refused);
	return SKB_DROP_REASON_DEV_HDR;
}
