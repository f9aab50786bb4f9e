// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit suite: what every provider owes its pool.
 *
 * It runs for each provider that is registered when the suite begins, those
 * of other modules included: load yours before this one. One that needs a
 * binding's dma-buf gets one, see memory.c. One of this project that is not
 * there (ENOENT), and one that says that this machine lacks what it needs
 * (ENODEV, EOPNOTSUPP), is skipped, by name and with that errno.
 */
#include <linux/bottom_half.h>
#include <linux/cpu.h>
#include <linux/delay.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/slab.h>
#include <linux/sort.h>
#include <linux/workqueue.h>

#include "../include/ppiov/binding.h"
#include "fake.h"
#include "memory.h"

#define PPIOV_CONTRACT_MAX  24    /* providers */
#define PPIOV_CONTRACT_BUFS 600   /* more than cache and ring take */
#define PPIOV_CONTRACT_WAIT 20000 /* ms that a pool may take to go */

/* Whom the suite asks for, there or not; then whoever else is there. */
static const char *const ppiov_contract_own[] = {
	"page", "hugepage", "zone_device", "dmabuf", "ring", "example",
};

static char ppiov_contracts[PPIOV_CONTRACT_MAX][PPIOV_NAME_LEN];
static unsigned int ppiov_nr_contracts;

/**
 * struct ppiov_client - a test's provider and pool
 * @test: whose
 * @ops: of @pool; the test has a reference
 * @pool: NULL once destroyed
 * @id: of @pool
 * @netmems: what the test has
 * @n: of @netmems
 */
struct ppiov_client {
	struct kunit *test;
	const struct ppiov_provider_ops *ops;
	struct ppiov_pool *pool;
	u32 id;
	ppiov_netmem_t *netmems;
	unsigned int n;
};

static int ppiov_contract_add_name(const char *name)
{
	unsigned int i;

	for (i = 0; i < ppiov_nr_contracts; i++)
		if (!strcmp(ppiov_contracts[i], name))
			return 0;
	if (i == PPIOV_CONTRACT_MAX)
		return -ENOSPC;
	strscpy(ppiov_contracts[i], name, PPIOV_NAME_LEN);
	ppiov_nr_contracts++;
	return 0;
}

static int ppiov_contract_add(const struct ppiov_provider_ops *ops, void *arg)
{
	return ppiov_contract_add_name(ops->name);
}

static int ppiov_contract_add_all(void)
{
	unsigned int i;
	int err = 0;

	ppiov_nr_contracts = 0;
	for (i = 0; !err && i < ARRAY_SIZE(ppiov_contract_own); i++)
		err = ppiov_contract_add_name(ppiov_contract_own[i]);
	return err ?: ppiov_provider_for_each(ppiov_contract_add, NULL);
}

/* With the fakes among them, there is a provider of iovs at any rate, and one
 * that gives several at a time.
 */
static int ppiov_contract_suite_init(struct kunit_suite *suite)
{
	int err;

	err = __ppiov_provider_register(&ppiov_fake_page_ops);
	if (err)
		return err;
	err = __ppiov_provider_register(&ppiov_fake_iov_ops);
	if (err)
		goto err_page;
	err = __ppiov_provider_register(&ppiov_fake_bulk_ops);
	if (err)
		goto err_iov;
	err = ppiov_contract_add_all();
	if (err)
		goto err_bulk;
	return 0;

err_bulk:
	ppiov_provider_unregister(&ppiov_fake_bulk_ops);
err_iov:
	ppiov_provider_unregister(&ppiov_fake_iov_ops);
err_page:
	ppiov_provider_unregister(&ppiov_fake_page_ops);
	return err;
}

static void ppiov_contract_suite_exit(struct kunit_suite *suite)
{
	ppiov_provider_unregister(&ppiov_fake_bulk_ops);
	ppiov_provider_unregister(&ppiov_fake_iov_ops);
	ppiov_provider_unregister(&ppiov_fake_page_ops);
}

/* KUnit keeps it from one parameter to the next. */
static int ppiov_contract_test_init(struct kunit *test)
{
	test->priv = NULL;
	return 0;
}

static compat_kunit_gen_params(ppiov_contract)
{
	char(*next)[PPIOV_NAME_LEN] = ppiov_contracts;

	if (prev)
		next = (char(*)[PPIOV_NAME_LEN])prev + 1;
	if (next >= ppiov_contracts + ppiov_nr_contracts)
		return NULL;
	strscpy(desc, *next, KUNIT_PARAM_DESC_SIZE);
	return next;
}

