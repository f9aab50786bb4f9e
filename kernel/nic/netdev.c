// SPDX-License-Identifier: GPL-2.0-only
/*
 * net_device_ops: a port's life, its rings going up and down, NAPI.
 *
 * Rings are made before anything is stopped and freed after everything runs
 * again, so that a change that can't be made leaves the port as it was.
 */
#include <linux/etherdevice.h>
#include <linux/if_vlan.h>

#include "../compat/netdev.h"
#include "../compat/queue_mgmt.h"
#include "bpf.h"
#include "esp.h"
#include "mac_merge.h"
#include "macsec.h"
#include "psp.h"
#include "ppnic.h"
#include "shaper.h"

/* All rings of a port; between allocation and ppnic_port_start() ours. */
struct ppnic_rings {
	struct ppnic_rx_mem *rx;
	struct ppnic_tx_mem *tx;
	u32 nr_rx;
	u32 nr_tx;
};

static void ppnic_rings_free(struct ppnic_port *port, struct ppnic_rings *r)
{
	u32 i;

	for (i = 0; r->rx && i < r->nr_rx; i++)
		ppnic_rx_mem_free(&port->rxqs[i], &r->rx[i]);
	for (i = 0; r->tx && i < r->nr_tx; i++)
		ppnic_tx_mem_free(&r->tx[i]);
	kvfree(r->rx);
	kvfree(r->tx);
}

static int ppnic_rings_alloc(struct ppnic_port *port, struct ppnic_rings *r,
			     u32 nr_rx, u32 nr_tx,
			     const struct ppnic_ring_cfg *cfg)
{
	int err = -ENOMEM;
	u32 i;

	r->nr_rx = nr_rx;
	r->nr_tx = nr_tx;
	r->rx = kvcalloc(nr_rx, sizeof(*r->rx), GFP_KERNEL);
	r->tx = kvcalloc(nr_tx, sizeof(*r->tx), GFP_KERNEL);
	if (!r->rx || !r->tx)
		goto err_free;

	for (i = 0; i < nr_tx; i++) {
		err = ppnic_tx_mem_alloc(&r->tx[i], cfg->tx);
		if (err)
			goto err_free;
	}
	for (i = 0; i < nr_rx; i++) {
		err = ppnic_rx_mem_alloc(&port->rxqs[i], &r->rx[i], cfg,
					 compat_rxq_page_size(port->dev, i));
		if (err)
			goto err_free;
	}
	return 0;

err_free:
	ppnic_rings_free(port, r);
	return err;
}

/**
 * ppnic_channel_enable() - let a channel's NAPI and interrupt run
 * @ch: the channel; no matter if enabled already
 *
 * Begins with a poll, for what came in meanwhile.
 *
 * Context: process, ops lock held.
 */
void ppnic_channel_enable(struct ppnic_channel *ch)
{
	if (ch->enabled)
		return;
	ch->enabled = true;
	compat_napi_enable(&ch->napi);
	ppnic_irq_enable(ch);
}

/**
 * ppnic_channel_disable() - make sure a channel's NAPI and interrupt are quiet
 * @ch: the channel; no matter if disabled already, as after a queue restart
 *	that failed twice
 *
 * Context: process, ops lock held.
 */
void ppnic_channel_disable(struct ppnic_channel *ch)
{
	if (!ch->enabled)
		return;
	ch->enabled = false;
	ppnic_irq_disable(ch);
	compat_napi_disable(&ch->napi);
}

/* Put @r to work. @r's arrays stay the caller's, emptied. */
static void ppnic_port_start(struct ppnic_port *port, struct ppnic_rings *r)
{
	u32 i;

	for (i = 0; i < r->nr_tx; i++)
		ppnic_tx_start(&port->txqs[i], &r->tx[i]);
	for (i = 0; i < r->nr_rx; i++)
		ppnic_rx_start(&port->rxqs[i], &r->rx[i]);

	/* Rings before the flag: ppnic_xdp_ready() acquires it. */
	smp_store_release(&port->up, true);
	for (i = 0; i < port->nr_channels; i++)
		ppnic_channel_enable(&port->channels[i]);
	/* Not just started: qdiscs may have a backlog from before a restart. */
	netif_tx_wake_all_queues(port->dev);
}

