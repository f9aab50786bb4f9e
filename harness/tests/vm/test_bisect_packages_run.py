# SPDX-License-Identifier: GPL-2.0-only
"""The packaged 6.12 point releases of Debian's archive: the one that a changelog names is found."""

from __future__ import annotations

import math
import sys
from pathlib import Path

import pytest
from ppiov.bisect.engine import bisect
from ppiov.bisect.oracle import GUEST, Oracle
from ppiov.bisect.request import BisectRequest
from ppiov.drive import drive
from ppiov.render.plain import PlainRenderer

pytestmark = pytest.mark.long

# linux (6.12.95-1): «net/netfilter: Enable NETFILTER_NETLINK_HOOK as module (Closes: #1139686)»
SCRIPT = "#!/bin/sh\n! modprobe nfnetlink_hook\n"
FIRST = (6, 12, 95)


def numbers(version: str) -> tuple[int, ...]:
    return tuple(map(int, version.split(".")))


def test_the_release_that_a_changelog_names(tmp_path: Path) -> None:
    script = tmp_path / "hook.sh"
    script.write_text(SCRIPT)
    script.chmod(0o755)
    request = BisectRequest(
        *("oldest", "newest", Oracle(GUEST, script=script)), packages="deb:6.12", results_dir=tmp_path / "results"
    )
    story = drive(bisect(request), PlainRenderer(sys.stdout))
    ((line, change),) = story.changes
    points = line.history.points
    # An archive forgets: what is found is the first release with it of those that are left.
    assert change.one and numbers(points[change.first - 1].id) < FIRST <= numbers(points[change.last].id)
    assert len(line.readings) <= math.ceil(math.log2(line.history.size)) + 2
