# SPDX-License-Identifier: GPL-2.0-only
"""Keeps the store below a size: what was used last stays, what a living process uses stays, the rest goes.

The entries are those of every kind; what builds are made in (builds/, trees/, series/, adapted/) counts and goes with
them, each folder as a whole. An entry is in use from :meth:`ppiov.store.Store.use` to the end of the process; a folder
while its lock is held.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path

from ppiov import lab, worktree
from ppiov.events import Event, StageBegun, StageEnded, StageProgress
from ppiov.series import adapted, scratch
from ppiov.store import Entry, Store, mb, tree_size

ENTRIES = ("kernels", "images", "modules", "userland", "sources", "tools", "baselines", "measurements")
FOLDERS = (lab.BUILDS, worktree.KIND, scratch.KIND, adapted.KIND)
DEFAULT_LIMIT = 20 * 10**9


@dataclass(frozen=True, slots=True)
class Thing:
    """An entry, or a folder that builds are made in."""

    path: Path
    size: int
    used: float  # seconds since the epoch
    entry: Entry | None  # None: a folder


@dataclass(frozen=True, slots=True)
class Collected:
    """What :func:`collect` has done, or would do."""

    before: int  # bytes
    after: int
    gone: tuple[Thing, ...]
    busy: tuple[Thing, ...]  # would have gone, and is in use


def things(store: Store) -> list[Thing]:
    """All that can go, the least recently used first."""
    found = [
        Thing(entry.path, entry.size, store.last_used(entry), entry)
        for kind in ENTRIES
        for entry in store.entries(kind)
    ]
    for kind in FOLDERS:
        folder = store.root / kind
        for path in sorted(folder.iterdir()) if folder.is_dir() else []:
            if not path.name.startswith("."):
                found.append(Thing(path, tree_size(path), _touched(path), None))
    return sorted(found, key=lambda thing: thing.used)


def collect(store: Store, limit: int, *, pretend: bool = False) -> Generator[Event, None, Collected]:
    """Remove the least recently used until the store is not larger than ``limit`` bytes."""
    yield StageBegun("gc", "look at the store")
    all_things = things(store)
    before = sum(thing.size for thing in all_things)
    yield StageEnded("gc", note=f"{mb(before)} in {len(all_things)} entries")
    after, gone, busy = before, list[Thing](), list[Thing]()
    excess = before - limit
    if excess > 0:
        yield StageBegun(
            "remove", "would be removed" if pretend else "remove what was not used for longest", excess, "B"
        )
    for thing in all_things:
        if after <= limit:
            break
        removed = store.unused(thing.path) if pretend else store.collect(thing.path)
        (gone if removed else busy).append(thing)
        if removed:
            after -= thing.size
            yield StageProgress("remove", before - after)
    if excess > 0:
        yield StageEnded("remove", note=f"{len(gone)} entries, {mb(before - after)}")
    return Collected(before, after, tuple(gone), tuple(busy))


def _touched(path: Path) -> float:
    """When a folder was last built in: its state file is written at the end of each step."""
    return max((p.stat().st_mtime for p in [path, *path.glob("*.json"), *path.glob("*/*.json")]), default=0.0)
