# SPDX-License-Identifier: GPL-2.0-only
"""The search for change points, without anything real: every answer right, and within its price."""

from __future__ import annotations

import itertools
import math
from itertools import accumulate

import pytest
from bisecting import EXACT, bisect, culprits, exact, holed, step
from histories import BROKEN, EFFECTS, KINDS, draw, measure
from hypothesis import given, settings
from hypothesis import strategies as st
from ppiov.bisect.decide import Rules, Scale
from ppiov.bisect.judge import Untestable
from ppiov.bisect.model import Relation, Sample, Why


def price(size: int) -> int:
    return math.ceil(math.log2(size)) + 2


@pytest.mark.parametrize("size", range(1, 41))
def test_each_single_culprit_is_found_within_its_price(size: int) -> None:
    for culprit in range(1, size + 1):
        found, cost = bisect(size, step(culprit))
        assert culprits(found) == {(culprit, culprit)}
        assert found.changes[0].diff.estimate == 1
        assert cost.builds <= price(size)


@pytest.mark.parametrize("jobs", [2, 3, 5])
@pytest.mark.parametrize("size", [1, 2, 3, 8, 17, 32, 100])
def test_more_jobs_take_fewer_steps(size: int, jobs: int) -> None:
    for culprit in range(1, size + 1):
        found, cost = bisect(size, step(culprit), Rules(jobs=jobs))
        assert culprits(found) == {(culprit, culprit)}
        assert cost.steps <= 2 + math.ceil(math.log(size, jobs + 1) - 1e-9), "the ends and their A/A pair are two"


@pytest.mark.parametrize("size", range(2, 13))
def test_all_pairs_of_changes(size: int) -> None:
    """Two changes of any signs: all of them with --all, and without it one that got worse."""
    for a, b in itertools.combinations(range(1, size + 1), 2):
        for up, down in ((3, 5), (10, -5), (-5, 8), (2, 2), (1, 10)):
            values = list(accumulate((up if i == a else down if i == b else 0 for i in range(1, size + 1)), initial=7))
            found, _ = bisect(size, exact(values), Rules(every_change=True))
            assert {c.first: c.diff.estimate for c in found.changes} == {a: up, b: down}
            found, cost = bisect(size, exact(values))
            (change,) = found.changes
            assert change.one and change.diff.estimate == {a: up, b: down}[change.first] > 0
            assert cost.builds <= price(size)


@given(st.lists(st.sampled_from([0, 0, 0, -4, -1, 1, 3, 9]), min_size=1, max_size=70), st.integers(1, 4))
def test_what_is_found_is_true_and_adds_up(steps: list[int], jobs: int) -> None:
    values = list(accumulate(steps, initial=100))
    found, _ = bisect(len(steps), exact(values), Rules(jobs=jobs, every_change=True))
    if values[-1] <= values[0]:
        assert not found.changes and found.ends.relation is not Relation.WORSE
        return
    for change in found.changes:
        assert change.one and change.diff.estimate == steps[change.first - 1] != 0
    assert sum(change.diff.estimate for change in found.changes) == values[-1] - values[0]
    single, _ = bisect(len(steps), exact(values), Rules(jobs=jobs))
    assert [steps[c.first - 1] > 0 for c in single.changes] == [True]
    everything, cost = bisect(len(steps), exact(values), Rules(jobs=jobs, every_commit=True))
    assert {c.first for c in everything.changes} == {i for i, step in enumerate(steps, 1) if step}
    assert cost.builds == len(steps) + 1


@given(st.data())
def test_untestable_commits_widen_the_answer_and_nothing_else(data: st.DataObject) -> None:
    size = data.draw(st.integers(1, 60))
    culprit = data.draw(st.integers(1, size))
    broken = data.draw(st.sets(st.integers(1, size - 1))) if size > 1 else set()
    jobs = data.draw(st.integers(1, 3))
    found, cost = bisect(size, holed(broken, Why.BUILD, step(culprit)), Rules(jobs=jobs))
    first, last = culprit, culprit
    while first - 1 in broken:
        first -= 1
    while last in broken:
        last += 1
    assert culprits(found) == {(first, last)}
    assert set(found.holes) <= broken
    assert cost.builds <= price(size) * jobs + 2 * len(broken), "each untestable commit costs itself and another"


