/* SPDX-License-Identifier: GPL-2.0-only */
/* What differs between kernels in the page allocator's names. */
#ifndef PPIOV_COMPAT_MM_H
#define PPIOV_COMPAT_MM_H

#include <linux/gfp.h>

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
