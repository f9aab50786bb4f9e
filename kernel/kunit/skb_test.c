// SPDX-License-Identifier: GPL-2.0-only
/* KUnit suite: how a packet in a receive queue is taken apart, and let go. */
#include <linux/limits.h>

#include "../pool/tcp.h"
#include "carrier_test.h"

/* Where the payload begins, and the second and third buffer. */
#define PPIOV_SKB_P0  PPIOV_TEST_HEADER
#define PPIOV_SKB_P1  (PPIOV_SKB_P0 + PPIOV_TEST_PIECE)
#define PPIOV_SKB_P2  (PPIOV_SKB_P1 + PPIOV_TEST_PIECE)
#define PPIOV_SKB_END (PPIOV_SKB_P2 + PPIOV_TEST_PIECE)
#define PPIOV_SKB_CUT 300

KUNIT_ARRAY_PARAM_DESC(kind, ppiov_kinds, name);

static int ppiov_skb_test_init(struct kunit *test)
{
	const struct ppiov_kind *kind = test->param_value;

	test->priv = ppiov_fake_pool(test, kind->ops, 128);
	return 0;
}

/* ------------------------------------------------------------------ pieces */

/* What has happened to the packet before it is asked. */
enum ppiov_before {
	PPIOV_BEFORE_NOTHING,
	PPIOV_BEFORE_TRIM,  /* PPIOV_SKB_CUT bytes at the end are gone */
	PPIOV_BEFORE_EATEN, /* ... or at the beginning of the child */
	PPIOV_BEFORE_GRO,   /* the child of another one is behind its own */
};

#define PPIOV_COPIED  U32_MAX /* index: there is none, bytes are copied */
#define PPIOV_NOWHERE 0       /* length: EFAULT */

/* The piece of iovs that begins at a byte. */
static const struct ppiov_where {
	const char *name;
	enum ppiov_before before;
	u32 offset;
	u32 max;
	u32 len;
	u32 index;
	u32 at;
} ppiov_wheres[] = {
	{ "first header byte", 0, 0, 9999, PPIOV_TEST_HEADER, PPIOV_COPIED },
	{ "last header byte", 0, PPIOV_SKB_P0 - 1, 9999, 1, PPIOV_COPIED },
	{ "header, few wanted", 0, 10, 5, 5, PPIOV_COPIED },
	{ "first buffer", 0, PPIOV_SKB_P0, 9999, PPIOV_TEST_PIECE, 0, 0 },
	{ "in a buffer", 0, PPIOV_SKB_P0 + 7, 9999, 993, 0, 7 },
	{ "in a buffer, few wanted", 0, PPIOV_SKB_P0 + 7, 5, 5, 0, 7 },
	{ "last byte of a buffer", 0, PPIOV_SKB_P1 - 1, 9999, 1, 0, 999 },
	{ "second buffer", 0, PPIOV_SKB_P1, 9999, PPIOV_TEST_PIECE, 1, 0 },
	{ "last buffer", 0, PPIOV_SKB_P2, 9999, PPIOV_TEST_PIECE, 2, 0 },
	{ "last byte", 0, PPIOV_SKB_END - 1, 9999, 1, 2, 999 },
	{ "behind the end", 0, PPIOV_SKB_END, 1, PPIOV_NOWHERE },
	{ "far behind the end", 0, U32_MAX, 1, PPIOV_NOWHERE },
	{ "trimmed, last buffer", PPIOV_BEFORE_TRIM, PPIOV_SKB_P2, 9999,
	  PPIOV_TEST_PIECE - PPIOV_SKB_CUT, 2, 0 },
	{ "trimmed, last byte", PPIOV_BEFORE_TRIM,
	  PPIOV_SKB_END - PPIOV_SKB_CUT - 1, 9999, 1, 2, 699 },
	{ "trimmed, behind the end", PPIOV_BEFORE_TRIM,
	  PPIOV_SKB_END - PPIOV_SKB_CUT, 1, PPIOV_NOWHERE },
	{ "eaten, first buffer", PPIOV_BEFORE_EATEN, PPIOV_SKB_P0, 9999,
	  PPIOV_TEST_PIECE - PPIOV_SKB_CUT, 0, PPIOV_SKB_CUT },
	{ "eaten, second buffer", PPIOV_BEFORE_EATEN,
	  PPIOV_SKB_P1 - PPIOV_SKB_CUT, 9999, PPIOV_TEST_PIECE, 1, 0 },
	{ "eaten, behind the end", PPIOV_BEFORE_EATEN,
	  PPIOV_SKB_END - PPIOV_SKB_CUT, 1, PPIOV_NOWHERE },
	{ "two children, end of the first", PPIOV_BEFORE_GRO, PPIOV_SKB_END - 1,
	  9999, 1, 2, 999 },
	{ "two children, the second", PPIOV_BEFORE_GRO, PPIOV_SKB_END, 9999,
	  PPIOV_TEST_PIECE, 0, 0 },
	{ "two children, last byte", PPIOV_BEFORE_GRO,
	  PPIOV_SKB_END + PPIOV_TEST_PAYLOAD - 1, 9999, 1, 2, 999 },
	{ "two children, behind the end", PPIOV_BEFORE_GRO,
	  PPIOV_SKB_END + PPIOV_TEST_PAYLOAD, 1, PPIOV_NOWHERE },
};

