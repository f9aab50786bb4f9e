# SPDX-License-Identifier: GPL-2.0-only
"""Checkouts of the points of a module history, in the store; the user's work tree is not touched.

There is one for each that is needed at the same time, and it goes from commit to commit: a path that stays lets ccache
compile only what has changed.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

from filelock import FileLock, Timeout

from ppiov import suites, worktree
from ppiov.store import Store, digest, entry_lock

if TYPE_CHECKING:
    from ppiov.bisect.oracle import Target


@contextmanager
def slot(store: Store, target: Target) -> Iterator[Path]:
    """The checkout of ``target`` while the block lasts; this program's own where the target has no repository.

    Raises UnfitKernel, DiskFull.
    """
    top = target.repository
    if top is None:
        yield suites.find_source()
        return
    name = "".join(c if c.isascii() and (c.isalnum() or c in "._-") else "-" for c in top.name).lstrip(".-")
    for number in count():
        key = f"{name or 'modules'}-{digest([os.fsencode(top.resolve()), f'bisect {number}'])}"
        lock = FileLock(store.dir("locks") / f"{entry_lock(worktree.KIND, key)}.lock")
        try:
            lock.acquire(blocking=False)
        except Timeout:
            continue
        try:
            source = store.dir(worktree.KIND) / key / "source"
            source.mkdir(parents=True, exist_ok=True)
            worktree.check_out(source, top, target.revision.id, target.revision.name, store)
            yield source
        finally:
            lock.release()
        return
