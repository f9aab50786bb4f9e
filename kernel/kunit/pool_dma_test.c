// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit suite: pools that have a device.
 *
 * Its DMA operations only count, and add PPIOV_DMA_SHIFT to each address, so
 * that one that was not mapped is seen.
 */
#include <linux/bottom_half.h>
#include <linux/device.h>
#include <linux/dma-mapping.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/slab.h>

#include "../compat/dma_ops.h"
#include "fake.h"

#define PPIOV_DMA_SHIFT BIT_ULL(40)

/**
 * struct ppiov_dma_test - a device, and what was asked of it
 * @dev: the device
 * @fake: whose pool is the device's
 * @mask: of @dev
 * @fails: no mapping is to be had
 * @maps: mappings made
 * @unmaps: and ended
 * @for_device: syncs
 * @for_cpu: syncs
 * @at: of the last sync, an address
 * @len: of the last sync, bytes
 */
struct ppiov_dma_test {
	struct device *dev;
	struct ppiov_fake *fake;
	u64 mask;
	bool fails;
	u32 maps;
	u32 unmaps;
	u32 for_device;
	u32 for_cpu;
	dma_addr_t at;
	size_t len;
};

static dma_addr_t ppiov_dma_test_map(struct device *dev, phys_addr_t phys,
				     size_t size, enum dma_data_direction dir)
{
	struct ppiov_dma_test *t = dev_get_drvdata(dev);

	if (t->fails)
		return DMA_MAPPING_ERROR;
	t->maps++;
	return phys + PPIOV_DMA_SHIFT;
}

static dma_addr_t ppiov_dma_test_map_mmio(struct device *dev, phys_addr_t phys,
					  size_t size,
					  enum dma_data_direction dir)
{
	return DMA_MAPPING_ERROR;
}

static void ppiov_dma_test_unmap(struct device *dev, dma_addr_t addr,
				 size_t size, enum dma_data_direction dir)
{
	struct ppiov_dma_test *t = dev_get_drvdata(dev);

	t->unmaps++;
}

static void ppiov_dma_test_sync_device(struct device *dev, dma_addr_t addr,
				       size_t size, enum dma_data_direction dir)
{
	struct ppiov_dma_test *t = dev_get_drvdata(dev);

	t->for_device++;
	t->at = addr;
	t->len = size;
}

static void ppiov_dma_test_sync_cpu(struct device *dev, dma_addr_t addr,
				    size_t size, enum dma_data_direction dir)
{
	struct ppiov_dma_test *t = dev_get_drvdata(dev);

	t->for_cpu++;
	t->at = addr;
	t->len = size;
}

COMPAT_DMA_OPS(ppiov_dma_test_map, ppiov_dma_test_map_mmio,
	       ppiov_dma_test_unmap)

static const struct dma_map_ops ppiov_dma_test_ops = {
	COMPAT_DMA_OPS_INIT(ppiov_dma_test_map, ppiov_dma_test_unmap),
	.sync_single_for_cpu = ppiov_dma_test_sync_cpu,
	.sync_single_for_device = ppiov_dma_test_sync_device,
};

static void ppiov_dma_test_end(void *data)
{
	struct ppiov_dma_test *t = data;

	root_device_unregister(t->dev);
}

static int ppiov_dma_test_init(struct kunit *test)
{
	struct ppiov_dma_test *t;

	if (!IS_ENABLED(CONFIG_ARCH_HAS_DMA_OPS))
		kunit_skip(test, "this kernel lacks CONFIG_ARCH_HAS_DMA_OPS");
	t = kunit_kzalloc(test, sizeof(*t), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, t);
	t->dev = root_device_register("ppiov-kunit");
	KUNIT_ASSERT_FALSE(test, IS_ERR(t->dev));
	KUNIT_ASSERT_EQ(test, 0,
			kunit_add_action_or_reset(test, ppiov_dma_test_end, t));
	t->dev->dma_mask = &t->mask;
	dev_set_drvdata(t->dev, t);
	set_dma_ops(t->dev, &ppiov_dma_test_ops);
	KUNIT_ASSERT_EQ(test, 0,
			dma_set_mask_and_coherent(t->dev, DMA_BIT_MASK(64)));
	t->fake = ppiov_fake_new(test);
	test->priv = t;
	return 0;
}

static void ppiov_dma_test_pool(struct kunit *test,
				const struct ppiov_provider_ops *ops,
				u32 sync_offset, u32 sync_len)
{
	struct ppiov_dma_test *t = test->priv;
	struct ppiov_pool_params params = {
		.ring_size = 1,
		.nid = NUMA_NO_NODE,
		.dev = t->dev,
		.dma_dir = DMA_FROM_DEVICE,
		.sync_offset = sync_offset,
		.sync_len = sync_len,
		.provider = ops,
	};
	struct ppiov_pool *pool;

	ppiov_fake_arm(t->fake);
	pool = ppiov_pool_create(&params);
	KUNIT_ASSERT_FALSE(test, IS_ERR(pool));
	t->fake->pool = pool;
}

