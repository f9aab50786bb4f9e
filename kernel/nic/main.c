// SPDX-License-Identifier: GPL-2.0-only
/* ppnic: module entry and exit. */
#include <linux/module.h>
#include <net/rtnetlink.h>

#include "aead.h"
#include "ppnic.h"
#include "psp.h"

static int __init ppnic_init(void)
{
	int err;

	err = ppnic_dma_init();
	if (err)
		return err;

	err = ppnic_aead_init();
	if (err)
		goto err_dma;

	ppnic_fault_init();
	ppnic_psp_init();

	err = rtnl_link_register(&ppnic_link_ops);
	if (err)
		goto err_fault;

	return 0;

err_fault:
	ppnic_fault_exit();
	ppnic_aead_exit();
err_dma:
	ppnic_dma_exit();
	return err;
}

static void __exit ppnic_exit(void)
{
	/* Removes the links, hence all work that could make new mappings. */
	rtnl_link_unregister(&ppnic_link_ops);
	ppnic_fault_exit();
	ppnic_aead_exit();
	ppnic_dma_exit();
}

module_init(ppnic_init);
module_exit(ppnic_exit);

MODULE_DESCRIPTION("Software NIC with header split, page_pool and memory providers");
MODULE_LICENSE("GPL");
MODULE_ALIAS_RTNL_LINK(PPNIC_NAME);
