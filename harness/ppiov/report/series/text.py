# SPDX-License-Identifier: GPL-2.0-only
"""What goes below a cover letter: plain ASCII, no line over 72 columns."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from ppiov.report.layout import WIDTH, command_lines, fact, title, wrap
from ppiov.report.series import words
from ppiov.results import RunState
from ppiov.series.results import CheckResult, SeriesRun, Verdict

_NAME: Final = 18
_ACROSS: Final = (WIDTH - _NAME) // 3  # patches in one block of the table


def render(run: SeriesRun) -> str:
    """The whole report, ending in a newline."""
    lines: list[str] = [*wrap(words.headline(run)), "=" * WIDTH]
    if run.state is not RunState.COMPLETE:
        lines += wrap("This report is of a part only: what has no verdict was not looked at.")
    lines += _facts(run)
    if run.patches:
        lines += title("Patches")
        width = len(str(len(run.patches)))
        for patch in run.patches:
            lines += wrap(patch.subject, first=f"{patch.number:>{width}}  ", hang=" " * (width + 2))
        lines += title("Checks by patch")
        lines += table(run)
    lines += _found(run)
    lines += _compared(run)
    lines += title("To reproduce")
    lines += command_lines(run.command)
    return "\n".join(line.rstrip() for line in lines) + "\n"


def _facts(run: SeriesRun) -> Iterator[str]:
    e = run.environment
    yield from fact("Series", words.title(run))
    if run.version > 1 or run.change_id:
        yield from fact("", f"v{run.version}" + (f", change-id {run.change_id}" if run.change_id else ""))
    yield from fact("Base", words.base(run))
    yield from fact("Tools", "; ".join([f"ppiov {e.ppiov}", *run.tools]))
    yield from fact("Machine", f"{e.cpu}, {e.cpus} CPUs; {e.distribution}, Linux {e.host_kernel}")
    took = words.elapsed(run)
    yield from fact("Run", f"{run.id}, started {run.started}" + (f", took {took}" if took else ""))


def table(run: SeriesRun) -> Iterator[str]:
    """Checks down, patches across, in as many blocks as it takes."""
    for start in range(0, len(run.patches), _ACROSS):
        part = run.patches[start : start + _ACROSS]
        if start:
            yield ""
        yield f"{'':{_NAME}}{''.join(f'{patch.number:>3}' for patch in part)}"
        for name in run.names():
            signs = "".join(
                f"{words.SIGN[found.verdict] if (found := words.cell(patch, name)) else ' ':>3}" for patch in part
            )
            *above, last = wrap(name, width=_NAME - 1)
            yield from above
            yield f"{last:{_NAME}}{signs}"
    yield ""
    yield ". pass   w warn   F fail   - does not concern it   ? not run"


def _found(run: SeriesRun) -> Iterator[str]:
    """What is not good, patch by patch; skips that say what is missing here come last, once."""
    bad = (Verdict.FAIL, Verdict.WARN, Verdict.NOT_RUN)
    total = len(run.patches)
    whole = [check for check in run.checks if check.verdict in bad]
    if whole or any(True for _ in words.told(run, *bad)):
        yield from title("Findings")
    for check in whole:
        yield from _check(check, run)
    for patch, found in words.told(run, *bad):
        yield from wrap(f"{patch.number}/{total} {patch.subject}")
        for check in found:
            yield from _check(check, run)
    once = dict.fromkeys(
        f"{check.name}: {check.line}"
        for _, found in words.told(run, Verdict.SKIP)
        for check in found
        if "missing" in check.line or "failed" in check.line or "untestable" in check.line
    )
    if once:
        yield from title("Could not be said here")
        for line in once:
            yield from wrap(line)


def _check(check: CheckResult, run: SeriesRun) -> Iterator[str]:
    yield from wrap(f"{check.verdict.value.upper()} {check.name}: {words.shown(check, run)}", first="  ", hang="      ")
    for detail in check.details[:10]:
        if detail not in check.line:
            yield from wrap(detail, first="      ", hang="        ")
    if len(check.details) > 10:
        yield f"      and {len(check.details) - 10} more"
    if check.runs:
        yield from wrap(f"runs: {', '.join(check.runs)}", first="      ", hang="        ")


def _compared(run: SeriesRun) -> Iterator[str]:
    """Figures and tests against the base."""
    staged = [(patch, check) for patch in run.patches for check in patch.checks if check.runs]
    if not staged:
        return
    yield from title("Against the base")
    for patch, check in staged:
        yield from wrap(f"patch {patch.number}, {check.name}: {words.shown(check, run)}", hang="    ")
        yield from wrap(f"runs: {', '.join(check.runs)}", first="    ", hang="      ")
        for one in check.measured:
            yield from wrap(words.measured(one), first="    ", hang="      ")
