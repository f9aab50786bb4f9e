# SPDX-License-Identifier: GPL-2.0-only
"""Do the core's providers fill buffers larger than a page, as a kernel that has rx-page-size can ask for?

netns «ppiov-tx»                netns «ppiov-rx»
 tx0 ===================== rx0  queue 2: bound, with buffers of 8 KiB and more

On a kernel without it, each test is about the refusal.
"""

from __future__ import annotations

import errno
import socket
from concurrent.futures import ThreadPoolExecutor

import pytest
from lib import devmem, lacking, netdev
from lib.dmabuf import Dmabuf
from lib.fixtures import Defer
from lib.link import Link
from lib.netdev import Binding
from lib.netlink import Genl, refusal
from lib.traffic import IPV4_AND_IPV6, connect, payload, receive, steer

pytestmark = pytest.mark.only("core")

SIZE = 8 << 20
PAGE = 4096


def bind(link: Link, page_size: int | None, defer: Defer) -> Binding:
    """A dma-buf with buffers of that size on queue 2, until the test ends."""
    dmabuf = Dmabuf(SIZE)
    defer(dmabuf.close)
    binding = Binding(link.rx.ns, link.rx.ifindex, [2], dmabuf, page_size=page_size)
    defer(binding.unbind)
    return binding


def _lacks(link: Link) -> str | None:
    with Genl(link.rx.ns, netdev.FAMILY) as genl:
        return None if netdev.RX_PAGE_SIZE in genl.accepts(netdev.CMD_BIND_RX) else "rx-page-size"


def _refused(link: Link, defer: Defer, lack: str) -> None:
    """Nothing is bound, rather than with pages."""
    with refusal(errno.EINVAL, "Unknown attribute type"):
        bind(link, 2 * PAGE, defer)
    assert link.bound_to(2) is None


or_refused = lacking.or_refused(_lacks, _refused)


def jumbo(link: Link, family: int) -> None:
    """Frames longer than a page, to queue 2."""
    for port in (link.tx, link.rx):
        port.set(mtu=9000)
    link.tx.ethtool.run("-K", "tso", "off", "gso", "off")
    steer(link, family, [2])


def longest(link: Link, binding: Binding, page_size: int, family: int, size: int, defer: Defer) -> int:
    """The longest piece in which so many bytes came; all are right, and each piece stands in one buffer."""
    sender, receiver = connect(link, family, defer)
    data = payload(size)
    got = bytearray()
    length = 0
    with ThreadPoolExecutor(1) as behind:
        sent = behind.submit(sender.sendall, data)
        while len(got) < len(data):
            received = devmem.receive(receiver, len(data) - len(got))
            assert received.length, f"the stream ended after {len(got)} bytes"
            assert not received.linear, f"{received.linear} bytes came beside the dma-buf"
            got += received.content(binding.dmabuf)
            for frag in received.frags:
                end = frag.offset + frag.size - 1
                assert frag.offset // page_size == end // page_size, f"{frag} stands in two buffers"
                length = max(length, frag.size)
            for first in range(0, len(received.tokens), devmem.MAX_DONTNEED_TOKENS):
                some = received.tokens[first : first + devmem.MAX_DONTNEED_TOKENS]
                devmem.dontneed(receiver, [(token, 1) for token in some])
        sent.result()
    assert got == data
    sender.close()
    receiver.close()
    return length


@pytest.mark.parametrize("page_size", [2 * PAGE, 16 * PAGE])
@IPV4_AND_IPV6
@or_refused
def test_large_net_iovs(link: Link, defer: Defer, family: int, page_size: int) -> None:
    """Payload of jumbo frames lands in buffers of that size, and is right."""
    jumbo(link, family)
    binding = bind(link, page_size, defer)
    assert longest(link, binding, page_size, family, 4 << 20, defer) > PAGE, "no piece is larger than a page"


@or_refused
def test_stays_large(link: Link, defer: Defer) -> None:
    """A queue has such buffers again after the port was down, and after its rings were resized."""
    jumbo(link, socket.AF_INET)
    page_size = 4 * PAGE
    binding = bind(link, page_size, defer)
    link.rx.set(state="down")
    link.set_up()
    assert longest(link, binding, page_size, socket.AF_INET, 1 << 18, defer) > PAGE, "after down and up"
    link.rx.ethtool.set_rings(RX=128)
    assert longest(link, binding, page_size, socket.AF_INET, 1 << 18, defer) > PAGE, "after a change of the rings"


@or_refused
def test_back_to_pages(link: Link, defer: Defer) -> None:
    """After such a binding, one with pages works on the same queue, and the queue without any."""
    steer(link, socket.AF_INET, [2])
    for page_size in (4 * PAGE, None, 2 * PAGE):
        binding = bind(link, page_size, defer)
        sender, receiver = connect(link, socket.AF_INET, defer)
        data = payload(10_000)
        sender.sendall(data)
        got = devmem.receive_all(receiver, len(data))
        assert b"".join(r.content(binding.dmabuf) for r in got) == data
        sender.close()
        receiver.close()
        binding.unbind()
    sender, receiver = connect(link, socket.AF_INET, defer, prepared=False)
    sender.sendall(data)
    assert receive(receiver, len(data)) == data


@or_refused
def test_refused(link: Link, defer: Defer) -> None:
    """No power of two, less than a page, and more than the device takes or maps in one piece; nothing is bound."""
    wrong = {
        3 * PAGE: refusal(errno.EINVAL, "power of 2"),
        PAGE // 2: refusal(errno.ERANGE),
        4 << 20: refusal(errno.ERANGE, "powers of two", (errno.EINVAL, "not aligned to niov size")),
    }
    for page_size, refused in wrong.items():
        with refused:
            bind(link, page_size, defer)
        assert link.bound_to(2) is None
