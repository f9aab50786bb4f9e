# SPDX-License-Identifier: GPL-2.0-only
"""Are frames that come one by one joined by the device (rx-gro-hw, LRO) where the stack joins none, and no others?

netns «ppiov-tx»               netns «ppiov-rx»
 tx0 ===== frames, made ===== rx0  queue 3; GRO off, rx-gro-hw on: frames wait in the device for more of their flow
       here, at once               rx3_hw_gro_packets counts what they became, rx3_hw_gro_wire_packets them
"""

from __future__ import annotations

import socket

import pytest
from lib import faults, sysfs
from lib.fixtures import Defer
from lib.following import NEXT, STAMPS, Next, two, who_follows
from lib.frames import ACK, CWR, ETH_P_IP, ETH_P_IPV6, FLOW4, FLOW6, PSH, Flow, Segment, ethernet, ip, plain, tcp
from lib.link import Link
from lib.poll import until
from lib.traffic import payload
from lib.wire import GSO_TCPV4, GSO_TCPV6, NEEDS_CSUM, MakeWire, Received, Vnet, Wire

QUEUE = 3
HW_GRO, LRO = "rx-gro-hw", "large-receive-offload"
FLOWS = pytest.mark.parametrize("flow", [FLOW4, FLOW6], ids=["ipv4", "ipv6"])
DONT_FRAGMENT = 0x4000
SIZE = 1000
OUTER4, OUTER6 = Flow("203.0.113.1", "203.0.113.2"), Flow("2001:db8:e::1", "2001:db8:e::2")
ROOM = 1 << 24  # bytes, in the ring
COUNTERS = ("packets", "bytes", "hw_gro_packets", "hw_gro_bytes", "hw_gro_wire_packets", "hw_gro_wire_bytes")
COUNTERS_LRO = ("lro_packets", "lro_wire_packets")


@pytest.fixture
def wire(make_wire: MakeWire, defer: Defer) -> Wire:
    """A wire on which many frames can come at once: BQL lets one into a ring of which it knows nothing yet."""
    wire = make_wire()
    wire.link.rx.ethtool.run("-K", "rx-gro-hw", "on")
    wire.link.tx.ethtool.run("-L", "combined", 1)
    limits = list(sysfs.folder(wire.link.tx, defer).glob("queues/tx-0/byte_queue_limits/limit"))
    for limit in limits:
        limit.with_name("limit_min").write_text(str(ROOM))
    wire.exchange([plain(bytes(46))])
    until("room in the ring", lambda: all(int(limit.read_text()) >= ROOM for limit in limits))
    return wire


def l4_offset(flow: Flow) -> int:
    return 54 if flow.family == socket.AF_INET6 else 34


def numbers(link: Link) -> dict[str, int]:
    stats = link.rx.ethtool.stats()
    return {name: stats[f"rx{QUEUE}_{name}"] for name in (*COUNTERS, *COUNTERS_LRO)}


def joined(link: Link) -> int:
    """Packets that the device has made of several frames."""
    return numbers(link)["hw_gro_packets"]


def stream(flow: Flow, sizes: tuple[int, ...], last: int = ACK, flags: int = ACK) -> list[bytes]:
    """Frames of one flow, one behind the other, the IPv4 id counting up; the last one has flags of its own."""
    sent, seq = [], 1000
    for i, size in enumerate(sizes):
        own = last if i == len(sizes) - 1 else flags
        sent.append(tcp(flow, payload(size, i), flags=own, seq=seq, ident=7 + i))
        seq += size
    return sent


@FLOWS
@pytest.mark.parametrize("split", ["on", "off"])
@pytest.mark.parametrize("last", [ACK, ACK | PSH], ids=["waits", "PSH"])
def test_frames_become_one(wire: Wire, defer: Defer, flow: Flow, split: str, last: int) -> None:
    """What arrives can be cut into the same frames again, and the counters tell the packet from the frames."""
    wire.link.rx.ethtool.set_split(split)
    sizes = (SIZE, SIZE, SIZE, SIZE, 123 if last & PSH else SIZE)
    before, sent = numbers(wire.link), stream(flow, sizes, last)
    wire.together(defer, sent)
    (got,) = wire.receive(1)
    l4 = l4_offset(flow)
    kind = GSO_TCPV6 if flow.family == socket.AF_INET6 else GSO_TCPV4
    assert got.data == tcp(flow, b"".join(payload(s, i) for i, s in enumerate(sizes)), flags=last, partial=True)
    assert got.vnet == Vnet(NEEDS_CSUM, kind, got.vnet.hdr_len, SIZE, l4, 16)
    # what is linear: the headers, or without split whatever stood in the first buffer
    assert got.vnet.hdr_len == l4 + 20 or (split == "off" and got.vnet.hdr_len > l4 + 20)
    gained = {name: value - before[name] for name, value in numbers(wire.link).items()}
    assert gained == {
        "packets": len(sent),
        "bytes": sum(map(len, sent)),
        "hw_gro_packets": 1,
        "hw_gro_bytes": len(got.data),
        "hw_gro_wire_packets": len(sent),
        "hw_gro_wire_bytes": sum(map(len, sent)),
        "lro_packets": 0,
        "lro_wire_packets": 0,
    }


