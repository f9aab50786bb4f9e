// SPDX-License-Identifier: GPL-2.0-only
/*
 * Pools, as a driver makes them, and without a device: nothing is mapped, and
 * nothing is synced, as with the page_pool that they are compared with.
 *
 * Iovs are of a binding that no administrator made. Where its memory is for
 * the device is made up: nobody looks, and no byte of it is touched.
 */
#include <linux/delay.h>
#include <linux/dma-buf.h>
#include <linux/err.h>
#include <linux/jump_label_ratelimit.h>
#include <linux/scatterlist.h>
#include <linux/slab.h>

#include "../compat/mm.h"
#include "../compat/module.h"
#include "../include/ppiov/binding.h"
#include "world.h"

#define PPIOV_BENCH_DMA  0x123456000ULL
#define PPIOV_BENCH_SIZE (128ULL << 20) /* twice the largest ring, in pages */
#define PPIOV_BENCH_WAIT 20000 /* ms until the last pool has put its binding */

/**
 * struct ppiov_bench_memory - a binding, and what it is made of
 * @binding: not in the table of bindings: it has no id and no socket
 * @sgt: of @sg
 * @sg: an address only
 */
struct ppiov_bench_memory {
	struct ppiov_binding binding;
	struct sg_table sgt;
	struct scatterlist sg;
};

static struct ppiov_bench_memory *
ppiov_bench_memory_make(struct ppiov_bench_run *run)
{
	struct ppiov_bench_memory *memory;
	struct dma_buf *dmabuf = NULL;
	u64 size = PPIOV_BENCH_SIZE;

	if (run->p.dmabuf >= 0) {
		dmabuf = dma_buf_get(run->p.dmabuf);
		if (IS_ERR(dmabuf))
			return ERR_CAST(dmabuf);
		size = dmabuf->size;
	}
	memory = kzalloc_obj(*memory);
	if (!memory) {
		if (dmabuf)
			dma_buf_put(dmabuf);
		return ERR_PTR(-ENOMEM);
	}
	refcount_set(&memory->binding.ref, 1);
	memory->binding.dmabuf = dmabuf;
	memory->binding.sgt = &memory->sgt;
	memory->binding.size = size;
	memory->binding.order = run->p.order;
	sg_init_table(&memory->sg, 1);
	sg_dma_address(&memory->sg) = PPIOV_BENCH_DMA;
	sg_dma_len(&memory->sg) = size;
	memory->sgt.sgl = &memory->sg;
	memory->sgt.nents = 1;
	memory->sgt.orig_nents = 1;
	return memory;
}

/* A pool puts its binding a moment after it was destroyed. */
static void ppiov_bench_memory_end(struct ppiov_bench_memory *memory)
{
	unsigned int ms;

	for (ms = 0; ms < PPIOV_BENCH_WAIT; ms += 20) {
		if (refcount_read(&memory->binding.ref) == 1) {
			if (memory->binding.dmabuf)
				dma_buf_put(memory->binding.dmabuf);
			kfree(memory);
			return;
		}
		msleep(20);
	}
	/* Something of the pool is out still: rather lose it all. */
	WARN(1, "ppiov_bench: a pool keeps its binding\n");
}

static struct ppiov_pool *ppiov_bench_pool(struct ppiov_bench_run *run,
					   const char *provider, u32 ring_size)
{
	struct ppiov_bench_world *world = run->priv;
	struct ppiov_pool_params params = {
		.ring_size = ring_size,
		/* What a provider that takes it all at once has to take. */
		.size = (u64)(world->room + ring_size) * PAGE_SIZE,
		.nid = NUMA_NO_NODE,
		.dma_dir = DMA_FROM_DEVICE,
	};
	const struct ppiov_provider_ops *ops = ppiov_provider_get(provider);
	struct ppiov_pool *pool;

	if (!ops) {
		ppiov_bench_refuse(run, -ENOENT, "no provider %s", provider);
		return ERR_PTR(-ENOENT);
	}
	params.provider = ops;
	if (!strcmp(provider, "page"))
		params.size = 0;
	if (ops->flags & PPIOV_F_DMABUF) {
		if (!world->memory) {
			world->memory = ppiov_bench_memory_make(run);
			if (IS_ERR(world->memory)) {
				pool = ERR_CAST(world->memory);
				world->memory = NULL;
				goto out;
			}
		}
		params.binding = &world->memory->binding;
		params.order = run->p.order;
	}
	pool = ppiov_pool_create(&params);
out:
	ppiov_provider_put(ops);
	if (IS_ERR(pool))
		ppiov_bench_refuse(run, PTR_ERR(pool), "no pool of %s",
				   provider);
	return pool;
}

