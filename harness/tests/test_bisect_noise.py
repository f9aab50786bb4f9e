# SPDX-License-Identifier: GPL-2.0-only
"""Noisy meters and flaky tests: the promised error rate, over many seeds and kinds of noise."""

from __future__ import annotations

import itertools
import math
import random
import sys
from collections.abc import Callable, Sequence

import pytest
from bisecting import Oracle, bisect, culprits, exact, flaky, holed, step
from ppiov.bisect.decide import Rules, Scale
from ppiov.bisect.judge import mean
from ppiov.bisect.model import Relation, Sample, Why
from ppiov.bisect.sequential import Rate, bernoulli, half_width, rate_bounds
from scipy.stats import beta

RUNS = 200  # of each kind
Noise = Callable[[random.Random, int], float]  # told how many measurements came before

NOISES: dict[str, Noise] = {
    "normal": lambda dice, _: dice.gauss(0, 1),
    "skewed": lambda dice, _: dice.lognormvariate(0, 0.7),
    "outliers": lambda dice, _: dice.gauss(0, 0.5) + (dice.random() < 0.05) * 8,
    "two modes": lambda dice, _: dice.gauss(dice.choice((-1, 1)), 0.4),
    "drift": lambda dice, n: dice.gauss(0, 1) + n * 0.05,
    "a slow wave": lambda dice, n: dice.gauss(0, 1) + 3 * math.sin(n / 40),
}


def noise(kind: str, dice: random.Random) -> Callable[[], float]:
    count = itertools.count()
    return lambda: NOISES[kind](dice, next(count))


def shown(what: str, wrong: int, runs: int, promised: float) -> bool:
    """Whether ``wrong`` of ``runs`` show that the error rate is what is promised at most.

    Not only that nothing speaks against it: the upper bound of the rate (Clopper and Pearson's, 99% sure) is below it.
    """
    bound = float(beta.ppf(0.99, wrong + 1, runs - wrong))
    sys.stdout.write(f"{what}: {wrong} of {runs} wrong, so {bound:.2%} at most; promised {promised:.0%}\n")
    return bound <= promised


def test_what_counts_as_shown() -> None:
    assert shown("none of 100", 0, 100, 0.05) and not shown("none of 50", 0, 50, 0.05)
    assert not shown("as often as promised", 10, 200, 0.05)


