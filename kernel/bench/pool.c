// SPDX-License-Identifier: GPL-2.0-only
/*
 * ppiov's pool: an alloc and a put, by each way that there is. core.c does the
 * same with the core's page_pool, loop by loop.
 */
#include <linux/build_bug.h>
#include <linux/mm.h>

#include "world.h"

#define PPIOV_BENCH_FRAG 1024 /* bytes: four to a page */

static struct ppiov_pool *ppiov_bench_the_pool(struct ppiov_bench_run *run)
{
	struct ppiov_bench_world *world = run->priv;

	return world->pools[0];
}

/* The consumer puts, and says so: XDP_DROP. */
static void ppiov_pool_direct_loop(struct ppiov_bench_run *run, u32 n)
{
	struct ppiov_pool *pool = ppiov_bench_the_pool(run);
	ppiov_netmem_t netmem;
	u32 i;

	for (i = 0; i < n; i++) {
		netmem = ppiov_pool_alloc(pool, GFP_ATOMIC);
		if (netmem == PPIOV_NETMEM_NONE)
			break;
		barrier();
		ppiov_pool_put(pool, netmem, true);
	}
	run->done += i;
}

/* Somebody puts who doesn't know, and the pool has to find out; or can't. */
static void ppiov_pool_ring_loop(struct ppiov_bench_run *run, u32 n)
{
	struct ppiov_pool *pool = ppiov_bench_the_pool(run);
	ppiov_netmem_t netmem;
	u32 i;

	for (i = 0; i < n; i++) {
		netmem = ppiov_pool_alloc(pool, GFP_ATOMIC);
		if (netmem == PPIOV_NETMEM_NONE)
			break;
		barrier();
		ppiov_pool_put(pool, netmem, false);
	}
	run->done += i;
}

/* As many out at a time as there is room for, then all back. */
static void ppiov_pool_burst_loop(struct ppiov_bench_run *run, u32 n)
{
	struct ppiov_bench_world *world = run->priv;
	struct ppiov_pool *pool = world->pools[0];
	u32 buffers = run->p.buffers, i, at;

	for (i = 0; i < n; i += buffers) {
		for (at = 0; at < buffers; at++) {
			world->netmems[at] = ppiov_pool_alloc(pool, GFP_ATOMIC);
			if (world->netmems[at] == PPIOV_NETMEM_NONE)
				break;
		}
		run->done += at;
		while (at)
			ppiov_pool_put(pool, world->netmems[--at], false);
	}
}

static void ppiov_pool_bulk_loop(struct ppiov_bench_run *run, u32 n)
{
	struct ppiov_pool *pool = ppiov_bench_the_pool(run);
	ppiov_netmem_t netmems[PPIOV_BENCH_BULK];
	unsigned int got;
	u32 i;

	for (i = 0; i < n; i += PPIOV_BENCH_BULK) {
		got = ppiov_pool_alloc_bulk(pool, GFP_ATOMIC, netmems,
					    PPIOV_BENCH_BULK);
		barrier();
		ppiov_pool_put_bulk(pool, netmems, got, false);
		run->done += got;
	}
}

/* A second user comes and goes: the reference count is not 1 at the first. */
static void ppiov_pool_elevated_loop(struct ppiov_bench_run *run, u32 n)
{
	struct ppiov_pool *pool = ppiov_bench_the_pool(run);
	ppiov_netmem_t netmem;
	u32 i;

	for (i = 0; i < n; i++) {
		netmem = ppiov_pool_alloc(pool, GFP_ATOMIC);
		if (netmem == PPIOV_NETMEM_NONE)
			break;
		ppiov_netmem_get(netmem, 1);
		barrier();
		ppiov_pool_put(pool, netmem, true);
		ppiov_pool_put(pool, netmem, true);
	}
	run->done += i;
}

static void ppiov_pool_frag_loop(struct ppiov_bench_run *run, u32 n)
{
	struct ppiov_pool *pool = ppiov_bench_the_pool(run);
	ppiov_netmem_t netmem;
	unsigned int offset;
	u32 i;

	for (i = 0; i < n; i++) {
		netmem = ppiov_pool_alloc_frag(pool, GFP_ATOMIC,
					       PPIOV_BENCH_FRAG, &offset);
		if (netmem == PPIOV_NETMEM_NONE)
			break;
		barrier();
		ppiov_pool_put(pool, netmem, true);
	}
	run->done += i;
}

