# SPDX-License-Identifier: GPL-2.0-only
"""What is known of a bisection: the request, the history, the readings, what was found, and what that means."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from ppiov.bisect.decide import Found
from ppiov.bisect.history import History, Revision
from ppiov.bisect.model import Change, Diff, Relation
from ppiov.bisect.oracle import Reading
from ppiov.bisect.request import BisectRequest
from ppiov.results import Environment

SCHEMA = 1


class State(StrEnum):
    RUNNING = "running"  # or ended without a word: a power cut
    COMPLETE = "complete"
    INTERRUPTED = "interrupted"
    ABORTED = "aborted"  # the machine failed us; it can be gone on with
    REFUSED = "refused"  # the ends do not differ as they should, or one has no verdict


@dataclass(slots=True)
class Line:
    """The search along one line of points: the request's, or what a merge brought."""

    history: History
    merge: Revision | None = None
    readings: dict[str, list[Reading]] = field(default_factory=dict)  # by revision id, in the order measured
    found: Found | None = None
    low: int = 0  # the search is between these two points
    high: int = 0


@dataclass(slots=True)
class Story:
    """One bisection; ``lines`` has the request's line first."""

    request: BisectRequest
    history: History
    folder: Path
    started: str  # UTC, ISO 8601
    environment: Environment
    kernel: str = ""  # of a module history: its release
    image_sha256: str = ""
    state: State = State.RUNNING
    reason: str = ""
    lines: list[Line] = field(default_factory=list)
    functions: list[str] = field(default_factory=list)  # the disassembly's difference, a text for each function
    schema: int = SCHEMA

    def plan(self) -> str:
        """What is going to happen, in one sentence."""
        size = self.history.size
        what = "release" if self.request.packages else "commit"
        left_out = f" ({self.history.same} more change nothing that is measured)" if self.history.same else ""
        steps = math.ceil(math.log2(size) / math.log2(self.request.jobs + 1)) if size > 1 else 0
        return (
            f"{size} {what}{'s' if size != 1 else ''} to choose from{left_out}: the two ends, then {steps} steps or so"
        )

    def readings(self) -> Iterator[Reading]:
        """All that were measured and have a value."""
        for line in self.lines:
            for readings in line.readings.values():
                yield from (reading for reading in readings if reading.hole is None)

    @property
    def unit(self) -> str:
        return next((reading.unit for reading in self.readings()), "")

    @property
    def meter(self) -> str:
        return next((reading.meter for reading in self.readings()), "")

    @property
    def changes(self) -> list[tuple[Line, Change]]:
        """What was found. A merge whose branch was searched stands for what it did besides what it merged."""
        found = []
        for line in self.lines:
            for change in line.found.changes if line.found else ():
                own = self._of_the_merge(line, change) if self._merged(line, change) else change
                if own is not None:
                    found.append((line, own))
        return found

    def _branches(self, line: Line, change: Change) -> list[Line]:
        """The lines that came in by a change that is one merge."""
        merge = line.history.points[change.last]
        return [other for other in self.lines if change.one and other.merge == merge]

    def _merged(self, line: Line, change: Change) -> list[Line]:
        """Those of them that are known to make a difference, or none."""
        return [other for other in self._branches(line, change) if other.found and not other.found.undecided]

    def _unsearched(self, line: Line, change: Change) -> bool:
        """Whether a change is a merge of which it is not known whether it did it or what it merged."""
        return len(self._merged(line, change)) < len(self._branches(line, change))

    def _of_the_merge(self, line: Line, change: Change) -> Change | None:
        """What a merge did besides what it merged; None if that was all."""
        assert line.found is not None  # it has changes
        ends = [other.found.ends for other in self._merged(line, change) if other.found]
        differing = [diff for diff in ends if diff.relation is not Relation.SAME]
        if not differing:
            return change
        if not self.unit:  # it fails already on the branch; what else made it fail nobody can see
            return None if any(diff.relation is change.diff.relation for diff in differing) else change
        estimate = change.diff.estimate - math.fsum(diff.estimate for diff in ends)
        low = change.diff.low - math.fsum(diff.high for diff in ends)
        high = change.diff.high - math.fsum(diff.low for diff in ends)
        relation = Relation.WORSE if estimate > 0 else Relation.BETTER
        counts = abs(estimate) >= line.found.effect and (low > 0 or high < 0)
        if not counts or (relation is Relation.BETTER and not self.request.rules().every):
            return None
        return Change(change.first, change.last, Diff(relation, estimate, low, high, change.diff.samples))

    @property
    def found_one(self) -> bool:
        """Whether something was found, and each of it is one commit."""
        return bool(self.changes) and all(c.one and not self._unsearched(line, c) for line, c in self.changes)

    def effect(self, line: Line, diff: Diff) -> str:
        """ "+1 insns/op (+3.8%), 0.99 to 1.01", in the metric's own direction."""
        if not self.unit:
            return rates(line, diff)
        sign = self.request.sign(self.unit)
        estimate, (low, high) = sign * diff.estimate, sorted((sign * diff.low, sign * diff.high))
        base = mean_of(line, 0)
        percent = f" ({estimate / abs(base) * 100:+.3g}%)" if base else ""
        known = math.isfinite(low) and math.isfinite(high) and low != high  # exact meters may leave no doubt
        interval = f", {low:+.4g} to {high:+.4g}" if known else ""
        return f"{estimate:+.4g} {self.unit}{percent}{interval}"

    def sentence_of_ends(self, line: Line, found: Found) -> str:
        """Why there is nothing to search for."""
        points = line.history.points
        good, bad = points[0].name, points[-1].name
        other = line.history.parted
        since = f"; what {other} does better it does since {good}, where it parted from {bad}" if other else ""
        if found.ends.relation is Relation.BETTER:
            how = "differ the wrong way round: " + self.effect(line, found.ends)
            cure = "swap --good and --bad, or say --better " + (
                "lower" if self.request.sign(self.unit) < 0 else "higher"
            )
            return f"{good} and {bad} {how}; {cure if self.unit else 'swap --good and --bad'}"
        if found.undecided:
            rounds = "runs" if not self.unit else "rounds"
            apart = f"cannot be told apart in {found.ends.samples} {rounds}"
            return f"{good} and {bad} {apart}: {self.effect(line, found.ends)}"
        if not self.unit:
            runs = f"{found.ends.samples} runs of each"
            seldom = "" if self.request.flaky else "; if it fails only sometimes, say --flaky"
            return f"{good} and {bad} do not differ: {rates(line, found.ends)} ({runs}){since}{seldom}"
        value = mean_of(line, 0)
        return (
            f"{good} and {bad} do not differ by {found.effect:.4g} {self.unit} or more: "
            f"{value:.6g} and {mean_of(line, line.history.size):.6g} {self.unit} ({self.meter}){since}"
        )

    @property
    def verdict(self) -> tuple[str, ...]:
        """What was found, a line or more for each change."""
        lines: list[str] = []
        for line, change in self.changes:
            points = line.history.points
            effect = self.effect(line, change.diff)
            if change.one:
                point = points[change.last]
                lines += [f"{point.name} {point.subject}".rstrip(), f"  {effect}"]
                if point.author:
                    lines += [f"  {point.author}, {point.date}", f"  {fixes(point)}"]
                if len(point.parents) > 1:
                    lines.append(f"  {self._about_the_merge(line, change)}")
                lines += self._rest(line, change)
                continue
            count = change.last - change.first + 1
            why = (
                "none of them alone makes a difference that counts"
                if change.spread
                else "those between have no verdict"
            )
            lines += [f"one or several of {count} commits, {why}:", f"  {effect}"]
            for number in range(change.first, change.last + 1):
                hole = line.found.holes.get(number) if line.found else None
                said = f" ({hole})" if hole and number != change.last else ""
                lines.append(f"  {points[number].name} {points[number].subject}{said}".rstrip())
        return tuple(lines)

    def _about_the_merge(self, line: Line, change: Change) -> str:
        """How a merge is to blame, and not what it merged."""
        merged = self._merged(line, change)
        differing = [other for other in merged if other.found and other.found.ends.relation is not Relation.SAME]
        if self._unsearched(line, change):
            return "a merge: it, or a commit that it merged; what that does by itself is not known"
        if not differing:
            return "a merge: what it merged makes no difference by itself"
        effects = " and ".join(self.effect(other, other.found.ends) for other in differing if other.found)
        return f"a merge, besides what it merged: that makes a difference of {effects}"

    def _rest(self, line: Line, change: Change) -> Iterator[str]:
        """Where one change is not all of the difference between the ends, and nobody has looked for the others."""
        found = line.found
        if not found or not self.unit or self.request.rules().every:
            return
        step = next(step for step in found.changes if step.last == change.last)
        if abs(found.ends.estimate - step.diff.estimate) >= found.effect:
            whole = self.request.sign(self.unit) * found.ends.estimate
            yield f"  the ends differ by {whole:+.4g} {self.unit}: --all finds what made the rest"


def fixes(point: Revision) -> str:
    """The tag for the commit that repairs it (Documentation/process/submitting-patches.rst)."""
    return f'Fixes: {point.id[:12]} ("{point.subject}")'


def mean_of(line: Line, point: int) -> float:
    """The mean of a point's readings; 0 without any."""
    readings = [r.value for r in line.readings.get(line.history.points[point].id, ()) if r.hole is None]
    return math.fsum(readings) / len(readings) if readings else 0.0


def rates(line: Line, diff: Diff) -> str:
    """By how much two points of a pass/fail line differ."""
    if diff.estimate in (1.0, -1.0):
        return "passes before it, fails from it on" if diff.estimate > 0 else "fails before it, passes from it on"
    if not diff.estimate:
        return f"the test {'fails' if mean_of(line, 0) else 'passes'} at both"
    interval = f", {diff.low:+.0%} to {diff.high:+.0%}" if math.isfinite(diff.low) else ""
    return f"failures {diff.estimate:+.0%}{interval}"
