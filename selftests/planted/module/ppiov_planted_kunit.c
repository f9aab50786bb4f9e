// SPDX-License-Identifier: GPL-2.0-only
/* KUnit suites that go wrong, so that the harness can prove that it notices. */
#include <kunit/test.h>
#include <linux/module.h>

static void planted_passes(struct kunit *test)
{
	KUNIT_EXPECT_EQ(test, 1, 1);
}

static void planted_fails(struct kunit *test)
{
	KUNIT_EXPECT_EQ_MSG(test, 1, 2, "planted on purpose");
}

static void planted_skips(struct kunit *test)
{
	kunit_skip(test, "planted on purpose");
}

static void planted_crashes(struct kunit *test)
{
	struct kunit *nothing = NULL;

	OPTIMIZER_HIDE_VAR(nothing);
	WRITE_ONCE(nothing->status, KUNIT_SKIPPED);
}

static void planted_warns(struct kunit *test)
{
	WARN(1, "planted on purpose\n");
}

static const struct planted_param {
	const char *name;
	int value;
} planted_params[] = {
	{ "good", 1 },
	{ "bad, and it says so", 2 },
};

KUNIT_ARRAY_PARAM_DESC(planted, planted_params, name);

static void planted_one_param_fails(struct kunit *test)
{
	const struct planted_param *param = test->param_value;

	KUNIT_EXPECT_EQ(test, param->value, 1);
}

static struct kunit_case planted_good_cases[] = {
	KUNIT_CASE(planted_passes),
	KUNIT_CASE(planted_skips),
	{},
};

static struct kunit_suite planted_good_suite = {
	.name = "planted_good",
	.test_cases = planted_good_cases,
};

static struct kunit_case planted_bad_cases[] = {
	KUNIT_CASE(planted_passes),
	KUNIT_CASE(planted_fails),
	KUNIT_CASE_PARAM(planted_one_param_fails, planted_gen_params),
	{},
};

static struct kunit_suite planted_bad_suite = {
	.name = "planted_bad",
	.test_cases = planted_bad_cases,
};

static struct kunit_case planted_warning_cases[] = {
	KUNIT_CASE(planted_warns),
	{},
};

static struct kunit_suite planted_warning_suite = {
	.name = "planted_warning",
	.test_cases = planted_warning_cases,
};

static struct kunit_case planted_crash_cases[] = {
	KUNIT_CASE(planted_passes),
	KUNIT_CASE(planted_crashes),
	KUNIT_CASE(planted_skips),
	{},
};

static struct kunit_suite planted_crash_suite = {
	.name = "planted_crash",
	.test_cases = planted_crash_cases,
};

kunit_test_suites(&planted_good_suite, &planted_bad_suite,
		  &planted_warning_suite, &planted_crash_suite);

MODULE_DESCRIPTION("KUnit suites that go wrong on purpose, for the harness");
MODULE_LICENSE("GPL");
