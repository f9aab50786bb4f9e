/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * ppnic: a software NIC with real rings, for device-memory TCP without
 * hardware.
 *
 * Two ports form a link, like veth. The split between driver and device is
 * kept on purpose: the driver half (rx.c, tx.c, xdp.c, xsk.c, netdev.c,
 * queue_mgmt.c, ethtool.c) only writes descriptors, rings doorbells and reads
 * completions; the device half (engine.c, wire.c, deliver.c, segment.c,
 * parse.c, rss.c, steer.c) only sees descriptors and reaches memory through the
 * table of mapped regions in dma.c.
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

#include "../include/ppiov/netmem.h"

#define PPNIC_NAME       "ppnic"
#define PPNIC_DEF_QUEUES 4
#define PPNIC_MAX_QUEUES 64 /* width of ppnic_rxq.waiters */
static_assert(PPNIC_MAX_QUEUES <= BITS_PER_LONG);

#define PPNIC_DEF_RING      512
#define PPNIC_MIN_RING      64
#define PPNIC_MAX_RING      8192
#define PPNIC_MAX_MTU       9600
#define PPNIC_MAX_RX_BUF    SZ_2M  /* of a provider */
#define PPNIC_MAX_BUF_LEN   SZ_64K /* rx-buf-len */
#define PPNIC_MAX_HDS       PPNIC_MAX_MTU
#define PPNIC_HDR_MAX       256 /* the parser and TSO look no further */
#define PPNIC_MAX_SG        (MAX_SKB_FRAGS + 1)
#define PPNIC_RSS_MIN_INDIR 128 /* entries of a table, a power of two */
#define PPNIC_RSS_PER_QUEUE 8   /* ... and of it for each queue, at least */
#define PPNIC_RSS_MAX_INDIR (PPNIC_RSS_PER_QUEUE * PPNIC_MAX_QUEUES)
#define PPNIC_RSS_KEY       52
#define PPNIC_RSS_CONTEXTS  16 /* context 0 is the default one */
#define PPNIC_STEER_RULES   1024
#define PPNIC_DEF_PAUSE_MS  100
#define PPNIC_DEF_RX_USECS  8
#define PPNIC_DEF_RX_FRAMES 32
#define PPNIC_DEF_TX_USECS  32
#define PPNIC_DEF_TX_FRAMES 64

/* A program may use all of XDP_PACKET_HEADROOM; a frame's own words beside. */
#define PPNIC_XDP_HEADROOM                                                \
	(XDP_PACKET_HEADROOM + SKB_DATA_ALIGN(sizeof(struct xdp_frame)) + \
	 NET_IP_ALIGN)

struct irq_domain;
struct ppnic_port;
struct ppnic_parent;
struct seq_file;
struct ppiov_binding;
struct ppnic_held;
struct ppnic_rx_ring;
struct ppnic_ring_cfg;
struct ppnic_rxq;
struct ppnic_source_ops;
struct ppnic_phc;
struct ppnic_shaping;
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

/* ---------------------------------------------------------------- parse.c */

enum ppnic_l4 {
	PPNIC_L4_OTHER,
	PPNIC_L4_TCP,
	PPNIC_L4_UDP,
};

/* struct ppnic_headers - what the device's parser found */
struct ppnic_headers {
	__be16 l3_proto; /* ETH_P_IP, ETH_P_IPV6 or what L2 says */
	u16 l3_off;      /* of the IP header; 0 if not IP */
	u16 l4_off;      /* 0 if none: later fragment, other protocol */
	u16 next_off;    /* what follows IP, whatever; 0 if out of reach */
	u16 hdr_len;     /* up to the TCP payload or UDP's; 0 if no L4 */
	u32 frame_len;   /* that L2+L3 claim; padding beyond is no payload */
	u8 ip_proto;
	u8 nr_vlans;
	u16 vlan_tci; /* of the outermost tag, 0 if none */
	enum ppnic_l4 l4;
	bool is_frag;
	union {
		struct {
			__be32 saddr, daddr;
		} v4;
		struct {
			struct in6_addr saddr, daddr;
			__be32 flow_label; /* 20 bits */
		} v6;
	};
	__be16 sport, dport;
};

void ppnic_parse(const u8 *data, u32 avail, u32 frame_len,
		 struct ppnic_headers *h);
