// SPDX-License-Identifier: GPL-2.0-only
/* KUnit suites: what a netmem is, and what can be asked of one. */
#include <linux/gfp.h>
#include <linux/jump_label.h>

#include "fake.h"

KUNIT_ARRAY_PARAM_DESC(kind, ppiov_kinds, name);

/* A pool that the test's buffers come from, of the parameter's kind. */
static int ppiov_netmem_test_init(struct kunit *test)
{
	const struct ppiov_kind *kind = test->param_value;

	test->priv = ppiov_fake_pool(test, kind->ops, 16);
	return 0;
}

/* A test that has no parameter gets a pool of iovs: the branch is on. */
static int ppiov_tag_test_init(struct kunit *test)
{
	test->priv = ppiov_fake_pool(test, &ppiov_fake_iov_ops, 16);
	return 0;
}

static bool ppiov_test_is_iov(struct kunit *test)
{
	const struct ppiov_kind *kind = test->param_value;

	return kind->ops == &ppiov_fake_iov_ops;
}

/* --------------------------------------------------------------- the tag */

static void tag_page_comes_back(struct kunit *test)
{
	struct page *page = alloc_page(GFP_KERNEL);
	ppiov_netmem_t netmem = ppiov_page_to_netmem(page);

	KUNIT_ASSERT_NOT_NULL(test, page);
	KUNIT_EXPECT_PTR_EQ(test, ppiov_netmem_to_page(netmem), page);
	__free_page(page);
}

static void tag_iov_comes_back(struct kunit *test)
{
	struct ppiov_fake *fake = test->priv;
	struct page_pool_iov *iov = &fake->iovs[3];

	KUNIT_EXPECT_PTR_EQ(test, ppiov_netmem_to_iov(ppiov_iov_to_netmem(iov)),
			    iov);
}

static void tag_page_is_no_iov(struct kunit *test)
{
	struct page *page = alloc_page(GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, page);
	KUNIT_EXPECT_NULL(test,
			  ppiov_netmem_to_iov(ppiov_page_to_netmem(page)));
	__free_page(page);
}

static void tag_iov_is_no_page(struct kunit *test)
{
	struct ppiov_fake *fake = test->priv;
	ppiov_netmem_t netmem = ppiov_iov_to_netmem(&fake->iovs[0]);
	struct page *page = NULL;

	compat_kunit_expect_warning(test) page = ppiov_netmem_to_page(netmem);
	KUNIT_EXPECT_NULL(test, page);
}

static void tag_none_is_no_iov(struct kunit *test)
{
	KUNIT_EXPECT_FALSE(test, ppiov_netmem_is_iov(PPIOV_NETMEM_NONE));
}

static void tag_branch_is_counted(struct kunit *test)
{
	struct ppiov_fake *fake;
	int before;

	static_key_deferred_flush(&ppiov_iov_key);
	before = static_key_count(&ppiov_iov_key.key.key);
	fake = ppiov_fake_pool(test, &ppiov_fake_iov_ops, 16);
	KUNIT_EXPECT_EQ(test, static_key_count(&ppiov_iov_key.key.key),
			before + 1);

	ppiov_fake_destroy(fake);
	KUNIT_EXPECT_TRUE(test, ppiov_fake_ended(fake));
}

static void tag_pages_leave_branch_alone(struct kunit *test)
{
	int before;

	static_key_deferred_flush(&ppiov_iov_key);
	before = static_key_count(&ppiov_iov_key.key.key);
	ppiov_fake_pool(test, &ppiov_fake_page_ops, 16);
	KUNIT_EXPECT_EQ(test, static_key_count(&ppiov_iov_key.key.key), before);
}

static struct kunit_case ppiov_tag_cases[] = {
	KUNIT_CASE(tag_page_comes_back),
	KUNIT_CASE(tag_iov_comes_back),
	KUNIT_CASE(tag_page_is_no_iov),
	KUNIT_CASE(tag_iov_is_no_page),
	KUNIT_CASE(tag_none_is_no_iov),
	KUNIT_CASE(tag_branch_is_counted),
	KUNIT_CASE(tag_pages_leave_branch_alone),
	{}
};

static struct kunit_suite ppiov_tag_suite = {
	.name = "ppiov_netmem_tag",
	.init = ppiov_tag_test_init,
	.test_cases = ppiov_tag_cases,
};

/* ---------------------------------------------------------- the accessors */

static void netmem_is_iov(struct kunit *test)
{
	ppiov_netmem_t netmem = ppiov_fake_alloc(test->priv);
	struct ppiov_fake *fake = test->priv;

	KUNIT_EXPECT_EQ(test, ppiov_netmem_is_iov(netmem),
			ppiov_test_is_iov(test));
	ppiov_pool_put(fake->pool, netmem, false);
}