static void ppiov_client_put_all(struct ppiov_client *client,
				 struct ppiov_pool *pool)
{
	ppiov_pool_put_bulk(pool, client->netmems, client->n, false);
	client->n = 0;
}

static void ppiov_client_destroy(struct ppiov_client *client)
{
	struct ppiov_pool *pool = client->pool;

	client->pool = NULL;
	ppiov_pool_destroy(pool);
}

static bool ppiov_client_listed(struct ppiov_client *client)
{
	struct ppiov_pool *pool;
	u32 id = client->id;

	pool = ppiov_pool_next(&id);
	if (pool)
		ppiov_pool_unpin(pool);
	return pool && id == client->id;
}

/* The pool is off the list; its provider's module is told soon after. */
static bool ppiov_client_gone(struct ppiov_client *client)
{
	unsigned int ms;

	for (ms = 0; ms < PPIOV_CONTRACT_WAIT; ms += 20) {
		if (!ppiov_client_listed(client))
			return true;
		msleep(20);
	}
	return false;
}

static void ppiov_client_end(void *data)
{
	struct ppiov_client *client = data;
	struct ppiov_pool *pool = client->pool;

	if (!pool)
		return;
	ppiov_client_put_all(client, pool);
	ppiov_client_destroy(client);
	if (!ppiov_client_gone(client))
		KUNIT_FAIL(client->test, "the pool did not end");
}

static void ppiov_client_put_ops(void *data)
{
	ppiov_provider_put(data);
}

/*
 * The parameter's provider, until the end of the test. It is known by name
 * only: it may never have been there, or be gone since the suite began.
 */
static const struct ppiov_provider_ops *ppiov_client_ops(struct kunit *test)
{
	const struct ppiov_provider_ops *ops;
	const char *name = test->param_value;

	ops = ppiov_provider_get(name);
	if (!ops)
		kunit_skip(test, "%s: %pe", name, ERR_PTR(-ENOENT));
	KUNIT_ASSERT_EQ(test, 0,
			kunit_add_action_or_reset(test, ppiov_client_put_ops,
						  (void *)ops));
	return ops;
}

/* All pools of a test are of one binding, as those of a NIC's queues are. */
static struct ppiov_binding *
ppiov_client_binding(struct kunit *test, const struct ppiov_provider_ops *ops)
{
	if (!(ops->flags & PPIOV_F_DMABUF))
		return NULL;
	if (!test->priv)
		test->priv = ppiov_test_binding(test);
	return test->priv;
}

static struct ppiov_pool *ppiov_client_pool(struct kunit *test,
					    unsigned int ring_size)
{
	struct ppiov_pool_params params = {
		.ring_size = ring_size,
		.nid = NUMA_NO_NODE,
	};
	struct ppiov_pool *pool;

	params.provider = ppiov_client_ops(test);
	params.binding = ppiov_client_binding(test, params.provider);
	pool = ppiov_pool_create(&params);
	/* ENODEV: zone_device where nobody has brought memory. */
	if (PTR_ERR_OR_ZERO(pool) == -ENODEV ||
	    PTR_ERR_OR_ZERO(pool) == -EOPNOTSUPP)
		kunit_skip(test, "%s: %pe", params.provider->name, pool);
	if (IS_ERR(pool))
		KUNIT_FAIL_AND_ABORT(test, "init says %pe", pool);
	return pool;
}

/* A pool of the parameter's provider. */
static struct ppiov_client *ppiov_client_new(struct kunit *test,
					     unsigned int ring_size)
{
	struct ppiov_client *client;

	client = kunit_kzalloc(test, sizeof(*client), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, client);
	client->netmems = kunit_kcalloc(test, PPIOV_CONTRACT_BUFS,
					sizeof(*client->netmems), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, client->netmems);
	/* Only the fakes take notice. */
	ppiov_fake_arm(ppiov_fake_new(test));

	client->test = test;
	client->pool = ppiov_client_pool(test, ring_size);
	client->ops = ppiov_pool_params(client->pool)->provider;
	client->id = ppiov_pool_id(client->pool);
	KUNIT_ASSERT_EQ(test, 0,
			kunit_add_action_or_reset(test, ppiov_client_end,
						  client));
	return client;
}

