# SPDX-License-Identifier: GPL-2.0-only
"""Can the modules be unloaded when all is over, and do they leave nothing behind?

netns «ppiov-tx»                netns «ppiov-rx»
 tx0 ===================== rx0  queue 2: bound; removed before, or with, their unloading
"""

from __future__ import annotations

import socket
from pathlib import Path

import pytest
from lib import module
from lib.debugfs import DEBUGFS
from lib.fixtures import MakeLink, Start
from lib.link import Link
from lib.processes import run
from lib.traffic import steer, transfer

pytestmark = pytest.mark.last


def traces() -> list[str]:
    """What is there because of the modules."""
    names = (module.NAME, module.PPIOV)
    places = [Path("/sys/module", name) for name in names] + [DEBUGFS / name for name in names]
    found = [str(p) for p in places if p.exists()]
    found += [str(p) for p in Path("/sys/devices").glob(f"{module.NAME}*")]
    interrupts = Path("/proc/interrupts").read_text().splitlines()
    return found + [line.strip() for line in interrupts if module.NAME in line]


@pytest.mark.providers("page", "hugepage", "ring")
@pytest.mark.timeout_s(240)
def test_unload_and_load(make_link: MakeLink, start: Start) -> None:
    """After traffic and with the link removed, rmmod succeeds and leaves nothing; loaded again, it works."""
    link = make_link()
    steer(link, socket.AF_INET, [2])
    transfer(link, start, [2], socket.AF_INET, "256K")
    assert traces(), "there is nothing to be seen of the modules while they work: this test looks at the wrong places"
    link.delete()
    module.unload()
    assert not module.loaded() and not module.loaded(module.PPIOV)
    assert not traces()

    link = make_link()
    steer(link, socket.AF_INET, [2])
    transfer(link, start, [2], socket.AF_INET, "256K")


def test_unload_with_a_link(link: Link) -> None:
    """rmmod with a link that is up removes the link too, as rtnetlink does for every kind."""
    assert link.exists
    module.unload()
    assert not link.exists
    assert not traces()
    module.load()
    assert "ppnic" in run(["lsmod"])
