// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit suites: a ring's tokens, and what user space may write into it.
 *
 * A token stands for a packet of one buffer or more; that it is taken back
 * shows in the buffers, which come home.
 */
#include <linux/slab.h>

#include "../pool/ring_priv.h"
#include "carrier_test.h"

#define PPIOV_RING_TEST_ENTRIES 4
#define PPIOV_RING_TEST_GEN     BIT(15) /* the token's generation begins */

struct ppiov_ring_test {
	struct ppiov_fake *fake;
	struct ppiov_ring_file *ring;
};

static void ppiov_ring_test_end(void *data)
{
	ppiov_ring_close(data);
	ppiov_ring_put(data);
}

/* A ring that is gone before the pool is. */
static struct ppiov_ring_file *ppiov_ring_test_new(struct kunit *test)
{
	struct ppiov_ring_file *ring = ppiov_ring_new();

	KUNIT_ASSERT_NOT_NULL(test, ring);
	KUNIT_ASSERT_EQ(test, 0,
			kunit_add_action_or_reset(test, ppiov_ring_test_end,
						  ring));
	return ring;
}

static int ppiov_ring_test_init(struct kunit *test)
{
	struct ppiov_ring_test *t;

	t = kunit_kzalloc(test, sizeof(*t), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, t);
	t->fake = ppiov_fake_pool(test, &ppiov_fake_iov_ops, 128);
	t->ring = ppiov_ring_test_new(test);
	KUNIT_ASSERT_EQ(test, 0,
			ppiov_ring_fill(t->ring, PAGE_SIZE,
					PPIOV_RING_TEST_ENTRIES));
	test->priv = t;
	return 0;
}

/* A token for a new packet, of which it is all that is left. */
static int ppiov_ring_test_hold(struct kunit *test, u32 *token)
{
	struct ppiov_ring_test *t = test->priv;
	struct sk_buff *head = ppiov_test_packet(t->fake);
	int err;

	err = ppiov_ring_hold_token(t->ring,
				    ppiov_carrier_of(ppiov_test_child(head)),
				    token);
	kfree_skb(head);
	return err;
}

/* Packets that came back. */
static u64 ppiov_ring_test_home(const struct ppiov_ring_test *t)
{
	return ppiov_test_home(t->fake) / PPIOV_TEST_BUFS;
}

/* As user space does it. */
static void ppiov_ring_test_put(struct ppiov_ring_test *t, u32 token,
				u32 reserved)
{
	struct ppiov_ring *shared = t->ring->tokens.shared;
	struct ppiov_ring_entry *entry;

	entry = &shared->entries[shared->tail & (PPIOV_RING_TEST_ENTRIES - 1)];
	entry->token = token;
	entry->reserved = reserved;
	/* Pairs with ppiov_ring_consume(): the entry is there. */
	smp_store_release(&shared->tail, shared->tail + 1);
}

/* What is put, of two tokens that are out, in slots 0 and 1. */
static const struct ppiov_ring_put {
	const char *name;
	u32 n;
	struct {
		bool first; /* or second; @plus says how it is wrong */
		u32 plus;
		u32 reserved;
	} puts[PPIOV_RING_TEST_ENTRIES];
	u32 home;
	u64 invalid;
} ppiov_ring_puts[] = {
	{ "nothing", 0, {}, 0, 0 },
	{ "one", 1, { { true } }, 1, 0 },
	{ "both", 2, { { true }, { false } }, 2, 0 },
	{ "both, the second first", 2, { { false }, { true } }, 2, 0 },
	{ "one twice", 2, { { true }, { true } }, 1, 1 },
	{ "a slot that is not out", 1, { { true, 2 } }, 0, 1 },
	{ "a slot that is not there",
	  1,
	  { { true, PPIOV_RING_TEST_ENTRIES } },
	  0,
	  1 },
	{ "another generation", 1, { { true, PPIOV_RING_TEST_GEN } }, 0, 1 },
	{ "the last number there is", 1, { { true, U32_MAX } }, 0, 1 },
	{ "reserved is not 0", 1, { { true, 0, 1 } }, 0, 1 },
	{ "wrong ones between",
	  4,
	  { { true, 3 }, { true }, { true, 0, 7 }, { false } },
	  2,
	  2 },
};

KUNIT_ARRAY_PARAM_DESC(put, ppiov_ring_puts, name);

static void ring_takes_what_is_out(struct kunit *test)
{
	const struct ppiov_ring_put *put = test->param_value;
	struct ppiov_ring_test *t = test->priv;
	const struct ppiov_ring *shared = t->ring->tokens.shared;
	u32 i, tokens[2];

	KUNIT_ASSERT_EQ(test, 0, ppiov_ring_test_hold(test, &tokens[0]));
	KUNIT_ASSERT_EQ(test, 0, ppiov_ring_test_hold(test, &tokens[1]));
	for (i = 0; i < put->n; i++)
		ppiov_ring_test_put(t,
				    tokens[!put->puts[i].first] +
					    put->puts[i].plus,
				    put->puts[i].reserved);
	KUNIT_EXPECT_EQ(test, ppiov_ring_consume(t->ring), put->n);
	KUNIT_EXPECT_EQ(test, ppiov_ring_test_home(t), put->home);
	KUNIT_EXPECT_EQ(test, shared->invalid, put->invalid);
	KUNIT_EXPECT_EQ(test, shared->head, put->n);
	KUNIT_EXPECT_EQ(test, ppiov_ring_consume(t->ring), 0);
}

