// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a meter has to say of things whose cost is known: whether it counts
 * instructions, and how it counts a copy.
 */
#include <linux/err.h>
#include <linux/mm.h>
#include <linux/mman.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/uaccess.h>

#include "../compat/mm.h"
#include "bench.h"

static void ppiov_meter_ten_loop(struct ppiov_bench_run *run, u32 n)
{
	u32 i;

	for (i = 0; i < n; i++)
		asm volatile("nop\n\tnop\n\tnop\n\tnop\n\tnop\n\t"
			     "nop\n\tnop\n\tnop\n\tnop\n\tnop"
			     :
			     :
			     : "memory");
	run->done += n;
}

/* Nothing at all: what is left of it is the error of the method. */
static void ppiov_meter_nothing_loop(struct ppiov_bench_run *run, u32 n)
{
	u32 i;

	for (i = 0; i < n; i++)
		barrier();
	run->done += n;
}

/* Two pages, from one to the other; the halves of @priv. */
static int ppiov_meter_copy_setup(struct ppiov_bench_run *run)
{
	run->priv = kvzalloc(2 * PAGE_SIZE, GFP_KERNEL);
	ppiov_bench_note(run, "bytes", PAGE_SIZE);
	return run->priv ? 0 : -ENOMEM;
}

static void ppiov_meter_copy_loop(struct ppiov_bench_run *run, u32 n)
{
	char *to = run->priv, *from = to + PAGE_SIZE;
	u32 i;

	for (i = 0; i < n; i++) {
		memcpy(to, from, PAGE_SIZE);
		barrier();
	}
	run->done += n;
}

static void ppiov_meter_copy_teardown(struct ppiov_bench_run *run)
{
	kvfree(run->priv);
}

/* The same to user space, where recv() has its buffers. */
struct ppiov_meter_user {
	unsigned long to;
	void *from;
	unsigned long missed;
};

static int ppiov_meter_user_setup(struct ppiov_bench_run *run)
{
	struct ppiov_meter_user *user = kzalloc_obj(*user);

	run->priv = user;
	run->p.process = true;
	if (!user)
		return -ENOMEM;
	user->from = kvzalloc(PAGE_SIZE, GFP_KERNEL);
	if (!user->from)
		return -ENOMEM;
	user->to = vm_mmap(NULL, 0, PAGE_SIZE, PROT_READ | PROT_WRITE,
			   MAP_ANONYMOUS | MAP_PRIVATE, 0);
	if (IS_ERR_VALUE(user->to))
		return (int)user->to;
	ppiov_bench_note(run, "bytes", PAGE_SIZE);
	return 0;
}

static void ppiov_meter_user_loop(struct ppiov_bench_run *run, u32 n)
{
	struct ppiov_meter_user *user = run->priv;
	u32 i;

	for (i = 0; i < n; i++)
		user->missed += copy_to_user((void __user *)user->to,
					     user->from, PAGE_SIZE);
	run->done += n;
}

static int ppiov_meter_user_check(struct ppiov_bench_run *run)
{
	struct ppiov_meter_user *user = run->priv;

	if (!user->missed)
		return 0;
	return ppiov_bench_refuse(run, -EXDEV, "%lu bytes were not copied",
				  user->missed);
}

static void ppiov_meter_user_teardown(struct ppiov_bench_run *run)
{
	struct ppiov_meter_user *user = run->priv;

	if (!user)
		return;
	if (user->to && !IS_ERR_VALUE(user->to))
		vm_munmap(user->to, PAGE_SIZE);
	kvfree(user->from);
	kfree(user);
}

static const struct ppiov_bench ppiov_meter_benches[] = {
	{ .name = "meter.ten", .loop = ppiov_meter_ten_loop },
	{ .name = "meter.nothing", .loop = ppiov_meter_nothing_loop },
	{ .name = "meter.copy",
	  .setup = ppiov_meter_copy_setup,
	  .loop = ppiov_meter_copy_loop,
	  .teardown = ppiov_meter_copy_teardown },
	{ .name = "meter.copyuser",
	  .setup = ppiov_meter_user_setup,
	  .loop = ppiov_meter_user_loop,
	  .check = ppiov_meter_user_check,
	  .teardown = ppiov_meter_user_teardown },
};

/**
 * ppiov_bench_meter_init() - offer the meter's own benchmarks
 *
 * Context: module init.
 * Return: 0 or -errno.
 */
int ppiov_bench_meter_init(void)
{
	return ppiov_bench_files_add(ppiov_meter_benches,
				     ARRAY_SIZE(ppiov_meter_benches));
}
