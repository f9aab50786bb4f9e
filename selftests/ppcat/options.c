// SPDX-License-Identifier: GPL-2.0-only
/* The command line. Nothing is opened or sent before all of it is checked. */
#include "options.h"

#include <getopt.h>
#include <net/if.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "parse.h"
#include "util.h"

#define DEFAULT_MEMORY       (16UL << 20)
#define DEFAULT_RECV_SIZE    (512UL << 10)
#define DEFAULT_CONTROL_SIZE (64UL << 10)
#define DEFAULT_WRITE        (64UL << 10)
#define MAX_BUFFER           0x40000000UL

enum {
	OPT_FLOWS = 256,
	OPT_TIMEOUT,
	OPT_JSON,
	OPT_EXPECT_ERRNO,
	OPT_NO_BIND,
	OPT_PLAIN,
	OPT_BACKEND,
	OPT_PROVIDER,
	OPT_SETUP,
	OPT_MEMORY,
	OPT_HUGEPAGES,
	OPT_NO_CHECK,
	OPT_REQUIRE_DEVMEM,
	OPT_MISMATCHES,
	OPT_RECV_SIZE,
	OPT_CONTROL_SIZE,
	OPT_LOWAT,
	OPT_BATCH,
	OPT_SEED,
	OPT_SIZE,
	OPT_FROM_DMABUF,
	OPT_WRITE_SIZE,
	OPT_MSG_SIZES,
	OPT_HOLD,
	OPT_HOLD_UNTIL_STALLED,
	OPT_EXIT_HOLDING,
	OPT_DUPLICATE_RETURN,
	OPT_STOP_AFTER,
	OPT_UNBIND_AFTER,
	OPT_PAUSE_AFTER,
	OPT_DONTNEED_RAW,
};

static const char usage[] =
	"Usage: ppcat -l -p PORT[-PORT] -i IFACE -q QUEUES [OPTION]...\n"
	"       ppcat -c ADDR -p PORT[-PORT] [OPTION]...\n"
	"Sends a pattern over TCP and receives it into a dmabuf, every byte\n"
	"checked.\n"
	"\n"
	"Both ends\n"
	"  -l, --listen              receive\n"
	"  -c, --connect ADDR        send to ADDR (numeric, %scope allowed)\n"
	"  -s, --address ADDR        own address (default: any)\n"
	"  -p, --port PORT[-PORT]    flow N uses the N-th port, modulo; -l -p 0\n"
	"                            takes a free one and says which\n"
	"      --flows N             connections (default: one per port)\n"
	"      --timeout SEC         give up after so long\n"
	"      --json                events and summary as JSON lines on stdout\n"
	"      --expect-errno NAME   exit 0 only if it fails with this errno\n"
	"  -h, --help; -V, --version\n"
	"Receiver\n"
	"  -i, --interface IFACE     bind the dmabuf on this device\n"
	"  -q, --queues A[-B][,...]  to these RX queues\n"
	"      --no-bind             receive for device memory without a binding\n"
	"      --plain               ordinary recv()\n"
	"      --backend core|ppiov  whose device memory (default core)\n"
	"      --provider NAME       of ppiov (default dmabuf)\n"
	"      --setup               header split on, a flow rule per port;\n"
	"                            both undone at the end\n"
	"      --memory SIZE         of the dmabuf (default 16M), or what another\n"
	"                            provider may take (default: as it likes)\n"
	"      --hugepages           back it with huge pages\n"
	"      --no-check            take any bytes, from any sender\n"
	"      --require-devmem      fail unless each flow used the dmabuf\n"
	"      --mismatches N        to report per flow (default 5)\n"
	"      --recv-size SIZE      buffer given to recvmsg (default 512K)\n"
	"      --control-size SIZE   the same for control data (default 64K)\n"
	"      --lowat SIZE          wait until so much is there (SO_RCVLOWAT)\n"
	"      --batch N             tokens to gather before returning them\n"
	"                            (default: those of one recvmsg)\n"
	"Sender\n"
	"      --size SIZE           payload per flow (default 1M)\n"
	"      --from-dmabuf IFACE   send from a dmabuf that is bound to this\n"
	"                            device, with ppiov, not from memory\n"
	"      --write-size SIZE     bytes per send (default 64K)\n"
	"      --msg-sizes A[-B],... sizes of sends that never share a segment;\n"
	"                            repeated up to --size, or sent once\n"
	"      --seed N              of the pattern (default 1)\n"
	"Receiver's test hooks (see docs/ppcat.md)\n"
	"      --hold N|all          keep a flow's latest N tokens back\n"
	"      --hold-until-stalled MS  until no data came for so long\n"
	"      --exit-holding        exit with tokens and binding held\n"
	"      --duplicate-return    return every token twice\n"
	"      --dontneed-raw START:COUNT,...  one call with such tokens after\n"
	"                            the first data; may be repeated\n"
	"      --stop-after SIZE     end in mid-stream\n"
	"      --unbind-after SIZE   unbind in mid-stream, go on receiving\n"
	"      --pause-after SIZE:MS stop reading for a while\n"
	"SIZE is in bytes; K, M and G are powers of 1024.\n"
	"Exit status: 0 ok, 1 transfer failed, 2 usage or can't start,\n"
	"3 interrupted.\n";

