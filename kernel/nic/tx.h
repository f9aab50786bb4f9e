/* SPDX-License-Identifier: GPL-2.0-only */
/* A TX ring's inside, for who puts frames into it: tx.c, xdp_tx.c, xsk.c. */
#ifndef PPNIC_TX_H
#define PPNIC_TX_H

#include "ppnic.h"

/* Room for one worst-case skb, and hysteresis before the queue wakes. */
#define PPNIC_TX_STOP  (MAX_SKB_FRAGS + 2)
#define PPNIC_TX_START (PPNIC_TX_STOP + 8)
static_assert(PPNIC_TX_START <= PPNIC_MIN_RING);

static inline u32 ppnic_tx_room(const struct ppnic_txq *txq)
{
	return txq->mem.mask + 1 -
	       (READ_ONCE(txq->prod) - READ_ONCE(txq->clean));
}

/* Let the device see what was put into the ring. TX queue lock held. */
static inline void ppnic_tx_doorbell(struct ppnic_txq *txq)
{
	/* Descriptors before doorbell; the engine acquires it. */
	smp_store_release(&txq->doorbell, txq->prod);
	ppnic_engine_kick(txq);
}

void ppnic_tx_unmap(struct ppnic_txq *txq, u32 slot);
void ppnic_tx_maybe_stop(struct ppnic_txq *txq);

#endif /* PPNIC_TX_H */
