// SPDX-License-Identifier: GPL-2.0-only
/* KUnit suites: what a carrier is, and what it refuses. */
#include <linux/limits.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "carrier_test.h"

KUNIT_ARRAY_PARAM_DESC(kind, ppiov_kinds, name);

static int ppiov_carrier_test_init(struct kunit *test)
{
	const struct ppiov_kind *kind = test->param_value;

	test->priv = ppiov_fake_pool(test, kind->ops, 128);
	return 0;
}

static bool ppiov_test_is_iov(struct kunit *test)
{
	const struct ppiov_kind *kind = test->param_value;

	return kind->ops == &ppiov_fake_iov_ops;
}

/* -------------------------------------------- what the three files make */

/**
 * ppiov_test_head() - headers, and nothing else
 * @test: the test, which owns what is returned, but does not free it
 *
 * Context: process.
 * Return: the skb; a failure ends the test.
 */
struct sk_buff *ppiov_test_head(struct kunit *test)
{
	struct sk_buff *head = alloc_skb(256, GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, head);
	skb_reserve(head, 64);
	memset(skb_put(head, PPIOV_TEST_HEADER), 0xaa, PPIOV_TEST_HEADER);
	return head;
}

/**
 * ppiov_test_byte() - what stands in the payload
 * @pos: from the beginning of the payload
 *
 * Context: any.
 * Return: the byte.
 */
u8 ppiov_test_byte(u32 pos)
{
	return pos * 7 + pos / 251;
}

/**
 * ppiov_test_bufs() - get buffers and fill them, where the CPU can
 * @fake: with a pool
 * @bufs: filled
 * @n: of them
 *
 * Context: process.
 */
void ppiov_test_bufs(struct ppiov_fake *fake, struct ppiov_buf *bufs, u32 n)
{
	u32 i, j;
	u8 *p;

	for (i = 0; i < n; i++) {
		bufs[i].netmem = ppiov_fake_alloc(fake);
		bufs[i].offset = PPIOV_TEST_OFFSET;
		bufs[i].len = PPIOV_TEST_PIECE;
		p = ppiov_netmem_address(bufs[i].netmem);
		for (j = 0; p && j < PPIOV_TEST_PIECE; j++)
			p[PPIOV_TEST_OFFSET + j] =
				ppiov_test_byte(i * PPIOV_TEST_PIECE + j);
	}
}

/**
 * ppiov_test_put_bufs() - give back what no carrier took
 * @fake: with a pool
 * @bufs: of ppiov_test_bufs()
 * @n: of them
 *
 * Context: process.
 */
void ppiov_test_put_bufs(struct ppiov_fake *fake, const struct ppiov_buf *bufs,
			 u32 n)
{
	while (n--)
		ppiov_pool_put(fake->pool, bufs[n].netmem, false);
}

/**
 * ppiov_test_packet() - headers with PPIOV_TEST_BUFS buffers of payload
 * @fake: with a pool
 *
 * Context: process.
 * Return: the head; a failure ends the test.
 */
struct sk_buff *ppiov_test_packet(struct ppiov_fake *fake)
{
	struct sk_buff *head = ppiov_test_head(fake->test);
	struct ppiov_buf bufs[PPIOV_TEST_BUFS];

	ppiov_test_bufs(fake, bufs, ARRAY_SIZE(bufs));
	KUNIT_ASSERT_EQ(fake->test, 0,
			ppiov_carrier_attach(head, fake->pool, bufs,
					     ARRAY_SIZE(bufs), GFP_KERNEL));
	return head;
}

/**
 * ppiov_test_child() - the skb that has the payload
 * @head: of ppiov_test_packet()
 *
 * Context: any.
 * Return: the child.
 */
struct sk_buff *ppiov_test_child(const struct sk_buff *head)
{
	return skb_shinfo(head)->frag_list;
}

/**
 * ppiov_test_home() - buffers that came back to the pool, from whatever
 * @fake: with a pool
 *
 * Context: any.
 * Return: how many.
 */
