// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit suites: what the stack's own functions make of a packet, and how many
 * bytes fit into one.
 *
 * Pages are read, copied or refused as any payload is; iovs are refused. Either
 * way all buffers come home, and none while somebody may look at it.
 */
#include <linux/if_vlan.h>
#include <linux/pipe_fs_i.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <net/checksum.h>

#include "carrier_test.h"

#define PPIOV_STACK_MSS (PPIOV_TEST_PIECE / 2)

KUNIT_ARRAY_PARAM_DESC(kind, ppiov_kinds, name);

static int ppiov_stack_test_init(struct kunit *test)
{
	const struct ppiov_kind *kind = test->param_value;

	test->priv = ppiov_fake_pool(test, kind->ops, 128);
	return 0;
}

static bool ppiov_stack_is_iov(struct kunit *test)
{
	const struct ppiov_kind *kind = test->param_value;

	return kind->ops == &ppiov_fake_iov_ops;
}

/* How many bytes of @skb, from @offset on, are not those of the payload. */
static u32 ppiov_stack_wrong(const struct sk_buff *skb, u32 offset, u32 pos,
			     u32 len)
{
	u32 i, wrong = 0;
	u8 byte;

	for (i = 0; i < len; i++) {
		byte = ~ppiov_test_byte(pos + i);
		wrong += skb_copy_bits(skb, offset + i, &byte, 1) ||
			 byte != ppiov_test_byte(pos + i);
	}
	return wrong;
}

/* ------------------------------------------------------------ segmentation */

/* A packet that is forwarded through a device without TSO. */
static struct sk_buff *ppiov_stack_gso(struct kunit *test)
{
	struct sk_buff *head = ppiov_test_packet(test->priv);

	skb_reset_mac_header(head);
	skb_set_network_header(head, ETH_HLEN);
	skb_set_transport_header(head, ETH_HLEN + 20);
	head->protocol = htons(ETH_P_IP);
	skb_shinfo(head)->gso_size = PPIOV_STACK_MSS;
	skb_shinfo(head)->gso_type = SKB_GSO_TCPV4;
	__skb_pull(head, PPIOV_TEST_HEADER);
	return head;
}

static void ppiov_stack_segments(struct kunit *test, netdev_features_t features)
{
	struct ppiov_fake *fake = test->priv;
	struct sk_buff *head = ppiov_stack_gso(test);
	struct sk_buff *segs, *seg, *next;
	u32 pos = 0;

	segs = skb_segment(head, features);
	KUNIT_EXPECT_EQ(test, IS_ERR(segs), ppiov_stack_is_iov(test));
	kfree_skb(head);
	KUNIT_EXPECT_EQ(test, ppiov_test_home(fake), PPIOV_TEST_BUFS);
	if (IS_ERR(segs))
		return;

	skb_list_walk_safe(segs, seg, next)
	{
		KUNIT_EXPECT_EQ(test, seg->len,
				PPIOV_TEST_HEADER + PPIOV_STACK_MSS);
		KUNIT_EXPECT_EQ(test, 0,
				ppiov_stack_wrong(seg, PPIOV_TEST_HEADER, pos,
						  PPIOV_STACK_MSS));
		pos += PPIOV_STACK_MSS;
		skb_mark_not_on_list(seg);
		kfree_skb(seg);
	}
	KUNIT_EXPECT_EQ(test, pos, PPIOV_TEST_PAYLOAD);
}

static void stack_segments_with_frags(struct kunit *test)
{
	ppiov_stack_segments(test, NETIF_F_SG | NETIF_F_HW_CSUM);
}

static void stack_segments_by_copying(struct kunit *test)
{
	ppiov_stack_segments(test, NETIF_F_HW_CSUM);
}

/* ------------------------------------------------------------- coalescing */

