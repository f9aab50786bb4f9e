/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef PPCAT_TOKENS_H
#define PPCAT_TOKENS_H

#include <linux/types.h>
#include <stdbool.h>
#include <stddef.h>

#include "uapi.h"

struct token_stats {
	__u64 received;
	__u64 calls;            /* that return tokens */
	__u64 ranges;           /* in those calls */
	__u64 returned;         /* tokens named in those calls */
	__u64 freed;            /* what the kernel says it freed of them */
	__u64 duplicates_freed; /* freed by a second return: a kernel bug */
};

/* The tokens of one socket that are not yet returned, oldest first. */
struct tokens {
	__u32 *ring; /* owned; capacity is a power of two, or 0 */
	size_t capacity;
	size_t head; /* index of the oldest, not wrapped */
	size_t count;
};

/* The system call, so that a test can stand in its place */
typedef int (*dontneed_fn)(int fd, const struct devmem_token *ranges, size_t n);

int tokens_add(struct tokens *t, __u32 token);
__u32 tokens_take(struct tokens *t);
int tokens_return(struct tokens *t, int fd, size_t keep, bool twice,
		  dontneed_fn dontneed, struct token_stats *stats);
void tokens_free(struct tokens *t);

#endif
