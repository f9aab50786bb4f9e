// SPDX-License-Identifier: GPL-2.0-only
/* KUnit suites: how a pool begins and ends. */
#include <linux/bottom_half.h>
#include <linux/delay.h>
#include <linux/jiffies.h>
#include <linux/jump_label.h>
#include <linux/limits.h>
#include <linux/mmzone.h>

#include "fake.h"

KUNIT_ARRAY_PARAM_DESC(kind, ppiov_kinds, name);

static int ppiov_life_test_init(struct kunit *test)
{
	const struct ppiov_kind *kind = test->param_value;

	test->priv = ppiov_fake_pool(test, kind->ops, 16);
	return 0;
}

/* Does ppiov_pool_next() know it? */
static bool ppiov_test_is_listed(u32 wanted)
{
	struct ppiov_pool *pool;
	u32 id = wanted;

	pool = ppiov_pool_next(&id);
	if (pool)
		ppiov_pool_unpin(pool);
	return pool && id == wanted;
}

/* The provider is told first, so that who finds no pool finds memory free. */
static bool ppiov_test_leaves_the_list(u32 id)
{
	unsigned long deadline = jiffies + 20 * HZ;

	while (ppiov_test_is_listed(id)) {
		if (time_after(jiffies, deadline))
			return false;
		msleep(20);
	}
	return true;
}

/* ----------------------------------------------------------------- create */

/* A device that nobody looks at: the refusal comes first. */
static struct device ppiov_test_dev;

static const struct ppiov_bad_params {
	const char *name;
	struct ppiov_pool_params params;
} ppiov_bad_params[] = {
	{ "no provider", { .ring_size = 16 } },
	{ "no ring", { .provider = &ppiov_fake_page_ops } },
	{ "ring too large",
	  { .provider = &ppiov_fake_page_ops,
	    .ring_size = PPIOV_MAX_RING + 1 } },
	{ "order too large",
	  { .provider = &ppiov_fake_page_ops,
	    .ring_size = 16,
	    .order = MAX_PAGE_ORDER + 1 } },
	{ "device that only reads",
	  { .provider = &ppiov_fake_page_ops,
	    .ring_size = 16,
	    .dev = &ppiov_test_dev,
	    .dma_dir = DMA_TO_DEVICE } },
	{ "device that does neither",
	  { .provider = &ppiov_fake_page_ops,
	    .ring_size = 16,
	    .dev = &ppiov_test_dev,
	    .dma_dir = DMA_NONE } },
	{ "sync beyond the buffer",
	  { .provider = &ppiov_fake_page_ops,
	    .ring_size = 16,
	    .sync_offset = 1,
	    .sync_len = PAGE_SIZE } },
	{ "sync that overflows",
	  { .provider = &ppiov_fake_page_ops,
	    .ring_size = 16,
	    .sync_offset = U32_MAX,
	    .sync_len = 2 } },
};

KUNIT_ARRAY_PARAM_DESC(bad_params, ppiov_bad_params, name);

static void create_refuses(struct kunit *test)
{
	const struct ppiov_bad_params *bad = test->param_value;

	KUNIT_EXPECT_EQ(test, PTR_ERR(ppiov_pool_create(&bad->params)),
			-EINVAL);
}

static const struct ppiov_init_err {
	const char *name;
	const struct ppiov_provider_ops *ops;
	int err;
} ppiov_init_errs[] = {
	{ "page, ENOMEM", &ppiov_fake_page_ops, -ENOMEM },
	{ "page, EOPNOTSUPP", &ppiov_fake_page_ops, -EOPNOTSUPP },
	{ "iov, ENOMEM", &ppiov_fake_iov_ops, -ENOMEM },
	{ "iov, E2BIG", &ppiov_fake_iov_ops, -E2BIG },
};

KUNIT_ARRAY_PARAM_DESC(init_err, ppiov_init_errs, name);

static void create_says_what_init_said(struct kunit *test)
{
	const struct ppiov_init_err *p = test->param_value;
	struct ppiov_fake *fake = ppiov_fake_new(test);

	fake->init_err = p->err;
	KUNIT_EXPECT_EQ(test, PTR_ERR(ppiov_fake_create(fake, p->ops, 16)),
			p->err);
}

