# SPDX-License-Identifier: GPL-2.0-only
"""Do ntuple rules (ethtool -N) steer what they name, in order of their location, and nothing else?

netns «ppiov-tx»                    netns «ppiov-rx»
 tx0 ====== one frame at a time ====== rx0  queue 0: RSS sends all here
                                            queue 1..3: by rule
"""

from __future__ import annotations

import re
import subprocess

import pytest
from lib.frames import ETH_P_8021Q, ETH_P_IP, FLOW4, FLOW6, MORE_FRAGMENTS, Flow, ethernet, ip, plain, tcp, udp
from lib.link import Link
from lib.poll import until
from lib.wire import MakeWire, Wire


@pytest.fixture
def wire(make_wire: MakeWire) -> Wire:
    """All that no rule names comes through queue 0."""
    made = make_wire(queue=None, bare=True)
    made.link.rx.ethtool.run("-X", "equal", 1)
    return made


def rule(link: Link, *words: str | int) -> int:
    """Insert a rule; returns its location.

    :raises AssertionError: with ethtool's words, if it was refused: ethtool 6.1 ends with 0 all the same
    """
    with link.rx.ns.inside():
        done = subprocess.run(
            ["ethtool", "-N", link.rx.name, "flow-type", *map(str, words)], capture_output=True, text=True, check=False
        )
    assert done.returncode == 0 and not done.stderr, done.stderr
    given = re.search(r"ID (\d+)", done.stdout)
    return int(given[1]) if given else int(words[-1])


def queue_of(wire: Wire, frame: bytes) -> int:
    (got,) = wire.exchange([frame])
    assert got.data == frame
    return got.queue


def check(wire: Wire, hits: dict[str, bytes], misses: dict[str, bytes], queue: int) -> None:
    for name, frame in hits.items():
        got = queue_of(wire, frame)
        assert got == queue, f"{name}: queue {got}, and the rule says {queue}"
    for name, frame in misses.items():
        got = queue_of(wire, frame)
        assert got == 0, f"{name}: queue {got}, though no rule names it"


def test_four_tuple(wire: Wire) -> None:
    """A rule of addresses and ports takes exactly that flow."""
    f = FLOW4
    rule(wire.link, "tcp4", "src-ip", f.src, "dst-ip", f.dst, "src-port", f.sport, "dst-port", f.dport, "action", 2)
    misses = {
        "another source": tcp(Flow(src="198.51.100.9"), b"x"),
        "another destination": tcp(Flow(dst="198.51.100.9"), b"x"),
        "another source port": tcp(Flow(sport=1001), b"x"),
        "another destination port": tcp(Flow(dport=2001), b"x"),
        "udp": udp(f, b"x"),
        "a fragment": ethernet(ip(f, 6, tcp(f, b"x" * 100)[34:], fragment=MORE_FRAGMENTS), ETH_P_IP),
    }
    check(wire, {"the flow": tcp(f, b"x"), "in a VLAN": tcp(f, b"x", ((ETH_P_8021Q, 5),))}, misses, 2)


def test_ipv6(wire: Wire) -> None:
    """The same for IPv6, UDP."""
    f = FLOW6
    rule(wire.link, "udp6", "src-ip", f.src, "dst-ip", f.dst, "src-port", f.sport, "dst-port", f.dport, "action", 3)
    misses = {"another source": udp(Flow("2001:db8:f::9", f.dst), b"x"), "tcp": tcp(f, b"x")}
    check(wire, {"the flow": udp(f, b"x")}, misses, 3)


def test_masks(wire: Wire) -> None:
    """Bits under the mask (ethtool: 1 is "don't care") are ignored, all others count."""
    rule(wire.link, "udp4", "src-ip", "198.51.100.0", "m", "0.0.0.255", "dst-port", 0x1200, "m", "0xff", "action", 1)
    hits = {f".{last}:{port:#x}": udp(Flow(f"198.51.100.{last}", dport=port), b"x") for last, port in
            ((0, 0x1200), (255, 0x12FF), (7, 0x1234))}  # fmt: skip
    misses = {
        "beside the net": udp(Flow("198.51.101.1", dport=0x1200), b"x"),
        "beside the ports": udp(Flow("198.51.100.1", dport=0x1300), b"x"),
    }
    check(wire, hits, misses, 1)


def test_vlan_and_ether(wire: Wire) -> None:
    """VLAN ids, with their priority masked, and Ethertypes; nothing matches by what it lacks."""
    rule(wire.link, "tcp4", "vlan", 5, "m", "0xf000", "action", 2)
    tagged = {f"TCI {tci:#x}": tcp(FLOW4, b"x", ((ETH_P_8021Q, tci),)) for tci in (0x0005, 0xA005)}
    check(wire, tagged, {"VLAN 6": tcp(FLOW4, b"x", ((ETH_P_8021Q, 6),)), "untagged": tcp(FLOW4, b"x")}, 2)
    rule(wire.link, "ether", "proto", "0x88b5", "m", "0x0", "action", 3)
    check(wire, {"0x88b5": plain(b"x" * 50)}, {"ip": udp(FLOW4, b"x")}, 3)


