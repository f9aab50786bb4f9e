// SPDX-License-Identifier: GPL-2.0-only
/* KUnit suite: which urgent pointers TCP is told of. */
#include <linux/skbuff.h>
#include <linux/string.h>
#include <linux/tcp.h>
#include <net/checksum.h>

#include "../compat/kunit.h"
#include "../pool/urgent.h"

#define PPIOV_URGENT_AT      40 /* where TCP begins: behind IPv6 */
#define PPIOV_URGENT_PAYLOAD 100

static const struct ppiov_urgent {
	const char *name;
	bool urg;
	u16 ptr;
	bool syn;
	bool stdurg;
	u8 doff;
	bool part; /* a fragment of the segment */
	bool told;
} ppiov_urgents[] = {
	{ "the first byte", true, 1, false, false, 5, false, true },
	{ "a pointer of 0", true, 0, false, false, 5, false, true },
	{ "the last byte", true, 100, false, false, 5, false, true },
	{ "the next byte", true, 101, false, false, 5, false, false },
	{ "far away", true, U16_MAX, false, false, 5, false, false },
	{ "the last byte, stdurg", true, 99, false, true, 5, false, true },
	{ "the next byte, stdurg", true, 100, false, true, 5, false, false },
	{ "the last byte, options", true, 92, false, false, 7, false, true },
	{ "the next byte, options", true, 93, false, false, 7, false, false },
	{ "the last byte, SYN", true, 101, true, false, 5, false, true },
	{ "the next byte, SYN", true, 102, true, false, 5, false, false },
	{ "the first byte, a fragment", true, 1, false, false, 5, true, false },
	{ "no flag", false, 101, false, false, 5, false, false },
	{ "no flag, a fragment", false, 101, false, false, 5, true, false },
	{ "the last byte, all options", true, 60, false, false, 15, false,
	  true },
	{ "the next byte, all options", true, 61, false, false, 15, false,
	  false },
};

KUNIT_ARRAY_PARAM_DESC(urgent, ppiov_urgents, name);

static struct tcphdr *ppiov_urgent_header(const struct sk_buff *skb)
{
	return (struct tcphdr *)(skb->data + PPIOV_URGENT_AT);
}

static bool ppiov_urgent_flag(const struct sk_buff *skb)
{
	return ppiov_urgent_header(skb)->urg;
}

/* All ones if the checksum is right; there is no pseudo header here. */
static u16 ppiov_urgent_sum(const struct sk_buff *skb)
{
	return ~(__force u16)csum_fold(csum_partial(skb->data + PPIOV_URGENT_AT,
						    skb->len - PPIOV_URGENT_AT,
						    0)) &
	       0xffff;
}

static struct sk_buff *ppiov_urgent_segment(struct kunit *test)
{
	const struct ppiov_urgent *u = test->param_value;
	u32 len = PPIOV_URGENT_AT + sizeof(struct tcphdr) +
		  PPIOV_URGENT_PAYLOAD;
	struct sk_buff *skb = alloc_skb(len, GFP_KERNEL);
	struct tcphdr *th;

	KUNIT_ASSERT_NOT_NULL(test, skb);
	memset(skb_put(skb, len), 0x5a, len);
	th = ppiov_urgent_header(skb);
	th->doff = u->doff;
	th->urg = u->urg;
	th->syn = u->syn;
	th->urg_ptr = htons(u->ptr);
	th->check = 0;
	th->check = csum_fold(csum_partial(th, len - PPIOV_URGENT_AT, 0));
	return skb;
}

static void urgent_pointer_is_told(struct kunit *test)
{
	const struct ppiov_urgent *u = test->param_value;
	struct sk_buff *skb = ppiov_urgent_segment(test);
	struct tcphdr before, *th;

	before = *ppiov_urgent_header(skb);
	KUNIT_ASSERT_EQ(test, ppiov_urgent_sum(skb), 0xffff);
	KUNIT_EXPECT_TRUE(test, ppiov_urgent_hide(skb, PPIOV_URGENT_AT,
						  !u->part, u->stdurg));
	th = ppiov_urgent_header(skb);
	KUNIT_EXPECT_EQ(test, ppiov_urgent_flag(skb), u->told);
	KUNIT_EXPECT_EQ(test, ppiov_urgent_sum(skb), 0xffff);
	/* Nothing else of it has changed. */
	before.urg = th->urg;
	before.check = th->check;
	KUNIT_EXPECT_MEMEQ(test, &before, th, sizeof(before));
	kfree_skb(skb);
}

/* A packet socket sees the segment as it came. */
static void urgent_clone_stays_as_it_is(struct kunit *test)
{
	const struct ppiov_urgent *u = test->param_value;
	struct sk_buff *skb = ppiov_urgent_segment(test);
	struct sk_buff *clone = skb_clone(skb, GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, clone);
	KUNIT_EXPECT_TRUE(test, ppiov_urgent_hide(skb, PPIOV_URGENT_AT,
						  !u->part, u->stdurg));
	KUNIT_EXPECT_EQ(test, ppiov_urgent_flag(skb), u->told);
	KUNIT_EXPECT_EQ(test, ppiov_urgent_flag(clone), u->urg);
	KUNIT_EXPECT_EQ(test, ppiov_urgent_sum(clone), 0xffff);
	kfree_skb(clone);
	kfree_skb(skb);
}

/* The beginning of a header is no header: TCP drops it. */
static void urgent_header_is_cut_short(struct kunit *test)
{
	const struct ppiov_urgent *u = test->param_value;
	struct sk_buff *skb = ppiov_urgent_segment(test);

	skb_trim(skb, PPIOV_URGENT_AT + sizeof(struct tcphdr) - 1);
	KUNIT_EXPECT_TRUE(test, ppiov_urgent_hide(skb, PPIOV_URGENT_AT,
						  !u->part, u->stdurg));
	KUNIT_EXPECT_EQ(test, ppiov_urgent_flag(skb), u->urg);
	kfree_skb(skb);
}

/* Nor is one that says that it is longer than all there is. */
static void urgent_header_is_too_long(struct kunit *test)
{
	const struct ppiov_urgent *u = test->param_value;
	struct sk_buff *skb = ppiov_urgent_segment(test);

	ppiov_urgent_header(skb)->doff = 15;
	skb_trim(skb, PPIOV_URGENT_AT + sizeof(struct tcphdr));
	KUNIT_EXPECT_TRUE(test, ppiov_urgent_hide(skb, PPIOV_URGENT_AT,
						  !u->part, u->stdurg));
	KUNIT_EXPECT_EQ(test, ppiov_urgent_flag(skb), u->urg && !u->part);
	kfree_skb(skb);
}

static struct kunit_case ppiov_urgent_cases[] = {
	KUNIT_CASE_PARAM(urgent_pointer_is_told, urgent_gen_params),
	KUNIT_CASE_PARAM(urgent_clone_stays_as_it_is, urgent_gen_params),
	KUNIT_CASE_PARAM(urgent_header_is_cut_short, urgent_gen_params),
	KUNIT_CASE_PARAM(urgent_header_is_too_long, urgent_gen_params),
	{}
};

static struct kunit_suite ppiov_urgent_suite = {
	.name = "ppiov_urgent",
	.test_cases = ppiov_urgent_cases,
};

kunit_test_suite(ppiov_urgent_suite);
