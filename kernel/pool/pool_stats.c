// SPDX-License-Identifier: GPL-2.0-only
/* The pool's counters: one set per CPU, summed up when somebody asks. */
#include "pool_priv.h"

/**
 * ppiov_pool_get_stats() - sum up a pool's counters
 * @pool: the pool
 * @stats: overwritten
 *
 * Each counter is exact on its own; together they are no snapshot.
 *
 * Context: any.
 */
void ppiov_pool_get_stats(const struct ppiov_pool *pool,
			  struct ppiov_pool_stats *stats)
{
	int cpu;

	memset(stats, 0, sizeof(*stats));
	for_each_possible_cpu(cpu) {
		const struct ppiov_pool_stats *s = per_cpu_ptr(pool->stats,
							       cpu);

		stats->alloc_fast += READ_ONCE(s->alloc_fast);
		stats->alloc_refill += READ_ONCE(s->alloc_refill);
		stats->alloc_slow += READ_ONCE(s->alloc_slow);
		stats->alloc_fail += READ_ONCE(s->alloc_fail);
		stats->recycle_cache += READ_ONCE(s->recycle_cache);
		stats->recycle_cache_full += READ_ONCE(s->recycle_cache_full);
		stats->recycle_ring += READ_ONCE(s->recycle_ring);
		stats->recycle_ring_full += READ_ONCE(s->recycle_ring_full);
		stats->recycle_foreign += READ_ONCE(s->recycle_foreign);
		stats->double_put += READ_ONCE(s->double_put);
	}
}
EXPORT_SYMBOL_GPL(ppiov_pool_get_stats);
