# SPDX-License-Identifier: GPL-2.0-only
"""Whose device memory the tests are about: the kernel's own («core») or ppiov.ko's («ppiov»).

Tests ask one question of both. What differs between them stands here: how queues are bound, how a socket receives, and
in which words a refusal is told.

PPIOV_BACKEND says which: core (if it is not set), ppiov, or both, one after the other. PPIOV_PROVIDER says which of
ppiov's providers: one by name (dmabuf, if it is not set), `all`, or `some`: all tests with dmabuf, and with the others
those that are marked `sample` as well as `providers(...)`.
"""

from __future__ import annotations

import dataclasses
import errno
import os
import socket
from abc import ABC, abstractmethod
from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Protocol, Self

from lib import ivshmem, netdev, ppiov
from lib.closing import Closing
from lib.dmabuf import Dmabuf
from lib.netns import INIT, Namespace
from lib.ring import Ring

SOL_PPIOV = 0x7070
TCP_ULP = 31


class Binding(Protocol):
    """Queues with device memory."""

    id: int
    dmabuf: Dmabuf

    def unbind(self) -> None:
        """End the binding; a second time is no error."""

    def __enter__(self) -> Self: ...

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        """Unbind."""


@dataclass(frozen=True, slots=True)
class Calls:
    """The numbers that a socket is asked with."""

    flags: int  # of recvmsg()
    level: int  # of control messages and options
    linear: int  # control message: bytes in the caller's buffer
    devmem: int  # control message: bytes in the dma-buf
    dontneed: int  # option: tokens are returned
    no_dontneed: int  # the errno of that option on a socket that has no device memory


@dataclass(frozen=True, slots=True)
class Refusals:
    """Why a bind is refused: the errno, and a part of the extack message."""

    bound: tuple[int, str]  # the queue is
    no_queue: tuple[Any, ...]  # of that number; as for lib.netlink.refusal()


class Backend(ABC):
    """One of the two."""

    name: str  # in a test's parameters
    kind: str  # "core" or "ppiov"
    calls: Calls
    refusals: Refusals
    readable = False  # payload in bound buffers comes as ordinary bytes
    needs_config: tuple[str, ...] = ()  # kernel options, as for the marker

    @property
    @abstractmethod
    def ppcat_bound(self) -> list[str]:
        """Arguments of a ppcat that binds."""

    @property
    def ppcat_unbound(self) -> list[str]:
        """Arguments of a ppcat that receives without a binding of its own."""
        return ["--backend", self.kind]

    def begin(self) -> None:  # noqa: B027 - most need nothing
        """Get what a test of this backend needs of the machine."""

    def end(self) -> None:  # noqa: B027
        """Give it back, when all else of the test is gone."""

    def memory(self, size: int) -> Dmabuf:
        """What a test's binding is to bring."""
        return Dmabuf(size)

    @abstractmethod
    def bind(self, ns: Namespace, ifindex: int, queues: Iterable[int], dmabuf: Dmabuf) -> Binding:
        """Bind a dma-buf to RX queues.

        :raises lib.netlink.RefusedError: if the kernel said no; nothing is left bound then
        """

    @abstractmethod
    def bound_to(self, ns: Namespace, ifindex: int, queue: int) -> int | None:
        """The id of the binding on an RX queue, or None."""

    @abstractmethod
    def inflight(self, ns: Namespace, binding: int, ifindex: int | None = None) -> list[int]:
        """Buffers in flight of each pool that a binding feeds: of one device, or of all, the removed ones included."""

    @abstractmethod
    def prepare(self, sock: socket.socket) -> None:
        """A connected socket is going to receive device memory."""

    @abstractmethod
    def leak(self, binding: int) -> str:
        """What the leak questions say of a pool that a binding feeds."""


class Core(Backend):
    name = kind = "core"
    calls = Calls(
        flags=0x2000000,  # MSG_SOCK_DEVMEM
        level=socket.SOL_SOCKET,
        linear=78,  # SO_DEVMEM_LINEAR
        devmem=79,  # SO_DEVMEM_DMABUF
        dontneed=80,  # SO_DEVMEM_DONTNEED
        no_dontneed=errno.EBADF,
    )
    refusals = Refusals(
        bound=(errno.EEXIST, "designated queue already memory provider bound"),
        # By the core, or from 7.x on by who reads the attribute, without a message
        no_queue=(errno.ERANGE, "rx queue index out of range", (errno.EINVAL, "")),
    )

    @property
    def ppcat_bound(self) -> list[str]:
        return self.ppcat_unbound

    def bind(self, ns: Namespace, ifindex: int, queues: Iterable[int], dmabuf: Dmabuf) -> Binding:
        return netdev.Binding(ns, ifindex, queues, dmabuf)

    def bound_to(self, ns: Namespace, ifindex: int, queue: int) -> int | None:
        with closing(netdev.Netdev(ns)) as family:
            return family.rx_queue(ifindex, queue).dmabuf

    def inflight(self, ns: Namespace, binding: int, ifindex: int | None = None) -> list[int]:
        with closing(netdev.Netdev(ns)) as family:
            return [p.inflight for p in family.page_pools(ifindex) if p.dmabuf == binding]

    def prepare(self, sock: socket.socket) -> None:
        """Nothing: every TCP socket can."""

    def leak(self, binding: int) -> str:
        return f"fed by dma-buf binding {binding}"


class PpiovBinding(Closing):
    """A dma-buf bound to queues by ppiov.ko."""

    def __init__(self, binding: ppiov.Binding, dmabuf: Dmabuf) -> None:
        self._binding = binding
        self.id = binding.id
        self.dmabuf = dmabuf

    def close(self) -> None:
        self._binding.close()

    def unbind(self) -> None:
        self.close()


