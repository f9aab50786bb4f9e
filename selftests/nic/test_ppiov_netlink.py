# SPDX-License-Identifier: GPL-2.0-only
"""Can a provider be bound to RX queues over netlink, does a binding end when it should, and is what is wrong refused?

netns «ppiov-tx»                netns «ppiov-rx»
 tx0 ===================== rx0  queue 2, 3: bound here by the test
"""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from lib.dmabuf import Dmabuf
from lib.fixtures import Defer, MakeLink
from lib.klog import KernelLog
from lib.link import Link
from lib.netdev import Binding as CoreBinding
from lib.netlink import Genl, RefusedError, refusal
from lib.netns import INIT
from lib.poll import until
from lib.ppiov import (
    CMD_BIND_NTF,
    CMD_BIND_RX,
    CMD_BINDING_GET,
    CMD_POOL_GET,
    CMD_POOL_STALLED_NTF,
    CMD_PROVIDER_GET,
    CMD_UNBIND,
    CMD_UNBIND_NTF,
    FAMILY,
    MAX_ORDER,
    MAX_QUEUES,
    Binding,
    BindingInfo,
    BindingMessage,
    Event,
    Events,
    PoolMessage,
    Ppiov,
    ProviderFlag,
    ProviderMessage,
    uint,
)
from lib.privileges import nobody
from lib.traffic import arrived, connect, payload, steer
from pyroute2.netlink import genlmsg

PAGE = os.sysconf("SC_PAGE_SIZE")
DMABUF = 4 << 20


@pytest.fixture
def ppiov(link: Link, defer: Defer) -> Ppiov:
    family = Ppiov(link.rx.ns)
    defer(family.close)
    return family


@pytest.fixture
def dmabuf(defer: Defer) -> Dmabuf:
    buf = Dmabuf(DMABUF)
    defer(buf.close)
    return buf


@pytest.fixture
def events(link: Link, defer: Defer) -> Events:
    listener = Events(link.rx.ns)
    defer(listener.close)
    return listener


def no_pool(ppiov: Ppiov, binding: int) -> bool:
    return all(pool.binding != binding for pool in ppiov.pools())


def pools_gone(ppiov: Ppiov, binding: int) -> None:
    until(f"the pools of binding {binding} are gone", partial(no_pool, ppiov, binding))


def test_providers(ppiov: Ppiov) -> None:
    """The built-in ones are there, each with its flags and its module; one of them can be asked for by name."""
    providers = ppiov.providers()
    assert {"page", "hugepage", "dmabuf"} <= providers.keys()
    assert providers["page"].flags == ProviderFlag(0)
    assert {ProviderFlag.IOV, ProviderFlag.DMABUF} <= set(providers["dmabuf"].flags)
    assert {p.module for p in providers.values()} == {"ppiov"}
    for name, provider in providers.items():
        assert ppiov.provider(name) == provider


def test_bind_and_unbind(link: Link, ppiov: Ppiov, events: Events, defer: Defer) -> None:
    """A binding can be seen, feeds a pool for its queue, is told of, and ends once by request; ids are not reused."""
    ids = set()
    for _ in range(3):
        binding = ppiov.bind(link.rx.ifindex, [2], "page")
        defer(binding.close)
        ids.add(binding.id)
        info = BindingInfo(binding.id, link.rx.ifindex, (2,), "page", None, 0)
        assert ppiov.bindings(link.rx.ifindex) == [info] == [ppiov.binding(binding.id)]
        assert events.next() == Event(CMD_BIND_NTF, info, None)

        (pool,) = [p for p in ppiov.pools() if p.binding == binding.id]
        assert (pool.ifindex, pool.queue, pool.provider, pool.buffer_size) == (link.rx.ifindex, 2, "page", PAGE)
        assert pool.inflight and not pool.detached and pool.stalled is None
        assert pool.stats["alloc_slow"] == pool.inflight and not pool.stats["double_put"]
        assert ppiov.pool(pool.id).queue == 2

        binding.unbind()
        assert events.next() == Event(CMD_UNBIND_NTF, info, None)
        assert ppiov.bindings() == []
        with refusal(errno.ENOENT, "no such binding"):
            binding.unbind()
        with refusal(errno.ENOENT, "no such binding"):
            ppiov.binding(binding.id)
        pools_gone(ppiov, binding.id)
        with refusal(errno.ENOENT, "no such pool"):
            ppiov.pool(pool.id)
    assert len(ids) == 3


