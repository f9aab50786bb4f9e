/* SPDX-License-Identifier: GPL-2.0-only */
/* MACsec: what the driver tells the device of it, and what the device does. */
#ifndef PPNIC_MACSEC_H
#define PPNIC_MACSEC_H

#include <linux/workqueue.h>

#include "ppnic.h"

struct ppnic_frame;
struct ppnic_held;
struct sk_buff;

#if IS_ENABLED(CONFIG_MACSEC)

#include <net/macsec.h>

#define PPNIC_MACSEC_FEATURES NETIF_F_HW_MACSEC

/**
 * struct ppnic_macsec_sa - a secure association: a key, and how far it was used
 * @tfm: has the key; never sleeps
 * @icv_len: bytes of what authenticates, at the frame's end
 * @active: frames are sent, or taken, by it
 * @xpn: packet numbers have 64 bits, of which a frame has the lower half
 * @iv: of what each frame's is made: the SCI, or with @xpn SSCI and salt
 * @next_pn: of transmit: the number of the next frame, 0 when there is none
 *	left; of receive: after the highest one that was authentic
 * @tx: of transmit; without @xpn 32 bits of each are told
 * @rx: of receive, as @tx
 * @gone: frees it, after a grace period
 *
 * All but @tfm, @icv_len, @xpn and @iv, which never change, are under the
 * SecY's tx_lock or rx_lock, whichever side it is of.
 */
struct ppnic_macsec_sa {
	struct crypto_aead *tfm;
	u32 icv_len;
	bool active;
	bool xpn;
	u8 iv[MACSEC_SALT_LEN];
	u64 next_pn;
	union {
		struct macsec_tx_sa_stats tx;
		struct macsec_rx_sa_stats rx;
	};
	struct rcu_work gone;
};

/**
 * struct ppnic_rx_sc - a secure channel that a SecY receives
 * @id: what completions call it; not given to another one soon
 * @sci: what frames call it
 * @active: it may be meant by a frame that names none; SecY's rx_lock
 * @secy: its SecY, which goes after it
 * @sa: by association number; RTNL writes, RCU reads
 * @stats: under the SecY's rx_lock
 * @md: what tells the stack that a frame came by it; we hold a reference
 * @node: in ppnic_macsec.rx_scs
 * @gone: frees it, after a grace period
 *
 * In ppnic_macsec.scs from mdo_add_rxsc() to mdo_del_rxsc(), or till its SecY
 * goes, and freed when readers, all under RCU, are done.
 */
struct ppnic_rx_sc {
	u32 id;
	sci_t sci;
	bool active;
	struct ppnic_secy *secy;
	struct ppnic_macsec_sa __rcu *sa[MACSEC_NUM_AN];
	struct macsec_rx_sc_stats stats;
	struct metadata_dst *md;
	struct hlist_node node;
	struct rcu_work gone;
};

/* What a SecY is told: a copy, since the stack changes its own at any time. */
struct ppnic_secy_cfg {
	bool running; /* its network device is up */
	bool protect;
	bool encrypt;
	bool send_sci;
	bool end_station;
	bool scb;
	u8 encoding_sa;
	u16 icv_len;
	bool xpn;
	enum macsec_validation_type validate;
	bool replay_protect;
	u32 window;
};

/**
 * struct ppnic_secy - a MAC security entity
 * @id: what descriptors call it; not given to another one soon
 * @sci: of what it sends; the stack names it by that
 * @cfg: changed with both locks, read with either
 * @tx_lock: of what is sent: number, SecTAG, and the way to the other end, so
 *	that frames of one channel come in order; BH off
 * @rx_lock: of what is received; BH off
 * @tx_sa: by association number; RTNL writes, RCU reads
 * @tx: of its channel; under @tx_lock
 * @out: OutPkts* of the device's; under @tx_lock
 * @in: InPkts* of the device's; under @rx_lock
 * @n_rx_sc: of @rx_scs; RTNL
 * @gone: frees it, after a grace period
 *
 * Lock order: ppnic_txq.engine_lock -> @tx_lock -> @rx_lock of any SecY, or
 * ppnic_rxq.lock. In ppnic_macsec.secys from mdo_add_secy() to mdo_del_secy(),
 * and freed when readers, all under RCU, are done.
 */
struct ppnic_secy {
	u32 id;
	sci_t sci;
	struct ppnic_secy_cfg cfg;
	spinlock_t tx_lock; /* BH off */
	spinlock_t rx_lock; /* BH off */
	struct ppnic_macsec_sa __rcu *tx_sa[MACSEC_NUM_AN];
	struct macsec_tx_sc_stats tx;
	struct macsec_dev_stats out;
	struct macsec_dev_stats in;
	u32 n_rx_sc;
	struct rcu_work gone;
};

