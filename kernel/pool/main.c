// SPDX-License-Identifier: GPL-2.0-only
/*
 * ppiov: page_pool_iov, memory providers and a way to a socket, as a module on
 * a stock kernel.
 */
#include <linux/module.h>
#include <linux/rcupdate.h>

#include "../compat/rcu.h"
#include "internal.h"

struct ppiov_part {
	int (*init)(void);
	void (*exit)(void);
};

/* In the order of init; exit goes the other way round. Read before the init
 * text is gone, and for .exit only afterwards.
 */
static const struct ppiov_part ppiov_parts[] __refconst = {
	{ ppiov_pool_init, ppiov_pool_exit },
	{ ppiov_carrier_init, ppiov_carrier_exit },
	{ ppiov_urgent_init, ppiov_urgent_exit },
	{ ppiov_provider_page_init, ppiov_provider_page_exit },
	{ ppiov_provider_hugepage_init, ppiov_provider_hugepage_exit },
	{ ppiov_provider_dmabuf_init, ppiov_provider_dmabuf_exit },
	{ ppiov_provider_zone_init, ppiov_provider_zone_exit },
	{ ppiov_provider_ring_init, ppiov_provider_ring_exit },
	{ ppiov_binding_init, ppiov_binding_exit },
	{ ppiov_tcp_init, ppiov_tcp_exit },
	{ ppiov_nl_init, ppiov_nl_exit },
};

static void ppiov_undo(unsigned int n)
{
	while (n--)
		ppiov_parts[n].exit();
}

static int __init ppiov_init(void)
{
	unsigned int i;
	int err;

	for (i = 0; i < ARRAY_SIZE(ppiov_parts); i++) {
		err = ppiov_parts[i].init();
		if (err) {
			ppiov_undo(i);
			return err;
		}
	}
	return 0;
}

static void __exit ppiov_exit(void)
{
	ppiov_undo(ARRAY_SIZE(ppiov_parts));
	/* The last carrier's complete() may have been preempted on its way
	 * out of our text.
	 */
	rcu_barrier();
	compat_synchronize_text();
}

module_init(ppiov_init);
module_exit(ppiov_exit);
MODULE_DESCRIPTION("page_pool_iov and pluggable memory providers");
MODULE_LICENSE("GPL");
