/* SPDX-License-Identifier: GPL-2.0-only */
/* ppiov_ivshmem: an ivshmem device, shared by main.c and dmabuf.c only. */
#ifndef PPIOV_IVSHMEM_H
#define PPIOV_IVSHMEM_H

#include <linux/kref.h>
#include <linux/miscdevice.h>
#include <linux/mutex.h>
#include <linux/types.h>

struct pci_dev;
struct ppiov_ivshmem_export;
struct ppiov_zone;

/**
 * struct ppiov_ivshmem - one device and its memory
 * @ref: held by the driver while it is bound, by each open file, and by each
 *	dma-buf. The memory itself can't be kept from going: see @maps.
 * @pdev: the driver's; a dma-buf may look at it while @gone is not set, under
 *	@lock
 * @phys: where the memory is
 * @size: bytes of it that can be exported
 * @zone_size: bytes behind them, given to provider zone_device
 * @zone: what it made of them; NULL if @zone_size is 0
 * @id: N of /dev/ppiov-ivshmemN; free again when @ref is 0
 * @misc: that
 * @name: of @misc
 * @lock: @gone
 * @gone: the driver is being unbound: nothing new is exported or mapped
 * @maps: mappings by importers, who can't be told to give them up; so unbind
 *	waits until there are none
 */
struct ppiov_ivshmem {
	struct kref ref;
	struct pci_dev *pdev;
	phys_addr_t phys;
	u64 size;
	u64 zone_size;
	struct ppiov_zone *zone;
	int id;
	struct miscdevice misc;
	char name[24];
	struct mutex lock; /* @gone */
	bool gone;
	atomic_t maps;
};

/* main.c */
void ppiov_ivshmem_put(struct ppiov_ivshmem *ivs);

/* dmabuf.c */
int ppiov_ivshmem_export(struct ppiov_ivshmem *ivs,
			 const struct ppiov_ivshmem_export *args);

#endif /* PPIOV_IVSHMEM_H */
