/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What differs between kernels in sending what the CPU can't read.
 *
 * Until 6.15 a device is never given such a packet. Then a device says with
 * netmem_tx that it maps net_iovs, first with a bit, later with one of several
 * ways. HAVE_NET_IOV_SEND is about this and what goes with it.
 */
#ifndef PPIOV_COMPAT_NETMEM_TX_H
#define PPIOV_COMPAT_NETMEM_TX_H

#include <linux/netdevice.h>
#include <net/netmem.h>

/* Has the device's driver said that it maps net_iovs? */
static inline bool compat_netmem_tx_enabled(const struct net_device *dev)
{
#if defined(HAVE_NETMEM_TX_DMA)
	return dev->netmem_tx == NETMEM_TX_DMA;
#elif defined(HAVE_NET_IOV_SEND)
	return dev->netmem_tx;
#else
	return false;
#endif
}

/* Why a kernel can't: a sentence's end for extack. */
#ifndef HAVE_NET_IOV_SEND
#define COMPAT_NETMEM_TX_LACKS \
	"this kernel drops every packet that it can't read"
#else
#define COMPAT_NETMEM_TX_LACKS \
	"this kernel is built without CONFIG_SOCK_VALIDATE_XMIT, which TLS_DEVICE brings"
#endif

#ifdef HAVE_NET_IOV_SEND
/*
 * A net_iov of ours. Its type says that references to it are not counted, and
 * that it is not of the core's dma-bufs: the core then never looks for one of
 * their bindings behind @area. False if the address doesn't fit.
 */
static inline bool compat_net_iov_init(struct net_iov *niov,
				       struct net_iov_area *area,
				       dma_addr_t dma)
{
	niov->owner = area;
	niov->type = NET_IOV_IOURING;
	niov->desc.dma_addr = dma;
	return niov->desc.dma_addr == dma;
}
#endif

#endif /* PPIOV_COMPAT_NETMEM_TX_H */
