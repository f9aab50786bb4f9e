/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What differs between kernels in KUnit.
 *
 * KUnit's own macros tell them apart, so there is nothing to probe.
 */
#ifndef PPIOV_COMPAT_KUNIT_H
#define PPIOV_COMPAT_KUNIT_H

#include <kunit/test.h>

#ifdef kunit_warning_suppress
#define HAVE_KUNIT_WARNING_SUPPRESS
#endif
/* Came together with the test as the first argument of a generator. */
#ifdef KUNIT_CASE_PARAM_WITH_INIT
#define HAVE_KUNIT_PARAM_TEST
#endif

/*
 * A block in which the code under test warns. Where KUnit can't keep the
 * warning from the log, a line before it says that it is meant to be there.
 */
#ifdef HAVE_KUNIT_WARNING_SUPPRESS
#define compat_kunit_expect_warning(test) kunit_warning_suppress(test)
#else
static inline bool compat_kunit_announce_warning(struct kunit *test)
{
	kunit_info(test, "a warning is expected now");
	return true;
}

#define compat_kunit_expect_warning(test)                               \
	for (bool __once = compat_kunit_announce_warning(test); __once; \
	     __once = false)
#endif

/* The head of a function that generates parameters. */
#ifdef HAVE_KUNIT_PARAM_TEST
#define compat_kunit_gen_params(name)                                       \
	const void *name##_gen_params(struct kunit *test, const void *prev, \
				      char *desc)
#else
#define compat_kunit_gen_params(name) \
	const void *name##_gen_params(const void *prev, char *desc)
#endif

#endif /* PPIOV_COMPAT_KUNIT_H */
