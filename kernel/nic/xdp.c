// SPDX-License-Identifier: GPL-2.0-only
/*
 * XDP: a BPF program looks at each received frame before there is an skb.
 *
 * A program needs buffers with room in front and, since it may send them back,
 * mapped for both directions. So the first program restarts all RX queues with
 * such (ppnic_ring_cfg.xdp), and the last one's end restarts them without;
 * another program in place of the first is but another pointer.
 *
 * A frame over several buffers is given as it lies, the first as the linear
 * part and the others as frags, to programs that have said that they can take
 * it (BPF_F_XDP_HAS_FRAGS). For others the MTU keeps a frame in one buffer.
 *
 * What can't be read can't be given to a program: a memory provider and XDP
 * exclude each other.
 */
#include <linux/bpf.h>
#include <linux/bpf_trace.h>
#include <linux/filter.h>
#include <linux/if_vlan.h>
#include <trace/events/xdp.h>

#include "../compat/mm.h"
#include "../compat/netdev.h"
#include "bpf.h"
#include "ppnic.h"

/* A frame in one buffer, with two VLAN tags. */
#define PPNIC_XDP_SINGLE_MTU                                                  \
	((u32)(SKB_WITH_OVERHEAD(PAGE_SIZE) - PPNIC_XDP_HEADROOM - ETH_HLEN - \
	       2 * VLAN_HLEN))

/* ------------------------------------------------------- attach and detach */

/**
 * ppnic_xdp_is_single() - is there a program that wants a frame in one buffer?
 * @port: the port
 *
 * Context: process, ops lock held.
 * Return: true if there is.
 */
bool ppnic_xdp_is_single(struct ppnic_port *port)
{
	struct bpf_prog *prog;

	prog = rcu_dereference_protected(port->xdp_prog,
					 compat_netdev_ops_locked(port->dev));
	return prog && !prog->aux->xdp_has_frags;
}

/**
 * ppnic_xdp_check_mtu() - can the port's program bear this MTU?
 * @port: the port
 * @mtu: to be
 *
 * Context: process, ops lock held.
 * Return: 0 or -EINVAL.
 */
int ppnic_xdp_check_mtu(struct ppnic_port *port, u32 mtu)
{
	if (!ppnic_xdp_is_single(port) || mtu <= PPNIC_XDP_SINGLE_MTU)
		return 0;
	netdev_warn(port->dev,
		    "the XDP program wants a frame in one buffer: an MTU of %u at most\n",
		    PPNIC_XDP_SINGLE_MTU);
	return -EINVAL;
}

/* Can the port as it is run this program? */
static int ppnic_xdp_check(struct ppnic_port *port, const struct bpf_prog *prog,
			   struct netlink_ext_ack *extack)
{
	if (ppnic_port_has_provider(port, 0)) {
		NL_SET_ERR_MSG(extack,
			       "no XDP while a memory provider is bound");
		return -EBUSY;
	}
	if (prog->aux->xdp_has_frags)
		return 0;
	if (port->cfg.split) {
		NL_SET_ERR_MSG(extack,
			       "with tcp-data-split a program must take frags");
		return -EBUSY;
	}
	if (port->dev->mtu > PPNIC_XDP_SINGLE_MTU) {
		NL_SET_ERR_MSG_FMT(extack,
				   "an MTU over %u takes a program with frags",
				   PPNIC_XDP_SINGLE_MTU);
		return -EOPNOTSUPP;
	}
	return 0;
}

static void ppnic_xdp_publish(struct ppnic_port *port, struct bpf_prog *prog)
{
	rcu_assign_pointer(port->xdp_prog, prog);
	/* Super-packets come and go with it: ppnic_fix_features(). */
	netdev_update_features(port->dev);
}

static int ppnic_xdp_setup(struct ppnic_port *port, struct bpf_prog *prog,
			   struct netlink_ext_ack *extack)
{
	struct ppnic_ring_cfg cfg = port->cfg;
	struct bpf_prog *old;
	int err;

	ASSERT_RTNL();
	compat_netdev_assert_ops_locked(port->dev);
	old = rcu_dereference_protected(port->xdp_prog, true);

	if (prog) {
		err = ppnic_xdp_check(port, prog, extack);
		if (err)
			return err;
	}

