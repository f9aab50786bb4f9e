// SPDX-License-Identifier: GPL-2.0-only
/*
 * The driver half of receive: a queue's memory, from its making to its end.
 *
 * A queue has one ring of host buffers, and with header split a second one of
 * data buffers. Host buffers are memory that the kernel may read: pages of a
 * pool, or what an AF_XDP socket lends. Data buffers come from whatever feeds
 * the queue (rx_source.c), so nothing here ever asks for their address in
 * kernel memory. What becomes of a full buffer: rx.c.
 */
#include <linux/skbuff.h>

#include "../compat/netdev.h"
#include "../compat/page_pool.h"
#include "ppnic.h"

/* The head of a received skb is the host buffer itself. */
#define PPNIC_HEADROOM (NET_SKB_PAD + NET_IP_ALIGN)

static u32 ppnic_ring_size(const struct ppnic_rx_ring *ring)
{
	return ppnic_ring_exists(ring) ? ring->mask + 1 : 0;
}

/* Post buffers up to a full ring. Returns false if the pool ran dry. */
static bool ppnic_ring_fill(struct ppnic_rxq *rxq, struct ppnic_rx_ring *ring,
			    gfp_t gfp)
{
	u32 size = ppnic_ring_size(ring), prod = ring->prod;
	u32 want = size - (prod - ring->clean);
	bool full = true;

	while (want--) {
		u32 slot = prod & ring->mask;
		dma_addr_t addr;

		if (ppnic_fault_next_rx(rxq, &rxq->port->faults.rx_alloc) ||
		    !ppnic_source_alloc(&ring->src, gfp, &ring->buf[slot],
					&addr)) {
			full = false;
			break;
		}
		ring->desc[slot].addr = addr + ring->headroom;
		ring->desc[slot].len = ring->room;
		prod++;
	}

	/* Pairs with the acquire in the engine: descriptors before index. */
	smp_store_release(&ring->prod, prod);
	return full;
}

static bool ppnic_fill_host(struct ppnic_rxq *rxq, struct ppnic_rx_mem *mem,
			    gfp_t gfp)
{
	return ppnic_ring_fill(rxq, &mem->host, gfp);
}

static bool ppnic_fill_data(struct ppnic_rxq *rxq, struct ppnic_rx_mem *mem,
			    gfp_t gfp)
{
	return !ppnic_ring_exists(&mem->data) ||
	       ppnic_ring_fill(rxq, &mem->data, gfp);
}

/* Fill rings that were not started: nobody else consumes from their pools, so
 * no need for NAPI.
 */
static bool ppnic_first_fill(struct ppnic_rxq *rxq, struct ppnic_rx_mem *mem)
{
	bool full;
	gfp_t gfp;

	/* There may be a ring that consumes from its pool. */
	if (mem->host.src.exclusive)
		return true;
	if (!ppnic_fill_host(rxq, mem, GFP_KERNEL))
		return false;
	if (!ppnic_ring_exists(&mem->data))
		return true;

	gfp = ppnic_source_first_fill(&mem->data.src);
	full = ppnic_fill_data(rxq, mem, gfp);
	ppnic_source_filled(&mem->data.src);
	return full || mem->data.src.scarce;
}

/* @buf_len: of data buffers, or 0 for a host ring. */
static int ppnic_ring_alloc(struct ppnic_rxq *rxq, struct ppnic_rx_ring *ring,
			    u32 size, u32 buf_len, bool xdp)
{
	int err;

	memset(ring, 0, sizeof(*ring));
	ring->mask = size - 1;

	ring->desc = kvcalloc(size, sizeof(*ring->desc), GFP_KERNEL);
	if (!ring->desc)
		return -ENOMEM;

	ring->buf = kvcalloc(size, sizeof(*ring->buf), GFP_KERNEL);
	if (!ring->buf) {
		err = -ENOMEM;
		goto err_desc;
	}

	if (buf_len) {
		err = ppnic_source_data(rxq, ring, buf_len);
	} else {
		ring->headroom = xdp ? PPNIC_XDP_HEADROOM : PPNIC_HEADROOM;
		ring->room = SKB_WITH_OVERHEAD(PAGE_SIZE) - ring->headroom;
		err = ppnic_source_host(rxq, ring);
	}
	if (err)
		goto err_buf;
	return 0;

err_buf:
	kvfree(ring->buf);
err_desc:
	kvfree(ring->desc);
	memset(ring, 0, sizeof(*ring));
	return err;
}

