// SPDX-License-Identifier: GPL-2.0-only
/* The designs: pages or iovs, and the branch that one of them has. */
#include <linux/gfp.h>
#include <linux/slab.h>
#include <linux/topology.h>

#include "../compat/mm.h"
#include "variant.h"

DEFINE_STATIC_KEY_FALSE(ppiov_v_key);

static struct page_pool_iov ppiov_v_iovs[PPIOV_V_BUFFERS];

static const struct ppiov_v_design *const ppiov_v_designs[] = {
	&ppiov_v_none,    &ppiov_v_static,     &ppiov_v_tag,
	&ppiov_v_wrapper, &ppiov_v_ops_design, &ppiov_v_separate,
	&ppiov_v_aligned,
};

static const struct ppiov_v_design *
ppiov_v_of(const struct ppiov_bench_run *run)
{
	const char *name = run->bench->name + strlen("dispatch.");
	unsigned int i;

	/* "static", and "static.dma" */
	for (i = 0; i < ARRAY_SIZE(ppiov_v_designs) - 1; i++)
		if (str_has_prefix(name, ppiov_v_designs[i]->name))
			break;
	return ppiov_v_designs[i];
}

/* The pool, and the pages that it was made of, to be freed. */
struct ppiov_v_world {
	struct ppiov_v_pool pool;
	struct page *pages[PPIOV_V_BUFFERS];
	unsigned long bufs[PPIOV_V_BUFFERS];
};

/**
 * ppiov_v_make() - a buffer as most designs have it: a pointer and a tag
 * @pool: gets it
 * @page: with its owner's words free, or NULL for an iov
 * @i: which iov, and where it is for the device, in pages
 *
 * Context: process.
 * Return: the buffer.
 */
unsigned long ppiov_v_make(struct ppiov_v_pool *pool, struct page *page, u32 i)
{
	struct ppiov_netmem_desc *desc = (struct ppiov_netmem_desc *)page;
	unsigned long buf = (unsigned long)page;

	if (!page) {
		desc = &ppiov_v_iovs[i].desc;
		buf = (unsigned long)desc | PPIOV_NETMEM_IOV;
	}
	atomic_long_set(&desc->pp_ref_count, 1);
	desc->dma_addr = (unsigned long)i << PAGE_SHIFT;
	return buf;
}

static int ppiov_v_setup(struct ppiov_bench_run *run)
{
	const struct ppiov_v_design *design = ppiov_v_of(run);
	bool iov = !strcmp(run->p.kind, "iov");
	struct ppiov_v_world *world = kvzalloc_obj(*world);
	struct ppiov_v_pool *pool;
	u32 i;

	run->priv = world;
	if (!world)
		return -ENOMEM;

	if (!iov && strcmp(run->p.kind, "page"))
		return ppiov_bench_refuse(run, -EINVAL, "kind is page or iov");
	if (iov && !run->p.key)
		return ppiov_bench_refuse(run, -EINVAL,
					  "with iovs the key is on");
	pool = &world->pool;
	pool->is_iov = iov;
	pool->nid = numa_mem_id();
	for (i = 0; i < PPIOV_V_BUFFERS; i++) {
		if (!iov) {
			world->pages[i] = alloc_pages_node(pool->nid,
							   GFP_KERNEL, 0);
			if (!world->pages[i])
				return -ENOMEM;
		}
		world->bufs[i] = design->make(pool, world->pages[i], i);
		if (!world->bufs[i])
			return ppiov_bench_refuse(run, -EOPNOTSUPP,
						  "%s has no %s", design->name,
						  run->p.kind);
		pool->cache[pool->count++] = world->bufs[i];
	}
	if (run->p.key)
		static_branch_enable(&ppiov_v_key);
	ppiov_bench_note(run, "iov_bytes", design->iov_bytes);
	ppiov_bench_note(run, "page_bytes", design->page_bytes);
	return 0;
}

static int ppiov_v_check(struct ppiov_bench_run *run)
{
	struct ppiov_v_world *world = run->priv;

	if (!world->pool.lost && world->pool.count == PPIOV_V_BUFFERS)
		return 0;
	return ppiov_bench_refuse(run, -EXDEV, "%llu buffers were not reused",
				  world->pool.lost);
}

static void ppiov_v_teardown(struct ppiov_bench_run *run)
{
	const struct ppiov_v_design *design = ppiov_v_of(run);
	struct ppiov_v_world *world = run->priv;
	u32 i;

	static_branch_disable(&ppiov_v_key);
	if (!world)
		return;
	for (i = 0; i < PPIOV_V_BUFFERS; i++) {
		if (design->drop && world->bufs[i])
			design->drop(world->bufs[i]);
		if (world->pages[i]) {
			/* mm wants its words clean. */
			set_page_private(world->pages[i], 0);
			__free_page(world->pages[i]);
		}
	}
	kvfree(world);
}

/* pool is the first, so a loop takes run->priv for it. */
static_assert(!offsetof(struct ppiov_v_world, pool));

#define PPIOV_V_BENCH(title, function)                              \
	{                                                           \
		.name = "dispatch." title, .setup = ppiov_v_setup,  \
		.loop = ppiov_v_##function, .check = ppiov_v_check, \
		.teardown = ppiov_v_teardown,                       \
	}

static const struct ppiov_bench ppiov_v_benches[] = {
	PPIOV_V_BENCH("none", none_loop),
	PPIOV_V_BENCH("none.dma", none_dma_loop),
	PPIOV_V_BENCH("static", static_loop),
	PPIOV_V_BENCH("static.dma", static_dma_loop),
	PPIOV_V_BENCH("tag", tag_loop),
	PPIOV_V_BENCH("tag.dma", tag_dma_loop),
	PPIOV_V_BENCH("ops", ops_loop),
	PPIOV_V_BENCH("ops.dma", ops_dma_loop),
	PPIOV_V_BENCH("wrapper", wrapper_loop),
	PPIOV_V_BENCH("wrapper.dma", wrapper_dma_loop),
	PPIOV_V_BENCH("separate", separate_loop),
	PPIOV_V_BENCH("separate.dma", separate_dma_loop),
	PPIOV_V_BENCH("aligned", aligned_loop),
	PPIOV_V_BENCH("aligned.dma", aligned_dma_loop),
};

/**
 * ppiov_bench_variants_init() - offer the benchmarks of designs
 *
 * Context: module init.
 * Return: 0 or -errno.
 */
int ppiov_bench_variants_init(void)
{
	return ppiov_bench_files_add(ppiov_v_benches,
				     ARRAY_SIZE(ppiov_v_benches));
}
