// SPDX-License-Identifier: GPL-2.0-only
#include "rx.h"

#include "parse.h"

static const char *const mode_names[] = {
	[RECEIVE_BOUND] = "devmem",
	[RECEIVE_UNBOUND] = "no-bind",
	[RECEIVE_PLAIN] = "plain",
};

/* A script may start the sender when it sees this. */
void rx_report_ready(struct rx *rx)
{
	const struct options *o = rx->o;
	struct report *r = rx->r;
	char text[ADDR_TEXT];
	size_t i;

	event_begin(r, "ready");
	event_string(r, "mode", mode_names[o->mode]);
	event_string(r, "backend", rx->backend->name);
	if (o->mode == RECEIVE_BOUND && o->provider)
		event_string(r, "provider", o->provider);
	else
		event_null(r, "provider");
	if (o->mode == RECEIVE_BOUND)
		event_number(r, "dmabuf_id", rx->binding.dmabuf_id);
	else
		event_null(r, "dmabuf_id");
	if (rx->binding.mem.size)
		event_number(r, "dmabuf_size", rx->binding.mem.size);
	else
		event_null(r, "dmabuf_size");
	event_number(r, "ifindex", rx->ifindex);
	event_array(r, "queues");
	for (i = 0; i < o->queues; i++)
		event_number(r, NULL, o->queue[i]);
	event_array_end(r);
	addr_format(&rx->listener[0].addr, text);
	event_string(r, "address", text);
	event_array(r, "ports");
	for (i = 0; i < rx->listeners; i++)
		event_number(r, NULL, addr_port(&rx->listener[i].addr));
	event_array_end(r);
	event_end(r);
}

static void report_places(struct report *r, const __u64 *by_place)
{
	event_number(r, "bytes_devmem", by_place[PLACE_DEVMEM]);
	event_number(r, "bytes_linear", by_place[PLACE_LINEAR]);
	event_number(r, "bytes_plain", by_place[PLACE_PLAIN]);
}

static void report_mismatch(struct report *r, const struct rx_flow *f)
{
	const struct mismatch *m;

	if (!f) {
		event_null(r, "mismatch");
		return;
	}
	m = &f->stream.first;
	event_object(r, "mismatch");
	event_number(r, "connection", f->index);
	event_number(r, "offset", m->offset);
	event_number(r, "expected", m->expected);
	event_number(r, "got", m->got);
	event_string(r, "place", place_names[m->place]);
	if (m->shifted)
		event_signed(r, "shift", m->shift);
	else
		event_null(r, "shift");
	event_object_end(r);
}

static void report_flow(struct report *r, const struct rx_flow *f)
{
	const struct stream *s = &f->stream;
	char text[ADDR_TEXT];

	event_object(r, NULL);
	event_number(r, "connection", f->index);
	if (s->pattern)
		event_number(r, "flow", s->pre.flow);
	else
		event_null(r, "flow");
	addr_format(&f->peer, text);
	event_string(r, "peer", text);
	event_number(r, "peer_port", addr_port(&f->peer));
	event_number(r, "port", f->port);
	event_number(r, "bytes", s->pos);
	report_places(r, s->by_place);
	event_number(r, "bytes_unchecked", s->check ? s->unchecked : s->pos);
	event_number(r, "bad_bytes", s->bad_bytes);
	event_number(r, "tokens_held", f->tokens.count);
	event_number(r, "napi_id", f->napi_id);
	if (f->queue_known)
		event_number(r, "queue", f->queue);
	else
		event_null(r, "queue");
	if (f->err)
		event_string(r, "errno", errno_name(f->err));
	else
		event_null(r, "errno");
	event_bool(r, "ok",
		   (f->complete || f->rx->stopped) && stream_ok(s) && !f->err);
	event_object_end(r);
}

static void report_counters(const struct rx *rx, __u64 held)
{
	const struct token_stats *t = &rx->tokens;
	struct report *r = rx->r;

	event_number(r, "recvmsg_calls", rx->recvmsg_calls);
	event_number(r, "frags", rx->frags);
	event_number(r, "frags_linear", rx->frags_linear);
	event_number(r, "tokens_received", t->received);
	event_number(r, "tokens_returned", t->returned);
	event_number(r, "tokens_freed", t->freed);
	event_number(r, "tokens_held", held);
	event_number(r, "duplicates_freed", t->duplicates_freed);
	event_number(r, "dontneed_calls", t->calls);
	event_number(r, "dontneed_ranges", t->ranges);
	event_number(r, "connections", rx->accepted);
}

void rx_report_summary(struct rx *rx)
{
	const struct rx_flow *bad = NULL;
	__u64 by_place[PLACES] = { 0 };
	struct report *r = rx->r;
	__u64 held = 0;
	unsigned int i, p;

	for (i = 0; i < rx->accepted; i++) {
		const struct rx_flow *f = rx->flow[i];

		for (p = 0; p < PLACES; p++)
			by_place[p] += f->stream.by_place[p];
		held += f->tokens.count;
		if (!bad && f->stream.bad_bytes)
			bad = f;
	}

	if (rx->binding.mem.size && rx->bytes && !by_place[PLACE_DEVMEM])
		report_hint(r, "the dmabuf got nothing: check flow steering");

	event_begin(r, "summary");
	event_string(r, "mode", mode_names[rx->o->mode]);
	report_rate(r, rx->bytes, rx->last_ns - rx->first_ns);
	report_places(r, by_place);
	if (r->json) {
		report_counters(rx, held);
		event_bool(r, "stopped", rx->stopped);
		report_mismatch(r, bad);
		event_array(r, "flows");
		for (i = 0; i < rx->accepted; i++)
			report_flow(r, rx->flow[i]);
		event_array_end(r);
	}
	report_outcome(r, rx->o->expect_errno);
	event_end(r);
}
