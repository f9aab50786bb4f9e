# SPDX-License-Identifier: GPL-2.0-only
"""Does the NIC cut what is in a tunnel into the same frames as the stack would?

netns «ppiov-tx»                              netns «ppiov-rx»
 tunnel, its frames made by a packet socket
   |
 tx0 ============ super-packets ============= rx0  a packet socket; they are addressed to nobody here

A super-packet goes into the tunnel thrice: cut by the NIC, by the stack with the NIC's checksums, and by the stack
alone. What comes out must be the same, byte by byte; but for where the ids of the outer IPv4 headers begin.
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Callable
from dataclasses import dataclass, replace

import pytest
from lib import faults
from lib.fixtures import Defer, MakeLink
from lib.frames import (
    ACK,
    CWR,
    ETH_HLEN,
    ETH_P_IP,
    ETH_P_IPV6,
    FIN,
    FLOW4,
    FLOW6,
    NOBODY,
    PSH,
    Flow,
    Segment,
    ones_sum,
    tcp,
    udp,
)
from lib.link import Link
from lib.poll import until
from lib.traffic import payload
from lib.wire import GSO_ECN, GSO_TCPV4, GSO_TCPV6, GSO_UDP_L4, NEEDS_CSUM, Tap, Vnet

MSS = 1200  # what any of these tunnels has room for at an MTU of 1500
SEGMENTS = 8
TUNNEL = "tun"
REMOTE = {4: "192.0.2.9", 6: "2001:db8::9"}
UDP, UDP_CSUM = "tx-udp_tnl-segmentation", "tx-udp_tnl-csum-segmentation"
GRE, GRE_CSUM = "tx-gre-segmentation", "tx-gre-csum-segmentation"
IPXIP4, IPXIP6 = "tx-ipxip4-segmentation", "tx-ipxip6-segmentation"
VXLAN = "id 100 dstport 4789 srcport 40000 40001"


@dataclass(frozen=True, slots=True)
class Kind:
    """A tunnel: how `ip link add` makes it, what carries it and what it carries, and who can cut what is in it."""

    type: str
    args: str
    outer: int
    feature: str
    inner: tuple[Flow, ...] = (FLOW4, FLOW6)
    ethernet: bool = False


KINDS = {
    "vxlan4": Kind("vxlan", f"{VXLAN} noudpcsum", 4, UDP, ethernet=True),
    "vxlan4-csum": Kind("vxlan", f"{VXLAN} udpcsum", 4, UDP_CSUM, ethernet=True),
    "vxlan6": Kind("vxlan", f"{VXLAN} udp6zerocsumtx udp6zerocsumrx", 6, UDP, ethernet=True),
    "vxlan6-csum": Kind("vxlan", f"{VXLAN} noudp6zerocsumtx", 6, UDP_CSUM, ethernet=True),
    "gre4": Kind("gre", "", 4, GRE),
    "gre4-key": Kind("gre", "key 5", 4, GRE),
    "gre4-csum": Kind("gre", "csum key 5", 4, GRE_CSUM),
    "gre6": Kind("ip6gre", "", 6, GRE),
    "gre6-csum": Kind("ip6gre", "csum", 6, GRE_CSUM),
    "gretap4": Kind("gretap", "", 4, GRE, ethernet=True),
    "gretap6-csum": Kind("ip6gretap", "csum", 6, GRE_CSUM, ethernet=True),
    "ipip": Kind("ipip", "", 4, IPXIP4, inner=(FLOW4,)),
    "sit": Kind("sit", "", 4, IPXIP4, inner=(FLOW6,)),
    "ip6tnl": Kind("ip6tnl", "mode any", 6, IPXIP6),
    "ip6tnl-plain": Kind("ip6tnl", "mode any encaplimit none", 6, IPXIP6),
}
INNER = {FLOW4: "tcp4", FLOW6: "tcp6"}
EVERY = pytest.mark.parametrize(
    ("kind", "flow"),
    [(kind, flow) for kind in KINDS.values() for flow in kind.inner],
    ids=[f"{name}-{INNER[flow]}" for name, kind in KINDS.items() for flow in kind.inner],
)
SOME = pytest.mark.parametrize(
    ("kind", "flow"),
    [(KINDS[name], flow) for name, flow in (("vxlan6-csum", FLOW4), ("gre4", FLOW6), ("ip6tnl", FLOW4))],
    ids=["vxlan6-csum-v4", "gre4-v6", "ip6tnl-v4"],
)


class Through:
    """Frames into a tunnel on tx0, and what comes out at rx0."""

    def __init__(self, link: Link, kind: Kind, defer: Defer, lower: str = "tx0") -> None:
        self.link = link
        self.kind = kind
        family = socket.AF_INET if kind.outer == 4 else socket.AF_INET6
        ns = link.tx.ns
        for address in REMOTE.values():
            ns.run(["ip", "neigh", "replace", address, "lladdr", NOBODY.hex(":"), "dev", lower, "nud", "permanent"])
        ends = ["local", link.tx.address(family), "remote", REMOTE[kind.outer], "dev", lower]
        ns.run(["ip", "link", "add", TUNNEL, "type", kind.type, *kind.args.split(), *ends])
        defer(ns.run, ["ip", "link", "del", TUNNEL])
        ns.sysctl(f"net.ipv6.conf.{TUNNEL}.disable_ipv6", "1")  # or it would talk unasked
        ns.run(["ip", "link", "set", TUNNEL, "up"])
        link.rx.ethtool.run("-K", "gro", "off", "rx-gro-hw", "off")  # each frame is to stay one
        self._tap = Tap(link.rx, NOBODY, defer)
        self._out = Tap(link.tx, NOBODY, defer, name=TUNNEL)

    def send(self, frame: bytes, flow: Flow, vnet: Vnet) -> None:
        """Put a frame into the tunnel; `vnet` counts from the frame's start."""
        skip = 0 if self.kind.ethernet else ETH_HLEN
        vnet = replace(vnet, hdr_len=max(vnet.hdr_len - skip, 0), csum_start=max(vnet.csum_start - skip, 0))
        self._out.send(frame[skip:], vnet, ETH_P_IPV6 if flow.family == socket.AF_INET6 else ETH_P_IP)

    def exchange(self, frame: bytes, flow: Flow, vnet: Vnet, count: int) -> list[bytes]:
        """The frames that come of it; none of them is a super-packet."""
        self.send(frame, flow, vnet)
        got = self._tap.receive(count)
        assert not {f.vnet.gso_type for f in got} - {0}, "the receiver was given a super-packet"
        return [f.data for f in got]

    def sent(self) -> tuple[int, int]:
        """Super-packets that the NIC was given, and what it made of them."""
        stats = self.link.tx.ethtool.stats()
        return stats["tx_gso_packets"], stats["tx_gso_wire_packets"]


