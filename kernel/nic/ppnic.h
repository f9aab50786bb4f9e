/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * ppnic: a software NIC with real rings, for device-memory TCP without
 * hardware.
 *
 * Two ports form a link, like veth. The split between driver and device is
 * kept on purpose: the driver half (rx.c, tx.c, xdp.c, xsk.c, netdev.c,
 * queue_mgmt.c, ethtool.c, ipsec.c, macsec.c) only writes descriptors, rings
 * doorbells and reads completions; the device half (engine.c, wire.c,
 * deliver.c, gro.c, segment.c, parse.c, rss.c, steer.c, esp.c, macsec_rx.c,
 * macsec_tx.c) only sees descriptors and reaches memory through the table of
 * mapped regions in dma.c. What both halves see is in ring.h.
 *
 *   port A                                      port B
 *   ndo_start_xmit                              napi poll
 *     | dma_map, descriptor                       | completion -> skb
 *     v                                           v
 *   [TX ring q] --doorbell--> engine --dma--> [RX rings q'] --irq--> channel
 *     ^                         |
 *     `---- irq, reap ----------' write-back
 *
 * Lock order: TX queue lock (core) -> ppnic_txq.engine_lock -> ppnic_rxq.lock.
 * All three are taken with bottom halves off. Netpoll sends and reaps with
 * interrupts off, maybe in a hard interrupt: it takes the first only, and the
 * device works later, in NAPI (ppnic_engine_kick()).
 *
 * "The ops lock" is the netdev's own where the kernel has one, otherwise the
 * RTNL (compat/netdev.h). What is marked [1] is changed with both and read with
 * either.
 */
#ifndef PPNIC_H
#define PPNIC_H

#include <linux/atomic.h>
#include <linux/dma-mapping.h>
#include <linux/ethtool.h>
#include <linux/hrtimer.h>
#include <linux/irq_work.h>
#include <linux/netdevice.h>
#include <linux/sizes.h>
#include <linux/smp.h>
#include <linux/rtnetlink.h>
#include <linux/timer.h>
#include <linux/u64_stats_sync.h>
#include <linux/xarray.h>
#include <net/dropreason.h>
#include <net/netdev_queues.h>
#include <net/page_pool/helpers.h>
#include <net/page_pool/types.h>
#include <net/xdp.h>

#include "limits.h"
#include "parse.h"
#include "ring.h"

#define PPNIC_NAME "ppnic"

/* With either of them frames of a flow may reach the driver as one. */
#define PPNIC_JOIN_FEATURES (NETIF_F_GRO_HW | NETIF_F_LRO)

struct irq_domain;
struct ppnic_port;
struct ppnic_parent;
struct seq_file;
struct ppiov_binding;
struct ppnic_phc;
struct ppnic_shaping;
struct ppnic_mac_merge;
struct xsk_buff_pool;

/* ------------------------------------------------------------------ dma.c */

/*
 * struct ppnic_parent - the device behind a port: DMA mask, regions, IRQ domain
 *
 * Lifetime: device-model reference counted. The port holds one reference;
 * each mapped region holds one, since a dma-buf binding or an in-flight page
 * may outlive the port. Freed in the release callback; module exit waits for
 * the last one (ppnic_dma_exit()), as the map ops are module text.
 */
struct ppnic_parent {
	struct device dev;
	int id;
	struct xarray regions; /* IOVA page -> struct ppnic_region */
	atomic64_t next_iova;  /* page number, wraps at the DMA mask */
	atomic_t nr_regions;
	atomic64_t faults;             /* accesses refused */
	atomic64_t sync_cycles;        /* see ppnic_sync_single() */
	struct dentry *debugfs;        /* owned by fault.c */
	struct irq_domain *irq_domain; /* of the port's interrupts; irq.c */
	u64 dma_mask;
	struct device_dma_parameters dma_parms;
};

int ppnic_dma_init(void);
void ppnic_dma_exit(void);
struct ppnic_parent *ppnic_parent_create(void);
void ppnic_parent_destroy(struct ppnic_parent *parent);

int ppnic_dma_read(struct ppnic_parent *p, void *to, dma_addr_t from,
		   size_t len);
int ppnic_dma_write(struct ppnic_parent *p, dma_addr_t to, const void *from,
		    size_t len);
int ppnic_dma_copy(struct ppnic_parent *dp, dma_addr_t to,
		   struct ppnic_parent *sp, dma_addr_t from, size_t len);
int ppnic_dma_csum(struct ppnic_parent *p, dma_addr_t from, size_t len,
		   size_t pos, __wsum *sum);
void ppnic_dma_show(struct seq_file *m, struct ppnic_parent *p);

/* ------------------------------------------------------------------ irq.c */

/* Interrupt moderation of one direction of a channel; see ethtool -C. */
struct ppnic_moderation {
	u32 usecs;
	u32 frames;
};

enum ppnic_armed {
	PPNIC_IRQ_OFF = -1,     /* disabled: neither fires nor arms */
	PPNIC_IRQ_DISARMED = 0, /* fired; NAPI polls, then arms again */
	PPNIC_IRQ_ARMED = 1,    /* an event may raise the interrupt */
};

/*
 * struct ppnic_channel - one NAPI and its interrupt
 *
 * Queue pair i of a port shares channel i. Exists as long as the port, and so
 * does its interrupt, which is handled only while the port is up.
 */
struct ppnic_channel {
	struct napi_struct napi;
	struct ppnic_port *port;
	u16 index;
	bool enabled; /* NAPI may run (ops lock) */
	/* Of an AF_XDP socket, or NULL; [1], and with NAPI disabled */
	struct xsk_buff_pool *xsk;
	struct xdp_rxq_info xsk_info; /* registered while there is one */
	unsigned int virq;            /* constant */
	int cpu;                      /* effective affinity, by irq_chip */
	bool masked;                  /* by irq_chip */
	atomic_t armed;               /* enum ppnic_armed */
	atomic_t rx_frames;           /* events since the last interrupt */
	atomic_t tx_frames;
	struct ppnic_moderation rx_mod;
	struct ppnic_moderation tx_mod;
	struct hrtimer mod_timer;
	struct irq_work work;         /* delivers on this CPU */
	call_single_data_t csd;       /* delivers on another one */
	atomic_t pending;             /* raised, not yet handled; irq.c */
	atomic_t in_flight;           /* deliveries not yet returned; irq.c */
	spinlock_t irq_lock;          /* fire and timer against disable */
	raw_spinlock_t send_lock;     /* csd, work; under irq_lock or desc's */
	bool closed;                  /* under send_lock: nothing is sent */
	char irq_name[IFNAMSIZ + 12]; /* in /proc/interrupts */
	atomic64_t interrupts;
};

void ppnic_irq_init(struct ppnic_channel *ch);
int ppnic_irq_create(struct ppnic_port *port);
void ppnic_irq_destroy(struct ppnic_port *port);
int ppnic_irq_request(struct ppnic_port *port);
void ppnic_irq_free(struct ppnic_port *port);
void ppnic_irq_enable(struct ppnic_channel *ch);
void ppnic_irq_disable(struct ppnic_channel *ch);
bool ppnic_irq_rearm(struct ppnic_channel *ch);
void ppnic_irq_event_rx(struct ppnic_channel *ch, u32 frames);
void ppnic_irq_event_tx(struct ppnic_channel *ch, u32 frames);
void ppnic_irq_fire(struct ppnic_channel *ch);

/* ------------------------------------------------------------------ rss.c */

/* Flows whose hash input can be chosen; all else hashes its IP addresses. */
enum ppnic_rss_flow {
	PPNIC_RSS_TCP4,
	PPNIC_RSS_UDP4,
	PPNIC_RSS_TCP6,
	PPNIC_RSS_UDP6,
	PPNIC_RSS_FLOWS
};

/* One context; replaced as a whole, ops lock; the engine reads under RCU. */
struct ppnic_rss_ctx {
	struct rcu_head rcu;
	u8 key[PPNIC_RSS_KEY];
	u32 size; /* of the table: the same in all contexts of a port */
	u32 indir[PPNIC_RSS_MAX_INDIR];
	u32 fields[PPNIC_RSS_FLOWS]; /* RXH_* */
	u8 input_xfrm;               /* 0 or RXH_XFRM_SYM_XOR */
};

struct ppnic_rss {
	struct ppnic_rss_ctx __rcu *ctx[PPNIC_RSS_CONTEXTS];
};

int ppnic_rss_init(struct ppnic_port *port);
void ppnic_rss_free(struct ppnic_port *port);
int ppnic_rss_check_size(struct ppnic_port *port, u32 nr_queues);
int ppnic_rss_spread(struct ppnic_port *port, u32 nr_queues);
bool ppnic_rss_in_use(struct ppnic_port *port, u32 first_gone);
u16 ppnic_rss_lookup(struct ppnic_port *port, u32 id,
		     const struct ppnic_headers *h, u32 *hash,
		     enum pkt_hash_types *type);
struct ppnic_rss_ctx *ppnic_rss_ctx_get(struct ppnic_port *port, u32 id);
struct ppnic_rss_ctx *ppnic_rss_ctx_new(struct ppnic_port *port);
struct ppnic_rss_ctx *ppnic_rss_ctx_dup(struct ppnic_port *port, u32 id);
u32 ppnic_rss_ctx_queues(struct ppnic_port *port, u32 id);
void ppnic_rss_ctx_set(struct ppnic_port *port, u32 id,
		       struct ppnic_rss_ctx *ctx);
u32 ppnic_toeplitz(const u8 *key, const u8 *data, u32 len);

/* ---------------------------------------------------------------- steer.c */

enum ppnic_verdict {
	PPNIC_STEER_NONE, /* no rule: default RSS context */
	PPNIC_STEER_QUEUE,
	PPNIC_STEER_CONTEXT,
	PPNIC_STEER_DROP,
};

struct ppnic_steer {
	struct list_head rules; /* by location; ops lock writes, RCU reads */
	u32 count;
};

void ppnic_steer_init(struct ppnic_port *port);
void ppnic_steer_free(struct ppnic_port *port);
bool ppnic_steer_in_use(struct ppnic_port *port, u32 first_gone);
u32 ppnic_steer_most_queues(struct ppnic_port *port, u32 ctx);
bool ppnic_steer_uses_context(struct ppnic_port *port, u32 ctx);
enum ppnic_verdict ppnic_steer(struct ppnic_port *port,
			       const struct ppnic_headers *h, const u8 *data,
			       u16 *queue, u32 *ctx);
int ppnic_steer_get_rxnfc(struct ppnic_port *port, struct ethtool_rxnfc *cmd,
			  u32 *locs);
int ppnic_steer_set_rxnfc(struct ppnic_port *port, struct ethtool_rxnfc *cmd);

/* ------------------------------------------------------------------ esp.c */

/**
 * struct ppnic_esp - the security associations of a port
 * @sas: struct ppnic_sa, by id
 * @next: id to try next, so that a late descriptor finds no other one
 * @inbound: those that decrypt, by SPI; RCU reads
 * @count: of @sas
 * @lock: writers of @inbound, and @count
 *
 * Without IPsec offload in the kernel there are none.
 */
struct ppnic_esp {
	struct xarray sas;
	u32 next;
	struct hlist_head inbound[PPNIC_ESP_BUCKETS];
	u32 count;
	spinlock_t lock; /* of @inbound and @count; BH off */
};

/* -------------------------------------------------------------- macsec*.c */

/**
 * struct ppnic_macsec - the SecYs of a port, and what they receive
 * @secys: struct ppnic_secy, by id
 * @scs: struct ppnic_rx_sc of all of them, by id
 * @next_secy: id to try next, so that a late descriptor finds no other one
 * @next_sc: as that, for completions
 * @rx_scs: the same channels, by SCI
 * @count: of @secys; frames are not looked at while it is 0
 *
 * RTNL writes, the device reads under RCU. Without MACsec in the kernel there
 * are none.
 */
struct ppnic_macsec {
	struct xarray secys;
	struct xarray scs;
	u32 next_secy;
	u32 next_sc;
	struct hlist_head rx_scs[PPNIC_RX_SC_BUCKETS];
	u32 count;
};

/* -------------------------------------------------------- psp.c, psp_wire.c */

/**
 * struct ppnic_psp - the keys of a port
 * @dev: the stack's; NULL while there is none
 * @tx: struct ppnic_psp_tx, by id
 * @rx: struct ppnic_psp_rx, by SPI
 * @next: id to try next, so that a late descriptor finds no other one
 * @spi: given out last; its uppermost bit says which of the two keys of the
 *	device gives them out
 * @nr_tx: of @tx
 * @nr_rx: of @rx
 * @versions: mask of those that are received; frames are not looked at while it
 *	is 0
 * @rx_packets: as the kernel's netlink specification says, and those below
 * @rx_bytes: ...
 * @rx_auth_fail: ...
 * @rx_error: ...
 * @rx_bad: ...
 * @tx_packets: ...
 * @tx_bytes: ...
 * @tx_error: ...
 *
 * Written with the lock of @dev held, but for the statistics; the device reads
 * under RCU. Without PSP in the kernel there is nothing.
 */
struct ppnic_psp {
	struct psp_dev *dev;
	struct xarray tx;
	struct xarray rx;
	u32 next;
	u32 spi;
	u32 nr_tx;
	u32 nr_rx;
	u32 versions;
	atomic64_t rx_packets;
	atomic64_t rx_bytes;
	atomic64_t rx_auth_fail;
	atomic64_t rx_error;
	atomic64_t rx_bad;
	atomic64_t tx_packets;
	atomic64_t tx_bytes;
	atomic64_t tx_error;
};

/* ---------------------------------------------------------------- fault.c */

/**
 * struct ppnic_fault - a countdown or a period, set over debugfs
 * @arg: 0: off. Otherwise "every Nth" or "the next N", as its user asks
 * @count: events seen while on
 * @hits: faults injected
 */
struct ppnic_fault {
	u32 arg;
	atomic_t count;
	atomic64_t hits;
};

/* Every field is one named path of the driver or the device. */
struct ppnic_faults {
	struct ppnic_fault lose; /* engine, frames this port sends */
	struct ppnic_fault duplicate;
	struct ppnic_fault reorder;
	struct ppnic_fault corrupt;
	struct ppnic_fault bit_errors;
	struct ppnic_fault tx_inner;  /* next N tunnels are misdescribed */
	struct ppnic_fault rx_alloc;  /* next N buffer allocations fail */
	struct ppnic_fault rx_attach; /* next N payloads get into no skb */
	struct ppnic_fault stray_dma; /* next N RX frames hit a bad address */
	struct ppnic_fault queue_mem_alloc; /* next N calls fail */
	struct ppnic_fault queue_start;
	struct ppnic_fault queue_stop;
	u64 rx_queues; /* bitmap: whom rx_alloc, rx_attach, stray_dma strike */
	u64 stall_rx;  /* bitmap of queues, of the first 64 */
	u64 stall_tx;
	u32 burst;          /* bits that are wrong with bit_errors, 0 as 1 */
	bool unplugged;     /* this end of the cable is out; RTNL */
	struct xarray held; /* netmems held back, by fault.c */
	u32 nr_held;
};

void ppnic_fault_init(void);
void ppnic_fault_exit(void);
void ppnic_fault_add_port(struct ppnic_port *port);
void ppnic_fault_del_port(struct ppnic_port *port);
bool ppnic_fault_due(struct ppnic_fault *f);
void ppnic_fault_struck(struct ppnic_fault *f);
bool ppnic_fault_every(struct ppnic_fault *f);
bool ppnic_fault_next(struct ppnic_fault *f);
static inline bool ppnic_fault_has_queue(const u64 *queues, u32 index)
{
	return index < BITS_PER_TYPE(*queues) &&
	       READ_ONCE(*queues) & BIT_ULL(index);
}

bool ppnic_fault_next_rx(const struct ppnic_rxq *rxq, struct ppnic_fault *f);

/* ------------------------------------------------------------------- port */

/* What rings are made by; ethtool -G. */
struct ppnic_ring_cfg {
	u32 rx; /* descriptors, power of two */
	u32 tx;
	u32 buf_len; /* of data buffers without a provider, power of two */
	bool split;  /* tcp-data-split */
	bool xdp;    /* buffers that an XDP program can run on */
};

/**
 * struct ppnic_phy - what a port offers the other one
 * @autoneg: it negotiates
 * @advertised: the modes that it would take then, see linkmode.c; never none
 * @forced: its speed otherwise, Mb/s
 *
 * All under RTNL.
 */
struct ppnic_phy {
	bool autoneg;
	unsigned long advertised;
	u32 forced;
};

/* Symbols of a block that RS(528,514) puts right. */
#define PPNIC_RS_CORRECTS 7

/**
 * struct ppnic_fec - forward error correction of a port
 * @modes: ETHTOOL_FEC_* that it takes; the ops lock's, the device reads
 * @corrected_blocks: that it received
 * @corrected_bits: ...
 * @uncorrectable_blocks: ...
 * @symbols: blocks that RS corrected, by wrong symbols, from 1
 */
struct ppnic_fec {
	u32 modes;
	atomic64_t corrected_blocks;
	atomic64_t corrected_bits;
	atomic64_t uncorrectable_blocks;
	atomic64_t symbols[PPNIC_RS_CORRECTS];
};

/*
 * struct ppnic_port - one end of a link; netdev_priv()
 *
 * @peer is cleared under RTNL when either end goes away and read under RCU by
 * the engine; the core's grace period before a netdev is freed covers it.
 */
struct ppnic_port {
	struct net_device *dev;
	struct ppnic_port __rcu *peer;
	struct ppnic_parent *parent;
	struct ppnic_channel *channels; /* max(num_rx_queues, num_tx_queues) */
	struct ppnic_rxq *rxqs;         /* dev->num_rx_queues */
	struct ppnic_txq *txqs;         /* dev->num_tx_queues */
	u32 nr_channels;
	struct ppnic_ring_cfg cfg; /* [1] */
	u32 hds_thresh; /* frames no longer than this are not split */
	bool up;        /* rings exist [1]; XDP looks under a TX queue lock */
	bool rx_pause;  /* ethtool -A: heed the peer's pause */
	bool tx_pause;  /* ethtool -A: pause the peer */
	struct ppnic_phy phy;
	struct ppnic_fec fec;
	u32 speed;     /* of the link, Mb/s; 0 without one; RTNL writes */
	u32 pause_ms;  /* pfc-prevention-tout */
	bool stamp_tx; /* stamp what asks for it; the device reads it too */
	bool stamp_rx; /* stamp all */
	struct ppnic_phc *phc;
	struct ppnic_shaping *shaping;     /* if the kernel has shapers */
	struct ppnic_mac_merge *mac_merge; /* if the kernel has its half */
	u32 tc_queues; /* TX queues that classes of mqprio have; RTNL */
	/* Of those, queues of preemptible classes; bitops, the device reads */
	DECLARE_BITMAP(preemptible, PPNIC_MAX_QUEUES);
	struct bpf_prog __rcu *xdp_prog;  /* we hold a reference; [1] */
	struct ppnic_bpf_prog __rcu *bpf; /* in the device; RTNL */
	struct bpf_offload_dev *bpf_dev;
	struct ppnic_mac_stats bpf_sent;  /* rxqs[0].lock */
	struct delayed_work restart_work; /* tries queues with @restart */
	struct ppnic_rss rss;
	struct ppnic_steer steer;
	struct ppnic_esp esp; /* the stack removes them before the port goes */
	struct ppnic_macsec macsec; /* as @esp */
	struct ppnic_psp psp;
	struct ppnic_faults faults;
	/* get_cycles() that the device half took of whoever works for this
	 * port: on real hardware no CPU would have done that
	 */
	atomic64_t engine_cycles;
};

static inline struct ppnic_port *ppnic_peer_rtnl(struct ppnic_port *port)
{
	return rtnl_dereference(port->peer);
}

/* What is on now: the device looks while ethtool changes it. */
static inline netdev_features_t ppnic_features(const struct ppnic_port *port)
{
	return READ_ONCE(port->dev->features);
}

/* netdev.c */
extern const struct net_device_ops ppnic_netdev_ops;
void ppnic_priv_destructor(struct net_device *dev);
void ppnic_channel_enable(struct ppnic_channel *ch);
void ppnic_channel_disable(struct ppnic_channel *ch);
int ppnic_port_resize(struct ppnic_port *port, const struct ppnic_ring_cfg *cfg,
		      struct netlink_ext_ack *extack);
int ppnic_port_set_channels(struct ppnic_port *port, u32 rx, u32 tx);
void ppnic_carrier_update(struct ppnic_port *port);
void ppnic_release_senders(struct ppnic_port *port);

/* link.c */
extern struct rtnl_link_ops ppnic_link_ops;

/* linkmode.c */
void ppnic_phy_init(struct ppnic_phy *phy);
u32 ppnic_phy_agree(const struct ppnic_phy *a, const struct ppnic_phy *b);
int ppnic_get_link_ksettings(struct net_device *dev,
			     struct ethtool_link_ksettings *cmd);
int ppnic_set_link_ksettings(struct net_device *dev,
			     const struct ethtool_link_ksettings *cmd);
int ppnic_get_link_ext_state(struct net_device *dev,
			     struct ethtool_link_ext_state_info *info);

/* rx.c */
int ppnic_rx_poll(struct ppnic_rxq *rxq, int budget);
bool ppnic_rx_pending(struct ppnic_rxq *rxq);

/* rx_mem.c */
int ppnic_rx_mem_alloc(struct ppnic_rxq *rxq, struct ppnic_rx_mem *mem,
		       const struct ppnic_ring_cfg *cfg, u32 page_size);
void ppnic_rx_mem_free(struct ppnic_rxq *rxq, struct ppnic_rx_mem *mem);
void ppnic_rx_start(struct ppnic_rxq *rxq, struct ppnic_rx_mem *mem);
void ppnic_rx_stop(struct ppnic_rxq *rxq, struct ppnic_rx_mem *mem);
void ppnic_rx_refill(struct ppnic_rxq *rxq);
void ppnic_rx_queue_init(struct ppnic_port *port, u16 index);
bool ppnic_rxq_has_provider(struct ppnic_port *port, u32 index);
bool ppnic_port_has_provider(struct ppnic_port *port, u32 first);

/* tx.c */
netdev_tx_t ppnic_xmit(struct sk_buff *skb, struct net_device *dev);
netdev_features_t ppnic_features_check(struct sk_buff *skb,
				       struct net_device *dev,
				       netdev_features_t features);
int ppnic_tx_mem_alloc(struct ppnic_tx_mem *mem, u32 ring);
void ppnic_tx_mem_free(struct ppnic_tx_mem *mem);
void ppnic_tx_start(struct ppnic_txq *txq, struct ppnic_tx_mem *mem);
void ppnic_tx_stop(struct ppnic_txq *txq, struct ppnic_tx_mem *mem);
bool ppnic_tx_reap(struct ppnic_txq *txq, int budget);
bool ppnic_tx_pending(struct ppnic_txq *txq);
void ppnic_tx_queue_init(struct ppnic_port *port, u16 index);
void ppnic_tx_restart(struct ppnic_txq *txq);

/* What a poll has begun to send by XDP, and is to end. */
struct ppnic_xdp_out {
	bool tx;       /* ring the doorbell */
	bool redirect; /* flush the maps */
};

/* xdp.c: programs on received frames */
extern const struct xdp_metadata_ops ppnic_xdp_metadata_ops;
int ppnic_bpf(struct net_device *dev, struct netdev_bpf *bpf);
int ppnic_xdp_check_mtu(struct ppnic_port *port, u32 mtu);
bool ppnic_xdp_is_single(struct ppnic_port *port);
int ppnic_rx_xdp_alloc(struct ppnic_rxq *rxq, struct ppnic_rx_mem *mem);
void ppnic_rx_xdp_free(struct ppnic_rx_mem *mem);
struct sk_buff *ppnic_xdp_rx(struct ppnic_rxq *rxq, struct bpf_prog *prog,
			     const struct ppnic_cqe *cqe,
			     struct ppnic_xdp_out *out);

/* mqprio.c */
int ppnic_setup_tc(struct net_device *dev, enum tc_setup_type type,
		   void *type_data);

/* xdp_tx.c: frames that XDP sends */
int ppnic_xdp_tx(struct ppnic_port *port, struct xdp_frame *xdpf);
void ppnic_xdp_flush(struct ppnic_port *port, const struct ppnic_xdp_out *out);
int ppnic_xdp_xmit(struct net_device *dev, int n, struct xdp_frame **frames,
		   u32 flags);

/* xsk.c: AF_XDP without copies */
int ppnic_xsk_check_mtu(struct ppnic_port *port, u32 mtu);
bool ppnic_xsk_in_use(struct ppnic_port *port, u32 first);
int ppnic_xsk_setup(struct ppnic_port *port, u32 queue,
		    struct xsk_buff_pool *pool);
int ppnic_xsk_wakeup(struct net_device *dev, u32 queue, u32 flags);
bool ppnic_xsk_ask(struct xsk_buff_pool *pool, bool dry);
struct sk_buff *ppnic_xsk_rx(struct ppnic_rxq *rxq, struct bpf_prog *prog,
			     const struct ppnic_cqe *cqe,
			     struct ppnic_xdp_out *out);
bool ppnic_xsk_xmit(struct ppnic_txq *txq);
void ppnic_xsk_sent(struct ppnic_txq *txq, u32 n);

/* engine.c */
void ppnic_engine_kick(struct ppnic_txq *txq);
void ppnic_engine_kick_waiters(struct ppnic_rxq *rxq);
void ppnic_engine_charge(struct ppnic_port *port, u64 from);

/* wire.c; what only the device half calls is in frame.h */
void ppnic_wire_init(struct ppnic_txq *txq);
void ppnic_wire_lose(struct ppnic_txq *txq);
void ppnic_wire_drain(struct ppnic_txq *txq);

/* queue_mgmt.c */
extern const struct netdev_queue_mgmt_ops ppnic_queue_mgmt_ops;
int ppnic_queue_restart(struct ppnic_rxq *rxq);
void ppnic_queue_take_down(struct ppnic_rxq *rxq);
void ppnic_queue_mgmt_init(struct ppnic_port *port);
void ppnic_queue_mgmt_exit(struct ppnic_port *port);

/* queue_bind.c */
int ppnic_bind_init(struct ppnic_port *port);
void ppnic_bind_exit(struct ppnic_port *port);

/* ethtool.c */
extern const struct ethtool_ops ppnic_ethtool_ops;

/* rss_ethtool.c: the ethtool face of rss.c and steer.c */
u32 ppnic_get_rxfh_key_size(struct net_device *dev);
u32 ppnic_get_rxfh_indir_size(struct net_device *dev);
int ppnic_get_rxfh(struct net_device *dev, struct ethtool_rxfh_param *rxfh);
int ppnic_set_rxfh(struct net_device *dev, struct ethtool_rxfh_param *rxfh,
		   struct netlink_ext_ack *extack);
int ppnic_create_rxfh_context(struct net_device *dev,
			      struct ethtool_rxfh_context *ctx,
			      const struct ethtool_rxfh_param *rxfh,
			      struct netlink_ext_ack *extack);
int ppnic_modify_rxfh_context(struct net_device *dev,
			      struct ethtool_rxfh_context *ctx,
			      const struct ethtool_rxfh_param *rxfh,
			      struct netlink_ext_ack *extack);
int ppnic_remove_rxfh_context(struct net_device *dev,
			      struct ethtool_rxfh_context *ctx, u32 rss_context,
			      struct netlink_ext_ack *extack);
u32 ppnic_get_rx_ring_count(struct net_device *dev);
int ppnic_get_rxfh_fields(struct net_device *dev,
			  struct ethtool_rxfh_fields *fields);
int ppnic_set_rxfh_fields(struct net_device *dev,
			  const struct ethtool_rxfh_fields *fields,
			  struct netlink_ext_ack *extack);
int ppnic_get_rxnfc(struct net_device *dev, struct ethtool_rxnfc *cmd,
		    u32 *locs);
int ppnic_set_rxnfc(struct net_device *dev, struct ethtool_rxnfc *cmd);

/* phc.c */
int ppnic_phc_init(struct ppnic_port *port);
void ppnic_phc_exit(struct ppnic_port *port);
int ppnic_phc_index(const struct ppnic_port *port);
u64 ppnic_phc_ns(struct ppnic_port *port, u64 count);

/* hwtstamp.c */
struct kernel_hwtstamp_config;
int ppnic_hwtstamp_get(struct net_device *dev,
		       struct kernel_hwtstamp_config *cfg);
int ppnic_hwtstamp_set(struct net_device *dev,
		       struct kernel_hwtstamp_config *cfg,
		       struct netlink_ext_ack *extack);
int ppnic_get_ts_info(struct net_device *dev,
		      struct kernel_ethtool_ts_info *info);
bool ppnic_stamp_wanted(struct ppnic_port *port, struct sk_buff *skb);
void ppnic_stamp_tx(struct ppnic_port *port, struct sk_buff *skb, u64 count);
void ppnic_stamp_rx(struct ppnic_port *port, struct sk_buff *skb, u64 count);

/* fec.c */
void ppnic_fec_init(struct ppnic_fec *fec);
bool ppnic_fec_receive(struct ppnic_port *to, u32 burst);
int ppnic_get_fecparam(struct net_device *dev, struct ethtool_fecparam *param);
int ppnic_set_fecparam(struct net_device *dev, struct ethtool_fecparam *param);
struct ethtool_fec_hist;
void ppnic_get_fec_stats(struct net_device *dev,
			 struct ethtool_fec_stats *stats,
			 struct ethtool_fec_hist *hist);

/* Frames that the device itself lost, for the counters of a MAC. */
struct ppnic_lost {
	u64 tx; /* it could not read them from memory */
	u64 rx; /* it could not write them there */
	u64 too_long;
	u64 fcs; /* their check sequence was wrong */
};

/* stats.c */
extern const struct netdev_stat_ops ppnic_stat_ops;
void ppnic_get_stats64(struct net_device *dev, struct rtnl_link_stats64 *s);
int ppnic_get_sset_count(struct net_device *dev, int sset);
void ppnic_get_strings(struct net_device *dev, u32 sset, u8 *data);
void ppnic_get_ethtool_stats(struct net_device *dev,
			     struct ethtool_stats *stats, u64 *data);
void ppnic_lost_frames(struct ppnic_port *port, struct ppnic_lost *lost);
u64 ppnic_smd_errors(struct ppnic_port *port);

/* mac.c */
void ppnic_mac_init(struct ppnic_mac_stats *mac);
void ppnic_mac_pauses(struct ppnic_port *port, enum ethtool_mac_stats_src src,
		      u64 *sent, u64 *received);
void ppnic_get_eth_mac_stats(struct net_device *dev,
			     struct ethtool_eth_mac_stats *stats);
void ppnic_get_eth_ctrl_stats(struct net_device *dev,
			      struct ethtool_eth_ctrl_stats *stats);
void ppnic_get_rmon_stats(struct net_device *dev,
			  struct ethtool_rmon_stats *stats,
			  const struct ethtool_rmon_hist_range **ranges);

/* mac_merge.c, on kernels that have their half of it */
int ppnic_get_mm(struct net_device *dev, struct ethtool_mm_state *state);
int ppnic_set_mm(struct net_device *dev, struct ethtool_mm_cfg *cfg,
		 struct netlink_ext_ack *extack);
void ppnic_get_mm_stats(struct net_device *dev, struct ethtool_mm_stats *stats);

#endif /* PPNIC_H */