/* Up to @n buffers more; the provider may have fewer. */
static void ppiov_client_alloc(struct ppiov_client *client, unsigned int n)
{
	n = min(n, PPIOV_CONTRACT_BUFS - client->n);
	local_bh_disable();
	client->n += ppiov_pool_alloc_bulk(client->pool, GFP_ATOMIC,
					   client->netmems + client->n, n);
	local_bh_enable();
}

/* One buffer, without which the test is over. */
static ppiov_netmem_t ppiov_client_one(struct ppiov_client *client)
{
	ppiov_client_alloc(client, 1);
	KUNIT_ASSERT_EQ(client->test, client->n, 1);
	return client->netmems[0];
}

/* -------------------------------------------------------------------------- */

static void contract_kind_is_as_flagged(struct kunit *test)
{
	struct ppiov_client *client = ppiov_client_new(test, 16);
	ppiov_netmem_t netmem = ppiov_client_one(client);

	KUNIT_EXPECT_EQ(test, ppiov_netmem_is_iov(netmem),
			!!(client->ops->flags & PPIOV_F_IOV));
}

static void contract_buffer_knows_its_pool(struct kunit *test)
{
	struct ppiov_client *client = ppiov_client_new(test, 16);
	ppiov_netmem_t netmem = ppiov_client_one(client);

	KUNIT_EXPECT_PTR_EQ(test, ppiov_netmem_pool(netmem), client->pool);
}

static void contract_buffer_has_one_ref(struct kunit *test)
{
	struct ppiov_client *client = ppiov_client_new(test, 16);
	ppiov_netmem_t netmem = ppiov_client_one(client);

	KUNIT_EXPECT_EQ(test, ppiov_netmem_refs(netmem), 1);
}

static void contract_iov_has_an_owner(struct kunit *test)
{
	struct ppiov_client *client = ppiov_client_new(test, 16);
	ppiov_netmem_t netmem = ppiov_client_one(client);
	struct ppiov_chunk *chunk = ppiov_netmem_owner(netmem);

	if (!ppiov_netmem_is_iov(netmem))
		kunit_skip(test, "pages have none");
	KUNIT_ASSERT_NOT_NULL(test, chunk);
	KUNIT_EXPECT_LT(test, ppiov_iov_index(ppiov_netmem_to_iov(netmem)),
			chunk->nr);
	KUNIT_EXPECT_EQ(test, 1U << chunk->shift,
			ppiov_pool_buf_size(client->pool));
}

static void contract_page_can_be_written(struct kunit *test)
{
	struct ppiov_client *client = ppiov_client_new(test, 16);
	ppiov_netmem_t netmem = ppiov_client_one(client);
	u32 size = ppiov_pool_buf_size(client->pool);
	u8 *p = ppiov_netmem_address(netmem);

	if (ppiov_netmem_is_iov(netmem))
		kunit_skip(test, "no CPU reads an iov");
	KUNIT_ASSERT_NOT_NULL(test, p);
	memset(p, 0x5a, size);
	KUNIT_EXPECT_NULL(test, memchr_inv(p, 0x5a, size));
}

static void contract_page_is_nobody_elses(struct kunit *test)
{
	struct ppiov_client *client = ppiov_client_new(test, 16);
	ppiov_netmem_t netmem = ppiov_client_one(client);
	struct page *page;

	if (ppiov_netmem_is_iov(netmem))
		kunit_skip(test, "an iov has no page");
	page = ppiov_netmem_to_page(netmem);
	KUNIT_EXPECT_EQ(test, page_ref_count(page), 1);
	KUNIT_EXPECT_NULL(test, page->mapping);
	KUNIT_EXPECT_FALSE(test, PageTail(page));
}

static int ppiov_test_order(const void *a, const void *b)
{
	unsigned long x = ppiov_raw(*(const ppiov_netmem_t *)a);
	unsigned long y = ppiov_raw(*(const ppiov_netmem_t *)b);

	return x < y ? -1 : x > y;
}

static unsigned int ppiov_client_twice(struct ppiov_client *client)
{
	unsigned int i, twice = 0;

	sort(client->netmems, client->n, sizeof(*client->netmems),
	     ppiov_test_order, NULL);
	for (i = 1; i < client->n; i++)
		twice += ppiov_raw(client->netmems[i]) ==
			 ppiov_raw(client->netmems[i - 1]);
	return twice;
}