	/* No queue of now looks at the program unless its buffers are fit, and
	 * no super-packet is to be on its way when they are.
	 */
	cfg.xdp = prog;
	if (prog && !old)
		ppnic_xdp_publish(port, prog);
	if (cfg.xdp != port->cfg.xdp) {
		err = ppnic_port_resize(port, &cfg, extack);
		if (err)
			goto err_old;
	}
	if (!prog || old)
		ppnic_xdp_publish(port, prog);

	/* NAPI may still run it: the program's memory goes by RCU. */
	if (old)
		bpf_prog_put(old);
	return 0;

err_old:
	if (prog)
		ppnic_xdp_publish(port, old);
	return err;
}

/**
 * ppnic_bpf() - ndo_bpf
 * @dev: the port
 * @bpf: the command
 *
 * Context: process, RTNL and ops lock held.
 * Return: 0, or an error with everything as it was.
 */
int ppnic_bpf(struct net_device *dev, struct netdev_bpf *bpf)
{
	switch (bpf->command) {
	case XDP_SETUP_PROG:
		return ppnic_xdp_setup(netdev_priv(dev), bpf->prog,
				       bpf->extack);
	case XDP_SETUP_XSK_POOL:
		/* The core sets no @extack here. */
		return ppnic_xsk_setup(netdev_priv(dev), bpf->xsk.queue_id,
				       bpf->xsk.pool);
	case XDP_SETUP_PROG_HW:
		return ppnic_bpf_attach(netdev_priv(dev), bpf);
	case BPF_OFFLOAD_MAP_ALLOC:
		return ppnic_bpf_map_alloc(bpf->offmap);
	case BPF_OFFLOAD_MAP_FREE:
		ppnic_bpf_map_free(bpf->offmap);
		return 0;
	default:
		return -EINVAL;
	}
}

/* ------------------------------------------------------- a queue's buffers */

static int ppnic_xdp_reg(struct ppnic_rxq *rxq, struct xdp_rxq_info *info,
			 const struct ppnic_rx_ring *ring, u32 frag_size)
{
	struct ppnic_channel *ch = &rxq->port->channels[rxq->index];
	int err;

	err = __xdp_rxq_info_reg(info, rxq->port->dev, rxq->index,
				 ch->napi.napi_id, frag_size);
	if (err)
		return err;
	err = xdp_rxq_info_reg_mem_model(info, MEM_TYPE_PAGE_POOL,
					 ring->src.core);
	if (err)
		xdp_rxq_info_unreg(info);
	return err;
}

/**
 * ppnic_rx_xdp_alloc() - make a queue's buffers known to XDP
 * @rxq: the queue
 * @mem: its memory, with rings; gets @xdp
 *
 * Context: process.
 * Return: 0 or a negative errno.
 */
int ppnic_rx_xdp_alloc(struct ppnic_rxq *rxq, struct ppnic_rx_mem *mem)
{
	struct ppnic_rx_xdp *xdp;
	int err;

	xdp = kzalloc_obj(*xdp);
	if (!xdp)
		return -ENOMEM;

	err = ppnic_xdp_reg(rxq, &xdp->whole, &mem->host, PAGE_SIZE);
	if (err)
		goto err_free;

	if (ppnic_ring_exists(&mem->data)) {
		/* The core lets no tail grow in buffers larger than the first.
		 */
		err = ppnic_xdp_reg(rxq, &xdp->split, &mem->data,
				    mem->data.room);
		if (err)
			goto err_whole;
	}
	mem->xdp = xdp;
	return 0;

err_whole:
	xdp_rxq_info_unreg(&xdp->whole);
err_free:
	kfree(xdp);
	return err;
}

/**
 * ppnic_rx_xdp_free() - undo ppnic_rx_xdp_alloc()
 * @mem: with its rings still; @xdp may be NULL
 *
 * Frames that XDP has sent may still have buffers: the pools wait for them.
 *
 * Context: process.
 */
void ppnic_rx_xdp_free(struct ppnic_rx_mem *mem)
{
	if (!mem->xdp)
		return;
	if (xdp_rxq_info_is_reg(&mem->xdp->split))
		xdp_rxq_info_unreg(&mem->xdp->split);
	xdp_rxq_info_unreg(&mem->xdp->whole);
	kfree(mem->xdp);
	mem->xdp = NULL;
}

/* --------------------------------------------------------- a frame comes in */

static void ppnic_xdp_count(struct ppnic_rxq *rxq, u64_stats_t *counter)
{
	u64_stats_update_begin(&rxq->stats.sync);
	u64_stats_inc(counter);
	u64_stats_update_end(&rxq->stats.sync);
}

