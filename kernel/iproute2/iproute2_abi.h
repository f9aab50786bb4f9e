/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The part of iproute2's interface to its link types that link_ppnic.c uses.
 *
 * `ip` looks for a link type it doesn't know in link_TYPE.so, in IP_LIB_DIR or
 * in its own library directory, and there for the symbol TYPE_link_util. It is
 * linked with --export-dynamic, so that such an object can call its helpers.
 * That is an interface in use for out-of-tree link types, though no header is
 * installed for it. What is used of it (tried with iproute2 6.1):
 *
 *  - the first members of struct link_util, up to print_help. Members behind
 *    those serve `ip link xstats` and the like; ip finds NULL in the reserve
 *    kept for them below;
 *  - addattr_l(), to append one attribute;
 *  - a request buffer of 1024 bytes behind the ifinfomsg, the limit that ip's
 *    own link types use.
 *
 * iplink_parse(), which ip's veth calls for its peer, is not used: its
 * arguments have changed between releases. For the same reason it does no harm
 * if a release calls parse_opt with one more argument.
 */
#ifndef IPROUTE2_ABI_H
#define IPROUTE2_ABI_H

#include <assert.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <stddef.h>
#include <stdio.h>

#define IPROUTE2_REQ_MAX 1024

struct link_util {
	struct link_util *next;
	const char *id;
	int maxattr;
	int (*parse_opt)(struct link_util *lu, int argc, char **argv,
			 struct nlmsghdr *n);
	void (*print_opt)(struct link_util *lu, FILE *f, struct rtattr *tb[]);
	void (*print_xstats)(struct link_util *lu, FILE *f, struct rtattr *tb);
	void (*print_help)(struct link_util *lu, int argc, char **argv,
			   FILE *f);
	void *reserved[8];
};

/* As the LP64 and ILP32 ABIs lay out what iproute2's ip_common.h declares. */
static_assert(offsetof(struct link_util, parse_opt) == 3 * sizeof(void *),
	      "parse_opt is the fourth word");
static_assert(offsetof(struct link_util, print_help) == 6 * sizeof(void *),
	      "print_help is the seventh word");

/* From ip itself. Returns -1 if @data doesn't fit into @maxlen. */
int addattr_l(struct nlmsghdr *n, int maxlen, int type, const void *data,
	      int alen);

#endif /* IPROUTE2_ABI_H */
