# SPDX-License-Identifier: GPL-2.0-only
"""Has every drop a counter, and a reason that dropwatch shows?

netns «ppiov-tx»                      netns «ppiov-rx»
 tx0 ====== frames for nobody ======= rx0  drops them, for one reason at a time
      tx_dropped, skb:kfree_skb            its counter, ip -s link, qstats
"""

from __future__ import annotations

import pytest
from lib import faults
from lib.fixtures import Defer
from lib.frames import plain
from lib.poll import until
from lib.trace import Drops
from lib.wire import MakeWire, Wire

COUNT = 7


def check(wire: Wire, drops: Drops, reason: str, counter: str, wanted: dict[str, int], frames: list[bytes]) -> None:
    """Send frames that are all to be dropped; `wanted`: what ip -s link has to say of rx0."""
    wire.send(frames)
    until(f"{reason} in the trace", lambda: drops.reasons().get(reason) == len(frames))
    assert set(drops.reasons()) == {reason}, f"other reasons too: {drops.reasons()}"
    assert wire.link.rx.ethtool.stats()[counter] == len(frames)
    assert wire.link.tx.ethtool.stats()["tx_dropped"] == len(frames)
    assert wire.link.tx.attribute("IFLA_STATS64")["tx_dropped"] == len(frames)
    stats = wire.link.rx.attribute("IFLA_STATS64")
    names = ("rx_dropped", "rx_errors", "rx_missed_errors", "rx_length_errors")
    assert {name: stats[name] for name in names} == {**dict.fromkeys(names, 0), **wanted}
    hw_drops = wire.link.netdev.device_stats(wire.link.rx.ifindex)["rx-hw-drops"]
    assert hw_drops == sum(wanted.get(name, 0) for name in ("rx_dropped", "rx_errors", "rx_missed_errors"))
    assert wire.drain() == [], "frames that were counted as dropped arrived"


def test_ring_full(wire: Wire, defer: Defer) -> None:
    """No buffer and no pause."""
    drops = Drops(defer)
    wire.link.rx.ethtool.run("-A", "tx", "off")
    faults.inject(wire.link.rx, "stall_rx", 1 << 3, defer)
    check(wire, drops, "FULL_RING", "rx_overruns", {"rx_missed_errors": COUNT}, [plain(b"x" * 60)] * COUNT)


def test_too_long(wire: Wire, defer: Defer) -> None:
    """The sender has a larger MTU than the receiver; a frame of just the right length passes."""
    drops = Drops(defer)
    wire.link.tx.set(mtu=9000)
    assert len(wire.exchange([plain(b"x" * 1500)])) == 1
    check(wire, drops, "PKT_TOO_BIG", "rx_too_long", {"rx_length_errors": COUNT, "rx_errors": COUNT},
          [plain(b"x" * 1501)] * COUNT)  # fmt: skip


def test_rule(make_wire: MakeWire, defer: Defer) -> None:
    """An ntuple rule says so."""
    drops = Drops(defer)
    wire = make_wire(queue=None)
    wire.link.rx.ethtool.run("-N", "flow-type", "ether", "proto", "0x88b5", "m", "0x0", "action", -1)
    check(wire, drops, "TAP_FILTER", "rx_steer_drops", {"rx_dropped": COUNT}, [plain(b"x" * 60)] * COUNT)


def test_stray_dma(wire: Wire, defer: Defer) -> None:
    """The receiver's buffer addresses are wrong: the DMA table refuses each, and memory stays as it was."""
    drops = Drops(defer)
    wire.link.dma_faults_wanted = COUNT
    faults.inject(wire.link.rx, "stray_dma", COUNT, defer)
    check(wire, drops, "DEV_HDR", "rx_dma_errors", {"rx_errors": COUNT}, [plain(b"x" * 60)] * COUNT)
    assert faults.dma_faults(wire.link.rx) == COUNT
    assert faults.hits(wire.link.rx, "stray_dma") == COUNT
    frames = [plain(bytes([i]) * 60) for i in range(10)]
    assert [f.data for f in wire.exchange(frames)] == frames, "traffic after the faults"


def test_lost_on_the_wire(wire: Wire, defer: Defer) -> None:
    """What the lose fault takes is no fault of the receiver: only the sender and the fault count it."""
    drops = Drops(defer)
    faults.inject(wire.link.tx, "lose", 1, defer)
    wire.send([plain(b"x" * 60)] * COUNT)
    until("the trace", lambda: drops.reasons().get("TAP_TXFILTER") == COUNT)
    assert faults.hits(wire.link.tx, "lose") == COUNT
    assert wire.link.tx.ethtool.stats()["tx_dropped"] == COUNT
    assert wire.link.netdev.device_stats(wire.link.rx.ifindex)["rx-hw-drops"] == 0
    assert wire.drain() == []


def test_peer_down(wire: Wire, defer: Defer) -> None:
    """With the peer down there is no carrier; the stack drops before the NIC has to. Up again, traffic goes on."""
    drops = Drops(defer)
    wire.link.rx.set(state="down")
    until("carrier lost", lambda: not wire.link.tx.attribute("IFLA_CARRIER"))
    wire.send([plain(b"x" * 60)] * COUNT)
    until("a reason", lambda: sum(drops.reasons().values()) == COUNT)
    assert "NOT_SPECIFIED" not in drops.reasons(), f"drops without a reason: {drops.reasons()}"
    wire.link.rx.set(state="up")
    until("carrier", lambda: wire.link.tx.attribute("IFLA_CARRIER"))
    assert len(wire.exchange([plain(b"y" * 60)])) == 1


@pytest.mark.parametrize("held", ["by a stall", "by a pause"])
def test_purged(wire: Wire, defer: Defer, held: str) -> None:
    """What stands in the TX ring when the port goes down is dropped and says so."""
    drops = Drops(defer)
    if held == "by a stall":
        faults.inject(wire.link.tx, "stall_tx", 0xF, defer)
    else:
        wire.link.rx.ethtool.run("--set-tunable", "pfc-prevention-tout", 20000)
        faults.inject(wire.link.rx, "stall_rx", 1 << 3, defer)
    wire.send([plain(b"x" * 60)])  # one: BQL would keep others in the qdisc
    assert drops.reasons() == {}
    wire.link.tx.set(state="down")
    until("the reason", lambda: drops.reasons() == {"QUEUE_PURGE": 1})
    assert wire.link.tx.ethtool.stats()["tx_dropped"] == 1
