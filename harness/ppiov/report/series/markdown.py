# SPDX-License-Identifier: GPL-2.0-only
"""Markdown, for a forge or a chat. What comes from patches is escaped: no HTML, no links, no images of theirs."""

from __future__ import annotations

from collections.abc import Iterator

from ppiov import summary
from ppiov.report.markdown import escaped
from ppiov.report.series import words
from ppiov.results import RunState
from ppiov.series.results import CheckResult, SeriesRun, Verdict


def render(run: SeriesRun) -> str:
    """The whole document, ending in a newline."""
    return "\n".join(_lines(run)) + "\n"


def _lines(run: SeriesRun) -> Iterator[str]:
    yield f"# {escaped(words.headline(run))}"
    yield ""
    if run.state is not RunState.COMPLETE:
        yield "**This report is of a part only: what has no verdict was not looked at.**"
        yield ""
    yield f"{escaped(words.title(run))}, on {escaped(words.base(run))}; run {escaped(run.id)}"
    yield ""
    names = run.names()
    yield f"| patch | {' | '.join(map(escaped, names))} |"
    yield f"|---|{'---|' * len(names)}"
    for patch in run.patches:
        cells = [found.verdict.value if (found := words.cell(patch, name)) else "" for name in names]
        marked = [f"**{cell}**" if cell == Verdict.FAIL.value else cell.replace("skip", "") for cell in cells]
        yield f"| {patch.number} {escaped(patch.subject)} | {' | '.join(marked)} |"
    yield from _findings(run)
    yield ""
    yield "To reproduce:"
    yield ""
    yield f"    {summary.one_line(run.command)}"


def _findings(run: SeriesRun) -> Iterator[str]:
    bad = (Verdict.FAIL, Verdict.WARN, Verdict.NOT_RUN)
    whole = [check for check in run.checks if check.verdict in bad]
    if whole:
        yield ""
        yield "## The series"
        yield ""
        for check in whole:
            yield from _check(check, run)
    for patch, found in words.told(run, *bad):
        yield ""
        yield f"## {patch.number}/{len(run.patches)} {escaped(patch.subject)}"
        yield ""
        for check in found:
            yield from _check(check, run)
    staged = [(patch, check) for patch in run.patches for check in patch.checks if check.runs]
    if staged:
        yield ""
        yield "## Against the base"
        yield ""
        for patch, check in staged:
            yield f"- patch {patch.number}, {escaped(check.name)}: {escaped(words.shown(check, run))}"
            yield f"  - runs {escaped(', '.join(check.runs))}"
            yield from (f"  - {escaped(words.measured(one))}" for one in check.measured)


def _check(check: CheckResult, run: SeriesRun) -> Iterator[str]:
    yield f"- **{check.verdict.value}** {escaped(check.name)}: {escaped(words.shown(check, run))}"
    yield from (f"  - {escaped(detail)}" for detail in check.details if detail not in check.line)
