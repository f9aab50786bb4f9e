// SPDX-License-Identifier: GPL-2.0-only
/*
 * AF_XDP without copies: the buffers of a queue pair are user space's.
 *
 * A socket that is bound with XDP_ZEROCOPY hands its pool to the pair of its
 * queue (ppnic_channel.xsk). The pair's RX queue is restarted with a host ring
 * of the pool's buffers and no data ring: such a frame stands in one buffer as
 * a whole. A program may give it to the socket, which then owns the buffer;
 * what goes on to the stack is copied. What the socket sends is put into the
 * pair's TX ring by NAPI, among the stack's frames.
 *
 * The pool has no lock: it belongs to who runs the pair's NAPI, or has disabled
 * it. So its buffers come after the ring was started and go when it is stopped
 * (ppnic_source.exclusive), and two rings of one pool never overlap.
 *
 * All that is in the rings goes back to the socket when the pair stops: RX
 * buffers to the pool, frames not yet sent to the completion ring.
 */
#include <linux/bpf_trace.h>
#include <linux/filter.h>
#include <linux/if_vlan.h>
#include <net/xdp_sock_drv.h>
#include <trace/events/xdp.h>

#include "../compat/netdev.h"
#include "ppnic.h"
#include "tx.h"

/* How many frames of a socket one poll sends at most. */
#define PPNIC_XSK_TX_BUDGET 64

/* ---------------------------------------------------------- bind and unbind */

/* What the longest frame of an MTU takes: with two tags, as the core asks. */
static bool ppnic_xsk_fits(struct xsk_buff_pool *pool, u32 mtu)
{
	return mtu + ETH_HLEN + 2 * VLAN_HLEN <=
	       xsk_pool_get_rx_frame_size(pool);
}

/**
 * ppnic_xsk_check_mtu() - do frames of this MTU fit all sockets' buffers?
 * @port: the port
 * @mtu: to be
 *
 * Context: process, ops lock held.
 * Return: 0 or -EINVAL.
 */
int ppnic_xsk_check_mtu(struct ppnic_port *port, u32 mtu)
{
	u32 i;

	for (i = 0; i < port->nr_channels; i++) {
		struct xsk_buff_pool *pool = port->channels[i].xsk;

		if (!pool || ppnic_xsk_fits(pool, mtu))
			continue;
		netdev_warn(port->dev,
			    "queue %u: an AF_XDP socket has buffers of %u bytes\n",
			    i, xsk_pool_get_rx_frame_size(pool));
		return -EINVAL;
	}
	return 0;
}

/**
 * ppnic_xsk_in_use() - has one of these queue pairs a socket's pool?
 * @port: the port
 * @first: the first pair that is asked about
 *
 * Context: process, ops lock held.
 * Return: true if one has.
 */
bool ppnic_xsk_in_use(struct ppnic_port *port, u32 first)
{
	u32 i;

	for (i = first; i < port->nr_channels; i++)
		if (port->channels[i].xsk)
			return true;
	return false;
}

/* NAPI sees the one or the other; what it sent from the old one is over. */
static void ppnic_xsk_exchange(struct ppnic_channel *ch,
			       struct xsk_buff_pool *pool)
{
	if (!ch->port->up) {
		WRITE_ONCE(ch->xsk, pool);
		return;
	}
	ppnic_channel_disable(ch);
	if (ch->xsk)
		ppnic_tx_restart(&ch->port->txqs[ch->index]);
	WRITE_ONCE(ch->xsk, pool);
	ppnic_channel_enable(ch);
}

static int ppnic_xsk_enable(struct ppnic_port *port, u32 queue,
			    struct xsk_buff_pool *pool)
{
	struct net_device *dev = port->dev;
	struct ppnic_channel *ch;
	int err;

	/* A socket may send as well as receive; the pair must be one. */
	if (queue >= min(dev->real_num_rx_queues, dev->real_num_tx_queues))
		return -EINVAL;
	ch = &port->channels[queue];
	if (ch->xsk || ppnic_rxq_has_provider(port, queue))
		return -EBUSY;
	/* The core of 6.12 does not look. */
	if (!ppnic_xsk_fits(pool, dev->mtu))
		return -EINVAL;

