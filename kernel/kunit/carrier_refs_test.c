// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit suites: who keeps a packet's buffers, and until when.
 *
 * Copies of a packet are made in each way that the stack has and freed in
 * each order; the buffers come home with the last copy, and not before.
 */
#include <linux/mm.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <net/page_pool/helpers.h>

#include "carrier_test.h"

#define PPIOV_REFS_MAX 3 /* skbs of one packet */

/* How skbs[1] and skbs[2] are made of skbs[0]; says how many there are. */
struct ppiov_way {
	const char *name;
	unsigned int (*make)(struct sk_buff **skbs);
};

static unsigned int ppiov_way_none(struct sk_buff **skbs)
{
	return 1;
}

static unsigned int ppiov_way_expand(struct sk_buff **skbs)
{
	return pskb_expand_head(skbs[0], 128, 0, GFP_KERNEL) ? 0 : 1;
}

static unsigned int ppiov_way_clone(struct sk_buff **skbs)
{
	skbs[1] = skb_clone(skbs[0], GFP_KERNEL);
	return skbs[1] ? 2 : 0;
}

static unsigned int ppiov_way_copy(struct sk_buff **skbs)
{
	skbs[1] = pskb_copy(skbs[0], GFP_KERNEL);
	return skbs[1] ? 2 : 0;
}

static unsigned int ppiov_way_clone_twice(struct sk_buff **skbs)
{
	skbs[1] = skb_clone(skbs[0], GFP_KERNEL);
	skbs[2] = skbs[1] ? skb_clone(skbs[1], GFP_KERNEL) : NULL;
	return skbs[2] ? 3 : 0;
}

static unsigned int ppiov_way_clone_expand_first(struct sk_buff **skbs)
{
	skbs[1] = skb_clone(skbs[0], GFP_KERNEL);
	return skbs[1] && !pskb_expand_head(skbs[0], 128, 0, GFP_KERNEL) ? 2 :
									   0;
}

static unsigned int ppiov_way_clone_expand_second(struct sk_buff **skbs)
{
	skbs[1] = skb_clone(skbs[0], GFP_KERNEL);
	return skbs[1] && !pskb_expand_head(skbs[1], 0, 128, GFP_KERNEL) ? 2 :
									   0;
}

static unsigned int ppiov_way_clone_expand_clone(struct sk_buff **skbs)
{
	skbs[1] = skb_clone(skbs[0], GFP_KERNEL);
	if (!skbs[1] || pskb_expand_head(skbs[1], 128, 0, GFP_KERNEL))
		return 0;
	skbs[2] = skb_clone(skbs[1], GFP_KERNEL);
	return skbs[2] ? 3 : 0;
}

static unsigned int ppiov_way_clone_copy(struct sk_buff **skbs)
{
	skbs[1] = skb_clone(skbs[0], GFP_KERNEL);
	skbs[2] = skbs[1] ? pskb_copy(skbs[1], GFP_KERNEL) : NULL;
	return skbs[2] ? 3 : 0;
}

static unsigned int ppiov_way_copy_expand(struct sk_buff **skbs)
{
	skbs[1] = pskb_copy(skbs[0], GFP_KERNEL);
	return skbs[1] && !pskb_expand_head(skbs[1], 128, 128, GFP_KERNEL) ? 2 :
									     0;
}

static unsigned int ppiov_way_clone_expand_both(struct sk_buff **skbs)
{
	skbs[1] = skb_clone(skbs[0], GFP_KERNEL);
	return skbs[1] && !pskb_expand_head(skbs[0], 128, 0, GFP_KERNEL) &&
			       !pskb_expand_head(skbs[1], 128, 0, GFP_KERNEL) ?
		       2 :
		       0;
}

/* From here on the frags are counted as anybody's are: the stack takes page
 * references, and puts them when the descriptor is gone.
 */
