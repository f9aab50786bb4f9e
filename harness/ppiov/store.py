# SPDX-License-Identifier: GPL-2.0-only
"""The store: everything that was fetched or built, once, below the cache folder.

::

    kernels/KEY/  modules/KEY/  userland/KEY/    entries; each has a manifest.json, written last
    kernels/.new-KEY/                            an entry being made, under the lock of that entry
    locks/                                       one file per lock, and one naming the process that holds it
    logs/                                        logs of builds that failed
    apt/                                         the private state of apt (see archive.py)

A key is a digest of what the entry is made of, so an entry is never updated: it is there and complete, or it is not
there. An entry is made beside its place and renamed in one step. A `.new-` folder whose lock is free was left by a
process that died; it is removed when the next store is opened.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import json
import os
import shutil
import time
from collections.abc import Generator, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any

from filelock import FileLock, Timeout

from ppiov.errors import DiskFull, PpiovError, Unwritable, of_system
from ppiov.events import Event, Waiting
from ppiov.paths import cache_dir, writable_dir

SCHEMA = 1
_MANIFEST = "manifest.json"
_NEW = ".new-"
_POLL_SECONDS = 0.2
_CURE = "it is a part of the store and must belong to you"

_held: dict[Path, IO[str]] = {}  # locks that go with this process


@dataclass(frozen=True, slots=True)
class Entry:
    """A complete entry."""

    kind: str
    key: str
    path: Path
    made: str  # UTC, ISO 8601, to the microsecond: the order in which entries were made
    size: int  # bytes on disk
    facts: dict[str, Any]  # what the maker of the entry wants to know about it later; JSON


class Lock:
    """A lock that this process holds; its holder's file says so to those who wait."""

    def __init__(self, lock: FileLock, holder: Path) -> None:
        self._lock, self._holder = lock, holder

    def release(self) -> None:
        self._holder.unlink(missing_ok=True)
        self._lock.release()

    def __enter__(self) -> Lock:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()


class Fresh:
    """An entry in the making: fill ``path``, then ``commit()``."""

    def __init__(self, store: Store, kind: str, key: str, path: Path) -> None:
        self._store, self._kind, self._key, self.path = store, kind, key, path

    def commit(self, facts: dict[str, Any]) -> Entry:
        """Write the manifest and move the entry to its place in one step."""
        manifest = {
            "schema": SCHEMA,
            "made": datetime.now(UTC).isoformat(timespec="microseconds"),
            "size": tree_size(self.path),
            "facts": facts,
        }
        with (self.path / _MANIFEST).open("w") as file:
            json.dump(manifest, file, indent=1)
            file.flush()
            os.fsync(file.fileno())
        place = self._store.place(self._kind, self._key)
        if place.exists():  # without a readable manifest, or it would have been used: not an entry
            shutil.rmtree(place)
        self.path.rename(place)
        entry = self._store.entry(self._kind, self._key)
        assert entry is not None  # it has just been written
        return entry


