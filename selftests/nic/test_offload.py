# SPDX-License-Identifier: GPL-2.0-only
"""Does the NIC segment, compute and check checksums, and make super-packets, as it was told with ethtool -K?

netns «ppiov-tx»                            netns «ppiov-rx»
 tx0 ====== frames and super-packets ====== rx0  queue 3, seen by a packet socket with the NIC's verdicts
      needs_csum, gso_*                          csum_unnecessary, csum_none, hw_gro_*
"""

from __future__ import annotations

import socket
import threading

import pytest
from lib.fixtures import Defer
from lib.frames import ACK, CWR, FIN, FLOW4, FLOW6, PSH, Flow, Segment, checksum, tcp, udp
from lib.link import Link
from lib.traffic import IPV4_AND_IPV6, connect, counter, payload
from lib.wire import DATA_VALID, GSO_ECN, GSO_TCPV4, GSO_TCPV6, GSO_UDP_L4, NEEDS_CSUM, Vnet, Wire

MSS = 1400
FLOWS = pytest.mark.parametrize("flow", [FLOW4, FLOW6], ids=["ipv4", "ipv6"])


def l4_offset(flow: Flow) -> int:
    return 54 if flow.family == socket.AF_INET6 else 34


def gso(flow: Flow, ecn: bool = False) -> Vnet:
    """Segment this, and fill in the checksums."""
    kind = GSO_TCPV6 if flow.family == socket.AF_INET6 else GSO_TCPV4
    l4 = l4_offset(flow)
    return Vnet(NEEDS_CSUM, kind | (GSO_ECN if ecn else 0), l4 + 20, MSS, l4, 16)


def delta(link: Link, side: str, names: list[str], before: dict[str, int]) -> dict[str, int]:
    """What counters of all queues ("rx_..." or "tx_...") have gained."""
    after = getattr(link, side).ethtool.stats()
    return {name: after[f"{side}_{name}"] - before[f"{side}_{name}"] for name in names}


@FLOWS
def test_tx_checksum(wire: Wire, flow: Flow) -> None:
    """A checksum that the stack leaves open is completed by the NIC, and right, for odd lengths too."""
    l4 = l4_offset(flow)
    before = wire.link.tx.ethtool.stats()
    lengths = (0, 1, 2, 999, 1000, 1400)
    for length in lengths:
        data = payload(length)
        (got,) = wire.exchange([tcp(flow, data, partial=True)], Vnet(NEEDS_CSUM, csum_start=l4, csum_offset=16))
        assert got.data == tcp(flow, data), f"TCP, {length} bytes: the checksum differs from the computed one"
        (got,) = wire.exchange([udp(flow, data, partial=True)], Vnet(NEEDS_CSUM, csum_start=l4, csum_offset=6))
        assert got.data == udp(flow, data), f"UDP, {length} bytes: the checksum differs from the computed one"
    gained = delta(wire.link, "tx", ["needs_csum", "csum_none", "packets"], before)
    assert gained == {"needs_csum": 2 * len(lengths), "csum_none": 0, "packets": 2 * len(lengths)}


@FLOWS
def test_tx_checksum_zero_of_udp(wire: Wire, flow: Flow) -> None:
    """A UDP checksum that comes out as 0 is sent as 0xffff, since 0 would say that there is none."""
    data = bytearray(b"\0\0" + payload(100))
    open_ = udp(flow, bytes(data))
    check = int.from_bytes(open_[l4_offset(flow) + 6 : l4_offset(flow) + 8], "big")
    data[:2] = check.to_bytes(2, "big")  # now the sum of all is 0xffff
    wanted = udp(flow, bytes(data))
    assert wanted[l4_offset(flow) + 6 :][:2] == b"\xff\xff"
    csum = Vnet(NEEDS_CSUM, csum_start=l4_offset(flow), csum_offset=6)
    (got,) = wire.exchange([udp(flow, bytes(data), partial=True)], csum)
    assert got.data == wanted


@FLOWS
def test_rx_checksum(wire: Wire, flow: Flow) -> None:
    """A right checksum is reported as checked, a wrong one or none is left to the stack; and nothing with rx off."""
    good = [tcp(flow, payload(500)), udp(flow, payload(501))]
    wrong = [frame[:-1] + bytes([frame[-1] ^ 1]) for frame in good]
    none = [udp(flow, payload(100), check=False)]
    before = wire.link.rx.ethtool.stats()
    for frames, verdict in ((good, DATA_VALID), (wrong, 0), (none, 0)):
        for frame in frames:
            (got,) = wire.exchange([frame])
            assert got.data == frame
            assert got.vnet.flags == verdict, f"flags {got.vnet.flags}, not {verdict}, for {frame[:60].hex()}"
    gained = delta(wire.link, "rx", ["csum_unnecessary", "csum_none"], before)
    assert gained == {"csum_unnecessary": len(good), "csum_none": len(wrong) + len(none)}

    wire.link.rx.ethtool.run("-K", "rx", "off")
    before = wire.link.rx.ethtool.stats()
    for frame in good:
        (got,) = wire.exchange([frame])
        assert got.vnet.flags == 0, f"reported as checked with rx checksumming off: flags {got.vnet.flags}"
    assert delta(wire.link, "rx", ["csum_unnecessary", "csum_none"], before) == {"csum_unnecessary": 0, "csum_none": 2}


