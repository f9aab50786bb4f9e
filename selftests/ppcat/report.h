/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef PPCAT_REPORT_H
#define PPCAT_REPORT_H

#include <linux/types.h>
#include <stdbool.h>
#include <stdio.h>

#include "util.h"

enum exit_code {
	EXIT_OK = 0,
	EXIT_TRANSFER = 1, /* validation or transfer failed */
	EXIT_CANNOT = 2,   /* usage, or this machine can't */
	EXIT_SIGNAL = 3,
};

/* What went wrong first; all that follows is usually its consequence. */
struct failure {
	enum exit_code code; /* EXIT_OK: nothing did */
	int err;             /* positive; 0 where no call failed */
	char text[256];
	char extack[256]; /* the kernel's own words, or "" */
};

/*
 * Tells the world what happens: an event a line, as JSON on stdout or as text
 * on stderr. Both come from the same calls.
 */
struct report {
	bool json;
	bool progress;  /* stderr is a terminal */
	bool line_open; /* a progress line stands there unfinished */
	bool first;     /* the next JSON member needs no comma */
	FILE *out;
	struct failure failure;
	int signal; /* that ended us, or 0 */
};

void report_init(struct report *r, bool json);

void event_begin(struct report *r, const char *name);
void event_end(struct report *r);
void event_object(struct report *r, const char *key);
void event_object_end(struct report *r);
void event_array(struct report *r, const char *key);
void event_array_end(struct report *r);
void event_string(struct report *r, const char *key, const char *value);
void event_number(struct report *r, const char *key, __u64 value);
void event_signed(struct report *r, const char *key, long long value);
void event_real(struct report *r, const char *key, double value);
void event_bool(struct report *r, const char *key, bool value);
void event_null(struct report *r, const char *key);

int report_fail(struct report *r, enum exit_code code, int err, const char *fmt,
		...) __printf(4, 5);
void report_extack(struct report *r, const char *text);
void report_hint(struct report *r, const char *fmt, ...) __printf(2, 3);
void report_progress(struct report *r, __u64 bytes, __u64 delta, __u64 ms,
		     unsigned int open);

enum exit_code report_exit_code(const struct report *r, int expect_errno);
void report_outcome(struct report *r, int expect_errno);
void report_rate(struct report *r, __u64 bytes, __u64 ns);

#endif
