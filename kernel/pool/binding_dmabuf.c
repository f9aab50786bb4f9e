// SPDX-License-Identifier: GPL-2.0-only
/*
 * A binding's memory: the dma-buf that a request brings, and how it is cut.
 *
 * What is taken here is the binding's, and put when that is freed; so an error
 * leaves nothing to undo.
 */
#include <linux/device.h>
#include <linux/dma-buf.h>
#include <linux/mm.h>
#include <linux/netdevice.h>
#include <linux/netlink.h>
#include <linux/scatterlist.h>
#include <kunit/visibility.h>

#include "../compat/module.h"
#include "binding_priv.h"

/**
 * ppiov_binding_open_dmabuf() - take the dma-buf that a file descriptor names
 * @binding: without one
 * @fd: of the calling process
 * @extack: for the reason of a refusal
 *
 * Context: process, RTNL held.
 * Return: 0; -EBADF for a number that is no file, -EINVAL for another file or
 * a dma-buf that is not made of pages.
 */
int ppiov_binding_open_dmabuf(struct ppiov_binding *binding, int fd,
			      struct netlink_ext_ack *extack)
{
	struct dma_buf *dmabuf = dma_buf_get(fd);

	if (IS_ERR(dmabuf)) {
		if (PTR_ERR(dmabuf) == -EBADF)
			NL_SET_ERR_MSG(extack, "dmabuf-fd is not open");
		else
			NL_SET_ERR_MSG(extack, "dmabuf-fd is not a dma-buf");
		return PTR_ERR(dmabuf);
	}
	binding->dmabuf = dmabuf;

	if (!dmabuf->size || !PAGE_ALIGNED(dmabuf->size)) {
		NL_SET_ERR_MSG(extack,
			       "the dma-buf's size is 0 or not a multiple of the page size");
		return -EINVAL;
	}
	return 0;
}

/**
 * ppiov_binding_set_size() - say how much memory the provider may take
 * @binding: with its order, and its dma-buf if it has one
 * @size: bytes; 0 for all of the dma-buf, or the provider's default
 * @extack: for the reason of a refusal
 *
 * Context: process, RTNL held.
 * Return: 0 or -EINVAL.
 */
int ppiov_binding_set_size(struct ppiov_binding *binding, u64 size,
			   struct netlink_ext_ack *extack)
{
	const struct dma_buf *dmabuf = binding->dmabuf;
	unsigned int shift = PAGE_SHIFT + binding->order;

	if (!size && !dmabuf)
		return 0;
	if (dmabuf && size > dmabuf->size) {
		NL_SET_ERR_MSG(extack, "size is larger than the dma-buf");
		return -EINVAL;
	}
	if (!dmabuf && size >> PAGE_SHIFT > totalram_pages()) {
		NL_SET_ERR_MSG(extack,
			       "size is larger than this machine's memory");
		return -EINVAL;
	}
	if (!size)
		size = dmabuf->size;
	if (size & ((1ULL << shift) - 1)) {
		NL_SET_ERR_MSG(extack,
			       "size is not a multiple of the buffer size");
		return -EINVAL;
	}
	/* Pools count their buffers in 32 bits. */
	if (size >> shift > S32_MAX) {
		NL_SET_ERR_MSG(extack, "size is too many buffers");
		return -EINVAL;
	}
	binding->size = size;
	return 0;
}
EXPORT_SYMBOL_IF_KUNIT(ppiov_binding_set_size);

/**
 * ppiov_run_first() - begin a walk over a binding's dma-buf
 * @binding: its dma-buf is mapped
 * @run: for ppiov_run_next()
 *
 * Context: any.
 */
void ppiov_run_first(const struct ppiov_binding *binding, struct ppiov_run *run)
{
	*run = (struct ppiov_run) {
		.sg = binding->sgt->sgl,
		.left = binding->sgt->nents,
	};
}

/**
 * ppiov_run_next() - go on to the next part that is in one piece
 * @binding: as for ppiov_run_first()
 * @run: the one before; the next one
 *
 * Ends where the binding's size is reached.
 *
 * Context: any.
 * Return: false if there is none.
 */
