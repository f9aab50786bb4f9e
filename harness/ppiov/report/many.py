# SPDX-License-Identifier: GPL-2.0-only
"""Reports of what a user names: one run, series or bisection, or several runs side by side."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from junitparser import JUnitXml
from markupsafe import Markup

from ppiov import report, summary
from ppiov.bisect import folder as bisections
from ppiov.bisect import report as bisect_report
from ppiov.bisect.story import State, Story
from ppiov.errors import BadRequest, BadRunFolder
from ppiov.folder import RunFolder
from ppiov.report import history_pictures, kcidb
from ppiov.report import series as series_report
from ppiov.report.html import ENVIRONMENT, breakable
from ppiov.report.ktap import plain_name
from ppiov.report.layout import WIDTH, wrap
from ppiov.report.series import notes
from ppiov.report.series import words as series_words
from ppiov.results import Outcome, Run, RunState, TestResult
from ppiov.series import results as series
from ppiov.series.results import SeriesRun

Told = Run | SeriesRun | Story
RUNS: Final = "runs.json"  # in the folder of runs on several kernels (ppiov.matrix): their names
_NAME: Final = 40
_CELL: Final = 8
_SIGNS: Final = {Outcome.PASS: "·", Outcome.SKIP: "-", Outcome.XFAIL: "x", Outcome.NOT_RUN: "?"}


def load(path: Path) -> list[Told]:
    """What a folder holds: a series, a bisection, a run, or the runs on several kernels. Raises BadRunFolder."""
    if (path / series.FILE).is_file():
        return [series.load(path)]
    if (path / bisections.FILE).is_file():
        return [bisections.load(path)]
    if not (path / RUNS).is_file():
        return [RunFolder.load(path)]
    try:
        names = [str(name) for name in json.loads((path / RUNS).read_text())]
    except (OSError, ValueError, TypeError):
        raise BadRunFolder(f"{path / RUNS} is truncated or not JSON") from None
    return [RunFolder.load(path.parent / Path(name).name) for name in names]


def render(told: Sequence[Told], form: str) -> bytes:
    """The report on one or several, in the order in which they were named. Raises BadRequest."""
    if form in notes.FORMS:
        return notes.FORMS[form](_series(told, f"--format {form}")).encode("utf-8", "replace")
    if len(told) == 1:
        return _one(told[0], form)
    if form == "html":
        return _side_by_side(told).encode("utf-8", "replace")
    parts = [_one(one, form).decode("utf-8") for one in told]
    joined = {"junit": _junit, "ktap": _ktap, "kcidb": _kcidb}.get(form)
    if joined is not None:
        return joined(parts).encode("utf-8", "replace")
    over = overview(told) if form == "text" else _overview_markdown(told)
    return "\n".join([*over, "", *parts]).encode("utf-8", "replace")


def write_notes(told: Sequence[Told], top: Path) -> int:
    """Put the notes of a series into the repository at ``top``; says how many. Raises BadRequest, PpiovError."""
    return notes.write(_series(told, "--write-notes"), top)


def _series(told: Sequence[Told], option: str) -> SeriesRun:
    if len(told) == 1 and isinstance(told[0], SeriesRun):
        return told[0]
    raise BadRequest(f"{option} is about the patches of one series: name its folder")


def _one(told: Told, form: str) -> bytes:
    if isinstance(told, Story):
        return bisect_report.render(told, form)
    return series_report.render(told, form) if isinstance(told, SeriesRun) else report.render(told, form)


def _headline(told: Told) -> str:
    if isinstance(told, Story):
        return bisect_report.headline(told)
    return series_words.headline(told) if isinstance(told, SeriesRun) else summary.headline(told)


def _name(told: Told) -> str:
    if isinstance(told, Story):
        return f"bisect {told.request.good}..{told.request.bad}"
    return series_words.title(told) if isinstance(told, SeriesRun) else told.kernel.release or told.kernel.spec


def _complete(told: Told) -> bool:
    return told.state in (RunState.COMPLETE, State.COMPLETE)


def overview(told: Sequence[Told]) -> Iterator[str]:
    """A line for each, what is not complete first; then the runs side by side, file by file."""
    for one in sorted(told, key=_complete):
        yield from wrap(f"{_headline(one)} [{_name(one)}]", hang="    ")
    runs = [one for one in told if isinstance(one, Run)]
    across = (WIDTH - _NAME) // _CELL
    for start in range(0, len(runs) if len(runs) > 1 else 0, across):
        part = runs[start : start + across]
        yield ""
        for number, run in enumerate(part, start + 1):
            yield from wrap(f"({number}) {run.kernel.release}, {run.id}", hang="    ")
        yield f"{'passed of all':{_NAME}}" + "".join(
            f"{f'({n})':>{_CELL}}" for n in range(start + 1, start + 1 + len(part))
        )
        for file in _files(runs):
            cells = "".join(f"{_share(run, file):>{_CELL}}" for run in part)
            *above, last = wrap(file, width=_NAME - 1)
            yield from above
            yield f"{last:{_NAME}}{cells}"


def _overview_markdown(told: Sequence[Told]) -> Iterator[str]:
    from ppiov.report.markdown import escaped

    for one in sorted(told, key=_complete):
        yield f"- {escaped(_headline(one))} ({escaped(_name(one))})"


def _files(runs: Sequence[Run]) -> list[str]:
    return list(dict.fromkeys(group.file for run in runs for group in summary.groups(run)))


def _share(run: Run, file: str) -> str:
    group = next((group for group in summary.groups(run) if group.file == file), None)
    return f"{group.counts[Outcome.PASS]}/{len(group.tests)}" if group else ""


def _junit(parts: Sequence[str]) -> str:
    xml = JUnitXml("ppiov")
    for part in parts:
        for suite in JUnitXml.fromstring(part.encode()):  # type: ignore[no-untyped-call, unused-ignore]
            xml.add_testsuite(suite)
    xml.update_statistics()  # type: ignore[no-untyped-call, unused-ignore]
    text: bytes = xml.tostring()  # type: ignore[no-untyped-call, unused-ignore]
    return text.decode("utf-8")


def _ktap(parts: Sequence[str]) -> str:
    """Each as a test of its own, whose subtests are what it had."""
    lines = ["KTAP version 1", f"1..{len(parts)}"]
    for number, part in enumerate(parts, 1):
        inner = part.splitlines()
        lines += [f"  {line}" for line in inner]
        ok = not any(line.startswith("not ok") for line in inner)
        name = next((line.removeprefix("# ") for line in inner if line.startswith("# ")), "run")
        lines.append(f"{'ok' if ok else 'not ok'} {number} {plain_name(name)}")
    return "\n".join(lines) + "\n"


def _kcidb(parts: Sequence[str]) -> str:
    data = [json.loads(part) for part in parts]
    checkouts, builds, tests = (
        [thing for one in data for thing in one[kind]] for kind in ("checkouts", "builds", "tests")
    )
    return kcidb.document(checkouts, builds, tests)


def _side_by_side(told: Sequence[Told]) -> str:
    """A page with a matrix of tests by runs. Raises BadRequest for a series or a bisection among them."""
    runs = [one for one in told if isinstance(one, Run)]
    if len(runs) != len(told):
        raise BadRequest("a page shows one series or bisection, or several runs: leave out the one or the others")
    by_name = [{test.name: test for test in run.tests} for run in runs]
    names = list(dict.fromkeys(name for tests in by_name for name in tests))
    files: dict[str, list[tuple[str, list[TestResult | None]]]] = {}
    for name in names:
        row = [tests.get(name) for tests in by_name]
        some = next(test for test in row if test is not None)
        file, short = summary.split_name(some)
        files.setdefault(file, []).append((short, row))
    return ENVIRONMENT.get_template("runs.html").render(
        runs=runs,
        incomplete=[run for run in runs if run.state is not RunState.COMPLETE],
        good=all(run.passed for run in runs),
        files=files,
        pictures=[(p.title, p.caption, Markup(p.svg)) for p in history_pictures.draw(runs)],
        differ=_differ,
        sign=lambda test: _SIGNS.get(test.outcome, "✗"),
        headline=summary.headline,
        explain=summary.EXPLAIN,
        how_it_ran=summary.how_it_ran,
        outcomes=list(Outcome),
        breakable=breakable,
        counting=summary.counting,
        is_bad=summary.is_bad,
        places=summary.places,
        tools=summary.tools,
        figure_text=summary.figure_text,
    )


def _differ(row: Sequence[TestResult | None]) -> bool:
    """Whether a test came out differently in some of the runs that had it."""
    return len({test.outcome for test in row if test is not None}) > 1
