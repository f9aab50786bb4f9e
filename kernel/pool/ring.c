// SPDX-License-Identifier: GPL-2.0-only
/*
 * /dev/ppiov-ring, and the tokens that go out with payload and come back
 * through the ring; see include/uapi/ppiov_ring.h.
 *
 * User space can write into the ring whatever and whenever it likes. So an
 * index is never read back from there but @tail, which only says how many
 * entries to look at, at most as many as there are; an entry is read once, and
 * is a token that is out or is counted as invalid. The worst that it can do is
 * to return its own payload before it has read it.
 */
#include <linux/dma-buf.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/log2.h>
#include <linux/miscdevice.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/nospec.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <linux/vmalloc.h>
#include <kunit/visibility.h>

#include "../compat/mm.h"
#include "../include/ppiov/carrier.h"
#include "ring_priv.h"

/* A token: generation, then the slot. It fits into 31 bits. */
#define PPIOV_RING_SLOT_BITS 15

static_assert(PPIOV_RING_MAX_ENTRIES <= 1 << PPIOV_RING_SLOT_BITS);

/* ------------------------------------------------------------------- tokens */

static int ppiov_ring_tokens_alloc(struct ppiov_ring_tokens *t, u32 nr)
{
	struct ppiov_ring *shared;
	u32 i;

	t->nr = nr;
	t->size = PAGE_ALIGN(struct_size(shared, entries, nr));
	t->shared = vmalloc_user(t->size);
	t->slots = kvcalloc(nr, sizeof(*t->slots), GFP_KERNEL_ACCOUNT);
	t->free = kvmalloc_array(nr, sizeof(*t->free), GFP_KERNEL_ACCOUNT);
	if (!t->shared || !t->slots || !t->free)
		return -ENOMEM;
	for (i = 0; i < nr; i++)
		t->free[t->nr_free++] = nr - 1 - i;
	return 0;
}

static void ppiov_ring_tokens_free(struct ppiov_ring_tokens *t)
{
	vfree(t->shared);
	kvfree(t->slots);
	kvfree(t->free);
	t->shared = NULL;
	t->slots = NULL;
	t->free = NULL;
	t->nr_free = 0;
	t->nr = 0;
}

/* Take a token back. The caller gets its reference; NULL if it isn't out. */
static struct ppiov_carrier *ppiov_ring_take(struct ppiov_ring_tokens *t,
					     u32 token)
{
	u32 index = token & (BIT(PPIOV_RING_SLOT_BITS) - 1);
	struct ppiov_ring_slot *slot;
	struct ppiov_carrier *carrier;

	lockdep_assert_held(&t->lock);
	if (index >= t->nr)
		return NULL;
	slot = &t->slots[array_index_nospec(index, t->nr)];
	if (!slot->carrier || token >> PPIOV_RING_SLOT_BITS != slot->generation)
		return NULL;

	carrier = slot->carrier;
	slot->carrier = NULL;
	slot->generation++;
	t->free[t->nr_free++] = index;
	return carrier;
}

/**
 * ppiov_ring_consume() - take back what user space has put into the ring
 * @ring: complete
 *
 * Looks at PPIOV_RING_BATCH entries at most.
 *
 * Context: any but hard interrupt; no lock held that a pool or a provider
 * takes when it gets a buffer back.
 * Return: entries looked at; 0: the ring is empty.
 */
u32 ppiov_ring_consume(struct ppiov_ring_file *ring)
{
	struct ppiov_carrier *carriers[PPIOV_RING_BATCH];
	struct ppiov_ring_tokens *t = &ring->tokens;
	u32 i, nr, found = 0;

	spin_lock_bh(&t->lock);
	/* Pairs with user space's release of @tail: the entries are there. */
	nr = smp_load_acquire(&t->shared->tail) - t->head;
	nr = min3(nr, t->nr, (u32)PPIOV_RING_BATCH);
	for (i = 0; i < nr; i++) {
		const struct ppiov_ring_entry *entry =
			&t->shared->entries[t->head++ & (t->nr - 1)];

		carriers[found] = NULL;
		if (!READ_ONCE(entry->reserved))
			carriers[found] =
				ppiov_ring_take(t, READ_ONCE(entry->token));
		if (carriers[found])
			found++;
		else
			WRITE_ONCE(t->shared->invalid, ++t->invalid);
	}
	/* User space may write to what was read, from here on. */
	smp_store_release(&t->shared->head, t->head);
	spin_unlock_bh(&t->lock);

	for (i = 0; i < found; i++)
		ppiov_carrier_put(carriers[i]);
	return nr;
}
EXPORT_SYMBOL_IF_KUNIT(ppiov_ring_consume);

/**
 * ppiov_ring_hold_token() - give out a token
 * @ring: complete
 * @carrier: gets one reference more
 * @token: the token
 *
 * Context: any but hard interrupt.
 * Return: 0; -ENOBUFS if all are out, -ESHUTDOWN if the ring was closed.
 */
