// SPDX-License-Identifier: GPL-2.0-only
/*
 * PSP, the driver's half: keys for the device, and what the stack and the
 * device tell each other of a frame.
 *
 * The stack marks what a socket with a key sends. The driver puts the headers
 * before it, and the device does the rest (psp_wire.c). What the device has
 * found authentic loses headers and trailer here, and says by which key it came
 * to who asks whether the socket's is that one.
 */
#include <linux/random.h>
#include <linux/slab.h>

#include "../compat/mm.h"
#include "aead.h"
#include "psp.h"

#define PPNIC_PSP_CIPHER "gcm(aes)"

static struct crypto_aead *ppnic_psp_aead(u32 version, const u8 *key,
					  struct netlink_ext_ack *extack)
{
	return ppnic_aead_new(PPNIC_PSP_CIPHER, key, psp_key_size(version),
			      PSP_TRL_SIZE, extack);
}

/* -------------------------------------------------- what a port receives by */

static void ppnic_psp_rx_gone(struct work_struct *work)
{
	struct ppnic_psp_rx *rx = container_of(to_rcu_work(work),
					       struct ppnic_psp_rx, gone);

	crypto_free_aead(rx->aead);
	kfree(rx);
}

/* With @psd's lock held, as all ops. */
static int ppnic_psp_rx_spi_alloc(struct psp_dev *psd, u32 version,
				  struct psp_key_parsed *key,
				  struct netlink_ext_ack *extack)
{
	struct ppnic_port *port = psd->drv_priv;
	struct ppnic_psp *psp = &port->psp;
	struct ppnic_psp_rx *rx;
	int err;

	if (psp->nr_rx >= PPNIC_MAX_PSP_KEYS ||
	    (psp->spi & PSP_SPI_KEY_ID) == PSP_SPI_KEY_ID) {
		NL_SET_ERR_MSG(extack,
			       "ppnic has given out all the keys it can: rotate the device's");
		return -ENOSPC;
	}

	rx = kzalloc_obj(*rx);
	if (!rx)
		return -ENOMEM;
	get_random_bytes(key->key, psp_key_size(version));
	rx->spi = psp->spi + 1; /* 0 is none */
	rx->version = version;
	rx->generation = psd->generation;
	rx->aead = ppnic_psp_aead(version, key->key, extack);
	if (IS_ERR(rx->aead)) {
		err = PTR_ERR(rx->aead);
		goto err_rx;
	}
	err = xa_insert_bh(&psp->rx, rx->spi, rx, GFP_KERNEL);
	if (err)
		goto err_aead;
	psp->nr_rx++;
	psp->spi = rx->spi;
	key->spi = cpu_to_be32(rx->spi);
	return 0;

err_aead:
	crypto_free_aead(rx->aead);
err_rx:
	memzero_explicit(key->key, sizeof(key->key));
	kfree(rx);
	return err;
}

/* Forget the keys from @first to @last; with that lock, or when nobody else can
 * have it any more.
 */
static void ppnic_psp_forget(struct ppnic_psp *psp, u32 first, u32 last)
{
	struct ppnic_psp_rx *rx;
	unsigned long spi;

	xa_for_each_range(&psp->rx, spi, rx, first, last) {
		xa_erase_bh(&psp->rx, spi);
		psp->nr_rx--;
		INIT_RCU_WORK(&rx->gone, ppnic_psp_rx_gone);
		ppnic_aead_later(&rx->gone);
	}
}

/* The keys of the device are two: what the older one has given out ends. */
static int ppnic_psp_key_rotate(struct psp_dev *psd,
				struct netlink_ext_ack *extack)
{
	struct ppnic_port *port = psd->drv_priv;
	struct ppnic_psp *psp = &port->psp;
	u32 phase = ~psp->spi & PSP_SPI_KEY_PHASE;

	ppnic_psp_forget(psp, phase, phase | PSP_SPI_KEY_ID);
	psp->spi = phase;
	return 0;
}

static int ppnic_psp_set_config(struct psp_dev *psd,
				struct psp_dev_config *conf,
				struct netlink_ext_ack *extack)
{
	struct ppnic_port *port = psd->drv_priv;

