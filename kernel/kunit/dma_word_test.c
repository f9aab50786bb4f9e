// SPDX-License-Identifier: GPL-2.0-only
/* KUnit suite: a DMA address in a word that may be narrower than it is. */
#include "fake.h"

static const struct ppiov_word {
	const char *name;
	u64 addr;
	unsigned int bits;
	bool fits;
	unsigned long word; /* where it fits */
} ppiov_words[] = {
	{ "64 bits, zero", 0, 64, true, 0 },
	{ "64 bits, page", 0x123000, 64, true, 0x123000 },
	{ "64 bits, within a page", 0x123456, 64, true, 0x123456 },
	{ "64 bits, the widest", U64_MAX, 64, true, ULONG_MAX },
	{ "32 bits, zero", 0, 32, true, 0 },
	{ "32 bits, page", PAGE_SIZE, 32, true, 1 },
	{ "32 bits, address of 32 bits", 0x7ffULL << PAGE_SHIFT, 32, true,
	  0x7ff },
	{ "32 bits, address wider than the word", 0x12345678ULL << PAGE_SHIFT,
	  32, true, 0x12345678 },
	{ "32 bits, the widest that fits", (u64)U32_MAX << PAGE_SHIFT, 32, true,
	  U32_MAX },
	{ "32 bits, a page too wide", ((u64)U32_MAX + 1) << PAGE_SHIFT, 32,
	  false, 0 },
	{ "32 bits, the widest", PAGE_MASK, 32, false, 0 },
	{ "32 bits, not a page's", PAGE_SIZE + 1, 32, false, 0 },
	{ "32 bits, wide and not a page's",
	  (0x12345678ULL << PAGE_SHIFT) + PAGE_SIZE / 2, 32, false, 0 },
};

KUNIT_ARRAY_PARAM_DESC(word, ppiov_words, name);

static void dma_word_tells_whether_it_fits(struct kunit *test)
{
	const struct ppiov_word *w = test->param_value;
	unsigned long word;

	KUNIT_EXPECT_EQ(test, ppiov_dma_pack(w->addr, w->bits, &word), w->fits);
}

static void dma_word_keeps_the_page(struct kunit *test)
{
	const struct ppiov_word *w = test->param_value;
	unsigned long word;

	if (!w->fits)
		kunit_skip(test, "does not fit");
	ppiov_dma_pack(w->addr, w->bits, &word);
	KUNIT_EXPECT_EQ(test, word, w->word);
}

static void dma_word_comes_back(struct kunit *test)
{
	const struct ppiov_word *w = test->param_value;
	unsigned long word;

	if (!w->fits)
		kunit_skip(test, "does not fit");
	ppiov_dma_pack(w->addr, w->bits, &word);
	KUNIT_EXPECT_EQ(test, ppiov_dma_unpack(word, w->bits), w->addr);
}

static const struct ppiov_address {
	const char *name;
	u64 addr;
} ppiov_addresses[] = {
	{ "0", 0 },
	{ "the second page", PAGE_SIZE },
	{ "the last page of 32 bits", (1ULL << 32) - PAGE_SIZE },
	{ "the first page of 33 bits", 1ULL << 32 },
	{ "the last page of 44 bits", (1ULL << 44) - PAGE_SIZE },
	{ "the first page of 45 bits", 1ULL << 44 },
	{ "the last page of 64 bits", 0 - (u64)PAGE_SIZE },
};

KUNIT_ARRAY_PARAM_DESC(address, ppiov_addresses, name);

/* The word of this kernel; in one that is the smaller one pages are counted. */
static void dma_address_of_a_buffer(struct kunit *test)
{
	const struct ppiov_address *a = test->param_value;
	dma_addr_t dma = a->addr;
	struct page page = {}; /* nobody's: only its words are looked at */
	ppiov_netmem_t netmem;
	bool fits;

	fits = BITS_PER_LONG == 64 || !((u64)dma >> PAGE_SHIFT >> 32);
	netmem = ppiov_netmem_init_mapped(NULL, &page, dma);
	KUNIT_EXPECT_EQ(test, netmem != PPIOV_NETMEM_NONE, fits);
	KUNIT_EXPECT_EQ(test, ppiov_netmem_dma(ppiov_page_to_netmem(&page)),
			fits ? dma : 0);
}

static struct kunit_case ppiov_dma_word_cases[] = {
	KUNIT_CASE_PARAM(dma_word_tells_whether_it_fits, word_gen_params),
	KUNIT_CASE_PARAM(dma_word_keeps_the_page, word_gen_params),
	KUNIT_CASE_PARAM(dma_word_comes_back, word_gen_params),
	KUNIT_CASE_PARAM(dma_address_of_a_buffer, address_gen_params),
	{}
};

static struct kunit_suite ppiov_dma_word_suite = {
	.name = "ppiov_dma_word",
	.test_cases = ppiov_dma_word_cases,
};

kunit_test_suite(ppiov_dma_word_suite);
