# SPDX-License-Identifier: GPL-2.0-only
"""A whole bisection without anything real in it: from the first measurement of the ends to the change points.

It is one generator of :data:`Sessions`; whoever runs it measures them, or remembers what they were. It does nothing by
chance: a journal of answers, replayed, leads to the same place.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field

from ppiov.bisect import judge as judges
from ppiov.bisect.judge import Exact, Judge, Measuring, Noisy, Untestable, measured
from ppiov.bisect.model import Change, Diff, Hole, Relation
from ppiov.bisect.passfail import PassFail
from ppiov.bisect.search import search


@dataclass(frozen=True, slots=True)
class Scale:
    """What is known of a metric once the good end has been measured: what counts, and whether its meter is exact."""

    effect: float  # the smallest difference that counts, in the metric's unit
    exact: bool


@dataclass(frozen=True, slots=True)
class Rules:
    """How to search."""

    jobs: int = 1
    every_change: bool = False
    every_commit: bool = False
    error: float = 0.01  # the probability that anything that is said is wrong, for noisy meters and flaky tests
    most: int = 0  # rounds or runs before a point is given up as undecided; 0: as the judge has it
    flaky: bool = False  # count a test as flaky from the start
    skip: tuple[int, ...] = ()  # points that are not to be tested
    either: bool = False  # with ``every``: search also where the ends got better

    @property
    def every(self) -> bool:
        return self.every_change or self.every_commit

    def searches(self, ends: Diff) -> bool:
        """Whether there is something to search for between two ends that differ so."""
        return ends.relation is Relation.WORSE or (self.either and ends.relation is Relation.BETTER)


@dataclass(frozen=True, slots=True)
class Found:
    """What a bisection has come to. Where ``ends`` are not as Rules.searches() has them there was nothing to do."""

    ends: Diff
    method: str  # one sentence: which test decided, with its error rate
    changes: tuple[Change, ...] = ()
    holes: dict[int, Hole] = field(default_factory=dict)
    exact: bool = False
    effect: float = 0.0

    @property
    def undecided(self) -> bool:
        """Whether the ends could not be told apart, nor be said to be the same."""
        return math.isinf(self.ends.low)


Watch = Callable[[int, int], None]  # is told between which two points the search is


def _nobody(_low: int, _high: int) -> None:
    pass


def decide(size: int, rules: Rules, scale: Callable[[float], Scale] | None, watch: Watch = _nobody) -> Measuring[Found]:
    """Bisect a history of ``size`` commits; ``scale`` is told the good end's figure, and None for pass or fail.

    Raises Untestable.
    """
    if scale is None:
        passes = PassFail(size, rules.error, judges.comparisons(size, rules.every), flaky=rules.flaky)
        passes.most = rules.most or passes.most
        return (yield from _with(passes, size, rules, lambda: _says(passes), watch))
    answers = yield from measured([(0,), (size,)])
    for point, (sample,) in zip((0, size), answers, strict=True):
        if sample.hole:
            raise Untestable(point, sample.hole)
    first = answers[0][0].value
    known = scale(first)
    if known.exact:
        exact = Exact(size, known.effect, {0: first, size: answers[1][0].value})
        ends = yield from exact.ends()
        if exact.proven:
            return (yield from _with(exact, size, rules, lambda: _says(exact), watch, ends))
    noisy = Noisy(size, known.effect, rules.error, judges.comparisons(size, rules.every))
    noisy.most = rules.most or noisy.most
    return (yield from _with(noisy, size, rules, lambda: _says(noisy), watch))


def _with(
    judge: Judge, size: int, rules: Rules, method: Callable[[], str], watch: Watch, ends: Diff | None = None
) -> Measuring[Found]:
    """Search with one judge, again if it says so."""
    holes: dict[int, Hole] = {}
    while True:
        ends = ends or (yield from judge.ends())
        if not rules.searches(ends):
            return Found(ends, method(), holes=holes, exact=isinstance(judge, Exact), effect=judge.effect)
        changes = yield from _changes(judge, ends, size, rules, holes, watch)
        looked = []
        for change in changes:
            looked.append((yield from judge.confirm(change)))
        if None not in looked:
            sure = tuple(change for change in looked if change is not None)
            return Found(ends, method(), sure, holes, isinstance(judge, Exact), judge.effect)
        ends = None


def _changes(
    judge: Judge, ends: Diff, size: int, rules: Rules, holes: dict[int, Hole], watch: Watch
) -> Measuring[list[Change]]:
    """Put the search's questions to the judge; ``holes`` grows."""
    asking = search(
        ends,
        size,
        jobs=rules.jobs,
        every_change=rules.every_change,
        every_commit=rules.every_commit,
        known_holes=[*holes, *rules.skip],
    )
    try:
        ask = next(asking)
        while True:
            watch(ask.points[0], ask.points[-1])
            told = yield from judge.answer(ask)
            holes |= told.holes
            ask = asking.send(told)
    except StopIteration as stop:
        changes: list[Change] = stop.value
        return changes


def _says(judge: Exact | Noisy | PassFail) -> str:
    """How the judge has decided, in one sentence."""
    match judge:
        case Exact():
            return f"each commit measured once: two measurements of either end differ by {judge.spread:.3g} at most"
        case Noisy():
            return (
                "mixture sequential probability ratio test on differences of interleaved rounds; "
                f"the probability that any comparison is wrong is {judge.error:g} at most"
            )
    if judge.rates is None:
        return "one run each: no commit has contradicted itself"
    low, high = judge.rates
    return (
        f"flaky: sequential probability ratio test between failure rates of {low:.3g} and {high:.3g}; "
        f"the probability that any verdict is wrong is {judge.error:g} at most"
    )
