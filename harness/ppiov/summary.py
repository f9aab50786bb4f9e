# SPDX-License-Identifier: GPL-2.0-only
"""What reports and renderers say in the same words: the headline, the counts, the groups, a figure with its meter."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Final

from ppiov.console import reporter
from ppiov.results import Case, Figure, Outcome, Run, RunState, Splat, TestResult
from ppiov.suites import UPSTREAM

if TYPE_CHECKING:
    from ppiov.series.results import SeriesRun

EXPLAIN: Final[dict[Outcome, str]] = {
    Outcome.PASS: "every assertion held, nothing leaked, the kernel had nothing new to complain about",
    Outcome.FLAKY: "passed in some rounds and not in others",
    Outcome.FAIL: "an assertion failed, or something leaked",
    Outcome.SKIP: "not possible here; the reason is given",
    Outcome.XFAIL: "failed, and says itself that it is expected to",
    Outcome.SPLAT: "assertions held, but the kernel complained meanwhile",
    Outcome.CRASH: "the guest's kernel oopsed or panicked in this test",
    Outcome.HANG: "the guest fell silent, or time ran out, in this test",
    Outcome.VM_DIED: "QEMU went away in this test, without a panic",
    Outcome.NOT_RUN: "planned, but never started",
}

# A lockdep report, whoever's it is, is its last of that boot.
LOCKDEP_IS_OFF: Final = "lockdep turns itself off after a report: from there on its silence proves nothing"

ACCEL: Final[dict[str, str]] = {"tcg": "TCG (emulated)", "kvm": "KVM"}


@dataclass(frozen=True, slots=True)
class Group:
    """The tests of one file, in the order they ran."""

    suite: str
    file: str  # "traffic/test_bind.py"; the suite's name where tests have no file
    tests: tuple[TestResult, ...]

    @property
    def counts(self) -> Counter[Outcome]:
        return count(self.tests)

    @property
    def seconds(self) -> float:
        return sum(t.seconds for t in self.tests)

    @property
    def ok(self) -> bool:
        return all(t.outcome.ok for t in self.tests)


def split_name(test: TestResult) -> tuple[str, str]:
    """("traffic/test_bind.py", "test_rebind[ipv6]"); the suite stands in for a file that is not named."""
    file, sep, rest = test.name.partition("::")
    return (file, rest) if sep and file and rest else (test.suite, test.name)


def groups(run: Run) -> tuple[Group, ...]:
    """Tests by suite and file, both in the order of their first test."""
    found: dict[tuple[str, str], list[TestResult]] = {}
    for test in run.tests:
        found.setdefault((test.suite, split_name(test)[0]), []).append(test)
    return tuple(Group(suite, file, tuple(tests)) for (suite, file), tests in found.items())


def count(tests: Iterable[TestResult]) -> Counter[Outcome]:
    return Counter(t.outcome for t in tests)


def skips(run: Run) -> list[tuple[str, str]]:
    """What was skipped, and why: a test, or, where several of a file were for one reason, how many.

    The kernel's own are all of one file, and stand by themselves.
    """
    found: dict[tuple[str, str], list[TestResult]] = {}
    for test in run.tests:
        if test.outcome is Outcome.SKIP:
            file = test.name if test.suite == UPSTREAM else split_name(test)[0]
            found.setdefault((file, test.reason), []).append(test)
    return [
        (tests[0].name if len(tests) == 1 else f"{len(tests)} tests of {file}", reason)
        for (file, reason), tests in found.items()
    ]


def counts_text(counts: Counter[Outcome]) -> str:
    """ "39 pass, 2 skip, 1 crash", in the order of Outcome; "no tests" for none."""
    return ", ".join(f"{counts[o]} {o.value}" for o in Outcome if counts[o]) or "no tests"


def case_name(case: Case) -> str:
    """ "ppiov_carrier > attach_makes_one_child > iov": the whole path."""
    return " > ".join(case.name)


def cases_text(test: TestResult) -> str:
    """ "37 cases: 35 pass, 2 skip"; "" for a test that reported none."""
    n = len(test.cases)
    return f"{n} case{'s' if n != 1 else ''}: {counts_text(Counter(c.outcome for c in test.cases))}" if n else ""


def bad_cases(test: TestResult) -> tuple[Case, ...]:
    """Those that went wrong or, for that reason, never began."""
    return tuple(case for case in test.cases if not case.outcome.ok)


def verdict(run: Run) -> str:
    """One word: PASSED, FAILED, INTERRUPTED or ABORTED."""
    if run.state is not RunState.COMPLETE:
        return run.state.value.upper()
    return "PASSED" if run.passed else "FAILED"


def headline(run: Run) -> str:
    """The verdict in one sentence. A run that isn't complete says so first, whatever passed before."""
    counts = count(run.tests)
    total = len(run.tests)
    if run.state is not RunState.COMPLETE:
        ran = total - counts[Outcome.NOT_RUN]
        why = f": {run.reason}" if run.reason not in ("", run.state.value) else ""
        return f"{verdict(run)} after {ran} of {_tests(total)}{why}"
    if run.passed:
        return f"PASSED: {_tests(counts[Outcome.PASS])} passed{_cases(run)}{_rounds(run)}" + _others(counts)
    bad = sum(1 for t in run.tests if is_bad(t))
    if bad:
        return f"FAILED: {bad} of {_tests(total)}" + _others(counts)
    if stray(run):
        return f"FAILED: the kernel complained while no test ran ({len(stray(run))}x)"
    return "FAILED: no test ran" if not total else f"FAILED: no test passed{_others(counts)}"


