/* SPDX-License-Identifier: GPL-2.0-only */
/* IPsec: what the driver tells the device of it, and what the device does. */
#ifndef PPNIC_ESP_H
#define PPNIC_ESP_H

#include <linux/workqueue.h>

#include "ppnic.h"

struct crypto_aead;
struct ppnic_frame;
struct ppnic_held;
struct sk_buff;
struct xfrm_state;

#ifdef CONFIG_XFRM_OFFLOAD

#define PPNIC_ESP_FEATURES (NETIF_F_HW_ESP | NETIF_F_HW_ESP_TX_CSUM)

/**
 * struct ppnic_sa - a security association that the device knows
 * @id: what descriptors and completions call it; not given to another one soon
 * @inbound: it decrypts; of received frames its @spi, @l3_proto and @daddr are
 * @dead: the stack has deleted it: nothing is done by it any more
 * @esn: sequence numbers have 64 bits, of which a frame has the lower half
 * @l3_proto: of IPv4 or of IPv6
 * @spi: what frames call it
 * @daddr: whom they are for
 * @aead: has the key and the salt; never sleeps
 * @icv_len: bytes of what authenticates, at the frame's end
 * @node: in ppnic_esp.inbound
 * @lock: of @top
 * @top: of an inbound one with @esn: the highest number that was authentic
 * @window: ... and how far below it older ones may come
 * @gone: frees it, after a grace period
 * @x: the driver's: whose it is. No reference: see below
 *
 * In ppnic_esp.sas from xdo_dev_state_add() to _free(), and freed when readers,
 * all under RCU, are done. The stack has a reference to @x until it calls
 * xdo_dev_state_delete(), which sets @dead, and frees it a grace period after
 * the last one at the earliest: a reader who finds one that is not dead can try
 * to get a reference of its own.
 */
struct ppnic_sa {
	u32 id;
	bool inbound;
	bool dead;
	bool esn;
	__be16 l3_proto;
	__be32 spi;
	struct in6_addr daddr; /* of IPv4: in the first word */
	struct crypto_aead *aead;
	u32 icv_len;
	struct hlist_node node;
	spinlock_t lock; /* of @top; BH off */
	u64 top;
	u32 window;
	struct rcu_work gone;
	struct xfrm_state *x;
};

/* esp.c: the device's */
void ppnic_esp_init(struct ppnic_esp *esp);
int ppnic_esp_add(struct ppnic_esp *esp, struct ppnic_sa *sa);
void ppnic_esp_disable(struct ppnic_esp *esp, struct ppnic_sa *sa);
void ppnic_esp_remove(struct ppnic_esp *esp, struct ppnic_sa *sa);
struct ppnic_held *ppnic_esp_encrypt(struct ppnic_txq *txq,
				     const struct ppnic_frame *f,
				     const struct ppnic_txd *first);
struct ppnic_held *ppnic_esp_decrypt(struct ppnic_txq *txq,
				     struct ppnic_port *to,
				     struct ppnic_frame *f);

/* ipsec.c: the driver's */
void ppnic_ipsec_setup(struct net_device *dev);
void ppnic_ipsec_tx(struct ppnic_port *port, struct sk_buff *skb,
		    struct ppnic_txd *txd);
bool ppnic_ipsec_rx(struct ppnic_port *port, struct sk_buff *skb,
		    const struct ppnic_cqe *cqe);

#else

#define PPNIC_ESP_FEATURES ((netdev_features_t)0)

static inline void ppnic_esp_init(struct ppnic_esp *esp)
{
}

static inline struct ppnic_held *
ppnic_esp_encrypt(struct ppnic_txq *txq, const struct ppnic_frame *f,
		  const struct ppnic_txd *first)
{
	return NULL;
}

static inline struct ppnic_held *ppnic_esp_decrypt(struct ppnic_txq *txq,
						   struct ppnic_port *to,
						   struct ppnic_frame *f)
{
	return NULL;
}

static inline void ppnic_ipsec_setup(struct net_device *dev)
{
}

static inline void ppnic_ipsec_tx(struct ppnic_port *port, struct sk_buff *skb,
				  struct ppnic_txd *txd)
{
}

static inline bool ppnic_ipsec_rx(struct ppnic_port *port, struct sk_buff *skb,
				  const struct ppnic_cqe *cqe)
{
	return false;
}

#endif

#endif /* PPNIC_ESP_H */
