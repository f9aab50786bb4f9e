# SPDX-License-Identifier: GPL-2.0-only
"""Is the payload of TCP, and of nothing else, put into buffers of its own when header split is on?

netns «ppiov-tx»                 netns «ppiov-rx»
 tx0 ====== frames, one by one ====== rx0  queue 3: all of them, seen by a packet socket
                                           rx3_split, rx3_unsplit: what the NIC did with each
"""

from __future__ import annotations

import errno
import socket
import struct

import pytest
from lib import faults
from lib.fixtures import Defer
from lib.frames import (
    ETH_P_8021AD,
    ETH_P_8021Q,
    ETH_P_IP,
    ETH_P_IPV6,
    FLOW4,
    FLOW6,
    MORE_FRAGMENTS,
    Flow,
    checksum,
    ethernet,
    ip,
    plain,
    tcp,
    udp,
)
from lib.link import Link
from lib.netlink import refusal
from lib.traffic import IPV4_AND_IPV6, connect, payload, steer
from lib.wire import MakeWire, Wire

VLAN = ((ETH_P_8021Q, 5),)
QINQ = ((ETH_P_8021AD, 7), (ETH_P_8021Q, 5))
TIMESTAMP = bytes.fromhex("0101080a0000000100000002")
ROUTER_ALERT = bytes.fromhex("94040000")
DATA = payload(1000)


def segment(flow: Flow) -> bytes:
    """A TCP header and payload, without what is below."""
    whole = tcp(flow, DATA)
    return whole[14 + (40 if flow.family == socket.AF_INET6 else 20) :]


def icmp() -> bytes:
    message = struct.pack("!BBHHH", 8, 0, 0, 1, 1) + DATA
    return message[:2] + struct.pack("!H", checksum(message)) + message[4:]


HOP_BY_HOP = bytes([socket.IPPROTO_TCP, 0, 1, 4, 0, 0, 0, 0])  # an extension header of padding
FRAGMENT6 = struct.pack("!BBHI", socket.IPPROTO_TCP, 0, 1, 99)  # offset 0, more to come

SPLIT = {
    "tcp4": tcp(FLOW4, DATA),
    "tcp6": tcp(FLOW6, DATA),
    "tcp4, VLAN": tcp(FLOW4, DATA, VLAN),
    "tcp6, VLAN": tcp(FLOW6, DATA, VLAN),
    "tcp4, QinQ": tcp(FLOW4, DATA, QINQ),
    "tcp4, TCP options": tcp(FLOW4, DATA, options=TIMESTAMP),
    "tcp4, most TCP options": tcp(FLOW4, DATA, options=b"\x01" * 40),
    "tcp4, IP options": tcp(FLOW4, DATA, ip_options=ROUTER_ALERT),
    "tcp6, extension header": ethernet(ip(FLOW6, 0, segment(FLOW6), HOP_BY_HOP), ETH_P_IPV6),
    "tcp4, one byte": tcp(FLOW4, b"x"),
    "tcp4, MTU": tcp(FLOW4, payload(1460)),
}
WHOLE = {
    "tcp4, no payload": tcp(FLOW4, b""),
    "tcp4, padded": tcp(FLOW4, b"abc").ljust(60, b"\0"),
    "tcp4, first fragment": ethernet(ip(FLOW4, 6, segment(FLOW4)[:512], fragment=MORE_FRAGMENTS), ETH_P_IP),
    "tcp4, last fragment": ethernet(ip(FLOW4, 6, segment(FLOW4)[512:], fragment=64), ETH_P_IP),
    "tcp6, first fragment": ethernet(ip(FLOW6, 44, segment(FLOW6), FRAGMENT6), ETH_P_IPV6),
    "tcp4, data offset too small": tcp(FLOW4, DATA)[:46] + b"\x10" + tcp(FLOW4, DATA)[47:],
    "tcp4, data offset beyond the frame": tcp(FLOW4, b"abc")[:46] + b"\xf0" + tcp(FLOW4, b"abc")[47:],
    "ip longer than the frame": tcp(FLOW4, DATA)[:-1],
    "udp4": udp(FLOW4, DATA),
    "udp6": udp(FLOW6, DATA),
    "udp4, VLAN": udp(FLOW4, DATA, VLAN),
    "icmp": ethernet(ip(FLOW4, 1, icmp()), ETH_P_IP),
    "not ip": plain(DATA),
    "ip header cut short": ethernet(tcp(FLOW4, b"")[14:30], ETH_P_IP),
}


def check(wire: Wire, frames: dict[str, bytes], which: str) -> None:
    """Every frame must arrive as it was sent, and be counted as `which`, one by one."""
    other = {"split": "unsplit", "unsplit": "split"}[which]
    before = wire.link.rx.ethtool.stats()
    for name, frame in frames.items():
        (got,) = wire.exchange([frame])
        assert got.queue == 3, f"{name}: came through queue {got.queue}"
        assert got.data == frame, f"{name}: {len(got.data)} bytes came, {len(frame)} were sent, or they differ"
    after = wire.link.rx.ethtool.stats()
    count = {name: after[f"rx3_{name}"] - before[f"rx3_{name}"] for name in (which, other, "packets", "bytes")}
    wanted = {which: len(frames), other: 0, "packets": len(frames), "bytes": sum(map(len, frames.values()))}
    if count != wanted:  # find out which
        for name, frame in frames.items():
            before = wire.link.rx.ethtool.stats()
            wire.exchange([frame])
            split = wire.link.rx.ethtool.stats()[f"rx3_{which}"] - before[f"rx3_{which}"]
            assert split == 1, f"{name}: not counted as {which}"
    assert count == wanted


