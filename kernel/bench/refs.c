// SPDX-License-Identifier: GPL-2.0-only
/*
 * What it costs to know when user space is done with a buffer: three schemes,
 * for packets of PPIOV_BENCH_BULK buffers each, per buffer.
 *
 * The way of a buffer is the same in all: out of the pool, handed to user
 * space, given back by it, into the pool's ring.
 *
 * atomic: each buffer has a count, which the hand-over raises and the return
 *	lowers, and goes home alone.
 * batched: the same counts; those that have come to an end go home together.
 * skb: one count for the packet, and all its buffers go home when it ends
 *	(thread 5; what the carrier does).
 */
#include <linux/refcount.h>

#include "world.h"

static void ppiov_refs_atomic_loop(struct ppiov_bench_run *run, u32 n)
{
	struct ppiov_bench_world *world = run->priv;
	struct ppiov_pool *pool = world->pools[0];
	ppiov_netmem_t netmems[PPIOV_BENCH_BULK];
	unsigned int got, at;
	u32 i;

	for (i = 0; i < n; i += PPIOV_BENCH_BULK) {
		got = ppiov_pool_alloc_bulk(pool, GFP_ATOMIC, netmems,
					    PPIOV_BENCH_BULK);
		for (at = 0; at < got; at++)
			ppiov_netmem_get(netmems[at], 1);
		barrier();
		/* The packet is freed, ... */
		for (at = 0; at < got; at++)
			ppiov_pool_put(pool, netmems[at], false);
		/* ... and then user space returns what it has read. */
		for (at = 0; at < got; at++)
			ppiov_pool_put(pool, netmems[at], false);
		run->done += got;
	}
}

static void ppiov_refs_batched_loop(struct ppiov_bench_run *run, u32 n)
{
	struct ppiov_bench_world *world = run->priv;
	struct ppiov_pool *pool = world->pools[0];
	ppiov_netmem_t netmems[PPIOV_BENCH_BULK];
	unsigned int got, at;
	u32 i;

	for (i = 0; i < n; i += PPIOV_BENCH_BULK) {
		got = ppiov_pool_alloc_bulk(pool, GFP_ATOMIC, netmems,
					    PPIOV_BENCH_BULK);
		for (at = 0; at < got; at++)
			ppiov_netmem_get(netmems[at], 1);
		barrier();
		ppiov_pool_put_bulk(pool, netmems, got, false);
		ppiov_pool_put_bulk(pool, netmems, got, false);
		run->done += got;
	}
}

static void ppiov_refs_skb_loop(struct ppiov_bench_run *run, u32 n)
{
	struct ppiov_bench_world *world = run->priv;
	struct ppiov_pool *pool = world->pools[0];
	ppiov_netmem_t netmems[PPIOV_BENCH_BULK];
	refcount_t packet;
	unsigned int got;
	u32 i;

	for (i = 0; i < n; i += PPIOV_BENCH_BULK) {
		got = ppiov_pool_alloc_bulk(pool, GFP_ATOMIC, netmems,
					    PPIOV_BENCH_BULK);
		refcount_set(&packet, 1);
		refcount_inc(&packet);
		barrier();
		if (refcount_dec_and_test(&packet))
			break;
		if (refcount_dec_and_test(&packet))
			ppiov_pool_put_bulk(pool, netmems, got, false);
		run->done += got;
	}
}

static int ppiov_refs_setup(struct ppiov_bench_run *run)
{
	int err = ppiov_bench_world_make(run, 1024, 0);

	if (!err)
		ppiov_bench_world_warm(run);
	return err;
}

/* Each buffer once through the ring, none by the provider. */
static int ppiov_refs_check(struct ppiov_bench_run *run)
{
	struct ppiov_bench_world *world = run->priv;
	struct ppiov_pool_stats now;

	ppiov_bench_world_stats(world, &now);
	if (now.recycle_ring - world->before.recycle_ring == run->done &&
	    now.alloc_slow == world->before.alloc_slow)
		return 0;
	return ppiov_bench_refuse(run, -EXDEV,
				  "not the path: of %llu, %llu through the ring",
				  run->done,
				  now.recycle_ring -
					  world->before.recycle_ring);
}

static const struct ppiov_bench ppiov_refs_benches[] = {
	{ .name = "refs.atomic",
	  .setup = ppiov_refs_setup,
	  .loop = ppiov_refs_atomic_loop,
	  .check = ppiov_refs_check,
	  .teardown = ppiov_bench_world_end },
	{ .name = "refs.batched",
	  .setup = ppiov_refs_setup,
	  .loop = ppiov_refs_batched_loop,
	  .check = ppiov_refs_check,
	  .teardown = ppiov_bench_world_end },
	{ .name = "refs.skb",
	  .setup = ppiov_refs_setup,
	  .loop = ppiov_refs_skb_loop,
	  .check = ppiov_refs_check,
	  .teardown = ppiov_bench_world_end },
};

/**
 * ppiov_bench_refs_init() - offer the benchmarks of reference schemes
 *
 * Context: module init.
 * Return: 0 or -errno.
 */
int ppiov_bench_refs_init(void)
{
	return ppiov_bench_files_add(ppiov_refs_benches,
				     ARRAY_SIZE(ppiov_refs_benches));
}
