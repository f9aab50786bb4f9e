// SPDX-License-Identifier: GPL-2.0-only
/*
 * ppiov_ivshmem: the shared memory of QEMU's ivshmem-plain as device memory.
 *
 *   qemu ... -object memory-backend-file,id=hm,share=on,mem-path=F,size=64M \
 *	      -device ivshmem-plain,memdev=hm
 *
 * BAR 2 is the file F. It stands for the memory of an accelerator: a NIC
 * writes into it through a dma-buf (dmabuf.c), or through struct pages of
 * ZONE_DEVICE (zone_mib=, provider zone_device); and the host can tell from F
 * what was really written, with no help of the guest.
 */
#include <linux/fs.h>
#include <linux/idr.h>
#include <linux/module.h>
#include <linux/pci.h>
#include <linux/sizes.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <linux/wait_bit.h>

#include "../compat/mm.h"
#include "../include/ppiov/zone_device.h"
#include "../include/uapi/ppiov_ivshmem.h"
#include "ivshmem.h"

#define PPIOV_IVSHMEM_BAR 2

static unsigned int zone_mib;
module_param(zone_mib, uint, 0444);
MODULE_PARM_DESC(zone_mib,
		 "MiB at the end of each device's memory that become struct pages, for provider zone_device (default 0)");

static DEFINE_IDA(ppiov_ivshmem_ids);

static void ppiov_ivshmem_free(struct kref *ref)
{
	struct ppiov_ivshmem *ivs = container_of(ref, struct ppiov_ivshmem,
						 ref);

	ida_free(&ppiov_ivshmem_ids, ivs->id);
	mutex_destroy(&ivs->lock);
	kfree(ivs);
}

/**
 * ppiov_ivshmem_put() - drop a reference
 * @ivs: the device
 *
 * Context: process.
 */
void ppiov_ivshmem_put(struct ppiov_ivshmem *ivs)
{
	kref_put(&ivs->ref, ppiov_ivshmem_free);
}

/* ---------------------------------------------------- /dev/ppiov-ivshmemN */

static int ppiov_ivshmem_open(struct inode *inode, struct file *file)
{
	/* The driver's reference is held: misc_deregister() waits for us. */
	struct ppiov_ivshmem *ivs = container_of(file->private_data,
						 struct ppiov_ivshmem, misc);

	kref_get(&ivs->ref);
	file->private_data = ivs;
	return 0;
}

static int ppiov_ivshmem_close(struct inode *inode, struct file *file)
{
	ppiov_ivshmem_put(file->private_data);
	return 0;
}

static long ppiov_ivshmem_ioctl(struct file *file, unsigned int cmd,
				unsigned long arg)
{
	struct ppiov_ivshmem *ivs = file->private_data;
	void __user *user = (void __user *)arg;
	struct ppiov_ivshmem_export export;
	struct ppiov_ivshmem_info info = {};
	int fd;

	switch (cmd) {
	case PPIOV_IVSHMEM_IOC_INFO:
		info.size = ivs->size;
		info.zone_size = ivs->zone_size;
		return copy_to_user(user, &info, sizeof(info)) ? -EFAULT : 0;
	case PPIOV_IVSHMEM_IOC_EXPORT:
		if (copy_from_user(&export, user, sizeof(export)))
			return -EFAULT;
		fd = ppiov_ivshmem_export(ivs, &export);
		if (fd < 0)
			return fd;
		/* The fd is installed, and stays if this fails: it is in the
		 * process's table, which closes it.
		 */
		export.fd = fd;
		if (copy_to_user(user, &export, sizeof(export)))
			return -EFAULT;
		return 0;
	default:
		return -ENOTTY;
	}
}

static const struct file_operations ppiov_ivshmem_fops = {
	.owner = THIS_MODULE,
	.open = ppiov_ivshmem_open,
	.release = ppiov_ivshmem_close,
	.unlocked_ioctl = ppiov_ivshmem_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
};

/* --------------------------------------------------------------- the device */

/* The end of the memory becomes struct pages, if the kernel can do that. */
static int ppiov_ivshmem_add_zone(struct ppiov_ivshmem *ivs)
{
	u64 size = (u64)zone_mib * SZ_1M;
	struct ppiov_zone *zone;

	if (!size)
		return 0;
	if (size > ivs->size)
		return dev_err_probe(&ivs->pdev->dev, -EINVAL,
				     "zone_mib=%u, but the memory has %llu MiB\n",
				     zone_mib, ivs->size / SZ_1M);

	zone = ppiov_zone_add(&ivs->pdev->dev, ivs->phys + ivs->size - size,
			      size);
	if (PTR_ERR_OR_ZERO(zone) == -EOPNOTSUPP)
		return 0; /* said by zone_device; exports still work */
	if (IS_ERR(zone))
		return dev_err_probe(&ivs->pdev->dev, PTR_ERR(zone),
				     "no struct pages for %u MiB\n", zone_mib);
	ivs->zone = zone;
	ivs->zone_size = size;
	ivs->size -= size;
	return 0;
}

