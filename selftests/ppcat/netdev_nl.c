// SPDX-License-Identifier: GPL-2.0-only
/*
 * What ppcat asks of the netdev family (Documentation/netlink/specs/
 * netdev.yaml), and one question to rtnetlink.
 */
#include "netdev_nl.h"

#include <errno.h>
#include <linux/genetlink.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>

#include "uapi.h"

struct bound {
	bool known;
	__u32 id;
};

static int on_bound_attr(const struct nlattr *attr, void *arg)
{
	struct bound *b = arg;

	if (mnl_attr_get_type(attr) == NETDEV_A_DMABUF_ID &&
	    !mnl_attr_validate(attr, MNL_TYPE_U32)) {
		b->known = true;
		b->id = mnl_attr_get_u32(attr);
	}
	return MNL_CB_OK;
}

static int on_bound(const struct nlmsghdr *nlh, void *arg)
{
	return mnl_attr_parse(nlh, sizeof(struct genlmsghdr), on_bound_attr,
			      arg);
}

int netdev_bind_rx(struct nl *nl, __u32 ifindex, const __u32 *queue,
		   size_t queues, int dmabuf_fd, __u32 *dmabuf_id)
{
	struct bound bound = { 0 };
	char buf[NL_BUFFER];
	struct nlmsghdr *req;
	struct nlattr *nest;
	size_t i;
	int err;

	req = nl_genl_request(nl, buf, NETDEV_CMD_BIND_RX,
			      NETDEV_FAMILY_VERSION);
	mnl_attr_put_u32(req, NETDEV_A_DMABUF_IFINDEX, ifindex);
	mnl_attr_put_u32(req, NETDEV_A_DMABUF_FD, dmabuf_fd);
	for (i = 0; i < queues; i++) {
		nest = mnl_attr_nest_start(req, NETDEV_A_DMABUF_QUEUES);
		mnl_attr_put_u32(req, NETDEV_A_QUEUE_TYPE,
				 NETDEV_QUEUE_TYPE_RX);
		mnl_attr_put_u32(req, NETDEV_A_QUEUE_ID, queue[i]);
		mnl_attr_nest_end(req, nest);
	}

	err = nl_talk(nl, req, on_bound, &bound);
	if (err)
		return err;
	if (!bound.known)
		return -EBADMSG;
	*dmabuf_id = bound.id;
	return 0;
}

struct queue_search {
	__u32 napi_id;
	__u32 queue;
	bool found;
};

struct queue_attrs {
	__u32 value[NETDEV_A_QUEUE_NAPI_ID + 1];
	bool present[NETDEV_A_QUEUE_NAPI_ID + 1];
};

static int on_queue_attr(const struct nlattr *attr, void *arg)
{
	unsigned int type = mnl_attr_get_type(attr);
	struct queue_attrs *q = arg;

	if (type <= NETDEV_A_QUEUE_NAPI_ID &&
	    !mnl_attr_validate(attr, MNL_TYPE_U32)) {
		q->value[type] = mnl_attr_get_u32(attr);
		q->present[type] = true;
	}
	return MNL_CB_OK;
}

static int on_queue(const struct nlmsghdr *nlh, void *arg)
{
	struct queue_search *search = arg;
	struct queue_attrs q = { 0 };

	mnl_attr_parse(nlh, sizeof(struct genlmsghdr), on_queue_attr, &q);
	if (q.present[NETDEV_A_QUEUE_NAPI_ID] &&
	    q.value[NETDEV_A_QUEUE_NAPI_ID] == search->napi_id &&
	    q.value[NETDEV_A_QUEUE_TYPE] == NETDEV_QUEUE_TYPE_RX) {
		search->found = true;
		search->queue = q.value[NETDEV_A_QUEUE_ID];
	}
	return MNL_CB_OK;
}

/* -ENOENT if no RX queue of the device says that it has this NAPI. */
int netdev_queue_of_napi(struct nl *nl, __u32 ifindex, __u32 napi_id,
			 __u32 *queue)
{
	struct queue_search search = { .napi_id = napi_id };
	char buf[NL_BUFFER];
	struct nlmsghdr *req;
	int err;

	req = nl_genl_request(nl, buf, NETDEV_CMD_QUEUE_GET,
			      NETDEV_FAMILY_VERSION);
	req->nlmsg_flags = NLM_F_DUMP;
	mnl_attr_put_u32(req, NETDEV_A_QUEUE_IFINDEX, ifindex);
	err = nl_talk(nl, req, on_queue, &search);
	if (err)
		return err;
	if (!search.found)
		return -ENOENT;
	*queue = search.queue;
	return 0;
}

static int on_link_attr(const struct nlattr *attr, void *arg)
{
	if (mnl_attr_get_type(attr) == IFLA_PARENT_DEV_NAME)
		*(bool *)arg = true;
	return MNL_CB_OK;
}

static int on_link(const struct nlmsghdr *nlh, void *arg)
{
	return mnl_attr_parse(nlh, sizeof(struct ifinfomsg), on_link_attr, arg);
}

/*
 * Does the device stand on another one (PCI, platform, ...) that could do
 * DMA? sysfs would show the mounter's network namespace, so rtnetlink it is.
 */
int netdev_has_parent(struct nl *nl, __u32 ifindex, bool *yes)
{
	char buf[NL_BUFFER];
	struct nlmsghdr *req = mnl_nlmsg_put_header(buf);
	struct ifinfomsg *ifi;

	req->nlmsg_type = RTM_GETLINK;
	ifi = mnl_nlmsg_put_extra_header(req, sizeof(*ifi));
	ifi->ifi_family = AF_UNSPEC;
	ifi->ifi_index = ifindex;
	*yes = false;
	return nl_talk(nl, req, on_link, yes);
}
