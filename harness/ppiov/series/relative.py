# SPDX-License-Identifier: GPL-2.0-only
"""Two runs of the same tests, on the base and with a patch: what is new, fixed, as before, or flaky."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from ppiov.results import Outcome, Run, RunState, Splat, TestResult
from ppiov.series.results import Change, CheckResult, Relation, Verdict


def changes(before: Run, after: Run) -> tuple[Change, ...]:
    """Every test and every complaint of the kernel that is bad on one side or the other, or was lost."""
    was = {test.name: test for test in before.tests}
    now = {test.name: test for test in after.tests}
    found = [_test(name, was.get(name), now.get(name)) for name in dict.fromkeys([*now, *was])]
    return (*(change for change in found if change is not None), *_splats(before, after))


def since(found: Iterable[Change], before: Run, blamed: Mapping[str, int]) -> tuple[Change, ...]:
    """The changes, those that are new marked that were bad already in ``before``, the run on the patch before.

    ``blamed``: the names of changes, and the number of the patch that each was new with.
    """
    was = {test.name: test for test in before.tests}
    complaints = _complaints(before)

    def older(change: Change) -> bool:
        if change.splat is not None:
            return change.splat.fingerprint in complaints
        return change.name in was and was[change.name].outcome is change.after

    return tuple(
        replace(change, since=blamed.get(change.name, 0))
        if change.relation is Relation.NEW and older(change)
        else change
        for change in found
    )


def confirmed(first: Iterable[Change], before: Run, after: Run) -> tuple[Change, ...]:
    """The changes, those that were new weighed again by runs of the same tests in several rounds."""
    was = {test.name: test for test in before.tests}
    now = {test.name: test for test in after.tests}
    weighed = []
    for change in first:
        one, other = was.get(change.name), now.get(change.name)
        if change.relation is not Relation.NEW or change.since or change.splat is not None or other is None:
            weighed.append(change)
            continue
        skips = change.after is Outcome.SKIP  # no failure, but lost all the same
        bad, good = _bad_rounds(other, skips), _bad_rounds(one, skips) if one else (0, 0)
        counts = f"{'skipped' if skips else 'failed'} {bad[0] + 1} of {bad[1] + 1} times"
        counts += f"; on the base, {good[0]} of {good[1] + (one is not None)}"
        steady = bad[0] == bad[1] and good[0] == 0
        relation = Relation.NEW if steady else Relation.FLAKY
        weighed.append(
            Change(change.name, change.before, change.after, relation, f"{counts}: {change.note}".rstrip(": "))
        )
    return tuple(weighed)


def judged(name: str, before: Run, after: Run, found: Sequence[Change]) -> CheckResult:
    """The verdict of a stage on a patch."""
    runs = (after.id, before.id)
    counts = Counter(change.relation for change in found)
    every = [change for change in found if change.relation is Relation.NEW and change.after is not Outcome.SKIP]
    bad = [change for change in every if not change.since]
    details = tuple(told(change) for change in found)
    common: dict[str, Any] = {"command": after.command, "runs": runs, "changes": tuple(found), "details": details}
    if bad:
        # a test that is bad for a complaint alone says no more than the complaint
        told_once = [change for change in bad if change.splat or change.after is not Outcome.SPLAT] or bad
        first, more = told_once[0], f" and {len(told_once) - 1} more" if len(told_once) > 1 else ""
        line = f"new: {first.name}: {first.after.value if first.after else 'gone'}{more}"
        return CheckResult(name, Verdict.FAIL, line, Relation.NEW, **common)
    if after.state is not RunState.COMPLETE:
        return CheckResult(name, Verdict.NOT_RUN, f"the run was {after.state.value}: {after.reason}", **common)
    if every:
        more = f" and {len(every) - 1} more" if len(every) > 1 else ""
        line = f"as with patch {every[0].since}: {every[0].name}{more}"
        return CheckResult(name, Verdict.WARN, line, Relation.AS_BEFORE, **common)
    passed = sum(1 for test in after.tests if test.outcome is Outcome.PASS)
    parts = [f"{passed} of {len(after.tests)} tests passed"]
    parts += [f"{counts[relation]} {relation.value}" for relation in Relation if relation and counts[relation]]
    line = ", ".join(parts)
    if counts[Relation.FLAKY] or counts[Relation.NEW]:
        relation = Relation.FLAKY if counts[Relation.FLAKY] else Relation.NEW
        return CheckResult(name, Verdict.WARN, line, relation, **common)
    if not passed:
        return CheckResult(name, Verdict.SKIP, f"untestable: {line}", **common)
    relation = Relation.FIXED if counts[Relation.FIXED] else Relation.AS_BEFORE
    return CheckResult(name, Verdict.PASS, line, relation, **common)


def told(change: Change) -> str:
    """ "new: traffic/test_bind.py::test_bind[ipv4]: pass -> fail (the second bind succeeded)"."""
    sides = " -> ".join(side.value if side else "not there" for side in (change.before, change.after))
    word = f"since patch {change.since}" if change.since else change.relation.value
    return f"{word}: {change.name}: {sides}" + (f" ({change.note})" if change.note else "")


def _test(name: str, was: TestResult | None, now: TestResult | None) -> Change | None:
    before, after = was.outcome if was else None, now.outcome if now else None
    reason = (now.reason if now else "") or (was.reason if was and now is None else "")
    if Outcome.NOT_RUN in (before, after):
        return None
    if Outcome.FLAKY in (before, after):
        counts = "; ".join(
            f"{side}: {_counts(test)}" for side, test in (("base", was), ("patch", now)) if test is not None
        )
        return Change(name, before, after, Relation.FLAKY, counts)
    good_before, good_after = before is None or before.ok, after is None or after.ok
    if after is None:
        return Change(name, before, None, Relation.NONE, "the test is gone")
    if good_before and not good_after:
        return Change(name, before, after, Relation.NEW, reason)
    if not good_before and good_after:
        return Change(name, before, after, Relation.FIXED, reason)
    if not good_before:
        return Change(name, before, after, Relation.AS_BEFORE, reason)
    if before is Outcome.PASS and after is Outcome.SKIP:
        return Change(name, before, after, Relation.NEW, f"skipped now: {reason}")
    return None


def _counts(test: TestResult) -> str:
    if not test.rounds:
        return f"{test.outcome.value}, once"
    good = sum(1 for round in test.rounds if round.outcome.ok)
    return f"passed {good} of {len(test.rounds)}"


def _bad_rounds(test: TestResult, skips: bool) -> tuple[int, int]:
    """(bad, all) rounds; with ``skips``, a round is bad that skipped the test."""
    outcomes = [round.outcome for round in test.rounds] or [test.outcome]
    return sum(outcome is Outcome.SKIP if skips else not outcome.ok for outcome in outcomes), len(outcomes)


def _splats(before: Run, after: Run) -> list[Change]:
    """Complaints, by their fingerprints."""
    was, now = _complaints(before), _complaints(after)
    found = []
    for fingerprint in dict.fromkeys([*now, *was]):
        splat = now.get(fingerprint) or was[fingerprint]
        sides = (Outcome.SPLAT if fingerprint in was else None, Outcome.SPLAT if fingerprint in now else None)
        if fingerprint in now:
            relation = Relation.AS_BEFORE if fingerprint in was else Relation.NEW
        else:
            relation = Relation.FIXED
        found.append(Change(f"kernel: {splat.title}", *sides, relation, splat=splat))
    return found


def _complaints(run: Run) -> dict[str, Splat]:
    every = [*run.boot_splats, *(splat for test in run.tests for splat in test.splats)]
    return {splat.fingerprint: splat for splat in every}
