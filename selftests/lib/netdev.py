# SPDX-License-Identifier: GPL-2.0-only
"""The netdev netlink family: page pools, queues, statistics and dma-buf bindings.

Numbers and types are those of Documentation/netlink/specs/netdev.yaml.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from pyroute2.netlink import NLA_F_NESTED, genlmsg, nla

from lib.closing import Closing
from lib.dmabuf import Dmabuf
from lib.netlink import Genl, Held
from lib.netns import Namespace

FAMILY = "netdev"
CMD_PAGE_POOL_GET = 5
CMD_QUEUE_GET = 10
CMD_NAPI_GET = 11
CMD_QSTATS_GET = 12
CMD_BIND_RX = 13
CMD_BIND_TX = 15

RX_PAGE_SIZE = 5  # attribute of CMD_BIND_RX

QUEUE_RX = 0
QUEUE_TX = 1
SCOPE_QUEUE = 1


# `uint` attributes of the spec are 4 or 8 bytes long, as the value needs: taken as bytes, decoded by _uint()
class PagePoolMessage(genlmsg):
    nla_map = (
        ("UNSPEC", "none"),
        ("ID", "cdata"),
        ("IFINDEX", "uint32"),
        ("NAPI_ID", "cdata"),
        ("INFLIGHT", "cdata"),
        ("INFLIGHT_MEM", "cdata"),
        ("DETACH_TIME", "cdata"),
        ("DMABUF", "uint32"),
        ("IO_URING", "cdata"),
    )


class QueueMessage(genlmsg):
    nla_map = (
        ("UNSPEC", "none"),
        ("ID", "uint32"),
        ("IFINDEX", "uint32"),
        ("TYPE", "uint32"),
        ("NAPI_ID", "uint32"),
        ("DMABUF", "uint32"),
        ("IO_URING", "cdata"),
        ("XSK", "cdata"),
    )


class NapiMessage(genlmsg):
    nla_map = (
        ("UNSPEC", "none"),
        ("IFINDEX", "uint32"),
        ("ID", "uint32"),
        ("IRQ", "uint32"),
        ("PID", "uint32"),
    )


_COUNTERS = (
    "rx-packets",
    "rx-bytes",
    "tx-packets",
    "tx-bytes",
    "rx-alloc-fail",
    "rx-hw-drops",
    "rx-hw-drop-overruns",
    "rx-csum-complete",
    "rx-csum-unnecessary",
    "rx-csum-none",
    "rx-csum-bad",
    "rx-hw-gro-packets",
    "rx-hw-gro-bytes",
    "rx-hw-gro-wire-packets",
    "rx-hw-gro-wire-bytes",
    "rx-hw-drop-ratelimits",
    "tx-hw-drops",
    "tx-hw-drop-errors",
    "tx-csum-none",
    "tx-needs-csum",
    "tx-hw-gso-packets",
    "tx-hw-gso-bytes",
    "tx-hw-gso-wire-packets",
    "tx-hw-gso-wire-bytes",
    "tx-hw-drop-ratelimits",
    "tx-stop",
    "tx-wake",
)


class QstatsMessage(genlmsg):
    nla_map = (
        ("UNSPEC", "none"),
        ("IFINDEX", "uint32"),
        ("QUEUE_TYPE", "uint32"),
        ("QUEUE_ID", "uint32"),
        ("SCOPE", "uint32"),
        ("RESERVED_5", "none"),
        ("RESERVED_6", "none"),
        ("RESERVED_7", "none"),
        *((name, "cdata") for name in _COUNTERS),
    )


class BindMessage(genlmsg):
    nla_map = (
        ("UNSPEC", "none"),
        ("IFINDEX", "uint32"),
        ("QUEUES", "queue"),
        ("FD", "uint32"),
        ("ID", "uint32"),
        ("RX_PAGE_SIZE", "uint32"),
    )

    class queue(nla):  # noqa: N801 - pyroute2 finds it by the name in the map
        nla_flags = NLA_F_NESTED
        nla_map = (("UNSPEC", "none"), ("ID", "uint32"), ("IFINDEX", "uint32"), ("TYPE", "uint32"))


def _uint(value: bytes | None) -> int | None:
    return None if value is None else int.from_bytes(value, sys.byteorder)


@dataclass(frozen=True, slots=True)
class PagePool:
    """One page_pool. ifindex is None once its device is gone, detach_time is set once its owner has destroyed it."""

    id: int
    ifindex: int | None
    napi_id: int | None
    inflight: int  # buffers that are neither free nor in the pool's own caches
    detach_time: int | None  # seconds, CLOCK_BOOTTIME
    dmabuf: int | None  # the binding that feeds it

    @property
    def orphaned(self) -> bool:
        """Nobody uses it any more; only buffers that somebody holds keep it."""
        return self.ifindex is None or self.detach_time is not None


@dataclass(frozen=True, slots=True)
class Queue:
    id: int
    kind: int  # QUEUE_RX or QUEUE_TX
    napi_id: int | None
    dmabuf: int | None
    io_uring: bool  # it is an io_uring's


def _queue(m: Any) -> Queue:
    io_uring = m.get_attr("IO_URING") is not None
    return Queue(m.get_attr("ID"), m.get_attr("TYPE"), m.get_attr("NAPI_ID"), m.get_attr("DMABUF"), io_uring)


class Netdev(Closing):
    """Questions to the family in one namespace. Keeps one socket open; close() it."""

    def __init__(self, ns: Namespace) -> None:
        self._genl = Genl(ns, FAMILY)

    def close(self) -> None:
        self._genl.close()

    def page_pools(self, ifindex: int | None = None) -> list[PagePool]:
        """All pools of the namespace's devices, or those of one device."""
        pools = [
            PagePool(
                id=_uint(m.get_attr("ID")) or 0,
                ifindex=m.get_attr("IFINDEX"),
                napi_id=_uint(m.get_attr("NAPI_ID")),
                inflight=_uint(m.get_attr("INFLIGHT")) or 0,
                detach_time=_uint(m.get_attr("DETACH_TIME")),
                dmabuf=m.get_attr("DMABUF"),
            )
            for m in self._genl.request(PagePoolMessage, CMD_PAGE_POOL_GET, [], dump=True)
        ]
        return [p for p in pools if ifindex is None or p.ifindex == ifindex]

    def queues(self, ifindex: int) -> list[Queue]:
        """The queues of a device; none while it is down."""
        return [_queue(m) for m in self._genl.request(QueueMessage, CMD_QUEUE_GET, [("IFINDEX", ifindex)], dump=True)]

    def rx_queue(self, ifindex: int, index: int) -> Queue:
        """One RX queue."""
        attrs = [("ID", index), ("IFINDEX", ifindex), ("TYPE", QUEUE_RX)]
        (m,) = self._genl.request(QueueMessage, CMD_QUEUE_GET, attrs)
        return _queue(m)

    def napi_irqs(self, ifindex: int) -> dict[int, int | None]:
        """NAPI id -> interrupt number."""
        found = self._genl.request(NapiMessage, CMD_NAPI_GET, [("IFINDEX", ifindex)], dump=True)
        return {m.get_attr("ID"): m.get_attr("IRQ") for m in found}

    def queue_stats(self, ifindex: int) -> dict[tuple[int, int], dict[str, int]]:
        """Counters that the driver has, by (QUEUE_RX or QUEUE_TX, queue)."""
        attrs = [("IFINDEX", ifindex), ("SCOPE", SCOPE_QUEUE)]
        return {
            (m.get_attr("QUEUE_TYPE"), m.get_attr("QUEUE_ID")): _counters(m)
            for m in self._genl.request(QstatsMessage, CMD_QSTATS_GET, attrs, dump=True)
        }

    def rx_stats(self, ifindex: int, queue: int) -> dict[str, int]:
        """Counters of one RX queue."""
        return self.queue_stats(ifindex)[QUEUE_RX, queue]

    def device_stats(self, ifindex: int) -> dict[str, int]:
        """Counters of the whole device."""
        (m,) = self._genl.request(QstatsMessage, CMD_QSTATS_GET, [("IFINDEX", ifindex)], dump=True)
        return _counters(m)


