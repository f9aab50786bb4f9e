# SPDX-License-Identifier: GPL-2.0-only
"""The ppiov netlink family: providers, devices, bindings, pools and what happens to them.

Numbers and types are those of kernel/netlink/ppiov.yaml.
"""

from __future__ import annotations

import enum
import socket
import struct
import sys
import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from pyroute2.netlink import GENL_ID_CTRL, NETLINK_GENERIC, NLM_F_ACK, SOL_NETLINK, ctrlmsg, genlmsg, nla

from lib.closing import Closing
from lib.netlink import Genl, Held, Netlink
from lib.netns import Namespace
from lib.poll import PATIENCE, NeverHappenedError

FAMILY = "ppiov"
EVENTS = "events"
MAX_ORDER = 9
MAX_QUEUES = 256

CMD_PROVIDER_GET = 1
CMD_BIND_RX = 2
CMD_UNBIND = 3
CMD_BINDING_GET = 4
CMD_BIND_NTF = 5
CMD_UNBIND_NTF = 6
CMD_POOL_GET = 7
CMD_POOL_STALLED_NTF = 8
CMD_DEV_GET = 9
CMD_BIND_TX = 10

_CTRL_CMD_GETFAMILY = 3
_NETLINK_ADD_MEMBERSHIP = 1


class ProviderFlag(enum.IntFlag):
    IOV = 1
    DMABUF = 2
    MAPPED = 4


class DevFlag(enum.IntFlag):
    RX = 1
    TX = 2


class DevMessage(genlmsg):
    nla_map = (
        ("UNSPEC", "none"),
        ("IFINDEX", "uint32"),
        ("FLAGS", "uint32"),
        ("QUEUES", "uint32"),
        ("TX_LACKS", "asciiz"),
    )


class ProviderMessage(genlmsg):
    nla_map = (("UNSPEC", "none"), ("NAME", "asciiz"), ("FLAGS", "uint32"), ("MODULE", "asciiz"))


# `uint` attributes of the spec are 4 or 8 bytes long, as the value needs: sent as 8, decoded by _uint()
class BindingMessage(genlmsg):
    nla_map = (
        ("UNSPEC", "none"),
        ("ID", "uint32"),
        ("IFINDEX", "uint32"),
        ("QUEUES", "uint32"),
        ("PROVIDER", "asciiz"),
        ("DMABUF_FD", "int32"),
        ("SIZE", "cdata"),
        ("ORDER", "uint32"),
        ("TX", "flag"),
        ("SENDS", "uint32"),
        ("DROPS", "cdata"),
    )


_COUNTERS = (
    "alloc_fast",
    "alloc_refill",
    "alloc_slow",
    "alloc_fail",
    "recycle_cache",
    "recycle_cache_full",
    "recycle_ring",
    "recycle_ring_full",
    "recycle_foreign",
    "double_put",
)


class PoolMessage(genlmsg):
    nla_map = (
        ("UNSPEC", "none"),
        ("ID", "uint32"),
        ("IFINDEX", "uint32"),
        ("QUEUE", "uint32"),
        ("PROVIDER", "asciiz"),
        ("BINDING", "uint32"),
        ("BUFFER_SIZE", "uint32"),
        ("INFLIGHT", "uint32"),
        ("DETACHED", "flag"),
        ("STALLED", "uint32"),
        ("STATS", "stats"),
    )

    class stats(nla):  # noqa: N801 - pyroute2 finds it by the name in the map
        nla_map = (("UNSPEC", "none"), *((name, "cdata") for name in _COUNTERS))


def _uint(value: bytes | None) -> int | None:
    return None if value is None else int.from_bytes(value, sys.byteorder)


@dataclass(frozen=True, slots=True)
class Provider:
    name: str
    flags: ProviderFlag
    module: str | None


@dataclass(frozen=True, slots=True)
class Dev:
    """A device that can be bound. tx_lacks says why it has no TX flag."""

    ifindex: int
    flags: DevFlag
    queues: int
    tx_lacks: str | None

    @classmethod
    def of(cls, message: Any) -> Dev:
        return cls(
            ifindex=message.get_attr("IFINDEX"),
            flags=DevFlag(message.get_attr("FLAGS")),
            queues=message.get_attr("QUEUES"),
            tx_lacks=message.get_attr("TX_LACKS"),
        )


