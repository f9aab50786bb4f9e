/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef PPCAT_NL_H
#define PPCAT_NL_H

#include <libmnl/libmnl.h>
#include <linux/types.h>

#define NL_BUFFER 8192 /* a request with MAX_QUEUES queues fits */

/* A netlink socket that keeps what the kernel said about its last request. */
struct nl {
	struct mnl_socket *sock; /* owned; NULL: closed */
	__u16 family;            /* nlmsg_type of requests, once resolved */
	__u32 seq;
	char extack[256];
};

int nl_open(struct nl *nl, int bus);
int nl_open_genl(struct nl *nl, const char *family);
void nl_close(struct nl *nl);
struct nlmsghdr *nl_genl_request(struct nl *nl, void *buf, __u8 cmd,
				 __u8 version);
int nl_talk(struct nl *nl, struct nlmsghdr *req, mnl_cb_t reply, void *arg);

#endif