/* Another packet's payload takes ours only by copying it. */
static void stack_coalesces_by_copying(struct kunit *test)
{
	struct ppiov_fake *fake = test->priv;
	struct sk_buff *from = ppiov_test_packet(fake);
	struct sk_buff *to = alloc_skb(2 * from->len, GFP_KERNEL);
	bool stolen, done;
	int delta;

	KUNIT_ASSERT_NOT_NULL(test, to);
	done = skb_try_coalesce(to, from, &stolen, &delta);
	KUNIT_EXPECT_EQ(test, done, !ppiov_stack_is_iov(test));
	kfree_skb(from);
	KUNIT_EXPECT_EQ(test, ppiov_test_home(fake), PPIOV_TEST_BUFS);
	if (done) {
		KUNIT_EXPECT_FALSE(test, stolen);
		KUNIT_EXPECT_EQ(test, 0,
				ppiov_stack_wrong(to, PPIOV_TEST_HEADER, 0,
						  PPIOV_TEST_PAYLOAD));
	}
	kfree_skb(to);
}

static const struct ppiov_join {
	const char *name;
	const struct ppiov_provider_ops *ops;
	bool ours_first;
	bool child; /* our part in it; else the head */
} ppiov_joins[] = {
	{ "page, head behind another", &ppiov_fake_page_ops, false, false },
	{ "page, child behind another", &ppiov_fake_page_ops, false, true },
	{ "page, another behind head", &ppiov_fake_page_ops, true, false },
	{ "page, another behind child", &ppiov_fake_page_ops, true, true },
	{ "iov, head behind another", &ppiov_fake_iov_ops, false, false },
	{ "iov, child behind another", &ppiov_fake_iov_ops, false, true },
	{ "iov, another behind head", &ppiov_fake_iov_ops, true, false },
	{ "iov, another behind child", &ppiov_fake_iov_ops, true, true },
};

KUNIT_ARRAY_PARAM_DESC(join, ppiov_joins, name);

/* Without room to copy to: a frag of ours never moves to another skb. */
static void stack_coalesces_no_frag(struct kunit *test)
{
	const struct ppiov_join *join = test->param_value;
	struct ppiov_fake *fake = ppiov_fake_pool(test, join->ops, 128);
	struct sk_buff *head = ppiov_test_packet(fake);
	struct sk_buff *ours = join->child ? ppiov_test_child(head) : head;
	struct sk_buff *other = ppiov_test_head(test);
	u32 len = head->len;
	bool stolen, done;
	int delta;

	skb_put(other, skb_tailroom(other));
	if (join->ours_first)
		done = skb_try_coalesce(ours, other, &stolen, &delta);
	else
		done = skb_try_coalesce(other, ours, &stolen, &delta);
	KUNIT_EXPECT_FALSE(test, done);
	KUNIT_EXPECT_EQ(test, head->len, len);
	KUNIT_EXPECT_EQ(test, ppiov_test_home(fake), 0);
	kfree_skb(other);
	kfree_skb(head);
	KUNIT_EXPECT_EQ(test, ppiov_test_home(fake), PPIOV_TEST_BUFS);
}

/* --------------------------------------------------- reading and rewriting */

static __sum16 ppiov_stack_payload_sum(struct kunit *test)
{
	u8 *bytes = kunit_kzalloc(test, PPIOV_TEST_PAYLOAD, GFP_KERNEL);
	u32 i;

	KUNIT_ASSERT_NOT_NULL(test, bytes);
	for (i = 0; i < PPIOV_TEST_PAYLOAD; i++)
		bytes[i] = ppiov_test_byte(i);
	return csum_fold(csum_partial(bytes, PPIOV_TEST_PAYLOAD, 0));
}

