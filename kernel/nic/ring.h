/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Rings and what stands in them, the queues that have them, and where receive
 * buffers come from.
 *
 * Descriptors and completions are all that the driver and the device have of
 * each other.
 */
#ifndef PPNIC_RING_H
#define PPNIC_RING_H

#include <linux/bitmap.h>
#include <linux/dma-mapping.h>
#include <linux/hrtimer.h>
#include <linux/netdevice.h>
#include <linux/timer.h>
#include <linux/u64_stats_sync.h>
#include <net/dropreason.h>
#include <net/xdp.h>

#include "../include/ppiov/netmem.h"
#include "limits.h"
#include "parse.h"

struct ppiov_binding;
struct ppiov_pool;
struct ppnic_held;
struct ppnic_port;
struct ppnic_ring_cfg;
struct ppnic_rx_ring;
struct ppnic_rxq;
struct ppnic_source_ops;
struct xsk_buff_pool;

/**
 * struct ppnic_arrival - what became of a frame that then found no buffers
 * @by: whose receiver has it; NULL: none yet. Compared, not followed
 * @len: of the frame that it was made of
 * @frame: what it is now; NULL: as it was sent
 *
 * MACsec, PSP and a program in the device see each frame once, however often it
 * is tried. Under the engine_lock of the queue that it comes from.
 */
struct ppnic_arrival {
	struct ppnic_port *by;
	u32 len;
	struct ppnic_held *frame;
};

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

int ppnic_source_host(struct ppnic_rxq *rxq, struct ppnic_rx_ring *ring);
int ppnic_source_data(struct ppnic_rxq *rxq, struct ppnic_rx_ring *ring,
		      u32 buf_len);
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
#define PPNIC_CQ_ESP_OK       BIT(3) /* decrypted, and authentic */
#define PPNIC_CQ_PSP_OK       BIT(4) /* as that, of PSP */
#define PPNIC_CQ_LRO          BIT(5) /* super-packet of LRO, not of HW GRO */

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
	u64 stamp;         /* when it came, by the device; 0: not stamped */
	u64 seq;           /* of IPsec, with PPNIC_CQ_ESP_OK */
	u32 sa;            /* ppnic_sa.id of whom it is; 0: nobody's */
	u32 rx_sc;         /* ppnic_rx_sc.id, its SecTAG is off; 0: none */
	u8 psp_generation; /* of the device's key, with PPNIC_CQ_PSP_OK */
	__be16 l3_proto;   /* these two: what the hash is of */
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

