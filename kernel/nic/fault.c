// SPDX-License-Identifier: GPL-2.0-only
/*
 * ppnic: faults on demand, and a look inside.
 *
 *   /sys/kernel/debug/ppnic/<parent>/
 *     netdev          name of the port's netdev
 *     <fault>         argument, writable; 0: off
 *     <fault>_hits    how often it struck
 *     burst           how many bits in a row are wrong with bit_errors
 *     rx_queues       bitmap of RX queues that rx_alloc, rx_attach and
 *                     stray_dma strike; at first all. It and the next
 *                     two are of the first 64 queues
 *     stall_rx, stall_tx  bitmap of queues that the device leaves alone
 *     unplugged       1: the cable is out, at this end; the link goes
 *     hold            "QUEUE N": keep N free buffers from that RX queue;
 *                     "0": give all back. Reads as how many are kept
 *     dma_regions     what the device may access
 *     dma_faults      accesses that the table refused
 *
 * One file drives one named path. debugfs is optional: without it nothing can
 * be injected, and all else works.
 */
#include <linux/debugfs.h>
#include <linux/rtnetlink.h>
#include <linux/seq_file.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "../compat/mm.h"
#include "../compat/netdev.h"
#include "ppnic.h"

#define PPNIC_MAX_HELD 65536

/* A buffer kept back; its pool can't go before it is returned. */
struct ppnic_kept {
	struct ppnic_source src;
	union ppnic_buf buf;
};

static struct dentry *ppnic_debugfs;

/* --------------------------------------------------- asked by the fast path */

/**
 * ppnic_fault_due() - is this the Nth event, or a multiple of it?
 * @f: the fault; its arg is N
 *
 * Context: any.
 * Return: true if the fault is to strike; ppnic_fault_struck() if it could.
 */
bool ppnic_fault_due(struct ppnic_fault *f)
{
	u32 every = READ_ONCE(f->arg);

	return unlikely(every) && !((u32)atomic_inc_return(&f->count) % every);
}

/**
 * ppnic_fault_struck() - count it
 * @f: the fault, which was due
 *
 * Context: any.
 */
void ppnic_fault_struck(struct ppnic_fault *f)
{
	atomic64_inc(&f->hits);
}

/**
 * ppnic_fault_every() - ppnic_fault_due() for a fault that always can strike
 * @f: the fault; its arg is N
 *
 * Context: any.
 * Return: true if the fault is to strike. It is counted then.
 */
bool ppnic_fault_every(struct ppnic_fault *f)
{
	if (!ppnic_fault_due(f))
		return false;
	ppnic_fault_struck(f);
	return true;
}

/**
 * ppnic_fault_next() - is this one of the next N events?
 * @f: the fault; its arg is N, and counts down
 *
 * Context: any.
 * Return: true if the fault is to strike. It is counted then.
 */
bool ppnic_fault_next(struct ppnic_fault *f)
{
	u32 left = READ_ONCE(f->arg);

	do {
		if (likely(!left))
			return false;
	} while (!try_cmpxchg(&f->arg, &left, left - 1));

	atomic_inc(&f->count);
	atomic64_inc(&f->hits);
	return true;
}

/**
 * ppnic_fault_next_rx() - ppnic_fault_next() for what an RX queue does
 * @rxq: the queue; others than those of rx_queues are spared
 * @f: the fault, of the queue's port
 *
 * Context: any.
 * Return: true if the fault is to strike. It is counted then.
 */
bool ppnic_fault_next_rx(const struct ppnic_rxq *rxq, struct ppnic_fault *f)
{
	if (likely(!READ_ONCE(f->arg)))
		return false;
	return ppnic_fault_has_queue(&rxq->port->faults.rx_queues,
				     rxq->index) &&
	       ppnic_fault_next(f);
}

/* ------------------------------------------------------------ plain files */

static int ppnic_fault_get(void *data, u64 *val)
{
	struct ppnic_fault *f = data;

	*val = READ_ONCE(f->arg);
	return 0;
}

