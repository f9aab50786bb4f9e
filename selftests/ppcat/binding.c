// SPDX-License-Identifier: GPL-2.0-only
/* Memory and device together: what has to be there before a byte comes. */
#include "binding.h"

#include <errno.h>
#include <linux/ethtool_netlink.h>
#include <linux/netlink.h>
#include <net/if.h>
#include <string.h>

#include "ethtool.h"
#include "backend.h"
#include "netdev_nl.h"
#include "uapi.h"

/* Provider "ring" brings its memory itself, and takes no other. */
static int create_ring(struct binding *b, const struct options *o,
		       struct report *r)
{
	const char *step;
	int err;

	if (o->hugepages || o->duplicate_return || o->raws)
		return report_fail(r, EXIT_CANNOT, EINVAL,
				   "--hugepages, --duplicate-return, --dontneed-raw: not with provider ring");
	err = ring_create(&b->ring, &b->mem, o->memory_size, &step);
	if (err)
		report_fail(r, EXIT_CANNOT, -err, "%s failed", step);
	return err;
}

static int create_memory(struct memory *mem, const struct options *o,
			 struct report *r)
{
	const char *step;
	long limit;
	int err;

	err = memory_create(mem, o->memory_size, o->hugepages, &step);
	if (!err)
		return 0;

	report_fail(r, EXIT_CANNOT, -err, "%s failed", step);
	limit = memory_limit_mb();
	if (err == -ENOENT)
		report_hint(r, "the kernel needs CONFIG_UDMABUF");
	else if (err == -EINVAL && limit >= 0 &&
		 o->memory_size >> 20 > (size_t)limit)
		report_hint(r, "udmabuf's size_limit_mb is %ld", limit);
	else if (err == -ENOMEM && o->hugepages)
		report_hint(r, "are there free huge pages? see /proc/meminfo");
	return err;
}

/*
 * A device without a parent can't do DMA, and up to Linux 6.12 a bind to one
 * makes dma_buf_attach() WARN instead of refusing. So ask before.
 */
static int check_parent(struct binding *b, const struct options *o,
			struct report *r)
{
	struct nl route;
	bool parent;
	int err;

	err = nl_open(&route, NETLINK_ROUTE);
	if (err)
		return report_fail(r, EXIT_CANNOT, -err, "rtnetlink failed");
	err = netdev_has_parent(&route, b->ifindex, &parent);
	nl_close(&route);
	if (err)
		return report_fail(r, EXIT_CANNOT, -err,
				   "asking for the link %s failed", o->ifname);
	if (!parent)
		return report_fail(r, EXIT_CANNOT, EOPNOTSUPP,
				   "%s has no parent device to do DMA",
				   o->ifname);
	return 0;
}

/* The setting without which payload doesn't come apart from headers. */
static int check_split(struct binding *b, const struct options *o,
		       struct report *r)
{
	struct nl nl;
	__u8 state;
	int err;

	err = nl_open_genl(&nl, ETHTOOL_GENL_NAME);
	if (err)
		return 0; /* only hints and --setup need to know */
	err = ethtool_get_split(&nl, b->ifindex, &state);
	if (err)
		goto out_close;

	if (o->setup && state != ETHTOOL_TCP_DATA_SPLIT_ENABLED) {
		err = ethtool_set_split(&nl, b->ifindex,
					ETHTOOL_TCP_DATA_SPLIT_ENABLED);
		if (err) {
			report_fail(r, EXIT_CANNOT, -err,
				    "turning on header split of %s failed",
				    o->ifname);
			report_extack(r, nl.extack);
			goto out_close;
		}
		b->split_was = state;
		b->split_changed = true;
	} else if (state == ETHTOOL_TCP_DATA_SPLIT_DISABLED) {
		report_hint(r, "split is off: ethtool -G %s tcp-data-split on",
			    o->ifname);
	}
	nl_close(&nl);
	return 0;

out_close:
	nl_close(&nl);
	return o->setup ? err : 0;
}

/* The socket that the binding will live with, and the memory for it. */
static int open_provider(struct binding *b, const struct options *o,
			 struct report *r)
{
	bool dmabuf;
	int err;

	b->backend = backend_get(o->backend);
	err = nl_open_genl(&b->nl, b->backend->family);
	if (err) {
		report_fail(r, EXIT_CANNOT, -err,
			    "the kernel has no %s netlink family",
			    b->backend->family);
		if (o->backend == BACKEND_PPIOV)
			report_hint(r, "is ppiov.ko loaded?");
		return err;
	}

