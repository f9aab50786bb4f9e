// SPDX-License-Identifier: GPL-2.0-only
/*
 * Where a receive ring's buffers come from, and how they leave in an skb.
 *
 *   core   a page_pool: pages, or what the core's memory provider for the
 *          queue gives. Buffers become frags of the skb, which gives them back.
 *   ppiov  a pool of ppiov.ko, fed by the provider of the queue's binding.
 *          Buffers leave in the carrier, whose descriptor gives them back.
 *   xsk    the pool of an AF_XDP socket, fed by user space. Buffers leave to
 *          that socket, and in no skb (xsk.c).
 *
 * Host rings are core's, since the stack frees a head to no other pool, or
 * xsk's. What a ring has is decided when it is made; nobody else asks.
 */
#include <linux/skbuff.h>
#include <net/xdp_sock_drv.h>

#include "../compat/page_pool.h"
#include "../include/ppiov/binding.h"
#include "../include/ppiov/carrier.h"
#include "../include/ppiov/pool.h"
#include "ppnic.h"

/**
 * struct ppnic_source_ops - one kind of source
 * @alloc: one buffer and its DMA address; false if there is none. The pool's
 *	consumer only: its NAPI, or whoever owns a ring that was not started.
 * @put: one buffer that nobody uses; @napi: called by the consumer
 * @attach: see ppnic_source_attach(); NULL: in no skb
 * @start: @napi is the consumer from now on; NULL, as the next two: no matter
 * @stop: there is no consumer any more
 * @destroy: the owner has no buffers left; others may, and keep the pool
 * @gfp: to fill a ring in process context. Without direct reclaim: with BH off
 */
struct ppnic_source_ops {
	bool (*alloc)(const struct ppnic_source *src, gfp_t gfp,
		      union ppnic_buf *buf, dma_addr_t *dma);
	void (*put)(const struct ppnic_source *src, union ppnic_buf buf,
		    bool napi);
	int (*attach)(struct ppnic_rx_ring *ring, struct sk_buff *skb, u32 n,
		      u32 left, u32 frame);
	void (*start)(const struct ppnic_source *src, struct napi_struct *napi);
	void (*stop)(const struct ppnic_source *src);
	void (*destroy)(const struct ppnic_source *src);
	gfp_t gfp;
};

/* ------------------------------------------------------------------- core */

static bool ppnic_core_alloc(const struct ppnic_source *src, gfp_t gfp,
			     union ppnic_buf *buf, dma_addr_t *dma)
{
	buf->core = page_pool_alloc_netmems(src->core, gfp);
	if (!buf->core)
		return false;
	*dma = page_pool_get_dma_addr_netmem(buf->core);
	return true;
}

static void ppnic_core_put(const struct ppnic_source *src, union ppnic_buf buf,
			   bool napi)
{
	page_pool_put_full_netmem(src->core, buf.core, napi);
}

/* Of one frame: GRO joins these. */
static int ppnic_core_attach(struct ppnic_rx_ring *ring, struct sk_buff *skb,
			     u32 n, u32 left, u32 frame)
{
	while (n--) {
		netmem_ref netmem = ring->buf[ring->clean++ & ring->mask].core;
		u32 len = min(left, ring->room);

		/* page_pool adds the pool's offset itself. */
		page_pool_dma_sync_netmem_for_cpu(ring->src.core, netmem, 0,
						  len);
		skb_add_rx_frag_netmem(skb, skb_shinfo(skb)->nr_frags, netmem,
				       ring->headroom, len,
				       PAGE_SIZE << ring->src.core->p.order);
		left -= len;
	}
	return 0;
}

static void ppnic_core_start(const struct ppnic_source *src,
			     struct napi_struct *napi)
{
	compat_page_pool_attach_napi(src->core, napi);
}

static void ppnic_core_stop(const struct ppnic_source *src)
{
	page_pool_disable_direct_recycling(src->core);
}

static void ppnic_core_destroy(const struct ppnic_source *src)
{
	page_pool_destroy(src->core);
}

