# SPDX-License-Identifier: GPL-2.0-only
"""An engine inside an engine: its events on their way out, each looked at."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable
from typing import TypeVar

from ppiov.events import Event

T = TypeVar("T")


def relay(events: Generator[Event, None, T], look: Callable[[Event], Iterable[Event]]) -> Generator[Event, None, T]:
    """Pass on what ``look`` makes of each event: the same, another, several or none; return what the engine returns.

    However this ends, the engine is closed: now, and not when somebody collects it, since guests end there.
    """
    try:
        while True:
            try:
                event = next(events)
            except StopIteration as stop:
                value: T = stop.value
                return value
            yield from look(event)
    finally:
        events.close()
