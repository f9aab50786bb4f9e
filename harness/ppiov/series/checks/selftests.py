# SPDX-License-Identifier: GPL-2.0-only
"""Selftests that nobody would run."""

from __future__ import annotations

import re
from fnmatch import fnmatch
from pathlib import PurePosixPath

from ppiov.series.check import Check, failed, passed, plain, skipped
from ppiov.series.patch import Patch
from ppiov.series.place import Place
from ppiov.series.results import CheckResult

_BELOW = "tools/testing/selftests/"
_KINDS = (".sh", ".py", ".c")
_WILDCARD = re.compile(r"\$\(wildcard ([^()]*)\)")


def check_selftest(patch: Patch, place: Place) -> CheckResult:
    """Every new script or program of the selftests is named in a Makefile of its folder or above."""
    fresh = [
        t.path
        for t in patch.touched
        if t.status in "ARC" and t.path.startswith(_BELOW) and t.path.endswith(_KINDS) and t.is_file
    ]
    if not fresh:
        return skipped("no new selftest")
    lost = [path for path in fresh if not _named(path, patch, place)]
    if lost:
        return failed(f"{lost[0]} is in no Makefile", details=[f"{path}: in no Makefile" for path in lost])
    return passed(f"{len(fresh)} new, in a Makefile")


def _named(path: str, patch: Patch, place: Place) -> bool:
    """Whether a Makefile says the file's name, or takes all of its folder."""
    file = PurePosixPath(path)
    word = file.stem if file.suffix == ".c" else file.name
    for folder in file.parents:
        if not f"{folder}/".startswith(_BELOW):
            return False
        for name in ("Makefile", "lib.mk", "files.mk"):
            text = (place.scratch.blob(patch.commit, f"{folder}/{name}") or b"").decode(errors="replace")
            flat = text.replace("\\\n", " ")
            if word in flat.replace("=", " ").replace("/", " ").split():
                return True
            here = str(file.relative_to(folder))
            if any(fnmatch(here, pattern) for group in _WILDCARD.findall(flat) for pattern in group.split()):
                return True
    return False


CHECKS = (
    Check("check_selftest", "every new selftest is in a Makefile", plain(check_selftest), message=False, kept=False),
)
