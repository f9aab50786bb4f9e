// SPDX-License-Identifier: GPL-2.0-only
/* Sending from a dmabuf, which ppiov.ko can and the kernel must let it. */
#include "tx_source.h"

#include <errno.h>
#include <linux/errqueue.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>

#include "ppiov_nl.h"
#include "uapi.h"

static int open_binding(struct tx_source *s, const char *ifname,
			struct report *r)
{
	__u32 ifindex = if_nametoindex(ifname);
	int err;

	if (!ifindex)
		return report_fail(r, EXIT_CANNOT, errno, "%s", ifname);
	err = nl_open_genl(&s->nl, PPIOV_FAMILY_NAME);
	if (err) {
		report_fail(r, EXIT_CANNOT, -err,
			    "no netlink family " PPIOV_FAMILY_NAME);
		return err;
	}
	err = ppiov_bind_tx(&s->nl, ifindex, s->mem.fd, &s->binding);
	if (err) {
		report_fail(r, EXIT_CANNOT, -err, "binding to %s failed",
			    ifname);
		report_extack(r, s->nl.extack);
	}
	return err;
}

/* Returns 0 or -errno, which was reported. tx_source_close() in any case. */
int tx_source_open(struct tx_source *s, const char *ifname,
		   const struct pattern *pattern, struct report *r)
{
	const char *step;
	int err;

	s->pattern = pattern->byte;
	err = memory_create(&s->mem, sizeof(pattern->byte), false, &step);
	if (!err) {
		step = "filling the dmabuf";
		err = memory_write(&s->mem, pattern->byte,
				   sizeof(pattern->byte));
	}
	if (err) {
		report_fail(r, EXIT_CANNOT, -err, "%s failed", step);
		return err;
	}
	return open_binding(s, ifname, r);
}

/* A connected socket is to send from it. */
int tx_source_prepare(int fd)
{
	const int one = 1;

	if (setsockopt(fd, IPPROTO_TCP, TCP_ULP, PPIOV_ULP_NAME,
		       sizeof(PPIOV_ULP_NAME)) ||
	    setsockopt(fd, SOL_SOCKET, SO_ZEROCOPY, &one, sizeof(one)))
		return -errno;
	return 0;
}

/* As sendmsg(). iov points into the pattern, and into the dmabuf afterwards. */
ssize_t tx_source_send(struct tx_source *s, int fd, struct iovec *iov, size_t n,
		       int flags)
{
	const struct ppiov_tx_cmsg tx = { .binding = s->binding };
	union {
		char buf[CMSG_SPACE(sizeof(tx))];
		struct cmsghdr align;
	} control = { 0 };
	struct msghdr msg = {
		.msg_iov = iov,
		.msg_iovlen = n,
		.msg_control = control.buf,
		.msg_controllen = sizeof(control.buf),
	};
	struct cmsghdr *cm = CMSG_FIRSTHDR(&msg);
	ssize_t sent;
	size_t i;

	cm->cmsg_level = SOL_PPIOV;
	cm->cmsg_type = PPIOV_CMSG_TX_DEVMEM;
	cm->cmsg_len = CMSG_LEN(sizeof(tx));
	memcpy(CMSG_DATA(cm), &tx, sizeof(tx));
	for (i = 0; i < n; i++)
		iov[i].iov_base =
			(void *)((const __u8 *)iov[i].iov_base - s->pattern);

	sent = sendmsg(fd, &msg, flags | MSG_ZEROCOPY);
	if (sent > 0)
		s->calls++;
	return sent;
}

static int reap_one(struct tx_source *s, const struct cmsghdr *cm)
{
	struct sock_extended_err e;

	memcpy(&e, CMSG_DATA(cm), sizeof(e));
	if (e.ee_origin != SO_EE_ORIGIN_ZEROCOPY || e.ee_errno)
		return -EBADMSG;
	s->done += (__u32)(e.ee_data - e.ee_info) + 1ULL;
	return s->done <= s->calls ? 0 : -EBADMSG;
}

/*
 * Take completions, as ranges of calls. They may pass each other: a call is
 * done when the last of its packets is gone, those that were sent again too.
 * Returns 0 or -errno.
 */
int tx_source_reap(struct tx_source *s, int fd)
{
	char control[CMSG_SPACE(sizeof(struct sock_extended_err) +
				sizeof(struct sockaddr_in6))];
	struct cmsghdr *cm;
	int err;

	for (;;) {
		struct msghdr msg = {
			.msg_control = control,
			.msg_controllen = sizeof(control),
		};

		if (recvmsg(fd, &msg, MSG_ERRQUEUE | MSG_DONTWAIT) < 0)
			return errno == EAGAIN ? 0 : -errno;
		for (cm = CMSG_FIRSTHDR(&msg); cm; cm = CMSG_NXTHDR(&msg, cm)) {
			err = reap_one(s, cm);
			if (err)
				return err;
		}
	}
}

/* No harm if it was never opened. */
void tx_source_close(struct tx_source *s)
{
	nl_close(&s->nl);
	memory_destroy(&s->mem);
}
