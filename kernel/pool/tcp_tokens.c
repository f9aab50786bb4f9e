// SPDX-License-Identifier: GPL-2.0-only
/* Tokens: what user space has of a socket's payload, and gives back. */
#include <linux/overflow.h>
#include <linux/slab.h>
#include <kunit/visibility.h>

#include "../include/ppiov/carrier.h"
#include "tcp.h"

/* Carriers that are put together: a put may give buffers back, which is not
 * for under the table's lock.
 */
#define PPIOV_TOKEN_BATCH 16

/**
 * ppiov_tokens_init() - an empty table
 * @psk: new
 *
 * Context: any.
 */
void ppiov_tokens_init(struct ppiov_sock *psk)
{
	/* Accounted to who reads: a token per byte is the reader's choice. */
	xa_init_flags(&psk->tokens,
		      XA_FLAGS_ALLOC1 | XA_FLAGS_LOCK_BH | XA_FLAGS_ACCOUNT);
}
EXPORT_SYMBOL_IF_KUNIT(ppiov_tokens_init);

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
	int err;

	err = xa_alloc_bh(&psk->tokens, token, carrier, xa_limit_31b,
			  GFP_KERNEL);
	if (err)
		return err;
	ppiov_carrier_get(carrier);
	psk->nr_tokens++;
	return 0;
}
EXPORT_SYMBOL_IF_KUNIT(ppiov_token_add);

/**
 * ppiov_token_del() - undo ppiov_token_add() for a token that nobody saw
 * @psk: whose
 * @token: the token
 *
 * Context: process, under the socket lock.
 */
void ppiov_token_del(struct ppiov_sock *psk, u32 token)
{
	struct ppiov_carrier *carrier = xa_erase_bh(&psk->tokens, token);

	if (WARN_ON_ONCE(!carrier))
		return;
	psk->nr_tokens--;
	ppiov_carrier_put(carrier);
}
EXPORT_SYMBOL_IF_KUNIT(ppiov_token_del);

static void ppiov_carriers_put(struct ppiov_carrier **carriers, unsigned int n)
{
	while (n--)
		ppiov_carrier_put(carriers[n]);
}

/* Return: how many of @count tokens from @start there were. */
static unsigned int ppiov_tokens_free(struct ppiov_sock *psk, u32 start,
				      u32 count)
{
	struct ppiov_carrier *carriers[PPIOV_TOKEN_BATCH];
	unsigned int freed = 0, n = 0;
	u32 i;

	xa_lock_bh(&psk->tokens);
	for (i = 0; i < count; i++) {
		carriers[n] = __xa_erase(&psk->tokens, start + i);
		if (!carriers[n])
			continue;
		freed++;
		if (++n < ARRAY_SIZE(carriers))
			continue;
		xa_unlock_bh(&psk->tokens);
		ppiov_carriers_put(carriers, n);
		n = 0;
		xa_lock_bh(&psk->tokens);
	}
	xa_unlock_bh(&psk->tokens);
	ppiov_carriers_put(carriers, n);
	psk->nr_tokens -= freed;
	return freed;
}

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
	struct ppiov_carrier *carrier;
	unsigned long token;

	xa_for_each(&psk->tokens, token, carrier) {
		xa_erase_bh(&psk->tokens, token);
		ppiov_carrier_put(carrier);
	}
	xa_destroy(&psk->tokens);
	psk->nr_tokens = 0;
}
EXPORT_SYMBOL_IF_KUNIT(ppiov_tokens_free_all);
