/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef PPCAT_RING_H
#define PPCAT_RING_H

#include <linux/types.h>
#include <stddef.h>

#include "memory.h"
#include "tokens.h"
#include "uapi.h"

/* The memory of ppiov's provider "ring", and the ring that gives it back. */
struct ring {
	int fd;                 /* owned: its end returns what is out */
	struct ppiov_ring *map; /* owned; NULL: there is none */
	size_t size;            /* of map, bytes */
	__u32 entries;
	__u32 tail;
};

int ring_create(struct ring *ring, struct memory *m, size_t size,
		const char **step);
void ring_destroy(struct ring *ring);
int ring_return(struct ring *ring, struct tokens *t, size_t keep,
		struct token_stats *stats);
__u64 ring_refused(struct ring *ring);

#endif
