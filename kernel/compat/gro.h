/* SPDX-License-Identifier: GPL-2.0-only */
/* What differs between kernels in what a super-packet can say of itself. */
#ifndef PPIOV_COMPAT_GRO_H
#define PPIOV_COMPAT_GRO_H

#include <linux/skbuff.h>

/* All frames of it have CWR, and not the first alone; 0: that can't be said. */
#ifdef HAVE_GSO_TCP_ACCECN
#define COMPAT_GRO_TCP_ACCECN ((u32)SKB_GSO_TCP_ACCECN)
#else
#define COMPAT_GRO_TCP_ACCECN 0U
#endif

/*
 * All frames of it have the same IPv4 id, in the outer header of a tunnel or in
 * the inner one; 0: of the two headers that can't be said apart, and it takes
 * "don't fragment".
 */
#ifdef HAVE_GSO_TCP_FIXEDID_INNER
#define COMPAT_GRO_TCP_FIXEDID_INNER ((u32)SKB_GSO_TCP_FIXEDID_INNER)
#else
#define COMPAT_GRO_TCP_FIXEDID_INNER 0U
#endif

#endif /* PPIOV_COMPAT_GRO_H */