/* How far @tail is ahead of what the kernel has taken, and what it looks at. */
static const struct ppiov_ring_tail {
	const char *name;
	u32 tail;
	u32 looked;
} ppiov_ring_tails[] = {
	{ "a full ring", PPIOV_RING_TEST_ENTRIES, PPIOV_RING_TEST_ENTRIES },
	{ "one more than a full ring", PPIOV_RING_TEST_ENTRIES + 1,
	  PPIOV_RING_TEST_ENTRIES },
	{ "far ahead", 1U << 31, PPIOV_RING_TEST_ENTRIES },
	{ "one back", U32_MAX, PPIOV_RING_TEST_ENTRIES },
};

KUNIT_ARRAY_PARAM_DESC(tail, ppiov_ring_tails, name);

static void ring_looks_at_no_more_than_there_are(struct kunit *test)
{
	const struct ppiov_ring_tail *tail = test->param_value;
	struct ppiov_ring_test *t = test->priv;
	struct ppiov_ring *shared = t->ring->tokens.shared;

	shared->tail = tail->tail;
	KUNIT_EXPECT_EQ(test, ppiov_ring_consume(t->ring), tail->looked);
	KUNIT_EXPECT_EQ(test, shared->invalid, tail->looked);
	KUNIT_EXPECT_EQ(test, shared->head, tail->looked);
}

static void ring_gives_out_what_it_has(struct kunit *test)
{
	struct ppiov_ring_test *t = test->priv;
	u32 i, j, tokens[PPIOV_RING_TEST_ENTRIES], last;

	for (i = 0; i < ARRAY_SIZE(tokens); i++) {
		KUNIT_EXPECT_EQ(test, 0,
				ppiov_ring_test_hold(test, &tokens[i]));
		for (j = 0; j < i; j++)
			KUNIT_EXPECT_NE(test, tokens[i], tokens[j]);
	}
	KUNIT_EXPECT_EQ(test, -ENOBUFS, ppiov_ring_test_hold(test, &last));

	/* What was put is looked at first; the slot is another's then. */
	ppiov_ring_test_put(t, tokens[2], 0);
	KUNIT_EXPECT_EQ(test, 0, ppiov_ring_test_hold(test, &last));
	KUNIT_EXPECT_NE(test, last, tokens[2]);
	ppiov_ring_test_put(t, tokens[2], 0);
	KUNIT_EXPECT_EQ(test, ppiov_ring_consume(t->ring), 1);
	KUNIT_EXPECT_EQ(test, t->ring->tokens.shared->invalid, 1);
}

static void ring_takes_back_what_nobody_saw(struct kunit *test)
{
	struct ppiov_ring_test *t = test->priv;
	u32 token;

	KUNIT_ASSERT_EQ(test, 0, ppiov_ring_test_hold(test, &token));
	ppiov_ring_drop_token(t->ring, token);
	KUNIT_EXPECT_EQ(test, ppiov_ring_test_home(t), 1);
	/* As where user space has guessed and returned it. */
	ppiov_ring_drop_token(t->ring, token);
	KUNIT_EXPECT_EQ(test, ppiov_ring_test_home(t), 1);
}

static void ring_close_brings_all_home(struct kunit *test)
{
	struct ppiov_ring_test *t = test->priv;
	u32 tokens[2], token;

	KUNIT_ASSERT_EQ(test, 0, ppiov_ring_test_hold(test, &tokens[0]));
	KUNIT_ASSERT_EQ(test, 0, ppiov_ring_test_hold(test, &tokens[1]));
	ppiov_ring_close(t->ring);
	KUNIT_EXPECT_EQ(test, ppiov_ring_test_home(t), 2);
	KUNIT_EXPECT_EQ(test, -ESHUTDOWN, ppiov_ring_test_hold(test, &token));
	ppiov_ring_drop_token(t->ring, tokens[0]);
	ppiov_ring_test_put(t, tokens[1], 0);
	KUNIT_EXPECT_EQ(test, ppiov_ring_consume(t->ring), 1);
	KUNIT_EXPECT_EQ(test, ppiov_ring_test_home(t), 3);
}

static void ring_that_is_empty_is_closed(struct kunit *test)
{
	ppiov_ring_close(ppiov_ring_test_new(test));
}

/* Its tokens were there when the memory could not be had. */
static void ring_that_failed_is_closed(struct kunit *test)
{
	struct ppiov_ring_file *ring = ppiov_ring_test_new(test);
	int err = 0;

	compat_kunit_expect_warning(test)
	{
		err = ppiov_ring_fill(ring, 1ULL << 40,
				      PPIOV_RING_TEST_ENTRIES);
	}
	KUNIT_EXPECT_EQ(test, err, -ENOMEM);
	ppiov_ring_close(ring);
}

static struct kunit_case ppiov_ring_cases[] = {
	KUNIT_CASE_PARAM(ring_takes_what_is_out, put_gen_params),
	KUNIT_CASE_PARAM(ring_looks_at_no_more_than_there_are, tail_gen_params),
	KUNIT_CASE(ring_gives_out_what_it_has),
	KUNIT_CASE(ring_takes_back_what_nobody_saw),
	KUNIT_CASE(ring_close_brings_all_home),
	KUNIT_CASE(ring_that_is_empty_is_closed),
	KUNIT_CASE(ring_that_failed_is_closed),
	{}
};

static struct kunit_suite ppiov_ring_suite = {
	.name = "ppiov_ring",
	.init = ppiov_ring_test_init,
	.test_cases = ppiov_ring_cases,
};

kunit_test_suite(ppiov_ring_suite);
