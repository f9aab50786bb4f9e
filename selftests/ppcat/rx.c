// SPDX-License-Identifier: GPL-2.0-only
/* The receiver: binding, listening, the loop, and the way out. */
#include "rx.h"

#include <errno.h>
#include <net/if.h>
#include <stdlib.h>
#include <unistd.h>

#define PROGRESS_MS 1000

static int open_listener(struct rx *rx, struct listener *l, __u16 port)
{
	const struct options *o = rx->o;
	int fd;

	if (o->address) {
		fd = addr_parse(o->address, &l->addr);
		if (fd)
			return fd;
		addr_set_port(&l->addr, port);
		fd = addr_listen(&l->addr, o->flows);
	} else {
		addr_any(&l->addr, AF_INET6);
		addr_set_port(&l->addr, port);
		fd = addr_listen(&l->addr, o->flows);
		if (fd == -EAFNOSUPPORT || fd == -EADDRNOTAVAIL) {
			/* IPv6 is disabled or not built */
			addr_any(&l->addr, AF_INET);
			addr_set_port(&l->addr, port);
			fd = addr_listen(&l->addr, o->flows);
		}
	}
	if (fd < 0)
		return fd;

	l->w.kind = WATCH_LISTENER;
	l->w.fd = fd;
	return loop_add(&rx->loop, &l->w, EPOLLIN);
}

static void close_listeners(struct rx *rx)
{
	size_t i;

	for (i = 0; i < rx->listeners; i++)
		watch_close(&rx->listener[i].w);
}

static int open_listeners(struct rx *rx)
{
	const struct options *o = rx->o;
	__u32 port;
	int err;

	rx->listener = calloc(o->last_port - o->first_port + 1,
			      sizeof(*rx->listener));
	if (!rx->listener)
		return report_fail(rx->r, EXIT_CANNOT, ENOMEM, "no listeners");

	for (port = o->first_port; port <= o->last_port; port++) {
		struct listener *l = &rx->listener[rx->listeners++];

		l->w.fd = -1;
		err = open_listener(rx, l, port);
		if (err)
			return report_fail(rx->r, EXIT_CANNOT, -err,
					   "listening on %s port %u failed",
					   o->address ? o->address : "any",
					   port);
	}
	return 0;
}

