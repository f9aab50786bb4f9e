# SPDX-License-Identifier: GPL-2.0-only
"""Frame preemption of a port (`ethtool --set-mm`)."""

from __future__ import annotations

import functools
from enum import IntEnum
from pathlib import Path

from pyroute2.netlink import NLA_F_NESTED, genlmsg, nla
from pyroute2.netlink.generic.ethtool import ethtoolheader

from lib import ethmac, ethnl
from lib.ethmac import Source
from lib.link import Port

_MM_GET, _MM_SET = 42, 43  # ETHTOOL_MSG_*


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


@functools.cache
def known() -> bool:
    """Has this kernel the state machine that asks the other end?"""
    return " ethtool_mmsv_init\n" in Path("/proc/kallsyms").read_text()


class MacMerge:
    """The MAC Merge sublayer of one port."""

    def __init__(self, port: Port) -> None:
        self._port = port

    def set(self, **values: int) -> None:
        """PMAC_ENABLED, TX_ENABLED, VERIFY_ENABLED, VERIFY_TIME (ms), TX_MIN_FRAG_SIZE (bytes); the others stay.

        :raises lib.netlink.RefusedError: as kernel and driver say
        """
        ethnl.request(self._port, Message, _MM_SET, *values.items())

    def get(self) -> dict[str, int]:
        """All that there is to know, by its netlink name."""
        (answer,) = ethnl.request(self._port, Message, _MM_GET)
        return {name: value for name, value in answer["attrs"] if name != "HEADER"}

    def status(self) -> Verify:
        return Verify(self.get()["VERIFY_STATUS"])

    def active(self) -> bool:
        """Do preemptible frames leave by the pMAC?"""
        return bool(self.get()["TX_ACTIVE"])

    def counters(self) -> dict[str, int]:
        """What the sublayer counts."""
        (answer,) = ethnl.request(self._port, Message, _MM_GET, flags=ethnl.STATS)
        return dict(answer.get_attr("STATS")["attrs"])

    def frames(self, source: Source) -> tuple[int, int]:
        """Frames sent and received, by a MAC or both."""
        found = ethmac.counters(self._port, source)
        return found["FramesTransmittedOK"], found["FramesReceivedOK"]
