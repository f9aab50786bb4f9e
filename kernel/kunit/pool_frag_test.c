// SPDX-License-Identifier: GPL-2.0-only
/* KUnit suite: several frags of one buffer. */
#include <linux/bottom_half.h>
#include <linux/gfp.h>
#include <linux/mm.h>

#include "fake.h"

KUNIT_ARRAY_PARAM_DESC(kind, ppiov_kinds, name);

static int ppiov_frag_test_init(struct kunit *test)
{
	const struct ppiov_kind *kind = test->param_value;

	test->priv = ppiov_fake_pool(test, kind->ops, 1);
	return 0;
}

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
	.init = ppiov_frag_test_init,
	.test_cases = ppiov_frag_cases,
};

kunit_test_suite(ppiov_frag_suite);
