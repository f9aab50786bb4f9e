/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What differs between kernels in struct dma_map_ops: memory was mapped by its
 * page and MMIO as a "resource"; now both come by physical address, and an
 * attribute tells MMIO.
 */
#ifndef PPIOV_COMPAT_DMA_OPS_H
#define PPIOV_COMPAT_DMA_OPS_H

#include <linux/dma-map-ops.h>

/*
 * Makes operations of these, which both take physical addresses and no
 * attributes, and of @unmap, which is for both. COMPAT_DMA_OPS_INIT() is what
 * of struct dma_map_ops they fill in.
 */
#ifdef HAVE_DMA_MAP_OPS_PHYS
#define COMPAT_DMA_OPS(memory, mmio, unmap)                                 \
	static dma_addr_t memory##_op(struct device *dev, phys_addr_t phys, \
				      size_t size,                          \
				      enum dma_data_direction dir,          \
				      unsigned long attrs)                  \
	{                                                                   \
		if (attrs & DMA_ATTR_MMIO)                                  \
			return mmio(dev, phys, size, dir);                  \
		return memory(dev, phys, size, dir);                        \
	}                                                                   \
	COMPAT_DMA_OP_UNMAP(unmap)
#define COMPAT_DMA_OPS_INIT(memory, unmap) \
	.map_phys = memory##_op, .unmap_phys = unmap##_op
#else
#define COMPAT_DMA_OPS(memory, mmio, unmap)                                  \
	static dma_addr_t memory##_op(struct device *dev, struct page *page, \
				      unsigned long offset, size_t size,     \
				      enum dma_data_direction dir,           \
				      unsigned long attrs)                   \
	{                                                                    \
		return memory(dev, page_to_phys(page) + offset, size, dir);  \
	}                                                                    \
	static dma_addr_t memory##_op_mmio(struct device *dev,               \
					   phys_addr_t phys, size_t size,    \
					   enum dma_data_direction dir,      \
					   unsigned long attrs)              \
	{                                                                    \
		return mmio(dev, phys, size, dir);                           \
	}                                                                    \
	COMPAT_DMA_OP_UNMAP(unmap)
#define COMPAT_DMA_OPS_INIT(memory, unmap)                 \
	.map_page = memory##_op, .unmap_page = unmap##_op, \
	.map_resource = memory##_op_mmio, .unmap_resource = unmap##_op
#endif

#define COMPAT_DMA_OP_UNMAP(unmap)                                       \
	static void unmap##_op(struct device *dev, dma_addr_t addr,      \
			       size_t size, enum dma_data_direction dir, \
			       unsigned long attrs)                      \
	{                                                                \
		unmap(dev, addr, size, dir);                             \
	}

#endif /* PPIOV_COMPAT_DMA_OPS_H */