def _counters(message: Any) -> dict[str, int]:
    values = ((name, _uint(message.get_attr(name))) for name in _COUNTERS)
    return {name: value for name, value in values if value is not None}


class _Bound(Held):
    """Device memory that is bound."""

    def __init__(self, ns: Namespace, command: int, attrs: list[Any], dmabuf: Dmabuf) -> None:
        self.dmabuf = dmabuf
        super().__init__(ns, FAMILY, BindMessage, command, attrs)

    def unbind(self) -> None:
        """The core has no request for it."""
        self.close()


class Binding(_Bound):
    """A dma-buf bound to RX queues.

    :param kind: QUEUE_RX; tests of refusals ask for others
    :param fd: bind this file descriptor instead of the dma-buf's, for the same purpose
    :param page_size: of the buffers, if not one page
    :raises lib.netlink.RefusedError: if the kernel said no; nothing is left bound then
    """

    def __init__(
        self,
        ns: Namespace,
        ifindex: int,
        queues: Iterable[int],
        dmabuf: Dmabuf,
        kind: int = QUEUE_RX,
        fd: int | None = None,
        page_size: int | None = None,
    ) -> None:
        attrs: list[Any] = [("IFINDEX", ifindex), ("FD", dmabuf.fd if fd is None else fd)]
        attrs += [("QUEUES", {"attrs": [("ID", queue), ("TYPE", kind)]}) for queue in queues]
        if page_size is not None:
            attrs.append(("RX_PAGE_SIZE", page_size))
        super().__init__(ns, CMD_BIND_RX, attrs, dmabuf)


class TxBinding(_Bound):
    """A dma-buf that sockets can send from through one device.

    :raises lib.netlink.RefusedError: if the kernel said no: EOPNOTSUPP if it can't, or the device can't
    """

    def __init__(self, ns: Namespace, ifindex: int, dmabuf: Dmabuf) -> None:
        super().__init__(ns, CMD_BIND_TX, [("IFINDEX", ifindex), ("FD", dmabuf.fd)], dmabuf)
