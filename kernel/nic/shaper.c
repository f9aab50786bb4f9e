// SPDX-License-Identifier: GPL-2.0-only
/*
 * Rates of TX queues, of groups of them and of the port: net_shaper_ops, and
 * the device's scheduler that keeps to them.
 *
 *         netdev              each has a rate, a burst and a weight,
 *         /    \              or none of them
 *      node   queue 2
 *      /  \
 * queue 0  queue 1
 *
 * A frame may go when its queue and all above it are ready; then each of them
 * is not until it has paid, which with a burst it may put off. So a rate is
 * never exceeded over any time longer than a burst, and a frame larger than
 * the burst still goes.
 *
 * A queue that must wait is noted, and a timer lets one go on as soon as one
 * may: of those that compete the one that has had the least for its weight.
 */
#include <linux/hrtimer.h>
#include <linux/timekeeping.h>
#include <net/net_shaper.h>

#include "../compat/irq.h"
#include "../compat/mm.h"
#include "shaper.h"

#define PPNIC_SHAPER_NODES 64
#define PPNIC_SHAPER_DEPTH 8 /* between a queue and the port */

/* A weight of 1 pays this for a byte, one of n the nth part. */
#define PPNIC_SHAPER_SCALE 65536
/* The longest burst, in seconds of its rate. */
#define PPNIC_SHAPER_BURST_S 3600

struct ppnic_shaper {
	struct ppnic_shaper *parent; /* NULL: the port, or not in use */
	u64 rate;                    /* bits or frames a second; 0: any */
	u64 burst;                   /* bits or frames */
	bool frames;                 /* the metric */
	u32 weight;
	u32 id;
	bool used;    /* a node: is one */
	u64 ready;    /* ns: from then on it may send */
	u64 had;      /* scaled bytes for its weight, among its siblings */
	u64 children; /* the least @had of any child that was served last */
};

/**
 * struct ppnic_shaping - the shapers of a port
 * @port: the port
 * @lock: for all of it; taken with engine_lock held, BH off
 * @active: one of them has a rate; read without the lock
 * @waiting: bitmap of TX queues that want to be told
 * @granted: the queue that was told, until it has sent a frame; -1
 * @timer: tells them
 * @root: the port's own
 * @nodes: groups, those in use
 * @queues: by TX queue
 *
 * Configured with the ops lock held, which the core takes.
 */
struct ppnic_shaping {
	struct ppnic_port *port;
	spinlock_t lock; /* BH off; after engine_lock */
	bool active;
	DECLARE_BITMAP(waiting, PPNIC_MAX_QUEUES);
	int granted;
	struct hrtimer timer;
	struct ppnic_shaper root;
	struct ppnic_shaper nodes[PPNIC_SHAPER_NODES];
	struct ppnic_shaper queues[PPNIC_MAX_QUEUES];
};

/* ----------------------------------------------------------- the scheduler */

/* ns that so many bits or frames take. */
static u64 ppnic_shaper_cost(const struct ppnic_shaper *s, u64 units)
{
	return mul_u64_u64_div_u64(units, NSEC_PER_SEC, s->rate);
}

/* From when on may the queue send? */
static u64 ppnic_shaper_when(const struct ppnic_shaper *queue)
{
	const struct ppnic_shaper *s;
	u64 when = 0;

	for (s = queue; s; s = s->parent)
		if (s->rate)
			when = max(when, s->ready);
	return when;
}

static void ppnic_shaper_pay(struct ppnic_shaper *s, u64 now, u32 bytes,
			     u32 frames)
{
	u64 units = s->frames ? frames : (u64)bytes * BITS_PER_BYTE;

	if (!s->rate)
		return;
	now -= min(now, ppnic_shaper_cost(s, s->burst));
	s->ready = max(s->ready, now) + ppnic_shaper_cost(s, units);
}

