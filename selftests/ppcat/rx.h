/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef PPCAT_RX_H
#define PPCAT_RX_H

#include "addr.h"
#include "backend.h"
#include "binding.h"
#include "loop.h"
#include "options.h"
#include "report.h"
#include "stream.h"
#include "tokens.h"

struct listener {
	struct watch w;
	struct addr addr;
};

/* One accepted connection; lives in rx->flow until rx is freed. */
struct rx_flow {
	struct watch w; /* closed at the flow's end, unless --exit-holding */
	struct rx *rx;
	unsigned int index; /* in rx->flow: the order of acceptance */
	struct addr peer;
	__u16 port; /* ours */
	struct stream stream;
	struct tokens tokens;    /* void once w is closed: close returns them */
	unsigned int mismatches; /* runs of bad bytes so far */
	__u32 napi_id;           /* of its latest packet; 0: unknown */
	__u32 queue;             /* of that NAPI; valid if queue_known */
	bool queue_known;
	bool ended;    /* counts no longer in rx->open */
	bool complete; /* orderly end, with all that was announced */
	int err;       /* of the recvmsg() that ended it, positive */
};

struct rx {
	const struct options *o;
	struct report *r;
	const struct backend *backend;
	struct loop loop;
	struct binding binding;    /* zero unless RECEIVE_BOUND */
	__u32 ifindex;             /* 0: no -i */
	struct listener *listener; /* owned; all closed once flows are there */
	size_t listeners;
	struct rx_flow **flow; /* owned; o->flows slots */
	unsigned int accepted;
	unsigned int open;
	__u8 *buffer;  /* owned; recv_size */
	void *control; /* owned; control_size */

	__u64 bytes;
	__u64 recvmsg_calls;
	__u64 frags; /* control messages of either kind */
	__u64 frags_linear;
	struct token_stats tokens;
	__u64 first_ns;    /* of the first byte; 0: none yet */
	__u64 last_ns;     /* of the latest */
	__u64 resumed_ms;  /* end of the pause, for the stall timer */
	__u64 progress_ms; /* of the latest progress line */
	__u64 progress_bytes;

	bool holding; /* --hold is still in force */
	bool paused;  /* --pause-after has happened */
	bool raw_done;
	bool stopped;
};

/* rx.c */
void rx_run(const struct options *o, struct report *r);

/* rx_flow.c */
int rx_flow_fail(struct rx_flow *f, int err, const char *fmt, ...)
	__printf(3, 4);
ssize_t rx_flow_receive(struct rx_flow *f);
int rx_flow_return_tokens(struct rx_flow *f, bool all);
void rx_flow_end(struct rx_flow *f);

/* rx_hooks.c */
__u64 rx_hooks_wake(const struct rx *rx);
int rx_hooks_tick(struct rx *rx);
int rx_hooks_after_data(struct rx *rx, struct rx_flow *f);

/* rx_report.c */
void rx_report_ready(struct rx *rx);
void rx_report_summary(struct rx *rx);

#endif
