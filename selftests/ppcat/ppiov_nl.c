// SPDX-License-Identifier: GPL-2.0-only
/* What ppcat asks of the ppiov family (kernel/netlink/ppiov.yaml). */
#include "ppiov_nl.h"

#include <errno.h>
#include <linux/genetlink.h>

#include "uapi.h"

/* A number of the answer */
struct answer {
	__u16 type; /* of the attribute */
	bool known;
	__u32 value;
};

static int on_attr(const struct nlattr *attr, void *arg)
{
	struct answer *a = arg;

	if (mnl_attr_get_type(attr) == a->type &&
	    !mnl_attr_validate(attr, MNL_TYPE_U32)) {
		a->known = true;
		a->value = mnl_attr_get_u32(attr);
	}
	return MNL_CB_OK;
}

static int on_message(const struct nlmsghdr *nlh, void *arg)
{
	return mnl_attr_parse(nlh, sizeof(struct genlmsghdr), on_attr, arg);
}

static int ask(struct nl *nl, struct nlmsghdr *req, struct answer *a)
{
	int err = nl_talk(nl, req, on_message, a);

	if (err)
		return err;
	return a->known ? 0 : -EBADMSG;
}

int ppiov_needs_dmabuf(struct nl *nl, const char *provider, bool *yes)
{
	struct answer flags = { .type = PPIOV_A_PROVIDER_FLAGS };
	char buf[NL_BUFFER];
	struct nlmsghdr *req;
	int err;

	req = nl_genl_request(nl, buf, PPIOV_CMD_PROVIDER_GET,
			      PPIOV_FAMILY_VERSION);
	mnl_attr_put_strz(req, PPIOV_A_PROVIDER_NAME, provider);
	err = ask(nl, req, &flags);
	*yes = flags.value & PPIOV_PROVIDER_FLAG_DMABUF;
	return err;
}

int ppiov_bind_rx(struct nl *nl, const struct bind_request *req, __u32 *id)
{
	struct answer bound = { .type = PPIOV_A_BINDING_ID };
	char buf[NL_BUFFER];
	struct nlmsghdr *nlh;
	size_t i;
	int err;

	nlh = nl_genl_request(nl, buf, PPIOV_CMD_BIND_RX, PPIOV_FAMILY_VERSION);
	mnl_attr_put_u32(nlh, PPIOV_A_BINDING_IFINDEX, req->ifindex);
	for (i = 0; i < req->queues; i++)
		mnl_attr_put_u32(nlh, PPIOV_A_BINDING_QUEUES, req->queue[i]);
	mnl_attr_put_strz(nlh, PPIOV_A_BINDING_PROVIDER, req->provider);
	if (req->dmabuf_fd >= 0)
		mnl_attr_put_u32(nlh, PPIOV_A_BINDING_DMABUF_FD,
				 req->dmabuf_fd);
	if (req->size)
		mnl_attr_put_u64(nlh, PPIOV_A_BINDING_SIZE, req->size);

	err = ask(nl, nlh, &bound);
	*id = bound.value;
	return err;
}

int ppiov_bind_tx(struct nl *nl, __u32 ifindex, int dmabuf_fd, __u32 *id)
{
	struct answer bound = { .type = PPIOV_A_BINDING_ID };
	char buf[NL_BUFFER];
	struct nlmsghdr *nlh;
	int err;

	nlh = nl_genl_request(nl, buf, PPIOV_CMD_BIND_TX, PPIOV_FAMILY_VERSION);
	mnl_attr_put_u32(nlh, PPIOV_A_BINDING_IFINDEX, ifindex);
	mnl_attr_put_u32(nlh, PPIOV_A_BINDING_DMABUF_FD, dmabuf_fd);
	err = ask(nl, nlh, &bound);
	*id = bound.value;
	return err;
}