static const struct ppnic_source_ops ppnic_core_ops = {
	.alloc = ppnic_core_alloc,
	.put = ppnic_core_put,
	.attach = ppnic_core_attach,
	.start = ppnic_core_start,
	.stop = ppnic_core_stop,
	.destroy = ppnic_core_destroy,
	.gfp = GFP_KERNEL,
};

static int ppnic_core_create(struct ppnic_rxq *rxq, struct ppnic_rx_ring *ring,
			     u32 buf_len, unsigned int flags)
{
	struct page_pool_params params = {
		.flags = PP_FLAG_DMA_MAP | PP_FLAG_DMA_SYNC_DEV | flags,
		.order = get_order(buf_len),
		.pool_size = ring->mask + 1,
		.nid = NUMA_NO_NODE,
		.dev = &rxq->port->parent->dev,
		.dma_dir = DMA_FROM_DEVICE,
		.offset = ring->headroom,
		.max_len = ring->room,
		.netdev = rxq->port->dev,
		.queue_idx = rxq->index,
	};
	struct page_pool *pool;

	/* .napi is set by @start: a pool that was never started would
	 * otherwise be destroyed with a NAPI that is running, which page_pool
	 * warns about.
	 */
	pool = page_pool_create(&params);
	if (IS_ERR(pool))
		return PTR_ERR(pool);

	ring->src.core = pool;
	ring->src.ops = &ppnic_core_ops;
	return 0;
}

/* ------------------------------------------------------------------ ppiov */

static bool ppnic_ppiov_alloc(const struct ppnic_source *src, gfp_t gfp,
			      union ppnic_buf *buf, dma_addr_t *dma)
{
	buf->ppiov = ppiov_pool_alloc(src->ppiov, gfp);
	if (!buf->ppiov)
		return false;
	*dma = ppiov_netmem_dma(buf->ppiov);
	return true;
}

static void ppnic_ppiov_put(const struct ppnic_source *src, union ppnic_buf buf,
			    bool napi)
{
	ppiov_pool_put(src->ppiov, buf.ppiov, napi);
}

static int ppnic_ppiov_attach(struct ppnic_rx_ring *ring, struct sk_buff *skb,
			      u32 n, u32 left, u32 frame)
{
	struct ppiov_buf bufs[PPIOV_CARRIER_MAX_IOVS];
	u32 i, part = 0;
	int err;

	if (!n)
		return 0;

	for (i = 0; i < n; i++) {
		union ppnic_buf buf = ring->buf[(ring->clean + i) & ring->mask];
		u32 len;

		if (!part)
			part = min(left, frame);
		len = min(part, ring->room);
		ppiov_pool_sync_for_cpu(ring->src.ppiov, buf.ppiov,
					ring->headroom, len);
		bufs[i] = (struct ppiov_buf) {
			.netmem = buf.ppiov,
			.offset = ring->headroom,
			.len = len,
		};
		part -= len;
		left -= len;
	}

	err = ppiov_carrier_attach(skb, ring->src.ppiov, bufs, n,
				   GFP_ATOMIC | __GFP_NOWARN);
	if (!err)
		ring->clean += n;
	return err;
}

static void ppnic_ppiov_start(const struct ppnic_source *src,
			      struct napi_struct *napi)
{
	ppiov_pool_enable_direct(src->ppiov, napi);
}

static void ppnic_ppiov_stop(const struct ppnic_source *src)
{
	ppiov_pool_disable_direct(src->ppiov);
}

static void ppnic_ppiov_destroy(const struct ppnic_source *src)
{
	ppiov_pool_destroy(src->ppiov);
}

static const struct ppnic_source_ops ppnic_ppiov_ops = {
	.alloc = ppnic_ppiov_alloc,
	.put = ppnic_ppiov_put,
	.attach = ppnic_ppiov_attach,
	.start = ppnic_ppiov_start,
	.stop = ppnic_ppiov_stop,
	.destroy = ppnic_ppiov_destroy,
	.gfp = GFP_ATOMIC | __GFP_NOWARN,
};