@FLOWS
def test_segmentation(wire: Wire, flow: Flow) -> None:
    """A super-packet becomes segments with right lengths, sums, sequence numbers, IP ids and flags."""
    data = payload(7 * MSS + 123)
    before_tx, before_rx = wire.link.tx.ethtool.stats(), wire.link.rx.ethtool.stats()
    whole = tcp(flow, data, flags=ACK | PSH | FIN | CWR, partial=True)
    frames = wire.exchange([whole], gso(flow, ecn=True), count=8)
    segments = [Segment.parse(f.data) for f in frames]

    assert all(s.good for s in segments), f"wrong lengths or checksums: {[s.good for s in segments]}"
    assert {f.vnet.flags for f in frames} == {DATA_VALID}
    assert [len(s.payload) for s in segments] == [MSS] * 7 + [123]
    assert b"".join(s.payload for s in segments) == data
    assert [s.seq - segments[0].seq for s in segments] == [i * MSS for i in range(8)]
    if flow.family == socket.AF_INET:
        assert [s.ident - segments[0].ident for s in segments] == list(range(8)), "IP ids must count up"
    assert [s.flags for s in segments] == [ACK | CWR] + [ACK] * 6 + [ACK | PSH | FIN]

    headers = l4_offset(flow) + 20
    assert delta(wire.link, "tx", ["gso_packets", "gso_bytes", "gso_wire_packets", "gso_wire_bytes"], before_tx) == {
        "gso_packets": 1,
        "gso_bytes": headers + len(data),
        "gso_wire_packets": 8,
        "gso_wire_bytes": 8 * headers + len(data),
    }
    assert delta(wire.link, "rx", ["packets", "hw_gro_packets"], before_rx) == {"packets": 8, "hw_gro_packets": 0}


def numbered(frame: bytes, flow: Flow, index: int) -> bytes:
    """The same with another IP id, where there is one."""
    if flow.family == socket.AF_INET6:
        return frame
    header = frame[14:18] + (7 + index).to_bytes(2, "big") + frame[20:24] + b"\0\0" + frame[26:34]
    return frame[:14] + header[:10] + checksum(header).to_bytes(2, "big") + header[12:] + frame[34:]


@FLOWS
@pytest.mark.parametrize("more", [0, 1, 123], ids=["exact", "odd", "partial"])
def test_udp_segmentation(wire: Wire, flow: Flow, more: int) -> None:
    """A datagram of many segments becomes one datagram each, with a length, a checksum and an IP id of its own."""
    data = payload(7 * MSS + more)
    l4 = l4_offset(flow)
    before = wire.link.tx.ethtool.stats()
    chunks = [data[at : at + MSS] for at in range(0, len(data), MSS)]
    whole = udp(flow, data, partial=True)
    frames = wire.exchange([whole], Vnet(NEEDS_CSUM, GSO_UDP_L4, l4 + 8, MSS, l4, 6), count=len(chunks))
    assert [f.data for f in frames] == [numbered(udp(flow, chunk), flow, i) for i, chunk in enumerate(chunks)]
    assert {(f.vnet.flags, f.vnet.gso_type) for f in frames} == {(DATA_VALID, 0)}
    assert delta(wire.link, "tx", ["gso_packets", "gso_bytes", "gso_wire_packets", "gso_wire_bytes"], before) == {
        "gso_packets": 1,
        "gso_bytes": len(whole),
        "gso_wire_packets": len(chunks),
        "gso_wire_bytes": len(data) + len(chunks) * (l4 + 8),
    }


@FLOWS
def test_udp_segmentation_off(wire: Wire, flow: Flow) -> None:
    """With tx-udp-segmentation off the stack cuts, and the frames are the same."""
    wire.link.tx.ethtool.run("-K", "tx-udp-segmentation", "off")
    data = payload(2 * MSS)
    l4 = l4_offset(flow)
    vnet = Vnet(NEEDS_CSUM, GSO_UDP_L4, l4 + 8, MSS, l4, 6)
    frames = wire.exchange([udp(flow, data, partial=True)], vnet, count=2)
    assert [f.data for f in frames] == [
        numbered(udp(flow, chunk), flow, i) for i, chunk in enumerate((data[:MSS], data[MSS:]))
    ]
    assert wire.link.tx.ethtool.stats()["tx_gso_packets"] == 0


