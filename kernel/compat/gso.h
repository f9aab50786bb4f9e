/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What differs between kernels in what a super-packet can say of itself.
 *
 * That its segments keep the IPv4 id: until 6.18 there was one such bit, about
 * the header next to TCP. Then it was made two: of the outermost header, and of
 * that in a tunnel.
 */
#ifndef PPIOV_COMPAT_GSO_H
#define PPIOV_COMPAT_GSO_H

#include <linux/skbuff.h>

/* That all its segments have CWR, and not the first alone; 0: it can't. */
#ifdef HAVE_GSO_TCP_ACCECN
#define COMPAT_GSO_TCP_ACCECN ((u32)SKB_GSO_TCP_ACCECN)
#else
#define COMPAT_GSO_TCP_ACCECN 0U
#endif

/*
 * The bit for the header in a tunnel; 0: there is none, and what GRO joined
 * says "don't fragment" where the ids stay.
 */
#ifdef HAVE_GSO_FIXEDID_INNER
#define COMPAT_GSO_FIXEDID_INNER ((u32)SKB_GSO_TCP_FIXEDID_INNER)
#else
#define COMPAT_GSO_FIXEDID_INNER 0U
#endif

/* Does the outermost header's id stay? @encap: there is another one in it. */
static inline bool compat_gso_fixed_id(u32 gso_type, bool encap)
{
#ifdef HAVE_GSO_FIXEDID_INNER
	return gso_type & SKB_GSO_TCP_FIXEDID;
#else
	return gso_type & SKB_GSO_TCP_FIXEDID && !encap;
#endif
}

/* Does that in a tunnel stay? */
static inline bool compat_gso_fixed_inner_id(u32 gso_type)
{
#ifdef HAVE_GSO_FIXEDID_INNER
	return gso_type & SKB_GSO_TCP_FIXEDID_INNER;
#else
	return gso_type & SKB_GSO_TCP_FIXEDID;
#endif
}

#endif /* PPIOV_COMPAT_GSO_H */