static bool ppiov_expand_child(struct sk_buff *head)
{
	return !pskb_expand_head(ppiov_test_child(head), 128, 0, GFP_KERNEL);
}

static unsigned int ppiov_way_child(struct sk_buff **skbs)
{
	return ppiov_expand_child(skbs[0]);
}

static unsigned int ppiov_way_child_twice(struct sk_buff **skbs)
{
	return ppiov_expand_child(skbs[0]) && ppiov_expand_child(skbs[0]);
}

static unsigned int ppiov_way_child_clone(struct sk_buff **skbs)
{
	if (!ppiov_expand_child(skbs[0]))
		return 0;
	return ppiov_way_clone(skbs);
}

static unsigned int ppiov_way_clone_child(struct sk_buff **skbs)
{
	return ppiov_way_clone(skbs) && ppiov_expand_child(skbs[1]) ? 2 : 0;
}

static unsigned int ppiov_way_child_clone_expand(struct sk_buff **skbs)
{
	if (!ppiov_expand_child(skbs[0]))
		return 0;
	return ppiov_way_clone_expand_clone(skbs);
}

static const struct ppiov_way ppiov_ways[] = {
	{ "as it is", ppiov_way_none },
	{ "expand", ppiov_way_expand },
	{ "clone", ppiov_way_clone },
	{ "copy", ppiov_way_copy },
	{ "clone of a clone", ppiov_way_clone_twice },
	{ "clone, expand the first", ppiov_way_clone_expand_first },
	{ "clone, expand the second", ppiov_way_clone_expand_second },
	{ "clone, expand, clone", ppiov_way_clone_expand_clone },
	{ "clone, copy", ppiov_way_clone_copy },
	{ "copy, expand", ppiov_way_copy_expand },
	{ "clone, expand both", ppiov_way_clone_expand_both },
	{ "expand the child", ppiov_way_child },
	{ "expand the child twice", ppiov_way_child_twice },
	{ "expand the child, clone", ppiov_way_child_clone },
	{ "clone, expand the child", ppiov_way_clone_child },
	{ "expand the child, clone, expand, clone",
	  ppiov_way_child_clone_expand },
};

/* The six orders of three; with two skbs the number 2 is passed over. */
static const u8 ppiov_orders[6][PPIOV_REFS_MAX] = {
	{ 0, 1, 2 }, { 0, 2, 1 }, { 1, 0, 2 },
	{ 1, 2, 0 }, { 2, 0, 1 }, { 2, 1, 0 },
};

struct ppiov_refs {
	const struct ppiov_kind *kind;
	const struct ppiov_way *way;
	const u8 *order;
};

#define PPIOV_NR_REFS                                       \
	(ARRAY_SIZE(ppiov_kinds) * ARRAY_SIZE(ppiov_ways) * \
	 ARRAY_SIZE(ppiov_orders))

static struct ppiov_refs ppiov_refs[PPIOV_NR_REFS];

/* All kinds by all ways by all orders. */
static compat_kunit_gen_params(ppiov_refs)
{
	struct ppiov_refs *next = ppiov_refs;
	unsigned int i;

	if (prev)
		next = (struct ppiov_refs *)prev + 1;
	i = next - ppiov_refs;
	if (i >= PPIOV_NR_REFS)
		return NULL;

	next->order = ppiov_orders[i % ARRAY_SIZE(ppiov_orders)];
	i /= ARRAY_SIZE(ppiov_orders);
	next->way = &ppiov_ways[i % ARRAY_SIZE(ppiov_ways)];
	next->kind = &ppiov_kinds[i / ARRAY_SIZE(ppiov_ways)];
	snprintf(desc, KUNIT_PARAM_DESC_SIZE, "%s, %s, freed %u %u %u",
		 next->kind->name, next->way->name, next->order[0],
		 next->order[1], next->order[2]);
	return next;
}