KUNIT_ARRAY_PARAM_DESC(where, ppiov_wheres, name);

/* As what moves on in a packet leaves it (__pskb_pull_tail(), tcp_mtu_probe()).
 */
static void ppiov_skb_eat(struct sk_buff *head, u32 len)
{
	struct sk_buff *child = ppiov_test_child(head);
	skb_frag_t *frag = &skb_shinfo(child)->frags[0];

	skb_frag_off_add(frag, len);
	skb_frag_size_sub(frag, len);
	child->len -= len;
	child->data_len -= len;
	head->len -= len;
	head->data_len -= len;
}

/* As skb_gro_receive_list() and others hang one packet below another: the
 * headers of @second go.
 */
static void ppiov_skb_append(struct sk_buff *head, struct sk_buff *second)
{
	struct sk_buff *child = ppiov_test_child(second);

	skb_shinfo(second)->frag_list = NULL;
	ppiov_test_child(head)->next = child;
	head->len += child->len;
	head->data_len += child->len;
	head->truesize += child->truesize;
	kfree_skb(second);
}

static void skb_piece_of_iovs(struct kunit *test)
{
	const struct ppiov_where *where = test->param_value;
	struct ppiov_fake *fake = ppiov_fake_pool(test, &ppiov_fake_iov_ops,
						  128);
	struct sk_buff *head = ppiov_test_packet(fake);
	struct ppiov_carrier *carrier;
	struct ppiov_piece piece = {};
	int err;

	carrier = ppiov_carrier_of(ppiov_test_child(head));
	switch (where->before) {
	case PPIOV_BEFORE_NOTHING:
		break;
	case PPIOV_BEFORE_TRIM:
		KUNIT_ASSERT_EQ(test, 0,
				pskb_trim(head, head->len - PPIOV_SKB_CUT));
		break;
	case PPIOV_BEFORE_EATEN:
		ppiov_skb_eat(head, PPIOV_SKB_CUT);
		break;
	case PPIOV_BEFORE_GRO:
		ppiov_skb_append(head, ppiov_test_packet(fake));
		if (where->offset >= PPIOV_SKB_END)
			carrier =
				ppiov_carrier_of(ppiov_test_child(head)->next);
		break;
	}

	err = ppiov_piece_at(head, where->offset, where->max, &piece);
	KUNIT_EXPECT_EQ(test, err, where->len == PPIOV_NOWHERE ? -EFAULT : 0);
	if (err) {
		kfree_skb(head);
		return;
	}
	KUNIT_EXPECT_EQ(test, piece.len, where->len);
	if (where->index == PPIOV_COPIED) {
		KUNIT_EXPECT_NULL(test, piece.carrier);
		KUNIT_EXPECT_PTR_EQ(test, piece.skb, head);
		KUNIT_EXPECT_EQ(test, piece.offset, where->offset);
	} else {
		KUNIT_EXPECT_PTR_EQ(test, piece.carrier, carrier);
		KUNIT_EXPECT_EQ(test, piece.index, where->index);
		KUNIT_EXPECT_EQ(test, piece.at, where->at);
	}
	kfree_skb(head);
}

