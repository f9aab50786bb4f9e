// SPDX-License-Identifier: GPL-2.0-only
/* Checks a received stream byte by byte, whatever pieces it comes in. */
#include "stream.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

const char *const place_names[PLACES] = { "plain", "linear", "devmem" };

void stream_init(struct stream *s, bool check)
{
	memset(s, 0, sizeof(*s));
	s->check = check;
}

void stream_free(struct stream *s)
{
	free(s->pattern);
	s->pattern = NULL;
}

/* Take what belongs to the preamble; returns how much, or -ENOMEM. */
static int take_preamble(struct stream *s, const __u8 *data, size_t len)
{
	size_t part = PREAMBLE_SIZE - s->pos;

	if (part > len)
		part = len;
	memcpy(s->head + s->pos, data, part);
	s->pos += part;
	if (s->pos < PREAMBLE_SIZE)
		return part;

	if (!preamble_decode(s->head, &s->pre)) {
		/* Without it, nothing that follows can be judged */
		s->bad_preamble = true;
		s->check = false;
		return part;
	}

	s->pattern = malloc(sizeof(*s->pattern));
	if (!s->pattern)
		return -ENOMEM;
	pattern_init(s->pattern, s->pre.seed, s->pre.flow);
	return part;
}

static void check_payload(struct stream *s, const __u8 *data, size_t len,
			  const struct mismatch *where, stream_mismatch_fn tell,
			  void *arg)
{
	__u64 payload = s->pos - PREAMBLE_SIZE;
	size_t i = 0;

	for (;;) {
		struct mismatch m = *where;

		i += pattern_match(s->pattern, payload + i, data + i, len - i);
		if (i == len)
			break;

		m.offset = s->pos + i;
		m.expected = pattern_at(s->pattern, payload + i);
		m.got = data[i];
		m.place_offset += i;
		/* One search per stream: what follows a shift is shifted */
		if (!s->bad_bytes)
			m.shifted = pattern_find_shift(s->pattern, payload + i,
						       data + i, len - i,
						       &m.shift);
		if (!s->bad_bytes)
			s->first = m;
		tell(arg, &m);

		while (i < len &&
		       data[i] != pattern_at(s->pattern, payload + i)) {
			s->bad_bytes++;
			i++;
		}
	}
	s->pos += len;
}

/*
 * The next len bytes of the stream are at data; where tells in its place,
 * place_offset and token where that is. Returns 0 or -ENOMEM.
 */
int stream_feed(struct stream *s, const __u8 *data, size_t len,
		const struct mismatch *where, stream_mismatch_fn tell,
		void *arg)
{
	struct mismatch here = *where;
	int taken;

	s->by_place[here.place] += len;
	if (s->check && s->pos < PREAMBLE_SIZE) {
		taken = take_preamble(s, data, len);
		if (taken < 0)
			return taken;
		data += taken;
		len -= taken;
		here.place_offset += taken;
	}

	if (s->check && s->pattern)
		check_payload(s, data, len, &here, tell, arg);
	else
		s->pos += len;
	return 0;
}

/* The next len bytes are not looked at: --no-check. */
void stream_pass(struct stream *s, size_t len, enum place place)
{
	s->by_place[place] += len;
	s->pos += len;
}

/* The next len bytes are somewhere we can't read. */
void stream_skip(struct stream *s, size_t len, enum place place)
{
	if (s->pos < PREAMBLE_SIZE)
		s->check = false;
	s->by_place[place] += len;
	s->unchecked += len;
	s->pos += len;
}

/* Did as much arrive as the preamble announced? */
bool stream_complete(const struct stream *s)
{
	if (s->bad_preamble)
		return false;
	if (!s->check)
		return true;
	return s->pattern && s->pos - PREAMBLE_SIZE == s->pre.total;
}

/* Is every byte so far as it should be? */
bool stream_ok(const struct stream *s)
{
	return !s->bad_bytes && !s->bad_preamble;
}
