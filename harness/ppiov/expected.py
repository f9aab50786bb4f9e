# SPDX-License-Identifier: GPL-2.0-only
"""What the kernel's own tests may skip, and what of them is known to fail: selftests/upstream/expected.toml.

A case of a test is compared with the list when its results are read. A skip that no entry allows becomes a failure: a
test that says "not supported" has not tested anything. A failure that an entry knows becomes an expected one. Both
keep the test's own words, and say what the list says. Entries that a complete run should have met and did not are told
at its end, so that the list does not outlive its reasons.
"""

from __future__ import annotations

import dataclasses
import re
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from ppiov.errors import BadRequest
from ppiov.ktap import Parsed
from ppiov.results import Case, Outcome

_PROGRAM = re.compile(r"\[(?P<program>[^\]]+)\]$")  # of a pytest node id
NO_REASON = "^$"  # of a test that says none
_FIELDS = {"program", "case", "reason", "kernels", "why"}


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of the list."""

    outcome: Outcome  # SKIP or FAIL
    program: str
    why: str
    reason: str  # what the test says; "^$" where it says nothing
    case: str = ""
    kernels: str = ""

    def speaks_of(self, program: str) -> bool:
        return re.fullmatch(self.program, program) is not None

    def allows(self, program: str, case: Case) -> bool:
        """Whether that is what the entry is about."""
        return (
            case.outcome is self.outcome
            and self.speaks_of(program)
            and re.search(self.case, ".".join(case.name)) is not None
            and re.search(self.reason, case.reason) is not None
        )

    def __str__(self) -> str:
        return " ".join(filter(None, [self.program, self.case, f"({self.reason})"]))


class Expected:
    """The entries for one kernel, and which of them a run has met."""

    def __init__(self, entries: Iterable[Entry], release: str) -> None:
        self._entries = [entry for entry in entries if re.match(entry.kernels, release)]
        self._met: set[Entry] = set()
        self._run: set[str] = set()

    def apply(self, test: str, parsed: Parsed) -> Parsed:
        """The results of ``test`` (a pytest node id with the program in brackets), judged by the list."""
        match = _PROGRAM.search(test)
        if match is None:
            return parsed
        program = match["program"]
        if not parsed.complaint:
            self._run.add(program)
        cases = parsed.cases
        skipped = parsed.skipped
        if skipped is not None and not cases:  # the plan's own skip is one of the whole program
            cases, skipped = (Case((Path(program).name,), Outcome.SKIP, skipped),), None
        judged = tuple(self._judge(program, case) for case in cases)
        return dataclasses.replace(parsed, cases=judged, skipped=skipped)

    def unmet(self) -> list[Entry]:
        """The entries about programs that have run which none of their results has met."""
        return [
            entry
            for entry in self._entries
            if entry not in self._met and any(entry.speaks_of(program) for program in self._run)
        ]

    def _judge(self, program: str, case: Case) -> Case:
        if case.outcome not in (Outcome.SKIP, Outcome.FAIL):
            return case
        entry = next((entry for entry in self._entries if entry.allows(program, case)), None)
        if entry is not None:
            self._met.add(entry)
            reason = f"{case.reason}: {entry.why}" if case.reason else entry.why
            outcome = Outcome.SKIP if case.outcome is Outcome.SKIP else Outcome.XFAIL
            return dataclasses.replace(case, outcome=outcome, reason=reason)
        if case.outcome is Outcome.SKIP:
            reason = f"skipped, which no entry of expected.toml allows: {case.reason or 'no reason given'}"
            return dataclasses.replace(case, outcome=Outcome.FAIL, reason=reason)
        return case


def load(path: Path, release: str) -> Expected:
    """The list for the kernel ``release``. Raises BadRequest, naming what is wrong with it."""
    entries = []
    try:
        table = tomllib.loads(path.read_text())
    except tomllib.TOMLDecodeError as error:
        raise BadRequest(f"{path}: {error}") from error
    for kind, outcome in (("skip", Outcome.SKIP), ("fail", Outcome.FAIL)):
        for fields in table.pop(kind, []):
            unknown = fields.keys() - _FIELDS
            lacking = {"program", "reason", "why"} - fields.keys()
            if unknown or lacking:
                wrong = f"unknown {', '.join(sorted(unknown))}" if unknown else f"without {', '.join(sorted(lacking))}"
                raise BadRequest(f"{path}: a [[{kind}]] entry {wrong}: {fields}")
            entry = Entry(outcome, **fields)
            if entry.reason != NO_REASON and re.search(entry.reason, ""):
                raise BadRequest(f"{path}: the reason of a [[{kind}]] entry matches any: {fields}")
            entries.append(entry)
    if table:
        raise BadRequest(f"{path}: unknown {', '.join(sorted(table))}: there are [[skip]] and [[fail]]")
    return Expected(entries, release)