bool ppnic_parse_inner(const u8 *data, u32 avail, u32 l3_off, u32 l4_off,
		       struct ppnic_headers *h);
bool ppnic_parse_ipip(const u8 *data, u32 avail,
		      const struct ppnic_headers *outer,
		      struct ppnic_headers *h);

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
bool ppnic_steer_uses_context(struct ppnic_port *port, u32 ctx);
enum ppnic_verdict ppnic_steer(struct ppnic_port *port,
			       const struct ppnic_headers *h, const u8 *data,
			       u32 *target);
int ppnic_steer_get_rxnfc(struct ppnic_port *port, struct ethtool_rxnfc *cmd,
			  u32 *locs);
int ppnic_steer_set_rxnfc(struct ppnic_port *port, struct ethtool_rxnfc *cmd);

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
	struct ppnic_fault tx_inner;  /* next N tunnels are misdescribed */
	struct ppnic_fault rx_alloc;  /* next N buffer allocations fail */
	struct ppnic_fault rx_attach; /* next N payloads get into no skb */
	struct ppnic_fault stray_dma; /* next N RX frames hit a bad address */
	struct ppnic_fault queue_mem_alloc; /* next N calls fail */
	struct ppnic_fault queue_start;
	struct ppnic_fault queue_stop;
	u64 rx_queues; /* bitmap: whom rx_alloc, rx_attach, stray_dma strike */
	u64 stall_rx;  /* bitmap of queues */
	u64 stall_tx;
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
bool ppnic_fault_next_rx(const struct ppnic_rxq *rxq, struct ppnic_fault *f);

/* ------------------------------------------------------------ rx_source.c */

/* A receive buffer. Which member it is, its source knows. */
union ppnic_buf {
	netmem_ref core;
	ppiov_netmem_t ppiov;
	struct xdp_buff *xsk;
};

/**
 * struct ppnic_source - where a ring's buffers come from
 * @ops: NULL: the ring is absent
 * @core: a page_pool
 * @ppiov: a pool of ppiov.ko
 * @xsk: the pool of an AF_XDP socket
 * @unreadable: the stack can't read the buffers
 * @scarce: may have fewer buffers than the ring takes, for a time or for ever
 * @carried: payload leaves in a carrier, which GRO can't join to another
 * @exclusive: has no lock: a ring has buffers of it from its start, filled by
 *	NAPI, to its stop
 *
 * A handle: constant while the ring exists, and may be copied by who has a
 * buffer of it.
 */
struct ppnic_source {
	const struct ppnic_source_ops *ops;
	union {
		struct page_pool *core;
		struct ppiov_pool *ppiov;
		struct xsk_buff_pool *xsk;
	};
	bool unreadable;
	bool scarce;
	bool carried;
	bool exclusive;
};

int ppnic_source_host(struct ppnic_rxq *rxq, struct ppnic_rx_ring *ring,
		      enum dma_data_direction dir);
int ppnic_source_data(struct ppnic_rxq *rxq, struct ppnic_rx_ring *ring,
		      u32 buf_len, enum dma_data_direction dir);
void ppnic_source_destroy(const struct ppnic_source *src);
void ppnic_source_start(const struct ppnic_source *src,
			struct napi_struct *napi);
void ppnic_source_stop(const struct ppnic_source *src);
gfp_t ppnic_source_first_fill(const struct ppnic_source *src);
void ppnic_source_filled(const struct ppnic_source *src);
bool ppnic_source_alloc(const struct ppnic_source *src, gfp_t gfp,
			union ppnic_buf *buf, dma_addr_t *dma);
void ppnic_source_put(const struct ppnic_source *src, union ppnic_buf buf,
		      bool napi);
int ppnic_source_attach(struct ppnic_rx_ring *ring, struct sk_buff *skb, u32 n,
			u32 len, u32 frame);

/* --------------------------------------------------------- rings (rx, tx) */

/* A posted receive buffer, as the device sees it. */
struct ppnic_rxd {
	dma_addr_t addr;
	u32 len;
};

/*
 * struct ppnic_rx_ring - posted buffers of one kind
 *
 * @prod is written by the driver (NAPI), @cons by the device (under
 * ppnic_rxq.lock), @clean by the driver as completions hand buffers back.
 * All run freely; @mask turns them into slots.
 */
