# SPDX-License-Identifier: GPL-2.0-only
"""Fewer tests of those that differ in their parameters only.

A test over IPv4 and IPv6, six lengths and three versions is 36 tests; that each value comes once takes six of them.
Ammann and Offutt call that "each choice" (Introduction to Software Testing, 2nd ed., chapter 6.2). What it can miss is
a fault that takes two values at once, which is why it is not for the last run before a patch is sent.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

ALL, EACH = COMBINATIONS = ("all", "each")
DEFAULT_COMBINATIONS = ALL


def each_value(sets: Sequence[Mapping[str, str]]) -> list[int]:
    """Which of the parameter sets of one test to keep, as indexes in order: every value of every parameter is in one.

    Greedy: always the one with most values that are not there yet, the first of those. A set without parameters, or
    one that is there twice, is kept: nothing says that it is the same test.
    """
    values = [frozenset(parameters.items()) for parameters in sets]
    kept = {index for index, own in enumerate(values) if not own or values.count(own) > 1}
    missing = frozenset().union(*values) - frozenset().union(*(values[index] for index in kept))
    while missing:
        best = max(range(len(values)), key=lambda index: len(values[index] & missing))
        kept.add(best)
        missing -= values[best]
    return sorted(kept)