static void ppnic_shaper_charge(struct ppnic_shaper *queue, u64 now, u32 bytes,
				u32 frames)
{
	struct ppnic_shaper *s;

	for (s = queue; s; s = s->parent) {
		ppnic_shaper_pay(s, now, bytes, frames);
		if (!s->parent)
			break;
		/* Who was idle has saved nothing up. */
		s->had = max(s->had, s->parent->children);
		s->parent->children = s->had;
		s->had += (u64)bytes * PPNIC_SHAPER_SCALE / max(s->weight, 1U);
	}
}

static u32 ppnic_shaper_depth(const struct ppnic_shaper *s)
{
	u32 depth = 0;

	while ((s = s->parent))
		depth++;
	return depth;
}

/* Has @a had less than @b, where their ways up meet? */
static bool ppnic_shaper_before(const struct ppnic_shaper *a,
				const struct ppnic_shaper *b)
{
	u32 da = ppnic_shaper_depth(a), db = ppnic_shaper_depth(b);

	while (da > db) {
		a = a->parent;
		da--;
	}
	while (db > da) {
		b = b->parent;
		db--;
	}
	while (a->parent != b->parent) {
		a = a->parent;
		b = b->parent;
	}
	return a->had < b->had;
}

/* The queue that goes next, -1 for none yet; @when: ... and when one may. */
static int ppnic_shaper_next(struct ppnic_shaping *sh, u64 now, u64 *when)
{
	int best = -1, i;

	*when = U64_MAX;
	for_each_set_bit(i, sh->waiting, PPNIC_MAX_QUEUES) {
		u64 at = ppnic_shaper_when(&sh->queues[i]);

		if (at > now)
			*when = min(*when, at);
		else if (best < 0 ||
			 ppnic_shaper_before(&sh->queues[i], &sh->queues[best]))
			best = i;
	}
	return best;
}

/* Does no other queue wait? */
static bool ppnic_shaper_alone(const struct ppnic_shaping *sh, u32 queue)
{
	return bitmap_weight(sh->waiting, PPNIC_MAX_QUEUES) ==
	       test_bit(queue, sh->waiting);
}

static void ppnic_shaper_arm(struct ppnic_shaping *sh, u64 when)
{
	if (!hrtimer_is_queued(&sh->timer) ||
	    ktime_to_ns(hrtimer_get_expires(&sh->timer)) > (s64)when)
		hrtimer_start(&sh->timer, ns_to_ktime(when),
			      HRTIMER_MODE_ABS_SOFT);
}

static enum hrtimer_restart ppnic_shaper_timer(struct hrtimer *timer)
{
	struct ppnic_shaping *sh = container_of(timer, struct ppnic_shaping,
						timer);
	int queue, rounds;
	u64 when;

	/* A round is a frame; who has a high rate must not keep the CPU. */
	for (rounds = 0; rounds < 64; rounds++) {
		spin_lock(&sh->lock);
		queue = ppnic_shaper_next(sh, ktime_get_ns(), &when);
		if (queue >= 0)
			clear_bit(queue, sh->waiting);
		sh->granted = queue;
		spin_unlock(&sh->lock);
		if (queue < 0)
			break;
		ppnic_engine_kick(&sh->port->txqs[queue]);
	}

	spin_lock(&sh->lock);
	/* Nobody may hold what he doesn't use: his queue was empty. */
	sh->granted = -1;
	queue = ppnic_shaper_next(sh, ktime_get_ns(), &when);
	if (queue >= 0)
		when = ktime_get_ns() + NSEC_PER_USEC;
	if (!bitmap_empty(sh->waiting, PPNIC_MAX_QUEUES))
		ppnic_shaper_arm(sh, when);
	spin_unlock(&sh->lock);
	return HRTIMER_NORESTART;
}

/**
 * ppnic_shaper_admit() - may a frame of this queue go now?
 * @txq: the queue
 * @bytes: of the frame, on the wire
 * @frames: on the wire, more than one if it is to be cut
 *
 * If it may, it is paid for. Otherwise the engine is kicked when it may.
 *
 * Context: BH off, engine_lock held.
 * Return: true if it may.
 */
