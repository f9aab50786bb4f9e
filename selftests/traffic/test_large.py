# SPDX-License-Identifier: GPL-2.0-only
"""Do the core's providers fill buffers larger than a page, as a kernel that has rx-page-size can ask for?

netns «ppiov-tx»                netns «ppiov-rx»
 tx0 ===================== rx0  queue 2: bound, with buffers of 8 KiB and more
"""

from __future__ import annotations

import errno
import socket
from concurrent.futures import ThreadPoolExecutor

import pytest
from lib import devmem
from lib.dmabuf import Dmabuf
from lib.fixtures import Defer, MakeLink
from lib.link import Link
from lib.netdev import Binding
from lib.netlink import RefusedError, refusal
from lib.traffic import IPV4_AND_IPV6, connect, payload, steer

pytestmark = pytest.mark.only("core")

SIZE = 8 << 20
PAGE = 4096


def bind(link: Link, page_size: int, defer: Defer, size: int = SIZE) -> Binding:
    """A dma-buf with buffers of that size on queue 2; skips where the kernel knows no such thing."""
    dmabuf = Dmabuf(size)
    defer(dmabuf.close)
    try:  # one that is always wrong, to see whether anybody looks
        Binding(link.rx.ns, link.rx.ifindex, [2], dmabuf, page_size=3 * PAGE).unbind()
    except RefusedError as refused:
        if "power of 2" not in refused.extack:
            pytest.skip("this kernel has no rx-page-size")
    else:
        pytest.skip("this kernel has no rx-page-size")
    binding = Binding(link.rx.ns, link.rx.ifindex, [2], dmabuf, page_size=page_size)
    defer(binding.unbind)
    return binding


@pytest.mark.parametrize("page_size", [2 * PAGE, 16 * PAGE])
@IPV4_AND_IPV6
def test_large_net_iovs(make_link: MakeLink, defer: Defer, family: int, page_size: int) -> None:
    """Payload of jumbo frames lands in buffers of that size, each frame in one, and is right."""
    link = make_link(mtu=9000)
    binding = bind(link, page_size, defer)
    link.tx.ethtool.run("-K", "tso", "off", "gso", "off")
    steer(link, family, [2])
    sender, receiver = connect(link, family, defer)
    data = payload(1 << 20)
    with ThreadPoolExecutor(1) as behind:
        sent = behind.submit(sender.sendall, data)
        got: list[devmem.Received] = []
        have = 0
        while have < len(data):
            received = devmem.receive(receiver, len(data) - have)
            got.append(received)
            have += received.length
        sent.result()
    assert b"".join(r.content(binding.dmabuf) for r in got) == data
    frags = [f for r in got for f in r.frags]
    assert sum(r.linear for r in got) == 0
    across = [f for f in frags if f.offset // page_size != (f.offset + f.size - 1) // page_size]
    assert not across, "a frag stands in two buffers"
    assert max(f.size for f in frags) > PAGE, "no frag is larger than a page"
    for received in got:
        for token in received.tokens:
            devmem.dontneed(receiver, [(token, 1)])


def test_back_to_pages(link: Link, defer: Defer) -> None:
    """After such a binding, one with pages works on the same queue, and the queue without any."""
    steer(link, socket.AF_INET, [2])
    for page_size in (4 * PAGE, None, 2 * PAGE):
        dmabuf = Dmabuf(SIZE)
        defer(dmabuf.close)
        binding = bind(link, page_size, defer) if page_size else Binding(link.rx.ns, link.rx.ifindex, [2], dmabuf)
        defer(binding.unbind)
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
    assert receiver.recv(len(data), socket.MSG_WAITALL) == data


def test_refused(link: Link, defer: Defer) -> None:
    """Larger than the device takes: refused in its words, and nothing is bound."""
    bind(link, 2 * PAGE, defer).unbind()
    dmabuf = Dmabuf(SIZE)
    defer(dmabuf.close)
    with refusal(errno.ERANGE, "powers of two"):
        Binding(link.rx.ns, link.rx.ifindex, [2], dmabuf, page_size=4 << 20)
    assert link.bound_to(2) is None
