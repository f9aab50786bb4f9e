// SPDX-License-Identifier: GPL-2.0-only
/*
 * The clock, the rounds, and the context that a loop runs in.
 *
 * Softirq is that of a NAPI, which is where a driver allocates, and how a pool
 * finds out that it may recycle directly. Each call of a loop is a poll of its
 * own, so that no softirq is long.
 */
#include <linux/completion.h>
#include <linux/cpumask.h>
#include <linux/ktime.h>
#include <linux/netdevice.h>
#include <linux/timex.h>
#include <linux/workqueue.h>

#include "bench.h"

/* A call of a loop: where it is done, and what it took. */
struct ppiov_bench_call {
	struct ppiov_bench_run *run;
	void (*loop)(struct ppiov_bench_run *run, u32 n);
	u32 n;
	struct ppiov_bench_time took;
};

static struct net_device *ppiov_bench_dev;
static struct napi_struct ppiov_bench_napi_;
static struct ppiov_bench_call *ppiov_bench_now; /* the NAPI's */
static DECLARE_COMPLETION(ppiov_bench_done);

static struct ppiov_bench_time ppiov_bench_clock(void)
{
	struct ppiov_bench_time now;

	/* Nothing of what is measured may be on its way still. */
	mb();
	now.cycles = get_cycles();
	now.ns = ktime_get_raw_ns();
	return now;
}

static noinline void ppiov_bench_empty(struct ppiov_bench_run *run, u32 n)
{
	u32 i;

	for (i = 0; i < n; i++)
		barrier();
}

static void ppiov_bench_call(struct ppiov_bench_call *call)
{
	struct ppiov_bench_time from = ppiov_bench_clock(), to;

	call->loop(call->run, call->n);
	to = ppiov_bench_clock();
	call->took.cycles = to.cycles - from.cycles;
	call->took.ns = to.ns - from.ns;
}

static long ppiov_bench_call_work(void *call)
{
	ppiov_bench_call(call);
	return 0;
}

static int ppiov_bench_poll(struct napi_struct *napi, int budget)
{
	struct ppiov_bench_call *call = ppiov_bench_now;

	ppiov_bench_now = NULL;
	if (call)
		ppiov_bench_call(call);
	napi_complete_done(napi, 0);
	if (call)
		complete(&ppiov_bench_done);
	return 0;
}

static void ppiov_bench_in_softirq(struct ppiov_bench_call *call)
{
	reinit_completion(&ppiov_bench_done);
	ppiov_bench_now = call;
	local_bh_disable();
	napi_schedule(&ppiov_bench_napi_);
	local_bh_enable();
	wait_for_completion(&ppiov_bench_done);
}

static int ppiov_bench_elsewhere(struct ppiov_bench_call *call)
{
	int here = raw_smp_processor_id();
	int other = cpumask_any_but(cpu_online_mask, here);

	if (other >= nr_cpu_ids)
		return ppiov_bench_refuse(call->run, -ENODEV,
					  "there is no other CPU");
	return work_on_cpu(other, ppiov_bench_call_work, call);
}

static int ppiov_bench_do_call(struct ppiov_bench_call *call)
{
	const struct ppiov_bench *bench = call->run->bench;

	if (bench->remote)
		return ppiov_bench_elsewhere(call);
	if (call->run->p.process)
		ppiov_bench_call(call);
	else
		ppiov_bench_in_softirq(call);
	return 0;
}

/* What @run->p.n passes through @loop take: twice as many, less as many. */
static int ppiov_bench_difference(struct ppiov_bench_run *run,
				  void (*loop)(struct ppiov_bench_run *run,
					       u32 n),
				  struct ppiov_bench_time *took)
{
	const struct ppiov_bench *bench = run->bench;
	bool real = loop == bench->loop;
	struct ppiov_bench_call calls[2] = {
		{ .run = run, .loop = loop, .n = run->p.n },
		{ .run = run, .loop = loop, .n = 2 * run->p.n },
	};
	unsigned int i;
	int err;

	for (i = 0; i < ARRAY_SIZE(calls); i++) {
		err = real && bench->before ? bench->before(run, calls[i].n) :
					      0;
		if (!err)
			err = ppiov_bench_do_call(&calls[i]);
		if (!err && real && bench->after)
			err = bench->after(run, calls[i].n);
		if (err)
			return err;
		if (real)
			run->asked += calls[i].n;
	}
	took->cycles = calls[1].took.cycles - calls[0].took.cycles;
	took->ns = calls[1].took.ns - calls[0].took.ns;
	return 0;
}

/**
 * ppiov_bench_measure() - warm up, and do all rounds
 * @run: set up; gets its times
 *
 * Context: process, may sleep.
 * Return: 0 or -errno.
 */
int ppiov_bench_measure(struct ppiov_bench_run *run)
{
	struct ppiov_bench_time unused;
	int err;

	/* A slow softirq is put off to ksoftirqd, by whom it may be disturbed:
	 * the first rounds are none of the results.
	 */
	err = ppiov_bench_difference(run, ppiov_bench_empty, &unused);
	if (!err)
		err = ppiov_bench_difference(run, run->bench->loop, &unused);
	while (!err && run->nr < run->p.rounds) {
		err = ppiov_bench_difference(run, ppiov_bench_empty,
					     &run->empty[run->nr]);
		if (!err)
			err = ppiov_bench_difference(run, run->bench->loop,
						     &run->times[run->nr]);
		if (!err)
			run->nr++;
		cond_resched();
	}
	return err;
}

/**
 * ppiov_bench_napi() - what runs the loops in softirq: their pools' consumer
 */
struct napi_struct *ppiov_bench_napi(void)
{
	return &ppiov_bench_napi_;
}

/**
 * ppiov_bench_measure_init() - make the NAPI
 *
 * Context: module init.
 * Return: 0 or -errno.
 */
int ppiov_bench_measure_init(void)
{
	ppiov_bench_dev = alloc_netdev_dummy(0);
	if (!ppiov_bench_dev)
		return -ENOMEM;
	netif_napi_add(ppiov_bench_dev, &ppiov_bench_napi_, ppiov_bench_poll);
	napi_enable(&ppiov_bench_napi_);
	return 0;
}

/**
 * ppiov_bench_measure_exit() - undo ppiov_bench_measure_init()
 *
 * Context: module exit, and its init.
 */
void ppiov_bench_measure_exit(void)
{
	napi_disable(&ppiov_bench_napi_);
	netif_napi_del(&ppiov_bench_napi_);
	free_netdev(ppiov_bench_dev);
}
