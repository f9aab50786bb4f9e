// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit suite: what is refused as memory for provider "zone_device".
 *
 * What is taken needs a device that has it: the contract runs with that.
 */
#include <linux/err.h>
#include <linux/sizes.h>

#include "../compat/kunit.h"
#include "../include/ppiov/zone_device.h"

/* What can't be a zone: neither the memory nor a device is looked at. */
static const struct ppiov_bad_zone {
	const char *name;
	phys_addr_t start;
	u64 size;
} ppiov_bad_zones[] = {
	{ "no memory", SZ_1G, 0 },
	{ "not aligned", SZ_1G + PAGE_SIZE, SZ_1G },
	{ "not of an aligned size", SZ_1G, SZ_1G + PAGE_SIZE },
	{ "too large", SZ_1G, 8ULL * SZ_1G },
};

KUNIT_ARRAY_PARAM_DESC(bad_zone, ppiov_bad_zones, name);

static void zone_is_refused(struct kunit *test)
{
	const struct ppiov_bad_zone *bad = test->param_value;
	struct ppiov_zone *zone;
	int err = -EINVAL;

	if (!IS_ENABLED(CONFIG_ZONE_DEVICE) || IS_ENABLED(CONFIG_PCI_P2PDMA))
		err = -EOPNOTSUPP;
	zone = ppiov_zone_add(NULL, bad->start, bad->size);
	KUNIT_EXPECT_EQ(test, PTR_ERR_OR_ZERO(zone), err);
	if (!IS_ERR(zone))
		ppiov_zone_del(zone);
}

static struct kunit_case ppiov_zone_cases[] = {
	KUNIT_CASE_PARAM(zone_is_refused, bad_zone_gen_params), {}
};

static struct kunit_suite ppiov_zone_suite = {
	.name = "ppiov_zone",
	.test_cases = ppiov_zone_cases,
};

kunit_test_suite(ppiov_zone_suite);