def l4_offset(flow: Flow) -> int:
    return 54 if flow.family == socket.AF_INET6 else 34


def outer_offset(frame: bytes) -> int:
    return ETH_HLEN + 4 * (frame[12:14] == b"\x81\x00")


def relative(frames: list[bytes]) -> list[bytes]:
    """The same, the ids of outer IPv4 headers counted from the first, and the sum over them checked and left out."""
    out: list[bytes] = []
    first: int | None = None
    for frame in frames:
        at = outer_offset(frame)
        header = frame[at : at + 20]
        if header[0] >> 4 == 4:
            assert ones_sum(header) == 0xFFFF, f"wrong checksum in the outer IP header {header.hex()}"
            ident = int.from_bytes(header[4:6], "big")
            first = ident if first is None else first
            header = header[:4] + struct.pack("!H", (ident - first) & 0xFFFF) + header[6:10] + b"\0\0" + header[12:]
        out.append(frame[:at] + header + frame[at + 20 :])
    return out


def check_lengths(frame: bytes) -> None:
    """The outer headers end where the frame does."""
    at = outer_offset(frame)
    v6 = frame[at] >> 4 == 6
    length = 40 + int.from_bytes(frame[at + 4 : at + 6], "big") if v6 else int.from_bytes(frame[at + 2 : at + 4], "big")
    assert at + length == len(frame), f"the outer IP header says {length} of {len(frame) - at} bytes"
    if frame[at + (6 if v6 else 9)] == socket.IPPROTO_UDP:
        l4 = at + (40 if v6 else 20)
        assert l4 + int.from_bytes(frame[l4 + 4 : l4 + 6], "big") == len(frame), (
            "the outer UDP header's length is wrong"
        )
        if frame[l4 + 6 : l4 + 8] != b"\0\0":
            addresses = frame[at + 8 : at + 40] if v6 else frame[at + 12 : at + 20]
            pseudo = ones_sum(addresses + struct.pack("!HH", socket.IPPROTO_UDP, len(frame) - l4))
            assert ones_sum(frame[l4:], pseudo) == 0xFFFF, "the outer UDP header's checksum is wrong"


