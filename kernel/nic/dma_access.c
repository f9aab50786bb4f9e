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

/*
 * A walk over [addr, addr + left) of one parent's table, in pieces that the
 * CPU can reach in one go: @mem, or @io for a BAR, which has no other address.
 *
 * Between ppnic_walk_begin() and ppnic_walk_end() the RCU read lock is held,
 * so that the region stays.
 */
struct ppnic_walk {
	struct ppnic_parent *p;
	const struct ppnic_region *r;
	bool refused; /* from here on nothing is opened */
	dma_addr_t addr;
	size_t left;
	void *mem;
	void __iomem *io;
	size_t len; /* of the piece */
};

static void ppnic_walk_begin(struct ppnic_walk *w, struct ppnic_parent *p,
			     dma_addr_t addr, size_t len,
			     enum dma_data_direction dir) __acquires(RCU)
{
	rcu_read_lock();
	w->p = p;
	w->r = ppnic_region_find(p, addr, len);
	w->refused = !w->r ||
		     (w->r->dir != DMA_BIDIRECTIONAL && w->r->dir != dir);
	w->addr = addr;
	w->left = len;
}

/* Open the next piece. False at the end, and where the walk is refused. */
static bool ppnic_walk_open(struct ppnic_walk *w)
{
	const struct ppnic_region *r = w->r;
	size_t off, in_page;
	struct page *page;

	if (w->refused || !w->left)
		return false;

	off = w->addr - r->start;
	w->mem = NULL;
	w->len = w->left;
	switch (r->kind) {
	case PPNIC_REGION_MMIO:
		w->io = r->io + off;
		return true;
	case PPNIC_REGION_PAGES:
		page = pfn_to_page(PHYS_PFN(r->phys + off));
		in_page = offset_in_page(r->phys + off);
		/* Without highmem the direct map is contiguous as well. */
		if (IS_ENABLED(CONFIG_HIGHMEM))
			w->len = min_t(size_t, w->len, PAGE_SIZE - in_page);
		break;
	case PPNIC_REGION_SG:
		off += offset_in_page(r->start);
		page = xa_load((struct xarray *)&r->pages, off >> PAGE_SHIFT);
		if (!page) { /* just being unmapped */
			w->refused = true;
			return false;
		}
		in_page = offset_in_page(off);
		w->len = min_t(size_t, w->len, PAGE_SIZE - in_page);
		break;
	}
	w->mem = kmap_local_page(page) + in_page;
	return true;
}

/* Close the piece, of which @done bytes were used. */
static void ppnic_walk_close(struct ppnic_walk *w, size_t done)
{
	if (w->mem)
		kunmap_local(w->mem);
	w->addr += done;
	w->left -= done;
}

/* Returns 0, or counts the refusal. */
static int ppnic_walk_end(const struct ppnic_walk *w, const char *what)
	__releases(RCU)
{
	rcu_read_unlock();
	if (!w->refused)
		return 0;
	ppnic_dma_refuse(w->p, what, w->addr, w->left);
	return -EFAULT;
}

static void ppnic_piece_read(void *to, const struct ppnic_walk *w, size_t len)
{
	if (w->mem)
		memcpy(to, w->mem, len);
	else
		memcpy_fromio(to, w->io, len);
}

static void ppnic_piece_write(const struct ppnic_walk *w, const void *from,
			      size_t len)
{
	if (w->mem)
		memcpy(w->mem, from, len);
	else
		memcpy_toio(w->io, from, len);
}

/* Returns how much was copied; less than asked for between two BARs. */
static size_t ppnic_piece_copy(const struct ppnic_walk *to,
			       const struct ppnic_walk *from, size_t len)
{
	u8 bounce[PPNIC_IO_BOUNCE];

	if (from->mem) {
		ppnic_piece_write(to, from->mem, len);
	} else if (to->mem) {
		ppnic_piece_read(to->mem, from, len);
	} else {
		len = min_t(size_t, len, sizeof(bounce));
		ppnic_piece_read(bounce, from, len);
		ppnic_piece_write(to, bounce, len);
	}
	return len;
}

/* Returns how much was summed; less than the piece for one in a BAR. */
static size_t ppnic_piece_csum(const struct ppnic_walk *w, __wsum *sum)
{
	u8 bounce[PPNIC_IO_BOUNCE];
	size_t len = w->len;

	if (w->mem) {
		*sum = csum_partial(w->mem, len, 0);
	} else {
		len = min_t(size_t, len, sizeof(bounce));
		ppnic_piece_read(bounce, w, len);
		*sum = csum_partial(bounce, len, 0);
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
	struct ppnic_walk w;

	ppnic_walk_begin(&w, p, from, len, DMA_TO_DEVICE);
	while (ppnic_walk_open(&w)) {
		ppnic_piece_read(to, &w, w.len);
		to += w.len;
		ppnic_walk_close(&w, w.len);
	}
	return ppnic_walk_end(&w, "read");
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
	struct ppnic_walk w;

	ppnic_walk_begin(&w, p, to, len, DMA_FROM_DEVICE);
	while (ppnic_walk_open(&w)) {
		ppnic_piece_write(&w, from, w.len);
		from += w.len;
		ppnic_walk_close(&w, w.len);
	}
	return ppnic_walk_end(&w, "write");
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
	struct ppnic_walk d, s;
	size_t n;
	int err;

	ppnic_walk_begin(&s, sp, from, len, DMA_TO_DEVICE);
	ppnic_walk_begin(&d, dp, to, len, DMA_FROM_DEVICE);
	/* No byte is read for a write that is refused. */
	while (!d.refused && ppnic_walk_open(&s)) {
		n = 0;
		if (ppnic_walk_open(&d)) {
			n = ppnic_piece_copy(&d, &s, min(d.len, s.len));
			/* Local mappings are a stack. */
			ppnic_walk_close(&d, n);
		}
		ppnic_walk_close(&s, n);
	}
	err = ppnic_walk_end(&d, "write");
	return ppnic_walk_end(&s, "read") ?: err;
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
	struct ppnic_walk w;
	__wsum part;
	size_t n;

	ppnic_walk_begin(&w, p, from, len, DMA_TO_DEVICE);
	while (ppnic_walk_open(&w)) {
		n = ppnic_piece_csum(&w, &part);
		ppnic_walk_close(&w, n);
		*sum = csum_block_add(*sum, part, pos & 1);
		pos += n;
	}
	return ppnic_walk_end(&w, "checksum");
}
