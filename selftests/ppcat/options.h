/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef PPCAT_OPTIONS_H
#define PPCAT_OPTIONS_H

#include <linux/types.h>
#include <stdbool.h>
#include <stddef.h>

#include "uapi.h"

#define PPCAT_VERSION "1"

#define MAX_QUEUES     256
#define MAX_PORTS      256
#define MAX_FLOWS      4096
#define MAX_RAW_CALLS  16
#define MAX_RAW_RANGES 256 /* more than the kernel takes: that's a test */
#define MAX_WRITE      0x100000

/* Never reached: for thresholds and limits that were not asked for */
#define NEVER (~0ULL)

enum receive_mode {
	RECEIVE_BOUND,   /* bind queues, recvmsg() for device memory */
	RECEIVE_UNBOUND, /* the same without a binding */
	RECEIVE_PLAIN,   /* recv() */
};

enum backend_kind {
	BACKEND_CORE,  /* the kernel's own device memory */
	BACKEND_PPIOV, /* ppiov.ko's */
};

/* One call that returns tokens of the user's choice */
struct raw_call {
	struct devmem_token range[MAX_RAW_RANGES];
	size_t n;
};

struct options {
	/* both ends */
	bool listen;
	const char *peer;    /* -c */
	const char *address; /* -s; NULL: any */
	__u16 first_port;
	__u16 last_port;
	unsigned int flows;
	__u64 timeout_ms; /* NEVER: none */
	bool json;
	int expect_errno; /* 0: none */

	/* receiver */
	enum receive_mode mode;
	enum backend_kind backend;
	const char *provider; /* NULL with BACKEND_CORE */
	const char *ifname;
	__u32 queue[MAX_QUEUES];
	size_t queues;
	size_t memory_size;
	bool memory_given;
	bool hugepages;
	bool setup;
	bool check;
	bool require_devmem;
	unsigned int mismatches; /* reported per flow */
	size_t recv_size;
	size_t control_size;
	size_t lowat; /* 0: as the kernel has it */
	size_t batch;

	/* sender */
	__u64 seed;
	__u64 size; /* payload of each flow */
	size_t write_size;
	const char *source; /* device to send from a dmabuf through, or NULL */
	__u32 *message;     /* sizes, one send each; NULL: write_size */
	size_t messages;

	/* test hooks of the receiver */
	__u64 hold; /* tokens of each flow kept back; NEVER: all */
	__u64 hold_until_stalled_ms;
	bool exit_holding;
	bool duplicate_return;
	__u64 stop_after;
	__u64 unbind_after;
	__u64 pause_after;
	__u64 pause_ms;
	struct raw_call *raw; /* MAX_RAW_CALLS of them, or NULL */
	size_t raws;
};

enum options_result {
	OPTIONS_RUN,
	OPTIONS_DONE, /* --help or --version was all */
	OPTIONS_BAD,  /* one sentence was written to error */
};

enum options_result options_parse(struct options *o, int argc, char **argv,
				  char *error, size_t error_size);
void options_free(struct options *o);

#endif
