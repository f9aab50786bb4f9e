// SPDX-License-Identifier: GPL-2.0-only
/*
 * One connection's data: what recvmsg() returns and what has to be done with
 * it. The kernel's side is tcp_recvmsg_dmabuf() in net/ipv4/tcp.c, its
 * description Documentation/networking/devmem.rst; or that of ppiov.ko, which
 * tells the same in its own control messages.
 */
#include "rx.h"

#include <errno.h>
#include <stdarg.h>
#include <string.h>

#include "netdev_nl.h"
#include "parse.h"
#include "uapi.h"

/* report_fail() for a connection; ends with its errno, so can be returned. */
int rx_flow_fail(struct rx_flow *f, int err, const char *fmt, ...)
{
	char text[160];
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	return report_fail(f->rx->r, EXIT_TRANSFER, err, "connection %u: %s",
			   f->index, text);
}

static void tell_mismatch(void *arg, const struct mismatch *m)
{
	struct rx_flow *f = arg;
	struct report *r = f->rx->r;

	if (f->mismatches++ >= f->rx->o->mismatches)
		return;
	event_begin(r, "mismatch");
	event_number(r, "connection", f->index);
	event_number(r, "flow", f->stream.pre.flow);
	event_number(r, "offset", m->offset);
	event_number(r, "expected", m->expected);
	event_number(r, "got", m->got);
	event_string(r, "place", place_names[m->place]);
	if (m->place == PLACE_DEVMEM) {
		event_number(r, "dmabuf_offset", m->place_offset);
		event_number(r, "token", m->token);
	}
	if (m->shifted)
		event_signed(r, "shift", m->shift);
	event_end(r);
}

static int feed(struct rx_flow *f, const __u8 *data, size_t len,
		const struct mismatch *where)
{
	bool was_bad = f->stream.bad_preamble;
	int err;

	err = stream_feed(&f->stream, data, len, where, tell_mismatch, f);
	if (err)
		return rx_flow_fail(f, -err, "no memory");
	if (f->stream.bad_preamble && !was_bad) {
		rx_flow_fail(f, 0, "the first %u bytes are no preamble",
			     PREAMBLE_SIZE);
		report_hint(f->rx->r, "another sender needs --no-check");
	}
	return 0;
}

/*
 * A frag in the dmabuf. From here on we owe the kernel its token, unless a
 * frag of the same packet has brought it already.
 */
static int take_devmem(struct rx_flow *f, const struct devmem_cmsg *frag,
		       bool known)
{
	struct rx *rx = f->rx;
	struct memory *mem = &rx->binding.mem;
	struct mismatch where;
	int err;

	rx->frags++;
	if (!known) {
		rx->tokens.received++;
		err = tokens_add(&f->tokens, frag->frag_token);
		if (err)
			return rx_flow_fail(f, -err, "no memory");
	}

	if (rx->o->mode != RECEIVE_BOUND) {
		/* Somebody else's dmabuf: ours to return, not to read */
		stream_skip(&f->stream, frag->frag_size, PLACE_DEVMEM);
		return 0;
	}
	if (frag->dmabuf_id != rx->binding.dmabuf_id)
		return rx_flow_fail(f, 0, "data is in dmabuf %u, ours is %u",
				    frag->dmabuf_id, rx->binding.dmabuf_id);
	if (frag->frag_offset > mem->size ||
	    frag->frag_size > mem->size - frag->frag_offset)
		return rx_flow_fail(f, 0,
				    "frag %llu+%u is outside of the dmabuf",
				    frag->frag_offset, frag->frag_size);

	/* Who doesn't look needs no cache to be in order */
	if (!f->stream.check) {
		stream_pass(&f->stream, frag->frag_size, PLACE_DEVMEM);
		return 0;
	}
	err = memory_begin_read(mem);
	if (err)
		return report_fail(rx->r, EXIT_TRANSFER, -err,
				   "DMA_BUF_IOCTL_SYNC failed");
	where = (struct mismatch) {
		.place = PLACE_DEVMEM,
		.place_offset = frag->frag_offset,
		.token = frag->frag_token,
	};
	return feed(f, mem->map + frag->frag_offset, frag->frag_size, &where);
}

static int take_linear(struct rx_flow *f, const struct devmem_cmsg *frag,
		       size_t at, size_t received)
{
	const struct mismatch where = { .place = PLACE_LINEAR };

	f->rx->frags++;
	f->rx->frags_linear++;
	if (at > received || frag->frag_size > received - at)
		return rx_flow_fail(f, 0, "more linear bytes than received");
	return feed(f, f->rx->buffer + at, frag->frag_size, &where);
}

/*
 * Walk the control messages; they stand in stream order. Linear bytes lie one
 * after the other in the buffer. Returns how many bytes they account for, or
 * -errno.
 */
