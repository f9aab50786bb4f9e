/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a benchmark is, and what the files of ppiov_bench.ko share.
 *
 * How it is measured: a benchmark is a function that does its operation @n
 * times in a plain loop. The clock is read before and after it is called with
 * @n and with 2 * @n, and the difference of the two is what @n operations
 * cost: what the call, its prologue and the clock itself cost is in both, and
 * gone. An empty loop is measured in the same way, in the same context and
 * round, and is to be subtracted by who reads the results, which have it all.
 * There are several rounds, and a first one that does not count. A timer
 * interrupt that falls into a round makes that one an outlier, which a median
 * ignores.
 *
 * The loops are written out in each file instead of being made by one macro
 * with an indirect call, which would cost more than some of what is measured.
 */
#ifndef PPIOV_BENCH_H
#define PPIOV_BENCH_H

#include <linux/compiler.h>
#include <linux/types.h>

#include "../include/ppiov/pool.h"

struct ppiov_bench_run;
struct seq_file;

#define PPIOV_BENCH_MAX_ROUNDS 64
#define PPIOV_BENCH_MAX_N      65536
#define PPIOV_BENCH_MAX_POOLS  64
#define PPIOV_BENCH_BULK       16 /* buffers of a bulk call, or of a packet */
#define PPIOV_BENCH_CACHE_HOT  64 /* buffers that a pool is warmed up with */
/* What the ring of "slow" takes: as many as a refill brings. So each call ends
 * with an empty cache, and takes as many from the provider as it gives back:
 * otherwise a call of 2n may have a refill more than two of n, 64 pages.
 */
#define PPIOV_BENCH_SLOW_RING 64
#define PPIOV_BENCH_NOTES     16

/**
 * struct ppiov_bench - a benchmark
 * @name: of its file in debugfs
 * @setup: make what @loop needs. Process context, may sleep. 0 or -errno,
 *	with ppiov_bench_refuse() saying why.
 * @loop: the operation, @n times; @run->done is how often it was done. It is
 *	also called to warm up.
 * @before: untimed, before each call of @loop: process context; may be NULL
 * @after: untimed, after it; may be NULL
 * @check: was it the path that the name says? Process context, after the last
 *	round. 0, or -errno, with ppiov_bench_refuse() saying why not.
 * @teardown: undo @setup, also one that failed half way
 * @remote: @loop runs on another CPU, in process context
 */
struct ppiov_bench {
	const char *name;
	int (*setup)(struct ppiov_bench_run *run);
	void (*loop)(struct ppiov_bench_run *run, u32 n);
	int (*before)(struct ppiov_bench_run *run, u32 n);
	int (*after)(struct ppiov_bench_run *run, u32 n);
	int (*check)(struct ppiov_bench_run *run);
	void (*teardown)(struct ppiov_bench_run *run);
	bool remote;
};

/**
 * struct ppiov_bench_params - what was written to the file
 * @provider: whose buffers, for benchmarks of pools
 * @kind: "page" or "iov", for those of designs
 * @key: with the static branch on; iovs need that
 * @process: process context; otherwise softirq, a NAPI's
 * @n: operations that are measured at a time; a multiple of 64
 * @rounds: that count
 * @buffers: that are out at a time, where that is asked
 * @pools: that take turns, where that is asked
 * @order: a buffer of a pool of iovs has PAGE_SIZE << @order bytes
 * @fragmented: an allocator that is nearly full, with holes
 * @dmabuf: a file descriptor, for provider "ring"
 */
struct ppiov_bench_params {
	char provider[PPIOV_NAME_LEN];
	char kind[PPIOV_NAME_LEN];
	bool key;
	bool process;
	u32 n;
	u32 rounds;
	u32 buffers;
	u32 pools;
	u32 order;
	bool fragmented;
	int dmabuf;
};

/**
 * struct ppiov_bench_time - what a number of operations took
 * @cycles: by get_cycles(). Under TCG with -icount shift=0 instructions.
 * @ns: by the kernel's clock
 */
struct ppiov_bench_time {
	u64 cycles;
	u64 ns;
};

/* Something beside the time that is worth knowing: bytes, counts. */
struct ppiov_bench_note {
	const char *name;
	u64 value;
};

/**
 * struct ppiov_bench_run - one run of a benchmark, and its results
 * @bench: which
 * @p: how
 * @done: operations, by @bench's loop, of all rounds and the warm-up
 * @asked: operations that @bench's loop was called for
 * @priv: @bench's
 * @nr: of @times and @empty that are filled
 * @times: of @p.n operations
 * @empty: of @p.n times nothing
 * @nr_notes: of @notes
 * @notes: see there
 * @reason: why it failed; "" if it did not
 * @err: what write() returned
 *
 * One at a time: file.c has the lock.
 */
struct ppiov_bench_run {
	const struct ppiov_bench *bench;
	struct ppiov_bench_params p;
	u64 done;
	u64 asked;
	void *priv;
	u32 nr;
	struct ppiov_bench_time times[PPIOV_BENCH_MAX_ROUNDS];
	struct ppiov_bench_time empty[PPIOV_BENCH_MAX_ROUNDS];
	u32 nr_notes;
	struct ppiov_bench_note notes[PPIOV_BENCH_NOTES];
	char reason[160];
	int err;
};

__printf(3, 4) int ppiov_bench_refuse(struct ppiov_bench_run *run, int err,
				      const char *format, ...);
void ppiov_bench_note(struct ppiov_bench_run *run, const char *name, u64 value);

/* measure.c */
int ppiov_bench_measure(struct ppiov_bench_run *run);
int ppiov_bench_measure_init(void);
void ppiov_bench_measure_exit(void);
struct napi_struct *ppiov_bench_napi(void);

/* file.c */
int ppiov_bench_files_add(const struct ppiov_bench *benches, unsigned int n);
int ppiov_bench_files_init(void);
void ppiov_bench_files_exit(void);

/* Each file's benchmarks. */
int ppiov_bench_meter_init(void);
int ppiov_bench_pool_init(void);
int ppiov_bench_core_init(void);
int ppiov_bench_refs_init(void);
int ppiov_bench_lookup_init(void);
int ppiov_bench_allocators_init(void);
int ppiov_bench_variants_init(void);

#endif /* PPIOV_BENCH_H */
