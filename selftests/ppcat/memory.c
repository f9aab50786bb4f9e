// SPDX-License-Identifier: GPL-2.0-only
/*
 * udmabuf over a memfd: the one dmabuf that every machine can have. What it
 * asks for is in drivers/dma-buf/udmabuf.c: a memfd sealed against shrinking
 * and not sealed against writing, whole pages, at most size_limit_mb of them.
 */
#include "memory.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/dma-buf.h>
#include <linux/udmabuf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static int sealed_memfd(size_t *size, bool hugepages, const char **step)
{
	unsigned int flags = MFD_CLOEXEC | MFD_ALLOW_SEALING;
	struct stat st;
	int fd, err;

	*step = hugepages ? "memfd_create of huge pages" : "memfd_create";
	fd = memfd_create("ppcat", flags | (hugepages ? MFD_HUGETLB : 0));
	if (fd < 0)
		return -errno;

	/* The block size of a memfd is its page size */
	*step = "sizing the memfd";
	if (fstat(fd, &st))
		goto err_close;
	*size = (*size + st.st_blksize - 1) / st.st_blksize * st.st_blksize;
	if (ftruncate(fd, *size))
		goto err_close;

	*step = "sealing the memfd";
	if (fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK))
		goto err_close;
	return fd;

err_close:
	err = -errno;
	close(fd);
	return err;
}

/*
 * size is rounded up to whole pages. Returns 0 or -errno, *step telling what
 * failed.
 */
int memory_create(struct memory *m, size_t size, bool hugepages,
		  const char **step)
{
	struct udmabuf_create create = { .flags = UDMABUF_FLAGS_CLOEXEC };
	int device, memfd, err;

	memfd = sealed_memfd(&size, hugepages, step);
	if (memfd < 0)
		return memfd;

	*step = "opening /dev/udmabuf";
	device = open("/dev/udmabuf", O_RDWR | O_CLOEXEC);
	if (device < 0) {
		err = -errno;
		goto err_close_memfd;
	}

	*step = "creating the udmabuf";
	create.memfd = memfd;
	create.size = size;
	m->fd = ioctl(device, UDMABUF_CREATE, &create);
	if (m->fd < 0) {
		err = -errno;
		goto err_close_device;
	}

	*step = "mapping the udmabuf";
	m->map = mmap(NULL, size, PROT_READ, MAP_SHARED, m->fd, 0);
	if (m->map == MAP_FAILED) {
		err = -errno;
		m->map = NULL;
		goto err_close_dmabuf;
	}

	/* The dmabuf has pinned the pages: it needs neither any more */
	close(device);
	close(memfd);
	m->size = size;
	m->reading = false;
	return 0;

err_close_dmabuf:
	close(m->fd);
err_close_device:
	close(device);
err_close_memfd:
	close(memfd);
	return err;
}

/* No harm if there is none. */
void memory_destroy(struct memory *m)
{
	if (!m->map)
		return;
	munmap(m->map, m->size);
	m->map = NULL;
	close(m->fd);
}

static int sync_cpu(const struct memory *m, __u64 flags)
{
	struct dma_buf_sync sync = { .flags = flags };
	int ret;

	/* The uAPI asks callers to retry both */
	do {
		ret = ioctl(m->fd, DMA_BUF_IOCTL_SYNC, &sync);
	} while (ret && (errno == EINTR || errno == EAGAIN));
	return ret ? -errno : 0;
}

/* What devices wrote is visible to us from here on. May be called twice. */
int memory_begin_read(struct memory *m)
{
	int err;

	if (m->reading)
		return 0;
	err = sync_cpu(m, DMA_BUF_SYNC_READ | DMA_BUF_SYNC_START);
	m->reading = !err;
	return err;
}

int memory_end_read(struct memory *m)
{
	if (!m->reading)
		return 0;
	m->reading = false;
	return sync_cpu(m, DMA_BUF_SYNC_READ | DMA_BUF_SYNC_END);
}

/* Put len bytes at its beginning, for devices to read. Returns 0 or -errno. */
int memory_write(struct memory *m, const void *data, size_t len)
{
	void *map;
	int err;

	map = mmap(NULL, m->size, PROT_WRITE, MAP_SHARED, m->fd, 0);
	if (map == MAP_FAILED)
		return -errno;
	err = sync_cpu(m, DMA_BUF_SYNC_WRITE | DMA_BUF_SYNC_START);
	if (!err) {
		memcpy(map, data, len);
		err = sync_cpu(m, DMA_BUF_SYNC_WRITE | DMA_BUF_SYNC_END);
	}
	munmap(map, m->size);
	return err;
}

/* How large udmabuf lets a dmabuf be, or -1 if it doesn't say. */
long memory_limit_mb(void)
{
	long limit = -1;
	char text[32];
	FILE *f;

	f = fopen("/sys/module/udmabuf/parameters/size_limit_mb", "re");
	if (!f)
		return -1;
	if (fgets(text, sizeof(text), f))
		limit = strtol(text, NULL, 10);
	fclose(f);
	return limit;
}
