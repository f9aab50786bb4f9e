// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit suite: a dma-buf that is sent from, as net_iovs and as frags.
 *
 * There is no dma-buf and no device here, but what an exporter would give.
 */
#include <linux/scatterlist.h>
#include <linux/uio.h>

#include "../compat/kunit.h"
#include "../include/ppiov/binding.h"
#include "../pool/tx_priv.h"

/* Three parts: the first two are neighbours, so they are one chunk. */
#define PPIOV_TX_TEST_DMA  0x123456000ULL
#define PPIOV_TX_TEST_FAR  0x987654000ULL
#define PPIOV_TX_TEST_EDGE (3 * PAGE_SIZE)
#define PPIOV_TX_TEST_SIZE (5 * PAGE_SIZE)

struct ppiov_tx_test {
	struct ppiov_binding binding;
	struct sg_table sgt;
	struct scatterlist sg[3];
	struct ppiov_tx *tx;
	struct sk_buff *skb;
};

static void ppiov_tx_test_part(struct scatterlist *sg, u64 dma, u32 len)
{
	sg_dma_address(sg) = dma;
	sg_dma_len(sg) = len;
}

static int ppiov_tx_test_init(struct kunit *test)
{
	struct ppiov_tx_test *t = kunit_kzalloc(test, sizeof(*t), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, t);
	test->priv = t;
	sg_init_table(t->sg, ARRAY_SIZE(t->sg));
	ppiov_tx_test_part(&t->sg[0], PPIOV_TX_TEST_DMA, PAGE_SIZE);
	ppiov_tx_test_part(&t->sg[1], PPIOV_TX_TEST_DMA + PAGE_SIZE,
			   2 * PAGE_SIZE);
	ppiov_tx_test_part(&t->sg[2], PPIOV_TX_TEST_FAR, 2 * PAGE_SIZE);
	t->sgt.sgl = t->sg;
	t->sgt.nents = ARRAY_SIZE(t->sg);
	t->sgt.orig_nents = ARRAY_SIZE(t->sg);
	t->binding.sgt = &t->sgt;
	t->binding.size = PPIOV_TX_TEST_SIZE;

	t->tx = ppiov_tx_create(&t->binding, NULL);
	KUNIT_ASSERT_FALSE(test, IS_ERR(t->tx));
	t->skb = alloc_skb(64, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, t->skb);
	return 0;
}

static void ppiov_tx_test_exit(struct kunit *test)
{
	struct ppiov_tx_test *t = test->priv;

	if (!t)
		return;
	kfree_skb(t->skb);
	if (!IS_ERR_OR_NULL(t->tx))
		ppiov_tx_destroy(t->tx);
}

static void tx_has_a_chunk_for_what_is_in_one_piece(struct kunit *test)
{
	struct ppiov_tx_test *t = test->priv;

	KUNIT_ASSERT_EQ(test, t->tx->n, 2);
	KUNIT_EXPECT_EQ(test, t->tx->chunks[0].base, 0);
	KUNIT_EXPECT_EQ(test, t->tx->chunks[0].len, PPIOV_TX_TEST_EDGE);
	KUNIT_EXPECT_EQ(test, t->tx->chunks[1].base, PPIOV_TX_TEST_EDGE);
	KUNIT_EXPECT_EQ(test, t->tx->chunks[1].len, 2 * PAGE_SIZE);
	KUNIT_EXPECT_EQ(test, t->tx->chunks[1].niov.desc.dma_addr,
			PPIOV_TX_TEST_FAR);
}

static const struct ppiov_tx_piece {
	const char *name;
	unsigned long offset;
	size_t len;
	bool covered;
	u32 frags; /* of the stream's skb, where it is covered */
} ppiov_tx_pieces[] = {
	{ "nothing", 0, 0, true, 0 },
	{ "nothing, far away", ULONG_MAX, 0, true, 0 },
	{ "the first byte", 0, 1, true, 1 },
	{ "the last byte", PPIOV_TX_TEST_SIZE - 1, 1, true, 1 },
	{ "behind the last byte", PPIOV_TX_TEST_SIZE, 1, false, 0 },
	{ "across the end", PPIOV_TX_TEST_SIZE - 1, 2, false, 0 },
	{ "an end that overflows", 1, SIZE_MAX, false, 0 },
	{ "across two neighbours", PAGE_SIZE - 1, 2, true, 1 },
	{ "up to the edge", PPIOV_TX_TEST_EDGE - 7, 7, true, 1 },
	{ "from the edge", PPIOV_TX_TEST_EDGE, 7, true, 1 },
	{ "across the edge", PPIOV_TX_TEST_EDGE - 3, 7, true, 2 },
	{ "all of it", 0, PPIOV_TX_TEST_SIZE, true, 2 },
};

KUNIT_ARRAY_PARAM_DESC(piece, ppiov_tx_pieces, name);

static void ppiov_tx_test_iter(struct iov_iter *iter,
			       const struct ppiov_tx_piece *piece)
{
	iov_iter_ubuf(iter, ITER_SOURCE, (void __user *)piece->offset,
		      piece->len);
}