/* A driver verifies the checksum of iovs: the stack has nothing but 0. */
static void stack_sums_up(struct kunit *test)
{
	struct sk_buff *head = ppiov_test_packet(test->priv);
	__wsum sum = 0;

	if (ppiov_stack_is_iov(test)) {
		compat_kunit_expect_warning(test)
		{
			sum = skb_checksum(head, PPIOV_TEST_HEADER,
					   PPIOV_TEST_PAYLOAD, 0);
		}
		KUNIT_EXPECT_EQ(test, (__force u32)sum, 0);
		kfree_skb(head);
		return;
	}
	sum = skb_checksum(head, PPIOV_TEST_HEADER, PPIOV_TEST_PAYLOAD, 0);
	KUNIT_EXPECT_EQ(test, (__force u16)csum_fold(sum),
			(__force u16)ppiov_stack_payload_sum(test));
	kfree_skb(head);
}

/* As string matches and connection trackers look for words. */
static void stack_reads_in_sequence(struct kunit *test)
{
	struct sk_buff *head = ppiov_test_packet(test->priv);
	u32 want = ppiov_stack_is_iov(test) ? PPIOV_TEST_HEADER : head->len;
	struct skb_seq_state state;
	u32 read = 0, i, n, wrong = 0;
	const u8 *p;

	skb_prepare_seq_read(head, 0, head->len, &state);
	while ((n = skb_seq_read(read, &p, &state))) {
		for (i = 0; i < n; i++, read++)
			wrong += read >= PPIOV_TEST_HEADER &&
				 p[i] != ppiov_test_byte(read -
							 PPIOV_TEST_HEADER);
	}
	skb_abort_seq_read(&state);
	KUNIT_EXPECT_EQ(test, read, want);
	KUNIT_EXPECT_EQ(test, wrong, 0);
	kfree_skb(head);
}

/* As what rewrites payload does, once it may write. */
static void stack_writes_payload(struct kunit *test)
{
	struct sk_buff *head = ppiov_test_packet(test->priv);
	u8 byte = ~ppiov_test_byte(7), found = 0;

	if (ppiov_stack_is_iov(test)) {
		KUNIT_EXPECT_EQ(test, -EFAULT,
				skb_store_bits(head, PPIOV_TEST_HEADER + 7,
					       &byte, 1));
		kfree_skb(head);
		return;
	}
	KUNIT_EXPECT_EQ(test, 0,
			skb_store_bits(head, PPIOV_TEST_HEADER + 7, &byte, 1));
	KUNIT_EXPECT_EQ(test, 0,
			skb_copy_bits(head, PPIOV_TEST_HEADER + 7, &found, 1));
	KUNIT_EXPECT_EQ(test, found, byte);
	kfree_skb(head);
}

/* As where a packet needs more room in front than it has. */
static void stack_copies_with_more_room(struct kunit *test)
{
	struct ppiov_fake *fake = test->priv;
	struct sk_buff *head = ppiov_test_packet(fake);
	struct sk_buff *copy = skb_copy_expand(head, 256, 64, GFP_KERNEL);

	KUNIT_EXPECT_EQ(test, !copy, ppiov_stack_is_iov(test));
	kfree_skb(head);
	KUNIT_EXPECT_EQ(test, ppiov_test_home(fake), PPIOV_TEST_BUFS);
	if (copy)
		KUNIT_EXPECT_EQ(test, 0,
				ppiov_stack_wrong(copy, PPIOV_TEST_HEADER, 0,
						  PPIOV_TEST_PAYLOAD));
	kfree_skb(copy);
}

/* As IPsec does before it decrypts in place. */
static void stack_makes_it_writable(struct kunit *test)
{
	struct ppiov_fake *fake = test->priv;
	struct sk_buff *head = ppiov_test_packet(fake);
	struct sk_buff *trailer;
	int parts = skb_cow_data(head, 16, &trailer);

	if (ppiov_stack_is_iov(test)) {
		KUNIT_EXPECT_EQ(test, parts, -ENOMEM);
		KUNIT_EXPECT_EQ(test, ppiov_test_home(fake), 0);
	} else {
		KUNIT_EXPECT_EQ(test, parts, 2);
		KUNIT_EXPECT_EQ(test, ppiov_test_home(fake), PPIOV_TEST_BUFS);
		KUNIT_EXPECT_EQ(test, 0,
				ppiov_stack_wrong(head, PPIOV_TEST_HEADER, 0,
						  PPIOV_TEST_PAYLOAD));
	}
	kfree_skb(head);
	KUNIT_EXPECT_EQ(test, ppiov_test_home(fake), PPIOV_TEST_BUFS);
}

