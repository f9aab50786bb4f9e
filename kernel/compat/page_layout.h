/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The words of struct page that belong to whoever owns the page.
 *
 * From its second word on, struct page is a union: of the page cache's words,
 * of page_pool's, and of others. The owner of a page that is in no list, not
 * mapped and not in the page cache may use them: those of lru, index and
 * private. mapping has to stay NULL: TCP's zerocopy receive and the page
 * allocator look at it.
 *
 * All that is known about this layout stands here, and fails the build where
 * it isn't so; ppiov.ko looks once more when it is loaded.
 */
#ifndef PPIOV_COMPAT_PAGE_LAYOUT_H
#define PPIOV_COMPAT_PAGE_LAYOUT_H

#include <linux/atomic.h>
#include <linux/mm_types.h>
#include <linux/stddef.h>

struct ppiov_pool;

/**
 * struct ppiov_netmem_desc - what page and iov have in common
 * @_flags: the page's; zero in an iov
 * @pp_magic: PPIOV_MAGIC_* while the buffer belongs to a pool, otherwise 0
 * @pp: the pool; valid while @pp_magic is
 * @_pp_mapping_pad: the page's mapping, NULL; unused in an iov
 * @dma_addr: packed, see ppiov_dma_pack(); valid while @pp_magic is
 * @pp_ref_count: users of the buffer; 1 while the pool has it
 *
 * Laid over struct page, which the buddy allocator gave to the pool. A page's
 * own _refcount stays 1 all the time: who frags a buffer counts here.
 */
struct ppiov_netmem_desc {
	unsigned long _flags;
	unsigned long pp_magic;
	struct ppiov_pool *pp;
	unsigned long _pp_mapping_pad;
	unsigned long dma_addr;
	atomic_long_t pp_ref_count;
};

#define PPIOV_PAGE_ASSERT(pg, desc)                \
	static_assert(offsetof(struct page, pg) == \
		      offsetof(struct ppiov_netmem_desc, desc))
PPIOV_PAGE_ASSERT(flags, _flags);
PPIOV_PAGE_ASSERT(lru.next, pp_magic);
PPIOV_PAGE_ASSERT(lru.prev, pp);
PPIOV_PAGE_ASSERT(mapping, _pp_mapping_pad);
PPIOV_PAGE_ASSERT(private, pp_ref_count);
#undef PPIOV_PAGE_ASSERT

/* The page's index, whose name is not the same in all kernels. */
static_assert(offsetof(struct ppiov_netmem_desc, dma_addr) ==
	      offsetofend(struct page, mapping));
static_assert(sizeof(struct ppiov_netmem_desc) <=
	      offsetof(struct page, _refcount));

#endif /* PPIOV_COMPAT_PAGE_LAYOUT_H */
