/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef PPCAT_PARSE_H
#define PPCAT_PARSE_H

#include <linux/types.h>
#include <stdbool.h>
#include <stddef.h>

/* All return false for anything but exactly what they read. */
bool parse_number(const char *s, __u64 max, __u64 *out);
bool parse_size(const char *s, __u64 max, __u64 *out);
bool parse_seconds(const char *s, __u64 *ms);
bool parse_range(const char *s, __u64 max, __u64 *first, __u64 *last);
bool parse_after(const char *s, __u64 *bytes, __u64 *ms);
int parse_errno(const char *s);
const char *errno_name(int err);
const char *errno_text(int err);

/*
 * Call each() for every comma-separated item of s; it returns false to end.
 * Items are limited to 63 characters, which all of ours are.
 */
bool parse_list(const char *s, bool (*each)(const char *item, void *arg),
		void *arg);

#endif
