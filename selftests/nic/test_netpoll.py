# SPDX-License-Identifier: GPL-2.0-only
"""Does a port serve netpoll, which sends with interrupts off and polls for room itself?

netns «ppiov-tx»                          netns «ppiov-rx»
 /dev/kmsg -> netconsole -> tx0 ======== rx0 -> UDP port 6666
"""

from __future__ import annotations

import os
from collections import Counter

import pytest
from lib import faults, module, sysfs
from lib.chatter import Chatter
from lib.fixtures import Defer
from lib.link import Link
from lib.netconsole import MARK, Netconsole
from lib.poll import until
from lib.trace import Events

LINES = 100


@pytest.fixture
def netconsole(nic: Link, defer: Defer) -> Netconsole:
    """Kernel messages from tx0 to rx0."""
    return Netconsole(nic, defer)


def test_lines_arrive(netconsole: Netconsole) -> None:
    """Each message comes, in its place."""
    for lines in (1, LINES):
        said = netconsole.say(lines)
        assert netconsole.hear(lines) == said


@pytest.mark.parametrize("queues", [4, 1])
def test_under_traffic(nic: Link, netconsole: Netconsole, defer: Defer, queues: int) -> None:
    """They come as well while both ends send all they can, also where all share one queue and a short ring."""
    for port in (nic.tx, nic.rx):
        port.ethtool.run("-L", "combined", str(queues))
        port.ethtool.run("-G", "rx", "64", "tx", "64")
    chatter = Chatter(nic)
    defer(chatter.end)
    for _ in range(10):
        said = netconsole.say(LINES // 10)
        assert netconsole.hear(len(said)) == said
    chatter.end()
    assert chatter.sent


def test_from_hard_interrupts(nic: Link, netconsole: Netconsole, defer: Defer) -> None:
    """They come also if a hard interrupt says them, on each CPU, whatever of the device it has interrupted."""
    times = 20
    chatter = Chatter(nic)
    defer(chatter.end)
    defer(module.unload_for_test, "ppiov_hardirq")
    module.load_for_test("ppiov_hardirq", say=times)
    cpus = os.cpu_count() or 1
    assert Counter(netconsole.hear(times * cpus)) == {f"{MARK}{i}": cpus for i in range(times)}


def test_polls_for_room(nic: Link, netconsole: Netconsole, defer: Defer) -> None:
    """A device that does not send is polled, with a budget of 0, and what it has not taken by then comes later."""
    for limit in sysfs.folder(nic.tx, defer).glob("queues/tx-*/byte_queue_limits/limit_max"):
        limit.write_text("100")  # so that a message or two stop a queue
    faults.inject(nic.tx, "stall_tx", 0xF, defer)
    polls = Events(defer, "napi/napi_poll", f'dev_name == "{nic.tx.name}" && budget == 0')
    said = netconsole.say(LINES)
    until("netpoll polls", polls.lines)
    assert netconsole.pending() == []
    faults.inject(nic.tx, "stall_tx", 0, defer)
    # In any order: netpoll may send one at once while its work takes the one before it out of the queue.
    assert Counter(netconsole.hear(LINES)) == Counter(said)


def test_down_and_up(nic: Link, netconsole: Netconsole) -> None:
    """A message to a port that is down is lost, as on any NIC, and those after it come."""
    nic.tx.set(state="down")
    netconsole.say(1)
    nic.set_up()
    said = netconsole.say(LINES)
    heard: list[str] = []
    while said[-1] not in heard:
        heard += netconsole.hear(1)
    assert heard[-LINES:] == said


def test_link_goes(nic: Link, netconsole: Netconsole, defer: Defer) -> None:
    """A port that netpoll uses can be removed under traffic: the target is told."""
    chatter = Chatter(nic)
    defer(chatter.end)
    netconsole.say(LINES)
    nic.remove()
    until("the target has let go", lambda: not netconsole.enabled)
    netconsole.say(1)
