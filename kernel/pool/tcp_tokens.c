// SPDX-License-Identifier: GPL-2.0-only
/*
 * Tokens: what user space has of a socket's payload, and gives back.
 *
 * A token is a bit of a hold: the packet's pieces have one after the other,
 * and the hold has a reference of the carrier until the last of them is back.
 * So the table is asked and the carrier counted once per packet, and a packet
 * goes back as one range.
 */
#include <linux/bitops.h>
#include <linux/bits.h>
#include <linux/overflow.h>
#include <linux/slab.h>
#include <kunit/visibility.h>

#include "../include/ppiov/carrier.h"
#include "tcp.h"

#define PPIOV_HOLD_BITS   6
#define PPIOV_HOLD_TOKENS BIT(PPIOV_HOLD_BITS)
#define PPIOV_HOLD_NONE   1 /* no hold's id */

/**
 * struct ppiov_hold - tokens of a packet
 * @carrier: the packet's; a reference
 * @out: which tokens user space has; never 0 while in the table
 * @given: tokens that were ever given; the next one is this
 * @id: in the table
 *
 * A packet may have several, one after the other: read in more pieces than one
 * has tokens, or given back in the middle. Of the socket lock.
 */
struct ppiov_hold {
	struct ppiov_carrier *carrier;
	u64 out;
	u32 given;
	u32 id;
};

static_assert(PPIOV_HOLD_TOKENS == 8 * sizeof(u64));

/**
 * ppiov_tokens_init() - an empty table
 * @psk: new; to be ended by ppiov_tokens_free_all()
 *
 * Context: process.
 * Return: 0 or -ENOMEM.
 */
int ppiov_tokens_init(struct ppiov_sock *psk)
{
	/* Accounted to who reads: a token per byte is the reader's choice. */
	xa_init_flags(&psk->holds,
		      XA_FLAGS_ALLOC1 | XA_FLAGS_LOCK_BH | XA_FLAGS_ACCOUNT);
	psk->filling = NULL;
	psk->spare = NULL;
	/* Keeps the node in which a hold that is alone has its place. */
	return xa_reserve_bh(&psk->holds, PPIOV_HOLD_NONE, GFP_KERNEL);
}
EXPORT_SYMBOL_IF_KUNIT(ppiov_tokens_init);

static struct ppiov_hold *ppiov_hold_new(struct ppiov_sock *psk,
					 struct ppiov_carrier *carrier)
{
	struct ppiov_hold *hold = psk->spare;
	int err;

	psk->spare = NULL;
	if (!hold)
		hold = kmalloc(sizeof(*hold), GFP_KERNEL_ACCOUNT);
	if (!hold)
		return ERR_PTR(-ENOMEM);
	hold->carrier = carrier;
	hold->out = 0;
	hold->given = 0;
	/* 31 bits of a token are used, and 0 is none. */
	err = xa_alloc_bh(&psk->holds, &hold->id, hold,
			  XA_LIMIT(PPIOV_HOLD_NONE + 1,
				   BIT(31 - PPIOV_HOLD_BITS) - 1),
			  GFP_KERNEL);
	if (err) {
		kfree(hold);
		return ERR_PTR(err);
	}
	ppiov_carrier_get(carrier);
	return hold;
}

/* Return: how many of the tokens in @mask were out. @hold may be gone. */
static unsigned int ppiov_hold_return(struct ppiov_sock *psk,
				      struct ppiov_hold *hold, u64 mask)
{
	unsigned int n;

	mask &= hold->out;
	n = hweight64(mask);
	psk->nr_tokens -= n;
	hold->out &= ~mask;
	if (hold->out)
		return n;

	if (psk->filling == hold)
		psk->filling = NULL;
	xa_erase_bh(&psk->holds, hold->id);
	/* May give buffers back, which is not for under the table's lock. */
	ppiov_carrier_put(hold->carrier);
	if (psk->spare)
		kfree(hold);
	else
		psk->spare = hold;
	return n;
}

/**
 * ppiov_token_add() - make a token
 * @psk: whose
 * @carrier: what it stands for; its child can't go meanwhile
 * @token: the token, never 0
 *
 * Context: process, under the socket lock.
 * Return: 0, -ENOMEM, or -EBUSY if all tokens are out.
 */