static const char short_options[] = "+:lc:s:p:i:q:hV";

static const struct option long_options[] = {
	{ "listen", no_argument, NULL, 'l' },
	{ "connect", required_argument, NULL, 'c' },
	{ "address", required_argument, NULL, 's' },
	{ "port", required_argument, NULL, 'p' },
	{ "flows", required_argument, NULL, OPT_FLOWS },
	{ "timeout", required_argument, NULL, OPT_TIMEOUT },
	{ "json", no_argument, NULL, OPT_JSON },
	{ "expect-errno", required_argument, NULL, OPT_EXPECT_ERRNO },
	{ "help", no_argument, NULL, 'h' },
	{ "version", no_argument, NULL, 'V' },
	{ "interface", required_argument, NULL, 'i' },
	{ "queues", required_argument, NULL, 'q' },
	{ "no-bind", no_argument, NULL, OPT_NO_BIND },
	{ "plain", no_argument, NULL, OPT_PLAIN },
	{ "backend", required_argument, NULL, OPT_BACKEND },
	{ "provider", required_argument, NULL, OPT_PROVIDER },
	{ "setup", no_argument, NULL, OPT_SETUP },
	{ "memory", required_argument, NULL, OPT_MEMORY },
	{ "hugepages", no_argument, NULL, OPT_HUGEPAGES },
	{ "no-check", no_argument, NULL, OPT_NO_CHECK },
	{ "require-devmem", no_argument, NULL, OPT_REQUIRE_DEVMEM },
	{ "mismatches", required_argument, NULL, OPT_MISMATCHES },
	{ "recv-size", required_argument, NULL, OPT_RECV_SIZE },
	{ "control-size", required_argument, NULL, OPT_CONTROL_SIZE },
	{ "lowat", required_argument, NULL, OPT_LOWAT },
	{ "batch", required_argument, NULL, OPT_BATCH },
	{ "seed", required_argument, NULL, OPT_SEED },
	{ "size", required_argument, NULL, OPT_SIZE },
	{ "from-dmabuf", required_argument, NULL, OPT_FROM_DMABUF },
	{ "write-size", required_argument, NULL, OPT_WRITE_SIZE },
	{ "msg-sizes", required_argument, NULL, OPT_MSG_SIZES },
	{ "hold", required_argument, NULL, OPT_HOLD },
	{ "hold-until-stalled", required_argument, NULL,
	  OPT_HOLD_UNTIL_STALLED },
	{ "exit-holding", no_argument, NULL, OPT_EXIT_HOLDING },
	{ "duplicate-return", no_argument, NULL, OPT_DUPLICATE_RETURN },
	{ "stop-after", required_argument, NULL, OPT_STOP_AFTER },
	{ "unbind-after", required_argument, NULL, OPT_UNBIND_AFTER },
	{ "pause-after", required_argument, NULL, OPT_PAUSE_AFTER },
	{ "dontneed-raw", required_argument, NULL, OPT_DONTNEED_RAW },
	{ NULL, 0, NULL, 0 },
};