def thrice(through: Through, count: int, exchange: Callable[[], list[bytes]]) -> list[bytes]:
    """What exchange() gets from the NIC, compared with what the stack makes, with and without checksums of the NIC."""
    before = through.sent()
    cut = exchange()
    packets, wire = through.sent()
    assert wire - before[1] == count, f"the NIC has not cut: {packets - before[0]} super-packets, {wire - before[1]}"

    through.link.tx.ethtool.run("-K", through.kind.feature, "off")
    before = through.sent()
    by_stack = exchange()
    assert through.sent() == before, f"the NIC cuts with {through.kind.feature} off"
    assert relative(by_stack) == relative(cut), "the stack's segments differ"

    through.link.tx.ethtool.run("-K", "tx", "off")
    assert relative(exchange()) == relative(cut), "the stack's segments differ where it computes all checksums"
    return cut


def super_packet(flow: Flow, more: int = 123) -> tuple[bytes, bytes, Vnet]:
    """(frame, payload, vnet) of TCP that is cut into SEGMENTS."""
    data = payload((SEGMENTS - 1) * MSS + more)
    frame = tcp(flow, data, flags=ACK | PSH | FIN | CWR, partial=True)
    l4 = l4_offset(flow)
    kind = GSO_TCPV6 if flow.family == socket.AF_INET6 else GSO_TCPV4
    return frame, data, Vnet(NEEDS_CSUM, kind | GSO_ECN, l4 + 20, MSS, l4, 16)


@EVERY
def test_segments(make_link: MakeLink, defer: Defer, kind: Kind, flow: Flow) -> None:
    """Inner and outer lengths, ids, sequence numbers, flags and checksums are the stack's."""
    through = Through(make_link(), kind, defer)
    frame, data, vnet = super_packet(flow)
    # With GSO_PARTIAL the stack itself cuts off the last one, which is shorter
    by_nic = SEGMENTS - (kind.feature == GRE_CSUM)
    cut = thrice(through, by_nic, lambda: through.exchange(frame, flow, vnet, SEGMENTS))

    for one in cut:
        check_lengths(one)
    inner = len(cut[0]) - (l4_offset(flow) - ETH_HLEN + 20 + MSS)
    segments = [Segment.parse(frame[:ETH_HLEN] + one[inner:]) for one in cut]
    assert all(s.good for s in segments), f"inner lengths or checksums are wrong: {[s.good for s in segments]}"
    assert b"".join(s.payload for s in segments) == data
    assert [s.flags for s in segments] == [ACK | CWR] + [ACK] * (SEGMENTS - 2) + [ACK | PSH | FIN]


@SOME
@pytest.mark.parametrize("more", [1, MSS], ids=["odd", "exact"])
def test_udp_segments(make_link: MakeLink, defer: Defer, kind: Kind, flow: Flow, more: int) -> None:
    """Datagrams too."""
    through = Through(make_link(), kind, defer)
    l4 = l4_offset(flow)
    whole = udp(flow, payload((SEGMENTS - 1) * MSS + more), partial=True)
    vnet = Vnet(NEEDS_CSUM, GSO_UDP_L4, l4 + 8, MSS, l4, 6)
    for one in thrice(through, SEGMENTS, lambda: through.exchange(whole, flow, vnet, SEGMENTS)):
        check_lengths(one)


@EVERY
def test_checksum(make_link: MakeLink, defer: Defer, kind: Kind, flow: Flow) -> None:
    """A frame that is none of several has its inner checksum completed by the NIC."""
    through = Through(make_link(), kind, defer)
    frame, vnet = tcp(flow, payload(777), partial=True), Vnet(NEEDS_CSUM, csum_start=l4_offset(flow), csum_offset=16)
    before = through.link.tx.ethtool.stats()["tx_needs_csum"]
    (by_nic,) = through.exchange(frame, flow, vnet, 1)
    assert through.link.tx.ethtool.stats()["tx_needs_csum"] == before + 1
    check_lengths(by_nic)
    assert by_nic[-len(frame) + ETH_HLEN :] == tcp(flow, payload(777))[ETH_HLEN:], "the inner packet is another one"
    through.link.tx.ethtool.run("-K", "tx", "off")
    assert relative(through.exchange(frame, flow, vnet, 1)) == relative([by_nic])


