// SPDX-License-Identifier: GPL-2.0-only
/*
 * The port's clock: a PTP hardware clock, that can be set and disciplined.
 *
 * The device counts nanoseconds that nobody can change (ktime_get_raw()) and
 * stamps frames with that count. What time it was then is worked out here, by
 * the driver, from a point at which both were known and the rate since: as
 * NICs have it whose counter runs free.
 */
#include <linux/math64.h>
#include <linux/module.h>
#include <linux/ptp_clock_kernel.h>
#include <linux/timekeeping.h>

#include "../compat/mm.h"
#include "ppnic.h"

/* 20 %, in parts per billion; more is no clock any more. */
#define PPNIC_PHC_MAX_ADJ 200000000

/* scaled_ppm: parts per million, with 16 bits behind the point. */
#define PPNIC_PHC_ONE (1000000ULL << 16)

/**
 * struct ppnic_phc - a port's clock
 * @info: the PTP core's
 * @ptp: the core's; NULL if the kernel has no PTP clocks
 * @lock: for those below; read in NAPI, and netpoll's, which may be a hard
 *	interrupt; written in process context
 * @count: the counter, at a point
 * @ns: the time at that point
 * @scaled_ppm: the rate since
 */
struct ppnic_phc {
	struct ptp_clock_info info;
	struct ptp_clock *ptp;
	seqlock_t lock;
	u64 count;
	u64 ns;
	s64 scaled_ppm;
};

static struct ppnic_phc *to_phc(struct ptp_clock_info *info)
{
	return container_of(info, struct ppnic_phc, info);
}

/* The time at a count, by the point and rate of now; @lock in any way. */
static u64 ppnic_phc_at(const struct ppnic_phc *phc, u64 count)
{
	/* A frame may have been stamped before the clock was last set. */
	bool before = (s64)(count - phc->count) < 0;
	u64 gone = before ? phc->count - count : count - phc->count;
	u64 off = mul_u64_u64_div_u64(gone, abs(phc->scaled_ppm),
				      PPNIC_PHC_ONE);

	gone = phc->scaled_ppm < 0 ? gone - off : gone + off;
	return before ? phc->ns - gone : phc->ns + gone;
}

/**
 * ppnic_phc_ns() - what time was it?
 * @port: the port
 * @count: the device's, which is ktime_get_raw_ns()
 *
 * Context: any.
 * Return: the time of the port's clock.
 */
u64 ppnic_phc_ns(struct ppnic_port *port, u64 count)
{
	struct ppnic_phc *phc = port->phc;
	unsigned int seq;
	u64 ns;

	do {
		seq = read_seqbegin(&phc->lock);
		ns = ppnic_phc_at(phc, count);
	} while (read_seqretry(&phc->lock, seq));
	return ns;
}

/**
 * ppnic_phc_index() - which PTP clock is it?
 * @port: the port
 *
 * Context: any.
 * Return: N of /dev/ptpN, -1 if there is none.
 */
int ppnic_phc_index(const struct ppnic_port *port)
{
	return port->phc->ptp ? ptp_clock_index(port->phc->ptp) : -1;
}

static int ppnic_phc_gettimex64(struct ptp_clock_info *info,
				struct timespec64 *ts,
				struct ptp_system_timestamp *sts)
{
	struct ppnic_phc *phc = to_phc(info);
	unsigned int seq;
	u64 ns;

	do {
		seq = read_seqbegin(&phc->lock);
		ptp_read_system_prets(sts);
		ns = ktime_get_raw_ns();
		ptp_read_system_postts(sts);
		ns = ppnic_phc_at(phc, ns);
	} while (read_seqretry(&phc->lock, seq));
	*ts = ns_to_timespec64(ns);
	return 0;
}

static int ppnic_phc_settime64(struct ptp_clock_info *info,
			       const struct timespec64 *ts)
{
	struct ppnic_phc *phc = to_phc(info);

	write_seqlock_irq(&phc->lock);
	phc->count = ktime_get_raw_ns();
	phc->ns = timespec64_to_ns(ts);
	write_sequnlock_irq(&phc->lock);
	return 0;
}

static int ppnic_phc_adjtime(struct ptp_clock_info *info, s64 delta)
{
	struct ppnic_phc *phc = to_phc(info);

	write_seqlock_irq(&phc->lock);
	phc->ns += delta;
	write_sequnlock_irq(&phc->lock);
	return 0;
}

static int ppnic_phc_adjfine(struct ptp_clock_info *info, long scaled_ppm)
{
	struct ppnic_phc *phc = to_phc(info);
	u64 now;

	write_seqlock_irq(&phc->lock);
	now = ktime_get_raw_ns();
	phc->ns = ppnic_phc_at(phc, now);
	phc->count = now;
	phc->scaled_ppm = scaled_ppm;
	write_sequnlock_irq(&phc->lock);
	return 0;
}

static const struct ptp_clock_info ppnic_phc_info = {
	.owner = THIS_MODULE,
	.name = PPNIC_NAME,
	.max_adj = PPNIC_PHC_MAX_ADJ,
	.gettimex64 = ppnic_phc_gettimex64,
	.settime64 = ppnic_phc_settime64,
	.adjtime = ppnic_phc_adjtime,
	.adjfine = ppnic_phc_adjfine,
};

/**
 * ppnic_phc_init() - make a port's clock, which starts with the system's time
 * @port: the port, with its parent
 *
 * Context: process.
 * Return: 0 or a negative errno. A kernel without PTP clocks is no error.
 */
int ppnic_phc_init(struct ppnic_port *port)
{
	struct ppnic_phc *phc;
	int err;

	phc = kzalloc_obj(*phc);
	if (!phc)
		return -ENOMEM;
	phc->info = ppnic_phc_info;
	seqlock_init(&phc->lock);
	phc->count = ktime_get_raw_ns();
	phc->ns = ktime_get_real_ns();

	phc->ptp = ptp_clock_register(&phc->info, &port->parent->dev);
	if (IS_ERR(phc->ptp)) {
		err = PTR_ERR(phc->ptp);
		kfree(phc);
		return err;
	}
	port->phc = phc;
	return 0;
}

/**
 * ppnic_phc_exit() - the clock goes
 * @port: the port, before its parent
 *
 * Who has it open gets ENODEV from now on.
 *
 * Context: process; nothing of the port is running.
 */
void ppnic_phc_exit(struct ppnic_port *port)
{
	if (port->phc->ptp)
		ptp_clock_unregister(port->phc->ptp);
	kfree(port->phc);
}