	err = xsk_pool_dma_map(pool, &port->parent->dev, 0);
	if (err)
		return err;
	err = xdp_rxq_info_reg(&ch->xsk_info, dev, queue, ch->napi.napi_id);
	if (err)
		goto err_unmap;
	err = xdp_rxq_info_reg_mem_model(&ch->xsk_info, MEM_TYPE_XSK_BUFF_POOL,
					 NULL);
	if (err)
		goto err_info;
	xsk_pool_set_rxq_info(pool, &ch->xsk_info);

	ppnic_xsk_exchange(ch, pool);
	/* No super-packet has room in one buffer: ppnic_fix_features(). */
	netdev_update_features(dev);
	err = ppnic_queue_restart(&port->rxqs[queue]);
	if (err)
		goto err_exchange;
	return 0;

err_exchange:
	ppnic_xsk_exchange(ch, NULL);
	netdev_update_features(dev);
err_info:
	xdp_rxq_info_unreg(&ch->xsk_info);
err_unmap:
	xsk_pool_dma_unmap(pool, 0);
	return err;
}

static int ppnic_xsk_disable(struct ppnic_port *port, u32 queue)
{
	struct ppnic_channel *ch;
	struct xsk_buff_pool *pool;

	if (queue >= port->nr_channels || !port->channels[queue].xsk)
		return -EINVAL;
	ch = &port->channels[queue];
	pool = ch->xsk;

	ppnic_xsk_exchange(ch, NULL);
	if (port->up && ppnic_queue_restart(&port->rxqs[queue]))
		ppnic_queue_take_down(&port->rxqs[queue]);
	netdev_update_features(port->dev);
	xdp_rxq_info_unreg(&ch->xsk_info);
	xsk_pool_dma_unmap(pool, 0);
	return 0;
}

/**
 * ppnic_xsk_setup() - a socket's pool comes to a queue pair, or goes
 * @port: the port, up or down
 * @queue: the pair
 * @pool: the pool; NULL: the one that it has goes, which can't fail
 *
 * Context: process, RTNL and ops lock held.
 * Return: 0, or with the pair as it was -EINVAL for one that there is not or
 * buffers too small for the MTU, -EBUSY for one that is taken, -ENOMEM, or what
 * the restart says.
 */
int ppnic_xsk_setup(struct ppnic_port *port, u32 queue,
		    struct xsk_buff_pool *pool)
{
	ASSERT_RTNL();
	compat_netdev_assert_ops_locked(port->dev);
	return pool ? ppnic_xsk_enable(port, queue, pool) :
		      ppnic_xsk_disable(port, queue);
}

/**
 * ppnic_xsk_wakeup() - ndo_xsk_wakeup: user space has filled a ring of its own
 * @dev: the port
 * @queue: the pair
 * @flags: which ring; NAPI looks at both
 *
 * Context: process, under RCU or not.
 * Return: 0, -ENETDOWN, or -EINVAL without a pool.
 */
int ppnic_xsk_wakeup(struct net_device *dev, u32 queue, u32 flags)
{
	struct ppnic_port *port = netdev_priv(dev);
	struct ppnic_channel *ch;

	if (!READ_ONCE(port->up))
		return -ENETDOWN;
	if (queue >= port->nr_channels)
		return -EINVAL;
	ch = &port->channels[queue];
	if (!READ_ONCE(ch->xsk))
		return -EINVAL;

	local_bh_disable();
	if (!napi_if_scheduled_mark_missed(&ch->napi))
		napi_schedule(&ch->napi);
	local_bh_enable();
	return 0;
}

/* ----------------------------------------------------------------- receive */

/**
 * ppnic_xsk_ask() - must user space wake us when it has more buffers?
 * @pool: the pool
 * @dry: it had less than the ring takes
 *
 * Context: NAPI.
 * Return: true if it will, since it was asked; otherwise we look again by
 * ourselves.
 */
