# SPDX-License-Identifier: GPL-2.0-only
"""Frames that are encrypted on their way, as the wire has them: what a port gives to its NIC, and what comes to one."""

from __future__ import annotations

import socket
from collections.abc import Callable

from lib import faults
from lib.fixtures import Defer
from lib.link import Link, Port
from lib.poll import PATIENCE
from lib.talk import Datagrams, macs
from lib.wire import ETH_P_ALL, Tap

PACKET_OUTGOING = 4


class Sent:
    """What a port gives to its NIC: where the stack encrypts, the frames as they are on the wire.

    `ours` picks those that are meant.
    """

    def __init__(self, port: Port, defer: Defer, ours: Callable[[bytes], bool]) -> None:
        self._port, self._ours = port, ours
        self._sock = port.ns.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
        defer(self._sock.close)
        self._sock.bind((port.name, ETH_P_ALL))
        self._sock.settimeout(PATIENCE)

    def frame(self) -> bytes:
        """The next one."""
        while True:
            data, about = self._sock.recvfrom(1 << 16)
            if about[2] == PACKET_OUTGOING and self._ours(data):
                return data

    def again(self, frame: bytes) -> None:
        self._sock.send(frame)

    def instead(self, datagrams: Datagrams, data: bytes, defer: Defer) -> bytes:
        """The frame of a datagram, which the wire loses."""
        faults.inject(self._port, "lose", 1, defer)
        datagrams.send(data)
        frame = self.frame()
        (faults.folder(self._port) / "lose").write_text("0")
        return frame


def wire_tap(link: Link, defer: Defer) -> Tap:
    """What comes to rx0 as it was on the wire: GRO would decrypt before anybody sees it."""
    link.rx.ethtool.run("-K", "gro", "off", "rx-gro-hw", "off")
    return Tap(link.rx, macs(link)[1], defer)
