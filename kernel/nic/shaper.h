/* SPDX-License-Identifier: GPL-2.0-only */
/* Rates of TX queues: what the engine asks, and what a port sets up. */
#ifndef PPNIC_SHAPER_H
#define PPNIC_SHAPER_H

#include "ppnic.h"

#ifdef HAVE_NET_SHAPER
extern const struct net_shaper_ops ppnic_shaper_ops;
int ppnic_shaper_init(struct ppnic_port *port);
void ppnic_shaper_exit(struct ppnic_port *port);
void ppnic_shaper_free(struct ppnic_port *port);
bool ppnic_shaper_admit(struct ppnic_txq *txq, u32 bytes, u32 frames);
void ppnic_shaper_set_channels(struct ppnic_port *port, u32 tx);
#else
static inline int ppnic_shaper_init(struct ppnic_port *port)
{
	return 0;
}

static inline void ppnic_shaper_exit(struct ppnic_port *port)
{
}

static inline void ppnic_shaper_free(struct ppnic_port *port)
{
}

static inline bool ppnic_shaper_admit(struct ppnic_txq *txq, u32 bytes,
				      u32 frames)
{
	return true;
}

static inline void ppnic_shaper_set_channels(struct ppnic_port *port, u32 tx)
{
}
#endif

#endif /* PPNIC_SHAPER_H */