def test_who_asks_is_not_told_as_well(link: Link, ppiov: Ppiov, events: Events) -> None:
    """Who listens with the socket that it binds with gets its answers, and what others do; YNL trips over more."""
    with Genl(link.rx.ns, FAMILY) as asking:
        events.join(asking._sock)
        asking.post(BindingMessage, CMD_BIND_RX, [("IFINDEX", link.rx.ifindex), ("QUEUES", 2), ("PROVIDER", "page")])
        told = events.next()
        assert told.command == CMD_BIND_NTF and told.binding
        assert asking.unasked() == 0
        asking.post(BindingMessage, CMD_UNBIND, [("ID", told.binding.id)])
        assert events.next().command == CMD_UNBIND_NTF
        assert asking.unasked() == 0
        with ppiov.bind(link.rx.ifindex, [2], "page"):
            assert asking.unasked() == 1
        assert asking.unasked() == 1


def test_binding_ends_with_its_socket(link: Link, ppiov: Ppiov, events: Events, dmabuf: Dmabuf) -> None:
    """close() of the socket that made it ends a binding; that of another socket does not."""
    with ppiov.bind(link.rx.ifindex, [2, 3], "dmabuf", dmabuf.fd) as binding:
        assert events.next().command == CMD_BIND_NTF
        with Ppiov(link.rx.ns) as other:
            assert other.binding(binding.id).queues == (2, 3)
        assert events.none() and len(ppiov.bindings()) == 1
    assert ppiov.bindings() == [], "the socket is closed, the binding isn't"
    event = events.next()
    assert event.command == CMD_UNBIND_NTF and event.binding and event.binding.queues == (2, 3)
    pools_gone(ppiov, binding.id)


def test_binding_ends_with_its_device(link: Link, ppiov: Ppiov, events: Events, dmabuf: Dmabuf) -> None:
    """`ip link del` ends it while its socket is open; what comes from the socket later finds nothing to end."""
    with ppiov.bind(link.rx.ifindex, [2], "dmabuf", dmabuf.fd) as binding:
        events.next()
        link.delete()
        event = events.next()
        assert event.command == CMD_UNBIND_NTF and event.binding and event.binding.id == binding.id
        assert ppiov.bindings() == []
        with refusal(errno.ENOENT, "no such binding"):
            binding.unbind()
    assert events.none(), "closing the socket has ended it once more"
    with Ppiov(INIT) as init:
        pools_gone(init, binding.id)


def test_binding_of_a_port_that_is_down(link: Link, ppiov: Ppiov, dmabuf: Dmabuf) -> None:
    """It takes effect when the port goes up, and again after each down; the memory is the same."""
    link.rx.set(state="down")
    with ppiov.bind(link.rx.ifindex, [2], "dmabuf", dmabuf.fd) as binding:
        assert no_pool(ppiov, binding.id)
        for _ in range(3):
            link.rx.set(state="up")
            pools = [p for p in ppiov.pools(link.rx.ifindex) if p.binding == binding.id and not p.detached]
            assert [p.queue for p in pools] == [2]
            link.rx.set(state="down")
        pools_gone(ppiov, binding.id)
        assert len(ppiov.bindings()) == 1
    link.rx.set(state="up")
    assert no_pool(ppiov, binding.id)