struct ppnic_rx_ring {
	u32 mask;
	u32 headroom; /* bytes of a buffer before those */
	u32 room;     /* bytes a buffer takes */
	u32 max_bufs; /* of one frame */
	u32 prod;
	u32 cons;
	u32 clean;
	struct ppnic_rxd *desc;
	union ppnic_buf *buf; /* driver's shadow */
	struct ppnic_source src;
};

static inline bool ppnic_ring_exists(const struct ppnic_rx_ring *ring)
{
	return ring->src.ops;
}

/* Flags of a completion. */
#define PPNIC_CQ_CSUM_OK      BIT(0)
#define PPNIC_CQ_CSUM_PARTIAL BIT(1) /* super-packet; pseudo header sum */
#define PPNIC_CQ_SPLIT        BIT(2) /* payload is in data buffers */

/*
 * struct ppnic_cqe - one received frame
 *
 * Buffers are consumed in ring order, so counts are enough to find them.
 * @host_len bytes stand in @host_bufs buffers of the host ring, @data_len in
 * @data_bufs of the data ring.
 */
struct ppnic_cqe {
	u32 host_len;
	u32 data_len;
	u16 host_bufs;
	u16 data_bufs;
	u16 flags;
	u16 gso_size; /* 0: not a super-packet */
	u16 gso_segs;
	u16 gso_hdr; /* header bytes each segment had */
	u16 csum_start;
	u16 csum_offset;
	u16 l3_off; /* these two: of a split frame's headers */
	u16 l4_off;
	u16 inner_off; /* as in ppnic_frame */
	u32 gso_type;  /* SKB_GSO_* */
	enum pkt_hash_types hash_type;
	u32 hash;
	u64 stamp;       /* when it came, by the device; 0: not stamped */
	__be16 l3_proto; /* these two: what the hash is of */
	enum ppnic_l4 l4;
};

/* What a program is given; the kfuncs for metadata get it back. In a buffer of
 * an AF_XDP socket's, what follows @xdp is the driver's part.
 */
struct ppnic_xdp_buff {
	struct xdp_buff xdp;
	const struct ppnic_cqe *cqe;
};

/* They cast. */
static_assert(offsetof(struct ppnic_xdp_buff, xdp) == 0);

/**
 * struct ppnic_rx_xdp - how XDP knows the buffers of a queue
 * @whole: of frames in host buffers alone
 * @split: of frames whose payload stands in data buffers; registered only if
 *	there is a data ring
 *
 * Two, as the tail of a frag has another room in each.
 */
struct ppnic_rx_xdp {
	struct xdp_rxq_info whole;
	struct xdp_rxq_info split;
};

/*
 * struct ppnic_rx_mem - all that a restart of one RX queue exchanges
 *
 * This is the per_queue_mem of netdev_queue_mgmt_ops: moved by assignment,
 * owned by whoever holds it (the queue while started, the core in between).
 * @data may be fed by a memory provider, the core's or one of ppiov's; @host
 * never is, but may be by an AF_XDP socket. Then, and without header split, the
 * data ring is absent (mask 0, no source).
 */
struct ppnic_rx_mem {
	struct ppnic_rx_ring host;
	struct ppnic_rx_ring data;
	struct ppnic_rx_xdp *xdp;  /* NULL: no program can run on these ... */
	struct xsk_buff_pool *xsk; /* ... unless @host is fed by this */
	struct ppnic_cqe *cq;
	u32 cq_mask;
	u32 cq_prod; /* device */
	u32 cq_cons; /* driver */
};

/* Ranges of frame sizes, as RFC 2819 has them and two beyond. */
#define PPNIC_MAC_RANGES 8

/*
 * What the MAC saw of the frames of one direction, each segment of a
 * super-packet for itself; written as the device's other counters are.
 */
struct ppnic_mac_stats {
	struct u64_stats_sync sync;
	u64_stats_t frames;
	u64_stats_t octets; /* with FCS */
	u64_stats_t multicast;
	u64_stats_t broadcast;
	u64_stats_t control; /* MAC control frames */
	u64_stats_t pause;   /* those of them that are pause frames */
	u64_stats_t sizes[PPNIC_MAC_RANGES];
};

