# SPDX-License-Identifier: GPL-2.0-only
"""Is the data right when the network is not?

     netns «ppiov-tx»                netns «ppiov-rx»
      tx0 =====X=============== rx0  queue 2: bound, the flow steered to it
               every 100th frame of tx0 is lost, late, doubled or damaged

Segmentation offload is off at tx0: what a fault strikes is one segment, not a super-packet of forty.
"""

from __future__ import annotations

import signal
import socket

import pytest
from lib import backend, faults
from lib.fixtures import Defer, Start
from lib.link import Link
from lib.poll import until
from lib.ppcat import receive_args, send_args
from lib.traffic import EVERY_PROVIDER, IPV4_AND_IPV6, PORT, SAMPLE, counter, in_buffers, progress, steer, transfer

EVERY = 100


def lossy_transfer(link: Link, start: Start, defer: Defer, family: int, fault: str) -> int:
    """2 MiB over a link with the fault; returns how often it struck. All bytes are checked."""
    link.tx.ethtool.run("-K", "tso", "off", "gso", "off")
    steer(link, family, [2])
    faults.inject(link.tx, fault, EVERY, defer)
    received, _ = transfer(link, start, [2], family, "2M")
    assert in_buffers(received) == received["bytes"]
    return faults.hits(link.tx, fault)


@EVERY_PROVIDER
@SAMPLE
@IPV4_AND_IPV6
@pytest.mark.timeout_s(240)
def test_loss(link: Link, start: Start, defer: Defer, family: int) -> None:
    """1% loss: TCP retransmits, and every byte arrives right."""
    before = counter(link.tx.ns, "Tcp", "RetransSegs")
    struck = lossy_transfer(link, start, defer, family, "lose")
    resent = counter(link.tx.ns, "Tcp", "RetransSegs") - before
    assert struck >= 10, f"only {struck} frames were lost"
    assert resent > 0, f"{struck} frames were lost and none was sent again"


@EVERY_PROVIDER
@IPV4_AND_IPV6
@pytest.mark.timeout_s(240)
def test_reordering(link: Link, start: Start, defer: Defer, family: int) -> None:
    """1% reordering: segments wait in the out-of-order queue, and every byte arrives in its place."""
    before = counter(link.rx.ns, "TcpExt", "TCPOFOQueue")
    struck = lossy_transfer(link, start, defer, family, "reorder")
    waited = counter(link.rx.ns, "TcpExt", "TCPOFOQueue") - before
    assert struck >= 10, f"only {struck} frames were reordered"
    assert waited > 0, f"{struck} frames came late and TCP saw none out of order"


@EVERY_PROVIDER
@pytest.mark.timeout_s(240)
def test_duplicates(link: Link, start: Start, defer: Defer) -> None:
    """1% duplicates: no byte arrives twice."""
    before = counter(link.rx.ns, "TcpExt", "TCPDSACKOldSent")
    struck = lossy_transfer(link, start, defer, socket.AF_INET, "duplicate")
    told = counter(link.rx.ns, "TcpExt", "TCPDSACKOldSent") - before
    assert struck >= 10, f"only {struck} frames were doubled"
    assert told > 0, f"{struck} frames were doubled and TCP saw none twice"


@EVERY_PROVIDER
@pytest.mark.timeout_s(240)
def test_corruption(link: Link, start: Start, defer: Defer) -> None:
    """1% damaged frames: the device drops those whose payload the CPU can't read, TCP the others; no byte is wrong."""
    before = counter(link.rx.ns, "Tcp", "InCsumErrors")
    struck = lossy_transfer(link, start, defer, socket.AF_INET, "corrupt")
    dropped = link.rx.ethtool.stats()["rx2_csum_bad_dropped"]
    assert struck >= 10, f"only {struck} frames were damaged"
    if backend.current().readable:
        found = counter(link.rx.ns, "Tcp", "InCsumErrors") - before
        assert found > 0, f"{struck} frames were damaged and TCP found no checksum wrong"
        return
    assert dropped > 0, f"{struck} frames were damaged and the device dropped none for its checksum"
    assert link.rx_stats(2)["rx-hw-drops"] >= dropped, "what was dropped is missing from the queue's statistics"


@EVERY_PROVIDER
@pytest.mark.timeout_s(240)
def test_no_buffers(link: Link, start: Start, defer: Defer) -> None:
    """Buffer allocations fail in mid-stream: the queue recovers, and every byte is right."""
    steer(link, socket.AF_INET, [2])
    receiver = start(link.rx.ns, *receive_args(link, [2], PORT, "--require-devmem"))
    receiver.event("ready")
    sender = start(link.tx.ns, *send_args(link, socket.AF_INET, PORT, "--size", "16G"))
    progress(link, 2)
    faults.inject(link.rx, "rx_alloc", 20, defer)
    # All of them, or what is left would make the restart at the unbind fail, and the core warns of that
    until("20 allocations have failed", lambda: faults.hits(link.rx, "rx_alloc") == 20)
    progress(link, 2, 8 << 20)
    for ppcat in (sender, receiver):
        ppcat.signal(signal.SIGINT)
    received = receiver.summary()
    assert received["mismatch"] is None and not received["flows"][0]["bad_bytes"]
    # The queue counts headers as well, and payload that the socket still had
    assert in_buffers(received) >= 4 << 20
    assert link.rx_stats(2)["rx-alloc-fail"] > 0