/**
 * ppiov_bench_key() - is the static branch as it was asked for?
 * @run: the run, with all its pools
 *
 * A branch that lingers is turned off now.
 *
 * Context: process, may sleep.
 * Return: 0, or -EBUSY: pools that are not ours keep it on.
 */
int ppiov_bench_key(struct ppiov_bench_run *run)
{
	if (!run->p.key)
		static_key_deferred_flush(&ppiov_iov_key);
	if (static_key_enabled(&ppiov_iov_key.key) != run->p.key)
		return ppiov_bench_refuse(run, -EBUSY, "the key is %s",
					  run->p.key ? "off" : "on");
	return 0;
}

/**
 * ppiov_bench_world_make() - make the pools that were asked for
 * @run: gets them, as its priv, also if it fails
 * @ring_size: of each pool
 * @room: buffers that the benchmark will have out at a time
 *
 * Context: process, may sleep.
 * Return: 0 or -errno.
 */
int ppiov_bench_world_make(struct ppiov_bench_run *run, u32 ring_size, u32 room)
{
	struct ppiov_bench_world *world = kvzalloc_obj(*world);

	run->priv = world;
	if (!world)
		return -ENOMEM;
	world->room = max_t(u32, room, PPIOV_BENCH_CACHE_HOT);
	world->netmems = kvcalloc(world->room, sizeof(*world->netmems),
				  GFP_KERNEL);
	if (!world->netmems)
		return -ENOMEM;

	while (world->nr < run->p.pools) {
		struct ppiov_pool *pool = ppiov_bench_pool(run, run->p.provider,
							   ring_size);

		if (IS_ERR(pool))
			return PTR_ERR(pool);
		world->pools[world->nr++] = pool;
	}
	ppiov_bench_note(run, "buffer_bytes",
			 ppiov_pool_buf_size(world->pools[0]));
	ppiov_bench_note(run, "metadata_bytes",
			 ppiov_pool_is_iov(world->pools[0]) ?
				 sizeof(struct page_pool_iov) :
				 0);
	if (run->p.key && !ppiov_pool_is_iov(world->pools[0])) {
		struct ppiov_pool *key = ppiov_bench_pool(run, "dmabuf", 64);

		if (IS_ERR(key))
			return PTR_ERR(key);
		world->key = key;
	}
	return ppiov_bench_key(run);
}

/**
 * ppiov_bench_world_warm() - give each pool buffers, and begin to count
 * @run: the run
 *
 * Context: process, with the NAPI idle.
 */
void ppiov_bench_world_warm(struct ppiov_bench_run *run)
{
	struct ppiov_bench_world *world = run->priv;
	unsigned int got;
	u32 i;

	local_bh_disable();
	for (i = 0; i < world->nr; i++) {
		got = ppiov_pool_alloc_bulk(world->pools[i], GFP_ATOMIC,
					    world->netmems,
					    PPIOV_BENCH_CACHE_HOT);
		ppiov_pool_put_bulk(world->pools[i], world->netmems, got, true);
	}
	local_bh_enable();
	ppiov_bench_world_stats(world, &world->before);
}

/**
 * ppiov_bench_world_stats() - what the pools have counted together
 * @world: the pools
 * @sum: the result
 *
 * Context: any.
 */
void ppiov_bench_world_stats(const struct ppiov_bench_world *world,
			     struct ppiov_pool_stats *sum)
{
	struct ppiov_pool_stats one;
	u64 *to = (u64 *)sum, *from = (u64 *)&one;
	unsigned int at;
	u32 i;

	memset(sum, 0, sizeof(*sum));
	for (i = 0; i < world->nr; i++) {
		ppiov_pool_get_stats(world->pools[i], &one);
		for (at = 0; at < sizeof(one) / sizeof(u64); at++)
			to[at] += from[at];
	}
}

/**
 * ppiov_bench_world_end() - undo ppiov_bench_world_make()
 * @run: no buffer of it is out
 *
 * Context: process, may sleep.
 */
void ppiov_bench_world_end(struct ppiov_bench_run *run)
{
	struct ppiov_bench_world *world = run->priv;

	if (!world)
		return;
	while (world->nr)
		ppiov_pool_destroy(world->pools[--world->nr]);
	if (world->key)
		ppiov_pool_destroy(world->key);
	if (world->memory)
		ppiov_bench_memory_end(world->memory);
	kvfree(world->netmems);
	kvfree(world);
}

COMPAT_MODULE_IMPORT_NS("DMA_BUF");
