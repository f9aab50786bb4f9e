// SPDX-License-Identifier: GPL-2.0-only
/* The fake providers; and the module, which is nothing but its suites. */
#include <linux/bottom_half.h>
#include <linux/jiffies.h>
#include <linux/module.h>
#include <linux/slab.h>

#include "../compat/mm.h"
#include "../compat/module.h"
#include "fake.h"

/* A pool that is still there after this long is lost. */
#define PPIOV_FAKE_PATIENCE (20 * HZ)
/* How long a pool that must stay is looked at. */
#define PPIOV_FAKE_GLANCE (HZ / 20)

/*
 * The fake whose pool is being made. A provider's init knows only the pool,
 * and KUnit runs one test at a time.
 */
static struct ppiov_fake *ppiov_fake_current;

static int ppiov_fake_init(struct ppiov_pool *pool)
{
	struct ppiov_fake *fake = ppiov_fake_current;

	atomic_inc(&fake->inits);
	if (fake->init_err)
		return fake->init_err;
	ppiov_pool_set_priv(pool, fake);
	return 0;
}

/* Returns the number of a buffer that the pool did not have, or -1. */
static int ppiov_fake_take(struct ppiov_fake *fake)
{
	int i = -1;

	spin_lock_bh(&fake->lock);
	if (bitmap_weight(fake->used, PPIOV_FAKE_BUFS) < fake->limit) {
		i = find_first_zero_bit(fake->used, PPIOV_FAKE_BUFS);
		__set_bit(i, fake->used);
	}
	spin_unlock_bh(&fake->lock);
	if (i >= 0)
		atomic_inc(&fake->allocs);
	return i;
}

static void ppiov_fake_give_back(struct ppiov_fake *fake, u32 i)
{
	spin_lock_bh(&fake->lock);
	__clear_bit(i, fake->used);
	fake->pages[i] = NULL;
	spin_unlock_bh(&fake->lock);
	atomic_inc(&fake->releases);
}

static ppiov_netmem_t ppiov_fake_page_alloc(struct ppiov_pool *pool, gfp_t gfp)
{
	struct ppiov_fake *fake = ppiov_pool_priv(pool);
	ppiov_netmem_t netmem;
	struct page *page;
	int i;

	i = ppiov_fake_take(fake);
	if (i < 0)
		return PPIOV_NETMEM_NONE;
	page = alloc_page(gfp);
	if (!page) {
		ppiov_fake_give_back(fake, i);
		return PPIOV_NETMEM_NONE;
	}
	fake->pages[i] = page;
	if (fake->from_reserves)
		set_page_pfmemalloc(page);
	netmem = ppiov_netmem_init_page(pool, page, gfp);
	if (netmem == PPIOV_NETMEM_NONE) { /* the device can't have it */
		ppiov_fake_give_back(fake, i);
		put_page(page);
	}
	return netmem;
}

static unsigned int ppiov_fake_bulk_alloc(struct ppiov_pool *pool, gfp_t gfp,
					  ppiov_netmem_t *netmems,
					  unsigned int n)
{
	struct ppiov_fake *fake = ppiov_pool_priv(pool);
	ppiov_netmem_t netmem;
	unsigned int i;

	fake->asked = n;
	for (i = 0; i < n; i++) {
		netmem = ppiov_fake_page_alloc(pool, gfp);
		if (netmem == PPIOV_NETMEM_NONE)
			break;
		netmems[i] = netmem;
	}
	return i;
}

static void ppiov_fake_page_release(struct ppiov_pool *pool,
				    ppiov_netmem_t netmem)
{
	struct ppiov_fake *fake = ppiov_pool_priv(pool);
	struct page *page = ppiov_netmem_fini_page(pool, netmem);
	u32 i;

	if (fake->release_twice && !ppiov_netmem_fini_page(pool, netmem))
		atomic_inc(&fake->refused);
	for (i = 0; i < PPIOV_FAKE_BUFS; i++)
		if (page && fake->pages[i] == page) {
			ppiov_fake_give_back(fake, i);
			put_page(page);
			return;
		}
	KUNIT_FAIL(fake->test, "a page came back that was not given");
}

static ppiov_netmem_t ppiov_fake_iov_alloc(struct ppiov_pool *pool, gfp_t gfp)
{
	struct ppiov_fake *fake = ppiov_pool_priv(pool);
	struct page_pool_iov *iov;
	int i;

	i = ppiov_fake_take(fake);
	if (i < 0)
		return PPIOV_NETMEM_NONE;
	iov = &fake->iovs[i];
	return ppiov_netmem_init_iov(pool, iov,
				     fake->chunk.dma + (u64)i * PAGE_SIZE);
}