bool ppnic_shaper_admit(struct ppnic_txq *txq, u32 bytes, u32 frames)
{
	struct ppnic_shaping *sh = txq->port->shaping;
	struct ppnic_shaper *queue = &sh->queues[txq->index];
	struct netdev_queue *nq;
	u64 now, when;
	bool go;

	if (likely(!READ_ONCE(sh->active)))
		return true;

	spin_lock(&sh->lock);
	now = ktime_get_ns();
	when = ppnic_shaper_when(queue);
	/* Those who wait come first, but for the one whose turn it is. */
	go = when <= now &&
	     (sh->granted == txq->index || ppnic_shaper_alone(sh, txq->index));
	if (go) {
		ppnic_shaper_charge(queue, now, bytes, frames);
		clear_bit(txq->index, sh->waiting);
		if (sh->granted == txq->index)
			sh->granted = -1;
	} else {
		set_bit(txq->index, sh->waiting);
		ppnic_shaper_arm(sh, max(when, now));
	}
	spin_unlock(&sh->lock);

	if (!go) {
		/* A queue that waits for its turn is not stuck. */
		nq = netdev_get_tx_queue(txq->port->dev, txq->index);
		txq_trans_cond_update(nq);
	}
	return go;
}

/* ------------------------------------------------------- the configuration */

static struct ppnic_shaping *ppnic_shaping(struct net_shaper_binding *binding)
{
	struct ppnic_port *port = netdev_priv(binding->netdev);

	return port->shaping;
}

/* The shaper of a handle; a node that there is not yet, only with @make. */
static struct ppnic_shaper *
ppnic_shaper_find(struct ppnic_shaping *sh,
		  const struct net_shaper_handle *handle, bool make)
{
	struct ppnic_shaper *unused = NULL;
	u32 i;

	switch (handle->scope) {
	case NET_SHAPER_SCOPE_NETDEV:
		return &sh->root;
	case NET_SHAPER_SCOPE_QUEUE:
		return handle->id < sh->port->dev->num_tx_queues ?
			       &sh->queues[handle->id] :
			       NULL;
	case NET_SHAPER_SCOPE_NODE:
		break;
	default:
		return NULL;
	}

	for (i = 0; i < PPNIC_SHAPER_NODES; i++) {
		if (sh->nodes[i].used && sh->nodes[i].id == handle->id)
			return &sh->nodes[i];
		if (!sh->nodes[i].used && !unused)
			unused = &sh->nodes[i];
	}
	if (!make || !unused)
		return NULL;
	*unused = (struct ppnic_shaper) {
		.used = true,
		.id = handle->id,
		.parent = &sh->root,
	};
	return unused;
}

/* As it is without anybody's wish. */
static void ppnic_shaper_reset(struct ppnic_shaping *sh, struct ppnic_shaper *s)
{
	*s = (struct ppnic_shaper) {
		.parent = s == &sh->root ? NULL : &sh->root,
		.had = s->had,
		.children = s->children,
	};
}

static void ppnic_shaper_apply(struct ppnic_shaper *s,
			       const struct net_shaper *wish)
{
	s->rate = wish->bw_max;
	/* The ns that it takes must fit into 64 bits, or the division traps;
	 * U64_MAX is what "no limit" looks like.
	 */
	s->burst = wish->burst;
	if (s->rate && div64_u64(s->burst, s->rate) >= PPNIC_SHAPER_BURST_S)
		s->burst = s->rate * PPNIC_SHAPER_BURST_S;
	s->frames = wish->metric == NET_SHAPER_METRIC_PPS;
	s->weight = wish->weight;
	s->ready = 0;
}