/* Take all rings out of service, into @r's arrays (sized for all queues). */
static void ppnic_port_stop(struct ppnic_port *port, struct ppnic_rings *r)
{
	u32 i;

	/* XDP that has a TX queue lock by now is waited for below, by
	 * netif_tx_disable(); who gets one later sees this.
	 */
	WRITE_ONCE(port->up, false);
	/* NAPI first: the reaper must not wake a queue that is stopped for
	 * good.
	 */
	for (i = 0; i < port->nr_channels; i++)
		ppnic_channel_disable(&port->channels[i]);
	netif_tx_disable(port->dev);
	for (i = 0; i < r->nr_tx; i++)
		ppnic_tx_stop(&port->txqs[i], &r->tx[i]);
	for (i = 0; i < r->nr_rx; i++)
		ppnic_rx_stop(&port->rxqs[i], &r->rx[i]);
}

/* Room for what ppnic_port_stop() takes out of service. */
static int ppnic_rings_empty(struct ppnic_port *port, struct ppnic_rings *r,
			     gfp_t gfp)
{
	r->nr_rx = port->dev->real_num_rx_queues;
	r->nr_tx = port->dev->real_num_tx_queues;
	r->rx = kvcalloc(r->nr_rx, sizeof(*r->rx), gfp);
	r->tx = kvcalloc(r->nr_tx, sizeof(*r->tx), gfp);
	if (r->rx && r->tx)
		return 0;
	kvfree(r->rx);
	kvfree(r->tx);
	return -ENOMEM;
}

/**
 * ppnic_release_senders() - let senders that this port holds back try again
 * @port: the port; its queues may be gone, or have stopped to pause
 *
 * Context: any but hard interrupt.
 */
void ppnic_release_senders(struct ppnic_port *port)
{
	u32 i;

	local_bh_disable();
	for (i = 0; i < port->dev->num_rx_queues; i++)
		ppnic_engine_kick_waiters(&port->rxqs[i]);
	local_bh_enable();
}

/**
 * ppnic_port_resize() - change sizes of rings and buffers, and header split
 * @port: the port, up or down
 * @cfg: to be
 * @extack: for the reason of a refusal; may be NULL
 *
 * Context: process, RTNL and ops lock held.
 * Return: 0, or a negative errno with the port as it was.
 */
int ppnic_port_resize(struct ppnic_port *port, const struct ppnic_ring_cfg *cfg,
		      struct netlink_ext_ack *extack)
{
	struct ppnic_rings new, old;
	int err;

	if (port->up) {
		err = ppnic_rings_empty(port, &old, GFP_KERNEL);
		if (err)
			return err;
		err = ppnic_rings_alloc(port, &new, old.nr_rx, old.nr_tx, cfg);
		if (err) {
			NL_SET_ERR_MSG(extack, "no memory for the new rings");
			ppnic_rings_free(port, &old);
			return err;
		}
		ppnic_port_stop(port, &old);
		ppnic_port_start(port, &new);
		ppnic_release_senders(port);
		ppnic_rings_free(port, &new);
		ppnic_rings_free(port, &old);
	}
	port->cfg = *cfg;
	return 0;
}

/**
 * ppnic_port_set_channels() - change the number of queues in use
 * @port: the port, up or down
 * @rx: 1 to dev->num_rx_queues
 * @tx: 1 to dev->num_tx_queues
 *
 * The caller has checked that nothing refers to queues that go.
 *
 * Context: process, RTNL and ops lock held.
 * Return: 0, or a negative errno with the port as it was.
 */
int ppnic_port_set_channels(struct ppnic_port *port, u32 rx, u32 tx)
{
	u32 old_rx = port->dev->real_num_rx_queues;
	u32 old_tx = port->dev->real_num_tx_queues;
	struct ppnic_rings new, old;
	int err;

	if (!port->up) {
		err = netif_set_real_num_queues(port->dev, tx, rx);
		if (!err)
			ppnic_shaper_set_channels(port, tx);
		return err;
	}

	err = ppnic_rings_empty(port, &old, GFP_KERNEL);
	if (err)
		return err;
	err = ppnic_rings_alloc(port, &new, rx, tx, &port->cfg);
	if (err)
		goto err_old;

	ppnic_port_stop(port, &old);
	err = netif_set_real_num_queues(port->dev, tx, rx);
	if (err) {
		/* Back to numbers that were fine before. */
		netif_set_real_num_queues(port->dev, old_tx, old_rx);
		ppnic_port_start(port, &old);
	} else {
		ppnic_shaper_set_channels(port, tx);
		ppnic_port_start(port, &new);
	}
	/* Those that wait for a queue that is gone find another one. */
	ppnic_release_senders(port);
	ppnic_rings_free(port, &new);
err_old:
	ppnic_rings_free(port, &old);
	return err;
}

static bool ppnic_in_loopback(const struct ppnic_port *port)
{
	return port->dev->features & NETIF_F_LOOPBACK;
}