bool ppnic_xsk_ask(struct xsk_buff_pool *pool, bool dry)
{
	if (!xsk_uses_need_wakeup(pool))
		return false;
	if (!dry) {
		xsk_clear_rx_need_wakeup(pool);
		return false;
	}
	xsk_set_rx_need_wakeup(pool);
	/* The question before the next look at the fill ring: who has filled
	 * it before seeing the question is seen by that look.
	 */
	smp_mb();
	return true;
}

static void ppnic_xsk_count(struct ppnic_rxq *rxq, u64_stats_t *counter)
{
	u64_stats_update_begin(&rxq->stats.sync);
	u64_stats_inc(counter);
	u64_stats_update_end(&rxq->stats.sync);
}

/* A copy for the stack; the buffer is the pool's again. */
static struct sk_buff *ppnic_xsk_skb(struct ppnic_rxq *rxq,
				     struct xdp_buff *xdp)
{
	struct ppnic_channel *ch = &rxq->port->channels[rxq->index];
	u32 meta = xdp->data - xdp->data_meta;
	u32 len = xdp->data_end - xdp->data_meta;
	struct sk_buff *skb;

	skb = napi_alloc_skb(&ch->napi, len);
	if (likely(skb)) {
		skb_put_data(skb, xdp->data_meta, len);
		if (meta) {
			skb_metadata_set(skb, meta);
			__skb_pull(skb, meta);
		}
	} else {
		ppnic_xsk_count(rxq, &rxq->stats.skb_alloc_fail);
	}
	xsk_buff_free(xdp);
	return skb;
}

/* Sent back as a copy: the buffer is the pool's again, whatever happens. */
static bool ppnic_xsk_send_back(struct ppnic_rxq *rxq, struct xdp_buff *xdp)
{
	struct xdp_frame *xdpf = xdp_convert_buff_to_frame(xdp);

	if (unlikely(!xdpf)) {
		xsk_buff_free(xdp);
		return false;
	}
	if (unlikely(ppnic_xdp_tx(rxq->port, xdpf))) {
		xdp_return_frame_rx_napi(xdpf);
		return false;
	}
	return true;
}

/**
 * ppnic_xsk_rx() - take a frame out of a ring of a socket's buffers
 * @rxq: the queue
 * @prog: the port's program, or NULL
 * @cqe: the frame's completion; its buffer is consumed
 * @out: what ppnic_xdp_flush() is to end is noted there
 *
 * Context: NAPI of the queue's channel.
 * Return: an skb if the frame goes on to the stack, otherwise NULL.
 */
struct sk_buff *ppnic_xsk_rx(struct ppnic_rxq *rxq, struct bpf_prog *prog,
			     const struct ppnic_cqe *cqe,
			     struct ppnic_xdp_out *out)
{
	struct ppnic_rx_ring *host = &rxq->mem.host;
	struct xdp_buff *xdp = host->buf[host->clean++ & host->mask].xsk;
	struct net_device *dev = rxq->port->dev;
	u32 act;

	/* As the kfuncs for metadata find it, in the driver's part of it. */
	XSK_CHECK_PRIV_TYPE(struct ppnic_xdp_buff);
	((struct ppnic_xdp_buff *)xdp)->cqe = cqe;

	xsk_buff_set_size(xdp, cqe->host_len);
	xsk_buff_dma_sync_for_cpu(xdp);
	ppnic_xsk_count(rxq, &rxq->stats.xsk_frames);
	if (!prog)
		return ppnic_xsk_skb(rxq, xdp);

