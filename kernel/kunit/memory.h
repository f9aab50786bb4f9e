/* SPDX-License-Identifier: GPL-2.0-only */
/* A binding with memory, as an administrator brings it, without a NIC. */
#ifndef PPIOV_KUNIT_MEMORY_H
#define PPIOV_KUNIT_MEMORY_H

#include "../compat/kunit.h"

struct ppiov_binding;

struct ppiov_binding *ppiov_test_binding(struct kunit *test);

#endif /* PPIOV_KUNIT_MEMORY_H */
