# SPDX-License-Identifier: GPL-2.0-only
"""Running the pure part of a bisection against a made-up oracle, and counting what it costs."""

from __future__ import annotations

import random
from collections.abc import Callable, Container, Generator, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from ppiov.bisect.decide import Found, Rules, Scale, decide
from ppiov.bisect.model import Hole, Sample, Samples, Sessions, Why

T = TypeVar("T")
Oracle = Callable[[int], Sample]
EXACT = Scale(0.5, exact=True)


@dataclass
class Cost:
    sessions: list[tuple[int, ...]] = field(default_factory=list)
    steps: int = 0  # how often it had to wait for answers

    @property
    def builds(self) -> int:
        return len({point for session in self.sessions for point in session})

    @property
    def samples(self) -> int:
        return sum(map(len, self.sessions))


def serve(asking: Generator[Sessions, Samples, T], oracle: Oracle) -> tuple[T, Cost]:
    """Answer every session by ``oracle``; what the generator returns, and the cost."""
    cost = Cost()
    try:
        sessions = next(asking)
        while True:
            cost.steps += 1
            cost.sessions += sessions
            sessions = asking.send([[oracle(point) for point in session] for session in sessions])
    except StopIteration as stop:
        found: T = stop.value
        return found, cost


def bisect(size: int, oracle: Oracle, rules: Rules | None = None, scale: Scale | None = EXACT) -> tuple[Found, Cost]:
    return serve(decide(size, rules or Rules(), None if scale is None else lambda _: scale), oracle)


def culprits(found: Found) -> set[tuple[int, int]]:
    return {(change.first, change.last) for change in found.changes}


def step(culprit: int, effect: float = 1.0, noise: Callable[[], float] = lambda: 0.0) -> Oracle:
    """From the point ``culprit`` on, ``effect`` more."""
    return lambda point: Sample(100 + effect * (point >= culprit) + noise())


def flaky(culprit: int, good: float, bad: float, dice: random.Random) -> Oracle:
    """A test that fails with probability ``bad`` from the point ``culprit`` on, with ``good`` before."""
    return lambda point: Sample(float(dice.random() < (bad if point >= culprit else good)))


def exact(values: Sequence[float]) -> Oracle:
    return lambda point: Sample(float(values[point]))


def holed(holes: Container[int], why: Why, oracle: Oracle) -> Oracle:
    """``oracle``, where there is a verdict."""
    return lambda point: Sample(hole=Hole(why)) if point in holes else oracle(point)