/* Who reads on says where he was, and finds the same as who does not. */
static void skb_pieces_one_after_the_other(struct kunit *test)
{
	struct ppiov_fake *fake = ppiov_fake_pool(test, &ppiov_fake_iov_ops,
						  128);
	struct sk_buff *head = ppiov_test_packet(fake);
	struct ppiov_piece piece = {}, fresh;
	u32 offset = PPIOV_SKB_P0, step;

	ppiov_skb_append(head, ppiov_test_packet(fake));
	for (step = 1; offset < head->len; step += 7) {
		memset(&fresh, 0, sizeof(fresh));
		KUNIT_ASSERT_EQ(test, 0,
				ppiov_piece_at(head, offset, step, &piece));
		KUNIT_ASSERT_EQ(test, 0,
				ppiov_piece_at(head, offset, step, &fresh));
		KUNIT_EXPECT_PTR_EQ(test, piece.carrier, fresh.carrier);
		KUNIT_EXPECT_EQ(test, piece.index, fresh.index);
		KUNIT_EXPECT_EQ(test, piece.at, fresh.at);
		KUNIT_ASSERT_EQ(test, piece.len, fresh.len);
		offset += piece.len;
	}
	/* And back. */
	KUNIT_EXPECT_EQ(test, 0, ppiov_piece_at(head, PPIOV_SKB_P0, 1, &piece));
	KUNIT_EXPECT_EQ(test, piece.index, 0);
	KUNIT_EXPECT_EQ(test, piece.at, 0);
	kfree_skb(head);
}

/* A child of pages is read like any other, in one go. */
static void skb_piece_of_pages(struct kunit *test)
{
	struct ppiov_fake *fake = ppiov_fake_pool(test, &ppiov_fake_page_ops,
						  128);
	struct sk_buff *head = ppiov_test_packet(fake);
	struct ppiov_piece piece = {};

	KUNIT_EXPECT_EQ(test, 0,
			ppiov_piece_at(head, PPIOV_SKB_P0 + 7, 9999, &piece));
	KUNIT_EXPECT_NULL(test, piece.carrier);
	KUNIT_EXPECT_PTR_EQ(test, piece.skb, ppiov_test_child(head));
	KUNIT_EXPECT_EQ(test, piece.offset, 7);
	KUNIT_EXPECT_EQ(test, piece.len, PPIOV_TEST_PAYLOAD - 7);
	kfree_skb(head);
}

/* Unreadable, and no carrier: the core's device memory, or io_uring's. */
static void skb_piece_of_somebody_else(struct kunit *test)
{
	struct ppiov_fake *fake = ppiov_fake_pool(test, &ppiov_fake_iov_ops,
						  128);
	struct sk_buff *head = ppiov_test_packet(fake);
	struct sk_buff *child = ppiov_test_child(head);
	struct ubuf_info *ubuf = skb_uarg(child);
	struct ppiov_piece piece = {};

	skb_shinfo(child)->destructor_arg = NULL;
	KUNIT_EXPECT_EQ(test, -EFAULT,
			ppiov_piece_at(head, PPIOV_SKB_P0, 1, &piece));
	KUNIT_EXPECT_EQ(test, 0, ppiov_piece_at(head, 0, 1, &piece));
	skb_shinfo(child)->destructor_arg = ubuf;
	kfree_skb(head);
}

/* ----------------------------------------------------------- and let it go */

static u32 ppiov_skb_children(const struct sk_buff *head)
{
	const struct sk_buff *child;
	u32 n = 0;

	skb_walk_frags(head, child)
		n++;
	return n;
}

/* A packet with two children, as another NIC's GRO would make it. */
static struct sk_buff *ppiov_skb_two(struct kunit *test)
{
	struct sk_buff *head = ppiov_test_packet(test->priv);

