# SPDX-License-Identifier: GPL-2.0-only
"""Do rings, channels and MTU change under traffic, are wrong values refused, and does every question get an answer?

netns «ppiov-tx»                       netns «ppiov-rx»
 tx0 ====== a stream or pings, ======= rx0
            while either end is set
"""

from __future__ import annotations

import errno
import re
import socket
from collections.abc import Iterator

import pytest
from lib.fixtures import Bind, Defer, MakeLink
from lib.frames import plain
from lib.link import Link
from lib.netlink import refusal
from lib.stream import Stream
from lib.traffic import IPV4_AND_IPV6
from lib.wire import MakeWire, Wire


@pytest.fixture
def stream(nic: Link, defer: Defer) -> Iterator[Stream]:
    """A stream over a link with the device's defaults."""
    made = Stream(nic, defer)
    made.progress("at all")
    yield made
    made.check()


def test_rings_under_traffic(nic: Link, stream: Stream) -> None:
    """Ring sizes change at either end while data flows; they are rounded up to a power of two."""
    assert nic.rx.ethtool.rings() | {"RX": 512, "TX": 512, "RX_MAX": 8192, "TX_MAX": 8192} == nic.rx.ethtool.rings()
    for port in (nic.rx, nic.tx):
        for asked, given in ((64, 64), (65, 128), (2000, 2048), (512, 512)):
            port.ethtool.set_rings(RX=asked, TX=asked)
            rings = port.ethtool.rings()
            assert (rings["RX"], rings["TX"]) == (given, given), f"asked for {asked}"
        stream.progress(f"after {port.name} was set")


def test_rings_refused(nic: Link) -> None:
    """More than 8192, fewer than 64 and kinds of rings that there are not are refused, and nothing changes."""
    before = nic.rx.ethtool.rings()
    for values in ({"RX": 8193}, {"TX": 8193}, {"RX": 63}, {"TX": 1}, {"RX_MINI": 1}, {"RX_JUMBO": 1}):
        with refusal(errno.EINVAL):
            nic.rx.ethtool.set_rings(**values)
    assert nic.rx.ethtool.rings() == before


def test_small_rings_lose_nothing(wire: Wire) -> None:
    """Ten rings full of frames, all of which arrive: pause holds the sender back."""
    wire.link.rx.ethtool.run("--set-tunable", "pfc-prevention-tout", 20000)
    for port in (wire.link.rx, wire.link.tx):
        port.ethtool.set_rings(RX=64, TX=64)
    frames = [plain(i.to_bytes(4, "big") * 20) for i in range(640)]
    assert [f.data for f in wire.exchange(frames)] == frames
    assert wire.link.rx.ethtool.stats()["rx_overruns"] == 0


def test_channels_under_traffic(nic: Link, stream: Stream) -> None:
    """Queues come and go at either end while data flows; the indirection table fits, statistics and names follow."""
    for port in (nic.rx, nic.tx):
        for count in (1, 3, 4):
            port.ethtool.run("-L", "combined", count)
            assert f"with {count} RX ring(s)" in port.ethtool.run("-x")
            assert len({q.id for q in nic.netdev.queues(nic.rx.ifindex)}) == (count if port is nic.rx else 4)
            stream.progress(f"with {count} queues at {port.name}")


def test_channels_of_one_direction(nic: Link, stream: Stream) -> None:
    """More RX queues than TX queues, and the other way round."""
    for words, rx, tx in (
        (("combined", 2, "rx", 2), 4, 2),
        (("combined", 1, "rx", 0, "tx", 3), 1, 4),
        (("combined", 4, "tx", 0), 4, 4),
    ):
        nic.rx.ethtool.run("-L", *words)
        queues = nic.netdev.queues(nic.rx.ifindex)
        assert (sum(q.kind == 0 for q in queues), sum(q.kind == 1 for q in queues)) == (rx, tx)
        stream.progress(f"after -L {words}")


def test_channels_refused(link: Link, bind: Bind) -> None:
    """A queue that is bound, steered to or in a table that the user made can't go; nor can there be 0 or 5 of them."""
    ethtool = link.rx.ethtool
    refused = {"none": ("combined", 0), "too many": ("combined", 5), "one of each": ("combined", 1, "rx", 1, "tx", 1)}
    for what, words in refused.items():
        with pytest.raises(AssertionError):
            ethtool.run("-L", *words)
        assert len(link.netdev.queues(link.rx.ifindex)) == 8, f"{what} was refused, and has an effect"
    with pytest.raises(AssertionError):
        ethtool.run("-L", "combined", 1)  # the table was set to queues 0 and 1
    binding = bind(link, [3])
    with pytest.raises(AssertionError):
        ethtool.run("-L", "combined", 3)
    binding.unbind()
    ethtool.run("-L", "combined", 3)
    ethtool.run("-L", "combined", 4)
    rule = ethtool.steer("tcp4", 80, 3)
    with pytest.raises(AssertionError):
        ethtool.run("-L", "combined", 3)
    ethtool.unsteer(rule)
    ethtool.run("-L", "combined", 2)
    ethtool.run("-L", "combined", 4)
    assert len(link.netdev.queues(link.rx.ifindex)) == 8