struct ppnic_rx_stats {
	struct u64_stats_sync sync; /* written in NAPI */
	u64_stats_t packets;
	u64_stats_t bytes;
	u64_stats_t alloc_fail;     /* pool had nothing to give */
	u64_stats_t skb_alloc_fail; /* frame dropped: no skb */
	u64_stats_t carrier_fail;   /* frame dropped: no carrier */
	u64_stats_t merged;         /* frames that joined another's skb */
	u64_stats_t split;          /* frames with payload in data buffers */
	u64_stats_t unsplit;        /* frames wholly in host buffers */
	u64_stats_t csum_unnecessary;
	u64_stats_t csum_none;
	u64_stats_t hw_gro_packets;
	u64_stats_t hw_gro_bytes;
	u64_stats_t hw_gro_wire_packets;
	u64_stats_t hw_gro_wire_bytes;
	u64_stats_t xdp_pass; /* what a program said of a frame */
	u64_stats_t xdp_drop;
	u64_stats_t xdp_tx;
	u64_stats_t xdp_redirect;
	u64_stats_t xdp_aborted; /* ... or what made no sense */
	u64_stats_t xdp_failed;  /* frame dropped: that could not be done */
	u64_stats_t xsk_frames;  /* in buffers of an AF_XDP socket */
};

/* Written by the device under ppnic_rxq.lock. */
struct ppnic_rx_hw_stats {
	struct u64_stats_sync sync;
	u64_stats_t overruns; /* no buffer, and pause ran out or off */
	u64_stats_t down;     /* queue has no memory: down, restarting */
	u64_stats_t csum_bad;
	u64_stats_t csum_bad_dropped; /* payload the stack could not verify */
	u64_stats_t steer_drops;      /* by an ntuple rule */
	u64_stats_t too_long;         /* over the MTU, or too many buffers */
	u64_stats_t dma_errors;       /* the table refused an address */
	u64_stats_t pauses;           /* times the link was held back */
	u64_stats_t pause_expired;
};

/**
 * struct ppnic_gro - frames that wait in the device for more of their flow
 * @waiting: struct ppnic_aggregate, as the first frame of each came
 * @count: of them
 * @last: when the queue's last frame came
 * @timer: lets them go
 *
 * Under ppnic_rxq.lock; empty while the queue is not started.
 */
struct ppnic_gro {
	struct list_head waiting;
	u32 count;
	ktime_t last;
	struct hrtimer timer;
};

struct ppnic_rxq {
	struct ppnic_port *port;
	u16 index;
	spinlock_t lock;         /* device side: mem.*.cons, cq_prod, hw */
	struct ppnic_rx_mem mem; /* exchanged with napi off and lock held */
	struct ppiov_binding *binding; /* of ppiov, or NULL; [1] */
	bool restart;                  /* wants memory again; [1] */
	bool started;                  /* under lock */
	bool storm;                    /* pause ran out; drop until refilled */
	bool pausing;                  /* under lock: senders are held back */
	unsigned long pause_began;     /* jiffies; valid while pausing */
	unsigned long waiters; /* TX queues held back, of the sender; bitops */
	struct timer_list pause_timer;  /* ends a pause */
	struct timer_list refill_timer; /* retries a failed refill */
	struct ppnic_gro gro;
	struct ppnic_rx_stats stats;
	struct ppnic_rx_hw_stats hw;
	struct ppnic_mac_stats mac; /* as hw */
};

/* ----------------------------------------------------------------- gro.c */

void ppnic_gro_init(struct ppnic_rxq *rxq);
u32 ppnic_gro_drop(struct ppnic_rxq *rxq);
void ppnic_gro_stop(struct ppnic_rxq *rxq);

/* --------------------------------------------------------------- merge.c */

/**
 * struct ppnic_merge - frames that are going to be one skb
 * @cqe: of all of them together
 * @frames: 0: none
 * @hdr: headers of the first
 * @size: payload of each, but the last may have less
 * @most: payload that all may have
 * @seq: where the next one begins
 * @id: of IPv4, the first one's
 * @psh: the last one had it
 * @full: no frame can follow
 *
 * Their buffers are the rings' next ones. Lives on the poll's stack.
 */
