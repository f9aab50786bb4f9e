# SPDX-License-Identifier: GPL-2.0-only
"""The size of the store: what goes first, and what does not go."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from ppiov import gc, lab, worktree
from ppiov.errors import PpiovError
from ppiov.events import StageEnded
from ppiov.render import words
from ppiov.store import Store, entry_lock

MB = 10**6


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


def make(store: Store, kind: str, key: str, used: float) -> Path:
    """An entry, or a folder that is built in, of 1 MB, last used at ``used``."""
    if kind in gc.FOLDERS:
        path = store.dir(kind) / key
        path.mkdir()
        (path / "object.o").write_bytes(os.urandom(MB))
        stamp = path / "ppiov.json"
        stamp.write_text("{}")
        for touched in (stamp, path):
            os.utime(touched, (used, used))
        return path
    with store.fresh(kind, key) as fresh:
        (fresh.path / "file").write_bytes(os.urandom(MB))
        entry = fresh.commit({})
    os.utime(entry.path / "manifest.json", (used, used))
    return entry.path


def collect(store: Store, limit: int, *, pretend: bool = False) -> gc.Collected:
    engine = gc.collect(store, limit, pretend=pretend)
    while True:
        try:
            next(engine)
        except StopIteration as stop:
            done: gc.Collected = stop.value
            return done


def test_what_was_used_least_recently_goes_first(store: Store) -> None:
    places = [
        make(store, kind, f"k{used}", used)
        for kind, used in (("kernels", 30), ("modules", 10), (lab.BUILDS, 20), (worktree.KIND, 40), ("sources", 50))
    ]
    done = collect(store, int(3.3 * MB))
    assert [thing.path.name for thing in done.gone] == ["k10", "k20"] and done.busy == ()
    assert [path.name for path in places if path.exists()] == ["k30", "k40", "k50"]
    assert done.after <= 3.3 * MB < done.before
    assert not list(store.root.glob("*/.new-*"))
    assert next(words.gc_lines(done, store.root)).startswith("removed  modules/k10")


def test_using_an_entry_makes_it_the_last_to_go(store: Store) -> None:
    old, new = make(store, "kernels", "old", 10), make(store, "kernels", "new", 20)
    entry = store.entry("kernels", "old")
    assert entry is not None and store.last_used(entry) == 10
    store.use(entry)
    collect(store, int(1.5 * MB))
    assert old.exists() and not new.exists()


def test_a_store_that_is_small_enough_is_left_alone(store: Store) -> None:
    path = make(store, "kernels", "k", 10)
    engine = gc.collect(store, 2 * MB)
    assert [e.note for e in engine if isinstance(e, StageEnded)] == ["1.0 MB in 1 entries"]
    assert path.exists()


def test_pretending_removes_nothing(store: Store) -> None:
    path = make(store, "kernels", "k", 10)
    done = collect(store, 0, pretend=True)
    assert [thing.path for thing in done.gone] == [path] and done.after == 0 and path.exists()


@pytest.fixture
def user(store: Store) -> Iterator[subprocess.Popen[str]]:
    """Another process: a run that uses kernels/used, and a build that holds builds/held."""
    make(store, "kernels", "used", 10)
    make(store, lab.BUILDS, "held", 20)
    code = (
        "import sys; from pathlib import Path; from ppiov.store import Store, entry_lock\n"
        "store = Store(Path(sys.argv[1])); store.use(store.entry('kernels', 'used'))\n"
        f"waiting = store.lock('{entry_lock(lab.BUILDS, 'held')}', 'it')\n"
        "try: next(waiting)\n"
        "except StopIteration as stop: lock = stop.value\n"
        "print('ready', flush=True); sys.stdin.read()\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code, store.root], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None and process.stdout.readline() == "ready\n"
        yield process
    finally:
        process.kill()
        process.communicate()


def test_what_a_living_process_uses_stays(store: Store, user: subprocess.Popen[str]) -> None:
    make(store, "modules", "unused", 30)
    assert {thing.path.name for thing in collect(store, 0, pretend=True).busy} == {"used", "held"}
    done = collect(store, 0)
    assert {thing.path.name for thing in done.busy} == {"used", "held"}
    assert [thing.path.name for thing in done.gone] == ["unused"]
    user.kill()
    user.wait()
    assert {thing.path.name for thing in collect(store, 0).gone} == {"used", "held"}  # no lock outlives a process


def test_an_entry_that_has_just_gone_is_said_to_have(store: Store) -> None:
    make(store, "kernels", "k", 10)
    entry = store.entry("kernels", "k")
    assert entry is not None
    collect(store, 0)
    with pytest.raises(PpiovError, match="has just been removed"):
        store.use(entry)