/* A page that mm has found another use for is not recycled. */
static void ppiov_pool_stolen_loop(struct ppiov_bench_run *run, u32 n)
{
	struct ppiov_pool *pool = ppiov_bench_the_pool(run);
	ppiov_netmem_t netmem;
	struct page *page;
	u32 i;

	for (i = 0; i < n; i++) {
		netmem = ppiov_pool_alloc(pool, GFP_ATOMIC);
		if (netmem == PPIOV_NETMEM_NONE)
			break;
		barrier();
		page = ppiov_netmem_to_page(netmem);
		get_page(page);
		ppiov_pool_put(pool, netmem, false);
		put_page(page);
	}
	run->done += i;
}

/* Pools take turns. */
static void ppiov_pool_many_loop(struct ppiov_bench_run *run, u32 n)
{
	struct ppiov_bench_world *world = run->priv;
	u32 nr = world->nr, at = 0, i;
	ppiov_netmem_t netmem;

	for (i = 0; i < n; i++) {
		netmem = ppiov_pool_alloc(world->pools[at], GFP_ATOMIC);
		if (netmem == PPIOV_NETMEM_NONE)
			break;
		barrier();
		ppiov_pool_put(world->pools[at], netmem, true);
		if (++at == nr)
			at = 0;
	}
	run->done += i;
}

/* One CPU allocates, another puts: each half is measured on its own. */
static int ppiov_pool_fill(struct ppiov_bench_run *run, u32 n)
{
	struct ppiov_bench_world *world = run->priv;
	unsigned int got;

	local_bh_disable();
	got = ppiov_pool_alloc_bulk(world->pools[0], GFP_ATOMIC, world->netmems,
				    n);
	local_bh_enable();
	return got == n ? 0 : -ENOMEM;
}

static void ppiov_pool_put_loop(struct ppiov_bench_run *run, u32 n)
{
	struct ppiov_bench_world *world = run->priv;
	struct ppiov_pool *pool = world->pools[0];
	u32 i;

	for (i = 0; i < n; i++)
		ppiov_pool_put(pool, world->netmems[i], false);
	run->done += n;
}

static void ppiov_pool_alloc_loop(struct ppiov_bench_run *run, u32 n)
{
	struct ppiov_bench_world *world = run->priv;
	struct ppiov_pool *pool = world->pools[0];
	u32 i;

	for (i = 0; i < n; i++) {
		world->netmems[i] = ppiov_pool_alloc(pool, GFP_ATOMIC);
		if (world->netmems[i] == PPIOV_NETMEM_NONE)
			break;
	}
	run->done += i;
}

static int ppiov_pool_drain(struct ppiov_bench_run *run, u32 n)
{
	struct ppiov_bench_world *world = run->priv;

	ppiov_pool_put_bulk(world->pools[0], world->netmems, n, false);
	return 0;
}

/* ------------------------------------------------------------------- setup */

static int ppiov_pool_setup_ring(struct ppiov_bench_run *run, u32 ring_size,
				 u32 room)
{
	int err = ppiov_bench_world_make(run, ring_size, room);

	if (!err)
		ppiov_bench_world_warm(run);
	return err;
}

static int ppiov_pool_setup(struct ppiov_bench_run *run)
{
	return ppiov_pool_setup_ring(run, 1024, 0);
}

/* What the NAPI puts by ppiov_pool_put() finds its way into the cache. */
static int ppiov_pool_setup_napi(struct ppiov_bench_run *run)
{
	int err = ppiov_pool_setup(run);

	if (!err)
		ppiov_pool_enable_direct(ppiov_bench_the_pool(run),
					 ppiov_bench_napi());
	return err;
}

static int ppiov_pool_setup_burst(struct ppiov_bench_run *run)
{
	u32 buffers = run->p.buffers;

	if (run->p.n % buffers)
		return ppiov_bench_refuse(run, -EINVAL,
					  "n is no multiple of buffers");
	return ppiov_pool_setup_ring(run, buffers, buffers);
}

/* Hardly room for what comes back: the provider gets and gives the buffers.
 * The ring takes 32 more than it was asked for; ppiov_pool_check_slow() sees.
 */
static int ppiov_pool_setup_slow(struct ppiov_bench_run *run)
{
	if (run->p.n % PPIOV_CACHE_REFILL)
		return ppiov_bench_refuse(run, -EINVAL,
					  "n is no multiple of a refill");
	run->p.buffers = run->p.n;
	return ppiov_pool_setup_ring(run, PPIOV_BENCH_SLOW_RING - 32,
				     2 * run->p.n);
}

