// SPDX-License-Identifier: GPL-2.0-only
/*
 * link_ppnic.so: teaches a stock `ip` the words
 *
 *   ip link add NAME type ppnic [ peer [ name ] NAME [ OPTIONS ] ]
 *
 * What of iproute2 it relies on stands in iproute2_abi.h. The peer takes the
 * options listed in usage(), no others.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/if_ether.h>
#include <linux/if_link.h>
#include <net/if.h>
#include <netinet/ether.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../include/ppnic_link.h"
#include "iproute2_abi.h"

#define MAX_QUEUES    128 /* as the driver has it */
#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

/* A numeric option of the peer. */
struct number {
	const char *word;
	unsigned short attr;
	unsigned int min;
	unsigned int max;
};

static const struct number numbers[] = {
	{ "numrxqueues", IFLA_NUM_RX_QUEUES, 1, MAX_QUEUES },
	{ "numtxqueues", IFLA_NUM_TX_QUEUES, 1, MAX_QUEUES },
	{ "mtu", IFLA_MTU, 0, INT_MAX },
	{ "txqueuelen", IFLA_TXQLEN, 0, INT_MAX },
};

static void usage(FILE *f)
{
	fprintf(f,
		"Usage: ... ppnic [ peer [ name ] NAME [ OPTIONS ] ]\n"
		"\n"
		"Two linked ports of a software NIC. Words before \"type\" are for the\n"
		"first port, those after \"peer\" for the second. Without a peer, or a\n"
		"name for it, the kernel names the second port.\n"
		"\n"
		"OPTIONS := [ numrxqueues 1..%d ] [ numtxqueues 1..%d ]\n"
		"           [ address LLADDR ] [ mtu MTU ] [ txqueuelen PACKETS ]\n"
		"           [ index IFINDEX ] [ netns { NAME | PID } ]\n",
		MAX_QUEUES, MAX_QUEUES);
}

static int complain(const char *word, const char *value)
{
	if (value)
		fprintf(stderr,
			"ppnic: \"%s\" is not a valid value for \"%s\"\n",
			value, word);
	else
		fprintf(stderr, "ppnic: \"%s\" needs a value\n", word);
	return -1;
}

static int number(const char *text, unsigned int min, unsigned int max,
		  unsigned int *value)
{
	unsigned long parsed;
	char *end;

	errno = 0;
	parsed = strtoul(text, &end, 0);
	if (errno || end == text || *end || *text == '-' || parsed < min ||
	    parsed > max)
		return -1;
	*value = parsed;
	return 0;
}

static int add_name(struct nlmsghdr *n, const char *name)
{
	size_t len = strlen(name);

	if (!len || len >= IFNAMSIZ || strpbrk(name, "/ \t"))
		return -1;
	return addattr_l(n, IPROUTE2_REQ_MAX, IFLA_IFNAME, name, len + 1);
}

static int add_address(struct nlmsghdr *n, const char *text)
{
	struct ether_addr *mac = ether_aton(text);

	return mac ? addattr_l(n, IPROUTE2_REQ_MAX, IFLA_ADDRESS, mac,
			       ETH_ALEN) :
		     -1;
}

/* A name comes first, as with ip's own "netns". */
static int add_netns(struct nlmsghdr *n, const char *text)
{
	char path[PATH_MAX];
	unsigned int pid;
	int fd;

	if (strlen(text) < NAME_MAX && !strchr(text, '/')) {
		snprintf(path, sizeof(path), "/run/netns/%s", text);
		/* Stays open: the request that names it is sent later, and ip
		 * ends after that.
		 */
		fd = open(path, O_RDONLY | O_CLOEXEC);
		if (fd >= 0)
			return addattr_l(n, IPROUTE2_REQ_MAX, IFLA_NET_NS_FD,
					 &fd, sizeof(fd));
	}
	if (number(text, 1, INT_MAX, &pid))
		return -1;
	return addattr_l(n, IPROUTE2_REQ_MAX, IFLA_NET_NS_PID, &pid,
			 sizeof(pid));
}

/* One option of the peer. Returns 1 if @word is none, -1 if it is wrong. */
static int add_option(struct nlmsghdr *n, struct ifinfomsg *peer,
		      const char *word, const char *value)
{
	unsigned int i, v;

	for (i = 0; i < ARRAY_SIZE(numbers); i++) {
		if (strcmp(word, numbers[i].word))
			continue;
		if (!value || number(value, numbers[i].min, numbers[i].max, &v))
			return complain(word, value);
		return addattr_l(n, IPROUTE2_REQ_MAX, numbers[i].attr, &v,
				 sizeof(v));
	}

	if (!strcmp(word, "index")) {
		if (!value || number(value, 1, INT_MAX, &v))
			return complain(word, value);
		peer->ifi_index = v;
		return 0;
	}
	if (!strcmp(word, "name"))
		return value && !add_name(n, value) ? 0 : complain(word, value);
	if (!strcmp(word, "address"))
		return value && !add_address(n, value) ? 0 :
							 complain(word, value);
	if (!strcmp(word, "netns"))
		return value && !add_netns(n, value) ? 0 :
						       complain(word, value);
	return 1;
}

static int parse_peer(int argc, char **argv, struct nlmsghdr *n,
		      struct ifinfomsg *peer)
{
	int i, ret;

	for (i = 0; i < argc; i += 2) {
		ret = add_option(n, peer, argv[i],
				 i + 1 < argc ? argv[i + 1] : NULL);
		if (ret < 0)
			return -1;
		if (!ret)
			continue;
		/* `peer b` is short for `peer name b`. */
		if (i > 0) {
			fprintf(stderr, "ppnic: unknown option \"%s\"\n",
				argv[i]);
			return -1;
		}
		if (add_name(n, argv[i]))
			return complain("name", argv[i]);
		i--;
	}
	return 0;
}

static int ppnic_parse_opt(struct link_util *lu, int argc, char **argv,
			   struct nlmsghdr *n)
{
	struct ifinfomsg none = { .ifi_family = AF_UNSPEC };
	struct ifinfomsg *peer;
	struct rtattr *nest;

	(void)lu;

	if (argc < 1)
		return 0;
	if (!strcmp(argv[0], "help")) {
		usage(stdout);
		return -1;
	}
	if (strcmp(argv[0], "peer")) {
		fprintf(stderr, "ppnic: expected \"peer\", got \"%s\"\n",
			argv[0]);
		usage(stderr);
		return -1;
	}

	/* The nest begins with an ifinfomsg, the peer's attributes follow. */
	nest = (void *)n + NLMSG_ALIGN(n->nlmsg_len);
	if (addattr_l(n, IPROUTE2_REQ_MAX, PPNIC_INFO_PEER, &none,
		      sizeof(none)))
		return -1;
	peer = RTA_DATA(nest);

	if (parse_peer(argc - 1, argv + 1, n, peer))
		return -1;

	nest->rta_len = (char *)n + NLMSG_ALIGN(n->nlmsg_len) - (char *)nest;
	return 0;
}

static void ppnic_print_help(struct link_util *lu, int argc, char **argv,
			     FILE *f)
{
	(void)lu;
	(void)argc;
	(void)argv;
	usage(f);
}

/*
 * No print_opt: the kernel reports no attributes of its own, as ip prints the
 * peer (a@b), the parent device and the queue counts of any link.
 */
struct link_util ppnic_link_util = {
	.id = "ppnic",
	.maxattr = PPNIC_INFO_MAX,
	.parse_opt = ppnic_parse_opt,
	.print_help = ppnic_print_help,
};
