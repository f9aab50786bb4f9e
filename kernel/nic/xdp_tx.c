// SPDX-License-Identifier: GPL-2.0-only
/*
 * Frames that XDP sends: back out of the port that they came in by (XDP_TX),
 * or from another device (ndo_xdp_xmit).
 *
 * They share the TX queues with the stack, each of them under its lock, and
 * byte queue limits don't know them. A frame that finds no room is its
 * sender's again.
 */
#include <linux/filter.h>
#include <net/page_pool/helpers.h>

#include "ppnic.h"
#include "tx.h"

/* The queue for this CPU. */
static struct ppnic_txq *ppnic_xdp_txq(struct ppnic_port *port)
{
	u32 nr = READ_ONCE(port->dev->real_num_tx_queues);

	return &port->txqs[smp_processor_id() % nr];
}

static struct netdev_queue *ppnic_xdp_nq(const struct ppnic_txq *txq)
{
	return netdev_get_tx_queue(txq->port->dev, txq->index);
}

/* Is the queue in use? Its lock is held. */
static bool ppnic_xdp_ready(const struct ppnic_txq *txq)
{
	struct ppnic_port *port = txq->port;

	/* Pairs with the release in ppnic_port_start(). The number of queues
	 * changes while the port is stopped only.
	 */
	return smp_load_acquire(&port->up) &&
	       txq->index < READ_ONCE(port->dev->real_num_tx_queues);
}

/* The next free descriptor. */
static u32 ppnic_xdp_slot(const struct ppnic_txq *txq, u32 n)
{
	return (txq->prod + n) & txq->mem.mask;
}

/* What came in here, too: a pool's own mapping ends with the pool, whatever is
 * out of it, and the queue may be restarted before this is sent.
 */
static int ppnic_xdp_map(struct ppnic_txq *txq, u32 n, void *data, u32 len)
{
	struct device *dev = &txq->port->parent->dev;
	u32 slot = ppnic_xdp_slot(txq, n);
	struct ppnic_txd *txd = &txq->mem.desc[slot];

	txd->addr = dma_map_single(dev, data, len, DMA_TO_DEVICE);
	if (dma_mapping_error(dev, txd->addr))
		return -ENOMEM;
	txd->len = len;
	txq->mem.buf[slot].map = PPNIC_TX_SINGLE;
	return 0;
}

/* Put a frame into a queue, whose lock is held. */
static int ppnic_xdp_queue(struct ppnic_txq *txq, struct xdp_frame *xdpf)
{
	struct skb_shared_info *sinfo = xdp_get_shared_info_from_frame(xdpf);
	u32 frags = xdp_frame_has_frags(xdpf) ? sinfo->nr_frags : 0;
	u32 first = ppnic_xdp_slot(txq, 0), n = 0, i;
	struct ppnic_txd *txd;

	if (ppnic_tx_room(txq) < 1 + frags) {
		u64_stats_update_begin(&txq->stats.sync);
		u64_stats_inc(&txq->stats.xdp_full);
		u64_stats_update_end(&txq->stats.sync);
		return -ENOSPC;
	}

	if (ppnic_xdp_map(txq, n, xdpf->data, xdpf->len))
		goto err_unmap;
	for (n = 1, i = 0; i < frags; i++, n++)
		if (ppnic_xdp_map(txq, n, skb_frag_address(&sinfo->frags[i]),
				  skb_frag_size(&sinfo->frags[i])))
			goto err_unmap;

	txd = &txq->mem.desc[first];
	txd->ndesc = n;
	txd->flags = 0;
	txd->gso_size = 0;
	txd->gso_type = 0;
	txd->status = SKB_NOT_DROPPED_YET;
	txq->mem.buf[first].skb = NULL;
	txq->mem.buf[first].xdpf = xdpf;

	u64_stats_update_begin(&txq->stats.sync);
	u64_stats_inc(&txq->stats.packets);
	u64_stats_add(&txq->stats.bytes, xdp_get_frame_len(xdpf));
	u64_stats_inc(&txq->stats.csum_none);
	u64_stats_inc(&txq->stats.xdp_frames);
	u64_stats_update_end(&txq->stats.sync);

	WRITE_ONCE(txq->prod, txq->prod + n);
	ppnic_tx_maybe_stop(txq);
	/* It is no sign of a stuck queue that the stack sends nothing. */
	txq_trans_cond_update(ppnic_xdp_nq(txq));
	return 0;

err_unmap:
	while (n--)
		ppnic_tx_unmap(txq, ppnic_xdp_slot(txq, n));
	u64_stats_update_begin(&txq->stats.sync);
	u64_stats_inc(&txq->stats.map_errors);
	u64_stats_update_end(&txq->stats.sync);
	return -ENOMEM;
}

/**
 * ppnic_xdp_tx() - send back a frame that came in here
 * @port: the port
 * @xdpf: the frame; its owner is the device if all is well, otherwise still
 *	the caller
 *
 * The doorbell is rung by ppnic_xdp_flush().
 *
 * Context: NAPI.
 * Return: 0, -ENETDOWN, -ENOSPC, -ENOMEM.
 */
int ppnic_xdp_tx(struct ppnic_port *port, struct xdp_frame *xdpf)
{
	struct ppnic_txq *txq = ppnic_xdp_txq(port);
	struct netdev_queue *nq = ppnic_xdp_nq(txq);
	int err = -ENETDOWN;

	__netif_tx_lock(nq, smp_processor_id());
	if (likely(ppnic_xdp_ready(txq)))
		err = ppnic_xdp_queue(txq, xdpf);
	__netif_tx_unlock(nq);
	return err;
}

/**
 * ppnic_xdp_flush() - end of a poll: let go what was begun
 * @port: the port
 * @out: what was
 *
 * Context: NAPI, on the CPU that has called ppnic_xdp_tx().
 */
void ppnic_xdp_flush(struct ppnic_port *port, const struct ppnic_xdp_out *out)
{
	struct ppnic_txq *txq = ppnic_xdp_txq(port);
	struct netdev_queue *nq = ppnic_xdp_nq(txq);

	if (out->tx) {
		__netif_tx_lock(nq, smp_processor_id());
		if (likely(ppnic_xdp_ready(txq)))
			ppnic_tx_doorbell(txq);
		__netif_tx_unlock(nq);
	}
	if (out->redirect)
		xdp_do_flush();
}

/**
 * ppnic_xdp_xmit() - ndo_xdp_xmit
 * @dev: the port
 * @n: frames
 * @frames: of any memory; those that were not taken are the caller's still
 * @flags: XDP_XMIT_FLUSH: ring the doorbell
 *
 * Context: softirq.
 * Return: frames taken, or a negative errno for none.
 */
int ppnic_xdp_xmit(struct net_device *dev, int n, struct xdp_frame **frames,
		   u32 flags)
{
	struct ppnic_txq *txq = ppnic_xdp_txq(netdev_priv(dev));
	struct netdev_queue *nq = ppnic_xdp_nq(txq);
	int i = -ENETDOWN;

	if (flags & ~XDP_XMIT_FLAGS_MASK)
		return -EINVAL;

	__netif_tx_lock(nq, smp_processor_id());
	if (likely(ppnic_xdp_ready(txq))) {
		for (i = 0; i < n; i++)
			if (ppnic_xdp_queue(txq, frames[i]))
				break;
		if (flags & XDP_XMIT_FLUSH)
			ppnic_tx_doorbell(txq);
	}
	__netif_tx_unlock(nq);
	return i;
}