/* Make @skbs of a packet, in the parameter's way. */
static unsigned int ppiov_refs_make(struct kunit *test, struct sk_buff **skbs)
{
	const struct ppiov_refs *refs = test->param_value;
	unsigned int n;

	skbs[0] = ppiov_test_packet(test->priv);
	n = refs->way->make(skbs);
	KUNIT_ASSERT_GT(test, n, 0);
	return n;
}

static int ppiov_refs_test_init(struct kunit *test)
{
	const struct ppiov_refs *refs = test->param_value;

	test->priv = ppiov_fake_pool(test, refs->kind->ops, 128);
	return 0;
}

static void refs_last_copy_brings_buffers_home(struct kunit *test)
{
	const struct ppiov_refs *refs = test->param_value;
	struct sk_buff *skbs[PPIOV_REFS_MAX] = {};
	unsigned int n = ppiov_refs_make(test, skbs);
	unsigned int i, left = n;

	for (i = 0; i < PPIOV_REFS_MAX; i++) {
		if (refs->order[i] >= n)
			continue;
		KUNIT_EXPECT_EQ(test, ppiov_test_home(test->priv), 0);
		kfree_skb(skbs[refs->order[i]]);
		left--;
	}
	KUNIT_EXPECT_EQ(test, left, 0);
	KUNIT_EXPECT_EQ(test, ppiov_test_home(test->priv), PPIOV_TEST_BUFS);
}

static void refs_last_copy_ends_a_destroyed_pool(struct kunit *test)
{
	const struct ppiov_refs *refs = test->param_value;
	struct sk_buff *skbs[PPIOV_REFS_MAX] = {};
	unsigned int n = ppiov_refs_make(test, skbs);
	struct ppiov_fake *fake = test->priv;
	unsigned int i;

	ppiov_fake_destroy(fake);
	for (i = 0; i < PPIOV_REFS_MAX; i++) {
		if (refs->order[i] >= n)
			continue;
		KUNIT_EXPECT_EQ(test, ppiov_fake_out(fake), PPIOV_TEST_BUFS);
		kfree_skb(skbs[refs->order[i]]);
	}
	KUNIT_EXPECT_TRUE(test, ppiov_fake_ended(fake));
	KUNIT_EXPECT_EQ(test, ppiov_fake_out(fake), 0);
}

static void refs_stay_within_the_carrier(struct kunit *test)
{
	const struct ppiov_refs *refs = test->param_value;
	struct sk_buff *skbs[PPIOV_REFS_MAX] = {};
	struct ppiov_carrier *carrier;
	unsigned int n = ppiov_refs_make(test, skbs);
	unsigned int i;

	/* However many skbs there are, each buffer has one reference. */
	carrier = ppiov_carrier_of(ppiov_test_child(skbs[0]));
	KUNIT_ASSERT_NOT_NULL(test, carrier);
	for (i = 0; i < carrier->n; i++)
		KUNIT_EXPECT_EQ(test, 1,
				ppiov_netmem_refs(carrier->bufs[i].netmem));
	for (i = 0; i < PPIOV_REFS_MAX; i++)
		if (refs->order[i] < n)
			kfree_skb(skbs[refs->order[i]]);
}

static struct kunit_case ppiov_refs_cases[] = {
	KUNIT_CASE_PARAM(refs_last_copy_brings_buffers_home,
			 ppiov_refs_gen_params),
	KUNIT_CASE_PARAM(refs_last_copy_ends_a_destroyed_pool,
			 ppiov_refs_gen_params),
	KUNIT_CASE_PARAM(refs_stay_within_the_carrier, ppiov_refs_gen_params),
	{}
};

static struct kunit_suite ppiov_refs_suite = {
	.name = "ppiov_carrier_refs",
	.init = ppiov_refs_test_init,
	.test_cases = ppiov_refs_cases,
};

/* ---------------------------------- header page here, payload iov there */

/*
 * The core's page_pool, for header pages. Buffers of order 1, since it gets
 * those one by one: the page that comes after is the one that came home.
 */
