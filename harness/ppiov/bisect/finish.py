# SPDX-License-Identifier: GPL-2.0-only
"""The end of a bisection: what the compiler made of the change, and the reports."""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path

from ppiov.bisect import folder as folders
from ppiov.bisect import report
from ppiov.bisect.oracle import Target, built
from ppiov.bisect.story import State, Story
from ppiov.errors import PpiovError
from ppiov.events import Event, Note, StageBegun, StageEnded
from ppiov.folder import write_atomically
from ppiov.store import Store


def finish(story: Story, store: Store) -> Generator[Event, None, tuple[Path, ...]]:
    """Write what is left to write; the reports. Raises DiskFull."""
    if story.request.module is not None:
        try:
            story.functions = yield from _functions(story, store)
        except PpiovError as error:  # what was found stands without it
            yield Note(f"the modules cannot be compared: {error}", "warning")
    folders.save(story, State.COMPLETE)
    made = {"report.txt": report.text(story), "report.html": report.page(story)}
    for name, content in made.items():
        write_atomically(story.folder / name, content.encode("utf-8", "replace"))
    return tuple(story.folder / name for name in made)


def _functions(story: Story, store: Store) -> Generator[Event, None, list[str]]:
    """The functions that differ between the modules before and after each change. Both were built before."""
    from ppiov.bisect.disasm import differing  # capstone

    repository, _ = story.request.repository()
    found = []
    for line, change in story.changes:
        folders_of = []
        for number in (change.first - 1, change.last):
            target = Target(line.history.points[number], story.kernel, repository, story.image_sha256)
            _, folder = yield from built(target, story.request.oracle, store)
            assert folder is not None  # a module history has modules
            folders_of.append(folder)
        good, bad = folders_of
        yield StageBegun("disassemble", f"compare the modules around {line.history.points[change.last].name}")
        names = sorted({path.name for folder in folders_of for path in folder.glob("*.ko")})
        both = [name for name in names if (good / name).is_file() and (bad / name).is_file()]
        differences = [text for name in both for text in differing(good / name, bad / name)]
        yield StageEnded("disassemble", note=f"{len(differences)} functions differ")
        found += differences
    return found