bool ppiov_run_next(const struct ppiov_binding *binding, struct ppiov_run *run)
{
	run->base += run->len;
	run->len = 0;

	while (run->left && run->base + run->len < binding->size) {
		if (!run->len)
			run->dma = sg_dma_address(run->sg);
		else if (sg_dma_address(run->sg) != run->dma + run->len)
			break;
		run->len += sg_dma_len(run->sg);
		run->sg = sg_next(run->sg);
		run->left--;
	}
	run->len = min(run->len, binding->size - run->base);
	return run->len;
}

/**
 * ppiov_check_runs() - is what the exporter has mapped fit to be cut?
 * @binding: its dma-buf is mapped
 * @extack: for the reason of a refusal
 *
 * Context: any.
 * Return: 0 or -EINVAL.
 */
VISIBLE_IF_KUNIT int ppiov_check_runs(const struct ppiov_binding *binding,
				      struct netlink_ext_ack *extack)
{
	u64 mask = ((u64)PAGE_SIZE << binding->order) - 1;
	struct ppiov_run run;

	ppiov_run_first(binding, &run);
	while (ppiov_run_next(binding, &run)) {
		if (!PAGE_ALIGNED(run.dma)) {
			NL_SET_ERR_MSG(extack,
				       "the dma-buf has a chunk that is not page aligned");
			return -EINVAL;
		}
		if (run.len & mask) {
			NL_SET_ERR_MSG(extack,
				       "the dma-buf has a chunk that is not a multiple of the buffer size");
			return -EINVAL;
		}
	}
	if (run.base != binding->size) {
		NL_SET_ERR_MSG(extack,
			       "the dma-buf's exporter has mapped less than its size");
		return -EINVAL;
	}
	return 0;
}
EXPORT_SYMBOL_IF_KUNIT(ppiov_check_runs);

/**
 * ppiov_binding_map_dmabuf() - make a binding's dma-buf known to its device
 * @binding: with a dma-buf and a size
 * @dir: what the device does: DMA_FROM_DEVICE or DMA_TO_DEVICE
 * @extack: for the reason of a refusal
 *
 * Context: process, RTNL held.
 * Return: 0; -EOPNOTSUPP for a device without DMA, -EINVAL if the memory can't
 * be cut into buffers, or what the exporter says.
 */
int ppiov_binding_map_dmabuf(struct ppiov_binding *binding,
			     enum dma_data_direction dir,
			     struct netlink_ext_ack *extack)
{
	const struct ppiov_nic_ops *ops = ppiov_nic_ops(binding->dev);
	struct dma_buf_attachment *attachment;
	struct sg_table *sgt;

	binding->dma_dev = get_device(ops->dma_dev(binding->dev));
	if (!binding->dma_dev) {
		NL_SET_ERR_MSG(extack, "the device does no DMA");
		return -EOPNOTSUPP;
	}

	attachment = dma_buf_attach(binding->dmabuf, binding->dma_dev);
	if (IS_ERR(attachment)) {
		NL_SET_ERR_MSG(extack,
			       "the dma-buf can't be attached to the device");
		return PTR_ERR(attachment);
	}
	binding->attachment = attachment;

	binding->dir = dir;
	sgt = dma_buf_map_attachment_unlocked(attachment, dir);
	if (IS_ERR(sgt)) {
		NL_SET_ERR_MSG(extack,
			       "the dma-buf can't be mapped for the device");
		return PTR_ERR(sgt);
	}
	binding->sgt = sgt;

	return ppiov_check_runs(binding, extack);
}

/**
 * ppiov_binding_put_dmabuf() - unmap and put a binding's dma-buf, if any
 * @binding: as far as it came; about to be freed
 *
 * Context: process.
 */
void ppiov_binding_put_dmabuf(struct ppiov_binding *binding)
{
	if (binding->sgt)
		dma_buf_unmap_attachment_unlocked(binding->attachment,
						  binding->sgt, binding->dir);
	if (binding->attachment)
		dma_buf_detach(binding->dmabuf, binding->attachment);
	put_device(binding->dma_dev);
	if (binding->dmabuf)
		dma_buf_put(binding->dmabuf);
}

COMPAT_MODULE_IMPORT_NS("DMA_BUF");