/* The speed of a port's link, 0 without one. */
static u32 ppnic_link_speed(const struct ppnic_port *port,
			    const struct ppnic_port *peer)
{
	if (port->up && ppnic_in_loopback(port))
		return ppnic_phy_agree(&port->phy, &port->phy);
	if (!peer || !port->up || !peer->up || ppnic_in_loopback(peer) ||
	    port->faults.unplugged || peer->faults.unplugged)
		return 0;
	return ppnic_phy_agree(&port->phy, &peer->phy);
}

/**
 * ppnic_carrier_update() - carrier is on while both ends are up and agree
 * @port: either end
 *
 * One in loopback is its own other end, and nobody else's. A link of another
 * speed is another link: whoever watches is told of both. Frames that wait for
 * an end without a link go nowhere.
 *
 * Context: process, RTNL held.
 */
void ppnic_carrier_update(struct ppnic_port *port)
{
	struct ppnic_port *peer = ppnic_peer_rtnl(port);
	struct ppnic_port *ends[] = { port, peer };
	bool changed[ARRAY_SIZE(ends)];
	u32 speed;
	int i;

	for (i = 0; i < ARRAY_SIZE(ends) && ends[i]; i++) {
		speed = ppnic_link_speed(ends[i], ends[!i]);
		changed[i] = speed != ends[i]->speed;
		if (changed[i] || !speed)
			netif_carrier_off(ends[i]->dev);
		WRITE_ONCE(ends[i]->speed, speed);
	}
	/* Both have a link before either asks the other about it. */
	for (i = 0; i < ARRAY_SIZE(ends) && ends[i]; i++) {
		if (changed[i])
			ppnic_mac_merge_link(ends[i], ends[i]->speed);
		if (ends[i]->speed)
			netif_carrier_on(ends[i]->dev);
		else if (changed[i])
			ppnic_release_senders(ends[i]);
	}
}

static int ppnic_open(struct net_device *dev)
{
	struct ppnic_port *port = netdev_priv(dev);
	struct ppnic_rings r;
	int err;

	err = ppnic_rings_alloc(port, &r, dev->real_num_rx_queues,
				dev->real_num_tx_queues, &port->cfg);
	if (err)
		return err;

	err = ppnic_irq_request(port);
	if (err)
		goto err_rings;

	ppnic_port_start(port, &r);
	ppnic_carrier_update(port);
	ppnic_rings_free(port, &r);
	return 0;

err_rings:
	ppnic_rings_free(port, &r);
	return err;
}

static int ppnic_stop(struct net_device *dev)
{
	struct ppnic_port *port = netdev_priv(dev);
	struct ppnic_rings r;

	/* ndo_stop can't fail, so neither may this allocation. */
	ppnic_rings_empty(port, &r, GFP_KERNEL | __GFP_NOFAIL);
	ppnic_port_stop(port, &r);
	ppnic_irq_free(port);
	ppnic_carrier_update(port);
	/* It may have asked nobody. */
	ppnic_mac_merge_link(port, false);
	ppnic_release_senders(port);
	ppnic_rings_free(port, &r);
	return 0;
}

static int ppnic_poll(struct napi_struct *napi, int budget)
{
	struct ppnic_channel *ch = container_of(napi, struct ppnic_channel,
						napi);
	struct net_device *dev = ch->port->dev;
	struct ppnic_rxq *rxq = NULL;
	struct ppnic_txq *txq = NULL;
	bool tx_more = false;
	int done = 0;

	if (ch->index < dev->real_num_tx_queues) {
		txq = &ch->port->txqs[ch->index];
		tx_more = ppnic_tx_reap(txq, budget);
	}
	/* Netpoll wants room for its own frame, and no more. */
	if (!budget)
		return 0;
	if (ch->index < dev->real_num_rx_queues) {
		rxq = &ch->port->rxqs[ch->index];
		done = ppnic_rx_poll(rxq, budget);
	}
	if (txq)
		tx_more |= ppnic_xsk_xmit(txq);

	if (tx_more || done == budget)
		return budget;

	if (napi_complete_done(napi, done) && ppnic_irq_rearm(ch))
		napi_schedule(napi);

	return done;
}

static int ppnic_change_mtu(struct net_device *dev, int mtu)
{
	int err;

	err = ppnic_xdp_check_mtu(netdev_priv(dev), mtu);
	if (err)
		return err;
	err = ppnic_xsk_check_mtu(netdev_priv(dev), mtu);
	if (err)
		return err;
	/* Buffers are pages, and frames span them: nothing to allocate. */
	WRITE_ONCE(dev->mtu, mtu);
	return 0;
}

