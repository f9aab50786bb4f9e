/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef PPCAT_BACKEND_H
#define PPCAT_BACKEND_H

#include <linux/types.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>

#include "nl.h"
#include "options.h"
#include "tokens.h"
#include "uapi.h"

struct bind_request {
	__u32 ifindex;
	const __u32 *queue;
	size_t queues;
	int dmabuf_fd;        /* -1: the provider needs none */
	const char *provider; /* NULL: there is but one */
	__u64 size;           /* 0: as much as the provider likes */
};

/* What a control message says of a piece of the stream */
enum frag_kind {
	FRAG_NONE, /* it is about something else */
	FRAG_LINEAR,
	FRAG_DEVMEM,
	FRAG_RING, /* as FRAG_DEVMEM, but the token is its packet's */
};

/*
 * Whose memory providers and whose recvmsg(): the kernel's own, or those of
 * ppiov.ko. The functions return 0 or -errno unless said otherwise.
 */
struct backend {
	const char *name;
	const char *family; /* of netlink; its socket keeps the binding alive */
	int recv_flags;

	/* Does a binding to this provider bring a dmabuf? -ENOENT: no such */
	int (*needs_dmabuf)(struct nl *nl, const char *provider, bool *yes);
	int (*bind)(struct nl *nl, const struct bind_request *req, __u32 *id);
	/* An accepted socket is to receive device memory */
	int (*prepare)(int fd);
	enum frag_kind (*parse)(const struct cmsghdr *cm,
				struct devmem_cmsg *frag);
	dontneed_fn dontneed;
};

const struct backend *backend_get(enum backend_kind kind);

#endif
