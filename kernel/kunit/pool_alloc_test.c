// SPDX-License-Identifier: GPL-2.0-only
/* KUnit suites: alloc, from the cache, the ring, the provider. */
#include <linux/gfp.h>
#include <linux/netdevice.h>

#include "fake.h"

KUNIT_ARRAY_PARAM_DESC(kind, ppiov_kinds, name);

static int ppiov_alloc_test_init(struct kunit *test)
{
	const struct ppiov_kind *kind = test->param_value;

	test->priv = ppiov_fake_pool(test, kind->ops, 1);
	return 0;
}

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

	ppiov_fake_put_direct(fake, netmem);
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
	ppiov_fake_exhausted(fake);
	KUNIT_EXPECT_EQ(test, ppiov_fake_stats(fake).alloc_fail, 1);
	ppiov_pool_put(fake->pool, netmem, false);
}

static void alloc_recovers_after_a_put(struct kunit *test)
{
	struct ppiov_fake *fake = test->priv;
	ppiov_netmem_t netmem;

	fake->limit = 1;
	netmem = ppiov_fake_alloc(fake);
	ppiov_fake_exhausted(fake);

	ppiov_pool_put(fake->pool, netmem, false);
	netmem = ppiov_fake_alloc(fake);
	ppiov_pool_put(fake->pool, netmem, false);
}

static void alloc_recovers_when_the_provider_does(struct kunit *test)
{
	struct ppiov_fake *fake = test->priv;

	fake->limit = 0;
	ppiov_fake_exhausted(fake);

	fake->limit = 1;
	ppiov_pool_put(fake->pool, ppiov_fake_alloc(fake), false);
}

static void alloc_gives_no_buffer_twice(struct kunit *test)
{
	struct ppiov_fake *fake = test->priv;
	ppiov_netmem_t *netmems = ppiov_fake_array(test, PPIOV_FAKE_BUFS);
	unsigned int i, round;

	/* Both rounds: from the provider, then from cache and ring. */
	for (round = 0; round < 2; round++) {
		KUNIT_ASSERT_EQ(test, PPIOV_FAKE_BUFS,
				ppiov_fake_bulk(fake, netmems,
						PPIOV_FAKE_BUFS));
		KUNIT_EXPECT_EQ(test, ppiov_fake_out(fake), PPIOV_FAKE_BUFS);
		for (i = 0; i < PPIOV_FAKE_BUFS; i++)
			if (i % 2)
				ppiov_pool_put(fake->pool, netmems[i], false);
			else
				ppiov_fake_put_direct(fake, netmems[i]);
	}
	KUNIT_EXPECT_EQ(test, ppiov_fake_stats(fake).double_put, 0);
}

static void alloc_bulk_fills_from_the_front(struct kunit *test)
{
	struct ppiov_fake *fake = test->priv;
	ppiov_netmem_t netmems[8] = {};
	unsigned int n;

	fake->limit = 5;
	n = ppiov_fake_bulk(fake, netmems, ARRAY_SIZE(netmems));
	KUNIT_EXPECT_EQ(test, n, 5);
	KUNIT_EXPECT_NE(test, ppiov_raw(netmems[4]), 0UL);
	ppiov_pool_put_bulk(fake->pool, netmems, n, false);
}

static void alloc_bulk_of_nothing(struct kunit *test)
{
	struct ppiov_fake *fake = test->priv;

	KUNIT_EXPECT_EQ(test, ppiov_fake_bulk(fake, NULL, 0), 0);
}

static void alloc_bulk_when_exhausted(struct kunit *test)
{
	struct ppiov_fake *fake = test->priv;
	ppiov_netmem_t netmems[2] = {};

	fake->limit = 0;
	KUNIT_EXPECT_EQ(test, 0,
			ppiov_fake_bulk(fake, netmems, ARRAY_SIZE(netmems)));
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
	.init = ppiov_alloc_test_init,
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
	ppiov_netmem_t *netmems = ppiov_fake_array(test, PPIOV_FAKE_BUFS);
	unsigned int i, j, twice = 0;

	KUNIT_ASSERT_EQ(test, PPIOV_FAKE_BUFS,
			ppiov_fake_bulk(fake, netmems, PPIOV_FAKE_BUFS));
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
			ppiov_fake_bulk(fake, netmems, ARRAY_SIZE(netmems)));
	ppiov_fake_exhausted(fake);
	KUNIT_EXPECT_EQ(test, ppiov_fake_stats(fake).alloc_fail, 1);
	KUNIT_EXPECT_EQ(test, ppiov_pool_inflight(fake->pool),
			ARRAY_SIZE(netmems));
	ppiov_pool_put_bulk(fake->pool, netmems, ARRAY_SIZE(netmems), false);
}

static void several_may_be_none(struct kunit *test)
{
	struct ppiov_fake *fake = test->priv;

	fake->limit = 0;
	ppiov_fake_exhausted(fake);
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

kunit_test_suites(&ppiov_alloc_suite, &ppiov_several_suite);
