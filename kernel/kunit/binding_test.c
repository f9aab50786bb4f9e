// SPDX-License-Identifier: GPL-2.0-only
/* KUnit suites: who may be bound, and what memory a binding takes. */
#include <linux/dma-buf.h>
#include <linux/netdevice.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/scatterlist.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "../compat/kunit.h"
#include "../pool/binding_priv.h"

/* ----------------------------------------------------------------- devices */

static struct device *ppiov_nic_test_dma_dev(struct net_device *dev)
{
	return NULL;
}

static u32 ppiov_nic_test_nr_queues(struct net_device *dev)
{
	return 0;
}

static int ppiov_nic_test_bind(struct net_device *dev, u32 queue,
			       struct ppiov_binding *binding,
			       struct netlink_ext_ack *extack)
{
	return -EOPNOTSUPP;
}

static void ppiov_nic_test_unbind(struct net_device *dev, u32 queue)
{
}

static const struct ppiov_nic_ops ppiov_nic_test_ops = {
	.dma_dev = ppiov_nic_test_dma_dev,
	.nr_queues = ppiov_nic_test_nr_queues,
	.bind = ppiov_nic_test_bind,
	.unbind = ppiov_nic_test_unbind,
};

static const struct ppiov_nic_lack {
	const char *name;
	size_t offset; /* of the operation that is missing */
} ppiov_nic_lacks[] = {
	{ "no dma_dev", offsetof(struct ppiov_nic_ops, dma_dev) },
	{ "no nr_queues", offsetof(struct ppiov_nic_ops, nr_queues) },
	{ "no bind", offsetof(struct ppiov_nic_ops, bind) },
	{ "no unbind", offsetof(struct ppiov_nic_ops, unbind) },
};

KUNIT_ARRAY_PARAM_DESC(lack, ppiov_nic_lacks, name);

/* Never registered with the kernel: ppiov only compares it, under RTNL. */
static struct net_device *ppiov_nic_test_dev(struct kunit *test)
{
	struct net_device *dev;

	dev = kunit_kzalloc(test, sizeof(*dev), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, dev);
	return dev;
}

static void nic_refuses_what_is_not_complete(struct kunit *test)
{
	const struct ppiov_nic_lack *lack = test->param_value;
	struct net_device *dev = ppiov_nic_test_dev(test);
	struct ppiov_nic_ops ops = ppiov_nic_test_ops;
	bool known;
	int err;

	memset((char *)&ops + lack->offset, 0, sizeof(void *));
	rtnl_lock();
	err = ppiov_nic_register(dev, &ops);
	known = ppiov_nic_ops(dev);
	if (!err)
		ppiov_nic_unregister(dev);
	rtnl_unlock();
	KUNIT_EXPECT_EQ(test, err, -EINVAL);
	KUNIT_EXPECT_FALSE(test, known);
}

static void nic_is_known_once(struct kunit *test)
{
	struct net_device *dev = ppiov_nic_test_dev(test);
	struct net_device *other = ppiov_nic_test_dev(test);
	const struct ppiov_nic_ops *ops, *others, *after;
	int err, again;

	rtnl_lock();
	err = ppiov_nic_register(dev, &ppiov_nic_test_ops);
	again = ppiov_nic_register(dev, &ppiov_nic_test_ops);
	ops = ppiov_nic_ops(dev);
	others = ppiov_nic_ops(other);
	if (!err)
		ppiov_nic_unregister(dev);
	if (!again)
		ppiov_nic_unregister(dev);
	after = ppiov_nic_ops(dev);
	rtnl_unlock();
	KUNIT_EXPECT_EQ(test, err, 0);
	KUNIT_EXPECT_EQ(test, again, -EEXIST);
	KUNIT_EXPECT_PTR_EQ(test, ops, &ppiov_nic_test_ops);
	KUNIT_EXPECT_NULL(test, others);
	KUNIT_EXPECT_NULL(test, after);
}

static struct kunit_case ppiov_nic_cases[] = {
	KUNIT_CASE_PARAM(nic_refuses_what_is_not_complete, lack_gen_params),
	KUNIT_CASE(nic_is_known_once),
	{}
};

