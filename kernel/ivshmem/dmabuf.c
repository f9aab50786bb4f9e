// SPDX-License-Identifier: GPL-2.0-only
/*
 * ppiov_ivshmem: a part of a BAR as a dma-buf.
 *
 * There is no struct page behind it, so the sg_table that an importer gets has
 * DMA addresses and nothing else, as with other exporters of BARs. The CPU
 * gets no way in: no vmap, no mmap.
 */
#include <linux/dma-buf.h>
#include <linux/dma-mapping.h>
#include <linux/module.h>
#include <linux/pci-p2pdma.h>
#include <linux/pci.h>
#include <linux/scatterlist.h>
#include <linux/slab.h>
#include <linux/wait_bit.h>

#include "../compat/mm.h"
#include "../compat/module.h"
#include "../include/uapi/ppiov_ivshmem.h"
#include "ivshmem.h"

/**
 * struct ppiov_ivshmem_buf - a dma-buf's
 * @ivs: a reference is held
 * @phys: where it begins
 * @size: bytes
 */
struct ppiov_ivshmem_buf {
	struct ppiov_ivshmem *ivs;
	phys_addr_t phys;
	u64 size;
};

/* From one PCI device to another the kernel must know a way. What is not a
 * PCI device, as a software NIC, reaches memory in its own way.
 */
static int ppiov_ivshmem_attach(struct dma_buf *dmabuf,
				struct dma_buf_attachment *attachment)
{
	struct ppiov_ivshmem_buf *buf = dmabuf->priv;
	struct ppiov_ivshmem *ivs = buf->ivs;
	int err = 0;

	mutex_lock(&ivs->lock);
	if (ivs->gone)
		err = -ENODEV;
	else if (dev_is_pci(attachment->dev) &&
		 pci_p2pdma_distance(ivs->pdev, attachment->dev, true) < 0)
		err = -EOPNOTSUPP;
	mutex_unlock(&ivs->lock);
	return err;
}

static void ppiov_ivshmem_unmap_sgt(struct device *dev, struct sg_table *sgt,
				    enum dma_data_direction dir)
{
	struct scatterlist *sg;
	unsigned int i;

	for_each_sgtable_dma_sg(sgt, sg, i) {
		if (!sg_dma_len(sg))
			break;
		dma_unmap_resource(dev, sg_dma_address(sg), sg_dma_len(sg), dir,
				   DMA_ATTR_SKIP_CPU_SYNC);
	}
}

static struct sg_table *ppiov_ivshmem_map_sgt(struct device *dev,
					      phys_addr_t phys, u64 size,
					      enum dma_data_direction dir)
{
	u64 max = ALIGN_DOWN(dma_get_max_seg_size(dev), PAGE_SIZE);
	struct scatterlist *sg;
	struct sg_table *sgt;
	unsigned int i;
	u64 len;
	int err;

	if (!max)
		return ERR_PTR(-EINVAL);

	sgt = kzalloc_obj(*sgt);
	if (!sgt)
		return ERR_PTR(-ENOMEM);
	err = sg_alloc_table(sgt, DIV_ROUND_UP_ULL(size, max), GFP_KERNEL);
	if (err)
		goto err_free;

	for_each_sgtable_dma_sg(sgt, sg, i) {
		len = min(size, max);
		sg_dma_address(sg) = dma_map_resource(dev, phys, len, dir,
						      DMA_ATTR_SKIP_CPU_SYNC);
		if (dma_mapping_error(dev, sg_dma_address(sg))) {
			err = -EIO;
			goto err_unmap;
		}
		sg_dma_len(sg) = len;
		phys += len;
		size -= len;
	}
	/* No entry has a page: hide them from who looks for pages. */
	sgt->orig_nents = 0;
	return sgt;

err_unmap:
	ppiov_ivshmem_unmap_sgt(dev, sgt, dir);
	sg_free_table(sgt);
err_free:
	kfree(sgt);
	return ERR_PTR(err);
}

