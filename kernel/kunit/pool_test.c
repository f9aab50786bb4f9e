// SPDX-License-Identifier: GPL-2.0-only
/* KUnit suites: alloc and put, by way of the cache, the ring, the provider. */
#include <linux/bottom_half.h>
#include <linux/cpumask.h>
#include <linux/gfp.h>
#include <linux/mm.h>
#include <linux/netdevice.h>

#include "fake.h"

/* More than the ring of the smallest pool takes, whatever its slack is. */
#define PPIOV_TEST_MANY 200

KUNIT_ARRAY_PARAM_DESC(kind, ppiov_kinds, name);

static int ppiov_pool_test_init(struct kunit *test)
{
	const struct ppiov_kind *kind = test->param_value;

	test->priv = ppiov_fake_pool(test, kind->ops, 1);
	return 0;
}

/* The consumer's calls are made with BH off. */
static unsigned int ppiov_test_bulk(struct ppiov_fake *fake,
				    ppiov_netmem_t *netmems, unsigned int n)
{
	unsigned int got;

	local_bh_disable();
	got = ppiov_pool_alloc_bulk(fake->pool, GFP_ATOMIC, netmems, n);
	local_bh_enable();
	return got;
}

/* The pool has nothing left to give. */
static void ppiov_test_exhausted(struct ppiov_fake *fake)
{
	ppiov_netmem_t none;

	local_bh_disable();
	none = ppiov_pool_alloc(fake->pool, GFP_ATOMIC);
	local_bh_enable();
	KUNIT_ASSERT_EQ(fake->test, ppiov_raw(none), 0UL);
}

static void ppiov_test_put_direct(struct ppiov_fake *fake,
				  ppiov_netmem_t netmem)
{
	local_bh_disable();
	ppiov_pool_put(fake->pool, netmem, true);
	local_bh_enable();
}

static ppiov_netmem_t *ppiov_test_array(struct kunit *test, unsigned int n)
{
	ppiov_netmem_t *netmems;

	netmems = kunit_kcalloc(test, n, sizeof(*netmems), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, netmems);
	return netmems;
}

/* ------------------------------------------------------------------ alloc */

static void alloc_asks_the_provider_first(struct kunit *test)
{
	struct ppiov_fake *fake = test->priv;
	ppiov_netmem_t netmem = ppiov_fake_alloc(fake);

	KUNIT_EXPECT_EQ(test, ppiov_fake_stats(fake).alloc_slow, 1);
	ppiov_pool_put(fake->pool, netmem, false);
}

static void alloc_takes_from_the_cache(struct kunit *test)
{
	struct ppiov_fake *fake = test->priv;
	ppiov_netmem_t netmem = ppiov_fake_alloc(fake), again;

	ppiov_test_put_direct(fake, netmem);
	again = ppiov_fake_alloc(fake);
	KUNIT_EXPECT_EQ(test, ppiov_raw(again), ppiov_raw(netmem));
	KUNIT_EXPECT_EQ(test, ppiov_fake_stats(fake).alloc_fast, 1);
	ppiov_pool_put(fake->pool, again, false);
}

static void alloc_refills_from_the_ring(struct kunit *test)
{
	struct ppiov_fake *fake = test->priv;
	ppiov_netmem_t netmem = ppiov_fake_alloc(fake), again;

	ppiov_pool_put(fake->pool, netmem, false);
	again = ppiov_fake_alloc(fake);
	KUNIT_EXPECT_EQ(test, ppiov_raw(again), ppiov_raw(netmem));
	KUNIT_EXPECT_EQ(test, ppiov_fake_stats(fake).alloc_refill, 1);
	ppiov_pool_put(fake->pool, again, false);
}

static void alloc_fails_when_exhausted(struct kunit *test)
{
	struct ppiov_fake *fake = test->priv;
	ppiov_netmem_t netmem;

	fake->limit = 1;
	netmem = ppiov_fake_alloc(fake);
	ppiov_test_exhausted(fake);
	KUNIT_EXPECT_EQ(test, ppiov_fake_stats(fake).alloc_fail, 1);
	ppiov_pool_put(fake->pool, netmem, false);
}

static void alloc_recovers_after_a_put(struct kunit *test)
{
	struct ppiov_fake *fake = test->priv;
	ppiov_netmem_t netmem;

	fake->limit = 1;
	netmem = ppiov_fake_alloc(fake);
	ppiov_test_exhausted(fake);

	ppiov_pool_put(fake->pool, netmem, false);
	netmem = ppiov_fake_alloc(fake);
	ppiov_pool_put(fake->pool, netmem, false);
}

static void alloc_recovers_when_the_provider_does(struct kunit *test)
{
	struct ppiov_fake *fake = test->priv;

	fake->limit = 0;
	ppiov_test_exhausted(fake);

	fake->limit = 1;
	ppiov_pool_put(fake->pool, ppiov_fake_alloc(fake), false);
}