/* The device is off this ring: from @clean on, all is ours. */
static void ppnic_ring_empty(struct ppnic_rx_ring *ring)
{
	while (ring->clean != ring->prod)
		ppnic_source_put(&ring->src,
				 ring->buf[ring->clean++ & ring->mask], false);
	ring->cons = ring->prod;
}

static void ppnic_ring_free(struct ppnic_rx_ring *ring)
{
	if (!ppnic_ring_exists(ring))
		return;

	ppnic_ring_empty(ring);
	ppnic_source_destroy(&ring->src);
	kvfree(ring->buf);
	kvfree(ring->desc);
	memset(ring, 0, sizeof(*ring));
}

/**
 * ppnic_rxq_has_provider() - is a memory provider bound to this queue?
 * @port: the port
 * @index: RX queue, below dev->num_rx_queues
 *
 * Context: process, ops lock held.
 * Return: true if one is.
 */
bool ppnic_rxq_has_provider(struct ppnic_port *port, u32 index)
{
	compat_netdev_assert_ops_locked(port->dev);
	return port->rxqs[index].binding ||
	       compat_rxq_has_provider(port->dev, index);
}

/**
 * ppnic_port_has_provider() - is a memory provider bound to one of the queues?
 * @port: the port
 * @first: RX queue; this and those after it are asked
 *
 * Context: process, ops lock held.
 * Return: true if one is.
 */
bool ppnic_port_has_provider(struct ppnic_port *port, u32 first)
{
	u32 i;

	for (i = first; i < port->dev->num_rx_queues; i++)
		if (ppnic_rxq_has_provider(port, i))
			return true;
	return false;
}

/**
 * ppnic_rx_mem_alloc() - all that an RX queue needs before it can be started
 * @rxq: the queue it will serve
 * @mem: filled in; contents on entry don't matter, zero on error
 * @cfg: of the rings
 * @page_size: of the buffers, if the core's memory provider feeds the queue
 *
 * A provider may have less to give than a ring holds (a small dma-buf, or one
 * whose buffers the socket still has): that is no error, the refill timer
 * tries again. Host pages are another matter. An AF_XDP socket's ring is filled
 * when it has been started.
 *
 * Context: process, ops lock held (page_pool reads the queue's provider).
 * Return: 0, -EINVAL for a provider without split, -EBUSY for two providers or
 * one with XDP, -ENOMEM, or what the making of a pool says.
 */
int ppnic_rx_mem_alloc(struct ppnic_rxq *rxq, struct ppnic_rx_mem *mem,
		       const struct ppnic_ring_cfg *cfg, u32 page_size)
{
	int err;

	memset(mem, 0, sizeof(*mem));
	mem->xsk = rxq->port->channels[rxq->index].xsk;

	/* The core of 6.12 does not look at header split when it binds. */
	if (!cfg->split && ppnic_rxq_has_provider(rxq->port, rxq->index)) {
		netdev_err(rxq->port->dev,
			   "queue %u: a memory provider needs header split; turn tcp-data-split on first\n",
			   rxq->index);
		return -EINVAL;
	}

	/* Nor at XDP. */
	if (cfg->xdp && ppnic_rxq_has_provider(rxq->port, rxq->index)) {
		netdev_err(rxq->port->dev,
			   "queue %u: no memory provider while an XDP program is attached\n",
			   rxq->index);
		return -EBUSY;
	}

	mem->cq_mask = cfg->rx - 1;
	mem->cq = kvcalloc(cfg->rx, sizeof(*mem->cq), GFP_KERNEL);
	if (!mem->cq)
		return -ENOMEM;

	err = ppnic_ring_alloc(rxq, &mem->host, cfg->rx, 0, cfg->xdp);
	if (err)
		goto err_cq;

	/* A socket gets whole frames. */
	if (cfg->split && !mem->xsk) {
		bool bound = compat_rxq_has_provider(rxq->port->dev,
						     rxq->index);

		err = ppnic_ring_alloc(rxq, &mem->data, cfg->rx,
				       bound ? page_size : cfg->buf_len,
				       cfg->xdp);
		if (err)
			goto err_host;
	}

	if (cfg->xdp && !mem->xsk) {
		err = ppnic_rx_xdp_alloc(rxq, mem);
		if (err)
			goto err_data;
	}

	if (!ppnic_first_fill(rxq, mem)) {
		err = -ENOMEM;
		goto err_xdp;
	}
	return 0;

err_xdp:
	ppnic_rx_xdp_free(mem);
err_data:
	ppnic_ring_free(&mem->data);
err_host:
	ppnic_ring_free(&mem->host);
err_cq:
	kvfree(mem->cq);
	memset(mem, 0, sizeof(*mem));
	return err;
}

