// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit suite: a packet that is cut, at either end.
 *
 * bufs[] stays as it was, so all buffers come home, and none twice, however
 * little is left of the child.
 */
#include <linux/slab.h>

#include "carrier_test.h"

/* How many bytes of the payload are left. */
static const struct ppiov_cut {
	const char *name;
	const struct ppiov_provider_ops *ops;
	u32 left;
} ppiov_cuts[] = {
	{ "page, nothing left", &ppiov_fake_page_ops, 0 },
	{ "page, a byte left", &ppiov_fake_page_ops, 1 },
	{ "page, less than a buffer left", &ppiov_fake_page_ops,
	  PPIOV_TEST_PIECE / 2 },
	{ "page, a buffer left", &ppiov_fake_page_ops, PPIOV_TEST_PIECE },
	{ "page, a buffer and a byte left", &ppiov_fake_page_ops,
	  PPIOV_TEST_PIECE + 1 },
	{ "page, all but a byte left", &ppiov_fake_page_ops,
	  PPIOV_TEST_PAYLOAD - 1 },
	{ "page, all left", &ppiov_fake_page_ops, PPIOV_TEST_PAYLOAD },
	{ "iov, nothing left", &ppiov_fake_iov_ops, 0 },
	{ "iov, a byte left", &ppiov_fake_iov_ops, 1 },
	{ "iov, less than a buffer left", &ppiov_fake_iov_ops,
	  PPIOV_TEST_PIECE / 2 },
	{ "iov, a buffer left", &ppiov_fake_iov_ops, PPIOV_TEST_PIECE },
	{ "iov, a buffer and a byte left", &ppiov_fake_iov_ops,
	  PPIOV_TEST_PIECE + 1 },
	{ "iov, all but a byte left", &ppiov_fake_iov_ops,
	  PPIOV_TEST_PAYLOAD - 1 },
	{ "iov, all left", &ppiov_fake_iov_ops, PPIOV_TEST_PAYLOAD },
};

KUNIT_ARRAY_PARAM_DESC(cut, ppiov_cuts, name);

static int ppiov_trim_test_init(struct kunit *test)
{
	const struct ppiov_cut *cut = test->param_value;

	test->priv = ppiov_fake_pool(test, cut->ops, 128);
	return 0;
}

static void trim_from_the_back(struct kunit *test)
{
	const struct ppiov_cut *cut = test->param_value;
	struct sk_buff *head = ppiov_test_packet(test->priv);
	u32 len = PPIOV_TEST_HEADER + cut->left;

	KUNIT_EXPECT_EQ(test, pskb_trim(head, len), 0);
	KUNIT_EXPECT_EQ(test, head->len, len);
	kfree_skb(head);
	KUNIT_EXPECT_EQ(test, ppiov_test_home(test->priv), PPIOV_TEST_BUFS);
}

static void trim_into_the_headers(struct kunit *test)
{
	struct sk_buff *head = ppiov_test_packet(test->priv);

	KUNIT_EXPECT_EQ(test, pskb_trim(head, PPIOV_TEST_HEADER / 2), 0);
	KUNIT_EXPECT_EQ(test, ppiov_test_home(test->priv), PPIOV_TEST_BUFS);
	kfree_skb(head);
	KUNIT_EXPECT_EQ(test, ppiov_test_home(test->priv), PPIOV_TEST_BUFS);
}

static void trim_leaves_the_descriptor(struct kunit *test)
{
	const struct ppiov_cut *cut = test->param_value;
	struct sk_buff *head = ppiov_test_packet(test->priv);
	struct ppiov_carrier *carrier;

	carrier = ppiov_carrier_of(ppiov_test_child(head));
	KUNIT_ASSERT_NOT_NULL(test, carrier);
	ppiov_carrier_get(carrier);
	KUNIT_EXPECT_EQ(test, 0,
			pskb_trim(head, PPIOV_TEST_HEADER + cut->left));
	KUNIT_EXPECT_EQ(test, carrier->n, PPIOV_TEST_BUFS);
	KUNIT_EXPECT_EQ(test, carrier->bufs[PPIOV_TEST_BUFS - 1].len,
			PPIOV_TEST_PIECE);
	kfree_skb(head);
	ppiov_carrier_put(carrier);
	KUNIT_EXPECT_EQ(test, ppiov_test_home(test->priv), PPIOV_TEST_BUFS);
}