/* The ring's next @n buffers, with @left bytes, become frags. */
static void ppnic_xdp_add_frags(struct xdp_buff *xdp,
				struct ppnic_rx_ring *ring, u32 n, u32 left)
{
	struct skb_shared_info *sinfo = xdp_get_shared_info_from_buff(xdp);

	if (n && !xdp_buff_has_frags(xdp)) {
		sinfo->nr_frags = 0;
		sinfo->xdp_frags_size = 0;
		xdp_buff_set_frags_flag(xdp);
	}
	while (n--) {
		netmem_ref netmem = ring->buf[ring->clean++ & ring->mask].core;
		u32 len = min(left, ring->room);

		/* page_pool adds the pool's offset itself. */
		page_pool_dma_sync_netmem_for_cpu(ring->src.core, netmem, 0,
						  len);
		skb_frag_fill_netmem_desc(&sinfo->frags[sinfo->nr_frags++],
					  netmem, ring->headroom, len);
		sinfo->xdp_frags_size += len;
		if (page_is_pfmemalloc(netmem_to_page(netmem)))
			xdp_buff_set_frag_pfmemalloc(xdp);
		left -= len;
	}
}

/* Take a completion's buffers off the rings. */
static void ppnic_xdp_build(struct ppnic_rxq *rxq, const struct ppnic_cqe *cqe,
			    struct ppnic_xdp_buff *ctx)
{
	struct ppnic_rx_ring *host = &rxq->mem.host, *data = &rxq->mem.data;
	netmem_ref head = host->buf[host->clean++ & host->mask].core;
	struct ppnic_rx_xdp *info = rxq->mem.xdp;
	u32 len = min(cqe->host_len, host->room);

	page_pool_dma_sync_netmem_for_cpu(host->src.core, head, 0, len);
	xdp_init_buff(&ctx->xdp, PAGE_SIZE,
		      cqe->data_bufs ? &info->split : &info->whole);
	xdp_prepare_buff(&ctx->xdp, page_address(netmem_to_page(head)),
			 host->headroom, len, true);
	ctx->cqe = cqe;

	ppnic_xdp_add_frags(&ctx->xdp, host, cqe->host_bufs - 1,
			    cqe->host_len - len);
	ppnic_xdp_add_frags(&ctx->xdp, data, cqe->data_bufs, cqe->data_len);
}

/* What the program has left of the frame, as an skb; consumed either way. */
static struct sk_buff *ppnic_xdp_skb(struct ppnic_rxq *rxq,
				     struct xdp_buff *xdp)
{
	struct skb_shared_info *sinfo = xdp_get_shared_info_from_buff(xdp);
	u32 meta = xdp->data - xdp->data_meta, nr_frags = 0, size = 0;
	const struct ppnic_rx_ring *ring = &rxq->mem.host;
	struct sk_buff *skb;

	/* Building the skb clears these. */
	if (xdp_buff_has_frags(xdp)) {
		nr_frags = sinfo->nr_frags;
		size = sinfo->xdp_frags_size;
	}
	if (xdp->rxq == &rxq->mem.xdp->split)
		ring = &rxq->mem.data;

	skb = napi_build_skb(xdp->data_hard_start, xdp->frame_sz);
	if (unlikely(!skb)) {
		ppnic_xdp_count(rxq, &rxq->stats.skb_alloc_fail);
		xdp_return_buff(xdp);
		return NULL;
	}
	skb_reserve(skb, xdp->data - xdp->data_hard_start);
	__skb_put(skb, xdp->data_end - xdp->data);
	if (meta)
		skb_metadata_set(skb, meta);
	skb_mark_for_recycle(skb);

	if (nr_frags) {
		skb_shinfo(skb)->nr_frags = nr_frags;
		/* Where some kernels have had @size. */
		skb_shinfo(skb)->destructor_arg = NULL;
		skb->len += size;
		skb->data_len += size;
		skb->truesize += nr_frags *
				 (PAGE_SIZE << ring->src.core->p.order);
		skb->pfmemalloc |= !!(xdp->flags & XDP_FLAGS_FRAGS_PF_MEMALLOC);
	}
	return skb;
}

/**
 * ppnic_xdp_rx() - let the program decide about a frame
 * @rxq: the queue; its buffers are fit for XDP
 * @prog: the program
 * @cqe: the frame's completion; its buffers are consumed
 * @out: what ppnic_xdp_flush() is to end is noted there
 *
 * Context: NAPI of the queue's channel.
 * Return: an skb if the frame goes on to the stack, otherwise NULL.
 */
