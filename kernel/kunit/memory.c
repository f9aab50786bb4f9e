// SPDX-License-Identifier: GPL-2.0-only
/*
 * A binding with memory.
 *
 * Its dma-buf is that of a ring, which provider "ring" asks for and "dmabuf"
 * does not look at. There is no device to map it for, so where it is for the
 * device is made up: nothing is ever written there.
 */
#include <linux/delay.h>
#include <linux/dma-buf.h>
#include <linux/file.h>
#include <linux/scatterlist.h>
#include <linux/slab.h>

#include "../compat/mm.h"
#include "../include/ppiov/binding.h"
#include "../pool/ring_priv.h"
#include "memory.h"

/* Three parts: the first two are neighbours, so they are one chunk. */
#define PPIOV_MEMORY_PAGES 400
#define PPIOV_MEMORY_DMA   0x123456000ULL
#define PPIOV_MEMORY_FAR   0x987654000ULL
#define PPIOV_MEMORY_WAIT  20000 /* ms until the last pool has put it */

/**
 * struct ppiov_memory - a binding, and what it was made of
 * @test: whose
 * @binding: not in the table of bindings: it has no id and no socket
 * @sgt: of @sg
 * @sg: addresses only
 */
struct ppiov_memory {
	struct kunit *test;
	struct ppiov_binding binding;
	struct sg_table sgt;
	struct scatterlist sg[3];
};

static void ppiov_memory_part(struct scatterlist *sg, u64 dma, u32 pages)
{
	sg_dma_address(sg) = dma;
	sg_dma_len(sg) = pages * PAGE_SIZE;
}

/* A pool puts its binding a moment after it is off the list. */
static bool ppiov_memory_idle(const struct ppiov_memory *memory)
{
	unsigned int ms;

	for (ms = 0; ms < PPIOV_MEMORY_WAIT; ms += 20) {
		if (refcount_read(&memory->binding.ref) == 1)
			return true;
		msleep(20);
	}
	return false;
}

/* The end of the test. What a pool still has is kept for ever. */
static void ppiov_memory_end(void *data)
{
	struct ppiov_memory *memory = data;

	if (!ppiov_memory_idle(memory)) {
		KUNIT_FAIL(memory->test, "a pool keeps its binding");
		return;
	}
	KUNIT_EXPECT_NULL(memory->test, memory->binding.priv);
	/* At once: a thread of the kernel puts files at leisure, and the
	 * module can't go before.
	 */
	__fput_sync(memory->binding.dmabuf->file);
	kfree(memory);
}

static struct dma_buf *ppiov_memory_export(struct kunit *test)
{
	struct ppiov_ring_file *ring = ppiov_ring_new();
	struct dma_buf *dmabuf;
	int err;

	KUNIT_ASSERT_NOT_NULL(test, ring);
	err = ppiov_ring_fill(ring, PPIOV_MEMORY_PAGES * PAGE_SIZE, 16);
	dmabuf = err ? ERR_PTR(err) : ppiov_ring_export(ring);
	/* The dma-buf has a reference of its own. */
	ppiov_ring_put(ring);
	KUNIT_ASSERT_FALSE(test, IS_ERR(dmabuf));
	return dmabuf;
}

/**
 * ppiov_test_binding() - make a binding, for pools of PPIOV_F_DMABUF providers
 * @test: at whose end it is gone, and before that all pools of it
 *
 * Context: process, in a test or its init.
 * Return: the binding; a failure ends the test.
 */
struct ppiov_binding *ppiov_test_binding(struct kunit *test)
{
	struct ppiov_memory *memory;
	struct dma_buf *dmabuf = ppiov_memory_export(test);

	memory = kzalloc_obj(*memory);
	if (!memory)
		__fput_sync(dmabuf->file);
	KUNIT_ASSERT_NOT_NULL(test, memory);
	memory->test = test;
	refcount_set(&memory->binding.ref, 1);
	memory->binding.dmabuf = dmabuf;
	memory->binding.sgt = &memory->sgt;
	memory->binding.size = PPIOV_MEMORY_PAGES * PAGE_SIZE;

	sg_init_table(memory->sg, ARRAY_SIZE(memory->sg));
	ppiov_memory_part(&memory->sg[0], PPIOV_MEMORY_DMA, 100);
	ppiov_memory_part(&memory->sg[1], PPIOV_MEMORY_DMA + 100 * PAGE_SIZE,
			  100);
	ppiov_memory_part(&memory->sg[2], PPIOV_MEMORY_FAR,
			  PPIOV_MEMORY_PAGES - 200);
	memory->sgt.sgl = memory->sg;
	memory->sgt.nents = ARRAY_SIZE(memory->sg);
	memory->sgt.orig_nents = ARRAY_SIZE(memory->sg);

	KUNIT_ASSERT_EQ(test, 0,
			kunit_add_action_or_reset(test, ppiov_memory_end,
						  memory));
	return &memory->binding;
}
