# SPDX-License-Identifier: GPL-2.0-only
"""A plain packet socket on an interface that receives into device memory. The report: docs/bugs/af-packet.md.

packet_rcv() trims its clone of an skb to the part that the CPU can read. In a kernel that still counts references of a
net_iov as those of a page, that is the end.
"""

from __future__ import annotations

import socket
from contextlib import closing

import pytest
from lib.link import Link
from reproducers.conftest import DATA, Stream

ETH_P_ALL = 3


@pytest.mark.reproducer(
    report="docs/bugs/af-packet.md",
    hits=("6.12",),
    spared=("7.3",),
    kind="oops",
    shows=("pskb_expand_head", "packet_rcv"),
)
def test_plain_packet_socket(link: Link, stream: Stream) -> None:
    """A packet socket without a ring is open on the interface while a flow comes into device memory."""
    with closing(link.rx.ns.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))) as sniffer:
        sniffer.bind((link.rx.name, ETH_P_ALL))
        sniffer.setblocking(False)
        stream.carry()
        seen = 0
        while True:
            try:
                frame = sniffer.recv(1 << 17)
            except BlockingIOError:
                break
            seen += 1
            assert DATA[:64] not in frame, "the packet socket has shown what is in device memory"
    assert seen, "the packet socket has seen nothing, so this proves nothing"
