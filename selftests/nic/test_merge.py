# SPDX-License-Identifier: GPL-2.0-only
"""Are frames joined before their payload gets into a carrier, as GRO would join them, and no others?

netns «ppiov-tx»               netns «ppiov-rx»
 tx0 ===== frames, cut ====== rx0  queue 3, bound to a provider of ppiov: rx3_merged counts who joined another
      by hand or by the NIC        GRO on, rx-gro-hw off: each frame is one for the device
"""

from __future__ import annotations

import socket

import pytest
from lib import backend, devmem
from lib.dmabuf import Dmabuf
from lib.fixtures import Defer
from lib.following import NEXT, STAMPS, Next, two, who_follows
from lib.frames import ACK, FLOW4, FLOW6, PSH, Flow, tcp
from lib.link import Link
from lib.ppiov import Ppiov
from lib.traffic import IPV4_AND_IPV6, connect, payload, receive, steer
from lib.wire import GSO_TCPV4, GSO_TCPV6, NEEDS_CSUM, Received, Vnet, Wire

MSS = 1400
PAGES = 17  # a carrier has no more
QUEUE = 3
FLOWS = pytest.mark.parametrize("flow", [FLOW4, FLOW6], ids=["ipv4", "ipv6"])


def _bind(link: Link, defer: Defer, queue: int, provider: str, dmabuf: Dmabuf | None = None) -> None:
    link.rx.ethtool.run("-K", "gro", "on", "rx-gro-hw", "off")
    with Ppiov(link.rx.ns) as family:
        binding = family.bind(link.rx.ifindex, [queue], provider, dmabuf.fd if dmabuf else None)
    defer(binding.close)


@pytest.fixture
def carried(wire: Wire, defer: Defer) -> Wire:
    """A wire whose frames' payload gets into carriers of pages."""
    _bind(wire.link, defer, QUEUE, "page")
    wire.link.rx.ethtool.run("-C", "rx-usecs", 10_000, "rx-frames", 4096)
    return wire


def merged(link: Link, queue: int = QUEUE) -> int:
    """Frames that have joined another's skb."""
    return link.rx.ethtool.stats()[f"rx{queue}_merged"]


def gso(flow: Flow) -> Vnet:
    """Cut this in segments of MSS, and fill in the checksums."""
    v6 = flow.family == socket.AF_INET6
    l4 = 54 if v6 else 34
    return Vnet(NEEDS_CSUM, GSO_TCPV6 if v6 else GSO_TCPV4, l4 + 20, MSS, l4, 16)