/* Which options were given, to find the ones that don't go together */
struct given {
	bool mode; /* --no-bind or --plain */
	bool flows;
	bool size;
	bool hold;
	bool write_size;
	const char *receiver_only;
	const char *sender_only;
};

static bool add_queues(const char *item, void *arg)
{
	struct options *o = arg;
	__u64 first, last;

	if (!parse_range(item, 65535, &first, &last))
		return false;
	for (; first <= last; first++) {
		if (o->queues == MAX_QUEUES)
			return false;
		o->queue[o->queues++] = first;
	}
	return true;
}

static bool add_messages(const char *item, void *arg)
{
	struct options *o = arg;
	__u64 first, last;
	__u32 *message;

	if (!parse_range(item, MAX_WRITE, &first, &last) || !first)
		return false;
	message = realloc(o->message,
			  (o->messages + last - first + 1) * sizeof(*message));
	if (!message)
		return false;
	o->message = message;
	for (; first <= last; first++)
		message[o->messages++] = first;
	return true;
}

static bool add_raw_range(const char *item, void *arg)
{
	struct raw_call *call = arg;
	struct devmem_token *range;
	__u64 start, count;
	const char *colon = strchr(item, ':');
	char first[64];

	if (!colon || call->n == MAX_RAW_RANGES)
		return false;
	memcpy(first, item, colon - item);
	first[colon - item] = '\0';
	if (!parse_number(first, ~0U, &start) ||
	    !parse_number(colon + 1, ~0U, &count))
		return false;
	range = &call->range[call->n++];
	range->token_start = start;
	range->token_count = count;
	return true;
}

static bool add_raw_call(struct options *o, const char *s)
{
	if (!o->raw) {
		o->raw = calloc(MAX_RAW_CALLS, sizeof(*o->raw));
		if (!o->raw)
			return false;
	}
	return o->raws < MAX_RAW_CALLS &&
	       parse_list(s, add_raw_range, &o->raw[o->raws++]);
}

static bool parse_ports(struct options *o, const char *s)
{
	__u64 first, last;

	if (!parse_range(s, 65535, &first, &last) ||
	    last - first >= MAX_PORTS || (!first && last))
		return false;
	o->first_port = first;
	o->last_port = last;
	return true;
}

static bool parse_backend(struct options *o, const char *s)
{
	if (!strcmp(s, "core"))
		o->backend = BACKEND_CORE;
	else if (!strcmp(s, "ppiov"))
		o->backend = BACKEND_PPIOV;
	else
		return false;
	return true;
}

static bool size_between(const char *s, size_t min, size_t max, size_t *out)
{
	__u64 n;

	if (!parse_size(s, max, &n) || n < min)
		return false;
	*out = n;
	return true;
}

static bool number_between(const char *s, unsigned int min, unsigned int max,
			   unsigned int *out)
{
	__u64 n;

	if (!parse_number(s, max, &n) || n < min)
		return false;
	*out = n;
	return true;
}

