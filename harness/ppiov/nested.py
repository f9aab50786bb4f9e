# SPDX-License-Identifier: GPL-2.0-only
"""What a test handed over in KTAP (the fixture `ktap`), and what that means for its verdict.

The guest only writes files down: NAME.ktap in the test's artifacts. They are read here, when the test has its end, with
the parser of the kernel under test (ktap.py). A test that has handed something over is judged by it: pytest's "passed"
means no more than that the output is there. Where the guest died before it could hand over anything, the console is
read, where KUnit prints the same.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ppiov.ktap import Parsed, Parser
from ppiov.results import Case, Outcome, TestResult

SUFFIX = ".ktap"
_NAMED = 3  # of the cases that went wrong, in a test's reason


@dataclass(frozen=True, slots=True)
class Reader:
    """Reads what tests handed over."""

    parser: Parser | None
    why_none: str = ""  # the sentence where there is no parser

    def read(self, artifacts: Path, console: str | None, planned: Sequence[str] = ()) -> Parsed | None:
        """What the test with that folder handed over; None for nothing.

        ``console`` is what the console said during the test, if the guest died in it. ``planned`` names the cases of
        the suite in their order, where they are known.
        """
        files = sorted(artifacts.glob(f"*{SUFFIX}"))
        if not files:
            return None
        if self.parser is None:
            return Parsed((), f"its KTAP output was not read: {self.why_none}")
        documents = [(file, file.read_text(errors="replace")) for file in files]
        if console is not None and not any(text.strip() for _, text in documents):
            return self.parser.parse(console, planned)
        return _join([(_name(file), self.parser.parse(text, planned)) for file, text in documents])


def _name(file: Path) -> str:
    """ "2-forwarding.ktap" -> "forwarding": the number is only for the order."""
    return file.name.removesuffix(SUFFIX).partition("-")[2]


def _join(documents: Sequence[tuple[str, Parsed]]) -> Parsed:
    """Several documents of one test; the cases of one with a name get it before their own."""
    cases: list[Case] = []
    complaints, skips = [], []
    for name, parsed in documents:
        above = (name,) if name else ()
        cases += [dataclasses.replace(case, name=(*above, *case.name)) for case in parsed.cases]
        if parsed.complaint:
            complaints.append(f"{name}: {parsed.complaint}" if name else parsed.complaint)
        if parsed.skipped is not None:
            skips.append(parsed.skipped)
            if name:
                cases.append(Case(above, Outcome.SKIP, parsed.skipped))
    return Parsed(tuple(cases), "; ".join(complaints), "; ".join(skips) if skips and not cases else None)


def judged(test: TestResult, parsed: Parsed | None) -> TestResult:
    """The test's result with its cases. They can make a pass something worse, and nothing any better."""
    if parsed is None:
        return test
    test = dataclasses.replace(test, cases=parsed.cases)
    bad = [case for case in parsed.cases if not case.outcome.ok]
    if test.outcome is Outcome.SPLAT and (bad or parsed.complaint):  # a failure says more, and the splats stay
        return dataclasses.replace(test, outcome=Outcome.FAIL, reason=_reason(parsed, bad))
    if test.outcome is not Outcome.PASS:
        return test
    if bad or parsed.complaint:
        return dataclasses.replace(test, outcome=Outcome.FAIL, reason=_reason(parsed, bad))
    if parsed.skipped is not None:
        return dataclasses.replace(test, outcome=Outcome.SKIP, reason=parsed.skipped)
    if not parsed.cases:
        return dataclasses.replace(test, outcome=Outcome.FAIL, reason="it has no results")
    if all(case.outcome is Outcome.SKIP for case in parsed.cases):
        reasons = Counter(case.reason for case in parsed.cases if case.reason)
        reason = "; ".join(reasons) or "all of its cases were skipped, without a reason"
        return dataclasses.replace(test, outcome=Outcome.SKIP, reason=reason)
    return test


def _reason(parsed: Parsed, bad: Sequence[Case]) -> str:
    """ "2 of 37 cases: attach > iov (crash: ...), drain (fail: ...)"."""
    parts = [parsed.complaint] if parsed.complaint else []
    if bad:
        named = [
            f"{' > '.join(case.name)} ({case.outcome.value}{': ' if case.reason else ''}{case.reason})" for case in bad
        ]
        more = f", and {len(bad) - _NAMED} more" if len(bad) > _NAMED else ""
        parts.append(f"{len(bad)} of {len(parsed.cases)} cases: {', '.join(named[:_NAMED])}{more}")
    return "; ".join(parts)
