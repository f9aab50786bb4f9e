/* SPDX-License-Identifier: GPL-2.0-only */
/* What differs between kernels in what a module says about itself. */
#ifndef PPIOV_COMPAT_MODULE_H
#define PPIOV_COMPAT_MODULE_H

#include <linux/module.h>

/*
 * MODULE_IMPORT_NS() took a bare word and takes a string now. The tag that it
 * writes has always been the same.
 */
#define COMPAT_MODULE_IMPORT_NS(ns) MODULE_INFO(import_ns, ns)

#endif /* PPIOV_COMPAT_MODULE_H */
