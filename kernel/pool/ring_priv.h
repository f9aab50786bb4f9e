/* SPDX-License-Identifier: GPL-2.0-only */
/* The ring, for ring.c, ring_mem.c, provider_ring.c and the tests. */
#ifndef PPIOV_RING_PRIV_H
#define PPIOV_RING_PRIV_H

#include <linux/kref.h>
#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/spinlock.h>

#include "../include/uapi/ppiov_ring.h"

struct dma_buf;
struct page;
struct page_pool_iov;
struct ppiov_binding;
struct ppiov_carrier;
struct ppiov_chunk;

/* How many entries are looked at before the lock is released. */
#define PPIOV_RING_BATCH 64

/**
 * struct ppiov_ring_slot - a token, out or not
 * @carrier: a reference of it is held; NULL: not out
 * @generation: is part of the token, so that one that is returned twice does
 *	not return what has its slot now
 */
struct ppiov_ring_slot {
	struct ppiov_carrier *carrier;
	u16 generation;
};

/**
 * struct ppiov_ring_memory - what user space maps
 * @pages: @nr of them; constant, with a reference each
 * @nr: pages
 * @lock: @maps
 * @maps: importers' mappings, to be synced for the CPU
 */
struct ppiov_ring_memory {
	struct page **pages;
	u32 nr;
	struct mutex lock; /* @maps */
	struct list_head maps;
};

/**
 * struct ppiov_ring_tokens - what is out, and how it comes back
 * @shared: mapped by user space, which may write to it at any time
 * @size: of @shared, bytes
 * @nr: entries, slots; a power of two
 * @lock: all below; BH off
 * @head: entries taken; what @shared says is only told, never asked
 * @invalid: entries refused
 * @closed: the file is gone: no new tokens
 * @slots: @nr of them
 * @free: slots that are not out, as a stack
 * @nr_free: in @free
 */
struct ppiov_ring_tokens {
	struct ppiov_ring *shared;
	u64 size;
	u32 nr;
	spinlock_t lock; /* all below */
	u32 head;
	u64 invalid;
	bool closed;
	struct ppiov_ring_slot *slots;
	u32 *free;
	u32 nr_free;
};

/**
 * struct ppiov_ring_buffers - the memory as iovs, while there is a pool
 * @lock: @binding, @pools; sleeps
 * @binding: whose mapping it is; pools hold it
 * @pools: that use the buffers. They are several while a queue is restarted,
 *	or if the binding has several queues.
 * @chunks: what is in one piece for the device; constant while @pools
 * @iovs: of all chunks; constant while @pools
 * @free_lock: @free, @nr_free; BH off
 * @free: iovs that no pool has, as a stack
 * @nr_free: in @free
 */
struct ppiov_ring_buffers {
	struct mutex lock; /* @binding, @pools */
	struct ppiov_binding *binding;
	u32 pools;
	struct ppiov_chunk *chunks;
	struct page_pool_iov *iovs;
	spinlock_t free_lock; /* @free */
	struct page_pool_iov **free;
	u32 nr_free;
};

/**
 * struct ppiov_ring_file - one /dev/ppiov-ring, opened
 * @ref: the file's, until it and the ring's mappings are gone; and the
 *	dma-buf's. So while a pool has buffers, as it holds its binding, which
 *	holds the dma-buf.
 * @lock: one PPIOV_RING_IOC_CREATE at a time. User memory is written under it,
 *	so nobody may take it with mmap_lock held
 * @created: that was done, and what follows is complete: written once, under
 *	@lock, with release; read with acquire
 * @memory: see there
 * @tokens: see there; each holds a carrier, which holds its pool, which holds
 *	the ring: returned by user space, or when the file is released
 * @buffers: see there
 */
struct ppiov_ring_file {
	struct kref ref;
	struct mutex lock; /* one who creates */
	bool created;
	struct ppiov_ring_memory memory;
	struct ppiov_ring_tokens tokens;
	struct ppiov_ring_buffers buffers;
};

/* ring.c */
struct ppiov_ring_file *ppiov_ring_new(void);
int ppiov_ring_fill(struct ppiov_ring_file *ring, u64 size, u32 entries);
void ppiov_ring_close(struct ppiov_ring_file *ring);
void ppiov_ring_put(struct ppiov_ring_file *ring);
u32 ppiov_ring_consume(struct ppiov_ring_file *ring);
int ppiov_ring_hold_token(struct ppiov_ring_file *ring,
			  struct ppiov_carrier *carrier, u32 *token);
void ppiov_ring_drop_token(struct ppiov_ring_file *ring, u32 token);
int ppiov_ring_init(void);
void ppiov_ring_exit(void);

/* ring_mem.c */
int ppiov_ring_memory_alloc(struct ppiov_ring_memory *memory, u64 size);
void ppiov_ring_memory_free(struct ppiov_ring_memory *memory);
struct dma_buf *ppiov_ring_export(struct ppiov_ring_file *ring);
struct ppiov_ring_file *ppiov_ring_of(const struct dma_buf *dmabuf);

#endif /* PPIOV_RING_PRIV_H */
