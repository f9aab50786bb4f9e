// SPDX-License-Identifier: GPL-2.0-only
/*
 * PSP, the device's half: what encrypts, decrypts and authenticates.
 *
 *   Ethernet | IP | UDP | PSP header, its IV at the end | ... | ICV
 *                         psp                            text   16
 *
 * As the PSP Architecture Specification has it: what is between the header and
 * the crypt offset is authentic and in clear, the rest encrypted; with GMAC all
 * of it is in clear. The nonce is the SPI and the IV. An IV is used once by
 * this machine, whatever the key: user space may give one to several sockets.
 * It begins anywhere, since a key may be older than the module.
 */
#include <linux/bitfield.h>
#include <linux/in.h>
#include <linux/ipv6.h>
#include <linux/random.h>
#include <linux/slab.h>
#include <linux/udp.h>
#include <linux/unaligned.h>
#include <net/checksum.h>

#include "aead.h"
#include "frame.h"
#include "psp.h"

#define PPNIC_PSP_OFFSET_UNIT 4 /* of the crypt offset, in bytes */

static_assert(sizeof_field(struct psphdr, spi) +
		      sizeof_field(struct psphdr, iv) ==
	      PPNIC_AEAD_IV);

static atomic64_t ppnic_psp_iv;

/**
 * ppnic_psp_init() - before the first port
 *
 * Context: process.
 */
void ppnic_psp_init(void)
{
	atomic64_set(&ppnic_psp_iv, get_random_u64());
}

static bool ppnic_psp_conceals(u8 version)
{
	return version == PSP_VERSION_HDR0_AES_GCM_128 ||
	       version == PSP_VERSION_HDR0_AES_GCM_256;
}

/* @psp: @len bytes from the PSP header to the end of the ICV; @clear of them,
 * header and all, are not encrypted.
 */
static int ppnic_psp_crypt(struct crypto_aead *aead, u8 version, u8 *psp,
			   u32 clear, u32 len, bool encrypt)
{
	const struct psphdr *ph = (const void *)psp;
	struct ppnic_aead_op *op;

	op = ppnic_aead_op(aead);
	if (!op)
		return -ENOMEM;
	memcpy(op->iv, &ph->spi, sizeof(ph->spi));
	memcpy(op->iv + sizeof(ph->spi), &ph->iv, sizeof(ph->iv));
	sg_init_one(op->sg, psp, len);
	if (!ppnic_psp_conceals(version))
		clear = len - PSP_TRL_SIZE;
	len -= clear;
	return ppnic_aead_run(op, clear, encrypt ? len - PSP_TRL_SIZE : len,
			      encrypt);
}

/* Where a PSP header would begin; 0: it is not for PSP. A datagram shorter than
 * its packet is none for the parser.
 */
static u32 ppnic_psp_off(const struct ppnic_frame *f)
{
	if (f->h.l4 != PPNIC_L4_UDP || f->h.is_frag || f->gso_size ||
	    f->h.dport != htons(PSP_DEFAULT_UDP_PORT))
		return 0;
	return f->h.l4_off + sizeof(struct udphdr);
}

/* ---------------------------------------------------------------- transmit */

/* Complete the checksum of what is about to be encrypted, which ends the
 * frame.
 */
static bool ppnic_psp_csum(u8 *data, u32 total, u32 text,
			   const struct ppnic_txd *first)
{
	u32 start = first->csum_start, field = start + first->csum_offset;
	__sum16 check;

	if (start < text || field + sizeof(check) > total)
		return false;
	check = csum_fold(csum_partial(data + start, total - start, 0)) ?:
			CSUM_MANGLED_0;
	memcpy(data + field, &check, sizeof(check));
	return true;
}

/* The trailer makes the datagram longer. */
static void ppnic_psp_lengthen(u8 *data, const struct ppnic_headers *h)
{
	struct udphdr *uh = (void *)(data + h->l4_off);

	be16_add_cpu(&uh->len, PSP_TRL_SIZE);
	ppnic_segment_l3(data, h, 0, h->frame_len + PSP_TRL_SIZE - h->l3_off);
}

