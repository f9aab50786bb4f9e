# SPDX-License-Identifier: GPL-2.0-only
"""What a run has measured, read from its tests."""

from __future__ import annotations

import dataclasses
import re

from ppiov.results import Figure, Run, TestResult
from ppiov.suites import BENCH

_NAME = re.compile(r"^bench/test_\w+\.py::test_(?:bench|traffic|budget|simple)\[(?P<name>.+)\]$")


def name_of(test: str) -> str:
    """ "pool.page.direct" for "bench/test_bench.py::test_bench[pool.page.direct]"; "" for what is no benchmark."""
    match = _NAME.match(test)
    return match["name"] if match else ""


def figures(made: Run) -> dict[str, Figure]:
    """What a run has measured, by the figures' names; where it was measured in several rounds, all their samples."""
    found: dict[str, Figure] = {}
    for test in made.tests:
        for figure in test.figures if test.suite == BENCH else ():
            before = found.get(figure.name)
            if before is None or before.meter != figure.meter:
                found[figure.name] = figure
            else:
                found[figure.name] = dataclasses.replace(before, samples=(*before.samples, *figure.samples))
    return found


def own(test: TestResult) -> Figure | None:
    """The figure that has the benchmark's name."""
    name = name_of(test.name)
    return next((figure for figure in test.figures if figure.name == name), None)