static void contract_no_buffer_twice(struct kunit *test)
{
	struct ppiov_client *client = ppiov_client_new(test, 16);

	ppiov_client_alloc(client, PPIOV_CONTRACT_BUFS);
	KUNIT_EXPECT_GT(test, client->n, 0);
	KUNIT_EXPECT_EQ(test, ppiov_client_twice(client), 0);
}

/* The ring is small, so most of them go back to the provider in between. */
/* Asked behind the pool's back, which counts none of them. */
static unsigned int ppiov_client_ask(struct ppiov_client *client,
				     unsigned int n)
{
	unsigned int got;

	local_bh_disable();
	got = client->ops->alloc_bulk(client->pool, GFP_ATOMIC, client->netmems,
				      n);
	local_bh_enable();
	return got;
}

static void ppiov_client_release(struct ppiov_client *client, unsigned int n)
{
	while (n--)
		client->ops->release(client->pool, client->netmems[n]);
}

static void contract_bulk_is_what_was_asked_for(struct kunit *test)
{
	struct ppiov_client *client = ppiov_client_new(test, 16);
	static const unsigned int wanted[] = { 1, 2, 7, PPIOV_CACHE_REFILL };
	ppiov_netmem_t behind = (__force ppiov_netmem_t)0x5a5a5a5aUL, netmem;
	unsigned int i, n, at;

	if (!client->ops->alloc_bulk)
		kunit_skip(test, "it gives one at a time");
	for (i = 0; i < ARRAY_SIZE(wanted); i++) {
		client->netmems[wanted[i]] = behind;
		n = ppiov_client_ask(client, wanted[i]);
		KUNIT_EXPECT_GT(test, n, 0);
		KUNIT_ASSERT_LE(test, n, wanted[i]);
		KUNIT_EXPECT_EQ(test, ppiov_raw(client->netmems[wanted[i]]),
				ppiov_raw(behind));
		for (at = 0; at < n; at++) {
			netmem = client->netmems[at];
			KUNIT_EXPECT_PTR_EQ(test, client->pool,
					    ppiov_netmem_pool(netmem));
			KUNIT_EXPECT_EQ(test, 1, ppiov_netmem_refs(netmem));
		}
		ppiov_client_release(client, n);
	}
}

static void contract_bulk_gives_no_buffer_twice(struct kunit *test)
{
	struct ppiov_client *client = ppiov_client_new(test, 16);

	if (!client->ops->alloc_bulk)
		kunit_skip(test, "it gives one at a time");
	client->n = ppiov_client_ask(client, PPIOV_CACHE_REFILL);
	KUNIT_EXPECT_EQ(test, ppiov_client_twice(client), 0);
	ppiov_client_release(client, client->n);
	client->n = 0;
}

static void contract_no_buffer_twice_after_release(struct kunit *test)
{
	struct ppiov_client *client = ppiov_client_new(test, 1);

	ppiov_client_alloc(client, PPIOV_CONTRACT_BUFS);
	ppiov_client_put_all(client, client->pool);
	ppiov_client_alloc(client, PPIOV_CONTRACT_BUFS);
	KUNIT_EXPECT_GT(test, client->n, 0);
	KUNIT_EXPECT_EQ(test, ppiov_client_twice(client), 0);
}

static void contract_gives_as_much_after_release(struct kunit *test)
{
	struct ppiov_client *client = ppiov_client_new(test, 1);
	unsigned int before;

	ppiov_client_alloc(client, PPIOV_CONTRACT_BUFS);
	before = client->n;
	ppiov_client_put_all(client, client->pool);
	ppiov_client_alloc(client, PPIOV_CONTRACT_BUFS);
	KUNIT_EXPECT_EQ(test, client->n, before);
}

static void contract_pools_share_nothing(struct kunit *test)
{
	struct ppiov_client *one = ppiov_client_new(test, 16);
	struct ppiov_client *two = ppiov_client_new(test, 16);
	unsigned int i, j, shared = 0;

	ppiov_client_alloc(one, 64);
	ppiov_client_alloc(two, 64);
	for (i = 0; i < one->n; i++)
		for (j = 0; j < two->n; j++)
			shared += ppiov_raw(one->netmems[i]) ==
				  ppiov_raw(two->netmems[j]);
	KUNIT_EXPECT_EQ(test, shared, 0);
}