static int ppnic_ppiov_create(struct ppnic_rxq *rxq, struct ppnic_rx_ring *ring)
{
	struct ppiov_binding *binding = rxq->binding;
	struct ppiov_pool_params params = {
		.order = binding->order,
		.ring_size = ring->mask + 1,
		.nid = NUMA_NO_NODE,
		.dev = &rxq->port->parent->dev,
		.dma_dir = DMA_FROM_DEVICE,
		.sync_len = PAGE_SIZE << binding->order,
		.netdev = rxq->port->dev,
		.queue = rxq->index,
		.provider = binding->provider,
		.binding = binding,
		.size = binding->size,
	};
	struct ppiov_pool *pool;

	pool = ppiov_pool_create(&params);
	if (IS_ERR(pool))
		return PTR_ERR(pool);

	ring->room = ppiov_pool_buf_size(pool);
	ring->max_bufs = PPIOV_CARRIER_MAX_PAGES;
	if (ppiov_pool_is_iov(pool)) {
		ring->max_bufs = PPIOV_CARRIER_MAX_IOVS;
		ring->src.unreadable = true;
	}
	ring->src.scarce = true;
	ring->src.carried = true;
	ring->src.ppiov = pool;
	ring->src.ops = &ppnic_ppiov_ops;
	return 0;
}

static_assert(PPIOV_CARRIER_MAX_PAGES <= PPIOV_CARRIER_MAX_IOVS);

/* -------------------------------------------------------------------- xsk */

static bool ppnic_xsk_alloc(const struct ppnic_source *src, gfp_t gfp,
			    union ppnic_buf *buf, dma_addr_t *dma)
{
	buf->xsk = xsk_buff_alloc(src->xsk);
	if (!buf->xsk)
		return false;
	*dma = xsk_buff_xdp_get_dma(buf->xsk);
	return true;
}

static void ppnic_xsk_put(const struct ppnic_source *src, union ppnic_buf buf,
			  bool napi)
{
	xsk_buff_free(buf.xsk);
}

static const struct ppnic_source_ops ppnic_xsk_ops = {
	.alloc = ppnic_xsk_alloc,
	.put = ppnic_xsk_put,
	.gfp = GFP_ATOMIC | __GFP_NOWARN,
};

/* A buffer's address is that of its frame: the pool knows the room before. */
static void ppnic_xsk_create(struct ppnic_rx_ring *ring,
			     struct xsk_buff_pool *pool)
{
	ring->headroom = 0;
	ring->room = xsk_pool_get_rx_frame_size(pool);
	ring->max_bufs = 1;
	ring->src.xsk = pool;
	ring->src.scarce = true;
	ring->src.exclusive = true;
	ring->src.ops = &ppnic_xsk_ops;
}

/* ------------------------------------------------------------ for the ring */

/**
 * ppnic_source_host() - make a host ring's pool, or take the AF_XDP socket's
 * @rxq: the queue
 * @ring: without a source; @mask is set, @headroom and @room as they should be
 *	for a pool of pages
 *
 * Context: process, ops lock held.
 * Return: 0 or what page_pool_create() says.
 */
int ppnic_source_host(struct ppnic_rxq *rxq, struct ppnic_rx_ring *ring)
{
	struct xsk_buff_pool *xsk = rxq->port->channels[rxq->index].xsk;

	if (xsk) {
		ppnic_xsk_create(ring, xsk);
		return 0;
	}
	/* One more than frags: the head. */
	ring->max_bufs = MAX_SKB_FRAGS + 1;
	return ppnic_core_create(rxq, ring, PAGE_SIZE, 0);
}

/**
 * ppnic_source_data() - make a data ring's pool, of the kind the queue is for
 * @rxq: the queue
 * @ring: without a source; @mask is set, @room is filled in
 * @buf_len: of buffers, if no provider of ppiov says otherwise; a power of two
 *
 * Context: process, ops lock held.
 * Return: 0, -EBUSY if core and ppiov have both bound the queue, -ENOMEM, or
 * what the provider says.
 */