class Store:
    """The store below ``root`` (by default :func:`ppiov.paths.cache_dir`). Opening it removes what the dead left."""

    def __init__(self, root: Path | None = None) -> None:
        self.root = cache_dir() if root is None else writable_dir(root.absolute(), "name a folder that you can write")
        self.sweep()

    def dir(self, name: str) -> Path:
        """The folder ``name`` of the store, created if absent."""
        return writable_dir(self.root / name, _CURE)

    def place(self, kind: str, key: str) -> Path:
        """Where the entry is, or will be."""
        return self.dir(kind) / key

    def entry(self, kind: str, key: str) -> Entry | None:
        """The entry, or None if there is no complete one."""
        path = self.root / kind / key
        try:
            manifest = json.loads((path / _MANIFEST).read_text())
            if manifest["schema"] != SCHEMA:
                return None
            return Entry(kind, key, path, str(manifest["made"]), int(manifest["size"]), dict(manifest["facts"]))
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def entries(self, kind: str) -> list[Entry]:
        """All complete entries of a kind, the oldest first."""
        folder = self.root / kind
        names = sorted(p.name for p in folder.iterdir() if not p.name.startswith(".")) if folder.is_dir() else []
        found = [entry for name in names if (entry := self.entry(kind, name))]
        return sorted(found, key=lambda entry: entry.made)

    def use(self, entry: Entry) -> Entry:
        """Keep ``entry`` from :meth:`collect` until this process ends, and note that it was used now."""
        self._hold(self._lock_paths(entry_lock(entry.kind, entry.key))[0].with_suffix(".use"))
        try:
            os.utime(entry.path / _MANIFEST)
        except FileNotFoundError as error:
            raise PpiovError(f"{entry.path} has just been removed by another process: call again") from error
        except OSError:  # read only, or another user's: nobody will collect it either
            pass
        return entry

    def last_used(self, entry: Entry) -> float:
        """When :meth:`use` last said so, in seconds since the epoch."""
        return (entry.path / _MANIFEST).stat().st_mtime

    def collect(self, path: Path) -> bool:
        """Remove the entry or folder ``path`` unless a living process makes or uses it; says whether it is gone.

        Raises Unwritable, as all that takes a lock here, where the lock's file cannot be opened.
        """
        name = entry_lock(path.parent.name, path.name)
        with suppress(Timeout), _taken(FileLock(self._lock_paths(name)[0])), self._unused(name) as unused:
            if unused:
                grave = path.with_name(_NEW + path.name)
                shutil.rmtree(grave, ignore_errors=True)
                path.rename(grave)
                shutil.rmtree(grave, ignore_errors=True)
                return True
        return False

    def unused(self, path: Path) -> bool:
        """Whether :meth:`collect` would remove the entry or folder ``path``."""
        name = entry_lock(path.parent.name, path.name)
        with suppress(Timeout), _taken(FileLock(self._lock_paths(name)[0])), self._unused(name) as unused:
            return unused
        return False

    @contextmanager
    def _unused(self, name: str) -> Iterator[bool]:
        """Whether no process holds what :meth:`use` takes; if none does, none can while the block lasts."""
        path = self._lock_paths(name)[0].with_suffix(".use")
        with _opened(path):
            file = path.open("a")
        with file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                yield False
            else:
                yield True

    def _hold(self, path: Path) -> None:
        """Lock ``path`` for as long as this process lives, beside others that do the same."""
        if path in _held:
            return
        with suppress(OSError):
            file = path.open("a")
            fcntl.flock(file, fcntl.LOCK_SH)
            _held[path] = file

    def remove(self, entry: Entry) -> None:
        """Remove an entry; it is gone as an entry before its files go. The caller holds its lock."""
        grave = entry.path.with_name(_NEW + entry.key)
        shutil.rmtree(grave, ignore_errors=True)
        entry.path.rename(grave)
        shutil.rmtree(grave, ignore_errors=True)

    def lock(self, name: str, what: str) -> Generator[Event, None, Lock]:
        """Take the lock ``name``; while another process has it, say once who, and wait. ``what`` names it to the user.

        ``lock = yield from store.lock(...)``, then ``with lock:``.
        """
        path, holder = self._lock_paths(name)
        lock = FileLock(path)
        told = False
        while True:
            try:
                _taken(lock)
                break
            except Timeout:
                if not told:
                    pid = holder.read_text().strip() if holder.is_file() else ""
                    yield Waiting(f"{what} is in use by process {pid or 'unknown'}; waiting for it")
                    told = True
                time.sleep(_POLL_SECONDS)
        with suppress(OSError):  # on a full disk the lock still holds; only its holder's name is unknown
            holder.write_text(f"{os.getpid()}\n")
        return Lock(lock, holder)

    @contextmanager
    def fresh(self, kind: str, key: str, place: str = "") -> Iterator[Fresh]:
        """An empty folder to make the entry in, removed unless committed. The caller holds the entry's lock.

        With ``place`` the folder is called after that instead of the key: the same path for the next entry that is
        made there, which a compiler's cache needs. The caller holds the lock of ``place``, too.
        """
        path = self.dir(kind) / (_NEW + (place or key))
        shutil.rmtree(path, ignore_errors=True)
        with self.room(path, f"{kind}/{key}"):
            path.mkdir()
            try:
                yield Fresh(self, kind, key, path)
            finally:
                shutil.rmtree(path, ignore_errors=True)

    def sweep(self) -> list[Path]:
        """Remove the half-made entries of processes that are gone, and return them."""
        swept = []
        for path in sorted(self.root.glob(f"*/{_NEW}*")):
            lock = FileLock(self._lock_paths(entry_lock(path.parent.name, path.name.removeprefix(_NEW)))[0])
            with suppress(Timeout), _taken(lock):
                shutil.rmtree(path, ignore_errors=True)
                swept.append(path)
        return swept

    def need(self, size: int, what: str) -> None:
        """Raise :class:`DiskFull` if fewer than ``size`` bytes are free where the store is."""
        free = shutil.disk_usage(self.root).free
        if free < size:
            raise DiskFull(f"{what} needs {mb(size)} in {self.root}, where {mb(free)} are free")

    @contextmanager
    def room(self, path: Path, what: str) -> Iterator[None]:
        """Turn "no space left" into a sentence that says what was being written, and where."""
        try:
            yield
        except OSError as error:
            if error.errno not in (errno.ENOSPC, errno.EDQUOT):
                raise
            raise self.full(what, path) from error

    def full(self, what: str, path: Path | None = None) -> PpiovError:
        """The error for a write that failed although :meth:`need` had found enough space, or could not know."""
        free = shutil.disk_usage(self.root).free
        return DiskFull(f"no space left in {path or self.root} while writing {what} ({mb(free)} are free)")

    def _lock_paths(self, name: str) -> tuple[Path, Path]:
        folder = self.dir("locks")
        return folder / f"{name}.lock", folder / f"{name}.pid"


def _taken(lock: FileLock) -> AbstractContextManager[object]:
    """Take it now; released at the end of a ``with``. Raises Timeout where another process has it, and Unwritable."""
    with _opened(Path(lock.lock_file)):
        return lock.acquire(blocking=False)


@contextmanager
def _opened(path: Path) -> Iterator[None]:
    """A lock's file that cannot be opened becomes the sentence that the user gets."""
    try:
        yield
    except Timeout:  # an OSError, too
        raise
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise of_system(error, path) from error
        raise Unwritable(f"{path} cannot be opened ({error.strerror}): {_CURE}") from error


def entry_lock(kind: str, key: str) -> str:
    """The name of the lock under which an entry is made or removed."""
    return f"{kind}-{key}"


def digest(parts: Iterable[str | bytes]) -> str:
    """16 hex digits over ``parts``, whose boundaries count."""
    total = hashlib.sha256()
    for part in parts:
        data = part.encode() if isinstance(part, str) else part
        total.update(len(data).to_bytes(8, "little") + data)
    return total.hexdigest()[:16]


def file_sha256(path: Path) -> str:
    """The SHA-256 of a file, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def tree_size(path: Path) -> int:
    """Bytes that the files below ``path`` take on disk."""
    return sum(p.lstat().st_blocks * 512 for p in path.rglob("*"))


def mb(size: float) -> str:
    """A size for a sentence: "107 MB" (decimal megabytes, as apt counts)."""
    return f"{size / 1e6:.1f} MB" if size < 10e6 else f"{size / 1e6:.0f} MB"
