// SPDX-License-Identifier: GPL-2.0-only
/*
 * The line to beat: the core's page_pool, through its public functions, in the
 * same loops as pool.c and at the same time.
 *
 * The core counts nothing in most kernels (CONFIG_PAGE_POOL_STATS), so which
 * path was taken is read off the pool: how many pages it has got and given
 * back, and what is in its ring.
 */
#include <linux/err.h>
#include <linux/mm.h>
#include <linux/netdevice.h>
#include <linux/slab.h>

#include "../compat/mm.h"
#include "../compat/page_pool.h"
#include "bench.h"

#define PPIOV_CORE_FRAG 1024

/**
 * struct ppiov_core_world - what a benchmark of page_pools needs
 * @nr: of @pools
 * @pools: the core's
 * @napi: they belong to the NAPI
 * @pages: room for as many as are out at a time
 * @held: pages that @pools had got before it began
 * @released: pages that they had given back then
 */
struct ppiov_core_world {
	u32 nr;
	struct page_pool *pools[PPIOV_BENCH_MAX_POOLS];
	bool napi;
	struct page **pages;
	u32 held;
	u32 released;
};

static struct page_pool *ppiov_core_pool(struct ppiov_bench_run *run)
{
	struct ppiov_core_world *world = run->priv;

	return world->pools[0];
}

static void ppiov_core_direct_loop(struct ppiov_bench_run *run, u32 n)
{
	struct page_pool *pool = ppiov_core_pool(run);
	struct page *page;
	u32 i;

	for (i = 0; i < n; i++) {
		page = page_pool_alloc_pages(pool, GFP_ATOMIC);
		if (!page)
			break;
		barrier();
		page_pool_put_full_page(pool, page, true);
	}
	run->done += i;
}

static void ppiov_core_ring_loop(struct ppiov_bench_run *run, u32 n)
{
	struct page_pool *pool = ppiov_core_pool(run);
	struct page *page;
	u32 i;

	for (i = 0; i < n; i++) {
		page = page_pool_alloc_pages(pool, GFP_ATOMIC);
		if (!page)
			break;
		barrier();
		page_pool_put_full_page(pool, page, false);
	}
	run->done += i;
}

static void ppiov_core_burst_loop(struct ppiov_bench_run *run, u32 n)
{
	struct ppiov_core_world *world = run->priv;
	struct page_pool *pool = world->pools[0];
	u32 buffers = run->p.buffers, i, at;

	for (i = 0; i < n; i += buffers) {
		for (at = 0; at < buffers; at++) {
			world->pages[at] = page_pool_alloc_pages(pool,
								 GFP_ATOMIC);
			if (!world->pages[at])
				break;
		}
		run->done += at;
		while (at)
			page_pool_put_full_page(pool, world->pages[--at],
						false);
	}
}

static void ppiov_core_bulk_loop(struct ppiov_bench_run *run, u32 n)
{
	struct page_pool *pool = ppiov_core_pool(run);
	compat_page_pool_bulk_t bulk[PPIOV_BENCH_BULK];
	struct page *page;
	u32 i, at;

	for (i = 0; i < n; i += PPIOV_BENCH_BULK) {
		for (at = 0; at < PPIOV_BENCH_BULK; at++) {
			page = page_pool_alloc_pages(pool, GFP_ATOMIC);
			if (!page)
				break;
			bulk[at] = compat_page_pool_bulk(page);
		}
		barrier();
		compat_page_pool_put_bulk(pool, bulk, at);
		run->done += at;
	}
}

static void ppiov_core_elevated_loop(struct ppiov_bench_run *run, u32 n)
{
	struct page_pool *pool = ppiov_core_pool(run);
	struct page *page;
	u32 i;

	for (i = 0; i < n; i++) {
		page = page_pool_alloc_pages(pool, GFP_ATOMIC);
		if (!page)
			break;
		page_pool_ref_page(page);
		barrier();
		page_pool_put_full_page(pool, page, true);
		page_pool_put_full_page(pool, page, true);
	}
	run->done += i;
}

static void ppiov_core_frag_loop(struct ppiov_bench_run *run, u32 n)
{
	struct page_pool *pool = ppiov_core_pool(run);
	unsigned int offset;
	struct page *page;
	u32 i;

	for (i = 0; i < n; i++) {
		page = page_pool_alloc_frag(pool, &offset, PPIOV_CORE_FRAG,
					    GFP_ATOMIC);
		if (!page)
			break;
		barrier();
		page_pool_put_full_page(pool, page, true);
	}
	run->done += i;
}