/* Tags are headers: the first is beside the packet, the second moves it in. */
static void stack_pushes_vlan_tags(struct kunit *test)
{
	struct ppiov_fake *fake = test->priv;
	struct sk_buff *head = ppiov_test_packet(fake);
	u32 len = head->len;

	skb_reset_mac_header(head);
	skb_set_network_header(head, ETH_HLEN);
	head->protocol = htons(ETH_P_IP);
	KUNIT_EXPECT_EQ(test, 0, skb_vlan_push(head, htons(ETH_P_8021Q), 5));
	KUNIT_EXPECT_EQ(test, head->len, len);
	KUNIT_EXPECT_EQ(test, 0, skb_vlan_push(head, htons(ETH_P_8021AD), 6));
	KUNIT_EXPECT_EQ(test, head->len, len + VLAN_HLEN);
	KUNIT_EXPECT_EQ(test, ppiov_test_child(head)->len, PPIOV_TEST_PAYLOAD);
	if (!ppiov_stack_is_iov(test))
		KUNIT_EXPECT_EQ(test, 0,
				ppiov_stack_wrong(head,
						  PPIOV_TEST_HEADER + VLAN_HLEN,
						  0, PPIOV_TEST_PAYLOAD));
	KUNIT_EXPECT_EQ(test, ppiov_test_home(fake), 0);
	kfree_skb(head);
	KUNIT_EXPECT_EQ(test, ppiov_test_home(fake), PPIOV_TEST_BUFS);
}

/* ------------------------------------------------------------------ splice */

/* As much of a pipe as is looked at; nobody else has it. */
static struct pipe_inode_info *ppiov_stack_pipe(struct kunit *test)
{
	struct pipe_inode_info *pipe;

	pipe = kunit_kzalloc(test, sizeof(*pipe), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, pipe);
	pipe->ring_size = 16;
	pipe->max_usage = 16;
	pipe->readers = 1;
	pipe->bufs = kunit_kcalloc(test, pipe->ring_size, sizeof(*pipe->bufs),
				   GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, pipe->bufs);
	return pipe;
}

/* A page that a pipe still reads is not used again. */
static void stack_splices_pages(struct kunit *test)
{
	struct ppiov_fake *fake = test->priv;
	struct sk_buff *head = ppiov_test_packet(fake);
	struct pipe_inode_info *pipe = ppiov_stack_pipe(test);
	int n, want = ppiov_stack_is_iov(test) ? 0 : PPIOV_TEST_PAYLOAD;
	u32 i, j, wrong = 0, foreign = want ? PPIOV_TEST_BUFS : 0;
	struct pipe_buffer *buf;
	u8 *p;

	n = skb_splice_bits(head, NULL, PPIOV_TEST_HEADER, pipe,
			    PPIOV_TEST_PAYLOAD, 0);
	KUNIT_EXPECT_EQ(test, n, want);
	kfree_skb(head);
	KUNIT_EXPECT_EQ(test, ppiov_test_home(fake), PPIOV_TEST_BUFS);
	KUNIT_EXPECT_EQ(test, ppiov_fake_stats(fake).recycle_foreign, foreign);
	for (i = 0; i < pipe->head; i++) {
		buf = &pipe->bufs[i];
		p = (u8 *)page_address(buf->page) + buf->offset;
		for (j = 0; j < buf->len; j++)
			wrong += p[j] !=
				 ppiov_test_byte(i * PPIOV_TEST_PIECE + j);
		put_page(buf->page);
	}
	KUNIT_EXPECT_EQ(test, pipe->head, foreign);
	KUNIT_EXPECT_EQ(test, wrong, 0);
}

