// SPDX-License-Identifier: GPL-2.0-only
/*
 * Who knows which buffers of a dma-buf are free: gen_pool, as in thread 2 and
 * in the core's devmem, or a stack of them, as io_uring's zcrx has it.
 *
 * An operation is an alloc and a free. 64 are out at a time and come back in
 * another order. "fragmented": of all buffers, 7 in 8 are somebody else's, and
 * what is free lies scattered.
 *
 * And the page allocator itself, in bursts and refills as those of pool.slow
 * and core.slow: what is left of these is the pool's.
 */
#include <linux/genalloc.h>
#include <linux/mm.h>
#include <linux/slab.h>
#include <linux/spinlock.h>

#include "../compat/mm.h"
#include "bench.h"

#define PPIOV_ALLOC_BUFFERS 4096
#define PPIOV_ALLOC_BURST   64
#define PPIOV_ALLOC_BASE    PAGE_SIZE /* 0 is gen_pool's word for failure */

struct ppiov_alloc_world {
	struct gen_pool *gen;
	spinlock_t lock; /* @nr_free, @free; BH off */
	u32 nr_free;
	unsigned long free[PPIOV_ALLOC_BUFFERS];
	unsigned long taken[PPIOV_ALLOC_BUFFERS];
	u32 nr_taken;
	unsigned long out[PPIOV_ALLOC_BURST];
};

/* 29 and 64 have no common divisor: each is freed once. */
static u32 ppiov_alloc_shuffled(u32 i)
{
	return i * 29 % PPIOV_ALLOC_BURST;
}

static void ppiov_alloc_genpool_loop(struct ppiov_bench_run *run, u32 n)
{
	struct ppiov_alloc_world *world = run->priv;
	struct gen_pool *gen = world->gen;
	u32 i, at;

	for (i = 0; i < n; i += PPIOV_ALLOC_BURST) {
		for (at = 0; at < PPIOV_ALLOC_BURST; at++) {
			world->out[at] = gen_pool_alloc(gen, PAGE_SIZE);
			run->done += !!world->out[at];
		}
		for (at = 0; at < PPIOV_ALLOC_BURST; at++)
			gen_pool_free(gen, world->out[ppiov_alloc_shuffled(at)],
				      PAGE_SIZE);
	}
}

static noinline unsigned long ppiov_alloc_pop(struct ppiov_alloc_world *world)
{
	unsigned long place = 0;

	spin_lock_bh(&world->lock);
	if (likely(world->nr_free))
		place = world->free[--world->nr_free];
	spin_unlock_bh(&world->lock);
	return place;
}

static noinline void ppiov_alloc_push(struct ppiov_alloc_world *world,
				      unsigned long place)
{
	spin_lock_bh(&world->lock);
	world->free[world->nr_free++] = place;
	spin_unlock_bh(&world->lock);
}

static void ppiov_alloc_list_loop(struct ppiov_bench_run *run, u32 n)
{
	struct ppiov_alloc_world *world = run->priv;
	u32 i, at;

	for (i = 0; i < n; i += PPIOV_ALLOC_BURST) {
		for (at = 0; at < PPIOV_ALLOC_BURST; at++) {
			world->out[at] = ppiov_alloc_pop(world);
			run->done += !!world->out[at];
		}
		for (at = 0; at < PPIOV_ALLOC_BURST; at++)
			ppiov_alloc_push(world,
					 world->out[ppiov_alloc_shuffled(at)]);
	}
}

static int ppiov_alloc_setup(struct ppiov_bench_run *run)
{
	struct ppiov_alloc_world *world = kvzalloc_obj(*world);
	u32 i;
	int err;

	run->priv = world;
	if (!world)
		return -ENOMEM;
	spin_lock_init(&world->lock);
	world->gen = gen_pool_create(PAGE_SHIFT, NUMA_NO_NODE);
	if (!world->gen)
		return -ENOMEM;
	err = gen_pool_add(world->gen, PPIOV_ALLOC_BASE,
			   PPIOV_ALLOC_BUFFERS * PAGE_SIZE, NUMA_NO_NODE);
	if (err)
		return err;

	/* All are taken, in order; those that are free are given back. */
	for (i = 0; i < PPIOV_ALLOC_BUFFERS; i++)
		gen_pool_alloc(world->gen, PAGE_SIZE);
	for (i = 0; i < PPIOV_ALLOC_BUFFERS; i++) {
		unsigned long place = PPIOV_ALLOC_BASE + i * PAGE_SIZE;

		/* Scattered by a multiplicative hash, always the same way. */
		if (run->p.fragmented && (u32)(i * 2654435761U) >> 29) {
			world->taken[world->nr_taken++] = place;
			continue;
		}
		gen_pool_free(world->gen, place, PAGE_SIZE);
		world->free[world->nr_free++] = place;
	}
	ppiov_bench_note(run, "free", world->nr_free);
	return 0;
}

