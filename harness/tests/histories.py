# SPDX-License-Identifier: GPL-2.0-only
"""Synthetic histories with planted changes: what each commit does to the cost of one function, and what is to be found.

A history is drawn from a seed. Without VMs, :func:`measure` is the oracle; for real ones, :func:`module_source` is the
module of a point: a function that executes so many instructions more than the first commit's.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from itertools import accumulate

from ppiov.bisect.model import Hole, Sample, Why

KINDS = ("one", "none", "two", "half-repaired", "better-then-worse", "no-build", "no-load", "panic")
EFFECTS = (1, 2, 10)
BROKEN = {"no-build": Why.BUILD, "no-load": Why.LOAD, "panic": Why.PANIC}


@dataclass(frozen=True)
class History:
    kind: str
    size: int
    steps: dict[int, int]  # commit -> how many instructions it adds (or takes away)
    broken: dict[int, Why]  # points without a figure

    @property
    def values(self) -> list[int]:
        return list(accumulate((self.steps.get(i, 0) for i in range(1, self.size + 1)), initial=20))

    @property
    def answers(self) -> set[tuple[int, int]]:
        """Of each planted change the commits (first, last) that it can be narrowed down to, if all are asked for."""
        found = set()
        for commit in self.steps:
            first, last = commit, commit
            while first - 1 in self.broken:
                first -= 1
            while last in self.broken:
                last += 1
            found.add((first, last))
        return found

    @property
    def regressions(self) -> set[tuple[int, int]]:
        """Those of the answers that got worse."""
        values = self.values
        return {(first, last) for first, last in self.answers if values[last] > values[first - 1]}


def draw(kind: str, size: int, seed: int) -> History:
    """A history of ``size`` commits; every kind but "none" gets worse from end to end."""
    dice = random.Random(f"{kind} {size} {seed}")
    effect = dice.choice(EFFECTS)
    places = sorted(dice.sample(range(1, size + 1), min(size, 3)))
    steps: dict[int, int] = {}
    if kind == "two":
        steps = {places[0]: effect, places[1]: dice.choice(EFFECTS)}
    elif kind == "half-repaired":
        steps = {places[0]: 10, places[1]: -dice.choice((1, 2, 5))}
    elif kind == "better-then-worse":
        steps = {places[0]: -dice.choice(EFFECTS), places[1]: 10 + effect}
    elif kind != "none":
        steps = {places[0]: effect}
    broken: dict[int, Why] = {}
    if kind in BROKEN:
        inner = range(1, size)
        for _ in range(dice.randint(1, 3)):  # in runs: what breaks the build is seldom repaired by the next commit
            start = dice.choice(inner)
            broken |= dict.fromkeys(range(start, min(start + dice.randint(1, max(1, size // 8)), size)), BROKEN[kind])
    return History(kind, size, steps, broken)


def measure(history: History, point: int) -> Sample:
    """What an exact meter says of a point."""
    if point in history.broken:
        return Sample(hole=Hole(history.broken[point]))
    return Sample(float(history.values[point]))
