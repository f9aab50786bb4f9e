// SPDX-License-Identifier: GPL-2.0-only
/*
 * Frames as IEEE 802.1AE has them: SecTAG, and the cipher over the rest.
 *
 *   destination, source | SecTAG, with its EtherType | user's data | ICV
 *                      12                   8 or 16             icv_len
 *
 * The user's data begins with the EtherType that the frame had before. It is
 * encrypted, and all before it authenticated; or all is only authenticated.
 */
#include <linux/etherdevice.h>
#include <linux/string.h>
#include <linux/unaligned.h>

#include "aead.h"
#include "macsec.h"

#define PPNIC_MACS (2 * ETH_ALEN)

/* Where a SecTAG has what. */
#define PPNIC_SECTAG_TCI 2
#define PPNIC_SECTAG_SL  3
#define PPNIC_SECTAG_PN  4

#define PPNIC_SL_MASK GENMASK(5, 0)

static_assert(MACSEC_SALT_LEN == PPNIC_AEAD_IV);

/**
 * ppnic_sectag_read() - the SecTAG of a frame
 * @frame: its first bytes
 * @len: how many there are
 * @tag: what it says
 *
 * Context: any.
 * Return: whether there is one, and whole.
 */
bool ppnic_sectag_read(const u8 *frame, u32 len, struct ppnic_sectag *tag)
{
	const u8 *p = frame + PPNIC_MACS;

	if (len < PPNIC_MACS + PPNIC_SECTAG ||
	    get_unaligned_be16(p) != ETH_P_MACSEC)
		return false;
	tag->tci = p[PPNIC_SECTAG_TCI] & ~MACSEC_AN_MASK;
	tag->an = p[PPNIC_SECTAG_TCI] & MACSEC_AN_MASK;
	tag->short_len = p[PPNIC_SECTAG_SL] & PPNIC_SL_MASK;
	tag->spare = p[PPNIC_SECTAG_SL] & ~PPNIC_SL_MASK;
	tag->pn = get_unaligned_be32(p + PPNIC_SECTAG_PN);
	tag->len = PPNIC_SECTAG;
	if (!(tag->tci & MACSEC_TCI_SC))
		return true;
	tag->len = PPNIC_SECTAG_SCI;
	if (len < PPNIC_MACS + PPNIC_SECTAG_SCI)
		return false;
	memcpy(&tag->sci, p + PPNIC_SECTAG, sizeof(tag->sci));
	return true;
}

/**
 * ppnic_sectag_write() - give a frame its SecTAG
 * @frame: has room for it behind its addresses
 * @tag: what it says
 *
 * Context: any.
 */
void ppnic_sectag_write(u8 *frame, const struct ppnic_sectag *tag)
{
	u8 *p = frame + PPNIC_MACS;

	put_unaligned_be16(ETH_P_MACSEC, p);
	p[PPNIC_SECTAG_TCI] = tag->tci | tag->an;
	p[PPNIC_SECTAG_SL] = tag->short_len;
	put_unaligned_be32(tag->pn, p + PPNIC_SECTAG_PN);
	if (tag->tci & MACSEC_TCI_SC)
		memcpy(p + PPNIC_SECTAG, &tag->sci, sizeof(tag->sci));
}

/**
 * ppnic_sectag_crypt() - run the cipher over a frame, in place
 * @sa: by whose key
 * @frame: all of it in one piece, with its SecTAG
 * @len: its bytes, the ICV included
 * @tag_len: of the SecTAG
 * @pn: packet number, all of it
 * @conceal: encrypted, and not only authenticated
 * @encrypt: or decrypt
 *
 * Context: BH off.
 * Return: 0, -EBADMSG for what isn't authentic, -ENOMEM, or what the cipher
 * says.
 */
int ppnic_sectag_crypt(const struct ppnic_macsec_sa *sa, u8 *frame, u32 len,
		       u32 tag_len, u64 pn, bool conceal, bool encrypt)
{
	u32 ad = conceal ? PPNIC_MACS + tag_len : len - sa->icv_len;
	u32 rest = len - ad;
	struct ppnic_aead_op *op;
	__be64 number = cpu_to_be64(sa->xpn ? pn : lower_32_bits(pn));
	u32 i, at = sizeof(op->iv) - sizeof(number);

	op = ppnic_aead_op(sa->tfm);
	if (!op)
		return -ENOMEM;
	memcpy(op->iv, sa->iv, sizeof(op->iv));
	for (i = 0; i < sizeof(number); i++)
		op->iv[at + i] ^= ((const u8 *)&number)[i];
	sg_init_one(op->sg, frame, len);
	return ppnic_aead_run(op, ad, encrypt ? rest - sa->icv_len : rest,
			      encrypt);
}
