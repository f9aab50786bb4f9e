# SPDX-License-Identifier: GPL-2.0-only
"""The judge of what passes or fails, flaky tests included.

Each end is run twice. While every point always says the same, one run is a verdict. What is found is then run as many
more times as it takes for luck to be as improbable as a wrong answer may be, and from the first contradiction on (at
the ends, or there) the test counts as flaky: the ends are run until their failure rates are known well enough to be
told apart, and every other point until a sequential probability ratio test between those two rates decides. ``error``
is then the probability that any verdict of the bisection is wrong, for points that fail as seldom as the good end or
as often as the bad one; in between, both verdicts are right. How many runs that takes follows from the rates.

A test that is flaky so seldom that it never contradicts itself counts as steady; ``flaky`` from the start is for those.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from ppiov.bisect.judge import Measuring, Untestable, measured, relation_of
from ppiov.bisect.model import Ask, Change, Diff, Hole, Relation, Told, Why
from ppiov.bisect.sequential import Rate, bernoulli, rate_bounds

_CONFIRM_RUNS: Final = 3  # of a test that has never contradicted itself, of either side of what was found; or more
_APART: Final = 2.0  # how many times as often the bad end must fail


@dataclass(slots=True)
class PassFail:
    """See the file's head. What is counted survives a search that begins again."""

    size: int
    error: float
    comparisons: int
    most: int = 400  # runs of one point
    flaky: bool = False
    counts: dict[int, list[int]] = field(default_factory=dict)  # point -> failed, runs
    rates: tuple[float, float] | None = None
    bad: dict[int, bool] = field(default_factory=dict)  # verdicts
    effect: float = 0.0  # any difference counts

    @property
    def share(self) -> float:
        """The probability that one verdict is wrong; two more are the bounds of the rates."""
        return self.error / (self.comparisons + 2)

    def ends(self) -> Measuring[Diff]:
        ends = (0, self.size)
        if not self.counts:
            yield from self._run([point for point in ends for _ in range(2)])
        self.flaky = self.flaky or self._contradicts()
        self.bad = {0: False, self.size: True}
        if self.flaky:
            yield from self._estimate()
        good, bad = (self._rate(point) for point in ends)
        differs = self.rates is not None if self.flaky else good != bad
        if self.flaky and not differs:  # undecided
            return Diff(Relation.SAME, bad - good, -math.inf, math.inf, self.counts[0][1])
        return Diff(relation_of(bad - good, differs), *self._between(*ends))

    def _estimate(self) -> Measuring[None]:
        """The two failure rates between which points are judged, if they can be told apart in so many runs."""
        ends = (0, self.size)
        self.rates = None
        while True:
            (good_low, good), (bad, bad_high) = (self._bounds(point) for point in ends)
            if bad >= _APART * good:
                self.rates = (good, bad)
                return
            if good_low > bad_high:
                self.rates = (bad_high, good_low)
                return
            if all(self.counts[point][1] >= self.most for point in ends):
                return
            yield from self._run([point for point in ends for _ in range(5) if self.counts[point][1] < self.most])

    def answer(self, ask: Ask) -> Measuring[Told]:
        holes: dict[int, Hole] = {}
        unknown = [point for point in ask.points if point not in self.bad]
        while unknown:
            broken = yield from self._run([p for p in unknown for _ in range(self._at_once())])
            holes |= broken
            for point in unknown:
                if point not in holes:
                    self._judge(point, holes)
            unknown = [point for point in unknown if point not in self.bad and point not in holes]
        left = [point for point in ask.points if point not in holes]
        diffs = {}
        for a, b in itertools.pairwise(left):
            relation = relation_of(self.bad[b] - self.bad[a], self.bad[a] != self.bad[b])
            diffs[a, b] = Diff(relation, *self._between(a, b))
        return Told(diffs, holes)

    def _judge(self, point: int, holes: dict[int, Hole]) -> None:
        """Note the verdict on a point, if there is one now."""
        failed, runs = self.counts[point]
        if self.rates is None:
            self.bad[point] = failed > 0
            return
        verdict = bernoulli(failed, runs, *self.rates, self.share)
        if verdict is not Rate.OPEN:
            self.bad[point] = verdict is Rate.HIGH
        elif runs >= self.most:
            holes[point] = Hole(Why.UNDECIDED, f"failed {failed} of {runs} runs")

    def _at_once(self) -> int:
        """How many runs to do before looking: a quarter of what a point takes that always passes."""
        if self.rates is None:
            return 1
        low, high = self.rates
        return max(1, math.ceil(math.log(self.share) / math.log((1 - min(high, 0.999)) / (1 - low)) / 4))

    def confirm(self, change: Change) -> Measuring[Change | None]:
        """Run both sides some more; None if a test that counted as steady contradicts itself."""
        sides = (change.first - 1, change.last)
        if not self.flaky:
            yield from self._run([point for point in sides for _ in range(self._confirm_runs())])
            if self._contradicts():
                self.flaky = True
                return None
        return Change(change.first, change.last, Diff(change.diff.relation, *self._between(*sides)), change.spread)

    def _confirm_runs(self) -> int:
        """How many more runs of either side of what was found.

        A test that fails at a rate p on both sides, and was taken for steady, has to fail at the bad end twice and on
        one side each time, and to pass on the other each time, or the other way round. For the worst p that must be as
        improbable as a wrong answer may be, whichever comparison it was.
        """
        runs = _CONFIRM_RUNS
        while True:
            same, other = runs + 3, runs + 1
            worst = same / (same + other)
            if self.comparisons * worst**same * (1 - worst) ** other <= self.error:
                return runs
            runs += 1

    def _contradicts(self) -> bool:
        return any(0 < failed < runs for failed, runs in self.counts.values())

    def _run(self, points: Sequence[int]) -> Measuring[dict[int, Hole]]:
        answers = yield from measured([(point,) for point in points])
        holes: dict[int, Hole] = {}
        for point, (sample,) in zip(points, answers, strict=True):
            if not sample.hole:
                count = self.counts.setdefault(point, [0, 0])
                count[0] += sample.value > 0
                count[1] += 1
            elif point in (0, self.size):
                raise Untestable(point, sample.hole)
            else:
                holes[point] = sample.hole
        return holes

    def _rate(self, point: int) -> float:
        failed, runs = self.counts[point]
        return failed / runs

    def _bounds(self, point: int) -> tuple[float, float]:
        failed, runs = self.counts[point]
        return rate_bounds(failed, runs, self.share)

    def _between(self, low: int, high: int) -> tuple[float, float, float, int]:
        """Estimate, interval and runs of the difference of two failure rates."""
        a, b = self._bounds(low), self._bounds(high)
        runs = min(self.counts[low][1], self.counts[high][1])
        return self._rate(high) - self._rate(low), b[0] - a[1], b[1] - a[0], runs
