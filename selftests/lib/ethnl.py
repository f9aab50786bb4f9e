# SPDX-License-Identifier: GPL-2.0-only
"""Requests of the netlink family ethtool that neither the tool nor the pyroute2 of Debian 12 knows."""

from __future__ import annotations

from typing import Any

from pyroute2.netlink.generic.ethtool import ETHTOOL_GENL_NAME

from lib.link import Port
from lib.netlink import Genl

STATS = 1 << 2  # ETHTOOL_FLAG_STATS


def request(port: Port, message: type[Any], command: int, *attrs: tuple[str, Any], flags: int = 0) -> list[Any]:
    """Ask about a port, with a header named HEADER of class ethtoolheader in ``message``.

    :raises lib.netlink.RefusedError: as kernel and driver say
    """
    device = [("ETHTOOL_A_HEADER_DEV_NAME", port.name), ("ETHTOOL_A_HEADER_FLAGS", flags)]
    with Genl(port.ns, ETHTOOL_GENL_NAME) as genl:
        return genl.request(message, command, [("HEADER", {"attrs": device}), *attrs])
