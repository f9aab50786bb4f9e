# SPDX-License-Identifier: GPL-2.0-only
"""What does ppiov do with somebody else's code: a provider in a module of its own, one that is wrong, a bad exporter?

netns «ppiov-tx»                netns «ppiov-rx»
 tx0 ===================== rx0  queue 2: bound to a provider of selftests/provider or selftests/modules,
                                         or to a dma-buf of selftests/modules
"""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Iterator
from functools import partial

import pytest
from lib import badbuf, faults, module
from lib.badbuf import Kind
from lib.dmabuf import Dmabuf
from lib.fixtures import Defer
from lib.klog import KernelLog
from lib.link import Link
from lib.netlink import RefusedError, refusal
from lib.poll import until
from lib.ppiov import Ppiov, ProviderFlag
from lib.trace import Drops
from lib.traffic import connect, payload, steer

PAGE = os.sysconf("SC_PAGE_SIZE")
EXAMPLE = "ppiov_example"


@pytest.fixture
def ppiov(link: Link, defer: Defer) -> Ppiov:
    family = Ppiov(link.rx.ns)
    defer(family.close)
    return family


def receive(sock: socket.socket, length: int) -> bytes:
    """So many bytes by plain recv()."""
    data = b""
    while len(data) < length:
        more = sock.recv(length - len(data))
        assert more, f"the stream ended after {len(data)} of {length} bytes"
        data += more
    return data


def carry(link: Link, defer: Defer, length: int = 100_000) -> None:
    """Some bytes over a connection of their own to queue 2 arrive, and are right."""
    sender, receiver = connect(link, socket.AF_INET, defer, prepared=False)
    data = payload(length)
    sender.sendall(data)
    assert receive(receiver, length) == data
    sender.close()
    receiver.close()


def pools_gone(ppiov: Ppiov, binding: int) -> None:
    def gone() -> bool:
        return all(pool.binding != binding for pool in ppiov.pools())

    until(f"the pools of binding {binding} are gone", gone)


# ------------------------------------------------------------------------------------------------------- the example


@pytest.fixture
def example(link: Link, defer: Defer) -> None:
    """The module that docs/writing-a-provider.md tells to copy."""
    module.load_for_test(EXAMPLE)
    defer(module.unload_for_test, EXAMPLE)


@pytest.mark.usefixtures("example")
def test_example_carries_traffic(link: Link, ppiov: Ppiov, defer: Defer) -> None:
    """Bound over netlink, it feeds a queue: more than it has goes through it, all of it right, by plain recv()."""
    provider = ppiov.providers()["example"]
    assert (provider.flags, provider.module) == (ProviderFlag.MAPPED, EXAMPLE)
    steer(link, socket.AF_INET, [2])
    link.rx.ethtool.set_rings(RX=64)
    size = 128 * PAGE
    with ppiov.bind(link.rx.ifindex, [2], "example", size=size) as binding:
        for _ in range(12):
            carry(link, defer)
        (pool,) = [p for p in ppiov.pools(link.rx.ifindex) if p.binding == binding.id]
        assert pool.provider == "example" and pool.inflight * PAGE <= size
        assert pool.stats["recycle_cache"] + pool.stats["recycle_ring"] > 0, f"nothing was recycled: {pool.stats}"
        assert not pool.stats["double_put"]
    pools_gone(ppiov, binding.id)
    carry(link, defer)


@pytest.mark.usefixtures("example")
def test_example_stays_while_it_is_bound(link: Link, ppiov: Ppiov, defer: Defer) -> None:
    """rmmod is refused while a queue is bound, and while a socket has a page unread; then it leaves nothing."""
    steer(link, socket.AF_INET, [2])
    binding = ppiov.bind(link.rx.ifindex, [2], "example")
    defer(binding.close)
    with pytest.raises(AssertionError, match="in use"):
        module.unload_for_test(EXAMPLE)
    sender, receiver = connect(link, socket.AF_INET, defer, prepared=False)
    data = payload(10_000)
    sender.sendall(data)
    until("some of it has come", partial(receiver.recv, 1, socket.MSG_PEEK))
    binding.close()
    with pytest.raises(AssertionError, match="in use"):
        module.unload_for_test(EXAMPLE)
    assert receive(receiver, len(data)) == data
    pools_gone(ppiov, binding.id)
    until("nobody holds the module", lambda: _unloaded(EXAMPLE))
    assert "example" not in ppiov.providers()
    with refusal(errno.ENOENT, 'there is no memory provider "example"'):
        ppiov.bind(link.rx.ifindex, [2], "example")
    carry(link, defer)


