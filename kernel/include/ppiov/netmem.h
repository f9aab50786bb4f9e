/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * netmem: a reference to a buffer that is either a page or a page_pool_iov.
 *
 * The lowest bit of the pointer says which. What the two have in common lies
 * at the same offset, so most accessors mask the bit and ask nothing. What
 * they don't have in common is asked in one function,
 * ppiov_netmem_is_iov(), behind a static branch that is off until the first
 * provider of iovs serves a pool.
 *
 * From: the thread «page_pool_iov: checks and alternatives» of December 2023;
 * include/net/netmem.h of Linux is what became of it in core.
 */
#ifndef PPIOV_NETMEM_H
#define PPIOV_NETMEM_H

#include <linux/atomic.h>
#include <linux/dma-mapping.h>
#include <linux/jiffies.h>
#include <linux/jump_label.h>
#include <linux/jump_label_ratelimit.h>
#include <linux/mm.h>
#include <linux/types.h>

#include "../../compat/page_layout.h"

struct ppiov_pool;
struct ppiov_chunk;

/**
 * typedef ppiov_netmem_t - a page or a page_pool_iov; never to be dereferenced
 *
 * 0 is no buffer. sparse keeps it apart from pointers and numbers.
 */
typedef unsigned long __bitwise ppiov_netmem_t;

#define PPIOV_NETMEM_IOV  0x1UL
#define PPIOV_NETMEM_NONE ((__force ppiov_netmem_t)0UL)

/*
 * What stands in pp_magic. Bit 0 of that word in a page is PageTail()'s and
 * stays 0; bit 1 is page_is_pfmemalloc()'s, which core asks of every page that
 * becomes a frag. Not core's PP_SIGNATURE: its page_pool must never take a
 * buffer of ours for one of its own.
 */
#define PPIOV_MAGIC            0x50504900UL
#define PPIOV_MAGIC_PFMEMALLOC 0x2UL
#define PPIOV_MAGIC_OUT        (PPIOV_MAGIC | 0x4) /* somebody's */
#define PPIOV_MAGIC_IDLE       (PPIOV_MAGIC | 0x8) /* in cache or ring */

/**
 * struct page_pool_iov - a buffer that has no struct page
 * @desc: as in a page
 * @owner: the run of buffers that it is one of
 *
 * Lifetime: an array of them belongs to the chunk, and a chunk to its
 * provider; all iovs are back with the provider before it is destroyed.
 */
struct page_pool_iov {
	struct ppiov_netmem_desc desc;
	struct ppiov_chunk *owner;
};

/* ppiov_netmem_desc() takes the one for the other. */
static_assert(!offsetof(struct page_pool_iov, desc));
static_assert(sizeof(struct page_pool_iov) <= 64);

/**
 * struct ppiov_chunk - a run of iovs that lies in one piece for the device
 * @iovs: @nr of them
 * @nr: buffers
 * @shift: log2 of a buffer's bytes
 * @base: where it begins in the binding's memory, bytes
 * @dma: where it begins for the device
 * @priv: the provider's
 *
 * Constant once the first iov was handed out. Owned by the provider.
 */
struct ppiov_chunk {
	struct page_pool_iov *iovs;
	u32 nr;
	u32 shift;
	u64 base;
	dma_addr_t dma;
	void *priv;
};

/* How long the branch stays on without an iov. */
#define PPIOV_IOV_KEY_LINGERS (10 * HZ)

extern struct static_key_false_deferred ppiov_iov_key;

/**
 * ppiov_netmem_is_iov() - the only place where page or iov is asked
 * @netmem: a buffer
 *
 * Context: any.
 * Return: true for an iov.
 */
static __always_inline bool ppiov_netmem_is_iov(ppiov_netmem_t netmem)
{
	return static_branch_unlikely(&ppiov_iov_key.key) &&
	       ((__force unsigned long)netmem & PPIOV_NETMEM_IOV);
}

/**
 * ppiov_page_to_netmem() - a page as a buffer
 * @page: the page, or NULL
 *
 * Context: any.
 * Return: the buffer; PPIOV_NETMEM_NONE for NULL.
 */
static inline ppiov_netmem_t ppiov_page_to_netmem(struct page *page)
{
	return (__force ppiov_netmem_t)(unsigned long)page;
}

/**
 * ppiov_iov_to_netmem() - an iov as a buffer
 * @iov: the iov
 *
 * Context: any.
 * Return: the buffer.
 */
static inline ppiov_netmem_t ppiov_iov_to_netmem(struct page_pool_iov *iov)
{
	return (__force ppiov_netmem_t)((unsigned long)iov | PPIOV_NETMEM_IOV);
}

/**
 * ppiov_netmem_to_page() - the page, or NULL with a warning for an iov
 * @netmem: a buffer
 *
 * An iov that is taken for a page would end in mm (thread 4): this is the
 * guard, and core has the same one.
 *
 * Context: any.
 * Return: the page; NULL for an iov, or for PPIOV_NETMEM_NONE.
 */
static inline struct page *ppiov_netmem_to_page(ppiov_netmem_t netmem)
{
	if (WARN_ON_ONCE(ppiov_netmem_is_iov(netmem)))
		return NULL;
	return (struct page *)(__force unsigned long)netmem;
}

/**
 * ppiov_netmem_to_iov() - the iov, or NULL for a page
 * @netmem: a buffer
 *
 * Context: any.
 * Return: the iov, or NULL.
 */
static inline struct page_pool_iov *ppiov_netmem_to_iov(ppiov_netmem_t netmem)
{
	if (!ppiov_netmem_is_iov(netmem))
		return NULL;
	return (struct page_pool_iov *)((__force unsigned long)netmem &
					~PPIOV_NETMEM_IOV);
}