static netdev_features_t ppnic_fix_features(struct net_device *dev,
					    netdev_features_t features)
{
	struct ppnic_port *port = netdev_priv(dev);

	/* A program is to see frames as they were on the wire, and a socket's
	 * buffer has room for no more.
	 */
	if (rcu_access_pointer(port->xdp_prog) || ppnic_xsk_in_use(port, 0))
		features &= ~PPNIC_JOIN_FEATURES;
	/* As the core has it for NETIF_F_GRO_HW. */
	if (!(features & NETIF_F_RXCSUM))
		features &= ~NETIF_F_LRO;
	/* The checksum of what is encrypted is nobody else's. */
	if (!(features & NETIF_F_HW_ESP))
		features &= ~NETIF_F_HW_ESP_TX_CSUM;
	return features;
}

static int ppnic_set_features(struct net_device *dev,
			      netdev_features_t features)
{
	struct ppnic_port *port = netdev_priv(dev), *peer;

	/* The others are looked at frame by frame. */
	if (!((dev->features ^ features) & NETIF_F_LOOPBACK))
		return 0;

	WRITE_ONCE(dev->features, features);
	ppnic_carrier_update(port);
	/* The same speed, and another end. */
	ppnic_mac_merge_link(port, port->speed);
	/* Who waits for one of the two is to look which it is now. */
	ppnic_release_senders(port);
	peer = ppnic_peer_rtnl(port);
	if (peer)
		ppnic_release_senders(peer);
	return 0;
}

static void ppnic_tx_timeout(struct net_device *dev, unsigned int index)
{
	struct ppnic_port *port = netdev_priv(dev);
	struct ppnic_txq *txq = &port->txqs[index];

	netdev_warn(dev, "TX queue %u: doorbell %u fetch %u done %u clean %u\n",
		    index, READ_ONCE(txq->doorbell), READ_ONCE(txq->fetch),
		    READ_ONCE(txq->done), READ_ONCE(txq->clean));
	local_bh_disable();
	ppnic_engine_kick(txq);
	local_bh_enable();
	netif_tx_wake_queue(netdev_get_tx_queue(dev, index));
}

static int ppnic_get_iflink(const struct net_device *dev)
{
	struct ppnic_port *port = netdev_priv(dev), *peer;
	int ifindex;

	rcu_read_lock();
	peer = rcu_dereference(port->peer);
	ifindex = peer ? READ_ONCE(peer->dev->ifindex) : 0;
	rcu_read_unlock();

	return ifindex;
}

static int ppnic_init(struct net_device *dev)
{
	struct ppnic_port *port = netdev_priv(dev);
	int err = -ENOMEM;
	u32 i;

	/* Before the first lock is taken, the ops lock for NAPI's sake. */
	netdev_lockdep_set_classes(dev);

	port->dev = dev;
	port->nr_channels = max(dev->num_rx_queues, dev->num_tx_queues);
	port->cfg.rx = PPNIC_DEF_RING;
	port->cfg.tx = PPNIC_DEF_RING;
	port->cfg.buf_len = PAGE_SIZE;
	port->rx_pause = true;
	port->tx_pause = true;
	port->pause_ms = PPNIC_DEF_PAUSE_MS;
	ppnic_phy_init(&port->phy);
	ppnic_fec_init(&port->fec);

	port->channels = kvcalloc(port->nr_channels, sizeof(*port->channels),
				  GFP_KERNEL);
	if (!port->channels)
		return -ENOMEM;
	port->rxqs = kvcalloc(dev->num_rx_queues, sizeof(*port->rxqs),
			      GFP_KERNEL);
	if (!port->rxqs)
		goto err_channels;
	port->txqs = kvcalloc(dev->num_tx_queues, sizeof(*port->txqs),
			      GFP_KERNEL);
	if (!port->txqs)
		goto err_rxqs;

	port->parent = ppnic_parent_create();
	if (IS_ERR(port->parent)) {
		err = PTR_ERR(port->parent);
		goto err_txqs;
	}
	SET_NETDEV_DEV(dev, &port->parent->dev);
	err = ppnic_phc_init(port);
	if (err)
		goto err_parent;

	err = ppnic_mac_merge_init(port);
	if (err)
		goto err_phc;

	err = ppnic_shaper_init(port);
	if (err)
		goto err_mac_merge;

	ppnic_queue_mgmt_init(port);
	ppnic_steer_init(port);
	ppnic_esp_init(&port->esp);
	ppnic_macsec_init(&port->macsec);
	err = ppnic_rss_init(port);
	if (err)
		goto err_shaper;

	for (i = 0; i < dev->num_rx_queues; i++)
		ppnic_rx_queue_init(port, i);
	for (i = 0; i < dev->num_tx_queues; i++)
		ppnic_tx_queue_init(port, i);
	for (i = 0; i < port->nr_channels; i++) {
		struct ppnic_channel *ch = &port->channels[i];

		ch->port = port;
		ch->index = i;
		ppnic_irq_init(ch);
		compat_napi_add(dev, &ch->napi, ppnic_poll, i);
	}
	err = ppnic_irq_create(port);
	if (err)
		goto err_napi;
	err = ppnic_bind_init(port);
	if (err)
		goto err_irq;
	u64_stats_init(&port->bpf_sent.sync);
	err = ppnic_bpf_init(port);
	if (err)
		goto err_bind;

	ppnic_fault_add_port(port);
	return 0;

err_bind:
	ppnic_bind_exit(port);
err_irq:
	ppnic_irq_destroy(port);
err_napi:
	for (i = 0; i < port->nr_channels; i++)
		netif_napi_del(&port->channels[i].napi);
	ppnic_rss_free(port);
err_shaper:
	ppnic_shaper_free(port);
err_mac_merge:
	ppnic_mac_merge_free(port);
err_phc:
	ppnic_phc_exit(port);
err_parent:
	ppnic_parent_destroy(port->parent);
err_txqs:
	kvfree(port->txqs);
err_rxqs:
	kvfree(port->rxqs);
err_channels:
	kvfree(port->channels);
	return err;
}

