# SPDX-License-Identifier: GPL-2.0-only
"""A segment of an open connection whose urgent pointer names a byte of a later one. No Linux sender makes such."""

from __future__ import annotations

import socket
import struct

from lib.frames import ACK, Flow, checksum, ip
from lib.link import Link

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


def announce(link: Link, sender: socket.socket) -> None:
    """Send one, from tx0, over IPv4: the next segment has the byte."""
    source, target = sender.getsockname(), sender.getpeername()
    flow = Flow(source[0], target[0], source[1], target[1])
    with link.tx.ns.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW) as raw:
        raw.sendto(urgent(flow, *sequence(sender)), (flow.dst, 0))
