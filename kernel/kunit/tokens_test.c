// SPDX-License-Identifier: GPL-2.0-only
/* KUnit suite: a socket's tokens, and what DONTNEED takes back. */
#include <linux/in.h>
#include <linux/slab.h>
#include <net/net_namespace.h>

#include "../compat/mm.h"
#include "../pool/tcp.h"
#include "carrier_test.h"

#define PPIOV_TOKENS_TEST_NR 5 /* out, from FIRST on */
/* Those of a packet stand in a row; see struct ppiov_hold. */
#define FIRST 128

struct ppiov_tokens_test {
	struct ppiov_sock psk;
	struct ppiov_fake *fake;
	struct socket *sock;
	struct sk_buff *head;
	struct ppiov_carrier *carrier;
};

static void ppiov_tokens_test_end(void *data)
{
	struct ppiov_tokens_test *t = data;

	ppiov_tokens_free_all(&t->psk);
	kfree_skb(t->head);
	rcu_assign_pointer(inet_csk(t->sock->sk)->icsk_ulp_data, NULL);
	sock_release(t->sock);
	kfree(t);
}

/* A socket whose tokens all stand for one packet; it is no ULP's otherwise. */
static int ppiov_tokens_test_init(struct kunit *test)
{
	struct ppiov_fake *fake;
	struct ppiov_tokens_test *t;
	struct socket *sock;
	u32 i, token;

	fake = ppiov_fake_pool(test, &ppiov_fake_iov_ops, 128);
	KUNIT_ASSERT_EQ(test, 0,
			sock_create_kern(&init_net, AF_INET, SOCK_STREAM,
					 IPPROTO_TCP, &sock));
	t = kzalloc_obj(*t);
	if (!t)
		sock_release(sock);
	KUNIT_ASSERT_NOT_NULL(test, t);
	t->sock = sock;
	KUNIT_EXPECT_EQ(test, 0, ppiov_tokens_init(&t->psk));
	rcu_assign_pointer(inet_csk(sock->sk)->icsk_ulp_data, (void *)&t->psk);
	KUNIT_ASSERT_EQ(test, 0,
			kunit_add_action_or_reset(test, ppiov_tokens_test_end,
						  t));
	t->fake = fake;
	t->head = ppiov_test_packet(fake);
	t->carrier = ppiov_carrier_of(ppiov_test_child(t->head));
	for (i = 0; i < PPIOV_TOKENS_TEST_NR; i++) {
		KUNIT_ASSERT_EQ(test, 0,
				ppiov_token_add(&t->psk, t->carrier, &token));
		KUNIT_ASSERT_EQ(test, token, FIRST + i);
	}
	test->priv = t;
	return 0;
}

/* All tokens have a reference of the carrier together; one is the packet's. */
static void ppiov_tokens_test_left(struct kunit *test, u32 left)
{
	struct ppiov_tokens_test *t = test->priv;

	KUNIT_EXPECT_EQ(test, t->psk.nr_tokens, left);
	KUNIT_EXPECT_EQ(test, refcount_read(&t->carrier->ubuf.refcnt),
			1 + !!left);
}

#define PPIOV_RANGES(n) ((n) * sizeof(struct ppiov_token))

