// SPDX-License-Identifier: GPL-2.0-only
/* Device memory in two dialects. */
#include "backend.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>

#include "netdev_nl.h"
#include "ppiov_nl.h"

/* A setsockopt() that returns something other than 0 on success */
static int return_tokens(int fd, int level, int option,
			 const struct devmem_token *ranges, size_t n)
{
	int ret = setsockopt(fd, level, option, ranges, n * sizeof(*ranges));

	return ret < 0 ? -errno : ret;
}

/* ------------------------------------------------------------------- core */

static int core_needs_dmabuf(struct nl *nl, const char *provider, bool *yes)
{
	(void)nl;
	(void)provider;
	*yes = true;
	return 0;
}

static int core_bind(struct nl *nl, const struct bind_request *req, __u32 *id)
{
	return netdev_bind_rx(nl, req->ifindex, req->queue, req->queues,
			      req->dmabuf_fd, id);
}

static int core_prepare(int fd)
{
	(void)fd;
	return 0;
}

static enum frag_kind core_parse(const struct cmsghdr *cm,
				 struct devmem_cmsg *frag)
{
	if (cm->cmsg_level != SOL_SOCKET ||
	    (cm->cmsg_type != SCM_DEVMEM_DMABUF &&
	     cm->cmsg_type != SCM_DEVMEM_LINEAR))
		return FRAG_NONE;
	memcpy(frag, CMSG_DATA(cm), sizeof(*frag));
	return cm->cmsg_type == SCM_DEVMEM_DMABUF ? FRAG_DEVMEM : FRAG_LINEAR;
}

static int core_dontneed(int fd, const struct devmem_token *ranges, size_t n)
{
	return return_tokens(fd, SOL_SOCKET, SO_DEVMEM_DONTNEED, ranges, n);
}

static const struct backend core_backend = {
	.name = "core",
	.family = NETDEV_FAMILY_NAME,
	.recv_flags = MSG_SOCK_DEVMEM,
	.needs_dmabuf = core_needs_dmabuf,
	.bind = core_bind,
	.prepare = core_prepare,
	.parse = core_parse,
	.dontneed = core_dontneed,
};

/* ------------------------------------------------------------------ ppiov */

static int ppiov_prepare(int fd)
{
	if (setsockopt(fd, IPPROTO_TCP, TCP_ULP, PPIOV_ULP_NAME,
		       sizeof(PPIOV_ULP_NAME)))
		return -errno;
	return 0;
}

/* struct ppiov_cmsg is laid out as core's: see uapi.h. */
static enum frag_kind ppiov_parse(const struct cmsghdr *cm,
				  struct devmem_cmsg *frag)
{
	if (cm->cmsg_level != SOL_PPIOV ||
	    (cm->cmsg_type != PPIOV_CMSG_DEVMEM &&
	     cm->cmsg_type != PPIOV_CMSG_LINEAR &&
	     cm->cmsg_type != PPIOV_CMSG_RING))
		return FRAG_NONE;
	memcpy(frag, CMSG_DATA(cm), sizeof(*frag));
	if (cm->cmsg_type == PPIOV_CMSG_RING)
		return FRAG_RING;
	return cm->cmsg_type == PPIOV_CMSG_DEVMEM ? FRAG_DEVMEM : FRAG_LINEAR;
}

static int ppiov_dontneed(int fd, const struct devmem_token *ranges, size_t n)
{
	return return_tokens(fd, SOL_PPIOV, PPIOV_DONTNEED, ranges, n);
}

static const struct backend ppiov_backend = {
	.name = "ppiov",
	.family = PPIOV_FAMILY_NAME,
	.needs_dmabuf = ppiov_needs_dmabuf,
	.bind = ppiov_bind_rx,
	.prepare = ppiov_prepare,
	.parse = ppiov_parse,
	.dontneed = ppiov_dontneed,
};

const struct backend *backend_get(enum backend_kind kind)
{
	return kind == BACKEND_PPIOV ? &ppiov_backend : &core_backend;
}