static void ppiov_core_stolen_loop(struct ppiov_bench_run *run, u32 n)
{
	struct page_pool *pool = ppiov_core_pool(run);
	struct page *page;
	u32 i;

	for (i = 0; i < n; i++) {
		page = page_pool_alloc_pages(pool, GFP_ATOMIC);
		if (!page)
			break;
		barrier();
		get_page(page);
		page_pool_put_full_page(pool, page, false);
		put_page(page);
	}
	run->done += i;
}

static void ppiov_core_many_loop(struct ppiov_bench_run *run, u32 n)
{
	struct ppiov_core_world *world = run->priv;
	u32 nr = world->nr, at = 0, i;
	struct page *page;

	for (i = 0; i < n; i++) {
		page = page_pool_alloc_pages(world->pools[at], GFP_ATOMIC);
		if (!page)
			break;
		barrier();
		page_pool_put_full_page(world->pools[at], page, true);
		if (++at == nr)
			at = 0;
	}
	run->done += i;
}

/* One burst, as ppiov_pool_slow_loop(). */
static void ppiov_core_slow_loop(struct ppiov_bench_run *run, u32 n)
{
	struct ppiov_core_world *world = run->priv;
	struct page_pool *pool = world->pools[0];
	u32 i;

	for (i = 0; i < n; i++) {
		world->pages[i] = page_pool_alloc_pages(pool, GFP_ATOMIC);
		if (!world->pages[i])
			break;
	}
	run->done += i;
	while (i)
		page_pool_put_full_page(pool, world->pages[--i], false);
}

/* ---------------------------- as the kernel's own bench_page_pool_simple */

enum ppiov_core_way {
	PPIOV_CORE_DIRECT,
	PPIOV_CORE_RING,
	PPIOV_CORE_STOLEN,
};

/*
 * One loop for all, which asks each time how to put, and counts what it has
 * done in a variable of its own. What that costs is in their figures: here it
 * is in ours, so that they can be compared. Not to be specialised.
 */
static noinline void ppiov_core_simple(struct ppiov_bench_run *run, u32 n,
				       enum ppiov_core_way way)
{
	struct page_pool *pool = ppiov_core_pool(run);
	struct page *page;
	u64 done = 0;
	u32 i;

	OPTIMIZER_HIDE_VAR(way);
	for (i = 0; i < n; i++) {
		page = page_pool_alloc_pages(pool, GFP_ATOMIC);
		if (!page)
			break;
		done++;
		barrier();
		if (way == PPIOV_CORE_DIRECT) {
			page_pool_recycle_direct(pool, page);
		} else if (way == PPIOV_CORE_RING) {
			page_pool_put_page(pool, page, -1, false);
		} else {
			get_page(page);
			page_pool_put_page(pool, page, -1, false);
			put_page(page);
		}
	}
	run->done += done;
}

static void ppiov_core_simple_direct_loop(struct ppiov_bench_run *run, u32 n)
{
	ppiov_core_simple(run, n, PPIOV_CORE_DIRECT);
}

static void ppiov_core_simple_ring_loop(struct ppiov_bench_run *run, u32 n)
{
	ppiov_core_simple(run, n, PPIOV_CORE_RING);
}

static void ppiov_core_simple_stolen_loop(struct ppiov_bench_run *run, u32 n)
{
	ppiov_core_simple(run, n, PPIOV_CORE_STOLEN);
}

/* ------------------------------------------------------------- on two CPUs */

static void ppiov_core_alloc_loop(struct ppiov_bench_run *run, u32 n)
{
	struct ppiov_core_world *world = run->priv;
	struct page_pool *pool = world->pools[0];
	u32 i;

	for (i = 0; i < n; i++) {
		world->pages[i] = page_pool_alloc_pages(pool, GFP_ATOMIC);
		if (!world->pages[i])
			break;
	}
	run->done += i;
}

static void ppiov_core_put_loop(struct ppiov_bench_run *run, u32 n)
{
	struct ppiov_core_world *world = run->priv;
	struct page_pool *pool = world->pools[0];
	u32 i;

	for (i = 0; i < n; i++)
		page_pool_put_full_page(pool, world->pages[i], false);
	run->done += n;
}

static int ppiov_core_fill(struct ppiov_bench_run *run, u32 n)
{
	u64 done = run->done;

	ppiov_core_alloc_loop(run, n);
	n -= run->done - done;
	run->done = done;
	return n ? -ENOMEM : 0;
}

static int ppiov_core_drain(struct ppiov_bench_run *run, u32 n)
{
	u64 done = run->done;

	ppiov_core_put_loop(run, n);
	run->done = done;
	return 0;
}

/* ------------------------------------------------------------------- setup */

static void ppiov_core_count(const struct ppiov_core_world *world, u32 *held,
			     u32 *released)
{
	u32 i;

	*held = 0;
	*released = 0;
	for (i = 0; i < world->nr; i++) {
		*held += world->pools[i]->pages_state_hold_cnt;
		*released +=
			atomic_read(&world->pools[i]->pages_state_release_cnt);
	}
}

