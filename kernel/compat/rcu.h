/* SPDX-License-Identifier: GPL-2.0-only */
/* Waiting for whoever still runs a module's text. */
#ifndef PPIOV_COMPAT_RCU_H
#define PPIOV_COMPAT_RCU_H

#include <linux/rcupdate.h>

/*
 * After this nobody is between the last thing that a callback of ours did and
 * its return: preempted tasks (RCU-tasks, where the kernel can preempt) and
 * softirqs (RCU) are waited for.
 */
static inline void compat_synchronize_text(void)
{
#ifdef CONFIG_TASKS_RCU
	synchronize_rcu_tasks();
#endif
	synchronize_rcu();
}

#endif /* PPIOV_COMPAT_RCU_H */