static void ppiov_fake_iov_release(struct ppiov_pool *pool,
				   ppiov_netmem_t netmem)
{
	struct ppiov_fake *fake = ppiov_pool_priv(pool);
	struct page_pool_iov *iov = ppiov_netmem_fini_iov(pool, netmem);

	if (fake->release_twice && !ppiov_netmem_fini_iov(pool, netmem))
		atomic_inc(&fake->refused);
	if (!iov || iov->owner != &fake->chunk) {
		KUNIT_FAIL(fake->test, "an iov came back that was not given");
		return;
	}
	ppiov_fake_give_back(fake, ppiov_iov_index(iov));
}

static void ppiov_fake_end(struct ppiov_pool *pool)
{
	struct ppiov_fake *fake = ppiov_pool_priv(pool);

	/* The last that anybody does with the fake. */
	complete_all(&fake->ended);
}

const struct ppiov_provider_ops ppiov_fake_page_ops = {
	.name = "kunit_page",
	.owner = THIS_MODULE,
	.init = ppiov_fake_init,
	.alloc = ppiov_fake_page_alloc,
	.release = ppiov_fake_page_release,
	.destroy = ppiov_fake_end,
};

const struct ppiov_provider_ops ppiov_fake_iov_ops = {
	.name = "kunit_iov",
	.owner = THIS_MODULE,
	.flags = PPIOV_F_IOV,
	.init = ppiov_fake_init,
	.alloc = ppiov_fake_iov_alloc,
	.release = ppiov_fake_iov_release,
	.destroy = ppiov_fake_end,
};

const struct ppiov_provider_ops ppiov_fake_bulk_ops = {
	.name = "kunit_bulk",
	.owner = THIS_MODULE,
	.init = ppiov_fake_init,
	.alloc_bulk = ppiov_fake_bulk_alloc,
	.release = ppiov_fake_page_release,
	.destroy = ppiov_fake_end,
};

const struct ppiov_kind ppiov_kinds[2] = {
	{ "page", &ppiov_fake_page_ops },
	{ "iov", &ppiov_fake_iov_ops },
};

/* The end of the test. A pool that does not end keeps its fake for ever. */
static void ppiov_fake_drop(void *data)
{
	struct ppiov_fake *fake = data;
	struct ppiov_pool *pool = fake->pool;
	bool made = atomic_read(&fake->inits) && !fake->init_err;

	if (pool)
		ppiov_fake_destroy(fake);
	if (!made ||
	    wait_for_completion_timeout(&fake->ended, PPIOV_FAKE_PATIENCE))
		kfree(fake);
	else
		KUNIT_FAIL(fake->test, "the pool did not end");
}

/**
 * ppiov_fake_new() - a fake without a pool, which gives what is asked for
 * @test: that it is for
 *
 * Context: process, in a test or its init.
 * Return: the fake; a failure ends the test.
 */
struct ppiov_fake *ppiov_fake_new(struct kunit *test)
{
	struct ppiov_fake *fake = kzalloc_obj(*fake);
	u32 i;

	KUNIT_ASSERT_NOT_NULL(test, fake);
	fake->test = test;
	fake->limit = PPIOV_FAKE_BUFS;
	init_completion(&fake->ended);
	spin_lock_init(&fake->lock);
	fake->chunk.iovs = fake->iovs;
	fake->chunk.nr = PPIOV_FAKE_BUFS;
	fake->chunk.shift = PAGE_SHIFT;
	fake->chunk.base = PPIOV_FAKE_BASE;
	fake->chunk.dma = PPIOV_FAKE_DMA;
	for (i = 0; i < PPIOV_FAKE_BUFS; i++)
		fake->iovs[i].owner = &fake->chunk;
	KUNIT_ASSERT_EQ(test, 0,
			kunit_add_action_or_reset(test, ppiov_fake_drop, fake));
	return fake;
}

/**
 * ppiov_fake_arm() - the next pool of a fake provider is to be this one's
 * @fake: without a pool
 *
 * Context: process, in a test or its init.
 */
void ppiov_fake_arm(struct ppiov_fake *fake)
{
	ppiov_fake_current = fake;
}

/**
 * ppiov_fake_create() - make the fake's pool
 * @fake: without a pool
 * @ops: one of the fakes'
 * @ring_size: as in params
 *
 * Context: process, in a test.
 * Return: as ppiov_pool_create().
 */
struct ppiov_pool *ppiov_fake_create(struct ppiov_fake *fake,
				     const struct ppiov_provider_ops *ops,
				     unsigned int ring_size)
{
	struct ppiov_pool_params params = {
		.ring_size = ring_size,
		.nid = NUMA_NO_NODE,
		.provider = ops,
	};
	struct ppiov_pool *pool;

	ppiov_fake_arm(fake);
	pool = ppiov_pool_create(&params);
	if (!IS_ERR(pool))
		fake->pool = pool;
	return pool;
}

/**
 * ppiov_fake_pool() - a fake with a pool
 * @test: that it is for
 * @ops: one of the fakes'
 * @ring_size: as in params
 *
 * Context: process, in a test or its init.
 * Return: the fake; a failure ends the test.
 */
