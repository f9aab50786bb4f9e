# SPDX-License-Identifier: GPL-2.0-only
"""The words that the terminal and the plain renderer share."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from ppiov import events, summary
from ppiov.events import Event
from ppiov.report.series import text as series_text
from ppiov.report.series import words as series_words
from ppiov.results import Outcome, Run, TestResult
from ppiov.series.results import Verdict

if TYPE_CHECKING:
    from pathlib import Path

    from ppiov.gc import Collected
    from ppiov.kernels import StoredKernel
    from ppiov.lab import Configured
    from ppiov.series.check import Check


def lines(event: Event) -> Iterator[str]:
    """What there is to say about an event that is neither progress nor a test's end."""
    match event:
        case events.Waiting(reason=reason):
            yield f"waiting: {reason}"
        case events.Note(text=text, level=level):
            yield f"warning: {text}" if level == "warning" else f"note: {text}"
        case events.GuestDied():
            blamed = f" in {event.blamed}" if event.blamed else ""
            yield f"guest died{blamed}: {event.cause}"
            if event.remaining:
                yield f"  {event.remaining} more to go, in a new guest"
        case events.BisectStep():
            known = ", known" if event.known else ""
            yield summary.one_line(f"{event.revision} {event.subject}".rstrip() + f": {event.reading}{known}")
        case events.BisectFinished():
            yield from map(summary.visible, event.verdict)
            yield from (f"  {path}" for path in event.reports or (event.folder,))
        case events.Table():
            yield from table_lines(event)
        case events.Probe():
            yield f"{event.outcome.value:<5} {event.name}: {event.detail}"
            if event.cure and event.outcome is not Outcome.PASS:
                yield f"      cure: {event.cure}"


def table_lines(table: events.Table) -> Iterator[str]:
    """The table in plain text, columns aligned: words to the left, everything else to the right but the last."""
    rows = [table.headings, *table.rows]
    widths = [max(len(row[at]) for row in rows) for at in range(len(table.headings))]
    last = len(widths) - 1
    yield ""
    yield table.title
    for row in rows:
        cells = (
            cell.ljust(w) if n in (0, last) else cell.rjust(w)
            for n, (cell, w) in enumerate(zip(row, widths, strict=True))
        )
        yield "  " + "  ".join(cells).rstrip()
    if table.caveat:
        yield f"  ({table.caveat})"


def test_lines(event: events.TestEnded) -> Iterator[str]:
    """ "[ 7/76] pass  traffic/test_bind.py::test_bind[ipv4]  0.4 s", and below it why where it isn't a pass."""
    test, width = event.result, len(str(event.total))
    took = "" if test.outcome is Outcome.NOT_RUN else f"  {summary.duration(test.seconds)}"
    cases = f"  ({summary.cases_text(test)})" if test.cases else ""
    yield f"[{event.index:{width}}/{event.total}] {test.outcome.value:<7} {summary.one_line(test.name)}{cases}{took}"
    yield from (f"    {line}" for line in why(test))


def why(test: TestResult) -> Iterator[str]:
    """Reason, kernel complaints and leaks of a test that isn't a pass; of a reproducer that is one, what it showed."""
    if test.reason:
        yield summary.one_line(test.reason)
    if test.outcome is Outcome.PASS:
        return
    for case in summary.bad_cases(test):
        reason = f": {case.reason}" if case.reason else ""
        yield summary.one_line(f"{case.outcome.value} {summary.case_name(case)}{reason}")
    yield from (f"kernel: {summary.one_line(splat.title)}" for splat in summary.counting(test.splats))
    yield from (f"leak: {summary.one_line(leak)}" for leak in test.leaks)


def how_far(done: float, total: float | None, unit: str) -> str:
    """ "34.1 MB of 107 MB (32%)"; without a total just what is done."""
    value, scaled_unit = summary.scaled(done, unit)
    text = f"{summary.number(value)} {scaled_unit}".rstrip()
    if not total:
        return text
    whole, whole_unit = summary.scaled(total, unit)
    if whole_unit == scaled_unit:
        text = summary.number(value)
    return f"{text} of {summary.number(whole)} {whole_unit}".rstrip() + f" ({min(done / total, 1.0):.0%})"


def table_rows(run: Run) -> Iterator[tuple[str, str, str, str]]:
    """File, verdict word, counts, time."""
    for group in summary.groups(run):
        word = "pass" if group.ok else ("FAIL" if any(map(summary.is_bad, group.tests)) else "not run")
        counts = summary.counts_text(group.counts)
        yield summary.one_line(group.file), word, counts, summary.duration(group.seconds)


