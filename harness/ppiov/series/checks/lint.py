# SPDX-License-Identifier: GPL-2.0-only
"""Linters for what is not C, over the files that a patch touches; only what is new counts."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from ppiov.series import warnings
from ppiov.series.check import CannotSay, Check, failed, passed, plain, skipped
from ppiov.series.checks.docs import names
from ppiov.series.patch import Patch, Touched
from ppiov.series.place import Place, find_program, run
from ppiov.series.results import CheckResult, Relation

# The tools print file:line:column: code text; [level] before the text is yamllint's
_LINE = re.compile(r"(?P<file>[^\s:][^:]*):(?P<line>\d+):(?P<column>\d+): (?P<text>.*)")


def _lint(
    program: str,
    package: str,
    options: Sequence[str],
    wanted: Callable[[Touched, Place, Patch], bool],
    patch: Patch,
    place: Place,
) -> CheckResult:
    files = [t for t in patch.touched if t.is_file and wanted(t, place, patch)]
    if not files:
        return skipped("no such file")
    found = find_program(program)
    if found is None:
        raise CannotSay(f"{program} is missing: {package}")
    with place.files(patch, files) as (before, after):
        old = _said([found, *options], before, [t.before for t in files])
        now = _said([found, *options], after, [t.path for t in files])
    more = [warning.shown for warning in warnings.new(old, now, names(files))]
    again = " ".join([program, *options, *(t.path for t in files[:4])]) + (" ..." if len(files) > 4 else "")
    if more:
        text = f"{len(more)} new finding{'s' if len(more) > 1 else ''}"
        return failed(text, details=more, command=again, relation=Relation.NEW)
    return passed("nothing new" if now else "quiet", command=again)


def _said(command: Sequence[str], side: Path, paths: Sequence[str]) -> list[warnings.Warning]:
    there = [f"./{path}" for path in paths if path and (side / path).is_file()]
    if not there:
        return []
    _, out, _ = run([*command, *there], cwd=side, env={"RUFF_NO_CACHE": "1", "NO_COLOR": "1"})
    found = []
    for line in out.splitlines():
        if match := _LINE.fullmatch(line):
            file = match["file"].removeprefix("./")
            found.append(
                warnings.Warning(file, "", match["text"], error=False, shown=f"{file}:{match['line']}: {match['text']}")
            )
    return found


def _is(suffix: str, shebang: bytes) -> Callable[[Touched, Place, Patch], bool]:
    def wanted(touched: Touched, place: Place, patch: Patch) -> bool:
        if touched.path.endswith(suffix):
            return True
        if "." in touched.path.rpartition("/")[2]:
            return False
        return shebang in (place.scratch.blob(patch.commit, touched.path) or b"").partition(b"\n")[0]

    return wanted


def _check(name: str, package: str, options: Sequence[str], wanted: Callable[[Touched, Place, Patch], bool]) -> Check:
    def reads(patch: Patch, place: Place) -> Iterable[str]:
        found = find_program(name)
        yield _version(found) if found else "missing"
        yield from options
        yield from (place.scratch.id_of(patch.parent, t.before) for t in patch.touched if t.before)

    function = functools.partial(_lint, name, package, options, wanted)

    def programs() -> Iterable[str]:
        if found := find_program(name):
            yield f"{name} {_version(found)}"

    about = f"{name} says nothing new"
    return Check(name, about, plain(function), message=False, reads=reads, programs=programs)


@functools.cache
def _version(program: str) -> str:
    """The first number in what it says about itself."""
    said = run([program, "--version"], cwd=Path("/"))[1]
    return next(iter(re.findall(r"\d+(?:\.\d+)+", said)), said.strip())


CHECKS = (
    _check("ruff", "pip install ruff", ("check", "--isolated", "--output-format=concise"), _is(".py", b"python")),
    _check("shellcheck", "apt install shellcheck", ("--format=gcc", "--exclude=SC1090,SC1091"), _is(".sh", b"sh")),
    _check("yamllint", "pip install yamllint", ("-d", "relaxed", "--format=parsable"), _is(".yaml", b"\0")),
)