def counting(splats: Iterable[Splat]) -> list[Splat]:
    """Those that count, one of each kind; of several the first, whose title tells how often: "... (5 times)"."""
    times: Counter[str] = Counter()
    first: dict[str, Splat] = {}
    for splat in splats:
        if not splat.known:
            times[splat.fingerprint] += 1
            first.setdefault(splat.fingerprint, splat)
    return [
        replace(splat, title=f"{splat.title} ({times[name]} times)") if times[name] > 1 else splat
        for name, splat in first.items()
    ]


def stray(run: Run) -> list[Splat]:
    """What the kernel complained about while no test ran, and does not by itself, one of each kind."""
    return counting(run.boot_splats)


def known(run: Run) -> list[tuple[Splat, str]]:
    """The complaints that don't count, one of each kind, with how often each was seen; the most frequent first."""
    every = [*run.boot_splats, *(splat for test in run.tests for splat in test.splats)]
    counts = Counter(splat.fingerprint for splat in every if splat.known)
    one = {splat.fingerprint: splat for splat in every if splat.known}
    return [(one[fingerprint], f"{n}x") for fingerprint, n in counts.most_common()]


def known_text(run: Run) -> str:
    """ "2 complaints of the kernel's don't count: 6.12.117-lab shows them by itself"; "" for none."""
    found = known(run)
    if not found:
        return ""
    places = ", ".join(dict.fromkeys(splat.known for splat, _ in found))
    many = len(found) > 1
    return f"{len(found)} complaint{'s' if many else ''} of the kernel's do{'' if many else 'es'} not count: {places}"


_GUESS = re.compile(r"^\s*\? ")  # of the unwinder
_DECODED = re.compile(r"^\s*(?P<name>[A-Za-z_][\w.$]*)(?:\+0x\S+)?(?: \[[^\]]*\])? \((?P<at>[^()\s]+:\d+)\)")
_TITLE_AT = re.compile(r"(?P<name>[A-Za-z_][\w.$]*)\+0x\S+(?: \[[^\]]*\])? \((?P<at>[^()\s]+:\d+)[,)]")


def places(splat: Splat, most: int = 3) -> list[str]:
    """ "nic/rx.c:210 in ppnic_poll": where the complaint came from, the innermost first; reporters are left out."""
    found: list[str] = []
    for line in splat.decoded.splitlines():
        if _GUESS.match(line):
            continue
        match = _DECODED.match(line) or _TITLE_AT.search(line)
        if match and not reporter(match["name"]):
            found.append(f"{match['at']} in {match['name']}")
    return list(dict.fromkeys(found))[:most]


def is_bad(test: TestResult) -> bool:
    """It ran, and went wrong."""
    return not test.outcome.ok and test.outcome is not Outcome.NOT_RUN


def _tests(n: int) -> str:
    return f"{n} test" if n == 1 else f"{n} tests"


def _cases(run: Run) -> str:
    """ " with 807 cases"; cases that were skipped are not among them."""
    n = sum(1 for test in run.tests for case in test.cases if case.outcome is Outcome.PASS)
    return f" with {n} cases" if n else ""


