// SPDX-License-Identifier: GPL-2.0-only
/*
 * What is sent from: a dma-buf as net_iovs, and an iovec as frags of them.
 *
 * As in the core's own device-memory TX, addresses in an iovec are offsets in
 * the dma-buf. Nobody here, and nobody below, looks at the memory: the stack
 * sees frags that are not readable, and the device gets their DMA addresses.
 */
#include <linux/export.h>
#include <linux/slab.h>
#include <linux/uio.h>
#include <net/netlink.h>

#include "binding_priv.h"
#include "tx_priv.h"

/**
 * ppiov_tx_lacks() - why nothing can be sent from a dma-buf
 * @dev: a device that ppiov_nic_ops() knows
 *
 * Context: any.
 * Return: a sentence without its full stop; NULL if it can.
 */
const char *ppiov_tx_lacks(const struct net_device *dev)
{
	if (!compat_netmem_tx_enabled(dev))
		return "the device's driver sends only what the CPU can read";
	return NULL;
}

/* Chunks that a run of the dma-buf is made into. */
static u32 ppiov_tx_run_chunks(const struct ppiov_run *run)
{
	return DIV_ROUND_UP_ULL(run->len, PPIOV_TX_CHUNK_MAX);
}

static bool ppiov_tx_add_run(struct ppiov_tx *tx, const struct ppiov_run *run,
			     u32 *i)
{
	struct ppiov_tx_chunk *chunk;
	u64 done;

	for (done = 0; done < run->len; done += chunk->len) {
		chunk = &tx->chunks[(*i)++];
		chunk->base = run->base + done;
		chunk->len = min_t(u64, run->len - done, PPIOV_TX_CHUNK_MAX);
		chunk->area.niovs = &chunk->niov;
		chunk->area.num_niovs = 1;
		chunk->area.base_virtual = chunk->base;
		if (!compat_net_iov_init(&chunk->niov, &chunk->area,
					 run->dma + done))
			return false;
	}
	return true;
}

/**
 * ppiov_tx_create() - make a mapped dma-buf into net_iovs
 * @binding: its dma-buf is mapped
 * @extack: for the reason of a refusal
 *
 * Context: process.
 * Return: what ppiov_tx_destroy() frees; or ERR_PTR(): -ENOMEM, -EOVERFLOW.
 */
struct ppiov_tx *ppiov_tx_create(const struct ppiov_binding *binding,
				 struct netlink_ext_ack *extack)
{
	struct ppiov_run run;
	struct ppiov_tx *tx;
	u32 n = 0, i = 0;

	ppiov_run_first(binding, &run);
	while (ppiov_run_next(binding, &run))
		n += ppiov_tx_run_chunks(&run);

	tx = kvzalloc(struct_size(tx, chunks, n), GFP_KERNEL | __GFP_NOWARN);
	if (!tx) {
		NL_SET_ERR_MSG(extack, "no memory");
		return ERR_PTR(-ENOMEM);
	}
	tx->n = n;

	ppiov_run_first(binding, &run);
	while (ppiov_run_next(binding, &run)) {
		if (!ppiov_tx_add_run(tx, &run, &i)) {
			NL_SET_ERR_MSG(extack,
				       "the dma-buf has an address that does not fit a net_iov");
			kvfree(tx);
			return ERR_PTR(-EOVERFLOW);
		}
	}
	return tx;
}
EXPORT_SYMBOL_GPL(ppiov_tx_create);

/**
 * ppiov_tx_destroy() - free it
 * @tx: no send is left; NULL is fine
 *
 * Context: process.
 */
void ppiov_tx_destroy(struct ppiov_tx *tx)
{
	WARN_ON(tx && atomic_read(&tx->sends));
	kvfree(tx);
}
EXPORT_SYMBOL_GPL(ppiov_tx_destroy);

/**
 * ppiov_tx_sends() - calls of sendmsg() whose payload may still be read
 * @tx: of a binding
 *
 * Context: any.
 * Return: how many.
 */
