// SPDX-License-Identifier: GPL-2.0-only
/*
 * ESP, the device's half: what encrypts, decrypts and authenticates.
 *
 *   Ethernet | IP | SPI, number | IV | ... , padding, trailer | ICV
 *                 off           8    16                       icv_len
 *
 * On transmit the stack has left everything in place but three things: the IV,
 * which is the sequence number here (RFC 4106 asks for no more than that it
 * never comes twice), the ICV, and the cipher. On receive a frame of a known
 * association goes up decrypted, with all of these still in it; the stack takes
 * them off, and judges replay. One that is not authentic goes up as it came,
 * and the completion says so. What the device leaves alone, as fragments, the
 * stack decrypts itself.
 */
#include <linux/in.h>
#include <linux/jhash.h>
#include <linux/unaligned.h>
#include <net/checksum.h>
#include <net/ipv6.h>

#include "aead.h"
#include "esp.h"
#include "frame.h"

#define PPNIC_ESP_SEQ     4
#define PPNIC_ESP_IV      8
#define PPNIC_ESP_IV_LEN  8
#define PPNIC_ESP_HDR     (PPNIC_ESP_IV + PPNIC_ESP_IV_LEN)
#define PPNIC_ESP_TRAILER 2 /* pad length, next header */

/* Sequence numbers of 64 bits are more than the frame has. */
static_assert(PPNIC_ESP_HDR + sizeof(__be32) <= PPNIC_AEAD_AD);
static_assert(PPNIC_ESP_IV_LEN <= PPNIC_AEAD_IV);

/* @len: of ESP, from @off in the frame to its end, the ICV included. */
static int ppnic_esp_crypt(const struct ppnic_sa *sa, struct ppnic_held *held,
			   u32 off, u32 len, u32 seq_hi, bool encrypt)
{
	u32 body = off + PPNIC_ESP_HDR, in_hdr, in_data, ad = 0, n = 1;
	struct ppnic_frame *f = &held->frame;
	struct ppnic_aead_op *op;

	op = ppnic_aead_op(sa->aead);
	if (!op)
		return -ENOMEM;

	memcpy(op->ad, f->hdr + off, PPNIC_ESP_SEQ);
	ad = PPNIC_ESP_SEQ;
	if (sa->esn) {
		put_unaligned_be32(seq_hi, op->ad + ad);
		ad += sizeof(__be32);
	}
	memcpy(op->ad + ad, f->hdr + off + PPNIC_ESP_SEQ,
	       PPNIC_ESP_HDR - PPNIC_ESP_SEQ);
	ad += PPNIC_ESP_HDR - PPNIC_ESP_SEQ;
	memcpy(op->iv, f->hdr + off + PPNIC_ESP_IV, PPNIC_ESP_IV_LEN);

	len -= PPNIC_ESP_HDR;
	in_hdr = min(len, f->hdr_len - body);
	in_data = len - in_hdr;
	sg_init_table(op->sg, 1 + !!in_hdr + !!in_data);
	sg_set_buf(&op->sg[0], op->ad, ad);
	if (in_hdr)
		sg_set_buf(&op->sg[n++], f->hdr + body, in_hdr);
	if (in_data)
		sg_set_buf(&op->sg[n++], held->data, in_data);
	return ppnic_aead_run(op, ad, encrypt ? len - sa->icv_len : len,
			      encrypt);
}

/* Where ESP begins in a frame that has it whole, all but its body within reach;
 * otherwise 0.
 */
static u32 ppnic_esp_off(const struct ppnic_frame *f)
{
	const struct ppnic_headers *h = &f->h;

	if (h->ip_proto != IPPROTO_ESP || !h->next_off || h->is_frag ||
	    h->next_off + PPNIC_ESP_HDR > min(f->hdr_len, h->frame_len))
		return 0;
	return h->next_off;
}

/* ----------------------------------------------------------------- transmit */

static u8 *ppnic_held_byte(struct ppnic_held *held, u32 pos)
{
	if (pos < held->frame.hdr_len)
		return &held->frame.hdr[pos];
	return &held->data[pos - held->frame.hdr_len];
}

/* Complete the checksum of what is about to be encrypted: it ends where the
 * padding begins.
 */
