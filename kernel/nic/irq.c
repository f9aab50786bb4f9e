// SPDX-License-Identifier: GPL-2.0-only
/*
 * ppnic: interrupts.
 *
 * Each channel has a Linux interrupt of an irq_domain and irq_chip of our
 * own, so that affinity, /proc/interrupts and NAPI work as with hardware. The
 * "wire" is an inter-processor call to the CPU of the affinity, or an irq_work
 * if that is this one (irq_work_queue_on() is not exported).
 *
 *   event -> (moderation) -> fire: disarm -> IPI -> handler -> NAPI
 *     ^                                                         |
 *     `----------- armed again by ppnic_irq_rearm() <-----------'
 *
 * An event that finds the channel disarmed needs no interrupt: the poll that
 * is under way will see it, at the latest in ppnic_irq_rearm(), which arms
 * before it looks.
 */
#include <linux/cpumask.h>
#include <linux/interrupt.h>
#include <linux/irq.h>
#include <linux/irqdomain.h>
#include <linux/topology.h>

#include "../compat/irq.h"
#include "../compat/netdev.h"
#include "ppnic.h"

/* ------------------------------------------------------------ the irq_chip */

/* Put the interrupt on the wire. */
static void ppnic_irq_send(struct ppnic_channel *ch)
{
	unsigned long flags;
	bool sent = false;
	int cpu;

	/* A csd may be queued by one CPU at a time only; fire comes with
	 * irq_lock, unmask and retrigger with the descriptor's lock.
	 */
	raw_spin_lock_irqsave(&ch->send_lock, flags);
	if (ch->closed)
		goto out;

	atomic_set(&ch->pending, 1);
	atomic_inc(&ch->in_flight);
	/* If it is found on its way already, it must see it pending. Pairs
	 * with the xchg in ppnic_irq_deliver().
	 */
	smp_mb__after_atomic();

	/* Interrupts are off, which holds off CPU hotplug. */
	cpu = READ_ONCE(ch->cpu);
	if (cpu == smp_processor_id() || !cpu_online(cpu))
		sent = irq_work_queue(&ch->work);
	else
		sent = !smp_call_function_single_async(cpu, &ch->csd);
	if (!sent)
		atomic_dec(&ch->in_flight);
out:
	raw_spin_unlock_irqrestore(&ch->send_lock, flags);
}

/* Interrupts are off, on the target CPU. */
static void ppnic_irq_deliver(struct ppnic_channel *ch)
{
	/* While masked the interrupt stays pending, and unmask sends it. */
	if (!READ_ONCE(ch->masked) && atomic_xchg(&ch->pending, 0))
		generic_handle_domain_irq(ch->port->parent->irq_domain,
					  ch->index);
	/* Last: ppnic_irq_disable() waits for it, then the port may go. */
	atomic_dec_return_release(&ch->in_flight);
}

static void ppnic_irq_deliver_local(struct irq_work *work)
{
	ppnic_irq_deliver(container_of(work, struct ppnic_channel, work));
}

static void ppnic_irq_deliver_remote(void *ch)
{
	ppnic_irq_deliver(ch);
}

static void ppnic_irq_mask(struct irq_data *d)
{
	struct ppnic_channel *ch = irq_data_get_irq_chip_data(d);

	WRITE_ONCE(ch->masked, true);
}

static void ppnic_irq_unmask(struct irq_data *d)
{
	struct ppnic_channel *ch = irq_data_get_irq_chip_data(d);

	WRITE_ONCE(ch->masked, false);
	/* Either deliver sees us unmasked, or we see what it left pending. */
	smp_mb();
	if (atomic_read(&ch->pending))
		ppnic_irq_send(ch);
}

/* handle_edge_irq() calls it always. There is no latch to clear. */
static void ppnic_irq_ack(struct irq_data *d)
{
}

static int ppnic_irq_retrigger(struct irq_data *d)
{
	ppnic_irq_send(irq_data_get_irq_chip_data(d));
	return 1;
}

static int ppnic_irq_set_affinity(struct irq_data *d,
				  const struct cpumask *mask, bool force)
{
	struct ppnic_channel *ch = irq_data_get_irq_chip_data(d);
	unsigned int cpu = cpumask_any_and(mask, cpu_online_mask);

	if (cpu >= nr_cpu_ids)
		return -EINVAL;
	WRITE_ONCE(ch->cpu, cpu);
	irq_data_update_effective_affinity(d, cpumask_of(cpu));
	return IRQ_SET_MASK_OK_DONE;
}