	err = b->backend->needs_dmabuf(&b->nl, o->provider, &dmabuf);
	if (err) {
		report_fail(r, EXIT_CANNOT, -err,
			    "asking for provider %s failed", o->provider);
		report_extack(r, b->nl.extack);
		return err;
	}
	if (dmabuf && o->provider && !strcmp(o->provider, RING_PROVIDER))
		return create_ring(b, o, r);
	if (dmabuf)
		return create_memory(&b->mem, o, r);
	if (o->hugepages)
		return report_fail(r, EXIT_CANNOT, EINVAL,
				   "--hugepages: provider %s takes no dmabuf",
				   o->provider);
	return 0;
}

static int bind_queues(struct binding *b, const struct options *o,
		       struct report *r)
{
	struct bind_request req = {
		.ifindex = b->ifindex,
		.queue = o->queue,
		.queues = o->queues,
		.dmabuf_fd = -1,
		.provider = o->provider,
	};
	int err;

	if (b->mem.map)
		req.dmabuf_fd = b->mem.fd;
	else if (o->memory_given)
		req.size = o->memory_size;

	err = b->backend->bind(&b->nl, &req, &b->dmabuf_id);
	if (err) {
		report_fail(r, EXIT_CANNOT, -err, "binding %s to %s failed",
			    b->mem.map ? "the dmabuf" : o->provider, o->ifname);
		report_extack(r, b->nl.extack);
		if (err == -EPERM)
			report_hint(r, "it takes CAP_NET_ADMIN");
		return err;
	}
	b->active = true;
	return 0;
}

/* b must be zeroed. On failure, all that was done is undone and told to r. */
int binding_create(struct binding *b, const struct options *o, struct report *r)
{
	int err;

	b->ifindex = if_nametoindex(o->ifname);
	if (!b->ifindex)
		return report_fail(r, EXIT_CANNOT, errno, "no interface %s",
				   o->ifname);
	err = check_parent(b, o, r);
	if (err)
		return err;
	err = open_provider(b, o, r);
	if (err)
		goto err_destroy;
	err = check_split(b, o, r);
	if (err)
		goto err_destroy;
	err = bind_queues(b, o, r);
	if (err)
		goto err_destroy;
	return 0;

err_destroy:
	binding_destroy(b, o, r);
	return err;
}

static int add_rule(struct binding *b, const struct options *o,
		    const struct addr *to, struct report *r)
{
	__u32 queue = o->queue[(addr_port(to) - o->first_port) % o->queues];
	int err;

	err = ethtool_add_rule(o->ifname, to, queue, &b->rule[b->rules]);
	if (err) {
		report_fail(r, EXIT_CANNOT, -err,
			    "steering port %u to queue %u of %s failed",
			    addr_port(to), queue, o->ifname);
		report_hint(r, "is ethtool -K %s ntuple on?", o->ifname);
		return err;
	}
	b->rules++;
	return 0;
}

/* --setup: steer each port to one of the bound queues, in turn. */
int binding_setup(struct binding *b, const struct options *o, struct report *r)
{
	const int families[] = { AF_INET6, AF_INET };
	struct addr to;
	__u32 port;
	size_t i;
	int err;

	for (port = o->first_port; port <= o->last_port; port++) {
		for (i = 0; i < ARRAY_SIZE(families); i++) {
			addr_any(&to, families[i]);
			if (o->address) {
				err = addr_parse(o->address, &to);
				if (err)
					return err;
				if (to.sa.sa_family != families[i])
					continue;
			}
			addr_set_port(&to, port);
			err = add_rule(b, o, &to, r);
			if (err)
				return err;
		}
	}
	return 0;
}

/* Unbind; the memory stays readable. */
void binding_end(struct binding *b)
{
	nl_close(&b->nl);
	b->active = false;
}

static void restore_split(struct binding *b, const struct options *o,
			  struct report *r)
{
	struct nl nl;
	int err;

	err = nl_open_genl(&nl, ETHTOOL_GENL_NAME);
	if (!err) {
		err = ethtool_set_split(&nl, b->ifindex, b->split_was);
		nl_close(&nl);
	}
	if (err)
		report_fail(r, EXIT_TRANSFER, -err,
			    "restoring header split of %s failed", o->ifname);
}

void binding_destroy(struct binding *b, const struct options *o,
		     struct report *r)
{
	int err;

	while (b->rules) {
		err = ethtool_delete_rule(o->ifname, b->rule[--b->rules]);
		if (err)
			report_fail(r, EXIT_TRANSFER, -err,
				    "deleting flow rule %u of %s failed",
				    b->rule[b->rules], o->ifname);
	}
	binding_end(b);
	/* Not before the unbind: a bound queue needs the split */
	if (b->split_changed)
		restore_split(b, o, r);
	memory_destroy(&b->mem);
	ring_destroy(&b->ring);
}