def test_queues_share_a_dmabuf(link: Link, ppiov: Ppiov, dmabuf: Dmabuf) -> None:
    """Each queue has a pool of its own, and together they take no more buffers than there are."""
    with ppiov.bind(link.rx.ifindex, [2, 3], "dmabuf", dmabuf.fd, size=DMABUF // 2) as binding:
        pools = [p for p in ppiov.pools(link.rx.ifindex) if p.binding == binding.id]
        assert sorted(p.queue for p in pools if p.queue is not None) == [2, 3]
        assert 0 < sum(p.inflight for p in pools) <= DMABUF // 2 // PAGE
        assert ppiov.binding(binding.id).size == DMABUF // 2
    pools_gone(ppiov, binding.id)


def test_large_buffers(link: Link, ppiov: Ppiov, dmabuf: Dmabuf) -> None:
    """A buffer may be larger than the exporter's pages: what is in one piece for the device counts."""
    with ppiov.bind(link.rx.ifindex, [2], "dmabuf", dmabuf.fd, order=1) as binding:
        (pool,) = [p for p in ppiov.pools(link.rx.ifindex) if p.binding == binding.id]
        assert pool.buffer_size == 2 * PAGE
        assert ppiov.binding(binding.id).order == 1
    pools_gone(ppiov, binding.id)


def test_an_answer_that_does_not_arrive(link: Link, ppiov: Ppiov, events: Events) -> None:
    """Who can't be told a binding's id has none: the queue has its own buffers again, and nobody hears of it."""
    before = {pool.id for pool in link.netdev.page_pools(link.rx.ifindex) if not pool.orphaned}
    with Genl(link.rx.ns, FAMILY) as deaf:
        deaf.deafen()
        for _ in range(64):
            deaf.post(ProviderMessage, CMD_PROVIDER_GET, [("NAME", "page")])
        wanted = [("IFINDEX", link.rx.ifindex), ("QUEUES", 2), ("PROVIDER", "page")]
        deaf.post(BindingMessage, CMD_BIND_RX, wanted)
        assert ppiov.bindings(link.rx.ifindex) == []
        after = {pool.id for pool in link.netdev.page_pools(link.rx.ifindex) if not pool.orphaned}
        assert len(after) == len(before) and after != before, "the queue was not restarted at all, or is not its own"
        with ppiov.bind(link.rx.ifindex, [2], "page") as binding:
            told = events.next()
            assert (told.command, told.binding and told.binding.id) == (CMD_BIND_NTF, binding.id)


def test_other_namespaces(link: Link, ppiov: Ppiov) -> None:
    """A device's bindings and pools are seen, and can be ended, in its own namespace only."""
    with ppiov.bind(link.rx.ifindex, [2], "page") as binding, Ppiov(link.tx.ns) as other, Events(link.tx.ns) as events:
        assert other.bindings() == [] and other.pools() == []
        for ask in (other.binding, other.unbind):
            with refusal(errno.ENOENT, "no such binding"):
                ask(binding.id)
        (pool,) = ppiov.pools()
        with refusal(errno.ENOENT, "no such pool"):
            other.pool(pool.id)
        assert len(ppiov.bindings()) == 1
        with ppiov.bind(link.rx.ifindex, [3], "page"):
            assert events.none()


def test_device_moves_to_another_namespace(link: Link, ppiov: Ppiov) -> None:
    """The binding goes with the device, is seen where that is, and still ends with its socket, or by its request."""
    (home, away), index = (link.rx.ns, link.tx.ns), link.rx.ifindex
    for end in ("unbind", "close"):
        with ppiov.bind(index, [2], "page") as binding, Ppiov(away) as there:
            home.ip.link("set", index=index, net_ns_fd=away.name)
            try:
                (seen,) = there.bindings()
                assert seen.id == binding.id and ppiov.bindings() == []
                getattr(binding, end)()
                assert there.bindings() == []
            finally:
                (moved,) = away.ip.link_lookup(ifname="rx0")
                away.ip.link("set", index=moved, net_ns_fd=home.name)
                (index,) = home.ip.link_lookup(ifname="rx0")
    link.rx.ifindex = index


@dataclass(frozen=True, slots=True)
class Dump:
    """A dump, message by message: the ids that each had."""

    messages: list[list[int]]

    @property
    def ids(self) -> list[int]:
        return [id_ for message in self.messages for id_ in message]


def dump(link: Link, message: type[Any], command: int, between: Callable[[], None] | None = None) -> Dump:
    """Ask with a small buffer, so that the kernel needs several messages; `between` is called after the first."""
    with Genl(link.rx.ns, FAMILY, room=4096) as genl:
        messages: list[list[int]] = []
        for answers in genl.dump(message, command):
            messages.append([answer.get_attr("ID") for answer in answers])
            if between and len(messages) == 1:
                between()
        return Dump([m for m in messages if m])


MANY = 64  # the most queues that a port has


@pytest.fixture
def many(make_link: MakeLink, defer: Defer) -> tuple[Link, list[Binding]]:
    """A binding for each of 64 queues, of a port that is up."""
    link = make_link(queues=MANY)
    for port in (link.rx, link.tx):
        port.ethtool.set_rings(RX=64)
    bindings = []
    with Ppiov(link.rx.ns) as family:
        for queue in range(MANY):
            bindings.append(family.bind(link.rx.ifindex, [queue], "page", size=64 * PAGE))
            defer(bindings[-1].close)
    return link, bindings


@pytest.mark.timeout_s(300)
def test_dumps_of_several_messages(many: tuple[Link, list[Binding]]) -> None:
    """A dump that takes more than one message loses none and tells none twice, of bindings as of pools."""
    link, bindings = many
    told = dump(link, BindingMessage, CMD_BINDING_GET)
    assert len(told.messages) > 1, "all bindings are in one message: this test needs more of them"
    assert told.ids == sorted(b.id for b in bindings)
    told = dump(link, PoolMessage, CMD_POOL_GET)
    assert len(told.messages) > 2, "all pools are in two messages: this test needs more of them"
    assert len(told.ids) == len(set(told.ids)) == MANY


@pytest.mark.timeout_s(300)
def test_dump_while_pools_go(many: tuple[Link, list[Binding]]) -> None:
    """What goes between two messages of a dump, told or not, costs no other its place, and none is told twice."""
    link, bindings = many
    with Ppiov(link.rx.ns) as family:
        pools = {p.binding: p.id for p in family.pools(link.rx.ifindex)}
        gone = [pools[b.id] for b in (bindings[0], bindings[-1])]

        def go() -> None:
            for binding in (bindings[0], bindings[-1]):
                binding.close()
                pools_gone(family, binding.id)

        told = dump(link, PoolMessage, CMD_POOL_GET, between=go)
    assert len(told.messages) > 2, "all pools are in two messages, which the kernel makes at once"
    assert len(told.ids) == len(set(told.ids)), "one was told twice"
    assert {*told.ids} - {*gone} == {*pools.values()} - {*gone}
    assert gone[0] in told.messages[0] and gone[1] not in told.ids


STALL_SECONDS = Path("/sys/module/ppiov/parameters/stall_seconds")


@pytest.mark.parametrize("provider", ["page", "dmabuf"])
def test_stalled_pool_is_told(
    link: Link, ppiov: Ppiov, events: Events, dmabuf: Dmabuf, defer: Defer, klog: KernelLog, provider: str
) -> None:
    """A pool whose buffers wait in a socket is told to who listens, and logged, until the socket is closed."""
    elsewhere = Events(link.tx.ns)
    defer(elsewhere.close)
    defer(STALL_SECONDS.write_text, STALL_SECONDS.read_text())
    STALL_SECONDS.write_text("1")
    steer(link, socket.AF_INET, [2])
    binding = ppiov.bind(link.rx.ifindex, [2], provider, dmabuf.fd if provider == "dmabuf" else None)
    defer(binding.close)
    sender, receiver = connect(link, socket.AF_INET, defer, prepared=False)
    data, before = payload(20_000), arrived(link, 2)
    sender.sendall(data)
    until("it has come", lambda: arrived(link, 2) >= before + len(data))
    binding.unbind()
    assert [events.next().command for _ in range(2)] == [CMD_BIND_NTF, CMD_UNBIND_NTF]
    seconds, stalled = [], []
    for _ in range(2):
        event = events.next()
        assert event.command == CMD_POOL_STALLED_NTF and event.pool
        assert (event.pool.binding, event.pool.provider, event.pool.detached) == (binding.id, provider, True)
        assert 0 < event.pool.inflight < 64, f"more than what is unread, the ring of 512 too: {event.pool}"
        assert event.pool.stalled
        seconds.append(event.pool.stalled)
        stalled.append(event.pool.id)
    assert seconds[1] > seconds[0]
    logged = [line for line in klog.lines() if "ppiov: stalled pool shutdown" in line]
    assert len(logged) >= 2
    assert all(f"id {stalled.pop()}, provider {provider}, " in line for line in logged[:2]), logged
    assert elsewhere.none(), "told in a namespace that has nothing to do with it"
    receiver.close()
    pools_gone(ppiov, binding.id)


# --------------------------------------------------------------------------------------------------------- bad input


@dataclass(frozen=True, slots=True)
class Scene:
    """What the rows of the table below are about."""

    ifindex: int
    good: int  # a dma-buf
    file: int
    closed: int


Attrs = list[tuple[str, Any]]


def request(*drop: str, **change: Callable[[Scene], list[Any]]) -> Callable[[Scene], Attrs]:
    """A bind-rx that is right, without some attributes and with others' values replaced: one for each in the list."""

    def make(scene: Scene) -> Attrs:
        attrs: dict[str, list[Any]] = {
            "IFINDEX": [scene.ifindex],
            "QUEUES": [2],
            "PROVIDER": ["dmabuf"],
            "DMABUF_FD": [scene.good],
        }
        attrs |= {name: values(scene) for name, values in change.items()}
        return [(name, value) for name, values in attrs.items() if name not in drop for value in values]

    return make


def always(*values: Any) -> Callable[[Scene], list[Any]]:
    return lambda _: list(values)


# attributes, errno, part of the extack sentence
BAD_BINDS: dict[str, tuple[Callable[[Scene], Attrs], int, str]] = {
    "no ifindex": (request("IFINDEX"), errno.EINVAL, "attribute ifindex is missing"),
    "no queues": (request("QUEUES"), errno.EINVAL, "attribute queues is missing"),
    "no provider": (request("PROVIDER"), errno.EINVAL, "attribute provider is missing"),
    "no dma-buf": (request("DMABUF_FD"), errno.EINVAL, 'provider "dmabuf" needs a dmabuf-fd'),
    "ifindex 0": (request(IFINDEX=always(0)), errno.ERANGE, "integer out of range"),
    "ifindex -1": (request(IFINDEX=always(0xFFFFFFFF)), errno.ERANGE, "integer out of range"),
    "ifindex unknown": (request(IFINDEX=always(0x7FFFFFFF)), errno.ENODEV, "there is no such device"),
    "loopback": (request(IFINDEX=always(1)), errno.EOPNOTSUPP, "driver can't bind its queues"),
    "ifindex twice": (request(IFINDEX=lambda s: [s.ifindex] * 2), errno.EINVAL, "attribute is there twice"),
    "provider twice": (request(PROVIDER=always("dmabuf", "dmabuf")), errno.EINVAL, "attribute is there twice"),
    "fd twice": (request(DMABUF_FD=lambda s: [s.good] * 2), errno.EINVAL, "attribute is there twice"),
    "order twice": (request(ORDER=always(0, 0)), errno.EINVAL, "attribute is there twice"),
    "size twice": (request(SIZE=always(uint(PAGE), uint(PAGE))), errno.EINVAL, "attribute is there twice"),
    "queue out of range": (request(QUEUES=always(4)), errno.ERANGE, "there is no RX queue 4"),
    "queue -1": (request(QUEUES=always(0xFFFFFFFF)), errno.ERANGE, "there is no RX queue 4294967295"),
    "queue twice": (request(QUEUES=always(2, 3, 2)), errno.EINVAL, "queue 2 is named twice"),
    "queue bound": (request(QUEUES=always(2, 1)), errno.EEXIST, "queue 1 is bound already, binding"),
    "queue of the core": (request(QUEUES=always(2, 0)), errno.EBUSY, "queue 0 has a memory provider of the core"),
    "provider unknown": (request(PROVIDER=always("nobody")), errno.ENOENT, 'there is no memory provider "nobody"'),
    "provider empty": (request(PROVIDER=always("")), errno.ENOENT, 'there is no memory provider ""'),
    "provider too long": (
        request(PROVIDER=always("sixteen-letters.")),
        errno.EINVAL,
        "Attribute failed policy validation",
    ),
    "fd of another provider": (request(PROVIDER=always("page")), errno.EINVAL, 'provider "page" takes no dma-buf'),
    "fd is a file": (request(DMABUF_FD=lambda s: [s.file]), errno.EINVAL, "dmabuf-fd is not a dma-buf"),
    "fd is closed": (request(DMABUF_FD=lambda s: [s.closed]), errno.EBADF, "dmabuf-fd is not open"),
    "fd -1": (request(DMABUF_FD=always(-1)), errno.ERANGE, "integer out of range"),
    "size 0": (request(SIZE=always(uint(0))), errno.EINVAL, "size is 0"),
    "size odd": (request(SIZE=always(uint(PAGE + 1))), errno.EINVAL, "not a multiple of the buffer size"),
    "size not of buffers": (
        request(SIZE=always(uint(PAGE)), ORDER=always(1)),
        errno.EINVAL,
        "not a multiple of the buffer size",
    ),
    "size too large": (request(SIZE=always(uint(DMABUF + PAGE))), errno.EINVAL, "larger than the dma-buf"),
    "size huge": (request(SIZE=always(uint((1 << 64) - PAGE))), errno.EINVAL, "larger than the dma-buf"),
    "size larger than memory": (
        request("DMABUF_FD", PROVIDER=always("page"), SIZE=always(uint(1 << 50))),
        errno.EINVAL,
        "larger than this machine's memory",
    ),
    "order out of range": (request(ORDER=always(MAX_ORDER + 1)), errno.ERANGE, "integer out of range"),
    "an attribute of answers": (request(ID=always(1)), errno.EINVAL, "Unsupported attribute"),
}


@pytest.fixture
def scene(link: Link, ppiov: Ppiov, dmabuf: Dmabuf, defer: Defer) -> Iterator[Scene]:
    """Queue 0 has a provider of the core, queue 1 one of ppiov. Afterwards nothing else may be bound."""
    core = CoreBinding(link.rx.ns, link.rx.ifindex, [0], dmabuf)
    defer(core.unbind)
    ours = ppiov.bind(link.rx.ifindex, [1], "page")
    defer(ours.close)
    file = os.open("/proc/self/status", os.O_RDONLY)
    defer(os.close, file)
    closed = os.dup(file)
    os.close(closed)
    yield Scene(link.rx.ifindex, dmabuf.fd, file, closed)
    assert [b.id for b in ppiov.bindings()] == [ours.id], "something was bound that was refused"
    assert {p.binding for p in ppiov.pools() if not p.detached} == {ours.id}


@pytest.mark.timeout_s(240)
def test_bad_binds(scene: Scene, ppiov: Ppiov) -> None:
    """Whatever is wrong with a bind-rx: the right errno, a sentence that says what, and nothing is bound."""
    wrong = []
    for name, (attrs, number, sentence) in BAD_BINDS.items():
        try:
            ppiov.request(BindingMessage, CMD_BIND_RX, attrs(scene))
        except RefusedError as refused:
            if refused.errno != number or sentence not in refused.extack or not refused.extack:
                wrong.append(f"{name}: {errno.errorcode[refused.errno or 0]} «{refused.extack}»")
        else:
            wrong.append(f"{name}: was accepted")
    assert not wrong, "\n".join(wrong)


def test_too_many_queues(make_link: MakeLink, dmabuf: Dmabuf) -> None:
    """More queues than a binding can have is more than a device has: the first that isn't there is named."""
    link = make_link()
    with Ppiov(link.rx.ns) as ppiov, refusal(errno.ERANGE, "there is no RX queue 4"):
        ppiov.bind(link.rx.ifindex, range(MAX_QUEUES + 1), "page")


def test_refused_bind_leaves_queues_alone(link: Link, ppiov: Ppiov) -> None:
    """Where the device refuses, since header split is off, its words arrive and nothing is bound."""
    link.rx.ethtool.set_split("off")
    with refusal(errno.EINVAL, "header split"):
        ppiov.bind(link.rx.ifindex, [2, 3], "page")
    assert ppiov.bindings() == []


class ShortMessage(genlmsg):
    """All attributes one byte long."""

    nla_map = (("UNSPEC", "none"), *((name, "uint8") for name, _ in BindingMessage.nla_map[1:]))


@pytest.mark.parametrize("name", ["IFINDEX", "QUEUES", "PROVIDER", "DMABUF_FD", "SIZE", "ORDER"])
def test_attribute_of_the_wrong_type(link: Link, ppiov: Ppiov, name: str) -> None:
    """One byte where four, eight or a string belong."""
    with pytest.raises(RefusedError) as refused:
        ppiov.request(ShortMessage, CMD_BIND_RX, [(name, 7)])
    assert refused.value.errno in (errno.EINVAL, errno.ERANGE) and refused.value.extack


# command, message, attributes, errno, part of the extack sentence
BAD_QUESTIONS: dict[str, tuple[int, type[Any], Attrs, int, str]] = {
    "unbind: no id": (CMD_UNBIND, BindingMessage, [], errno.EINVAL, "attribute id is missing"),
    "unbind: id 0": (CMD_UNBIND, BindingMessage, [("ID", 0)], errno.ERANGE, "integer out of range"),
    "unbind: unknown": (CMD_UNBIND, BindingMessage, [("ID", 0x7FFFFFFF)], errno.ENOENT, "no such binding"),
    "unbind: twice": (CMD_UNBIND, BindingMessage, [("ID", 1)] * 2, errno.EINVAL, "attribute is there twice"),
    "binding: no id": (CMD_BINDING_GET, BindingMessage, [], errno.EINVAL, "attribute id is missing"),
    "binding: twice": (CMD_BINDING_GET, BindingMessage, [("ID", 1)] * 2, errno.EINVAL, "attribute is there twice"),
    "pool: no id": (CMD_POOL_GET, PoolMessage, [], errno.EINVAL, "attribute id is missing"),
    "pool: id 0": (CMD_POOL_GET, PoolMessage, [("ID", 0)], errno.ERANGE, "integer out of range"),
    "pool: unknown": (CMD_POOL_GET, PoolMessage, [("ID", 0xFFFFFFFF)], errno.ENOENT, "no such pool"),
    "pool: twice": (CMD_POOL_GET, PoolMessage, [("ID", 1)] * 2, errno.EINVAL, "attribute is there twice"),
    "provider: no name": (CMD_PROVIDER_GET, ProviderMessage, [], errno.EINVAL, "attribute name is missing"),
    "provider: unknown": (CMD_PROVIDER_GET, ProviderMessage, [("NAME", "x")], errno.ENOENT, 'no memory provider "x"'),
    "provider: twice": (
        CMD_PROVIDER_GET,
        ProviderMessage,
        [("NAME", "page")] * 2,
        errno.EINVAL,
        "attribute is there twice",
    ),
}


@pytest.mark.parametrize("name", BAD_QUESTIONS)
def test_bad_questions(ppiov: Ppiov, name: str) -> None:
    """The other commands refuse with the right errno and a sentence as well."""
    command, message, attrs, number, sentence = BAD_QUESTIONS[name]
    with refusal(number, sentence):
        ppiov.request(message, command, attrs)


def test_unprivileged(link: Link, ppiov: Ppiov) -> None:
    """Anybody may ask, only CAP_NET_ADMIN may bind and unbind."""
    with ppiov.bind(link.rx.ifindex, [2], "page") as binding, Ppiov(link.rx.ns) as family:
        with nobody():
            assert len(family.bindings()) == 1 and family.pools() and family.providers()
            with refusal(errno.EPERM):
                family.unbind(binding.id)
            with refusal(errno.EPERM):
                family.request(BindingMessage, CMD_BIND_RX, [("IFINDEX", link.rx.ifindex)])
        assert len(ppiov.bindings()) == 1


def test_binding_outlives_its_creator_thread(link: Link, ppiov: Ppiov) -> None:
    """The socket is what counts: handed to another process and closed here, it keeps the binding."""
    binding = ppiov.bind(link.rx.ifindex, [2], "page")
    ours, theirs = socket.socketpair()
    with ours, theirs:
        socket.send_fds(ours, [b"x"], [binding._genl._sock.fileno()])
        binding.close()
        assert len(ppiov.bindings()) == 1, "a reference to the socket is on its way"
        _, (fd,), _, _ = socket.recv_fds(theirs, 1, 1)
        assert len(ppiov.bindings()) == 1
        os.close(fd)
    assert ppiov.bindings() == []