/* The MACs of a port; see mac_merge.c. */
enum ppnic_mac {
	PPNIC_EMAC, /* express; the only one unless frames may be preempted */
	PPNIC_PMAC, /* preemptible */
	PPNIC_MACS
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
	u64_stats_t lro_packets; /* as hw_gro_packets, with NETIF_F_LRO */
	u64_stats_t lro_wire_packets;
	u64_stats_t xdp_pass; /* what a program said of a frame */
	u64_stats_t xdp_drop;
	u64_stats_t xdp_tx;
	u64_stats_t xdp_redirect;
	u64_stats_t xdp_aborted; /* ... or what made no sense */
	u64_stats_t xdp_failed;  /* frame dropped: that could not be done */
	u64_stats_t xsk_frames;  /* in buffers of an AF_XDP socket */
	u64_stats_t esp_lost; /* frame dropped: its SA is gone, or no memory */
	u64_stats_t macsec_lost; /* frame dropped: its channel is gone */
	u64_stats_t psp_lost; /* frame dropped: changed since, or no memory */
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
	u64_stats_t fcs_errors; /* of no queue; wrong bits that stayed wrong */
	u64_stats_t smd_errors; /* of no queue; preemptible, and no pMAC */
	u64_stats_t dma_errors; /* the table refused an address */
	u64_stats_t esp_decrypted;
	u64_stats_t esp_bad;         /* of a known SA, and not authentic */
	u64_stats_t macsec_accepted; /* SecTAG and ICV are off */
	u64_stats_t macsec_dropped;  /* of no queue; the SecY says why */
	u64_stats_t psp_decrypted;
	u64_stats_t psp_dropped; /* of no queue; the PSP device says why */
	u64_stats_t bpf_pass;    /* of no queue, as all of BPF in the device */
	u64_stats_t bpf_drop;
	u64_stats_t bpf_tx;
	u64_stats_t bpf_aborted; /* ... or what a device can't do */
	u64_stats_t bpf_failed;  /* frame dropped: that could not be done */
	u64_stats_t pauses;      /* times the link was held back */
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
	/* TX queues held back, of the sender; bitops */
	DECLARE_BITMAP(waiters, PPNIC_MAX_QUEUES);
	struct timer_list pause_timer;  /* ends a pause */
	struct timer_list refill_timer; /* retries a failed refill */
	struct ppnic_gro gro;
	struct ppnic_rx_stats stats;
	struct ppnic_rx_hw_stats hw;
	struct ppnic_mac_stats mac[PPNIC_MACS]; /* as hw */
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
	u32 sa; /* with PPNIC_TXD_ESP or _PSP: ppnic_sa.id, ppnic_psp_tx.id */
	u32 seq_hi; /* of ESP: the half of the number that isn't in the frame */
	u32 secy;   /* with PPNIC_TXD_MACSEC: ppnic_secy.id */
	u32 status; /* write-back: enum skb_drop_reason */
	u64 stamp;  /* write-back: when it went, with PPNIC_TXD_STAMP */
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
/* To be encrypted. Room for the IV and the ICV is there, and the trailer is; a
 * checksum ends where that begins.
 */
#define PPNIC_TXD_ESP BIT(6)
/* To be protected by a SecY, whose frame this is, or each of its segments. */
#define PPNIC_TXD_MACSEC BIT(7)
/* To be encrypted, headers are there; a checksum ends where the frame does. */
#define PPNIC_TXD_PSP BIT(8)

/* Who mapped what a TX descriptor points at, and so how to unmap it. */
enum ppnic_tx_map {
	PPNIC_TX_SINGLE,
	PPNIC_TX_PAGE,
	PPNIC_TX_BOUND, /* device memory: whoever bound it to the port */
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
	u64_stats_t psp_unmade; /* frame dropped: no headers, or no key */
	u64_stats_t busy;       /* xmit with a full ring: NETDEV_TX_BUSY */
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
	u64_stats_t no_link;   /* frames that nobody was there for */
	u64_stats_t stalls;    /* runs refused by the stall_tx fault */
	u64_stats_t esp_encrypted;
	u64_stats_t esp_refused; /* to be encrypted, and could not be */
	u64_stats_t macsec_protected;
	u64_stats_t macsec_refused; /* to be protected, and could not be */
	u64_stats_t psp_encrypted;
	u64_stats_t psp_refused; /* to be encrypted, and could not be */
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
		gso_reason; /* of a piece of that, if one was dropped */
	bool admitted;      /* the frame at @fetch has been paid for */
	bool retry;         /* the frame at @fetch was blocked before */
	bool corrupt;       /* ... and the wire corrupts it */
	enum ppnic_mac by;  /* ... which leaves by this */
	struct ppnic_arrival arrival; /* ... and what its receiver made of it */
	struct ppnic_held *held;      /* frame that the reorder fault keeps */
	/* Under engine_lock, with @retry: what MACsec has made of the frame
	 * at @fetch, or of the piece of it that is next
	 */
	struct ppnic_held *sealed;
	struct timer_list reorder_timer;
	struct ppnic_tx_stats stats;
	struct ppnic_tx_done_stats done_stats;
	struct ppnic_tx_hw_stats hw;
	struct ppnic_mac_stats mac[PPNIC_MACS]; /* as hw */
};

#define PPNIC_ENGINE_PENDING 0
#define PPNIC_ENGINE_FLUSH   1 /* let the held-back frame go */
#define PPNIC_ENGINE_MORE    2 /* NAPI is to go on */

#endif /* PPNIC_RING_H */
