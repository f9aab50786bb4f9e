# SPDX-License-Identifier: GPL-2.0-only
"""What the MACs of a port count (`ethtool -S PORT --groups eth-mac --src pmac`)."""

from __future__ import annotations

from enum import IntEnum
from typing import Any

from pyroute2.netlink import NLA_F_NESTED, genlmsg, nla
from pyroute2.netlink.generic.ethtool import ethtoolbitset, ethtoolheader

from lib import ethnl
from lib.link import Port

_STATS_GET = 32  # ETHTOOL_MSG_*
_ETH_MAC = 1  # ETHTOOL_STATS_*


class Source(IntEnum):
    """ETHTOOL_MAC_STATS_SRC_*"""

    BOTH = 0
    EMAC = 1
    PMAC = 2


class _Message(genlmsg):
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
                ("FrameCheckSequenceErrors", "uint64"),
            )


def counters(port: Port, source: Source = Source.BOTH) -> dict[str, int]:
    """The standard counters of a MAC or both, as far as they are named above."""
    bits: list[tuple[str, Any]] = [("ETHTOOL_A_BITSET_NOMASK", True), ("ETHTOOL_A_BITSET_SIZE", 32)]
    bits.append(("ETHTOOL_A_BITSET_VALUE", (1 << _ETH_MAC).to_bytes(4, "little")))
    (answer,) = ethnl.request(port, _Message, _STATS_GET, ("GROUPS", {"attrs": bits}), ("SRC", source))
    (group,) = (value for name, value in answer["attrs"] if name == "GRP")
    return dict(pair for name, value in group["attrs"] if name == "STAT" for pair in value["attrs"])
