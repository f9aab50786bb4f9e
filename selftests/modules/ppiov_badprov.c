// SPDX-License-Identifier: GPL-2.0-only
/*
 * Memory providers that do one thing wrong each, for tests of the pool:
 *
 *   bad-init   has no memory to begin with
 *   bad-wordy  has none either, and tells a long story about it
 *   bad-null   never gives a buffer
 *   bad-twice  takes each buffer back twice
 *
 * The last is right in all else, so that only the second time can hurt.
 */
#include <linux/mm.h>
#include <linux/module.h>
#include <ppiov/pool.h>

static int bad_init(struct ppiov_pool *pool)
{
	return -ENOSPC;
}

/* The words are longer than netlink takes. */
static int bad_wordy_init(struct ppiov_pool *pool)
{
	return ppiov_pool_refuse(pool, -ENOSPC, "%s, of %d: %0100d", "a reason",
				 2, 3);
}

static int good_init(struct ppiov_pool *pool)
{
	return ppiov_pool_params(pool)->order ? -EOPNOTSUPP : 0;
}

static ppiov_netmem_t bad_alloc(struct ppiov_pool *pool, gfp_t gfp)
{
	return PPIOV_NETMEM_NONE;
}

static ppiov_netmem_t good_alloc(struct ppiov_pool *pool, gfp_t gfp)
{
	struct page *page = alloc_page(gfp);
	ppiov_netmem_t netmem;

	if (!page)
		return PPIOV_NETMEM_NONE;
	netmem = ppiov_netmem_init_page(pool, page, gfp);
	if (netmem == PPIOV_NETMEM_NONE)
		__free_page(page);
	return netmem;
}

static void good_release(struct ppiov_pool *pool, ppiov_netmem_t netmem)
{
	struct page *page = ppiov_netmem_fini_page(pool, netmem);

	if (page)
		put_page(page);
}

static void bad_release(struct ppiov_pool *pool, ppiov_netmem_t netmem)
{
	struct page *page = ppiov_netmem_fini_page(pool, netmem);
	struct page *again = ppiov_netmem_fini_page(pool, netmem);

	if (page)
		put_page(page);
	/* It would have been freed twice now. */
	if (again)
		pr_err("ppiov_badprov: the second release was not noticed\n");
}

static void good_destroy(struct ppiov_pool *pool)
{
}

static const struct ppiov_provider_ops bad_init_ops = {
	.name = "bad-init",
	.owner = THIS_MODULE,
	.init = bad_init,
	.alloc = bad_alloc,
	.release = good_release,
	.destroy = good_destroy,
};

static const struct ppiov_provider_ops bad_wordy_ops = {
	.name = "bad-wordy",
	.owner = THIS_MODULE,
	.init = bad_wordy_init,
	.alloc = bad_alloc,
	.release = good_release,
	.destroy = good_destroy,
};

static const struct ppiov_provider_ops bad_null_ops = {
	.name = "bad-null",
	.owner = THIS_MODULE,
	.init = good_init,
	.alloc = bad_alloc,
	.release = good_release,
	.destroy = good_destroy,
};

static const struct ppiov_provider_ops bad_twice_ops = {
	.name = "bad-twice",
	.owner = THIS_MODULE,
	.init = good_init,
	.alloc = good_alloc,
	.release = bad_release,
	.destroy = good_destroy,
};

static int __init badprov_init(void)
{
	int err;

	err = ppiov_provider_register(&bad_init_ops);
	if (err)
		return err;
	err = ppiov_provider_register(&bad_wordy_ops);
	if (err)
		goto err_init;
	err = ppiov_provider_register(&bad_null_ops);
	if (err)
		goto err_wordy;
	err = ppiov_provider_register(&bad_twice_ops);
	if (err)
		goto err_null;
	return 0;

err_null:
	ppiov_provider_unregister(&bad_null_ops);
err_wordy:
	ppiov_provider_unregister(&bad_wordy_ops);
err_init:
	ppiov_provider_unregister(&bad_init_ops);
	return err;
}
module_init(badprov_init);

static void __exit badprov_exit(void)
{
	ppiov_provider_unregister(&bad_twice_ops);
	ppiov_provider_unregister(&bad_null_ops);
	ppiov_provider_unregister(&bad_wordy_ops);
	ppiov_provider_unregister(&bad_init_ops);
}
module_exit(badprov_exit);

MODULE_DESCRIPTION("Memory providers that a pool must survive");
MODULE_LICENSE("GPL");
