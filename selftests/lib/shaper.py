# SPDX-License-Identifier: GPL-2.0-only
"""The net-shaper netlink family: rates and weights of TX queues."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pyroute2.netlink import NLA_F_NESTED, genlmsg, nla

from lib.link import Port
from lib.netlink import Genl

NETDEV, QUEUE, NODE = 1, 2, 3  # scopes
BPS, PPS = 0, 1  # metrics
_SET, _DELETE, _GROUP = 2, 3, 4

_ATTRIBUTES = (
    ("UNSPEC", "none"),
    ("HANDLE", "handle"),
    ("METRIC", "uint32"),
    ("BW_MIN", "uint64"),
    ("BW_MAX", "uint64"),
    ("BURST", "uint64"),
    ("PRIORITY", "uint32"),
    ("WEIGHT", "uint32"),
    ("IFINDEX", "uint32"),
    ("PARENT", "handle"),
)


class HandleNla(nla):
    nla_flags = NLA_F_NESTED
    nla_map = (("UNSPEC", "none"), ("SCOPE", "uint32"), ("ID", "uint32"))


class ShaperMessage(genlmsg):
    nla_map = (*_ATTRIBUTES, ("LEAVES", "leaf"))
    handle = HandleNla

    class leaf(nla):  # noqa: N801 - named in nla_map
        nla_flags = NLA_F_NESTED
        nla_map = _ATTRIBUTES
        handle = HandleNla


def _handle(scope: int, number: int) -> tuple[str, Any]:
    return ("HANDLE", {"attrs": [("SCOPE", scope), ("ID", number)]})


class Shaper:
    """Questions about one port; close() it."""

    def __init__(self, port: Port) -> None:
        self._genl = Genl(port.ns, "net-shaper")
        self._ifindex = ("IFINDEX", port.ifindex)

    def close(self) -> None:
        self._genl.close()

    def _request(self, command: int, *attributes: tuple[str, Any]) -> list[Any]:
        return self._genl.request(ShaperMessage, command, [self._ifindex, *attributes])

    def set(self, scope: int, number: int = 0, rate: int = 0, metric: int = BPS, burst: int = 0) -> None:
        """So many bits or packets a second, and at once."""
        self._request(_SET, _handle(scope, number), ("METRIC", metric), ("BW_MAX", rate), ("BURST", burst))

    def delete(self, scope: int, number: int = 0) -> None:
        self._request(_DELETE, _handle(scope, number))

    def group(self, rate: int, weights: Mapping[int, int]) -> int:
        """Queues, by their weights, share a rate; the number of the node."""
        leaves = [("LEAVES", {"attrs": [_handle(QUEUE, queue), ("WEIGHT", w)]}) for queue, w in weights.items()]
        node = ("HANDLE", {"attrs": [("SCOPE", NODE)]})
        (answer,) = self._request(_GROUP, node, ("METRIC", BPS), ("BW_MAX", rate), *leaves)
        return int(answer.get_attr("HANDLE").get_attr("ID"))