	WRITE_ONCE(port->psp.versions, conf->versions);
	return 0;
}

/* ------------------------------------------------------ what it sends with */

static void ppnic_psp_tx_gone(struct work_struct *work)
{
	struct ppnic_psp_tx *tx = container_of(to_rcu_work(work),
					       struct ppnic_psp_tx, gone);

	crypto_free_aead(tx->aead);
	kfree(tx);
}

static int ppnic_psp_tx_key_add(struct psp_dev *psd, struct psp_assoc *pas,
				struct netlink_ext_ack *extack)
{
	struct ppnic_psp_tx **of_assoc = psp_assoc_drv_data(pas), *tx;
	struct ppnic_port *port = psd->drv_priv;
	struct ppnic_psp *psp = &port->psp;
	int err;

	if (psp->nr_tx >= PPNIC_MAX_PSP_KEYS) {
		NL_SET_ERR_MSG(extack, "ppnic has all the keys it can have");
		return -ENOSPC;
	}

	tx = kzalloc_obj(*tx);
	if (!tx)
		return -ENOMEM;
	tx->port = port;
	tx->version = pas->version;
	tx->aead = ppnic_psp_aead(pas->version, pas->tx.key, extack);
	if (IS_ERR(tx->aead)) {
		err = PTR_ERR(tx->aead);
		goto err_tx;
	}
	err = xa_alloc_cyclic_bh(&psp->tx, &tx->id, tx, xa_limit_32b,
				 &psp->next, GFP_KERNEL);
	if (err < 0)
		goto err_aead;
	psp->nr_tx++;
	/* Copied to the association that ppnic_psp_tx() sees, in which nothing
	 * is marked before.
	 */
	*of_assoc = tx;
	return 0;

err_aead:
	crypto_free_aead(tx->aead);
err_tx:
	kfree(tx);
	return err;
}

static void ppnic_psp_tx_key_del(struct psp_dev *psd, struct psp_assoc *pas)
{
	struct ppnic_psp_tx **of_assoc = psp_assoc_drv_data(pas);
	struct ppnic_psp_tx *tx = *of_assoc;
	struct ppnic_port *port = psd->drv_priv;

	if (!tx)
		return;
	WRITE_ONCE(*of_assoc, NULL);
	xa_erase_bh(&port->psp.tx, tx->id);
	port->psp.nr_tx--;
	INIT_RCU_WORK(&tx->gone, ppnic_psp_tx_gone);
	ppnic_aead_later(&tx->gone);
}

static void ppnic_psp_get_stats(struct psp_dev *psd,
				struct psp_dev_stats *stats)
{
	struct ppnic_port *port = psd->drv_priv;
	struct ppnic_psp *psp = &port->psp;

	stats->rx_packets = atomic64_read(&psp->rx_packets);
	stats->rx_bytes = atomic64_read(&psp->rx_bytes);
	stats->rx_auth_fail = atomic64_read(&psp->rx_auth_fail);
	stats->rx_error = atomic64_read(&psp->rx_error);
	stats->rx_bad = atomic64_read(&psp->rx_bad);
	stats->tx_packets = atomic64_read(&psp->tx_packets);
	stats->tx_bytes = atomic64_read(&psp->tx_bytes);
	stats->tx_error = atomic64_read(&psp->tx_error);
}

static struct psp_dev_ops ppnic_psp_ops = {
	.set_config = ppnic_psp_set_config,
	.key_rotate = ppnic_psp_key_rotate,
	.rx_spi_alloc = ppnic_psp_rx_spi_alloc,
	.tx_key_add = ppnic_psp_tx_key_add,
	.tx_key_del = ppnic_psp_tx_key_del,
	.get_stats = ppnic_psp_get_stats,
};

static struct psp_dev_caps ppnic_psp_caps = {
	.versions = BIT(PSP_VERSION_HDR0_AES_GCM_128) |
		    BIT(PSP_VERSION_HDR0_AES_GCM_256) |
		    BIT(PSP_VERSION_HDR0_AES_GMAC_128) |
		    BIT(PSP_VERSION_HDR0_AES_GMAC_256),
	.assoc_drv_spc = sizeof(struct ppnic_psp_tx *),
};

