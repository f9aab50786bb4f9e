/* SPDX-License-Identifier: GPL-2.0-only */
/* Two MACs on one wire: which of them a frame is of. */
#ifndef PPNIC_MAC_MERGE_H
#define PPNIC_MAC_MERGE_H

#include "ppnic.h"

struct ppnic_frame;

#ifdef HAVE_ETHTOOL_MMSV
int ppnic_mac_merge_init(struct ppnic_port *port);
void ppnic_mac_merge_free(struct ppnic_port *port);
void ppnic_mac_merge_link(struct ppnic_port *port, bool up);
enum ppnic_mac ppnic_mac_merge_tx(const struct ppnic_txq *txq);
bool ppnic_mac_merge_rx(const struct ppnic_port *port,
			const struct ppnic_frame *f);
#else
static inline int ppnic_mac_merge_init(struct ppnic_port *port)
{
	return 0;
}

static inline void ppnic_mac_merge_free(struct ppnic_port *port)
{
}

static inline void ppnic_mac_merge_link(struct ppnic_port *port, bool up)
{
}

static inline enum ppnic_mac ppnic_mac_merge_tx(const struct ppnic_txq *txq)
{
	return PPNIC_EMAC;
}

static inline bool ppnic_mac_merge_rx(const struct ppnic_port *port,
				      const struct ppnic_frame *f)
{
	return true;
}
#endif

#endif /* PPNIC_MAC_MERGE_H */
