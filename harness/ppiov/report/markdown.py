# SPDX-License-Identifier: GPL-2.0-only
"""Markdown, for a forge or a chat. What comes from tests and kernels is escaped."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from ppiov import summary
from ppiov.results import Outcome, Run, TestResult

_SPECIAL: Final = re.compile(r"([\\`*_{}\[\]()#+!|~@-])")


def render(run: Run) -> str:
    """The whole document, ending in a newline."""
    return "\n".join(_lines(run)) + "\n"


def _lines(run: Run) -> Iterator[str]:
    yield f"# {escaped(summary.headline(run))}"
    yield ""
    yield escaped(f"{run.kernel.release} ({run.kernel.spec}) on {summary.how_it_ran(run)}; run {run.id}")
    bad = [test for test in run.tests if summary.is_bad(test)]
    if bad or summary.stray(run):
        yield ""
        yield "## What went wrong"
        yield ""
        for test in bad:
            yield from _failure(test)
        yield from (f"- while no test ran: {escaped(splat.title)}" for splat in summary.stray(run))
    if run.tests:
        yield ""
        yield "| file | pass | skip | bad | not run |"
        yield "|---|---:|---:|---:|---:|"
        for group in summary.groups(run):
            counts = group.counts
            wrong = sum(1 for test in group.tests if summary.is_bad(test))
            cells = (counts[Outcome.PASS], counts[Outcome.SKIP], wrong, counts[Outcome.NOT_RUN])
            yield f"| {escaped(group.file)} | {' | '.join(str(n or '') for n in cells)} |"
    figures = [(test, figure) for test in run.tests for figure in test.figures]
    if figures:
        yield ""
        yield "| test | figure | |"
        yield "|---|---|---:|"
        for test, figure in figures:
            yield f"| {escaped(test.name)} | {escaped(figure.name)} | {escaped(summary.figure_text(figure))} |"
    yield ""
    yield "To reproduce:"
    yield ""
    yield f"    {summary.one_line(run.command)}"


def _failure(test: TestResult) -> Iterator[str]:
    yield f"- **{test.outcome.value}** {escaped(test.name)}: {escaped(test.reason or summary.EXPLAIN[test.outcome])}"
    yield from (f"  - {escaped(splat.title)}" for splat in summary.counting(test.splats))
    yield from (f"  - leak: {escaped(leak)}" for leak in test.leaks)


def escaped(text: str) -> str:
    """One line in which Markdown and HTML see nothing but characters."""
    plain = _SPECIAL.sub(r"\\\1", summary.one_line(text)).replace("://", "\\://")
    return plain.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
