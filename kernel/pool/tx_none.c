// SPDX-License-Identifier: GPL-2.0-only
/* Sending from a dma-buf, on a kernel that can't: see compat/netmem_tx.h. */
#include <linux/err.h>

#include "../compat/netmem_tx.h"
#include "tcp.h"
#include "tx.h"

/**
 * ppiov_tx_lacks() - why nothing can be sent from a dma-buf
 * @dev: any device
 *
 * Context: any.
 * Return: a sentence without its full stop.
 */
const char *ppiov_tx_lacks(const struct net_device *dev)
{
	return COMPAT_NETMEM_TX_LACKS;
}

/**
 * ppiov_tx_create() - not here
 * @binding: any
 * @extack: not set: ppiov_tx_lacks() is asked before
 *
 * Context: any.
 * Return: ERR_PTR(-EOPNOTSUPP).
 */
struct ppiov_tx *ppiov_tx_create(const struct ppiov_binding *binding,
				 struct netlink_ext_ack *extack)
{
	return ERR_PTR(-EOPNOTSUPP);
}

/**
 * ppiov_tx_destroy() - nothing to free
 * @tx: NULL
 *
 * Context: any.
 */
void ppiov_tx_destroy(struct ppiov_tx *tx)
{
}

/**
 * ppiov_tx_sends() - never called: no binding has a struct ppiov_tx
 * @tx: none
 *
 * Context: any.
 * Return: 0.
 */
u32 ppiov_tx_sends(const struct ppiov_tx *tx)
{
	return 0;
}

/**
 * ppiov_tx_drops() - never called: no binding has a struct ppiov_tx
 * @tx: none
 *
 * Context: any.
 * Return: 0.
 */
u64 ppiov_tx_drops(const struct ppiov_tx *tx)
{
	return 0;
}

/**
 * ppiov_send() - refuse a sendmsg() that names a binding
 * @sk: with the ULP
 * @msg: of the caller
 * @size: bytes
 * @id: of the binding
 *
 * Context: process.
 * Return: -EOPNOTSUPP.
 */
int ppiov_send(struct sock *sk, struct msghdr *msg, size_t size, u32 id)
{
	return -EOPNOTSUPP;
}

/**
 * ppiov_send_unwatch() - nothing was watched
 * @sk: with the ULP
 *
 * Context: any.
 */
void ppiov_send_unwatch(struct sock *sk)
{
}