def _rounds(run: Run) -> str:
    """ " in 10 rounds", where there was more than one."""
    n = max((len(test.rounds) for test in run.tests), default=0)
    return f" in {n} rounds" if n else ""


def _others(counts: Counter[Outcome]) -> str:
    words = ((Outcome.SKIP, "skipped"), (Outcome.XFAIL, "expected to fail"), (Outcome.NOT_RUN, "not run"))
    return "".join(f", {counts[o]} {word}" for o, word in words if counts[o])


def how_it_ran(run: Run) -> str:
    """ "TCG (emulated), 2 CPUs, 2048 MiB"."""
    vm = run.vm
    accel = ACCEL.get(vm.accel, vm.accel or "no guest")
    return f"{accel}, {vm.cpus} CPU{'s' if vm.cpus != 1 else ''}, {vm.memory_mib} MiB"


def tools(run: Run) -> str:
    """ "ppiov 0.1.0; QEMU 7.2.22; virtme-ng 1.42; Python 3.11.2"; QEMU's own words may stand in its version."""
    e = run.environment
    qemu = e.qemu.removeprefix("QEMU emulator version ")
    return f"ppiov {e.ppiov}; QEMU {qemu}; virtme-ng {e.virtme_ng}; Python {e.python}"


def boots_text(run: Run) -> str:
    """ "3 guests (2 done, 1 panic), 1 boot retried"."""
    if not run.boots:
        return "none"
    ends = ", ".join(f"{n} {ended}" for ended, n in Counter(b.ended for b in run.boots).items())
    retries = sum(1 for b in run.boots if b.attempt > 1)
    again = f", {retries} boot{'s' if retries != 1 else ''} retried" if retries else ""
    return f"{len(run.boots)} guest{'s' if len(run.boots) != 1 else ''} ({ends}){again}"


def duration(seconds: float) -> str:
    """ "0.4 s", "48 s", "3 min 12 s", "2 h 05 min", never longer than 11 characters; "?" for what is no duration."""
    if not 0 <= seconds < 999 * 3600:
        return "?"
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s"
    return f"{minutes // 60} h {minutes % 60:02d} min" if minutes < 6000 else f"{minutes // 60} h"


def elapsed(run: Run | SeriesRun) -> str:
    """Wall-clock time of the run, or "" where its stamps don't parse."""
    try:
        took = datetime.fromisoformat(run.finished) - datetime.fromisoformat(run.started)
    except (ValueError, TypeError):
        return ""
    return duration(max(took.total_seconds(), 0.0))


def scaled(value: float, unit: str) -> tuple[float, str]:
    """Bring bytes and bits into a range that reads well, in powers of 1000: 5.3e8 "B/s" -> 530 "MB/s"."""
    base, slash, per = unit.partition("/")
    if base not in ("B", "bit"):
        return value, unit
    prefixes = ["", "k", "M", "G", "T"]
    while abs(value) >= 1000 and len(prefixes) > 1:
        value /= 1000
        prefixes.pop(0)
    return value, f"{prefixes[0]}{base}{slash}{per}"


def figure_text(figure: Figure) -> str:
    """The only way in which a figure's value gets into a report: with its unit and its meter, or not at all."""
    if not figure.meter.strip() or not figure.unit.strip():
        return "not shown: it came without its unit or meter"
    value, unit = scaled(figure.value, figure.unit)
    return f"{number(value)} {unit} ({figure.meter})"


def number(value: float) -> str:
    """Four digits that mean something, and every digit of a whole number: 65.12, 46354, 0.003002."""
    if not math.isfinite(value):
        return str(value)
    if value == int(value) and abs(value) < 1e12:
        return str(int(value))
    return f"{value:.0f}" if 1e4 <= abs(value) < 1e12 else f"{value:.4g}"


_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")


def visible(text: str) -> str:
    """Control characters, lone surrogates and what XML forbids as escapes that can be seen; tab and newline stay."""
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    return _CONTROL.sub(lambda m: f"\\x{ord(m[0]):02x}" if ord(m[0]) < 256 else f"\\u{ord(m[0]):04x}", text)


def one_line(text: str) -> str:
    """The text on one line, control characters visible, blanks squeezed."""
    return " ".join(visible(text).split())