/* As ppiov_bench_world_warm(). */
static void ppiov_core_warm(struct ppiov_core_world *world)
{
	struct page *pages[PPIOV_BENCH_CACHE_HOT];
	u32 i, at;

	local_bh_disable();
	for (i = 0; i < world->nr; i++) {
		for (at = 0; at < ARRAY_SIZE(pages); at++) {
			pages[at] = page_pool_alloc_pages(world->pools[i],
							  GFP_ATOMIC);
			if (!pages[at])
				break;
		}
		while (at)
			page_pool_put_full_page(world->pools[i], pages[--at],
						true);
	}
	local_bh_enable();
	ppiov_core_count(world, &world->held, &world->released);
}

static int ppiov_core_make(struct ppiov_bench_run *run, u32 ring_size, u32 room,
			   bool napi)
{
	struct ppiov_core_world *world = kvzalloc_obj(*world);
	struct page_pool_params params = {
		.pool_size = ring_size,
		.nid = NUMA_NO_NODE,
		.dma_dir = DMA_FROM_DEVICE,
		.napi = napi ? ppiov_bench_napi() : NULL,
	};

	run->priv = world;
	if (!world)
		return -ENOMEM;
	if (strcmp(run->p.provider, "page") || run->p.key)
		return ppiov_bench_refuse(run, -EINVAL,
					  "the core's pool has no key, and takes pages");
	world->napi = napi;
	if (room) {
		world->pages = kvcalloc(room, sizeof(*world->pages),
					GFP_KERNEL);
		if (!world->pages)
			return -ENOMEM;
	}
	while (world->nr < run->p.pools) {
		struct page_pool *pool = page_pool_create(&params);

		if (IS_ERR(pool))
			return ppiov_bench_refuse(run, PTR_ERR(pool),
						  "no page_pool");
		world->pools[world->nr++] = pool;
	}
	ppiov_core_warm(world);
	return 0;
}

static int ppiov_core_setup(struct ppiov_bench_run *run)
{
	return ppiov_core_make(run, 1024, 0, false);
}

static int ppiov_core_setup_napi(struct ppiov_bench_run *run)
{
	return ppiov_core_make(run, 1024, 0, true);
}

static int ppiov_core_setup_burst(struct ppiov_bench_run *run)
{
	u32 buffers = run->p.buffers;

	if (run->p.n % buffers)
		return ppiov_bench_refuse(run, -EINVAL,
					  "n is no multiple of buffers");
	return ppiov_core_make(run, buffers, buffers, false);
}

static int ppiov_core_setup_slow(struct ppiov_bench_run *run)
{
	run->p.buffers = run->p.n;
	return ppiov_core_make(run, PPIOV_BENCH_SLOW_RING, 2 * run->p.n, false);
}

static int ppiov_core_setup_cross(struct ppiov_bench_run *run)
{
	u32 most = 2 * run->p.n;

	if (most > PPIOV_MAX_RING)
		return ppiov_bench_refuse(run, -EINVAL, "n is too large");
	return ppiov_core_make(run, most, most, false);
}

static void ppiov_core_teardown(struct ppiov_bench_run *run)
{
	struct ppiov_core_world *world = run->priv;

	if (!world)
		return;
	/* A pool leaves its NAPI only while that is off. */
	if (world->napi)
		napi_disable(ppiov_bench_napi());
	while (world->nr)
		page_pool_destroy(world->pools[--world->nr]);
	if (world->napi)
		napi_enable(ppiov_bench_napi());
	kvfree(world->pages);
	kvfree(world);
}

/* ----------------------------------------------- was it the path it claims */

static int ppiov_core_path(struct ppiov_bench_run *run, u32 most_held,
			   u32 most_released, bool in_ring)
{
	struct ppiov_core_world *world = run->priv;
	bool ring = !ptr_ring_empty_bh(&world->pools[0]->ring);
	u32 held, released;

	ppiov_core_count(world, &held, &released);
	held -= world->held;
	released -= world->released;
	if (held <= most_held && released <= most_released && ring == in_ring)
		return 0;
	return ppiov_bench_refuse(run, -EXDEV,
				  "not the path: of %llu, %u new and %u released, ring %s",
				  run->done, held, released,
				  ring ? "in use" : "empty");
}

static int ppiov_core_check_direct(struct ppiov_bench_run *run)
{
	return ppiov_core_path(run, 0, 0, false);
}

/* As n is a multiple of what is warm, the cache is empty at the end. */
static int ppiov_core_check_ring(struct ppiov_bench_run *run)
{
	return ppiov_core_path(run, 0, 0, true);
}