int ppnic_source_data(struct ppnic_rxq *rxq, struct ppnic_rx_ring *ring,
		      u32 buf_len)
{
	struct net_device *dev = rxq->port->dev;
	bool bound = compat_rxq_has_provider(dev, rxq->index);
	int err;

	if (rxq->binding && bound) {
		netdev_err(dev,
			   "queue %u: ppiov binding %u feeds it, so the core's memory provider can't\n",
			   rxq->index, rxq->binding->id);
		return -EBUSY;
	}
	if (rxq->binding)
		return ppnic_ppiov_create(rxq, ring);

	ring->room = buf_len;
	ring->max_bufs = MAX_SKB_FRAGS;
	err = ppnic_core_create(rxq, ring, buf_len,
				PP_FLAG_ALLOW_UNREADABLE_NETMEM);
	if (err)
		return err;
	ring->src.unreadable = bound;
	ring->src.scarce = bound;
	return 0;
}

/**
 * ppnic_source_destroy() - the ring is done with its pool
 * @src: the source; the ring has put or given away all its buffers
 *
 * Buffers still in skbs or held by sockets keep the pool alive.
 *
 * Context: process.
 */
void ppnic_source_destroy(const struct ppnic_source *src)
{
	if (src->ops->destroy)
		src->ops->destroy(src);
}

/**
 * ppnic_source_start() - buffers may go straight back from now on
 * @src: the source
 * @napi: whose context the buffers are taken in
 *
 * Context: process, @napi disabled.
 */
void ppnic_source_start(const struct ppnic_source *src,
			struct napi_struct *napi)
{
	if (src->ops->start)
		src->ops->start(src, napi);
}

/**
 * ppnic_source_stop() - no buffer goes straight back any more
 * @src: the source
 *
 * Context: process, its NAPI disabled.
 */
void ppnic_source_stop(const struct ppnic_source *src)
{
	if (src->ops->stop)
		src->ops->stop(src);
}

/**
 * ppnic_source_alloc() - take a buffer
 * @src: the source
 * @gfp: for what has to be allocated
 * @buf: receives the buffer
 * @dma: receives where the device finds it
 *
 * Context: the source's NAPI, or BH off with that NAPI disabled.
 * Return: false if there is none.
 */
bool ppnic_source_alloc(const struct ppnic_source *src, gfp_t gfp,
			union ppnic_buf *buf, dma_addr_t *dma)
{
	return src->ops->alloc(src, gfp, buf, dma);
}

/**
 * ppnic_source_put() - give back a buffer that was not handed to the stack
 * @src: where it is from; also after ppnic_source_destroy(), by who still has
 *	a buffer and with it the pool
 * @buf: the buffer
 * @napi: called in the source's NAPI
 *
 * Context: any but hard interrupt.
 */
void ppnic_source_put(const struct ppnic_source *src, union ppnic_buf buf,
		      bool napi)
{
	src->ops->put(src, buf, napi);
}

/**
 * ppnic_source_attach() - the ring's next buffers are payload of an skb
 * @ring: the ring; @clean moves on if all is well
 * @skb: its headers
 * @n: buffers, at most @ring->max_bufs
 * @len: bytes that they hold
 * @frame: bytes of a frame, if it is several: each begins a buffer of its own,
 *	and the last may be shorter. Only of payload that leaves in a carrier.
 *
 * Context: the source's NAPI.
 * Return: 0, or -ENOMEM: then the buffers are still the ring's.
 */
int ppnic_source_attach(struct ppnic_rx_ring *ring, struct sk_buff *skb, u32 n,
			u32 len, u32 frame)
{
	return ring->src.ops->attach(ring, skb, n, len, frame);
}

/**
 * ppnic_source_first_fill() - how to fill a ring that nobody consumes yet
 * @src: the source
 *
 * Some pools want BH off, as in NAPI; then nothing may sleep. To be ended with
 * ppnic_source_filled().
 *
 * Context: process.
 * Return: for ppnic_source_alloc().
 */
gfp_t ppnic_source_first_fill(const struct ppnic_source *src)
{
	if (!gfpflags_allow_blocking(src->ops->gfp))
		local_bh_disable();
	return src->ops->gfp;
}

/**
 * ppnic_source_filled() - the end of ppnic_source_first_fill()
 * @src: the same
 *
 * Context: process.
 */
void ppnic_source_filled(const struct ppnic_source *src)
{
	if (!gfpflags_allow_blocking(src->ops->gfp))
		local_bh_enable();
}
