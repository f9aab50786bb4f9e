// SPDX-License-Identifier: GPL-2.0-only
/*
 * The sender: ordinary sockets, straight from the pattern. A flow is sent
 * when the receiver has closed it, so that the time taken is that of the
 * whole path and a receiver that gave up is noticed.
 */
#include "tx.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "addr.h"
#include "loop.h"
#include "parse.h"
#include "pattern.h"
#include "tx_source.h"

#define PROGRESS_MS 1000
#define MAX_IOVS    PATTERN_IOVS(MAX_WRITE)

enum tx_state {
	TX_CONNECTING,
	TX_SENDING,
	TX_DRAINING, /* all is sent, the receiver hasn't closed yet */
	TX_DONE,
};

struct tx_flow {
	struct watch w; /* open until TX_DONE */
	struct tx *tx;
	unsigned int index;
	enum tx_state state;
	struct addr to;
	__u8 head[PREAMBLE_SIZE];
	struct pattern pattern;
	struct tx_source source; /* with --from-dmabuf */
	__u64 sent;              /* bytes of the stream, preamble included */
	size_t message;      /* index of the current one; counts on for ever */
	size_t message_left; /* 0: it has not begun */
	int err;             /* that ended it, positive */
};

struct tx {
	const struct options *o;
	struct report *r;
	struct loop loop;
	struct tx_flow **flow; /* owned; o->flows of them */
	unsigned int flows;    /* that exist already */
	unsigned int open;
	__u64 bytes;
	__u64 send_calls;
	__u64 first_ns; /* when the first flow began to connect */
	__u64 last_ns;  /* when the latest ended */
	__u64 progress_ms;
	__u64 progress_bytes;
};

static void end_flow(struct tx_flow *f)
{
	f->state = TX_DONE;
	f->tx->open--;
	f->tx->last_ns = now_ns();
	watch_close(&f->w);
}

static void fail_flow(struct tx_flow *f, int err, const char *doing)
{
	f->err = err;
	report_fail(f->tx->r, EXIT_TRANSFER, err,
		    "flow %u: %s after %llu bytes", f->index, doing, f->sent);
	end_flow(f);
}

static ssize_t send_head(struct tx_flow *f)
{
	/* MSG_EOR: the payload begins in a segment of its own */
	return send(f->w.fd, f->head + f->sent, PREAMBLE_SIZE - f->sent,
		    MSG_DONTWAIT | MSG_EOR);
}

static ssize_t send_payload(struct tx_flow *f, __u64 done, __u64 left)
{
	const struct options *o = f->tx->o;
	struct iovec iov[MAX_IOVS];
	struct msghdr msg = { .msg_iov = iov };
	int flags = MSG_DONTWAIT;
	size_t size;
	ssize_t n;

	if (o->messages) {
		/* What MSG_EOR ends never shares a segment with what follows */
		flags |= MSG_EOR;
		if (!f->message_left)
			f->message_left = o->message[f->message % o->messages];
		size = f->message_left;
	} else {
		size = o->write_size;
	}
	if (size > left)
		size = left;

	msg.msg_iovlen = pattern_iov(&f->pattern, done, size, iov);
	if (o->source)
		n = tx_source_send(&f->source, f->w.fd, iov, msg.msg_iovlen,
				   flags);
	else
		n = sendmsg(f->w.fd, &msg, flags);
	if (n > 0 && o->messages) {
		f->message_left -= n;
		if (!f->message_left)
			f->message++;
	}
	return n;
}

/* The socket takes more: give it one message, or say that there's no more. */
static void send_some(struct tx_flow *f)
{
	struct tx *tx = f->tx;
	__u64 payload;
	ssize_t n;

	if (f->sent < PREAMBLE_SIZE) {
		n = send_head(f);
	} else {
		payload = f->sent - PREAMBLE_SIZE;
		if (payload == tx->o->size) {
			f->state = TX_DRAINING;
			if (shutdown(f->w.fd, SHUT_WR) ||
			    loop_modify(&tx->loop, &f->w, EPOLLIN))
				fail_flow(f, errno, "closing failed");
			return;
		}
		n = send_payload(f, payload, tx->o->size - payload);
	}

	tx->send_calls++;
	if (n < 0) {
		if (errno != EAGAIN && errno != EINTR)
			fail_flow(f, errno, "sending failed");
		return;
	}
	f->sent += n;
	tx->bytes += n;
}

static void finish_connect(struct tx_flow *f)
{
	socklen_t len = sizeof(int);
	int err;

	if (getsockopt(f->w.fd, SOL_SOCKET, SO_ERROR, &err, &len))
		err = errno;
	if (err) {
		fail_flow(f, err, "connecting failed");
		return;
	}
	if (f->tx->o->source) {
		err = tx_source_prepare(f->w.fd);
		if (err) {
			fail_flow(f, -err, "preparing the socket failed");
			return;
		}
	}
	f->state = TX_SENDING;
}

/* Wait for the receiver's FIN; should it send anything, that's no concern. */
static void drain(struct tx_flow *f)
{
	char buf[4096];
	ssize_t n;

	n = recv(f->w.fd, buf, sizeof(buf), MSG_DONTWAIT);
	if (!n && f->source.done < f->source.calls)
		return; /* they are on their way: all is acknowledged */
	if (!n)
		end_flow(f);
	else if (n < 0 && errno != EAGAIN && errno != EINTR)
		fail_flow(f, errno, "the receiver gave up");
}

static void serve_flow(struct tx_flow *f)
{
	int err;

	if (f->tx->o->source && f->state > TX_CONNECTING) {
		err = tx_source_reap(&f->source, f->w.fd);
		if (err) {
			fail_flow(f, -err, "bad completions");
			return;
		}
	}
	switch (f->state) {
	case TX_CONNECTING:
		finish_connect(f);
		break;
	case TX_SENDING:
		send_some(f);
		break;
	case TX_DRAINING:
		drain(f);
		break;
	case TX_DONE:
		break;
	}
}