static struct irq_chip ppnic_irq_chip = {
	.name = PPNIC_NAME,
	.irq_mask = ppnic_irq_mask,
	.irq_unmask = ppnic_irq_unmask,
	.irq_ack = ppnic_irq_ack,
	.irq_retrigger = ppnic_irq_retrigger,
	.irq_set_affinity = ppnic_irq_set_affinity,
};

static int ppnic_irq_map(struct irq_domain *domain, unsigned int virq,
			 irq_hw_number_t hw)
{
	struct ppnic_port *port = domain->host_data;

	irq_set_chip_data(virq, &port->channels[hw]);
	/* Edge, for its flow handler runs once more if another one arrives
	 * while the first is handled on the CPU of the old affinity.
	 */
	irq_set_chip_and_handler(virq, &ppnic_irq_chip, handle_edge_irq);
	/* The next interrupt goes to the new CPU; no need to wait for one. */
	irq_modify_status(virq, IRQ_NOREQUEST | IRQ_NOAUTOEN,
			  IRQ_NOPROBE | COMPAT_IRQ_MOVE_PCNTXT);
	return 0;
}

static void ppnic_irq_unmap(struct irq_domain *domain, unsigned int virq)
{
	irq_set_chip_and_handler(virq, NULL, NULL);
	irq_set_chip_data(virq, NULL);
}

static const struct irq_domain_ops ppnic_irq_domain_ops = {
	.map = ppnic_irq_map,
	.unmap = ppnic_irq_unmap,
};

/* -------------------------------------------------------- firing, arming */

static void __ppnic_irq_fire(struct ppnic_channel *ch)
{
	lockdep_assert_held(&ch->irq_lock);

	if (atomic_cmpxchg(&ch->armed, PPNIC_IRQ_ARMED, PPNIC_IRQ_DISARMED) !=
	    PPNIC_IRQ_ARMED)
		return;
	/* Not waiting for it: it could be the caller, and one that comes too
	 * late finds the channel disarmed, or brings an interrupt early.
	 */
	hrtimer_try_to_cancel(&ch->mod_timer);
	ppnic_irq_send(ch);
}

/**
 * ppnic_irq_fire() - raise the interrupt now, if it is armed
 * @ch: the channel
 *
 * Context: any.
 */
void ppnic_irq_fire(struct ppnic_channel *ch)
{
	unsigned long flags;

	if (atomic_read(&ch->armed) != PPNIC_IRQ_ARMED)
		return;
	spin_lock_irqsave(&ch->irq_lock, flags);
	__ppnic_irq_fire(ch);
	spin_unlock_irqrestore(&ch->irq_lock, flags);
}

static enum hrtimer_restart ppnic_irq_timer(struct hrtimer *timer)
{
	ppnic_irq_fire(container_of(timer, struct ppnic_channel, mod_timer));
	return HRTIMER_NORESTART;
}

static void ppnic_irq_event(struct ppnic_channel *ch, atomic_t *seen,
			    const struct ppnic_moderation *mod, u32 frames)
{
	u32 usecs = READ_ONCE(mod->usecs);
	u32 limit = READ_ONCE(mod->frames);
	u64 ns = (u64)usecs * NSEC_PER_USEC;
	unsigned long flags;
	u32 count;

	/* Fully ordered: the event is in the ring before armed is read. Pairs
	 * with the cmpxchg in ppnic_irq_rearm().
	 */
	count = atomic_add_return(frames, seen);
	if (atomic_read(&ch->armed) != PPNIC_IRQ_ARMED)
		return;

	spin_lock_irqsave(&ch->irq_lock, flags);
	if (!usecs || (limit && count >= limit))
		__ppnic_irq_fire(ch);
	else if (atomic_read(&ch->armed) == PPNIC_IRQ_ARMED &&
		 (!hrtimer_is_queued(&ch->mod_timer) ||
		  ktime_to_ns(hrtimer_get_remaining(&ch->mod_timer)) > (s64)ns))
		hrtimer_start(&ch->mod_timer, ns_to_ktime(ns),
			      HRTIMER_MODE_REL);
	spin_unlock_irqrestore(&ch->irq_lock, flags);
}

/**
 * ppnic_irq_event_rx() - frames were received on the channel's RX queue
 * @ch: the channel
 * @frames: how many, already in the completion ring
 *
 * Context: bottom halves off, any CPU.
 */
void ppnic_irq_event_rx(struct ppnic_channel *ch, u32 frames)
{
	ppnic_irq_event(ch, &ch->rx_frames, &ch->rx_mod, frames);
}

/**
 * ppnic_irq_event_tx() - frames of the channel's TX queue were sent
 * @ch: the channel
 * @frames: how many, already written back
 *
 * Context: bottom halves off, any CPU.
 */