static int ppiov_alloc_check(struct ppiov_bench_run *run)
{
	struct ppiov_alloc_world *world = run->priv;
	size_t free = world->nr_free * PAGE_SIZE;

	if (gen_pool_avail(world->gen) == free)
		return 0;
	return ppiov_bench_refuse(run, -EXDEV, "%zu bytes free, of %zu",
				  gen_pool_avail(world->gen), free);
}

static void ppiov_alloc_teardown(struct ppiov_bench_run *run)
{
	struct ppiov_alloc_world *world = run->priv;

	if (!world)
		return;
	while (world->nr_taken)
		gen_pool_free(world->gen, world->taken[--world->nr_taken],
			      PAGE_SIZE);
	if (world->gen)
		gen_pool_destroy(world->gen);
	kvfree(world);
}

/* @lacking: pages that the allocator did not give */
struct ppiov_alloc_pages {
	u32 lacking;
	struct page *pages[];
};

static void ppiov_alloc_pages_loop(struct ppiov_bench_run *run, u32 n)
{
	struct ppiov_alloc_pages *world = run->priv;
	struct page **pages = world->pages;
	u32 i, got;

	for (i = 0; i < n; i += PPIOV_ALLOC_BURST) {
		memset(pages + i, 0, PPIOV_ALLOC_BURST * sizeof(*pages));
		got = compat_alloc_pages_bulk(GFP_ATOMIC, NUMA_NO_NODE,
					      PPIOV_ALLOC_BURST, pages + i);
		run->done += got;
		world->lacking += PPIOV_ALLOC_BURST - got;
	}
	while (i)
		if (likely(pages[--i]))
			put_page(pages[i]);
}

static int ppiov_alloc_pages_setup(struct ppiov_bench_run *run)
{
	struct ppiov_alloc_pages *world;

	if (run->p.n % PPIOV_ALLOC_BURST)
		return ppiov_bench_refuse(run, -EINVAL,
					  "n is no multiple of %d",
					  PPIOV_ALLOC_BURST);
	world = kvzalloc(struct_size(world, pages, 2 * run->p.n), GFP_KERNEL);
	run->priv = world;
	return world ? 0 : -ENOMEM;
}

static int ppiov_alloc_pages_check(struct ppiov_bench_run *run)
{
	struct ppiov_alloc_pages *world = run->priv;

	if (!world->lacking)
		return 0;
	return ppiov_bench_refuse(run, -EXDEV, "%u pages were not to be had",
				  world->lacking);
}

static void ppiov_alloc_pages_teardown(struct ppiov_bench_run *run)
{
	kvfree(run->priv);
}

static const struct ppiov_bench ppiov_alloc_benches[] = {
	{ .name = "alloc.genpool",
	  .setup = ppiov_alloc_setup,
	  .loop = ppiov_alloc_genpool_loop,
	  .check = ppiov_alloc_check,
	  .teardown = ppiov_alloc_teardown },
	{ .name = "alloc.list",
	  .setup = ppiov_alloc_setup,
	  .loop = ppiov_alloc_list_loop,
	  .check = ppiov_alloc_check,
	  .teardown = ppiov_alloc_teardown },
	{ .name = "alloc.pages",
	  .setup = ppiov_alloc_pages_setup,
	  .loop = ppiov_alloc_pages_loop,
	  .check = ppiov_alloc_pages_check,
	  .teardown = ppiov_alloc_pages_teardown },
};

/**
 * ppiov_bench_allocators_init() - offer the benchmarks of allocators
 *
 * Context: module init.
 * Return: 0 or -errno.
 */
int ppiov_bench_allocators_init(void)
{
	return ppiov_bench_files_add(ppiov_alloc_benches,
				     ARRAY_SIZE(ppiov_alloc_benches));
}