class Ppiov(Backend):
    """With the provider dmabuf, which tests mean that say nothing else."""

    name = kind = "ppiov"
    provider = "dmabuf"
    calls = Calls(
        flags=0,
        level=SOL_PPIOV,
        linear=2,  # PPIOV_CMSG_LINEAR
        devmem=1,  # PPIOV_CMSG_DEVMEM
        dontneed=1,  # PPIOV_DONTNEED
        no_dontneed=errno.ENOPROTOOPT,
    )
    refusals = Refusals(
        bound=(errno.EEXIST, "queue 2 is bound already"),
        no_queue=(errno.ERANGE, "there is no RX queue"),
    )

    @property
    def ppcat_bound(self) -> list[str]:
        return [*self.ppcat_unbound, "--provider", self.provider]

    def bind(self, ns: Namespace, ifindex: int, queues: Iterable[int], dmabuf: Dmabuf) -> Binding:
        with ppiov.Ppiov(ns) as family:
            return PpiovBinding(family.bind(ifindex, queues, self.provider, dmabuf.fd), dmabuf)

    def bound_to(self, ns: Namespace, ifindex: int, queue: int) -> int | None:
        with ppiov.Ppiov(ns) as family:
            found = [b.id for b in family.bindings(ifindex) if queue in b.queues]
        assert len(found) <= 1, f"queue {queue} has several bindings: {found}"
        return found[0] if found else None

    def inflight(self, ns: Namespace, binding: int, ifindex: int | None = None) -> list[int]:
        places = [ns] if ifindex is not None or ns.name == INIT.name else [ns, INIT]
        found: dict[int, int] = {}
        for place in places:
            with ppiov.Ppiov(place) as family:
                found |= {p.id: p.inflight for p in family.pools(ifindex) if p.binding == binding}
        return list(found.values())

    def prepare(self, sock: socket.socket) -> None:
        sock.setsockopt(socket.IPPROTO_TCP, TCP_ULP, b"ppiov\0")

    def leak(self, binding: int) -> str:
        return f"fed by ppiov binding {binding}"


class NoDmabuf(Dmabuf):
    """For a provider that has memory of its own: there is nothing to bring, and all payload comes as bytes."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.fd = -1

    def read(self, offset: int, length: int) -> bytes:
        raise AssertionError(f"payload that can be read came as a place in a dma-buf: {offset}+{length}")

    def fill(self, byte: int) -> None:
        raise AssertionError("there is no dma-buf to fill")


class Readable(Ppiov):
    """A provider of pages."""

    readable = True

    def __init__(self, provider: str) -> None:
        self.provider = provider
        self.name = f"ppiov-{provider}"

    def memory(self, size: int) -> Dmabuf:
        return NoDmabuf(size)

    def bind(self, ns: Namespace, ifindex: int, queues: Iterable[int], dmabuf: Dmabuf) -> Binding:
        with ppiov.Ppiov(ns) as family:
            return PpiovBinding(family.bind(ifindex, queues, self.provider, size=dmabuf.size), dmabuf)


class ZoneDevice(Readable):
    """Pages of the guest's device memory, which its driver has to bring."""

    needs_config = ("ZONE_DEVICE", "!PCI_P2PDMA")  # docs/providers.md: elsewhere it is not offered

    def begin(self) -> None:
        ivshmem.load(zone_mib=16)

    def end(self) -> None:
        ivshmem.unload()


class RingMemory(Ppiov):
    """Pages that user space has mapped."""

    name = "ppiov-ring"
    provider = "ring"
    calls = dataclasses.replace(Ppiov.calls, devmem=4)  # PPIOV_CMSG_RING

    def memory(self, size: int) -> Dmabuf:
        return Ring(size, entries=4096)


CORE = Core()
PPIOV = Ppiov()
PROVIDERS: dict[str, Ppiov] = {
    "dmabuf": PPIOV,
    "page": Readable("page"),
    "hugepage": Readable("hugepage"),
    "zone_device": ZoneDevice("zone_device"),
    "ring": RingMemory(),
}
SOME, ALL = "some", "all"  # what else PPIOV_PROVIDER may say

_current: Backend = CORE


def chosen() -> list[Backend]:
    """What PPIOV_BACKEND and PPIOV_PROVIDER name.

    :raises ValueError: if they name none
    """
    providers = PROVIDERS.values() if asked() in (SOME, ALL) else [PROVIDERS[asked()]]
    choices: dict[str, list[Backend]] = {"core": [CORE], "ppiov": [*providers], "both": [CORE, *providers]}
    name = os.environ.get("PPIOV_BACKEND", "core")
    if name not in choices:
        raise ValueError(f"PPIOV_BACKEND is {name!r}; it is one of {', '.join(choices)}")
    return choices[name]


def asked() -> str:
    """PPIOV_PROVIDER.

    :raises ValueError: if it is none
    """
    name = os.environ.get("PPIOV_PROVIDER", "dmabuf")
    if name not in (SOME, ALL, *PROVIDERS):
        raise ValueError(f"PPIOV_PROVIDER is {name!r}; it is {SOME}, {ALL}, or one of {', '.join(PROVIDERS)}")
    return name


def current() -> Backend:
    """The backend of the running test; core, where tests don't choose."""
    return _current


def use(backend: Backend) -> None:
    """From here on that one."""
    global _current  # noqa: PLW0603 - one test runs at a time, and every helper asks
    _current = backend
