# SPDX-License-Identifier: GPL-2.0-only
"""Verdicts that are kept, by everything that they depend on."""

from __future__ import annotations

import functools
import json
import time
from contextlib import suppress
from pathlib import Path

from ppiov.folder import write_atomically
from ppiov.series.check import Check
from ppiov.series.patch import Patch
from ppiov.series.place import Place
from ppiov.series.results import RESULT, CheckResult
from ppiov.store import Store, digest

KIND = "verdicts"
_DAYS = 60  # what was not asked for as long goes


def key(check: Check, patch: Patch, place: Place) -> str:
    """What a verdict depends on, as a file's name."""
    parts = [_program(), check.name, check.version, patch.patch_id]
    if check.message:
        parts += [patch.subject, patch.body, patch.author, patch.committer]
    return digest([*parts, *check.reads(patch, place)])


@functools.cache
def _program() -> str:
    """What this program's own part in the verdicts is: no number that somebody would have to remember to change."""
    return digest([path.read_bytes() for path in sorted(Path(__file__).parent.rglob("*.py"))])


def get(store: Store, key: str) -> CheckResult | None:
    """The verdict, if one is kept."""
    path = _path(store, key)
    try:
        found = RESULT.validate_python(json.loads(path.read_bytes()))
        path.touch()
    except (OSError, ValueError):
        return None
    return found


def put(store: Store, key: str, result: CheckResult) -> None:
    """Keep a verdict. Raises DiskFull."""
    path = _path(store, key)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, RESULT.dump_json(result))


def forget_old(store: Store) -> None:
    """Remove what nobody has asked for in a long time."""
    limit = time.time() - _DAYS * 86400
    for path in store.dir(KIND).glob("*/*.json"):
        with suppress(OSError):
            if path.stat().st_mtime < limit:
                path.unlink()


def _path(store: Store, key: str) -> Path:
    return store.dir(KIND) / key[:2] / f"{key}.json"