def _unloaded(name: str) -> bool:
    """The last put of the module's reference comes just after the pool is off the list."""
    try:
        module.unload_for_test(name)
    except AssertionError as refused:
        assert "in use" in str(refused)
        return False
    return True


@pytest.mark.usefixtures("example")
def test_example_refuses(link: Link, ppiov: Ppiov) -> None:
    """What its init says is what the bind says: buffers of several pages, more than one block can have."""
    with refusal(errno.EOPNOTSUPP, "one page each"):
        ppiov.bind(link.rx.ifindex, [2], "example", order=1)
    with refusal(errno.E2BIG, "more than a block"):
        ppiov.bind(link.rx.ifindex, [2], "example", size=8 << 20)
    assert not ppiov.bindings()


# ----------------------------------------------------------------------------------------------- providers that err


@pytest.fixture
def bad_providers(link: Link, defer: Defer) -> None:
    module.load_for_test("ppiov_badprov")
    defer(until, "nobody holds ppiov_badprov", partial(_unloaded, "ppiov_badprov"))


@pytest.mark.usefixtures("bad_providers")
def test_init_fails(link: Link, ppiov: Ppiov, defer: Defer) -> None:
    """A provider without memory: the bind says its errno and a sentence, and the queue goes on with its own."""
    steer(link, socket.AF_INET, [2, 3])
    for queues in ([2], [2, 3]):
        with pytest.raises(RefusedError) as refused:
            ppiov.bind(link.rx.ifindex, queues, "bad-init")
        assert refused.value.errno == errno.ENOSPC
        assert "RX queue 2 could not be restarted with the provider's buffers" in refused.value.extack
        assert not ppiov.bindings() and not ppiov.pools(link.rx.ifindex)
    with pytest.raises(RefusedError) as refused:
        ppiov.bind(link.rx.ifindex, [2], "bad-wordy")
    assert refused.value.errno == errno.ENOSPC
    assert refused.value.extack == f"a reason, of 2: {'0' * 63}", "as much of its words as netlink takes"
    assert not ppiov.bindings() and not ppiov.pools(link.rx.ifindex)
    carry(link, defer)


@pytest.mark.usefixtures("bad_providers")
def test_alloc_gives_nothing_for_ever(link: Link, ppiov: Ppiov, defer: Defer) -> None:
    """Without a buffer nothing is received and all else works; frames are counted as dropped, TCP sends them again."""
    steer(link, socket.AF_INET, [2])
    sender, receiver = connect(link, socket.AF_INET, defer, prepared=False)
    data = payload(10_000)
    with ppiov.bind(link.rx.ifindex, [2], "bad-null") as binding:
        (pool,) = [p for p in ppiov.pools(link.rx.ifindex) if p.binding == binding.id]
        assert pool.inflight == 0
        sender.sendall(data)

        def asked() -> bool:
            (now,) = [p for p in ppiov.pools(link.rx.ifindex) if p.binding == binding.id]
            return now.stats["alloc_fail"] > pool.stats["alloc_fail"] or link.rx_stats(2)["rx-hw-drops"] > 0

        until("the NIC has asked for a buffer in vain, or dropped a frame", asked)
        receiver.setblocking(False)
        with pytest.raises(BlockingIOError):
            receiver.recv(1)
    pools_gone(ppiov, binding.id)
    receiver.settimeout(30)
    assert receive(receiver, len(data)) == data


@pytest.mark.usefixtures("bad_providers")
@pytest.mark.warns("ppiov: provider bad-twice releases a buffer that it has")
def test_release_is_done_twice(link: Link, ppiov: Ppiov, defer: Defer, klog: KernelLog) -> None:
    """Each buffer is released twice: the kernel warns of the first only, and frees none of them a second time."""
    steer(link, socket.AF_INET, [2])
    with ppiov.bind(link.rx.ifindex, [2], "bad-twice") as binding:
        carry(link, defer)
    pools_gone(ppiov, binding.id)
    with ppiov.bind(link.rx.ifindex, [2], "page"):
        carry(link, defer)
    lines = klog.lines()
    assert sum("releases a buffer that it has" in line for line in lines) == 1
    assert not [line for line in lines if "was not noticed" in line or "Bad page state" in line]


# ------------------------------------------------------------------------------------------------- exporters that err


