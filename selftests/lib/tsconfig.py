# SPDX-License-Identifier: GPL-2.0-only
"""Which clock stamps a port's frames (ETHTOOL_MSG_TSCONFIG_*, from 6.14 on)."""

from __future__ import annotations

from pyroute2.netlink import NLA_F_NESTED, genlmsg, nla
from pyroute2.netlink.generic.ethtool import ethtoolheader

from lib import ethnl
from lib.link import Port

_GET, _SET = 46, 47  # ETHTOOL_MSG_TSCONFIG_*


class _Message(genlmsg):
    nla_map = (("UNSPEC", "none"), ("HEADER", "ethtoolheader"), ("PROVIDER", "provider"))
    ethtoolheader = ethtoolheader

    class provider(nla):  # noqa: N801 - named in nla_map
        nla_flags = NLA_F_NESTED
        nla_map = (("UNSPEC", "none"), ("INDEX", "uint32"), ("QUALIFIER", "uint32"))


def choose(port: Port, clock: int) -> None:
    """Have /dev/ptp``clock`` stamp the port's frames.

    :raises lib.netlink.RefusedError: if it is not one of the port's
    """
    ethnl.request(port, _Message, _SET, ("PROVIDER", {"attrs": [("INDEX", clock), ("QUALIFIER", 0)]}))


def chosen(port: Port) -> int | None:
    """The clock's number, or None."""
    (answer,) = ethnl.request(port, _Message, _GET)
    for name, value in answer["attrs"]:
        if name == "PROVIDER":
            return int(dict(value["attrs"])["INDEX"])
    return None