static void alloc_gives_no_buffer_twice(struct kunit *test)
{
	struct ppiov_fake *fake = test->priv;
	ppiov_netmem_t *netmems = ppiov_test_array(test, PPIOV_FAKE_BUFS);
	unsigned int i, round;

	/* Both rounds: from the provider, then from cache and ring. */
	for (round = 0; round < 2; round++) {
		KUNIT_ASSERT_EQ(test, PPIOV_FAKE_BUFS,
				ppiov_test_bulk(fake, netmems,
						PPIOV_FAKE_BUFS));
		KUNIT_EXPECT_EQ(test, ppiov_fake_out(fake), PPIOV_FAKE_BUFS);
		for (i = 0; i < PPIOV_FAKE_BUFS; i++)
			if (i % 2)
				ppiov_pool_put(fake->pool, netmems[i], false);
			else
				ppiov_test_put_direct(fake, netmems[i]);
	}
	KUNIT_EXPECT_EQ(test, ppiov_fake_stats(fake).double_put, 0);
}

static void alloc_bulk_fills_from_the_front(struct kunit *test)
{
	struct ppiov_fake *fake = test->priv;
	ppiov_netmem_t netmems[8] = {};
	unsigned int n;

	fake->limit = 5;
	n = ppiov_test_bulk(fake, netmems, ARRAY_SIZE(netmems));
	KUNIT_EXPECT_EQ(test, n, 5);
	KUNIT_EXPECT_NE(test, ppiov_raw(netmems[4]), 0UL);
	ppiov_pool_put_bulk(fake->pool, netmems, n, false);
}

static void alloc_bulk_of_nothing(struct kunit *test)
{
	struct ppiov_fake *fake = test->priv;

	KUNIT_EXPECT_EQ(test, ppiov_test_bulk(fake, NULL, 0), 0);
}

static void alloc_bulk_when_exhausted(struct kunit *test)
{
	struct ppiov_fake *fake = test->priv;
	ppiov_netmem_t netmems[2] = {};

	fake->limit = 0;
	KUNIT_EXPECT_EQ(test, 0,
			ppiov_test_bulk(fake, netmems, ARRAY_SIZE(netmems)));
}

/* A pool that wants its pages from a node that there is not. */
static struct ppiov_fake *ppiov_test_elsewhere(struct kunit *test)
{
	const struct ppiov_kind *kind = test->param_value;
	struct ppiov_fake *fake = ppiov_fake_new(test);
	struct ppiov_pool_params params = {
		.ring_size = 1,
		.nid = MAX_NUMNODES,
		.provider = kind->ops,
	};
	struct ppiov_pool *pool;

	ppiov_fake_arm(fake);
	pool = ppiov_pool_create(&params);
	KUNIT_ASSERT_FALSE(test, IS_ERR(pool));
	fake->pool = pool;
	return fake;
}

/* The ring's page is of the wrong node; an iov has none, so it fits. */
static void alloc_refills_from_its_own_node(struct kunit *test)
{
	struct ppiov_fake *fake = ppiov_test_elsewhere(test);
	const struct ppiov_kind *kind = test->param_value;
	u32 foreign = IS_ENABLED(CONFIG_NUMA) &&
		      kind->ops == &ppiov_fake_page_ops;

	ppiov_pool_put(fake->pool, ppiov_fake_alloc(fake), false);
	ppiov_pool_put(fake->pool, ppiov_fake_alloc(fake), false);
	KUNIT_EXPECT_EQ(test, ppiov_fake_stats(fake).recycle_foreign, foreign);
	KUNIT_EXPECT_EQ(test, atomic_read(&fake->releases), foreign);
	KUNIT_EXPECT_EQ(test, ppiov_fake_stats(fake).alloc_slow, 1 + foreign);
	KUNIT_EXPECT_EQ(test, ppiov_pool_inflight(fake->pool), 1);
}

static struct kunit_case ppiov_alloc_cases[] = {
	KUNIT_CASE_PARAM(alloc_asks_the_provider_first, kind_gen_params),
	KUNIT_CASE_PARAM(alloc_takes_from_the_cache, kind_gen_params),
	KUNIT_CASE_PARAM(alloc_refills_from_the_ring, kind_gen_params),
	KUNIT_CASE_PARAM(alloc_fails_when_exhausted, kind_gen_params),
	KUNIT_CASE_PARAM(alloc_recovers_after_a_put, kind_gen_params),
	KUNIT_CASE_PARAM(alloc_recovers_when_the_provider_does,
			 kind_gen_params),
	KUNIT_CASE_PARAM(alloc_gives_no_buffer_twice, kind_gen_params),
	KUNIT_CASE_PARAM(alloc_bulk_fills_from_the_front, kind_gen_params),
	KUNIT_CASE_PARAM(alloc_bulk_of_nothing, kind_gen_params),
	KUNIT_CASE_PARAM(alloc_bulk_when_exhausted, kind_gen_params),
	KUNIT_CASE_PARAM(alloc_refills_from_its_own_node, kind_gen_params),
	{}
};

