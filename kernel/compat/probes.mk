# SPDX-License-Identifier: GPL-2.0-only
# The probes, by the header that compat/ covers.

# compat/page_pool.h
PPIOV_FEATURES += $(call probe,PAGE_POOL_ENABLE_DIRECT_RECYCLING,net/page_pool/helpers.h,&page_pool_enable_direct_recycling)
PPIOV_FEATURES += $(call probe,NETIF_RXQ_HAS_UNREADABLE_MP,net/netdev_queues.h,&netif_rxq_has_unreadable_mp)

# compat/netdev.h
PPIOV_FEATURES += $(call probe,NETDEV_LOCK_OPS,net/netdev_lock.h,&netdev_lock_ops)

# compat/dma.h
PPIOV_FEATURES += $(call probe,DMA_MAP_PHYS,linux/dma-mapping.h,&dma_map_phys)

# compat/tcp.h
PPIOV_FEATURES += $(call probe,PROTO_RECVMSG_WITHOUT_ADDR_LEN,net/sock.h,((struct proto *)0)->recvmsg(0$(comma)0$(comma)0$(comma)0))
