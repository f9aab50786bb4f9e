# SPDX-License-Identifier: GPL-2.0-only
"""Do frames leave by the MAC that they should, after the other end has said that it has both?

netns «ppiov-tx»                     netns «ppiov-rx»
 priority 0: queue 0, preemptible     rx0: a datagram socket
 priority 1: queue 1, express

A kernel without that state machine (before 6.15) refuses to have frames preempted.
"""

from __future__ import annotations

import errno
import socket
import threading

import pytest
from lib.ethmac import Source
from lib.fixtures import Defer, MakeLink
from lib.lacking import or_refused
from lib.link import Link
from lib.mac_merge import MacMerge, Verify, known
from lib.mqprio import Class, classify, declassify, sender
from lib.netlink import RefusedError
from lib.poll import PATIENCE, until

PREEMPTIBLE, EXPRESS = 0, 1
CLASSES = (Class(range(1), preemptible=True), Class(range(1, 2)))
NUMBER = 7000


@pytest.fixture
def link(make_link: MakeLink) -> Link:
    return make_link(bare=True).hush()


def up(link: Link) -> None:
    """Both ends; whose neighbour is who, they find out themselves, by ARP."""
    for port in (link.tx, link.rx):
        port.set(state="up")
    for port in (link.tx, link.rx):
        until(f"carrier of {port.name}", port.running)


def _lacks(_: Link) -> bool | None:
    return None if known() else True


def _refused(link: Link, _defer: Defer, _lack: bool) -> None:
    with pytest.raises(RefusedError) as refused:
        MacMerge(link.tx).set(PMAC_ENABLED=1)
    assert refused.value.errno == errno.EOPNOTSUPP


merging = or_refused(_lacks, _refused)
with_classes = pytest.mark.needs_config("NET_SCH_MQPRIO")


class Flow:
    """Datagrams from tx0 to rx0, of both priorities."""

    def __init__(self, link: Link, defer: Defer) -> None:
        self.link = link
        self._in = link.rx.ns.socket(socket.AF_INET, socket.SOCK_DGRAM, 0)
        defer(self._in.close)
        self._in.bind((link.rx.v4, NUMBER))
        self._in.settimeout(PATIENCE)
        self._out = [sender(link.tx, link.rx, priority, NUMBER) for priority in (PREEMPTIBLE, EXPRESS)]
        for sock in self._out:
            defer(sock.close)

    def send(self, priority: int, count: int) -> None:
        for _ in range(count):
            self._out[priority].send(bytes([priority]))

    def receive(self, count: int) -> list[int]:
        """The priorities of so many that came."""
        return [self._in.recv(16)[0] for _ in range(count)]

    def counted(self, priority: int, count: int) -> dict[Source, tuple[int, int]]:
        """What the MACs of the sender have sent, and those of the receiver received, of frames that all come."""
        ends = MacMerge(self.link.tx), MacMerge(self.link.rx)

        def now() -> dict[Source, tuple[int, int]]:
            return {source: (ends[0].frames(source)[0], ends[1].frames(source)[1]) for source in Source}

        before = now()
        self.send(priority, count)
        assert self.receive(count) == [priority] * count
        return {source: (tx - before[source][0], rx - before[source][1]) for source, (tx, rx) in now().items()}


def by(source: Source, count: int) -> dict[Source, tuple[int, int]]:
    """Frames that one MAC sent, and one received, and not the other."""
    return {each: (count, count) if each in (source, Source.BOTH) else (0, 0) for each in Source}


def until_preempted(flow: Flow) -> None:
    """The core says so when it has the answer, and acts on it when its timer comes."""
    until("preemption", lambda: flow.counted(PREEMPTIBLE, 1) == by(Source.PMAC, 1))


@with_classes
@merging
def test_as_made(link: Link, defer: Defer) -> None:
    """Off, and frames are express, whatever their class is; what can be set is shown."""
    merge = MacMerge(link.tx)
    assert merge.status() == Verify.DISABLED
    state = merge.get()
    assert not any(state[f"{what}_ENABLED"] for what in ("PMAC", "TX", "VERIFY")) and not state["TX_ACTIVE"]
    classify(link.tx, CLASSES)
    assert Flow(link, defer).counted(PREEMPTIBLE, 10) == by(Source.EMAC, 10)
    merge.set(TX_MIN_FRAG_SIZE=124, VERIFY_TIME=50)
    assert merge.get() == {**state, "TX_MIN_FRAG_SIZE": 124, "VERIFY_TIME": 50}