/* One option's value into o; false if it is no good. */
static bool take(struct options *o, struct given *g, int opt, const char *arg)
{
	switch (opt) {
	case 'l':
		o->listen = true;
		return true;
	case 'c':
		o->peer = arg;
		return true;
	case 's':
		o->address = arg;
		return true;
	case 'p':
		return parse_ports(o, arg);
	case 'i':
		o->ifname = arg;
		return *arg && strlen(arg) < IFNAMSIZ;
	case 'q':
		return parse_list(arg, add_queues, o);
	case OPT_FLOWS:
		g->flows = true;
		return number_between(arg, 1, MAX_FLOWS, &o->flows);
	case OPT_TIMEOUT:
		return parse_seconds(arg, &o->timeout_ms) && o->timeout_ms;
	case OPT_JSON:
		o->json = true;
		return true;
	case OPT_EXPECT_ERRNO:
		o->expect_errno = parse_errno(arg);
		return o->expect_errno;
	case OPT_NO_BIND:
	case OPT_PLAIN:
		if (g->mode)
			return false;
		g->mode = true;
		o->mode = opt == OPT_PLAIN ? RECEIVE_PLAIN : RECEIVE_UNBOUND;
		return true;
	case OPT_BACKEND:
		return parse_backend(o, arg);
	case OPT_PROVIDER:
		o->provider = arg;
		return *arg && strlen(arg) <= PPIOV_PROVIDER_NAME_MAX;
	case OPT_FROM_DMABUF:
		o->source = arg;
		return *arg;
	case OPT_SETUP:
		o->setup = true;
		return true;
	case OPT_MEMORY:
		o->memory_given = true;
		return size_between(arg, 4096, MAX_BUFFER, &o->memory_size);
	case OPT_HUGEPAGES:
		o->hugepages = true;
		return true;
	case OPT_NO_CHECK:
		o->check = false;
		return true;
	case OPT_REQUIRE_DEVMEM:
		o->require_devmem = true;
		return true;
	case OPT_MISMATCHES:
		return number_between(arg, 1, 1000000, &o->mismatches);
	case OPT_RECV_SIZE:
		return size_between(arg, 1, MAX_BUFFER, &o->recv_size);
	case OPT_CONTROL_SIZE:
		return size_between(arg, 1, MAX_BUFFER, &o->control_size);
	case OPT_LOWAT:
		return size_between(arg, 1, MAX_BUFFER, &o->lowat);
	case OPT_BATCH:
		return size_between(arg, 1, MAX_BUFFER, &o->batch);
	case OPT_SEED:
		return parse_number(arg, ~0ULL, &o->seed);
	case OPT_SIZE:
		g->size = true;
		return parse_size(arg, NEVER >> 1, &o->size);
	case OPT_WRITE_SIZE:
		g->write_size = true;
		return size_between(arg, 1, MAX_WRITE, &o->write_size);
	case OPT_MSG_SIZES:
		return parse_list(arg, add_messages, o);
	case OPT_HOLD:
		g->hold = true;
		if (strcmp(arg, "all"))
			return parse_number(arg, NEVER - 1, &o->hold);
		o->hold = NEVER;
		return true;
	case OPT_HOLD_UNTIL_STALLED:
		return parse_number(arg, 3600000, &o->hold_until_stalled_ms) &&
		       o->hold_until_stalled_ms;
	case OPT_EXIT_HOLDING:
		o->exit_holding = true;
		return true;
	case OPT_DUPLICATE_RETURN:
		o->duplicate_return = true;
		return true;
	case OPT_STOP_AFTER:
		return parse_size(arg, NEVER >> 1, &o->stop_after);
	case OPT_UNBIND_AFTER:
		return parse_size(arg, NEVER >> 1, &o->unbind_after);
	case OPT_PAUSE_AFTER:
		return parse_after(arg, &o->pause_after, &o->pause_ms);
	case OPT_DONTNEED_RAW:
		return add_raw_call(o, arg);
	}
	return false;
}

static void note_side(struct given *g, int opt, const char *name)
{
	if (opt == 'i' || opt == 'q' ||
	    (opt >= OPT_NO_BIND && opt <= OPT_BATCH) || opt >= OPT_HOLD)
		g->receiver_only = name;
	if (opt >= OPT_SEED && opt <= OPT_MSG_SIZES)
		g->sender_only = name;
}

static const char *option_name(int opt)
{
	const struct option *o;

	for (o = long_options; o->name; o++)
		if (o->val == opt)
			return o->name;
	return "?";
}

static enum options_result bad(char *error, size_t size, const char *fmt, ...)
	__printf(3, 4);

static enum options_result bad(char *error, size_t size, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vsnprintf(error, size, fmt, args);
	va_end(args);
	return OPTIONS_BAD;
}