	act = bpf_prog_run_xdp(prog, xdp);
	switch (act) {
	case XDP_PASS:
		ppnic_xsk_count(rxq, &rxq->stats.xdp_pass);
		return ppnic_xsk_skb(rxq, xdp);
	case XDP_DROP:
		ppnic_xsk_count(rxq, &rxq->stats.xdp_drop);
		xsk_buff_free(xdp);
		return NULL;
	case XDP_TX:
		if (unlikely(!ppnic_xsk_send_back(rxq, xdp)))
			goto failed;
		ppnic_xsk_count(rxq, &rxq->stats.xdp_tx);
		out->tx = true;
		return NULL;
	case XDP_REDIRECT:
		if (unlikely(xdp_do_redirect(dev, xdp, prog))) {
			/* No matter if the socket has freed it already. */
			xsk_buff_free(xdp);
			goto failed;
		}
		ppnic_xsk_count(rxq, &rxq->stats.xdp_redirect);
		out->redirect = true;
		return NULL;
	default:
		bpf_warn_invalid_xdp_action(dev, prog, act);
		fallthrough;
	case XDP_ABORTED:
		trace_xdp_exception(dev, prog, act);
		ppnic_xsk_count(rxq, &rxq->stats.xdp_aborted);
		xsk_buff_free(xdp);
		return NULL;
	}

failed:
	trace_xdp_exception(dev, prog, act);
	ppnic_xsk_count(rxq, &rxq->stats.xdp_failed);
	return NULL;
}

/* ---------------------------------------------------------------- transmit */

/* Put one frame of a socket into the ring; the queue's lock is held. */
static void ppnic_xsk_queue(struct ppnic_txq *txq, struct xsk_buff_pool *pool,
			    const struct xdp_desc *desc)
{
	u32 slot = txq->prod & txq->mem.mask;
	struct ppnic_tx_buf *buf = &txq->mem.buf[slot];
	struct ppnic_txd *txd = &txq->mem.desc[slot];

	txd->addr = xsk_buff_raw_get_dma(pool, desc->addr);
	txd->len = desc->len;
	xsk_buff_raw_dma_sync_for_device(pool, txd->addr, txd->len);
	txd->ndesc = 1;
	txd->flags = 0;
	txd->gso_size = 0;
	txd->gso_type = 0;
	txd->status = SKB_NOT_DROPPED_YET;
	buf->skb = NULL;
	buf->xdpf = NULL;
	buf->map = PPNIC_TX_XSK;

	u64_stats_update_begin(&txq->stats.sync);
	u64_stats_inc(&txq->stats.packets);
	u64_stats_add(&txq->stats.bytes, desc->len);
	u64_stats_inc(&txq->stats.csum_none);
	u64_stats_inc(&txq->stats.xsk_frames);
	u64_stats_update_end(&txq->stats.sync);

	WRITE_ONCE(txq->prod, txq->prod + 1);
}

/**
 * ppnic_xsk_xmit() - send what sockets have put into their rings
 * @txq: the queue
 *
 * As much as fits without stopping the stack; the rest goes when the device has
 * written back. Sockets are told to wake us for more in any case: that is how
 * their rings begin.
 *
 * Context: NAPI of the queue's channel.
 * Return: true if more may be waiting than one poll should take.
 */
bool ppnic_xsk_xmit(struct ppnic_txq *txq)
{
	struct xsk_buff_pool *pool = txq->port->channels[txq->index].xsk;
	struct netdev_queue *nq;
	struct xdp_desc desc;
	u32 sent = 0;

	if (!pool || !txq->mem.desc)
		return false;

	nq = netdev_get_tx_queue(txq->port->dev, txq->index);
	__netif_tx_lock(nq, smp_processor_id());
	while (sent < PPNIC_XSK_TX_BUDGET &&
	       ppnic_tx_room(txq) > PPNIC_TX_START &&
	       xsk_tx_peek_desc(pool, &desc)) {
		ppnic_xsk_queue(txq, pool, &desc);
		sent++;
	}
	if (sent) {
		txq_trans_cond_update(nq);
		ppnic_tx_doorbell(txq);
		xsk_tx_release(pool);
	}
	__netif_tx_unlock(nq);
	return sent == PPNIC_XSK_TX_BUDGET;
}

/**
 * ppnic_xsk_sent() - the device is done with the oldest frames of sockets
 * @txq: the queue
 * @n: how many; 0 is no matter
 *
 * Context: NAPI of the queue's channel, or process with that disabled.
 */
void ppnic_xsk_sent(struct ppnic_txq *txq, u32 n)
{
	if (n)
		xsk_tx_completed(txq->port->channels[txq->index].xsk, n);
}