/**
 * ppnic_psp_create() - tell the stack that a port can do PSP
 * @dev: the port, registered, not up
 *
 * Context: process, under RTNL.
 * Return: 0 or what psp_dev_create() says.
 */
int ppnic_psp_create(struct net_device *dev)
{
	struct ppnic_port *port = netdev_priv(dev);
	struct ppnic_psp *psp = &port->psp;
	struct psp_dev *psd;

	xa_init_flags(&psp->tx, XA_FLAGS_ALLOC1 | XA_FLAGS_LOCK_BH);
	xa_init_flags(&psp->rx, XA_FLAGS_LOCK_BH);
	psd = psp_dev_create(dev, &ppnic_psp_ops, &ppnic_psp_caps, port);
	if (IS_ERR(psd))
		return PTR_ERR(psd);
	psp->dev = psd;
	return 0;
}

/**
 * ppnic_psp_remove() - the end of ppnic_psp_create()
 * @port: down for good; of one that ppnic_psp_create() has not been called for,
 *	or in vain, there is nothing to do
 *
 * The stack deletes all keys that it has added.
 *
 * Context: process, under RTNL.
 */
void ppnic_psp_remove(struct ppnic_port *port)
{
	struct ppnic_psp *psp = &port->psp;

	if (!psp->dev)
		return;
	psp_dev_unregister(psp->dev);
	psp->dev = NULL;
	ppnic_psp_forget(psp, 0, U32_MAX);
}

/* --------------------------------------------------------------- of frames */

/**
 * ppnic_psp_is() - is a frame to be encrypted
 * @skb: about to be sent
 *
 * Context: any.
 * Return: whether it is a socket's that has a key to send with.
 */
bool ppnic_psp_is(struct sk_buff *skb)
{
	bool is;

	rcu_read_lock();
	is = psp_skb_get_assoc_rcu(skb);
	rcu_read_unlock();
	return is;
}

/**
 * ppnic_psp_tx() - put the headers before a frame that is to be encrypted
 * @port: the port
 * @skb: the frame; changed if it is to be
 * @id: what the device calls the key; 0 if it is not to be encrypted
 *
 * Context: TX queue lock held, BH off.
 * Return: false if it can't be sent: the key is gone, or another port's, or
 * there is no memory.
 */
bool ppnic_psp_tx(struct ppnic_port *port, struct sk_buff *skb, u32 *id)
{
	struct ppnic_psp_tx *tx = NULL;
	struct psp_assoc *pas;

	*id = 0;
	rcu_read_lock();
	pas = psp_skb_get_assoc_rcu(skb);
	if (likely(!pas)) {
		rcu_read_unlock();
		return true;
	}

	tx = READ_ONCE(*(struct ppnic_psp_tx **)psp_assoc_drv_data(pas));
	/* Its segments would have no headers: ppnic_features_check(). */
	if (tx && tx->port == port && !skb_is_gso(skb) &&
	    psp_dev_encapsulate(sock_net(skb->sk), skb, pas->tx.spi,
				pas->version, 0))
		*id = tx->id;
	rcu_read_unlock();
	if (!*id)
		atomic64_inc(&port->psp.tx_error);
	return *id;
}

/**
 * ppnic_psp_rx() - take headers and trailer off what the device has decrypted
 * @port: the port
 * @skb: the frame, its device set, at its network header
 * @cqe: its completion, which says by what it is authentic
 *
 * Context: NAPI.
 * Return: false if that can't be done. Then the frame is nobody's.
 */
bool ppnic_psp_rx(struct ppnic_port *port, struct sk_buff *skb,
		  const struct ppnic_cqe *cqe)
{
	/* A program's, before the header that moves. */
	skb_metadata_clear(skb);
	skb_push(skb, ETH_HLEN);
	skb->mac_len = ETH_HLEN;
	if (psp_dev_rcv(skb, port->psp.dev->id, cqe->psp_generation, true))
		return false;
	skb_reset_mac_header(skb);
	__skb_pull(skb, ETH_HLEN);
	skb->decrypted = 1;
	return true;
}