	ppiov_skb_append(head, ppiov_test_packet(test->priv));
	return head;
}

static void skb_drop_brings_all_home(struct kunit *test)
{
	struct sk_buff *head = ppiov_skb_two(test);

	ppiov_skb_drop_children(head);
	KUNIT_EXPECT_NULL(test, ppiov_test_child(head));
	KUNIT_EXPECT_EQ(test, ppiov_test_home(test->priv), 2 * PPIOV_TEST_BUFS);
	head->data_len = 0;
	head->len = skb_headlen(head);
	kfree_skb(head);
	KUNIT_EXPECT_EQ(test, ppiov_test_home(test->priv), 2 * PPIOV_TEST_BUFS);
}

static void skb_drop_leaves_a_clones_children(struct kunit *test)
{
	struct sk_buff *head = ppiov_skb_two(test);
	struct sk_buff *clone = skb_clone(head, GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, clone);
	ppiov_skb_drop_children(head);
	KUNIT_EXPECT_EQ(test, ppiov_skb_children(clone), 2);
	kfree_skb(head);
	KUNIT_EXPECT_EQ(test, ppiov_test_home(test->priv), 0);
	kfree_skb(clone);
	KUNIT_EXPECT_EQ(test, ppiov_test_home(test->priv), 2 * PPIOV_TEST_BUFS);
}

/* A packet socket has a clone, and then pedit made the head its own: that is
 * not cloned any more, and the list has two owners all the same.
 */
static void skb_drop_leaves_a_list_of_two(struct kunit *test)
{
	struct sk_buff *head = ppiov_skb_two(test);
	struct sk_buff *clone = skb_clone(head, GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, clone);
	KUNIT_ASSERT_EQ(test, 0, pskb_expand_head(head, 0, 0, GFP_KERNEL));
	KUNIT_ASSERT_FALSE(test, skb_cloned(head));
	ppiov_skb_drop_children(head);
	KUNIT_EXPECT_NULL(test, ppiov_test_child(head));
	KUNIT_EXPECT_EQ(test, ppiov_skb_children(clone), 2);
	KUNIT_EXPECT_EQ(test, ppiov_test_home(test->priv), 0);
	head->data_len = 0;
	head->len = skb_headlen(head);
	kfree_skb(head);
	kfree_skb(clone);
	KUNIT_EXPECT_EQ(test, ppiov_test_home(test->priv), 2 * PPIOV_TEST_BUFS);
}

static void skb_drop_of_nothing(struct kunit *test)
{
	struct sk_buff *head = ppiov_test_head(test);

	ppiov_skb_drop_children(head);
	KUNIT_EXPECT_EQ(test, head->len, PPIOV_TEST_HEADER);
	kfree_skb(head);
	KUNIT_EXPECT_EQ(test, ppiov_test_home(test->priv), 0);
}

static struct kunit_case ppiov_piece_cases[] = {
	KUNIT_CASE_PARAM(skb_piece_of_iovs, where_gen_params),
	KUNIT_CASE(skb_pieces_one_after_the_other),
	KUNIT_CASE(skb_piece_of_pages),
	KUNIT_CASE(skb_piece_of_somebody_else),
	{}
};

static struct kunit_suite ppiov_piece_suite = {
	.name = "ppiov_skb_piece",
	.test_cases = ppiov_piece_cases,
};

static struct kunit_case ppiov_drop_cases[] = {
	KUNIT_CASE_PARAM(skb_drop_brings_all_home, kind_gen_params),
	KUNIT_CASE_PARAM(skb_drop_leaves_a_clones_children, kind_gen_params),
	KUNIT_CASE_PARAM(skb_drop_leaves_a_list_of_two, kind_gen_params),
	KUNIT_CASE_PARAM(skb_drop_of_nothing, kind_gen_params),
	{}
};

static struct kunit_suite ppiov_drop_suite = {
	.name = "ppiov_skb_drop",
	.init = ppiov_skb_test_init,
	.test_cases = ppiov_drop_cases,
};

kunit_test_suites(&ppiov_piece_suite, &ppiov_drop_suite);
