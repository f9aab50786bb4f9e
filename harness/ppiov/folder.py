# SPDX-License-Identifier: GPL-2.0-only
"""The folder that a run leaves behind, and nothing about what is in the run itself.

::

    results/20260102T030405-deb-6.12-all/   one folder per run, never reused
        run.json        the run, schema :data:`ppiov.results.SCHEMA_VERSION`; everything else can be made from it
        console.log     what the guests' kernels said
        events.log      what the engine said
        artifacts/      what tests left (packet captures, logs)
        report.txt report.html junit.xml report.ktap
    results/latest      symbolic link to the newest of them
"""

from __future__ import annotations

import dataclasses
import errno
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import TypeVar

from pydantic import TypeAdapter, ValidationError

from ppiov.errors import BadRunFolder, DiskFull, UnknownName
from ppiov.results import SCHEMA_VERSION, Run

LATEST = "latest"
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class RunFolder:
    """One run's folder; ``path.name`` is the run's id."""

    path: Path

    @property
    def console_log(self) -> Path:
        return self.path / "console.log"

    @property
    def events_log(self) -> Path:
        return self.path / "events.log"

    @property
    def artifacts(self) -> Path:
        return self.path / "artifacts"

    @property
    def run_json(self) -> Path:
        return self.path / "run.json"

    @classmethod
    def create(cls, results_dir: Path, run_id: str) -> RunFolder:
        """Make a new folder for a run and point ``results_dir/latest`` at it.

        Two runs of the same second get different folders ("...-2"), so use ``path.name`` as the run's id afterwards.
        Raises DiskFull, or BadRunFolder where the place can't be written.
        """
        with _sentences(results_dir):
            results_dir.mkdir(parents=True, exist_ok=True)
            for n in count(1):
                path = results_dir / (run_id if n == 1 else f"{run_id}-{n}")
                try:
                    path.mkdir()
                except FileExistsError:
                    continue
                break
            (path / "artifacts").mkdir()
            point_at(results_dir / LATEST, path.name)
        return cls(path)

    def save(self, run: Run) -> None:
        """Write run.json so that a reader sees the old one or the new one, never half of one.

        Characters that UTF-8 can't carry (lone surrogates out of a console) become "?". Raises DiskFull.
        """
        text = json.dumps(dataclasses.asdict(run), indent=1, ensure_ascii=False)
        write_atomically(self.run_json, text.encode("utf-8", "replace") + b"\n")

    @staticmethod
    def load(path: Path) -> Run:
        """Read the run of the folder ``path``.

        Raises BadRunFolder for one that is missing, truncated, or of a schema that this version can't read.
        """
        return read_json(RunFolder(path).run_json, _ADAPTER, SCHEMA_VERSION, "run")


def read_json(file: Path, adapter: TypeAdapter[T], version: int, what: str) -> T:
    """Read what a run has left in ``file``: a ``what`` of schema ``version``.

    Raises BadRunFolder for one that is missing, truncated, or of a schema that this version can't read.
    """
    try:
        text = file.read_bytes()
    except FileNotFoundError:
        why = "its run has not come to an end" if file.parent.is_dir() else "there is no such folder"
        raise BadRunFolder(f"{file} is missing: {why}") from None
    except OSError as e:
        raise BadRunFolder(f"{file} cannot be read: {e.strerror}") from None
    try:
        raw = json.loads(text)
    except (ValueError, RecursionError):
        raise BadRunFolder(f"{file} is truncated or not JSON") from None
    schema = raw.get("schema") if isinstance(raw, dict) else None
    if schema != version:
        raise BadRunFolder(f"{file} has schema {schema!r}; this ppiov reads schema {version}")
    try:
        return adapter.validate_python(raw)
    except ValidationError as e:
        first = e.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise BadRunFolder(f"{file} is not a {what} of schema {version}: {where}: {first['msg']}") from None


def find(results_dir: Path, which: str = LATEST) -> RunFolder:
    """The folder of the run that a user names: by its name in ``results_dir``, or by a path.

    Raises UnknownName with the nearest names; BadRunFolder where there are no runs at all, or no one may look.
    """
    try:
        for place in (results_dir / which, Path(which)):
            if place.is_dir():
                return RunFolder(place.resolve())
        known = [p.name for p in results_dir.glob("*/") if not p.name.startswith(".")] if results_dir.is_dir() else []
    except OSError as e:
        raise BadRunFolder(f"{e.filename or which} cannot be read: {e.strerror}") from e
    if not known:
        raise BadRunFolder(f"{results_dir} holds no runs yet; 'ppiov run' makes one")
    raise UnknownName("run", which, known)


def write_atomically(path: Path, data: bytes) -> None:
    """Write a file by way of a temporary one beside it; on any failure the old file stays. Raises DiskFull."""
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    with _sentences(path):
        try:
            with part.open("wb") as f:
                f.write(data)
                f.flush()
                os.fsync(f.fileno())
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)


def point_at(link: Path, target: str) -> None:
    """Make ``link`` a symbolic link to ``target``, replacing an older link in one step."""
    part = link.with_name(f".{link.name}.{os.getpid()}.part")
    part.unlink(missing_ok=True)
    part.symlink_to(target)
    try:
        part.replace(link)
    finally:
        part.unlink(missing_ok=True)


@contextmanager
def _sentences(path: Path) -> Iterator[None]:
    """Turn what the file system says into the sentence that the user gets."""
    try:
        yield
    except OSError as e:
        if e.errno in (errno.ENOSPC, errno.EDQUOT):
            raise DiskFull(f"no space left to write {path}") from e
        raise BadRunFolder(f"cannot write {path}: {e.strerror}") from e


_ADAPTER: TypeAdapter[Run] = TypeAdapter(Run)
