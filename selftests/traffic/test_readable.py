# SPDX-License-Identifier: GPL-2.0-only
"""Does payload in a provider's pages come as ordinary bytes, and do the pages go home?

netns «ppiov-tx»                netns «ppiov-rx»
 tx0 ===================== rx0  queue 2: bound to ppiov's provider «page» or «hugepage», the flow steered to it
                            '- tcpdump

The CPU can read these buffers, so no socket has to know of them: the same recv() as ever.
"""

from __future__ import annotations

import errno
import os
import select
import signal
import socket
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from lib import devmem, ppiov
from lib.capture import Capture
from lib.fixtures import Defer, MakeLink, Start
from lib.link import Link
from lib.netlink import RefusedError, refusal
from lib.poll import PATIENCE, until
from lib.ppcat import send_args
from lib.traffic import IPV4_AND_IPV6, PORT, connect, payload, progress, steer

pytestmark = [
    pytest.mark.only("ppiov"),
    pytest.mark.parametrize("provider", ["page", "hugepage"]),
]

PAGE = 4096


def bind(link: Link, defer: Defer, provider: str, size: int | None = None, order: int | None = None) -> ppiov.Binding:
    """Queue 2 of rx0 takes its payload buffers from this provider."""
    with ppiov.Ppiov(link.rx.ns) as family:
        binding = family.bind(link.rx.ifindex, [2], provider, size=size, order=order)
    defer(binding.close)
    return binding


def pools(link: Link, binding: ppiov.Binding) -> list[ppiov.Pool]:
    """Those of a binding, as long as the device is there."""
    with ppiov.Ppiov(link.rx.ns) as family:
        return [pool for pool in family.pools() if pool.binding == binding.id]


def pool(link: Link, binding: ppiov.Binding) -> ppiov.Pool:
    """The one of a binding with one queue."""
    (found,) = pools(link, binding)
    return found


def read_all(sock: socket.socket, length: int) -> bytes:
    """recv() until so many bytes have come."""
    got = bytearray()
    while len(got) < length:
        piece = sock.recv(length - len(got))
        assert piece, f"the stream ended after {len(got)} of {length} bytes"
        got += piece
    return bytes(got)


@IPV4_AND_IPV6
@pytest.mark.parametrize("prepared", [False, True], ids=["recv", "ulp"])
def test_payload_is_ordinary(link: Link, defer: Defer, provider: str, family: int, prepared: bool) -> None:
    """Every byte comes by recv(), with the ULP and without, and the pool has given the buffers that it came in."""
    binding = bind(link, defer, provider)
    steer(link, family, [2])
    split = link.rx.ethtool.stats()["rx2_split"]
    sender, receiver = connect(link, family, defer, prepared=prepared)
    data = payload(100_000)
    sender.sendall(data)
    if prepared:
        got = devmem.receive_all(receiver, len(data))
        assert not any(r.frags for r in got), "payload that can be read came with tokens"
        assert b"".join(bytes(p) for r in got for p in r.pieces if isinstance(p, bytes)) == data
    else:
        assert read_all(receiver, len(data)) == data
    assert link.rx.ethtool.stats()["rx2_split"] > split, "the payload did not come into data buffers"
    assert pool(link, binding).stats["alloc_slow"] > 0


def test_recycled(link: Link, defer: Defer, start: Start, provider: str) -> None:
    """A flow of many times the memory passes: pages come back when they are read. Every byte is checked."""
    link.rx.ethtool.set_rings(RX=64)
    size = 2 << 20
    binding = bind(link, defer, provider, size=size)
    steer(link, socket.AF_INET, [2])
    receiver = start(link.rx.ns, "-l", "--plain", "-p", PORT, "-i", link.rx.name)
    receiver.event("ready")
    sender = start(link.tx.ns, *send_args(link, socket.AF_INET, PORT, "--size", "8M"))
    received = receiver.success()
    sender.success()
    assert received["bytes_plain"] == received["bytes"] >= 8 << 20
    after = pool(link, binding)
    assert after.inflight * PAGE <= size, f"the provider gave more than it has: {after}"
    assert after.stats["recycle_cache"] + after.stats["recycle_ring"] > 0, f"nothing was recycled: {after}"
    assert after.stats["double_put"] == 0


