/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * /dev/ppiov-ivshmemN: the shared memory of one of QEMU's ivshmem devices, as
 * dma-bufs. The memory is a PCI BAR: no CPU of the guest reads or writes it
 * through such a dma-buf, but the host sees what a device wrote there in the
 * file behind it.
 */
#ifndef _UAPI_PPIOV_IVSHMEM_H
#define _UAPI_PPIOV_IVSHMEM_H

#include <linux/ioctl.h>
#include <linux/types.h>

/**
 * struct ppiov_ivshmem_info - what the device has
 * @size: bytes that can be exported, from offset 0 on
 * @zone_size: bytes behind them that are struct pages, for the provider
 *	zone_device
 */
struct ppiov_ivshmem_info {
	__u64 size;
	__u64 zone_size;
};

/**
 * struct ppiov_ivshmem_export - make a dma-buf
 * @offset: in the device's memory, page aligned
 * @size: bytes, page aligned, not 0
 * @fd: out: the dma-buf, close-on-exec
 * @reserved: 0
 *
 * Two dma-bufs may share memory.
 */
struct ppiov_ivshmem_export {
	__u64 offset;
	__u64 size;
	__s32 fd;
	__u32 reserved;
};

/* 0xbe is nobody's in ioctl-number.rst; ppiov_ring.h has 0x10 to 0x1f of it. */
#define PPIOV_IVSHMEM_IOC_INFO   _IOR(0xbe, 0x00, struct ppiov_ivshmem_info)
#define PPIOV_IVSHMEM_IOC_EXPORT _IOWR(0xbe, 0x01, struct ppiov_ivshmem_export)

#endif /* _UAPI_PPIOV_IVSHMEM_H */
