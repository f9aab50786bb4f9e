# SPDX-License-Identifier: GPL-2.0-only
"""What all reports of a series say in the same words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Final

from ppiov import summary
from ppiov.results import RunState
from ppiov.series.results import CheckResult, Measured, PatchResult, Relation, SeriesRun, Verdict

EXPLAIN: Final[dict[Verdict, str]] = {
    Verdict.PASS: "nothing to say against it",
    Verdict.WARN: "a reviewer may ask about it",
    Verdict.FAIL: "a reviewer will send it back, or it breaks something",
    Verdict.SKIP: "does not concern this patch, or cannot be said here; the line says which",
    Verdict.NOT_RUN: "planned, but never started",
}
SIGN: Final[dict[Verdict, str]] = {
    Verdict.PASS: ".",
    Verdict.WARN: "w",
    Verdict.FAIL: "F",
    Verdict.SKIP: "-",
    Verdict.NOT_RUN: "?",
}


def verdict(run: SeriesRun) -> str:
    """One word: PASSED, FAILED, INTERRUPTED or ABORTED."""
    if run.state is not RunState.COMPLETE:
        return run.state.value.upper()
    return "PASSED" if run.passed else "FAILED"


def headline(run: SeriesRun) -> str:
    """The verdict in one sentence. What isn't complete says so first, whatever passed before."""
    count = len(run.patches)
    every = [check for patch in run.patches for check in patch.checks]
    if run.state is not RunState.COMPLETE:
        have = sum(1 for check in every if check.verdict is not Verdict.NOT_RUN)
        why = f": {run.reason}" if run.reason not in ("", run.state.value) else ""
        return f"{verdict(run)} with {have} of {len(every)} verdicts on {_patches(count)}{why}"
    bad = [patch for patch in run.patches if patch.verdict in (Verdict.FAIL, Verdict.NOT_RUN)]
    if bad:
        first = next(c for c in bad[0].checks if c.verdict in (Verdict.FAIL, Verdict.NOT_RUN))
        return f"FAILED: {len(bad)} of {_patches(count)}, the first {bad[0].number}/{count} in {first.name}"
    failed = next((check for check in run.checks if check.verdict is Verdict.FAIL), None)
    if failed is not None:
        return f"FAILED: the series as a whole in {failed.name}: {failed.line}"
    if not run.passed:
        return f"FAILED: nothing was checked of {_patches(count)}"
    warned = sum(1 for check in (*every, *run.checks) if check.verdict is Verdict.WARN)
    more = f", {warned} warning{'s' if warned != 1 else ''}" if warned else ""
    return f"PASSED: {_patches(count)}, {len(run.names())} checks each{more}"


def title(run: SeriesRun) -> str:
    """The subject of the cover letter or of the only patch, or what the user named."""
    if run.cover:
        return run.cover
    return run.patches[0].subject if len(run.patches) == 1 else run.what


def counts(run: SeriesRun) -> Counter[Verdict]:
    return Counter(check.verdict for patch in run.patches for check in patch.checks)


def shown(check: CheckResult, run: SeriesRun) -> str:
    """The only way in which a verdict gets into a report: with the run that it comes from, or not at all."""
    if not run.id or ((check.changes or check.measured) and not check.runs):
        return "not shown: it came without its run"
    relation = f" ({check.relation.value})" if check.relation is not Relation.NONE else ""
    return f"{check.line}{relation}"


def measured(one: Measured) -> str:
    """ "page_pool01: 81.07 -> 82.15 insns/op (insns): +1.33 %"; without unit or meter, or of two meters, not at all."""
    before, after = one.before, one.after
    if not before.meter.strip() or not after.meter.strip() or not before.unit.strip() or not after.unit.strip():
        return f"{after.name}: not shown: it came without its unit or meter"
    if (before.meter, before.unit) != (after.meter, after.unit):
        return f"{after.name}: not shown: two meters are never compared"
    sides = f"{summary.number(before.value)} -> {summary.number(after.value)} {after.unit} ({after.meter})"
    relation = f", {one.relation.value}" if one.relation is not Relation.NONE else ""
    return f"{after.name}: {sides}{': ' + one.note if one.note else ''}{relation}"


def told(run: SeriesRun, *verdicts: Verdict) -> Iterator[tuple[PatchResult, list[CheckResult]]]:
    """The patches that have such a verdict, each with those checks."""
    for patch in run.patches:
        found = [check for check in patch.checks if check.verdict in verdicts]
        if found:
            yield patch, found


def cell(patch: PatchResult, name: str) -> CheckResult | None:
    """The verdict of one check on one patch."""
    return next((check for check in patch.checks if check.name == name), None)


def base(run: SeriesRun) -> str:
    """ "v7.3-12-gabcdef (abcdef012345)"."""
    short = run.base[:12]
    return f"{run.base_name} ({short})" if run.base_name and run.base_name != short else short


def elapsed(run: SeriesRun) -> str:
    return summary.elapsed(run)


def _patches(n: int) -> str:
    return f"{n} patch{'es' if n != 1 else ''}"