def test_a_long_run_of_untestable_commits_is_left_quickly() -> None:
    """A third of the history in the middle does not build, and the culprit is outside of it."""
    for culprit in (*range(1, 40), *range(82, 121)):
        _, cost = bisect(120, holed(range(40, 81), Why.BUILD, step(culprit)))
        assert cost.builds <= price(120) + 2 * math.ceil(math.log2(41)), "as much again for the run's two ends"


@pytest.mark.parametrize("end", [0, 9])
def test_an_end_that_is_untestable_is_said(end: int) -> None:
    with pytest.raises(Untestable, match="good end" if end == 0 else "bad end"):
        bisect(9, holed({end}, Why.BUILD, step(5)))


def test_ends_that_do_not_differ_or_the_wrong_way_round() -> None:
    found, cost = bisect(50, lambda p: Sample(3.0))
    assert (found.ends.relation, found.changes, cost.builds) == (Relation.SAME, (), 2)
    found, cost = bisect(50, lambda p: Sample(9.0 - p))
    assert (found.ends.relation, found.changes, cost.builds) == (Relation.BETTER, (), 2)


def test_steps_that_are_too_small_to_count_are_a_spread_change() -> None:
    """Ten steps of 0.2 where 0.5 counts: a set of commits, none of them accused."""
    found, _ = bisect(10, lambda p: Sample(0.2 * p), scale=EXACT)
    (change,) = found.changes
    assert change.spread and not change.one
    assert change.diff.estimate >= 0.5


def test_a_meter_that_is_not_as_exact_as_it_says_is_noticed() -> None:
    """The A/A pair differs: no commit is judged by one measurement."""
    readings = itertools.count()
    found, cost = bisect(8, lambda p: Sample(10.0 * (p >= 3) + next(readings) % 3 * 0.4), scale=Scale(0.5, exact=True))
    assert not found.exact and culprits(found) == {(3, 3)}
    assert cost.samples > cost.builds * 4


# The generator's 40 histories of the eight kinds, five of each.

FORTY = [(kind, size) for kind in KINDS for size in (8, 16, 33, 64, 128)]


@pytest.mark.parametrize(("kind", "size"), FORTY)
@pytest.mark.parametrize("seed", range(2))
def test_synthetic_histories(kind: str, size: int, seed: int) -> None:
    history = draw(kind, size, seed)
    found, cost = bisect(size, lambda p: measure(history, p))
    if kind == "none":
        assert found.ends.relation is Relation.SAME and cost.builds == 2
        return
    assert culprits(found) <= history.regressions and len(found.changes) == 1
    if not history.broken:
        assert cost.builds <= price(size)
    assert bool(found.holes) == bool(history.broken), "the search meets what it is to go around"
    assert all(found.holes[point].why is BROKEN[kind] for point in found.holes)
    found, _ = bisect(size, lambda p: measure(history, p), Rules(every_change=True))
    assert culprits(found) == history.answers


def test_the_forty_have_all_that_they_are_to_have() -> None:
    drawn = [draw(kind, size, 0) for kind, size in FORTY]
    assert len(drawn) == 40 and {history.kind for history in drawn} == set(KINDS)
    assert min(history.size for history in drawn) == 8 and max(history.size for history in drawn) == 128
    assert {step for history in drawn if history.kind == "one" for step in history.steps.values()} == set(EFFECTS)
    assert {why for history in drawn for why in history.broken.values()} == {Why.BUILD, Why.LOAD, Why.PANIC}


@settings(max_examples=100)
@given(st.sampled_from(KINDS), st.integers(8, 128), st.integers())
def test_any_synthetic_history(kind: str, size: int, seed: int) -> None:
    test_synthetic_histories(kind, size, seed)