static struct kunit_suite ppiov_alloc_suite = {
	.name = "ppiov_pool_alloc",
	.init = ppiov_pool_test_init,
	.test_cases = ppiov_alloc_cases,
};

/* ------------------------------------------- a provider of several at once */

static int ppiov_several_test_init(struct kunit *test)
{
	test->priv = ppiov_fake_pool(test, &ppiov_fake_bulk_ops, 1);
	return 0;
}

static void several_fill_the_cache(struct kunit *test)
{
	struct ppiov_fake *fake = test->priv;
	ppiov_netmem_t one = ppiov_fake_alloc(fake), two;

	KUNIT_EXPECT_EQ(test, fake->asked, PPIOV_CACHE_REFILL);
	KUNIT_EXPECT_EQ(test, ppiov_fake_out(fake), PPIOV_CACHE_REFILL);
	KUNIT_EXPECT_EQ(test, ppiov_fake_stats(fake).alloc_slow,
			PPIOV_CACHE_REFILL);
	KUNIT_EXPECT_EQ(test, ppiov_pool_inflight(fake->pool),
			PPIOV_CACHE_REFILL);

	two = ppiov_fake_alloc(fake);
	KUNIT_EXPECT_NE(test, ppiov_raw(one), ppiov_raw(two));
	KUNIT_EXPECT_EQ(test, ppiov_fake_out(fake), PPIOV_CACHE_REFILL);
	KUNIT_EXPECT_EQ(test, ppiov_fake_stats(fake).alloc_fast, 1);
	ppiov_pool_put(fake->pool, one, false);
	ppiov_pool_put(fake->pool, two, false);
}

static void several_are_each_given_once(struct kunit *test)
{
	struct ppiov_fake *fake = test->priv;
	ppiov_netmem_t *netmems = ppiov_test_array(test, PPIOV_FAKE_BUFS);
	unsigned int i, j, twice = 0;

	KUNIT_ASSERT_EQ(test, PPIOV_FAKE_BUFS,
			ppiov_test_bulk(fake, netmems, PPIOV_FAKE_BUFS));
	for (i = 0; i < PPIOV_FAKE_BUFS; i++)
		for (j = 0; j < i; j++)
			twice += ppiov_raw(netmems[i]) == ppiov_raw(netmems[j]);
	KUNIT_EXPECT_EQ(test, twice, 0);
	ppiov_pool_put_bulk(fake->pool, netmems, PPIOV_FAKE_BUFS, false);
	KUNIT_EXPECT_EQ(test, ppiov_fake_stats(fake).double_put, 0);
}

static void several_may_be_fewer(struct kunit *test)
{
	struct ppiov_fake *fake = test->priv;
	ppiov_netmem_t netmems[5];

	fake->limit = ARRAY_SIZE(netmems);
	KUNIT_ASSERT_EQ(test, ARRAY_SIZE(netmems),
			ppiov_test_bulk(fake, netmems, ARRAY_SIZE(netmems)));
	ppiov_test_exhausted(fake);
	KUNIT_EXPECT_EQ(test, ppiov_fake_stats(fake).alloc_fail, 1);
	KUNIT_EXPECT_EQ(test, ppiov_pool_inflight(fake->pool),
			ARRAY_SIZE(netmems));
	ppiov_pool_put_bulk(fake->pool, netmems, ARRAY_SIZE(netmems), false);
}

static void several_may_be_none(struct kunit *test)
{
	struct ppiov_fake *fake = test->priv;

	fake->limit = 0;
	ppiov_test_exhausted(fake);
	KUNIT_EXPECT_EQ(test, ppiov_pool_inflight(fake->pool), 0);

	fake->limit = 1;
	ppiov_pool_put(fake->pool, ppiov_fake_alloc(fake), false);
}

static void several_all_come_home(struct kunit *test)
{
	struct ppiov_fake *fake = test->priv;

	ppiov_pool_put(fake->pool, ppiov_fake_alloc(fake), false);
	ppiov_fake_destroy(fake);
	KUNIT_EXPECT_TRUE(test, ppiov_fake_ended(fake));
	KUNIT_EXPECT_EQ(test, atomic_read(&fake->releases), PPIOV_CACHE_REFILL);
	KUNIT_EXPECT_EQ(test, ppiov_fake_out(fake), 0);
}

static struct kunit_case ppiov_several_cases[] = {
	KUNIT_CASE(several_fill_the_cache),
	KUNIT_CASE(several_are_each_given_once),
	KUNIT_CASE(several_may_be_fewer),
	KUNIT_CASE(several_may_be_none),
	KUNIT_CASE(several_all_come_home),
	{}
};

static struct kunit_suite ppiov_several_suite = {
	.name = "ppiov_pool_alloc_several",
	.init = ppiov_several_test_init,
	.test_cases = ppiov_several_cases,
};

/* -------------------------------------------------------------------- put */

