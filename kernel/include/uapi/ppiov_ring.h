/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * /dev/ppiov-ring: memory for the provider "ring", and the ring that gives it
 * back.
 *
 *	fd = open("/dev/ppiov-ring", O_RDWR);
 *	ioctl(fd, PPIOV_RING_IOC_CREATE, &create);
 *	ring = mmap(NULL, create.ring_size, ..., MAP_SHARED, fd, 0);
 *	memory = mmap(NULL, create.size, ..., MAP_SHARED, create.dmabuf_fd, 0);
 *
 * Then bind-rx with provider "ring" and create.dmabuf_fd as dmabuf-fd.
 * recvmsg() says with PPIOV_CMSG_RING where in that memory payload is. All
 * payload of one packet that one recvmsg() hands out has one token. When user
 * space is done with it, it puts the token into the ring, once:
 *
 *	ring->entries[tail & (create.entries - 1)].token = token;
 *	__atomic_store_n(&ring->tail, ++tail, __ATOMIC_RELEASE);
 *
 * No more than create.entries tokens are out at a time, so the ring always has
 * room for all of them. The kernel looks at the ring when the NIC wants
 * buffers, in recvmsg(), and on PPIOV_RING_IOC_FLUSH.
 *
 * Closing the last copy of fd, and unmapping the ring, returns what is out.
 */
#ifndef _UAPI_PPIOV_RING_H
#define _UAPI_PPIOV_RING_H

#include <linux/ioctl.h>
#include <linux/const.h>
#include <linux/types.h>

#define PPIOV_RING_MAX_ENTRIES 32768
#define PPIOV_RING_MAX_SIZE    _BITULL(30)

/**
 * struct ppiov_ring_create - make the memory and the ring, once for a file
 * @size: of the memory, bytes: whole pages, up to PPIOV_RING_MAX_SIZE
 * @entries: of the ring: a power of two, up to PPIOV_RING_MAX_ENTRIES
 * @dmabuf_fd: out: the memory, close-on-exec
 * @ring_size: out: bytes to map
 * @reserved: 0
 */
struct ppiov_ring_create {
	__u64 size;
	__u32 entries;
	__s32 dmabuf_fd;
	__u64 ring_size;
	__u64 reserved;
};

/**
 * struct ppiov_ring_entry - a token that comes back
 * @token: from a control message
 * @reserved: 0
 */
struct ppiov_ring_entry {
	__u32 token;
	__u32 reserved;
};

/**
 * struct ppiov_ring - what is mapped
 * @head: entries that the kernel has taken, counted up; the kernel's
 * @invalid: entries that named no token that is out; the kernel's
 * @reserved0: 0
 * @reserved1: so that each side has a cache line of its own
 * @tail: entries that user space has put in, counted up; user space's
 * @reserved2: as @reserved1
 * @entries: user space's, from @head + the ring's size down to @tail
 *
 * What the kernel writes it never reads.
 */
struct ppiov_ring {
	__u32 head;
	__u32 reserved0;
	__u64 invalid;
	__u64 reserved1[6];
	__u32 tail;
	__u32 reserved2[15];
	struct ppiov_ring_entry entries[];
};

/* 0xbe is nobody's in ioctl-number.rst; see ppiov_ivshmem.h as well. */
#define PPIOV_RING_IOC_CREATE _IOWR(0xbe, 0x10, struct ppiov_ring_create)
#define PPIOV_RING_IOC_FLUSH  _IO(0xbe, 0x11)

#endif /* _UAPI_PPIOV_RING_H */