static struct kunit_case ppiov_stack_cases[] = {
	KUNIT_CASE_PARAM(stack_segments_with_frags, kind_gen_params),
	KUNIT_CASE_PARAM(stack_segments_by_copying, kind_gen_params),
	KUNIT_CASE_PARAM(stack_coalesces_by_copying, kind_gen_params),
	KUNIT_CASE_PARAM(stack_sums_up, kind_gen_params),
	KUNIT_CASE_PARAM(stack_reads_in_sequence, kind_gen_params),
	KUNIT_CASE_PARAM(stack_writes_payload, kind_gen_params),
	KUNIT_CASE_PARAM(stack_copies_with_more_room, kind_gen_params),
	KUNIT_CASE_PARAM(stack_makes_it_writable, kind_gen_params),
	KUNIT_CASE_PARAM(stack_pushes_vlan_tags, kind_gen_params),
	KUNIT_CASE_PARAM(stack_splices_pages, kind_gen_params),
	{}
};

static struct kunit_suite ppiov_stack_suite = {
	.name = "ppiov_carrier_stack",
	.init = ppiov_stack_test_init,
	.test_cases = ppiov_stack_cases,
};

/* -------------------------------------------------- how many bytes fit in */

#define PPIOV_WHOLE (PPIOV_CARRIER_MAX_BYTES / PAGE_SIZE)

/* Whole buffers, then one of @last bytes. */
static const struct ppiov_fill {
	const char *name;
	const struct ppiov_provider_ops *ops;
	u32 whole;
	u32 last;
	int ret;
} ppiov_fills[] = {
	{ "iov, as the placeholder", &ppiov_fake_iov_ops, PPIOV_WHOLE, 0, 0 },
	{ "iov, a byte more", &ppiov_fake_iov_ops, PPIOV_WHOLE, 1, -EINVAL },
	{ "iov, a buffer more", &ppiov_fake_iov_ops, PPIOV_WHOLE + 1, 0,
	  -EINVAL },
	{ "page, a buffer more", &ppiov_fake_page_ops, PPIOV_WHOLE + 1, 0, 0 },
};

KUNIT_ARRAY_PARAM_DESC(fill, ppiov_fills, name);

static void stack_fills_up_to_the_placeholder(struct kunit *test)
{
	const struct ppiov_fill *fill = test->param_value;
	u32 i, n = fill->whole + !!fill->last;
	struct ppiov_fake *fake = ppiov_fake_pool(test, fill->ops, 128);
	struct sk_buff *head = ppiov_test_head(test);
	struct ppiov_buf *bufs;
	int ret;

	if (fill->ops == &ppiov_fake_page_ops && n > PPIOV_CARRIER_MAX_PAGES) {
		kfree_skb(head);
		kunit_skip(test, "so many pages are no packet in this kernel");
	}
	bufs = kunit_kcalloc(test, n, sizeof(*bufs), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, bufs);
	ppiov_test_bufs(fake, bufs, n);
	for (i = 0; i < n; i++) {
		bufs[i].offset = 0;
		bufs[i].len = i < fill->whole ? PAGE_SIZE : fill->last;
	}
	ret = ppiov_carrier_attach(head, fake->pool, bufs, n, GFP_KERNEL);
	KUNIT_EXPECT_EQ(test, ret, fill->ret);
	if (ret)
		ppiov_test_put_bufs(fake, bufs, n);
	kfree_skb(head);
	KUNIT_EXPECT_EQ(test, ppiov_test_home(fake), n);
}

static struct kunit_case ppiov_stack_table_cases[] = {
	KUNIT_CASE_PARAM(stack_coalesces_no_frag, join_gen_params),
	KUNIT_CASE_PARAM(stack_fills_up_to_the_placeholder, fill_gen_params),
	{}
};

static struct kunit_suite ppiov_stack_table_suite = {
	.name = "ppiov_carrier_stack_tables",
	.test_cases = ppiov_stack_table_cases,
};

kunit_test_suites(&ppiov_stack_suite, &ppiov_stack_table_suite);
