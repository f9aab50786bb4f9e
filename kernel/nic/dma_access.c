// SPDX-License-Identifier: GPL-2.0-only
/*
 * ppnic: how the device reaches memory: by DMA address, within one region of
 * the table, in the direction that was mapped. A lookup and a memcpy() per
 * access, since this runs per packet.
 */
#include <linux/highmem.h>
#include <linux/io.h>
#include <linux/rcupdate.h>
#include <net/checksum.h>

#include "dma.h"

#define PPNIC_IO_BOUNCE 128

static struct ppnic_region *ppnic_region_readable(struct ppnic_parent *p,
						  dma_addr_t addr, size_t len)
{
	struct ppnic_region *r = ppnic_region_find(p, addr, len);

	return r && r->dir != DMA_FROM_DEVICE ? r : NULL;
}

static struct ppnic_region *ppnic_region_writable(struct ppnic_parent *p,
						  dma_addr_t addr, size_t len)
{
	struct ppnic_region *r = ppnic_region_find(p, addr, len);

	return r && r->dir != DMA_TO_DEVICE ? r : NULL;
}

/* A piece of a region that the CPU can reach in one go. */
struct ppnic_span {
	void *mem; /* NULL: use io */
	void __iomem *io;
	size_t len;
};

static bool ppnic_span_open(const struct ppnic_region *r, size_t off,
			    size_t len, struct ppnic_span *s)
{
	size_t in_page, in_region;
	struct page *page;

	switch (r->kind) {
	case PPNIC_REGION_PAGES:
		page = pfn_to_page(PHYS_PFN(r->phys + off));
		in_page = offset_in_page(r->phys + off);
		/* Without highmem the direct map is contiguous as well. */
		s->len = len;
		if (IS_ENABLED(CONFIG_HIGHMEM))
			s->len = min_t(size_t, len, PAGE_SIZE - in_page);
		break;
	case PPNIC_REGION_SG:
		in_region = offset_in_page(r->start) + off;
		page = xa_load((struct xarray *)&r->pages,
			       in_region >> PAGE_SHIFT);
		if (!page) /* just being unmapped */
			return false;
		in_page = offset_in_page(in_region);
		s->len = min_t(size_t, len, PAGE_SIZE - in_page);
		break;
	default:
		s->mem = NULL;
		s->io = r->io + off;
		s->len = len;
		return true;
	}
	s->mem = kmap_local_page(page) + in_page;
	return true;
}

static void ppnic_span_close(const struct ppnic_span *s)
{
	if (s->mem)
		kunmap_local(s->mem);
}

static void ppnic_span_read(void *to, const struct ppnic_span *s, size_t len)
{
	if (s->mem)
		memcpy(to, s->mem, len);
	else
		memcpy_fromio(to, s->io, len);
}

static void ppnic_span_write(const struct ppnic_span *s, const void *from,
			     size_t len)
{
	if (s->mem)
		memcpy(s->mem, from, len);
	else
		memcpy_toio(s->io, from, len);
}

/* Returns how much was copied; less than asked for between two BARs. */
static size_t ppnic_span_copy(const struct ppnic_span *to,
			      const struct ppnic_span *from, size_t len)
{
	u8 bounce[PPNIC_IO_BOUNCE];

	if (from->mem) {
		ppnic_span_write(to, from->mem, len);
	} else if (to->mem) {
		ppnic_span_read(to->mem, from, len);
	} else {
		len = min_t(size_t, len, sizeof(bounce));
		ppnic_span_read(bounce, from, len);
		ppnic_span_write(to, bounce, len);
	}
	return len;
}

/**
 * ppnic_dma_read() - the device reads memory
 * @p: whose table @from is an address of
 * @to: buffer of @len bytes
 * @from: DMA address
 * @len: bytes; the range must lie within one region
 *
 * Context: any but hard interrupt.
 * Return: 0, or -EFAULT if the range is not mapped for reading by the device;
 * then the refusal is counted and @to is undefined.
 */
int ppnic_dma_read(struct ppnic_parent *p, void *to, dma_addr_t from,
		   size_t len)
{
	const struct ppnic_region *r;
	struct ppnic_span s;
	size_t off, done;

	rcu_read_lock();
	r = ppnic_region_readable(p, from, len);
	if (!r)
		goto refuse;

	off = from - r->start;
	for (done = 0; done < len; done += s.len) {
		if (!ppnic_span_open(r, off + done, len - done, &s))
			goto refuse;
		ppnic_span_read(to + done, &s, s.len);
		ppnic_span_close(&s);
	}
	rcu_read_unlock();
	return 0;

refuse:
	rcu_read_unlock();
	ppnic_dma_refuse(p, "read", from, len);
	return -EFAULT;
}