int ppiov_token_add(struct ppiov_sock *psk, struct ppiov_carrier *carrier,
		    u32 *token)
{
	struct ppiov_hold *hold = psk->filling;

	if (!hold || hold->carrier != carrier ||
	    hold->given == PPIOV_HOLD_TOKENS) {
		hold = ppiov_hold_new(psk, carrier);
		if (IS_ERR(hold))
			return PTR_ERR(hold);
		psk->filling = hold;
	}
	*token = (hold->id << PPIOV_HOLD_BITS) + hold->given;
	hold->out |= BIT_ULL(hold->given++);
	psk->nr_tokens++;
	return 0;
}
EXPORT_SYMBOL_IF_KUNIT(ppiov_token_add);

/* Return: how many of @count tokens from @start there were. */
static unsigned int ppiov_tokens_free(struct ppiov_sock *psk, u32 start,
				      u32 count)
{
	unsigned int freed = 0;
	struct ppiov_hold *hold;
	u32 first, n;

	while (count) {
		first = start % PPIOV_HOLD_TOKENS;
		n = min_t(u32, count, PPIOV_HOLD_TOKENS - first);
		hold = xa_load(&psk->holds, start >> PPIOV_HOLD_BITS);
		if (hold)
			freed += ppiov_hold_return(psk, hold,
						   GENMASK_ULL(first + n - 1,
							       first));
		start += n;
		count -= n;
	}
	return freed;
}

/**
 * ppiov_token_del() - undo ppiov_token_add() for a token that nobody saw
 * @psk: whose
 * @token: the token
 *
 * Context: process, under the socket lock.
 */
void ppiov_token_del(struct ppiov_sock *psk, u32 token)
{
	WARN_ON_ONCE(ppiov_tokens_free(psk, token, 1) != 1);
}
EXPORT_SYMBOL_IF_KUNIT(ppiov_token_del);

/* Nothing is freed where a range is bad. */
static int ppiov_ranges_check(const struct ppiov_token *ranges, unsigned int n)
{
	unsigned int i;
	u32 end;

	/* The last token there can be is U32_MAX. */
	for (i = 0; i < n; i++)
		if (ranges[i].token_count &&
		    check_add_overflow(ranges[i].token_start,
				       ranges[i].token_count - 1, &end))
			return -EINVAL;
	return 0;
}

/**
 * ppiov_tokens_dontneed() - setsockopt(PPIOV_DONTNEED)
 * @sk: the socket
 * @optval: an array of struct ppiov_token
 * @optlen: bytes of it
 *
 * Takes the socket lock, so a token that recvmsg() may still withdraw can't be
 * freed by who guesses it.
 *
 * Context: process.
 * Return: how many tokens were freed; -EINVAL for a size that is no array, too
 * many ranges or one that overflows, -EFAULT, -ENOMEM.
 */
int ppiov_tokens_dontneed(struct sock *sk, sockptr_t optval,
			  unsigned int optlen)
{
	unsigned int n = optlen / sizeof(struct ppiov_token);
	unsigned int i, left = PPIOV_MAX_TOKENS;
	struct ppiov_token *ranges;
	u32 count;
	int ret;

	if (!n || optlen % sizeof(*ranges) || n > PPIOV_MAX_TOKEN_RANGES)
		return -EINVAL;
	ranges = memdup_sockptr(optval, optlen);
	if (IS_ERR(ranges))
		return PTR_ERR(ranges);
	ret = ppiov_ranges_check(ranges, n);
	if (ret)
		goto out;

	lock_sock(sk);
	for (i = 0; i < n && left; i++) {
		count = min(ranges[i].token_count, left);
		left -= count;
		ret += ppiov_tokens_free(ppiov_sk(sk), ranges[i].token_start,
					 count);
	}
	release_sock(sk);
out:
	kfree(ranges);
	return ret;
}
EXPORT_SYMBOL_IF_KUNIT(ppiov_tokens_dontneed);

/**
 * ppiov_tokens_free_all() - the socket is closed
 * @psk: whose tokens; nobody makes new ones
 *
 * Context: any but hard interrupt: close() in process context, or the ULP's
 * release, where there are none left.
 */
void ppiov_tokens_free_all(struct ppiov_sock *psk)
{
	struct ppiov_hold *hold;
	unsigned long id;

	xa_for_each(&psk->holds, id, hold)
		ppiov_hold_return(psk, hold, U64_MAX);
	xa_destroy(&psk->holds);
	kfree(psk->spare);
	psk->spare = NULL;
}
EXPORT_SYMBOL_IF_KUNIT(ppiov_tokens_free_all);
