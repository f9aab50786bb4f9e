# SPDX-License-Identifier: GPL-2.0-only
"""ppiov's own modules: a commit that slows the pool, by --bench, and one that breaks the NIC, by --test."""

from __future__ import annotations

import math
import random
import sys
import time
from pathlib import Path

import own_history
import pytest
from own_history import Fault
from ppiov.bisect.engine import bisect
from ppiov.bisect.journal import Journal
from ppiov.bisect.oracle import BENCH, TEST, Oracle
from ppiov.bisect.request import BisectRequest
from ppiov.bisect.story import Story
from ppiov.drive import drive
from ppiov.render.plain import PlainRenderer

pytestmark = pytest.mark.long

FAST = "\tthis_cpu_inc(pool->stats->alloc_fast);\n"
BUILDS = math.ceil(math.log2(own_history.SIZE)) + 2


def run(request: BisectRequest) -> Story:
    return drive(bisect(request), PlainRenderer(sys.stdout))


def test_a_commit_that_slows_the_pool(kernel: str, tmp_path: Path) -> None:
    seed = random.SystemRandom().randrange(10**6)
    dice = random.Random(seed)
    culprit, nops = dice.randint(1, own_history.SIZE), dice.choice((1, 2, 10))
    sys.stdout.write(f"seed {seed}: commit {culprit} adds {nops} instructions\n")
    slower = f'{FAST}\tasm volatile("{"; ".join(["nop"] * nops)}");\n'
    commits = own_history.repository(tmp_path / "own", Fault("kernel/pool/pool.c", FAST, slower), culprit, seed)
    request = BisectRequest(
        *(commits[0], commits[-1], Oracle(BENCH, name="pool.page.direct"), kernel),
        module=tmp_path / "own",
        results_dir=tmp_path / "results",
    )
    begun = time.monotonic()
    story = run(request)
    first = time.monotonic() - begun
    ((line, change),) = story.changes
    assert change.one and line.history.points[change.last].id == commits[culprit]
    assert change.diff.estimate == pytest.approx(nops, abs=0.1)
    assert line.found is not None and line.found.exact and not line.found.holes
    assert len(line.readings) <= BUILDS
    assert "ppiov: ppiov_pool_alloc" in [text.partition(" (")[0] for text in story.functions]
    report = (story.folder / "report.txt").read_text()
    assert f'Fixes: {commits[culprit][:12]} ("commit {culprit}")' in report and "+ " in report
    # Once more: all of it is in the store.
    begun = time.monotonic()
    again = run(request)
    second = time.monotonic() - begun
    sys.stdout.write(f"first {first:.0f} s, second {second:.1f} s\n")
    assert again.folder != story.folder and again.verdict == story.verdict
    assert all(step.kept for step in Journal.load(again.folder / "journal.jsonl").steps)
    assert second < first / 10


def test_a_commit_that_breaks_the_nic(kernel: str, tmp_path: Path) -> None:
    seed = random.SystemRandom().randrange(10**6)
    culprit = random.Random(seed).randint(1, own_history.SIZE)
    sys.stdout.write(f"seed {seed}: commit {culprit} lets rings be too large\n")
    fault = Fault("kernel/nic/limits.h", "#define PPNIC_MAX_RING      8192", "#define PPNIC_MAX_RING      16384")
    commits = own_history.repository(tmp_path / "own", fault, culprit, seed)
    request = BisectRequest(
        *(commits[0], commits[-1], Oracle(TEST, name="nic/test_settings.py::test_rings_refused"), kernel),
        module=tmp_path / "own",
        results_dir=tmp_path / "results",
    )
    story = run(request)
    ((line, change),) = story.changes
    assert change.one and line.history.points[change.last].id == commits[culprit]
    assert story.verdict[1] == "  passes before it, fails from it on"
    assert line.found is not None and line.found.method.startswith("one run each") and not line.found.holes
    assert len(line.readings) <= BUILDS
    assert any(text.startswith("ppnic: ") for text in story.functions)
