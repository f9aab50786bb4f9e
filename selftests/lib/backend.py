# SPDX-License-Identifier: GPL-2.0-only
"""Whose device memory the tests are about: the kernel's own («core») or ppiov.ko's («ppiov»).

Tests ask one question of both. What differs between them stands here: how queues are bound, how a socket receives, and
in which words a refusal is told.

PPIOV_BACKEND says which: core (if it is not set), ppiov, or both, one after the other; PPIOV_PROVIDER, which of ppiov's
providers of buffers that the CPU can't read (dmabuf).
"""

from __future__ import annotations

import errno
import os
import socket
from abc import ABC, abstractmethod
from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass
from typing import Any, Protocol

from lib import netdev, ppiov
from lib.dmabuf import Dmabuf
from lib.netns import INIT, Namespace

SOL_PPIOV = 0x7070
TCP_ULP = 31


class Binding(Protocol):
    """Queues with device memory."""

    id: int
    dmabuf: Dmabuf

    def unbind(self) -> None:
        """End the binding; a second time is no error."""


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

    name: str
    calls: Calls
    refusals: Refusals

    @property
    @abstractmethod
    def ppcat_bound(self) -> list[str]:
        """Arguments of a ppcat that binds."""

    @property
    def ppcat_unbound(self) -> list[str]:
        """Arguments of a ppcat that receives without a binding of its own."""
        return ["--backend", self.name]

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
    name = "core"
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


class PpiovBinding:
    """A dma-buf bound to queues by ppiov.ko."""

    def __init__(self, binding: ppiov.Binding, dmabuf: Dmabuf) -> None:
        self._binding = binding
        self.id = binding.id
        self.dmabuf = dmabuf

    def unbind(self) -> None:
        self._binding.close()


class Ppiov(Backend):
    name = "ppiov"
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

    def __init__(self, provider: str) -> None:
        self.provider = provider

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


CORE = Core()
PPIOV = Ppiov(os.environ.get("PPIOV_PROVIDER", "dmabuf"))
_CHOICES: dict[str, list[Backend]] = {"core": [CORE], "ppiov": [PPIOV], "both": [CORE, PPIOV]}

_current: Backend = CORE


def chosen() -> list[Backend]:
    """What PPIOV_BACKEND names.

    :raises ValueError: if it names none
    """
    name = os.environ.get("PPIOV_BACKEND", "core")
    if name not in _CHOICES:
        raise ValueError(f"PPIOV_BACKEND is {name!r}; it is one of {', '.join(_CHOICES)}")
    return _CHOICES[name]


def current() -> Backend:
    """The backend of the running test; core, where tests don't choose."""
    return _current


def use(backend: Backend) -> None:
    """From here on that one."""
    global _current  # noqa: PLW0603 - one test runs at a time, and every helper asks
    _current = backend
