// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a well-behaved receiver never does, so that a test can see what the
 * kernel makes of it. Each hook is one option and tells of itself by an event.
 */
#include "rx.h"

#include <errno.h>

#include "parse.h"

static __u64 held_tokens(const struct rx *rx)
{
	__u64 held = 0;
	unsigned int i;

	for (i = 0; i < rx->accepted; i++)
		held += rx->flow[i]->tokens.count;
	return held;
}

/* --hold ends: all tokens go back, and none is held any more. */
static int release_held(struct rx *rx, const char *reason)
{
	unsigned int i;
	int err;

	event_begin(rx->r, "released");
	event_string(rx->r, "reason", reason);
	event_number(rx->r, "tokens", held_tokens(rx));
	event_number(rx->r, "bytes", rx->bytes);
	event_end(rx->r);

	rx->holding = false;
	for (i = 0; i < rx->accepted; i++) {
		if (rx->flow[i]->w.fd < 0)
			continue;
		err = rx_flow_return_tokens(rx->flow[i], true);
		if (err)
			return err;
	}
	return 0;
}

static bool may_stall(const struct rx *rx)
{
	return rx->o->hold_until_stalled_ms && rx->holding && rx->open &&
	       held_tokens(rx);
}

static __u64 stalled_at(const struct rx *rx)
{
	__u64 last = rx->last_ns / 1000000;

	if (rx->resumed_ms > last)
		last = rx->resumed_ms;
	return last + rx->o->hold_until_stalled_ms;
}

/* When the loop must call rx_hooks_tick() though nothing came. */
__u64 rx_hooks_wake(const struct rx *rx)
{
	return may_stall(rx) ? stalled_at(rx) : NEVER;
}

/* Called after every wait. */
int rx_hooks_tick(struct rx *rx)
{
	if (rx->loop.release) {
		rx->loop.release = false;
		return release_held(rx, "SIGUSR1");
	}
	if (may_stall(rx) && now_ms() >= stalled_at(rx))
		return release_held(rx, "stalled");
	return 0;
}

/* --dontneed-raw */
static void call_raw(struct rx *rx, struct rx_flow *f)
{
	const struct options *o = rx->o;
	size_t i;
	int ret;

	for (i = 0; i < o->raws; i++) {
		ret = rx->backend->dontneed(f->w.fd, o->raw[i].range,
					    o->raw[i].n);
		event_begin(rx->r, "dontneed-raw");
		event_number(rx->r, "connection", f->index);
		event_number(rx->r, "call", i);
		event_number(rx->r, "ranges", o->raw[i].n);
		event_number(rx->r, "held", f->tokens.count);
		event_signed(rx->r, "ret", ret < 0 ? -1 : ret);
		if (ret < 0)
			event_string(rx->r, "errno", errno_name(-ret));
		else
			event_null(rx->r, "errno");
		event_end(rx->r);
	}
}

/*
 * Called when a flow has taken data and before its tokens are returned.
 * Returns 0, or -errno of loop_sleep().
 */
int rx_hooks_after_data(struct rx *rx, struct rx_flow *f)
{
	const struct options *o = rx->o;
	int err;

	if (o->raws && !rx->raw_done) {
		rx->raw_done = true;
		call_raw(rx, f);
	}

	if (rx->bytes >= o->unbind_after && rx->binding.active) {
		binding_end(&rx->binding);
		event_begin(rx->r, "unbound");
		event_number(rx->r, "bytes", rx->bytes);
		event_end(rx->r);
	}

	if (rx->bytes >= o->pause_after && !rx->paused) {
		rx->paused = true;
		event_begin(rx->r, "paused");
		event_number(rx->r, "bytes", rx->bytes);
		event_end(rx->r);
		err = loop_sleep(&rx->loop, now_ms() + o->pause_ms);
		if (err)
			return err;
		rx->resumed_ms = now_ms();
		event_begin(rx->r, "resumed");
		event_end(rx->r);
	}

	if (rx->bytes >= o->stop_after)
		rx->stopped = true;
	return 0;
}
