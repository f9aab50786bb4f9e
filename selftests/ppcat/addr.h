/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef PPCAT_ADDR_H
#define PPCAT_ADDR_H

#include <linux/types.h>
#include <netinet/in.h>

#define ADDR_TEXT (INET6_ADDRSTRLEN + 20) /* with %scope */

struct addr {
	union {
		struct sockaddr sa;
		struct sockaddr_in in;
		struct sockaddr_in6 in6;
	};
	socklen_t len;
};

int addr_parse(const char *text, struct addr *a);
void addr_any(struct addr *a, int family);
void addr_set_port(struct addr *a, __u16 port);
__u16 addr_port(const struct addr *a);
void addr_format(const struct addr *a, char out[ADDR_TEXT]);
int addr_listen(struct addr *a, int backlog);

#endif
