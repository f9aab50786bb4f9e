// SPDX-License-Identifier: GPL-2.0-only
/*
 * An exporter whose dma-bufs are wrong in one way each, for tests of importers.
 *
 * An ioctl of /dev/ppiov-badbuf, BADBUF_IOC() of what is wrong, returns the
 * descriptor of a new one. BADBUF_GOOD is right: the others differ from it in
 * one thing, so that it is that thing which is refused.
 */
#include <linux/dma-buf.h>
#include <linux/dma-mapping.h>
#include <linux/fs.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/scatterlist.h>
#include <linux/slab.h>

enum {
	BADBUF_GOOD,
	BADBUF_EMPTY,     /* 0 bytes */
	BADBUF_ODD,       /* half a page too large */
	BADBUF_OFFSET,    /* begins within a page */
	BADBUF_PIECES,    /* in pieces that are no whole pages */
	BADBUF_SHORT,     /* maps half of what it says */
	BADBUF_NOTHING,   /* maps nothing, and calls it success */
	BADBUF_NO_MAP,    /* can't be mapped */
	BADBUF_NO_ATTACH, /* can't be attached */
	BADBUF_KINDS,
};

#define BADBUF_IOC(kind) _IO(0xbe, 0x20 + (kind))

#define BADBUF_ORDER 4
#define BADBUF_BYTES ((u32)PAGE_SIZE << BADBUF_ORDER)
#define BADBUF_SOME  512U /* part of a page */

/* One dma-buf; as long as that. */
struct badbuf {
	unsigned int kind;
	struct page *block;
};

static int badbuf_attach(struct dma_buf *dmabuf,
			 struct dma_buf_attachment *attachment)
{
	struct badbuf *buf = dmabuf->priv;

	return buf->kind == BADBUF_NO_ATTACH ? -EACCES : 0;
}

/* Two pieces that are not neighbours, so that an importer can't join them. */
static void badbuf_fill(const struct badbuf *buf, struct sg_table *sgt)
{
	u32 half = BADBUF_BYTES / 2, first = half, begin = 0;

	if (buf->kind == BADBUF_OFFSET)
		begin = BADBUF_SOME;
	if (buf->kind == BADBUF_PIECES)
		first -= BADBUF_SOME;
	sg_set_page(sgt->sgl, buf->block, first, half + begin);
	if (sgt->orig_nents > 1)
		sg_set_page(sg_next(sgt->sgl), buf->block,
			    BADBUF_BYTES - first - begin, 0);
}

static struct sg_table *badbuf_map(struct dma_buf_attachment *attachment,
				   enum dma_data_direction dir)
{
	struct badbuf *buf = attachment->dmabuf->priv;
	struct sg_table *sgt;
	int err;

	if (buf->kind == BADBUF_NO_MAP)
		return ERR_PTR(-EIO);

	sgt = kzalloc(sizeof(*sgt), GFP_KERNEL);
	if (!sgt)
		return ERR_PTR(-ENOMEM);
	err = sg_alloc_table(sgt, buf->kind == BADBUF_SHORT ? 1 : 2,
			     GFP_KERNEL);
	if (err)
		goto err_free;
	badbuf_fill(buf, sgt);
	err = dma_map_sgtable(attachment->dev, sgt, dir,
			      DMA_ATTR_SKIP_CPU_SYNC);
	if (err)
		goto err_table;
	if (buf->kind == BADBUF_NOTHING)
		sgt->nents = 0; /* orig_nents is what is unmapped */
	return sgt;

err_table:
	sg_free_table(sgt);
err_free:
	kfree(sgt);
	return ERR_PTR(err);
}

static void badbuf_unmap(struct dma_buf_attachment *attachment,
			 struct sg_table *sgt, enum dma_data_direction dir)
{
	dma_unmap_sgtable(attachment->dev, sgt, dir, DMA_ATTR_SKIP_CPU_SYNC);
	sg_free_table(sgt);
	kfree(sgt);
}

static void badbuf_release(struct dma_buf *dmabuf)
{
	struct badbuf *buf = dmabuf->priv;

	__free_pages(buf->block, BADBUF_ORDER);
	kfree(buf);
}

static const struct dma_buf_ops badbuf_ops = {
	.attach = badbuf_attach,
	.map_dma_buf = badbuf_map,
	.unmap_dma_buf = badbuf_unmap,
	.release = badbuf_release,
};

static struct dma_buf *badbuf_export(struct badbuf *buf)
{
	DEFINE_DMA_BUF_EXPORT_INFO(exp_info);

	exp_info.ops = &badbuf_ops;
	exp_info.size = BADBUF_BYTES;
	exp_info.flags = O_RDWR | O_CLOEXEC;
	exp_info.priv = buf;
	if (buf->kind == BADBUF_EMPTY)
		exp_info.size = 0;
	if (buf->kind == BADBUF_ODD)
		exp_info.size += BADBUF_SOME;
	return dma_buf_export(&exp_info);
}

static long badbuf_ioctl(struct file *file, unsigned int cmd,
			 unsigned long unused)
{
	unsigned int kind = cmd - BADBUF_IOC(BADBUF_GOOD);
	struct dma_buf *dmabuf;
	struct badbuf *buf;
	int fd;

	if (kind >= BADBUF_KINDS)
		return -ENOTTY;
	buf = kzalloc(sizeof(*buf), GFP_KERNEL);
	if (!buf)
		return -ENOMEM;
	buf->kind = kind;
	buf->block = alloc_pages(GFP_KERNEL | __GFP_COMP | __GFP_ZERO,
				 BADBUF_ORDER);
	if (!buf->block) {
		kfree(buf);
		return -ENOMEM;
	}
	dmabuf = badbuf_export(buf);
	if (IS_ERR(dmabuf)) {
		__free_pages(buf->block, BADBUF_ORDER);
		kfree(buf);
		return PTR_ERR(dmabuf);
	}
	fd = dma_buf_fd(dmabuf, O_CLOEXEC);
	if (fd < 0)
		dma_buf_put(dmabuf);
	return fd;
}

static const struct file_operations badbuf_fops = {
	.owner = THIS_MODULE,
	.unlocked_ioctl = badbuf_ioctl,
};

static struct miscdevice badbuf_device = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "ppiov-badbuf",
	.fops = &badbuf_fops,
	.mode = 0600,
};
module_misc_device(badbuf_device);

MODULE_DESCRIPTION("dma-bufs that an importer must refuse");
MODULE_LICENSE("GPL");
MODULE_INFO(import_ns, "DMA_BUF");
