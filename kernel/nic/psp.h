/* SPDX-License-Identifier: GPL-2.0-only */
/* PSP: what the driver tells the device of it, and what the device does. */
#ifndef PPNIC_PSP_H
#define PPNIC_PSP_H

#include "../compat/psp.h"
#include "ppnic.h"

struct ppnic_frame;
struct ppnic_held;
struct sk_buff;

#if COMPAT_PSP

#include <crypto/aead.h>
#include <linux/workqueue.h>
#include <net/psp.h>

/**
 * struct ppnic_psp_tx - a key that frames are encrypted with
 * @id: what descriptors call it; not given to another one soon
 * @version: of the header, and so the cipher
 * @port: whose
 * @aead: has the key; never sleeps
 * @gone: frees it, after a grace period
 *
 * In ppnic_psp.tx from tx_key_add() to tx_key_del(), and freed when readers,
 * all under RCU, are done.
 */
struct ppnic_psp_tx {
	u32 id;
	u8 version;
	struct ppnic_port *port;
	struct crypto_aead *aead;
	struct rcu_work gone;
};

/**
 * struct ppnic_psp_rx - a key that the device has given out
 * @spi: what frames call it; its uppermost bit says by which of the two keys
 *	of the device
 * @version: of the header, and so the cipher
 * @generation: of that key of the device
 * @aead: as above
 * @gone: frees it, after a grace period
 *
 * In ppnic_psp.rx from rx_spi_alloc() to the second rotation after it. A NIC
 * has no such table: it derives each key from its own and the SPI, anew for
 * each frame.
 */
struct ppnic_psp_rx {
	u32 spi;
	u8 version;
	u8 generation;
	struct crypto_aead *aead;
	struct rcu_work gone;
};

/* psp_wire.c: the device's */
void ppnic_psp_init(void);
struct ppnic_held *ppnic_psp_seal(struct ppnic_txq *txq,
				  const struct ppnic_frame *f,
				  const struct ppnic_txd *first);
void ppnic_psp_sent(struct ppnic_port *port, const struct ppnic_held *held);
struct ppnic_held *ppnic_psp_open(struct ppnic_txq *txq, struct ppnic_port *to,
				  const struct ppnic_frame *f, bool *drop);

/* psp.c: the driver's */
int ppnic_psp_create(struct net_device *dev);
void ppnic_psp_remove(struct ppnic_port *port);
bool ppnic_psp_is(struct sk_buff *skb);
bool ppnic_psp_tx(struct ppnic_port *port, struct sk_buff *skb, u32 *id);
bool ppnic_psp_rx(struct ppnic_port *port, struct sk_buff *skb,
		  const struct ppnic_cqe *cqe);

#else

static inline struct ppnic_held *ppnic_psp_seal(struct ppnic_txq *txq,
						const struct ppnic_frame *f,
						const struct ppnic_txd *first)
{
	return NULL;
}

static inline void ppnic_psp_sent(struct ppnic_port *port,
				  const struct ppnic_held *held)
{
}

static inline struct ppnic_held *ppnic_psp_open(struct ppnic_txq *txq,
						struct ppnic_port *to,
						const struct ppnic_frame *f,
						bool *drop)
{
	return NULL;
}

static inline void ppnic_psp_init(void)
{
}

static inline int ppnic_psp_create(struct net_device *dev)
{
	return 0;
}

static inline void ppnic_psp_remove(struct ppnic_port *port)
{
}

static inline bool ppnic_psp_is(struct sk_buff *skb)
{
	return false;
}

static inline bool ppnic_psp_tx(struct ppnic_port *port, struct sk_buff *skb,
				u32 *id)
{
	*id = 0;
	return true;
}

static inline bool ppnic_psp_rx(struct ppnic_port *port, struct sk_buff *skb,
				const struct ppnic_cqe *cqe)
{
	return false;
}

#endif

#endif /* PPNIC_PSP_H */