static void create_failed_calls_nothing_else(struct kunit *test)
{
	const struct ppiov_init_err *p = test->param_value;
	struct ppiov_fake *fake = ppiov_fake_new(test);

	fake->init_err = p->err;
	ppiov_fake_create(fake, p->ops, 16);
	KUNIT_EXPECT_EQ(test, atomic_read(&fake->inits), 1);
	KUNIT_EXPECT_EQ(test, atomic_read(&fake->allocs), 0);
	KUNIT_EXPECT_FALSE(test, completion_done(&fake->ended));
}

static void create_failed_leaves_branch_alone(struct kunit *test)
{
	const struct ppiov_init_err *p = test->param_value;
	struct ppiov_fake *fake = ppiov_fake_new(test);
	int before = static_key_count(&ppiov_iov_key.key.key);

	fake->init_err = p->err;
	ppiov_fake_create(fake, p->ops, 16);
	static_key_deferred_flush(&ppiov_iov_key);
	/* Not equal: an earlier test's pool may just be going. */
	KUNIT_EXPECT_LE(test, static_key_count(&ppiov_iov_key.key.key), before);
}

static struct kunit_case ppiov_refuse_cases[] = {
	KUNIT_CASE_PARAM(create_refuses, bad_params_gen_params),
	KUNIT_CASE_PARAM(create_says_what_init_said, init_err_gen_params),
	KUNIT_CASE_PARAM(create_failed_calls_nothing_else, init_err_gen_params),
	KUNIT_CASE_PARAM(create_failed_leaves_branch_alone,
			 init_err_gen_params),
	{}
};

static struct kunit_suite ppiov_refuse_suite = {
	.name = "ppiov_pool_refuse",
	.test_cases = ppiov_refuse_cases,
};

static void create_asks_for_no_buffer(struct kunit *test)
{
	struct ppiov_fake *fake = test->priv;

	KUNIT_EXPECT_EQ(test, atomic_read(&fake->allocs), 0);
	KUNIT_EXPECT_EQ(test, ppiov_pool_inflight(fake->pool), 0);
}

static void create_gives_an_id(struct kunit *test)
{
	const struct ppiov_kind *kind = test->param_value;
	struct ppiov_fake *fake = test->priv;
	struct ppiov_fake *other = ppiov_fake_pool(test, kind->ops, 16);

	KUNIT_EXPECT_NE(test, ppiov_pool_id(fake->pool), 0);
	KUNIT_EXPECT_NE(test, ppiov_pool_id(fake->pool),
			ppiov_pool_id(other->pool));
}

static void create_copies_the_params(struct kunit *test)
{
	const struct ppiov_kind *kind = test->param_value;
	struct ppiov_fake *fake = test->priv;
	const struct ppiov_pool_params *p = ppiov_pool_params(fake->pool);

	KUNIT_EXPECT_PTR_EQ(test, p->provider, kind->ops);
	KUNIT_EXPECT_EQ(test, p->ring_size, 16);
	KUNIT_EXPECT_EQ(test, p->nid, NUMA_NO_NODE);
}

static void create_says_the_kind(struct kunit *test)
{
	const struct ppiov_kind *kind = test->param_value;
	struct ppiov_fake *fake = test->priv;

	KUNIT_EXPECT_EQ(test, ppiov_pool_is_iov(fake->pool),
			kind->ops == &ppiov_fake_iov_ops);
}

static void create_says_the_size(struct kunit *test)
{
	struct ppiov_fake *fake = test->priv;

	KUNIT_EXPECT_EQ(test, ppiov_pool_buf_size(fake->pool), PAGE_SIZE);
}

static void create_keeps_the_providers_word(struct kunit *test)
{
	struct ppiov_fake *fake = test->priv;

	KUNIT_EXPECT_PTR_EQ(test, ppiov_pool_priv(fake->pool), (void *)fake);
}

static void create_lists_the_pool(struct kunit *test)
{
	struct ppiov_fake *fake = test->priv;

	KUNIT_EXPECT_TRUE(test,
			  ppiov_test_is_listed(ppiov_pool_id(fake->pool)));
}

static struct kunit_case ppiov_create_cases[] = {
	KUNIT_CASE_PARAM(create_asks_for_no_buffer, kind_gen_params),
	KUNIT_CASE_PARAM(create_gives_an_id, kind_gen_params),
	KUNIT_CASE_PARAM(create_copies_the_params, kind_gen_params),
	KUNIT_CASE_PARAM(create_says_the_kind, kind_gen_params),
	KUNIT_CASE_PARAM(create_says_the_size, kind_gen_params),
	KUNIT_CASE_PARAM(create_keeps_the_providers_word, kind_gen_params),
	KUNIT_CASE_PARAM(create_lists_the_pool, kind_gen_params),
	{}
};

