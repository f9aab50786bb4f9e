# SPDX-License-Identifier: GPL-2.0-only
"""What tests set and ask through ethtool: netlink where the tool is too old, the tool elsewhere."""

from __future__ import annotations

import re
from typing import Any

from pyroute2.netlink.generic.ethtool import (
    ETHTOOL_GENL_NAME,
    ETHTOOL_MSG_RINGS_GET,
    ETHTOOL_MSG_RINGS_SET,
    ethtool_rings_msg,
)

from lib import ethstats
from lib.netlink import Genl
from lib.netns import Namespace


class RingsMessage(ethtool_rings_msg):
    """With the attributes that came after pyroute2's own."""

    nla_map = (
        *ethtool_rings_msg.nla_map,
        ("ETHTOOL_A_RINGS_HDS_THRESH", "uint32"),
        ("ETHTOOL_A_RINGS_HDS_THRESH_MAX", "uint32"),
    )


_HDS_THRESH = [name for name, _ in RingsMessage.nla_map].index("ETHTOOL_A_RINGS_HDS_THRESH")
SPLIT = {"auto": 0, "off": 1, "on": 2}  # ETHTOOL_TCP_DATA_SPLIT_*
_SPLIT_NAMES = {value: name for name, value in SPLIT.items()}


class Ethtool:
    """The settings of one device. It is addressed by name, in the namespace given."""

    def __init__(self, ns: Namespace, device: str) -> None:
        self.ns = ns
        self.device = device

    def run(self, option: str, *args: str | int) -> str:
        """`ethtool OPTION DEVICE ARGS...`; returns its output."""
        return self.ns.run(["ethtool", option, self.device, *map(str, args)])

    # Rings, by netlink: `ethtool -G ... tcp-data-split` came with 6.4 of the tool

    def _header(self, message: str) -> tuple[str, dict[str, Any]]:
        return f"ETHTOOL_A_{message}_HEADER", {"attrs": [("ETHTOOL_A_HEADER_DEV_NAME", self.device)]}

    def rings(self) -> dict[str, int]:
        """The ring parameters, by their netlink names: RX, TX, RX_MAX, TCP_DATA_SPLIT, ..."""
        with Genl(self.ns, ETHTOOL_GENL_NAME) as genl:
            (answer,) = genl.request(RingsMessage, ETHTOOL_MSG_RINGS_GET, [self._header("RINGS")])
        prefix = "ETHTOOL_A_RINGS_"
        return {name.removeprefix(prefix): value for name, value in answer["attrs"] if not name.endswith("HEADER")}

    def set_rings(self, **values: int) -> None:
        """Change ring parameters, named as in rings().

        :raises lib.netlink.RefusedError: as the driver says
        """
        attrs: list[Any] = [self._header("RINGS")]
        attrs += [(f"ETHTOOL_A_RINGS_{name}", value) for name, value in values.items()]
        with Genl(self.ns, ETHTOOL_GENL_NAME) as genl:
            genl.request(RingsMessage, ETHTOOL_MSG_RINGS_SET, attrs)

    def knows_hds_thresh(self) -> bool:
        """Does this kernel have a length from which on frames are split?"""
        with Genl(self.ns, ETHTOOL_GENL_NAME) as genl:
            return _HDS_THRESH in genl.accepts(ETHTOOL_MSG_RINGS_SET)

    def split(self) -> str:
        """Header split: "on", "off", or "auto" where the driver does not say."""
        return _SPLIT_NAMES[self.rings().get("TCP_DATA_SPLIT", 0)]

    def set_split(self, state: str) -> None:
        """Header split "on", "off" or "auto" (the driver's default)."""
        self.set_rings(TCP_DATA_SPLIT=SPLIT[state])

    # Steering

    def spread(self, queues: int) -> None:
        """RSS to the first `queues` queues only."""
        self.run("-X", "equal", queues)

    def steer(self, flow: str, port: int, queue: int) -> int:
        """Send flows of type "tcp4" or "tcp6" to local `port` to a queue; returns the rule's number."""
        said = self.run("-N", "flow-type", flow, "dst-port", port, "action", queue)
        match = re.search(r"ID (\d+)", said)
        assert match, f"ethtool -N said neither an error nor the rule's number: {said!r}"
        return int(match[1])

    def unsteer(self, rule: int) -> None:
        """Delete a rule of steer()."""
        self.run("-N", "delete", rule)

    def stats(self) -> dict[str, int]:
        """What `ethtool -S` shows, by name."""
        return ethstats.read(self.ns, self.device)
