# SPDX-License-Identifier: GPL-2.0-only
"""Has each channel a NAPI and an interrupt of its own, and do affinity, moderation and busy polling do what they say?

netns «ppiov-tx»                 netns «ppiov-rx»
 tx0 ====== one by one, ======== rx0  queue 3 -> channel 3 -> NAPI, interrupt rx0-TxRx-3 -> a CPU
            or in bursts              counted in /proc/interrupts
"""

from __future__ import annotations

import os
import socket
import struct
from collections.abc import Callable
from pathlib import Path

import pytest
from lib import interrupts, sysfs
from lib.fixtures import Defer
from lib.frames import plain
from lib.link import Link, Port
from lib.netdev import QUEUE_RX, QUEUE_TX, Netdev
from lib.poll import until
from lib.traffic import counter
from lib.wire import Wire

FRAME = plain(b"x" * 60)
SO_BUSY_POLL, SO_INCOMING_NAPI_ID, SO_PREFER_BUSY_POLL = 46, 56, 69


def test_napi_and_interrupt_of_each_queue(nic: Link) -> None:
    """Queue pair i has one NAPI, that NAPI the interrupt rx0-TxRx-i; down, there are none."""
    for port in (nic.rx, nic.tx):
        netdev = Netdev(port.ns)
        try:
            napi = {(q.kind, q.id): q.napi_id for q in netdev.queues(port.ifindex)}
            irqs = netdev.napi_irqs(port.ifindex)
        finally:
            netdev.close()
        assert set(napi) == {(kind, i) for kind in (QUEUE_RX, QUEUE_TX) for i in range(4)}
        ids = [napi[QUEUE_RX, i] for i in range(4)]
        assert None not in ids and len(set(ids)) == 4, f"NAPI ids of {port.name}: {ids}"
        assert [napi[QUEUE_TX, i] for i in range(4)] == ids, "RX and TX of a pair share their NAPI"
        assert [irqs[id_] for id_ in ids if id_] == [interrupts.number(port, i) for i in range(4)]
    nic.rx.set(state="down")
    assert not interrupts.exists(nic.rx, 0)
    assert nic.netdev.queues(nic.rx.ifindex) == []
    nic.rx.set(state="up")
    assert all(interrupts.exists(nic.rx, i) for i in range(4))


def one_by_one(wire: Wire, frames: int) -> None:
    """Each frame waits for the one before it."""
    for _ in range(frames):
        wire.exchange([FRAME])


def moderate(port: Port, **values: int) -> None:
    port.ethtool.run("-C", *[word for name, value in values.items() for word in (name.replace("_", "-"), value)])


@pytest.mark.parametrize("cpu", [0, 1])
def test_affinity(wire: Wire, cpu: int) -> None:
    """The CPU written to smp_affinity is the one that gets the interrupts, from the next one on."""
    if os.cpu_count() != 2:
        pytest.skip("needs two CPUs")
    rx = wire.link.rx
    for target in (1 - cpu, cpu):
        interrupts.affinity(rx, 3).write_text(str(target))
        assert interrupts.affinity(rx, 3).read_text().strip() == str(target)
        effective = Path("/proc/irq", str(interrupts.number(rx, 3)), "effective_affinity_list").read_text().strip()
        assert effective == str(target)
    before = interrupts.per_cpu(rx, 3)
    one_by_one(wire, 20)
    gained = [now - then for now, then in zip(interrupts.per_cpu(rx, 3), before, strict=True)]
    assert gained[cpu] > 0 and gained[1 - cpu] == 0, f"interrupts per CPU: {gained}, and affinity is CPU {cpu}"


def _down_up(port: Port) -> None:
    port.set(state="down")
    port.set(state="up")


def _rings(port: Port) -> None:
    port.ethtool.run("-G", "rx", "128", "tx", "128")


def _channels(port: Port) -> None:
    port.ethtool.run("-L", "combined", "1")
    port.ethtool.run("-L", "combined", "4")


