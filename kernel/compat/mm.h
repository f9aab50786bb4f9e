/* SPDX-License-Identifier: GPL-2.0-only */
/* What differs between kernels in the names of the allocators. */
#ifndef PPIOV_COMPAT_MM_H
#define PPIOV_COMPAT_MM_H

#include <linux/gfp.h>
#include <linux/slab.h>

/* One object of a type, with GFP_KERNEL where no flags are given. */
#ifndef kzalloc_obj
#define compat_obj(alloc, P, gfp, ...) ((typeof(P) *)alloc(sizeof(P), gfp))

#define kmalloc_obj(P, ...) compat_obj(kmalloc, P, ##__VA_ARGS__, GFP_KERNEL)
#define kzalloc_obj(P, ...) compat_obj(kzalloc, P, ##__VA_ARGS__, GFP_KERNEL)

#define kvzalloc_obj(P, ...) compat_obj(kvzalloc, P, ##__VA_ARGS__, GFP_KERNEL)
#endif

/* alloc_pages_bulk_node(), which was alloc_pages_bulk_array_node(). */
static inline unsigned long compat_alloc_pages_bulk(gfp_t gfp, int nid,
						    unsigned long nr,
						    struct page **pages)
{
#ifdef HAVE_ALLOC_PAGES_BULK_NODE
	return alloc_pages_bulk_node(gfp, nid, nr, pages);
#else
	return alloc_pages_bulk_array_node(gfp, nid, nr, pages);
#endif
}

#endif /* PPIOV_COMPAT_MM_H */