@FLOWS
@pytest.mark.parametrize("size", [2 * MSS, 2 * MSS + 1, PAGES * MSS, PAGES * MSS - 1])
def test_what_was_cut_is_whole_again(carried: Wire, flow: Flow, size: int) -> None:
    """A super-packet that the sender's NIC has cut arrives as it was: each byte of it, and what says that it is one."""
    whole = tcp(flow, payload(size), flags=ACK | PSH, partial=True, options=STAMPS)
    sent = gso(flow)
    sent = Vnet(sent.flags, sent.gso_type, sent.hdr_len + len(STAMPS), MSS, sent.csum_start, sent.csum_offset)
    before = carried.link.rx.ethtool.stats()
    carried.send([whole], sent)
    (got,) = carried.receive(1)
    assert got.data == whole
    assert got.vnet == sent
    after = carried.link.rx.ethtool.stats()
    segments = -(-size // MSS)
    gained = {name: after[f"rx{QUEUE}_{name}"] - before[f"rx{QUEUE}_{name}"] for name in ("merged", "packets", "split")}
    assert gained == {"merged": segments - 1, "packets": segments, "split": segments}
    assert after["rx_hw_gro_packets"] == before["rx_hw_gro_packets"]


@FLOWS
def test_more_than_a_carrier_takes(carried: Wire, flow: Flow) -> None:
    """What does not fit goes on in the next one, with nothing lost between them."""
    data = payload(40 * MSS + 5)
    carried.send([tcp(flow, data, flags=ACK | PSH, partial=True)], gso(flow))
    got = carried.receive(3)
    headers = gso(flow).hdr_len
    assert [len(one.data) - headers for one in got] == [PAGES * MSS, PAGES * MSS, 6 * MSS + 5]
    assert b"".join(one.data[headers:] for one in got) == data


@who_follows()
def test_who_follows(carried: Wire, defer: Defer, flow: Flow, how: str) -> None:
    """A frame joins the one before it only where it goes on there, and differs in nothing that would be lost."""
    second = NEXT[how]
    before, sent = merged(carried.link), two(flow, second)
    carried.together(defer, sent)
    got: list[Received] = carried.receive(1 if second.joins else 2)
    assert merged(carried.link) - before == second.joins
    if not second.joins:  # another flow may have another queue, so another place in the order
        assert sorted(one.data for one in got) == sorted(sent)
    else:
        assert got[0].vnet.gso_size == 1000
        assert got[0].data.endswith(payload(1000) + payload(second.size))


@FLOWS
@pytest.mark.parametrize(
    ("flags", "sizes", "frames"),
    [
        ((ACK, ACK | PSH, ACK), (1000, 1000, 1000), 2),  # PSH ends a packet
        ((ACK, ACK, ACK), (1000, 999, 1000), 2),  # and so does a shorter one
        ((ACK | PSH, ACK, ACK), (1000, 1000, 1000), 2),  # nothing follows one that is pushed
        ((ACK, ACK, ACK), (1000, 1000, 1000), 1),
    ],
    ids=["PSH", "shorter", "PSH at once", "three"],
)
def test_what_ends_a_packet(
    carried: Wire, defer: Defer, flow: Flow, flags: tuple[int, ...], sizes: tuple[int, ...], frames: int
) -> None:
    """After PSH, and after a frame that is shorter than the first, a new packet begins."""
    sent, seq = [], 1000
    for i, (flag, size) in enumerate(zip(flags, sizes, strict=True)):
        sent.append(tcp(flow, payload(size), flags=flag, seq=seq, ident=7 + i))
        seq += size
    carried.together(defer, sent)
    got = carried.receive(frames)
    assert len(got) == frames and not carried.drain()
    assert sum(len(one.data) - gso(flow).hdr_len for one in got) == sum(sizes)


def test_a_wrong_checksum_joins_nothing(carried: Wire, defer: Defer) -> None:
    """What the device could not verify goes up as it came, for the stack to judge."""
    first, second = two(FLOW4, Next())
    second = second[:-1] + bytes([second[-1] ^ 1])
    carried.together(defer, [first, second])
    assert [one.data for one in carried.receive(2)] == [first, second]


def test_not_without_gro(carried: Wire, defer: Defer) -> None:
    """ethtool -K gro off: each frame is one."""
    carried.link.rx.ethtool.run("-K", "gro", "off")
    sent = two(FLOW4, Next())
    carried.together(defer, sent)
    assert [one.data for one in carried.receive(2)] == sent


def test_not_what_the_stack_joins_itself(wire: Wire) -> None:
    """Payload in frags of the core's pool is GRO's: the driver holds nothing."""
    wire.link.rx.ethtool.run("-K", "gro", "on", "rx-gro-hw", "off")
    wire.link.rx.ethtool.run("-C", "rx-usecs", 10_000, "rx-frames", 4096)
    whole = tcp(FLOW4, payload(3 * MSS), flags=ACK | PSH, partial=True)
    wire.send([whole], gso(FLOW4))
    (got,) = wire.receive(1)
    assert got.data == whole, "the control: GRO makes the same of it"
    assert merged(wire.link) == 0


@IPV4_AND_IPV6
@pytest.mark.parametrize("provider", ["page", "dmabuf"])
def test_stream(link: Link, defer: Defer, family: int, provider: str) -> None:
    """A stream of joined frames: all bytes right, every token is taken back once, and most frames joined another."""
    backend.use(backend.PPIOV)
    defer(backend.use, backend.CORE)
    dmabuf = Dmabuf(4 << 20)
    defer(dmabuf.close)
    _bind(link, defer, 2, provider, dmabuf if provider == "dmabuf" else None)
    steer(link, family, [2])
    sender, receiver = connect(link, family, defer, prepared=provider == "dmabuf")
    joined = 0
    for size in (200_000, 65_536, 1, 100_001):
        before, data = merged(link, 2), payload(size, size)
        sender.sendall(data)
        if provider == "page":
            assert receive(receiver, size) == data
        else:
            got = devmem.receive_all(receiver, size)
            assert b"".join(one.content(dmabuf) for one in got) == data
            for frag in (f for one in got for f in one.frags):
                assert devmem.dontneed(receiver, [(frag.token, 1)]) == 1
        joined += merged(link, 2) - before
    assert joined > 100, f"of some 260 frames {joined} have joined another"