int ppiov_ring_hold_token(struct ppiov_ring_file *ring,
			  struct ppiov_carrier *carrier, u32 *token)
{
	struct ppiov_ring_tokens *t = &ring->tokens;
	struct ppiov_ring_slot *slot;
	int err = 0;
	u32 index;

	/* Who receives has often just returned something. */
	ppiov_ring_consume(ring);

	spin_lock_bh(&t->lock);
	if (t->closed) {
		err = -ESHUTDOWN;
	} else if (!t->nr_free) {
		err = -ENOBUFS;
	} else {
		index = t->free[--t->nr_free];
		slot = &t->slots[index];
		ppiov_carrier_get(carrier);
		slot->carrier = carrier;
		*token = (u32)slot->generation << PPIOV_RING_SLOT_BITS | index;
	}
	spin_unlock_bh(&t->lock);
	return err;
}
EXPORT_SYMBOL_IF_KUNIT(ppiov_ring_hold_token);

/**
 * ppiov_ring_drop_token() - take back a token that user space has not seen
 * @ring: complete
 * @token: from ppiov_ring_hold_token(); returned already if user space guessed
 *	it, or the ring was closed
 *
 * Context: any but hard interrupt.
 */
void ppiov_ring_drop_token(struct ppiov_ring_file *ring, u32 token)
{
	struct ppiov_ring_tokens *t = &ring->tokens;
	struct ppiov_carrier *carrier;

	spin_lock_bh(&t->lock);
	carrier = ppiov_ring_take(t, token);
	spin_unlock_bh(&t->lock);
	if (carrier)
		ppiov_carrier_put(carrier);
}
EXPORT_SYMBOL_IF_KUNIT(ppiov_ring_drop_token);

/**
 * ppiov_ring_close() - no more tokens go out, and those that are out come back
 * @ring: complete or not
 *
 * Context: process.
 */
void ppiov_ring_close(struct ppiov_ring_file *ring)
{
	struct ppiov_ring_tokens *t = &ring->tokens;
	struct ppiov_carrier *carrier;
	u32 i;

	spin_lock_bh(&t->lock);
	t->closed = true;
	spin_unlock_bh(&t->lock);

	for (i = 0; i < t->nr; i++) {
		spin_lock_bh(&t->lock);
		carrier = t->slots[i].carrier;
		t->slots[i].carrier = NULL;
		spin_unlock_bh(&t->lock);
		if (carrier)
			ppiov_carrier_put(carrier);
		cond_resched();
	}
}
EXPORT_SYMBOL_IF_KUNIT(ppiov_ring_close);

/* ----------------------------------------------------------------- the file */

/* Undo ppiov_ring_fill(). */
static void ppiov_ring_drain(struct ppiov_ring_file *ring)
{
	ppiov_ring_memory_free(&ring->memory);
	ppiov_ring_tokens_free(&ring->tokens);
}

static void ppiov_ring_free(struct kref *ref)
{
	struct ppiov_ring_file *ring = container_of(ref, struct ppiov_ring_file,
						    ref);

	WARN_ON(ring->buffers.pools);
	ppiov_ring_drain(ring);
	mutex_destroy(&ring->buffers.lock);
	mutex_destroy(&ring->memory.lock);
	mutex_destroy(&ring->lock);
	kfree(ring);
}

/**
 * ppiov_ring_put() - drop a reference
 * @ring: not to be touched afterwards
 *
 * Context: process.
 */
void ppiov_ring_put(struct ppiov_ring_file *ring)
{
	kref_put(&ring->ref, ppiov_ring_free);
}
EXPORT_SYMBOL_IF_KUNIT(ppiov_ring_put);

/**
 * ppiov_ring_new() - a ring without entries and memory
 *
 * Context: process.
 * Return: a ring, with a reference for ppiov_ring_put(), or NULL.
 */
struct ppiov_ring_file *ppiov_ring_new(void)
{
	struct ppiov_ring_file *ring;

	ring = kzalloc_obj(*ring, GFP_KERNEL_ACCOUNT);
	if (!ring)
		return NULL;
	kref_init(&ring->ref);
	mutex_init(&ring->lock);
	mutex_init(&ring->memory.lock);
	INIT_LIST_HEAD(&ring->memory.maps);
	spin_lock_init(&ring->tokens.lock);
	mutex_init(&ring->buffers.lock);
	spin_lock_init(&ring->buffers.free_lock);
	return ring;
}
EXPORT_SYMBOL_IF_KUNIT(ppiov_ring_new);

/**
 * ppiov_ring_fill() - give a ring what it is made of
 * @ring: new; its lock is held, or nobody else knows it
 * @size: of the memory, bytes: whole pages
 * @entries: a power of two
 *
 * Context: process.
 * Return: 0; or -ENOMEM or -EINTR, and the ring is as it was.
 */
