# SPDX-License-Identifier: GPL-2.0-only
"""Which objects a patch is to be judged by: those of the files it touches, and of files that include its headers."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from pathlib import PurePosixPath

from ppiov.series.patch import Patch
from ppiov.series.scratch import GitFailed, Scratch

_NOT_KERNEL = ("tools/", "scripts/", "samples/", "Documentation/", "usr/", "rust/", "LICENSES/")
_ARCH = re.compile(r"arch/(?P<arch>[^/]+)/")
_ROOTS = ("include/uapi/", "include/", "arch/x86/include/uapi/", "arch/x86/include/")
_DEPTH = 3  # headers that include headers


def of(patch: Patch, scratch: Scratch, commit: str, most: int) -> tuple[list[str], int]:
    """The objects to build, and how many more there would be; ``most``: of files that include a touched header.

    ``commit`` is the side of the patch whose files are looked at. Raises GitFailed.
    """
    paths = [t.path if commit == patch.commit else t.before for t in patch.touched]
    own = {_object(path) for path in paths if path.endswith((".c", ".S")) and _compiled(path)}
    headers = [path for path in paths if path.endswith(".h") and _compiled(path)]
    others = [name for name in includers(scratch, commit, headers) if name not in own] if headers else []
    return [*sorted(own), *others[:most]], max(len(others) - most, 0)


def includers(scratch: Scratch, commit: str, headers: Iterable[str]) -> list[str]:
    """The objects of files that include one of ``headers``, directly or by another header; the nearest first."""
    found: dict[str, tuple[int, bool, int, str]] = {}
    level, seen = set(headers), set(headers)
    for depth in range(_DEPTH):
        above: set[str] = set()
        for header in sorted(level):
            for path in _including(scratch, commit, header):
                if path.endswith(".h"):
                    above.add(path)
                elif path.endswith(".c") and _compiled(path):
                    own = PurePosixPath(path).stem != PurePosixPath(header).stem  # foo.c has what foo.h declares
                    rank = (depth, own, -_common(header, path), path)
                    found[path] = min(found.get(path, rank), rank)
        level = above - seen
        seen |= level
        if not level or len(found) > 200:
            break
    return [_object(path) for path in sorted(found, key=lambda path: found[path])]


def _including(scratch: Scratch, commit: str, header: str) -> list[str]:
    """The files at ``commit`` that name a header in an #include, as far as its name tells."""
    spellings = [f"<{header.removeprefix(root)}>" for root in _ROOTS if header.startswith(root)]
    patterns = [word for spelling in spellings for word in ("-e", f"#include {spelling}")]
    found = _grep(scratch, commit, patterns, ()) if patterns else []
    folder = str(PurePosixPath(header).parent)
    quoted = f'"{PurePosixPath(header).name}"'
    return sorted({*found, *_grep(scratch, commit, ["-e", f"#include {quoted}"], (folder,))})


def _grep(scratch: Scratch, commit: str, patterns: list[str], folders: tuple[str, ...]) -> list[str]:
    try:
        raw = scratch.git("grep", "-l", "-z", "-F", *patterns, commit, "--", *(folders or ("*.c", "*.h")))
    except GitFailed:  # nothing found
        return []
    return [os.fsdecode(name).partition(":")[2] for name in raw.split(b"\0") if name]


def _object(path: str) -> str:
    return str(PurePosixPath(path).with_suffix(".o"))


def _compiled(path: str) -> bool:
    """Whether a file can be a part of an x86 kernel."""
    match = _ARCH.match(path)
    return not path.startswith(_NOT_KERNEL) and (match is None or match["arch"] == "x86")


def _common(header: str, path: str) -> int:
    """How many folders the two have in common."""
    plain = header
    for root in _ROOTS:
        plain = plain.removeprefix(root)
    count = 0
    for one, other in zip(PurePosixPath(plain).parts, PurePosixPath(path).parts, strict=False):
        if one != other:
            break
        count += 1
    return count