@with_classes
@merging
def test_without_verification(link: Link, defer: Defer) -> None:
    """At once, and for preemptible classes only; and no more when it is off, or the class is gone."""
    flow = Flow(link, defer)
    classify(link.tx, CLASSES)
    MacMerge(link.rx).set(PMAC_ENABLED=1)
    merge = MacMerge(link.tx)
    merge.set(PMAC_ENABLED=1, TX_ENABLED=1)
    assert merge.active() and merge.status() == Verify.DISABLED
    assert flow.counted(PREEMPTIBLE, 10) == by(Source.PMAC, 10)
    assert flow.counted(EXPRESS, 10) == by(Source.EMAC, 10)
    assert not any(merge.counters().values()) and not any(MacMerge(link.rx).counters().values())

    merge.set(TX_ENABLED=0)
    assert flow.counted(PREEMPTIBLE, 10) == by(Source.EMAC, 10)
    merge.set(TX_ENABLED=1)
    assert flow.counted(PREEMPTIBLE, 10) == by(Source.PMAC, 10)
    link.rx.set(state="down")
    up(link)
    until_preempted(flow)
    declassify(link.tx)
    assert flow.counted(PREEMPTIBLE, 10) == by(Source.EMAC, 10)


@with_classes
@merging
def test_receiver_without_pmac(link: Link, defer: Defer) -> None:
    """Who sends preemptible frames to one that has not turned its pMAC on loses them, and no other."""
    flow = Flow(link, defer)
    classify(link.tx, CLASSES)
    MacMerge(link.tx).set(PMAC_ENABLED=1, TX_ENABLED=1)
    receiver = MacMerge(link.rx)
    _, before = receiver.frames(Source.BOTH)
    flow.send(PREEMPTIBLE, 10)
    flow.send(EXPRESS, 5)
    assert flow.receive(5) == [EXPRESS] * 5
    assert receiver.counters()["SMD_ERRORS"] == 10
    assert link.rx.ethtool.stats()["rx_smd_errors"] == 10
    assert receiver.frames(Source.BOTH)[1] == before + 5
    stats = link.rx.attribute("IFLA_STATS64")
    assert (stats["rx_errors"], stats["rx_frame_errors"]) == (10, 10)
    receiver.set(PMAC_ENABLED=1)
    assert flow.counted(PREEMPTIBLE, 10) == by(Source.PMAC, 10)


@with_classes
@merging
def test_verification(link: Link, defer: Defer) -> None:
    """Frames are express until the other end has answered."""
    flow = Flow(link, defer)
    classify(link.tx, CLASSES)
    merge, other = MacMerge(link.tx), MacMerge(link.rx)
    other.set(PMAC_ENABLED=1)
    merge.set(PMAC_ENABLED=1, TX_ENABLED=1, VERIFY_ENABLED=1)
    until("verification", lambda: merge.status() == Verify.SUCCEEDED)
    until_preempted(flow)
    assert flow.counted(EXPRESS, 10) == by(Source.EMAC, 10)
    assert not other.active() and other.status() == Verify.DISABLED

    # Both may ask
    other.set(TX_ENABLED=1, VERIFY_ENABLED=1)
    merge.set(VERIFY_TIME=50)
    until("verification", lambda: merge.status() == other.status() == Verify.SUCCEEDED)
    until_preempted(flow)


@with_classes
@merging
def test_nobody_answers(link: Link, defer: Defer) -> None:
    """Without a pMAC at the other end verification fails, and frames stay express; with one it is asked again by whom
    has another link."""
    flow = Flow(link, defer)
    classify(link.tx, CLASSES)
    merge = MacMerge(link.tx)
    merge.set(PMAC_ENABLED=1, TX_ENABLED=1, VERIFY_ENABLED=1)
    until("verification has failed", lambda: merge.status() == Verify.FAILED)
    assert not merge.active()
    assert flow.counted(PREEMPTIBLE, 10) == by(Source.EMAC, 10)
    MacMerge(link.rx).set(PMAC_ENABLED=1)
    assert merge.status() == Verify.FAILED
    link.rx.set(state="down")
    until("the link is gone", lambda: merge.status() == Verify.INITIAL)
    up(link)
    until("verification", lambda: merge.status() == Verify.SUCCEEDED)
    until_preempted(flow)


@with_classes
@merging
def test_verified_anew(link: Link, defer: Defer) -> None:
    """What was active without verification is not any more while it has to be verified, and fails."""
    flow = Flow(link, defer)
    classify(link.tx, CLASSES)
    merge = MacMerge(link.tx)
    merge.set(PMAC_ENABLED=1, TX_ENABLED=1)
    assert merge.active()
    merge.set(VERIFY_ENABLED=1)
    assert flow.counted(PREEMPTIBLE, 10) == by(Source.EMAC, 10)
    until("verification has failed", lambda: merge.status() == Verify.FAILED)
    assert flow.counted(PREEMPTIBLE, 10) == by(Source.EMAC, 10)


