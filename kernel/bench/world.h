/* SPDX-License-Identifier: GPL-2.0-only */
/* Pools of ppiov's for a benchmark, the static branch, and memory for iovs. */
#ifndef PPIOV_BENCH_WORLD_H
#define PPIOV_BENCH_WORLD_H

#include "bench.h"

/**
 * struct ppiov_bench_world - what a benchmark of pools needs
 * @nr: of @pools
 * @pools: all of one provider
 * @key: a pool of iovs that does nothing but keep the branch on; may be NULL
 * @memory: of the iovs, see world.c; may be NULL
 * @netmems: room for @room buffers
 * @room: entries
 * @before: of @pools together, when the measuring began
 */
struct ppiov_bench_world {
	u32 nr;
	struct ppiov_pool *pools[PPIOV_BENCH_MAX_POOLS];
	struct ppiov_pool *key;
	struct ppiov_bench_memory *memory;
	ppiov_netmem_t *netmems;
	u32 room;
	struct ppiov_pool_stats before;
};

int ppiov_bench_world_make(struct ppiov_bench_run *run, u32 ring_size,
			   u32 room);
void ppiov_bench_world_end(struct ppiov_bench_run *run);
void ppiov_bench_world_warm(struct ppiov_bench_run *run);
void ppiov_bench_world_stats(const struct ppiov_bench_world *world,
			     struct ppiov_pool_stats *sum);
int ppiov_bench_key(struct ppiov_bench_run *run);

#endif /* PPIOV_BENCH_WORLD_H */