/*
 * Both share the child, so what would be cut is a clone of it, and the stack
 * clones no zerocopy skb that is shared, page or iov: whoever wanted a part,
 * such as a truncating filter, gets nothing. All or none of it can be had.
 */
static void trim_of_a_clone(struct kunit *test)
{
	const struct ppiov_cut *cut = test->param_value;
	struct sk_buff *head = ppiov_test_packet(test->priv);
	struct sk_buff *clone = skb_clone(head, GFP_KERNEL);
	bool refused;

	KUNIT_ASSERT_NOT_NULL(test, clone);
	refused = cut->left && cut->left < PPIOV_TEST_PAYLOAD;
	KUNIT_EXPECT_EQ(test, !!pskb_trim(clone, PPIOV_TEST_HEADER + cut->left),
			refused);
	kfree_skb(clone);
	kfree_skb(head);
	KUNIT_EXPECT_EQ(test, ppiov_test_home(test->priv), PPIOV_TEST_BUFS);
}

/* What was there before is still there. */
static void trim_of_a_clone_leaves_the_packet(struct kunit *test)
{
	const struct ppiov_cut *cut = test->param_value;
	struct sk_buff *head = ppiov_test_packet(test->priv);
	struct sk_buff *clone = skb_clone(head, GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, clone);
	/* Refused or not: see above. */
	if (pskb_trim(clone, PPIOV_TEST_HEADER + cut->left))
		kunit_info(test, "refused");
	kfree_skb(clone);
	KUNIT_EXPECT_EQ(test, ppiov_test_child(head)->len, PPIOV_TEST_PAYLOAD);
	KUNIT_EXPECT_EQ(test, head->len,
			PPIOV_TEST_HEADER + PPIOV_TEST_PAYLOAD);
	kfree_skb(head);
}

/* Headers and the payload's beginning are cut off; what is left is used. */
static void trim_from_the_front(struct kunit *test)
{
	const struct ppiov_cut *cut = test->param_value;
	struct sk_buff *head = ppiov_test_packet(test->priv);
	u32 off = head->len - cut->left;
	struct sk_buff *rest;

	if (!cut->left) {
		kfree_skb(head);
		kunit_skip(test, "an empty packet is not made");
	}
	rest = pskb_extract(head, off, cut->left, GFP_KERNEL);
	if (rest)
		KUNIT_EXPECT_EQ(test, rest->len, cut->left);
	kfree_skb(head);
	kfree_skb(rest);
	KUNIT_EXPECT_EQ(test, ppiov_test_home(test->priv), PPIOV_TEST_BUFS);
}

/* As tcp_recvmsg() and others move on in what they have. */
static void trim_child_from_the_front(struct kunit *test)
{
	const struct ppiov_cut *cut = test->param_value;
	struct sk_buff *head = ppiov_test_packet(test->priv);
	u32 off = PPIOV_TEST_PAYLOAD - cut->left;
	void *pulled = pskb_pull(ppiov_test_child(head), off);

	/* pull reads: it is for what can be read. */
	KUNIT_EXPECT_EQ(test, !pulled, off && cut->ops == &ppiov_fake_iov_ops);
	kfree_skb(head);
	KUNIT_EXPECT_EQ(test, ppiov_test_home(test->priv), PPIOV_TEST_BUFS);
}

static struct kunit_case ppiov_trim_cases[] = {
	KUNIT_CASE_PARAM(trim_from_the_back, cut_gen_params),
	KUNIT_CASE_PARAM(trim_into_the_headers, cut_gen_params),
	KUNIT_CASE_PARAM(trim_leaves_the_descriptor, cut_gen_params),
	KUNIT_CASE_PARAM(trim_of_a_clone, cut_gen_params),
	KUNIT_CASE_PARAM(trim_of_a_clone_leaves_the_packet, cut_gen_params),
	KUNIT_CASE_PARAM(trim_from_the_front, cut_gen_params),
	KUNIT_CASE_PARAM(trim_child_from_the_front, cut_gen_params),
	{}
};

static struct kunit_suite ppiov_trim_suite = {
	.name = "ppiov_carrier_trim",
	.init = ppiov_trim_test_init,
	.test_cases = ppiov_trim_cases,
};

kunit_test_suite(ppiov_trim_suite);
