/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef PPCAT_TX_SOURCE_H
#define PPCAT_TX_SOURCE_H

#include <linux/types.h>
#include <sys/types.h>
#include <sys/uio.h>

#include "memory.h"
#include "nl.h"
#include "pattern.h"
#include "report.h"

/* A flow's pattern in a dmabuf of its own, which ppiov.ko sends from. */
struct tx_source {
	struct nl nl;      /* owned: its socket keeps the binding */
	struct memory mem; /* owned */
	__u32 binding;
	const __u8 *pattern; /* what stands in mem, from its beginning */
	__u64 calls;         /* of sendmsg() that took something */
	__u64 done;          /* of these: nobody reads their bytes any more */
};

int tx_source_open(struct tx_source *s, const char *ifname,
		   const struct pattern *pattern, struct report *r);
int tx_source_prepare(int fd);
ssize_t tx_source_send(struct tx_source *s, int fd, struct iovec *iov, size_t n,
		       int flags);
int tx_source_reap(struct tx_source *s, int fd);
void tx_source_close(struct tx_source *s);

#endif
