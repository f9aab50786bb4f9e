/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Mapping pages of ZONE_DEVICE.
 *
 * Newer kernels map physical addresses, and their DMA debugging takes a page
 * of ZONE_DEVICE in dma_map_page() for a mistake.
 */
#ifndef PPIOV_COMPAT_DMA_H
#define PPIOV_COMPAT_DMA_H

#include <linux/dma-mapping.h>

static inline dma_addr_t compat_dma_map_pages(struct device *dev,
					      struct page *page, size_t size,
					      enum dma_data_direction dir,
					      unsigned long attrs)
{
#ifdef HAVE_DMA_MAP_PHYS
	return dma_map_phys(dev, page_to_phys(page), size, dir, attrs);
#else
	return dma_map_page_attrs(dev, page, 0, size, dir, attrs);
#endif
}

static inline void compat_dma_unmap_pages(struct device *dev, dma_addr_t addr,
					  size_t size,
					  enum dma_data_direction dir,
					  unsigned long attrs)
{
#ifdef HAVE_DMA_MAP_PHYS
	dma_unmap_phys(dev, addr, size, dir, attrs);
#else
	dma_unmap_page_attrs(dev, addr, size, dir, attrs);
#endif
}

#endif /* PPIOV_COMPAT_DMA_H */