static int ppnic_esp_csum(struct ppnic_held *held, u32 body, u32 end,
			  const struct ppnic_txd *first)
{
	u32 field = first->csum_start + first->csum_offset;
	u32 start = first->csum_start, hdr_len = held->frame.hdr_len, part;
	u8 pad_len = *ppnic_held_byte(held, end - PPNIC_ESP_TRAILER);
	__sum16 check;
	__wsum sum;

	if (end - body < PPNIC_ESP_TRAILER + pad_len)
		return -EINVAL;
	end -= PPNIC_ESP_TRAILER + pad_len;
	if (start < body || field + sizeof(check) > min(hdr_len, end))
		return -EINVAL;

	part = min(hdr_len, end) - start;
	sum = csum_partial(held->frame.hdr + start, part, 0);
	if (end > hdr_len)
		sum = csum_block_add(sum,
				     csum_partial(held->data, end - hdr_len, 0),
				     part);
	/* Of a datagram, 0 would say that there is none. */
	check = csum_fold(sum) ?: CSUM_MANGLED_0;
	memcpy(held->frame.hdr + field, &check, sizeof(check));
	return 0;
}

/**
 * ppnic_esp_encrypt() - make a frame of what the stack has left in clear
 * @txq: the queue that it comes from
 * @f: the frame as loaded
 * @first: its first descriptor, which has PPNIC_TXD_ESP
 *
 * Context: @txq's engine_lock held, under RCU.
 * Return: what goes over the wire; give it to ppnic_held_free(). NULL: nothing
 * does, and that is counted: the association is not there (any more) or is
 * another one, the frame is not ESP, or there was no memory.
 */
struct ppnic_held *ppnic_esp_encrypt(struct ppnic_txq *txq,
				     const struct ppnic_frame *f,
				     const struct ppnic_txd *first)
{
	u32 off = ppnic_esp_off(f), total = f->hdr_len + f->data_len;
	struct ppnic_held *held;
	struct ppnic_sa *sa;
	u8 *esp;

	sa = xa_load(&txq->port->esp.sas, first->sa);
	if (!sa || READ_ONCE(sa->dead) || sa->inbound || !off)
		goto err;
	if (f->h.frame_len != total ||
	    total < off + PPNIC_ESP_HDR + PPNIC_ESP_TRAILER + sa->icv_len ||
	    memcmp(f->hdr + off, &sa->spi, sizeof(sa->spi)))
		goto err;

	held = ppnic_hold(txq->port, f);
	if (!held)
		goto err;
	esp = held->frame.hdr + off;
	if (first->flags & PPNIC_TXD_CSUM &&
	    ppnic_esp_csum(held, off + PPNIC_ESP_HDR, total - sa->icv_len,
			   first))
		goto err_free;
	put_unaligned_be32(first->seq_hi, esp + PPNIC_ESP_IV);
	memcpy(esp + PPNIC_ESP_IV + sizeof(__be32), esp + PPNIC_ESP_SEQ,
	       sizeof(__be32));
	if (ppnic_esp_crypt(sa, held, off, total - off, first->seq_hi, true))
		goto err_free;
	hw_inc(txq, esp_encrypted);
	return held;

err_free:
	ppnic_held_free(held);
err:
	hw_inc(txq, esp_refused);
	return NULL;
}

/* ------------------------------------------------------------------ receive */

/* The upper half of a sequence number, by RFC 4303, A2.2: what is below the
 * window is of the next 2^32. The stack sees it the same way. If the device
 * chose what is nearest, an old frame would be authentic for it and new for the
 * stack.
 */
static u32 ppnic_esp_seq_hi(struct ppnic_sa *sa, u32 seq)
{
	u32 low, hi, bottom;

	if (!sa->esn)
		return 0;
	spin_lock(&sa->lock);
	low = lower_32_bits(sa->top);
	hi = upper_32_bits(sa->top);
	spin_unlock(&sa->lock);

	bottom = low - sa->window + 1;
	if (low >= sa->window - 1)
		return seq < bottom ? hi + 1 : hi;
	return seq >= bottom ? hi - 1 : hi;
}

/* A number was authentic. */
static void ppnic_esp_advance(struct ppnic_sa *sa, u64 seq)
{
	if (!sa->esn)
		return;
	spin_lock(&sa->lock);
	if (seq > sa->top)
		sa->top = seq;
	spin_unlock(&sa->lock);
}

static u32 ppnic_esp_bucket(__be32 spi)
{
	return jhash_1word((__force u32)spi, 0) % PPNIC_ESP_BUCKETS;
}

/* Of whom is a frame? Under RCU. */
static struct ppnic_sa *ppnic_esp_find(struct ppnic_esp *esp, __be32 spi,
				       const struct ppnic_headers *h)
{
	struct ppnic_sa *sa;

	hlist_for_each_entry_rcu(sa, &esp->inbound[ppnic_esp_bucket(spi)],
				 node) {
		if (sa->spi != spi || sa->l3_proto != h->l3_proto)
			continue;
		if (h->l3_proto == htons(ETH_P_IP) ?
			    sa->daddr.s6_addr32[0] == h->v4.daddr :
			    ipv6_addr_equal(&sa->daddr, &h->v6.daddr))
			return sa;
	}
	return NULL;
}

