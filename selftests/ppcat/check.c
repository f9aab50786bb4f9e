// SPDX-License-Identifier: GPL-2.0-only
/*
 * `make check`: the parts of ppcat that need neither socket nor kernel. Each
 * check plants the fault that the part is there to find.
 */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "options.h"
#include "parse.h"
#include "pattern.h"
#include "stream.h"
#include "tokens.h"
#include "util.h"

static int failures;

#define CHECK(cond) require(cond, #cond, __func__, __LINE__)

static void require(bool ok, const char *what, const char *test, int line)
{
	if (ok)
		return;
	failures++;
	fprintf(stderr, "%s:%d: %s\n", test, line, what);
}

/* A whole stream in memory, as the sender would make it */
struct made {
	__u8 *data;
	size_t len;
};

static struct made make_stream(__u32 flow, size_t payload)
{
	struct preamble pre = { .flow = flow, .seed = 7, .total = payload };
	struct iovec *iov = calloc(PATTERN_IOVS(payload), sizeof(*iov));
	struct pattern *p = malloc(sizeof(*p));
	struct made m = { .len = PREAMBLE_SIZE + payload };
	size_t i, n, at = PREAMBLE_SIZE;

	m.data = malloc(m.len + 1); /* room for a planted byte */
	if (!iov || !p || !m.data)
		abort();
	preamble_encode(&pre, m.data);
	pattern_init(p, pre.seed, pre.flow);
	n = pattern_iov(p, 0, payload, iov);
	for (i = 0; i < n; i++) {
		memcpy(m.data + at, iov[i].iov_base, iov[i].iov_len);
		at += iov[i].iov_len;
	}
	CHECK(at == m.len);
	free(p);
	free(iov);
	return m;
}

static void count_mismatch(void *arg, const struct mismatch *m)
{
	(void)m;
	(*(int *)arg)++;
}

/* Feed all of m in pieces; returns how many runs of bad bytes were told. */
static int feed(struct stream *s, const struct made *m, size_t piece)
{
	const struct mismatch where = { .place = PLACE_PLAIN };
	int runs = 0;
	size_t at, len;

	for (at = 0; at < m->len; at += len) {
		len = m->len - at < piece ? m->len - at : piece;
		CHECK(!stream_feed(s, m->data + at, len, &where, count_mismatch,
				   &runs));
	}
	return runs;
}

static void test_good_stream(void)
{
	static const size_t pieces[] = { 1, 7, 1448, 4096, 1000000 };
	struct made m = make_stream(3, 200000);
	struct stream s;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(pieces); i++) {
		stream_init(&s, true);
		CHECK(!feed(&s, &m, pieces[i]));
		CHECK(stream_ok(&s) && stream_complete(&s));
		CHECK(s.pre.flow == 3 && s.pre.seed == 7);
		CHECK(s.by_place[PLACE_PLAIN] == m.len);
		stream_free(&s);
	}
	free(m.data);
}

static void test_truncated(void)
{
	struct made m = make_stream(0, 5000);
	struct stream s;

	m.len--;
	stream_init(&s, true);
	CHECK(!feed(&s, &m, 1448));
	CHECK(stream_ok(&s) && !stream_complete(&s));
	stream_free(&s);

	m.len = PREAMBLE_SIZE - 1;
	stream_init(&s, true);
	feed(&s, &m, 1448);
	CHECK(!stream_complete(&s));
	stream_free(&s);
	free(m.data);
}

static void expect_first(struct made *m, size_t offset, bool shifted,
			 long shift)
{
	struct stream s;

	stream_init(&s, true);
	CHECK(feed(&s, m, 4096) > 0);
	CHECK(s.first.offset == offset);
	CHECK(s.first.got == m->data[offset]);
	CHECK(s.first.got != s.first.expected);
	CHECK(s.first.shifted == shifted);
	if (shifted)
		CHECK(s.first.shift == shift);
	stream_free(&s);
}