u64 ppiov_test_home(const struct ppiov_fake *fake)
{
	struct ppiov_pool_stats stats = ppiov_fake_stats(fake);

	return stats.recycle_cache + stats.recycle_ring +
	       stats.recycle_ring_full + stats.recycle_foreign;
}

/* ----------------------------------------------------------------- attach */

static void attach_leaves_the_head_linear(struct kunit *test)
{
	struct sk_buff *head = ppiov_test_packet(test->priv);

	KUNIT_EXPECT_EQ(test, skb_headlen(head), PPIOV_TEST_HEADER);
	KUNIT_EXPECT_EQ(test, skb_shinfo(head)->nr_frags, 0);
	kfree_skb(head);
}

/* RX orphaning asks the head. */
static void attach_leaves_the_head_without_zerocopy(struct kunit *test)
{
	struct sk_buff *head = ppiov_test_packet(test->priv);

	KUNIT_EXPECT_NULL(test, skb_zcopy(head));
	kfree_skb(head);
}

static void attach_adds_the_length(struct kunit *test)
{
	u32 payload = PPIOV_TEST_PAYLOAD;
	struct sk_buff *head = ppiov_test_packet(test->priv);

	KUNIT_EXPECT_EQ(test, head->data_len, payload);
	KUNIT_EXPECT_EQ(test, head->len, PPIOV_TEST_HEADER + payload);
	kfree_skb(head);
}

static void attach_accounts_whole_buffers(struct kunit *test)
{
	struct sk_buff *head = ppiov_test_packet(test->priv);

	KUNIT_EXPECT_GE(test, head->truesize, PPIOV_TEST_BUFS * PAGE_SIZE);
	kfree_skb(head);
}

static void attach_makes_one_child(struct kunit *test)
{
	struct sk_buff *head = ppiov_test_packet(test->priv);
	struct sk_buff *child = ppiov_test_child(head);

	KUNIT_ASSERT_NOT_NULL(test, child);
	KUNIT_EXPECT_NULL(test, child->next);
	KUNIT_EXPECT_EQ(test, skb_headlen(child), 0);
	KUNIT_EXPECT_EQ(test, child->len, PPIOV_TEST_PAYLOAD);
	kfree_skb(head);
}

static void attach_says_what_can_be_read(struct kunit *test)
{
	struct sk_buff *head = ppiov_test_packet(test->priv);

	KUNIT_EXPECT_EQ(test, skb_frags_readable(head),
			!ppiov_test_is_iov(test));
	KUNIT_EXPECT_EQ(test, skb_frags_readable(ppiov_test_child(head)),
			!ppiov_test_is_iov(test));
	kfree_skb(head);
}

/* pfmemalloc packets are dropped by ordinary sockets. */
static void attach_is_not_pfmemalloc(struct kunit *test)
{
	struct sk_buff *head = ppiov_test_packet(test->priv);

	KUNIT_EXPECT_FALSE(test, skb_pfmemalloc(head));
	KUNIT_EXPECT_FALSE(test, skb_pfmemalloc(ppiov_test_child(head)));
	kfree_skb(head);
}

static void attach_takes_no_page_reference(struct kunit *test)
{
	struct sk_buff *head = ppiov_test_packet(test->priv);
	skb_frag_t *frag = &skb_shinfo(ppiov_test_child(head))->frags[0];

	if (ppiov_test_is_iov(test)) {
		kfree_skb(head);
		kunit_skip(test, "an iov has no page");
	}
	KUNIT_EXPECT_EQ(test, page_ref_count(skb_frag_page(frag)), 1);
	kfree_skb(head);
}

static void attach_free_brings_all_home(struct kunit *test)
{
	struct ppiov_fake *fake = test->priv;

	kfree_skb(ppiov_test_packet(fake));
	KUNIT_EXPECT_EQ(test, ppiov_test_home(fake), PPIOV_TEST_BUFS);
}