@pytest.mark.parametrize("order", [0, 2])
def test_ppcat(make_link: MakeLink, start: Start, defer: Defer, provider: str, order: int) -> None:
    """At MTU 9000, with buffers of one page and of four: all bytes right. What a provider lacks is refused."""
    link = make_link(mtu=9000)
    steer(link, socket.AF_INET, [2])
    if order and provider == "hugepage":
        with refusal(errno.EOPNOTSUPP, "hugepage: a buffer is one page"):
            bind(link, defer, provider, order=order)
        return
    if order:
        assert pool(link, bind(link, defer, provider, order=order)).buffer_size == PAGE << order
        args = ["--plain", "-i", link.rx.name]
    else:
        args = ["-i", link.rx.name, "-q", "2", "--backend", "ppiov", "--provider", provider]
    receiver = start(link.rx.ns, "-l", "-p", PORT, *args)
    receiver.event("ready")
    sender = start(link.tx.ns, *send_args(link, socket.AF_INET, PORT, "--size", "2M"))
    received = receiver.success()
    sender.success()
    assert received["bytes_devmem"] == 0
    assert received["bytes"] > 2 << 20
    assert received["flows"][0]["queue"] == 2


READS: dict[str, Callable[[socket.socket], bytes]] = {
    "recv": lambda s: s.recv(4096),
    "read": lambda s: os.read(s.fileno(), 4096),
    "peek": lambda s: s.recv(4096, socket.MSG_PEEK),
    "recvmsg": lambda s: s.recvmsg(4096, 4096)[0],
}


@pytest.mark.parametrize("how", READS)
def test_every_read(link: Link, defer: Defer, provider: str, how: str) -> None:
    """What reads a socket reads this payload too, from its beginning."""
    bind(link, defer, provider)
    steer(link, socket.AF_INET, [2])
    sender, receiver = connect(link, socket.AF_INET, defer, prepared=False)
    data = payload(4096)
    sender.sendall(data)
    assert select.select([receiver], [], [], PATIENCE)[0], "nothing has come"
    got = READS[how](receiver)
    assert got and data.startswith(got)


def test_tcpdump_prints_it(link: Link, defer: Defer, provider: str, artifacts: Path) -> None:
    """tcpdump on rx0 sees the payload, which it doesn't where the CPU can't read it."""
    bind(link, defer, provider)
    steer(link, socket.AF_INET, [2])
    capture = Capture(link.rx, artifacts / "rx0.pcap")
    defer(capture.stop)
    sender, receiver = connect(link, socket.AF_INET, defer, prepared=False)
    secret = b"ppiov-payload-that-can-be-read"
    sender.sendall(secret * 100)
    assert read_all(receiver, 100 * len(secret)) == secret * 100

    def seen() -> bool:
        return any(secret in packet.data for packet in capture.packets())

    until("the payload is in the capture", seen, every=0.2)


def test_unbind_with_data_unread(link: Link, defer: Defer, provider: str) -> None:
    """After an unbind the pool waits for what sockets have not read; when it is read the pool goes."""
    binding = bind(link, defer, provider)
    steer(link, socket.AF_INET, [2])
    sender, receiver = connect(link, socket.AF_INET, defer, prepared=False)
    data = payload(50_000)
    sender.sendall(data)
    until("some of it has come", partial(receiver.recv, 1, socket.MSG_PEEK))
    binding.close()
    until("only unread buffers are in flight", lambda: [p.detached for p in pools(link, binding)] == [True])
    assert read_all(receiver, len(data)) == data
    until("the pool is gone", lambda: not pools(link, binding))


@pytest.mark.timeout_s(240)
def test_rebind_in_mid_stream(link: Link, defer: Defer, start: Start, provider: str) -> None:
    """Bound and unbound three times under a flow: pages of two pools in one stream, every byte right."""
    steer(link, socket.AF_INET, [2])
    receiver = start(link.rx.ns, "-l", "--plain", "-p", PORT)
    receiver.event("ready")
    sender = start(link.tx.ns, *send_args(link, socket.AF_INET, PORT, "--size", "16G"))
    for _ in range(3):
        progress(link, 2, 1 << 20)
        binding = bind(link, defer, provider)
        progress(link, 2, 1 << 20)
        binding.close()
    progress(link, 2, 1 << 20)
    for ppcat in (sender, receiver):
        ppcat.signal(signal.SIGINT)
    received = receiver.summary()
    assert received["mismatch"] is None and not received["flows"][0]["bad_bytes"]


def test_dmabuf_is_refused(link: Link, start: Start, provider: str) -> None:
    """A provider with memory of its own takes no dma-buf, and ppcat brings it none."""
    with ppiov.Ppiov(link.rx.ns) as family, pytest.raises(RefusedError) as refused:
        family.bind(link.rx.ifindex, [2], provider, dmabuf_fd=0)
    assert refused.value.errno == errno.EINVAL
    assert refused.value.extack
    args = ["-l", "-p", PORT, "-i", link.rx.name, "-q", 2, "--backend", "ppiov", "--provider", provider, "--hugepages"]
    failure = start(link.rx.ns, *args).summary()["failure"]
    assert failure["errno"] == "EINVAL" and f"provider {provider} takes no dmabuf" in failure["text"]
