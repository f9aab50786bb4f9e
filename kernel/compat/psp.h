/* SPDX-License-Identifier: GPL-2.0-only */
/* Whether the kernel has devices that do PSP, by the interface known here. */
#ifndef PPIOV_COMPAT_PSP_H
#define PPIOV_COMPAT_PSP_H

#ifdef HAVE_PSP_DEV
#define COMPAT_PSP IS_ENABLED(CONFIG_INET_PSP)
#else
#define COMPAT_PSP 0
#endif

#endif /* PPIOV_COMPAT_PSP_H */
