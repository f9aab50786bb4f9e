# SPDX-License-Identifier: GPL-2.0-only
"""A network device that goes takes its choice of a clock with it, and the memory of that stays. The report:
docs/bugs/hwprov.md.

Any device with a PTP clock does; here it is a port of ppnic, of which nothing is in the leak's stack.
"""

from __future__ import annotations

import pytest
from lib import kmemleak, tsconfig
from lib.fixtures import MakeLink
from lib.link import Port
from lib.poll import until

pytestmark = [
    pytest.mark.needs_config("PTP_1588_CLOCK"),
    pytest.mark.needs_config("DEBUG_KMEMLEAK"),
    pytest.mark.reproducer(report="docs/bugs/hwprov.md", hits=("7.3",), kind="kmemleak", shows=("ethnl_set_tsconfig",)),
]


def clock(port: Port) -> int:
    """The number of the port's PTP clock, as `ethtool -T` has it."""
    (line,) = (line for line in port.ethtool.run("-T").splitlines() if "clock" in line.lower() and ":" in line)
    return int(line.rpartition(":")[2])


def test_device_that_has_chosen_a_clock(make_link: MakeLink) -> None:
    """The clock that stamps a device's frames is chosen, which takes memory; the device goes. Several of them: what the
    last one has left may still be pointed to, by the stack of whoever asked for it.
    """
    for _ in range(4):
        link = make_link(bare=True)
        number = clock(link.rx)
        tsconfig.choose(link.rx, number)
        assert tsconfig.chosen(link.rx) == number
        link.remove()
        until("the link is gone", lambda: not link.exists)  # noqa: B023
    kmemleak.scan()