/**
 * ppnic_psp_seal() - make a frame of what the stack has left in clear
 * @txq: the queue that it comes from
 * @f: the frame as loaded
 * @first: its first descriptor, which has PPNIC_TXD_PSP
 *
 * Context: @txq's engine_lock held, under RCU.
 * Return: what goes over the wire; give it to ppnic_held_free(). NULL: nothing
 * does, and that is counted: the key is gone, the frame is not PSP, or there
 * was no memory.
 */
struct ppnic_held *ppnic_psp_seal(struct ppnic_txq *txq,
				  const struct ppnic_frame *f,
				  const struct ppnic_txd *first)
{
	u32 off = ppnic_psp_off(f), total = f->hdr_len + f->data_len;
	u32 text = off + sizeof(struct psphdr), len = total + PSP_TRL_SIZE;
	struct ppnic_port *port = txq->port;
	struct ppnic_held *held;
	struct ppnic_psp_tx *tx;
	struct psphdr *ph;

	tx = xa_load(&port->psp.tx, first->sa);
	if (!tx || !off || f->h.frame_len != total || total < text)
		goto err;
	held = kmalloc(struct_size(held, data, len), GFP_ATOMIC | __GFP_NOWARN);
	if (!held)
		goto err;
	if (ppnic_frame_read(f, 0, held->data))
		goto err_free;
	if (first->flags & PPNIC_TXD_CSUM &&
	    !ppnic_psp_csum(held->data, total, text, first))
		goto err_free;
	ppnic_psp_lengthen(held->data, &f->h);
	ph = (void *)(held->data + off);
	put_unaligned_be64(atomic64_inc_return(&ppnic_psp_iv), &ph->iv);
	if (ppnic_psp_crypt(tx->aead, tx->version, held->data + off,
			    sizeof(*ph), len - off, true) ||
	    ppnic_held_make(port, held, len, 0, len))
		goto err_free;
	return held;

err_free:
	kfree(held);
err:
	hw_inc(txq, psp_refused);
	atomic64_inc(&port->psp.tx_error);
	return NULL;
}

/* Bytes as PSP counts them: without its header and its trailer. */
static u32 ppnic_psp_bytes(const struct ppnic_frame *f, u32 off)
{
	return f->h.frame_len - off - sizeof(struct psphdr) - PSP_TRL_SIZE;
}

/**
 * ppnic_psp_sent() - count a frame that has gone
 * @port: whose
 * @held: from ppnic_psp_seal()
 *
 * Context: BH off.
 */
void ppnic_psp_sent(struct ppnic_port *port, const struct ppnic_held *held)
{
	const struct ppnic_frame *f = &held->frame;

	atomic64_inc(&port->psp.tx_packets);
	atomic64_add(ppnic_psp_bytes(f, ppnic_psp_off(f)), &port->psp.tx_bytes);
}

/* ----------------------------------------------------------------- receive */

/* What of the frame is not encrypted, from the PSP header on; 0: its lengths
 * are wrong. @data is the frame, @off where the header begins.
 */
static u32 ppnic_psp_clear(const struct ppnic_frame *f, const u8 *data, u32 off)
{
	u32 total = f->hdr_len + f->data_len, end = f->h.frame_len;
	const struct psphdr *ph = (const void *)(data + off);
	u32 clear, options;

	if (end > total || off + sizeof(*ph) > end)
		return 0;
	clear = sizeof(*ph) + (ph->crypt_offset & PSPHDR_CRYPT_OFFSET) *
				      PPNIC_PSP_OFFSET_UNIT;
	options = (ph->hdrlen + 1) * 8;
	if (ph->hdrlen < PSP_HDRLEN_NOOPT ||
	    off + max(clear, options) + PSP_TRL_SIZE > end)
		return 0;
	return clear;
}

