# SPDX-License-Identifier: GPL-2.0-only
"""Do the three views of the counters agree, are they exact, and does BQL see what the rings hold?

netns «ppiov-tx»                     netns «ppiov-rx»
 tx0 ====== a known number of ====== rx0  queue 3
            frames and bytes
 ethtool -S, qstats, ip -s link       the same
"""

from __future__ import annotations

from pathlib import Path

import pytest
from lib import faults, sysfs
from lib.fixtures import Defer
from lib.frames import FLOW4, plain, tcp
from lib.link import Link, Port
from lib.netdev import QUEUE_RX, QUEUE_TX, Netdev
from lib.poll import until
from lib.traffic import payload
from lib.wire import Wire

# ethtool -S -> qstats, per queue
SAME = {
    QUEUE_RX: ["packets", "bytes", "csum_unnecessary", "csum_none", "hw_gro_packets", "hw_gro_wire_bytes"],
    QUEUE_TX: ["packets", "bytes", "needs_csum", "csum_none", "stop", "wake"],
}
PREFIX = {QUEUE_RX: "rx", QUEUE_TX: "tx"}


def views(port: Port) -> tuple[dict[str, int], dict[tuple[int, int], dict[str, int]], dict[str, int], dict[str, int]]:
    """ethtool -S, qstats per queue, qstats of the device, ip -s link."""
    netdev = Netdev(port.ns)
    try:
        return (
            port.ethtool.stats(),
            netdev.queue_stats(port.ifindex),
            netdev.device_stats(port.ifindex),
            port.attribute("IFLA_STATS64"),
        )
    finally:
        netdev.close()


def check(port: Port) -> None:
    """All views of a port's counters agree, queue by queue and in sum."""
    stats, queues, device, link = views(port)
    for (kind, queue), values in queues.items():
        for name in SAME[kind]:
            mine, theirs = stats[f"{PREFIX[kind]}{queue}_{name}"], values[f"{PREFIX[kind]}-{name.replace('_', '-')}"]
            assert mine == theirs, f"{PREFIX[kind]}{queue} {name}: ethtool says {mine}, qstats {theirs}"
    for prefix in PREFIX.values():
        for name in ("packets", "bytes"):
            of_queues = sum(v for k, v in stats.items() if k in {f"{prefix}{i}_{name}" for i in range(64)})
            total = {
                "ethtool -S, queues": of_queues,
                "ethtool -S, total": stats[f"{prefix}_{name}"],
                "qstats": device[f"{prefix}-{name}"],
                "ip -s link": link[f"{prefix}_{name}"],
            }
            assert len(set(total.values())) == 1, f"{port.name} {prefix} {name}: {total}"


def test_exact(wire: Wire) -> None:
    """N frames of known lengths are N frames and their bytes on both sides, in every view, also after down and up."""
    link = wire.link
    lengths = [60, 61, 100, 1000, 1514]
    frames = [plain(payload(length - 14)) for length in lengths] * 20
    tx_before = link.tx.ethtool.stats()
    wire.exchange(frames)
    rx, tx = link.rx.ethtool.stats(), link.tx.ethtool.stats()
    assert (rx["rx3_packets"], rx["rx3_bytes"]) == (len(frames), sum(map(len, frames)))
    assert tx["tx_packets"] - tx_before["tx_packets"] == len(frames)
    assert tx["tx_bytes"] - tx_before["tx_bytes"] == sum(map(len, frames))
    for port in (link.rx, link.tx):
        check(port)
    link.rx.set(state="down")
    link.rx.set(state="up")
    until("carrier", lambda: link.tx.attribute("IFLA_CARRIER"))
    assert link.rx.ethtool.stats()["rx3_packets"] == len(frames), "the counters went with the rings"
    check(link.rx)


def test_fewer_queues_keep_their_share(wire: Wire) -> None:
    """What a queue that is no longer in use has counted still belongs to the device's sum."""
    link = wire.link
    wire.exchange([tcp(FLOW4, b"x" * 100)] * 10)
    link.rx.ethtool.unsteer(1000)
    link.rx.ethtool.run("-L", "combined", 2)
    stats, queues, device, totals = views(link.rx)
    assert {q for kind, q in queues if kind == QUEUE_RX} == {0, 1}
    assert stats["rx3_packets"] == 10
    assert device["rx-packets"] == stats["rx_packets"] == totals["rx_packets"] >= 10
    link.rx.ethtool.run("-L", "combined", 4)
    check(link.rx)


def limits(folder: Path, name: str) -> dict[str, int]:
    """A BQL file of every TX queue."""
    files = sorted(folder.glob(f"queues/tx-*/byte_queue_limits/{name}"))
    if not files:
        pytest.skip("this kernel has no BQL")
    return {f.parts[-3]: int(f.read_text()) for f in files}


def test_bql(wire: Wire, defer: Defer) -> None:
    """BQL counts what stands in the ring to the byte, stops the queue at its limit, and forgets it when it is sent."""
    folder = sysfs.folder(wire.link.tx, defer)
    frame = plain(b"x" * 986)
    assert sum(limits(folder, "inflight").values()) == 0
    faults.inject(wire.link.tx, "stall_tx", 0xF, defer)
    wire.send([frame])
    standing = limits(folder, "inflight")
    assert sum(standing.values()) == len(frame), f"one frame of {len(frame)} bytes is in the ring, BQL says {standing}"
    (queue,) = [name for name, count in standing.items() if count]
    bql = folder / "queues" / queue / "byte_queue_limits"
    (bql / "limit_max").write_text("3000")
    wire.send([frame] * 9)
    now = int((bql / "inflight").read_text())
    limit = int((bql / "limit").read_text())
    assert limit <= now < limit + 2 * len(frame) and limit <= 3000, f"{now} bytes in flight, and the limit is {limit}"
    (faults.folder(wire.link.tx) / "stall_tx").write_text("0")
    assert len(wire.receive(10)) == 10, "what BQL kept in the qdisc must follow"
    until("nothing in flight", lambda: sum(limits(folder, "inflight").values()) == 0)


def test_bql_limit_moves(wire: Wire, defer: Defer) -> None:
    """The limit grows when the queue ran empty while the stack was held back."""
    folder = sysfs.folder(wire.link.tx, defer)
    before = limits(folder, "limit")
    stall = faults.folder(wire.link.tx) / "stall_tx"
    defer(stall.write_text, "0")

    def grown() -> bool:
        stall.write_text("15")
        wire.send([plain(b"x" * 1400)] * 40)
        stall.write_text("0")
        wire.receive(40)
        until("nothing in flight", lambda: sum(limits(folder, "inflight").values()) == 0)
        return any(limits(folder, "limit")[name] > value for name, value in before.items())

    until(f"a limit above those of the beginning, {before}", grown)


def test_all_views_after_real_traffic(nic: Link) -> None:
    """Pings over both families, then silence: the views agree on both ends."""
    for address in (nic.rx.v4, nic.rx.v6):
        nic.tx.ns.run(["ping", "-n", "-q", "-c", "5", "-i", "0.01", "-s", "4000", address])
    for port in (nic.rx, nic.tx):

        def agree(port: Port = port) -> bool:
            try:
                check(port)
            except AssertionError:  # the stack says something of its own now and then
                return False
            return True

        if not _eventually(agree):
            check(port)


def _eventually(probe: object) -> bool:
    try:
        until("agreement", probe, seconds=5)  # type: ignore[arg-type]
    except AssertionError:
        return False
    return True