static void tx_covers_what_is_in_the_memory(struct kunit *test)
{
	const struct ppiov_tx_piece *piece = test->param_value;
	struct ppiov_tx_test *t = test->priv;
	struct iov_iter iter;

	ppiov_tx_test_iter(&iter, piece);
	KUNIT_EXPECT_EQ(test, ppiov_tx_covers(t->tx, &iter), piece->covered);
	KUNIT_EXPECT_EQ(test, iov_iter_count(&iter), piece->len);
}

/* Each byte has the address that the exporter gave. */
static void ppiov_tx_test_frags(struct kunit *test, unsigned long offset)
{
	struct ppiov_tx_test *t = test->priv;
	const skb_frag_t *frag;
	u64 dma;
	u32 i;

	for (i = 0; i < skb_shinfo(t->skb)->nr_frags; i++) {
		frag = &skb_shinfo(t->skb)->frags[i];
		dma = offset < PPIOV_TX_TEST_EDGE ?
			      PPIOV_TX_TEST_DMA + offset :
			      PPIOV_TX_TEST_FAR + offset - PPIOV_TX_TEST_EDGE;
		KUNIT_EXPECT_EQ(test,
				skb_frag_dma_map(NULL, frag, 0,
						 skb_frag_size(frag),
						 DMA_TO_DEVICE),
				dma);
		offset += skb_frag_size(frag);
	}
}

static void tx_fills_frags(struct kunit *test)
{
	const struct ppiov_tx_piece *piece = test->param_value;
	struct ppiov_tx_test *t = test->priv;
	struct iov_iter iter;

	if (!piece->covered)
		return; /* is refused before: tx_refuses_to_fill() */
	ppiov_tx_test_iter(&iter, piece);
	KUNIT_ASSERT_EQ(test, ppiov_tx_fill(t->tx, t->skb, &iter, piece->len),
			0);
	KUNIT_EXPECT_EQ(test, skb_shinfo(t->skb)->nr_frags, piece->frags);
	KUNIT_EXPECT_EQ(test, t->skb->len, piece->len);
	KUNIT_EXPECT_EQ(test, t->skb->data_len, piece->len);
	KUNIT_EXPECT_EQ(test, skb_frags_readable(t->skb), !piece->len);
	KUNIT_EXPECT_EQ(test, iov_iter_count(&iter), 0);
	ppiov_tx_test_frags(test, piece->offset);
}

static void tx_refuses_to_fill(struct kunit *test)
{
	struct ppiov_tx_test *t = test->priv;
	struct iov_iter iter;

	iov_iter_ubuf(&iter, ITER_SOURCE, (void __user *)PPIOV_TX_TEST_SIZE, 1);
	KUNIT_EXPECT_EQ(test, ppiov_tx_fill(t->tx, t->skb, &iter, 1), -EFAULT);
	KUNIT_EXPECT_EQ(test, t->skb->len, 0);
}

static void tx_fills_no_more_than_asked(struct kunit *test)
{
	struct ppiov_tx_test *t = test->priv;
	struct iov_iter iter;

	iov_iter_ubuf(&iter, ITER_SOURCE, (void __user *)5, 100);
	KUNIT_EXPECT_EQ(test, ppiov_tx_fill(t->tx, t->skb, &iter, 60), 0);
	KUNIT_EXPECT_EQ(test, t->skb->len, 60);
	KUNIT_EXPECT_EQ(test, iov_iter_count(&iter), 40);
}

static void tx_stops_at_the_last_frag(struct kunit *test)
{
	struct ppiov_tx_test *t = test->priv;
	struct iovec iov[MAX_SKB_FRAGS + 1];
	struct iov_iter iter;
	u32 i;

	for (i = 0; i < ARRAY_SIZE(iov); i++) {
		iov[i].iov_base = (void __user *)(unsigned long)(2 * i);
		iov[i].iov_len = 1;
	}
	iov_iter_init(&iter, ITER_SOURCE, iov, ARRAY_SIZE(iov),
		      ARRAY_SIZE(iov));
	KUNIT_EXPECT_EQ(test,
			ppiov_tx_fill(t->tx, t->skb, &iter, ARRAY_SIZE(iov)),
			-EMSGSIZE);
	KUNIT_EXPECT_EQ(test, t->skb->len, MAX_SKB_FRAGS);
	KUNIT_EXPECT_EQ(test, iov_iter_count(&iter), 1);
}

static struct kunit_case ppiov_tx_cases[] = {
	KUNIT_CASE(tx_has_a_chunk_for_what_is_in_one_piece),
	KUNIT_CASE_PARAM(tx_covers_what_is_in_the_memory, piece_gen_params),
	KUNIT_CASE_PARAM(tx_fills_frags, piece_gen_params),
	KUNIT_CASE(tx_refuses_to_fill),
	KUNIT_CASE(tx_fills_no_more_than_asked),
	KUNIT_CASE(tx_stops_at_the_last_frag),
	{}
};

static struct kunit_suite ppiov_tx_suite = {
	.name = "ppiov_tx",
	.init = ppiov_tx_test_init,
	.exit = ppiov_tx_test_exit,
	.test_cases = ppiov_tx_cases,
};

kunit_test_suite(ppiov_tx_suite);