/* The key that a frame says it is encrypted by, if it may be; under RCU. */
static struct ppnic_psp_rx *ppnic_psp_key(struct ppnic_psp *psp, u32 versions,
					  const struct psphdr *ph)
{
	u8 version = FIELD_GET(PSPHDR_VERFL_VERSION, ph->verfl);
	struct ppnic_psp_rx *rx;

	if (!(versions & BIT(version)))
		return NULL;
	rx = xa_load(&psp->rx, get_unaligned_be32(&ph->spi));
	return rx && rx->version == version ? rx : NULL;
}

/* Decrypt @data, the frame; counts what is wrong. Returns the key, or NULL. */
static struct ppnic_psp_rx *ppnic_psp_unseal(struct ppnic_psp *psp,
					     u32 versions,
					     const struct ppnic_frame *f,
					     u8 *data)
{
	u32 off = ppnic_psp_off(f), clear = ppnic_psp_clear(f, data, off);
	bool plain = f->h.l3_proto == htons(ETH_P_IP) ||
		     f->h.l4_off == f->h.l3_off + sizeof(struct ipv6hdr);
	struct ppnic_psp_rx *rx;
	int err;

	if (!clear) {
		atomic64_inc(&psp->rx_error);
		return NULL;
	}
	rx = ppnic_psp_key(psp, versions, (const void *)(data + off));
	/* psp_dev_rcv() knows no extension headers. */
	if (!rx || !plain)
		goto err_bad;
	err = ppnic_psp_crypt(rx->aead, rx->version, data + off, clear,
			      f->h.frame_len - off, false);
	if (err == -EBADMSG) {
		atomic64_inc(&psp->rx_auth_fail);
		return NULL;
	}
	if (err)
		goto err_bad;
	return rx;

err_bad:
	atomic64_inc(&psp->rx_bad);
	return NULL;
}

/**
 * ppnic_psp_open() - decrypt a frame that came from the wire
 * @txq: the queue that it comes from
 * @to: the port that receives it
 * @f: the frame
 * @drop: whether it ends here
 *
 * Who sends may still write to what he sends, and of a segment @f has the first
 * one's payload behind the headers: only the copy is looked at.
 *
 * Context: @txq's engine_lock held, under RCU; once for each frame.
 * Return: the frame to deliver instead; give it to ppnic_held_free(). NULL:
 * deliver @f, unless @drop.
 */
struct ppnic_held *ppnic_psp_open(struct ppnic_txq *txq, struct ppnic_port *to,
				  const struct ppnic_frame *f, bool *drop)
{
	u32 versions = READ_ONCE(to->psp.versions);
	u32 total = f->hdr_len + f->data_len;
	struct ppnic_psp *psp = &to->psp;
	struct ppnic_psp_rx *rx;
	struct ppnic_held *held;

	if (likely(!versions) || !ppnic_psp_off(f))
		return NULL;

	*drop = true;
	held = kmalloc(struct_size(held, data, total),
		       GFP_ATOMIC | __GFP_NOWARN);
	if (!held)
		goto err;
	if (ppnic_frame_read(f, 0, held->data))
		goto err_free;
	rx = ppnic_psp_unseal(psp, versions, f, held->data);
	if (!rx) {
		kfree(held);
		return NULL;
	}
	if (ppnic_held_make(txq->port, held, total, 0, total))
		goto err_free;
	/* What is in it has a checksum of its own, which the stack looks at. */
	held->frame.csum = PPNIC_CSUM_NONE;
	held->frame.psp = true;
	held->frame.psp_generation = rx->generation;
	held->frame.rx_sc = f->rx_sc;
	atomic64_inc(&psp->rx_packets);
	atomic64_add(ppnic_psp_bytes(&held->frame, ppnic_psp_off(&held->frame)),
		     &psp->rx_bytes);
	*drop = false;
	return held;

err_free:
	kfree(held);
err:
	atomic64_inc(&psp->rx_bad);
	return NULL;
}
