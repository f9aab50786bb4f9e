// SPDX-License-Identifier: GPL-2.0-only
/*
 * Provider "dmabuf": the memory of a dma-buf, which the administrator brings.
 *
 * Whether that is a device's memory or the host's is the exporter's business
 * (thread 5); no CPU reads it through here, either way.
 *
 * As in net/core/devmem.c, all queues of a binding share one gen_pool, with a
 * chunk for each part of the dma-buf that is in one piece for the device.
 */
#include <linux/genalloc.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/slab.h>

#include "../include/ppiov/pool.h"
#include "binding_priv.h"
#include "internal.h"

/**
 * struct ppiov_dmabuf - what the pools of a binding share
 * @users: pools; the last one frees it (ppiov_dmabuf_lock)
 * @gen: which buffers are free. Its "addresses" are places in the binding's
 *	memory, moved up by one buffer: 0 is gen_pool's word for failure, and
 *	would be a fine place as well as a fine DMA address.
 * @shift: log2 of a buffer's bytes
 * @n: of @chunks
 * @chunks: the owners of @gen's chunks; constant
 *
 * Lifetime: in ppiov_binding.priv from the first pool's init to the last
 * pool's destroy. A pool that is detached counts as long as a buffer is out,
 * so that a queue's restart, or ip link set down and up, goes on with the same
 * iovs, and what sockets hold isn't given out twice.
 */
struct ppiov_dmabuf {
	unsigned int users;
	struct gen_pool *gen;
	unsigned int shift;
	u32 n;
	struct ppiov_chunk chunks[] __counted_by(n);
};

/* ppiov_binding.priv of this provider's bindings, and users in it. */
static DEFINE_MUTEX(ppiov_dmabuf_lock);

static size_t ppiov_dmabuf_buf_size(const struct ppiov_dmabuf *mem)
{
	return (size_t)1 << mem->shift;
}

static unsigned long ppiov_dmabuf_to_gen(const struct ppiov_dmabuf *mem,
					 u64 offset)
{
	return offset + ppiov_dmabuf_buf_size(mem);
}

/* Frees what there is, also of one that was only half made. */
static void ppiov_dmabuf_free(struct ppiov_dmabuf *mem)
{
	u32 i;

	if (mem->gen) {
		/* gen_pool_destroy() would be a BUG(): rather lose it all. */
		if (WARN_ON(gen_pool_avail(mem->gen) !=
			    gen_pool_size(mem->gen)))
			return;
		gen_pool_destroy(mem->gen);
	}
	for (i = 0; i < mem->n; i++)
		kvfree(mem->chunks[i].iovs);
	kvfree(mem);
}

static int ppiov_dmabuf_add(struct ppiov_dmabuf *mem, struct ppiov_chunk *chunk,
			    const struct ppiov_run *run, int nid)
{
	u32 i;

	chunk->nr = run->len >> mem->shift;
	chunk->shift = mem->shift;
	chunk->base = run->base;
	chunk->dma = run->dma;
	chunk->priv = mem;
	/* As many as the administrator's dma-buf asks for: no warning. */
	chunk->iovs = kvcalloc(chunk->nr, sizeof(*chunk->iovs),
			       GFP_KERNEL | __GFP_NOWARN);
	if (!chunk->iovs)
		return -ENOMEM;
	for (i = 0; i < chunk->nr; i++)
		chunk->iovs[i].owner = chunk;

	return gen_pool_add_owner(mem->gen, ppiov_dmabuf_to_gen(mem, run->base),
				  -1, run->len, nid, chunk);
}

static struct ppiov_dmabuf *
ppiov_dmabuf_make(const struct ppiov_binding *binding, int nid)
{
	struct ppiov_dmabuf *mem;
	struct ppiov_run run;
	u32 i, n = 0;
	int err;

	ppiov_run_first(binding, &run);
	while (ppiov_run_next(binding, &run))
		n++;

	mem = kvzalloc(struct_size(mem, chunks, n), GFP_KERNEL | __GFP_NOWARN);
	if (!mem)
		return ERR_PTR(-ENOMEM);
	mem->n = n;
	mem->shift = PAGE_SHIFT + binding->order;
	mem->gen = gen_pool_create(mem->shift, nid);
	if (!mem->gen) {
		err = -ENOMEM;
		goto err_free;
	}

	ppiov_run_first(binding, &run);
	for (i = 0; ppiov_run_next(binding, &run); i++) {
		err = ppiov_dmabuf_add(mem, &mem->chunks[i], &run, nid);
		if (err)
			goto err_free;
	}
	return mem;

err_free:
	ppiov_dmabuf_free(mem);
	return ERR_PTR(err);
}