def test_first_match_wins(wire: Wire) -> None:
    """Rules are asked in order of their location; deleting the first uncovers the second."""
    rule(wire.link, "tcp4", "action", 1, "loc", 20)
    rule(wire.link, "tcp4", "dst-port", FLOW4.dport, "action", 2, "loc", 10)
    assert queue_of(wire, tcp(FLOW4, b"x")) == 2
    assert queue_of(wire, tcp(Flow(dport=5), b"x")) == 1
    rule(wire.link, "tcp4", "dst-port", FLOW4.dport, "action", 3, "loc", 10)  # replaces
    assert queue_of(wire, tcp(FLOW4, b"x")) == 3, "after the rule at location 10 was replaced"
    said = wire.link.rx.ethtool.run("-n")
    assert "Total 2 rules" in said, f"ethtool -n after a rule was replaced: {said}"
    wire.link.rx.ethtool.unsteer(10)
    assert queue_of(wire, tcp(FLOW4, b"x")) == 1, "after the rule at location 10 was deleted"
    wire.link.rx.ethtool.unsteer(20)
    assert queue_of(wire, tcp(FLOW4, b"x")) == 0


def test_context_and_queue(wire: Wire) -> None:
    """A rule adds its queue to what a context's table says, and nothing may come to lie beyond the queues in use."""
    ethtool = wire.link.rx.ethtool
    (number,) = re.findall(r"context is (\d+)", ethtool.run("-X", "context", "new", "weight", 1, 0, 1, 0))
    context = ("context", number)
    to = ("tcp4", "dst-port", FLOW4.dport, *context)
    # Ports of which each differs from the others in bits of its own: of neighbours, a random key may make one queue.
    frames = [tcp(Flow(sport=1 << bit), b"x") for bit in range(16)]
    first = rule(wire.link, *to)
    assert {got.queue for got in wire.exchange(frames)} == {0, 2}
    assert rule(wire.link, *to, "action", 1) == first, "a rule for the same frames takes the place of the first"
    assert {got.queue for got in wire.exchange(frames)} == {1, 3}
    with pytest.raises(AssertionError):
        rule(wire.link, *to, "action", 2)  # 2 + 2 is none of four
    with pytest.raises(AssertionError):
        ethtool.run("-X", *context, "weight", 1, 1, 1, 1)
    with pytest.raises(AssertionError):
        ethtool.run("-L", "combined", 3)
    assert {got.queue for got in wire.exchange(frames)} == {1, 3}, "what was refused changed something"
    ethtool.run("-X", *context, "weight", 1, 0, 0, 0)
    ethtool.run("-L", "combined", 2)
    assert {got.queue for got in wire.exchange(frames)} == {1}


def test_drop(wire: Wire) -> None:
    """Action -1 drops, and each frame is counted: here, in qstats and in ip -s link."""
    rule(wire.link, "udp4", "dst-port", FLOW4.dport, "action", -1)
    wire.send([udp(FLOW4, b"x")] * 5)
    assert queue_of(wire, udp(Flow(dport=9), b"x")) == 0  # and what comes after them passes
    stats = wire.link.rx.ethtool.stats()
    assert stats["rx_steer_drops"] == 5
    assert wire.link.netdev.device_stats(wire.link.rx.ifindex)["rx-hw-drops"] == 5
    link64 = wire.link.rx.attribute("IFLA_STATS64")
    assert link64["rx_dropped"] == 5, f"ip -s link says {link64}"
    until("the sender's count", lambda: wire.link.tx.ethtool.stats()["tx_dropped"] == 5)


def test_ntuple_off(wire: Wire) -> None:
    """With ntuple off rules stay and don't act, and none can be added; on, they act again."""
    ethtool = wire.link.rx.ethtool
    rule(wire.link, "tcp4", "action", 2)
    ethtool.run("-K", "ntuple", "off")
    assert queue_of(wire, tcp(FLOW4, b"x")) == 0
    with pytest.raises(AssertionError, match="not supported"):
        rule(wire.link, "udp4", "action", 2)
    ethtool.run("-K", "ntuple", "on")
    assert queue_of(wire, tcp(FLOW4, b"x")) == 2


def test_locations_and_refusals(nic: Link) -> None:
    """A location is found where none is given; queues, locations and fields out of range are refused."""
    found = [rule(nic, "tcp4", "dst-port", port, "action", 1) for port in range(3)]
    assert len(set(found)) == 3, f"locations given: {found}"
    assert rule(nic, "udp4", "action", 1, "loc", 1023) == 1023
    before = nic.rx.ethtool.run("-n")
    for words in (
        ("tcp4", "action", 4),
        ("tcp4", "action", 1, "loc", 1024),
        ("tcp4", "action", 0, "vf", 1),
        ("tcp4", "context", 5),
        ("sctp4", "action", 1),
        ("tcp4", "user-def", 7, "action", 1),
    ):
        with pytest.raises(AssertionError):
            rule(nic, *words)
    with pytest.raises(AssertionError):
        nic.rx.ethtool.unsteer(500)
    assert nic.rx.ethtool.run("-n") == before, "a refused rule left something behind"
    for location in (*found, 1023):
        nic.rx.ethtool.unsteer(location)
    assert "Total 0 rules" in nic.rx.ethtool.run("-n")
