/* SPDX-License-Identifier: GPL-2.0-only */
/* What differs between kernels in struct xfrmdev_ops. */
#ifndef PPIOV_COMPAT_XFRM_H
#define PPIOV_COMPAT_XFRM_H

#include <linux/netdevice.h>
#include <net/xfrm.h>

/*
 * Since 6.16 the ops are given the device, as a state may be a bond's. Before,
 * a bond said in the state for which of its devices it asks.
 *
 * COMPAT_XFRMDEV(NAME) makes ops of NAME_add(), _delete(), _free() and
 * _advance_esn(), all of which are given it; the last one of a bond that is
 * changing over NULL, or the bond.
 */
#ifdef HAVE_XDO_DEV_STATE_DEV
#define COMPAT_XFRMDEV(name)                                          \
	static void name##_advance_esn_compat(struct xfrm_state *x)   \
	{                                                             \
		name##_advance_esn(x->xso.real_dev ?: x->xso.dev, x); \
	}
#define COMPAT_XFRMDEV_OPS(name)               \
	.xdo_dev_state_add = name##_add,       \
	.xdo_dev_state_delete = name##_delete, \
	.xdo_dev_state_free = name##_free,     \
	.xdo_dev_state_advance_esn = name##_advance_esn_compat
#else
#define COMPAT_XFRMDEV(name)                                         \
	static int name##_add_compat(struct xfrm_state *x,           \
				     struct netlink_ext_ack *extack) \
	{                                                            \
		return name##_add(x->xso.real_dev, x, extack);       \
	}                                                            \
	static void name##_delete_compat(struct xfrm_state *x)       \
	{                                                            \
		name##_delete(x->xso.real_dev, x);                   \
	}                                                            \
	static void name##_free_compat(struct xfrm_state *x)         \
	{                                                            \
		name##_free(x->xso.real_dev, x);                     \
	}                                                            \
	static void name##_advance_esn_compat(struct xfrm_state *x)  \
	{                                                            \
		name##_advance_esn(x->xso.real_dev, x);              \
	}
#define COMPAT_XFRMDEV_OPS(name)                      \
	.xdo_dev_state_add = name##_add_compat,       \
	.xdo_dev_state_delete = name##_delete_compat, \
	.xdo_dev_state_free = name##_free_compat,     \
	.xdo_dev_state_advance_esn = name##_advance_esn_compat
#endif

#endif /* PPIOV_COMPAT_XFRM_H */