/**
 * ppnic_dma_write() - the device writes memory
 * @p: whose table @to is an address of
 * @to: DMA address
 * @from: buffer of @len bytes
 * @len: bytes; the range must lie within one region
 *
 * Context: any but hard interrupt.
 * Return: 0, or -EFAULT if the range is not mapped for writing by the device;
 * then the refusal is counted, and nothing outside a region was written.
 */
int ppnic_dma_write(struct ppnic_parent *p, dma_addr_t to, const void *from,
		    size_t len)
{
	const struct ppnic_region *r;
	struct ppnic_span s;
	size_t off, done;

	rcu_read_lock();
	r = ppnic_region_writable(p, to, len);
	if (!r)
		goto refuse;

	off = to - r->start;
	for (done = 0; done < len; done += s.len) {
		if (!ppnic_span_open(r, off + done, len - done, &s))
			goto refuse;
		ppnic_span_write(&s, from + done, s.len);
		ppnic_span_close(&s);
	}
	rcu_read_unlock();
	return 0;

refuse:
	rcu_read_unlock();
	ppnic_dma_refuse(p, "write", to, len);
	return -EFAULT;
}

/**
 * ppnic_dma_copy() - the device copies from one port's memory to the other's
 * @dp: whose table @to is an address of
 * @to: DMA address
 * @sp: whose table @from is an address of
 * @from: DMA address
 * @len: bytes; each range must lie within one region
 *
 * Context: any but hard interrupt.
 * Return: 0, or -EFAULT if one of the ranges is not mapped for the access;
 * the refusal is counted at the parent whose table refused, and nothing
 * outside a region was written.
 */
int ppnic_dma_copy(struct ppnic_parent *dp, dma_addr_t to,
		   struct ppnic_parent *sp, dma_addr_t from, size_t len)
{
	const struct ppnic_region *dr, *sr;
	struct ppnic_span d, s;
	size_t doff, soff, done, n;

	rcu_read_lock();
	sr = ppnic_region_readable(sp, from, len);
	if (!sr)
		goto refuse_read;
	dr = ppnic_region_writable(dp, to, len);
	if (!dr)
		goto refuse_write;

	soff = from - sr->start;
	doff = to - dr->start;
	for (done = 0; done < len; done += n) {
		if (!ppnic_span_open(sr, soff + done, len - done, &s))
			goto refuse_read;
		if (!ppnic_span_open(dr, doff + done, s.len, &d)) {
			ppnic_span_close(&s);
			goto refuse_write;
		}
		n = ppnic_span_copy(&d, &s, d.len);
		/* Local mappings are a stack. */
		ppnic_span_close(&d);
		ppnic_span_close(&s);
	}
	rcu_read_unlock();
	return 0;

refuse_read:
	rcu_read_unlock();
	ppnic_dma_refuse(sp, "read", from, len);
	return -EFAULT;
refuse_write:
	rcu_read_unlock();
	ppnic_dma_refuse(dp, "write", to, len);
	return -EFAULT;
}

/**
 * ppnic_dma_csum() - the device sums memory for the Internet checksum
 * @p: whose table @from is an address of
 * @from: DMA address
 * @len: bytes; the range must lie within one region
 * @pos: where in the summed data @from stands; an odd one swaps the bytes
 * @sum: is added to
 *
 * Context: any but hard interrupt.
 * Return: 0, or -EFAULT if the range is not mapped for reading by the device;
 * then the refusal is counted and @sum is undefined.
 */
int ppnic_dma_csum(struct ppnic_parent *p, dma_addr_t from, size_t len,
		   size_t pos, __wsum *sum)
{
	const struct ppnic_region *r;
	u8 bounce[PPNIC_IO_BOUNCE];
	struct ppnic_span s;
	size_t off, done;
	__wsum part;

	rcu_read_lock();
	r = ppnic_region_readable(p, from, len);
	if (!r)
		goto refuse;

	off = from - r->start;
	for (done = 0; done < len; done += s.len) {
		if (!ppnic_span_open(r, off + done, len - done, &s))
			goto refuse;
		if (s.mem) {
			part = csum_partial(s.mem, s.len, 0);
		} else {
			s.len = min_t(size_t, s.len, sizeof(bounce));
			ppnic_span_read(bounce, &s, s.len);
			part = csum_partial(bounce, s.len, 0);
		}
		ppnic_span_close(&s);
		*sum = csum_block_add(*sum, part, (pos + done) & 1);
	}
	rcu_read_unlock();
	return 0;

refuse:
	rcu_read_unlock();
	ppnic_dma_refuse(p, "checksum", from, len);
	return -EFAULT;
}