void ppnic_irq_event_tx(struct ppnic_channel *ch, u32 frames)
{
	ppnic_irq_event(ch, &ch->tx_frames, &ch->tx_mod, frames);
}

/**
 * ppnic_irq_rearm() - let events raise the interrupt again
 * @ch: the channel
 *
 * Call it from the poll function once napi_complete_done() returned true.
 *
 * Context: softirq.
 * Return: true if events came in before it was armed. Then it is disarmed
 * again, and the caller must schedule the NAPI.
 */
bool ppnic_irq_rearm(struct ppnic_channel *ch)
{
	struct ppnic_port *port = ch->port;
	u32 i = ch->index;

	/* What was counted so far has been polled, or is found below. */
	atomic_set(&ch->rx_frames, 0);
	atomic_set(&ch->tx_frames, 0);

	/* Fully ordered: the rings are looked at after it is armed. */
	if (atomic_cmpxchg(&ch->armed, PPNIC_IRQ_DISARMED, PPNIC_IRQ_ARMED) !=
	    PPNIC_IRQ_DISARMED)
		return false;

	if (!(i < port->dev->num_rx_queues &&
	      ppnic_rx_pending(&port->rxqs[i])) &&
	    !(i < port->dev->num_tx_queues && ppnic_tx_pending(&port->txqs[i])))
		return false;

	/* Unless someone fired already. */
	return atomic_cmpxchg(&ch->armed, PPNIC_IRQ_ARMED,
			      PPNIC_IRQ_DISARMED) == PPNIC_IRQ_ARMED;
}

static irqreturn_t ppnic_irq_handler(int irq, void *data)
{
	struct ppnic_channel *ch = data;

	atomic64_inc(&ch->interrupts);
	napi_schedule_irqoff(&ch->napi);
	return IRQ_HANDLED;
}

/**
 * ppnic_irq_enable() - start to deliver the channel's interrupts
 * @ch: the channel; its NAPI must be enabled
 *
 * Schedules the NAPI once: that poll finds what came in meanwhile, and arms.
 *
 * Context: process context, ops lock.
 */
void ppnic_irq_enable(struct ppnic_channel *ch)
{
	raw_spin_lock_irq(&ch->send_lock);
	ch->closed = false;
	raw_spin_unlock_irq(&ch->send_lock);

	atomic_set(&ch->armed, PPNIC_IRQ_DISARMED);
	local_bh_disable();
	napi_schedule(&ch->napi);
	local_bh_enable();
}

/**
 * ppnic_irq_disable() - stop the channel's interrupts
 * @ch: the channel; disabling one that is disabled does no harm
 *
 * When it returns, neither handler nor timer runs, nor will until
 * ppnic_irq_enable(). Events are still welcome, and wait for that.
 *
 * Context: process context, ops lock. May sleep.
 */
void ppnic_irq_disable(struct ppnic_channel *ch)
{
	/* Under the lock, so that nobody who found it armed has yet to start
	 * the timer or the work that is waited for below.
	 */
	spin_lock_irq(&ch->irq_lock);
	atomic_set(&ch->armed, PPNIC_IRQ_OFF);
	spin_unlock_irq(&ch->irq_lock);

	hrtimer_cancel(&ch->mod_timer);

	/* The handler's flow may unmask, and so send once more. */
	raw_spin_lock_irq(&ch->send_lock);
	ch->closed = true;
	raw_spin_unlock_irq(&ch->send_lock);

	while (atomic_read_acquire(&ch->in_flight))
		cpu_relax();
	/* irq_work itself writes to the work after it ran. */
	irq_work_sync(&ch->work);
	/* If the affinity just changed, the handler may be running for us on
	 * another CPU than the one it was delivered to.
	 */
	synchronize_irq(ch->virq);
	atomic_set(&ch->pending, 0);
}

/* ------------------------------------- init, create and destroy, request */

/**
 * ppnic_irq_init() - set up the interrupt half of a channel
 * @ch: the channel; zeroed, but for port and index
 *
 * Events are welcome from now on.
 *
 * Context: any.
 */
