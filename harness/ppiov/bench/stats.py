# SPDX-License-Identifier: GPL-2.0-only
"""Whether two sets of samples differ, and by how much.

Instructions are exact: the median of the rounds is what an operation takes, and rounds that an interrupt fell into are
the only ones that differ. A clock is noisy: the difference of two medians comes with an interval, by the bootstrap, and
whether this machine can tell two things apart at all is asked first, of the same thing measured twice (A/A).
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

# Instructions of two runs of one build differ by less than this where a refill of 64 buffers begins at another place
EXACT = 0.05
CONFIDENCE = 0.99
RESAMPLES = 2000
WORTH = 0.02  # a clock's difference that is smaller than this part of the whole is none, however sure it is


class Verdict(StrEnum):
    SAME = "same"
    SLOWER = "slower"
    FASTER = "faster"
    UNSURE = "can't tell"  # A/A differs, or there are too few samples


@dataclass(frozen=True, slots=True)
class Effect:
    """What B takes more than A, per operation."""

    difference: float
    low: float  # the interval that it is in
    high: float
    verdict: Verdict
    why: str = ""


def spread(samples: Sequence[float]) -> float:
    """Half of what the middle half of the samples lies in: 0 for instructions without an interrupt."""
    if len(samples) < 4:
        return 0.0
    low, _, high = statistics.quantiles(samples, n=4)
    return (high - low) / 2


def exact(a: Sequence[float], b: Sequence[float]) -> Effect:
    """For a meter that counts: a single instruction shows."""
    difference = statistics.median(b) - statistics.median(a)
    reach = max(EXACT, spread(a) + spread(b))
    verdict = Verdict.SAME if abs(difference) <= reach else Verdict.SLOWER if difference > 0 else Verdict.FASTER
    return Effect(difference, difference - reach, difference + reach, verdict)


def clock(a: Sequence[float], b: Sequence[float], again: Sequence[float] = (), seed: int = 1) -> Effect:
    """For a meter that ticks. ``again``: A once more, if it was measured so.

    The interval is of the difference of medians, by the bootstrap.
    """
    if min(len(a), len(b)) < 10:
        return Effect(0.0, 0.0, 0.0, Verdict.UNSURE, f"{min(len(a), len(b))} samples are too few, it takes 10")
    if again:
        same = clock(a, again, seed=seed)
        if same.verdict is not Verdict.SAME:
            why = f"A and A again differ by {same.difference:+.3g}: this machine can't tell"
            return Effect(0.0, 0.0, 0.0, Verdict.UNSURE, why)
    difference = statistics.median(b) - statistics.median(a)
    low, high = _interval(a, b, seed)
    worth = WORTH * abs(statistics.median(a))
    sure = (low > 0 or high < 0) and abs(difference) > worth
    verdict = Verdict.SAME if not sure else Verdict.SLOWER if difference > 0 else Verdict.FASTER
    return Effect(difference, low, high, verdict)


def _interval(a: Sequence[float], b: Sequence[float], seed: int) -> tuple[float, float]:
    if len(set(a)) == 1 and len(set(b)) == 1:  # nothing to resample
        return b[0] - a[0], b[0] - a[0]
    import numpy as np
    from scipy import stats  # takes a second to import, and instructions need none of it

    found = stats.bootstrap(
        (b, a),
        lambda x, y, axis: np.median(x, axis=axis) - np.median(y, axis=axis),
        vectorized=True,
        paired=False,
        n_resamples=RESAMPLES,
        confidence_level=CONFIDENCE,
        method="percentile",  # BCa's acceleration is undefined for medians of samples with ties
        random_state=seed,
    )
    return float(found.confidence_interval.low), float(found.confidence_interval.high)
