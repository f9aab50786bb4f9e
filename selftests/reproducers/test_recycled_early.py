# SPDX-License-Identifier: GPL-2.0-only
"""A packet is cloned, and then its headers are rewritten (lib/mirror.py). The report: docs/bugs/recycled-early.md.

pskb_expand_head() takes a reference of each frag, which for a net_iov is one of its binding, and leaves the clone to
give the buffers back. That is done when the clone goes, whoever else has them.
"""

from __future__ import annotations

import socket

import pytest
from lib import devmem
from lib.fixtures import Defer
from lib.link import Link
from lib.mirror import NEEDS, Mirror
from lib.poll import until
from lib.traffic import connect, payload, queued
from reproducers.conftest import Stream

DATA = payload(16384, seed=2)
OTHER = payload(150_000, seed=3)
ROUNDS = 40  # of OTHER: more than all buffers of the dma-buf

pytestmark = [
    pytest.mark.needs_config(*NEEDS),
    pytest.mark.reproducer(
        report="docs/bugs/af-packet.md", hits=("6.12",), kind="oops", shows=("pskb_expand_head", "tcf_pedit_act")
    ),
    pytest.mark.reproducer(
        report="docs/bugs/recycled-early.md", hits=("7.3",), kind="fail", shows=("another flow's payload",)
    ),
]


def test_mirrored_then_rewritten(link: Link, stream: Stream, defer: Defer) -> None:
    """What a socket has not read yet stays its own when the clones that a mirror has made of it are dropped."""
    mirror = Mirror(link.rx, defer)
    stream.sender.sendall(DATA)
    until("all of it is in the receive queue", lambda: queued(stream.receiver) == len(DATA))
    assert mirror.held, "the mirror holds nothing"
    mirror.drop()

    other = Stream(*connect(link, socket.AF_INET, defer), stream.dmabuf)
    for _ in range(ROUNDS):
        other.carry(OTHER)
    got = devmem.receive_all(stream.receiver, len(DATA))
    frags = [frag for r in got for frag in r.frags]
    assert frags, "nothing came in device memory"
    taken = sum(stream.dmabuf.read(frag.offset, frag.size) in OTHER for frag in frags)
    assert not taken, f"{taken} of {len(frags)} frags have another flow's payload"
    assert b"".join(r.content(stream.dmabuf) for r in got) == DATA
