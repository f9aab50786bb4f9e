# SPDX-License-Identifier: GPL-2.0-only
"""The report that goes into an e-mail: plain ASCII, no line over 72 columns.

What doesn't fit is wrapped, never cut: a name that was split continues on the next line, indented deeper, after a
backslash; the command that reproduces the run is split in a way that a shell joins again.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from typing import Final

from ppiov import summary
from ppiov.results import Outcome, Run, Splat, TestResult

WIDTH: Final = 72
_LABEL: Final = 10
_NAME: Final = 36  # of the table by file; what is left holds the numbers


def render(run: Run) -> str:
    """The whole report, ending in a newline."""
    lines: list[str] = []
    lines += _wrap(summary.headline(run))
    lines.append("=" * WIDTH)
    lines += _facts(run)
    bad = [t for t in run.tests if summary.is_bad(t)]
    if bad or summary.stray(run):
        lines += _title("What went wrong")
        for n, test in enumerate(bad, 1):
            lines += _failure(n, test)
        lines += _boot_splats(run)
    if run.tests:
        lines += _title("Tests by file")
        lines += _table(run)
    lines += _cases(run)
    lines += _not_ok_lists(run)
    lines += _known(run)
    figures = [(t, f) for t in run.tests for f in t.figures]
    if figures:
        lines += _title("Figures")
        for test, figure in figures:
            lines += _wrap(f"{test.name}: {figure.name}", hang="    ")
            lines += _wrap(summary.figure_text(figure), first="    ", hang="      ")
    lines += _title("To reproduce")
    lines += command_lines(run.command)
    return "\n".join(line.rstrip() for line in lines) + "\n"


def _facts(run: Run) -> Iterator[str]:
    k, e = run.kernel, run.environment
    yield from _fact("Kernel", f"{k.release} ({k.spec}, {k.version})")
    yield from _fact("Ran on", summary.how_it_ran(run))
    yield from _fact("", f"{run.vm.accel_asked} was asked for: {run.vm.accel_reason}" if run.vm.accel_reason else "")
    yield from _fact("Guests", summary.boots_text(run))
    yield from _fact("Result", summary.counts_text(summary.count(run.tests)))
    for module in run.modules:
        yield from _fact("Module", f"{module.name} srcversion {module.srcversion}, {module.compiler}")
    yield from _fact("Machine", f"{e.cpu}, {e.cpus} CPUs, {e.memory_mib} MiB; {e.distribution}, Linux {e.host_kernel}")
    yield from _fact("Tools", summary.tools(run))
    took = summary.elapsed(run)
    yield from _fact("Run", f"{run.id}, started {run.started}" + (f", took {took}" if took else ""))


def _fact(label: str, value: str) -> Iterator[str]:
    if value:
        yield from _wrap(value, first=label.ljust(_LABEL), hang=" " * _LABEL)


def _title(text: str) -> tuple[str, ...]:
    return ("", text, "-" * len(text))


def _failure(n: int, test: TestResult) -> Iterator[str]:
    label = f"{n}. {test.outcome.value.upper()}  "
    yield from _wrap(test.name, first=label, hang=" " * len(label))
    if test.doc:
        yield from _wrap(f"({test.doc})", first="   ", hang="   ")
    if test.reason:
        yield from _wrap(test.reason, first="   ", hang="   ")
    for case in summary.bad_cases(test):
        yield from _wrap(f"{case.outcome.value}: {summary.case_name(case)}", first="   ", hang="     ")
        if case.reason:
            yield from _wrap(case.reason, first="     ", hang="     ")
    for splat in test.splats:
        if not splat.known:
            yield from _splat(splat)
    for leak in test.leaks:
        yield from _wrap(leak, first="   leak: ", hang="         ")


def _splat(splat: Splat) -> Iterator[str]:
    yield from _wrap(f"{splat.kind}: {splat.title}", first="   kernel: ", hang="           ")
    for place in summary.places(splat):
        yield from _wrap(place, first="           at ", hang="              ")


def _boot_splats(run: Run) -> Iterator[str]:
    if summary.stray(run):
        yield "While no test ran:"
        for splat in summary.stray(run):
            yield from _splat(splat)


def _known(run: Run) -> Iterator[str]:
    """What does not count may not go unseen either: a lockdep report ends lockdep's work, whoever's it is."""
    found = summary.known(run)
    if found:
        yield from _title("The kernel's own")
        for splat, times in found:
            yield from _wrap(f"{splat.kind}, {times}: {splat.title}", hang="    ")
            yield from _wrap(f"seen in {splat.known}", first="    ", hang="    ")
            if splat.kind == "lockdep":
                yield from _wrap(summary.LOCKDEP_IS_OFF, first="    ", hang="    ")


def _table(run: Run) -> Iterator[str]:
    yield f"{'':{_NAME}}{'pass':>5}{'skip':>6}{'bad':>5}{'not run':>9}{'time':>11}"
    for group in summary.groups(run):
        counts = group.counts
        bad = sum(1 for t in group.tests if summary.is_bad(t))
        cells = (counts[Outcome.PASS], counts[Outcome.SKIP], bad, counts[Outcome.NOT_RUN])
        numbers = "".join(f"{n or '.':>{w}}" for n, w in zip(cells, (5, 6, 5, 9), strict=True))
        *above, name = _wrap(group.file, width=_NAME - 1)
        yield from above
        yield f"{name:{_NAME}}{numbers}{summary.duration(group.seconds):>11}"


def _cases(run: Run) -> Iterator[str]:
    """What tests reported in KTAP: how many, and by name what is neither good nor told above."""
    tests = [test for test in run.tests if test.cases]
    if not tests:
        return
    yield from _title("Cases by test")
    for test in tests:
        yield from _wrap(f"{test.name}: {summary.cases_text(test)}", hang="    ")
        for case in test.cases:
            if case.outcome in (Outcome.SKIP, Outcome.XFAIL):
                why = case.reason or "no reason was given"
                yield from _wrap(f"{case.outcome.value}: {summary.case_name(case)}: {why}", first="    ", hang="      ")


def _not_ok_lists(run: Run) -> Iterator[str]:
    """Skips with their reasons, and what was never run: neither is a failure, neither may go unseen."""
    skipped = [t for t in run.tests if t.outcome is Outcome.SKIP]
    if skipped:
        yield from _title("Skipped, and why")
        for test in skipped:
            yield from _wrap(test.name, hang="  ")
            yield from _wrap(test.reason or "no reason was given", first="    ", hang="    ")
    expected = [t for t in run.tests if t.outcome is Outcome.XFAIL]
    if expected:
        yield from _title("Failed, as expected")
        for test in expected:
            yield from _wrap(test.name, hang="  ")
            yield from _wrap(test.reason or "no reason was given", first="    ", hang="    ")
    missing = [t for t in run.tests if t.outcome is Outcome.NOT_RUN]
    if missing:
        yield from _title("Not run")
        for test in missing:
            yield from _wrap(test.name, hang="  ")


def ascii_only(text: str) -> str:
    """One line of printable ASCII; everything else as a backslash escape."""
    return summary.one_line(text).encode("ascii", "backslashreplace").decode("ascii")


def _wrap(text: str, first: str = "", hang: str = "  ", width: int = WIDTH) -> Iterator[str]:
    """Wrap at blanks. A word longer than a line is split, with a backslash at the split: nothing is lost or guessed."""
    line, empty = first, True
    for whole in ascii_only(text).split(" "):
        word = whole
        room = width - len(line) - (0 if empty else 1)
        if not empty and len(word) > room:
            yield line
            line, empty, room = hang, True, width - len(hang)
        while len(word) > room:
            cut = max(_cut(word, room - 1), 1)
            yield f"{line}{word[:cut]}\\"
            word, line, room = word[cut:], hang, width - len(hang)
        line = f"{line}{'' if empty else ' '}{word}"
        empty = False
    yield line


def _cut(word: str, room: int) -> int:
    """Where to split a word: behind the last "/", "::", "[" or "-" in its second half, else as late as possible."""
    best = max((m.end() for m in re.finditer(r"/|::|\[|-|_", word[:room])), default=0)
    return best if best > room // 2 else room


def command_lines(command: str) -> Iterator[str]:
    """The command, split over lines that a POSIX shell reads as one.

    Arguments are kept whole where they fit. One that doesn't is split into quoted pieces with backslash-newline between
    them and no indentation, which the shell joins without a blank.
    """
    try:
        words = [shlex.quote(w) for w in shlex.split(command)]
    except ValueError:  # unbalanced quotes: nothing that a shell would take, so just show it
        yield from _wrap(command, first="  ", hang="    ")
        return
    if not all(w.isascii() and w.isprintable() for w in words):
        yield from _wrap(command, first="  ", hang="    ")
        return
    line = " "
    for word in words:
        if len(line) + 1 + len(word) + 2 > WIDTH and line.strip():
            yield f"{line} \\"
            line = "   "
        if len(line) + 1 + len(word) + 2 <= WIDTH:
            line = f"{line} {word}"
            continue
        pieces = _pieces(shlex.split(word)[0], WIDTH - 8)
        yield f"{line} {pieces[0]}\\"
        yield from (f"{piece}\\" for piece in pieces[1:-1])
        line = pieces[-1]
    yield line


def _pieces(word: str, room: int) -> list[str]:
    """A word as quoted pieces, none longer than room."""
    pieces, start = [], 0
    for end in range(1, len(word) + 1):
        if end == len(word) or len(shlex.quote(word[start : end + 1])) > room:
            pieces.append(shlex.quote(word[start:end]))
            start = end
    return pieces
