# SPDX-License-Identifier: GPL-2.0-only
"""kernel-doc comments, judged by the tree's own kernel-doc."""

from __future__ import annotations

from collections.abc import Generator, Iterable
from pathlib import Path

from ppiov.events import Event
from ppiov.series import warnings
from ppiov.series.check import Check, failed, passed, skipped
from ppiov.series.patch import Patch, Touched
from ppiov.series.place import Place, run
from ppiov.series.results import CheckResult, Relation

_SCRIPT = "scripts/kernel-doc"
_PARTS = (_SCRIPT, "scripts/kernel-doc.py", "scripts/lib/kdoc", "tools/docs", "tools/lib/python/kdoc")


def kdoc(patch: Patch, place: Place) -> Generator[Event, None, CheckResult]:
    """kernel-doc says nothing new about the C files that the patch touches."""
    files = [t for t in patch.touched if t.path.endswith((".c", ".h")) and t.is_file]
    if not files:
        return skipped("no C file")
    if not place.scratch.id_of(place.series.base, _SCRIPT):
        return skipped(f"the tree has no {_SCRIPT}")
    tree = yield from place.base_tree()
    with place.files(patch, files) as (before, after):
        old = _warnings(tree, before, [t.before for t in files])
        now = _warnings(tree, after, [t.path for t in files])
    renamed = names(files)
    more = [warning.shown for warning in warnings.new(old, now, renamed)]
    again = f"{_SCRIPT} -none -Wall {' '.join(t.path for t in files[:4])}{' ...' if len(files) > 4 else ''}"
    if more:
        text = f"{len(more)} new warning{'s' if len(more) > 1 else ''}"
        return failed(text, details=more, command=again, relation=Relation.NEW)
    return passed("nothing new" if now else "quiet", command=again)


def _warnings(tree: Path, side: Path, names: list[str]) -> list[warnings.Warning]:
    there = [f"./{name}" for name in names if name and (side / name).is_file()]
    if not there:
        return []
    # a script of the tree, run as a program: it has been Perl, and is Python now
    _, out, err = run([tree / _SCRIPT, "-none", "-Wall", *there], cwd=side, env={"PYTHONDONTWRITEBYTECODE": "1"})
    # 7.3's says everything twice
    return warnings.parse(dict.fromkeys([*out.splitlines(), *err.splitlines()]))


def names(files: Iterable[Touched]) -> dict[str, str]:
    """What files were called before -> what they are called after."""
    return {t.before: t.path for t in files if t.before and t.before != t.path}


def _reads(_patch: Patch, place: Place) -> Iterable[str]:
    return [place.scratch.id_of(place.series.base, part) for part in _PARTS]


def _blobs(patch: Patch, place: Place) -> Iterable[str]:
    """The files' contents before the patch: a patch-id does not say what is around it."""
    yield from _reads(patch, place)
    yield from (place.scratch.id_of(patch.parent, t.before) for t in patch.touched if t.before)


CHECKS = (Check("kdoc", "kernel-doc says nothing new", kdoc, message=False, reads=_blobs),)