struct sk_buff *ppnic_xdp_rx(struct ppnic_rxq *rxq, struct bpf_prog *prog,
			     const struct ppnic_cqe *cqe,
			     struct ppnic_xdp_out *out)
{
	struct net_device *dev = rxq->port->dev;
	struct ppnic_xdp_buff ctx;
	struct xdp_frame *xdpf;
	u32 act;

	ppnic_xdp_build(rxq, cqe, &ctx);

	/* Received before the MTU was lowered, or the program exchanged. */
	if (unlikely(xdp_buff_has_frags(&ctx.xdp) && !prog->aux->xdp_has_frags))
		goto failed;

	act = bpf_prog_run_xdp(prog, &ctx.xdp);
	switch (act) {
	case XDP_PASS:
		ppnic_xdp_count(rxq, &rxq->stats.xdp_pass);
		return ppnic_xdp_skb(rxq, &ctx.xdp);
	case XDP_DROP:
		ppnic_xdp_count(rxq, &rxq->stats.xdp_drop);
		xdp_return_buff(&ctx.xdp);
		return NULL;
	case XDP_TX:
		xdpf = xdp_convert_buff_to_frame(&ctx.xdp);
		if (unlikely(!xdpf || ppnic_xdp_tx(rxq->port, xdpf)))
			break;
		ppnic_xdp_count(rxq, &rxq->stats.xdp_tx);
		out->tx = true;
		return NULL;
	case XDP_REDIRECT:
		if (unlikely(xdp_do_redirect(dev, &ctx.xdp, prog)))
			break;
		ppnic_xdp_count(rxq, &rxq->stats.xdp_redirect);
		out->redirect = true;
		return NULL;
	default:
		bpf_warn_invalid_xdp_action(dev, prog, act);
		fallthrough;
	case XDP_ABORTED:
		trace_xdp_exception(dev, prog, act);
		ppnic_xdp_count(rxq, &rxq->stats.xdp_aborted);
		xdp_return_buff(&ctx.xdp);
		return NULL;
	}

	trace_xdp_exception(dev, prog, act);
failed:
	ppnic_xdp_count(rxq, &rxq->stats.xdp_failed);
	xdp_return_buff(&ctx.xdp);
	return NULL;
}

/* --------------------------------------------------------------- metadata */

static enum xdp_rss_hash_type ppnic_xdp_hash_type(const struct ppnic_cqe *cqe)
{
	bool v6 = cqe->l3_proto == htons(ETH_P_IPV6);

	if (cqe->hash_type == PKT_HASH_TYPE_L4 && cqe->l4 == PPNIC_L4_TCP)
		return v6 ? XDP_RSS_TYPE_L4_IPV6_TCP : XDP_RSS_TYPE_L4_IPV4_TCP;
	if (cqe->hash_type == PKT_HASH_TYPE_L4)
		return v6 ? XDP_RSS_TYPE_L4_IPV6_UDP : XDP_RSS_TYPE_L4_IPV4_UDP;
	return v6 ? XDP_RSS_TYPE_L3_IPV6 : XDP_RSS_TYPE_L3_IPV4;
}

static int ppnic_xdp_rx_hash(const struct xdp_md *md, u32 *hash,
			     enum xdp_rss_hash_type *type)
{
	const struct ppnic_xdp_buff *ctx = (const void *)md;
	const struct ppnic_port *port = netdev_priv(ctx->xdp.rxq->dev);

	if (ctx->cqe->hash_type == PKT_HASH_TYPE_NONE ||
	    !(ppnic_features(port) & NETIF_F_RXHASH))
		return -ENODATA;
	*hash = ctx->cqe->hash;
	*type = ppnic_xdp_hash_type(ctx->cqe);
	return 0;
}

static int ppnic_xdp_rx_timestamp(const struct xdp_md *md, u64 *timestamp)
{
	const struct ppnic_xdp_buff *ctx = (const void *)md;

	if (!ctx->cqe->stamp)
		return -ENODATA;
	*timestamp = ppnic_phc_ns(netdev_priv(ctx->xdp.rxq->dev),
				  ctx->cqe->stamp);
	return 0;
}

const struct xdp_metadata_ops ppnic_xdp_metadata_ops = {
	.xmo_rx_timestamp = ppnic_xdp_rx_timestamp,
	.xmo_rx_hash = ppnic_xdp_rx_hash,
};
