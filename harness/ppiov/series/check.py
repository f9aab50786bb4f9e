# SPDX-License-Identifier: GPL-2.0-only
"""What a check is, and where checks come from.

A check looks at one patch and says one line. Those of this program are in ppiov.series.checks; a project adds its own
by an entry point of the group ``ppiov.checks`` that names a :class:`Check`.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Sequence
from dataclasses import dataclass
from importlib.metadata import entry_points

from ppiov.errors import BadRequest, UnknownName
from ppiov.events import Event
from ppiov.series.patch import Patch
from ppiov.series.place import Place
from ppiov.series.results import CheckResult, Relation, Verdict

GROUP = "ppiov.checks"
Plain = Callable[[Patch, Place], CheckResult]
Told = Callable[[Patch, Place], Generator[Event, None, CheckResult]]


class CannotSay(Exception):
    """A check cannot judge on this machine, as its text says. That is no verdict to keep: the machine may change."""


@dataclass(frozen=True, slots=True)
class Check:
    """One check. Its verdict is kept, and asked for again only if something that it depends on has changed."""

    name: str  # as users write it: "checkpatch"
    about: str  # what it proves, in one line
    run: Told
    version: str = "1"  # another one makes every kept verdict worthless
    message: bool = True  # whether the commit message counts, or only the code
    # What else the verdict depends on: contents, tools' versions.
    reads: Callable[[Patch, Place], Iterable[str]] = lambda _patch, _place: ()
    kept: bool = True  # whether it is worth keeping
    programs: Callable[[], Iterable[str]] = tuple  # what it runs, each with its version, for the report


def plain(function: Plain) -> Told:
    """A check's ``run`` out of a function that has no progress to tell."""

    def run(patch: Patch, place: Place) -> Generator[Event, None, CheckResult]:
        yield from ()
        return function(patch, place)

    return run


def passed(line: str, *, details: Sequence[str] = (), command: str = "") -> CheckResult:
    return CheckResult("", Verdict.PASS, line, details=tuple(details), command=command)


def warned(line: str, *, details: Sequence[str] = (), command: str = "") -> CheckResult:
    return CheckResult("", Verdict.WARN, line, details=tuple(details), command=command)


def failed(
    line: str, *, details: Sequence[str] = (), command: str = "", relation: Relation = Relation.NONE
) -> CheckResult:
    return CheckResult("", Verdict.FAIL, line, relation, tuple(details), command)


def skipped(line: str) -> CheckResult:
    """For a patch that the check does not concern, or a machine that can't: the line says which."""
    return CheckResult("", Verdict.SKIP, line)


def own() -> tuple[Check, ...]:
    """This program's checks, in the order in which they run."""
    from ppiov.series.checks import OWN  # they import this module

    return OWN


def available() -> dict[str, Check]:
    """All checks by name: this program's in the order in which they run, then those of other projects."""
    found = {check.name: check for check in own()}
    for point in sorted(entry_points(group=GROUP), key=lambda point: point.name):
        try:
            check = point.load()
        except Exception as error:
            raise BadRequest(f"the check {point.value!r} of another project cannot be loaded: {error}") from error
        if not isinstance(check, Check):
            raise BadRequest(
                f"{point.value!r}, which another project offers as a check, is no ppiov.series.check.Check"
            )
        found.setdefault(check.name, check)
    return found


def choose(names: Sequence[str], leave_out: Sequence[str] = ()) -> list[Check]:
    """The checks that ``names`` name, all for none, without those of ``leave_out``. Raises UnknownName, BadRequest."""
    known = available()
    for name in [*names, *leave_out]:
        if name not in known:
            raise UnknownName("check", name, known)
    return [check for name, check in known.items() if (not names or name in names) and name not in leave_out]
