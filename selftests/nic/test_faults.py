# SPDX-License-Identifier: GPL-2.0-only
"""Does each fault file do its one thing, as often as it says, and stop when it is told?

netns «ppiov-tx»                         netns «ppiov-rx»
 tx0 ====== numbered frames, 0..N ====== rx0  queue 3
      lose, duplicate, reorder, corrupt       rx_alloc, stray_dma, stall_rx, hold
      stall_tx
"""

from __future__ import annotations

import errno
import socket
import threading

import pytest
from lib import faults
from lib.fixtures import Bind, Defer
from lib.frames import FLOW4, FLOW6, Flow, plain, tcp
from lib.link import Link
from lib.netlink import refusal
from lib.poll import until
from lib.traffic import connect, counter, payload, steer
from lib.wire import DATA_VALID, Received, Wire

COUNT = 60


def numbered(count: int = COUNT, first: int = 0) -> list[bytes]:
    return [plain(i.to_bytes(4, "big") * 20) for i in range(first, first + count)]


def numbers(wire: Wire, count: int) -> list[int]:
    return [int.from_bytes(f.data[14:18], "big") for f in wire.receive(count)]


def off(link: Link, fault: str) -> None:
    (faults.folder(link.tx) / fault).write_text("0")


def test_lose(wire: Wire, defer: Defer) -> None:
    """Every 7th frame is missing, no other."""
    faults.inject(wire.link.tx, "lose", 7, defer)
    wire.send(numbered())
    lost = [i for i in range(COUNT) if i % 7 == 6]
    assert numbers(wire, COUNT - len(lost)) == [i for i in range(COUNT) if i not in lost]
    assert faults.hits(wire.link.tx, "lose") == len(lost)
    off(wire.link, "lose")
    wire.send(numbered())
    assert numbers(wire, COUNT) == list(range(COUNT)), "after the fault was turned off"


def test_link_goes_with_a_frame_on_it(wire: Wire, defer: Defer) -> None:
    """One that was held back to be overtaken is lost then, and does not come when there is a link again."""
    link, early = wire.link, list[Received]()
    faults.inject(link.tx, "reorder", 1, defer)
    wire.send(numbered(1))
    faults.unplug(link.tx, defer)

    def gone() -> bool:
        early.extend(wire.drain())  # with bad luck it went before the link did
        return bool(early) or link.tx.ethtool.stats()["tx_no_link"] == 1

    until("the frame is lost", gone)
    off(link, "reorder")
    faults.plug(link.tx)
    until("carrier", lambda: link.rx.attribute("IFLA_CARRIER"))
    wire.send(numbered(1, 5))
    assert numbers(wire, 1) == [5]
    assert wire.drain() == []


def test_duplicate(wire: Wire, defer: Defer) -> None:
    """Every 5th frame comes twice, one after the other."""
    faults.inject(wire.link.tx, "duplicate", 5, defer)
    wire.send(numbered())
    wanted = [i for n in range(COUNT) for i in [n] * (2 if n % 5 == 4 else 1)]
    assert numbers(wire, len(wanted)) == wanted
    assert faults.hits(wire.link.tx, "duplicate") == COUNT // 5


def test_reorder(wire: Wire, defer: Defer) -> None:
    """The 40th frame comes after the one that follows it; one that nothing follows comes all the same."""
    faults.inject(wire.link.tx, "reorder", 40, defer)
    wire.send(numbered())
    assert numbers(wire, COUNT) == [*range(39), 40, 39, *range(41, COUNT)]
    faults.inject(wire.link.tx, "reorder", 10, defer)
    wire.send(numbered(10))
    assert numbers(wire, 10) == list(range(10))
    assert faults.hits(wire.link.tx, "reorder") == 2