static void put_direct_goes_to_the_cache(struct kunit *test)
{
	struct ppiov_fake *fake = test->priv;

	ppiov_test_put_direct(fake, ppiov_fake_alloc(fake));
	KUNIT_EXPECT_EQ(test, ppiov_fake_stats(fake).recycle_cache, 1);
}

static void put_goes_to_the_ring(struct kunit *test)
{
	struct ppiov_fake *fake = test->priv;

	ppiov_pool_put(fake->pool, ppiov_fake_alloc(fake), false);
	KUNIT_EXPECT_EQ(test, ppiov_fake_stats(fake).recycle_ring, 1);
}

/* Only the NAPI that has the pool may use its cache, and only in softirq. */
static void put_in_process_context_is_not_direct(struct kunit *test)
{
	struct ppiov_fake *fake = test->priv;
	struct napi_struct *napi;

	napi = kunit_kzalloc(test, sizeof(*napi), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, napi);
	napi->list_owner = raw_smp_processor_id();
	ppiov_pool_enable_direct(fake->pool, napi);

	ppiov_pool_put(fake->pool, ppiov_fake_alloc(fake), false);
	KUNIT_EXPECT_EQ(test, ppiov_fake_stats(fake).recycle_cache, 0);
	ppiov_pool_disable_direct(fake->pool);
}

static void put_on_the_napis_cpu_is_direct(struct kunit *test)
{
	struct ppiov_fake *fake = test->priv;
	ppiov_netmem_t netmem = ppiov_fake_alloc(fake);
	struct napi_struct *napi;

	napi = kunit_kzalloc(test, sizeof(*napi), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, napi);
	ppiov_pool_enable_direct(fake->pool, napi);

	local_bh_disable();
	napi->list_owner = smp_processor_id();
	ppiov_pool_put(fake->pool, netmem, false);
	local_bh_enable();
	KUNIT_EXPECT_EQ(test, ppiov_fake_stats(fake).recycle_cache, 1);
	ppiov_pool_disable_direct(fake->pool);
}

static void put_on_another_cpu_is_not_direct(struct kunit *test)
{
	struct ppiov_fake *fake = test->priv;
	ppiov_netmem_t netmem = ppiov_fake_alloc(fake);
	struct napi_struct *napi;

	napi = kunit_kzalloc(test, sizeof(*napi), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, napi);
	ppiov_pool_enable_direct(fake->pool, napi);

	local_bh_disable();
	napi->list_owner = smp_processor_id() + 1;
	ppiov_pool_put(fake->pool, netmem, false);
	local_bh_enable();
	KUNIT_EXPECT_EQ(test, ppiov_fake_stats(fake).recycle_cache, 0);
	ppiov_pool_disable_direct(fake->pool);
}

static void put_full_cache_goes_to_the_ring(struct kunit *test)
{
	struct ppiov_fake *fake = test->priv;
	ppiov_netmem_t *netmems;
	unsigned int n = PPIOV_CACHE_SIZE + 1;

	netmems = ppiov_test_array(test, n);
	KUNIT_ASSERT_EQ(test, n, ppiov_test_bulk(fake, netmems, n));
	local_bh_disable();
	ppiov_pool_put_bulk(fake->pool, netmems, n, true);
	local_bh_enable();

	KUNIT_EXPECT_EQ(test, ppiov_fake_stats(fake).recycle_cache,
			PPIOV_CACHE_SIZE);
	KUNIT_EXPECT_EQ(test, ppiov_fake_stats(fake).recycle_cache_full, 1);
	KUNIT_EXPECT_EQ(test, ppiov_fake_stats(fake).recycle_ring, 1);
}

static void put_full_ring_goes_to_the_provider(struct kunit *test)
{
	struct ppiov_fake *fake = test->priv;
	struct ppiov_pool_stats stats;
	ppiov_netmem_t *netmems;
	unsigned int i;

	netmems = ppiov_test_array(test, PPIOV_TEST_MANY);
	KUNIT_ASSERT_EQ(test, PPIOV_TEST_MANY,
			ppiov_test_bulk(fake, netmems, PPIOV_TEST_MANY));
	for (i = 0; i < PPIOV_TEST_MANY; i++)
		ppiov_pool_put(fake->pool, netmems[i], false);

	stats = ppiov_fake_stats(fake);
	KUNIT_EXPECT_GT(test, stats.recycle_ring_full, 0);
	KUNIT_EXPECT_EQ(test, stats.recycle_ring + stats.recycle_ring_full,
			PPIOV_TEST_MANY);
	KUNIT_EXPECT_EQ(test, atomic_read(&fake->releases),
			stats.recycle_ring_full);
	KUNIT_EXPECT_EQ(test, ppiov_pool_inflight(fake->pool),
			stats.recycle_ring);
}

