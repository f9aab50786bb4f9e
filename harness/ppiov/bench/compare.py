# SPDX-License-Identifier: GPL-2.0-only
"""Two runs, benchmark by benchmark: what B takes more than A. Reads run folders, and nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ppiov.bench import stats
from ppiov.bench.measured import figures
from ppiov.bench.stats import Effect, Verdict
from ppiov.errors import BadRunFolder, ExitCode, MetersDiffer
from ppiov.events import Note, Table
from ppiov.folder import RunFolder, find
from ppiov.results import Figure, Run

COUNT = "count"
AGAIN = ("A", "A again")  # what selftests/bench/test_bench.py calls them


@dataclass(frozen=True, slots=True)
class Row:
    """A figure that both runs have."""

    name: str
    a: Figure
    b: Figure
    effect: Effect


@dataclass(frozen=True, slots=True)
class Compared:
    a: Run
    b: Run
    rows: tuple[Row, ...]
    only_a: tuple[str, ...]  # figures that B lacks: a benchmark that is gone, or failed
    only_b: tuple[str, ...]

    @property
    def exit_code(self) -> ExitCode:
        """For CI: 1 for something that got slower, or that was measured and no longer is; 2 where nothing is known."""
        if self.only_a or any(row.effect.verdict is Verdict.SLOWER for row in self.rows):
            return ExitCode.FAILED
        if all(row.effect.verdict is Verdict.UNSURE for row in self.rows):
            return ExitCode.UNUSABLE
        return ExitCode.PASSED


def compare(results: Path, a: str, b: str) -> Compared:
    """Compare two runs, by name or path. Raises MetersDiffer, BadRunFolder, UnknownName."""
    return compared(RunFolder.load(find(results, a).path), RunFolder.load(find(results, b).path))


def compared(a: Run, b: Run) -> Compared:
    """Compare two runs. Raises MetersDiffer for two meters, BadRunFolder for a run without a figure."""
    of = {run.id: figures(run) for run in (a, b)}
    for run in (a, b):
        if not of[run.id]:
            raise BadRunFolder(f"{run.id} measured nothing; 'ppiov bench' makes runs that can be compared")
    meters = {run.id: _meters(of[run.id]) for run in (a, b)}
    if meters[a.id] != meters[b.id]:
        said = " and ".join(f"{run.id} with {', '.join(sorted(meters[run.id])) or 'none'}" for run in (a, b))
        raise MetersDiffer(f"two meters can't be compared: {said} were measured")
    left, right = of[a.id], of[b.id]
    rows = [
        Row(name, left[name], right[name], _effect(name, left, right))
        for name in left
        if name in right and not name.endswith(tuple(f": {again}" for again in AGAIN))
    ]
    return Compared(
        *(a, b, tuple(rows)),
        tuple(name for name in left if name not in right),
        tuple(name for name in right if name not in left),
    )


def _meters(of: Mapping[str, Figure]) -> set[str]:
    return {figure.meter for figure in of.values()} - {COUNT}


def _effect(name: str, a: Mapping[str, Figure], b: Mapping[str, Figure]) -> Effect:
    left, right = a[name], b[name]
    if left.meter == COUNT:  # more bytes of code or metadata is worse, too
        return stats.exact([left.value], [right.value])
    if left.meter == "insns":
        return stats.exact(left.samples or [left.value], right.samples or [right.value])
    for of in (a, b):  # either machine must have been able to tell
        if all(f"{name}: {again}" in of for again in AGAIN):
            first, second = (of[f"{name}: {again}"].samples for again in AGAIN)
            same = stats.clock(first, second)
            if same.verdict is not Verdict.SAME:
                return Effect(0.0, 0.0, 0.0, Verdict.UNSURE, "A/A differs")
    return stats.clock(left.samples, right.samples)


def told(found: Compared) -> list[Table | Note]:
    """The comparison in words."""
    rows = []
    for row in found.rows:
        effect = row.effect
        percent = f"{100 * effect.difference / row.a.value:+.1f}%" if row.a.value else ""
        interval = f"{effect.low:+.2f} .. {effect.high:+.2f}"
        unsure = effect.verdict is Verdict.UNSURE
        rows.append(
            (
                row.name,
                f"{row.a.value:.2f}",
                f"{row.b.value:.2f}",
                "" if unsure else f"{effect.difference:+.2f}",
                "" if unsure else percent,
                "" if unsure else interval,
                f"{effect.verdict.value}{f': {effect.why}' if effect.why else ''}",
            )
        )
    meters = ", ".join(sorted(_meters({row.name: row.a for row in found.rows})))
    title = f"{found.a.id} (A) against {found.b.id} (B), {meters} per operation"
    headings = ("benchmark", "A", "B", "B - A", "", "interval", "verdict")
    notes: list[Table | Note] = [Table(title, headings, tuple(rows), marks=_marks(found))]
    for label, value in (
        ("kernel", lambda run: f"{run.kernel.release}, image {run.kernel.image_sha256[:12]}"),
        ("configuration", lambda run: run.kernel.config_sha256[:12]),
        ("modules", lambda run: ", ".join(f"{module.name} {module.srcversion}" for module in run.modules)),
    ):
        left, right = value(found.a), value(found.b)
        if left != right:
            notes.append(Note(f"{label}: A has {left}; B has {right}"))
    for name in found.only_a:
        notes.append(Note(f"{name}: A measured it, and B did not", "warning"))
    if found.only_b:
        notes.append(Note(f"only B measured {', '.join(found.only_b)}"))
    slower = [row.name for row in found.rows if row.effect.verdict is Verdict.SLOWER]
    faster = [row.name for row in found.rows if row.effect.verdict is Verdict.FASTER]
    same = len(found.rows) - len(slower) - len(faster)
    notes.append(Note(f"{len(slower)} slower, {len(faster)} faster, {same} of {len(found.rows)} neither"))
    return notes


def _marks(found: Compared) -> tuple[str, ...]:
    words = {Verdict.SLOWER: "bad", Verdict.FASTER: "good", Verdict.UNSURE: "odd", Verdict.SAME: ""}
    return tuple(words[row.effect.verdict] for row in found.rows)
