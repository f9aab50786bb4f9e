// SPDX-License-Identifier: GPL-2.0-only
/*
 * Maps in the device's memory: arrays and hash tables, all of whose elements
 * are there from the beginning.
 *
 * Programs find an element and then read and write it as memory, with no lock,
 * as in the kernel's own maps; an element that user space deletes meanwhile may
 * already be another one. What is under the lock is which key has which
 * element.
 */
#include <linux/filter.h>
#include <linux/jhash.h>
#include <linux/mm.h>
#include <linux/random.h>

#include "../compat/mm.h"
#include "bpf.h"

/* Of a map; nobody's program needs more on an emulated machine. */
#define PPNIC_BPF_MAP_BYTES (64UL << 20)

/**
 * struct ppnic_bpf_map - a map in the device
 * @map: the kernel's
 * @stride: bytes from an element to the next
 * @value: where in an element its value is; before it there is its key
 * @nr: elements
 * @seed: of the hash
 * @mask: of @heads; power of two less one
 * @lock: which element has which key: @heads, @next, @used, @free; BH off
 * @heads: by hash, one more than the first element; an array has none
 * @next: for each element one more than what follows in its list
 * @used: bit for each element that has a key
 * @free: one more than the first element that has none
 * @elements: the memory
 */
struct ppnic_bpf_map {
	struct bpf_map *map;
	u32 stride;
	u32 value;
	u32 nr;
	u32 seed;
	u32 mask;
	spinlock_t lock; /* BH off */
	u32 *heads;
	u32 *next;
	unsigned long *used;
	u32 free;
	u8 *elements;
};

static struct ppnic_bpf_map *to_ppnic_map(struct bpf_map *map)
{
	return map_to_offmap(map)->dev_priv;
}

static bool ppnic_bpf_map_is_array(const struct ppnic_bpf_map *m)
{
	return m->map->map_type == BPF_MAP_TYPE_ARRAY;
}

static u8 *ppnic_bpf_key(const struct ppnic_bpf_map *m, u32 i)
{
	return m->elements + (size_t)i * m->stride;
}

static u8 *ppnic_bpf_value(const struct ppnic_bpf_map *m, u32 i)
{
	return ppnic_bpf_key(m, i) + m->value;
}

/* Keys and values are written to with no lock, by programs and who else has the
 * map they are in; what comes of that is theirs.
 */
static __no_kcsan void ppnic_bpf_copy(void *to, const void *from, u32 len)
{
	memcpy(to, from, len);
}

static __no_kcsan bool ppnic_bpf_same(const void *a, const void *b, u32 len)
{
	return !memcmp(a, b, len);
}

static u32 *ppnic_bpf_head(const struct ppnic_bpf_map *m, const void *key)
{
	return &m->heads[jhash(key, m->map->key_size, m->seed) & m->mask];
}

/* The link to a key's element, or the end of the list that it is not in. The
 * key may be a program's, which someone writes to: it is hashed once. With the
 * lock held.
 */
static u32 *ppnic_bpf_link(const struct ppnic_bpf_map *m, const void *key)
{
	u32 *link = ppnic_bpf_head(m, key);

	while (*link && !ppnic_bpf_same(ppnic_bpf_key(m, *link - 1), key,
					m->map->key_size))
		link = &m->next[*link - 1];
	return link;
}

/* The element of a key, or @nr. Of a hash table with the lock held. */
static u32 ppnic_bpf_find(const struct ppnic_bpf_map *m, const void *key)
{
	u32 i;

	if (ppnic_bpf_map_is_array(m)) {
		ppnic_bpf_copy(&i, key, sizeof(i));
		return min(i, m->nr);
	}
	i = *ppnic_bpf_link(m, key);
	return i ? i - 1 : m->nr;
}

/* An element for a key that has none: 0, or -E2BIG. With the lock held. */
static int ppnic_bpf_insert(struct ppnic_bpf_map *m, const void *key, u32 *i)
{
	u32 *link;

	if (!m->free)
		return -E2BIG;
	*i = m->free - 1;
	ppnic_bpf_copy(ppnic_bpf_key(m, *i), key, m->map->key_size);
	/* What was copied is what counts, and that may be there by now. */
	link = ppnic_bpf_link(m, ppnic_bpf_key(m, *i));
	if (*link) {
		*i = *link - 1;
		return 0;
	}
	m->free = m->next[*i];
	m->next[*i] = 0;
	*link = *i + 1;
	__set_bit(*i, m->used);
	return 0;
}

