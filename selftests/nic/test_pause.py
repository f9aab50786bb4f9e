# SPDX-License-Identifier: GPL-2.0-only
"""Does a receiver without buffers hold its sender back, when both ends agreed to, and not for ever?

netns «ppiov-tx»                    netns «ppiov-rx»
 tx0 ====== numbered frames ======= rx0  queue 3: starved by a fault (stall_rx, rx_alloc)
      ring of 64                         ring of 64
"""

from __future__ import annotations

import socket

import pytest
from lib import faults, sysfs
from lib.fixtures import Defer
from lib.frames import ACK, FLOW4, plain, tcp
from lib.poll import until
from lib.traffic import payload
from lib.wire import GSO_TCPV4, NEEDS_CSUM, Vnet, Wire

QUEUE = 3
RING = 64
LONG = 20000  # ms, the pause that does not end in a test


def numbered(count: int, first: int = 0) -> list[bytes]:
    return [plain(i.to_bytes(4, "big") * 20) for i in range(first, first + count)]


@pytest.fixture
def wire(wire: Wire) -> Wire:
    for port in (wire.link.tx, wire.link.rx):
        port.ethtool.set_rings(RX=RING, TX=RING)
    return wire


def tolerate(wire: Wire, milliseconds: int) -> None:
    """For how long the receiver may hold the sender back."""
    wire.link.rx.ethtool.run("--set-tunable", "pfc-prevention-tout", milliseconds)


def test_nothing_is_lost(wire: Wire, defer: Defer) -> None:
    """A stalled receiver pauses the sender, whose queue stops; then all frames arrive, in order, none is dropped."""
    tolerate(wire, LONG)
    for limit in sysfs.folder(wire.link.tx, defer).glob("queues/tx-*/byte_queue_limits/limit_min"):
        limit.write_text("1000000")  # or BQL keeps frames in the qdisc before the ring is full
    wire.exchange(numbered(1))  # BQL looks at its limits when a frame is done
    frames = numbered(4 * RING)
    stall(wire, defer, 1 << QUEUE)
    wire.send(frames)
    until("the queue stops", lambda: wire.link.tx.ethtool.stats()["tx_stop"])
    assert wire.drain() == [], "frames came through a stalled queue"
    stall(wire, defer, 0)
    assert [f.data for f in wire.receive(len(frames))] == frames, "frames are missing, doubled or out of order"
    rx = wire.link.rx.ethtool.stats()
    assert rx["rx3_pauses"] >= 1
    assert {k: rx[f"rx_{k}"] for k in ("overruns", "pause_expired")} == {"overruns": 0, "pause_expired": 0}
    until("the queue was woken", lambda: wire.link.tx.ethtool.stats()["tx_wake"])
    assert wire.link.tx.ethtool.stats()["tx_dropped"] == 0
    said = wire.link.rx.ns.run(["ethtool", "-I", "-a", wire.link.rx.name])
    assert f"tx_pause_frames: {rx['rx_pauses']}" in said, f"ethtool -I -a says: {said}"


def stall(wire: Wire, defer: Defer, queues: int) -> None:
    faults.inject(wire.link.rx, "stall_rx", queues, defer)


@pytest.mark.parametrize("side", ["rx0 tx", "tx0 rx"])
def test_off_at_either_end(wire: Wire, defer: Defer, side: str) -> None:
    """If one end does not pause, what finds no buffer is dropped at once, and counted as an overrun."""
    port, direction = side.split()
    {"rx0": wire.link.rx, "tx0": wire.link.tx}[port].ethtool.run("-A", direction, "off")
    stall(wire, defer, 1 << QUEUE)
    wire.send(numbered(100))
    until("all are counted", lambda: wire.link.rx_stats(QUEUE)["rx-hw-drop-overruns"] == 100)
    stats = wire.link.rx.ethtool.stats()
    wanted = {"rx3_overruns": 100, "rx3_pauses": 0, "rx3_packets": 0}
    assert {name: stats[name] for name in wanted} == wanted
    assert wire.link.rx.attribute("IFLA_STATS64")["rx_missed_errors"] == 100
    until("the sender knows", lambda: wire.link.tx.ethtool.stats()["tx_dropped"] == 100)
    stall(wire, defer, 0)
    assert len(wire.exchange(numbered(10, first=200))) == 10, "no traffic after the overruns"


def test_a_pause_ends(wire: Wire, defer: Defer) -> None:
    """After pfc-prevention-tout the sender goes on and frames are dropped, until the receiver has buffers again."""
    tolerate(wire, 50)
    assert wire.link.rx.ethtool.run("--get-tunable", "pfc-prevention-tout").split()[-1] == "50"
    stall(wire, defer, 1 << QUEUE)
    wire.send(numbered(10))
    until("the pause ends and they are dropped", lambda: wire.link.rx_stats(QUEUE)["rx-hw-drop-overruns"] == 10)
    stats = wire.link.rx.ethtool.stats()
    assert stats["rx3_pauses"] == 1 and stats["rx3_pause_expired"] == 1, "one pause, which ended once"
    wire.send(numbered(10))
    until("no second pause", lambda: wire.link.rx_stats(QUEUE)["rx-hw-drop-overruns"] == 20)
    assert wire.link.rx.ethtool.stats()["rx3_pauses"] == 1
    stall(wire, defer, 0)
    assert len(wire.exchange(numbered(10))) == 10

    tolerate(wire, LONG)  # after it had buffers it pauses anew
    stall(wire, defer, 1 << QUEUE)
    wire.send(numbered(10))
    until("a second pause", lambda: wire.link.rx.ethtool.stats()["rx3_pauses"] == 2)
    stall(wire, defer, 0)
    assert len(wire.receive(10)) == 10


