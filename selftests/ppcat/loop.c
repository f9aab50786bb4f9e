// SPDX-License-Identifier: GPL-2.0-only
/*
 * One epoll for sockets and signals, and one deadline for everything, so that
 * ppcat never hangs anywhere else than here.
 */
#include "loop.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

__u64 now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000ULL + ts.tv_nsec;
}

__u64 now_ms(void)
{
	return now_ns() / 1000000;
}

int loop_init(struct loop *l, __u64 timeout_ms)
{
	sigset_t set;
	int err;

	l->signal = 0;
	l->release = false;
	l->deadline_ms = timeout_ms == NEVER ? NEVER : now_ms() + timeout_ms;

	/* A write to a reset connection is an errno, not our death */
	signal(SIGPIPE, SIG_IGN);
	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGUSR1);
	if (sigprocmask(SIG_BLOCK, &set, NULL))
		return -errno;

	l->epfd = epoll_create1(EPOLL_CLOEXEC);
	if (l->epfd < 0)
		return -errno;

	l->signals.kind = WATCH_SIGNAL;
	l->signals.fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
	if (l->signals.fd < 0) {
		err = -errno;
		goto err_close_epoll;
	}
	err = loop_add(l, &l->signals, EPOLLIN);
	if (err)
		goto err_close_signals;
	return 0;

err_close_signals:
	close(l->signals.fd);
err_close_epoll:
	close(l->epfd);
	return err;
}

void loop_free(struct loop *l)
{
	close(l->signals.fd);
	close(l->epfd);
}

int loop_add(struct loop *l, struct watch *w, __u32 events)
{
	struct epoll_event ev = { .events = events, .data.ptr = w };

	return epoll_ctl(l->epfd, EPOLL_CTL_ADD, w->fd, &ev) ? -errno : 0;
}

int loop_modify(struct loop *l, struct watch *w, __u32 events)
{
	struct epoll_event ev = { .events = events, .data.ptr = w };

	return epoll_ctl(l->epfd, EPOLL_CTL_MOD, w->fd, &ev) ? -errno : 0;
}

int loop_remove(struct loop *l, struct watch *w)
{
	return epoll_ctl(l->epfd, EPOLL_CTL_DEL, w->fd, NULL) ? -errno : 0;
}

/* Nobody else holds a copy of our descriptors, so close() ends the watch. */
void watch_close(struct watch *w)
{
	if (w->fd >= 0)
		close(w->fd);
	w->fd = -1;
}

static int timeout_until(const struct loop *l, __u64 wake_ms)
{
	__u64 now = now_ms();
	__u64 until = wake_ms < l->deadline_ms ? wake_ms : l->deadline_ms;

	if (until == NEVER)
		return -1;
	if (until <= now)
		return 0;
	return until - now < INT_MAX ? (int)(until - now) : INT_MAX;
}

static int take_signals(struct loop *l)
{
	struct signalfd_siginfo info;

	while (read(l->signals.fd, &info, sizeof(info)) == sizeof(info)) {
		if (info.ssi_signo == SIGUSR1)
			l->release = true;
		else if (!l->signal)
			l->signal = info.ssi_signo;
	}
	return l->signal ? -EINTR : 0;
}

static int check_deadline(const struct loop *l)
{
	return l->deadline_ms != NEVER && now_ms() >= l->deadline_ms ?
		       -ETIMEDOUT :
		       0;
}

/*
 * Wait for events or for wake_ms. Returns how many of events (LOOP_EVENTS
 * long) are sockets', -EINTR after SIGINT or SIGTERM, -ETIMEDOUT past the
 * deadline.
 */
int loop_wait(struct loop *l, struct epoll_event *events, __u64 wake_ms)
{
	int n, i, sockets = 0;
	int err;

	n = epoll_wait(l->epfd, events, LOOP_EVENTS, timeout_until(l, wake_ms));
	if (n < 0 && errno != EINTR)
		return -errno;

	for (i = 0; i < n; i++) {
		struct watch *w = events[i].data.ptr;

		if (w->kind != WATCH_SIGNAL) {
			events[sockets++] = events[i];
			continue;
		}
		err = take_signals(l);
		if (err)
			return err;
	}
	err = check_deadline(l);
	return err ? err : sockets;
}

/* The same, deaf to sockets. */
int loop_sleep(struct loop *l, __u64 until_ms)
{
	struct pollfd p = { .fd = l->signals.fd, .events = POLLIN };
	int err;

	while (now_ms() < until_ms) {
		if (poll(&p, 1, timeout_until(l, until_ms)) < 0 &&
		    errno != EINTR)
			return -errno;
		err = take_signals(l);
		if (!err)
			err = check_deadline(l);
		if (err)
			return err;
	}
	return 0;
}