@pytest.mark.parametrize("flow", [FLOW4, FLOW6], ids=["ipv4", "ipv6"])
@pytest.mark.parametrize("split", ["on", "off"])
def test_corrupt(wire: Wire, defer: Defer, flow: Flow, split: str) -> None:
    """Every 4th frame has one wrong bit, and the NIC does not say that its checksum was right."""
    wire.link.rx.ethtool.set_split(split)
    faults.inject(wire.link.tx, "corrupt", 4, defer)
    frames = [tcp(flow, i.to_bytes(4, "big") * 50) for i in range(20)]
    got = wire.exchange(frames)
    for i, (sent, came) in enumerate(zip(frames, got, strict=True)):
        wrong = int.from_bytes(sent, "big") ^ int.from_bytes(came.data, "big")
        if i % 4 == 3:
            assert wrong.bit_count() == 1, f"frame {i}: {wrong.bit_count()} bits differ"
            assert came.vnet.flags == 0, f"frame {i} is corrupt and reported with flags {came.vnet.flags}"
        else:
            assert wrong == 0, f"frame {i} was not to be touched"
            assert came.vnet.flags == DATA_VALID
    assert faults.hits(wire.link.tx, "corrupt") == 5
    assert wire.link.rx_stats(3)["rx-csum-bad"] == 5


@pytest.mark.parametrize("gro_hw", ["on", "off"])
def test_corrupt_does_not_reach_the_user(link: Link, defer: Defer, gro_hw: str) -> None:
    """TCP finds corrupt segments, or the NIC drops super-packets that nobody above could check; data stays right."""
    link.rx.ethtool.run("-K", "rx-gro-hw", gro_hw)
    steer(link, socket.AF_INET, [3])
    sender, receiver = connect(link, socket.AF_INET, defer)
    before = counter(link.rx.ns, "Tcp", "InCsumErrors")
    faults.inject(link.tx, "corrupt", 5, defer)
    data = payload(200000)
    thread = threading.Thread(target=sender.sendall, args=(data,), daemon=True)
    thread.start()
    got = bytearray()
    while len(got) < len(data):
        got += receiver.recv(1 << 17) or pytest.fail(f"the stream ended after {len(got)} bytes")
    thread.join(30)
    assert got == data, "corrupt data reached the user"
    faults.inject(link.tx, "corrupt", 0, defer)  # no more of them while they are counted

    def found() -> int:
        return counter(link.rx.ns, "Tcp", "InCsumErrors") - before

    stats = link.rx.ethtool.stats()
    # Not all that was corrupted has a checksum: an ARP frame has none
    assert 0 < stats["rx_csum_bad"] <= faults.hits(link.tx, "corrupt")
    until("TCP has found the rest", lambda: found() + stats["rx_csum_bad_dropped"] == stats["rx_csum_bad"])
    if gro_hw == "off":
        assert stats["rx_csum_bad_dropped"] == 0, "the stack can check single segments itself"


def test_rx_alloc(wire: Wire, defer: Defer) -> None:
    """The next N buffer allocations fail, which costs no frame."""
    faults.inject(wire.link.rx, "rx_alloc", 20, defer)
    wire.send(numbered())
    assert numbers(wire, COUNT) == list(range(COUNT))
    until("20 failures", lambda: faults.hits(wire.link.rx, "rx_alloc") == 20)
    assert wire.link.netdev.device_stats(wire.link.rx.ifindex)["rx-alloc-fail"] > 0
    assert int((faults.folder(wire.link.rx) / "rx_alloc").read_text()) == 0, "it counts down"


def test_rx_queues(wire: Wire, defer: Defer) -> None:
    """A queue that rx_queues does not name is spared, and the fault waits for one that it does."""
    rx = wire.link.rx
    assert int((faults.folder(rx) / "rx_queues").read_text(), 0) == (1 << 64) - 1, "at first a fault strikes any queue"
    faults.strike_only(rx, [2], defer)
    faults.inject(rx, "stray_dma", 10, defer)
    faults.inject(rx, "rx_alloc", 20, defer)
    wire.send(numbered())
    assert numbers(wire, COUNT) == list(range(COUNT)), "frames of queue 3 were struck"
    assert faults.hits(rx, "stray_dma") == faults.hits(rx, "rx_alloc") == 0
    faults.strike_only(rx, [1, 3], defer)
    wire.link.dma_faults_wanted = 10
    wire.send(numbered())
    assert numbers(wire, COUNT - 10) == list(range(10, COUNT))
    until("20 allocations have failed", lambda: faults.hits(rx, "rx_alloc") == 20)
    assert faults.hits(rx, "stray_dma") == 10