def test_other_queues_go_on(wire: Wire, defer: Defer) -> None:
    """A starved RX queue holds back the TX queue that sends to it, and no other."""
    tolerate(wire, LONG)
    stall(wire, defer, 1 << QUEUE)
    wire.send(numbered(5))
    with wire.link.rx.ns.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver:
        receiver.bind((wire.link.rx.v4, 7000))
        receiver.settimeout(10)
        for port in range(7001, 7021):  # 20 flows, spread over 4 TX queues by the stack's own hash
            with wire.link.tx.ns.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
                sender.bind((wire.link.tx.v4, port))
                sender.sendto(b"x", receiver.getsockname())
        assert receiver.recv(10) == b"x", "nothing gets through while one queue is starved"
    assert wire.drain() == [], "frames came through a stalled queue"
    stall(wire, defer, 0)
    assert len(wire.receive(5)) == 5


def burst(wire: Wire) -> int:
    """Send a ring full of frames; how many of them came, when the rest is counted as overruns."""

    def overruns() -> int:
        return wire.link.rx_stats(QUEUE)["rx-hw-drop-overruns"]

    before, come = overruns(), 0
    wire.send(numbered(RING))

    def accounted() -> bool:
        nonlocal come
        come += len(wire.drain())
        return come + overruns() - before == RING

    until("each frame has come or is counted", accounted)
    return come


@pytest.mark.parametrize("pause", ["on", "off"])
def test_pool_runs_dry(wire: Wire, defer: Defer, pause: str) -> None:
    """Without new buffers a ring's worth arrives; the rest waits, or without pause is dropped, exactly counted."""
    tolerate(wire, LONG)
    wire.link.rx.ethtool.run("-A", "tx", pause)
    wire.link.rx.ethtool.set_split("off")
    frames = numbered(3 * RING)
    file = faults.folder(wire.link.rx) / "rx_alloc"
    faults.inject(wire.link.rx, "rx_alloc", 1 << 30, defer)
    wire.send(frames)
    got = wire.receive(RING)
    assert [f.data for f in got] == frames[:RING], "not the first frames, a ring full of them"
    until("the refill fails", lambda: wire.link.rx_stats(QUEUE)["rx-alloc-fail"])
    if pause == "off":
        until("the rest is dropped", lambda: wire.link.rx_stats(QUEUE)["rx-hw-drop-overruns"] == 2 * RING)
    file.write_text("0")
    if pause == "on":
        assert [f.data for f in wire.receive(2 * RING)] == frames[RING:]
        assert wire.link.rx_stats(QUEUE)["rx-hw-drop-overruns"] == 0
    # The refill timer brings the ring back without a frame that would ask for it; not at once
    until("the ring is full again", lambda: burst(wire) == RING)


def test_a_segment_is_lost_before_the_pause(wire: Wire, defer: Defer) -> None:
    """A super-packet that has lost a segment was not sent as a whole, though a pause came before its end."""
    before, mss, segments, lost = RING // 2, 1000, 48, 13
    tolerate(wire, LONG)
    wire.link.rx.ethtool.run("-K", "rx-gro-hw", "off")
    wire.link.rx.ethtool.set_split("off")
    faults.inject(wire.link.rx, "rx_alloc", 1 << 30, defer)
    faults.inject(wire.link.tx, "lose", before + lost, defer)  # twice as many never come
    assert len(wire.exchange(numbered(before))) == before  # or the next, by another TX queue, overtakes them
    whole = tcp(FLOW4, payload(segments * mss), flags=ACK, partial=True)
    wire.send([whole], Vnet(NEEDS_CSUM, GSO_TCPV4, 54, mss, 34, 16))
    until("the sender waits for the rest", lambda: wire.link.rx.ethtool.stats()["rx3_pauses"])
    assert len(wire.receive(RING - before)) == RING - before
    assert faults.hits(wire.link.tx, "lose") == 1
    faults.inject(wire.link.rx, "rx_alloc", 0, defer)
    rest = before + segments - 1 - RING
    assert len(wire.receive(rest)) == rest
    until("it is told", lambda: wire.link.tx.ethtool.stats()["tx_dropped"] == 1)
    assert faults.hits(wire.link.tx, "lose") == 1


def test_a_super_packet_is_given_up_half_way(wire: Wire, defer: Defer) -> None:
    """The receiver goes down while the rest of one waits for it; of the next one every byte comes."""
    mss, segments, room = 1000, 48, 10
    gso = Vnet(NEEDS_CSUM, GSO_TCPV4, 54, mss, 34, 16)
    tolerate(wire, LONG)
    wire.link.rx.ethtool.run("-K", "rx-gro-hw", "off")
    wire.link.rx.ethtool.set_split("off")
    faults.inject(wire.link.rx, "rx_alloc", 1 << 30, defer)
    assert len(wire.exchange(numbered(RING - room))) == RING - room  # as above
    wire.send([tcp(FLOW4, payload(segments * mss), flags=ACK, partial=True)], gso)
    until("the sender waits for the rest", lambda: wire.link.rx.ethtool.stats()["rx3_pauses"])
    assert len(wire.receive(room)) == room
    wire.link.rx.set(state="down")
    until("it is given up", lambda: wire.link.tx.ethtool.stats()["tx_dropped"] == 1)
    (faults.folder(wire.link.rx) / "rx_alloc").write_text("0")
    wire.link.rx.set(state="up")
    until("carrier", lambda: wire.link.tx.attribute("IFLA_CARRIER"))
    data = payload(segments * mss, seed=1)
    got = wire.exchange([tcp(FLOW4, data, flags=ACK, partial=True)], gso, segments)
    assert b"".join(received.data[54:] for received in got) == data