@dataclass(frozen=True, slots=True)
class BindingInfo:
    """What the kernel says of a binding. size is None where the provider decides; sends and drops are of bind-tx."""

    id: int
    ifindex: int
    queues: tuple[int, ...]
    provider: str
    size: int | None
    order: int
    tx: bool = False
    sends: int | None = None  # calls of sendmsg() whose payload may still be read
    drops: int | None = None  # packets that were about to leave through another device

    @classmethod
    def of(cls, message: Any) -> BindingInfo:
        return cls(
            id=message.get_attr("ID"),
            ifindex=message.get_attr("IFINDEX"),
            queues=tuple(message.get_attrs("QUEUES")),
            provider=message.get_attr("PROVIDER"),
            size=_uint(message.get_attr("SIZE")),
            order=message.get_attr("ORDER"),
            tx=any(name == "TX" for name, _ in message["attrs"]),
            sends=message.get_attr("SENDS"),
            drops=_uint(message.get_attr("DROPS")),
        )


@dataclass(frozen=True, slots=True)
class Pool:
    """One pool. ifindex and queue are None once the device is gone; then only the initial namespace sees it."""

    id: int
    ifindex: int | None
    queue: int | None
    provider: str
    binding: int | None
    buffer_size: int
    inflight: int  # buffers that the provider has not got back, the pool's idle ones included
    detached: bool  # the driver has given it up; it waits for its buffers
    stalled: int | None  # seconds since then, in notifications
    stats: dict[str, int]

    @classmethod
    def of(cls, message: Any) -> Pool:
        stats = message.get_attr("STATS")
        return cls(
            id=message.get_attr("ID"),
            ifindex=message.get_attr("IFINDEX"),
            queue=message.get_attr("QUEUE"),
            provider=message.get_attr("PROVIDER"),
            binding=message.get_attr("BINDING"),
            buffer_size=message.get_attr("BUFFER_SIZE"),
            inflight=message.get_attr("INFLIGHT"),
            detached=any(name == "DETACHED" for name, _ in message["attrs"]),
            stalled=message.get_attr("STALLED"),
            stats={name: _uint(stats.get_attr(name)) or 0 for name in _COUNTERS},
        )


class Binding(Held):
    """Queues that a provider feeds, or memory to send from."""

    def __init__(self, ns: Namespace, attrs: list[Any], command: int = CMD_BIND_RX) -> None:
        super().__init__(ns, FAMILY, BindingMessage, command, attrs)

    def unbind(self) -> None:
        """End the binding by request, the socket stays.

        :raises lib.netlink.RefusedError: ENOENT, where it has ended already
        """
        self._genl.request(BindingMessage, CMD_UNBIND, [("ID", self.id)])


class Ppiov(Closing):
    """Questions to the family in one namespace. Keeps one socket open; close() it.

    :raises lib.netlink.RefusedError: ENOENT, where the module isn't loaded
    """

    def __init__(self, ns: Namespace) -> None:
        self._ns = ns
        self._genl = Genl(ns, FAMILY)

    def close(self) -> None:
        self._genl.close()

    def request(self, message: type[Any], command: int, attrs: list[Any], dump: bool = False) -> list[Any]:
        """Send a request as it is, right or wrong, over the object's own socket."""
        return self._genl.request(message, command, attrs, dump)

    def providers(self) -> dict[str, Provider]:
        """Who can give buffers, by name."""
        found = self.request(ProviderMessage, CMD_PROVIDER_GET, [], dump=True)
        return {provider.name: provider for provider in map(_provider, found)}

    def provider(self, name: str) -> Provider:
        """One of them."""
        (message,) = self.request(ProviderMessage, CMD_PROVIDER_GET, [("NAME", name)])
        return _provider(message)

    def bind(
        self,
        ifindex: int,
        queues: Iterable[int],
        provider: str,
        dmabuf_fd: int | None = None,
        size: int | None = None,
        order: int | None = None,
    ) -> Binding:
        """Bind queues, over a socket of the binding's own."""
        attrs: list[Any] = [("IFINDEX", ifindex), ("PROVIDER", provider)]
        attrs += [("QUEUES", queue) for queue in queues]
        if dmabuf_fd is not None:
            attrs.append(("DMABUF_FD", dmabuf_fd))
        if size is not None:
            attrs.append(("SIZE", uint(size)))
        if order is not None:
            attrs.append(("ORDER", order))
        return Binding(self._ns, attrs)

    def bind_tx(self, ifindex: int, dmabuf_fd: int) -> Binding:
        """Let sockets send from a dma-buf, over a socket of the binding's own."""
        return Binding(self._ns, [("IFINDEX", ifindex), ("DMABUF_FD", dmabuf_fd)], CMD_BIND_TX)

    def devs(self) -> list[Dev]:
        """The devices of the namespace that can be bound."""
        return [Dev.of(message) for message in self.request(DevMessage, CMD_DEV_GET, [], dump=True)]

    def dev(self, ifindex: int) -> Dev:
        """One of them."""
        (message,) = self.request(DevMessage, CMD_DEV_GET, [("IFINDEX", ifindex)])
        return Dev.of(message)

    def bindings(self, ifindex: int | None = None) -> list[BindingInfo]:
        """All bindings of the namespace's devices, or those of one device."""
        found = map(BindingInfo.of, self.request(BindingMessage, CMD_BINDING_GET, [], dump=True))
        return [binding for binding in found if ifindex is None or binding.ifindex == ifindex]

    def binding(self, binding: int) -> BindingInfo:
        """One of them."""
        (message,) = self.request(BindingMessage, CMD_BINDING_GET, [("ID", binding)])
        return BindingInfo.of(message)

    def unbind(self, binding: int) -> None:
        """End a binding that somebody else made."""
        self.request(BindingMessage, CMD_UNBIND, [("ID", binding)])

    def pools(self, ifindex: int | None = None) -> list[Pool]:
        """All pools of the namespace's devices, or those of one device."""
        found = map(Pool.of, self.request(PoolMessage, CMD_POOL_GET, [], dump=True))
        return [pool for pool in found if ifindex is None or pool.ifindex == ifindex]

    def pool(self, pool: int) -> Pool:
        """One of them."""
        (message,) = self.request(PoolMessage, CMD_POOL_GET, [("ID", pool)])
        return Pool.of(message)


