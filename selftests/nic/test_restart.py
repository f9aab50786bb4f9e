# SPDX-License-Identifier: GPL-2.0-only
"""Is one queue restarted while the others carry on, and nothing lost?

netns «ppiov-tx»                      netns «ppiov-rx»
 tx0 ====== numbered frames ========= rx0  queue 1: carries them, a packet socket looks
                                           queue 2, 3: bound and unbound meanwhile
"""

from __future__ import annotations

import errno
import socket
import threading
from functools import partial

from lib import devmem, faults
from lib.fixtures import Bind, Defer
from lib.frames import plain
from lib.link import Link, Port
from lib.netlink import RefusedError
from lib.poll import ticks, until
from lib.traffic import connect, payload, receive, steer
from lib.wire import MakeWire, Received


def test_other_queues_lose_nothing(make_wire: MakeWire, bind: Bind) -> None:
    """Queues 2 and 3 are bound and unbound ten times while frames pass through queue 1: all arrive, in order."""
    wire = make_wire(queue=1)
    link = wire.link
    link.rx.ethtool.run("--set-tunable", "pfc-prevention-tout", 20000)  # a busy host must not end a pause
    interrupts = link.rx.ethtool.stats()["ch1_interrupts"]
    stop = threading.Event()
    sent: list[bytes] = []
    came: list[Received] = []

    def send() -> None:
        while not stop.is_set():
            if len(sent) - len(came) >= 2000:  # no more than the socket has room for while a bind takes its time
                stop.wait(0.001)
                continue
            frame = plain(len(sent).to_bytes(4, "big") * 20)
            wire.send([frame])
            sent.append(frame)

    sender = threading.Thread(target=send, daemon=True)
    sender.start()

    def more(than: int) -> bool:
        came.extend(wire.drain())
        return len(came) > than

    try:
        for _ in range(5):
            binding = bind(link, [2, 3])
            until("frames pass while bound", partial(more, len(came)))
            binding.unbind()
            came += wire.drain()
    finally:
        stop.set()
        sender.join(30)
    for _ in ticks(10.0):
        came += wire.drain()
        if len(came) >= len(sent):
            break
    missing = sorted(set(range(len(sent))) - {int.from_bytes(f.data[14:18], "big") for f in came})
    seen = {"socket": wire.overflows(), **_drops(link.rx), **_drops(link.tx)}
    assert not missing, f"of {len(sent)} frames, {missing[:10]} ... have not come; dropped: {seen}"
    assert [f.data for f in came] == sent, "not in the order they were sent in"
    stats = link.rx.ethtool.stats()
    assert stats["rx_down"] == stats["rx_overruns"] == 0
    assert stats["ch1_interrupts"] > interrupts


def _drops(port: Port) -> dict[str, int]:
    """What a port's NIC and its qdiscs have dropped, where it is not 0."""
    link = port.attribute("IFLA_STATS64")
    found = {
        f"{port.name} {name}": link[name] for name in ("rx_dropped", "rx_missed_errors", "rx_errors", "tx_dropped")
    }
    return {name: value for name, value in found.items() if value}


def test_the_restarted_queue_waits(link: Link, bind: Bind, defer: Defer) -> None:
    """A stream through the very queue that is restarted goes on: pause holds the sender back meanwhile."""
    steer(link, socket.AF_INET, [2])
    sender, receiver = connect(link, socket.AF_INET, defer)
    data = payload(1 << 16)
    for round_ in range(4):
        thread = threading.Thread(target=sender.sendall, args=(data,), daemon=True)
        thread.start()
        link.rx.ethtool.set_rings(RX=64 << round_ % 2)  # restarts all queues
        got = b""
        while len(got) < len(data):
            got += receiver.recv(1 << 17)
        thread.join(30)
        assert got == data, f"round {round_}"
        with bind(link, [2]):
            assert link.bound_to(2) is not None
        assert link.bound_to(2) is None


def test_restart_while_down(link: Link, bind: Bind) -> None:
    """A bind to a port that is down is kept until it is up, or refused; the port comes up either way."""
    link.rx.set(state="down")
    try:
        binding = bind(link, [3])
    except OSError:
        binding = None
    link.set_up()
    assert link.bound_to(3) == (binding.id if binding else None)
    link.tx.ns.run(["ping", "-n", "-q", "-c", "2", "-i", "0.05", link.rx.v4])


def test_a_queue_of_a_port_that_is_down(link: Link, bind: Bind, defer: Defer) -> None:
    """6.12's core stops and starts such a queue as well, later ones only get memory: then nothing fails that can."""
    link.rx.set(state="down")
    faults.inject(link.rx, "queue_start", 1, defer)
    try:
        binding = bind(link, [3])
    except RefusedError as refused:
        assert refused.errno == errno.EIO
        binding = None
    assert faults.hits(link.rx, "queue_start") == (0 if binding else 1)
    faults.inject(link.rx, "queue_start", 0, defer)
    link.set_up()
    assert link.bound_to(3) == (binding.id if binding else None)
    steer(link, socket.AF_INET, [3])
    sender, receiver = connect(link, socket.AF_INET, defer, prepared=bool(binding))
    data = payload(10_000)
    sender.sendall(data)
    got = devmem.receive_all(receiver, len(data)) if binding else []
    came = b"".join(r.content(binding.dmabuf) for r in got) if binding else receive(receiver, len(data))
    assert came == data


def test_pools_come_and_go_with_the_queue(link: Link, bind: Bind) -> None:
    """A restart replaces the two pools of its queue, for headers and for data, and no other."""

    def pools() -> set[int]:
        return {p.id for p in link.netdev.page_pools(link.rx.ifindex) if not p.orphaned}

    before = pools()
    assert len(before) == 8, f"{len(before)} pools for 4 queues"
    with bind(link, [2]) as binding:
        bound = pools()
        fed = [p.id for p in link.netdev.page_pools(link.rx.ifindex) if p.dmabuf == binding.id]
    assert len(bound) == 8 and len(bound - before) == 2, f"{len(bound - before)} of {len(bound)} pools are new"
    assert len(fed) == 1 and set(fed) <= bound - before, "one of the new pools, and only that, is fed by the binding"
    after = pools()
    assert len(after) == 8 and after.isdisjoint(bound - before), "pools of the time with the binding are still there"
