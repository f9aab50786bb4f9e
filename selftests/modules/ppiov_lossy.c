// SPDX-License-Identifier: GPL-2.0-only
/* Loses memory when it is loaded, so that a test can find it lost. */
#include <linux/module.h>
#include <linux/slab.h>

static unsigned int bytes = 1234;
module_param(bytes, uint, 0400);
MODULE_PARM_DESC(bytes, "bytes to lose");

static int __init ppiov_lossy_init(void)
{
	char *lost = kmalloc(bytes, GFP_KERNEL);

	if (!lost)
		return -ENOMEM;
	/* What it was is not to be guessed from another object. */
	memset(lost, 0, bytes);
	OPTIMIZER_HIDE_VAR(lost);
	return 0;
}
module_init(ppiov_lossy_init);

static void __exit ppiov_lossy_exit(void)
{
}
module_exit(ppiov_lossy_exit);

MODULE_DESCRIPTION("A leak on purpose, for the leak questions' own test");
MODULE_LICENSE("GPL");
