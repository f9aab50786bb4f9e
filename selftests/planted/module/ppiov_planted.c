// SPDX-License-Identifier: GPL-2.0-only
/* Warns when it is loaded, so that the harness can prove that it notices. */
#include <linux/bug.h>
#include <linux/module.h>

static int __init ppiov_planted_init(void)
{
	WARN(1, "planted on purpose\n");
	return 0;
}
module_init(ppiov_planted_init);

static void __exit ppiov_planted_exit(void)
{
}
module_exit(ppiov_planted_exit);

MODULE_DESCRIPTION("A warning on purpose, for the harness's own test");
MODULE_LICENSE("GPL");