@pytest.mark.parametrize("change", [_down_up, _rings, _channels], ids=["down", "rings", "channels"])
def test_affinity_stays(nic: Link, change: Callable[[Port], None]) -> None:
    """Where the user put an interrupt, it stays, and so does its number, whatever is done with the port."""
    if os.cpu_count() != 2:
        pytest.skip("needs two CPUs")
    # The channels start spread over the CPUs: so this is not where any of the three begins.
    wanted = {1: "0", 2: "1", 3: "0-1"}
    numbers = {channel: interrupts.number(nic.rx, channel) for channel in wanted}
    for channel, cpus in wanted.items():
        assert interrupts.affinity(nic.rx, channel).read_text().strip() != cpus
        interrupts.affinity(nic.rx, channel).write_text(cpus)
    change(nic.rx)
    for channel, cpus in wanted.items():
        assert interrupts.number(nic.rx, channel) == numbers[channel]
        assert interrupts.affinity(nic.rx, channel).read_text().strip() == cpus, f"interrupt of channel {channel}"


@pytest.mark.parametrize("cpus", ["0", "1"])
def test_affinity_set_while_down(nic: Link, cpus: str) -> None:
    """An interrupt can be moved while the port is down, and is there when it comes up."""
    if os.cpu_count() != 2:
        pytest.skip("needs two CPUs")
    affinity = interrupts.affinity(nic.rx, 3)
    nic.rx.set(state="down")
    affinity.write_text(cpus)
    nic.rx.set(state="up")
    assert interrupts.affinity(nic.rx, 3) == affinity
    assert affinity.read_text().strip() == cpus


def bursts(wire: Wire, count: int, frames: int) -> int:
    """Send so many bursts, each when the one before has come; the interrupts that took."""
    before = interrupts.count(wire.link.rx, 3)
    for _ in range(count):
        wire.exchange([FRAME] * frames)
    return interrupts.count(wire.link.rx, 3) - before


def test_moderation(wire: Wire) -> None:
    """rx-usecs 0 makes an interrupt of nearly every frame, rx-frames one of N, rx-usecs alone one of a while."""
    rx = wire.link.rx
    moderate(rx, rx_usecs=0, rx_frames=0)
    # Sender and NAPI on one CPU: the frame is polled when its interrupt is over, before the next is sent.
    interrupts.affinity(rx, 3).write_text("0")
    cpus = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {0})
    try:
        at_once = bursts(wire, 4, 16)
        assert at_once > 32, f"{at_once} interrupts for 64 frames, one by one, without moderation"

        moderate(rx, rx_usecs=10000, rx_frames=16)
        by_frames = bursts(wire, 8, 16)
        # Where 16 frames take longer than the time does, some go early: half as many a frame will do.
        assert 8 <= by_frames < at_once, f"{by_frames} interrupts for 128 frames with rx-frames 16, {at_once} for 64"

        moderate(rx, rx_usecs=10000, rx_frames=0)
        by_time = bursts(wire, 4, 32)
        assert 4 <= by_time < at_once, f"{by_time} interrupts for 128 frames with rx-usecs 10000, {at_once} for 64"
    finally:
        os.sched_setaffinity(0, cpus)


def test_moderation_per_queue(wire: Wire) -> None:
    """One queue can be set by itself, keeps that over down and up, and the others keep theirs."""
    rx = wire.link.rx
    moderate(rx, rx_usecs=0, rx_frames=0)
    rx.ethtool.run("-Q", "queue_mask", "0x8", "--coalesce", "rx-usecs", "10000", "rx-frames", "16")
    rx.set(state="down")
    rx.set(state="up")
    until("carrier", lambda: wire.link.tx.attribute("IFLA_CARRIER"))
    said = rx.ethtool.run("-Q", "queue_mask", "0xc", "--show-coalesce")
    values = [line.split()[-1] for line in said.splitlines() if line.startswith(("rx-usecs:", "rx-frames:"))]
    assert values == ["0", "0", "10000", "16"], f"queues 2 and 3: {said}"
    slow = bursts(wire, 4, 16)
    assert 4 <= slow <= 12, f"{slow} interrupts for 4 bursts of 16 frames on the moderated queue"


