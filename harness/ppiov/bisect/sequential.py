# SPDX-License-Identifier: GPL-2.0-only
"""Sequential tests: when enough has been measured, with an error rate that holds whenever one stops.

Two kinds of measurement, two tests:

**Numbers with noise.** :func:`half_width` is a confidence sequence for the mean of normal differences of unknown
variance: Robbins' mixture sequential probability ratio test (Robbins 1970; Lai 1976, for unknown variance) with a
normal prior on the mean in units of the standard deviation. Its likelihood ratio is a martingale, so by Ville's
inequality the interval misses the mean at *any* of infinitely many looks with probability ``error`` at most. So one may
look after each round and stop as soon as it is clear, which a fixed-size t-test forbids.

**Pass or fail.** :func:`bernoulli` is Wald's sequential probability ratio test between two failure rates (Wald 1945),
with the thresholds of Ville's inequality (1/error instead of Wald's approximation), so that the rates hold exactly.
:func:`rate_bounds` estimates what those two rates are, again by a confidence sequence of Robbins', with a beta prior.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from enum import StrEnum
from typing import Final

# Inverse variance of the prior. A quarter expects differences of some two standard deviations: four or five rounds then
# suffice, and a difference that is small in the noise costs less than 10% more rounds than the best prior for it would.
_PRIOR: Final = 0.25


def half_width(differences: Sequence[float], error: float) -> float:
    """Half of the width of the interval around the mean of ``differences``; infinite while there are too few.

    The interval covers the true mean at every length of ``differences`` at once, but for a probability of ``error``
    (0 to 1), if they are independent and normal.
    """
    n = len(differences)
    if n < 2:
        return math.inf
    mean = math.fsum(differences) / n
    squares = math.fsum((d - mean) ** 2 for d in differences)
    shrink = _PRIOR / (n + _PRIOR)
    # Where the likelihood ratio sqrt(shrink) * ((1 + u) / (1 + shrink * u)) ** (n / 2) is 1 / error, with
    # u = n * (mean - true mean) ** 2 / squares.
    limit = math.exp(min(-2 / n * (math.log(error) + math.log(shrink) / 2), 700.0))
    if limit * shrink >= 1:
        return math.inf
    return math.sqrt((limit - 1) / (1 - limit * shrink) * squares / n)


class Rate(StrEnum):
    LOW = "low"
    HIGH = "high"
    OPEN = "open"


def bernoulli(failed: int, runs: int, low: float, high: float, error: float) -> Rate:
    """Whether ``failed`` of ``runs`` speak for a failure rate of ``low`` or of ``high``.

    A process that fails at the rate ``low`` or less is taken for ``high`` with probability ``error`` at most, and the
    other way round, however often one looks. ``0 < low < high <= 1``.
    """
    ratio = failed * math.log(high / low)
    if runs > failed:
        ratio = -math.inf if high == 1 else ratio + (runs - failed) * math.log((1 - high) / (1 - low))
    if ratio >= -math.log(error):
        return Rate.HIGH
    return Rate.LOW if ratio <= math.log(error) else Rate.OPEN


def rate_bounds(failed: int, runs: int, error: float) -> tuple[float, float]:
    """Lower and upper bound of a failure rate; with probability ``error`` at most, one of them is wrong at any look."""
    passed = runs - failed
    # The likelihood ratio of a rate drawn from Beta(1/2, 1/2) against the rate p, whose logarithm at p is
    # `mixture` - failed * log(p) - passed * log(1 - p), must stay below 1 / error.
    mixture = math.lgamma(failed + 0.5) + math.lgamma(passed + 0.5) - math.lgamma(runs + 1) - math.log(math.pi)
    limit = mixture + math.log(error)

    def possible(rate: float) -> bool:
        return failed * math.log(rate) + passed * math.log1p(-rate) > limit

    def edge(inside: float, outside: float) -> float:
        for _ in range(60):
            middle = (inside + outside) / 2
            inside, outside = (middle, outside) if possible(middle) else (inside, middle)
        return outside  # never narrower than it may be

    likely = min(max(failed / runs if runs else 0.5, 1e-9), 1 - 1e-9)
    return (edge(likely, 0.0) if failed else 0.0), (edge(likely, 1.0) if passed else 1.0)
