# SPDX-License-Identifier: GPL-2.0-only
"""Who did it: from one guest's records and console to one verdict per test.

Two witnesses are heard. The job's records say what pytest found; the console says what the kernel thought of it. A test
has its verdict only when both are complete: its record is there, and the console has come to the test's end mark. If
the guest dies, the test that ran gets the blame; a test that never began gets none and runs in the next guest. Nor does
anybody for an accident of the emulator's (emulator.py): what ran is given back, as if it had not begun.

A pass with complaints of the kernel is still a pass here: whether they count is decided in splats.py.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from ppiov.console import Found, Mark
from ppiov.emulator import accident
from ppiov.ktap import Parsed
from ppiov.nested import judged
from ppiov.results import Figure, Outcome, Splat, TestResult
from ppiov.suites import PlannedTest

CONSOLE_PATIENCE = 5.0  # seconds that the console may lag behind the records
_ALLOCATED = re.compile(r"^\S*\s+comm \".*\", pid \d+, jiffies (\d+)", re.MULTILINE)  # in a report of kmemleak's


@dataclass(frozen=True, slots=True)
class Death:
    """How a guest ended, unless all its tests had their turn."""

    ended: str  # as in results.Boot.ended
    cause: str  # one sentence

    def outcome(self, panicked: bool) -> Outcome:
        """What it means for the test that ran."""
        if panicked:
            return Outcome.CRASH
        return Outcome.HANG if self.ended in ("silence", "total-deadline", "test-timeout") else Outcome.VM_DIED


@dataclass(slots=True)
class _Open:
    """A test that has begun and has no verdict yet."""

    splats: list[Splat] = field(default_factory=list)
    announced: bool = False  # the kernel has warned as it was meant to
    record: dict[str, Any] | None = None  # its test-ended, test-hung or broken record
    recorded_at: float = 0.0
    console_past: bool = False  # the console has come to its end mark
    artifacts: str = ""  # the name of its folder


class Ledger:
    """The books of one guest. ``now`` is a monotonic clock in seconds.

    ``cases`` reads what a test handed over in KTAP: given the test, its folder's name, and whether its guest died.
    ``emulated``: the guest's CPUs are QEMU's.
    """

    def __init__(
        self,
        planned: Iterable[PlannedTest],
        boot: int,
        now: Callable[[], float] = time.monotonic,
        cases: Callable[[PlannedTest, str, bool], Parsed | None] = lambda *_: None,
        emulated: bool = False,
    ) -> None:
        self._planned = {test.name: test for test in planned}
        self._boot, self._now, self._cases, self._emulated = boot, now, cases, emulated
        self._open: dict[str, _Open] = {}
        self._closed: set[str] = set()
        self.job_begun = False
        self.job_ended = False
        self.broken: str | None = None  # why the guest cannot go on, by its own words
        self.hung = False  # a test's time was up, by the guest's own clock
        self.given_up: str | None = None  # the test that the guest itself gave up with
        self.panicked: str | None = None  # the title of what was fatal
        self.vm_error: str | None = None  # what QEMU itself gave up with
        self.accident: str | None = None  # the title of what the emulator did wrong
        self.stray_splats: list[Splat] = []  # those that fall to no test
        self._begins: list[tuple[int, str]] = []  # jiffies at which tests began, where kmemleak is
        self._lost: list[tuple[Splat, str | None]] = []  # what kmemleak told, and who ran then; not yet anybody's
        self._late: list[tuple[str, Splat]] = []  # about tests that have their verdict

    @property
    def running(self) -> PlannedTest | None:
        """The test that runs: begun, and neither ended nor given up."""
        return next((self._planned[name] for name, test in self._open.items() if test.record is None), None)

    @property
    def any_begun(self) -> bool:
        return bool(self._open or self._closed)

    def give_back(self, name: str) -> None:
        """The test that ran has not begun: it remains."""
        del self._open[name]

    def remaining(self) -> list[PlannedTest]:
        """Tests that have not begun."""
        return [test for name, test in self._planned.items() if name not in self._open and name not in self._closed]

    def hear_record(self, record: dict[str, Any]) -> str | None:
        """Take a record of the job's; returns the name of a test that it begins."""
        kind, name = record.get("record"), record.get("name")
        if kind == "job-begun":
            self.job_begun = True
        elif kind == "job-ended":
            self.job_ended = True
        elif kind == "test-begun" and name in self._planned:
            begun = self._begin(name)
            if name in self._open:
                self._open[name].artifacts = str(record.get("artifacts", ""))
                if "jiffies" in record:
                    self._begins.append((int(record["jiffies"]), name))
            return begun
        elif kind in ("test-ended", "test-hung", "broken"):
            if kind == "broken":
                self.broken = str(record.get("reason"))
            self.hung |= kind == "test-hung"
            if kind != "test-ended":
                self.given_up = name
            if name in self._planned:
                self._begin(name)
                test = self._open.get(name)
                if test is not None and test.record is None:
                    test.record, test.recorded_at = record, self._now()
        return None

    def hear_console(self, heard: Found | Mark) -> str | None:
        """Take what the console detector found; returns the name of a test whose begin only the console has told."""
        if isinstance(heard, Mark):
            if heard.kind == "broken":
                self.broken = heard.text
            elif heard.kind == "begin" and heard.text in self._planned:
                return self._begin(heard.text)
            elif heard.kind == "end" and heard.text in self._open:
                self._open[heard.text].console_past = True
            return None
        splat = heard.splat
        if heard.announced:
            if heard.test in self._open:
                self._open[heard.test].announced = True
            return None
        if splat.kind == "kvm-internal-error":
            self.vm_error = splat.title
        if splat.kind in ("panic", "oops") and self.panicked is None:  # an oops panics here: see vm.py
            self.panicked = splat.title
        if self._emulated and accident(splat):
            self.accident = splat.title
        if self.accident:  # nor does what follows say anything of the kernel
            return None
        if splat.kind == "kmemleak":
            self._lost.append((splat, heard.test))
        else:
            self._attach(splat, heard.test)
        return None

    def _allocator(self, splat: Splat, during: str | None) -> str | None:
        """The test in whose time the memory was allocated that kmemleak tells of, much later."""
        match = _ALLOCATED.search(splat.text)
        if match is None or not self._begins:
            return during
        return next((name for began, name in reversed(self._begins) if began <= int(match[1])), None)

    def _attach(self, splat: Splat, test: str | None) -> None:
        if test is None or (test not in self._open and test not in self._closed):
            self.stray_splats.append(splat)
        elif test in self._open:
            splats = self._open[test].splats
            # A loop loses one object after the other; kernels before 7.1 tell of each.
            if splat.kind != "kmemleak" or splat.fingerprint not in {other.fingerprint for other in splats}:
                splats.append(splat)
        else:
            self._late.append((test, splat))

    def late(self) -> list[tuple[str, Splat]]:
        """Complaints about tests whose verdicts were told already, once each."""
        late, self._late = self._late, []
        return late

    def _begin(self, name: str) -> str | None:
        if name in self._open or name in self._closed:
            return None
        self._open[name] = _Open()
        return name

    def settle(self, *, final: bool = False) -> list[TestResult]:
        """The verdicts that are ripe; with ``final``, the console has nothing more to say."""
        for splat, during in self._lost:  # only now are the records heard that tell when which test began
            self._attach(splat, self._allocator(splat, during))
        self._lost = []
        ripe = []
        for name, test in list(self._open.items()):
            if test.record is None:
                continue
            late = self._now() - test.recorded_at > CONSOLE_PATIENCE
            if test.console_past or late or final or test.record["record"] != "test-ended":
                ripe.append(self._close(name, self._verdict(name, test)))
        return ripe

    def die(self, death: Death, console_tail: str) -> list[TestResult]:
        """The guest is gone: the last verdicts, with the blame for the test that ran."""
        results = self.settle(final=True)
        running = self.running
        if running is not None:
            test = self._open[running.name]
            outcome = death.outcome(self.panicked is not None)
            reason = self.panicked if outcome is Outcome.CRASH and self.panicked else death.cause
            detail = f"The console's last lines:\n{console_tail}"
            splats = tuple(test.splats)
            result = self._result(running.name, outcome, reason=reason, detail=detail, splats=splats, died=True)
            results.append(self._close(running.name, result))
        return results

    def _close(self, name: str, result: TestResult) -> TestResult:
        del self._open[name]
        self._closed.add(name)
        return result

    def _verdict(self, name: str, test: _Open) -> TestResult:
        record = test.record
        assert record is not None
        splats, missing = _expected(test.splats, record.get("warnings", ()))
        detail = str(record.get("detail", ""))
        if record["record"] == "test-hung":
            limit = self._planned[name].timeout_s
            reason = f"not finished after {limit:g} s"
            return self._result(name, Outcome.HANG, reason=reason, detail=detail, splats=splats, died=True)
        if record["record"] == "broken":
            reason = str(record["reason"])
            return self._result(name, Outcome.FAIL, reason=reason, detail=detail, splats=splats, died=True)
        outcome, reason = Outcome(record["outcome"]), str(record["reason"])
        if record.get("warned") and outcome.ok and not test.splats and not test.announced:
            outcome, reason = Outcome.FAIL, "the kernel warned (taint flag W), and the console has no trace of it"
        elif missing and outcome is Outcome.PASS and not splats:
            outcome, reason = Outcome.FAIL, f"the kernel did not warn of {missing[0]!r}"
        return self._result(
            name,
            outcome,
            seconds=float(record["seconds"]),
            reason=reason,
            detail=detail,
            splats=splats,
            leaks=tuple(map(str, record["leaks"])),
            figures=tuple(
                Figure(str(n), float(v), str(u), str(m), tuple(map(float, samples[0] if samples else ())))
                for n, v, u, m, *samples in record["figures"]
            ),
        )

    def _result(
        self, name: str, outcome: Outcome, *, seconds: float = 0.0, died: bool = False, **fields: Any
    ) -> TestResult:
        planned, folder = self._planned[name], self._open[name].artifacts
        result = TestResult(
            name=name, suite=planned.suite, outcome=outcome, seconds=seconds, boot=self._boot, doc=planned.doc, **fields
        )
        return judged(result, self._cases(planned, folder, died) if folder else None)


def _expected(splats: Sequence[Splat], wanted: Sequence[str]) -> tuple[tuple[Splat, ...], list[str]]:
    """The complaints that the test did not provoke on purpose, and the warnings that it did and that never came."""
    left, missing = list(splats), []
    for text in wanted:
        found = next((splat for splat in left if splat.kind == "warn" and text in splat.text), None)
        if found is None:
            missing.append(text)
        else:
            left.remove(found)
    return tuple(left), missing


def skipped(test: PlannedTest, reason: str) -> TestResult:
    """The verdict on a test that cannot be run here, for a reason that is known before."""
    return TestResult(test.name, test.suite, Outcome.SKIP, 0.0, reason=reason, doc=test.doc)


def not_run(test: PlannedTest, reason: str) -> TestResult:
    """The verdict on a test that was planned and never began."""
    return TestResult(test.name, test.suite, Outcome.NOT_RUN, 0.0, reason=reason, doc=test.doc)