u32 ppiov_tx_sends(const struct ppiov_tx *tx)
{
	return atomic_read(&tx->sends);
}

/**
 * ppiov_tx_drops() - packets that were about to leave through another device
 * @tx: of a binding
 *
 * Context: any.
 * Return: how many, since the binding was made.
 */
u64 ppiov_tx_drops(const struct ppiov_tx *tx)
{
	return atomic64_read(&tx->drops);
}

static u64 ppiov_tx_size(const struct ppiov_tx *tx)
{
	const struct ppiov_tx_chunk *last;

	if (!tx->n)
		return 0;
	last = &tx->chunks[tx->n - 1];
	return last->base + last->len;
}

/* The piece of @from that comes next: where it is in the dma-buf. */
static u64 ppiov_tx_offset(const struct iov_iter *from)
{
	return (unsigned long)iter_iov_addr(from);
}

/**
 * ppiov_tx_covers() - is all that an iovec names in the dma-buf?
 * @tx: of a binding
 * @iter: of a user's iovec; not advanced
 *
 * Context: any.
 * Return: whether it is.
 */
bool ppiov_tx_covers(const struct ppiov_tx *tx, const struct iov_iter *iter)
{
	u64 size = ppiov_tx_size(tx), offset;
	struct iov_iter it = *iter;
	size_t len;

	/* Advancing by 0 leaves an empty piece behind. */
	for (; iov_iter_count(&it); iov_iter_advance(&it, len)) {
		len = iter_iov_len(&it);
		offset = ppiov_tx_offset(&it);
		if (len && (offset > size || len > size - offset))
			return false;
	}
	return true;
}
EXPORT_SYMBOL_GPL(ppiov_tx_covers);

/* The chunk that has the byte at @offset, or NULL. */
static struct ppiov_tx_chunk *ppiov_tx_chunk_at(struct ppiov_tx *tx, u64 offset)
{
	u32 low = 0, high = tx->n, mid;

	while (low < high) {
		mid = low + (high - low) / 2;
		if (offset < tx->chunks[mid].base)
			high = mid;
		else if (offset - tx->chunks[mid].base >= tx->chunks[mid].len)
			low = mid + 1;
		else
			return &tx->chunks[mid];
	}
	return NULL;
}

/**
 * ppiov_tx_fill() - make the next part of an iovec frags of an skb
 * @tx: of a binding
 * @skb: without frags that can be read
 * @from: of a user's iovec; advanced by what was filled in
 * @length: bytes, at most
 *
 * Context: any. No reference is taken: net_iovs of this type have none, and
 * what the skb points to as its zerocopy descriptor keeps them.
 * Return: 0; -EMSGSIZE if the frags don't suffice, -EFAULT for an offset that
 * is not in the dma-buf. What was filled in before stays in @skb.
 */
int ppiov_tx_fill(struct ppiov_tx *tx, struct sk_buff *skb,
		  struct iov_iter *from, size_t length)
{
	u32 i = skb_shinfo(skb)->nr_frags;
	struct ppiov_tx_chunk *chunk;
	u64 offset;
	size_t len;
	u32 at;

	for (; length && iov_iter_count(from); iov_iter_advance(from, len)) {
		len = min(iter_iov_len(from), length);
		if (!len)
			continue;
		if (i == MAX_SKB_FRAGS)
			return -EMSGSIZE;
		offset = ppiov_tx_offset(from);
		chunk = ppiov_tx_chunk_at(tx, offset);
		if (!chunk)
			return -EFAULT;
		at = offset - chunk->base;
		len = min_t(size_t, len, chunk->len - at);
		skb_add_rx_frag_netmem(skb, i++,
				       net_iov_to_netmem(&chunk->niov), at, len,
				       len);
		length -= len;
	}
	return 0;
}
EXPORT_SYMBOL_GPL(ppiov_tx_fill);