static const struct ppiov_dontneed {
	const char *name;
	unsigned int optlen;
	struct ppiov_token ranges[2];
	int ret;
	u32 left;
} ppiov_dontneeds[] = {
	{ "no range", 0, {}, -EINVAL, 5 },
	{ "half a range", PPIOV_RANGES(1) / 2, {}, -EINVAL, 5 },
	{ "a range and a byte",
	  PPIOV_RANGES(1) + 1,
	  { { FIRST, 1 } },
	  -EINVAL,
	  5 },
	{ "too many ranges",
	  PPIOV_RANGES(PPIOV_MAX_TOKEN_RANGES + 1),
	  {},
	  -EINVAL,
	  5 },
	{ "as many ranges as allowed",
	  PPIOV_RANGES(PPIOV_MAX_TOKEN_RANGES),
	  { { FIRST + 4, 1 } },
	  1,
	  4 },
	{ "one", PPIOV_RANGES(1), { { FIRST, 1 } }, 1, 4 },
	{ "all", PPIOV_RANGES(1), { { FIRST, 5 } }, 5, 0 },
	{ "all and more", PPIOV_RANGES(1), { { 0, 200 } }, 5, 0 },
	{ "one twice",
	  PPIOV_RANGES(2),
	  { { FIRST + 1, 1 }, { FIRST + 1, 1 } },
	  1,
	  4 },
	{ "one that was not made yet",
	  PPIOV_RANGES(1),
	  { { FIRST + 5, 1 } },
	  0,
	  5 },
	{ "all that a packet may have",
	  PPIOV_RANGES(1),
	  { { FIRST, 64 } },
	  5,
	  0 },
	{ "up to the first of them", PPIOV_RANGES(1), { { 0, FIRST } }, 0, 5 },
	{ "two ranges",
	  PPIOV_RANGES(2),
	  { { FIRST, 2 }, { FIRST + 3, 2 } },
	  4,
	  1 },
	{ "nobody's", PPIOV_RANGES(1), { { 200, 7 } }, 0, 5 },
	{ "an empty range", PPIOV_RANGES(1), { { FIRST, 0 } }, 0, 5 },
	{ "the last there can be", PPIOV_RANGES(1), { { U32_MAX, 1 } }, 0, 5 },
	{ "behind the last", PPIOV_RANGES(1), { { U32_MAX, 2 } }, -EINVAL, 5 },
	{ "a good one and a bad one",
	  PPIOV_RANGES(2),
	  { { FIRST, 1 }, { FIRST + 1, U32_MAX } },
	  -EINVAL,
	  5 },
	{ "as far as a call looks",
	  PPIOV_RANGES(2),
	  { { 200, PPIOV_MAX_TOKENS - 2 }, { FIRST, 5 } },
	  2,
	  3 },
	{ "farther than a call looks",
	  PPIOV_RANGES(2),
	  { { 200, PPIOV_MAX_TOKENS }, { FIRST, 5 } },
	  0,
	  5 },
};

KUNIT_ARRAY_PARAM_DESC(dontneed, ppiov_dontneeds, name);

static void tokens_that_are_not_needed(struct kunit *test)
{
	const struct ppiov_dontneed *d = test->param_value;
	struct ppiov_tokens_test *t = test->priv;
	struct ppiov_token *ranges;

	ranges = kunit_kcalloc(test, PPIOV_MAX_TOKEN_RANGES + 1,
			       sizeof(*ranges), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, ranges);
	memcpy(ranges, d->ranges, sizeof(d->ranges));
	KUNIT_EXPECT_EQ(test, d->ret,
			ppiov_tokens_dontneed(t->sock->sk,
					      KERNEL_SOCKPTR(ranges),
					      d->optlen));
	ppiov_tokens_test_left(test, d->left);
}

static void tokens_that_nobody_saw(struct kunit *test)
{
	struct ppiov_tokens_test *t = test->priv;

	ppiov_token_del(&t->psk, FIRST + 2);
	ppiov_tokens_test_left(test, PPIOV_TOKENS_TEST_NR - 1);
}

static void tokens_end_with_the_socket(struct kunit *test)
{
	struct ppiov_tokens_test *t = test->priv;

	ppiov_tokens_free_all(&t->psk);
	ppiov_tokens_test_left(test, 0);
}

/* The next token of the test's packet. */
static u32 ppiov_tokens_test_add(struct kunit *test)
{
	struct ppiov_tokens_test *t = test->priv;
	u32 token;

	KUNIT_ASSERT_EQ(test, 0, ppiov_token_add(&t->psk, t->carrier, &token));
	return token;
}

static int ppiov_tokens_test_return(struct kunit *test, u32 start, u32 count)
{
	struct ppiov_token range = { start, count };
	struct ppiov_tokens_test *t = test->priv;

	return ppiov_tokens_dontneed(t->sock->sk, KERNEL_SOCKPTR(&range),
				     sizeof(range));
}

