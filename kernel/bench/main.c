// SPDX-License-Identifier: GPL-2.0-only
/*
 * ppiov_bench: what the designs that were argued about cost.
 *
 * Each benchmark is a file below /sys/kernel/debug/ppiov_bench. Write its
 * parameters to run it, read it for the results: docs/bench.md.
 */
#include <linux/module.h>

#include "bench.h"

static int (*const ppiov_bench_inits[])(void) __initconst = {
	ppiov_bench_meter_init,    ppiov_bench_pool_init,
	ppiov_bench_core_init,     ppiov_bench_refs_init,
	ppiov_bench_lookup_init,   ppiov_bench_allocators_init,
	ppiov_bench_variants_init,
};

static int __init ppiov_bench_init(void)
{
	unsigned int i;
	int err;

	err = ppiov_bench_measure_init();
	if (err)
		return err;
	err = ppiov_bench_files_init();
	if (err)
		goto err_measure;
	for (i = 0; i < ARRAY_SIZE(ppiov_bench_inits); i++) {
		err = ppiov_bench_inits[i]();
		if (err)
			goto err_files;
	}
	return 0;

err_files:
	ppiov_bench_files_exit();
err_measure:
	ppiov_bench_measure_exit();
	return err;
}
module_init(ppiov_bench_init);

static void __exit ppiov_bench_exit(void)
{
	ppiov_bench_files_exit();
	ppiov_bench_measure_exit();
}
module_exit(ppiov_bench_exit);

MODULE_DESCRIPTION("Benchmarks of page_pool_iov, its alternatives and page_pool");
MODULE_LICENSE("GPL");
