# SPDX-License-Identifier: GPL-2.0-only
"""An urgent pointer into a later segment, whose payload is in device memory. The report: docs/bugs/tcp-urg.md.

    tx0 -- URG, urgent pointer +100, no payload -->   rx0: noted, the byte is yet to come
    tx0 -- 1448 bytes, no URG ------------------->   rx0: into device memory; tcp_urg() wants byte 100 of it

No Linux sender does that: it sets URG on every segment up to the urgent byte. A peer that wants to may.
"""

from __future__ import annotations

import socket
import struct

import pytest
from lib.frames import ACK, Flow, checksum, ip
from lib.link import Link
from reproducers.conftest import Stream

URG = 0x20
AHEAD = 100  # bytes from the segment with URG to the urgent one
# include/uapi/linux/tcp.h
TCP_REPAIR, TCP_REPAIR_QUEUE, TCP_QUEUE_SEQ = 19, 20, 21
TCP_REPAIR_ON, TCP_REPAIR_OFF_NO_WP = 1, -1
TCP_RECV_QUEUE, TCP_SEND_QUEUE = 1, 2


def sequence(sock: socket.socket) -> tuple[int, int]:
    """The next sequence number that a socket sends, and the next that it expects."""
    found = []
    sock.setsockopt(socket.IPPROTO_TCP, TCP_REPAIR, TCP_REPAIR_ON)
    for queue in (TCP_SEND_QUEUE, TCP_RECV_QUEUE):
        sock.setsockopt(socket.IPPROTO_TCP, TCP_REPAIR_QUEUE, queue)
        (number,) = struct.unpack("=I", sock.getsockopt(socket.IPPROTO_TCP, TCP_QUEUE_SEQ, 4))
        found.append(number)
    sock.setsockopt(socket.IPPROTO_TCP, TCP_REPAIR, TCP_REPAIR_OFF_NO_WP)
    return found[0], found[1]


def urgent(flow: Flow, seq: int, ack: int) -> bytes:
    """An IPv4 packet with a segment that has no payload, and an urgent pointer beyond its end."""
    header = struct.pack("!HHIIBBHHH", flow.sport, flow.dport, seq, ack, 5 << 4, ACK | URG, 8192, 0, AHEAD)
    filled = (
        header[:16] + struct.pack("!H", checksum(header, flow.pseudo(socket.IPPROTO_TCP, len(header)))) + header[18:]
    )
    return ip(flow, socket.IPPROTO_TCP, filled)


@pytest.mark.reproducer(
    report="docs/bugs/tcp-urg.md",
    hits=("6.12",),
    kind="bug",
    shows=("net/ipv4/tcp_input.c", "tcp_urg"),
)
def test_urgent_byte_in_device_memory(link: Link, stream: Stream) -> None:
    """The peer of a device-memory connection says that a byte of its next segment is urgent."""
    source, target = stream.sender.getsockname(), stream.sender.getpeername()
    flow = Flow(source[0], target[0], source[1], target[1])
    with link.tx.ns.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW) as raw:
        raw.sendto(urgent(flow, *sequence(stream.sender)), (flow.dst, 0))
    stream.carry()