static struct page_pool *ppiov_core_pool(struct kunit *test)
{
	struct page_pool_params params = {
		.order = 1,
		.pool_size = 8,
		.nid = NUMA_NO_NODE,
	};
	struct page_pool *core = page_pool_create(&params);

	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, core);
	return core;
}

/**
 * struct ppiov_mixed - a packet that two pools have a part in
 * @core: of the header page
 * @page: the header page
 * @fake: of the payload
 * @head: the packet
 */
struct ppiov_mixed {
	struct page_pool *core;
	struct page *page;
	struct ppiov_fake *fake;
	struct sk_buff *head;
};

static struct ppiov_mixed ppiov_mixed_new(struct kunit *test)
{
	const struct ppiov_kind *kind = test->param_value;
	struct ppiov_buf bufs[PPIOV_TEST_BUFS];
	struct ppiov_mixed m;

	m.core = ppiov_core_pool(test);
	m.fake = ppiov_fake_pool(test, kind->ops, 128);
	m.page = page_pool_alloc_pages(m.core, GFP_KERNEL | __GFP_COMP);
	KUNIT_ASSERT_NOT_NULL(test, m.page);
	m.head = build_skb(page_address(m.page), 2 * PAGE_SIZE);
	KUNIT_ASSERT_NOT_NULL(test, m.head);
	skb_mark_for_recycle(m.head);
	skb_put(m.head, PPIOV_TEST_HEADER);
	ppiov_test_bufs(m.fake, bufs, ARRAY_SIZE(bufs));
	KUNIT_ASSERT_EQ(test, 0,
			ppiov_carrier_attach(m.head, m.fake->pool, bufs,
					     ARRAY_SIZE(bufs), GFP_KERNEL));
	return m;
}

/* Is the header page back in its own pool? */
static bool ppiov_mixed_header_is_home(const struct ppiov_mixed *m)
{
	struct page *page = page_pool_alloc_pages(m->core, GFP_KERNEL);
	bool home = page == m->page;

	if (page)
		page_pool_put_full_page(m->core, page, false);
	return home;
}

static bool ppiov_mixed_payload_is_home(const struct ppiov_mixed *m)
{
	return ppiov_test_home(m->fake) == PPIOV_TEST_BUFS;
}

static void mixed_freed_together(struct kunit *test)
{
	struct ppiov_mixed m = ppiov_mixed_new(test);

	kfree_skb(m.head);
	KUNIT_EXPECT_TRUE(test, ppiov_mixed_header_is_home(&m));
	KUNIT_EXPECT_TRUE(test, ppiov_mixed_payload_is_home(&m));
	page_pool_destroy(m.core);
}

static void mixed_header_first(struct kunit *test)
{
	struct ppiov_mixed m = ppiov_mixed_new(test);
	struct ppiov_carrier *carrier;

	carrier = ppiov_carrier_of(ppiov_test_child(m.head));
	KUNIT_ASSERT_NOT_NULL(test, carrier);
	ppiov_carrier_get(carrier);
	kfree_skb(m.head);
	KUNIT_EXPECT_TRUE(test, ppiov_mixed_header_is_home(&m));
	KUNIT_EXPECT_FALSE(test, ppiov_mixed_payload_is_home(&m));

	ppiov_carrier_put(carrier);
	KUNIT_EXPECT_TRUE(test, ppiov_mixed_payload_is_home(&m));
	page_pool_destroy(m.core);
}

/* As a socket does that has read all of it. */
static void mixed_payload_first(struct kunit *test)
{
	struct ppiov_mixed m = ppiov_mixed_new(test);

	KUNIT_ASSERT_EQ(test, 0, pskb_trim(m.head, PPIOV_TEST_HEADER));
	KUNIT_EXPECT_TRUE(test, ppiov_mixed_payload_is_home(&m));
	KUNIT_EXPECT_FALSE(test, ppiov_mixed_header_is_home(&m));

	kfree_skb(m.head);
	KUNIT_EXPECT_TRUE(test, ppiov_mixed_header_is_home(&m));
	page_pool_destroy(m.core);
}

