# SPDX-License-Identifier: GPL-2.0-only
# The probes, by the header that compat/ covers.

# compat/page_pool.h
PPIOV_FEATURES += $(call probe,PAGE_POOL_ENABLE_DIRECT_RECYCLING,net/page_pool/helpers.h,&page_pool_enable_direct_recycling)
PPIOV_FEATURES += $(call probe,NETIF_RXQ_HAS_UNREADABLE_MP,net/netdev_queues.h,&netif_rxq_has_unreadable_mp)
PPIOV_FEATURES += $(call probe,PAGE_POOL_PUT_NETMEM_BULK,net/page_pool/types.h,&page_pool_put_netmem_bulk)

# compat/mm.h
PPIOV_FEATURES += $(call probe,ALLOC_PAGES_BULK_NODE,linux/gfp.h,&alloc_pages_bulk_node_noprof)

# compat/gso.h
PPIOV_FEATURES += $(call probe,GSO_FIXEDID_INNER,linux/skbuff.h,SKB_GSO_TCP_FIXEDID_INNER)
PPIOV_FEATURES += $(call probe,GSO_TCP_ACCECN,linux/skbuff.h,SKB_GSO_TCP_ACCECN)

# compat/netdev.h
PPIOV_FEATURES += $(call probe,NETDEV_LOCK_OPS,net/netdev_lock.h,&netdev_lock_ops)
PPIOV_FEATURES += $(call probe,NDO_SET_RX_MODE_ASYNC,linux/netdevice.h,((struct net_device_ops *)0)->ndo_set_rx_mode_async)
PPIOV_FEATURES += $(call probe,NETIF_NAPI_ADD_CONFIG,linux/netdevice.h,&netif_napi_add_config)
PPIOV_FEATURES += $(call probe,NET_SHAPER,linux/netdevice.h,((struct net_device_ops *)0)->net_shaper_ops)
PPIOV_FEATURES += $(call probe,NETMEM_TX,linux/netdevice.h,((struct net_device *)0)->netmem_tx)
PPIOV_FEATURES += $(call probe,NETMEM_TX_DMA,linux/netdevice.h,NETMEM_TX_DMA)

# compat/xfrm.h
PPIOV_FEATURES += $(call probe,XDO_DEV_STATE_DEV,linux/netdevice.h,((struct xfrmdev_ops *)0)->xdo_dev_state_delete(0$(comma)0))

# compat/psp.h
PPIOV_FEATURES += $(call probe,PSP_DEV,net/psp.h,psp_dev_encapsulate(0$(comma)0$(comma)0$(comma)0$(comma)0) && psp_dev_rcv(0$(comma)0$(comma)0$(comma)0) && ((struct psp_dev_ops *)0)->rx_spi_alloc)

# compat/queue_mgmt.h
PPIOV_FEATURES += $(call probe,NETDEV_QUEUE_CONFIG,net/netdev_queues.h,&((struct netdev_queue_config *)0)->rx_page_size)

# compat/rtnetlink.h
PPIOV_FEATURES += $(call probe,RTNL_NEWLINK_PARAMS,net/rtnetlink.h,&((struct rtnl_newlink_params *)0)->peer_net)

# compat/ethtool.h
PPIOV_FEATURES += $(call probe,ETHTOOL_OP_NEEDS_RTNL,linux/ethtool.h,ETHTOOL_OP_NEEDS_RTNL_SRINGPARAM)
PPIOV_FEATURES += $(call probe,ETHTOOL_CAP_RSS_RXNFC_ADDS,linux/ethtool.h,((struct ethtool_ops *)0)->cap_rss_rxnfc_adds)
PPIOV_FEATURES += $(call probe,ETHTOOL_GET_RX_RING_COUNT,linux/ethtool.h,((struct ethtool_ops *)0)->get_rx_ring_count)
PPIOV_FEATURES += $(call probe,RXFH_CTXS_RESIZE,linux/ethtool.h,&ethtool_rxfh_ctxs_resize)
# Without netlink nobody could ask for it, and the header has it all the same.
PPIOV_FEATURES += $(if $(CONFIG_ETHTOOL_NETLINK),$(call probe,ETHTOOL_MMSV,linux/ethtool.h,&ethtool_mmsv_init))
PPIOV_FEATURES += $(call probe,ETHTOOL_FEC_HIST,linux/ethtool.h,((struct ethtool_fec_hist *)0)->ranges)
PPIOV_FEATURES += $(call probe,HDS_THRESH,linux/ethtool.h,((struct kernel_ethtool_ringparam *)0)->hds_thresh)

# compat/irq.h
PPIOV_FEATURES += $(call probe,IRQ_MOVE_PCNTXT,linux/irq.h,IRQ_MOVE_PCNTXT)
PPIOV_FEATURES += $(call probe,HRTIMER_SETUP,linux/hrtimer.h,&hrtimer_setup)

# compat/dma.h
PPIOV_FEATURES += $(call probe,DMA_MAP_PHYS,linux/dma-mapping.h,&dma_map_phys)

# compat/dma_ops.h
PPIOV_FEATURES += $(call probe,DMA_MAP_OPS_PHYS,linux/dma-map-ops.h,((struct dma_map_ops *)0)->map_phys)

# compat/tcp.h
PPIOV_FEATURES += $(call probe,PROTO_RECVMSG_WITHOUT_ADDR_LEN,net/sock.h,((struct proto *)0)->recvmsg(0$(comma)0$(comma)0$(comma)0))

# compat/netmem_tx.h
PPIOV_FEATURES += $(call probe,NET_IOV_SEND,net/sock.h,((struct net_device *)0)->netmem_tx + ((struct net_iov *)0)->desc.dma_addr + NET_IOV_IOURING + !!msg_zerocopy_realloc(0$(comma)0$(comma)0$(comma)true))
PPIOV_FEATURES += $(call probe,SK_VALIDATE_XMIT,net/sock.h,((struct sock *)0)->sk_validate_xmit_skb)
# Sending from a dma-buf needs both: see netmem_tx.h and pool/tcp_send.c.
export PPIOV_CAN_SEND := $(if $(word 2,$(filter -DHAVE_NET_IOV_SEND -DHAVE_SK_VALIDATE_XMIT,$(PPIOV_FEATURES))),y)
