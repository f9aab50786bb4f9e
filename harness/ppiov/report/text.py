# SPDX-License-Identifier: GPL-2.0-only
"""The report that goes into an e-mail: plain ASCII, no line over 72 columns.

What doesn't fit is wrapped, never cut: a name that was split continues on the next line, indented deeper, after a
backslash; the command that reproduces the run is split in a way that a shell joins again.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from ppiov import summary
from ppiov.bench import measured, stats, tables
from ppiov.report.layout import WIDTH, ascii_only, command_lines, fact, title, wrap
from ppiov.results import Outcome, Run, Splat, TestResult
from ppiov.suites import BENCH

_NAME: Final = 36  # of the table by file; what is left holds the numbers


def render(run: Run) -> str:
    """The whole report, ending in a newline."""
    lines: list[str] = []
    lines += wrap(summary.headline(run))
    lines.append("=" * WIDTH)
    lines += _facts(run)
    bad = [t for t in run.tests if summary.is_bad(t)]
    if bad or summary.stray(run):
        lines += title("What went wrong")
        for n, test in enumerate(bad, 1):
            lines += _failure(n, test)
        lines += _boot_splats(run)
    if run.tests:
        lines += title("Tests by file")
        lines += _table(run)
    lines += _cases(run)
    lines += _not_ok_lists(run)
    lines += _known(run)
    lines += _benchmarks(run)
    figures = [(t, f) for t in run.tests for f in t.figures if t.suite != BENCH]
    if figures:
        lines += title("Figures")
        for test, figure in figures:
            lines += wrap(f"{test.name}: {figure.name}", hang="    ")
            lines += wrap(summary.figure_text(figure), first="    ", hang="      ")
    lines += title("To reproduce")
    lines += command_lines(run.command)
    return "\n".join(line.rstrip() for line in lines) + "\n"


def _facts(run: Run) -> Iterator[str]:
    k, e = run.kernel, run.environment
    yield from fact("Kernel", f"{k.release} ({k.spec}, {k.version})")
    yield from fact("Ran on", summary.how_it_ran(run))
    yield from fact("", f"{run.vm.accel_asked} was asked for: {run.vm.accel_reason}" if run.vm.accel_reason else "")
    yield from fact("Guests", summary.boots_text(run))
    yield from fact("Result", summary.counts_text(summary.count(run.tests)))
    for module in run.modules:
        yield from fact("Module", f"{module.name} srcversion {module.srcversion}, {module.compiler}")
    yield from fact("Machine", f"{e.cpu}, {e.cpus} CPUs, {e.memory_mib} MiB; {e.distribution}, Linux {e.host_kernel}")
    yield from fact("Tools", summary.tools(run))
    took = summary.elapsed(run)
    yield from fact("Run", f"{run.id}, started {run.started}" + (f", took {took}" if took else ""))


def _failure(n: int, test: TestResult) -> Iterator[str]:
    label = f"{n}. {test.outcome.value.upper()}  "
    yield from wrap(test.name, first=label, hang=" " * len(label))
    if test.doc:
        yield from wrap(f"({test.doc})", first="   ", hang="   ")
    if test.reason:
        yield from wrap(test.reason, first="   ", hang="   ")
    for case in summary.bad_cases(test):
        yield from wrap(f"{case.outcome.value}: {summary.case_name(case)}", first="   ", hang="     ")
        if case.reason:
            yield from wrap(case.reason, first="     ", hang="     ")
    for splat in summary.counting(test.splats):
        yield from _splat(splat)
    for leak in test.leaks:
        yield from wrap(leak, first="   leak: ", hang="         ")


def _splat(splat: Splat) -> Iterator[str]:
    yield from wrap(f"{splat.kind}: {splat.title}", first="   kernel: ", hang="           ")
    for place in summary.places(splat):
        yield from wrap(place, first="           at ", hang="              ")


def _boot_splats(run: Run) -> Iterator[str]:
    if summary.stray(run):
        yield "While no test ran:"
        for splat in summary.stray(run):
            yield from _splat(splat)


def _known(run: Run) -> Iterator[str]:
    """What does not count may not go unseen either: a lockdep report ends lockdep's work, whoever's it is."""
    found = summary.known(run)
    if found:
        yield from title("The kernel's own")
        for splat, times in found:
            yield from wrap(f"{splat.kind}, {times}: {splat.title}", hang="    ")
            yield from wrap(f"seen in {splat.known}", first="    ", hang="    ")
            if splat.kind == "lockdep":
                yield from wrap(summary.LOCKDEP_IS_OFF, first="    ", hang="    ")


def _table(run: Run) -> Iterator[str]:
    yield f"{'':{_NAME}}{'pass':>5}{'skip':>6}{'bad':>5}{'not run':>8}{'time':>12}"
    for group in summary.groups(run):
        counts = group.counts
        bad = sum(1 for t in group.tests if summary.is_bad(t))
        cells = (counts[Outcome.PASS], counts[Outcome.SKIP], bad, counts[Outcome.NOT_RUN])
        numbers = "".join(f"{n or '.':>{w}}" for n, w in zip(cells, (5, 6, 5, 8), strict=True))
        *above, name = wrap(group.file, width=_NAME - 1)
        yield from above
        yield f"{name:{_NAME}}{numbers}{summary.duration(group.seconds):>12}"


def _cases(run: Run) -> Iterator[str]:
    """What tests reported in KTAP: how many, and by name what is neither good nor told above."""
    tests = [test for test in run.tests if test.cases]
    if not tests:
        return
    yield from title("Cases by test")
    for test in tests:
        yield from wrap(f"{test.name}: {summary.cases_text(test)}", hang="    ")
        for case in test.cases:
            if case.outcome in (Outcome.SKIP, Outcome.XFAIL):
                why = case.reason or "no reason was given"
                yield from wrap(f"{case.outcome.value}: {summary.case_name(case)}: {why}", first="    ", hang="      ")


def _benchmarks(run: Run) -> Iterator[str]:
    """What was measured, one figure a line, then what of the targets is met."""
    found = measured.figures(run)
    if not found:
        return
    yield from title("Benchmarks")
    for meter, caveat in tables.CAVEAT.items():
        if any(figure.meter == meter for figure in found.values()):
            yield from wrap(f"{meter} per operation{f': {caveat}' if caveat else ''}")
    for figure in found.values():
        half = stats.spread(figure.samples)
        spread = f" +-{half:.2g}" if half >= stats.EXACT else ""
        value = f"{figure.value:.2f}".rstrip("0").rstrip(".")
        name = ascii_only(figure.name)
        yield from wrap(f"{value} {figure.unit} ({figure.meter}){spread}", first=f"{name:<42}", hang="    ")
    judged = tables.judged(run)
    if judged:
        yield from title("Targets")
    for one in judged:
        verdict = "met" if one.met else "NOT MET"
        against = "" if one.right is None else f" against {one.right:.4g}"
        yield from wrap(f"{verdict}: {one.what}", hang="    ")
        measure = f"{one.kind} {one.measure:.3f}, at most {one.limit:g}"
        yield from wrap(f"{one.of}: {one.left:.4g}{against}, {measure}", first="    ", hang="      ")
        if one.known and not one.met:
            yield from wrap(one.known, first="    ", hang="      ")


def _not_ok_lists(run: Run) -> Iterator[str]:
    """Skips with their reasons, and what was never run: neither is a failure, neither may go unseen."""
    skips = summary.skips(run)
    if skips:
        yield from title("Skipped, and why")
        for what, reason in skips:
            yield from wrap(what, hang="  ")
            yield from wrap(reason or "no reason was given", first="    ", hang="    ")
    expected = [t for t in run.tests if t.outcome is Outcome.XFAIL]
    if expected:
        yield from title("Failed, as expected")
        for test in expected:
            yield from wrap(test.name, hang="  ")
            yield from wrap(test.reason or "no reason was given", first="    ", hang="    ")
    missing = [t for t in run.tests if t.outcome is Outcome.NOT_RUN]
    if missing:
        yield from title("Not run")
        for test in missing:
            yield from wrap(test.name, hang="  ")