def test_options(make_link: MakeLink, defer: Defer) -> None:
    """Options of the inner IPv4 header and of TCP are each segment's."""
    through = Through(make_link(), KINDS["vxlan6-csum"], defer)
    frame = tcp(FLOW4, payload(3 * MSS), ip_options=b"\1" * 8, options=b"\1" * 12, partial=True)
    vnet = Vnet(NEEDS_CSUM, GSO_TCPV4, ETH_HLEN + 28 + 32, MSS, ETH_HLEN + 28, 16)
    thrice(through, 3, lambda: through.exchange(frame, FLOW4, vnet, 3))


def test_partial_off(make_link: MakeLink, defer: Defer) -> None:
    """Without tx-gso-partial the checksum of GRE is the stack's alone, and so is the cutting."""
    through = Through(make_link(), KINDS["gre4-csum"], defer)
    frame, _, vnet = super_packet(FLOW4)
    cut = through.exchange(frame, FLOW4, vnet, SEGMENTS)
    assert through.sent() == (1, SEGMENTS - 1), "the last one is shorter, and cut off by the stack"
    through.link.tx.ethtool.run("-K", "tx-gso-partial", "off")
    assert f"{GRE_CSUM}: off" in through.link.tx.ethtool.run("-k")
    assert relative(through.exchange(frame, FLOW4, vnet, SEGMENTS)) == relative(cut)
    assert through.sent() == (1, SEGMENTS - 1)


def test_same_id(make_link: MakeLink, defer: Defer) -> None:
    """tx-tcp-mangleid-segmentation allows the NIC other ids, and it makes no use of that."""
    through = Through(make_link(), KINDS["gre4"], defer)
    frame, _, vnet = super_packet(FLOW4)
    through.link.tx.ethtool.run("-K", "tx-tcp-mangleid-segmentation", "on")
    thrice(through, SEGMENTS, lambda: through.exchange(frame, FLOW4, vnet, SEGMENTS))


@SOME
def test_vlan(make_link: MakeLink, defer: Defer, kind: Kind, flow: Flow) -> None:
    """A tunnel may begin at a VLAN device."""
    link = make_link()
    ns = link.tx.ns
    ns.run(["ip", "link", "add", "link", "tx0", "name", "tx0.5", "type", "vlan", "id", "5"])
    defer(ns.run, ["ip", "link", "del", "tx0.5"])
    for address in (link.tx.v4, link.tx.v6):
        ns.run(["ip", "addr", "del", address + ("/64" if ":" in address else "/24"), "dev", "tx0"])
    ns.run(["ip", "link", "set", "tx0.5", "up"])
    for address in (link.tx.v4 + "/24", link.tx.v6 + "/64"):
        ns.run(["ip", "addr", "add", address, "dev", "tx0.5", *(["nodad"] if ":" in address else [])])
    through = Through(link, kind, defer, lower="tx0.5")
    frame, _, vnet = super_packet(flow)
    before = through.sent()
    cut = through.exchange(frame, flow, vnet, SEGMENTS)
    assert through.sent() == (before[0] + 1, before[1] + SEGMENTS)
    assert {one[12:16] for one in cut} == {b"\x81\0\0\5"}
    link.tx.ethtool.run("-K", kind.feature, "off")
    assert relative(through.exchange(frame, flow, vnet, SEGMENTS)) == relative(cut)


@SOME
def test_misdescribed(make_link: MakeLink, defer: Defer, kind: Kind, flow: Flow) -> None:
    """A descriptor that has the inner headers anywhere else is a drop that is counted, and the next frame goes."""
    through = Through(make_link(), kind, defer)
    frame, _, vnet = super_packet(flow)
    before = through.link.tx.ethtool.stats()["tx_malformed"]
    mistakes = 6
    faults.inject(through.link.tx, "tx_inner", mistakes, defer)
    for _ in range(mistakes):
        through.send(frame, flow, vnet)
    until("they are dropped", lambda: through.link.tx.ethtool.stats()["tx_malformed"] == before + mistakes)
    assert faults.hits(through.link.tx, "tx_inner") == mistakes
    assert len(through.exchange(frame, flow, vnet, SEGMENTS)) == SEGMENTS