# kind, errno, part of the extack sentence
BAD_BUFFERS: dict[str, tuple[Kind, int, str]] = {
    "empty": (Kind.EMPTY, errno.EINVAL, "size is 0 or not a multiple of the page size"),
    "half a page too large": (Kind.ODD, errno.EINVAL, "size is 0 or not a multiple of the page size"),
    "begins within a page": (Kind.OFFSET, errno.EINVAL, "a chunk that is not page aligned"),
    "pieces are no whole pages": (Kind.PIECES, errno.EINVAL, "a chunk that is not a multiple of the buffer size"),
    "maps half of it": (Kind.SHORT, errno.EINVAL, "has mapped less than its size"),
    "maps nothing": (Kind.NOTHING, errno.EINVAL, "has mapped less than its size"),
    "can't be mapped": (Kind.NO_MAP, errno.EIO, "can't be mapped for the device"),
    "can't be attached": (Kind.NO_ATTACH, errno.EACCES, "can't be attached to the device"),
}


@pytest.fixture
def exporter(link: Link, defer: Defer) -> None:
    module.load_for_test(badbuf.MODULE)
    defer(module.unload_for_test, badbuf.MODULE)


@pytest.fixture
def buffer(exporter: None, request: pytest.FixtureRequest) -> Iterator[int]:
    """The descriptor of a dma-buf of the kind."""
    fd = badbuf.export(request.param)
    yield fd
    os.close(fd)


@pytest.mark.parametrize(
    ("buffer", "number", "sentence"), BAD_BUFFERS.values(), ids=BAD_BUFFERS.keys(), indirect=["buffer"]
)
def test_bad_dmabuf(link: Link, ppiov: Ppiov, defer: Defer, buffer: int, number: int, sentence: str) -> None:
    """What can't be cut into buffers is refused and told why; nothing stays mapped, and the queue takes the next."""
    regions = faults.folder(link.rx) / "dma_regions"
    before = len(regions.read_text().splitlines())
    with refusal(number, sentence):
        ppiov.bind(link.rx.ifindex, [2], "dmabuf", buffer)
    assert not ppiov.bindings()
    assert len(regions.read_text().splitlines()) == before, "the device may still access it"
    with Dmabuf(1 << 20) as good, ppiov.bind(link.rx.ifindex, [2], "dmabuf", good.fd) as binding:
        assert [b.id for b in ppiov.bindings()] == [binding.id]
    pools_gone(ppiov, binding.id)


@pytest.mark.parametrize("buffer", [Kind.GOOD], ids=["good"], indirect=True)
def test_good_dmabuf_of_the_same_exporter(link: Link, ppiov: Ppiov, buffer: int) -> None:
    """The control: two pieces of whole pages can be bound, and hold their exporter until the last buffer is back."""
    with ppiov.bind(link.rx.ifindex, [2], "dmabuf", buffer) as binding:
        (pool,) = [p for p in ppiov.pools(link.rx.ifindex) if p.binding == binding.id]
        assert 0 < pool.inflight * PAGE <= badbuf.SIZE
        assert ppiov.binding(binding.id).size == badbuf.SIZE
        with pytest.raises(AssertionError, match="in use"):
            module.unload_for_test(badbuf.MODULE)
    pools_gone(ppiov, binding.id)


# ----------------------------------------------------------------------------------------------------- no carrier


@pytest.mark.parametrize("provider", ["page", "dmabuf"])
def test_no_memory_for_a_carrier(link: Link, ppiov: Ppiov, defer: Defer, provider: str) -> None:
    """Payload that gets into no skb is counted, its buffers go back at once, and TCP sends it again."""
    steer(link, socket.AF_INET, [2])
    sender, receiver = connect(link, socket.AF_INET, defer, prepared=False)
    data = payload(5_000)
    dropped = Drops(defer, ethertype=0)  # the skb is dropped before eth_type_trans() has seen it
    with Dmabuf(1 << 20) as dmabuf:
        fd = dmabuf.fd if provider == "dmabuf" else None
        with ppiov.bind(link.rx.ifindex, [2], provider, fd) as binding:
            faults.inject(link.rx, "rx_attach", 4, defer)
            failed = link.rx_stats(2)["rx-alloc-fail"]
            sender.sendall(data)
            until("4 carriers were missing", lambda: faults.hits(link.rx, "rx_attach") == 4)
            assert link.rx_stats(2)["rx-alloc-fail"] >= failed + 4
            assert dropped.reasons()["NOMEM"] >= 4, f"the reasons in the trace: {dropped.reasons()}"
            binding.unbind()
            if provider == "page":
                assert receive(receiver, len(data)) == data
    receiver.close()
    sender.close()
    pools_gone(ppiov, binding.id)
