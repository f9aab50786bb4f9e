/* SPDX-License-Identifier: GPL-2.0-only */
/* Urgent pointers, for urgent.c and the tests only. */
#ifndef PPIOV_URGENT_H
#define PPIOV_URGENT_H

#include <linux/types.h>

struct sk_buff;

#if IS_ENABLED(CONFIG_KUNIT)
bool ppiov_urgent_hide(struct sk_buff *skb, u32 at, bool whole, bool stdurg);
#endif

#endif /* PPIOV_URGENT_H */