static void netmem_desc_is_the_buffer(struct kunit *test)
{
	struct ppiov_fake *fake = test->priv;
	ppiov_netmem_t netmem = ppiov_fake_alloc(fake);
	void *buffer;

	if (ppiov_test_is_iov(test))
		buffer = ppiov_netmem_to_iov(netmem);
	else
		buffer = ppiov_netmem_to_page(netmem);
	KUNIT_EXPECT_PTR_EQ(test, (void *)ppiov_netmem_desc(netmem), buffer);
	ppiov_pool_put(fake->pool, netmem, false);
}

static void netmem_pool(struct kunit *test)
{
	struct ppiov_fake *fake = test->priv;
	ppiov_netmem_t netmem = ppiov_fake_alloc(fake);

	KUNIT_EXPECT_PTR_EQ(test, ppiov_netmem_pool(netmem), fake->pool);
	ppiov_pool_put(fake->pool, netmem, false);
}

static void netmem_begins_with_one_ref(struct kunit *test)
{
	struct ppiov_fake *fake = test->priv;
	ppiov_netmem_t netmem = ppiov_fake_alloc(fake);

	KUNIT_EXPECT_EQ(test, ppiov_netmem_refs(netmem), 1);
	ppiov_pool_put(fake->pool, netmem, false);
}

static void netmem_get_adds_refs(struct kunit *test)
{
	struct ppiov_fake *fake = test->priv;
	ppiov_netmem_t netmem = ppiov_fake_alloc(fake);

	ppiov_netmem_get(netmem, 3);
	KUNIT_EXPECT_EQ(test, ppiov_netmem_refs(netmem), 4);

	KUNIT_EXPECT_FALSE(test, ppiov_netmem_put_refs(netmem, 3));
	ppiov_pool_put(fake->pool, netmem, false);
}

static void netmem_put_refs_tells_the_last(struct kunit *test)
{
	struct ppiov_fake *fake = test->priv;
	ppiov_netmem_t netmem = ppiov_fake_alloc(fake);

	ppiov_netmem_get(netmem, 4);
	KUNIT_EXPECT_FALSE(test, ppiov_netmem_put_refs(netmem, 2));
	KUNIT_EXPECT_TRUE(test, ppiov_netmem_put_refs(netmem, 3));
	/* The pool's, for whoever puts it. */
	KUNIT_EXPECT_EQ(test, ppiov_netmem_refs(netmem), 1);
	ppiov_pool_put(fake->pool, netmem, false);
}

static void netmem_dma(struct kunit *test)
{
	struct ppiov_fake *fake = test->priv;
	ppiov_netmem_t netmem = ppiov_fake_alloc(fake);
	u64 at = 0;

	/* A pool without a device has no address for a page. */
	if (ppiov_test_is_iov(test))
		at = PPIOV_FAKE_DMA +
		     ppiov_iov_index(ppiov_netmem_to_iov(netmem)) * PAGE_SIZE;
	KUNIT_EXPECT_EQ(test, (u64)ppiov_netmem_dma(netmem), at);
	ppiov_pool_put(fake->pool, netmem, false);
}

static void netmem_is_not_pfmemalloc(struct kunit *test)
{
	struct ppiov_fake *fake = test->priv;
	ppiov_netmem_t netmem = ppiov_fake_alloc(fake);

	KUNIT_EXPECT_FALSE(test, ppiov_netmem_is_pfmemalloc(netmem));
	ppiov_pool_put(fake->pool, netmem, false);
}

static void netmem_nid(struct kunit *test)
{
	struct ppiov_fake *fake = test->priv;
	ppiov_netmem_t netmem = ppiov_fake_alloc(fake);
	int nid = NUMA_NO_NODE;

	if (!ppiov_test_is_iov(test))
		nid = page_to_nid(ppiov_netmem_to_page(netmem));
	KUNIT_EXPECT_EQ(test, ppiov_netmem_nid(netmem), nid);
	ppiov_pool_put(fake->pool, netmem, false);
}

static void netmem_owner(struct kunit *test)
{
	struct ppiov_fake *fake = test->priv;
	ppiov_netmem_t netmem = ppiov_fake_alloc(fake);

	KUNIT_EXPECT_PTR_EQ(test, ppiov_netmem_owner(netmem),
			    ppiov_test_is_iov(test) ? &fake->chunk : NULL);
	ppiov_pool_put(fake->pool, netmem, false);
}

