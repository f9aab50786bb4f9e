// SPDX-License-Identifier: GPL-2.0-only
/* Keeps the tokens of a socket and gives them back in ranges. */
#include "tokens.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_CAPACITY 1024

static int grow(struct tokens *t)
{
	size_t capacity = t->capacity ? 2 * t->capacity : FIRST_CAPACITY;
	__u32 *ring;
	size_t i;

	ring = malloc(capacity * sizeof(*ring));
	if (!ring)
		return -ENOMEM;
	for (i = 0; i < t->count; i++)
		ring[i] = t->ring[(t->head + i) & (t->capacity - 1)];

	free(t->ring);
	t->ring = ring;
	t->capacity = capacity;
	t->head = 0;
	return 0;
}

int tokens_add(struct tokens *t, __u32 token)
{
	int err;

	if (t->count == t->capacity) {
		err = grow(t);
		if (err)
			return err;
	}
	t->ring[(t->head + t->count) & (t->capacity - 1)] = token;
	t->count++;
	return 0;
}

/* The oldest one; there is one. */
__u32 tokens_take(struct tokens *t)
{
	__u32 token = t->ring[t->head++ & (t->capacity - 1)];

	t->count--;
	return token;
}

/*
 * Fill ranges from the oldest tokens, at most n of them and no more than the
 * kernel takes in one call. Returns the ranges used, *frags the tokens.
 */
static size_t take_ranges(struct tokens *t, size_t keep,
			  struct devmem_token *ranges, size_t n, size_t *frags)
{
	size_t used = 0;

	*frags = 0;
	while (t->count > keep && *frags < MAX_DONTNEED_FRAGS) {
		__u32 token = t->ring[t->head & (t->capacity - 1)];
		struct devmem_token *last = used ? &ranges[used - 1] : NULL;

		if (last && last->token_start + last->token_count == token) {
			last->token_count++;
		} else if (used < n) {
			ranges[used].token_start = token;
			ranges[used].token_count = 1;
			used++;
		} else {
			break;
		}
		t->head++;
		t->count--;
		(*frags)++;
	}
	return used;
}

/*
 * Return the oldest tokens until keep are left. With twice, name them in a
 * second call at once, before recvmsg() can hand the same numbers out again.
 * Returns 0 or -errno; that the kernel freed fewer than it was told shows in
 * stats.
 */
int tokens_return(struct tokens *t, int fd, size_t keep, bool twice,
		  dontneed_fn dontneed, struct token_stats *stats)
{
	struct devmem_token ranges[MAX_DONTNEED_TOKENS];
	size_t frags, n;
	int ret;

	while (t->count > keep) {
		n = take_ranges(t, keep, ranges, MAX_DONTNEED_TOKENS, &frags);

		ret = dontneed(fd, ranges, n);
		if (ret < 0)
			return ret;
		stats->calls++;
		stats->ranges += n;
		stats->returned += frags;
		stats->freed += ret;

		if (!twice)
			continue;
		ret = dontneed(fd, ranges, n);
		if (ret < 0)
			return ret;
		stats->calls++;
		stats->duplicates_freed += ret;
	}
	return 0;
}

void tokens_free(struct tokens *t)
{
	free(t->ring);
	memset(t, 0, sizeof(*t));
}
