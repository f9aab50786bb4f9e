# SPDX-License-Identifier: GPL-2.0-only
"""One self-contained HTML file of a series: a matrix of patches by checks, and what is behind each cell."""

from __future__ import annotations

from ppiov.report.html import ENVIRONMENT, breakable
from ppiov.report.series import pictures, words
from ppiov.results import RunState
from ppiov.series.results import SeriesRun, Verdict


def render(run: SeriesRun) -> str:
    """The whole page."""
    counts = words.counts(run)
    verdict = words.verdict(run)
    return ENVIRONMENT.get_template("series.html").render(
        run=run,
        complete=run.state is RunState.COMPLETE,
        verdict=verdict,
        headline=words.headline(run).removeprefix(verdict).lstrip(": "),
        title=words.title(run),
        base=words.base(run),
        names=run.names(),
        cell=words.cell,
        counts=[(v, counts[v], words.EXPLAIN[v]) for v in Verdict],
        explain=words.EXPLAIN,
        sign={Verdict.PASS: "·", Verdict.WARN: "!", Verdict.FAIL: "✗", Verdict.SKIP: "-", Verdict.NOT_RUN: "?"},
        shown=lambda check: words.shown(check, run),
        measured=words.measured,
        pictures=pictures.draw(run),
        elapsed=words.elapsed(run),
        breakable=breakable,
        bad=(Verdict.FAIL, Verdict.NOT_RUN),
        first_bad=list(run.first_bad()),
    )
