// SPDX-License-Identifier: GPL-2.0-only
/*
 * The carrier: see include/ppiov/carrier.h.
 *
 * What the stack does to a child, and why nothing of it loses a buffer:
 *
 *   free                    complete() drops the child's reference; with
 *                           MANAGED_FRAG_REFS no frag is put
 *   trim, pull              frags shrink or move; bufs[] stays as it was
 *   reallocate the head     the stack takes page references for the frags and
 *                           puts them after complete(): of the placeholder, or
 *                           of a page, which the pool then does not recycle
 *   clone, copy, orphan     pages: copied to the stack's own, complete() runs;
 *                           iovs: refused with EFAULT, the packet is dropped
 *   splice                  pages: as when the head is reallocated
 */
#include <linux/delay.h>
#include <linux/export.h>
#include <linux/jiffies.h>
#include <linux/limits.h>
#include <linux/mm.h>
#include <linux/overflow.h>
#include <linux/percpu.h>
#include <linux/skbuff.h>
#include <linux/slab.h>

#include "../include/ppiov/carrier.h"
#include "../include/ppiov/pool.h"
#include "internal.h"

/* The frag of all children with iovs: PPIOV_CARRIER_MAX_BYTES of zeros. Real
 * pages, since the stack may take references.
 */
static struct page *ppiov_placeholder;

/* Descriptors alive: the sum is right, a CPU's part alone says nothing. */
static DEFINE_PER_CPU(long, ppiov_carriers);

static void ppiov_carrier_free(struct ppiov_carrier *carrier)
{
	ppiov_netmem_t *netmems = (ppiov_netmem_t *)carrier->bufs;
	struct ppiov_pool *pool = carrier->pool;
	u32 i;

	/* Nobody looks at bufs[] any more: its memory takes the list, which is
	 * shorter, so an entry is read before it is overwritten.
	 */
	BUILD_BUG_ON(sizeof(*netmems) > sizeof(*carrier->bufs));
	BUILD_BUG_ON(offsetof(struct ppiov_buf, netmem));
	for (i = 0; i < carrier->n; i++)
		netmems[i] = carrier->bufs[i].netmem;
	ppiov_pool_put_bulk(pool, netmems, carrier->n, false);
	ppiov_pool_unpin(pool);
	kfree(carrier);
	this_cpu_dec(ppiov_carriers);
}

/* The child's reference; @skb may have been trimmed, and is not looked at. */
static void ppiov_ubuf_complete(struct sk_buff *skb, struct ubuf_info *ubuf,
				bool success)
{
	ppiov_carrier_put(container_of(ubuf, struct ppiov_carrier, ubuf));
}

/* Nothing that is sent may join the payload of what was received. -EEXIST
 * would make tcp_sendmsg() try again with a new skb, for ever.
 */
static int ppiov_ubuf_link_skb(struct sk_buff *skb, struct ubuf_info *ubuf)
{
	return -EOPNOTSUPP;
}

static const struct ubuf_info_ops ppiov_ubuf_ops = {
	.complete = ppiov_ubuf_complete,
	.link_skb = ppiov_ubuf_link_skb,
};

/* What the packet keeps busy: a buffer of its own counts in full. */
static u32 ppiov_buf_truesize(const struct ppiov_pool *pool,
			      const struct ppiov_buf *buf)
{
	if (ppiov_netmem_refs(buf->netmem) > 1)
		return SKB_DATA_ALIGN(buf->len);
	return ppiov_pool_buf_size(pool);
}

/* Return: bytes in all of @bufs, or -EINVAL. */
static int ppiov_bufs_check(const struct ppiov_pool *pool,
			    const struct ppiov_buf *bufs, u32 n, u32 *truesize)
{
	u32 size = ppiov_pool_buf_size(pool);
	bool is_iov = ppiov_pool_is_iov(pool);
	u32 i, more, len = 0, end;

	if (!n ||
	    n > (is_iov ? PPIOV_CARRIER_MAX_IOVS : PPIOV_CARRIER_MAX_PAGES))
		return -EINVAL;

	*truesize = 0;
	for (i = 0; i < n; i++) {
		if (bufs[i].netmem == PPIOV_NETMEM_NONE ||
		    ppiov_netmem_is_iov(bufs[i].netmem) != is_iov ||
		    ppiov_netmem_pool(bufs[i].netmem) != pool)
			return -EINVAL;
		if (!bufs[i].len ||
		    check_add_overflow(bufs[i].offset, bufs[i].len, &end) ||
		    end > size)
			return -EINVAL;
		more = ppiov_buf_truesize(pool, &bufs[i]);
		if (check_add_overflow(len, bufs[i].len, &len) ||
		    check_add_overflow(*truesize, more, truesize))
			return -EINVAL;
	}
	if (len > (is_iov ? PPIOV_CARRIER_MAX_BYTES : S32_MAX))
		return -EINVAL;
	return len;
}