static void contract_all_buffers_come_home(struct kunit *test)
{
	struct ppiov_client *client = ppiov_client_new(test, 16);

	ppiov_client_alloc(client, PPIOV_CONTRACT_BUFS);
	ppiov_client_put_all(client, client->pool);
	ppiov_client_destroy(client);
	KUNIT_EXPECT_TRUE(test, ppiov_client_gone(client));
}

static void contract_release_after_destroy(struct kunit *test)
{
	struct ppiov_client *client = ppiov_client_new(test, 16);
	struct ppiov_pool *pool = client->pool;

	ppiov_client_alloc(client, 100);
	ppiov_client_destroy(client);
	KUNIT_EXPECT_TRUE(test, ppiov_client_listed(client));

	ppiov_client_put_all(client, pool);
	KUNIT_EXPECT_TRUE(test, ppiov_client_gone(client));
}

/* A share of the buffers, put on one CPU. */
struct ppiov_share {
	struct work_struct work;
	struct ppiov_pool *pool;
	const ppiov_netmem_t *netmems;
	unsigned int n;
};

static void ppiov_share_put(struct work_struct *work)
{
	struct ppiov_share *share = container_of(work, struct ppiov_share,
						 work);
	unsigned int i;

	for (i = 0; i < share->n; i++)
		ppiov_pool_put(share->pool, share->netmems[i], false);
}

static void contract_release_on_several_cpus(struct kunit *test)
{
	struct ppiov_client *client = ppiov_client_new(test, 1);
	struct ppiov_share *shares;
	unsigned int cpu, i = 0, n;

	shares = kunit_kcalloc(test, nr_cpu_ids, sizeof(*shares), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, shares);
	ppiov_client_alloc(client, PPIOV_CONTRACT_BUFS);
	n = client->n / num_online_cpus();

	cpus_read_lock();
	for_each_possible_cpu(cpu) {
		if (!cpu_online(cpu))
			continue;
		shares[cpu].pool = client->pool;
		shares[cpu].netmems = client->netmems + i;
		shares[cpu].n = min(n, client->n - i);
		i += shares[cpu].n;
		INIT_WORK(&shares[cpu].work, ppiov_share_put);
		queue_work_on(cpu, system_highpri_wq, &shares[cpu].work);
	}
	for_each_possible_cpu(cpu)
		if (shares[cpu].pool)
			flush_work(&shares[cpu].work);
	cpus_read_unlock();

	/* The rest, which is not many. */
	client->n -= i;
	ppiov_pool_put_bulk(client->pool, client->netmems + i, client->n,
			    false);
	client->n = 0;
	ppiov_client_destroy(client);
	KUNIT_EXPECT_TRUE(test, ppiov_client_gone(client));
}

#define PPIOV_CONTRACT_CASE(fn) KUNIT_CASE_PARAM(fn, ppiov_contract_gen_params)

static struct kunit_case ppiov_contract_cases[] = {
	PPIOV_CONTRACT_CASE(contract_kind_is_as_flagged),
	PPIOV_CONTRACT_CASE(contract_buffer_knows_its_pool),
	PPIOV_CONTRACT_CASE(contract_buffer_has_one_ref),
	PPIOV_CONTRACT_CASE(contract_iov_has_an_owner),
	PPIOV_CONTRACT_CASE(contract_page_can_be_written),
	PPIOV_CONTRACT_CASE(contract_page_is_nobody_elses),
	PPIOV_CONTRACT_CASE(contract_no_buffer_twice),
	PPIOV_CONTRACT_CASE(contract_bulk_is_what_was_asked_for),
	PPIOV_CONTRACT_CASE(contract_bulk_gives_no_buffer_twice),
	PPIOV_CONTRACT_CASE(contract_no_buffer_twice_after_release),
	PPIOV_CONTRACT_CASE(contract_gives_as_much_after_release),
	PPIOV_CONTRACT_CASE(contract_pools_share_nothing),
	PPIOV_CONTRACT_CASE(contract_all_buffers_come_home),
	PPIOV_CONTRACT_CASE(contract_release_after_destroy),
	PPIOV_CONTRACT_CASE(contract_release_on_several_cpus),
	{}
};

static struct kunit_suite ppiov_contract_suite = {
	.name = "ppiov_provider_contract",
	.suite_init = ppiov_contract_suite_init,
	.suite_exit = ppiov_contract_suite_exit,
	.init = ppiov_contract_test_init,
	.test_cases = ppiov_contract_cases,
};

kunit_test_suite(ppiov_contract_suite);
