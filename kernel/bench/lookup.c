// SPDX-License-Identifier: GPL-2.0-only
/*
 * Whose buffer is it? A pointer in the buffer, or a type and an id that are
 * looked up (thread 3): in a hash table, as xdp_mem_info's are, or in an
 * xarray, which is the quickest table there is for small numbers.
 */
#include <linux/rcupdate.h>
#include <linux/rhashtable.h>
#include <linux/slab.h>
#include <linux/xarray.h>

#include "../compat/mm.h"
#include "bench.h"

#define PPIOV_LOOKUP_POOLS   64
#define PPIOV_LOOKUP_BUFFERS 256
#define PPIOV_LOOKUP_TYPE    2 /* which is MEM_TYPE_PAGE_POOL in XDP */

/* What is looked for. */
struct ppiov_lookup_pool {
	u32 id;
	struct rhash_head node;
};

/* A buffer that names its pool in all three ways. */
struct ppiov_lookup_buf {
	struct ppiov_lookup_pool *pool;
	u32 type;
	u32 id;
};

struct ppiov_lookup_world {
	struct ppiov_lookup_pool pools[PPIOV_LOOKUP_POOLS];
	struct ppiov_lookup_buf bufs[PPIOV_LOOKUP_BUFFERS];
	struct rhashtable hash;
	bool hashed;
	struct xarray ids;
	u64 wrong;
};

static const struct rhashtable_params ppiov_lookup_hash = {
	.key_len = sizeof_field(struct ppiov_lookup_pool, id),
	.key_offset = offsetof(struct ppiov_lookup_pool, id),
	.head_offset = offsetof(struct ppiov_lookup_pool, node),
	.min_size = PPIOV_LOOKUP_POOLS,
};

static void ppiov_lookup_pointer_loop(struct ppiov_bench_run *run, u32 n)
{
	struct ppiov_lookup_world *world = run->priv;
	struct ppiov_lookup_pool *pool;
	u64 wrong = 0;
	u32 i;

	for (i = 0; i < n; i++) {
		struct ppiov_lookup_buf *buf =
			&world->bufs[i % PPIOV_LOOKUP_BUFFERS];

		pool = READ_ONCE(buf->pool);
		wrong += pool->id != buf->id;
		barrier();
	}
	world->wrong += wrong;
	run->done += n;
}

static void ppiov_lookup_hash_loop(struct ppiov_bench_run *run, u32 n)
{
	struct ppiov_lookup_world *world = run->priv;
	struct ppiov_lookup_pool *pool;
	u64 wrong = 0;
	u32 i;

	for (i = 0; i < n; i++) {
		struct ppiov_lookup_buf *buf =
			&world->bufs[i % PPIOV_LOOKUP_BUFFERS];

		rcu_read_lock();
		pool = NULL;
		if (READ_ONCE(buf->type) == PPIOV_LOOKUP_TYPE)
			pool = rhashtable_lookup(&world->hash, &buf->id,
						 ppiov_lookup_hash);
		wrong += !pool || pool->id != buf->id;
		rcu_read_unlock();
		barrier();
	}
	world->wrong += wrong;
	run->done += n;
}

static void ppiov_lookup_xarray_loop(struct ppiov_bench_run *run, u32 n)
{
	struct ppiov_lookup_world *world = run->priv;
	struct ppiov_lookup_pool *pool;
	u64 wrong = 0;
	u32 i;

	for (i = 0; i < n; i++) {
		struct ppiov_lookup_buf *buf =
			&world->bufs[i % PPIOV_LOOKUP_BUFFERS];

		rcu_read_lock();
		pool = NULL;
		if (READ_ONCE(buf->type) == PPIOV_LOOKUP_TYPE)
			pool = xa_load(&world->ids, buf->id);
		wrong += !pool || pool->id != buf->id;
		rcu_read_unlock();
		barrier();
	}
	world->wrong += wrong;
	run->done += n;
}

static int ppiov_lookup_setup(struct ppiov_bench_run *run)
{
	struct ppiov_lookup_world *world = kvzalloc_obj(*world);
	unsigned int i;
	int err;

	run->priv = world;
	if (!world)
		return -ENOMEM;
	xa_init(&world->ids);
	err = rhashtable_init(&world->hash, &ppiov_lookup_hash);
	if (err)
		return err;
	world->hashed = true;
	for (i = 0; i < PPIOV_LOOKUP_POOLS; i++) {
		struct ppiov_lookup_pool *pool = &world->pools[i];

		pool->id = i + 1;
		err = rhashtable_insert_fast(&world->hash, &pool->node,
					     ppiov_lookup_hash);
		if (!err)
			err = xa_err(xa_store(&world->ids, pool->id, pool,
					      GFP_KERNEL));
		if (err)
			return err;
	}
	/* 37: neighbours are of different pools, and all have their turn. */
	for (i = 0; i < PPIOV_LOOKUP_BUFFERS; i++) {
		struct ppiov_lookup_pool *pool =
			&world->pools[i * 37 % PPIOV_LOOKUP_POOLS];

		world->bufs[i].pool = pool;
		world->bufs[i].type = PPIOV_LOOKUP_TYPE;
		world->bufs[i].id = pool->id;
	}
	return 0;
}

static int ppiov_lookup_check(struct ppiov_bench_run *run)
{
	struct ppiov_lookup_world *world = run->priv;

	if (!world->wrong)
		return 0;
	return ppiov_bench_refuse(run, -EXDEV, "%llu of %llu were not found",
				  world->wrong, run->done);
}

static void ppiov_lookup_teardown(struct ppiov_bench_run *run)
{
	struct ppiov_lookup_world *world = run->priv;

	if (!world)
		return;
	if (world->hashed)
		rhashtable_destroy(&world->hash);
	xa_destroy(&world->ids);
	kvfree(world);
}

static const struct ppiov_bench ppiov_lookup_benches[] = {
	{ .name = "lookup.pointer",
	  .setup = ppiov_lookup_setup,
	  .loop = ppiov_lookup_pointer_loop,
	  .check = ppiov_lookup_check,
	  .teardown = ppiov_lookup_teardown },
	{ .name = "lookup.hash",
	  .setup = ppiov_lookup_setup,
	  .loop = ppiov_lookup_hash_loop,
	  .check = ppiov_lookup_check,
	  .teardown = ppiov_lookup_teardown },
	{ .name = "lookup.xarray",
	  .setup = ppiov_lookup_setup,
	  .loop = ppiov_lookup_xarray_loop,
	  .check = ppiov_lookup_check,
	  .teardown = ppiov_lookup_teardown },
};

/**
 * ppiov_bench_lookup_init() - offer the benchmarks of lookups
 *
 * Context: module init.
 * Return: 0 or -errno.
 */
int ppiov_bench_lookup_init(void)
{
	return ppiov_bench_files_add(ppiov_lookup_benches,
				     ARRAY_SIZE(ppiov_lookup_benches));
}