static void dma_maps_a_page_as_long_as_it_is_a_buffer(struct kunit *test)
{
	struct ppiov_dma_test *t = test->priv;
	ppiov_netmem_t netmem;

	ppiov_dma_test_pool(test, &ppiov_fake_page_ops, 0, 0);
	netmem = ppiov_fake_alloc(t->fake);
	KUNIT_EXPECT_EQ(test, t->maps, 1);
	KUNIT_EXPECT_EQ(test, ppiov_netmem_dma(netmem),
			page_to_phys(ppiov_netmem_to_page(netmem)) +
				PPIOV_DMA_SHIFT);
	ppiov_pool_put(t->fake->pool, netmem, false);
	netmem = ppiov_fake_alloc(t->fake);
	KUNIT_EXPECT_EQ(test, t->maps, 1);
	KUNIT_EXPECT_EQ(test, t->unmaps, 0);

	ppiov_fake_destroy(t->fake);
	KUNIT_EXPECT_EQ(test, t->unmaps, 0);
	ppiov_pool_put(ppiov_netmem_pool(netmem), netmem, false);
	KUNIT_EXPECT_TRUE(test, ppiov_fake_ended(t->fake));
	KUNIT_EXPECT_EQ(test, t->unmaps, 1);
}

static void dma_mapping_fails(struct kunit *test)
{
	struct ppiov_dma_test *t = test->priv;
	ppiov_netmem_t netmem;

	ppiov_dma_test_pool(test, &ppiov_fake_page_ops, 0, 0);
	t->fails = true;
	local_bh_disable();
	netmem = ppiov_pool_alloc(t->fake->pool, GFP_ATOMIC);
	local_bh_enable();
	KUNIT_EXPECT_EQ(test, ppiov_raw(netmem), 0UL);
	KUNIT_EXPECT_EQ(test, ppiov_fake_stats(t->fake).alloc_fail, 1);
	KUNIT_EXPECT_EQ(test, ppiov_pool_inflight(t->fake->pool), 0);
	KUNIT_EXPECT_EQ(test, ppiov_fake_out(t->fake), 0);

	t->fails = false;
	netmem = ppiov_fake_alloc(t->fake);
	ppiov_pool_put(t->fake->pool, netmem, false);
	KUNIT_EXPECT_EQ(test, t->maps, 1);
}

static const struct ppiov_sync {
	const char *name;
	const struct ppiov_provider_ops *ops;
	u32 offset;
	u32 len;
	bool synced;
} ppiov_syncs[] = {
	{ "page, nothing", &ppiov_fake_page_ops, 0, 0, false },
	{ "page, all of it", &ppiov_fake_page_ops, 0, PAGE_SIZE, true },
	{ "page, from its middle", &ppiov_fake_page_ops, 64, 1500, true },
	{ "page, its last byte", &ppiov_fake_page_ops, PAGE_SIZE - 1, 1, true },
	{ "iov, all of it", &ppiov_fake_iov_ops, 0, PAGE_SIZE, false },
};

KUNIT_ARRAY_PARAM_DESC(sync, ppiov_syncs, name);

static void dma_syncs_what_the_device_writes(struct kunit *test)
{
	const struct ppiov_sync *sync = test->param_value;
	struct ppiov_dma_test *t = test->priv;
	ppiov_netmem_t netmem;
	dma_addr_t dma;

	ppiov_dma_test_pool(test, sync->ops, sync->offset, sync->len);
	netmem = ppiov_fake_alloc(t->fake);
	dma = ppiov_netmem_dma(netmem);
	KUNIT_EXPECT_EQ(test, t->for_device, sync->synced);
	KUNIT_EXPECT_EQ(test, t->at, sync->synced ? dma + sync->offset : 0);
	KUNIT_EXPECT_EQ(test, t->len, sync->synced ? sync->len : 0);

	ppiov_pool_sync_for_cpu(t->fake->pool, netmem, 1, 7);
	KUNIT_EXPECT_EQ(test, t->for_cpu, sync->synced);
	KUNIT_EXPECT_EQ(test, t->at, sync->synced ? dma + sync->offset + 1 : 0);
	KUNIT_EXPECT_EQ(test, t->len, sync->synced ? 7 : 0);

	ppiov_pool_put(t->fake->pool, netmem, false);
	KUNIT_EXPECT_EQ(test, t->for_device, 2 * sync->synced);
	KUNIT_EXPECT_EQ(test, t->at, sync->synced ? dma + sync->offset : 0);
}

static void dma_syncs_all_that_come_at_once(struct kunit *test)
{
	struct ppiov_dma_test *t = test->priv;
	ppiov_netmem_t netmem;

	ppiov_dma_test_pool(test, &ppiov_fake_bulk_ops, 0, PAGE_SIZE);
	netmem = ppiov_fake_alloc(t->fake);
	KUNIT_EXPECT_EQ(test, t->for_device, PPIOV_CACHE_REFILL);
	ppiov_pool_put(t->fake->pool, netmem, false);
}

static struct kunit_case ppiov_pool_dma_cases[] = {
	KUNIT_CASE(dma_maps_a_page_as_long_as_it_is_a_buffer),
	KUNIT_CASE(dma_mapping_fails),
	KUNIT_CASE_PARAM(dma_syncs_what_the_device_writes, sync_gen_params),
	KUNIT_CASE(dma_syncs_all_that_come_at_once),
	{}
};

static struct kunit_suite ppiov_pool_dma_suite = {
	.name = "ppiov_pool_dma",
	.init = ppiov_dma_test_init,
	.test_cases = ppiov_pool_dma_cases,
};

kunit_test_suite(ppiov_pool_dma_suite);