def test_stall_rx(wire: Wire, defer: Defer) -> None:
    """Frames wait while a queue is stalled, and come when it is not."""
    wire.link.rx.ethtool.run("--set-tunable", "pfc-prevention-tout", 20000)
    faults.inject(wire.link.rx, "stall_rx", 1 << 3, defer)
    wire.send(numbered())
    assert wire.drain() == []
    (faults.folder(wire.link.rx) / "stall_rx").write_text("0")
    assert numbers(wire, COUNT) == list(range(COUNT))


def test_stall_tx(wire: Wire, defer: Defer) -> None:
    """The device leaves the TX rings alone; the descriptors wait, and BQL sees them; then they go."""
    faults.inject(wire.link.tx, "stall_tx", 0xF, defer)
    wire.send(numbered())
    assert wire.drain() == []
    assert wire.link.tx.ethtool.stats()["tx_stalls"] > 0
    off(wire.link, "stall_tx")
    assert numbers(wire, COUNT) == list(range(COUNT))


def test_hold(wire: Wire) -> None:
    """Held buffers are in flight in their queue's pool, and no longer when they are given back."""
    link = wire.link

    def inflight() -> int:
        return sum(p.inflight for p in link.netdev.page_pools(link.rx.ifindex))

    # The pool's own caches count as in flight: a ring of 512, and 128 at hand
    posted, held, cached = 4 * 2 * 512, 2000, 512 + 128
    before = inflight()
    assert before >= posted, f"{posted} buffers are posted, and {before} in flight"
    faults.hold(link.rx, 3, held)
    assert int((faults.folder(link.rx) / "hold").read_text()) == held
    during = inflight()
    assert during >= before + held - cached, f"{during} in flight, {before} before {held} were held"
    faults.release(link.rx)
    assert int((faults.folder(link.rx) / "hold").read_text()) == 0
    after = inflight()
    assert after <= during - held + cached, f"{after} in flight after the release, {during} before"
    for wrong in ("3", "4 1", "3 1 1", "x", "-1 5"):
        with pytest.raises(OSError):
            (faults.folder(link.rx) / "hold").write_text(wrong)
    wire.send(numbered())
    assert numbers(wire, COUNT) == list(range(COUNT))


@pytest.mark.parametrize(
    ("step", "number"), [("queue_mem_alloc", errno.ENOMEM), ("queue_start", errno.EIO), ("queue_stop", errno.EIO)]
)
def test_restart_fails(link: Link, bind: Bind, defer: Defer, step: str, number: int) -> None:
    """Each step of a queue's restart can fail: the bind is refused with that error, the queue works as before."""
    steer(link, socket.AF_INET, [3])
    sender, receiver = connect(link, socket.AF_INET, defer)

    def works(seed: int) -> None:
        data = payload(5000, seed)
        before = link.rx_stats(3)["rx-packets"]
        sender.sendall(data)
        got = b""
        while len(got) < len(data):
            got += receiver.recv(1 << 16)
        assert got == data
        assert link.rx_stats(3)["rx-packets"] > before, "the flow left its queue"

    works(1)
    faults.inject(link.rx, step, 1, defer)
    with refusal(number):
        bind(link, [3])
    assert faults.hits(link.rx, step) == 1
    assert link.bound_to(3) is None
    works(2)
    binding = bind(link, [3])  # the fault was for once
    assert link.bound_to(3) == binding.id
    binding.unbind()
    works(3)


def test_arguments(wire: Wire) -> None:
    """Nonsense is refused, and the netdev file names the port."""
    folder = faults.folder(wire.link.rx)
    assert (folder / "netdev").read_text().strip() == wire.link.rx.name
    for wrong in ("x", "-1", str(1 << 40)):
        with pytest.raises(OSError):
            (folder / "lose").write_text(wrong)
        assert (folder / "lose").read_text().strip() == "0"
    assert (folder / "dma_regions").read_text(), "rings are posted, and the device has nothing mapped"