struct ppnic_merge {
	struct ppnic_cqe cqe;
	u32 frames;
	u8 *hdr;
	u32 size;
	u32 most;
	u32 seq;
	u16 id;
	bool psh;
	bool full;
};

bool ppnic_merge_begin(const struct ppnic_rxq *rxq, struct ppnic_merge *merge,
		       const struct ppnic_cqe *cqe, u8 *hdr);
bool ppnic_merge_join(const struct ppnic_rxq *rxq, struct ppnic_merge *merge,
		      const struct ppnic_cqe *cqe, const u8 *hdr);
void ppnic_merge_end(struct ppnic_merge *merge);

/* A TX descriptor, as the device sees it. The first of a frame has the meta. */
struct ppnic_txd {
	dma_addr_t addr;
	u32 len;
	u16 ndesc;      /* first: descriptors of this frame */
	u16 flags;      /* PPNIC_TXD_* */
	u16 csum_start; /* from the start of the frame */
	u16 csum_offset;
	u16 gso_size;
	u16 inner_l3; /* these two: of what is cut, with PPNIC_TXD_TUNNEL */
	u16 inner_l4;
	u32 gso_type; /* SKB_GSO_* */
	u32 status;   /* write-back: enum skb_drop_reason */
	u64 stamp;    /* write-back: when it went, with PPNIC_TXD_STAMP */
};

#define PPNIC_TXD_CSUM  BIT(0)
#define PPNIC_TXD_GSO   BIT(1)
#define PPNIC_TXD_STAMP BIT(2)
/* Of a GSO frame: what is cut is in a tunnel, of the kind that gso_type says.
 * The outer headers are each segment's already if that has SKB_GSO_PARTIAL.
 */
#define PPNIC_TXD_TUNNEL       BIT(3)
#define PPNIC_TXD_FIX_ID       BIT(4) /* don't count the first IPv4 id up ... */
#define PPNIC_TXD_FIX_INNER_ID BIT(5) /* ... nor that in the tunnel */

/* Who mapped what a TX descriptor points at, and so how to unmap it. */
enum ppnic_tx_map {
	PPNIC_TX_SINGLE,
	PPNIC_TX_PAGE,
	PPNIC_TX_BOUND, /* device memory: whoever bound it to the port */
	PPNIC_TX_POOL,  /* a receive buffer: its page_pool */
	PPNIC_TX_XSK,   /* a frame of an AF_XDP socket: its pool */
};

/* The driver's shadow of a TX descriptor. The first of a frame has its owner:
 * either of these two, and the other is NULL; or a socket, which is told that
 * its frames are done and needs no more, and both are.
 */
struct ppnic_tx_buf {
	struct sk_buff *skb;
	struct xdp_frame *xdpf;
	enum ppnic_tx_map map;
};

/* What a TX queue has while it is up; moved by assignment. */
struct ppnic_tx_mem {
	struct ppnic_txd *desc; /* NULL while down */
	struct ppnic_tx_buf *buf;
	u32 mask;
};

struct ppnic_tx_stats {
	struct u64_stats_sync sync; /* written under the TX queue lock */
	u64_stats_t packets;
	u64_stats_t bytes;
	u64_stats_t map_errors;
	u64_stats_t busy; /* xmit with a full ring: NETDEV_TX_BUSY */
	u64_stats_t stop;
	u64_stats_t needs_csum;
	u64_stats_t csum_none;
	u64_stats_t gso_packets;
	u64_stats_t gso_bytes;
	u64_stats_t gso_wire_packets;
	u64_stats_t gso_wire_bytes;
	u64_stats_t xdp_frames; /* of packets: sent or forwarded by XDP */
	u64_stats_t xdp_full;   /* frames of XDP refused: no room */
	u64_stats_t xsk_frames; /* of packets: AF_XDP without copies */
};

/* Written in NAPI by the reaper, from the write-back. */
struct ppnic_tx_done_stats {
	struct u64_stats_sync sync;
	u64_stats_t wake;
	u64_stats_t dropped; /* write-back carried a drop reason */
};

/* Written by the device under engine_lock. */
struct ppnic_tx_hw_stats {
	struct u64_stats_sync sync;
	u64_stats_t dma_errors;
	u64_stats_t malformed; /* descriptor chain or headers unusable */
	u64_stats_t no_link;   /* no peer, or the peer is down */
	u64_stats_t stalls;    /* runs refused by the stall_tx fault */
};