def test_what_is_split(wire: Wire) -> None:
    """TCP with payload is split: IPv4, IPv6, VLANs, and whatever options and extension headers it carries."""
    check(wire, SPLIT, "split")


def test_what_is_not_split(wire: Wire) -> None:
    """Fragments, padding, broken headers, UDP, ICMP and unknown protocols stay whole, byte by byte as they were."""
    check(wire, WHOLE, "unsplit")


@pytest.mark.parametrize("state", ["off", "auto"])
def test_split_off(wire: Wire, state: str) -> None:
    """With split off, and with what the driver takes for "auto", nothing is split."""
    wire.link.rx.ethtool.set_split(state)
    assert wire.link.rx.ethtool.split() == "off", "auto means off for this driver"
    check(wire, {**SPLIT, **WHOLE}, "unsplit")


def test_payload_over_several_buffers(make_wire: MakeWire) -> None:
    """Payload of a jumbo frame spans data buffers, and each byte is where it belongs, at each boundary of a page."""
    wire = make_wire(mtu=9000)
    sizes = [4095, 4096, 4097, 8191, 8192, 8193, 8960]
    frames = {f"{size} bytes": tcp(FLOW4, payload(size, seed=size)) for size in sizes}
    check(wire, frames, "split")
    wire.link.rx.ethtool.set_split("off")
    check(wire, frames, "unsplit")


@IPV4_AND_IPV6
def test_split_changes_in_mid_stream(link: Link, defer: Defer, family: int) -> None:
    """A connection survives that header split goes off and on, and its data is right before, between and after."""
    steer(link, family, [3])
    sender, receiver = connect(link, family, defer)
    for round_, state in enumerate(("on", "off", "on", "auto")):
        link.rx.ethtool.set_split(state)
        before = link.rx.ethtool.stats()
        data = payload(20000, seed=round_)
        sender.sendall(data)
        got = bytearray()
        while len(got) < len(data):
            got += receiver.recv(1 << 16) or pytest.fail(f"the stream ended after {len(got)} bytes, split {state}")
        assert got == data, f"data differs with split {state}"
        after = link.rx.ethtool.stats()
        assert (after["rx3_split"] > before["rx3_split"]) == (state == "on"), f"split {state}, and the counter says not"


def test_split_threshold(wire: Wire) -> None:
    """With hds-thresh, frames up to that length stay whole, longer ones are split; an impossible one is refused.

    A kernel without it refuses any.
    """
    ethtool = wire.link.rx.ethtool
    rings = ethtool.rings()
    if not ethtool.knows_hds_thresh():
        assert "HDS_THRESH" not in rings
        with refusal(errno.EINVAL, "Unknown attribute type"):
            ethtool.set_rings(HDS_THRESH=0)
        return
    assert rings["HDS_THRESH"] == 0
    with refusal(errno.EINVAL):
        ethtool.set_rings(HDS_THRESH=rings["HDS_THRESH_MAX"] + 1)

    frames = {f"{size} bytes": tcp(FLOW4, payload(size - 54)) for size in (60, 61, 999, 1000, 1001, 1514)}
    for threshold in (60, 1000, rings["HDS_THRESH_MAX"], 0):
        ethtool.set_rings(HDS_THRESH=threshold)
        assert ethtool.rings()["HDS_THRESH"] == threshold
        short = {name: frame for name, frame in frames.items() if len(frame) <= threshold}
        check(wire, short, "unsplit")
        check(wire, {name: frame for name, frame in frames.items() if name not in short}, "split")


@pytest.mark.parametrize("length", [8192, 65536])
def test_large_buffers(make_wire: MakeWire, length: int) -> None:
    """With rx-buf-len, data buffers are so long, and a jumbo frame's payload is where it belongs in them."""
    wire = make_wire(mtu=9000)
    ethtool = wire.link.rx.ethtool
    ethtool.set_rings(RX=64, RX_BUF_LEN=length)
    assert ethtool.rings()["RX_BUF_LEN"] == length
    assert length in faults.mapped(wire.link.rx), "no data buffer of that length is mapped"
    sizes = [1, 4096, 4097, 8191, 8192, 8193, 8960]
    check(wire, {f"{size} bytes": tcp(FLOW4, payload(size, seed=size)) for size in sizes}, "split")
    ethtool.set_rings(RX_BUF_LEN=4096)
    assert length not in faults.mapped(wire.link.rx)


def test_large_buffers_refused(link: Link) -> None:
    """Lengths that are no power of two, less than a page or more than any frame needs: nothing changes."""
    before = link.rx.ethtool.rings()
    for length in (2048, 4097, 12288, 131072):
        with refusal(errno.EINVAL):
            link.rx.ethtool.set_rings(RX_BUF_LEN=length)
    assert link.rx.ethtool.rings() == before