static void ppiov_child_fill(struct sk_buff *child,
			     const struct ppiov_carrier *carrier, u32 len)
{
	struct skb_shared_info *shinfo = skb_shinfo(child);
	const struct ppiov_buf *buf;
	u32 i;

	if (ppiov_pool_is_iov(carrier->pool)) {
		skb_frag_fill_page_desc(&shinfo->frags[0], ppiov_placeholder, 0,
					len);
		shinfo->nr_frags = 1;
		child->unreadable = 1;
		return;
	}

	for (i = 0; i < carrier->n; i++) {
		buf = &carrier->bufs[i];
		skb_frag_fill_page_desc(&shinfo->frags[i],
					ppiov_netmem_to_page(buf->netmem),
					buf->offset, buf->len);
		child->pfmemalloc |= ppiov_netmem_is_pfmemalloc(buf->netmem);
	}
	shinfo->nr_frags = carrier->n;
}

/**
 * ppiov_carrier_attach() - make buffers a packet's payload
 * @head: with headers in the linear area, and nothing else; not cloned
 * @pool: that all buffers are of
 * @bufs: copied. A buffer may be in it, and in other packets, several times,
 *	with a reference each.
 * @n: 1 to PPIOV_CARRIER_MAX_IOVS with PPIOV_CARRIER_MAX_BYTES in all of them,
 *	or, if they are pages, PPIOV_CARRIER_MAX_PAGES
 * @gfp: GFP_ATOMIC in a NAPI
 *
 * The stack can't read iovs, and some of it calls BUG() where it can't. So a
 * driver verifies the checksum itself, and puts nothing into iovs but the
 * payload of whole TCP segments: no piece of a fragmented IP packet, which
 * would join a readable head; and nothing of a segment with an urgent pointer,
 * since tcp_urg() reads the byte that it names. Pointers of other segments are
 * seen to in urgent.c.
 *
 * Context: any but hard interrupt.
 * Return: 0, and @head owns a reference of each buffer; or -EINVAL, -ENOMEM,
 * and the caller still does.
 */
int ppiov_carrier_attach(struct sk_buff *head, struct ppiov_pool *pool,
			 const struct ppiov_buf *bufs, u32 n, gfp_t gfp)
{
	struct ppiov_carrier *carrier;
	struct sk_buff *child;
	u32 truesize;
	int len;

	if (skb_is_nonlinear(head) || skb_cloned(head) || skb_zcopy(head))
		return -EINVAL;
	len = ppiov_bufs_check(pool, bufs, n, &truesize);
	if (len < 0)
		return len;
	if (head->len > S32_MAX - len)
		return -EINVAL;

	child = alloc_skb(0, gfp);
	if (!child)
		return -ENOMEM;
	carrier = kmalloc(struct_size(carrier, bufs, n), gfp);
	if (!carrier) {
		kfree_skb(child);
		return -ENOMEM;
	}

	carrier->ubuf.ops = &ppiov_ubuf_ops;
	/* SHARED_FRAG: what changes a packet in place copies it first. */
	carrier->ubuf.flags = SKBFL_ZEROCOPY_FRAG | SKBFL_MANAGED_FRAG_REFS;
	refcount_set(&carrier->ubuf.refcnt, 1);
	carrier->pool = pool;
	carrier->n = n;
	memcpy(carrier->bufs, bufs, flex_array_size(carrier, bufs, n));
	ppiov_pool_pin(pool);
	this_cpu_inc(ppiov_carriers);

	ppiov_child_fill(child, carrier, len);
	skb_zcopy_init(child, &carrier->ubuf);
	child->len = len;
	child->data_len = len;
	child->truesize += truesize;

	skb_shinfo(head)->frag_list = child;
	head->len += len;
	head->data_len += len;
	head->truesize += child->truesize;
	head->unreadable = child->unreadable;
	head->pfmemalloc |= child->pfmemalloc;
	return 0;
}
EXPORT_SYMBOL_GPL(ppiov_carrier_attach);