void ppnic_irq_init(struct ppnic_channel *ch)
{
	atomic_set(&ch->armed, PPNIC_IRQ_OFF);
	ch->masked = true;
	spin_lock_init(&ch->irq_lock);
	raw_spin_lock_init(&ch->send_lock);
	ch->closed = true;
	ch->work = IRQ_WORK_INIT_HARD(ppnic_irq_deliver_local);
	INIT_CSD(&ch->csd, ppnic_irq_deliver_remote, ch);
	compat_hrtimer_setup(&ch->mod_timer, ppnic_irq_timer, CLOCK_MONOTONIC,
			     HRTIMER_MODE_REL);

	/* As 10G drivers have it. Outlives ifdown. */
	ch->rx_mod.usecs = PPNIC_DEF_RX_USECS;
	ch->rx_mod.frames = PPNIC_DEF_RX_FRAMES;
	ch->tx_mod.usecs = PPNIC_DEF_TX_USECS;
	ch->tx_mod.frames = PPNIC_DEF_TX_FRAMES;
}

/* The CPU that a channel would best interrupt, as far as we know. */
static const struct cpumask *ppnic_irq_home(u32 channel)
{
	return cpumask_of(cpumask_local_spread(channel, NUMA_NO_NODE));
}

/**
 * ppnic_irq_destroy() - give back what ppnic_irq_create() got
 * @port: the port, down for good
 *
 * Context: process context. May sleep.
 */
void ppnic_irq_destroy(struct ppnic_port *port)
{
	struct irq_domain *domain = port->parent->irq_domain;
	struct fwnode_handle *fwnode = domain->fwnode;
	u32 i;

	for (i = 0; i < port->nr_channels; i++)
		if (port->channels[i].virq)
			irq_dispose_mapping(port->channels[i].virq);
	irq_domain_remove(domain);
	irq_domain_free_fwnode(fwnode);
}

/**
 * ppnic_irq_create() - get an interrupt for each channel of a port
 * @port: the port, whose channels are initialised
 *
 * They are the port's as long as it lives, as a PCI device keeps its vectors:
 * what the user has set of one, its affinity above all, outlives ifdown.
 *
 * Context: process context.
 * Return: 0 or -ENOMEM.
 */
int ppnic_irq_create(struct ppnic_port *port)
{
	struct ppnic_parent *parent = port->parent;
	struct fwnode_handle *fwnode;
	u32 i;

	fwnode = irq_domain_alloc_named_fwnode(dev_name(&parent->dev));
	if (!fwnode)
		return -ENOMEM;

	parent->irq_domain = irq_domain_create_linear(fwnode, port->nr_channels,
						      &ppnic_irq_domain_ops,
						      port);
	if (!parent->irq_domain) {
		irq_domain_free_fwnode(fwnode);
		return -ENOMEM;
	}

	for (i = 0; i < port->nr_channels; i++) {
		unsigned int virq = irq_create_mapping(parent->irq_domain, i);

		if (!virq) {
			ppnic_irq_destroy(port);
			return -ENOMEM;
		}
		port->channels[i].virq = virq;
		/* Only a start: irqbalance or the user may do better. */
		irq_set_affinity(virq, ppnic_irq_home(i));
	}
	return 0;
}

static int ppnic_channel_request(struct ppnic_channel *ch)
{
	int err;

	/* The name at the time of ifup, as other drivers have it. */
	snprintf(ch->irq_name, sizeof(ch->irq_name), "%s-TxRx-%u",
		 ch->port->dev->name, ch->index);
	err = request_irq(ch->virq, ppnic_irq_handler, 0, ch->irq_name, ch);
	if (err)
		return err;

	irq_update_affinity_hint(ch->virq, ppnic_irq_home(ch->index));
	compat_napi_set_irq(&ch->napi, ch->virq);
	return 0;
}

static void ppnic_channel_free(struct ppnic_channel *ch)
{
	compat_napi_set_irq(&ch->napi, -1);
	irq_update_affinity_hint(ch->virq, NULL);
	free_irq(ch->virq, ch);
}

/**
 * ppnic_irq_request() - have the interrupts of a port handled
 * @port: the port, going up
 *
 * They are off until ppnic_irq_enable().
 *
 * Context: process context, ops lock.
 * Return: 0, or an error and nothing was requested.
 */
int ppnic_irq_request(struct ppnic_port *port)
{
	u32 i;
	int err;

	for (i = 0; i < port->nr_channels; i++) {
		err = ppnic_channel_request(&port->channels[i]);
		if (err)
			goto err_free;
	}
	return 0;

err_free:
	while (i--)
		ppnic_channel_free(&port->channels[i]);
	return err;
}

/**
 * ppnic_irq_free() - undo ppnic_irq_request()
 * @port: the port, going down; its channels are disabled
 *
 * Context: process context, ops lock. May sleep.
 */
void ppnic_irq_free(struct ppnic_port *port)
{
	u32 i;

	for (i = 0; i < port->nr_channels; i++)
		ppnic_channel_free(&port->channels[i]);
}