static struct kunit_suite ppiov_nic_suite = {
	.name = "ppiov_nic",
	.test_cases = ppiov_nic_cases,
};

/* -------------------------------------------------------------------- size */

#define PPIOV_PAGES(n) ((n) * (u64)PAGE_SIZE)

/* What a refusal says has @why in it; NULL: it is none. */
static void ppiov_binding_test_said(struct kunit *test, int err,
				    const struct netlink_ext_ack *extack,
				    const char *why)
{
	KUNIT_EXPECT_EQ(test, err, why ? -EINVAL : 0);
	if (!why) {
		KUNIT_EXPECT_NULL(test, extack->_msg);
		return;
	}
	KUNIT_ASSERT_NOT_NULL(test, extack->_msg);
	KUNIT_EXPECT_NOT_NULL_MSG(test, strstr(extack->_msg, why), "\"%s\"",
				  extack->_msg);
}

static const struct ppiov_size {
	const char *name;
	u32 order;
	u64 dmabuf; /* its size; 0: there is none */
	u64 asked;
	const char *why;
	u64 size;
} ppiov_sizes[] = {
	{ "nothing", 0, 0, 0, NULL, 0 },
	{ "memory of the provider's", 0, 0, PPIOV_PAGES(9), NULL,
	  PPIOV_PAGES(9) },
	{ "all of the dma-buf", 0, PPIOV_PAGES(4), 0, NULL, PPIOV_PAGES(4) },
	{ "a part of the dma-buf", 0, PPIOV_PAGES(4), PPIOV_PAGES(2), NULL,
	  PPIOV_PAGES(2) },
	{ "as large as the dma-buf", 0, PPIOV_PAGES(4), PPIOV_PAGES(4), NULL,
	  PPIOV_PAGES(4) },
	{ "more than the dma-buf", 0, PPIOV_PAGES(4), PPIOV_PAGES(5),
	  "larger than the dma-buf", 0 },
	{ "more than the machine has", 0, 0, 1ULL << 62,
	  "larger than this machine", 0 },
	{ "half a page", 0, PPIOV_PAGES(4), PAGE_SIZE / 2, "multiple", 0 },
	{ "whole buffers", 1, PPIOV_PAGES(4), PPIOV_PAGES(2), NULL,
	  PPIOV_PAGES(2) },
	{ "half a buffer", 1, PPIOV_PAGES(4), PPIOV_PAGES(3), "multiple", 0 },
	{ "a dma-buf with half a buffer", 1, PPIOV_PAGES(3), 0, "multiple", 0 },
#ifdef CONFIG_64BIT
	{ "as many buffers as can be counted", 0, PPIOV_PAGES(S32_MAX), 0, NULL,
	  PPIOV_PAGES(S32_MAX) },
	{ "too many buffers", 0, PPIOV_PAGES(1ULL << 31), 0, "too many", 0 },
#endif
};

KUNIT_ARRAY_PARAM_DESC(size, ppiov_sizes, name);

static void binding_size(struct kunit *test)
{
	const struct ppiov_size *size = test->param_value;
	struct netlink_ext_ack extack = {};
	struct ppiov_binding *binding;
	struct dma_buf *dmabuf;

	binding = kunit_kzalloc(test, sizeof(*binding), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, binding);
	dmabuf = kunit_kzalloc(test, sizeof(*dmabuf), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, dmabuf);
	dmabuf->size = size->dmabuf;
	binding->order = size->order;
	binding->dmabuf = size->dmabuf ? dmabuf : NULL;
	ppiov_binding_test_said(test,
				ppiov_binding_set_size(binding, size->asked,
						       &extack),
				&extack, size->why);
	KUNIT_EXPECT_EQ(test, binding->size, size->size);
}

/* -------------------------------------------------------------- its pieces */

#define PPIOV_RUN_HERE  0x123456000ULL
#define PPIOV_RUN_FAR   0x987654000ULL
#define PPIOV_RUN_PARTS 3

