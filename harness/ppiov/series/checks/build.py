# SPDX-License-Identifier: GPL-2.0-only
"""Does it build, and is every warning one that was there before?

Each flavour builds, before the patch and with it, the objects that the patch touches and some of those that include its
headers. A warning counts by what it is (warnings.py), and an object that did not build before is not the patch's.
"""

from __future__ import annotations

import functools
from collections.abc import Generator, Iterable, Mapping
from pathlib import Path

from ppiov.errors import BuildFailed
from ppiov.events import Event
from ppiov.series import builder, objects, warnings
from ppiov.series.builder import Builder, Compiled, Flavour
from ppiov.series.check import Check, failed, passed, skipped, warned
from ppiov.series.checks.docs import names
from ppiov.series.patch import Patch
from ppiov.series.place import Place
from ppiov.series.results import CheckResult, Relation
from ppiov.toolchain import Toolchain

FLAVOURS = (
    Flavour("build_gcc", "gcc, W=1 and sparse", "x86_64", False, ("W=1", "C=1")),
    Flavour("build_clang", "clang, W=1", "x86_64", True, ("W=1",)),
    Flavour("build_32bit", "gcc for 32 bit, W=1", "i386", False, ("W=1",)),
)


def build(flavour: Flavour, patch: Patch, place: Place) -> Generator[Event, None, CheckResult]:
    """The objects build, and nobody says anything new about them."""
    most, whole = place.options.includers, place.options.whole_tree
    after_names, more = objects.of(patch, place.scratch, patch.commit, most)
    before_names, _ = objects.of(patch, place.scratch, patch.parent, most)
    before_names += [name for name in after_names if name not in before_names]  # make says which were not there
    if not after_names and not before_names and not whole:
        return skipped("nothing that is compiled into a kernel")
    tree = yield from place.scratch.at(patch.parent)  # where the build begins: another commit would touch its files
    tools = _tools(flavour, str(tree))  # one that is missing ends it here
    use = _builder(flavour, place, tools)
    try:
        before = yield from use.build(patch.parent, None if whole else before_names)
    except BuildFailed as error:
        before, unprepared = {}, str(error)
    else:
        unprepared = ""
    try:
        after = yield from use.build(patch.commit, None if whole else after_names)
    except BuildFailed as error:
        if unprepared:
            return warned(f"as before: {error}")
        return failed(str(error), command=use.command(after_names), relation=Relation.NEW)
    return judged(before, after, patch, use.command(after_names), more, len(after_names))


def judged(
    before: Mapping[str, Compiled],
    after: Mapping[str, Compiled],
    patch: Patch,
    command: str,
    more: int = 0,
    asked: int = 0,
) -> CheckResult:
    """The verdict, from what was said of each object on both sides."""
    renamed = names(patch.touched)
    moved = {name: was for was, name in ((_object(a), _object(b)) for a, b in renamed.items())}
    old = {name: before.get(moved.get(name, name)) for name in after}
    broken = [name for name, told in after.items() if not told.ok]
    fresh = [name for name in broken if (was := old[name]) is None or was.ok]
    if fresh:
        errors = [w.shown for name in fresh for w in after[name].warnings() if w.error]
        text = errors[0] if errors else f"{fresh[0]} does not build"
        return failed(f"does not build: {text}", details=errors, command=command, relation=Relation.NEW)
    # a compiler that stops at an error has not said all, so there is nothing to compare with what did not build before
    alike = [name for name, result in after.items() if result.ok and ((was := old[name]) is None or was.ok)]
    told = [w for name in alike for w in after[name].warnings()]
    was_told = [w for name in alike if (was := old[name]) for w in was.warnings()]
    # what a header is warned about is said once for each file that includes it
    more_now = list({w.identity: w for w in _once(warnings.new(was_told, told, renamed))}.values())
    if more_now:
        text = f"{len(more_now)} new warning{'s' if len(more_now) > 1 else ''}: {more_now[0].shown}"
        return failed(text, details=[w.shown for w in more_now], command=command, relation=Relation.NEW)
    if broken:
        result = warned(f"{broken[0]} does not build, as before this patch", command=command)
        return _related(result, Relation.AS_BEFORE)
    repaired = [name for name, was in old.items() if was is not None and not was.ok]
    gone = warnings.gone(was_told, told, renamed)
    text = _counted(len(after), asked, more)
    if not after:
        return skipped("this configuration builds none of what the patch touches")
    if repaired:
        line = f"{text}; {repaired[0]} builds again, so its warnings were not compared"
        return _related(passed(line, command=command), Relation.FIXED)
    if gone and any(was is not None for was in old.values()):
        plural = "s" if len(gone) > 1 else ""
        return _related(passed(f"{text}, {len(gone)} warning{plural} less", command=command), Relation.FIXED)
    return passed(text, command=command)


def _once(found: list[warnings.Warning]) -> list[warnings.Warning]:
    return sorted(found, key=lambda warning: warning.shown)


def _counted(built: int, asked: int, more: int) -> str:
    text = f"{built} object{'s' if built != 1 else ''}"
    if 0 < built < asked:
        text += f" ({asked - built} not in this configuration)"
    return text + (f", {more} more include its headers" if more else "")


def _related(result: CheckResult, relation: Relation) -> CheckResult:
    return CheckResult("", result.verdict, result.line, relation, result.details, result.command)


def _object(path: str) -> str:
    return path[:-2] + ".o" if path.endswith((".c", ".S")) else path


@functools.cache
def _tools(flavour: Flavour, tree: str) -> Toolchain:
    return builder.toolchain_for(flavour, Path(tree))


_BUILDERS: dict[tuple[str, str, str], Builder] = {}


def _builder(flavour: Flavour, place: Place, tools: Toolchain) -> Builder:
    key = (flavour.name, str(place.scratch.folder), place.options.config)
    if key not in _BUILDERS:
        _BUILDERS[key] = Builder(place.scratch, flavour, place.options.config, tools)
    return _BUILDERS[key]


def _reads(flavour: Flavour, patch: Patch, place: Place) -> Iterable[str]:
    yield from (patch.parent_tree, patch.tree, *flavour.arguments)
    yield from (place.options.config, str(place.options.includers), str(place.options.whole_tree))
    yield from builder.made_of(flavour, place.options.config)


def _check(flavour: Flavour) -> Check:
    return Check(
        flavour.name,
        f"{flavour.title}: it builds, and no warning is new",
        functools.partial(build, flavour),
        message=False,
        reads=functools.partial(_reads, flavour),
        programs=functools.partial(builder.programs, flavour),
    )


CHECKS = tuple(map(_check, FLAVOURS))