static void put_bulk_full_ring_goes_to_the_provider(struct kunit *test)
{
	struct ppiov_fake *fake = test->priv;
	struct ppiov_pool_stats stats;
	ppiov_netmem_t *netmems;

	netmems = ppiov_test_array(test, PPIOV_TEST_MANY);
	KUNIT_ASSERT_EQ(test, PPIOV_TEST_MANY,
			ppiov_test_bulk(fake, netmems, PPIOV_TEST_MANY));
	ppiov_pool_put_bulk(fake->pool, netmems, PPIOV_TEST_MANY, false);

	stats = ppiov_fake_stats(fake);
	KUNIT_EXPECT_GT(test, stats.recycle_ring_full, 0);
	KUNIT_EXPECT_EQ(test, stats.recycle_ring + stats.recycle_ring_full,
			PPIOV_TEST_MANY);
	KUNIT_EXPECT_EQ(test, atomic_read(&fake->releases),
			stats.recycle_ring_full);
}

static void put_ring_keeps_what_was_asked_for(struct kunit *test)
{
	const struct ppiov_kind *kind = test->param_value;
	struct ppiov_fake *fake = ppiov_fake_pool(test, kind->ops, 128);
	ppiov_netmem_t *netmems = ppiov_test_array(test, 128);
	unsigned int round;

	/* ptr_ring clears late: without slack the second round overflows. */
	for (round = 0; round < 5; round++) {
		KUNIT_ASSERT_EQ(test, 128, ppiov_test_bulk(fake, netmems, 128));
		ppiov_pool_put_bulk(fake->pool, netmems, 128, false);
	}
	KUNIT_EXPECT_EQ(test, ppiov_fake_stats(fake).recycle_ring_full, 0);
}

static void put_keeps_a_buffer_with_users(struct kunit *test)
{
	struct ppiov_fake *fake = test->priv;
	ppiov_netmem_t netmem = ppiov_fake_alloc(fake);

	ppiov_netmem_get(netmem, 1);
	ppiov_pool_put(fake->pool, netmem, false);
	KUNIT_EXPECT_EQ(test, ppiov_fake_stats(fake).recycle_ring, 0);

	ppiov_pool_put(fake->pool, netmem, false);
	KUNIT_EXPECT_EQ(test, ppiov_fake_stats(fake).recycle_ring, 1);
}

static void put_bulk_keeps_buffers_with_users(struct kunit *test)
{
	struct ppiov_fake *fake = test->priv;
	ppiov_netmem_t netmems[3];

	KUNIT_ASSERT_EQ(test, 3, ppiov_test_bulk(fake, netmems, 3));
	ppiov_netmem_get(netmems[1], 1);
	ppiov_pool_put_bulk(fake->pool, netmems, 3, false);
	KUNIT_EXPECT_EQ(test, ppiov_fake_stats(fake).recycle_ring, 2);

	ppiov_pool_put(fake->pool, netmems[1], false);
}

/* The last in the array must not keep the others from the ring. */
static void put_bulk_ends_with_a_buffer_in_use(struct kunit *test)
{
	struct ppiov_fake *fake = test->priv;
	ppiov_netmem_t netmems[3];

	KUNIT_ASSERT_EQ(test, 3, ppiov_test_bulk(fake, netmems, 3));
	ppiov_netmem_get(netmems[2], 1);
	ppiov_pool_put_bulk(fake->pool, netmems, 3, false);
	KUNIT_EXPECT_EQ(test, ppiov_fake_stats(fake).recycle_ring, 2);

	ppiov_pool_put(fake->pool, netmems[2], false);
}

static void put_of_a_page_that_mm_uses(struct kunit *test)
{
	struct ppiov_fake *fake;
	ppiov_netmem_t netmem;
	struct page *page;

	fake = ppiov_fake_pool(test, &ppiov_fake_page_ops, 1);
	netmem = ppiov_fake_alloc(fake);
	page = ppiov_netmem_to_page(netmem);
	get_page(page);
	ppiov_pool_put(fake->pool, netmem, false);

	KUNIT_EXPECT_EQ(test, ppiov_fake_stats(fake).recycle_foreign, 1);
	KUNIT_EXPECT_EQ(test, ppiov_pool_inflight(fake->pool), 0);
	KUNIT_EXPECT_EQ(test, page_ref_count(page), 1);
	put_page(page);
}

static void put_of_a_page_from_the_reserves(struct kunit *test)
{
	struct ppiov_fake *fake;
	ppiov_netmem_t netmem;

	fake = ppiov_fake_pool(test, &ppiov_fake_page_ops, 1);
	fake->from_reserves = true;
	netmem = ppiov_fake_alloc(fake);
	KUNIT_EXPECT_TRUE(test, ppiov_netmem_is_pfmemalloc(netmem));

	ppiov_pool_put(fake->pool, netmem, false);
	KUNIT_EXPECT_EQ(test, ppiov_fake_stats(fake).recycle_foreign, 1);
	KUNIT_EXPECT_EQ(test, ppiov_pool_inflight(fake->pool), 0);
}