struct ppnic_txq {
	struct ppnic_port *port;
	u16 index;
	struct ppnic_tx_mem mem; /* exchanged with everything stopped */
	u32 prod;                /* xmit */
	u32 doorbell;            /* xmit; what the device may fetch up to */
	u32 fetch;               /* device, under engine_lock */
	u32 done;                /* device; acquired by the reaper */
	u32 clean;               /* reaper (NAPI) */
	bool started;            /* under engine_lock */
	spinlock_t engine_lock;
	unsigned long engine_flags; /* bitops, PPNIC_ENGINE_* */
	u32 progress;               /* payload of a GSO frame already sent */
	enum skb_drop_reason
		gso_reason;      /* of a piece of that, if one was dropped */
	bool admitted;           /* the frame at @fetch has been paid for */
	bool retry;              /* the frame at @fetch was blocked before */
	bool corrupt;            /* ... and the wire corrupts it */
	struct ppnic_held *held; /* frame that the reorder fault keeps */
	struct timer_list reorder_timer;
	struct ppnic_tx_stats stats;
	struct ppnic_tx_done_stats done_stats;
	struct ppnic_tx_hw_stats hw;
	struct ppnic_mac_stats mac; /* as hw */
};

#define PPNIC_ENGINE_PENDING 0
#define PPNIC_ENGINE_FLUSH   1 /* let the held-back frame go */
#define PPNIC_ENGINE_MORE    2 /* NAPI is to go on */

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
	u32 speed;     /* of the link, Mb/s; 0 without one; RTNL */
	u32 pause_ms;  /* pfc-prevention-tout */
	bool stamp_tx; /* stamp what asks for it; the device reads it too */
	bool stamp_rx; /* stamp all */
	struct ppnic_phc *phc;
	struct ppnic_shaping *shaping;    /* if the kernel has shapers */
	struct bpf_prog __rcu *xdp_prog;  /* we hold a reference; [1] */
	struct delayed_work restart_work; /* tries queues with @restart */
	struct ppnic_rss rss;
	struct ppnic_steer steer;
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
int ppnic_rx_mem_alloc(struct ppnic_rxq *rxq, struct ppnic_rx_mem *mem,
		       const struct ppnic_ring_cfg *cfg, u32 page_size);
void ppnic_rx_mem_free(struct ppnic_rxq *rxq, struct ppnic_rx_mem *mem);
void ppnic_rx_start(struct ppnic_rxq *rxq, struct ppnic_rx_mem *mem);
void ppnic_rx_stop(struct ppnic_rxq *rxq, struct ppnic_rx_mem *mem);
int ppnic_rx_poll(struct ppnic_rxq *rxq, int budget);
bool ppnic_rx_pending(struct ppnic_rxq *rxq);
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

/* xdp_tx.c: frames that XDP sends */
int ppnic_xdp_tx(struct ppnic_port *port, struct xdp_frame *xdpf, bool own);
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

/* stats.c */
extern const struct netdev_stat_ops ppnic_stat_ops;
void ppnic_get_stats64(struct net_device *dev, struct rtnl_link_stats64 *s);
int ppnic_get_sset_count(struct net_device *dev, int sset);
void ppnic_get_strings(struct net_device *dev, u32 sset, u8 *data);
void ppnic_get_ethtool_stats(struct net_device *dev,
			     struct ethtool_stats *stats, u64 *data);
void ppnic_lost_frames(struct ppnic_port *port, u64 *tx, u64 *rx,
		       u64 *too_long);

/* mac.c */
void ppnic_mac_pauses(struct ppnic_port *port, u64 *sent, u64 *received);
void ppnic_get_eth_mac_stats(struct net_device *dev,
			     struct ethtool_eth_mac_stats *stats);
void ppnic_get_eth_ctrl_stats(struct net_device *dev,
			      struct ethtool_eth_ctrl_stats *stats);
void ppnic_get_rmon_stats(struct net_device *dev,
			  struct ethtool_rmon_stats *stats,
			  const struct ethtool_rmon_hist_range **ranges);

#endif /* PPNIC_H */
