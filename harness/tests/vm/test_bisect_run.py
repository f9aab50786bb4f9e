# SPDX-License-Identifier: GPL-2.0-only
"""Synthetic module histories, built and measured in real guests: one of each kind, with seeds drawn at run time."""

from __future__ import annotations

import math
import random
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from histories import BROKEN, KINDS, SCRIPT, draw, repository
from ppiov.bisect.engine import Ends, bisect
from ppiov.bisect.oracle import GUEST, Oracle
from ppiov.bisect.request import BisectRequest
from ppiov.bisect.story import Story
from ppiov.cluster import Cluster
from ppiov.drive import drive
from ppiov.render.plain import PlainRenderer

pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    with Cluster(1) as started:
        yield started


def run(request: BisectRequest, cluster: Cluster) -> Story:
    return drive(bisect(request, cluster), PlainRenderer(sys.stdout))


@pytest.mark.parametrize("kind", KINDS)
def test_a_synthetic_history(kind: str, kernel: str, tmp_path: Path, cluster: Cluster) -> None:
    seed = random.SystemRandom().randrange(10**6)
    size = random.Random(seed).choice((8, 16, 32, 64, 128))
    history = draw(kind, size, seed)
    sys.stdout.write(f"{kind}, size {size}, seed {seed}: {history.steps}, no figure: {sorted(history.broken)}\n")
    commits = repository(history, tmp_path / "synth")
    script = tmp_path / "cost.sh"
    script.write_text(f"{SCRIPT}# seed {seed}\n")  # or the store would know what a history before has measured
    script.chmod(0o755)
    request = BisectRequest(
        *(commits[0], commits[-1], Oracle(GUEST, figure="cost", script=script, load=("synth",)), kernel),
        module=tmp_path / "synth",
        results_dir=tmp_path / "results",
    )
    if kind == "none":
        with pytest.raises(Ends, match=r"do not differ by 0\.5 insns/op or more"):
            run(request, cluster)
        return
    story = run(request, cluster)
    ((line, change),) = story.changes
    assert (change.first, change.last) in history.regressions
    planted = history.values[change.last] - history.values[change.first - 1]
    assert change.diff.estimate == pytest.approx(planted, abs=0.1)
    assert line.found is not None and line.found.exact
    if not history.broken:
        assert len(line.readings) <= math.ceil(math.log2(size)) + 2
        assert any(text.startswith("synth: work (") for text in story.functions)
    assert {hole.why for hole in line.found.holes.values()} == ({BROKEN[kind]} if kind in BROKEN else set())