static int ppiov_pool_setup_cross(struct ppiov_bench_run *run)
{
	u32 most = 2 * run->p.n;

	if (most > PPIOV_MAX_RING)
		return ppiov_bench_refuse(run, -EINVAL, "n is too large");
	return ppiov_pool_setup_ring(run, most, most);
}

static int ppiov_pool_setup_stolen(struct ppiov_bench_run *run)
{
	if (strcmp(run->p.provider, "page"))
		return ppiov_bench_refuse(run, -EINVAL,
					  "mm shares pages of provider page");
	return ppiov_pool_setup(run);
}

/* ----------------------------------------------- was it the path it claims */

struct ppiov_pool_counts {
	u64 fast, refill, slow, cache, ring, released;
};

static struct ppiov_pool_counts
ppiov_pool_counts(const struct ppiov_bench_world *world)
{
	struct ppiov_pool_stats now, was = world->before;

	ppiov_bench_world_stats(world, &now);
	return (struct ppiov_pool_counts) {
		.fast = now.alloc_fast - was.alloc_fast,
		.refill = now.alloc_refill - was.alloc_refill,
		.slow = now.alloc_slow - was.alloc_slow,
		.cache = now.recycle_cache - was.recycle_cache,
		.ring = now.recycle_ring - was.recycle_ring,
		.released = now.recycle_ring_full - was.recycle_ring_full +
			    now.recycle_foreign - was.recycle_foreign,
	};
}

static int ppiov_pool_astray(struct ppiov_bench_run *run,
			     const struct ppiov_pool_counts *c)
{
	return ppiov_bench_refuse(run, -EXDEV,
				  "not the path: of %llu, %llu fast %llu refill %llu slow, %llu cache %llu ring %llu released",
				  run->done, c->fast, c->refill, c->slow,
				  c->cache, c->ring, c->released);
}

static int ppiov_pool_check_direct(struct ppiov_bench_run *run)
{
	struct ppiov_pool_counts c = ppiov_pool_counts(run->priv);

	if (c.fast != run->done || c.cache != run->done || c.slow)
		return ppiov_pool_astray(run, &c);
	return 0;
}

static int ppiov_pool_check_ring(struct ppiov_bench_run *run)
{
	struct ppiov_pool_counts c = ppiov_pool_counts(run->priv);

	/* A refill is for 64. */
	if (c.ring != run->done || c.cache || c.slow ||
	    c.refill < run->done / PPIOV_CACHE_REFILL - 2)
		return ppiov_pool_astray(run, &c);
	return 0;
}

/* As ring, but the first bursts had to be paid by the provider. */
static int ppiov_pool_check_burst(struct ppiov_bench_run *run)
{
	struct ppiov_pool_counts c = ppiov_pool_counts(run->priv);

	if (c.cache || c.ring < run->done - c.released ||
	    c.slow > 2 * (u64)run->p.buffers + PPIOV_BENCH_CACHE_HOT +
			     PPIOV_CACHE_REFILL ||
	    c.released > 2 * (u64)run->p.buffers)
		return ppiov_pool_astray(run, &c);
	return 0;
}

static int ppiov_pool_check_slow(struct ppiov_bench_run *run)
{
	struct ppiov_pool_counts c = ppiov_pool_counts(run->priv);

	/* A few of each burst come out of the ring, and the cache is empty. */
	if (c.slow + c.ring != run->done ||
	    c.slow < run->done - run->done / 8 ||
	    c.released < run->done - run->done / 8 || c.cache)
		return ppiov_pool_astray(run, &c);
	return 0;
}

static int ppiov_pool_check_stolen(struct ppiov_bench_run *run)
{
	struct ppiov_pool_counts c = ppiov_pool_counts(run->priv);

	if (c.released != run->done ||
	    c.slow < run->done - PPIOV_BENCH_CACHE_HOT)
		return ppiov_pool_astray(run, &c);
	return 0;
}

/* Four to a page, of which the last one that is put recycles it. */
static int ppiov_pool_check_frag(struct ppiov_bench_run *run)
{
	struct ppiov_pool_counts c = ppiov_pool_counts(run->priv);

	if (c.slow || c.ring || c.released ||
	    c.fast > run->done * PPIOV_BENCH_FRAG / PAGE_SIZE)
		return ppiov_pool_astray(run, &c);
	return 0;
}

