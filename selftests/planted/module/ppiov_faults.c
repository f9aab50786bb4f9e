// SPDX-License-Identifier: GPL-2.0-only
/*
 * Faults on purpose, one for each way in which the kernel complains: the
 * parameter says which. Its line is marked "planted: NAME", where the harness
 * looks for it.
 *
 * Each fault is over when the module is loaded, so that the guest can go on.
 */
#include <linux/delay.h>
#include <linux/etherdevice.h>
#include <linux/kthread.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/netdevice.h>
#include <linux/rcupdate.h>
#include <linux/refcount.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/workqueue.h>
#include <net/page_pool/helpers.h>

#define PLANTED_SIZE 64

/*
 * Something on a stack may still point to the last one. And 7.3's slub hands
 * objects out of arrays (sheaves) that go on pointing to what was taken from
 * them; those of small objects have 60 places, those of whole pages 4.
 */
#define PLANTED_LEAKS 64

static char *fault = "";
module_param(fault, charp, 0444);
MODULE_PARM_DESC(fault, "name of the fault");

static unsigned int seconds = 5;
module_param(seconds, uint, 0444);
MODULE_PARM_DESC(seconds, "how long it lasts, where it takes its time");

static noinline int planted_uaf(void)
{
	char *p = kmalloc(PLANTED_SIZE, GFP_KERNEL);

	if (!p)
		return -ENOMEM;
	kfree(p);
	OPTIMIZER_HIDE_VAR(p);
	(void)READ_ONCE(*p); /* planted: uaf */
	return 0;
}

static noinline int planted_oob(void)
{
	char *p = kmalloc(PLANTED_SIZE, GFP_KERNEL);
	size_t behind = PLANTED_SIZE;

	if (!p)
		return -ENOMEM;
	OPTIMIZER_HIDE_VAR(behind);
	(void)READ_ONCE(p[behind]); /* planted: oob */
	kfree(p);
	return 0;
}

static DEFINE_MUTEX(planted_a);
static DEFINE_MUTEX(planted_b);

static noinline int planted_abba(void)
{
	mutex_lock(&planted_a);
	mutex_lock(&planted_b);
	mutex_unlock(&planted_b);
	mutex_unlock(&planted_a);

	mutex_lock(&planted_b);
	mutex_lock(&planted_a); /* planted: abba */
	mutex_unlock(&planted_a);
	mutex_unlock(&planted_b);
	return 0;
}

static noinline int planted_leak(void)
{
	char *p = NULL;
	int i;

	for (i = 0; i < PLANTED_LEAKS; i++) {
		p = kzalloc(PAGE_SIZE, GFP_KERNEL); /* planted: leak */
		OPTIMIZER_HIDE_VAR(p);
	}
	return p ? 0 : -ENOMEM;
}

static unsigned long planted_shared;

static int planted_racer(void *unused)
{
	while (!kthread_should_stop()) {
		planted_shared++; /* planted: race */
		cond_resched();
	}
	return 0;
}

static noinline int planted_race(void)
{
	struct task_struct *racer[2];
	int i, err = 0;

	for (i = 0; i < ARRAY_SIZE(racer); i++) {
		racer[i] = kthread_run(planted_racer, NULL, "planted/%d", i);
		if (IS_ERR(racer[i])) {
			err = PTR_ERR(racer[i]);
			break;
		}
	}
	if (!err)
		ssleep(seconds);
	while (i--)
		kthread_stop(racer[i]);
	return err;
}

static noinline int planted_refcount(void)
{
	static refcount_t none = REFCOUNT_INIT(0);

	refcount_inc(&none); /* planted: refcount */
	return 0;
}

static const struct net_device_ops planted_netdev_ops = {};
static struct net_device *planted_dev;
static netdevice_tracker planted_ref;

static void planted_put(struct work_struct *unused)
{
	netdev_put(planted_dev, &planted_ref);
}

static DECLARE_DELAYED_WORK(planted_put_work, planted_put);

static noinline int planted_netdev(void)
{
	struct net_device *dev;
	int err;

	dev = alloc_netdev(0, "planted%d", NET_NAME_ENUM, ether_setup);
	if (!dev)
		return -ENOMEM;
	dev->netdev_ops = &planted_netdev_ops;
	err = register_netdev(dev);
	if (err)
		goto free;
	planted_dev = dev;
	netdev_hold(dev, &planted_ref, GFP_KERNEL); /* planted: netdev */
	schedule_delayed_work(&planted_put_work, seconds * HZ);
	unregister_netdev(dev);
	flush_delayed_work(&planted_put_work);
free:
	free_netdev(dev);
	return err;
}

static noinline int planted_hung(void)
{
	schedule_timeout_uninterruptible(seconds * HZ); /* planted: hung */
	return 0;
}

static noinline int planted_spin(void)
{
	unsigned long end = jiffies + seconds * HZ;

	preempt_disable();
	while (time_before(jiffies, end))
		cpu_relax(); /* planted: spin */
	preempt_enable();
	return 0;
}

static void planted_nothing(struct rcu_head *unused)
{
}

static noinline int planted_stall(void)
{
	static struct rcu_head head; /* somebody has to wait for us */
	unsigned long end = jiffies + seconds * HZ;

	call_rcu(&head, planted_nothing);
	preempt_disable();
	while (time_before(jiffies, end))
		cpu_relax(); /* planted: stall */
	preempt_enable();
	rcu_barrier();
	return 0;
}

static noinline int planted_pool(void)
{
	const struct page_pool_params params = {
		.pool_size = PLANTED_SIZE,
		.nid = NUMA_NO_NODE,
	};
	struct page_pool *pool = page_pool_create(&params);
	struct page *page;

	if (IS_ERR(pool))
		return PTR_ERR(pool);
	page = page_pool_dev_alloc_pages(pool);
	page_pool_destroy(pool); /* planted: pool */
	if (!page)
		return -ENOMEM;
	ssleep(seconds);
	page_pool_put_full_page(pool, page, false);
	return 0;
}

static const struct {
	const char *name;
	int (*plant)(void);
} planted_faults[] = {
	/* clang-format off */
	{ "uaf", planted_uaf },
	{ "oob", planted_oob },
	{ "abba", planted_abba },
	{ "leak", planted_leak },
	{ "race", planted_race },
	{ "refcount", planted_refcount },
	{ "netdev", planted_netdev },
	{ "hung", planted_hung },
	{ "spin", planted_spin },
	{ "stall", planted_stall },
	{ "pool", planted_pool },
	/* clang-format on */
};

static int __init planted_init(void)
{
	int i;

	for (i = 0; i < ARRAY_SIZE(planted_faults); i++)
		if (!strcmp(fault, planted_faults[i].name))
			return planted_faults[i].plant();
	return -EINVAL;
}
module_init(planted_init);

static void __exit planted_exit(void)
{
}
module_exit(planted_exit);

MODULE_DESCRIPTION("Faults on purpose, for the harness's own test");
MODULE_LICENSE("GPL");
