/* SPDX-License-Identifier: GPL-2.0-only */
/* The pool that variant.h describes; included once by each design. */

static noinline unsigned long V(alloc)(struct ppiov_v_pool *pool)
{
	if (unlikely(!pool->count))
		return 0;
	return pool->cache[--pool->count];
}

static noinline void V(put)(struct ppiov_v_pool *pool, unsigned long buf)
{
	if (v_other(pool, buf))
		return;
	if (unlikely(atomic_long_read(&v_desc(buf)->pp_ref_count) != 1 ||
		     !v_reusable(pool, buf) || pool->count == PPIOV_V_CACHE)) {
		pool->lost++;
		return;
	}
	pool->cache[pool->count++] = buf;
}

void V(loop)(struct ppiov_bench_run *run, u32 n)
{
	struct ppiov_v_pool *pool = run->priv;
	unsigned long buf;
	u32 i;

	for (i = 0; i < n; i++) {
		buf = V(alloc)(pool);
		if (!buf)
			break;
		barrier();
		V(put)(pool, buf);
	}
	run->done += i;
}

/* What a driver does for each descriptor, on top of that. */
void V(dma_loop)(struct ppiov_bench_run *run, u32 n)
{
	struct ppiov_v_pool *pool = run->priv;
	dma_addr_t descriptor = 0;
	u32 i;

	for (i = 0; i < n; i++)
		WRITE_ONCE(descriptor,
			   v_dma(pool, READ_ONCE(pool->cache[i % 64])));
	run->done += n;
}