static struct kunit_case ppiov_put_cases[] = {
	KUNIT_CASE_PARAM(put_direct_goes_to_the_cache, kind_gen_params),
	KUNIT_CASE_PARAM(put_goes_to_the_ring, kind_gen_params),
	KUNIT_CASE_PARAM(put_in_process_context_is_not_direct, kind_gen_params),
	KUNIT_CASE_PARAM(put_on_the_napis_cpu_is_direct, kind_gen_params),
	KUNIT_CASE_PARAM(put_on_another_cpu_is_not_direct, kind_gen_params),
	KUNIT_CASE_PARAM(put_full_cache_goes_to_the_ring, kind_gen_params),
	KUNIT_CASE_PARAM(put_full_ring_goes_to_the_provider, kind_gen_params),
	KUNIT_CASE_PARAM(put_bulk_full_ring_goes_to_the_provider,
			 kind_gen_params),
	KUNIT_CASE_PARAM(put_ring_keeps_what_was_asked_for, kind_gen_params),
	KUNIT_CASE_PARAM(put_keeps_a_buffer_with_users, kind_gen_params),
	KUNIT_CASE_PARAM(put_bulk_keeps_buffers_with_users, kind_gen_params),
	KUNIT_CASE_PARAM(put_bulk_ends_with_a_buffer_in_use, kind_gen_params),
	{}
};

static struct kunit_suite ppiov_put_suite = {
	.name = "ppiov_pool_put",
	.init = ppiov_pool_test_init,
	.test_cases = ppiov_put_cases,
};

static struct kunit_case ppiov_put_page_cases[] = {
	KUNIT_CASE(put_of_a_page_that_mm_uses),
	KUNIT_CASE(put_of_a_page_from_the_reserves),
	{}
};

static struct kunit_suite ppiov_put_page_suite = {
	.name = "ppiov_pool_put_page",
	.test_cases = ppiov_put_page_cases,
};

/* ------------------------------------------------------------- double put */

/* Where the buffer is when it is put for the second time. */
static const struct ppiov_idle {
	const char *name;
	const struct ppiov_provider_ops *ops;
	bool direct;
} ppiov_idles[] = {
	{ "page in the ring", &ppiov_fake_page_ops, false },
	{ "page in the cache", &ppiov_fake_page_ops, true },
	{ "iov in the ring", &ppiov_fake_iov_ops, false },
	{ "iov in the cache", &ppiov_fake_iov_ops, true },
};

KUNIT_ARRAY_PARAM_DESC(idle, ppiov_idles, name);

static void double_put_is_counted(struct kunit *test)
{
	const struct ppiov_idle *idle = test->param_value;
	struct ppiov_fake *fake = ppiov_fake_pool(test, idle->ops, 16);
	ppiov_netmem_t netmem = ppiov_fake_alloc(fake);

	local_bh_disable();
	ppiov_pool_put(fake->pool, netmem, idle->direct);
	local_bh_enable();
	compat_kunit_expect_warning(test)
		ppiov_pool_put(fake->pool, netmem, false);
	KUNIT_EXPECT_EQ(test, ppiov_fake_stats(fake).double_put, 1);
}

static void double_put_changes_nothing(struct kunit *test)
{
	const struct ppiov_idle *idle = test->param_value;
	struct ppiov_fake *fake = ppiov_fake_pool(test, idle->ops, 16);
	ppiov_netmem_t netmem = ppiov_fake_alloc(fake);
	ppiov_netmem_t one, two;

	local_bh_disable();
	ppiov_pool_put(fake->pool, netmem, idle->direct);
	local_bh_enable();
	compat_kunit_expect_warning(test)
		ppiov_pool_put(fake->pool, netmem, false);

	/* Only one of the two has the buffer. */
	one = ppiov_fake_alloc(fake);
	two = ppiov_fake_alloc(fake);
	KUNIT_EXPECT_NE(test, ppiov_raw(one), ppiov_raw(two));
	ppiov_pool_put(fake->pool, one, false);
	ppiov_pool_put(fake->pool, two, false);
}

static void double_put_in_bulk_is_counted(struct kunit *test)
{
	const struct ppiov_idle *idle = test->param_value;
	struct ppiov_fake *fake = ppiov_fake_pool(test, idle->ops, 16);
	ppiov_netmem_t twice[2];

	twice[0] = ppiov_fake_alloc(fake);
	twice[1] = twice[0];
	compat_kunit_expect_warning(test)
	{
		local_bh_disable();
		ppiov_pool_put_bulk(fake->pool, twice, 2, idle->direct);
		local_bh_enable();
	}
	KUNIT_EXPECT_EQ(test, ppiov_fake_stats(fake).double_put, 1);
}

