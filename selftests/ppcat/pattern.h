/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef PPCAT_PATTERN_H
#define PPCAT_PATTERN_H

#include <linux/types.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/uio.h>

/*
 * The period is prime: no multiple of a page, of a segment or of a cache line
 * falls on it before 65521 of them, so a buffer delivered in another's place
 * doesn't fit.
 */
#define PATTERN_PERIOD 65521

/* What stands at the head of every stream, see docs/ppcat.md */
#define PREAMBLE_SIZE 32

/* The most iovecs that pattern_iov() needs for len bytes */
#define PATTERN_IOVS(len) ((len) / PATTERN_PERIOD + 2)

struct pattern {
	__u8 byte[PATTERN_PERIOD]; /* neighbours differ, the ends too */
};

struct preamble {
	__u32 flow;
	__u64 seed;
	__u64 total; /* payload bytes that follow */
};

void pattern_init(struct pattern *p, __u64 seed, __u32 flow);
size_t pattern_iov(const struct pattern *p, __u64 pos, size_t len,
		   struct iovec *iov);
size_t pattern_match(const struct pattern *p, __u64 pos, const __u8 *data,
		     size_t len);
__u8 pattern_at(const struct pattern *p, __u64 pos);
bool pattern_find_shift(const struct pattern *p, __u64 pos, const __u8 *data,
			size_t len, long *shift);

void preamble_encode(const struct preamble *pre, __u8 out[PREAMBLE_SIZE]);
bool preamble_decode(const __u8 in[PREAMBLE_SIZE], struct preamble *pre);

#endif