/**
 * ppiov_carrier_of() - the descriptor of a child skb
 * @child: any skb
 *
 * Context: any; the caller keeps @child from being freed or orphaned.
 * Return: the descriptor, valid as long as @child is; NULL if it has none.
 */
struct ppiov_carrier *ppiov_carrier_of(const struct sk_buff *child)
{
	struct ubuf_info *ubuf;

	if (!(skb_shinfo(child)->flags & SKBFL_ZEROCOPY_ENABLE))
		return NULL;
	ubuf = skb_uarg(child);
	if (!ubuf || ubuf->ops != &ppiov_ubuf_ops)
		return NULL;
	return container_of(ubuf, struct ppiov_carrier, ubuf);
}
EXPORT_SYMBOL_GPL(ppiov_carrier_of);

/**
 * ppiov_carrier_get() - one reference more, for a token
 * @carrier: the caller has one, or its child cannot go
 *
 * Context: any.
 */
void ppiov_carrier_get(struct ppiov_carrier *carrier)
{
	refcount_inc(&carrier->ubuf.refcnt);
}
EXPORT_SYMBOL_GPL(ppiov_carrier_get);

/**
 * ppiov_carrier_put() - drop a reference; the last one gives all buffers back
 * @carrier: the descriptor
 *
 * Context: any but hard interrupt.
 */
void ppiov_carrier_put(struct ppiov_carrier *carrier)
{
	if (refcount_dec_and_test(&carrier->ubuf.refcnt))
		ppiov_carrier_free(carrier);
}
EXPORT_SYMBOL_GPL(ppiov_carrier_put);

/**
 * ppiov_carrier_at() - which buffer has a byte of the payload
 * @carrier: the descriptor
 * @pos: of the byte, in the payload as it was attached, from @from on
 * @from: of bufs[], where to begin to look
 * @index: of bufs[]
 * @offset: of the byte in that piece, that is, bufs[].offset is not in it
 *
 * Context: any.
 * Return: false if @pos is behind the payload.
 */
bool ppiov_carrier_at(const struct ppiov_carrier *carrier, u32 pos, u32 from,
		      u32 *index, u32 *offset)
{
	u32 i;

	for (i = from; i < carrier->n; i++) {
		if (pos < carrier->bufs[i].len) {
			*index = i;
			*offset = pos;
			return true;
		}
		pos -= carrier->bufs[i].len;
	}
	return false;
}
EXPORT_SYMBOL_GPL(ppiov_carrier_at);

/**
 * ppiov_carrier_init() - get what all carriers need
 *
 * Context: process.
 * Return: 0 or -ENOMEM.
 */
int ppiov_carrier_init(void)
{
	ppiov_placeholder = alloc_pages(GFP_KERNEL | __GFP_ZERO | __GFP_COMP,
					get_order(PPIOV_CARRIER_MAX_BYTES));
	return ppiov_placeholder ? 0 : -ENOMEM;
}

static long ppiov_carriers_alive(void)
{
	long sum = 0;
	int cpu;

	for_each_possible_cpu(cpu)
		sum += READ_ONCE(*per_cpu_ptr(&ppiov_carriers, cpu));
	return sum;
}

/**
 * ppiov_carrier_exit() - wait for the last descriptor
 *
 * A descriptor pins its pool, the pool holds its provider's module, and a
 * provider outside of this module needs its symbols. So there is nothing left
 * to wait for but the tail of ppiov_carrier_free(); and whoever calls this
 * waits once more, for text, before the module goes.
 *
 * Context: process, may sleep.
 */
void ppiov_carrier_exit(void)
{
	unsigned long warn_at = jiffies + 60 * HZ;

	while (ppiov_carriers_alive()) {
		if (time_after(jiffies, warn_at)) {
			pr_warn("ppiov: %ld carriers are not freed\n",
				ppiov_carriers_alive());
			warn_at = jiffies + 60 * HZ;
		}
		msleep(20);
	}
	put_page(ppiov_placeholder);
}