static int ppiov_core_check_burst(struct ppiov_bench_run *run)
{
	u32 most = 2 * run->p.buffers + PPIOV_BENCH_CACHE_HOT;

	return ppiov_core_path(run, most, most, true);
}

static int ppiov_core_check_cross(struct ppiov_bench_run *run)
{
	u32 most = 2 * run->p.n + PPIOV_BENCH_CACHE_HOT;

	return ppiov_core_path(run, most, 0, true);
}

static int ppiov_core_check_slow(struct ppiov_bench_run *run)
{
	struct ppiov_core_world *world = run->priv;
	u32 least = run->done - run->done / 8;
	u32 held, released;

	ppiov_core_count(world, &held, &released);
	held -= world->held;
	released -= world->released;
	if (held >= least && released >= least)
		return 0;
	return ppiov_bench_refuse(run, -EXDEV,
				  "not the path: of %llu, %u new and %u released",
				  run->done, held, released);
}

static const struct ppiov_bench ppiov_core_benches[] = {
	{ .name = "core.direct",
	  .setup = ppiov_core_setup,
	  .loop = ppiov_core_direct_loop,
	  .check = ppiov_core_check_direct,
	  .teardown = ppiov_core_teardown },
	{ .name = "core.napi",
	  .setup = ppiov_core_setup_napi,
	  .loop = ppiov_core_ring_loop,
	  .check = ppiov_core_check_direct,
	  .teardown = ppiov_core_teardown },
	{ .name = "core.ring",
	  .setup = ppiov_core_setup,
	  .loop = ppiov_core_ring_loop,
	  .check = ppiov_core_check_ring,
	  .teardown = ppiov_core_teardown },
	{ .name = "core.bulk",
	  .setup = ppiov_core_setup,
	  .loop = ppiov_core_bulk_loop,
	  .check = ppiov_core_check_ring,
	  .teardown = ppiov_core_teardown },
	{ .name = "core.elevated",
	  .setup = ppiov_core_setup,
	  .loop = ppiov_core_elevated_loop,
	  .check = ppiov_core_check_direct,
	  .teardown = ppiov_core_teardown },
	{ .name = "core.frag",
	  .setup = ppiov_core_setup,
	  .loop = ppiov_core_frag_loop,
	  .check = ppiov_core_check_direct,
	  .teardown = ppiov_core_teardown },
	{ .name = "core.slow",
	  .setup = ppiov_core_setup_slow,
	  .loop = ppiov_core_slow_loop,
	  .check = ppiov_core_check_slow,
	  .teardown = ppiov_core_teardown },
	{ .name = "core.stolen",
	  .setup = ppiov_core_setup,
	  .loop = ppiov_core_stolen_loop,
	  .check = ppiov_core_check_slow,
	  .teardown = ppiov_core_teardown },
	{ .name = "core.burst",
	  .setup = ppiov_core_setup_burst,
	  .loop = ppiov_core_burst_loop,
	  .check = ppiov_core_check_burst,
	  .teardown = ppiov_core_teardown },
	{ .name = "core.many",
	  .setup = ppiov_core_setup,
	  .loop = ppiov_core_many_loop,
	  .check = ppiov_core_check_direct,
	  .teardown = ppiov_core_teardown },
	{ .name = "core.simple.direct",
	  .setup = ppiov_core_setup,
	  .loop = ppiov_core_simple_direct_loop,
	  .check = ppiov_core_check_direct,
	  .teardown = ppiov_core_teardown },
	{ .name = "core.simple.ring",
	  .setup = ppiov_core_setup,
	  .loop = ppiov_core_simple_ring_loop,
	  .check = ppiov_core_check_ring,
	  .teardown = ppiov_core_teardown },
	{ .name = "core.simple.stolen",
	  .setup = ppiov_core_setup,
	  .loop = ppiov_core_simple_stolen_loop,
	  .check = ppiov_core_check_slow,
	  .teardown = ppiov_core_teardown },
	{ .name = "core.cross.alloc",
	  .setup = ppiov_core_setup_cross,
	  .loop = ppiov_core_alloc_loop,
	  .after = ppiov_core_drain,
	  .check = ppiov_core_check_cross,
	  .teardown = ppiov_core_teardown,
	  .remote = true },
	{ .name = "core.cross.put",
	  .setup = ppiov_core_setup_cross,
	  .before = ppiov_core_fill,
	  .loop = ppiov_core_put_loop,
	  .check = ppiov_core_check_cross,
	  .teardown = ppiov_core_teardown,
	  .remote = true },
};

/**
 * ppiov_bench_core_init() - offer the benchmarks of the core's page_pool
 *
 * Context: module init.
 * Return: 0 or -errno.
 */
int ppiov_bench_core_init(void)
{
	return ppiov_bench_files_add(ppiov_core_benches,
				     ARRAY_SIZE(ppiov_core_benches));
}