static struct kunit_suite ppiov_create_suite = {
	.name = "ppiov_pool_create",
	.init = ppiov_life_test_init,
	.test_cases = ppiov_create_cases,
};

/* ---------------------------------------------------------------- destroy */

static void destroy_unused_pool(struct kunit *test)
{
	struct ppiov_fake *fake = test->priv;

	ppiov_fake_destroy(fake);
	KUNIT_EXPECT_TRUE(test, ppiov_fake_ended(fake));
}

static void destroy_empties_the_cache(struct kunit *test)
{
	struct ppiov_fake *fake = test->priv;
	ppiov_netmem_t netmem = ppiov_fake_alloc(fake);

	local_bh_disable();
	ppiov_pool_put(fake->pool, netmem, true);
	local_bh_enable();
	ppiov_fake_destroy(fake);
	KUNIT_EXPECT_TRUE(test, ppiov_fake_ended(fake));
	KUNIT_EXPECT_EQ(test, ppiov_fake_out(fake), 0);
}

static void destroy_empties_the_ring(struct kunit *test)
{
	struct ppiov_fake *fake = test->priv;

	ppiov_pool_put(fake->pool, ppiov_fake_alloc(fake), false);
	ppiov_fake_destroy(fake);
	KUNIT_EXPECT_TRUE(test, ppiov_fake_ended(fake));
	KUNIT_EXPECT_EQ(test, ppiov_fake_out(fake), 0);
}

static void destroy_waits_for_a_buffer(struct kunit *test)
{
	struct ppiov_fake *fake = test->priv;
	struct ppiov_pool *pool = fake->pool;
	ppiov_netmem_t netmem = ppiov_fake_alloc(fake);

	ppiov_fake_destroy(fake);
	KUNIT_EXPECT_TRUE(test, ppiov_fake_still_there(fake));

	ppiov_pool_put(pool, netmem, false);
	KUNIT_EXPECT_TRUE(test, ppiov_fake_ended(fake));
}

static void destroy_detaches(struct kunit *test)
{
	struct ppiov_fake *fake = test->priv;
	struct ppiov_pool *pool = fake->pool;
	ppiov_netmem_t netmem = ppiov_fake_alloc(fake);

	KUNIT_EXPECT_FALSE(test, ppiov_pool_detached(pool));
	ppiov_fake_destroy(fake);
	KUNIT_EXPECT_TRUE(test, ppiov_pool_detached(pool));
	KUNIT_EXPECT_EQ(test, ppiov_pool_inflight(pool), 1);

	ppiov_pool_put(pool, netmem, false);
}

static void destroy_waits_for_a_reference(struct kunit *test)
{
	struct ppiov_fake *fake = test->priv;
	struct ppiov_pool *pool = fake->pool;
	ppiov_netmem_t netmem = ppiov_fake_alloc(fake);

	ppiov_netmem_get(netmem, 1);
	ppiov_fake_destroy(fake);
	ppiov_pool_put(pool, netmem, false);
	KUNIT_EXPECT_TRUE(test, ppiov_fake_still_there(fake));

	ppiov_pool_put(pool, netmem, false);
	KUNIT_EXPECT_TRUE(test, ppiov_fake_ended(fake));
}

static void destroy_waits_for_a_pin(struct kunit *test)
{
	struct ppiov_fake *fake = test->priv;
	struct ppiov_pool *pool = fake->pool;

	ppiov_pool_pin(pool);
	ppiov_fake_destroy(fake);
	KUNIT_EXPECT_TRUE(test, ppiov_fake_still_there(fake));

	ppiov_pool_unpin(pool);
	KUNIT_EXPECT_TRUE(test, ppiov_fake_ended(fake));
}

static void destroy_waits_for_a_walker(struct kunit *test)
{
	struct ppiov_fake *fake = test->priv;
	struct ppiov_pool *pool;
	u32 id = ppiov_pool_id(fake->pool);

	pool = ppiov_pool_next(&id);
	KUNIT_ASSERT_PTR_EQ(test, pool, fake->pool);
	ppiov_fake_destroy(fake);
	KUNIT_EXPECT_TRUE(test, ppiov_fake_still_there(fake));

	ppiov_pool_unpin(pool);
	KUNIT_EXPECT_TRUE(test, ppiov_fake_ended(fake));
}

