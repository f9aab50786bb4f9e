// SPDX-License-Identifier: GPL-2.0-only
/* libmnl plus the two things that it leaves to us: ext-acks, family names. */
#include "nl.h"

#include <errno.h>
#include <linux/genetlink.h>
#include <linux/netlink.h>
#include <stdio.h>
#include <string.h>

#include "util.h"

struct talk {
	struct nl *nl;
	mnl_cb_t reply;
	void *arg;
	int err; /* of the kernel's answer, negative */
};

int nl_open(struct nl *nl, int bus)
{
	int one = 1;
	int err;

	memset(nl, 0, sizeof(*nl));
	nl->sock = mnl_socket_open2(bus, SOCK_CLOEXEC);
	if (!nl->sock)
		return -errno;
	if (mnl_socket_bind(nl->sock, 0, MNL_SOCKET_AUTOPID)) {
		err = -errno;
		nl_close(nl);
		return err;
	}
	/* Without them we learn less, but nothing else is lost */
	mnl_socket_setsockopt(nl->sock, NETLINK_EXT_ACK, &one, sizeof(one));
	mnl_socket_setsockopt(nl->sock, NETLINK_CAP_ACK, &one, sizeof(one));
	return 0;
}

void nl_close(struct nl *nl)
{
	if (nl->sock)
		mnl_socket_close(nl->sock);
	nl->sock = NULL;
}

struct nlmsghdr *nl_genl_request(struct nl *nl, void *buf, __u8 cmd,
				 __u8 version)
{
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
	struct genlmsghdr *genl;

	nlh->nlmsg_type = nl->family;
	genl = mnl_nlmsg_put_extra_header(nlh, sizeof(*genl));
	genl->cmd = cmd;
	genl->version = version;
	return nlh;
}

/*
 * The words of an ext-ack, and which attribute they are about. The kernel
 * points to a bad attribute by its offset in our request, and to a missing
 * one by its type.
 */
static int on_extack(const struct nlattr *attr, void *arg)
{
	struct nl *nl = arg;
	size_t len = strlen(nl->extack);
	char *end = nl->extack + len;
	size_t room = sizeof(nl->extack) - len;
	const char *gap = len ? "; " : "";

	switch (mnl_attr_get_type(attr)) {
	case NLMSGERR_ATTR_MSG:
		if (!mnl_attr_validate(attr, MNL_TYPE_NUL_STRING))
			snprintf(end, room, "%s%s", gap,
				 mnl_attr_get_str(attr));
		break;
	case NLMSGERR_ATTR_OFFS:
		if (!mnl_attr_validate(attr, MNL_TYPE_U32))
			snprintf(end, room, "%sattribute at offset %u", gap,
				 mnl_attr_get_u32(attr));
		break;
	case NLMSGERR_ATTR_MISS_TYPE:
		if (!mnl_attr_validate(attr, MNL_TYPE_U32))
			snprintf(end, room, "%smissing attribute type %u", gap,
				 mnl_attr_get_u32(attr));
		break;
	}
	return MNL_CB_OK;
}

static int on_error(const struct nlmsghdr *nlh, void *arg)
{
	const struct nlmsgerr *err = mnl_nlmsg_get_payload(nlh);
	struct talk *t = arg;
	size_t tlvs = sizeof(*err);

	if (mnl_nlmsg_get_payload_len(nlh) < sizeof(*err)) {
		t->err = -EBADMSG;
		return MNL_CB_ERROR;
	}

	t->err = err->error;
	if (!(nlh->nlmsg_flags & NLM_F_CAPPED))
		tlvs += mnl_nlmsg_get_payload_len(&err->msg);
	if (nlh->nlmsg_flags & NLM_F_ACK_TLVS)
		mnl_attr_parse(nlh, tlvs, on_extack, t->nl);
	return t->err ? MNL_CB_ERROR : MNL_CB_STOP;
}

/* A dump ends with its errno, and may carry an ext-ack too. */
static int on_done(const struct nlmsghdr *nlh, void *arg)
{
	struct talk *t = arg;

	if (mnl_nlmsg_get_payload_len(nlh) >= sizeof(int))
		t->err = *(int *)mnl_nlmsg_get_payload(nlh);
	if (nlh->nlmsg_flags & NLM_F_ACK_TLVS)
		mnl_attr_parse(nlh, sizeof(int), on_extack, t->nl);
	return t->err ? MNL_CB_ERROR : MNL_CB_STOP;
}

static int on_reply(const struct nlmsghdr *nlh, void *arg)
{
	struct talk *t = arg;

	return t->reply ? t->reply(nlh, t->arg) : MNL_CB_OK;
}

/*
 * Send req and hear the kernel out; reply is called for each message of the
 * answer. Returns 0 or -errno; nl->extack holds what else the kernel said,
 * which it may do with success too.
 */
int nl_talk(struct nl *nl, struct nlmsghdr *req, mnl_cb_t reply, void *arg)
{
	mnl_cb_t control[] = {
		[NLMSG_ERROR] = on_error,
		[NLMSG_DONE] = on_done,
	};
	struct talk t = { .nl = nl, .reply = reply, .arg = arg };
	unsigned int portid = mnl_socket_get_portid(nl->sock);
	char buf[32768];
	ssize_t len;
	int ret;

	nl->extack[0] = '\0';
	req->nlmsg_flags |= NLM_F_REQUEST | NLM_F_ACK;
	req->nlmsg_seq = ++nl->seq;
	if (mnl_socket_sendto(nl->sock, req, req->nlmsg_len) < 0)
		return -errno;

	do {
		len = mnl_socket_recvfrom(nl->sock, buf, sizeof(buf));
		if (len < 0)
			return -errno;
		ret = mnl_cb_run2(buf, len, nl->seq, portid, on_reply, &t,
				  control, ARRAY_SIZE(control));
	} while (ret == MNL_CB_OK);

	if (ret == MNL_CB_STOP)
		return 0;
	return t.err ? t.err : -errno;
}

static int on_family_attr(const struct nlattr *attr, void *arg)
{
	struct nl *nl = arg;

	if (mnl_attr_get_type(attr) == CTRL_ATTR_FAMILY_ID &&
	    !mnl_attr_validate(attr, MNL_TYPE_U16))
		nl->family = mnl_attr_get_u16(attr);
	return MNL_CB_OK;
}

static int on_family(const struct nlmsghdr *nlh, void *arg)
{
	return mnl_attr_parse(nlh, sizeof(struct genlmsghdr), on_family_attr,
			      arg);
}

/* Returns 0 or -errno; -ENOENT if the kernel has no such family. */
int nl_open_genl(struct nl *nl, const char *family)
{
	char buf[NL_BUFFER];
	struct nlmsghdr *req;
	int err;

	err = nl_open(nl, NETLINK_GENERIC);
	if (err)
		return err;

	nl->family = GENL_ID_CTRL;
	req = nl_genl_request(nl, buf, CTRL_CMD_GETFAMILY, 1);
	mnl_attr_put_strz(req, CTRL_ATTR_FAMILY_NAME, family);
	err = nl_talk(nl, req, on_family, nl);
	if (!err && nl->family == GENL_ID_CTRL)
		err = -EBADMSG;
	if (err)
		nl_close(nl);
	return err;
}