/* Whoever waits looks again, by the new rules. */
static void ppnic_shaper_changed(struct ppnic_shaping *sh)
{
	bool active = sh->root.rate;
	u32 i;

	for (i = 0; i < PPNIC_SHAPER_NODES; i++)
		active |= sh->nodes[i].rate;
	for (i = 0; i < PPNIC_MAX_QUEUES; i++)
		active |= sh->queues[i].rate;
	WRITE_ONCE(sh->active, active);
	if (!bitmap_empty(sh->waiting, PPNIC_MAX_QUEUES))
		ppnic_shaper_arm(sh, 0);
}

static int ppnic_shaper_set(struct net_shaper_binding *binding,
			    const struct net_shaper *shaper,
			    struct netlink_ext_ack *extack)
{
	struct ppnic_shaping *sh = ppnic_shaping(binding);
	struct ppnic_shaper *s;

	spin_lock_bh(&sh->lock);
	s = ppnic_shaper_find(sh, &shaper->handle, false);
	if (s) {
		ppnic_shaper_apply(s, shaper);
		ppnic_shaper_changed(sh);
	}
	spin_unlock_bh(&sh->lock);
	return s ? 0 : -ENOENT;
}

static int ppnic_shaper_delete(struct net_shaper_binding *binding,
			       const struct net_shaper_handle *handle,
			       struct netlink_ext_ack *extack)
{
	struct ppnic_shaping *sh = ppnic_shaping(binding);
	struct ppnic_shaper *s;
	int err = 0;
	u32 i;

	spin_lock_bh(&sh->lock);
	s = ppnic_shaper_find(sh, handle, false);
	if (!s) {
		err = -ENOENT;
		goto out;
	}
	/* The core has moved what was below a node. */
	for (i = 0;
	     handle->scope == NET_SHAPER_SCOPE_NODE && i < PPNIC_SHAPER_NODES;
	     i++)
		if (sh->nodes[i].parent == s)
			sh->nodes[i].parent = s->parent;
	for (i = 0;
	     handle->scope == NET_SHAPER_SCOPE_NODE && i < PPNIC_MAX_QUEUES;
	     i++)
		if (sh->queues[i].parent == s)
			sh->queues[i].parent = s->parent;
	ppnic_shaper_reset(sh, s);
	ppnic_shaper_changed(sh);
out:
	spin_unlock_bh(&sh->lock);
	return err;
}

static int ppnic_shaper_group_locked(struct ppnic_shaping *sh, int nr,
				     const struct net_shaper *leaves,
				     const struct net_shaper *node,
				     struct netlink_ext_ack *extack)
{
	struct ppnic_shaper *n, *parent = NULL;
	bool made;
	int i;

	if (node->handle.scope == NET_SHAPER_SCOPE_NODE) {
		parent = ppnic_shaper_find(sh, &node->parent, false);
		if (!parent)
			return -ENOENT;
		if (ppnic_shaper_depth(parent) + 1 >= PPNIC_SHAPER_DEPTH) {
			NL_SET_ERR_MSG_FMT(extack,
					   "at most %u shapers above a queue",
					   PPNIC_SHAPER_DEPTH);
			return -EOPNOTSUPP;
		}
	}

	/* All or nothing: see first that there are such leaves. */
	for (i = 0; i < nr; i++)
		if (!ppnic_shaper_find(sh, &leaves[i].handle, false))
			return -ENOENT;

	made = !ppnic_shaper_find(sh, &node->handle, false);
	n = ppnic_shaper_find(sh, &node->handle, true);
	if (!n) {
		NL_SET_ERR_MSG_FMT(extack, "at most %u groups",
				   PPNIC_SHAPER_NODES);
		return -ENOSPC;
	}
	if (parent) {
		if (made)
			n->had = parent->children;
		n->parent = parent;
	}
	ppnic_shaper_apply(n, node);

