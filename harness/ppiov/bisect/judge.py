# SPDX-License-Identifier: GPL-2.0-only
"""Judges: they have points measured until it is known how they differ.

Three of them, for three kinds of measurement. Each begins with the ends of the history, whose verdict is the first
thing to be known, and each says how often it may be wrong:

- :class:`Exact`: a meter that gives the same figure every time. That is proven first: both ends are measured twice, and
  the two figures (an A/A pair) must agree within a quarter of the effect that is looked for. Then a point is measured
  once. A meter that fails this proof is handed over to the next.
- :class:`Noisy`: rounds in which all points of a question are measured in turn, ends included, every other round
  backwards, so that a drift of the machine falls on all of them alike. What is judged are the differences within a
  round, by a confidence sequence (sequential.py). ``error`` is the probability that *any* of a bisection's comparisons
  is wrong: each gets its share. What is not decided after ``most`` rounds is undecided.
- :class:`PassFail` (passfail.py): runs that pass or fail, and flaky ones.

A judge's methods are generators: they yield :data:`Sessions` to be measured and are sent the :data:`Samples`.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Generator, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol, TypeVar

from ppiov.bisect.model import Ask, Change, Diff, Hole, Relation, Samples, Sessions, Told, Why
from ppiov.bisect.sequential import half_width
from ppiov.errors import PpiovError

T = TypeVar("T")
Measuring = Generator[Sessions, Samples, T]

_FIRST_ROUNDS: Final = 5  # fewer never decide


class Untestable(PpiovError):
    """An end of the history cannot be measured, so nothing can be compared with it."""

    def __init__(self, point: int, hole: Hole) -> None:
        super().__init__(f"the {'bad' if point else 'good'} end of the history has no verdict: it {hole}")
        self.point, self.hole = point, hole


class Judge(Protocol):
    """What the search's questions are put to."""

    effect: float  # the smallest difference that counts

    def ends(self) -> Measuring[Diff]:
        """How the ends differ. Raises Untestable."""

    def answer(self, ask: Ask) -> Measuring[Told]:
        """Raises Untestable."""

    def confirm(self, change: Change) -> Measuring[Change | None]:
        """Look once more at what was found; None if the search has to begin again with what is known now."""


def measured(sessions: Sequence[Sequence[int]]) -> Measuring[Samples]:
    """Have the sessions measured."""
    if not sessions:
        return []
    return (yield tuple(tuple(session) for session in sessions))


@dataclass(slots=True)
class Exact:
    """See the file's head. ``effect`` is the smallest difference that counts, in the metric's unit; it is above 0.

    ``values`` has the ends, measured once.
    """

    size: int
    effect: float
    values: dict[int, float]
    spread: float = 0.0  # between two measurements of the same

    def ends(self) -> Measuring[Diff]:
        ends = (0, self.size)
        answers = yield from measured([(point,) for point in ends])
        for point, (sample,) in zip(ends, answers, strict=True):
            if sample.hole:
                raise Untestable(point, sample.hole)
            self.spread = max(self.spread, abs(sample.value - self.values[point]))
        return self.diff(*ends)

    @property
    def proven(self) -> bool:
        """Whether the A/A pairs say that one measurement is enough."""
        return self.spread <= self.effect / 4

    def answer(self, ask: Ask) -> Measuring[Told]:
        new = [point for point in ask.points if point not in self.values]
        answers = yield from measured([(point,) for point in new])
        holes = {}
        for point, (sample,) in zip(new, answers, strict=True):
            if sample.hole:
                holes[point] = sample.hole
            else:
                self.values[point] = sample.value
        left = [point for point in ask.points if point not in holes]
        return Told({(a, b): self.diff(a, b) for a, b in itertools.pairwise(left)}, holes)

    def confirm(self, change: Change) -> Measuring[Change | None]:
        yield from ()
        return change

    def diff(self, low: int, high: int) -> Diff:
        estimate = self.values[high] - self.values[low]
        relation = relation_of(estimate, abs(estimate) >= self.effect)
        return Diff(relation, estimate, estimate - self.spread, estimate + self.spread)