/**
 * ppiov_netmem_desc() - the common words: masks a bit, takes no branch
 * @netmem: a buffer, not PPIOV_NETMEM_NONE
 *
 * Context: any.
 * Return: the words, which are the pool's and its provider's to write.
 */
static inline struct ppiov_netmem_desc *ppiov_netmem_desc(ppiov_netmem_t netmem)
{
	return (struct ppiov_netmem_desc *)((__force unsigned long)netmem &
					    ~PPIOV_NETMEM_IOV);
}

/**
 * ppiov_netmem_pool() - whose buffer it is
 * @netmem: a buffer, not PPIOV_NETMEM_NONE
 *
 * Context: any; the caller keeps the buffer.
 * Return: the pool; NULL while a provider has the buffer.
 */
static inline struct ppiov_pool *ppiov_netmem_pool(ppiov_netmem_t netmem)
{
	return ppiov_netmem_desc(netmem)->pp;
}

/**
 * ppiov_netmem_refs() - how many users a buffer has
 * @netmem: a buffer, not PPIOV_NETMEM_NONE
 *
 * Context: any. Others may come and go, but for the only user.
 * Return: 1 while the pool has it.
 */
static inline long ppiov_netmem_refs(ppiov_netmem_t netmem)
{
	return atomic_long_read(&ppiov_netmem_desc(netmem)->pp_ref_count);
}

/* -------------------------------------------------------------- DMA address */

/**
 * ppiov_dma_pack() - fit a DMA address into a word
 * @addr: of a buffer, page aligned if the word is the smaller one
 * @bits: of the word; BITS_PER_LONG, or 32 where a test looks at small words
 * @word: the result
 *
 * A dma_addr_t may be wider than an unsigned long (32 bit with PAE): then the
 * page number is kept, and an address that does not come back as it was is
 * refused, as page_pool_set_dma_addr_netmem() does.
 *
 * Context: any.
 * Return: false if it does not fit.
 */
static inline bool ppiov_dma_pack(u64 addr, unsigned int bits,
				  unsigned long *word)
{
	u64 packed = addr;

	if (bits < 8 * sizeof(dma_addr_t))
		packed = addr >> PAGE_SHIFT;
	*word = packed;
	if (bits < 64 && packed >> bits)
		return false;
	if (bits < 8 * sizeof(dma_addr_t))
		return (packed << PAGE_SHIFT) == addr;
	return true;
}

/**
 * ppiov_dma_unpack() - the address that ppiov_dma_pack() put there
 * @word: packed
 * @bits: as when it was packed
 *
 * Context: any.
 * Return: the address.
 */
static inline u64 ppiov_dma_unpack(unsigned long word, unsigned int bits)
{
	if (bits < 8 * sizeof(dma_addr_t))
		return (u64)word << PAGE_SHIFT;
	return word;
}

/**
 * ppiov_netmem_dma() - where the device finds the buffer
 * @netmem: a buffer of a pool
 *
 * Context: any.
 * Return: the address; without a meaning if the pool has no device.
 */
static inline dma_addr_t ppiov_netmem_dma(ppiov_netmem_t netmem)
{
	return ppiov_dma_unpack(ppiov_netmem_desc(netmem)->dma_addr,
				BITS_PER_LONG);
}

/* ----------------------------------- what page and iov don't have in common */

/**
 * ppiov_netmem_is_pfmemalloc() - from the emergency reserves? Never an iov
 * @netmem: a buffer
 *
 * Context: any.
 * Return: true if it is.
 */
static inline bool ppiov_netmem_is_pfmemalloc(ppiov_netmem_t netmem)
{
	if (ppiov_netmem_is_iov(netmem))
		return false;
	return page_is_pfmemalloc(ppiov_netmem_to_page(netmem));
}

/**
 * ppiov_netmem_nid() - the memory node; an iov has none, so it fits any
 * @netmem: a buffer
 *
 * Context: any.
 * Return: a node, or NUMA_NO_NODE.
 */
static inline int ppiov_netmem_nid(ppiov_netmem_t netmem)
{
	if (ppiov_netmem_is_iov(netmem))
		return NUMA_NO_NODE;
	return page_to_nid(ppiov_netmem_to_page(netmem));
}

/**
 * ppiov_netmem_owner() - the chunk of an iov, NULL for a page
 * @netmem: a buffer
 *
 * Context: any.
 * Return: the chunk, which is the provider's, or NULL.
 */
static inline struct ppiov_chunk *ppiov_netmem_owner(ppiov_netmem_t netmem)
{
	struct page_pool_iov *iov = ppiov_netmem_to_iov(netmem);

	return iov ? iov->owner : NULL;
}

/**
 * ppiov_netmem_address() - where the CPU may read the buffer
 * @netmem: a buffer
 *
 * Context: any.
 * Return: its address, or NULL for an iov, also if it is host memory.
 */
static inline void *ppiov_netmem_address(ppiov_netmem_t netmem)
{
	if (ppiov_netmem_is_iov(netmem))
		return NULL;
	return page_address(ppiov_netmem_to_page(netmem));
}

/**
 * ppiov_iov_index() - which iov of its chunk it is
 * @iov: the iov
 *
 * Context: any.
 * Return: an index of iovs[].
 */
static inline u32 ppiov_iov_index(const struct page_pool_iov *iov)
{
	return iov - iov->owner->iovs;
}

/**
 * ppiov_iov_offset() - where an iov lies in its binding's memory
 * @iov: the iov
 *
 * Context: any.
 * Return: bytes.
 */
static inline u64 ppiov_iov_offset(const struct page_pool_iov *iov)
{
	return iov->owner->base +
	       ((u64)ppiov_iov_index(iov) << iov->owner->shift);
}

#endif /* PPIOV_NETMEM_H */