int ppiov_ring_fill(struct ppiov_ring_file *ring, u64 size, u32 entries)
{
	int err;

	err = ppiov_ring_tokens_alloc(&ring->tokens, entries);
	if (!err)
		err = ppiov_ring_memory_alloc(&ring->memory, size);
	if (err)
		ppiov_ring_drain(ring);
	return err;
}
EXPORT_SYMBOL_IF_KUNIT(ppiov_ring_fill);

static int ppiov_ring_open(struct inode *inode, struct file *file)
{
	file->private_data = ppiov_ring_new();
	return file->private_data ? 0 : -ENOMEM;
}

static int ppiov_ring_release(struct inode *inode, struct file *file)
{
	struct ppiov_ring_file *ring = file->private_data;

	ppiov_ring_close(ring);
	ppiov_ring_put(ring);
	return 0;
}

static int ppiov_ring_build(struct ppiov_ring_file *ring,
			    struct ppiov_ring_create *create,
			    struct ppiov_ring_create __user *user)
{
	struct dma_buf *dmabuf;
	int err, fd;

	lockdep_assert_held(&ring->lock);
	if (ring->created)
		return -EBUSY;
	fd = get_unused_fd_flags(O_CLOEXEC);
	if (fd < 0)
		return fd;
	err = ppiov_ring_fill(ring, create->size, create->entries);
	if (err)
		goto err_fd;

	create->dmabuf_fd = fd;
	create->ring_size = ring->tokens.size;
	if (copy_to_user(user, create, sizeof(*create))) {
		err = -EFAULT;
		goto err_drain;
	}
	/* The last step, as others may see a dma-buf before it has an fd. */
	dmabuf = ppiov_ring_export(ring);
	if (IS_ERR(dmabuf)) {
		err = PTR_ERR(dmabuf);
		goto err_drain;
	}
	fd_install(fd, dmabuf->file);
	smp_store_release(&ring->created, true); /* ppiov_ring_created() */
	return 0;

err_drain:
	ppiov_ring_drain(ring);
err_fd:
	put_unused_fd(fd);
	return err;
}

static int ppiov_ring_create(struct ppiov_ring_file *ring,
			     struct ppiov_ring_create __user *user)
{
	struct ppiov_ring_create create;
	int err;

	if (copy_from_user(&create, user, sizeof(create)))
		return -EFAULT;
	if (create.reserved || !create.size || !PAGE_ALIGNED(create.size) ||
	    create.size > PPIOV_RING_MAX_SIZE ||
	    !is_power_of_2(create.entries) ||
	    create.entries > PPIOV_RING_MAX_ENTRIES)
		return -EINVAL;

	mutex_lock(&ring->lock);
	err = ppiov_ring_build(ring, &create, user);
	mutex_unlock(&ring->lock);
	return err;
}

/* Without the lock, as mmap() comes with mmap_lock held. */
static bool ppiov_ring_created(struct ppiov_ring_file *ring)
{
	return smp_load_acquire(&ring->created); /* ppiov_ring_build() */
}

static int ppiov_ring_flush(struct ppiov_ring_file *ring)
{
	u32 done = 0, n;

	if (!ppiov_ring_created(ring))
		return -ENXIO;
	/* Once round: user space may put entries in as fast as we go. */
	do {
		n = ppiov_ring_consume(ring);
		done += n;
		cond_resched();
	} while (n && done < ring->tokens.nr);
	return 0;
}

static long ppiov_ring_ioctl(struct file *file, unsigned int cmd,
			     unsigned long arg)
{
	struct ppiov_ring_file *ring = file->private_data;

	switch (cmd) {
	case PPIOV_RING_IOC_CREATE:
		return ppiov_ring_create(ring, (void __user *)arg);
	case PPIOV_RING_IOC_FLUSH:
		return ppiov_ring_flush(ring);
	default:
		return -ENOTTY;
	}
}

/* The ring. The memory is mapped by its dma-buf. */
static int ppiov_ring_mmap(struct file *file, struct vm_area_struct *vma)
{
	struct ppiov_ring_file *ring = file->private_data;

	if (!ppiov_ring_created(ring))
		return -ENXIO;
	if (!(vma->vm_flags & VM_SHARED))
		return -EINVAL;
	return remap_vmalloc_range(vma, ring->tokens.shared, vma->vm_pgoff);
}

static const struct file_operations ppiov_ring_fops = {
	.owner = THIS_MODULE,
	.open = ppiov_ring_open,
	.release = ppiov_ring_release,
	.unlocked_ioctl = ppiov_ring_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
	.mmap = ppiov_ring_mmap,
};

static struct miscdevice ppiov_ring_misc = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "ppiov-ring",
	.fops = &ppiov_ring_fops,
};

/**
 * ppiov_ring_init() - make /dev/ppiov-ring
 *
 * Context: module init.
 * Return: 0 or -errno.
 */
int __init ppiov_ring_init(void)
{
	return misc_register(&ppiov_ring_misc);
}

/**
 * ppiov_ring_exit() - take it away; open files and dma-bufs hold the module
 *
 * Context: module exit.
 */
void ppiov_ring_exit(void)
{
	misc_deregister(&ppiov_ring_misc);
}
