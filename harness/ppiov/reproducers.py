# SPDX-License-Identifier: GPL-2.0-only
"""What a reproducer of a kernel bug has to show, and on which kernels.

A test marked ``reproducer`` (selftests/reproducers/) pulls the trigger of a bug in a stock kernel and says, in data, in
which series the bug was seen and which complaint is its sign. So the verdict turns around: where the bug is known, its
complaint is the pass, and a test that goes through says that the table is out of date.

==============  ==========================  ===========================================
the series is   the sign was seen           the test went through without it
==============  ==========================  ===========================================
in ``hits``     pass: reproduced            fail: mended there? the table says it is hit
in ``spared``   fail: the bug is back       pass: not reproduced, as the table says
in neither      fail: the table lacks it    pass: not reproduced; the table lacks it
==============  ==========================  ===========================================

Any other complaint, crash or failed assertion stays what it is. A test whose trigger ends differently by the kernel is
marked once for each of these bugs; the one whose sign was seen, or else that knows the series, is meant.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ppiov.results import Outcome, TestResult


@dataclass(frozen=True, slots=True)
class Reproducer:
    """The declaration of one test, or one of several."""

    report: str  # file below docs/bugs
    hits: tuple[str, ...]  # series of kernels: "6.12"
    spared: tuple[str, ...]
    kind: str  # of the complaint: see console.py; or "fail"
    shows: tuple[str, ...]  # functions or words, all of which are in it

    @classmethod
    def of(cls, said: Mapping[str, Any]) -> Reproducer:
        """From the marker's arguments, which have been JSON on the way."""
        return cls(
            report=str(said["report"]),
            hits=tuple(said.get("hits", ())),
            spared=tuple(said.get("spared", ())),
            kind=str(said["kind"]),
            shows=tuple(said["shows"]),
        )

    def sign(self, result: TestResult) -> str:
        """What this bug is known by, as ``result`` shows it; "" if it does not, or if something else is wrong as well.

        A bug without a complaint of the kernel's is of kind "fail": the test itself saw what went wrong, and its
        assertion says so.
        """
        if self.kind == "fail":
            seen = result.outcome is Outcome.FAIL and self._in(result.reason) and not result.splats
            return result.reason if seen else ""
        matching = [s for s in result.splats if s.kind == self.kind and self._in(s.text)]
        # a panic is how an oops ends; what the kernel does by itself is not held against the test
        others = [s for s in result.splats if s not in matching and s.kind != "panic" and not s.known]
        # a complaint that is understood (complaints.py) does not spoil a pass; here it is what is looked for
        ended = (Outcome.CRASH, Outcome.SPLAT, Outcome.PASS)
        return matching[0].title if matching and not others and result.outcome in ended else ""

    def _in(self, text: str) -> bool:
        return all(word in text for word in self.shows)


def judge(result: TestResult, declared: Sequence[Reproducer], release: str) -> TestResult:
    """``result`` as it counts for a test with these declarations on the kernel ``release`` ("6.12.117+deb12-amd64")."""
    series = series_of(release)
    signs = [(reproducer, sign) for reproducer in declared if (sign := reproducer.sign(result))]
    for reproducer, sign in signs:
        if series in reproducer.hits:
            return _as(result, Outcome.PASS, f"reproduced: {sign}")
    for reproducer, sign in signs:
        known = "is back in" if series in reproducer.spared else "also hits"
        return _as(result, Outcome.FAIL, f"the bug {known} {series}, against the table: {sign}")
    if declared and result.outcome is Outcome.PASS:
        if any(series in reproducer.hits for reproducer in declared):
            known = f"the table says that {series} is hit"
            return _as(result, Outcome.FAIL, f"not reproduced: mended in {release}? {known}")
        spared = any(series in reproducer.spared for reproducer in declared)
        told = "as the table says" if spared else f"and the table says nothing of {series}"
        return _as(result, Outcome.PASS, f"not reproduced, {told}")
    return result


def series_of(release: str) -> str:
    """ "6.12" of "6.12.117+deb12-amd64"."""
    match = re.match(r"\d+\.\d+", release)
    return match[0] if match else release


def _as(result: TestResult, outcome: Outcome, reason: str) -> TestResult:
    return dataclasses.replace(result, outcome=outcome, reason=reason)