/* What comes back to the consumer has been in the ring. */
static int ppiov_pool_check_cross(struct ppiov_bench_run *run)
{
	struct ppiov_pool_counts c = ppiov_pool_counts(run->priv);

	if (c.ring != run->done || c.cache || c.released ||
	    c.slow > 2 * (u64)run->p.n + PPIOV_CACHE_REFILL)
		return ppiov_pool_astray(run, &c);
	return 0;
}

/* For "slow" one burst is all of the call. */
static void ppiov_pool_slow_loop(struct ppiov_bench_run *run, u32 n)
{
	struct ppiov_bench_world *world = run->priv;
	struct ppiov_pool *pool = world->pools[0];
	u32 i;

	for (i = 0; i < n; i++) {
		world->netmems[i] = ppiov_pool_alloc(pool, GFP_ATOMIC);
		if (world->netmems[i] == PPIOV_NETMEM_NONE)
			break;
	}
	run->done += i;
	while (i)
		ppiov_pool_put(pool, world->netmems[--i], false);
}

static const struct ppiov_bench ppiov_pool_benches[] = {
	{ .name = "pool.direct",
	  .setup = ppiov_pool_setup,
	  .loop = ppiov_pool_direct_loop,
	  .check = ppiov_pool_check_direct,
	  .teardown = ppiov_bench_world_end },
	{ .name = "pool.napi",
	  .setup = ppiov_pool_setup_napi,
	  .loop = ppiov_pool_ring_loop,
	  .check = ppiov_pool_check_direct,
	  .teardown = ppiov_bench_world_end },
	{ .name = "pool.ring",
	  .setup = ppiov_pool_setup,
	  .loop = ppiov_pool_ring_loop,
	  .check = ppiov_pool_check_ring,
	  .teardown = ppiov_bench_world_end },
	{ .name = "pool.bulk",
	  .setup = ppiov_pool_setup,
	  .loop = ppiov_pool_bulk_loop,
	  .check = ppiov_pool_check_ring,
	  .teardown = ppiov_bench_world_end },
	{ .name = "pool.elevated",
	  .setup = ppiov_pool_setup,
	  .loop = ppiov_pool_elevated_loop,
	  .check = ppiov_pool_check_direct,
	  .teardown = ppiov_bench_world_end },
	{ .name = "pool.frag",
	  .setup = ppiov_pool_setup,
	  .loop = ppiov_pool_frag_loop,
	  .check = ppiov_pool_check_frag,
	  .teardown = ppiov_bench_world_end },
	{ .name = "pool.slow",
	  .setup = ppiov_pool_setup_slow,
	  .loop = ppiov_pool_slow_loop,
	  .check = ppiov_pool_check_slow,
	  .teardown = ppiov_bench_world_end },
	{ .name = "pool.stolen",
	  .setup = ppiov_pool_setup_stolen,
	  .loop = ppiov_pool_stolen_loop,
	  .check = ppiov_pool_check_stolen,
	  .teardown = ppiov_bench_world_end },
	{ .name = "pool.burst",
	  .setup = ppiov_pool_setup_burst,
	  .loop = ppiov_pool_burst_loop,
	  .check = ppiov_pool_check_burst,
	  .teardown = ppiov_bench_world_end },
	{ .name = "pool.many",
	  .setup = ppiov_pool_setup,
	  .loop = ppiov_pool_many_loop,
	  .check = ppiov_pool_check_direct,
	  .teardown = ppiov_bench_world_end },
	{ .name = "pool.cross.alloc",
	  .setup = ppiov_pool_setup_cross,
	  .loop = ppiov_pool_alloc_loop,
	  .after = ppiov_pool_drain,
	  .check = ppiov_pool_check_cross,
	  .teardown = ppiov_bench_world_end,
	  .remote = true },
	{ .name = "pool.cross.put",
	  .setup = ppiov_pool_setup_cross,
	  .before = ppiov_pool_fill,
	  .loop = ppiov_pool_put_loop,
	  .check = ppiov_pool_check_cross,
	  .teardown = ppiov_bench_world_end,
	  .remote = true },
};

/**
 * ppiov_bench_pool_init() - offer the benchmarks of ppiov's pool
 *
 * Context: module init.
 * Return: 0 or -errno.
 */
int ppiov_bench_pool_init(void)
{
	return ppiov_bench_files_add(ppiov_pool_benches,
				     ARRAY_SIZE(ppiov_pool_benches));
}
