/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef PPCAT_STREAM_H
#define PPCAT_STREAM_H

#include "pattern.h"

/* Where bytes of a stream were found */
enum place {
	PLACE_PLAIN,  /* the caller's buffer, no control message */
	PLACE_LINEAR, /* the caller's buffer, told by a control message */
	PLACE_DEVMEM, /* the dmabuf, told by a control message */
	PLACES,
};

extern const char *const place_names[PLACES];

struct mismatch {
	__u64 offset; /* in the stream, its first byte (preamble) being 0 */
	__u8 expected;
	__u8 got;
	enum place place;
	__u64 place_offset; /* PLACE_DEVMEM: in the dmabuf */
	__u32 token;        /* PLACE_DEVMEM */
	bool shifted;       /* shift is known, see pattern_find_shift() */
	long shift;
};

/* One received byte stream, as far as its content goes. */
struct stream {
	__u8 head[PREAMBLE_SIZE]; /* filled while pos < PREAMBLE_SIZE */
	struct preamble pre;      /* valid once pattern is set */
	struct pattern *pattern;  /* owned; from preamble to stream_free() */
	__u64 pos;                /* bytes taken so far */
	__u64 by_place[PLACES];   /* of them, how many were where */
	__u64 unchecked;          /* of them, how many nobody could read */
	__u64 bad_bytes;
	bool check; /* off: --no-check, or the preamble was unreadable */
	bool bad_preamble;
	struct mismatch first; /* valid if bad_bytes */
};

/* Told about each run of bad bytes; arg is the caller's. */
typedef void (*stream_mismatch_fn)(void *arg, const struct mismatch *m);

void stream_init(struct stream *s, bool check);
void stream_free(struct stream *s);
int stream_feed(struct stream *s, const __u8 *data, size_t len,
		const struct mismatch *where, stream_mismatch_fn tell,
		void *arg);
void stream_pass(struct stream *s, size_t len, enum place place);
void stream_skip(struct stream *s, size_t len, enum place place);
bool stream_complete(const struct stream *s);
bool stream_ok(const struct stream *s);

#endif
