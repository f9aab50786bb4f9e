/* SPDX-License-Identifier: GPL-2.0-only */
/* Bindings, for binding*.c, *_nl.c, providers, tx.c, tcp_send.c and tests. */
#ifndef PPIOV_BINDING_PRIV_H
#define PPIOV_BINDING_PRIV_H

#include "../include/ppiov/binding.h"

struct scatterlist;

/* In ppiov_binding.queues: the driver takes buffers from the provider. */
#define PPIOV_QUEUE_BOUND XA_MARK_1

/**
 * struct ppiov_run - a part of a dma-buf that is in one piece for the device
 * @base: where it begins in the binding's memory, bytes
 * @dma: where it begins for the device
 * @len: bytes; 0 before the first one
 * @sg: the entry behind it
 * @left: entries from @sg on
 *
 * Entries that happen to be neighbours are one run, so that a buffer may be
 * larger than an exporter's pages.
 */
struct ppiov_run {
	u64 base;
	dma_addr_t dma;
	u64 len;
	struct scatterlist *sg;
	unsigned int left;
};

/* binding.c */
const struct ppiov_nic_ops *ppiov_nic_ops(const struct net_device *dev);
struct net_device *ppiov_nic_at(unsigned long index);
struct ppiov_binding *
ppiov_binding_new(struct net_device *dev,
		  const struct ppiov_provider_ops *provider, struct sock *sk);
int ppiov_binding_make_tx(struct ppiov_binding *binding,
			  struct netlink_ext_ack *extack);
struct ppiov_binding *ppiov_binding_get_tx(u32 id);
int ppiov_binding_want_queue(struct ppiov_binding *binding, u32 queue,
			     struct netlink_ext_ack *extack);
int ppiov_binding_bind_queue(struct ppiov_binding *binding, u32 queue,
			     struct netlink_ext_ack *extack);
void ppiov_binding_cancel(struct ppiov_binding *binding);
void ppiov_binding_end(struct ppiov_binding *binding, u32 portid);
struct ppiov_binding *ppiov_binding_next(unsigned long *id);

/* binding_dmabuf.c */
int ppiov_binding_open_dmabuf(struct ppiov_binding *binding, int fd,
			      struct netlink_ext_ack *extack);
int ppiov_binding_set_size(struct ppiov_binding *binding, u64 size,
			   struct netlink_ext_ack *extack);
int ppiov_binding_map_dmabuf(struct ppiov_binding *binding,
			     enum dma_data_direction dir,
			     struct netlink_ext_ack *extack);
void ppiov_binding_put_dmabuf(struct ppiov_binding *binding);
void ppiov_run_first(const struct ppiov_binding *binding,
		     struct ppiov_run *run);
bool ppiov_run_next(const struct ppiov_binding *binding, struct ppiov_run *run);
#if IS_ENABLED(CONFIG_KUNIT)
int ppiov_check_runs(const struct ppiov_binding *binding,
		     struct netlink_ext_ack *extack);
#endif

/* binding_nl.c */
void ppiov_nl_notify_binding(struct ppiov_binding *binding, u8 cmd, u32 portid);

#endif /* PPIOV_BINDING_PRIV_H */
