// SPDX-License-Identifier: GPL-2.0-only
/*
 * /dev/ppiov-ring: tokens go back without a system call. The kernel's side is
 * kernel/include/uapi/ppiov_ring.h.
 */
#include "ring.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#define SMALLEST_BUFFER 4096

/* A token for each buffer, and one more where a read ends within it. */
static __u32 entries_for(size_t size)
{
	__u32 entries = 1;

	while (entries < PPIOV_RING_MAX_ENTRIES &&
	       entries < 2 * (size / SMALLEST_BUFFER))
		entries *= 2;
	return entries;
}

static int map_both(struct ring *ring, struct memory *m, const char **step)
{
	*step = "mapping the ring";
	ring->map = mmap(NULL, ring->size, PROT_READ | PROT_WRITE, MAP_SHARED,
			 ring->fd, 0);
	if (ring->map == MAP_FAILED) {
		ring->map = NULL;
		return -errno;
	}
	*step = "mapping the ring's memory";
	m->map = mmap(NULL, m->size, PROT_READ, MAP_SHARED, m->fd, 0);
	if (m->map == MAP_FAILED) {
		m->map = NULL;
		return -errno;
	}
	return 0;
}

/*
 * Both are zero before. size is rounded up to whole pages. Returns 0 or
 * -errno, *step telling what failed.
 */
int ring_create(struct ring *ring, struct memory *m, size_t size,
		const char **step)
{
	size_t page = sysconf(_SC_PAGESIZE);
	struct ppiov_ring_create create = {
		.size = (size + page - 1) / page * page,
		.entries = entries_for(size),
		.dmabuf_fd = -1,
	};
	int err;

	*step = "opening /dev/ppiov-ring";
	ring->fd = open("/dev/ppiov-ring", O_RDWR | O_CLOEXEC);
	if (ring->fd < 0)
		return -errno;

	*step = "creating the ring";
	if (ioctl(ring->fd, PPIOV_RING_IOC_CREATE, &create)) {
		err = -errno;
		goto err_close;
	}
	ring->size = create.ring_size;
	ring->entries = create.entries;
	m->fd = create.dmabuf_fd;
	m->size = create.size;

	err = map_both(ring, m, step);
	if (err)
		goto err_unmap;
	return 0;

err_unmap:
	if (ring->map)
		munmap(ring->map, ring->size);
	ring->map = NULL;
	close(m->fd);
err_close:
	close(ring->fd);
	m->size = 0;
	return err;
}

/* No harm if there is none. */
void ring_destroy(struct ring *ring)
{
	if (!ring->map)
		return;
	munmap(ring->map, ring->size);
	ring->map = NULL;
	close(ring->fd);
}

/*
 * Return the oldest tokens until keep are left. There is always room: the
 * kernel has no more tokens out than the ring has entries.
 */
int ring_return(struct ring *ring, struct tokens *t, size_t keep,
		struct token_stats *stats)
{
	struct ppiov_ring_entry entry = { 0 };

	if (t->count <= keep)
		return 0;
	stats->calls++;
	while (t->count > keep) {
		entry.token = tokens_take(t);
		ring->map->entries[ring->tail++ & (ring->entries - 1)] = entry;
		stats->returned++;
		stats->freed++;
	}
	/* After the entries, which the kernel reads when it sees this. */
	__atomic_store_n(&ring->map->tail, ring->tail, __ATOMIC_RELEASE);
	return 0;
}

/* Entries so far that named no token that was out, by the kernel's count. */
__u64 ring_refused(struct ring *ring)
{
	if (!ring->map || ioctl(ring->fd, PPIOV_RING_IOC_FLUSH))
		return 0;
	return __atomic_load_n(&ring->map->invalid, __ATOMIC_RELAXED);
}