/* ---------------------------------------------------------------- programs */

/**
 * ppnic_bpf_map_lookup() - bpf_map_lookup_elem() of a program in the device
 * @map: a map of the device
 * @key: the key
 *
 * Context: any but hard interrupts.
 * Return: the value, as long as the map is there, or NULL.
 */
void *ppnic_bpf_map_lookup(struct bpf_map *map, const void *key)
{
	struct ppnic_bpf_map *m = to_ppnic_map(map);
	u32 i;

	spin_lock_bh(&m->lock);
	i = ppnic_bpf_find(m, key);
	spin_unlock_bh(&m->lock);
	return i < m->nr ? ppnic_bpf_value(m, i) : NULL;
}

/**
 * ppnic_bpf_map_update() - bpf_map_update_elem(), of a program or user space
 * @map: a map of the device
 * @key: the key
 * @value: what it gets
 * @flags: BPF_ANY, BPF_NOEXIST or BPF_EXIST
 *
 * Context: any but hard interrupts.
 * Return: 0, -EEXIST, -ENOENT, -EINVAL, or -E2BIG: no element is left.
 */
int ppnic_bpf_map_update(struct bpf_map *map, const void *key,
			 const void *value, u64 flags)
{
	struct ppnic_bpf_map *m = to_ppnic_map(map);
	int err = 0;
	u32 i;

	if (flags > BPF_EXIST)
		return -EINVAL;

	spin_lock_bh(&m->lock);
	i = ppnic_bpf_find(m, key);
	if (ppnic_bpf_map_is_array(m)) {
		if (i == m->nr)
			err = -E2BIG;
		else if (flags == BPF_NOEXIST)
			err = -EEXIST;
	} else if (i < m->nr) {
		if (flags == BPF_NOEXIST)
			err = -EEXIST;
	} else if (flags == BPF_EXIST) {
		err = -ENOENT;
	} else {
		err = ppnic_bpf_insert(m, key, &i);
	}
	if (!err)
		ppnic_bpf_copy(ppnic_bpf_value(m, i), value, map->value_size);
	spin_unlock_bh(&m->lock);
	return err;
}

/**
 * ppnic_bpf_map_delete() - bpf_map_delete_elem(), of a program or user space
 * @map: a map of the device
 * @key: the key
 *
 * Context: any but hard interrupts.
 * Return: 0, -ENOENT, or -EINVAL: of an array nothing can be deleted.
 */
int ppnic_bpf_map_delete(struct bpf_map *map, const void *key)
{
	struct ppnic_bpf_map *m = to_ppnic_map(map);
	u32 i, *link;
	int err = 0;

	if (ppnic_bpf_map_is_array(m))
		return -EINVAL;

	spin_lock_bh(&m->lock);
	link = ppnic_bpf_link(m, key);
	if (*link) {
		i = *link - 1;
		*link = m->next[i];
		m->next[i] = m->free;
		m->free = i + 1;
		__clear_bit(i, m->used);
	} else {
		err = -ENOENT;
	}
	spin_unlock_bh(&m->lock);
	return err;
}

/* -------------------------------------------------------------- user space */

static int ppnic_bpf_dev_lookup(struct bpf_offloaded_map *offmap, void *key,
				void *value)
{
	struct ppnic_bpf_map *m = offmap->dev_priv;
	int err = 0;
	u32 i;

	spin_lock_bh(&m->lock);
	i = ppnic_bpf_find(m, key);
	if (i == m->nr)
		err = -ENOENT;
	else
		ppnic_bpf_copy(value, ppnic_bpf_value(m, i),
			       offmap->map.value_size);
	spin_unlock_bh(&m->lock);
	return err;
}

static int ppnic_bpf_dev_update(struct bpf_offloaded_map *offmap, void *key,
				void *value, u64 flags)
{
	return ppnic_bpf_map_update(&offmap->map, key, value, flags);
}

static int ppnic_bpf_dev_delete(struct bpf_offloaded_map *offmap, void *key)
{
	return ppnic_bpf_map_delete(&offmap->map, key);
}

/* In the order of the elements; a key that is not there has the first one next,
 * as in the kernel's own maps.
 */
