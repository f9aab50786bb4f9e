# SPDX-License-Identifier: GPL-2.0-only
"""Everything that an engine can tell the outside, in one place.

An engine is a generator of these; it never prints. The terminal, a log and CI only render them
(:mod:`ppiov.render`). An engine that returns a value returns it as the generator's return value.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from ppiov.results import Outcome, Run, TestResult
from ppiov.series.results import SeriesRun


@dataclass(frozen=True, slots=True)
class StageBegun:
    """A step that takes time began: "fetch linux-image-...", "build ppnic", "boot deb:6.12"."""

    key: str  # identifies the stage in later events
    title: str
    total: float | None = None  # None: unknown
    unit: str = ""  # "B", "tests", "s"


@dataclass(frozen=True, slots=True)
class StageProgress:
    key: str
    done: float


@dataclass(frozen=True, slots=True)
class StageEnded:
    key: str
    ok: bool = True
    note: str = ""  # "already there", "107 MB", "booted in 14.2 s (tcg)"


@dataclass(frozen=True, slots=True)
class Waiting:
    """Blocked on something that another process holds."""

    reason: str


@dataclass(frozen=True, slots=True)
class Note:
    """A fact that the user should know: TCG was taken and why, a boot was retried."""

    text: str
    level: str = "info"  # "info" or "warning"


@dataclass(frozen=True, slots=True)
class Table:
    """What is read side by side: the first column is words, the others are numbers or a verdict."""

    title: str
    headings: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    marks: tuple[str, ...] = ()  # of the rows: "good", "bad", "odd" or ""
    caveat: str = ""  # what the numbers don't say


@dataclass(frozen=True, slots=True)
class TestBegun:
    name: str
    index: int  # 1-based
    total: int


@dataclass(frozen=True, slots=True)
class TestEnded:
    result: TestResult
    index: int
    total: int


@dataclass(frozen=True, slots=True)
class GuestDied:
    cause: str  # one sentence
    blamed: str | None  # the test that ran
    remaining: int  # tests that go on in a new guest


@dataclass(frozen=True, slots=True)
class Probe:
    """One finding of the doctor."""

    name: str
    outcome: Outcome  # PASS, FAIL or SKIP
    detail: str
    cure: str = ""


@dataclass(frozen=True, slots=True)
class RunFinished:
    run: Run
    folder: Path
    reports: tuple[Path, ...] = field(default=())


@dataclass(frozen=True, slots=True)
class SeriesFinished:
    run: SeriesRun
    folder: Path
    reports: tuple[Path, ...] = field(default=())


@dataclass(frozen=True, slots=True)
class BisectStep:
    """One point of a history was measured, or is known from before."""

    revision: str  # as it is shown: 12 hex digits, a version
    subject: str
    reading: str  # "26.004 insns/op (insns)", "bad", "does not build: ..."
    untestable: bool = False
    known: bool = False  # from before: the journal or the store


@dataclass(frozen=True, slots=True)
class BisectFinished:
    verdict: tuple[str, ...]  # lines
    found: bool  # whether each change was narrowed down to one commit
    folder: Path
    reports: tuple[Path, ...] = field(default=())


Event = (
    StageBegun
    | StageProgress
    | StageEnded
    | Waiting
    | Note
    | Table
    | TestBegun
    | TestEnded
    | GuestDied
    | Probe
    | RunFinished
    | SeriesFinished
    | BisectStep
    | BisectFinished
)
