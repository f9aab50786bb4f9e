/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef PPCAT_PPIOV_NL_H
#define PPCAT_PPIOV_NL_H

#include <linux/types.h>
#include <stdbool.h>

#include "backend.h"
#include "nl.h"

/* nl is the "ppiov" family; the binding lives as long as its socket. */
int ppiov_needs_dmabuf(struct nl *nl, const char *provider, bool *yes);
int ppiov_bind_rx(struct nl *nl, const struct bind_request *req, __u32 *id);
int ppiov_bind_tx(struct nl *nl, __u32 ifindex, int dmabuf_fd, __u32 *id);

#endif