	for (i = 0; i < nr; i++) {
		struct ppnic_shaper *leaf;

		leaf = ppnic_shaper_find(sh, &leaves[i].handle, false);
		ppnic_shaper_apply(leaf, &leaves[i]);
		if (leaf->parent != n)
			leaf->had = n->children;
		leaf->parent = n;
	}
	ppnic_shaper_changed(sh);
	return 0;
}

static int ppnic_shaper_group(struct net_shaper_binding *binding, int nr,
			      const struct net_shaper *leaves,
			      const struct net_shaper *node,
			      struct netlink_ext_ack *extack)
{
	struct ppnic_shaping *sh = ppnic_shaping(binding);
	int err;

	spin_lock_bh(&sh->lock);
	err = ppnic_shaper_group_locked(sh, nr, leaves, node, extack);
	spin_unlock_bh(&sh->lock);
	return err;
}

static void ppnic_shaper_capabilities(struct net_shaper_binding *binding,
				      enum net_shaper_scope scope,
				      unsigned long *caps)
{
	*caps = BIT(NET_SHAPER_A_CAPS_SUPPORT_METRIC_BPS) |
		BIT(NET_SHAPER_A_CAPS_SUPPORT_METRIC_PPS) |
		BIT(NET_SHAPER_A_CAPS_SUPPORT_BW_MAX) |
		BIT(NET_SHAPER_A_CAPS_SUPPORT_BURST);
	if (scope != NET_SHAPER_SCOPE_NETDEV)
		*caps |= BIT(NET_SHAPER_A_CAPS_SUPPORT_WEIGHT) |
			 BIT(NET_SHAPER_A_CAPS_SUPPORT_NESTING);
}

const struct net_shaper_ops ppnic_shaper_ops = {
	.group = ppnic_shaper_group,
	.set = ppnic_shaper_set,
	.delete = ppnic_shaper_delete,
	.capabilities = ppnic_shaper_capabilities,
};

/**
 * ppnic_shaper_set_channels() - queues that go lose their shapers
 * @port: the port, stopped
 * @tx: TX queues to be in use
 *
 * The core forgets them by itself.
 *
 * Context: process, ops lock held.
 */
void ppnic_shaper_set_channels(struct ppnic_port *port, u32 tx)
{
	struct ppnic_shaping *sh = port->shaping;

	spin_lock_bh(&sh->lock);
	for (; tx < port->dev->num_tx_queues; tx++) {
		ppnic_shaper_reset(sh, &sh->queues[tx]);
		clear_bit(tx, sh->waiting);
	}
	ppnic_shaper_changed(sh);
	spin_unlock_bh(&sh->lock);
}

/**
 * ppnic_shaper_init() - a port without any rate
 * @port: the port
 *
 * Context: process.
 * Return: 0 or -ENOMEM.
 */
int ppnic_shaper_init(struct ppnic_port *port)
{
	struct ppnic_shaping *sh;
	u32 i;

	sh = kvzalloc_obj(*sh);
	if (!sh)
		return -ENOMEM;
	sh->port = port;
	sh->granted = -1;
	spin_lock_init(&sh->lock);
	for (i = 0; i < PPNIC_MAX_QUEUES; i++)
		ppnic_shaper_reset(sh, &sh->queues[i]);
	compat_hrtimer_setup(&sh->timer, ppnic_shaper_timer, CLOCK_MONOTONIC,
			     HRTIMER_MODE_ABS_SOFT);
	port->shaping = sh;
	return 0;
}

/**
 * ppnic_shaper_exit() - no queue is let go any more
 * @port: the port, down for good
 *
 * Context: process.
 */
void ppnic_shaper_exit(struct ppnic_port *port)
{
	hrtimer_cancel(&port->shaping->timer);
}

/**
 * ppnic_shaper_free() - undo ppnic_shaper_init()
 * @port: the port, after ppnic_shaper_exit()
 *
 * Context: process.
 */
void ppnic_shaper_free(struct ppnic_port *port)
{
	kvfree(port->shaping);
}
