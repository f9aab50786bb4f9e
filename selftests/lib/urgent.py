# SPDX-License-Identifier: GPL-2.0-only
"""A segment of an open connection whose urgent pointer names a byte of a later one. No Linux sender makes such."""

from __future__ import annotations

import socket
import struct

from lib.frames import ACK, MORE_FRAGMENTS, Flow, checksum, ip
from lib.link import Link

URG = 0x20
NOTHING = b"\1" * 12  # TCP options
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


def segment(flow: Flow, seq: int, ack: int) -> bytes:
    """A TCP header without payload, whose urgent pointer names a byte behind its end.

    Padded with options that say nothing, so that it can be cut into fragments.
    """
    words = (20 + len(NOTHING)) // 4
    header = (
        struct.pack("!HHIIBBHHH", flow.sport, flow.dport, seq, ack, words << 4, ACK | URG, 8192, 0, AHEAD) + NOTHING
    )
    return header[:16] + struct.pack("!H", checksum(header, flow.pseudo(socket.IPPROTO_TCP, len(header)))) + header[18:]


def packets(flow: Flow, seq: int, ack: int, fragments: bool) -> list[bytes]:
    """The segment as one IP packet, or as two. An IPv4 router may cut the header; IPv6 has to leave it whole."""
    whole = segment(flow, seq, ack)
    if not fragments:
        return [ip(flow, socket.IPPROTO_TCP, whole)]
    if flow.family == socket.AF_INET:
        return [
            ip(flow, socket.IPPROTO_TCP, whole[:8], fragment=MORE_FRAGMENTS),
            ip(flow, socket.IPPROTO_TCP, whole[8:], fragment=1),
        ]
    headers = [struct.pack("!BBHI", socket.IPPROTO_TCP, 0, place, 7) for place in (1, 24)]  # 1: more of them
    return [
        ip(flow, socket.IPPROTO_FRAGMENT, part, options=header)
        for header, part in zip(headers, (whole[:24], whole[24:]), strict=True)
    ]


def announce(link: Link, sender: socket.socket, fragments: bool = False) -> int:
    """Send one from tx0: the next segment of this socket has the byte. Returns the number of packets."""
    source, target = sender.getsockname(), sender.getpeername()
    flow = Flow(source[0], target[0], source[1], target[1])
    sent = packets(flow, *sequence(sender), fragments)
    with link.tx.ns.socket(flow.family, socket.SOCK_RAW, socket.IPPROTO_RAW) as raw:
        for packet in sent:
            raw.sendto(packet, (flow.dst, 0))
    return len(sent)
