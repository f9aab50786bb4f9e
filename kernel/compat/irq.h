/* SPDX-License-Identifier: GPL-2.0-only */
/* What differs between kernels in interrupts and timers. */
#ifndef PPIOV_COMPAT_IRQ_H
#define PPIOV_COMPAT_IRQ_H

#include <linux/hrtimer.h>
#include <linux/irq.h>

/*
 * The affinity may change in process context, at once. It is the rule now; an
 * irq_chip that can't bear it says so.
 */
#ifdef HAVE_IRQ_MOVE_PCNTXT
#define COMPAT_IRQ_MOVE_PCNTXT IRQ_MOVE_PCNTXT
#else
#define COMPAT_IRQ_MOVE_PCNTXT 0
#endif

static inline void
compat_hrtimer_setup(struct hrtimer *timer,
		     enum hrtimer_restart (*function)(struct hrtimer *timer),
		     clockid_t clock, enum hrtimer_mode mode)
{
#ifdef HAVE_HRTIMER_SETUP
	hrtimer_setup(timer, function, clock, mode);
#else
	hrtimer_init(timer, clock, mode);
	timer->function = function;
#endif
}

#endif /* PPIOV_COMPAT_IRQ_H */
