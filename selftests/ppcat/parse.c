// SPDX-License-Identifier: GPL-2.0-only
/* Text to numbers, strictly: no signs, no blanks, nothing left over. */
#include "parse.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "uapi.h"

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* A number at s, *end after it */
static bool leading_number(const char *s, __u64 max, __u64 *out,
			   const char **end)
{
	char *after;

	if (!is_digit(*s))
		return false;
	errno = 0;
	*out = strtoull(s, &after, 0);
	*end = after;
	return !errno && *out <= max;
}

bool parse_number(const char *s, __u64 max, __u64 *out)
{
	const char *end;

	return leading_number(s, max, out, &end) && !*end;
}

/* 4096, 64K, 16M, 2G: powers of 1024 */
bool parse_size(const char *s, __u64 max, __u64 *out)
{
	static const char units[] = "KMG";
	const char *end, *unit;
	unsigned int shift = 0;

	if (!leading_number(s, max, out, &end))
		return false;
	if (*end) {
		unit = strchr(units, *end);
		if (!unit || end[1])
			return false;
		shift = 10 * (unit - units + 1);
	}
	if (*out > max >> shift)
		return false;
	*out <<= shift;
	return true;
}

/* 5 or 0.25 */
bool parse_seconds(const char *s, __u64 *ms)
{
	unsigned int unit = 100;
	__u64 whole;
	const char *end;

	if (!is_digit(*s) || !leading_number(s, 1000000, &whole, &end))
		return false;
	*ms = whole * 1000;
	if (!*end)
		return true;
	if (*end++ != '.' || !*end)
		return false;
	for (; is_digit(*end) && unit; end++, unit /= 10)
		*ms += (*end - '0') * unit;
	return !*end;
}

/* 5 or 5-9 */
bool parse_range(const char *s, __u64 max, __u64 *first, __u64 *last)
{
	const char *end;

	if (!leading_number(s, max, first, &end))
		return false;
	*last = *first;
	if (!*end)
		return true;
	return *end == '-' && parse_number(end + 1, max, last) &&
	       *last >= *first;
}

/* BYTES:MS */
bool parse_after(const char *s, __u64 *bytes, __u64 *ms)
{
	const char *colon = strchr(s, ':');
	char size[32];

	if (!colon || (size_t)(colon - s) >= sizeof(size))
		return false;
	memcpy(size, s, colon - s);
	size[colon - s] = '\0';
	return parse_size(size, ~0ULL >> 1, bytes) &&
	       parse_number(colon + 1, 3600000, ms);
}

bool parse_list(const char *s, bool (*each)(const char *item, void *arg),
		void *arg)
{
	char item[64];

	for (;;) {
		size_t len = strcspn(s, ",");

		if (!len || len >= sizeof(item))
			return false;
		memcpy(item, s, len);
		item[len] = '\0';
		if (!each(item, arg))
			return false;
		if (!s[len])
			return true;
		s += len + 1;
	}
}

/* The kernel's two that no libc has a name for, and all that libc has. */
const char *errno_name(int err)
{
	const char *name;

	if (err == ETOOSMALL)
		return "ETOOSMALL";
	if (err == ENOTSUPP)
		return "ENOTSUPP";
	/* EOPNOTSUPP and ENOTSUP are one here; netdev says the first */
	if (err == EOPNOTSUPP)
		return "EOPNOTSUPP";
	name = strerrorname_np(err);
	return name ? name : "unknown";
}

const char *errno_text(int err)
{
	if (err == ETOOSMALL)
		return "Buffer or request is too small";
	if (err == ENOTSUPP)
		return "Operation is not supported";
	return strerror(err);
}

/* EINVAL -> 22; 0 if there is no such name */
int parse_errno(const char *s)
{
	int err;

	for (err = 1; err <= ETOOSMALL; err++)
		if (!strcmp(errno_name(err), s))
			return err;
	return 0;
}