/**
 * ppnic_rx_mem_free() - give back what ppnic_rx_mem_alloc() made
 * @rxq: the queue it was made for
 * @mem: not in use by any queue; may be zero; zero afterwards
 *
 * Buffers still in skbs or held by sockets keep their pool alive.
 *
 * Context: process.
 */
void ppnic_rx_mem_free(struct ppnic_rxq *rxq, struct ppnic_rx_mem *mem)
{
	ppnic_rx_xdp_free(mem);
	ppnic_ring_free(&mem->data);
	ppnic_ring_free(&mem->host);
	kvfree(mem->cq);
	memset(mem, 0, sizeof(*mem));
}

/**
 * ppnic_rx_start() - give the device a queue's memory
 * @rxq: stopped queue
 * @mem: moved into the queue, zero afterwards
 *
 * Context: process, ops lock held, the channel's NAPI disabled.
 */
void ppnic_rx_start(struct ppnic_rxq *rxq, struct ppnic_rx_mem *mem)
{
	struct ppnic_channel *ch = &rxq->port->channels[rxq->index];

	WARN_ON_ONCE(ch->enabled);
	ppnic_source_start(&mem->host.src, &ch->napi);
	if (ppnic_ring_exists(&mem->data))
		ppnic_source_start(&mem->data.src, &ch->napi);

	spin_lock_bh(&rxq->lock);
	rxq->mem = *mem;
	rxq->storm = false;
	rxq->pausing = false;
	rxq->started = true;
	spin_unlock_bh(&rxq->lock);
	memset(mem, 0, sizeof(*mem));

	/* Who was held back while there was no memory. */
	local_bh_disable();
	ppnic_engine_kick_waiters(rxq);
	local_bh_enable();

	netif_queue_set_napi(rxq->port->dev, rxq->index, NETDEV_QUEUE_TYPE_RX,
			     &ch->napi);

	/* Whatever fell short at allocation is tried again from NAPI. */
	if (ppnic_ring_exists(&rxq->mem.data) &&
	    rxq->mem.data.prod - rxq->mem.data.clean <= rxq->mem.data.mask)
		mod_timer(&rxq->refill_timer, jiffies + 1);
}

/**
 * ppnic_rx_stop() - take a queue's memory from the device
 * @rxq: started queue, or one that is down
 * @mem: receives the memory; zero if the queue was down
 *
 * Frames that were received and not yet polled are dropped with the memory,
 * and counted as those that come while it is down.
 *
 * Context: process, ops lock held, the channel's NAPI disabled.
 */
void ppnic_rx_stop(struct ppnic_rxq *rxq, struct ppnic_rx_mem *mem)
{
	u32 lost;

	netif_queue_set_napi(rxq->port->dev, rxq->index, NETDEV_QUEUE_TYPE_RX,
			     NULL);

	spin_lock_bh(&rxq->lock);
	*mem = rxq->mem;
	lost = mem->cq_prod - mem->cq_cons + ppnic_gro_drop(rxq);
	u64_stats_update_begin(&rxq->hw.sync);
	u64_stats_add(&rxq->hw.down, lost);
	u64_stats_update_end(&rxq->hw.sync);
	memset(&rxq->mem, 0, sizeof(rxq->mem));
	rxq->started = false;
	spin_unlock_bh(&rxq->lock);

	if (mem->host.src.exclusive) {
		ppnic_ring_empty(&mem->host);
		mem->cq_cons = mem->cq_prod;
	}

	timer_delete_sync(&rxq->refill_timer);
	timer_delete_sync(&rxq->pause_timer);
	ppnic_gro_stop(rxq);

	if (ppnic_ring_exists(&mem->host))
		ppnic_source_stop(&mem->host.src);
	if (ppnic_ring_exists(&mem->data))
		ppnic_source_stop(&mem->data.src);
}

