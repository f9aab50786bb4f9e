// SPDX-License-Identifier: GPL-2.0-only
/*
 * Numeric addresses only: a test has no use for a resolver, and without
 * getaddrinfo() nothing stands in the way of a static link (given a libmnl.a).
 */
#include "addr.h"

#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

void addr_any(struct addr *a, int family)
{
	memset(a, 0, sizeof(*a));
	a->sa.sa_family = family;
	a->len = family == AF_INET ? sizeof(a->in) : sizeof(a->in6);
}

/*
 * "192.0.2.1", "2001:db8::1", "fe80::1%eth0". Returns 0, -EINVAL, -ENODEV for
 * an unknown scope or -EDESTADDRREQ for a link-local address without one.
 */
int addr_parse(const char *text, struct addr *a)
{
	const char *scope = strchr(text, '%');
	char host[INET6_ADDRSTRLEN];
	size_t len = scope ? (size_t)(scope - text) : strlen(text);

	if (len >= sizeof(host))
		return -EINVAL;
	memcpy(host, text, len);
	host[len] = '\0';

	addr_any(a, AF_INET);
	if (!scope && inet_pton(AF_INET, host, &a->in.sin_addr) == 1)
		return 0;

	addr_any(a, AF_INET6);
	if (inet_pton(AF_INET6, host, &a->in6.sin6_addr) != 1)
		return -EINVAL;
	if (scope) {
		a->in6.sin6_scope_id = if_nametoindex(scope + 1);
		return a->in6.sin6_scope_id ? 0 : -ENODEV;
	}
	return IN6_IS_ADDR_LINKLOCAL(&a->in6.sin6_addr) ? -EDESTADDRREQ : 0;
}

void addr_set_port(struct addr *a, __u16 port)
{
	if (a->sa.sa_family == AF_INET)
		a->in.sin_port = htons(port);
	else
		a->in6.sin6_port = htons(port);
}

__u16 addr_port(const struct addr *a)
{
	return ntohs(a->sa.sa_family == AF_INET ? a->in.sin_port :
						  a->in6.sin6_port);
}

void addr_format(const struct addr *a, char out[ADDR_TEXT])
{
	char scope[IF_NAMESIZE];
	size_t len;

	if (a->sa.sa_family == AF_INET) {
		inet_ntop(AF_INET, &a->in.sin_addr, out, ADDR_TEXT);
		return;
	}
	inet_ntop(AF_INET6, &a->in6.sin6_addr, out, ADDR_TEXT);
	if (!a->in6.sin6_scope_id ||
	    !if_indextoname(a->in6.sin6_scope_id, scope))
		return;
	len = strlen(out);
	snprintf(out + len, ADDR_TEXT - len, "%%%s", scope);
}

/*
 * A non-blocking listening socket, or -errno. a becomes the address as bound,
 * with the port that the kernel chose for port 0.
 */
int addr_listen(struct addr *a, int backlog)
{
	const int one = 1;
	int fd, err;

	fd = socket(a->sa.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC,
		    0);
	if (fd < 0)
		return -errno;
	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) ||
	    bind(fd, &a->sa, a->len) || listen(fd, backlog) ||
	    getsockname(fd, &a->sa, &a->len)) {
		err = -errno;
		close(fd);
		return err;
	}
	return fd;
}