def looks() -> list[int]:
    """The numbers of rounds after which the judge looks, as it is written: five, then a third more each time."""
    found = [5]
    while found[-1] < 100:
        found.append(found[-1] + 1 + found[-1] // 3)
    return found


@pytest.mark.parametrize(("error", "series", "looked"), [(0.1, 1000, range(1, 101)), (0.01, 5000, looks())])
def test_the_interval_covers_at_every_look(error: float, series: int, looked: Sequence[int]) -> None:
    """In how many series of measurements is the mean outside of the interval even once?"""
    dice = random.Random(1)
    missed = 0
    for _ in range(series):
        values = [dice.gauss(0.3, 2) for _ in range(looked[-1])]
        missed += any(abs(mean(values[:n]) - 0.3) > half_width(values[:n], error) for n in looked)
    assert shown(f"intervals, {len(looked)} looks", missed, series, error)


def test_the_interval_is_of_use() -> None:
    dice = random.Random(2)
    values = [dice.gauss(0, 1) for _ in range(80)]
    assert math.isinf(half_width(values[:1], 0.01)) and half_width(values[:6], 0.01) < 10
    assert half_width(values, 0.01) < 0.5
    assert half_width([2.0] * 5, 0.01) == 0


@pytest.mark.parametrize("kind", NOISES)
@pytest.mark.parametrize("effect", [1.0, 4.0])
def test_the_error_rate_of_a_bisection(kind: str, effect: float) -> None:
    """A culprit whose effect is what is looked for, or four times that, in noise of about the same size."""
    error, runs, wrong, unsure = 0.05, RUNS, 0, 0
    for seed in range(runs):
        dice = random.Random(f"{kind} {effect} {seed}")
        size = dice.randint(1, 60)
        culprit = dice.randint(1, size)
        found, cost = bisect(
            size,
            step(culprit, effect, noise(kind, dice)),
            Rules(error=error, most=400),
            Scale(1.0, exact=False),
        )
        (change,) = found.changes or (None,)
        if change is None or not change.one:
            unsure += 1
        elif change.first != culprit:
            wrong += 1
        else:
            wrong += not change.diff.low <= effect <= change.diff.high
        assert cost.builds <= math.ceil(math.log2(size)) + 2 or unsure
    assert shown(f"{kind}, effect {effect}", wrong, runs, error)
    assert unsure <= runs // 10


@pytest.mark.parametrize("kind", NOISES)
def test_no_change_is_no_change(kind: str) -> None:
    error, runs, wrong = 0.05, RUNS, 0
    for seed in range(runs):
        dice = random.Random(f"{kind} {seed}")
        found, _ = bisect(
            20,
            step(99, noise=noise(kind, dice)),
            Rules(error=error, most=200),
            Scale(1.0, exact=False),
        )
        wrong += found.ends.relation is not Relation.SAME
    assert shown(f"{kind}, no effect", wrong, runs, error)


def test_what_cannot_be_decided_is_undecided() -> None:
    """Commits that are noisier than the ends: none is accused, and the answer is all of those that it may be."""
    dice = random.Random(3)
    found, _ = bisect(
        12,
        lambda p: Sample(10.0 * (p >= 6) + dice.gauss(0, 0.1 if p in (0, 12) else 300)),
        Rules(most=20),
        Scale(1.0, exact=False),
    )
    (change,) = found.changes
    assert (change.first, change.last, change.spread) == (1, 12, False)
    assert {hole.why for hole in found.holes.values()} == {Why.UNDECIDED} and len(found.holes) == 11


def half_repaired(dice: random.Random) -> Oracle:
    return lambda p: Sample(6 * (p >= 9) - 3 * (p >= 21) + dice.gauss(0, 1))


def test_noisy_change_points_all_of_them() -> None:
    """Half repaired, with noise: both changes, each with its sign."""
    wrong = 0
    for seed in range(20):
        dice = random.Random(seed)
        found, _ = bisect(
            32,
            half_repaired(dice),
            Rules(every_change=True),
            Scale(1.0, exact=False),
        )
        wrong += culprits(found) != {(9, 9), (21, 21)}
    assert wrong <= 1


def test_a_noisy_meter_with_commits_that_panic() -> None:
    dice = random.Random(4)
    oracle = holed(range(15, 19), Why.PANIC, step(17, 5, lambda: dice.gauss(0, 1)))
    found, _ = bisect(32, oracle, scale=Scale(1.0, exact=False))
    assert culprits(found) == {(15, 19)}


# Pass or fail


@pytest.mark.parametrize("size", [1, 2, 7, 32])
def test_a_steady_test_takes_one_run_a_commit(size: int) -> None:
    for culprit in range(1, size + 1):
        found, cost = bisect(size, flaky(culprit, 0, 1, random.Random(0)), scale=None)
        assert culprits(found) == {(culprit, culprit)}
        assert cost.builds <= math.ceil(math.log2(size)) + 2
        assert cost.samples <= cost.builds + 2 + 8, "each end once more, and what was found three or four times"


def test_a_test_that_fails_nowhere_or_everywhere() -> None:
    for value in (0.0, 1.0):
        found, cost = bisect(9, exact([value] * 10), scale=None)
        assert found.ends.relation is Relation.SAME and cost.samples == 4
    found, _ = bisect(9, lambda p: Sample(float(p == 0)), scale=None)
    assert found.ends.relation is Relation.BETTER


@pytest.mark.parametrize(("good", "bad"), [(0.0, 0.9), (0.0, 0.4), (0.05, 0.6), (0.3, 1.0)])
def test_the_error_rate_with_a_flaky_test(good: float, bad: float) -> None:
    error, runs, wrong, unsure = 0.05, RUNS, 0, 0
    for seed in range(runs):
        dice = random.Random(f"{good} {bad} {seed}")
        size = dice.randint(1, 40)
        culprit = dice.randint(1, size)
        found, _ = bisect(size, flaky(culprit, good, bad, dice), Rules(error=error, flaky=True), None)
        (change,) = found.changes or (None,)
        unsure += change is None or not change.one
        wrong += change is not None and change.one and change.first != culprit
    assert shown(f"failure rates {good} and {bad}", wrong, runs, error)
    assert unsure <= runs // 10


def test_flakiness_is_noticed_late_and_the_search_begins_again() -> None:
    """It fails nine times of ten: the ends may look steady, and a lucky pass would accuse the wrong commit."""
    again = wrong = 0
    for seed in range(100):
        dice = random.Random(seed)
        culprit = dice.randint(1, 30)
        found, _ = bisect(30, flaky(culprit, 0, 0.9, dice), scale=None)
        again += found.method.startswith("flaky")
        wrong += culprits(found) != {(culprit, culprit)}
    assert again > 20 and wrong <= 2


@pytest.mark.parametrize(("good", "bad"), [(0.0, 0.5), (0.0, 0.6), (0.4, 1.0)])
def test_the_error_rate_with_a_test_that_nobody_calls_flaky(good: float, bad: float) -> None:
    """It may look steady for long: at these rates luck is most probable. One or two runs more or less are seen here."""
    error, runs, wrong, answered = 0.01, 1000, 0, 0
    for seed in range(runs):
        dice = random.Random(f"{good} {bad} {seed}")
        culprit = dice.randint(1, 128)
        found, _ = bisect(128, flaky(culprit, good, bad, dice), Rules(error=error), None)
        answered += bool(found.changes)
        wrong += any(change.one and change.first != culprit for change in found.changes)
    assert shown(f"failure rates {good} and {bad}, not called flaky", wrong, runs, error)
    assert answered > runs // 10, "else the ends said the same, or were as they should not be, in a few runs"


def test_rates_that_cannot_be_told_apart_are_refused() -> None:
    dice = random.Random(5)
    found, cost = bisect(9, lambda p: Sample(float(dice.random() < 0.5)), Rules(flaky=True), None)
    assert found.ends.relation is Relation.SAME and not found.changes
    assert cost.builds == 2


def test_rate_bounds_cover_at_every_look() -> None:
    dice = random.Random(6)
    missed = 0
    for _ in range(RUNS):
        rate = dice.choice((0.02, 0.3, 0.9))
        failed = 0
        for run in range(1, 101):
            failed += dice.random() < rate
            low, high = rate_bounds(failed, run, 0.05)
            if not low <= rate <= high:
                missed += 1
                break
    assert shown("bounds of rates", missed, RUNS, 0.05)
    assert rate_bounds(0, 0, 0.05) == (0.0, 1.0)


@pytest.mark.parametrize(("true", "expected"), [(0.1, Rate.LOW), (0.5, Rate.HIGH)])
def test_the_error_rate_of_wald(true: float, expected: Rate) -> None:
    dice = random.Random(7)
    wrong = 0
    for _ in range(500):
        failed = runs = 0
        while (verdict := bernoulli(failed, runs, 0.1, 0.5, 0.05)) is Rate.OPEN:
            failed += dice.random() < true
            runs += 1
        wrong += verdict is not expected
    assert shown(f"Wald, rate {true}", wrong, 500, 0.05)