/* Returns false if a pool ran dry, and nobody will tell when that is over. */
static bool ppnic_fill(struct ppnic_rxq *rxq)
{
	struct ppnic_rx_mem *mem = &rxq->mem;
	bool full;

	full = ppnic_fill_host(rxq, mem, GFP_ATOMIC | __GFP_NOWARN);
	full &= ppnic_fill_data(rxq, mem, GFP_ATOMIC | __GFP_NOWARN);
	if (unlikely(!full)) {
		u64_stats_update_begin(&rxq->stats.sync);
		u64_stats_inc(&rxq->stats.alloc_fail);
		u64_stats_update_end(&rxq->stats.sync);
	}

	if (mem->xsk && ppnic_xsk_ask(mem->xsk, !full)) {
		ppnic_fill_host(rxq, mem, GFP_ATOMIC | __GFP_NOWARN);
		return true;
	}
	return full;
}

static bool ppnic_rx_has_waiters(const struct ppnic_rxq *rxq)
{
	u32 i;

	for (i = 0; i < ARRAY_SIZE(rxq->waiters); i++)
		if (READ_ONCE(rxq->waiters[i]))
			return true;
	return false;
}

/**
 * ppnic_rx_refill() - post buffers for those that are used
 * @rxq: the queue
 *
 * What falls short is tried again by a timer. Senders who waited for buffers
 * are told.
 *
 * Context: NAPI of the queue's channel.
 */
void ppnic_rx_refill(struct ppnic_rxq *rxq)
{
	u32 before = rxq->mem.host.prod + rxq->mem.data.prod;

	/* Nobody tells a driver when user space returns its tokens. */
	if (unlikely(!ppnic_fill(rxq)))
		mod_timer(&rxq->refill_timer, jiffies + 1);

	if (rxq->mem.host.prod + rxq->mem.data.prod == before)
		return;

	/* Order the new index before the look at who waits for it; pairs
	 * with the barrier in the engine between setting the bit and
	 * looking at the index once more.
	 */
	smp_mb();
	if (ppnic_rx_has_waiters(rxq))
		ppnic_engine_kick_waiters(rxq);
}

/* A refill that fell short, or a fault that held buffers: poll again. */
static void ppnic_refill_timer(struct timer_list *t)
{
	struct ppnic_rxq *rxq = container_of(t, struct ppnic_rxq, refill_timer);

	napi_schedule(&rxq->port->channels[rxq->index].napi);
}

/* Senders were held back for as long as they put up with? */
static void ppnic_pause_timer(struct timer_list *t)
{
	struct ppnic_rxq *rxq = container_of(t, struct ppnic_rxq, pause_timer);
	unsigned long end;
	bool over = false;

	spin_lock(&rxq->lock);
	if (rxq->pausing) {
		end = rxq->pause_began +
		      msecs_to_jiffies(READ_ONCE(rxq->port->pause_ms));
		over = time_after_eq(jiffies, end);
		if (!over) /* a later pause than the one it was set for */
			mod_timer(&rxq->pause_timer, end);
	}
	if (over) {
		rxq->pausing = false;
		rxq->storm = true;
		u64_stats_update_begin(&rxq->hw.sync);
		u64_stats_inc(&rxq->hw.pause_expired);
		u64_stats_update_end(&rxq->hw.sync);
	}
	spin_unlock(&rxq->lock);

	if (over)
		ppnic_engine_kick_waiters(rxq);
}

/**
 * ppnic_rx_queue_init() - set up what an RX queue has all its life
 * @port: the port
 * @index: RX queue, below dev->num_rx_queues
 *
 * Context: process.
 */
void ppnic_rx_queue_init(struct ppnic_port *port, u16 index)
{
	struct ppnic_rxq *rxq = &port->rxqs[index];

	rxq->port = port;
	rxq->index = index;
	spin_lock_init(&rxq->lock);
	u64_stats_init(&rxq->stats.sync);
	u64_stats_init(&rxq->hw.sync);
	ppnic_mac_init(rxq->mac);
	timer_setup(&rxq->pause_timer, ppnic_pause_timer, 0);
	timer_setup(&rxq->refill_timer, ppnic_refill_timer, 0);
	ppnic_gro_init(rxq);
}
