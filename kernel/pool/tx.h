/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Sending from a dma-buf: the binding's side (tx.c) and the socket's
 * (tcp_send.c). Where the kernel can't, tx_none.c has both.
 */
#ifndef PPIOV_TX_H
#define PPIOV_TX_H

#include <linux/types.h>

struct msghdr;
struct net_device;
struct netlink_ext_ack;
struct ppiov_binding;
struct ppiov_sock;
struct ppiov_tx;
struct sock;

/* tx.c */
const char *ppiov_tx_lacks(const struct net_device *dev);
struct ppiov_tx *ppiov_tx_create(const struct ppiov_binding *binding,
				 struct netlink_ext_ack *extack);
void ppiov_tx_destroy(struct ppiov_tx *tx);
u32 ppiov_tx_sends(const struct ppiov_tx *tx);
u64 ppiov_tx_drops(const struct ppiov_tx *tx);

/* tcp_send.c */
int ppiov_send(struct sock *sk, struct msghdr *msg, size_t size, u32 id);
void ppiov_send_unwatch(struct sock *sk);

#endif /* PPIOV_TX_H */