static void test_planted(void)
{
	static const size_t at[] = { PREAMBLE_SIZE, 4095, 4096, 65536, 99999 };
	const size_t payload = 150000;
	struct made m;
	size_t i, last;

	for (i = 0; i < ARRAY_SIZE(at); i++) {
		m = make_stream(1, payload);
		m.data[at[i]] ^= 0x40;
		expect_first(&m, at[i], false, 0);
		free(m.data);

		/* At the end of a piece there's too little to know a shift */
		last = 4096 - at[i] % 4096;

		m = make_stream(1, payload);
		memmove(m.data + at[i], m.data + at[i] + 1, --m.len - at[i]);
		expect_first(&m, at[i], last >= 8, 1);
		free(m.data);

		m = make_stream(1, payload);
		memmove(m.data + at[i] + 1, m.data + at[i], m.len++ - at[i]);
		last = 4096 - (at[i] + 1) % 4096;
		expect_first(&m, at[i] + 1, last >= 8, -1);
		free(m.data);
	}
}

static void test_swapped_pages(void)
{
	struct made m = make_stream(2, 100000);
	__u8 page[4096];

	memcpy(page, m.data + 8192, 4096);
	memcpy(m.data + 8192, m.data + 20480, 4096);
	memcpy(m.data + 20480, page, 4096);
	expect_first(&m, 8192, true, 20480 - 8192);
	free(m.data);
}

static void test_foreign_flow(void)
{
	struct made a = make_stream(1, 50000);
	struct made b = make_stream(2, 50000);
	struct stream s;

	memcpy(a.data + 12288, b.data + 12288, 4096);
	stream_init(&s, true);
	CHECK(feed(&s, &a, 50000) > 0);
	CHECK(s.first.offset >= 12288 && s.first.offset < 12288 + 4);
	CHECK(s.bad_bytes > 4000 && s.bad_bytes <= 4096);
	stream_free(&s);
	free(a.data);
	free(b.data);
}

static void test_bad_preamble(void)
{
	struct stream s;
	struct made m;
	size_t i;

	for (i = 0; i < PREAMBLE_SIZE; i++) {
		m = make_stream(1, 100);
		m.data[i] ^= 1;
		stream_init(&s, true);
		feed(&s, &m, 50);
		CHECK(s.bad_preamble && !stream_ok(&s) && !stream_complete(&s));
		stream_free(&s);
		free(m.data);
	}
}

static void test_skip(void)
{
	struct made m = make_stream(1, 100);
	struct stream s;

	/* What nobody could read is neither good nor bad */
	stream_init(&s, true);
	stream_skip(&s, 4096, PLACE_DEVMEM);
	CHECK(!feed(&s, &m, 50));
	CHECK(stream_ok(&s) && stream_complete(&s));
	CHECK(s.unchecked == 4096 && s.by_place[PLACE_DEVMEM] == 4096);
	stream_free(&s);
	free(m.data);
}

static void test_neighbours_differ(void)
{
	struct pattern *p = malloc(sizeof(*p));
	__u64 seed;
	size_t i;

	if (!p)
		abort();
	for (seed = 0; seed < 50; seed++) {
		pattern_init(p, seed, 0);
		for (i = 0; i < PATTERN_PERIOD; i++)
			CHECK(pattern_at(p, i) != pattern_at(p, i + 1));
	}
	free(p);
}

/* A kernel that remembers what it was told; fd is an index into it */
static struct devmem_token told[4096];
static size_t n_told, n_calls;

static int fake_dontneed(int fd, const struct devmem_token *ranges, size_t n)
{
	int frags = 0;

	if (fd < 0)
		return -EBADF;
	CHECK(n && n <= MAX_DONTNEED_TOKENS);
	n_calls++;
	while (n--) {
		told[n_told++] = *ranges;
		frags += ranges++->token_count;
	}
	CHECK(frags <= MAX_DONTNEED_FRAGS);
	return frags;
}

static void reset_fake(void)
{
	n_told = 0;
	n_calls = 0;
}