static struct sg_table *ppiov_ivshmem_map(struct dma_buf_attachment *attachment,
					  enum dma_data_direction dir)
{
	struct ppiov_ivshmem_buf *buf = attachment->dmabuf->priv;
	struct ppiov_ivshmem *ivs = buf->ivs;
	struct sg_table *sgt;

	mutex_lock(&ivs->lock);
	if (ivs->gone) {
		mutex_unlock(&ivs->lock);
		return ERR_PTR(-ENODEV);
	}
	atomic_inc(&ivs->maps);
	mutex_unlock(&ivs->lock);

	sgt = ppiov_ivshmem_map_sgt(attachment->dev, buf->phys, buf->size, dir);
	if (IS_ERR(sgt) && atomic_dec_and_test(&ivs->maps))
		wake_up_var(&ivs->maps);
	return sgt;
}

static void ppiov_ivshmem_unmap(struct dma_buf_attachment *attachment,
				struct sg_table *sgt,
				enum dma_data_direction dir)
{
	struct ppiov_ivshmem_buf *buf = attachment->dmabuf->priv;
	struct ppiov_ivshmem *ivs = buf->ivs;

	ppiov_ivshmem_unmap_sgt(attachment->dev, sgt, dir);
	sgt->orig_nents = sgt->nents;
	sg_free_table(sgt);
	kfree(sgt);
	if (atomic_dec_and_test(&ivs->maps))
		wake_up_var(&ivs->maps);
}

static void ppiov_ivshmem_release(struct dma_buf *dmabuf)
{
	struct ppiov_ivshmem_buf *buf = dmabuf->priv;

	ppiov_ivshmem_put(buf->ivs);
	kfree(buf);
}

static const struct dma_buf_ops ppiov_ivshmem_dmabuf_ops = {
	.attach = ppiov_ivshmem_attach,
	.map_dma_buf = ppiov_ivshmem_map,
	.unmap_dma_buf = ppiov_ivshmem_unmap,
	.release = ppiov_ivshmem_release,
};

/**
 * ppiov_ivshmem_export() - make a dma-buf
 * @ivs: of its memory
 * @args: which part
 *
 * Context: process; the caller has a reference to @ivs.
 * Return: a file descriptor; -EINVAL for a part that is empty, not page
 * aligned or not within the device, -ENODEV once the device is gone, -ENOMEM,
 * -EMFILE.
 */
int ppiov_ivshmem_export(struct ppiov_ivshmem *ivs,
			 const struct ppiov_ivshmem_export *args)
{
	DEFINE_DMA_BUF_EXPORT_INFO(info);
	struct ppiov_ivshmem_buf *buf;
	struct dma_buf *dmabuf;
	int fd;

	if (args->reserved || !args->size ||
	    !PAGE_ALIGNED(args->offset | args->size) ||
	    args->offset >= ivs->size || args->size > ivs->size - args->offset)
		return -EINVAL;
	if (READ_ONCE(ivs->gone))
		return -ENODEV;

	buf = kzalloc_obj(*buf);
	if (!buf)
		return -ENOMEM;
	kref_get(&ivs->ref);
	buf->ivs = ivs;
	buf->phys = ivs->phys + args->offset;
	buf->size = args->size;

	info.ops = &ppiov_ivshmem_dmabuf_ops;
	info.size = args->size;
	info.flags = O_RDWR;
	info.priv = buf;
	dmabuf = dma_buf_export(&info);
	if (IS_ERR(dmabuf)) {
		ppiov_ivshmem_put(ivs);
		kfree(buf);
		return PTR_ERR(dmabuf);
	}

	fd = dma_buf_fd(dmabuf, O_CLOEXEC);
	if (fd < 0)
		dma_buf_put(dmabuf);
	return fd;
}

COMPAT_MODULE_IMPORT_NS("DMA_BUF");