@FLOWS
@pytest.mark.parametrize("gro", ["on", "off"])
def test_lro(wire: Wire, defer: Defer, flow: Flow, gro: str) -> None:
    """LRO joins the same, whatever the stack would do, and counts it apart: rx-hw-gro-packets has none of it."""
    wire.link.rx.ethtool.run("-K", "gro", gro, HW_GRO, "off", LRO, "on")
    before, sent = numbers(wire.link), stream(flow, (SIZE, SIZE, SIZE))
    wire.together(defer, sent)
    (got,) = wire.receive(1)
    assert got.data == tcp(flow, b"".join(payload(SIZE, i) for i in range(3)), partial=True)
    assert (got.vnet.gso_size, got.vnet.flags) == (SIZE, NEEDS_CSUM)
    gained = {name: value - before[name] for name, value in numbers(wire.link).items()}
    sums = {"packets": 3, "bytes": sum(map(len, sent)), "lro_packets": 1, "lro_wire_packets": 3}
    assert gained == {**dict.fromkeys(gained, 0), **sums}


@pytest.mark.parametrize("features", [(LRO, "off"), ("rx", "off"), (HW_GRO, "on")], ids=" ".join)
def test_no_lro(wire: Wire, defer: Defer, features: tuple[str, str]) -> None:
    """Off when it is turned off, without checksums, and where rx-gro-hw is wanted; back when that is over."""
    ethtool = wire.link.rx.ethtool

    def lro() -> bool:
        return f"{LRO}: on" in ethtool.run("-k")

    assert not lro()
    ethtool.run("-K", HW_GRO, "off", LRO, "on")
    assert lro()
    ethtool.run("-K", *features)
    assert not lro()
    before = numbers(wire.link)
    wire.together(defer, two(FLOW4, Next(options=STAMPS)))
    assert len(wire.receive(2 - (features[0] == HW_GRO))) == 2 - (features[0] == HW_GRO)
    assert numbers(wire.link)["lro_packets"] == before["lro_packets"]
    ethtool.run("-K", features[0], {"off": "on", "on": "off"}[features[1]])
    assert lro()


@who_follows(without=("the same id",))
def test_who_follows(wire: Wire, defer: Defer, flow: Flow, how: str) -> None:
    """A frame joins the one before it only where it goes on there, and differs in nothing that would be lost."""
    second = NEXT[how]
    before, sent = joined(wire.link), two(flow, second)
    wire.together(defer, sent)
    got: list[Received] = wire.receive(1 if second.joins else 2)
    assert joined(wire.link) - before == second.joins
    if not second.joins:  # another flow has nobody to wait for
        assert sorted(one.data for one in got) == sorted(sent)
    else:
        assert got[0].vnet.gso_size == SIZE
        assert got[0].data.endswith(payload(SIZE) + payload(second.size))