static void ppnic_uninit(struct net_device *dev)
{
	struct ppnic_port *port = netdev_priv(dev);
	u32 i;

	ppnic_fault_del_port(port);
	ppnic_bpf_exit(port);
	ppnic_macsec_exit(&port->macsec);
	ppnic_psp_remove(port);
	ppnic_bind_exit(port);
	ppnic_queue_mgmt_exit(port);
	for (i = 0; i < dev->num_rx_queues; i++) {
		timer_shutdown_sync(&port->rxqs[i].pause_timer);
		timer_shutdown_sync(&port->rxqs[i].refill_timer);
	}
	ppnic_shaper_exit(port);
	for (i = 0; i < dev->num_tx_queues; i++)
		timer_shutdown_sync(&port->txqs[i].reorder_timer);
	for (i = 0; i < port->nr_channels; i++)
		netif_napi_del(&port->channels[i].napi);
	ppnic_irq_destroy(port);
}

/**
 * ppnic_priv_destructor() - the last of a port
 * @dev: unregistered; nobody refers to it any more
 *
 * The parent goes here and not in ndo_uninit, as the core removes the
 * netdev's kobject, its child, in between.
 *
 * Context: process.
 */
void ppnic_priv_destructor(struct net_device *dev)
{
	struct ppnic_port *port = netdev_priv(dev);

	ppnic_steer_free(port);
	ppnic_rss_free(port);
	ppnic_shaper_free(port);
	ppnic_mac_merge_free(port);
	ppnic_phc_exit(port);
	ppnic_parent_destroy(port->parent);
	kvfree(port->txqs);
	kvfree(port->rxqs);
	kvfree(port->channels);
}

const struct net_device_ops ppnic_netdev_ops = {
	.ndo_init = ppnic_init,
	.ndo_uninit = ppnic_uninit,
	.ndo_open = ppnic_open,
	.ndo_stop = ppnic_stop,
	COMPAT_NDO_XMIT(ppnic_xmit, ppnic_shaper_ops),
	.ndo_features_check = ppnic_features_check,
	.ndo_change_mtu = ppnic_change_mtu,
	.ndo_fix_features = ppnic_fix_features,
	.ndo_set_features = ppnic_set_features,
	.ndo_tx_timeout = ppnic_tx_timeout,
	/* Point to point: all is received, and eth_type_trans() sorts it. */
	COMPAT_NDO_RX_MODE_NOTHING,
	.ndo_set_mac_address = eth_mac_addr,
	.ndo_validate_addr = eth_validate_addr,
	.ndo_get_stats64 = ppnic_get_stats64,
	.ndo_get_iflink = ppnic_get_iflink,
	.ndo_hwtstamp_get = ppnic_hwtstamp_get,
	.ndo_hwtstamp_set = ppnic_hwtstamp_set,
	.ndo_setup_tc = ppnic_setup_tc,
	.ndo_bpf = ppnic_bpf,
	.ndo_xdp_xmit = ppnic_xdp_xmit,
	.ndo_xsk_wakeup = ppnic_xsk_wakeup,
};