static void put_into_the_wrong_pool_is_refused(struct kunit *test)
{
	const struct ppiov_idle *idle = test->param_value;
	struct ppiov_fake *mine = ppiov_fake_pool(test, idle->ops, 16);
	struct ppiov_fake *wrong = ppiov_fake_pool(test, idle->ops, 16);
	ppiov_netmem_t netmem = ppiov_fake_alloc(mine);

	compat_kunit_expect_warning(test)
		ppiov_pool_put(wrong->pool, netmem, false);
	KUNIT_EXPECT_EQ(test, ppiov_fake_stats(wrong).double_put, 1);
	KUNIT_EXPECT_EQ(test, ppiov_pool_inflight(wrong->pool), 0);

	/* It is still out, and can go home. */
	ppiov_pool_put(mine->pool, netmem, false);
	KUNIT_EXPECT_EQ(test, ppiov_fake_stats(mine).recycle_ring, 1);
}

static struct kunit_case ppiov_double_put_cases[] = {
	KUNIT_CASE_PARAM(double_put_is_counted, idle_gen_params),
	KUNIT_CASE_PARAM(double_put_changes_nothing, idle_gen_params),
	KUNIT_CASE_PARAM(double_put_in_bulk_is_counted, idle_gen_params),
	KUNIT_CASE_PARAM(put_into_the_wrong_pool_is_refused, idle_gen_params),
	{}
};

static struct kunit_suite ppiov_double_put_suite = {
	.name = "ppiov_pool_double_put",
	.test_cases = ppiov_double_put_cases,
};

/* ------------------------------------------------------------------ frags */

static ppiov_netmem_t ppiov_test_frag(struct ppiov_fake *fake,
				      unsigned int size, unsigned int *offset)
{
	ppiov_netmem_t netmem;

	local_bh_disable();
	netmem = ppiov_pool_alloc_frag(fake->pool, GFP_ATOMIC, size, offset);
	local_bh_enable();
	return netmem;
}

static void frags_share_a_buffer(struct kunit *test)
{
	struct ppiov_fake *fake = test->priv;
	unsigned int at[2];
	ppiov_netmem_t one = ppiov_test_frag(fake, 1024, &at[0]);
	ppiov_netmem_t two = ppiov_test_frag(fake, 1024, &at[1]);

	KUNIT_EXPECT_EQ(test, ppiov_raw(one), ppiov_raw(two));
	ppiov_pool_put(fake->pool, one, false);
	ppiov_pool_put(fake->pool, two, false);
}

static void frags_do_not_overlap(struct kunit *test)
{
	struct ppiov_fake *fake = test->priv;
	unsigned int at[2];
	ppiov_netmem_t one = ppiov_test_frag(fake, 1000, &at[0]);
	ppiov_netmem_t two = ppiov_test_frag(fake, 1000, &at[1]);

	KUNIT_EXPECT_EQ(test, at[0], 0);
	KUNIT_EXPECT_GE(test, at[1], 1000);
	KUNIT_EXPECT_LE(test, at[1] + 1000, ppiov_pool_buf_size(fake->pool));
	ppiov_pool_put(fake->pool, one, false);
	ppiov_pool_put(fake->pool, two, false);
}

static void frag_that_does_not_fit_takes_the_next_buffer(struct kunit *test)
{
	struct ppiov_fake *fake = test->priv;
	unsigned int at[2];
	ppiov_netmem_t one = ppiov_test_frag(fake, PAGE_SIZE - 512, &at[0]);
	ppiov_netmem_t two = ppiov_test_frag(fake, 1024, &at[1]);

	KUNIT_EXPECT_NE(test, ppiov_raw(one), ppiov_raw(two));
	KUNIT_EXPECT_EQ(test, at[1], 0);
	ppiov_pool_put(fake->pool, one, false);
	ppiov_pool_put(fake->pool, two, false);
}

static void frag_keeps_the_buffer_until_the_last(struct kunit *test)
{
	struct ppiov_fake *fake = test->priv;
	ppiov_netmem_t one, two, three;
	unsigned int at;

	one = ppiov_test_frag(fake, 2048, &at);
	two = ppiov_test_frag(fake, 2048, &at);
	/* The pool lets go of the buffer: it is used up. */
	three = ppiov_test_frag(fake, 2048, &at);
	ppiov_pool_put(fake->pool, one, false);
	KUNIT_EXPECT_EQ(test, ppiov_fake_stats(fake).recycle_ring, 0);

	ppiov_pool_put(fake->pool, two, false);
	KUNIT_EXPECT_EQ(test, ppiov_fake_stats(fake).recycle_ring, 1);
	ppiov_pool_put(fake->pool, three, false);
}

static void frags_that_are_back_leave_the_buffer_in_use(struct kunit *test)
{
	struct ppiov_fake *fake = test->priv;
	ppiov_netmem_t one, two;
	unsigned int at;

	one = ppiov_test_frag(fake, 4096, &at);
	ppiov_pool_put(fake->pool, one, false);
	two = ppiov_test_frag(fake, 4096, &at);
	KUNIT_EXPECT_EQ(test, ppiov_raw(one), ppiov_raw(two));
	KUNIT_EXPECT_EQ(test, atomic_read(&fake->allocs), 1);
	ppiov_pool_put(fake->pool, two, false);
}

