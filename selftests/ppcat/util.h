/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef PPCAT_UTIL_H
#define PPCAT_UTIL_H

#include <stddef.h>

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

/* Where checkpatch and clang-format want it differently */
/* clang-format off */
#define container_of(ptr, type, member) \
	((type *)(void *)((char *)(ptr) - offsetof(type, member)))

#ifndef __printf
#define __printf(a, b) __attribute__(( \
	format(printf, a, b)))
#endif
/* clang-format on */

#endif
