/* SPDX-License-Identifier: GPL-2.0-only */
/* Packets with a carrier, for the suites about it. */
#ifndef PPIOV_KUNIT_CARRIER_TEST_H
#define PPIOV_KUNIT_CARRIER_TEST_H

#include <linux/skbuff.h>

#include "../include/ppiov/carrier.h"
#include "fake.h"

/* Bytes of a packet's headers, and of each of its buffers. */
#define PPIOV_TEST_HEADER 64
#define PPIOV_TEST_PIECE  1000
/* Where the piece begins in its buffer. */
#define PPIOV_TEST_OFFSET 100
/* Buffers of a packet, where a test does not say. */
#define PPIOV_TEST_BUFS    3
#define PPIOV_TEST_PAYLOAD (PPIOV_TEST_BUFS * PPIOV_TEST_PIECE)

struct sk_buff *ppiov_test_head(struct kunit *test);
void ppiov_test_bufs(struct ppiov_fake *fake, struct ppiov_buf *bufs, u32 n);
void ppiov_test_put_bufs(struct ppiov_fake *fake, const struct ppiov_buf *bufs,
			 u32 n);
struct sk_buff *ppiov_test_packet(struct ppiov_fake *fake);
struct sk_buff *ppiov_test_child(const struct sk_buff *head);
u64 ppiov_test_home(const struct ppiov_fake *fake);
u8 ppiov_test_byte(u32 pos);

#endif /* PPIOV_KUNIT_CARRIER_TEST_H */