@dataclass(slots=True)
class Noisy:
    """See the file's head. ``error`` is for the whole bisection, ``comparisons`` how many it may take at most."""

    size: int
    effect: float
    error: float
    comparisons: int
    most: int = 200  # rounds
    values: dict[int, list[float]] = field(default_factory=dict)

    @property
    def share(self) -> float:
        """The probability that one comparison is wrong."""
        return self.error / self.comparisons

    def ends(self) -> Measuring[Diff]:
        ends = (0, self.size)
        told = yield from self.answer(Ask(ends, each=True))
        if ends in told.diffs:
            return told.diffs[ends]
        estimate = mean(self.values[self.size]) - mean(self.values[0])
        return Diff(Relation.SAME, estimate, -math.inf, math.inf, self.most)

    def answer(self, ask: Ask) -> Measuring[Told]:
        points = list(ask.points)
        rounds: list[list[float]] = []  # of each, a value for each of `points`
        holes: dict[int, Hole] = {}
        while len(points) > 2 or len(ask.points) == 2:
            more = min(max(_FIRST_ROUNDS - len(rounds), 1 + len(rounds) // 3), self.most - len(rounds))
            if not more:
                break
            orders = [points[:: -1 if (len(rounds) + number) % 2 else 1] for number in range(more)]
            session = [point for order in orders for point in order]
            (samples,) = yield from measured([session])
            broken = {point: sample.hole for point, sample in zip(session, samples, strict=True) if sample.hole}
            for point in broken.keys() & {ask.points[0], ask.points[-1]}:
                raise Untestable(point, broken[point])
            values = iter(samples)
            for order in orders:
                of = {point: next(values).value for point in order}
                rounds.append([of[point] for point in points])
            if broken:
                holes |= broken
                rounds = [[v for p, v in zip(points, row, strict=True) if p not in broken] for row in rounds]
                points = [point for point in points if point not in broken]
            if len(points) == 2 and len(ask.points) > 2:
                break
            diffs = self._decided(points, rounds)
            got_worse = any(diff.relation is Relation.WORSE for diff in diffs.values())
            if len(diffs) == len(points) - 1 or (got_worse and not ask.each):
                self._keep(points, rounds)
                return Told(diffs, holes)
        self._keep(points, rounds)
        undecided = Hole(Why.UNDECIDED, f"after {len(rounds)} rounds")
        return Told({}, holes | dict.fromkeys(points[1:-1], undecided))

    def _decided(self, points: Sequence[int], rounds: Sequence[Sequence[float]]) -> dict[tuple[int, int], Diff]:
        found = {}
        for n, pair in enumerate(itertools.pairwise(points)):
            differences = [values[n + 1] - values[n] for values in rounds]
            half, estimate = half_width(differences, self.share), mean(differences)
            low, high = estimate - half, estimate + half
            if -self.effect < low and high < self.effect:
                relation = Relation.SAME
            elif low > 0 or high < 0:
                relation = relation_of(estimate, True)
            else:
                continue
            found[pair] = Diff(relation, estimate, low, high, len(rounds))
        return found

    def _keep(self, points: Sequence[int], rounds: Sequence[Sequence[float]]) -> None:
        for n, point in enumerate(points):
            self.values.setdefault(point, []).extend(values[n] for values in rounds)

    def confirm(self, change: Change) -> Measuring[Change | None]:
        yield from ()
        return change


def comparisons(size: int, every: bool) -> int:
    """How many comparisons a search over ``size`` commits takes at most: of the ends, and two for each point."""
    return 1 + 2 * (size if every else math.ceil(math.log2(size)) if size > 1 else 0)


def relation_of(estimate: float, differs: bool) -> Relation:
    """What an estimated difference means, if the points do differ."""
    if not differs:
        return Relation.SAME
    return Relation.WORSE if estimate > 0 else Relation.BETTER


def mean(values: Sequence[float]) -> float:
    return math.fsum(values) / len(values)
