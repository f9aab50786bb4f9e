// SPDX-License-Identifier: GPL-2.0-only
/*
 * Messages from hard interrupts, which come to each CPU in the midst of what it
 * does. Where consoles print at once, as on 6.12, netconsole sends from there.
 *
 * say=N: so many by each CPU, as lib/netconsole.py knows them.
 */
#include <linux/delay.h>
#include <linux/module.h>
#include <linux/smp.h>

static unsigned int say;
module_param(say, uint, 0);
MODULE_PARM_DESC(say, "messages by each CPU");

static void hardirq_say(void *number)
{
	pr_notice("ppiov netconsole: %u\n", *(unsigned int *)number);
}

static int __init hardirq_init(void)
{
	unsigned int i;

	for (i = 0; i < say; i++) {
		on_each_cpu(hardirq_say, &i, 1);
		usleep_range(1000, 2000);
	}
	return 0;
}
module_init(hardirq_init);

static void __exit hardirq_exit(void)
{
}
module_exit(hardirq_exit);

MODULE_DESCRIPTION("messages from hard interrupts");
MODULE_LICENSE("GPL");
