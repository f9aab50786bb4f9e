# SPDX-License-Identifier: GPL-2.0-only
"""Ethernet frames made byte by byte, for tests that have to know what is on the wire; and what checksums should be."""

from __future__ import annotations

import socket
import struct
from collections.abc import Sequence
from dataclasses import dataclass

SOURCE = bytes.fromhex("0200000000aa")  # of every frame made here: by this rules steer and sockets filter them
NOBODY = bytes.fromhex("0200000000bb")  # goes past every stack: what the other end's applications do is no concern

ETH_P_IP = 0x0800
ETH_P_IPV6 = 0x86DD
ETH_P_8021Q = 0x8100
ETH_P_8021AD = 0x88A8
ETH_P_LOCAL = 0x88B5  # IEEE's "local experimental"
ETH_HLEN = 14

FIN, SYN, RST, PSH, ACK, CWR = 0x01, 0x02, 0x04, 0x08, 0x10, 0x80
MORE_FRAGMENTS = 0x2000


def ones_sum(data: bytes, start: int = 0) -> int:
    """The 16-bit one's complement sum of RFC 1071, not inverted."""
    if len(data) % 2:
        data += b"\0"
    total: int = start + sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return total


def checksum(data: bytes, start: int = 0) -> int:
    """The Internet checksum."""
    return ~ones_sum(data, start) & 0xFFFF


@dataclass(frozen=True, slots=True)
class Flow:
    """Addresses and ports, of IPv6 where the addresses are."""

    src: str = "198.51.100.1"
    dst: str = "198.51.100.2"
    sport: int = 1000
    dport: int = 2000

    @property
    def family(self) -> int:
        return socket.AF_INET6 if ":" in self.src else socket.AF_INET

    @property
    def addresses(self) -> bytes:
        return socket.inet_pton(self.family, self.src) + socket.inet_pton(self.family, self.dst)

    def pseudo(self, protocol: int, length: int) -> int:
        """The pseudo header's sum."""
        return ones_sum(self.addresses + struct.pack("!HH", protocol, length))


FLOW4 = Flow()
FLOW6 = Flow("2001:db8:f::1", "2001:db8:f::2")


def ethernet(payload: bytes, ethertype: int, vlans: Sequence[tuple[int, int]] = (), src: bytes = SOURCE) -> bytes:
    """A frame; `vlans` are (TPID, TCI), outermost first."""
    tags = b"".join(struct.pack("!HH", *tag) for tag in vlans)
    return NOBODY + src + tags + struct.pack("!H", ethertype) + payload


def plain(payload: bytes) -> bytes:
    """A frame of no protocol that anybody knows."""
    return ethernet(payload, ETH_P_LOCAL)


def ip(
    flow: Flow,
    protocol: int,
    payload: bytes,
    options: bytes = b"",
    fragment: int = 0,
    tos: int = 0,
    ttl: int = 64,
    ident: int = 7,
) -> bytes:
    """An IP header and `payload`.

    :param options: IPv4 options, padded to words; IPv6: an extension header, with `protocol` naming it
    :param fragment: IPv4's offset field
    """
    if flow.family == socket.AF_INET6:
        start = struct.pack("!IHBB", 6 << 28 | tos << 20, len(options) + len(payload), protocol, ttl)
        return start + flow.addresses + options + payload
    words = 5 + len(options) // 4
    length = words * 4 + len(payload)
    header = struct.pack("!BBHHHBBH", 4 << 4 | words, tos, length, ident, fragment, ttl, protocol, 0)
    header += flow.addresses + options
    return header[:10] + struct.pack("!H", checksum(header)) + header[12:] + payload


def _ethertype(flow: Flow) -> int:
    return ETH_P_IPV6 if flow.family == socket.AF_INET6 else ETH_P_IP


def tcp(
    flow: Flow,
    payload: bytes,
    vlans: Sequence[tuple[int, int]] = (),
    ip_options: bytes = b"",
    options: bytes = b"",
    flags: int = ACK,
    partial: bool = False,
    tos: int = 0,
    seq: int = 1000,
    ack: int = 1,
    window: int = 8192,
    **of_ip: int,
) -> bytes:
    """A TCP frame; `partial` leaves the pseudo header's sum in the checksum field, for the device to complete."""
    doff = 5 + len(options) // 4
    header = struct.pack("!HHIIBBHHH", flow.sport, flow.dport, seq, ack, doff << 4, flags, window, 0, 0) + options
    pseudo = flow.pseudo(socket.IPPROTO_TCP, len(header) + len(payload))
    field = pseudo if partial else checksum(header + payload, pseudo)
    segment = header[:16] + struct.pack("!H", field) + header[18:] + payload
    return ethernet(ip(flow, socket.IPPROTO_TCP, segment, ip_options, tos=tos, **of_ip), _ethertype(flow), vlans)


def udp(
    flow: Flow, payload: bytes, vlans: Sequence[tuple[int, int]] = (), partial: bool = False, check: bool = True
) -> bytes:
    """A UDP frame; without `check`, one that has no checksum (IPv4)."""
    length = 8 + len(payload)
    header = struct.pack("!HHHH", flow.sport, flow.dport, length, 0)
    pseudo = flow.pseudo(socket.IPPROTO_UDP, length)
    field = pseudo if partial else (checksum(header + payload, pseudo) or 0xFFFF) if check else 0
    datagram = header[:6] + struct.pack("!H", field) + payload
    return ethernet(ip(flow, socket.IPPROTO_UDP, datagram), _ethertype(flow), vlans)


@dataclass(frozen=True, slots=True)
class Segment:
    """What a TCP frame without VLAN tag and IP options says."""

    ident: int  # IPv4
    seq: int
    flags: int
    payload: bytes
    good: bool  # lengths, the IP header's checksum and that of TCP

    @classmethod
    def parse(cls, frame: bytes) -> Segment:
        v6 = frame[12:14] == ETH_P_IPV6.to_bytes(2, "big")
        header = frame[ETH_HLEN : ETH_HLEN + (40 if v6 else 20)]
        segment = frame[ETH_HLEN + len(header) :]
        addresses = header[8:40] if v6 else header[12:20]
        length = int.from_bytes(header[4:6], "big") if v6 else int.from_bytes(header[2:4], "big") - 20
        pseudo = ones_sum(addresses + struct.pack("!HH", socket.IPPROTO_TCP, len(segment)))
        good = length == len(segment) and ones_sum(segment, pseudo) == 0xFFFF and (v6 or ones_sum(header) == 0xFFFF)
        (seq,) = struct.unpack_from("!I", segment, 4)
        ident = 0 if v6 else int.from_bytes(header[4:6], "big")
        return cls(ident, seq, segment[13], segment[(segment[12] >> 4) * 4 :], good)
