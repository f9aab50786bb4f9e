/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * How payload in the buffers of provider "ring" is handed to user space: by
 * the ring's tokens, instead of the socket's.
 *
 * A token holds one reference of a carrier, hence all buffers of a packet:
 * completion is per packet. It is the ring's from then on; that the socket is
 * closed does not return it.
 */
#ifndef PPIOV_RING_H
#define PPIOV_RING_H

#include <linux/types.h>

struct ppiov_carrier;

int ppiov_ring_hold(struct ppiov_carrier *carrier, u32 *token);
void ppiov_ring_drop(struct ppiov_carrier *carrier, u32 token);

#endif /* PPIOV_RING_H */