struct ppiov_fake *ppiov_fake_pool(struct kunit *test,
				   const struct ppiov_provider_ops *ops,
				   unsigned int ring_size)
{
	struct ppiov_fake *fake = ppiov_fake_new(test);

	KUNIT_ASSERT_NOT_ERR_OR_NULL(test,
				     ppiov_fake_create(fake, ops, ring_size));
	return fake;
}

/**
 * ppiov_fake_destroy() - destroy the fake's pool; buffers may be out
 * @fake: with a pool
 *
 * Context: process.
 */
void ppiov_fake_destroy(struct ppiov_fake *fake)
{
	struct ppiov_pool *pool = fake->pool;

	fake->pool = NULL;
	ppiov_pool_destroy(pool);
}

/**
 * ppiov_fake_ended() - wait until the pool has told its provider that it ends
 * @fake: whose pool was destroyed
 *
 * Context: process, may sleep.
 * Return: false if it does not end.
 */
bool ppiov_fake_ended(struct ppiov_fake *fake)
{
	return wait_for_completion_timeout(&fake->ended, PPIOV_FAKE_PATIENCE);
}

/**
 * ppiov_fake_still_there() - look for a while whether the pool stays
 * @fake: whose pool was destroyed
 *
 * Context: process, may sleep.
 * Return: false if it has ended.
 */
bool ppiov_fake_still_there(struct ppiov_fake *fake)
{
	return !wait_for_completion_timeout(&fake->ended, PPIOV_FAKE_GLANCE);
}

/**
 * ppiov_fake_alloc() - get a buffer, as a NAPI would
 * @fake: with a pool
 *
 * Context: process.
 * Return: a buffer; a failure ends the test.
 */
ppiov_netmem_t ppiov_fake_alloc(struct ppiov_fake *fake)
{
	ppiov_netmem_t netmem;

	local_bh_disable();
	netmem = ppiov_pool_alloc(fake->pool, GFP_ATOMIC);
	local_bh_enable();
	KUNIT_ASSERT_NE(fake->test, ppiov_raw(netmem), 0UL);
	return netmem;
}

/**
 * ppiov_fake_bulk() - get several buffers, as a NAPI would
 * @fake: with a pool
 * @netmems: where they go
 * @n: how many at most
 *
 * Context: process.
 * Return: how many it got.
 */
unsigned int ppiov_fake_bulk(struct ppiov_fake *fake, ppiov_netmem_t *netmems,
			     unsigned int n)
{
	unsigned int got;

	local_bh_disable();
	got = ppiov_pool_alloc_bulk(fake->pool, GFP_ATOMIC, netmems, n);
	local_bh_enable();
	return got;
}

/**
 * ppiov_fake_exhausted() - assert that the pool has nothing left to give
 * @fake: with a pool
 *
 * Context: process.
 */
void ppiov_fake_exhausted(struct ppiov_fake *fake)
{
	ppiov_netmem_t none;

	local_bh_disable();
	none = ppiov_pool_alloc(fake->pool, GFP_ATOMIC);
	local_bh_enable();
	KUNIT_ASSERT_EQ(fake->test, ppiov_raw(none), 0UL);
}

/**
 * ppiov_fake_put_direct() - put a buffer, as the NAPI would that has the pool
 * @fake: with a pool
 * @netmem: from it
 *
 * Context: process.
 */
void ppiov_fake_put_direct(struct ppiov_fake *fake, ppiov_netmem_t netmem)
{
	local_bh_disable();
	ppiov_pool_put(fake->pool, netmem, true);
	local_bh_enable();
}

/**
 * ppiov_fake_array() - room for buffers
 * @test: whose memory it is
 * @n: how many
 *
 * Context: process, may sleep.
 * Return: @n that are 0; a failure ends the test.
 */
ppiov_netmem_t *ppiov_fake_array(struct kunit *test, unsigned int n)
{
	ppiov_netmem_t *netmems;

	netmems = kunit_kcalloc(test, n, sizeof(*netmems), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, netmems);
	return netmems;
}

/**
 * ppiov_fake_out() - buffers that the provider gave and has not got back
 * @fake: the fake
 *
 * Context: process.
 * Return: how many.
 */
u32 ppiov_fake_out(struct ppiov_fake *fake)
{
	u32 n;

	spin_lock_bh(&fake->lock);
	n = bitmap_weight(fake->used, PPIOV_FAKE_BUFS);
	spin_unlock_bh(&fake->lock);
	return n;
}

/**
 * ppiov_fake_stats() - the pool's counters
 * @fake: with a pool
 *
 * Context: any.
 * Return: the counters.
 */
struct ppiov_pool_stats ppiov_fake_stats(const struct ppiov_fake *fake)
{
	struct ppiov_pool_stats stats;

	ppiov_pool_get_stats(fake->pool, &stats);
	return stats;
}

COMPAT_MODULE_IMPORT_NS("EXPORTED_FOR_KUNIT_TESTING");
MODULE_DESCRIPTION("KUnit suites for ppiov");
MODULE_LICENSE("GPL");
