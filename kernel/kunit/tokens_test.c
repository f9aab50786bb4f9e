// SPDX-License-Identifier: GPL-2.0-only
/* KUnit suite: a socket's tokens, and what DONTNEED takes back. */
#include <linux/in.h>
#include <linux/slab.h>
#include <net/net_namespace.h>

#include "../pool/tcp.h"
#include "carrier_test.h"

#define PPIOV_TOKENS_TEST_NR 5 /* out, from 1 on */

struct ppiov_tokens_test {
	struct ppiov_sock psk;
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
	t = kzalloc(sizeof(*t), GFP_KERNEL);
	if (!t)
		sock_release(sock);
	KUNIT_ASSERT_NOT_NULL(test, t);
	t->sock = sock;
	ppiov_tokens_init(&t->psk);
	rcu_assign_pointer(inet_csk(sock->sk)->icsk_ulp_data, (void *)&t->psk);
	KUNIT_ASSERT_EQ(test, 0,
			kunit_add_action_or_reset(test, ppiov_tokens_test_end,
						  t));
	t->head = ppiov_test_packet(fake);
	t->carrier = ppiov_carrier_of(ppiov_test_child(t->head));
	for (i = 1; i <= PPIOV_TOKENS_TEST_NR; i++) {
		KUNIT_ASSERT_EQ(test, 0,
				ppiov_token_add(&t->psk, t->carrier, &token));
		KUNIT_ASSERT_EQ(test, token, i);
	}
	test->priv = t;
	return 0;
}

/* Each token has a reference of the carrier; one is the packet's. */
static void ppiov_tokens_test_left(struct kunit *test, u32 left)
{
	struct ppiov_tokens_test *t = test->priv;

	KUNIT_EXPECT_EQ(test, t->psk.nr_tokens, left);
	KUNIT_EXPECT_EQ(test, refcount_read(&t->carrier->ubuf.refcnt),
			1 + left);
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
	{ "a range and a byte", PPIOV_RANGES(1) + 1, { { 1, 1 } }, -EINVAL, 5 },
	{ "too many ranges",
	  PPIOV_RANGES(PPIOV_MAX_TOKEN_RANGES + 1),
	  {},
	  -EINVAL,
	  5 },
	{ "as many ranges as allowed",
	  PPIOV_RANGES(PPIOV_MAX_TOKEN_RANGES),
	  { { 5, 1 } },
	  1,
	  4 },
	{ "one", PPIOV_RANGES(1), { { 1, 1 } }, 1, 4 },
	{ "all", PPIOV_RANGES(1), { { 1, 5 } }, 5, 0 },
	{ "all and more", PPIOV_RANGES(1), { { 0, 100 } }, 5, 0 },
	{ "one twice", PPIOV_RANGES(2), { { 2, 1 }, { 2, 1 } }, 1, 4 },
	{ "two ranges", PPIOV_RANGES(2), { { 1, 2 }, { 4, 2 } }, 4, 1 },
	{ "nobody's", PPIOV_RANGES(1), { { 100, 7 } }, 0, 5 },
	{ "an empty range", PPIOV_RANGES(1), { { 1, 0 } }, 0, 5 },
	{ "the last there can be", PPIOV_RANGES(1), { { U32_MAX, 1 } }, 0, 5 },
	{ "behind the last", PPIOV_RANGES(1), { { U32_MAX, 2 } }, -EINVAL, 5 },
	{ "a good one and a bad one",
	  PPIOV_RANGES(2),
	  { { 1, 1 }, { 2, U32_MAX } },
	  -EINVAL,
	  5 },
	{ "as far as a call looks",
	  PPIOV_RANGES(2),
	  { { 100, PPIOV_MAX_TOKENS - 2 }, { 1, 5 } },
	  2,
	  3 },
	{ "farther than a call looks",
	  PPIOV_RANGES(2),
	  { { 100, PPIOV_MAX_TOKENS }, { 1, 5 } },
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

	ppiov_token_del(&t->psk, 3);
	ppiov_tokens_test_left(test, PPIOV_TOKENS_TEST_NR - 1);
}

static void tokens_end_with_the_socket(struct kunit *test)
{
	struct ppiov_tokens_test *t = test->priv;

	ppiov_tokens_free_all(&t->psk);
	ppiov_tokens_test_left(test, 0);
}

static struct kunit_case ppiov_tokens_cases[] = {
	KUNIT_CASE_PARAM(tokens_that_are_not_needed, dontneed_gen_params),
	KUNIT_CASE(tokens_that_nobody_saw),
	KUNIT_CASE(tokens_end_with_the_socket),
	{}
};

static struct kunit_suite ppiov_tokens_suite = {
	.name = "ppiov_tokens",
	.init = ppiov_tokens_test_init,
	.test_cases = ppiov_tokens_cases,
};

kunit_test_suite(ppiov_tokens_suite);
