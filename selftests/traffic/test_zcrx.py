# SPDX-License-Identifier: GPL-2.0-only
"""Does io_uring's zero-copy receive work on a ppnic queue, as a second provider of the core?

netns «ppiov-tx»                netns «ppiov-rx»
 tx0 ===================== rx0  queue 2: an io_uring's area; one flow steered to it

On a kernel without it, each test is about the refusal.
"""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from lib import lacking, zcrx
from lib.fixtures import Bind, Defer
from lib.link import Link
from lib.netlink import refusal
from lib.poll import until
from lib.traffic import IPV4_AND_IPV6, connect, payload, steer
from lib.zcrx import Zcrx

pytestmark = pytest.mark.only("core")

HUGE_PAGES = Path("/proc/sys/vm/nr_hugepages")
COMPACT = Path("/proc/sys/vm/compact_memory")


@pytest.fixture
def behind() -> Iterator[ThreadPoolExecutor]:
    """Where the sender runs: the ring belongs to the thread that made it."""
    with ThreadPoolExecutor(1) as executor:
        yield executor


def _lacks(link: Link) -> str | None:
    return None if zcrx.supported() else "IORING_OP_RECV_ZC"


def _refused(link: Link, defer: Defer, lack: str) -> None:
    """The queue can't be registered, and stays what it was."""
    with pytest.raises(OSError) as no:
        Zcrx(link.rx.ns, link.rx.ifindex, 2)
    assert no.value.errno == errno.EINVAL
    assert not link.netdev.rx_queue(link.rx.ifindex, 2).io_uring


or_refused = lacking.or_refused(_lacks, _refused)


def opened(link: Link, defer: Defer, queue: int = 2, size: int = 4 << 20, buf_len: int = 0) -> Zcrx:
    """A ring with that queue, until the test ends."""
    ring = Zcrx(link.rx.ns, link.rx.ifindex, queue, size=size, buf_len=buf_len)
    defer(given_back, link, queue)
    defer(ring.close)
    return ring


def given_back(link: Link, queue: int) -> None:
    """The kernel ends a ring in the background."""
    if link.exists:
        until(f"queue {queue} is no ring's", lambda: not link.netdev.rx_queue(link.rx.ifindex, queue).io_uring)


@IPV4_AND_IPV6
@or_refused
def test_receive(link: Link, defer: Defer, behind: ThreadPoolExecutor, family: int) -> None:
    """Several times as many bytes as the area holds, each as it was sent."""
    ring = opened(link, defer, size=1 << 20)
    steer(link, family, [2])
    assert link.netdev.rx_queue(link.rx.ifindex, 2).io_uring
    sender, receiver = connect(link, family, defer, prepared=False)
    data = payload(4 << 20)
    sent = behind.submit(sender.sendall, data)
    assert ring.receive(receiver.fileno(), len(data)) == data
    sent.result()
    assert link.rx.ethtool.stats()["rx2_split"] > 0


@or_refused
def test_large_buffers(link: Link, defer: Defer, behind: ThreadPoolExecutor) -> None:
    """The same with buffers of two pages, of which the area has to be made of huge ones."""
    before = HUGE_PAGES.read_text()
    defer(HUGE_PAGES.write_text, before)
    if COMPACT.exists():  # a lab kernel has it not, and huge pages only while its memory is in large pieces
        COMPACT.write_text("1")
    HUGE_PAGES.write_text("4")
    assert int(HUGE_PAGES.read_text()) == 4, "the guest's memory is in pieces too small for huge pages"
    ring = opened(link, defer, size=4 << 20, buf_len=8192)
    assert ring.buf_len == 8192
    steer(link, socket.AF_INET, [2])
    sender, receiver = connect(link, socket.AF_INET, defer, prepared=False)
    data = payload(2 << 20)
    sent = behind.submit(sender.sendall, data)
    assert ring.receive(receiver.fileno(), len(data)) == data
    sent.result()


@or_refused
def test_one_provider_for_a_queue(link: Link, defer: Defer, bind: Bind) -> None:
    """A queue that a ring has can't be bound to a dma-buf, nor the other way round; afterwards both can have it."""
    ring = opened(link, defer)
    with refusal(errno.EEXIST):
        bind(link, [2])
    ring.close()
    given_back(link, 2)
    binding = bind(link, [2])
    with pytest.raises(OSError, match=os.strerror(errno.EEXIST)):
        Zcrx(link.rx.ns, link.rx.ifindex, 2)
    binding.unbind()
    opened(link, defer)


@or_refused
def test_needs_header_split(link: Link, defer: Defer) -> None:
    """Without header split the queue is refused, and with it, split can't be turned off."""
    ring = opened(link, defer)
    with refusal(errno.EINVAL):
        link.rx.ethtool.set_split("off")
    ring.close()
    given_back(link, 2)
    link.rx.ethtool.set_split("off")
    with pytest.raises(OSError, match=os.strerror(errno.EINVAL)):
        Zcrx(link.rx.ns, link.rx.ifindex, 2)


@or_refused
def test_the_link_goes_first(link: Link, defer: Defer, behind: ThreadPoolExecutor) -> None:
    """The device is removed while a ring has one of its queues and bytes of it: nothing is left behind."""
    ring = opened(link, defer)
    steer(link, socket.AF_INET, [2])
    sender, receiver = connect(link, socket.AF_INET, defer, prepared=False)
    data = payload(10_000)
    behind.submit(sender.sendall, data + data).result()
    got = ring.receive(receiver.fileno(), len(data))
    assert got == (data + data)[: len(got)]
    link.remove()
    ring.close()
