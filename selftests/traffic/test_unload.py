# SPDX-License-Identifier: GPL-2.0-only
"""Can the modules be unloaded when all is over, and do they leave nothing behind?

netns «ppiov-tx»                netns «ppiov-rx»
 tx0 ===================== rx0  queue 2: bound; removed before, or with, their unloading
"""

from __future__ import annotations

import socket

import pytest
from lib import module
from lib.fixtures import MakeLink, Start
from lib.link import Link
from lib.processes import run
from lib.traffic import steer, transfer

pytestmark = pytest.mark.last


@pytest.mark.providers("page", "hugepage", "ring")
@pytest.mark.timeout_s(240)
def test_unload_and_load(make_link: MakeLink, start: Start) -> None:
    """After traffic and with the link removed, rmmod succeeds and leaves nothing; loaded again, it works."""
    link = make_link()
    steer(link, socket.AF_INET, [2])
    transfer(link, start, [2], socket.AF_INET, "256K")
    assert module.traces(), "nothing is seen of the modules while they work: this test looks at the wrong places"
    link.delete()
    module.unload()
    assert not module.loaded() and not module.loaded(module.PPIOV)
    assert not module.traces()

    link = make_link()
    steer(link, socket.AF_INET, [2])
    transfer(link, start, [2], socket.AF_INET, "256K")


def test_unload_with_a_link(link: Link) -> None:
    """rmmod with a link that is up removes the link too, as rtnetlink does for every kind."""
    assert link.exists
    module.unload()
    assert not link.exists
    assert not module.traces()
    module.load()
    assert "ppnic" in run(["lsmod"])
