# SPDX-License-Identifier: GPL-2.0-only
"""Does the device keep to the rates that its TX queues were given, and share them by weight?

netns «ppiov-tx»                     netns «ppiov-rx»
 tx0  queue 0, 1, ... --- rate ---- rx0  queue 3: a packet socket

A busy machine is slow, never too fast: only what comes too early is wrong.
"""

from __future__ import annotations

import os
import socket
import time

import pytest
from lib.fixtures import Defer
from lib.frames import plain
from lib.poll import until
from lib.shaper import BPS, NETDEV, NODE, PPS, QUEUE, Shaper
from lib.wire import SOL_PACKET, MakeWire, Wire

pytestmark = pytest.mark.needs_config("NET_SHAPER")

PACKET_QDISC_BYPASS = 20
SIZE = 1514


@pytest.fixture
def shaper(wire: Wire, defer: Defer) -> Shaper:
    """Of tx0."""
    made = Shaper(wire.link.tx)
    defer(made.close)
    return made


def frames(count: int, mark: bytes = b"x") -> list[bytes]:
    return [plain(mark + i.to_bytes(4, "big") + b"." * (SIZE - 19)) for i in range(count)]


def seconds(wire: Wire, sent: list[bytes]) -> float:
    """How long it takes until all have come, in order."""
    began = time.monotonic()
    assert [f.data for f in wire.exchange(sent)] == sent
    return time.monotonic() - began


@pytest.mark.parametrize("metric", [BPS, PPS], ids=["bits", "packets"])
@pytest.mark.parametrize("scope", ["port", "queues"])
def test_rate(wire: Wire, shaper: Shaper, metric: int, scope: str) -> None:
    """Frames come no faster than the rate, all of them, and as fast as ever once it is gone."""
    count, rate = (40, 1_000_000) if metric == BPS else (40, 80)
    wanted = (count - 1) * (SIZE * 8 if metric == BPS else 1) / rate  # the first goes at once
    shapers = [(NETDEV, 0)] if scope == "port" else [(QUEUE, queue) for queue in range(4)]
    with_queue_zero_busy = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(with_queue_zero_busy)})  # the CPU chooses the queue: one for all of them
    try:
        for kind, number in shapers:
            shaper.set(kind, number, rate, metric)
        assert seconds(wire, frames(count)) >= wanted * 0.999
        for kind, number in shapers:
            shaper.delete(kind, number)
        assert [f.data for f in wire.exchange(frames(500))] == frames(500)
    finally:
        os.sched_setaffinity(0, with_queue_zero_busy)


@pytest.mark.parametrize("metric", [BPS, PPS], ids=["bits", "packets"])
def test_burst(wire: Wire, shaper: Shaper, metric: int) -> None:
    """What goes beyond the burst comes no faster than the rate; a burst may be anything, and no frame is too much."""
    count, half, rate = 40, 20, 1_000_000 if metric == BPS else 80
    one = SIZE * 8 if metric == BPS else 1
    shaper.set(NETDEV, 0, rate, metric, burst=half * one)
    assert seconds(wire, frames(count)) >= (count - half - 1) * one / rate * 0.999
    for fast in (rate, 1_000_000_000):
        for burst in (2**64 - 1, 2**63, fast * 3600, fast * 3600 + 1):
            shaper.set(NETDEV, 0, fast, metric, burst)
            assert [f.data for f in wire.exchange(frames(5))] == frames(5)


def test_weights(make_wire: MakeWire, defer: Defer) -> None:
    """Two queues that both have enough to send share what their group has, three to one."""
    cpus = sorted(os.sched_getaffinity(0))[:2]
    if len(cpus) < 2:
        pytest.skip("needs two CPUs")
    wire = make_wire()
    shaper = Shaper(wire.link.tx)
    defer(shaper.close)
    sock = wire.link.tx.ns.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
    defer(sock.close)
    sock.setsockopt(SOL_PACKET, PACKET_QDISC_BYPASS, 1)  # straight into the rings
    sock.setsockopt(socket.SOL_SOCKET, 32, 16 << 20)  # SO_SNDBUFFORCE
    sock.bind((wire.link.tx.name, 0))

    node = shaper.group(1000, {cpus[0] % 4: 3, cpus[1] % 4: 1})  # a frame in 12 s
    defer(os.sched_setaffinity, 0, os.sched_getaffinity(0))
    for cpu, mark in zip(cpus, (b"a", b"b"), strict=True):
        os.sched_setaffinity(0, {cpu})
        for frame in frames(200, mark):
            sock.send(frame)
    shaper.set(NODE, node, 100_000_000)
    marks = [f.data[14:15] for f in wire.receive(200)]
    assert 0.7 <= marks[:200].count(b"a") / 200 <= 0.8, f"not three to one: {marks.count(b'a')} of {len(marks)}"
    until("the rest has come", lambda: wire.link.rx_stats(3)["rx-packets"] == 400)