static void netmem_address(struct kunit *test)
{
	struct ppiov_fake *fake = test->priv;
	ppiov_netmem_t netmem = ppiov_fake_alloc(fake);
	void *address = NULL;

	if (!ppiov_test_is_iov(test))
		address = page_address(ppiov_netmem_to_page(netmem));
	KUNIT_EXPECT_PTR_EQ(test, ppiov_netmem_address(netmem), address);
	ppiov_pool_put(fake->pool, netmem, false);
}

/* The words lie over what mm keeps in a page: the page must not show it. */
static void netmem_page_is_clean_for_mm(struct kunit *test)
{
	struct ppiov_fake *fake = test->priv;
	ppiov_netmem_t netmem = ppiov_fake_alloc(fake);
	struct page *page;

	if (ppiov_test_is_iov(test)) {
		ppiov_pool_put(fake->pool, netmem, false);
		kunit_skip(test, "an iov has no page");
	}
	page = ppiov_netmem_to_page(netmem);
	KUNIT_EXPECT_NULL(test, page->mapping);
	KUNIT_EXPECT_FALSE(test, PageTail(page));
	KUNIT_EXPECT_EQ(test, page_ref_count(page), 1);
	/* What core asks of a page that becomes a frag. */
	KUNIT_EXPECT_FALSE(test, page_is_pfmemalloc(page));
	ppiov_pool_put(fake->pool, netmem, false);
}

static struct kunit_case ppiov_netmem_cases[] = {
	KUNIT_CASE_PARAM(netmem_is_iov, kind_gen_params),
	KUNIT_CASE_PARAM(netmem_desc_is_the_buffer, kind_gen_params),
	KUNIT_CASE_PARAM(netmem_pool, kind_gen_params),
	KUNIT_CASE_PARAM(netmem_begins_with_one_ref, kind_gen_params),
	KUNIT_CASE_PARAM(netmem_get_adds_refs, kind_gen_params),
	KUNIT_CASE_PARAM(netmem_put_refs_tells_the_last, kind_gen_params),
	KUNIT_CASE_PARAM(netmem_dma, kind_gen_params),
	KUNIT_CASE_PARAM(netmem_is_not_pfmemalloc, kind_gen_params),
	KUNIT_CASE_PARAM(netmem_nid, kind_gen_params),
	KUNIT_CASE_PARAM(netmem_owner, kind_gen_params),
	KUNIT_CASE_PARAM(netmem_address, kind_gen_params),
	KUNIT_CASE_PARAM(netmem_page_is_clean_for_mm, kind_gen_params),
	{}
};

static struct kunit_suite ppiov_netmem_suite = {
	.name = "ppiov_netmem",
	.init = ppiov_netmem_test_init,
	.test_cases = ppiov_netmem_cases,
};

/* ------------------------------------------------------ an iov in its chunk */

static const struct ppiov_place {
	const char *name;
	u32 index;
	u32 shift;
	u64 base;
	u64 offset;
} ppiov_places[] = {
	{ "first", 0, PAGE_SHIFT, 0, 0 },
	{ "first of a later chunk", 0, PAGE_SHIFT, 0x200000, 0x200000 },
	{ "last", PPIOV_FAKE_BUFS - 1, 12, 0, (PPIOV_FAKE_BUFS - 1) << 12 },
	{ "large buffers", 5, 21, 0, 5ULL << 21 },
	{ "beyond 4 GiB", 3, 31, 1ULL << 40, (1ULL << 40) + (3ULL << 31) },
};

KUNIT_ARRAY_PARAM_DESC(place, ppiov_places, name);

static void iov_index(struct kunit *test)
{
	const struct ppiov_place *place = test->param_value;
	struct ppiov_fake *fake = ppiov_fake_new(test);

	KUNIT_EXPECT_EQ(test, ppiov_iov_index(&fake->iovs[place->index]),
			place->index);
}

static void iov_offset(struct kunit *test)
{
	const struct ppiov_place *place = test->param_value;
	struct ppiov_fake *fake = ppiov_fake_new(test);

	fake->chunk.shift = place->shift;
	fake->chunk.base = place->base;
	KUNIT_EXPECT_EQ(test, ppiov_iov_offset(&fake->iovs[place->index]),
			place->offset);
}

static struct kunit_case ppiov_chunk_cases[] = {
	KUNIT_CASE_PARAM(iov_index, place_gen_params),
	KUNIT_CASE_PARAM(iov_offset, place_gen_params),
	{}
};

static struct kunit_suite ppiov_chunk_suite = {
	.name = "ppiov_chunk",
	.test_cases = ppiov_chunk_cases,
};

kunit_test_suites(&ppiov_tag_suite, &ppiov_netmem_suite, &ppiov_chunk_suite);