static int open_socket(struct tx_flow *f)
{
	const struct options *o = f->tx->o;
	const int one = 1;
	struct addr from;
	int err;

	f->w.fd = socket(f->to.sa.sa_family,
			 SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (f->w.fd < 0)
		return -errno;
	if (setsockopt(f->w.fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)))
		return -errno;
	if (o->address) {
		err = addr_parse(o->address, &from);
		if (err)
			return err;
		if (bind(f->w.fd, &from.sa, from.len))
			return -errno;
	}
	if (connect(f->w.fd, &f->to.sa, f->to.len) && errno != EINPROGRESS)
		return -errno;
	return loop_add(&f->tx->loop, &f->w, EPOLLOUT);
}

static int start_flow(struct tx *tx, const struct addr *to)
{
	const struct options *o = tx->o;
	unsigned int ports = o->last_port - o->first_port + 1;
	struct preamble pre = {
		.flow = tx->flows,
		.seed = o->seed,
		.total = o->size,
	};
	struct tx_flow *f;
	int err;

	f = calloc(1, sizeof(*f));
	if (!f)
		return report_fail(tx->r, EXIT_CANNOT, ENOMEM, "no flow");
	f->tx = tx;
	f->index = tx->flows;
	f->w.kind = WATCH_FLOW;
	f->w.fd = -1;
	f->to = *to;
	addr_set_port(&f->to, o->first_port + f->index % ports);
	pattern_init(&f->pattern, pre.seed, pre.flow);
	preamble_encode(&pre, f->head);
	tx->flow[tx->flows++] = f;
	tx->open++;

	if (o->source) {
		err = tx_source_open(&f->source, o->source, &f->pattern, tx->r);
		if (err)
			return err;
	}
	err = open_socket(f);
	if (err)
		fail_flow(f, -err, "connecting failed");
	return 0;
}

static int start_all(struct tx *tx)
{
	const struct options *o = tx->o;
	struct addr to;
	int err;

	err = addr_parse(o->peer, &to);
	if (err)
		return report_fail(tx->r, EXIT_CANNOT, -err,
				   "%s is no address (or lacks %%IFACE)",
				   o->peer);
	tx->flow = calloc(o->flows, sizeof(struct tx_flow *));
	if (!tx->flow)
		return report_fail(tx->r, EXIT_CANNOT, ENOMEM, "no flows");

	tx->first_ns = now_ns();
	tx->last_ns = tx->first_ns;
	while (tx->flows < o->flows) {
		err = start_flow(tx, &to);
		if (err)
			return err;
	}
	return 0;
}

static void show_progress(struct tx *tx)
{
	__u64 now = now_ms();

	if (!tx->r->progress || now - tx->progress_ms < PROGRESS_MS)
		return;
	report_progress(tx->r, tx->bytes, tx->bytes - tx->progress_bytes,
			now - tx->progress_ms, tx->open);
	tx->progress_ms = now;
	tx->progress_bytes = tx->bytes;
}

static void send_all(struct tx *tx)
{
	struct epoll_event events[LOOP_EVENTS];
	__u64 wake;
	int i, n;

	tx->progress_ms = now_ms();
	while (tx->open) {
		wake = tx->r->progress ? tx->progress_ms + PROGRESS_MS : NEVER;
		n = loop_wait(&tx->loop, events, wake);
		if (n == -EINTR) {
			tx->r->signal = tx->loop.signal;
			return;
		}
		if (n < 0) {
			report_fail(tx->r, EXIT_TRANSFER, -n,
				    "no end in time: %u of %u flows open",
				    tx->open, tx->flows);
			return;
		}
		for (i = 0; i < n; i++)
			serve_flow(container_of(events[i].data.ptr,
						struct tx_flow, w));
		show_progress(tx);
	}
}

static void report_flow(struct report *r, const struct tx_flow *f)
{
	event_object(r, NULL);
	event_number(r, "flow", f->index);
	event_number(r, "port", addr_port(&f->to));
	event_number(r, "bytes", f->sent);
	if (f->err)
		event_string(r, "errno", errno_name(f->err));
	else
		event_null(r, "errno");
	event_bool(r, "ok", f->state == TX_DONE && !f->err);
	event_object_end(r);
}

static void report_summary(struct tx *tx)
{
	struct report *r = tx->r;
	unsigned int i;

	event_begin(r, "summary");
	event_string(r, "mode", "connect");
	report_rate(r, tx->bytes, tx->last_ns - tx->first_ns);
	event_number(r, "send_calls", tx->send_calls);
	event_number(r, "connections", tx->flows);
	if (r->json) {
		event_array(r, "flows");
		for (i = 0; i < tx->flows; i++)
			report_flow(r, tx->flow[i]);
		event_array_end(r);
	}
	report_outcome(r, tx->o->expect_errno);
	event_end(r);
}

void tx_run(const struct options *o, struct report *r)
{
	struct tx tx = { .o = o, .r = r };
	unsigned int i;
	int err;

	err = loop_init(&tx.loop, o->timeout_ms);
	if (err) {
		report_fail(r, EXIT_CANNOT, -err, "epoll failed");
		report_summary(&tx);
		return;
	}

	if (!start_all(&tx))
		send_all(&tx);

	report_summary(&tx);
	for (i = 0; i < tx.flows; i++) {
		watch_close(&tx.flow[i]->w);
		tx_source_close(&tx.flow[i]->source);
		free(tx.flow[i]);
	}
	free(tx.flow);
	loop_free(&tx.loop);
}
