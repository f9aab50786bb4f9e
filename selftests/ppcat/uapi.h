/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The parts of the kernel's uAPI that ppcat needs and an older libc or
 * linux-libc-dev lacks (Debian 12 ships the headers of Linux 6.1).
 *
 * Macros can be probed, so they stand under #ifndef. Structs and enums can't:
 * <linux/uio.h> redefines the struct iovec of <sys/uio.h>, and <linux/netdev.h>
 * may be there and yet be too old to know bind-rx. So ppcat includes neither
 * and keeps its own copy of the few definitions it uses, which are ABI and
 * can't change.
 */
#ifndef PPCAT_UAPI_H
#define PPCAT_UAPI_H

#include <assert.h>
#include <linux/ioctl.h>
#include <linux/types.h>
#include <sys/socket.h>

/* include/linux/socket.h; not in any uapi header, but ABI all the same */
#ifndef MSG_SOCK_DEVMEM
#define MSG_SOCK_DEVMEM 0x2000000
#endif

/* include/uapi/asm-generic/socket.h and arch/{parisc,sparc}'s own */
#ifndef SO_DEVMEM_DONTNEED
#if defined(__hppa__)
#define SO_DEVMEM_LINEAR   0x404E
#define SO_DEVMEM_DMABUF   0x404F
#define SO_DEVMEM_DONTNEED 0x4050
#elif defined(__sparc__)
#define SO_DEVMEM_LINEAR   0x0057
#define SO_DEVMEM_DMABUF   0x0058
#define SO_DEVMEM_DONTNEED 0x0059
#else
#define SO_DEVMEM_LINEAR   78
#define SO_DEVMEM_DMABUF   79
#define SO_DEVMEM_DONTNEED 80
#endif
#endif

#ifndef SCM_DEVMEM_LINEAR
#define SCM_DEVMEM_LINEAR SO_DEVMEM_LINEAR
#define SCM_DEVMEM_DMABUF SO_DEVMEM_DMABUF
#endif

/* struct dmabuf_cmsg of include/uapi/linux/uio.h */
struct devmem_cmsg {
	__u64 frag_offset;
	__u32 frag_size;
	__u32 frag_token;
	__u32 dmabuf_id;
	__u32 flags;
};

/* struct dmabuf_token of include/uapi/linux/uio.h */
struct devmem_token {
	__u32 token_start;
	__u32 token_count;
};

/*
 * ppiov.ko's: kernel/include/uapi/ppiov_tcp.h and ppiov_netlink.h. Its struct
 * ppiov_cmsg and struct ppiov_token have the layout of the two above, with the
 * binding's id where the dmabuf's is; its limits are core's.
 */
#define PPIOV_ULP_NAME    "ppiov"
#define SOL_PPIOV         0x7070
#define PPIOV_CMSG_DEVMEM 1
#define PPIOV_CMSG_LINEAR 2
#define PPIOV_CMSG_RING   4
#define PPIOV_DONTNEED    1

#define PPIOV_CMSG_TX_DEVMEM 3

struct ppiov_tx_cmsg {
	__u32 binding;
	__u32 reserved;
};

#define PPIOV_FAMILY_NAME       "ppiov"
#define PPIOV_FAMILY_VERSION    1
#define PPIOV_PROVIDER_NAME_MAX 15
#define RING_PROVIDER           "ring"

enum {
	PPIOV_PROVIDER_FLAG_DMABUF = 2,
};

enum {
	PPIOV_A_PROVIDER_NAME = 1,
	PPIOV_A_PROVIDER_FLAGS = 2,
};

enum {
	PPIOV_A_BINDING_ID = 1,
	PPIOV_A_BINDING_IFINDEX = 2,
	PPIOV_A_BINDING_QUEUES = 3,
	PPIOV_A_BINDING_PROVIDER = 4,
	PPIOV_A_BINDING_DMABUF_FD = 5,
	PPIOV_A_BINDING_SIZE = 6,
};

enum {
	PPIOV_CMD_PROVIDER_GET = 1,
	PPIOV_CMD_BIND_RX = 2,
	PPIOV_CMD_BIND_TX = 10,
};

/* kernel/include/uapi/ppiov_ring.h */
#define PPIOV_RING_MAX_ENTRIES 32768

struct ppiov_ring_create {
	__u64 size;
	__u32 entries;
	__s32 dmabuf_fd;
	__u64 ring_size;
	__u64 reserved;
};

struct ppiov_ring_entry {
	__u32 token;
	__u32 reserved;
};

struct ppiov_ring {
	__u32 head;
	__u32 reserved0;
	__u64 invalid;
	__u64 reserved1[6];
	__u32 tail;
	__u32 reserved2[15];
	struct ppiov_ring_entry entries[];
};

#define PPIOV_RING_IOC_CREATE _IOWR(0xbe, 0x10, struct ppiov_ring_create)
#define PPIOV_RING_IOC_FLUSH  _IO(0xbe, 0x11)

static_assert(sizeof(struct ppiov_ring_create) == 32, "ABI");
static_assert(sizeof(struct ppiov_ring) == 128, "ABI");
static_assert(sizeof(struct devmem_cmsg) == 24, "ABI");
static_assert(sizeof(struct devmem_token) == 8, "ABI");

/* Limits of one SO_DEVMEM_DONTNEED call: net/core/sock.c */
#define MAX_DONTNEED_TOKENS 128
#define MAX_DONTNEED_FRAGS  1024

/* include/uapi/linux/netdev.h, generated from netlink/specs/netdev.yaml */
#define NETDEV_FAMILY_NAME    "netdev"
#define NETDEV_FAMILY_VERSION 1

enum {
	NETDEV_QUEUE_TYPE_RX = 0,
};

enum {
	NETDEV_A_QUEUE_ID = 1,
	NETDEV_A_QUEUE_IFINDEX = 2,
	NETDEV_A_QUEUE_TYPE = 3,
	NETDEV_A_QUEUE_NAPI_ID = 4,
};

enum {
	NETDEV_A_DMABUF_IFINDEX = 1,
	NETDEV_A_DMABUF_QUEUES = 2,
	NETDEV_A_DMABUF_FD = 3,
	NETDEV_A_DMABUF_ID = 4,
};

enum {
	NETDEV_CMD_QUEUE_GET = 10,
	NETDEV_CMD_BIND_RX = 13,
};

/*
 * include/linux/errno.h: never meant for user space, but recvmsg() returns
 * the first when the control buffer has no room for a single message, and
 * drivers return the second.
 */
#ifndef ETOOSMALL
#define ETOOSMALL 525
#endif
#ifndef ENOTSUPP
#define ENOTSUPP 524
#endif

#endif