static void attach_as_many_as_allowed(struct kunit *test)
{
	struct ppiov_fake *fake = test->priv;
	struct sk_buff *head = ppiov_test_head(test);
	struct ppiov_buf *bufs;
	u32 n;

	n = ppiov_test_is_iov(test) ? PPIOV_CARRIER_MAX_IOVS :
				      PPIOV_CARRIER_MAX_PAGES;
	bufs = kunit_kcalloc(test, n, sizeof(*bufs), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, bufs);
	ppiov_test_bufs(fake, bufs, n);
	KUNIT_EXPECT_EQ(test, 0,
			ppiov_carrier_attach(head, fake->pool, bufs, n,
					     GFP_KERNEL));
	kfree_skb(head);
	KUNIT_EXPECT_EQ(test, ppiov_test_home(fake), n);
}

static void attach_parts_of_one_buffer(struct kunit *test)
{
	struct ppiov_fake *fake = test->priv;
	struct sk_buff *head = ppiov_test_head(test);
	struct ppiov_buf bufs[2];

	ppiov_test_bufs(fake, bufs, 1);
	bufs[1] = bufs[0];
	bufs[1].offset += PPIOV_TEST_PIECE;
	ppiov_netmem_get(bufs[0].netmem, 1);
	KUNIT_EXPECT_EQ(test, 0,
			ppiov_carrier_attach(head, fake->pool, bufs, 2,
					     GFP_KERNEL));
	kfree_skb(head);
	KUNIT_EXPECT_EQ(test, ppiov_test_home(fake), 1);
	KUNIT_EXPECT_EQ(test, ppiov_fake_stats(fake).double_put, 0);
}

static void attach_keeps_a_destroyed_pool(struct kunit *test)
{
	struct ppiov_fake *fake = test->priv;
	struct sk_buff *head = ppiov_test_packet(fake);

	ppiov_fake_destroy(fake);
	KUNIT_EXPECT_TRUE(test, ppiov_fake_still_there(fake));

	kfree_skb(head);
	KUNIT_EXPECT_TRUE(test, ppiov_fake_ended(fake));
	KUNIT_EXPECT_EQ(test, ppiov_fake_out(fake), 0);
}

static struct kunit_case ppiov_attach_cases[] = {
	KUNIT_CASE_PARAM(attach_leaves_the_head_linear, kind_gen_params),
	KUNIT_CASE_PARAM(attach_leaves_the_head_without_zerocopy,
			 kind_gen_params),
	KUNIT_CASE_PARAM(attach_adds_the_length, kind_gen_params),
	KUNIT_CASE_PARAM(attach_accounts_whole_buffers, kind_gen_params),
	KUNIT_CASE_PARAM(attach_makes_one_child, kind_gen_params),
	KUNIT_CASE_PARAM(attach_says_what_can_be_read, kind_gen_params),
	KUNIT_CASE_PARAM(attach_is_not_pfmemalloc, kind_gen_params),
	KUNIT_CASE_PARAM(attach_takes_no_page_reference, kind_gen_params),
	KUNIT_CASE_PARAM(attach_free_brings_all_home, kind_gen_params),
	KUNIT_CASE_PARAM(attach_as_many_as_allowed, kind_gen_params),
	KUNIT_CASE_PARAM(attach_parts_of_one_buffer, kind_gen_params),
	KUNIT_CASE_PARAM(attach_keeps_a_destroyed_pool, kind_gen_params),
	{}
};

static struct kunit_suite ppiov_attach_suite = {
	.name = "ppiov_carrier_attach",
	.init = ppiov_carrier_test_init,
	.test_cases = ppiov_attach_cases,
};

/* ------------------------------------------------------- what is refused */

#define PPIOV_TOO_MANY U32_MAX

/* What is wrong about the packet, besides the pieces. */
enum ppiov_flaw {
	PPIOV_FLAW_NONE,
	PPIOV_FLAW_NO_BUFFER, /* the last piece has none */
	PPIOV_FLAW_OTHER_POOL,
	PPIOV_FLAW_OTHER_KIND,
	PPIOV_FLAW_CLONED_HEAD,
	PPIOV_FLAW_FULL_HEAD, /* it has payload already */
};

