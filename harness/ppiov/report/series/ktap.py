# SPDX-License-Identifier: GPL-2.0-only
"""KTAP of a series: a test per patch, a subtest per check; the series' own checks come first."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ppiov import summary
from ppiov.report.ktap import plain_name
from ppiov.report.series import words
from ppiov.results import RunState
from ppiov.series.results import CheckResult, SeriesRun, Verdict

_INDENT = "  "


def render(run: SeriesRun) -> str:
    """The whole document, ending in a newline."""
    head = [words.headline(run), f"base: {words.base(run)}", f"reproduce: {run.command}"]
    own = list(run.checks)
    if run.state is not RunState.COMPLETE:
        own.insert(0, CheckResult("complete", Verdict.FAIL, words.headline(run)))
    groups: list[tuple[str, Sequence[CheckResult]]] = [("series", own)] if own else []
    groups += [(f"patch {patch.number} {patch.subject}", patch.checks) for patch in run.patches]
    lines = ["KTAP version 1", *(f"# {summary.one_line(line)}" for line in head), f"1..{len(groups)}"]
    for number, (name, checks) in enumerate(groups, 1):
        lines += [f"{_INDENT}KTAP version 1", f"{_INDENT}1..{len(checks)}"]
        for sub, check in enumerate(checks, 1):
            lines += _check(sub, check, run)
        ok = not any(check.verdict in (Verdict.FAIL, Verdict.NOT_RUN) for check in checks)
        lines.append(f"{'ok' if ok else 'not ok'} {number} {plain_name(name)}")
    return "\n".join(lines) + "\n"


def _check(number: int, check: CheckResult, run: SeriesRun) -> Iterator[str]:
    line = summary.one_line(words.shown(check, run))
    if check.verdict is not Verdict.PASS and check.verdict is not Verdict.SKIP:
        yield f"{_INDENT}# {check.verdict.value}: {line}"
        yield from (f"{_INDENT}# {summary.one_line(detail)}" for detail in check.details)
    good = check.verdict in (Verdict.PASS, Verdict.WARN, Verdict.SKIP)
    directive = f" # SKIP {plain_name(line)}" if check.verdict is Verdict.SKIP else ""
    yield f"{_INDENT}{'ok' if good else 'not ok'} {number} {plain_name(check.name)}{directive}"
