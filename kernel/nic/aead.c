// SPDX-License-Identifier: GPL-2.0-only
/*
 * The ciphers of the device: keys, runs, and their end.
 *
 * They never sleep in a run: frames are encrypted and decrypted where the
 * doorbell was rung.
 */
#include <linux/netlink.h>
#include <linux/slab.h>

#include "aead.h"

/* Frees who has a cipher; empty when no port is left. */
static struct workqueue_struct *ppnic_aead_wq;

/**
 * ppnic_aead_init() - before the first port
 *
 * Context: process.
 * Return: 0 or -ENOMEM.
 */
int ppnic_aead_init(void)
{
	ppnic_aead_wq = alloc_workqueue("ppnic_aead", WQ_UNBOUND, 0);
	return ppnic_aead_wq ? 0 : -ENOMEM;
}

/**
 * ppnic_aead_exit() - after the last port
 *
 * Context: process.
 */
void ppnic_aead_exit(void)
{
	/* What waits for RCU is not queued yet. */
	rcu_barrier();
	destroy_workqueue(ppnic_aead_wq);
}

/**
 * ppnic_aead_later() - do something a grace period later, in a process
 * @gone: initialised; a cipher may want to sleep when it goes
 *
 * Context: any.
 */
void ppnic_aead_later(struct rcu_work *gone)
{
	queue_rcu_work(ppnic_aead_wq, gone);
}

/**
 * ppnic_aead_new() - a cipher with its key
 * @name: as the kernel calls it
 * @key: its bytes
 * @key_len: how many
 * @icv_len: bytes of what authenticates
 * @extack: what is wrong; may be NULL
 *
 * Context: process.
 * Return: the cipher, to be freed by crypto_free_aead(), or an error.
 */
struct crypto_aead *ppnic_aead_new(const char *name, const u8 *key, u32 key_len,
				   u32 icv_len, struct netlink_ext_ack *extack)
{
	struct crypto_aead *tfm;
	int err;

	/* One that is done when it returns. */
	tfm = crypto_alloc_aead(name, 0, CRYPTO_ALG_ASYNC);
	if (IS_ERR(tfm)) {
		NL_SET_ERR_MSG_FMT(extack,
				   "the kernel has no %s that is synchronous",
				   name);
		return tfm;
	}
	err = crypto_aead_setkey(tfm, key, key_len);
	if (err) {
		NL_SET_ERR_MSG(extack, "the cipher takes no such key");
		goto err_free;
	}
	err = crypto_aead_setauthsize(tfm, icv_len);
	if (err) {
		NL_SET_ERR_MSG(extack, "the cipher has no ICV of that length");
		goto err_free;
	}
	return tfm;

err_free:
	crypto_free_aead(tfm);
	return ERR_PTR(err);
}

/**
 * ppnic_aead_op() - begin a run of a cipher
 * @tfm: the cipher
 *
 * Context: BH off.
 * Return: for ppnic_aead_run(), or NULL.
 */
struct ppnic_aead_op *ppnic_aead_op(struct crypto_aead *tfm)
{
	struct ppnic_aead_op *op;

	op = kmalloc(sizeof(*op) + crypto_aead_reqsize(tfm),
		     GFP_ATOMIC | __GFP_NOWARN);
	if (op)
		op->tfm = tfm;
	return op;
}

/**
 * ppnic_aead_run() - run a cipher, in place
 * @op: from ppnic_aead_op(), filled in; freed
 * @ad_len: bytes of authenticated data, with which @op->sg begins
 * @len: bytes to encrypt; or to decrypt, the ICV included
 * @encrypt: or decrypt
 *
 * Context: BH off.
 * Return: 0, -EBADMSG for what isn't authentic, or what the cipher says.
 */
int ppnic_aead_run(struct ppnic_aead_op *op, u32 ad_len, u32 len, bool encrypt)
{
	int err;

	aead_request_set_tfm(&op->req, op->tfm);
	aead_request_set_callback(&op->req, 0, NULL, NULL);
	aead_request_set_ad(&op->req, ad_len);
	aead_request_set_crypt(&op->req, op->sg, op->sg, len, op->iv);
	if (encrypt)
		err = crypto_aead_encrypt(&op->req);
	else
		err = crypto_aead_decrypt(&op->req);
	kfree(op);
	return err;
}
