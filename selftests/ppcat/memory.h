/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef PPCAT_MEMORY_H
#define PPCAT_MEMORY_H

#include <linux/types.h>
#include <stdbool.h>
#include <stddef.h>

/* A dmabuf over ordinary memory, and our view of it. */
struct memory {
	int fd; /* owned: the dmabuf; a binding holds a reference of its own */
	__u8 *map;    /* owned; stays good after an unbind; NULL: no dmabuf */
	size_t size;  /* 0: there never was one */
	bool reading; /* between memory_begin_read() and _end_read() */
};

int memory_create(struct memory *m, size_t size, bool hugepages,
		  const char **step);
void memory_destroy(struct memory *m);
int memory_write(struct memory *m, const void *data, size_t len);
int memory_begin_read(struct memory *m);
int memory_end_read(struct memory *m);
long memory_limit_mb(void);

#endif