static int ppiov_dmabuf_init(struct ppiov_pool *pool)
{
	const struct ppiov_pool_params *p = ppiov_pool_params(pool);
	struct ppiov_binding *binding = p->binding;
	struct ppiov_dmabuf *mem;

	/* What a driver might get wrong. */
	if (!binding || !binding->sgt || p->dev != binding->dma_dev ||
	    p->order != binding->order)
		return -EINVAL;

	mutex_lock(&ppiov_dmabuf_lock);
	mem = binding->priv;
	if (!mem) {
		mem = ppiov_dmabuf_make(binding, p->nid);
		if (IS_ERR(mem)) {
			mutex_unlock(&ppiov_dmabuf_lock);
			return PTR_ERR(mem);
		}
		binding->priv = mem;
	}
	mem->users++;
	mutex_unlock(&ppiov_dmabuf_lock);

	ppiov_pool_set_priv(pool, mem);
	return 0;
}

static void ppiov_dmabuf_destroy(struct ppiov_pool *pool)
{
	struct ppiov_dmabuf *mem = ppiov_pool_priv(pool);

	mutex_lock(&ppiov_dmabuf_lock);
	if (!--mem->users) {
		ppiov_pool_params(pool)->binding->priv = NULL;
		ppiov_dmabuf_free(mem);
	}
	mutex_unlock(&ppiov_dmabuf_lock);
}

static ppiov_netmem_t ppiov_alloc_dmabuf(struct ppiov_pool *pool, gfp_t gfp)
{
	struct ppiov_dmabuf *mem = ppiov_pool_priv(pool);
	struct ppiov_chunk *chunk;
	ppiov_netmem_t netmem;
	unsigned long place;
	void *owner;
	u32 index;

	place = gen_pool_alloc_owner(mem->gen, ppiov_dmabuf_buf_size(mem),
				     &owner);
	if (!place)
		return PPIOV_NETMEM_NONE;

	chunk = owner;
	index = (place - ppiov_dmabuf_to_gen(mem, chunk->base)) >> mem->shift;
	netmem = ppiov_netmem_init_iov(pool, &chunk->iovs[index],
				       chunk->dma + ((dma_addr_t)index
						     << mem->shift));
	if (netmem == PPIOV_NETMEM_NONE)
		gen_pool_free(mem->gen, place, ppiov_dmabuf_buf_size(mem));
	return netmem;
}

static void ppiov_free_dmabuf(struct ppiov_pool *pool, ppiov_netmem_t netmem)
{
	struct ppiov_dmabuf *mem = ppiov_pool_priv(pool);
	struct page_pool_iov *iov = ppiov_netmem_fini_iov(pool, netmem);

	if (iov)
		gen_pool_free(mem->gen,
			      ppiov_dmabuf_to_gen(mem, ppiov_iov_offset(iov)),
			      ppiov_dmabuf_buf_size(mem));
}

static const struct ppiov_provider_ops ppiov_dmabuf_ops = {
	.name = "dmabuf",
	.owner = THIS_MODULE,
	.flags = PPIOV_F_IOV | PPIOV_F_DMABUF | PPIOV_F_MAPPED,
	.init = ppiov_dmabuf_init,
	.alloc = ppiov_alloc_dmabuf,
	.release = ppiov_free_dmabuf,
	.destroy = ppiov_dmabuf_destroy,
};

/**
 * ppiov_provider_dmabuf_init() - offer the provider
 *
 * Context: module init.
 * Return: 0 or -errno.
 */
int __init ppiov_provider_dmabuf_init(void)
{
	return ppiov_provider_register(&ppiov_dmabuf_ops);
}

/**
 * ppiov_provider_dmabuf_exit() - no longer offer it
 *
 * Context: module exit.
 */
void ppiov_provider_dmabuf_exit(void)
{
	ppiov_provider_unregister(&ppiov_dmabuf_ops);
}