static int ppiov_ivshmem_probe(struct pci_dev *pdev,
			       const struct pci_device_id *id)
{
	struct ppiov_ivshmem *ivs;
	int err;

	if (!(pci_resource_flags(pdev, PPIOV_IVSHMEM_BAR) & IORESOURCE_MEM))
		return dev_err_probe(&pdev->dev, -ENODEV,
				     "no shared memory in BAR 2\n");

	ivs = kzalloc_obj(*ivs);
	if (!ivs)
		return -ENOMEM;
	kref_init(&ivs->ref);
	mutex_init(&ivs->lock);
	ivs->pdev = pdev;
	ivs->phys = pci_resource_start(pdev, PPIOV_IVSHMEM_BAR);
	ivs->size = pci_resource_len(pdev, PPIOV_IVSHMEM_BAR);
	ivs->id = ida_alloc(&ppiov_ivshmem_ids, GFP_KERNEL);
	if (ivs->id < 0) {
		err = ivs->id;
		kfree(ivs);
		return err;
	}

	err = pci_enable_device_mem(pdev);
	if (err)
		goto err_put;
	err = pci_request_region(pdev, PPIOV_IVSHMEM_BAR, KBUILD_MODNAME);
	if (err)
		goto err_disable;
	err = ppiov_ivshmem_add_zone(ivs);
	if (err)
		goto err_region;

	snprintf(ivs->name, sizeof(ivs->name), "ppiov-ivshmem%d", ivs->id);
	ivs->misc.minor = MISC_DYNAMIC_MINOR;
	ivs->misc.name = ivs->name;
	ivs->misc.fops = &ppiov_ivshmem_fops;
	ivs->misc.parent = &pdev->dev;
	pci_set_drvdata(pdev, ivs);
	err = misc_register(&ivs->misc);
	if (err)
		goto err_zone;
	return 0;

err_zone:
	if (ivs->zone)
		ppiov_zone_del(ivs->zone);
err_region:
	pci_release_region(pdev, PPIOV_IVSHMEM_BAR);
err_disable:
	pci_disable_device(pdev);
err_put:
	ppiov_ivshmem_put(ivs);
	return err;
}

static void ppiov_ivshmem_remove(struct pci_dev *pdev)
{
	struct ppiov_ivshmem *ivs = pci_get_drvdata(pdev);

	misc_deregister(&ivs->misc);

	mutex_lock(&ivs->lock);
	WRITE_ONCE(ivs->gone, true);
	mutex_unlock(&ivs->lock);

	/* Importers that attached for good can't be told to let go. */
	while (!wait_var_event_timeout(&ivs->maps, !atomic_read(&ivs->maps),
				       10 * HZ))
		dev_warn(&pdev->dev, "waiting for %d mappings of its memory\n",
			 atomic_read(&ivs->maps));
	if (ivs->zone)
		ppiov_zone_del(ivs->zone);

	pci_release_region(pdev, PPIOV_IVSHMEM_BAR);
	pci_disable_device(pdev);
	ppiov_ivshmem_put(ivs);
}

static const struct pci_device_id ppiov_ivshmem_pci_ids[] = {
	{ PCI_DEVICE(PCI_VENDOR_ID_REDHAT_QUMRANET, 0x1110) }, {}
};
MODULE_DEVICE_TABLE(pci, ppiov_ivshmem_pci_ids);

static struct pci_driver ppiov_ivshmem_driver = {
	.name = KBUILD_MODNAME,
	.id_table = ppiov_ivshmem_pci_ids,
	.probe = ppiov_ivshmem_probe,
	.remove = ppiov_ivshmem_remove,
};

static int __init ppiov_ivshmem_init(void)
{
	return pci_register_driver(&ppiov_ivshmem_driver);
}

static void __exit ppiov_ivshmem_exit(void)
{
	pci_unregister_driver(&ppiov_ivshmem_driver);
	ida_destroy(&ppiov_ivshmem_ids);
}

module_init(ppiov_ivshmem_init);
module_exit(ppiov_ivshmem_exit);
MODULE_DESCRIPTION("dma-bufs and ZONE_DEVICE pages over QEMU's ivshmem");
MODULE_LICENSE("GPL");
