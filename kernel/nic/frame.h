/* SPDX-License-Identifier: GPL-2.0-only */
/* A frame on the wire, as the device half sees it. */
#ifndef PPNIC_FRAME_H
#define PPNIC_FRAME_H

#include "ppnic.h"

/* A frame that finds no buffers now and may later. */
#define PPNIC_BLOCKED (-EAGAIN)

/* @q: an rxq with its lock held, or a txq with engine_lock held. */
#define hw_add(q, field, n)                            \
	do {                                           \
		typeof(q) __q = (q);                   \
		u64_stats_update_begin(&__q->hw.sync); \
		u64_stats_add(&__q->hw.field, n);      \
		u64_stats_update_end(&__q->hw.sync);   \
	} while (0)
#define hw_inc(q, field) hw_add(q, field, 1)

/* Where a frame's L4 checksum stands. */
enum ppnic_csum {
	PPNIC_CSUM_VERIFY, /* nobody has looked yet */
	PPNIC_CSUM_NONE,   /* no checksum that this device knows */
	PPNIC_CSUM_GOOD,
	PPNIC_CSUM_BAD,
	PPNIC_CSUM_PSEUDO, /* super-packet: pseudo header only */
};

/*
 * struct ppnic_frame - headers in @hdr, payload still in the sender's memory
 *
 * The bytes of the frame are @hdr[0..@hdr_len) and then @data_len bytes of the
 * sender's descriptors from @data_off on, counted from the start of @sg.
 * Lives on the engine's stack for one frame.
 */
struct ppnic_frame {
	struct ppnic_parent *src; /* whose table resolves @sg */
	struct ppnic_rxd sg[PPNIC_MAX_SG];
	u32 nr_sg;
	u32 data_off;
	u32 data_len;
	u32 hdr_len;
	u32 fetched; /* valid bytes of @hdr; at least @hdr_len */
	enum ppnic_csum csum;
	u16 csum_start; /* valid for PPNIC_CSUM_PSEUDO */
	u16 csum_offset;
	u16 gso_size; /* 0: not a super-packet */
	u16 gso_segs;
	u32 gso_type;
	bool tunnel;   /* a super-packet with outer headers */
	u16 inner_off; /* of an aggregate from a tunnel: its inner IP header */
	enum pkt_hash_types hash_type; /* these two: of the receiver's RSS */
	u32 hash;
	u32 sa; /* of the receiver's; 0: none that it has decrypted it by */
	bool sa_bad; /* valid with @sa: it is not authentic, and as it came */
	u64 seq;     /* valid with @sa, unless @sa_bad */
	u32 rx_sc;   /* of the receiver's MACsec, the SecTAG is off; 0: none */
	bool psp;    /* decrypted, headers and trailer still there */
	u8 psp_generation;  /* valid with @psp: of the receiver's key */
	enum ppnic_mac mac; /* that it left by; set on the wire */
	bool turned;        /* a program in a device has sent it back */
	bool to_queue; /* a program in the receiver says where it goes ... */
	u32 queue;     /* ... valid with @to_queue; maybe there is none such */
	struct ppnic_headers h;
	struct ppnic_headers inner; /* valid if @tunnel: what is cut */
	u8 hdr[PPNIC_HDR_MAX];
};

/* A frame copied out of the TX ring: to be kept back, or to be changed. */
struct ppnic_held {
	struct ppnic_parent *parent;
	dma_addr_t addr;
	u32 len;
	struct ppnic_arrival arrival; /* if the reorder fault has it */
	struct ppnic_frame frame;
	u8 data[];
};

/* A frame, or the segments of a super-packet, that @to has no queue for, or not
 * yet: counted at the first.
 */
#define ppnic_count_unread(to, field, f)                                   \
	do {                                                               \
		struct ppnic_rxq *__first = &(to)->rxqs[0];                \
		const struct ppnic_frame *__f = (f);                       \
		spin_lock(&__first->lock);                                 \
		hw_add(__first, field, __f->gso_size ? __f->gso_segs : 1); \
		spin_unlock(&__first->lock);                               \
	} while (0)

/* engine.c */
struct ppnic_port *ppnic_listener(struct ppnic_port *port);

/* mac.c */
void ppnic_mac_count(struct ppnic_mac_stats *mac, const struct ppnic_frame *f);

/* segment.c */
int ppnic_frame_load(struct ppnic_frame *f, struct ppnic_txq *txq,
		     const struct ppnic_txd *first);
int ppnic_frame_read(const struct ppnic_frame *f, u32 from, u8 *to);
void ppnic_frame_parse(struct ppnic_frame *f, u32 total);
int ppnic_frame_sum(const struct ppnic_frame *f, u32 start, __wsum *sum);
__wsum ppnic_pseudo_sum(const struct ppnic_headers *h, u32 l4_len);
void ppnic_segment_id(u8 *hdr, const struct ppnic_headers *h, u32 index);
void ppnic_segment_l3(u8 *hdr, const struct ppnic_headers *h, u32 index,
		      u32 l3_len);
int ppnic_frame_csum(struct ppnic_frame *f, const struct ppnic_txd *first);
enum ppnic_csum ppnic_frame_verify(const struct ppnic_frame *f,
				   const struct ppnic_headers *h);
int ppnic_frame_copy(struct ppnic_frame *f, u32 *pos, struct ppnic_parent *to,
		     dma_addr_t addr, u32 len);
int ppnic_segment(struct ppnic_frame *seg, const struct ppnic_frame *whole,
		  const struct ppnic_txd *first, u32 pos, u32 len);

/* tunnel.c */
int ppnic_tunnel_load(struct ppnic_frame *f, const struct ppnic_txd *first);
int ppnic_tunnel_segment(struct ppnic_frame *seg, const struct ppnic_txd *first,
			 u32 index);

/* wire.c */
int ppnic_wire(struct ppnic_txq *txq, struct ppnic_port *to,
	       struct ppnic_frame *f);
int ppnic_wire_flush(struct ppnic_txq *txq, struct ppnic_port *to);
struct ppnic_held *ppnic_hold(struct ppnic_port *port,
			      const struct ppnic_frame *f);
int ppnic_held_make(struct ppnic_port *port, struct ppnic_held *held, u32 room,
		    u32 off, u32 len);
void ppnic_held_free(struct ppnic_held *held);
void ppnic_arrival_forget(struct ppnic_arrival *arrival);
void ppnic_arrival_put(struct ppnic_arrival *arrival, struct ppnic_held *made);

/* deliver.c */
int ppnic_deliver(struct ppnic_txq *txq, struct ppnic_port *to,
		  struct ppnic_frame *f, struct ppnic_arrival *arrival);
bool ppnic_deliver_fits(const struct ppnic_rxq *rxq,
			const struct ppnic_frame *f);
void ppnic_deliver_aggregate(struct ppnic_rxq *rxq, struct ppnic_frame *f);

/* gro.c */
bool ppnic_gro_receive(struct ppnic_txq *txq, struct ppnic_rxq *rxq,
		       struct ppnic_frame *f);

#endif /* PPNIC_FRAME_H */
