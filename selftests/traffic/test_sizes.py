# SPDX-License-Identifier: GPL-2.0-only
"""Is payload of every size right, around every boundary that a driver, a page or a segment has?

netns «ppiov-tx»                netns «ppiov-rx»
 tx0 ===================== rx0  queue 2: bound, one flow steered to it
     MTU 1500 or 9000
"""

from __future__ import annotations

import socket

import pytest
from lib import backend
from lib.fixtures import MakeLink, Start
from lib.traffic import EVERY_PROVIDER, IPV4_AND_IPV6, in_buffers, steer, transfer

TIMESTAMPS = 12  # TCP option, in every segment


def boundaries(family: int, mtu: int) -> list[int]:
    """1 to 9000 where something changes: small, powers of two, pages, multiples of the MSS, the MTU itself."""
    mss = mtu - (20 if family == socket.AF_INET else 40) - 20 - TIMESTAMPS
    edges = {1 << n for n in range(14)} | {3 * 4096, mtu, 9000}
    edges |= {mss * n for n in range(1, 9000 // mss + 1)}
    sizes = {edge + d for edge in edges for d in (-1, 0, 1)}
    return sorted(s for s in sizes if 1 <= s <= 9001)


@EVERY_PROVIDER
@pytest.mark.parametrize("mtu", [1500, 9000])
@IPV4_AND_IPV6
@pytest.mark.timeout_s(240)
def test_every_boundary(make_link: MakeLink, start: Start, family: int, mtu: int) -> None:
    """One send of each size, none sharing a segment with another: all bytes right, all payload in the dma-buf."""
    sizes = boundaries(family, mtu)
    link = make_link(mtu=mtu)
    steer(link, family, [2])
    total = sum(sizes)
    received, _ = transfer(link, start, [2], family, total, sender=["--msg-sizes", ",".join(map(str, sizes))])
    assert in_buffers(received) == received["bytes"], f"some payload was not split off: {received}"
    assert received["bytes"] > total
    if not backend.current().readable:
        assert received["frags"] >= len(sizes), "messages shared a buffer: they were not segments of their own"


@EVERY_PROVIDER
@pytest.mark.timeout_s(300)
def test_sweep(make_link: MakeLink, start: Start) -> None:
    """Every size up to a full segment, and then every 37th up to 9000, each segment a frame of its own."""
    link = make_link(mtu=1500)
    link.tx.ethtool.run("-K", "tso", "off", "gso", "off")
    steer(link, socket.AF_INET, [2])
    large = range(1500, 9001, 37)
    messages = ["1-1499", *map(str, large)]
    total = sum(range(1, 1500)) + sum(large)
    received, _ = transfer(link, start, [2], socket.AF_INET, total, sender=["--msg-sizes", ",".join(messages)])
    assert in_buffers(received) == received["bytes"]