static const struct ppiov_runs {
	const char *name;
	u32 order;
	u64 size;
	struct {
		u64 dma;
		u32 len;
	} parts[PPIOV_RUN_PARTS]; /* up to the first without bytes */
	const char *why;
} ppiov_runs[] = {
	{ "one", 0, PPIOV_PAGES(4), { { PPIOV_RUN_HERE, 4 * PAGE_SIZE } } },
	{ "at address 0", 0, PAGE_SIZE, { { 0, PAGE_SIZE } } },
	{ "more than is asked for",
	  0,
	  PPIOV_PAGES(2),
	  { { PPIOV_RUN_HERE, 4 * PAGE_SIZE } } },
	{ "apart",
	  0,
	  PPIOV_PAGES(2),
	  { { PPIOV_RUN_HERE, PAGE_SIZE }, { PPIOV_RUN_FAR, PAGE_SIZE } } },
	{ "a buffer of two neighbours",
	  1,
	  PPIOV_PAGES(2),
	  { { PPIOV_RUN_HERE, PAGE_SIZE },
	    { PPIOV_RUN_HERE + PAGE_SIZE, PAGE_SIZE } } },
	{ "a buffer of two that are apart",
	  1,
	  PPIOV_PAGES(2),
	  { { PPIOV_RUN_HERE, PAGE_SIZE }, { PPIOV_RUN_FAR, PAGE_SIZE } },
	  "multiple" },
	{ "the wrong way round",
	  1,
	  PPIOV_PAGES(2),
	  { { PPIOV_RUN_HERE + PAGE_SIZE, PAGE_SIZE },
	    { PPIOV_RUN_HERE, PAGE_SIZE } },
	  "multiple" },
	{ "not aligned",
	  0,
	  PAGE_SIZE,
	  { { PPIOV_RUN_HERE + 512, PAGE_SIZE } },
	  "aligned" },
	{ "the second is not aligned",
	  0,
	  PPIOV_PAGES(2),
	  { { PPIOV_RUN_HERE, PAGE_SIZE }, { PPIOV_RUN_FAR + 1, PAGE_SIZE } },
	  "aligned" },
	{ "not whole pages",
	  0,
	  PPIOV_PAGES(2),
	  { { PPIOV_RUN_HERE, PAGE_SIZE / 2 }, { PPIOV_RUN_FAR, PAGE_SIZE } },
	  "multiple" },
	{ "less than is asked for",
	  0,
	  PPIOV_PAGES(3),
	  { { PPIOV_RUN_HERE, PAGE_SIZE }, { PPIOV_RUN_FAR, PAGE_SIZE } },
	  "less" },
	{ "nothing", 0, PAGE_SIZE, {}, "less" },
};

KUNIT_ARRAY_PARAM_DESC(runs, ppiov_runs, name);

static void binding_pieces(struct kunit *test)
{
	const struct ppiov_runs *runs = test->param_value;
	struct scatterlist sg[PPIOV_RUN_PARTS];
	struct sg_table sgt = { .sgl = sg, .orig_nents = PPIOV_RUN_PARTS };
	struct netlink_ext_ack extack = {};
	struct ppiov_binding *binding;
	u32 i;

	binding = kunit_kzalloc(test, sizeof(*binding), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, binding);
	sg_init_table(sg, ARRAY_SIZE(sg));
	for (i = 0; i < PPIOV_RUN_PARTS && runs->parts[i].len; i++) {
		sg_dma_address(&sg[i]) = runs->parts[i].dma;
		sg_dma_len(&sg[i]) = runs->parts[i].len;
		sgt.nents++;
	}
	binding->sgt = &sgt;
	binding->size = runs->size;
	binding->order = runs->order;
	ppiov_binding_test_said(test, ppiov_check_runs(binding, &extack),
				&extack, runs->why);
}

static struct kunit_case ppiov_binding_cases[] = {
	KUNIT_CASE_PARAM(binding_size, size_gen_params),
	KUNIT_CASE_PARAM(binding_pieces, runs_gen_params),
	{}
};

static struct kunit_suite ppiov_binding_suite = {
	.name = "ppiov_binding",
	.test_cases = ppiov_binding_cases,
};

kunit_test_suites(&ppiov_nic_suite, &ppiov_binding_suite);