/* What can only be judged when all options are known */
static enum options_result check_all(struct options *o, const struct given *g,
				     char *error, size_t size)
{
	size_t i;

	if (o->listen == !!o->peer)
		return bad(error, size,
			   "give either -l to receive or -c ADDR to send");
	if (o->listen && g->sender_only)
		return bad(error, size, "--%s is for the sender (-c)",
			   g->sender_only);
	if (o->peer && g->receiver_only)
		return bad(error, size, "--%s is for the receiver (-l)",
			   g->receiver_only);
	if (o->last_port == 0 && (o->peer || o->first_port == 0xffff))
		return bad(error, size, "give a port with -p");
	if (o->listen && o->mode == RECEIVE_BOUND && !o->ifname)
		return bad(error, size,
			   "give -i IFACE to bind, or --no-bind or --plain");
	if (o->listen && o->mode == RECEIVE_BOUND && !o->queues)
		return bad(error, size, "give the RX queues to bind with -q");
	if (o->queues && o->mode != RECEIVE_BOUND)
		return bad(error, size,
			   "-q goes with a binding, that is with -i");
	if (o->provider && o->backend != BACKEND_PPIOV)
		return bad(error, size, "--provider goes with --backend ppiov");
	if (o->provider && o->mode != RECEIVE_BOUND)
		return bad(error, size, "--provider goes with a binding");
	if (o->setup && o->mode != RECEIVE_BOUND)
		return bad(error, size, "--setup goes with a binding");
	if (o->setup && !o->first_port)
		return bad(error, size, "--setup needs a port other than 0");
	if (o->setup && o->exit_holding)
		return bad(error, size,
			   "--exit-holding would undo nothing of --setup");
	if (o->require_devmem && o->mode == RECEIVE_PLAIN)
		return bad(error, size,
			   "--require-devmem can't be met with --plain");
	if (o->unbind_after != NEVER && o->mode != RECEIVE_BOUND)
		return bad(error, size, "--unbind-after needs a binding");
	if (o->hold_until_stalled_ms && !g->hold)
		return bad(error, size, "--hold-until-stalled needs --hold");
	if (g->write_size && o->messages)
		return bad(error, size,
			   "--write-size and --msg-sizes exclude each other");

	if (o->backend == BACKEND_PPIOV && !o->provider)
		o->provider = "dmabuf";
	if (!g->flows)
		o->flows = o->last_port - o->first_port + 1;
	if (o->messages && !g->size)
		for (i = 0, o->size = 0; i < o->messages; i++)
			o->size += o->message[i];
	return OPTIONS_RUN;
}

enum options_result options_parse(struct options *o, int argc, char **argv,
				  char *error, size_t error_size)
{
	struct given given = { 0 };
	int opt;

	memset(o, 0, sizeof(*o));
	o->first_port = 0xffff; /* with last_port 0: not given */
	o->timeout_ms = NEVER;
	o->check = true;
	o->mismatches = 5;
	o->memory_size = DEFAULT_MEMORY;
	o->recv_size = DEFAULT_RECV_SIZE;
	o->control_size = DEFAULT_CONTROL_SIZE;
	o->batch = 1;
	o->seed = 1;
	o->size = 1 << 20;
	o->write_size = DEFAULT_WRITE;
	o->stop_after = NEVER;
	o->unbind_after = NEVER;
	o->pause_after = NEVER;

	while ((opt = getopt_long(argc, argv, short_options, long_options,
				  NULL)) != -1) {
		if (opt == 'h') {
			fputs(usage, stdout);
			return OPTIONS_DONE;
		}
		if (opt == 'V') {
			puts("ppcat " PPCAT_VERSION);
			return OPTIONS_DONE;
		}
		if (opt == '?')
			return bad(error, error_size, "unknown option %s",
				   argv[optind - 1]);
		if (opt == ':')
			return bad(error, error_size, "%s wants a value",
				   argv[optind - 1]);
		note_side(&given, opt, option_name(opt));
		if (!take(o, &given, opt, optarg))
			return bad(error, error_size,
				   "%s is no good value for --%s",
				   optarg ? optarg : "a second mode",
				   option_name(opt));
	}
	if (optind < argc)
		return bad(error, error_size, "unexpected argument %s",
			   argv[optind]);
	return check_all(o, &given, error, error_size);
}

void options_free(struct options *o)
{
	free(o->message);
	free(o->raw);
}
