# SPDX-License-Identifier: GPL-2.0-only
"""Waiting without fixed sleeps: ask again until the answer is there, or a deadline has passed."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import TypeVar

from lib.processes import SLOWER

T = TypeVar("T")

# An emulated guest is some ten times slower than a real machine, and a busy host slows it down once more. A deadline is
# there to end a test that would never end, not to judge speed.
PATIENCE = 30.0 * SLOWER


class NeverHappenedError(AssertionError):
    """What was waited for did not come; says what was seen instead."""


def ticks(seconds: float = PATIENCE, every: float = 0.02) -> Iterator[float]:
    """Yield the seconds gone by, at once and then every `every` seconds; the last time after `seconds`."""
    start = time.monotonic()
    while (gone := time.monotonic() - start) < seconds:
        yield gone
        time.sleep(every)
    yield gone


def until(what: str, probe: Callable[[], T], seconds: float = PATIENCE, every: float = 0.02) -> T:
    """Call `probe` until it returns something true, and return that.

    :raises NeverHappenedError: after `seconds`, naming `what` and the last answer
    """
    for _ in ticks(seconds, every):
        answer = probe()
        if answer:
            return answer
    raise NeverHappenedError(f"{what}: not within {seconds:g} s; last seen: {answer!r}")