@IPV4_AND_IPV6
def test_mtu(nic: Link, defer: Defer, family: int) -> None:
    """The MTU changes under traffic; pings of just that size pass unfragmented."""
    stream = Stream(nic, defer, family)
    headers = 28 if family == socket.AF_INET else 48
    for mtu in (9600, 4000, 1500):
        for port in (nic.rx, nic.tx):
            port.set(mtu=mtu)
        until_pinged(nic, nic.rx.address(family), mtu - headers)
        stream.progress(f"with MTU {mtu}")
    stream.check()
    for wrong in (67, 9601):
        with pytest.raises(Exception, match=r"Invalid|mtu"):
            nic.rx.set(mtu=wrong)
    assert nic.rx.attribute("IFLA_MTU") == 1500


def until_pinged(link: Link, address: str, size: int) -> None:
    """One of some pings is answered: beside a stream that fills every ring, on a busy machine, one may be dropped."""
    pings = ["-c", "20", "-i", "0.2", "-w", "20", "-W", "10"]
    link.tx.ns.run(["ping", "-n", "-q", *pings, "-M", "do", "-s", str(size), address])


def test_down_and_up_under_traffic(nic: Link, stream: Stream) -> None:
    """A stream survives that its ports go down and up."""
    for port in (nic.rx, nic.tx):
        port.set(state="down")
        nic.set_up()
        stream.progress(f"after {port.name} was down")


QUESTIONS = ["-i", "-S", "-c", "-g", "-l", "-a", "-k", "-x", "-n", "-T", "-P"]


def test_questions(nic: Link) -> None:
    """Every question of ethtool has an answer, up and down; the driver says who it is."""
    for state in ("up", "down"):
        for question in QUESTIONS:
            said = nic.rx.ethtool.run(question)
            assert said.strip(), f"ethtool {question} says nothing while {state}"
        nic.rx.ns.run(["ethtool", nic.rx.name])
        for flow in ("tcp4", "udp4", "tcp6", "udp6"):
            assert "IP SA" in nic.rx.ethtool.run("-n", "rx-flow-hash", flow)
        nic.rx.set(state="down")
    said = nic.rx.ethtool.run("-i")
    assert "driver: ppnic" in said
    assert f"bus-info: {nic.rx.parent}" in said
    assert "Speed: Unknown!" in nic.rx.ns.run(["ethtool", nic.rx.name]), "without a link there is no speed"


def test_settings_survive_down(nic: Link) -> None:
    """What was set while down holds when up, and what was set while up holds when down."""
    nic.rx.set(state="down")
    nic.rx.ethtool.set_rings(RX=128, TX=256)
    nic.rx.ethtool.set_split("on")
    nic.rx.ethtool.run("-L", "combined", 2)
    nic.rx.ethtool.run("-A", "tx", "off")
    nic.set_up()
    rings = nic.rx.ethtool.rings()
    assert (rings["RX"], rings["TX"], nic.rx.ethtool.split()) == (128, 256, "on")
    assert len(nic.netdev.queues(nic.rx.ifindex)) == 4
    assert re.search(r"^TX:\s+off$", nic.rx.ethtool.run("-a"), re.MULTILINE)
    nic.tx.ns.run(["ping", "-n", "-q", "-c", "2", "-i", "0.05", nic.rx.v4])


def test_one_queue(make_link: MakeLink, defer: Defer) -> None:
    """The smallest link there is works."""
    link = make_link(queues=1, bare=True)
    stream = Stream(link, defer)
    stream.progress("with one queue")
    stream.check()


def test_many_queues(make_wire: MakeWire) -> None:
    """The largest, too: 128 queues, each with a NAPI and an interrupt of its own; the last one gets what it is sent."""
    wire = make_wire(queue=127, queues=128, bare=True)
    (got,) = wire.exchange([plain(b"x" * 60)])
    assert got.queue == 127
    queues = wire.link.netdev.queues(wire.link.rx.ifindex)
    assert len({q.napi_id for q in queues}) == 128
    irqs = wire.link.netdev.napi_irqs(wire.link.rx.ifindex)
    assert len(set(irqs.values())) == 128