/* One thing that is wrong about an attach() of @n pieces. */
static const struct ppiov_refusal {
	const char *name;
	u32 n; /* PPIOV_TOO_MANY: one more than fits */
	u32 offset;
	u32 len;
	enum ppiov_flaw flaw;
} ppiov_refusals[] = {
	{ "no buffers", 0, 0, 1000 },
	{ "empty piece", 2, 0, 0 },
	{ "beyond the buffer", 2, 0, PAGE_SIZE + 1 },
	{ "from beyond the buffer", 2, PAGE_SIZE, 1 },
	{ "overflow", 2, 2, U32_MAX },
	{ "a buffer missing", 2, 0, 1000, PPIOV_FLAW_NO_BUFFER },
	{ "another pool's", 2, 0, 1000, PPIOV_FLAW_OTHER_POOL },
	{ "of the other kind", 2, 0, 1000, PPIOV_FLAW_OTHER_KIND },
	{ "cloned head", 2, 0, 1000, PPIOV_FLAW_CLONED_HEAD },
	{ "head with payload", 2, 0, 1000, PPIOV_FLAW_FULL_HEAD },
	{ "too many", PPIOV_TOO_MANY, 0, 1000 },
};

KUNIT_ARRAY_PARAM_DESC(refusal, ppiov_refusals, name);

/* @ops are the pool's, @other of the other kind; @most buffers fit a packet. */
static void attach_refuses(struct kunit *test,
			   const struct ppiov_provider_ops *ops,
			   const struct ppiov_provider_ops *other, u32 most)
{
	const struct ppiov_refusal *r = test->param_value;
	u32 i, len, n = r->n == PPIOV_TOO_MANY ? most + 1 : r->n;
	struct ppiov_fake *fake = ppiov_fake_pool(test, ops, 128);
	bool no_buffer = r->flaw == PPIOV_FLAW_NO_BUFFER;
	struct sk_buff *head, *clone = NULL;
	struct ppiov_fake *theirs = fake;
	struct ppiov_buf *bufs;

	if (r->flaw == PPIOV_FLAW_OTHER_KIND)
		theirs = ppiov_fake_pool(test, other, 128);
	else if (r->flaw == PPIOV_FLAW_OTHER_POOL)
		theirs = ppiov_fake_pool(test, ops, 128);
	bufs = kunit_kcalloc(test, n + 1, sizeof(*bufs), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, bufs);
	ppiov_test_bufs(theirs, bufs, n);
	for (i = 0; i < n; i++) {
		bufs[i].offset = r->offset;
		bufs[i].len = r->len;
	}

	if (r->flaw == PPIOV_FLAW_FULL_HEAD)
		head = ppiov_test_packet(fake);
	else
		head = ppiov_test_head(test);
	if (r->flaw == PPIOV_FLAW_CLONED_HEAD)
		clone = skb_clone(head, GFP_KERNEL);
	if (no_buffer) {
		ppiov_pool_put(theirs->pool, bufs[n - 1].netmem, false);
		bufs[n - 1].netmem = PPIOV_NETMEM_NONE;
	}
	len = head->len;

	KUNIT_EXPECT_EQ(test, -EINVAL,
			ppiov_carrier_attach(head, fake->pool, bufs, n,
					     GFP_KERNEL));
	/* Nothing changed hands. */
	KUNIT_EXPECT_EQ(test, head->len, len);
	for (i = 0; i < n - no_buffer; i++)
		KUNIT_EXPECT_EQ(test, ppiov_netmem_refs(bufs[i].netmem), 1);

	ppiov_test_put_bufs(theirs, bufs, n - no_buffer);
	kfree_skb(clone);
	kfree_skb(head);
}

static void attach_refuses_pages(struct kunit *test)
{
	attach_refuses(test, &ppiov_fake_page_ops, &ppiov_fake_iov_ops,
		       PPIOV_CARRIER_MAX_PAGES);
}

static void attach_refuses_iovs(struct kunit *test)
{
	attach_refuses(test, &ppiov_fake_iov_ops, &ppiov_fake_page_ops,
		       PPIOV_CARRIER_MAX_IOVS);
}