static ssize_t take_control(struct rx_flow *f, struct msghdr *msg,
			    size_t received)
{
	bool ring = false; /* and token is the latest */
	enum frag_kind kind;
	struct devmem_cmsg frag;
	struct cmsghdr *cm;
	size_t linear = 0;
	__u32 token = 0;
	size_t total = 0;
	int err;

	for (cm = CMSG_FIRSTHDR(msg); cm; cm = CMSG_NXTHDR(msg, cm)) {
		kind = f->rx->backend->parse(cm, &frag);
		if (kind == FRAG_NONE)
			continue;
		if (kind == FRAG_RING) {
			err = take_devmem(f, &frag,
					  ring && token == frag.frag_token);
			token = frag.frag_token;
			ring = true;
		} else if (kind == FRAG_DEVMEM) {
			err = take_devmem(f, &frag, false);
		} else {
			err = take_linear(f, &frag, linear, received);
			linear += frag.frag_size;
		}
		if (err)
			return err;
		total += frag.frag_size;
	}
	return total;
}

static int take_message(struct rx_flow *f, struct msghdr *msg, size_t received)
{
	const struct mismatch plain = { .place = PLACE_PLAIN };
	struct rx *rx = f->rx;
	ssize_t told;
	int err;

	if (msg->msg_flags & MSG_CTRUNC)
		return rx_flow_fail(f, 0, "control data truncated at %zu bytes",
				    rx->o->control_size);

	told = take_control(f, msg, received);
	err = memory_end_read(&rx->binding.mem);
	if (told < 0)
		return told;
	if (err)
		return report_fail(rx->r, EXIT_TRANSFER, -err,
				   "DMA_BUF_IOCTL_SYNC failed");

	/* Ordinary packets come without a word, and never mixed with others */
	if (!told)
		return feed(f, rx->buffer, received, &plain);
	if ((size_t)told != received)
		return rx_flow_fail(f, 0, "got %zu bytes, control data has %zd",
				    received, told);
	return 0;
}

/*
 * One recvmsg(). Returns bytes taken, 0 at the stream's end, -EAGAIN, or
 * another -errno after a failure, which is told and ends the flow.
 */
ssize_t rx_flow_receive(struct rx_flow *f)
{
	struct rx *rx = f->rx;
	struct iovec iov = {
		.iov_base = rx->buffer,
		.iov_len = rx->o->recv_size,
	};
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	int flags = MSG_DONTWAIT;
	ssize_t received;
	int err;

	if (rx->o->mode != RECEIVE_PLAIN) {
		flags |= rx->backend->recv_flags;
		msg.msg_control = rx->control;
		msg.msg_controllen = rx->o->control_size;
	}

	rx->recvmsg_calls++;
	received = recvmsg(f->w.fd, &msg, flags);
	if (received < 0 && (errno == EAGAIN || errno == EINTR))
		return -EAGAIN;
	if (received < 0) {
		f->err = errno;
		rx_flow_fail(f, f->err, "recvmsg failed after %llu bytes",
			     f->stream.pos);
		if (f->err == ETOOSMALL || f->err == EMSGSIZE)
			report_hint(rx->r, "see --control-size");
		return -f->err;
	}
	if (!received)
		return 0;

	rx->last_ns = now_ns();
	if (!rx->first_ns)
		rx->first_ns = rx->last_ns;
	rx->bytes += received;
	err = take_message(f, &msg, received);
	return err ? err : received;
}

/* Give tokens back: all of them, or those that --hold and --batch allow. */
int rx_flow_return_tokens(struct rx_flow *f, bool all)
{
	const struct options *o = f->rx->o;
	size_t keep = f->rx->holding && !all ? o->hold : 0;
	int err;

	if (f->tokens.count <= keep ||
	    (!all && f->tokens.count - keep < o->batch))
		return 0;
	if (f->rx->binding.ring.map)
		return ring_return(&f->rx->binding.ring, &f->tokens, keep,
				   &f->rx->tokens);
	err = tokens_return(&f->tokens, f->w.fd, keep, o->duplicate_return,
			    f->rx->backend->dontneed, &f->rx->tokens);
	if (err)
		return rx_flow_fail(f, -err, "returning tokens failed");
	return 0;
}

/* Which queue served it: nice to know, never a failure. */
static void find_queue(struct rx_flow *f)
{
	socklen_t len = sizeof(f->napi_id);
	struct nl nl;

	if (getsockopt(f->w.fd, SOL_SOCKET, SO_INCOMING_NAPI_ID, &f->napi_id,
		       &len))
		f->napi_id = 0;
	if (!f->napi_id || !f->rx->ifindex ||
	    nl_open_genl(&nl, NETDEV_FAMILY_NAME))
		return;
	f->queue_known = !netdev_queue_of_napi(&nl, f->rx->ifindex, f->napi_id,
					       &f->queue);
	nl_close(&nl);
}

/* Nothing more is wanted from this connection. */
void rx_flow_end(struct rx_flow *f)
{
	struct rx *rx = f->rx;

	f->ended = true;
	rx->open--;
	find_queue(f);
	if (rx->o->exit_holding) {
		loop_remove(&rx->loop, &f->w);
		return;
	}
	rx_flow_return_tokens(f, true);
	watch_close(&f->w);
	tokens_free(&f->tokens);
}
