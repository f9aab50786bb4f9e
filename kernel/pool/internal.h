/* SPDX-License-Identifier: GPL-2.0-only */
/* What the files of ppiov.ko need of each other, and nobody else. */
#ifndef PPIOV_INTERNAL_H
#define PPIOV_INTERNAL_H

#include <linux/types.h>

struct net_device;
struct netlink_ext_ack;
struct ppiov_binding;
struct ppiov_pool;

/* provider_*.c: each registers its provider(s). */
int ppiov_provider_page_init(void);
void ppiov_provider_page_exit(void);
int ppiov_provider_hugepage_init(void);
void ppiov_provider_hugepage_exit(void);
int ppiov_provider_dmabuf_init(void);
void ppiov_provider_dmabuf_exit(void);
int ppiov_provider_zone_init(void);
void ppiov_provider_zone_exit(void);
int ppiov_provider_ring_init(void);
void ppiov_provider_ring_exit(void);

/* pool.c */
int ppiov_pool_init(void);
void ppiov_pool_exit(void);

/* carrier.c */
int ppiov_carrier_init(void);
void ppiov_carrier_exit(void);

/* urgent.c */
int ppiov_urgent_init(void);
void ppiov_urgent_exit(void);

/* tcp_ulp.c */
int ppiov_tcp_init(void);
void ppiov_tcp_exit(void);

/* binding.c */
int ppiov_binding_init(void);
void ppiov_binding_exit(void);

/* nl.c: the netlink family */
int ppiov_nl_init(void);
void ppiov_nl_exit(void);

/* pool_nl.c */
void ppiov_nl_notify_pool_stalled(const struct ppiov_pool *pool,
				  unsigned int seconds);

#endif /* PPIOV_INTERNAL_H */