static struct kunit_case ppiov_attach_refuse_cases[] = {
	KUNIT_CASE_PARAM(attach_refuses_pages, refusal_gen_params),
	KUNIT_CASE_PARAM(attach_refuses_iovs, refusal_gen_params),
	{}
};

static struct kunit_suite ppiov_attach_refuse_suite = {
	.name = "ppiov_carrier_refuse",
	.test_cases = ppiov_attach_refuse_cases,
};

/* -------------------------------------------------- what the CPU may read */

static void read_of_headers(struct kunit *test)
{
	struct sk_buff *head = ppiov_test_packet(test->priv);
	u8 byte = 0;

	KUNIT_EXPECT_EQ(test, 0,
			skb_copy_bits(head, PPIOV_TEST_HEADER - 1, &byte, 1));
	KUNIT_EXPECT_EQ(test, byte, 0xaa);
	kfree_skb(head);
}

static void read_of_payload(struct kunit *test)
{
	struct sk_buff *head = ppiov_test_packet(test->priv);
	u32 pos, wrong = 0;
	u8 byte;

	if (ppiov_test_is_iov(test)) {
		KUNIT_EXPECT_EQ(test, -EFAULT,
				skb_copy_bits(head, PPIOV_TEST_HEADER, &byte,
					      1));
		kfree_skb(head);
		return;
	}
	for (pos = 0; pos < PPIOV_TEST_PAYLOAD; pos++) {
		byte = ~ppiov_test_byte(pos);
		skb_copy_bits(head, PPIOV_TEST_HEADER + pos, &byte, 1);
		wrong += byte != ppiov_test_byte(pos);
	}
	KUNIT_EXPECT_EQ(test, wrong, 0);
	kfree_skb(head);
}

static void read_by_pull(struct kunit *test)
{
	struct ppiov_fake *fake = test->priv;
	struct sk_buff *head = ppiov_test_packet(fake);

	KUNIT_EXPECT_EQ(test, pskb_may_pull(head, PPIOV_TEST_HEADER + 1),
			!ppiov_test_is_iov(test));
	kfree_skb(head);
	KUNIT_EXPECT_EQ(test, ppiov_test_home(fake), PPIOV_TEST_BUFS);
}

static void read_by_copy(struct kunit *test)
{
	struct ppiov_fake *fake = test->priv;
	struct sk_buff *head = ppiov_test_packet(fake);
	struct sk_buff *copy = skb_copy(head, GFP_KERNEL);

	KUNIT_EXPECT_EQ(test, !copy, ppiov_test_is_iov(test));
	if (copy)
		KUNIT_EXPECT_EQ(test, skb_headlen(copy), head->len);
	kfree_skb(head);
	KUNIT_EXPECT_EQ(test, ppiov_test_home(fake), PPIOV_TEST_BUFS);
	kfree_skb(copy);
}

static void read_by_linearize(struct kunit *test)
{
	struct ppiov_fake *fake = test->priv;
	struct sk_buff *head = ppiov_test_packet(fake);
	int err = skb_linearize(head);

	if (ppiov_test_is_iov(test)) {
		KUNIT_EXPECT_NE(test, err, 0);
		KUNIT_EXPECT_EQ(test, ppiov_test_home(fake), 0);
	} else {
		KUNIT_EXPECT_EQ(test, err, 0);
		KUNIT_EXPECT_EQ(test, ppiov_test_home(fake), PPIOV_TEST_BUFS);
	}
	kfree_skb(head);
	KUNIT_EXPECT_EQ(test, ppiov_test_home(fake), PPIOV_TEST_BUFS);
}

/* A clone of zerocopy payload is a copy of it: skb_orphan_frags(). */
static void read_by_clone_of_the_child(struct kunit *test)
{
	struct ppiov_fake *fake = test->priv;
	struct sk_buff *head = ppiov_test_packet(fake);
	struct sk_buff *clone = skb_clone(ppiov_test_child(head), GFP_KERNEL);

	KUNIT_EXPECT_EQ(test, !clone, ppiov_test_is_iov(test));
	kfree_skb(head);
	KUNIT_EXPECT_EQ(test, ppiov_test_home(fake), PPIOV_TEST_BUFS);
	kfree_skb(clone);
}