static void frag_when_exhausted(struct kunit *test)
{
	struct ppiov_fake *fake = test->priv;
	unsigned int at;

	fake->limit = 0;
	KUNIT_EXPECT_EQ(test, ppiov_raw(ppiov_test_frag(fake, 64, &at)), 0UL);
}

static void frag_of_a_whole_buffer(struct kunit *test)
{
	struct ppiov_fake *fake = test->priv;
	unsigned int at = 1;
	ppiov_netmem_t netmem;

	netmem = ppiov_test_frag(fake, ppiov_pool_buf_size(fake->pool), &at);
	KUNIT_EXPECT_NE(test, ppiov_raw(netmem), 0UL);
	KUNIT_EXPECT_EQ(test, at, 0);
	ppiov_pool_put(fake->pool, netmem, false);
}

/* All frags are back, but mm still reads the page: it is not cut again. */
static void frag_of_a_page_that_mm_uses(struct kunit *test)
{
	const struct ppiov_kind *kind = test->param_value;
	struct ppiov_fake *fake = test->priv;
	ppiov_netmem_t one, two;
	struct page *page;
	unsigned int at;

	if (kind->ops == &ppiov_fake_iov_ops)
		kunit_skip(test, "an iov is never in mm");
	one = ppiov_test_frag(fake, 4096, &at);
	page = ppiov_netmem_to_page(one);
	get_page(page);
	ppiov_pool_put(fake->pool, one, false);
	two = ppiov_test_frag(fake, 4096, &at);
	KUNIT_EXPECT_NE(test, ppiov_raw(one), ppiov_raw(two));
	KUNIT_EXPECT_EQ(test, ppiov_fake_stats(fake).recycle_foreign, 1);
	KUNIT_EXPECT_EQ(test, page_ref_count(page), 1);
	put_page(page);
	ppiov_pool_put(fake->pool, two, false);
}

/* A caller's mistake: no buffer is touched by it. */
static void frag_of_no_part_of_a_buffer(struct kunit *test)
{
	struct ppiov_fake *fake = test->priv;
	u32 size = ppiov_pool_buf_size(fake->pool), i;
	const u32 wrong[] = { 0, size + 1, U32_MAX };
	ppiov_netmem_t netmem = PPIOV_NETMEM_NONE;
	unsigned int at = 77;

	for (i = 0; i < ARRAY_SIZE(wrong); i++) {
		compat_kunit_expect_warning(test)
			netmem = ppiov_test_frag(fake, wrong[i], &at);
		KUNIT_EXPECT_EQ(test, ppiov_raw(netmem), 0UL);
	}
	KUNIT_EXPECT_EQ(test, at, 77);
	KUNIT_EXPECT_EQ(test, atomic_read(&fake->allocs), 0);
}

static void frags_are_all_back_after_destroy(struct kunit *test)
{
	struct ppiov_fake *fake = test->priv;
	struct ppiov_pool *pool = fake->pool;
	ppiov_netmem_t one, two;
	unsigned int at;

	one = ppiov_test_frag(fake, 512, &at);
	two = ppiov_test_frag(fake, 512, &at);
	ppiov_fake_destroy(fake);
	ppiov_pool_put(pool, one, false);
	KUNIT_EXPECT_TRUE(test, ppiov_fake_still_there(fake));

	ppiov_pool_put(pool, two, false);
	KUNIT_EXPECT_TRUE(test, ppiov_fake_ended(fake));
}

static struct kunit_case ppiov_frag_cases[] = {
	KUNIT_CASE_PARAM(frags_share_a_buffer, kind_gen_params),
	KUNIT_CASE_PARAM(frags_do_not_overlap, kind_gen_params),
	KUNIT_CASE_PARAM(frag_that_does_not_fit_takes_the_next_buffer,
			 kind_gen_params),
	KUNIT_CASE_PARAM(frag_keeps_the_buffer_until_the_last, kind_gen_params),
	KUNIT_CASE_PARAM(frags_that_are_back_leave_the_buffer_in_use,
			 kind_gen_params),
	KUNIT_CASE_PARAM(frag_when_exhausted, kind_gen_params),
	KUNIT_CASE_PARAM(frag_of_a_whole_buffer, kind_gen_params),
	KUNIT_CASE_PARAM(frag_of_a_page_that_mm_uses, kind_gen_params),
	KUNIT_CASE_PARAM(frag_of_no_part_of_a_buffer, kind_gen_params),
	KUNIT_CASE_PARAM(frags_are_all_back_after_destroy, kind_gen_params),
	{}
};

static struct kunit_suite ppiov_frag_suite = {
	.name = "ppiov_pool_frag",
	.init = ppiov_pool_test_init,
	.test_cases = ppiov_frag_cases,
};

kunit_test_suites(&ppiov_alloc_suite, &ppiov_several_suite, &ppiov_put_suite,
		  &ppiov_put_page_suite, &ppiov_double_put_suite,
		  &ppiov_frag_suite);