static int accept_flow(struct rx *rx, struct listener *l)
{
	struct rx_flow *f;
	char text[ADDR_TEXT];
	int err;

	f = calloc(1, sizeof(*f));
	if (!f)
		return report_fail(rx->r, EXIT_TRANSFER, ENOMEM, "no flow");
	f->peer.len = sizeof(f->peer.in6);
	f->w.kind = WATCH_FLOW;
	f->w.fd = accept4(l->w.fd, &f->peer.sa, &f->peer.len,
			  SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (f->w.fd < 0) {
		err = errno;
		free(f);
		/* The peer may have gone again before we came */
		if (err == EAGAIN || err == EINTR || err == ECONNABORTED)
			return 0;
		return report_fail(rx->r, EXIT_TRANSFER, err, "accept failed");
	}

	f->rx = rx;
	f->index = rx->accepted;
	f->port = addr_port(&l->addr);
	stream_init(&f->stream, rx->o->check);
	rx->flow[rx->accepted++] = f;
	rx->open++;

	addr_format(&f->peer, text);
	event_begin(rx->r, "accepted");
	event_number(rx->r, "connection", f->index);
	event_string(rx->r, "peer", text);
	event_number(rx->r, "peer_port", addr_port(&f->peer));
	event_number(rx->r, "port", f->port);
	event_end(rx->r);

	if (rx->accepted == rx->o->flows)
		close_listeners(rx);
	if (rx->o->lowat) {
		int lowat = rx->o->lowat;

		if (setsockopt(f->w.fd, SOL_SOCKET, SO_RCVLOWAT, &lowat,
			       sizeof(lowat)))
			return report_fail(rx->r, EXIT_CANNOT, errno,
					   "SO_RCVLOWAT failed");
	}
	if (rx->o->mode != RECEIVE_PLAIN) {
		err = rx->backend->prepare(f->w.fd);
		if (err) {
			rx_flow_fail(f, -err,
				     "no device memory for its socket");
			rx_flow_end(f);
			return 0;
		}
	}
	err = loop_add(&rx->loop, &f->w, EPOLLIN);
	if (err)
		report_fail(rx->r, EXIT_TRANSFER, -err, "epoll failed");
	return err;
}

static void judge_end(struct rx_flow *f)
{
	const struct stream *s = &f->stream;

	f->complete = stream_complete(s);
	if (f->complete || s->bad_preamble)
		return;
	if (!s->pattern)
		rx_flow_fail(f, 0, "ended in its preamble, at %llu", s->pos);
	else
		rx_flow_fail(f, 0, "ended after %llu of %llu bytes", s->pos,
			     s->pre.total + PREAMBLE_SIZE);
}

/* Returns 0, or -errno to end everything. */
static int serve_flow(struct rx *rx, struct rx_flow *f)
{
	ssize_t n = rx_flow_receive(f);
	int err;

	if (n == -EAGAIN)
		return 0;
	if (n <= 0) {
		if (!n)
			judge_end(f);
		rx_flow_end(f);
		return 0;
	}

	err = rx_hooks_after_data(rx, f);
	if (err)
		return err;
	if (rx_flow_return_tokens(f, false))
		rx_flow_end(f);
	return 0;
}

static int serve(struct rx *rx, const struct epoll_event *events, int n)
{
	int i, err;

	for (i = 0; i < n && !rx->stopped; i++) {
		struct watch *w = events[i].data.ptr;

		/* Closed by an earlier event of this batch */
		if (w->fd < 0)
			continue;
		if (w->kind == WATCH_LISTENER)
			err = accept_flow(rx,
					  container_of(w, struct listener, w));
		else
			err = serve_flow(rx,
					 container_of(w, struct rx_flow, w));
		if (err)
			return err;
	}
	return 0;
}

static void show_progress(struct rx *rx)
{
	__u64 now = now_ms();

	if (!rx->r->progress || now - rx->progress_ms < PROGRESS_MS)
		return;
	report_progress(rx->r, rx->bytes, rx->bytes - rx->progress_bytes,
			now - rx->progress_ms, rx->open);
	rx->progress_ms = now;
	rx->progress_bytes = rx->bytes;
}

static __u64 wake_time(const struct rx *rx)
{
	__u64 wake = rx_hooks_wake(rx);

	if (rx->r->progress && rx->progress_ms + PROGRESS_MS < wake)
		wake = rx->progress_ms + PROGRESS_MS;
	return wake;
}

static int receive_all(struct rx *rx)
{
	struct epoll_event events[LOOP_EVENTS];
	int n, err;

	rx->progress_ms = now_ms();
	while (!rx->stopped && (rx->accepted < rx->o->flows || rx->open)) {
		n = loop_wait(&rx->loop, events, wake_time(rx));
		if (n < 0)
			return n;
		err = serve(rx, events, n);
		if (!err)
			err = rx_hooks_tick(rx);
		if (err)
			return err;
		show_progress(rx);
	}
	return 0;
}

/* Why the loop ended, unless whoever ended it has told already. */
static void judge_loop(struct rx *rx, int err)
{
	if (err == -EINTR)
		rx->r->signal = rx->loop.signal;
	else if (err == -ETIMEDOUT)
		report_fail(rx->r, EXIT_TRANSFER, ETIMEDOUT,
			    "no end in time: %u of %u flows came, %u open",
			    rx->accepted, rx->o->flows, rx->open);
	else if (err && rx->r->failure.code == EXIT_OK)
		report_fail(rx->r, EXIT_TRANSFER, -err, "waiting failed");
}

/* What can only be said when all is over. */
static void judge_totals(struct rx *rx)
{
	struct token_stats *t = &rx->tokens;
	unsigned int i;

	t->freed -= ring_refused(&rx->binding.ring);

	for (i = 0; i < rx->accepted; i++) {
		const struct stream *s = &rx->flow[i]->stream;

		if (s->bad_bytes)
			rx_flow_fail(rx->flow[i], 0,
				     "%llu bytes are wrong, from %llu on",
				     s->bad_bytes, s->first.offset);
		if (rx->o->require_devmem && !s->by_place[PLACE_DEVMEM])
			rx_flow_fail(rx->flow[i], 0,
				     "no byte came into a dmabuf");
	}
	/* --dontneed-raw may have freed some before their turn */
	if (t->freed != t->returned && !rx->o->raws)
		report_fail(rx->r, EXIT_TRANSFER, 0,
			    "the kernel freed %llu of %llu returned tokens",
			    t->freed, t->returned);
	if (t->duplicates_freed)
		report_fail(rx->r, EXIT_TRANSFER, 0,
			    "the kernel freed %llu tokens twice",
			    t->duplicates_freed);
}

static int allocate(struct rx *rx)
{
	rx->buffer = malloc(rx->o->recv_size);
	rx->control = malloc(rx->o->control_size);
	rx->flow = calloc(rx->o->flows, sizeof(struct rx_flow *));
	if (!rx->buffer || !rx->control || !rx->flow)
		return report_fail(rx->r, EXIT_CANNOT, ENOMEM, "no buffers");
	return 0;
}

static void free_all(struct rx *rx)
{
	unsigned int i;

	for (i = 0; i < rx->accepted; i++) {
		stream_free(&rx->flow[i]->stream);
		free(rx->flow[i]);
	}
	free(rx->flow);
	free(rx->control);
	free(rx->buffer);
	free(rx->listener);
}

static void end_flows(struct rx *rx)
{
	unsigned int i;

	for (i = 0; i < rx->accepted; i++)
		if (!rx->flow[i]->ended)
			rx_flow_end(rx->flow[i]);
}

/* Returns 0 or -errno, the reason told; binding has to be destroyed if 0. */
static int prepare(struct rx *rx)
{
	int err;

	if (rx->o->ifname)
		rx->ifindex = if_nametoindex(rx->o->ifname);
	err = allocate(rx);
	if (err)
		return err;
	if (rx->o->mode != RECEIVE_BOUND)
		return 0;
	return binding_create(&rx->binding, rx->o, rx->r);
}

void rx_run(const struct options *o, struct report *r)
{
	struct rx rx = {
		.o = o,
		.r = r,
		.backend = backend_get(o->backend),
		.holding = o->hold,
	};
	int err;

	err = loop_init(&rx.loop, o->timeout_ms);
	if (err) {
		report_fail(r, EXIT_CANNOT, -err, "epoll failed");
		rx_report_summary(&rx);
		return;
	}
	err = prepare(&rx);
	if (err)
		goto out_report;

	if (o->setup)
		err = binding_setup(&rx.binding, o, r);
	if (!err)
		err = open_listeners(&rx);
	if (err)
		goto out_unbind;

	rx_report_ready(&rx);
	judge_loop(&rx, receive_all(&rx));
	end_flows(&rx);
	judge_totals(&rx);

	if (o->exit_holding) {
		/* As a crash would leave it: the kernel closes what is open */
		rx_report_summary(&rx);
		return;
	}

out_unbind:
	close_listeners(&rx);
	if (o->mode == RECEIVE_BOUND)
		binding_destroy(&rx.binding, o, r);
out_report:
	rx_report_summary(&rx);
	loop_free(&rx.loop);
	free_all(&rx);
}