def test_tx_moderation(wire: Wire, defer: Defer) -> None:
    """A sent frame is given back after tx-usecs at the latest; tx-frames gives back sooner."""
    tx = wire.link.tx
    folder = sysfs.folder(tx, defer)
    for usecs, frames in ((0, 0), (100, 8), (10000, 0)):
        moderate(tx, tx_usecs=usecs, tx_frames=frames)
        wire.exchange([FRAME] * 8)
        until("all sent frames are given back", lambda: inflight(folder) == 0)


def inflight(folder: Path) -> int:
    return sum(int(f.read_text()) for f in folder.glob("queues/tx-*/byte_queue_limits/inflight"))


def test_moderation_refused(nic: Link) -> None:
    """Values that would stall a receiver are refused, and what was set stays."""
    before = nic.rx.ethtool.run("-c")
    for words in (
        ("rx-usecs", 10001),
        ("rx-frames", 10000),
        ("rx-usecs", 0, "rx-frames", 2),  # the last frames would wait for ever
        ("adaptive-rx", "on"),
    ):
        with pytest.raises(AssertionError):
            nic.rx.ethtool.run("-C", *words)
    with pytest.raises(AssertionError):
        nic.rx.ethtool.run("-Q", "queue_mask", "0x10", "--coalesce", "rx-usecs", "1")
    assert nic.rx.ethtool.run("-c") == before


def datagrams(link: Link, defer: Defer) -> tuple[socket.socket, socket.socket]:
    """A sender and a receiver; the receiver has seen a datagram, so it knows its NAPI."""
    receiver = link.rx.ns.socket(socket.AF_INET, socket.SOCK_DGRAM)
    defer(receiver.close)
    receiver.bind((link.rx.v4, 7000))
    # Not settimeout(): Python would wait in poll(), and the socket's own busy polling is in recv()
    receiver.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.pack("@ll", 10, 0))
    link.rx.ethtool.run("-N", "flow-type", "udp4", "dst-port", "7000", "action", "3")
    sender = link.tx.ns.socket(socket.AF_INET, socket.SOCK_DGRAM)
    defer(sender.close)
    sender.connect(receiver.getsockname())
    sender.send(b"first")
    receiver.recv(10)
    wanted = link.netdev.rx_queue(link.rx.ifindex, 3).napi_id
    assert receiver.getsockopt(socket.SOL_SOCKET, SO_INCOMING_NAPI_ID) == wanted
    return sender, receiver


def test_busy_polling(link: Link, defer: Defer) -> None:
    """A socket that polls gets its datagrams by polling the NIC's queue, long before the interrupt would come."""
    sender, receiver = datagrams(link, defer)
    moderate(link.rx, rx_usecs=10000, rx_frames=1000)
    receiver.setsockopt(socket.SOL_SOCKET, SO_BUSY_POLL, 1000000)
    before = counter(link.rx.ns, "TcpExt", "BusyPollRxPackets")
    for i in range(20):
        sender.send(bytes([i]))
        assert receiver.recv(10) == bytes([i])
    polled = counter(link.rx.ns, "TcpExt", "BusyPollRxPackets") - before
    assert polled >= 15, f"{polled} of 20 datagrams were received by busy polling"


def test_busy_polling_instead_of_interrupts(link: Link, defer: Defer) -> None:
    """A socket that prefers to poll keeps the queue's interrupt off while it goes on; without it there is one each."""
    sender, receiver = datagrams(link, defer)
    moderate(link.rx, rx_usecs=0, rx_frames=0)
    count = 30

    def took() -> int:
        before = interrupts.count(link.rx, 3)
        for i in range(count):
            sender.send(bytes([i]))
            assert receiver.recv(10) == bytes([i])
        return interrupts.count(link.rx, 3) - before

    without = took()
    folder = sysfs.folder(link.rx, defer)
    (folder / "napi_defer_hard_irqs").write_text("1000")
    (folder / "gro_flush_timeout").write_text(str(2 * 10**9))
    receiver.setsockopt(socket.SOL_SOCKET, SO_PREFER_BUSY_POLL, 1)
    receiver.setsockopt(socket.SOL_SOCKET, SO_BUSY_POLL, 1000000)
    polling = took()
    assert without > count / 2 and polling <= 3, f"{count} datagrams: {without} interrupts, and {polling} while polling"