static void mixed_header_replaced(struct kunit *test)
{
	struct ppiov_mixed m = ppiov_mixed_new(test);

	KUNIT_ASSERT_EQ(test, 0, pskb_expand_head(m.head, 64, 0, GFP_KERNEL));
	KUNIT_EXPECT_TRUE(test, ppiov_mixed_header_is_home(&m));
	KUNIT_EXPECT_FALSE(test, ppiov_mixed_payload_is_home(&m));

	kfree_skb(m.head);
	KUNIT_EXPECT_TRUE(test, ppiov_mixed_payload_is_home(&m));
	page_pool_destroy(m.core);
}

static void mixed_clone_freed_last(struct kunit *test)
{
	struct ppiov_mixed m = ppiov_mixed_new(test);
	struct sk_buff *clone = skb_clone(m.head, GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, clone);
	kfree_skb(m.head);
	KUNIT_EXPECT_FALSE(test, ppiov_mixed_payload_is_home(&m));

	kfree_skb(clone);
	KUNIT_EXPECT_TRUE(test, ppiov_mixed_header_is_home(&m));
	KUNIT_EXPECT_TRUE(test, ppiov_mixed_payload_is_home(&m));
	page_pool_destroy(m.core);
}

static void mixed_clone_freed_first(struct kunit *test)
{
	struct ppiov_mixed m = ppiov_mixed_new(test);
	struct sk_buff *clone = skb_clone(m.head, GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, clone);
	kfree_skb(clone);
	KUNIT_EXPECT_FALSE(test, ppiov_mixed_payload_is_home(&m));

	kfree_skb(m.head);
	KUNIT_EXPECT_TRUE(test, ppiov_mixed_header_is_home(&m));
	KUNIT_EXPECT_TRUE(test, ppiov_mixed_payload_is_home(&m));
	page_pool_destroy(m.core);
}

static void mixed_clone_with_a_head_of_its_own(struct kunit *test)
{
	struct ppiov_mixed m = ppiov_mixed_new(test);
	struct sk_buff *clone = skb_clone(m.head, GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, clone);
	KUNIT_ASSERT_EQ(test, 0, pskb_expand_head(clone, 64, 0, GFP_KERNEL));
	kfree_skb(m.head);
	KUNIT_EXPECT_TRUE(test, ppiov_mixed_header_is_home(&m));
	KUNIT_EXPECT_FALSE(test, ppiov_mixed_payload_is_home(&m));

	kfree_skb(clone);
	KUNIT_EXPECT_TRUE(test, ppiov_mixed_payload_is_home(&m));
	page_pool_destroy(m.core);
}

KUNIT_ARRAY_PARAM_DESC(kind, ppiov_kinds, name);

static struct kunit_case ppiov_mixed_cases[] = {
	KUNIT_CASE_PARAM(mixed_freed_together, kind_gen_params),
	KUNIT_CASE_PARAM(mixed_header_first, kind_gen_params),
	KUNIT_CASE_PARAM(mixed_payload_first, kind_gen_params),
	KUNIT_CASE_PARAM(mixed_header_replaced, kind_gen_params),
	KUNIT_CASE_PARAM(mixed_clone_freed_last, kind_gen_params),
	KUNIT_CASE_PARAM(mixed_clone_freed_first, kind_gen_params),
	KUNIT_CASE_PARAM(mixed_clone_with_a_head_of_its_own, kind_gen_params),
	{}
};

static struct kunit_suite ppiov_mixed_suite = {
	.name = "ppiov_carrier_mixed",
	.test_cases = ppiov_mixed_cases,
};

kunit_test_suites(&ppiov_refs_suite, &ppiov_mixed_suite);