def uint(value: int) -> bytes:
    """A `uint` attribute in its long form, as it can be sent."""
    return value.to_bytes(8, sys.byteorder)


def _provider(message: Any) -> Provider:
    return Provider(message.get_attr("NAME"), ProviderFlag(message.get_attr("FLAGS") or 0), message.get_attr("MODULE"))


@dataclass(frozen=True, slots=True)
class Event:
    """One notification: CMD_BIND_NTF and CMD_UNBIND_NTF have a binding, CMD_POOL_STALLED_NTF has a pool."""

    command: int
    binding: BindingInfo | None
    pool: Pool | None


class Events(Netlink):
    """Listens from the moment it is made; close() it."""

    def __init__(self, ns: Namespace) -> None:
        super().__init__(ns, NETLINK_GENERIC)
        self._pending: list[Event] = []
        try:
            question = ctrlmsg()
            question["cmd"] = _CTRL_CMD_GETFAMILY
            question["version"] = 1
            question["attrs"] = [("CTRL_ATTR_FAMILY_NAME", FAMILY)]
            (about,) = self.talk(question, GENL_ID_CTRL, NLM_F_ACK)
            groups = {
                group.get_attr("CTRL_ATTR_MCAST_GRP_NAME"): group.get_attr("CTRL_ATTR_MCAST_GRP_ID")
                for group in about.get_attr("CTRL_ATTR_MCAST_GROUPS")
            }
            self._group: int = groups[EVENTS]
            self.join(self._sock)
        except BaseException:
            self.close()
            raise

    def join(self, sock: socket.socket) -> None:
        """This netlink socket of the namespace listens as well."""
        sock.setsockopt(SOL_NETLINK, _NETLINK_ADD_MEMBERSHIP, self._group)

    def next(self, seconds: float = PATIENCE) -> Event:
        """Wait for one notification.

        :raises lib.poll.NeverHappenedError: if none comes
        """
        deadline = time.monotonic() + seconds
        while not self._pending:
            self._sock.settimeout(max(deadline - time.monotonic(), 0.001))
            try:
                data = self._sock.recv(1 << 16)
            except TimeoutError:
                raise NeverHappenedError(f"no notification within {seconds:g} s") from None
            self._pending += _events(data)
        return self._pending.pop(0)

    def none(self, seconds: float = 0.5) -> bool:
        """Does no notification come in that time?"""
        try:
            self._pending.insert(0, self.next(seconds))
        except NeverHappenedError:
            return True
        return False


def _events(data: bytes) -> list[Event]:
    events = []
    offset = 0
    while offset < len(data):
        (length,) = struct.unpack_from("=I", data, offset)
        (command,) = struct.unpack_from("=B", data, offset + 16)
        message = (
            PoolMessage(data, offset=offset) if command == CMD_POOL_STALLED_NTF else BindingMessage(data, offset=offset)
        )
        message.decode()
        if command == CMD_POOL_STALLED_NTF:
            events.append(Event(command, None, Pool.of(message)))
        else:
            events.append(Event(command, BindingInfo.of(message), None))
        offset += (length + 3) & ~3
    return events
