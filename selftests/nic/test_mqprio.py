# SPDX-License-Identifier: GPL-2.0-only
"""Do packets take the TX queues of their traffic class, and do queues stay while a class has them?

netns «ppiov-tx»                     netns «ppiov-rx»
 priority 0: queue 0                  rx0
 priority 1: queues 1 to 3   ======
"""

from __future__ import annotations

import errno
from collections.abc import Sequence

import pytest
from lib.fixtures import MakeLink
from lib.link import Link
from lib.mac_merge import known
from lib.mqprio import Class, classify, declassify, sender
from lib.netlink import RefusedError

pytestmark = pytest.mark.needs_config("NET_SCH_MQPRIO")

CLASSES = (Class(range(1)), Class(range(1, 4)))


@pytest.fixture
def link(make_link: MakeLink) -> Link:
    return make_link(bare=True).hush()


def sent(link: Link) -> list[int]:
    """Packets that each TX queue has sent."""
    stats = link.tx.ethtool.stats()
    return [stats[f"tx{queue}_packets"] for queue in range(link.queues)]


def talk(link: Link, priority: int, ports: Sequence[int]) -> list[int]:
    """What the queues have sent of one datagram to each of these UDP ports."""
    before = sent(link)
    for number in ports:
        with sender(link.tx, link.rx, priority, number) as sock:
            sock.send(b"x")
    return [now - then for now, then in zip(sent(link), before, strict=True)]


@pytest.mark.parametrize("offload", [True, False], ids=["device", "stack"])
def test_queues_of_a_class(link: Link, offload: bool) -> None:
    """Each flow is on a queue of its class, whoever sorts them; without classes it is on any."""
    flows = range(7000, 7060)
    classify(link.tx, CLASSES, offload)
    assert talk(link, 0, flows) == [60, 0, 0, 0]
    first, *others = talk(link, 1, flows)
    assert (first, sum(others)) == (0, 60)
    declassify(link.tx)
    for priority in (0, 1):
        assert sum(talk(link, priority, flows)) == 60


def test_queues_stay(link: Link) -> None:
    """A class that the device was told of keeps its queues; one that it wasn't loses them, as the kernel has it."""
    classify(link.tx, (Class(range(1)), Class(range(1, 3))))
    with pytest.raises(AssertionError, match="exited with"):
        link.tx.ethtool.run("-L", "combined", 2)
    link.tx.ethtool.run("-L", "combined", 3)
    assert talk(link, 0, [7000]) == [1, 0, 0, 0]
    declassify(link.tx)
    link.tx.ethtool.run("-L", "combined", 2)
    classify(link.tx, (Class(range(1)), Class(range(1, 2))), offload=False)
    link.tx.ethtool.run("-L", "combined", 1)
    assert talk(link, 1, [7000]) == [1, 0, 0, 0]


def test_rates_refused(link: Link) -> None:
    """Rates are those of net shapers. Nothing is left of such a request: the queues are free for others."""
    with pytest.raises(RefusedError, match="net shapers"):
        classify(link.tx, CLASSES, rate=1_000_000)
    assert sum(talk(link, 1, [7000])) == 1
    classify(link.tx, CLASSES)


def test_queues_that_are_not_there(link: Link) -> None:
    with pytest.raises(RefusedError):
        classify(link.tx, (Class(range(1)), Class(range(1, 5))))
    classify(link.tx, CLASSES)


def test_preemptible(link: Link) -> None:
    """Where the kernel can ask the other end whether it understands; else it is refused."""
    classes = (Class(range(1), preemptible=True), Class(range(1, 4)))
    if not known():
        with pytest.raises(RefusedError) as refused:
            classify(link.tx, classes)
        assert refused.value.errno == errno.EOPNOTSUPP
    classify(link.tx, classes if known() else CLASSES)


def test_link_goes(link: Link) -> None:
    """Nothing is in the way of a port that has classes."""
    classify(link.tx, CLASSES)
    classify(link.rx, CLASSES)
    link.remove()