/**
 * ppnic_esp_decrypt() - decrypt a frame that is of an inbound association
 * @txq: the queue that it comes from
 * @to: the port that receives it
 * @f: the frame; told if it is of one and not authentic
 *
 * Context: @txq's engine_lock held, under RCU.
 * Return: the frame to deliver instead; give it to ppnic_held_free(). NULL:
 * deliver @f.
 */
struct ppnic_held *ppnic_esp_decrypt(struct ppnic_txq *txq,
				     struct ppnic_port *to,
				     struct ppnic_frame *f)
{
	u32 off = ppnic_esp_off(f), seq, hi;
	struct ppnic_held *held;
	struct ppnic_sa *sa;
	int err;

	f->sa = 0;
	if (!off || !(ppnic_features(to) & NETIF_F_HW_ESP))
		return NULL;
	sa = ppnic_esp_find(&to->esp, get_unaligned((__be32 *)(f->hdr + off)),
			    &f->h);
	if (!sa || f->h.frame_len < off + PPNIC_ESP_HDR + sa->icv_len)
		return NULL;
	held = ppnic_hold(txq->port, f);
	if (!held)
		return NULL;

	seq = get_unaligned_be32(f->hdr + off + PPNIC_ESP_SEQ);
	hi = ppnic_esp_seq_hi(sa, seq);
	err = ppnic_esp_crypt(sa, held, off, f->h.frame_len - off, hi, false);
	if (err)
		goto err_free;

	held->frame.sa = sa->id;
	held->frame.sa_bad = false;
	held->frame.seq = (u64)hi << 32 | seq;
	ppnic_esp_advance(sa, held->frame.seq);
	return held;

err_free:
	ppnic_held_free(held);
	/* Of any other error it is not to blame. */
	if (err == -EBADMSG) {
		f->sa = sa->id;
		f->sa_bad = true;
	}
	return NULL;
}

/* ------------------------------------------------------------- associations */

/**
 * ppnic_esp_init() - a port that knows no association yet
 * @esp: zeroed
 *
 * Context: process.
 */
void ppnic_esp_init(struct ppnic_esp *esp)
{
	xa_init_flags(&esp->sas, XA_FLAGS_ALLOC1 | XA_FLAGS_LOCK_BH);
	spin_lock_init(&esp->lock);
}

/**
 * ppnic_esp_add() - make an association known to the device
 * @esp: the port's
 * @sa: complete but for its id
 *
 * Context: process.
 * Return: 0, -ENOSPC, -ENOMEM.
 */
int ppnic_esp_add(struct ppnic_esp *esp, struct ppnic_sa *sa)
{
	int err = 0;

	spin_lock_bh(&esp->lock);
	if (esp->count >= PPNIC_MAX_SAS)
		err = -ENOSPC;
	else
		esp->count++;
	spin_unlock_bh(&esp->lock);
	if (err)
		return err;

	err = xa_alloc_cyclic_bh(&esp->sas, &sa->id, sa, xa_limit_32b,
				 &esp->next, GFP_KERNEL);
	if (err < 0)
		goto err_count;
	if (!sa->inbound)
		return 0;

	/* The stack asks before it looks whether it has such a state: of two,
	 * the first is the one that stays.
	 */
	spin_lock_bh(&esp->lock);
	hlist_add_tail_rcu(&sa->node, &esp->inbound[ppnic_esp_bucket(sa->spi)]);
	spin_unlock_bh(&esp->lock);
	return 0;

err_count:
	spin_lock_bh(&esp->lock);
	esp->count--;
	spin_unlock_bh(&esp->lock);
	return err;
}

/**
 * ppnic_esp_disable() - nothing more is to be done by an association
 * @esp: the port's
 * @sa: added
 *
 * Context: any but hard interrupts.
 */
void ppnic_esp_disable(struct ppnic_esp *esp, struct ppnic_sa *sa)
{
	spin_lock_bh(&esp->lock);
	if (sa->inbound && !sa->dead)
		hlist_del_rcu(&sa->node);
	WRITE_ONCE(sa->dead, true);
	spin_unlock_bh(&esp->lock);
}

/**
 * ppnic_esp_remove() - the device forgets an association
 * @esp: the port's
 * @sa: disabled; readers may have it until a grace period is over
 *
 * Context: process.
 */
void ppnic_esp_remove(struct ppnic_esp *esp, struct ppnic_sa *sa)
{
	xa_erase_bh(&esp->sas, sa->id);
	spin_lock_bh(&esp->lock);
	esp->count--;
	spin_unlock_bh(&esp->lock);
}
