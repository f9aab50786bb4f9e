# SPDX-License-Identifier: GPL-2.0-only
"""Benchmarks in a guest: two runs of one build agree, and one instruction more is seen, and by name."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from built import TOP
from engines import drain
from ppiov import bench
from ppiov.bench import compare
from ppiov.bench.stats import Verdict
from ppiov.errors import ExitCode
from ppiov.results import Run
from ppiov.spec import KernelSpec

pytestmark = pytest.mark.vm

NAMES = ("meter.nothing", "pool.page.direct", "core.direct", "lookup.pointer")
PLANTED = "lookup.pointer"


def measure(kernel: str, results: Path, source: Path) -> Run:
    request = bench.BenchRequest(KernelSpec.parse(kernel), NAMES, results_dir=results, source=source)
    return drain(bench.run(request))[1]


@pytest.fixture(scope="module")
def runs(kernel: str, tmp_path_factory: pytest.TempPathFactory) -> tuple[Run, Run, Run]:
    """The same twice, and once with a NOP more in one loop."""
    results = tmp_path_factory.mktemp("results")
    changed = tmp_path_factory.mktemp("source") / "ppiov"
    wanted = shutil.ignore_patterns(".git", ".venv", "results", ".*_cache", ".hypothesis", "__pycache__")
    shutil.copytree(TOP, changed, ignore=wanted)
    file = changed / "kernel/bench/lookup.c"
    text = file.read_text()
    place = "pool = READ_ONCE(buf->pool);"
    assert text.count(place) == 1
    file.write_text(text.replace(place, f'{place}\n\t\tasm volatile("nop");'))
    return measure(kernel, results, TOP), measure(kernel, results, TOP), measure(kernel, results, changed)


def test_two_runs_of_one_build_agree(runs: tuple[Run, Run, Run]) -> None:
    first, second, _ = runs
    assert first.passed, [test.reason for test in first.tests]
    found = compare.compared(first, second)
    assert {row.effect.verdict for row in found.rows} == {Verdict.SAME}
    assert found.exit_code is ExitCode.PASSED
    assert [row.effect.difference for row in found.rows if row.name == "pool.page.direct"] == [0.0]


def test_one_instruction_is_seen(runs: tuple[Run, Run, Run]) -> None:
    first, _, planted = runs
    found = compare.compared(first, planted)
    slower = {row.name: row.effect.difference for row in found.rows if row.effect.verdict is Verdict.SLOWER}
    assert slower == {PLANTED: 1.0}
    assert found.exit_code is ExitCode.FAILED
