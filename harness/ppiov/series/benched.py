# SPDX-License-Identifier: GPL-2.0-only
"""The benchmarks as a stage of a series: what the patched kernel takes more than the base, and how sure that is."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from ppiov import bench
from ppiov.bench.compare import compared
from ppiov.bench.measured import figures
from ppiov.events import Event
from ppiov.results import Run
from ppiov.series.results import CheckResult, Measured, Relation, Verdict
from ppiov.spec import KernelSpec

STAGE = "bench"
_RELATION = {"SLOWER": Relation.NEW, "FASTER": Relation.FIXED, "SAME": Relation.AS_BEFORE, "UNSURE": Relation.FLAKY}


def run(
    kernel: KernelSpec, names: tuple[str, ...], meter: str, *, accel: str, results_dir: Path, source: Path
) -> Generator[Event, None, Run]:
    """Run the benchmarks ``names`` (globs; none: all) on ``kernel``. Raises what the bench engine raises."""
    request = bench.BenchRequest(
        kernel=kernel, names=names, meter=meter, accel=accel, results_dir=results_dir, source=source
    )
    return (yield from bench.run(request))


def judged(base: Run, after: Run, before: Run | None = None, blamed: Mapping[str, int] | None = None) -> CheckResult:
    """The verdict: a benchmark that got slower, or that is no longer measured, fails. Raises MetersDiffer.

    ``before``: the run on the patch before. What is no slower than in that is the fault of the patch that is
    ``blamed``: names of figures, and the number of the patch that each was slower with first.
    """
    runs = (after.id, base.id)
    if not figures(base):
        line = "untestable: on the base already: nothing was measured"
        return CheckResult(STAGE, Verdict.SKIP, line, Relation.AS_BEFORE, runs=runs)
    if not figures(after):
        line = "nothing was measured any more"
        return CheckResult(STAGE, Verdict.FAIL, line, Relation.NEW, command=after.command, runs=runs)
    found = compared(base, after)
    measured = tuple(_measured(row) for row in found.rows)
    if before and blamed and figures(before):
        still = {row.name for row in compared(before, after).rows if row.effect.verdict.name != "SLOWER"}
        measured = tuple(
            replace(one, since=blamed.get(one.after.name, 0))
            if one.relation is Relation.NEW and one.after.name in still
            else one
            for one in measured
        )
    slower = [one for one in measured if one.relation is Relation.NEW and not one.since]
    older = [one for one in measured if one.since]
    common: dict[str, Any] = {"command": after.command, "runs": runs, "measured": measured}
    if found.only_a:
        line = f"{found.only_a[0]} was measured on the base, and is not any more"
        return CheckResult(STAGE, Verdict.FAIL, line, Relation.NEW, **common)
    if slower:
        more = f" and {len(slower) - 1} more" if len(slower) > 1 else ""
        line = f"slower: {slower[0].after.name}, {slower[0].note}{more}"
        return CheckResult(STAGE, Verdict.FAIL, line, Relation.NEW, **common)
    if older:
        more = f" and {len(older) - 1} more" if len(older) > 1 else ""
        line = f"as with patch {older[0].since}: {older[0].after.name}, {older[0].note}{more}"
        return CheckResult(STAGE, Verdict.WARN, line, Relation.AS_BEFORE, **common)
    if measured and all(one.relation is Relation.FLAKY for one in measured):
        return CheckResult(STAGE, Verdict.SKIP, "untestable: nothing could be told apart from noise", **common)
    faster = sum(1 for one in measured if one.relation is Relation.FIXED)
    line = f"{len(measured)} figure{'' if len(measured) == 1 else 's'}, none slower" + (
        f", {faster} faster" if faster else ""
    )
    relation = Relation.FIXED if faster else Relation.AS_BEFORE
    return CheckResult(STAGE, Verdict.PASS, line, relation, **common)


def _measured(row: Any) -> Measured:
    effect = row.effect
    if effect.verdict.name == "UNSURE":
        return Measured(row.a, row.b, Relation.FLAKY, f"unsure: {effect.why}" if effect.why else "unsure")
    percent = f"{100 * effect.difference / row.a.value:+.2f} %" if row.a.value else f"{effect.difference:+.4g}"
    interval = "" if effect.low == effect.high else f" ({effect.low:+.4g} to {effect.high:+.4g} {row.a.unit})"
    return Measured(row.a, row.b, _RELATION[effect.verdict.name], f"{percent}{interval}")
