// SPDX-License-Identifier: GPL-2.0-only
/*
 * The bytes that travel: a table of PATTERN_PERIOD bytes for each flow, sent
 * over and over. A table makes sending free (an iovec points into it) and
 * checking a memcmp(), so that what is measured is the kernel, not ppcat.
 */
#include "pattern.h"

#include <endian.h>
#include <string.h>

/* A window shorter than this fits by chance in too many places */
#define SHIFT_WINDOW_MIN 8
#define SHIFT_WINDOW_MAX 64

static const __u8 preamble_magic[8] = {
	'p', 'p', 'c', 'a', 't', '\r', '\n', 1
};

/* splitmix64: any seed will do, zero too */
static __u64 next_random(__u64 *state)
{
	__u64 z = *state += 0x9e3779b97f4a7c15ULL;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
	return z ^ (z >> 31);
}

/*
 * Neighbours differ, so that one lost or repeated byte is seen at the very
 * offset where it happened and not wherever chance has it.
 */
void pattern_init(struct pattern *p, __u64 seed, __u32 flow)
{
	__u64 state = seed;
	__u8 prev = 0;
	size_t i;

	state = next_random(&state) + flow;
	for (i = 0; i < PATTERN_PERIOD; i++) {
		prev += 1 + next_random(&state) % 255;
		p->byte[i] = prev;
	}

	while (p->byte[i - 1] == p->byte[0] || p->byte[i - 1] == p->byte[i - 2])
		p->byte[i - 1]++;
}

__u8 pattern_at(const struct pattern *p, __u64 pos)
{
	return p->byte[pos % PATTERN_PERIOD];
}

/* Point iov at len bytes from pos on; returns how many iovecs that took. */
size_t pattern_iov(const struct pattern *p, __u64 pos, size_t len,
		   struct iovec *iov)
{
	size_t phase = pos % PATTERN_PERIOD;
	size_t n = 0;

	while (len) {
		size_t part = PATTERN_PERIOD - phase;

		if (part > len)
			part = len;
		iov[n].iov_base = (void *)(p->byte + phase);
		iov[n].iov_len = part;
		n++;
		len -= part;
		phase = 0;
	}
	return n;
}

static size_t first_difference(const __u8 *a, const __u8 *b, size_t len)
{
	size_t i;

	if (!memcmp(a, b, len))
		return len;
	for (i = 0; a[i] == b[i]; i++)
		;
	return i;
}

/* How many bytes of data are as they should be, from the first one on. */
size_t pattern_match(const struct pattern *p, __u64 pos, const __u8 *data,
		     size_t len)
{
	size_t done = 0;

	while (done < len) {
		size_t phase = (pos + done) % PATTERN_PERIOD;
		size_t part = PATTERN_PERIOD - phase;
		size_t good;

		if (part > len - done)
			part = len - done;
		good = first_difference(data + done, p->byte + phase, part);
		done += good;
		if (good < part)
			break;
	}
	return done;
}

/*
 * data was expected at pos and isn't what stands there. If it is what stands
 * elsewhere in this flow, say how far away: +n means that n bytes were lost
 * before it, -n that it came n bytes too late (repeated or stale). The answer
 * is modulo PATTERN_PERIOD, the one nearest to zero.
 */
bool pattern_find_shift(const struct pattern *p, __u64 pos, const __u8 *data,
			size_t len, long *shift)
{
	size_t phase = pos % PATTERN_PERIOD;
	size_t i;

	if (len < SHIFT_WINDOW_MIN)
		return false;
	if (len > SHIFT_WINDOW_MAX)
		len = SHIFT_WINDOW_MAX;

	for (i = 1; i < PATTERN_PERIOD; i++) {
		if (p->byte[(phase + i) % PATTERN_PERIOD] != data[0])
			continue;
		if (pattern_match(p, phase + i, data, len) == len) {
			*shift = i <= PATTERN_PERIOD / 2 ?
					 (long)i :
					 (long)i - PATTERN_PERIOD;
			return true;
		}
	}
	return false;
}

static __u32 preamble_sum(const __u8 *in)
{
	__u64 hash = 0xcbf29ce484222325ULL; /* FNV-1a over all but the sum */
	size_t i;

	for (i = 0; i < PREAMBLE_SIZE - sizeof(__u32); i++)
		hash = (hash ^ in[i]) * 0x100000001b3ULL;
	return hash ^ (hash >> 32);
}

/* Layout: magic[8], be64 seed, be64 total, be32 flow, be32 sum. */
void preamble_encode(const struct preamble *pre, __u8 out[PREAMBLE_SIZE])
{
	__u64 seed = htobe64(pre->seed);
	__u64 total = htobe64(pre->total);
	__u32 flow = htobe32(pre->flow);
	__u32 sum;

	memcpy(out, preamble_magic, 8);
	memcpy(out + 8, &seed, 8);
	memcpy(out + 16, &total, 8);
	memcpy(out + 24, &flow, 4);
	sum = htobe32(preamble_sum(out));
	memcpy(out + 28, &sum, 4);
}

bool preamble_decode(const __u8 in[PREAMBLE_SIZE], struct preamble *pre)
{
	__u32 flow, sum;

	memcpy(&sum, in + 28, 4);
	if (memcmp(in, preamble_magic, 8) || be32toh(sum) != preamble_sum(in))
		return false;

	memcpy(&pre->seed, in + 8, 8);
	memcpy(&pre->total, in + 16, 8);
	memcpy(&flow, in + 24, 4);
	pre->seed = be64toh(pre->seed);
	pre->total = be64toh(pre->total);
	pre->flow = be32toh(flow);
	return true;
}
