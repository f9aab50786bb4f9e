# SPDX-License-Identifier: GPL-2.0-only
"""The end of a bisection: what the compiler made of the change, and the reports."""

from __future__ import annotations

import filecmp
from collections.abc import Generator, Iterator, Mapping
from pathlib import Path
from typing import Final

from ppiov.bisect import folder as folders
from ppiov.bisect import report
from ppiov.bisect.history import Revision
from ppiov.bisect.oracle import Target, built
from ppiov.bisect.story import State, Story
from ppiov.errors import PpiovError
from ppiov.events import Event, Note, StageBegun, StageEnded
from ppiov.folder import write_atomically
from ppiov.store import Store

_IMAGE: Final = "vmlinux"


def finish(story: Story, store: Store) -> Generator[Event, None, tuple[Path, ...]]:
    """Write what is left to write; the reports. Raises DiskFull."""
    try:
        story.functions = yield from _functions(story, store)
    except PpiovError as error:  # what was found stands without it
        yield Note(f"the machine code cannot be compared: {error}", "warning")
    folders.save(story, State.COMPLETE)
    for form, name in report.FORMS.items():
        write_atomically(story.folder / name, report.render(story, form))
    return tuple(story.folder / name for name in report.FORMS.values())


def _functions(story: Story, store: Store) -> Generator[Event, None, list[str]]:
    """The functions that differ before and after each change, in the modules or the kernel. Both were built before;
    a packaged kernel has no symbols."""
    found = []
    changes = story.changes if story.request.packages is None else []
    for line, change in changes:
        name = line.history.points[change.last].name
        sides = []
        for number in (change.first - 1, change.last):
            sides.append((yield from _made(story, line.history.points[number], store)))
        yield StageBegun("disassemble", f"compare the machine code around {name}")
        differences = list(_differences(*sides))
        count = len(differences)
        yield StageEnded("disassemble", note=f"{count} function{' differs' if count == 1 else 's differ'}")
        found += [f"{name} {text}" for text in differences] if len(changes) > 1 else differences
    return found


def _made(story: Story, point: Revision, store: Store) -> Generator[Event, None, dict[str, Path]]:
    """What was made of a point: its modules, and a kernel's image with its symbols, by name."""
    repository = None if story.request.tree is not None else story.request.repository()[0]
    kernel = story.kernel if repository else str(story.request.tree_spec(point.id))
    target = Target(point, kernel, repository, story.image_sha256)
    tree, folder = yield from built(target, story.request.oracle, store)
    if folder is not None:
        return {path.name: path for path in folder.glob("*.ko")}
    made = {path.name: path for path in (tree.root / "lib/modules").rglob("*.ko")}
    return made | ({_IMAGE: tree.vmlinux} if tree.vmlinux is not None else {})


def _differences(good: Mapping[str, Path], bad: Mapping[str, Path]) -> Iterator[str]:
    from ppiov.bisect import disasm, disasm_image  # capstone

    for name in sorted(good.keys() & bad.keys()):
        if not filecmp.cmp(good[name], bad[name], shallow=False):
            yield from (disasm_image if name == _IMAGE else disasm).differing(good[name], bad[name])
