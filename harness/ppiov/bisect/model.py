# SPDX-License-Identifier: GPL-2.0-only
"""The words that search, judges, journal and report share.

A history has points: 0 is the good end, the last one the bad end. Commit i leads from point i - 1 to point i. Inside
the search "more" is always worse; the engine turns a metric round that is better when it is higher.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class Why(StrEnum):
    """Why a point has no verdict."""

    BUILD = "does not build"
    BOOT = "does not boot"
    LOAD = "does not load"
    PANIC = "panics"
    MEASURE = "cannot be measured"
    SKIP = "skipped by the command"
    REPLAY = "skipped in the replayed log"
    UNDECIDED = "undecided"


@dataclass(frozen=True, slots=True)
class Hole:
    """A point without a verdict: untestable, or undecided. Never guessed."""

    why: Why
    detail: str = ""  # one line

    def __str__(self) -> str:
        return f"{self.why.value}: {self.detail}" if self.detail else self.why.value


@dataclass(frozen=True, slots=True)
class Sample:
    """One measurement of one point. For a functional oracle 0.0 is good and 1.0 is bad."""

    value: float = 0.0
    hole: Hole | None = None  # then there is no value


class Relation(StrEnum):
    SAME = "same"
    WORSE = "worse"  # the later point has more
    BETTER = "better"


@dataclass(frozen=True, slots=True)
class Diff:
    """How two points differ: later minus earlier, with an interval."""

    relation: Relation
    estimate: float
    low: float
    high: float
    samples: int = 1  # of each of the two points


@dataclass(frozen=True, slots=True)
class Ask:
    """What the search wants to know: which consecutive ``points`` differ. The first and last are known to."""

    points: tuple[int, ...]
    each: bool = False  # every pair has to be decided; else one that got worse will do


@dataclass(frozen=True, slots=True)
class Told:
    """The answer. A pair that is not in ``diffs`` is undecided; a point in ``holes`` is in no pair."""

    diffs: Mapping[tuple[int, int], Diff]
    holes: Mapping[int, Hole] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Change:
    """A change point: one of the commits ``first`` to ``last`` (their later points' numbers) made it.

    ``first == last`` is a culprit. Else either the points between have no verdict (``spread`` is False), or the change
    is spread over several commits, none of which alone makes a difference that counts.
    """

    first: int
    last: int
    diff: Diff
    spread: bool = False

    @property
    def one(self) -> bool:
        return self.first == self.last


# Each inner tuple is measured in one go, in this order and, where that can be, in one guest; different ones may be
# measured at the same time.
Sessions = tuple[tuple[int, ...], ...]
Samples = list[list[Sample]]  # in the same order
