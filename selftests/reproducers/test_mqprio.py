# SPDX-License-Identifier: GPL-2.0-only
"""An mqprio that goes takes the classes of the one that stays. The report: docs/bugs/mqprio.md.

No device of ours has a part in it: a veth has no classes in hardware, and refuses mqprio that wants them.
"""

from __future__ import annotations

import pytest
from lib.fixtures import Defer
from lib.netns import INIT, Namespace

pytestmark = [
    pytest.mark.needs_config("NET_SCH_MQPRIO"),
    pytest.mark.reproducer(
        report="docs/bugs/mqprio.md", hits=("6.12", "7.3"), kind="fail", shows=("classes are gone",)
    ),
]

CLASSES = ("num_tc", 2, "map", 0, 1, *[0] * 14, "queues", "1@0", "1@1")


def classes(ns: Namespace) -> list[int]:
    """The traffic class of each TX queue, as the device has them."""
    return [int(ns.run(["cat", f"/sys/class/net/v0/queues/tx-{queue}/traffic_class"])) for queue in range(2)]


@pytest.fixture
def ns(defer: Defer) -> Namespace:
    """Of a veth with two TX queues, and an mqprio that has a class for each. /sys is of the initial one."""
    ns = INIT
    ns.run(["ip", "link", "add", "v0", "numtxqueues", "2", "type", "veth", "peer", "name", "v1"])
    defer(ns.run, ["ip", "link", "del", "v0"])
    replace(ns, 100, "hw", "0")
    assert classes(ns) == [0, 1], "there were no classes to lose"
    return ns


def replace(ns: Namespace, handle: int, *more: str) -> None:
    """
    :raises AssertionError: if it is refused
    """
    qdisc = ["dev", "v0", "root", "handle", f"{handle}:", "mqprio", *map(str, CLASSES)]
    ns.run(["tc", "qdisc", "replace", *qdisc, *more])


def stays(ns: Namespace, handle: int) -> bool:
    return f"qdisc mqprio {handle}: root" in ns.run(["tc", "qdisc", "show", "dev", "v0", "root"])


def test_refused_mqprio(ns: Namespace) -> None:
    """The qdisc that was there is still there after another one was refused, and so must its classes be."""
    with pytest.raises(AssertionError, match="does not support hardware offload"):
        replace(ns, 200, "hw", "1")
    assert stays(ns, 100)
    assert classes(ns) == [0, 1], "the classes are gone, and their qdisc is not"


def test_replaced_mqprio(ns: Namespace) -> None:
    """One that takes another one's place brings its classes."""
    replace(ns, 200, "hw", "0")
    assert stays(ns, 200)
    assert classes(ns) == [0, 1], "the classes are gone, and their qdisc is not"
