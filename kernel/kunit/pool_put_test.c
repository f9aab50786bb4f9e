// SPDX-License-Identifier: GPL-2.0-only
/* KUnit suites: where put brings a buffer to, and what is put twice. */
#include <linux/bottom_half.h>
#include <linux/gfp.h>
#include <linux/mm.h>
#include <linux/netdevice.h>
#include <linux/smp.h>

#include "fake.h"

/* More than the ring of the smallest pool takes, whatever its slack is. */
#define PPIOV_TEST_MANY 200

KUNIT_ARRAY_PARAM_DESC(kind, ppiov_kinds, name);

static int ppiov_put_test_init(struct kunit *test)
{
	const struct ppiov_kind *kind = test->param_value;

	test->priv = ppiov_fake_pool(test, kind->ops, 1);
	return 0;
}

static void put_direct_goes_to_the_cache(struct kunit *test)
{
	struct ppiov_fake *fake = test->priv;

	ppiov_fake_put_direct(fake, ppiov_fake_alloc(fake));
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

	netmems = ppiov_fake_array(test, n);
	KUNIT_ASSERT_EQ(test, n, ppiov_fake_bulk(fake, netmems, n));
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

	netmems = ppiov_fake_array(test, PPIOV_TEST_MANY);
	KUNIT_ASSERT_EQ(test, PPIOV_TEST_MANY,
			ppiov_fake_bulk(fake, netmems, PPIOV_TEST_MANY));
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

	netmems = ppiov_fake_array(test, PPIOV_TEST_MANY);
	KUNIT_ASSERT_EQ(test, PPIOV_TEST_MANY,
			ppiov_fake_bulk(fake, netmems, PPIOV_TEST_MANY));
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
	ppiov_netmem_t *netmems = ppiov_fake_array(test, 128);
	unsigned int round;

	/* ptr_ring clears late: without slack the second round overflows. */
	for (round = 0; round < 5; round++) {
		KUNIT_ASSERT_EQ(test, 128, ppiov_fake_bulk(fake, netmems, 128));
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

	KUNIT_ASSERT_EQ(test, 3, ppiov_fake_bulk(fake, netmems, 3));
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

	KUNIT_ASSERT_EQ(test, 3, ppiov_fake_bulk(fake, netmems, 3));
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
	.init = ppiov_put_test_init,
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

kunit_test_suites(&ppiov_put_suite, &ppiov_put_page_suite,
		  &ppiov_double_put_suite);
