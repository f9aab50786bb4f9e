# SPDX-License-Identifier: GPL-2.0-only
"""Frame preemption of a port (`ethtool --set-mm`), and what each of its two MACs counts. Tool and pyroute2 of Debian 12
know nothing of it."""

from __future__ import annotations

import functools
from enum import IntEnum
from pathlib import Path
from typing import Any

from pyroute2.netlink import NLA_F_NESTED, genlmsg, nla
from pyroute2.netlink.generic.ethtool import ETHTOOL_GENL_NAME, ethtoolbitset, ethtoolheader

from lib.link import Port
from lib.netlink import Genl

_STATS_GET, _MM_GET, _MM_SET = 32, 42, 43  # ETHTOOL_MSG_*
_FLAG_STATS = 1 << 2
_ETH_MAC = 1  # ETHTOOL_STATS_*


class Source(IntEnum):
    """ETHTOOL_MAC_STATS_SRC_*"""

    BOTH = 0
    EMAC = 1
    PMAC = 2


class Verify(IntEnum):
    """ETHTOOL_MM_VERIFY_STATUS_*"""

    INITIAL = 1
    VERIFYING = 2
    SUCCEEDED = 3
    FAILED = 4
    DISABLED = 5


class Message(genlmsg):
    nla_map = (
        ("UNSPEC", "none"),
        ("HEADER", "ethtoolheader"),
        ("PMAC_ENABLED", "uint8"),
        ("TX_ENABLED", "uint8"),
        ("TX_ACTIVE", "uint8"),
        ("TX_MIN_FRAG_SIZE", "uint32"),
        ("RX_MIN_FRAG_SIZE", "uint32"),
        ("VERIFY_ENABLED", "uint8"),
        ("VERIFY_STATUS", "uint8"),
        ("VERIFY_TIME", "uint32"),
        ("MAX_VERIFY_TIME", "uint32"),
        ("STATS", "counters"),
    )
    ethtoolheader = ethtoolheader

    class counters(nla):  # noqa: N801 - named in nla_map
        nla_flags = NLA_F_NESTED
        nla_map = (
            ("UNSPEC", "none"),
            ("PAD", "none"),
            ("REASSEMBLY_ERRORS", "uint64"),
            ("SMD_ERRORS", "uint64"),
            ("REASSEMBLY_OK", "uint64"),
            ("RX_FRAG_COUNT", "uint64"),
            ("TX_FRAG_COUNT", "uint64"),
            ("HOLD_COUNT", "uint64"),
        )


class StatsMessage(genlmsg):
    nla_map = (
        ("UNSPEC", "none"),
        ("PAD", "none"),
        ("HEADER", "ethtoolheader"),
        ("GROUPS", "ethtoolbitset"),
        ("GRP", "group"),
        ("SRC", "uint32"),
    )
    ethtoolheader = ethtoolheader
    ethtoolbitset = ethtoolbitset

    class group(nla):  # noqa: N801 - named in nla_map
        nla_flags = NLA_F_NESTED
        nla_map = (("UNSPEC", "none"), ("PAD", "none"), ("ID", "uint32"), ("SS_ID", "uint32"), ("STAT", "stat"))

        class stat(nla):  # noqa: N801 - named in nla_map
            nla_flags = NLA_F_NESTED
            nla_map = (
                ("FramesTransmittedOK", "uint64"),
                ("SingleCollisionFrames", "uint64"),
                ("MultipleCollisionFrames", "uint64"),
                ("FramesReceivedOK", "uint64"),
            )


@functools.cache
def known() -> bool:
    """Has this kernel the state machine that asks the other end?"""
    return " ethtool_mmsv_init\n" in Path("/proc/kallsyms").read_text()


class MacMerge:
    """The MAC Merge sublayer of one port."""

    def __init__(self, port: Port) -> None:
        self._port = port

    def _header(self, flags: int = 0) -> tuple[str, Any]:
        device = ("ETHTOOL_A_HEADER_DEV_NAME", self._port.name)
        return ("HEADER", {"attrs": [device, ("ETHTOOL_A_HEADER_FLAGS", flags)]})

    def _request(self, message: type[Any], command: int, *attrs: tuple[str, Any], flags: int = 0) -> list[Any]:
        with Genl(self._port.ns, ETHTOOL_GENL_NAME) as genl:
            return genl.request(message, command, [self._header(flags), *attrs])

    def set(self, **values: int) -> None:
        """PMAC_ENABLED, TX_ENABLED, VERIFY_ENABLED, VERIFY_TIME (ms), TX_MIN_FRAG_SIZE (bytes); the others stay.

        :raises lib.netlink.RefusedError: as kernel and driver say
        """
        self._request(Message, _MM_SET, *values.items())

    def get(self) -> dict[str, int]:
        """All that there is to know, by its netlink name."""
        (answer,) = self._request(Message, _MM_GET)
        return {name: value for name, value in answer["attrs"] if name != "HEADER"}

    def status(self) -> Verify:
        return Verify(self.get()["VERIFY_STATUS"])

    def active(self) -> bool:
        """Do preemptible frames leave by the pMAC?"""
        return bool(self.get()["TX_ACTIVE"])

    def counters(self) -> dict[str, int]:
        """What the sublayer counts."""
        (answer,) = self._request(Message, _MM_GET, flags=_FLAG_STATS)
        return dict(answer.get_attr("STATS")["attrs"])

    def frames(self, source: Source) -> tuple[int, int]:
        """Frames sent and received, by a MAC or both (`ethtool -S PORT --groups eth-mac --src pmac`)."""
        bits: list[tuple[str, Any]] = [("ETHTOOL_A_BITSET_NOMASK", True), ("ETHTOOL_A_BITSET_SIZE", 32)]
        bits.append(("ETHTOOL_A_BITSET_VALUE", (1 << _ETH_MAC).to_bytes(4, "little")))
        groups = {"attrs": bits}
        (answer,) = self._request(StatsMessage, _STATS_GET, ("GROUPS", groups), ("SRC", source))
        (group,) = (value for name, value in answer["attrs"] if name == "GRP")
        found = dict(pair for name, value in group["attrs"] if name == "STAT" for pair in value["attrs"])
        return found["FramesTransmittedOK"], found["FramesReceivedOK"]
