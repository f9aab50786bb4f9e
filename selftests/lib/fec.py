# SPDX-License-Identifier: GPL-2.0-only
"""Forward error correction of a port (`ethtool --show-fec`, `--set-fec`), and what it has put right."""

from __future__ import annotations

import struct
from dataclasses import dataclass

from pyroute2.netlink import NLA_F_NESTED, genlmsg, nla
from pyroute2.netlink.generic.ethtool import ethtoolbitset, ethtoolheader

from lib import ethnl
from lib.link import Port

_FEC_GET = 29  # ETHTOOL_MSG_*
_CODES = {49: "off", 50: "rs", 51: "baser"}  # ETHTOOL_LINK_MODE_FEC_*_BIT


class _Message(genlmsg):
    nla_map = (
        ("UNSPEC", "none"),
        ("HEADER", "ethtoolheader"),
        ("MODES", "ethtoolbitset"),
        ("AUTO", "uint8"),
        ("ACTIVE", "uint32"),
        ("STATS", "counters"),
    )
    ethtoolheader = ethtoolheader
    ethtoolbitset = ethtoolbitset

    class counters(nla):  # noqa: N801 - named in nla_map
        nla_flags = NLA_F_NESTED
        nla_map = (
            ("UNSPEC", "none"),
            ("PAD", "none"),
            ("CORRECTED", "cdata"),
            ("UNCORR", "cdata"),
            ("CORR_BITS", "cdata"),
            ("HIST", "hist"),
        )

        class hist(nla):  # noqa: N801 - named in nla_map
            nla_flags = NLA_F_NESTED
            nla_map = (
                ("UNSPEC", "none"),
                ("PAD", "none"),
                ("LOW", "uint32"),
                ("HIGH", "uint32"),
                ("VALUE", "cdata"),
            )


@dataclass(frozen=True)
class Blocks:
    """What a port has received with wrong bits: blocks of its code, and bits."""

    corrected: int = 0
    uncorrectable: int = 0
    bits: int = 0


def active(port: Port) -> str | None:
    """The code that a port's link has: "rs", "baser", "off"; None without a link."""
    (answer,) = ethnl.request(port, _Message, _FEC_GET)
    bit = answer.get_attr("ACTIVE")
    return _CODES[bit] if bit else None


def choose(port: Port, *codes: str) -> None:
    """Let the port take these only.

    :raises subprocess.CalledProcessError: if it does not have one of them
    """
    port.ethtool.run("--set-fec", "encoding", *codes)


def blocks(port: Port) -> Blocks:
    (answer,) = ethnl.request(port, _Message, _FEC_GET, flags=ethnl.STATS)
    stats = answer.get_attr("STATS")
    return Blocks(*(_number(stats.get_attr(name)) for name in ("CORRECTED", "UNCORR", "CORR_BITS")))


def histogram(port: Port) -> dict[tuple[int, int], int]:
    """Corrected blocks, by the least and the most symbols that were wrong; {} where the kernel has no place for it."""
    (answer,) = ethnl.request(port, _Message, _FEC_GET, flags=ethnl.STATS)
    bins = answer.get_attr("STATS").get_attrs("HIST")
    return {(one.get_attr("LOW"), one.get_attr("HIGH")): _number(one.get_attr("VALUE")) for one in bins}


def _number(data: bytes) -> int:
    """A counter of 4 or 8 bytes."""
    (number,) = struct.unpack({4: "=I", 8: "=Q"}[len(data)], data)
    return int(number)