static int ppnic_bpf_dev_next(struct bpf_offloaded_map *offmap, void *key,
			      void *next_key)
{
	struct ppnic_bpf_map *m = offmap->dev_priv;
	int err = 0;
	u32 i = 0;

	spin_lock_bh(&m->lock);
	if (key) {
		i = ppnic_bpf_find(m, key);
		i = i < m->nr ? i + 1 : 0;
	}
	if (!ppnic_bpf_map_is_array(m))
		i = find_next_bit(m->used, m->nr, i);
	if (i >= m->nr)
		err = -ENOENT;
	else if (ppnic_bpf_map_is_array(m))
		memcpy(next_key, &i, sizeof(i));
	else
		memcpy(next_key, ppnic_bpf_key(m, i), offmap->map.key_size);
	spin_unlock_bh(&m->lock);
	return err;
}

static const struct bpf_map_dev_ops ppnic_bpf_map_ops = {
	.map_get_next_key = ppnic_bpf_dev_next,
	.map_lookup_elem = ppnic_bpf_dev_lookup,
	.map_update_elem = ppnic_bpf_dev_update,
	.map_delete_elem = ppnic_bpf_dev_delete,
};

/* ---------------------------------------------------------- alloc and free */

static void *ppnic_bpf_zalloc(size_t nr, size_t size)
{
	return kvcalloc(nr, size, GFP_KERNEL_ACCOUNT | __GFP_NOWARN);
}

/* Who has which key; an array needs none of it. */
static int ppnic_bpf_map_index(struct ppnic_bpf_map *m)
{
	u32 i, heads = roundup_pow_of_two(m->nr);

	m->seed = get_random_u32();
	m->mask = heads - 1;
	m->heads = ppnic_bpf_zalloc(heads, sizeof(*m->heads));
	m->next = ppnic_bpf_zalloc(m->nr, sizeof(*m->next));
	m->used = ppnic_bpf_zalloc(BITS_TO_LONGS(m->nr), sizeof(long));
	if (!m->heads || !m->next || !m->used)
		return -ENOMEM;

	for (i = 0; i < m->nr; i++)
		m->next[i] = i + 1 < m->nr ? i + 2 : 0;
	m->free = 1;
	return 0;
}

static void ppnic_bpf_map_release(struct ppnic_bpf_map *m)
{
	kvfree(m->elements);
	kvfree(m->used);
	kvfree(m->next);
	kvfree(m->heads);
	kfree(m);
}

/**
 * ppnic_bpf_map_alloc() - BPF_OFFLOAD_MAP_ALLOC of ndo_bpf
 * @offmap: an array or a hash table, as the core has seen to; gets what is ours
 *
 * Context: process, RTNL held.
 * Return: 0, -EINVAL for what no program here knows, or -ENOMEM.
 */
int ppnic_bpf_map_alloc(struct bpf_offloaded_map *offmap)
{
	struct bpf_map *map = &offmap->map;
	struct ppnic_bpf_map *m;
	u64 stride, value;

	if (map->map_flags || !map->max_entries || !map->key_size ||
	    !map->value_size)
		return -EINVAL;
	if (map->map_type == BPF_MAP_TYPE_ARRAY && map->key_size != sizeof(u32))
		return -EINVAL;

	value = map->map_type == BPF_MAP_TYPE_ARRAY ?
			0 :
			round_up((u64)map->key_size, sizeof(u64));
	stride = value + round_up((u64)map->value_size, sizeof(u64));
	/* Both are below 2^34. */
	if (stride > PPNIC_BPF_MAP_BYTES ||
	    stride * map->max_entries > PPNIC_BPF_MAP_BYTES)
		return -ENOMEM;

	m = kzalloc_obj(*m, GFP_KERNEL_ACCOUNT);
	if (!m)
		return -ENOMEM;
	m->map = map;
	m->nr = map->max_entries;
	m->stride = stride;
	m->value = value;
	spin_lock_init(&m->lock);
	m->elements = ppnic_bpf_zalloc(m->nr, stride);
	if (!m->elements)
		goto err_release;
	if (map->map_type != BPF_MAP_TYPE_ARRAY && ppnic_bpf_map_index(m))
		goto err_release;

	offmap->dev_priv = m;
	offmap->dev_ops = &ppnic_bpf_map_ops;
	return 0;

err_release:
	ppnic_bpf_map_release(m);
	return -ENOMEM;
}

/**
 * ppnic_bpf_map_free() - BPF_OFFLOAD_MAP_FREE of ndo_bpf
 * @offmap: from ppnic_bpf_map_alloc(); no program uses it any more
 *
 * Context: process, RTNL held.
 */
void ppnic_bpf_map_free(struct bpf_offloaded_map *offmap)
{
	ppnic_bpf_map_release(offmap->dev_priv);
	offmap->dev_priv = NULL;
}
