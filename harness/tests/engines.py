# SPDX-License-Identifier: GPL-2.0-only
"""Running an engine (a generator of events that returns its result) to its end."""

from __future__ import annotations

from collections.abc import Generator
from typing import TypeVar

from ppiov.events import Event

T = TypeVar("T")


def drain(engine: Generator[Event, None, T]) -> tuple[list[Event], T]:
    """What the engine told, and what it returned."""
    told = []
    while True:
        try:
            told.append(next(engine))
        except StopIteration as stop:
            value: T = stop.value
            return told, value
