/* SPDX-License-Identifier: GPL-2.0-only */
/* What the device's ciphers have in common: AES-GCM, of ESP, MACsec and PSP. */
#ifndef PPNIC_AEAD_H
#define PPNIC_AEAD_H

#include <crypto/aead.h>
#include <linux/scatterlist.h>
#include <linux/workqueue.h>

struct netlink_ext_ack;

#define PPNIC_AEAD_IV 12
#define PPNIC_AEAD_AD 24 /* of what authenticated data a frame hasn't as such */

/**
 * struct ppnic_aead_op - one run of a cipher
 * @tfm: the cipher
 * @sg: authenticated data and what follows; in place
 * @iv: as many bytes as the cipher takes
 * @ad: room for authenticated data
 * @req: the cipher's own words follow
 *
 * All but @tfm and @req is filled in by who runs it.
 */
struct ppnic_aead_op {
	struct crypto_aead *tfm;
	struct scatterlist sg[3];
	u8 iv[PPNIC_AEAD_IV];
	u8 ad[PPNIC_AEAD_AD];
	struct aead_request req;
};

#if defined(CONFIG_XFRM_OFFLOAD) || IS_ENABLED(CONFIG_MACSEC) || \
	defined(CONFIG_INET_PSP)

int ppnic_aead_init(void);
void ppnic_aead_exit(void);
struct crypto_aead *ppnic_aead_new(const char *name, const u8 *key, u32 key_len,
				   u32 icv_len, struct netlink_ext_ack *extack);
void ppnic_aead_later(struct rcu_work *gone);
struct ppnic_aead_op *ppnic_aead_op(struct crypto_aead *tfm);
int ppnic_aead_run(struct ppnic_aead_op *op, u32 ad_len, u32 len, bool encrypt);

#else

static inline int ppnic_aead_init(void)
{
	return 0;
}

static inline void ppnic_aead_exit(void)
{
}

#endif

#endif /* PPNIC_AEAD_H */