def verdict_lines(event: events.RunFinished) -> Iterator[str]:
    """The table, the verdict, and where the reports are, in plain text."""
    rows = list(table_rows(event.run))
    if rows:
        name = max(len(r[0]) for r in rows)
        counts = max(len(r[2]) for r in rows)
        for row in rows:
            yield f"{row[1]:<7}  {row[0]:<{name}}  {row[2]:<{counts}}  {row[3]:>10}"
        yield ""
    for splat in summary.stray(event.run):
        yield f"while no test ran: {summary.one_line(splat.title)}"
    if own := summary.known_text(event.run):
        yield summary.one_line(own)
    yield summary.one_line(summary.headline(event.run))
    yield sub_line(event.run)
    yield from (f"  {path}" for path in event.reports or (event.folder,))


def series_lines(event: events.SeriesFinished) -> Iterator[str]:
    """The matrix, what failed first, the verdict, and where the reports are."""
    run = event.run
    yield from series_text.table(run)
    yield ""
    for name, patch in run.first_bad():
        yield summary.one_line(f"{name}: the first is {patch.number}/{len(run.patches)} {patch.subject}")
    for check in run.checks:
        if check.verdict not in (Verdict.PASS, Verdict.SKIP):
            yield summary.one_line(f"{check.verdict.value} {check.name}: {series_words.shown(check, run)}")
    yield summary.one_line(series_words.headline(run))
    yield from (f"  {path}" for path in event.reports or (event.folder,))


def check_lines(checks: Iterable[Check]) -> Iterator[str]:
    """A line per check of a series: its name, and what it proves."""
    listed = list(checks)
    width = max((len(check.name) for check in listed), default=0)
    yield from (f"{check.name:<{width}}  {check.about}" for check in listed)


def sub_line(run: Run) -> str:
    """ "6.12.117+deb12-amd64 on TCG (emulated), 2 CPUs, 2048 MiB, 5 min 42 s"."""
    took = summary.elapsed(run)
    return summary.one_line(f"{run.kernel.release} on {summary.how_it_ran(run)}") + (f", {took}" if took else "")


def kernel_lines(kernels: Sequence[StoredKernel]) -> Iterator[str]:
    """Two lines per kernel in the store: what it is, and what it can do."""
    if not kernels:
        yield "no kernel in the store: 'ppiov kernel get deb:6.12' fetches one, 'ppiov kernel build src:7.3' builds one"
    spec = max((len(kernel.spec) for kernel in kernels), default=0)
    release = max((len(kernel.release) for kernel in kernels), default=0)
    for kernel in kernels:
        size, unit = summary.scaled(kernel.size, "B")
        took = "packaged" if kernel.cpu_s is None else f"built in {kernel.cpu_s / 60:.1f} CPU-minutes"
        took += ", outdated" if kernel.outdated else ""
        yield f"{kernel.spec:<{spec}}  {kernel.release:<{release}}  {size:>4.0f} {unit}  {kernel.fetched[:19]}Z  {took}"
        yield f"    {' '.join(kernel.features)}"


def config_lines(made: Configured) -> Iterator[str]:
    """What a kernel's configuration asked for, and a line for each option that was refused."""
    refused = len(made.refused)
    yield f"{made.asked} options asked for, {refused or 'none'} refused" + (":" if refused else "")
    width = max((len(one.option) for one in made.refused), default=0)
    for one in made.refused:
        cause = "something selects it" if one.wanted == "n" else "something that it depends on is off"
        why = f"is {one.got}, since {cause}" if one.known else "this kernel has none"
        who = one.fragment if "/" in one.fragment else f"{one.fragment}.config"
        yield f"  {one.option:<{width}}  {who} asks for {one.wanted}: {why}"


def gc_lines(done: Collected, root: Path) -> Iterator[str]:
    """What has gone, what stayed since it is in use, and how large the store is now."""
    for thing in done.gone:
        yield f"removed  {thing.path.relative_to(root)}  {how_far(thing.size, None, 'B')}"
    for thing in done.busy:
        yield f"in use   {thing.path.relative_to(root)}  {how_far(thing.size, None, 'B')}"
    yield f"{how_far(done.before, None, 'B')} before, {how_far(done.after, None, 'B')} now"