/* How long what stands before the user's data is, the EtherType included. */
#define PPNIC_SECTAG     8
#define PPNIC_SECTAG_SCI (PPNIC_SECTAG + MACSEC_SCI_LEN)
/* User's data no longer than that is told by the SecTAG's short length. */
#define PPNIC_SECTAG_LONG 48

/**
 * struct ppnic_sectag - what a frame's SecTAG says
 * @tci: ES, SC, SCB, E, C and the version
 * @an: association number
 * @short_len: 0: the user's data has PPNIC_SECTAG_LONG bytes or more
 * @spare: the bits beside that, which have to be 0
 * @pn: packet number, or its lower half
 * @sci: valid if @tci has SC
 * @len: bytes that it takes, with its EtherType
 */
struct ppnic_sectag {
	u8 tci;
	u8 an;
	u8 short_len;
	u8 spare;
	u32 pn;
	sci_t sci;
	u32 len;
};

/* sectag.c: the device's; frames as IEEE 802.1AE has them */
bool ppnic_sectag_read(const u8 *frame, u32 len, struct ppnic_sectag *tag);
void ppnic_sectag_write(u8 *frame, const struct ppnic_sectag *tag);
int ppnic_sectag_crypt(const struct ppnic_macsec_sa *sa, u8 *frame, u32 len,
		       u32 tag_len, u64 pn, bool conceal, bool encrypt);

/* macsec_rx.c: the device's */
struct ppnic_held *ppnic_macsec_in(struct ppnic_txq *txq, struct ppnic_port *to,
				   struct ppnic_frame *f, bool *drop);

/* macsec_tx.c: the device's */
int ppnic_macsec_out(struct ppnic_txq *txq, struct ppnic_port *to,
		     struct ppnic_frame *f, u32 id);

/* macsec.c: the driver's */
void ppnic_macsec_init(struct ppnic_macsec *macsec);
void ppnic_macsec_exit(struct ppnic_macsec *macsec);
void ppnic_macsec_setup(struct net_device *dev);
void ppnic_macsec_tx(struct ppnic_port *port, struct sk_buff *skb,
		     struct ppnic_txd *txd);
bool ppnic_macsec_rx(struct ppnic_port *port, struct sk_buff *skb,
		     const struct ppnic_cqe *cqe);

/* macsec_table.c: the driver's */
u32 ppnic_rx_sc_bucket(sci_t sci);
struct ppnic_secy *ppnic_secy_find(struct ppnic_macsec *macsec, sci_t sci);
struct ppnic_rx_sc *ppnic_rx_sc_find(struct ppnic_macsec *macsec,
				     const struct ppnic_secy *secy, sci_t sci);
int ppnic_secy_add(struct ppnic_macsec *macsec, struct ppnic_secy *secy);
void ppnic_secy_remove(struct ppnic_macsec *macsec, struct ppnic_secy *secy);
int ppnic_rx_sc_add(struct ppnic_macsec *macsec, struct ppnic_rx_sc *sc);
void ppnic_rx_sc_remove(struct ppnic_macsec *macsec, struct ppnic_rx_sc *sc);
void ppnic_macsec_sa_set(struct ppnic_macsec_sa __rcu **slot,
			 struct ppnic_macsec_sa *sa);

/* macsec_stats.c: the driver's */
int ppnic_macsec_dev_stats(struct macsec_context *ctx);
int ppnic_macsec_tx_sc_stats(struct macsec_context *ctx);
int ppnic_macsec_tx_sa_stats(struct macsec_context *ctx);
int ppnic_macsec_rx_sc_stats(struct macsec_context *ctx);
int ppnic_macsec_rx_sa_stats(struct macsec_context *ctx);

#else

#define PPNIC_MACSEC_FEATURES ((netdev_features_t)0)

static inline struct ppnic_held *ppnic_macsec_in(struct ppnic_txq *txq,
						 struct ppnic_port *to,
						 struct ppnic_frame *f,
						 bool *drop)
{
	*drop = false;
	return NULL;
}

static inline int ppnic_macsec_out(struct ppnic_txq *txq, struct ppnic_port *to,
				   struct ppnic_frame *f, u32 id)
{
	return SKB_DROP_REASON_DEV_HDR;
}

static inline void ppnic_macsec_init(struct ppnic_macsec *macsec)
{
}

static inline void ppnic_macsec_exit(struct ppnic_macsec *macsec)
{
}

static inline void ppnic_macsec_setup(struct net_device *dev)
{
}

static inline void ppnic_macsec_tx(struct ppnic_port *port, struct sk_buff *skb,
				   struct ppnic_txd *txd)
{
}

static inline bool ppnic_macsec_rx(struct ppnic_port *port, struct sk_buff *skb,
				   const struct ppnic_cqe *cqe)
{
	return false;
}

#endif

#endif /* PPNIC_MACSEC_H */