static void test_token_ranges(void)
{
	struct token_stats stats = { 0 };
	struct tokens t = { 0 };
	__u32 i;

	reset_fake();
	for (i = 0; i < 5; i++)
		CHECK(!tokens_add(&t, 10 + i));
	CHECK(!tokens_add(&t, 3));
	CHECK(!tokens_return(&t, 0, 0, false, fake_dontneed, &stats));
	CHECK(n_told == 2 && n_calls == 1);
	CHECK(told[0].token_start == 10 && told[0].token_count == 5);
	CHECK(told[1].token_start == 3 && told[1].token_count == 1);
	CHECK(stats.returned == 6 && stats.freed == 6 && stats.ranges == 2);
	tokens_free(&t);
}

static void test_token_limits(void)
{
	struct token_stats stats = { 0 };
	struct tokens t = { 0 };
	__u32 i;

	/* No two alike in a range: 128 a call */
	reset_fake();
	for (i = 0; i < 300; i++)
		CHECK(!tokens_add(&t, 2 * i));
	CHECK(!tokens_return(&t, 0, 0, false, fake_dontneed, &stats));
	CHECK(n_calls == 3 && n_told == 300);

	/* All in one range: 1024 a call */
	reset_fake();
	for (i = 0; i < 2500; i++)
		CHECK(!tokens_add(&t, i));
	CHECK(!tokens_return(&t, 0, 0, false, fake_dontneed, &stats));
	CHECK(n_calls == 3 && n_told == 3 && told[2].token_count == 452);
	tokens_free(&t);
}

static void test_token_keep(void)
{
	struct token_stats stats = { 0 };
	struct tokens t = { 0 };
	__u32 i;

	reset_fake();
	for (i = 0; i < 100; i++) {
		CHECK(!tokens_add(&t, i));
		CHECK(!tokens_return(&t, 0, 10, false, fake_dontneed, &stats));
	}
	CHECK(t.count == 10 && stats.returned == 90);
	CHECK(told[89].token_start == 89); /* oldest first */

	CHECK(tokens_return(&t, -1, 0, false, fake_dontneed, &stats) == -EBADF);
	tokens_free(&t);
}

static void test_token_twice(void)
{
	struct token_stats stats = { 0 };
	struct tokens t = { 0 };

	reset_fake();
	CHECK(!tokens_add(&t, 1));
	CHECK(!tokens_return(&t, 0, 0, true, fake_dontneed, &stats));
	CHECK(n_calls == 2 && stats.returned == 1 && stats.freed == 1);
	CHECK(stats.duplicates_freed == 1); /* the fake has this bug */
	tokens_free(&t);
}

static void test_parse(void)
{
	__u64 a, b;

	CHECK(parse_size("64K", ~0ULL, &a) && a == 65536);
	CHECK(parse_size("2G", ~0ULL, &a) && a == 2ULL << 30);
	CHECK(!parse_size("64KB", ~0ULL, &a));
	CHECK(!parse_size("-1", ~0ULL, &a));
	CHECK(!parse_size("", ~0ULL, &a));
	CHECK(!parse_size("17179869184G", ~0ULL, &a));
	CHECK(parse_number("18446744073709551615", ~0ULL, &a) && a == ~0ULL);
	CHECK(!parse_number("18446744073709551616", ~0ULL, &a));
	CHECK(!parse_number("5 ", 10, &a) && !parse_number("11", 10, &a));
	CHECK(parse_range("3-9", 10, &a, &b) && a == 3 && b == 9);
	CHECK(!parse_range("9-3", 10, &a, &b) &&
	      !parse_range("3-", 10, &a, &b));
	CHECK(parse_seconds("0.25", &a) && a == 250);
	CHECK(parse_seconds("3", &a) && a == 3000);
	CHECK(!parse_seconds("3.", &a) && !parse_seconds(".5", &a));
	CHECK(parse_after("1M:250", &a, &b) && a == 1 << 20 && b == 250);
	CHECK(!parse_after("1M", &a, &b));
	CHECK(parse_errno("EOPNOTSUPP") == EOPNOTSUPP);
	CHECK(parse_errno("ETOOSMALL") == 525 && !parse_errno("EWHAT"));
	CHECK(!strcmp(errno_name(EFAULT), "EFAULT"));
}