static void read_by_orphaning_the_head(struct kunit *test)
{
	struct ppiov_fake *fake = test->priv;
	struct sk_buff *head = ppiov_test_packet(fake);

	KUNIT_EXPECT_EQ(test, skb_orphan_frags_rx(head, GFP_KERNEL), 0);
	KUNIT_EXPECT_EQ(test, ppiov_test_home(fake), 0);
	kfree_skb(head);
}

static struct kunit_case ppiov_read_cases[] = {
	KUNIT_CASE_PARAM(read_of_headers, kind_gen_params),
	KUNIT_CASE_PARAM(read_of_payload, kind_gen_params),
	KUNIT_CASE_PARAM(read_by_pull, kind_gen_params),
	KUNIT_CASE_PARAM(read_by_copy, kind_gen_params),
	KUNIT_CASE_PARAM(read_by_linearize, kind_gen_params),
	KUNIT_CASE_PARAM(read_by_clone_of_the_child, kind_gen_params),
	KUNIT_CASE_PARAM(read_by_orphaning_the_head, kind_gen_params),
	{}
};

static struct kunit_suite ppiov_read_suite = {
	.name = "ppiov_carrier_read",
	.init = ppiov_carrier_test_init,
	.test_cases = ppiov_read_cases,
};

/* ----------------------------------------------------------- descriptor */

static void carrier_of_the_child(struct kunit *test)
{
	struct ppiov_fake *fake = test->priv;
	struct sk_buff *head = ppiov_test_packet(fake);
	struct ppiov_carrier *carrier;

	carrier = ppiov_carrier_of(ppiov_test_child(head));
	KUNIT_ASSERT_NOT_NULL(test, carrier);
	KUNIT_EXPECT_PTR_EQ(test, carrier->pool, fake->pool);
	KUNIT_EXPECT_EQ(test, carrier->n, PPIOV_TEST_BUFS);
	kfree_skb(head);
}

static void carrier_of_the_head(struct kunit *test)
{
	struct sk_buff *head = ppiov_test_packet(test->priv);

	KUNIT_EXPECT_NULL(test, ppiov_carrier_of(head));
	kfree_skb(head);
}

static void ppiov_test_complete(struct sk_buff *skb, struct ubuf_info *ubuf,
				bool success)
{
}

/* Somebody else's zerocopy is not taken for ours. */
static void carrier_of_other_zerocopy(struct kunit *test)
{
	static const struct ubuf_info_ops ops = {
		.complete = ppiov_test_complete,
	};
	struct ubuf_info ubuf = { .ops = &ops, .flags = SKBFL_ZEROCOPY_FRAG };
	struct sk_buff *skb = ppiov_test_head(test);

	refcount_set(&ubuf.refcnt, 1);
	skb_zcopy_init(skb, &ubuf);
	KUNIT_EXPECT_NULL(test, ppiov_carrier_of(skb));
	kfree_skb(skb);
}

static void carrier_kept_by_a_token(struct kunit *test)
{
	struct ppiov_fake *fake = test->priv;
	struct sk_buff *head = ppiov_test_packet(fake);
	struct ppiov_carrier *carrier;

	carrier = ppiov_carrier_of(ppiov_test_child(head));
	KUNIT_ASSERT_NOT_NULL(test, carrier);
	ppiov_carrier_get(carrier);
	kfree_skb(head);
	KUNIT_EXPECT_EQ(test, ppiov_test_home(fake), 0);

	ppiov_carrier_put(carrier);
	KUNIT_EXPECT_EQ(test, ppiov_test_home(fake), PPIOV_TEST_BUFS);
}