static void tokens_more_than_one_row(struct kunit *test)
{
	struct ppiov_tokens_test *t = test->priv;
	u32 i;

	for (i = PPIOV_TOKENS_TEST_NR; i < 200; i++)
		KUNIT_EXPECT_EQ(test, ppiov_tokens_test_add(test), FIRST + i);
	KUNIT_EXPECT_EQ(test, t->psk.nr_tokens, 200);
	/* 64 in a row: four have a reference each. */
	KUNIT_EXPECT_EQ(test, refcount_read(&t->carrier->ubuf.refcnt), 1 + 4);

	/* From the middle of the first into the middle of the third. */
	KUNIT_EXPECT_EQ(test, 160,
			ppiov_tokens_test_return(test, FIRST + 20, 160));
	KUNIT_EXPECT_EQ(test, t->psk.nr_tokens, 40);
	KUNIT_EXPECT_EQ(test, refcount_read(&t->carrier->ubuf.refcnt), 1 + 3);
	KUNIT_EXPECT_EQ(test, 40, ppiov_tokens_test_return(test, FIRST, 1000));
	ppiov_tokens_test_left(test, 0);
}

static void tokens_given_back_are_not_given_again_meanwhile(struct kunit *test)
{
	KUNIT_EXPECT_EQ(test, 1, ppiov_tokens_test_return(test, FIRST + 1, 1));
	KUNIT_EXPECT_EQ(test, ppiov_tokens_test_add(test),
			FIRST + PPIOV_TOKENS_TEST_NR);
	KUNIT_EXPECT_EQ(test, 0, ppiov_tokens_test_return(test, FIRST + 1, 1));
	ppiov_tokens_test_left(test, PPIOV_TOKENS_TEST_NR);
}

/* A packet that is read in two goes, all of the first given back between. */
static void tokens_after_all_were_given_back(struct kunit *test)
{
	KUNIT_EXPECT_EQ(test, PPIOV_TOKENS_TEST_NR,
			ppiov_tokens_test_return(test, FIRST, 64));
	ppiov_tokens_test_left(test, 0);
	ppiov_tokens_test_add(test);
	ppiov_tokens_test_left(test, 1);
}

static void tokens_of_two_packets(struct kunit *test)
{
	struct ppiov_tokens_test *t = test->priv;
	struct ppiov_carrier *carrier;
	struct sk_buff *head;
	u32 token;

	head = ppiov_test_packet(t->fake);
	carrier = ppiov_carrier_of(ppiov_test_child(head));
	KUNIT_EXPECT_EQ(test, 0, ppiov_token_add(&t->psk, carrier, &token));
	KUNIT_EXPECT_EQ(test, token, FIRST + 64);
	KUNIT_EXPECT_EQ(test, refcount_read(&carrier->ubuf.refcnt), 2);

	/* The first one's go, and the second's stays. */
	KUNIT_EXPECT_EQ(test, PPIOV_TOKENS_TEST_NR,
			ppiov_tokens_test_return(test, FIRST, 64));
	KUNIT_EXPECT_EQ(test, t->psk.nr_tokens, 1);
	KUNIT_EXPECT_EQ(test, refcount_read(&t->carrier->ubuf.refcnt), 1);
	KUNIT_EXPECT_EQ(test, refcount_read(&carrier->ubuf.refcnt), 2);
	kfree_skb(head);
	KUNIT_EXPECT_EQ(test, 1, ppiov_tokens_test_return(test, token, 1));
}

static struct kunit_case ppiov_tokens_cases[] = {
	KUNIT_CASE_PARAM(tokens_that_are_not_needed, dontneed_gen_params),
	KUNIT_CASE(tokens_that_nobody_saw),
	KUNIT_CASE(tokens_more_than_one_row),
	KUNIT_CASE(tokens_given_back_are_not_given_again_meanwhile),
	KUNIT_CASE(tokens_after_all_were_given_back),
	KUNIT_CASE(tokens_of_two_packets),
	KUNIT_CASE(tokens_end_with_the_socket),
	{}
};

static struct kunit_suite ppiov_tokens_suite = {
	.name = "ppiov_tokens",
	.init = ppiov_tokens_test_init,
	.test_cases = ppiov_tokens_cases,
};

kunit_test_suite(ppiov_tokens_suite);