@with_classes
@merging
def test_in_loopback(link: Link, defer: Defer) -> None:
    """A port that hears itself is its own other end, which has a pMAC if it has; the other one is asked afterwards."""
    classify(link.tx, CLASSES)
    link.tx.ethtool.run("-K", "loopback", "on")
    merge = MacMerge(link.tx)
    merge.set(PMAC_ENABLED=1, TX_ENABLED=1, VERIFY_ENABLED=1)
    until("verification", lambda: merge.status() == Verify.SUCCEEDED)
    link.tx.ethtool.run("-K", "loopback", "off")
    until("verification has failed", lambda: merge.status() == Verify.FAILED)
    assert Flow(link, defer).counted(PREEMPTIBLE, 10) == by(Source.EMAC, 10)


@with_classes
@merging
def test_another_speed(link: Link, defer: Defer) -> None:
    """It is another link: what was verified on the one before is asked again, and fails if it is not so any more."""
    flow = Flow(link, defer)
    classify(link.tx, CLASSES)
    merge, other = MacMerge(link.tx), MacMerge(link.rx)
    other.set(PMAC_ENABLED=1)
    merge.set(PMAC_ENABLED=1, TX_ENABLED=1, VERIFY_ENABLED=1)
    until_preempted(flow)
    other.set(PMAC_ENABLED=0)
    link.rx.ethtool.run("-s", "speed", 1000, "autoneg", "off")
    until("verification has failed", lambda: merge.status() == Verify.FAILED)
    assert flow.counted(PREEMPTIBLE, 10) == by(Source.EMAC, 10)


@merging
def test_no_link(link: Link, defer: Defer) -> None:
    """Two speeds that do not agree: there is nobody to answer, until they do."""
    for port, speed in ((link.tx, 1000), (link.rx, 10000)):
        port.ethtool.run("-s", "speed", speed, "autoneg", "off")
    merge = MacMerge(link.tx)
    MacMerge(link.rx).set(PMAC_ENABLED=1)
    merge.set(PMAC_ENABLED=1, TX_ENABLED=1, VERIFY_ENABLED=1)
    until("verification has failed", lambda: merge.status() == Verify.FAILED)
    link.rx.ethtool.run("-s", "speed", 1000, "autoneg", "off")
    until("verification", lambda: merge.status() == Verify.SUCCEEDED)


@with_classes
@merging
def test_sums(link: Link, defer: Defer) -> None:
    """What the MACs have counted apart is what they have together."""
    flow = Flow(link, defer)
    classify(link.tx, CLASSES)
    MacMerge(link.rx).set(PMAC_ENABLED=1)
    merge = MacMerge(link.tx)
    merge.set(PMAC_ENABLED=1, TX_ENABLED=1)
    flow.counted(PREEMPTIBLE, 7)
    flow.counted(EXPRESS, 5)
    for port, way in ((link.tx, 0), (link.rx, 1)):
        frames = {source: MacMerge(port).frames(source)[way] for source in Source}
        assert frames[Source.PMAC] == 7
        assert frames[Source.EMAC] >= 5
        assert frames[Source.BOTH] == frames[Source.PMAC] + frames[Source.EMAC]


@merging
@pytest.mark.parametrize("end", ["tx", "rx"])
def test_link_goes_while_verifying(link: Link, defer: Defer, end: str) -> None:
    """With a question on its way and an answer that nobody waits for."""
    for round_ in range(10):
        merge, other = MacMerge(link.tx), MacMerge(link.rx)
        other.set(PMAC_ENABLED=round_ % 2)
        merge.set(PMAC_ENABLED=1, TX_ENABLED=1, VERIFY_ENABLED=1, VERIFY_TIME=1)
        getattr(link, end).set(state="down")
        up(link)
        merge.set(TX_ENABLED=0, VERIFY_ENABLED=0)
    MacMerge(link.tx).set(TX_ENABLED=1, VERIFY_ENABLED=1)
    link.remove()


@merging
def test_settings_while_links_come_and_go(link: Link, defer: Defer) -> None:
    """Ethtool has the port's own lock, and the other end's link the RTNL: no setting is lost between them."""
    merge = MacMerge(link.tx)
    MacMerge(link.rx).set(PMAC_ENABLED=1)

    def come_and_go() -> None:
        for _ in range(30):
            link.rx.set(state="down")
            link.rx.set(state="up")

    other = threading.Thread(target=come_and_go)
    other.start()
    while other.is_alive():
        merge.set(PMAC_ENABLED=1, TX_ENABLED=1, VERIFY_ENABLED=1, VERIFY_TIME=1)
        merge.set(TX_ENABLED=0, VERIFY_ENABLED=0)
    other.join()
    up(link)
    assert merge.status() == Verify.DISABLED
    merge.set(TX_ENABLED=1, VERIFY_ENABLED=1, VERIFY_TIME=100)
    until("verification", lambda: merge.status() == Verify.SUCCEEDED)