@pytest.mark.parametrize(
    ("ids", "sizes"),
    [
        ((7, 8, 9), (3,)),
        ((7, 7, 7), (3,)),
        ((7, 8, 8), (2, 1)),  # what counts goes on counting
        ((7, 7, 8), (2, 1)),
        ((0xFFFF, 0, 1), (3,)),
    ],
    ids=str,
)
def test_ids(wire: Wire, defer: Defer, ids: tuple[int, ...], sizes: tuple[int, ...]) -> None:
    """IPv4 ids count up, or are all the same: nothing else can be told to who cuts the packet again."""
    sent = [
        tcp(FLOW4, payload(SIZE), seq=1000 + i * SIZE, ident=ident, fragment=DONT_FRAGMENT)
        for i, ident in enumerate(ids)
    ]
    wire.together(defer, sent)
    assert [(len(one.data) - 54) // SIZE for one in wire.receive(len(sizes))] == [*sizes]


@FLOWS
def test_flows_side_by_side(wire: Wire, defer: Defer, flow: Flow) -> None:
    """The frames of each flow find each other, however the flows mix; and each keeps its own order."""
    flows = [Flow(flow.src, flow.dst, sport=1000 + i) for i in range(40)]
    streams = [stream(one, (SIZE, SIZE, SIZE), ACK | PSH) for one in flows]
    before = joined(wire.link)
    wire.together(defer, [frames[i] for i in range(3) for frames in streams])
    got = wire.receive(len(flows))
    assert joined(wire.link) - before == len(flows) == len(got)
    wanted = b"".join(payload(SIZE, i) for i in range(3))
    assert {Segment.parse(one.data).payload for one in got} == {wanted}


def test_no_more_than_ip_takes(wire: Wire, defer: Defer) -> None:
    """A packet of 64 kB is full: what follows begins another."""
    for port in (wire.link.tx, wire.link.rx):
        port.set(mtu=9000)
    size = 8000
    wire.together(defer, stream(FLOW4, (size,) * 9))
    assert [(len(one.data) - 54) // size for one in wire.receive(2)] == [8, 1]


@pytest.mark.parametrize("outer", [OUTER4, OUTER6], ids=["in ipv4", "in ipv6"])
@FLOWS
def test_in_a_tunnel(wire: Wire, defer: Defer, flow: Flow, outer: Flow) -> None:
    """IP in IP: lengths in both headers and the inner sum are of the whole; another outer header keeps frames apart."""
    protocol = socket.IPPROTO_IPV6 if flow.family == socket.AF_INET6 else socket.IPPROTO_IPIP
    ethertype = ETH_P_IPV6 if outer.family == socket.AF_INET6 else ETH_P_IP

    def tunnelled(frame: bytes, ident: int, ttl: int = 64) -> bytes:
        return ethernet(ip(outer, protocol, frame[14:], ident=ident, ttl=ttl), ethertype)

    frames = [tunnelled(one, 20 + i) for i, one in enumerate(stream(flow, (SIZE,) * 3))]
    before = joined(wire.link)
    wire.together(defer, frames)
    (got,) = wire.receive(1)
    whole = tcp(flow, b"".join(payload(SIZE, i) for i in range(3)), partial=True)
    assert got.data == tunnelled(whole, 20)
    assert got.vnet.gso_size == SIZE and got.vnet.flags == NEEDS_CSUM
    assert joined(wire.link) - before == 1

    first, second, _ = stream(flow, (SIZE,) * 3)
    apart = [tunnelled(first, 20), tunnelled(second, 21, ttl=63)]
    wire.together(defer, apart)
    assert [one.data for one in wire.receive(2)] == apart
    wrong = [frames[0], frames[1][:-1] + bytes([frames[1][-1] ^ 1]), frames[2]]
    wire.together(defer, wrong)
    assert [one.data for one in wire.receive(3)] == wrong


@FLOWS
def test_a_tunnels_frame_that_was_held(wire: Wire, defer: Defer, flow: Flow) -> None:
    """IP in IP, in another order than it was sent: each frame comes as it was, joined with no other."""
    protocol = socket.IPPROTO_IPV6 if flow.family == socket.AF_INET6 else socket.IPPROTO_IPIP
    inner = stream(flow, (SIZE,) * 3)
    frames = [ethernet(ip(OUTER4, protocol, one[14:], ident=20 + i), ETH_P_IP) for i, one in enumerate(inner)]
    faults.inject(wire.link.tx, "reorder", 2, defer)
    before = joined(wire.link)
    wire.together(defer, frames)
    assert [one.data for one in wire.receive(3)] == [frames[0], frames[2], frames[1]]
    assert joined(wire.link) == before


def test_a_wrong_checksum_joins_nothing(wire: Wire, defer: Defer) -> None:
    """What the device could not verify, of TCP or of IP, goes up as it came, for the stack to judge."""
    first, second = two(FLOW4, Next())
    for at in (len(second) - 1, 25):
        wrong = second[:at] + bytes([second[at] ^ 1]) + second[at + 1 :]
        wire.together(defer, [first, wrong])
        assert [one.data for one in wire.receive(2)] == [first, wrong]


def test_all_with_cwr(wire: Wire, defer: Defer) -> None:
    """Where a packet can say that all its frames have CWR, they are joined; no frame has it that had not."""
    sent = stream(FLOW4, (SIZE, SIZE), ACK | CWR, flags=ACK | CWR)
    wire.together(defer, sent)
    got = wire.receive(1)
    assert [Segment.parse(one.data).flags for one in got] == [ACK | CWR] * len(got)


@pytest.mark.parametrize("features", [("gro", "on"), ("rx-gro-hw", "off"), ("rx", "off")], ids=" ".join)
def test_not_where_it_is_off(wire: Wire, defer: Defer, features: tuple[str, str]) -> None:
    """The stack's GRO is the one that joins where it is on; and without the feature, or checksums, nobody does."""
    wire.link.rx.ethtool.run("-K", *features)
    before = joined(wire.link)
    wire.together(defer, two(FLOW4, Next(options=STAMPS)))
    if features[0] == "gro":
        wire.receive(1)
    else:
        assert len(wire.receive(2)) == 2
    assert joined(wire.link) == before


def test_nothing_waits_in_a_port_that_goes_down(wire: Wire, defer: Defer) -> None:
    """Frames that wait when the port goes down are lost, as those in its rings are, and nothing comes later."""
    for _ in range(20):
        wire.together(defer, stream(FLOW4, (SIZE, SIZE)))
        wire.link.rx.set(state="down")
        wire.drain()
        wire.link.rx.set(state="up")
        assert not wire.drain()
