/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Providers that do as a test says, of pages, of iovs, and of pages that come
 * several at a time; and a pool of theirs that is gone when the test is over.
 */
#ifndef PPIOV_KUNIT_FAKE_H
#define PPIOV_KUNIT_FAKE_H

#include <linux/bitmap.h>
#include <linux/completion.h>
#include <linux/spinlock.h>

#include "../compat/kunit.h"
#include "../include/ppiov/pool.h"

#define PPIOV_FAKE_BUFS 256
/* Where the fake's memory begins for the device, and in its binding. */
#define PPIOV_FAKE_DMA  0x123456000ULL
#define PPIOV_FAKE_BASE 0x40000ULL

/**
 * struct ppiov_fake - the state of a fake provider, and its only pool
 * @test: for which it was made
 * @pool: NULL once it was destroyed
 * @init_err: what init returns; set before the pool is made
 * @limit: buffers that alloc gives at a time; may be changed at any time
 * @from_reserves: alloc's pages are from the emergency reserves
 * @release_twice: release hands each buffer back twice
 * @refused: second releases that were refused
 * @inits: calls of init
 * @allocs: buffers given
 * @releases: buffers got back
 * @asked: buffers that alloc_bulk was asked for last
 * @ended: destroy was called
 * @lock: @used and @pages, BH off
 * @used: which buffers the pool has
 * @pages: the page of each, for the provider of pages
 * @iovs: for the provider of iovs
 * @chunk: of @iovs
 *
 * Lifetime: until @ended and the end of @test, whichever is later.
 */
struct ppiov_fake {
	struct kunit *test;
	struct ppiov_pool *pool;
	int init_err;
	u32 limit;
	bool from_reserves;
	bool release_twice;
	atomic_t refused;
	atomic_t inits;
	atomic_t allocs;
	atomic_t releases;
	unsigned int asked;
	struct completion ended;
	spinlock_t lock; /* see above */
	DECLARE_BITMAP(used, PPIOV_FAKE_BUFS);
	struct page *pages[PPIOV_FAKE_BUFS];
	struct page_pool_iov iovs[PPIOV_FAKE_BUFS];
	struct ppiov_chunk chunk;
};

extern const struct ppiov_provider_ops ppiov_fake_page_ops;
extern const struct ppiov_provider_ops ppiov_fake_iov_ops;
extern const struct ppiov_provider_ops ppiov_fake_bulk_ops;

/* A parameter: which kind of buffer. */
struct ppiov_kind {
	const char *name;
	const struct ppiov_provider_ops *ops;
};

extern const struct ppiov_kind ppiov_kinds[2];

/* For comparisons. */
static inline unsigned long ppiov_raw(ppiov_netmem_t netmem)
{
	return (__force unsigned long)netmem;
}

struct ppiov_fake *ppiov_fake_new(struct kunit *test);
void ppiov_fake_arm(struct ppiov_fake *fake);
struct ppiov_pool *ppiov_fake_create(struct ppiov_fake *fake,
				     const struct ppiov_provider_ops *ops,
				     unsigned int ring_size);
struct ppiov_fake *ppiov_fake_pool(struct kunit *test,
				   const struct ppiov_provider_ops *ops,
				   unsigned int ring_size);
void ppiov_fake_destroy(struct ppiov_fake *fake);
bool ppiov_fake_ended(struct ppiov_fake *fake);
bool ppiov_fake_still_there(struct ppiov_fake *fake);

ppiov_netmem_t ppiov_fake_alloc(struct ppiov_fake *fake);
unsigned int ppiov_fake_bulk(struct ppiov_fake *fake, ppiov_netmem_t *netmems,
			     unsigned int n);
void ppiov_fake_exhausted(struct ppiov_fake *fake);
void ppiov_fake_put_direct(struct ppiov_fake *fake, ppiov_netmem_t netmem);
ppiov_netmem_t *ppiov_fake_array(struct kunit *test, unsigned int n);
u32 ppiov_fake_out(struct ppiov_fake *fake);
struct ppiov_pool_stats ppiov_fake_stats(const struct ppiov_fake *fake);

#endif /* PPIOV_KUNIT_FAKE_H */
