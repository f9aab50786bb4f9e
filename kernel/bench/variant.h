/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The designs for telling page and iov apart, each in a file of its own.
 *
 * All are the same small pool: a cache, an alloc, a put, and the question
 * where the device finds the buffer. A put asks what the page_pool of 2023
 * asked of a page: is it nobody else's, not from the reserves, of the right
 * node. An iov is asked nothing. So what is measured is the question «page or
 * iov?», and what is counted beside it is what each design pays in text, in
 * lines and in memory.
 *
 * A design that can be written with these three includes variant_pool.h:
 *	V(name)			names a function of the design
 *	v_desc(buf)		the words that all buffers have
 *	v_reusable(pool, buf)	may it be used again?
 *	v_dma(pool, buf)	where the device finds it
 *	v_other(pool, buf)	put it another way, and say so: true if it did
 */
#ifndef PPIOV_BENCH_VARIANT_H
#define PPIOV_BENCH_VARIANT_H

#include <linux/atomic.h>
#include <linux/jump_label.h>
#include <linux/mm.h>

#include "bench.h"

#define PPIOV_V_CACHE   128
#define PPIOV_V_BUFFERS 64

struct ppiov_v_pool;

/* Per-pool operations, for the design that has them. */
struct ppiov_v_ops {
	bool (*reusable)(const struct ppiov_v_pool *pool, unsigned long buf);
	dma_addr_t (*dma)(unsigned long buf);
};

/**
 * struct ppiov_v_pool - a pool of any design
 * @count: of @cache
 * @nid: that its pages are to be of
 * @lost: buffers that were not fit to be used again
 * @ops: see there
 * @is_iov: what a driver knows of its queue
 * @cache: buffers: in most designs a pointer with a tag in its lowest bit
 */
struct ppiov_v_pool {
	u32 count;
	int nid;
	u64 lost;
	const struct ppiov_v_ops *ops;
	bool is_iov;
	unsigned long cache[PPIOV_V_CACHE];
};

/**
 * struct ppiov_v_design - a design
 * @name: of its benchmark is dispatch.@name
 * @make: turn @page, or iov number @i, into a buffer: 0, if it has no such
 * @drop: undo @make; may be NULL
 * @iov_bytes: of memory, per iov
 * @page_bytes: of memory, per page and beside struct page
 */
struct ppiov_v_design {
	const char *name;
	unsigned long (*make)(struct ppiov_v_pool *pool, struct page *page,
			      u32 i);
	void (*drop)(unsigned long buf);
	u32 iov_bytes;
	u32 page_bytes;
};

extern const struct ppiov_v_design ppiov_v_none;
extern const struct ppiov_v_design ppiov_v_static;
extern const struct ppiov_v_design ppiov_v_tag;
extern const struct ppiov_v_design ppiov_v_ops_design;
extern const struct ppiov_v_design ppiov_v_wrapper;
extern const struct ppiov_v_design ppiov_v_separate;
extern const struct ppiov_v_design ppiov_v_aligned;

#define PPIOV_V_LOOPS(design)                                             \
	void ppiov_v_##design##_loop(struct ppiov_bench_run *run, u32 n); \
	void ppiov_v_##design##_dma_loop(struct ppiov_bench_run *run, u32 n)
PPIOV_V_LOOPS(none);
PPIOV_V_LOOPS(static);
PPIOV_V_LOOPS(tag);
PPIOV_V_LOOPS(ops);
PPIOV_V_LOOPS(wrapper);
PPIOV_V_LOOPS(separate);
PPIOV_V_LOOPS(aligned);
#undef PPIOV_V_LOOPS

/* variants.c */
unsigned long ppiov_v_make(struct ppiov_v_pool *pool, struct page *page, u32 i);
DECLARE_STATIC_KEY_FALSE(ppiov_v_key);

/* What a page is asked before it is used again. */
static __always_inline bool
ppiov_v_page_reusable(const struct ppiov_v_pool *pool, struct page *page)
{
	return likely(page_ref_count(page) == 1 && !page_is_pfmemalloc(page) &&
		      page_to_nid(page) == pool->nid);
}

/* A page's DMA address and an iov's: same place, as in ppiov. */
static __always_inline dma_addr_t ppiov_v_desc_dma(unsigned long buf)
{
	return ((struct ppiov_netmem_desc *)(buf & ~PPIOV_NETMEM_IOV))
		->dma_addr;
}

#endif /* PPIOV_BENCH_VARIANT_H */
