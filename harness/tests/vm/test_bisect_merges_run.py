# SPDX-License-Identifier: GPL-2.0-only
"""Module histories with a merge, built and measured in real guests: what it merged is to blame, the merge, or both."""

from __future__ import annotations

import math
import random
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
from gitrepo import Repository
from histories import SCRIPT, synth
from ppiov.bisect.engine import bisect
from ppiov.bisect.oracle import GUEST, Oracle
from ppiov.bisect.request import BisectRequest
from ppiov.drive import drive
from ppiov.render.plain import PlainRenderer

pytestmark = pytest.mark.long

COST = 20  # instructions, at the good end


@dataclass(frozen=True)
class Merged:
    """::

    base - main 1 - ... - M - after 1 - ...        the branch leaves at one of the first commits of main
               `-- side 1 - side 2 - ... /
    """

    repository: Repository
    good: str
    main: int  # commits on the line from good to bad, M among them
    side: int  # commits on the branch
    culprit: str  # of those, which changes the cost; a subject


def merged(folder: Path, dice: random.Random, branch: int, merge: int) -> Merged:
    """A history where one commit of the branch adds ``branch`` instructions, and the merge itself ``merge`` more."""
    made = Repository(folder)
    good = made.commit("base", **synth(COST))
    before, side, after = dice.randint(2, 6), dice.randint(2, 8), dice.randint(1, 4)
    culprit = dice.randint(1, side)
    for number in range(1, before + 1):
        made.commit(f"main {number}")
    made.branch("side", f"main~{dice.randint(1, before)}")
    for number in range(1, side + 1):
        made.commit(f"side {number}", **{"NOTES": f"{number}\n", **(synth(COST + branch) if number == culprit else {})})
    made.merge("side", "M")
    if merge:
        (folder / "synth.c").write_text(synth(COST + branch + merge)["synth.c"])
        made.git("commit", "--quiet", "--all", "--amend", "-m", "M")
    for number in range(1, after + 1):
        made.commit(f"after {number}")
    return Merged(made, good, before + 1 + after, side, f"side {culprit}")


@pytest.mark.parametrize(("branch", "merge"), [(3, 0), (0, 3), (1, 10), (-2, 5)])
def test_a_history_with_a_merge(branch: int, merge: int, kernel: str, tmp_path: Path) -> None:
    seed = random.SystemRandom().randrange(10**6)
    history = merged(tmp_path / "synth", random.Random(seed), branch, merge)
    sys.stdout.write(f"seed {seed}: {history}, branch {branch:+}, merge {merge:+}\n")
    script = tmp_path / "cost.sh"
    script.write_text(f"{SCRIPT}# seed {seed}\n")  # or the store would know what a history before has measured
    script.chmod(0o755)
    request = BisectRequest(
        *(history.good, "main", Oracle(GUEST, figure="cost", script=script, load=("synth",)), kernel),
        module=tmp_path / "synth",
        results_dir=tmp_path / "results",
    )
    story = drive(bisect(request), PlainRenderer(sys.stdout))
    found = {line.history.points[c.last].subject: c.diff.estimate for line, c in story.changes if c.one}
    planted = {history.culprit: branch, "M": merge}
    assert found == pytest.approx({subject: cost for subject, cost in planted.items() if cost > 0}, abs=0.1)
    assert len(found) == len(story.changes)
    line, inside = story.lines
    assert inside.merge is not None and inside.merge.subject == "M"
    assert line.history.size == history.main and inside.history.size == history.side
    for searched in story.lines:
        assert len(searched.readings) <= math.ceil(math.log2(searched.history.size)) + 2
    names = [f"{line.history.points[c.last].name} " for line, c in story.changes] if len(found) > 1 else [""]
    assert [text.partition(" (")[0] for text in story.functions] == [f"{name}synth: work" for name in names]
    # git, told the same verdicts, knows the same commit.
    history.repository.git("bisect", "replay", str(story.folder / "bisect.log"))
    blamed = next((point for point in inside.history.points if point.subject in found), inside.merge)
    assert f"# first bad commit: [{blamed.id}] {blamed.subject}" in history.repository.git("bisect", "log")