static void carrier_keeps_a_destroyed_pool(struct kunit *test)
{
	struct ppiov_fake *fake = test->priv;
	struct sk_buff *head = ppiov_test_packet(fake);
	struct ppiov_carrier *carrier;

	carrier = ppiov_carrier_of(ppiov_test_child(head));
	KUNIT_ASSERT_NOT_NULL(test, carrier);
	ppiov_carrier_get(carrier);
	kfree_skb(head);
	ppiov_fake_destroy(fake);
	KUNIT_EXPECT_TRUE(test, ppiov_fake_still_there(fake));

	ppiov_carrier_put(carrier);
	KUNIT_EXPECT_TRUE(test, ppiov_fake_ended(fake));
}

static struct kunit_case ppiov_carrier_cases[] = {
	KUNIT_CASE_PARAM(carrier_of_the_child, kind_gen_params),
	KUNIT_CASE_PARAM(carrier_of_the_head, kind_gen_params),
	KUNIT_CASE_PARAM(carrier_of_other_zerocopy, kind_gen_params),
	KUNIT_CASE_PARAM(carrier_kept_by_a_token, kind_gen_params),
	KUNIT_CASE_PARAM(carrier_keeps_a_destroyed_pool, kind_gen_params),
	{}
};

static struct kunit_suite ppiov_carrier_suite = {
	.name = "ppiov_carrier",
	.init = ppiov_carrier_test_init,
	.test_cases = ppiov_carrier_cases,
};

/* ----------------------------------------------- from position to buffer */

static const struct ppiov_at {
	const char *name;
	u32 pos;
	u32 from;
	bool found;
	u32 index;
	u32 offset;
} ppiov_ats[] = {
	{ "the first byte", 0, 0, true, 0, 0 },
	{ "within the first", 5, 0, true, 0, 5 },
	{ "the first's last", PPIOV_TEST_PIECE - 1, 0, true, 0,
	  PPIOV_TEST_PIECE - 1 },
	{ "the second's first", PPIOV_TEST_PIECE, 0, true, 1, 0 },
	{ "the last byte", PPIOV_TEST_PAYLOAD - 1, 0, true, PPIOV_TEST_BUFS - 1,
	  PPIOV_TEST_PIECE - 1 },
	{ "behind the last", PPIOV_TEST_PAYLOAD, 0, false, 0, 0 },
	{ "far behind", U32_MAX, 0, false, 0, 0 },
	{ "the second's first, from there", 0, 1, true, 1, 0 },
	{ "the last's last, from there", PPIOV_TEST_PIECE - 1,
	  PPIOV_TEST_BUFS - 1, true, PPIOV_TEST_BUFS - 1,
	  PPIOV_TEST_PIECE - 1 },
	{ "behind the last, from there", PPIOV_TEST_PIECE, PPIOV_TEST_BUFS - 1,
	  false, 0, 0 },
	{ "from behind the last", 0, PPIOV_TEST_BUFS, false, 0, 0 },
};

KUNIT_ARRAY_PARAM_DESC(at, ppiov_ats, name);

static void carrier_at_position(struct kunit *test)
{
	const struct ppiov_at *at = test->param_value;
	struct ppiov_fake *fake;
	struct ppiov_carrier *carrier;
	struct sk_buff *head;
	u32 index, offset;
	bool found;

	fake = ppiov_fake_pool(test, &ppiov_fake_iov_ops, 128);
	head = ppiov_test_packet(fake);
	carrier = ppiov_carrier_of(ppiov_test_child(head));
	KUNIT_ASSERT_NOT_NULL(test, carrier);

	found = ppiov_carrier_at(carrier, at->pos, at->from, &index, &offset);
	KUNIT_EXPECT_EQ(test, found, at->found);
	if (found && at->found) {
		KUNIT_EXPECT_EQ(test, index, at->index);
		KUNIT_EXPECT_EQ(test, offset, at->offset);
	}
	kfree_skb(head);
}

static struct kunit_case ppiov_at_cases[] = {
	KUNIT_CASE_PARAM(carrier_at_position, at_gen_params), {}
};

static struct kunit_suite ppiov_at_suite = {
	.name = "ppiov_carrier_at",
	.test_cases = ppiov_at_cases,
};

kunit_test_suites(&ppiov_attach_suite, &ppiov_attach_refuse_suite,
		  &ppiov_read_suite, &ppiov_carrier_suite, &ppiov_at_suite);
