# SPDX-License-Identifier: GPL-2.0-only
"""What a check of a series leaves behind: the versioned schema of ``series.json``.

Reports read these dataclasses and nothing else. A field may be added within a schema version, never renamed or removed.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from pydantic import TypeAdapter

from ppiov.folder import RunFolder, read_json, write_atomically
from ppiov.results import Environment, Figure, Outcome, RunState, Splat

SCHEMA_VERSION = 1
FILE = "series.json"


class Verdict(StrEnum):
    """What a check says about a patch."""

    PASS = "pass"
    WARN = "warn"  # a reviewer may ask about it
    FAIL = "fail"  # a reviewer will send it back, or it breaks something
    SKIP = "skip"  # does not concern this patch, or cannot be said here; the line says why
    NOT_RUN = "not-run"  # planned, never started


class Relation(StrEnum):
    """What became of something, seen from the base."""

    NONE = ""  # there is nothing to compare
    NEW = "new"  # was good, or not there, and is bad now
    FIXED = "fixed"  # was bad, and is good now
    AS_BEFORE = "as before"
    FLAKY = "flaky"  # good in some rounds and bad in others, on either side


@dataclass(frozen=True, slots=True)
class Change:
    """One test or complaint of the kernel, on the base and with the patch."""

    name: str
    before: Outcome | None  # None: not there
    after: Outcome | None
    relation: Relation
    note: str = ""  # the counts of a flaky one, the reason of a failure
    since: int = 0  # the earlier patch that it is new since; 0: since this one
    splat: Splat | None = None


@dataclass(frozen=True, slots=True)
class Measured:
    """One benchmark's figure, on the base and with the patch."""

    before: Figure
    after: Figure
    relation: Relation  # NEW: slower; FIXED: faster
    note: str = ""  # the difference, with how sure it is
    since: int = 0  # the earlier patch that it is slower since; 0: since this one


@dataclass(frozen=True, slots=True)
class CheckResult:
    """What one check, or one stage, says about one patch or about the series."""

    name: str
    verdict: Verdict
    line: str  # one sentence
    relation: Relation = Relation.NONE
    details: tuple[str, ...] = ()  # the findings, one a line
    command: str = ""  # the one line that shows it again
    seconds: float = 0.0
    runs: tuple[str, ...] = ()  # ids of the runs that it comes from: with the patch, then of the base
    changes: tuple[Change, ...] = ()
    measured: tuple[Measured, ...] = ()


@dataclass(frozen=True, slots=True)
class PatchResult:
    """A patch and what the checks say about it."""

    number: int
    subject: str
    author: str
    commit: str  # of the scratch repository, or of the user's; "" where the patch does not apply
    patch_id: str
    files: tuple[str, ...]
    checks: tuple[CheckResult, ...] = ()

    @property
    def verdict(self) -> Verdict:
        return worst(self.checks)


@dataclass(frozen=True, slots=True)
class SeriesRun:
    """One ``ppiov series``."""

    id: str  # the folder's name
    command: str
    started: str  # UTC, ISO 8601
    finished: str
    state: RunState
    reason: str  # why not complete; "" if complete
    what: str  # as the user named it
    kind: str  # "range", "b4", "mail"
    tree: str
    base: str  # commit
    base_name: str  # as git describes it, or ""
    cover: str  # the cover letter's subject, or ""
    change_id: str
    version: int
    environment: Environment
    tools: tuple[str, ...] = ()  # the compilers and checkers, each with its version
    patches: tuple[PatchResult, ...] = ()
    checks: tuple[CheckResult, ...] = ()  # of the series as a whole
    schema: int = field(default=SCHEMA_VERSION)

    @property
    def passed(self) -> bool:
        """True only if everything that was asked for was done, something was checked, and nothing failed."""
        every = [*self.checks, *(check for patch in self.patches for check in patch.checks)]
        return (
            self.state is RunState.COMPLETE
            and any(check.verdict in (Verdict.PASS, Verdict.WARN) for check in every)
            and not any(check.verdict in (Verdict.FAIL, Verdict.NOT_RUN) for check in every)
        )

    def first_bad(self) -> Iterator[tuple[str, PatchResult]]:
        """For each check that fails, in the order of the checks, the first patch that it blames."""
        seen: dict[str, PatchResult] = {}
        for patch in self.patches:
            for check in patch.checks:
                if check.verdict is Verdict.FAIL:
                    seen.setdefault(check.name, patch)
        yield from seen.items()

    def names(self) -> list[str]:
        """The checks of patches, in the order in which they were first seen."""
        return list(dict.fromkeys(check.name for patch in self.patches for check in patch.checks))


def worst(checks: Iterable[CheckResult]) -> Verdict:
    """The verdict over several: a failure counts more than what was not run, and that more than a warning."""
    order = (Verdict.FAIL, Verdict.NOT_RUN, Verdict.WARN, Verdict.PASS, Verdict.SKIP)
    have = {check.verdict for check in checks}
    return next((verdict for verdict in order if verdict in have), Verdict.SKIP)


def save(folder: RunFolder, run: SeriesRun) -> None:
    """Write series.json; a reader sees the old one or the new one. Raises DiskFull."""
    text = json.dumps(dataclasses.asdict(run), indent=1, ensure_ascii=False)
    write_atomically(folder.path / FILE, text.encode("utf-8", "replace") + b"\n")


def load(path: Path) -> SeriesRun:
    """Read the series of the folder ``path``. Raises BadRunFolder."""
    return read_json(path / FILE, _ADAPTER, SCHEMA_VERSION, "series")


_ADAPTER: TypeAdapter[SeriesRun] = TypeAdapter(SeriesRun)
RESULT: TypeAdapter[CheckResult] = TypeAdapter(CheckResult)
