# SPDX-License-Identifier: GPL-2.0-only
"""Synthetic module histories, built and measured in real guests: one of each kind, with seeds drawn at run time."""

from __future__ import annotations

import math
import random
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from gitrepo import Repository
from histories import BROKEN, KINDS, SCRIPT, TAKES_TIME, draw, repository, synth
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


# By the guest's own clock, the best of twenty: on a machine that others use one alone may be six times as much.
NOISY = """\
#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
set -eu
best=
for _ in $(seq 20); do
	cost=$(cat /sys/kernel/debug/ppiov_synth/cost)
	[ -n "$best" ] && [ "$best" -le "$cost" ] || best=$cost
done
echo "figure cost $((best / 1000)).$(printf %03d $((best % 1000))) ns/op guest-clock"
"""


def test_a_noisy_meter(kernel: str, tmp_path: Path, cluster: Cluster) -> None:
    seed = random.SystemRandom().randrange(10**6)
    culprit = random.Random(seed).randint(1, 4)
    sys.stdout.write(f"seed {seed}: commit {culprit} of 4 takes twice the time\n")
    made = Repository(tmp_path / "synth")
    commits = []
    for point in range(5):
        files = synth(300 if point < culprit else 600, instruction=TAKES_TIME)
        commits.append(made.commit(f"commit {point}", NOTES=f"{point}\n", **files))
    script = tmp_path / "cost.sh"
    script.write_text(f"{NOISY}# seed {seed}\n")
    script.chmod(0o755)
    oracle = Oracle(GUEST, figure="cost", meter="guest-clock", script=script, load=("synth",))
    request = BisectRequest(
        *(commits[0], commits[-1], oracle, kernel),
        module=tmp_path / "synth",
        results_dir=tmp_path / "results",
    )
    story = run(request, cluster)
    ((line, change),) = story.changes
    assert change.one and line.history.points[change.last].id == commits[culprit]
    assert line.found is not None and not line.found.exact and line.found.method.startswith("mixture sequential")
    assert 0 < change.diff.low < change.diff.estimate < change.diff.high and change.diff.samples >= 5
    assert f"{change.diff.low:+.4g} to {change.diff.high:+.4g}" in story.verdict[1]
    taken = sum(map(len, line.readings.values()))
    sys.stdout.write(f"{taken} measurements of {len(line.readings)} commits\n")
