// SPDX-License-Identifier: GPL-2.0-only
/* KUnit suite: the table of providers. */
#include <linux/module.h>
#include <linux/string.h>

#include "fake.h"

static void ppiov_test_unregister(void *ops)
{
	ppiov_provider_unregister(ops);
}

/* Until the end of the test. */
static void ppiov_test_register(struct kunit *test,
				const struct ppiov_provider_ops *ops)
{
	KUNIT_ASSERT_EQ(test, 0, __ppiov_provider_register(ops));
	KUNIT_ASSERT_EQ(test, 0,
			kunit_add_action_or_reset(test, ppiov_test_unregister,
						  (void *)ops));
}

static void register_finds_it_by_name(struct kunit *test)
{
	const struct ppiov_provider_ops *ops;

	ppiov_test_register(test, &ppiov_fake_iov_ops);
	ops = ppiov_provider_get("kunit_iov");
	KUNIT_EXPECT_PTR_EQ(test, ops, &ppiov_fake_iov_ops);
	if (ops)
		ppiov_provider_put(ops);
}

static int ppiov_test_init(struct ppiov_pool *pool)
{
	return -EOPNOTSUPP;
}

static ppiov_netmem_t ppiov_test_alloc(struct ppiov_pool *pool, gfp_t gfp)
{
	return PPIOV_NETMEM_NONE;
}

static void ppiov_test_release(struct ppiov_pool *pool, ppiov_netmem_t netmem)
{
}

static void ppiov_test_destroy(struct ppiov_pool *pool)
{
}

/* The macro looks into it, so it has to stand here. */
static const struct ppiov_provider_ops ppiov_test_ops = {
	.name = "kunit_macro",
	.owner = THIS_MODULE,
	.init = ppiov_test_init,
	.alloc = ppiov_test_alloc,
	.release = ppiov_test_release,
	.destroy = ppiov_test_destroy,
};

static void register_by_the_macro(struct kunit *test)
{
	KUNIT_ASSERT_EQ(test, 0, ppiov_provider_register(&ppiov_test_ops));
	ppiov_provider_unregister(&ppiov_test_ops);
}

static void register_refuses_a_name_that_is_taken(struct kunit *test)
{
	ppiov_test_register(test, &ppiov_fake_iov_ops);
	KUNIT_EXPECT_EQ(test, __ppiov_provider_register(&ppiov_fake_iov_ops),
			-EEXIST);
}

static void register_refuses_the_name_of_a_builtin(struct kunit *test)
{
	struct ppiov_provider_ops ops = ppiov_fake_page_ops;

	ops.name = "page";
	KUNIT_EXPECT_EQ(test, __ppiov_provider_register(&ops), -EEXIST);
}

static void register_again_after_unregister(struct kunit *test)
{
	ppiov_test_register(test, &ppiov_fake_iov_ops);
	kunit_release_action(test, ppiov_test_unregister,
			     (void *)&ppiov_fake_iov_ops);
	KUNIT_EXPECT_NULL(test, ppiov_provider_get("kunit_iov"));
	ppiov_test_register(test, &ppiov_fake_iov_ops);
}

static void get_of_an_unknown_name(struct kunit *test)
{
	KUNIT_EXPECT_NULL(test, ppiov_provider_get("no such provider"));
}

static void get_of_an_empty_name(struct kunit *test)
{
	KUNIT_EXPECT_NULL(test, ppiov_provider_get(""));
}

/* What a provider must have; a test that lacks one takes it away. */
static const struct ppiov_lack {
	const char *name;
	const char *called;
	size_t offset; /* of the callback that is missing; 0: none */
} ppiov_lacks[] = {
	{ "no name", NULL, 0 },
	{ "empty name", "", 0 },
	{ "name too long", "0123456789abcdef", 0 },
	{ "no init", "lacks", offsetof(struct ppiov_provider_ops, init) },
	{ "no alloc", "lacks", offsetof(struct ppiov_provider_ops, alloc) },
	{ "no release", "lacks", offsetof(struct ppiov_provider_ops, release) },
	{ "no destroy", "lacks", offsetof(struct ppiov_provider_ops, destroy) },
};

