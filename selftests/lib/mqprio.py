# SPDX-License-Identifier: GPL-2.0-only
"""Traffic classes of a port's TX queues: the qdisc mqprio, by netlink. The tc of Debian 12 knows nothing of `fp`."""

from __future__ import annotations

import socket
import struct
from collections.abc import Sequence
from dataclasses import dataclass

from pyroute2.netlink import NETLINK_ROUTE, NLM_F_ACK, NLM_F_CREATE, NLM_F_EXCL
from pyroute2.netlink.rtnl import RTM_DELQDISC, RTM_NEWQDISC
from pyroute2.netlink.rtnl.tcmsg import tcmsg

from lib.link import Port
from lib.netlink import Netlink

SO_PRIORITY = 12
TC_H_ROOT = 0xFFFFFFFF
_MODE, _SHAPER, _MAX_RATE64, _TC_ENTRY = 1, 2, 4, 5  # TCA_MQPRIO_*
_INDEX, _FP = 1, 2  # TCA_MQPRIO_TC_ENTRY_*
_CHANNEL, _BW_RATE = 1, 1  # TC_MQPRIO_MODE_, TC_MQPRIO_SHAPER_
_EXPRESS, _PREEMPTIBLE = 1, 2  # TC_FP_*
_NESTED = 0x8000


@dataclass(frozen=True, slots=True)
class Class:
    """The queues of a traffic class, and whether its frames may be preempted."""

    queues: range
    preemptible: bool = False


class Message(tcmsg):
    """With the options as they are sent."""

    nla_map = (("TCA_UNSPEC", "none"), ("TCA_KIND", "asciiz"), ("TCA_OPTIONS", "cdata"))


def _attribute(kind: int, data: bytes) -> bytes:
    return struct.pack("=HH", len(data) + 4, kind) + data + b"\0" * (-len(data) % 4)


def _options(classes: Sequence[Class], offload: bool, rate: int) -> bytes:
    """struct tc_mqprio_qopt and attributes. Priority n is class n, and what is beyond them the first."""
    blank = [0] * (16 - len(classes))
    priorities = bytes([*range(len(classes)), *blank])
    counts = struct.pack("=16H", *(len(each.queues) for each in classes), *blank)
    offsets = struct.pack("=16H", *(each.queues.start for each in classes), *blank)
    options = bytes([len(classes)]) + priorities + bytes([offload]) + counts + offsets
    options += b"\0" * (-len(options) % 4)
    if rate:
        options += _attribute(_MODE, struct.pack("=H", _CHANNEL)) + _attribute(_SHAPER, struct.pack("=H", _BW_RATE))
        rates = b"".join(_attribute(_MAX_RATE64, struct.pack("=Q", rate)) for _ in classes)
        options += _attribute(_NESTED | _MAX_RATE64, rates)
    if any(each.preemptible for each in classes):
        for index, each in enumerate(classes):
            entry = _attribute(_INDEX, struct.pack("=I", index))
            entry += _attribute(_FP, struct.pack("=I", _PREEMPTIBLE if each.preemptible else _EXPRESS))
            options += _attribute(_NESTED | _TC_ENTRY, entry)
    return options


def _talk(port: Port, kind: int, flags: int, options: bytes | None = None) -> None:
    msg = Message()
    msg["family"], msg["index"], msg["parent"] = socket.AF_UNSPEC, port.ifindex, TC_H_ROOT
    msg["attrs"] = [("TCA_KIND", "mqprio")]
    if options is not None:
        msg["attrs"].append(("TCA_OPTIONS", options))
    with Netlink(port.ns, NETLINK_ROUTE) as route:
        route.talk(msg, kind, NLM_F_ACK | flags)


def classify(port: Port, classes: Sequence[Class], offload: bool = True, rate: int = 0) -> None:
    """`tc qdisc add dev PORT root mqprio num_tc N map 0 1 ... queues ... hw OFFLOAD`, priority n being class n.

    :param rate: the most bytes a second of each class; 0: as many as there are
    :raises lib.netlink.RefusedError: as kernel and driver say
    """
    _talk(port, RTM_NEWQDISC, NLM_F_CREATE | NLM_F_EXCL, _options(classes, offload, rate))


def declassify(port: Port) -> None:
    """`tc qdisc del dev PORT root`."""
    _talk(port, RTM_DELQDISC, 0)


def sender(port: Port, to: Port, priority: int, number: int = 7000) -> socket.socket:
    """A datagram socket at ``port`` whose packets are of a priority, connected to the UDP port ``number`` of ``to``."""
    sock = port.ns.socket(socket.AF_INET, socket.SOCK_DGRAM, 0)
    sock.setsockopt(socket.SOL_SOCKET, SO_PRIORITY, priority)
    sock.connect((to.v4, number))
    return sock
