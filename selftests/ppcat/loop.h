/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef PPCAT_LOOP_H
#define PPCAT_LOOP_H

#include <linux/types.h>
#include <stdbool.h>
#include <sys/epoll.h>

#include "options.h"

#define LOOP_EVENTS 64

enum watch_kind {
	WATCH_SIGNAL,
	WATCH_LISTENER,
	WATCH_FLOW,
};

/* What epoll points to; embedded in whatever owns the descriptor. */
struct watch {
	enum watch_kind kind;
	int fd; /* -1: closed */
};

struct loop {
	int epfd;             /* owned */
	struct watch signals; /* owned: a signalfd */
	__u64 deadline_ms;    /* NEVER: none */
	int signal;           /* SIGINT or SIGTERM came */
	bool release;         /* SIGUSR1 came; the user of the loop clears it */
};

__u64 now_ns(void);
__u64 now_ms(void);

int loop_init(struct loop *l, __u64 timeout_ms);
void loop_free(struct loop *l);
int loop_add(struct loop *l, struct watch *w, __u32 events);
int loop_modify(struct loop *l, struct watch *w, __u32 events);
int loop_remove(struct loop *l, struct watch *w);
void watch_close(struct watch *w);
int loop_wait(struct loop *l, struct epoll_event *events, __u64 wake_ms);
int loop_sleep(struct loop *l, __u64 until_ms);

#endif
