/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef PPCAT_BINDING_H
#define PPCAT_BINDING_H

#include <linux/types.h>
#include <stdbool.h>

#include "addr.h"
#include "backend.h"
#include "memory.h"
#include "nl.h"
#include "options.h"
#include "report.h"
#include "ring.h"

/* A rule for each port and family */
#define MAX_RULES (2 * MAX_PORTS)

/*
 * A provider of memory on some queues of a device, and what --setup changed for
 * it. The kernel ends the binding when nl's socket closes; packets that are
 * still in its memory keep that alive on their own.
 */
struct binding {
	const struct backend *backend;
	bool active;
	struct nl nl;      /* owned until binding_end() */
	struct memory mem; /* owned until binding_destroy(); may be absent */
	struct ring ring;  /* likewise; of mem */
	__u32 ifindex;
	__u32 dmabuf_id; /* still names late packets after binding_end() */
	__u8 split_was;  /* what to restore; valid if split_changed */
	bool split_changed;
	__u32 rule[MAX_RULES]; /* locations of rules to delete */
	size_t rules;
};

int binding_create(struct binding *b, const struct options *o,
		   struct report *r);
int binding_setup(struct binding *b, const struct options *o, struct report *r);
void binding_end(struct binding *b);
void binding_destroy(struct binding *b, const struct options *o,
		     struct report *r);

#endif