static int ppnic_fault_set(void *data, u64 val)
{
	struct ppnic_fault *f = data;

	if (val > U32_MAX)
		return -ERANGE;
	atomic_set(&f->count, 0);
	WRITE_ONCE(f->arg, val);
	return 0;
}
DEFINE_DEBUGFS_ATTRIBUTE(ppnic_fault_fops, ppnic_fault_get, ppnic_fault_set,
			 "%llu\n");

static int ppnic_count_get(void *data, u64 *val)
{
	*val = atomic64_read((atomic64_t *)data);
	return 0;
}
DEFINE_DEBUGFS_ATTRIBUTE(ppnic_count_fops, ppnic_count_get, NULL, "%llu\n");

static int ppnic_netdev_show(struct seq_file *m, void *unused)
{
	struct ppnic_port *port = m->private;

	seq_printf(m, "%s\n", netdev_name(port->dev));
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(ppnic_netdev);

static int ppnic_regions_show(struct seq_file *m, void *unused)
{
	ppnic_dma_show(m, m->private);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(ppnic_regions);

/* ------------------------------------------------------------------ stall */

static int ppnic_stall_rx_get(void *data, u64 *val)
{
	struct ppnic_port *port = data;

	*val = READ_ONCE(port->faults.stall_rx);
	return 0;
}

static int ppnic_stall_rx_set(void *data, u64 val)
{
	struct ppnic_port *port = data;
	u64 released;
	u32 i;

	released = xchg(&port->faults.stall_rx, val) & ~val;

	rcu_read_lock();
	local_bh_disable();
	for (i = 0; i < port->dev->num_rx_queues; i++)
		if (ppnic_fault_has_queue(&released, i))
			ppnic_engine_kick_waiters(&port->rxqs[i]);
	local_bh_enable();
	rcu_read_unlock();
	return 0;
}
DEFINE_DEBUGFS_ATTRIBUTE(ppnic_stall_rx_fops, ppnic_stall_rx_get,
			 ppnic_stall_rx_set, "%#llx\n");

static int ppnic_stall_tx_get(void *data, u64 *val)
{
	struct ppnic_port *port = data;

	*val = READ_ONCE(port->faults.stall_tx);
	return 0;
}

static int ppnic_stall_tx_set(void *data, u64 val)
{
	struct ppnic_port *port = data;
	u64 released;
	u32 i;

	released = xchg(&port->faults.stall_tx, val) & ~val;

	rcu_read_lock();
	local_bh_disable();
	for (i = 0; i < port->dev->num_tx_queues; i++)
		if (ppnic_fault_has_queue(&released, i))
			ppnic_engine_kick(&port->txqs[i]);
	local_bh_enable();
	rcu_read_unlock();
	return 0;
}
DEFINE_DEBUGFS_ATTRIBUTE(ppnic_stall_tx_fops, ppnic_stall_tx_get,
			 ppnic_stall_tx_set, "%#llx\n");

/* ------------------------------------------------------------------ cable */

static int ppnic_unplugged_get(void *data, u64 *val)
{
	struct ppnic_port *port = data;

	*val = READ_ONCE(port->faults.unplugged);
	return 0;
}

static int ppnic_unplugged_set(void *data, u64 val)
{
	struct ppnic_port *port = data;

	if (val > 1)
		return -EINVAL;
	/* As in ppnic_hold_write(). */
	if (!rtnl_trylock())
		return restart_syscall();
	compat_netdev_lock_ops(port->dev);
	WRITE_ONCE(port->faults.unplugged, val);
	ppnic_carrier_update(port);
	compat_netdev_unlock_ops(port->dev);
	rtnl_unlock();
	return 0;
}
DEFINE_DEBUGFS_ATTRIBUTE(ppnic_unplugged_fops, ppnic_unplugged_get,
			 ppnic_unplugged_set, "%llu\n");

/* ------------------------------------------------------------------- hold */

static void ppnic_return_kept(struct ppnic_port *port)
{
	struct ppnic_kept *kept;
	unsigned long i;

	ASSERT_RTNL();
	xa_for_each(&port->faults.held, i, kept) {
		xa_erase(&port->faults.held, i);
		ppnic_source_put(&kept->src, kept->buf, false);
		kfree(kept);
	}
	WRITE_ONCE(port->faults.nr_held, 0);
}

static int ppnic_hold_one(struct ppnic_port *port,
			  const struct ppnic_source *src)
{
	struct ppnic_kept *kept;
	dma_addr_t addr;
	bool got;
	u32 id;
	int err;

	kept = kmalloc_obj(*kept);
	if (!kept)
		return -ENOMEM;

	/* The pool expects the context of its NAPI. */
	local_bh_disable();
	got = ppnic_source_alloc(src, GFP_ATOMIC | __GFP_NOWARN, &kept->buf,
				 &addr);
	local_bh_enable();
	if (!got) {
		err = -ENOBUFS;
		goto err_free;
	}
	kept->src = *src;

	err = xa_alloc(&port->faults.held, &id, kept, xa_limit_31b, GFP_KERNEL);
	if (err)
		goto err_put;
	WRITE_ONCE(port->faults.nr_held, port->faults.nr_held + 1);
	return 0;

err_put:
	ppnic_source_put(src, kept->buf, false);
err_free:
	kfree(kept);
	return err;
}

/* As many as there are, at most @nr. None at all is an error. */
static int ppnic_hold_some(struct ppnic_port *port, u32 queue, u32 nr)
{
	struct ppnic_channel *ch;
	const struct ppnic_source *src;
	struct ppnic_rxq *rxq;
	int err = 0;
	u32 i;

	ASSERT_RTNL();
	if (queue >= port->dev->num_rx_queues ||
	    nr > PPNIC_MAX_HELD - port->faults.nr_held)
		return -ERANGE;
	rxq = &port->rxqs[queue];
	ch = &port->channels[queue];
	if (!port->up || !rxq->started)
		return -ENETDOWN;
	src = ppnic_ring_exists(&rxq->mem.data) ? &rxq->mem.data.src :
						  &rxq->mem.host.src;
	/* Its buffers are to be back when the ring is stopped. */
	if (src->exclusive)
		return -EBUSY;

	/* Allocation belongs to the NAPI; take its place. */
	ppnic_channel_disable(ch);
	for (i = 0; i < nr && !err; i++)
		err = ppnic_hold_one(port, src);
	ppnic_channel_enable(ch);

	return i > 1 ? 0 : err;
}

static ssize_t ppnic_hold_read(struct file *file, char __user *to, size_t size,
			       loff_t *pos)
{
	struct ppnic_port *port = file->private_data;
	char text[12];
	int len;

	len = scnprintf(text, sizeof(text), "%u\n",
			READ_ONCE(port->faults.nr_held));
	return simple_read_from_buffer(to, size, pos, text, len);
}

static ssize_t ppnic_hold_write(struct file *file, const char __user *from,
				size_t size, loff_t *pos)
{
	struct ppnic_port *port = file->private_data;
	u32 queue, nr;
	char text[32];
	int err = 0, fields;
	char extra;

	if (size >= sizeof(text))
		return -EINVAL;
	if (copy_from_user(text, from, size))
		return -EFAULT;
	text[size] = '\0';

	fields = sscanf(strim(text), "%u %u%c", &queue, &nr, &extra);
	if (fields != 2 && !(fields == 1 && queue == 0))
		return -EINVAL;

	/* The port is removed with the RTNL held, and waits for us to leave
	 * this file: so don't wait for the lock, but come again.
	 */
	if (!rtnl_trylock())
		return restart_syscall();
	compat_netdev_lock_ops(port->dev);
	if (fields == 2)
		err = ppnic_hold_some(port, queue, nr);
	else
		ppnic_return_kept(port);
	compat_netdev_unlock_ops(port->dev);
	rtnl_unlock();

	return err ?: size;
}

static const struct file_operations ppnic_hold_fops = {
	.owner = THIS_MODULE,
	.open = simple_open,
	.read = ppnic_hold_read,
	.write = ppnic_hold_write,
};

/* ------------------------------------------------------------- add, remove */

#define PPNIC_FAULT(name)                                                 \
	{                                                                 \
#name, #name "_hits", offsetof(struct ppnic_faults, name) \
	}

static const struct {
	const char *name;
	const char *hits;
	size_t offset;
} ppnic_fault_files[] = {
	PPNIC_FAULT(lose),        PPNIC_FAULT(duplicate),
	PPNIC_FAULT(reorder),     PPNIC_FAULT(corrupt),
	PPNIC_FAULT(rx_alloc),    PPNIC_FAULT(rx_attach),
	PPNIC_FAULT(stray_dma),   PPNIC_FAULT(queue_mem_alloc),
	PPNIC_FAULT(queue_start), PPNIC_FAULT(queue_stop),
	PPNIC_FAULT(tx_inner),    PPNIC_FAULT(bit_errors),
};

#undef PPNIC_FAULT

/**
 * ppnic_fault_add_port() - offer the port's files
 * @port: the port; registered
 *
 * Context: process context, RTNL.
 */
void ppnic_fault_add_port(struct ppnic_port *port)
{
	struct ppnic_parent *parent = port->parent;
	struct ppnic_fault *f;
	struct dentry *dir;
	size_t i;

	xa_init_flags(&port->faults.held, XA_FLAGS_ALLOC);
	port->faults.rx_queues = ~0ULL;
	port->faults.burst = 1;
	dir = debugfs_create_dir(dev_name(&parent->dev), ppnic_debugfs);
	parent->debugfs = dir;

	for (i = 0; i < ARRAY_SIZE(ppnic_fault_files); i++) {
		f = (void *)&port->faults + ppnic_fault_files[i].offset;
		debugfs_create_file(ppnic_fault_files[i].name, 0600, dir, f,
				    &ppnic_fault_fops);
		debugfs_create_file(ppnic_fault_files[i].hits, 0400, dir,
				    &f->hits, &ppnic_count_fops);
	}
	debugfs_create_u32("burst", 0600, dir, &port->faults.burst);
	debugfs_create_x64("rx_queues", 0600, dir, &port->faults.rx_queues);
	debugfs_create_file("netdev", 0400, dir, port, &ppnic_netdev_fops);
	debugfs_create_file("stall_rx", 0600, dir, port, &ppnic_stall_rx_fops);
	debugfs_create_file("stall_tx", 0600, dir, port, &ppnic_stall_tx_fops);
	debugfs_create_file("unplugged", 0600, dir, port,
			    &ppnic_unplugged_fops);
	debugfs_create_file("hold", 0600, dir, port, &ppnic_hold_fops);
	debugfs_create_file("dma_regions", 0400, dir, parent,
			    &ppnic_regions_fops);
	debugfs_create_file("dma_faults", 0400, dir, &parent->faults,
			    &ppnic_count_fops);
}

/**
 * ppnic_fault_del_port() - take the port's files away, return what was held
 * @port: the port; its queues may be gone, its parent may not
 *
 * Nothing happens if the port was never added. May be called twice.
 *
 * Context: process context, RTNL. Waits for whoever uses one of the files.
 */
void ppnic_fault_del_port(struct ppnic_port *port)
{
	struct ppnic_parent *parent = port->parent;

	if (!parent->debugfs)
		return;
	debugfs_remove(parent->debugfs);
	parent->debugfs = NULL;
	ppnic_return_kept(port);
	xa_destroy(&port->faults.held);
}

/**
 * ppnic_fault_init() - make the module's directory
 *
 * Context: module init.
 */
void ppnic_fault_init(void)
{
	ppnic_debugfs = debugfs_create_dir(PPNIC_NAME, NULL);
}

/**
 * ppnic_fault_exit() - remove the module's directory
 *
 * Context: module exit, after the last ppnic_fault_del_port().
 */
void ppnic_fault_exit(void)
{
	debugfs_remove(ppnic_debugfs);
}
