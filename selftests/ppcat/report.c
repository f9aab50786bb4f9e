// SPDX-License-Identifier: GPL-2.0-only
#include "report.h"

#include <errno.h>
#include <stdarg.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "parse.h"

void report_init(struct report *r, bool json)
{
	memset(r, 0, sizeof(*r));
	r->json = json;
	r->out = json ? stdout : stderr;
	r->progress = isatty(STDERR_FILENO);
}

static void end_progress_line(struct report *r)
{
	if (r->line_open)
		fputs("\r\033[K", stderr);
	r->line_open = false;
}

/* What stands before a member: its separator and its key. */
static void member(struct report *r, const char *key)
{
	if (r->json) {
		if (!r->first)
			fputc(',', r->out);
		if (key)
			fprintf(r->out, "\"%s\":", key);
	} else {
		if (!r->first)
			fputc(' ', r->out);
		if (key)
			fprintf(r->out, "%s=", key);
	}
	r->first = false;
}

static void json_string(FILE *f, const char *s)
{
	fputc('"', f);
	for (; *s; s++) {
		unsigned char c = *s;

		if (c == '"' || c == '\\')
			fprintf(f, "\\%c", c);
		else if (c < 0x20 || c >= 0x7f)
			fprintf(f, "\\u%04x", c);
		else
			fputc(c, f);
	}
	fputc('"', f);
}

void event_begin(struct report *r, const char *name)
{
	end_progress_line(r);
	if (r->json) {
		fputc('{', r->out);
		r->first = true;
		event_string(r, "event", name);
	} else {
		fprintf(r->out, "ppcat: %s:", name);
		r->first = false;
	}
}

void event_end(struct report *r)
{
	fputs(r->json ? "}\n" : "\n", r->out);
	fflush(r->out);
}

static void open_group(struct report *r, const char *key, char c)
{
	member(r, key);
	fputc(c, r->out);
	r->first = true;
}

static void close_group(struct report *r, char c)
{
	fputc(c, r->out);
	r->first = false;
}

void event_object(struct report *r, const char *key)
{
	open_group(r, key, '{');
}

void event_object_end(struct report *r)
{
	close_group(r, '}');
}

void event_array(struct report *r, const char *key)
{
	open_group(r, key, '[');
}

void event_array_end(struct report *r)
{
	close_group(r, ']');
}

void event_string(struct report *r, const char *key, const char *value)
{
	member(r, key);
	if (r->json)
		json_string(r->out, value);
	else
		fputs(value, r->out);
}

void event_number(struct report *r, const char *key, __u64 value)
{
	member(r, key);
	fprintf(r->out, "%llu", value);
}

void event_signed(struct report *r, const char *key, long long value)
{
	member(r, key);
	fprintf(r->out, "%lld", value);
}

void event_real(struct report *r, const char *key, double value)
{
	member(r, key);
	fprintf(r->out, "%.6f", value);
}

void event_bool(struct report *r, const char *key, bool value)
{
	member(r, key);
	fputs(value ? "true" : "false", r->out);
}

void event_null(struct report *r, const char *key)
{
	member(r, key);
	fputs(r->json ? "null" : "-", r->out);
}

/*
 * Something failed: say so, and remember it if it is the first. Returns -err,
 * or -EIO where err is 0, so that callers can return it.
 */
int report_fail(struct report *r, enum exit_code code, int err, const char *fmt,
		...)
{
	struct failure *f = &r->failure;
	char text[sizeof(f->text)];
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);

	if (f->code == EXIT_OK) {
		f->code = code;
		f->err = err;
		memcpy(f->text, text, sizeof(text));
	}

	end_progress_line(r);
	if (err)
		fprintf(stderr, "ppcat: %s: %s (%s)\n", text, errno_text(err),
			errno_name(err));
	else
		fprintf(stderr, "ppcat: %s\n", text);
	return err ? -err : -EIO;
}

/* The kernel said more than an errno; goes with the failure just told. */
void report_extack(struct report *r, const char *text)
{
	if (!*text)
		return;
	if (!r->failure.extack[0])
		snprintf(r->failure.extack, sizeof(r->failure.extack), "%s",
			 text);
	fprintf(stderr, "ppcat: kernel: %s\n", text);
}

void report_hint(struct report *r, const char *fmt, ...)
{
	char text[256];
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);

	event_begin(r, "hint");
	event_string(r, r->json ? "text" : NULL, text);
	event_end(r);
}

/* A line that overwrites itself; only for somebody who watches. */
void report_progress(struct report *r, __u64 bytes, __u64 delta, __u64 ms,
		     unsigned int open)
{
	if (!r->progress || !ms)
		return;
	fprintf(stderr, "\r\033[K%u flows, %.1f MiB, %.3f Gbit/s", open,
		bytes / 1048576.0, delta * 8 / (ms * 1e6));
	fflush(stderr);
	r->line_open = true;
}

enum exit_code report_exit_code(const struct report *r, int expect_errno)
{
	if (r->signal)
		return EXIT_SIGNAL;
	if (expect_errno)
		return r->failure.err == expect_errno ? EXIT_OK : EXIT_TRANSFER;
	return r->failure.code;
}

/* The members that every summary ends with. */
void report_outcome(struct report *r, int expect_errno)
{
	const struct failure *f = &r->failure;

	/* Who reads text has read of failures when they happened */
	if (!r->json)
		return;

	if (f->code == EXIT_OK) {
		event_null(r, "failure");
	} else {
		event_object(r, "failure");
		event_string(r, "text", f->text);
		if (f->err)
			event_string(r, "errno", errno_name(f->err));
		else
			event_null(r, "errno");
		if (f->extack[0])
			event_string(r, "extack", f->extack);
		else
			event_null(r, "extack");
		event_object_end(r);
	}
	if (r->signal)
		event_string(r, "signal",
			     r->signal == SIGINT ? "SIGINT" : "SIGTERM");
	else
		event_null(r, "signal");
	event_number(r, "exit", report_exit_code(r, expect_errno));
}

void report_rate(struct report *r, __u64 bytes, __u64 ns)
{
	event_number(r, "bytes", bytes);
	event_real(r, "seconds", ns / 1e9);
	event_real(r, "gbit_per_s", ns ? bytes * 8.0 / ns : 0);
}