static void destroy_with_buffers_in_bulk(struct kunit *test)
{
	struct ppiov_fake *fake = test->priv;
	struct ppiov_pool *pool = fake->pool;
	ppiov_netmem_t netmems[40];
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(netmems); i++)
		netmems[i] = ppiov_fake_alloc(fake);
	ppiov_fake_destroy(fake);
	ppiov_pool_put_bulk(pool, netmems, ARRAY_SIZE(netmems), false);
	KUNIT_EXPECT_TRUE(test, ppiov_fake_ended(fake));
	KUNIT_EXPECT_EQ(test, ppiov_fake_out(fake), 0);
}

/* Softirq is where most last buffers come home. */
static void destroy_ended_by_a_put_in_softirq(struct kunit *test)
{
	struct ppiov_fake *fake = test->priv;
	struct ppiov_pool *pool = fake->pool;
	ppiov_netmem_t netmem = ppiov_fake_alloc(fake);

	ppiov_fake_destroy(fake);
	local_bh_disable();
	ppiov_pool_put(pool, netmem, false);
	local_bh_enable();
	KUNIT_EXPECT_TRUE(test, ppiov_fake_ended(fake));
}

static void destroy_takes_the_pool_off_the_list(struct kunit *test)
{
	struct ppiov_fake *fake = test->priv;
	u32 id = ppiov_pool_id(fake->pool);

	ppiov_fake_destroy(fake);
	KUNIT_EXPECT_TRUE(test, ppiov_test_leaves_the_list(id));
	KUNIT_EXPECT_TRUE(test, completion_done(&fake->ended));
}

static void destroy_when_the_provider_gave_nothing(struct kunit *test)
{
	struct ppiov_fake *fake = test->priv;
	unsigned int i;

	fake->limit = 0;
	for (i = 0; i < 1000; i++) {
		local_bh_disable();
		ppiov_pool_alloc(fake->pool, GFP_ATOMIC);
		local_bh_enable();
	}
	KUNIT_EXPECT_EQ(test, ppiov_fake_stats(fake).alloc_fail, 1000);
	ppiov_fake_destroy(fake);
	KUNIT_EXPECT_TRUE(test, ppiov_fake_ended(fake));
	KUNIT_EXPECT_EQ(test, atomic_read(&fake->releases), 0);
}

/* A provider's mistake: the buffer that it has already is refused. */
static void destroy_when_release_comes_twice(struct kunit *test)
{
	struct ppiov_fake *fake = test->priv;

	ppiov_pool_put(fake->pool, ppiov_fake_alloc(fake), false);
	fake->release_twice = true;
	compat_kunit_expect_warning(test) ppiov_fake_destroy(fake);
	KUNIT_EXPECT_EQ(test, atomic_read(&fake->refused), 1);
	KUNIT_EXPECT_EQ(test, atomic_read(&fake->releases), 1);
	KUNIT_EXPECT_TRUE(test, ppiov_fake_ended(fake));
}

static struct kunit_case ppiov_destroy_cases[] = {
	KUNIT_CASE_PARAM(destroy_unused_pool, kind_gen_params),
	KUNIT_CASE_PARAM(destroy_empties_the_cache, kind_gen_params),
	KUNIT_CASE_PARAM(destroy_empties_the_ring, kind_gen_params),
	KUNIT_CASE_PARAM(destroy_waits_for_a_buffer, kind_gen_params),
	KUNIT_CASE_PARAM(destroy_detaches, kind_gen_params),
	KUNIT_CASE_PARAM(destroy_waits_for_a_reference, kind_gen_params),
	KUNIT_CASE_PARAM(destroy_waits_for_a_pin, kind_gen_params),
	KUNIT_CASE_PARAM(destroy_waits_for_a_walker, kind_gen_params),
	KUNIT_CASE_PARAM(destroy_with_buffers_in_bulk, kind_gen_params),
	KUNIT_CASE_PARAM(destroy_ended_by_a_put_in_softirq, kind_gen_params),
	KUNIT_CASE_PARAM(destroy_takes_the_pool_off_the_list, kind_gen_params),
	KUNIT_CASE_PARAM(destroy_when_the_provider_gave_nothing,
			 kind_gen_params),
	KUNIT_CASE_PARAM(destroy_when_release_comes_twice, kind_gen_params),
	{}
};

static struct kunit_suite ppiov_destroy_suite = {
	.name = "ppiov_pool_destroy",
	.init = ppiov_life_test_init,
	.test_cases = ppiov_destroy_cases,
};

kunit_test_suites(&ppiov_refuse_suite, &ppiov_create_suite,
		  &ppiov_destroy_suite);
