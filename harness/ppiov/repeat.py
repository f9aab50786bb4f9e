# SPDX-License-Identifier: GPL-2.0-only
"""Rounds: the same tests once more, in guests of their own, and one result of many.

What passes in one round and not in another is a flake, and reported as one: neither the pass nor the failure alone is
the truth about it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence

from ppiov.results import Case, Outcome, Round, TestResult


def merged(results: Sequence[TestResult]) -> TestResult:
    """One result of the results of one test, one per round, in their order. What went wrong first speaks for it."""
    if len(results) == 1:
        return results[0]
    outcomes = [result.outcome for result in results]
    first = next((result for result in results if not result.outcome.ok), None)
    outcome = _outcome(outcomes)
    speaker = first or next(result for result in results if result.outcome is outcome)
    return dataclasses.replace(
        speaker,
        outcome=outcome,
        seconds=sum(result.seconds for result in results) / len(results),
        reason=_reason(outcomes, speaker.outcome, speaker.reason),
        cases=_cases(results),
        rounds=tuple(Round(result.outcome, result.seconds, result.boot, result.reason) for result in results),
    )


def _outcome(outcomes: Sequence[Outcome]) -> Outcome:
    """Of all rounds. A skip in one round and a pass in another is a pass: nothing went wrong."""
    bad = [outcome for outcome in outcomes if not outcome.ok]
    if bad:
        return Outcome.FLAKY if len(bad) < len(outcomes) else bad[0]
    return Outcome.PASS if Outcome.PASS in outcomes else outcomes[0]


def _reason(outcomes: Sequence[Outcome], spoke: Outcome, reason: str) -> str:
    """ "passed 9 of 10 rounds; first, in round 4, fail: the answer is wrong"; as it was where all rounds agree."""
    good = sum(1 for outcome in outcomes if outcome.ok)
    if good == len(outcomes):
        return reason
    if not good:
        return f"in all {len(outcomes)} rounds; first: {reason}" if reason else f"in all {len(outcomes)} rounds"
    when = next(number for number, outcome in enumerate(outcomes, 1) if not outcome.ok)
    return f"passed {good} of {len(outcomes)} rounds; first, in round {when}, {spoke.value}: {reason}".rstrip(": ")


def _cases(results: Iterable[TestResult]) -> tuple[Case, ...]:
    """The cases of all rounds, each once; one that a round didn't have is judged by the others."""
    found: dict[tuple[str, ...], list[Case]] = {}
    for result in results:
        for case in result.cases:
            found.setdefault(case.name, []).append(case)
    return tuple(_case(cases) for cases in found.values())


def _case(cases: Sequence[Case]) -> Case:
    outcomes = [case.outcome for case in cases]
    speaker = next((case for case in cases if not case.outcome.ok), cases[0])
    outcome = _outcome(outcomes)
    reason = _reason(outcomes, speaker.outcome, speaker.reason) if len(cases) > 1 else speaker.reason
    return dataclasses.replace(speaker, outcome=outcome, reason=reason)