@FLOWS
@pytest.mark.parametrize("split", ["on", "off"])
def test_super_packets(wire: Wire, flow: Flow, split: str) -> None:
    """With rx-gro-hw the receiver gets few super-packets that can be segmented again, counted as what the wire saw."""
    wire.link.rx.ethtool.set_split(split)
    wire.link.rx.ethtool.run("-K", "rx-gro-hw", "on")
    size = 60000
    data = payload(size)
    before = wire.link.rx.ethtool.stats()
    wire.send([tcp(flow, data, flags=ACK | PSH, partial=True)], gso(flow))
    frames = wire.receive(1)
    while sum(len(Segment.parse(f.data).payload) for f in frames) < size:
        frames += wire.receive(1)
    assert len(frames) <= 3, f"{len(frames)} super-packets for 60000 bytes"
    headers = l4_offset(flow) + 20
    for frame in frames:
        assert frame.vnet.gso_size == MSS and frame.vnet.gso_type == gso(flow).gso_type, f"not one: {frame.vnet}"
        assert frame.vnet.flags == NEEDS_CSUM and frame.vnet.csum_start == l4_offset(flow), f"checksum: {frame.vnet}"
    assert b"".join(Segment.parse(f.data).payload for f in frames) == data
    wire_packets = sum(-(-(len(f.data) - headers) // MSS) for f in frames)
    wanted = {
        "packets": wire_packets,
        "bytes": size + wire_packets * headers,
        "hw_gro_packets": len(frames),
        "hw_gro_bytes": size + len(frames) * headers,
        "hw_gro_wire_packets": wire_packets,
        "hw_gro_wire_bytes": size + wire_packets * headers,
        "split": len(frames) if split == "on" else 0,
    }
    assert delta(wire.link, "rx", list(wanted), before) == wanted
    qstats = wire.link.rx_stats(3)
    for name in ("hw-gro-packets", "hw-gro-bytes", "hw-gro-wire-packets", "hw-gro-wire-bytes"):
        assert qstats[f"rx-{name}"] == wanted[name.replace("-", "_")], f"qstats {name} differs from ethtool -S"


def transfer(link: Link, family: int, defer: Defer, data: bytes, address: str | None = None) -> None:
    """One connection, `data` through it, compared."""
    sender, receiver = connect(link, family, defer)
    thread = threading.Thread(target=sender.sendall, args=(data,), daemon=True)
    thread.start()
    got = bytearray()
    while len(got) < len(data):
        got += receiver.recv(1 << 18) or pytest.fail(f"the stream ended after {len(got)} of {len(data)} bytes")
    thread.join(30)
    assert got == data, "data differs"


@IPV4_AND_IPV6
def test_tcp_with_every_combination(nic: Link, defer: Defer, family: int) -> None:
    """TCP data is right whatever the ends offload, no checksum is ever wrong, and the counters follow the toggles."""
    data = payload(150000)
    wrong = counter(nic.rx.ns, "Tcp", "InCsumErrors") + counter(nic.tx.ns, "Tcp", "InCsumErrors")
    # tx0 sends                      rx0 receives
    steps = [
        ({}, {}, {"tx_gso_packets": True, "tx_needs_csum": True, "rx_hw_gro_packets": True}),
        ({}, {"rx-gro-hw": "off"}, {"tx_gso_packets": True, "rx_hw_gro_packets": False, "rx_csum_unnecessary": True}),
        ({}, {"rx": "off"}, {"rx_hw_gro_packets": False, "rx_csum_unnecessary": False}),
        ({"tso": "off", "tx-tcp6-segmentation": "off"}, {"rx": "on"}, {"tx_gso_packets": False, "tx_needs_csum": True}),
        ({"tx": "off"}, {}, {"tx_gso_packets": False, "tx_needs_csum": False, "rx_csum_unnecessary": True}),
        ({"sg": "off"}, {}, {"tx_gso_packets": False}),
    ]
    for tx, rx, wanted in steps:
        for port, features in ((nic.tx, tx), (nic.rx, rx)):
            if features:
                port.ethtool.run("-K", *[word for pair in features.items() for word in pair])
        before = {**_of(nic, "tx"), **_of(nic, "rx")}
        transfer(nic, family, defer, data)
        after = {**_of(nic, "tx"), **_of(nic, "rx")}
        moved = {name: after[name] > before[name] for name in wanted}
        assert moved == wanted, f"with tx0 {tx} and rx0 {rx}"
    now = counter(nic.rx.ns, "Tcp", "InCsumErrors") + counter(nic.tx.ns, "Tcp", "InCsumErrors")
    assert now == wrong, f"{now - wrong} segments had wrong checksums"


def _of(link: Link, side: str) -> dict[str, int]:
    """The device's totals of the direction that carries the data."""
    stats = getattr(link, side).ethtool.stats()
    return {name: value for name, value in stats.items() if name.startswith(f"{side}_")}