KUNIT_ARRAY_PARAM_DESC(lack, ppiov_lacks, name);

static void register_refuses(struct kunit *test)
{
	const struct ppiov_lack *lack = test->param_value;
	struct ppiov_provider_ops ops = ppiov_fake_page_ops;

	ops.name = lack->called;
	if (lack->offset)
		memset((char *)&ops + lack->offset, 0, sizeof(void *));
	KUNIT_EXPECT_EQ(test, __ppiov_provider_register(&ops), -EINVAL);
}

static void register_takes_alloc_bulk_in_place_of_alloc(struct kunit *test)
{
	ppiov_test_register(test, &ppiov_fake_bulk_ops);
}

static void register_refuses_both_allocs(struct kunit *test)
{
	struct ppiov_provider_ops ops = ppiov_fake_bulk_ops;

	ops.alloc = ppiov_fake_page_ops.alloc;
	KUNIT_EXPECT_EQ(test, __ppiov_provider_register(&ops), -EINVAL);
}

static void register_takes_the_longest_name(struct kunit *test)
{
	const struct ppiov_provider_ops *longest;
	struct ppiov_provider_ops ops = ppiov_fake_page_ops;

	BUILD_BUG_ON(sizeof("0123456789abcde") != PPIOV_NAME_LEN);
	ops.name = "0123456789abcde";
	KUNIT_ASSERT_EQ(test, 0, __ppiov_provider_register(&ops));
	longest = ppiov_provider_get("0123456789abcde");
	KUNIT_EXPECT_PTR_EQ(test, longest, &ops);
	if (longest)
		ppiov_provider_put(longest);
	ppiov_provider_unregister(&ops);
}

static int ppiov_test_count(const struct ppiov_provider_ops *ops, void *arg)
{
	const struct ppiov_provider_ops **seen = arg;

	if (ops == *seen)
		*seen = NULL;
	return 0;
}

static void walk_sees_it(struct kunit *test)
{
	const struct ppiov_provider_ops *wanted = &ppiov_fake_iov_ops;

	ppiov_test_register(test, wanted);
	KUNIT_EXPECT_EQ(test, 0,
			ppiov_provider_for_each(ppiov_test_count, &wanted));
	KUNIT_EXPECT_NULL(test, wanted);
}

static int ppiov_test_stop(const struct ppiov_provider_ops *ops, void *arg)
{
	int *calls = arg;

	++*calls;
	return -ELOOP;
}

static void walk_stops(struct kunit *test)
{
	int calls = 0;

	ppiov_test_register(test, &ppiov_fake_iov_ops);
	ppiov_test_register(test, &ppiov_fake_page_ops);
	KUNIT_EXPECT_EQ(test, ppiov_provider_for_each(ppiov_test_stop, &calls),
			-ELOOP);
	KUNIT_EXPECT_EQ(test, calls, 1);
}

static struct kunit_case ppiov_provider_cases[] = {
	KUNIT_CASE(register_finds_it_by_name),
	KUNIT_CASE(register_by_the_macro),
	KUNIT_CASE(register_refuses_a_name_that_is_taken),
	KUNIT_CASE(register_refuses_the_name_of_a_builtin),
	KUNIT_CASE(register_again_after_unregister),
	KUNIT_CASE(register_takes_the_longest_name),
	KUNIT_CASE_PARAM(register_refuses, lack_gen_params),
	KUNIT_CASE(register_takes_alloc_bulk_in_place_of_alloc),
	KUNIT_CASE(register_refuses_both_allocs),
	KUNIT_CASE(get_of_an_unknown_name),
	KUNIT_CASE(get_of_an_empty_name),
	KUNIT_CASE(walk_sees_it),
	KUNIT_CASE(walk_stops),
	{}
};

static struct kunit_suite ppiov_provider_suite = {
	.name = "ppiov_provider",
	.test_cases = ppiov_provider_cases,
};

kunit_test_suite(ppiov_provider_suite);