/* Parse a line of options; the result must be freed. */
static enum options_result parse_line(struct options *o, const char *line)
{
	char copy[256], error[160];
	char *argv[32] = { "ppcat" };
	char *save = NULL;
	int argc = 1;

	snprintf(copy, sizeof(copy), "%s", line);
	argv[argc] = strtok_r(copy, " ", &save);
	while (argv[argc])
		argv[++argc] = strtok_r(NULL, " ", &save);
	optind = 0; /* glibc: start over */
	return options_parse(o, argc, argv, error, sizeof(error));
}

#define RAW_CALLS "-l --plain -p 0 --dontneed-raw 0:1,5:2 --dontneed-raw 9:9"

static void test_good_options(void)
{
	struct options o;

	CHECK(parse_line(&o, "-l -i e0 -q 1-3,7 -p 5000-5003") == OPTIONS_RUN);
	CHECK(o.queues == 4 && o.queue[2] == 3 && o.queue[3] == 7);
	CHECK(o.flows == 4 && o.mode == RECEIVE_BOUND);
	options_free(&o);

	CHECK(parse_line(&o, "-c ::1 -p 1 --msg-sizes 1-3,100") == OPTIONS_RUN);
	CHECK(o.messages == 4 && o.size == 106 && o.flows == 1);
	options_free(&o);

	CHECK(parse_line(&o, RAW_CALLS) == OPTIONS_RUN);
	CHECK(o.raws == 2 && o.raw[0].n == 2 && o.raw[1].n == 1);
	CHECK(o.raw[0].range[1].token_start == 5);
	options_free(&o);

	CHECK(parse_line(&o, "-l --plain -p 1 --hold all") == OPTIONS_RUN);
	CHECK(o.hold == NEVER);
	options_free(&o);
}

static void test_bad_options(void)
{
	static const char *const lines[] = {
		"",
		"-l",
		"-l --plain",
		"-c ::1",
		"-l -c ::1 -p 1",
		"-l -p 1",
		"-l -p 1 -i e0",
		"-l --plain -p 1 -q 1",
		"-l --plain --no-bind -p 1",
		"-c ::1 -p 0",
		"-c ::1 -p 1 -q 1",
		"-l --plain -p 1 --size 5",
		"-l --plain -p 1 --hold-until-stalled 5",
		"-l --plain -p 1 --unbind-after 5",
		"-l --plain -p 1 --require-devmem",
		"-l --no-bind -p 1 --setup",
		"-l -i e0 -q 0 -p 1 --setup --exit-holding",
		"-c ::1 -p 1 --msg-sizes 0",
		"-c ::1 -p 1 --msg-sizes 5,",
		"-c ::1 -p 1 --write-size 0",
		"-c ::1 -p 65536",
		"-c ::1 -p 1 --flows 0",
		"-c ::1 -p 1 --timeout 0",
		"-c ::1 -p 1 extra",
		"-l --plain -p 1 --expect-errno EWHAT",
		"-l --plain -p 1 --dontneed-raw 5",
		"-l -p 1 -i a-name-that-is-too-long -q 0",
		"-c ::1 -p 1 --write-size 5 --msg-sizes 5",
	};
	struct options o;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(lines); i++) {
		if (parse_line(&o, lines[i]) != OPTIONS_BAD) {
			failures++;
			fprintf(stderr, "accepted: ppcat %s\n", lines[i]);
		}
		options_free(&o);
	}
}

int main(void)
{
	test_good_stream();
	test_truncated();
	test_planted();
	test_swapped_pages();
	test_foreign_flow();
	test_bad_preamble();
	test_skip();
	test_neighbours_differ();
	test_token_ranges();
	test_token_limits();
	test_token_keep();
	test_token_twice();
	test_parse();
	test_good_options();
	test_bad_options();
	if (failures)
		fprintf(stderr, "%d checks failed\n", failures);
	else
		puts("all checks passed");
	return !!failures;
}
