# SPDX-License-Identifier: GPL-2.0-only
"""A bisection's folder: how its story gets there, and back.

::

    results/bisect-20260102T030405-NAME/
        bisect.json    the story (story.py), versioned
        journal.jsonl  the answers that the search got (journal.py)
        bisect.log     the same as `git bisect log` has it, for `git bisect replay`
        report.txt report.html   at the end
        runs/          run folders of benches and tests
        console.log    of guests that stay
    results/bisect-latest   symbolic link to the newest
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import Final

from filelock import FileLock, Timeout
from pydantic import TypeAdapter, ValidationError

from ppiov.bisect.gitlog import log_of
from ppiov.bisect.history import History, Revision
from ppiov.bisect.model import Change
from ppiov.bisect.request import BisectRequest
from ppiov.bisect.story import SCHEMA, Line, State, Story
from ppiov.environment import describe
from ppiov.errors import BadRunFolder
from ppiov.folder import point_at, write_atomically

LATEST: Final = "bisect-latest"
FILE: Final = "bisect.json"
_STORY: TypeAdapter[Story] = TypeAdapter(Story)


def create(request: BisectRequest, history: History) -> Story:
    """A new folder with a story that has just begun. Raises DiskFull, BadRunFolder."""
    now = datetime.now(UTC)
    oracle = request.oracle
    what = oracle.name or (oracle.script.stem if oracle.script else "")
    label = "".join(c if c.isalnum() or c in "._" else "-" for c in what)[:40].strip("-")
    results = request.results_dir.absolute()
    try:
        results.mkdir(parents=True, exist_ok=True)
        for number in count(1):
            path = results / f"bisect-{now:%Y%m%dT%H%M%S}-{label}{'' if number == 1 else f'-{number}'}"
            try:
                path.mkdir()
                break
            except FileExistsError:
                continue
        point_at(results / LATEST, path.name)
    except OSError as error:
        raise BadRunFolder(f"{results} cannot be written: {error.strerror}") from error
    story = Story(request, history, path, f"{now:%Y-%m-%dT%H:%M:%SZ}", describe())
    save(story)
    return story


def save(story: Story, state: State | None = None, reason: str = "") -> None:
    """Write the story, and the log. Raises DiskFull."""
    story.state, story.reason = state or story.state, reason
    raw = dataclasses.asdict(story)
    write_atomically(story.folder / FILE, json.dumps(raw, indent=1, default=str).encode() + b"\n")
    if story.lines and not story.request.packages:
        write_atomically(story.folder / "bisect.log", log(story).encode())


def load(path: Path) -> Story:
    """Read the story of a folder, or of the one that holds its file. Raises BadRunFolder."""
    file = path if path.is_file() else path / FILE
    try:
        raw = json.loads(file.read_bytes())
    except OSError as error:
        raise BadRunFolder(f"{file} cannot be read: {error.strerror}") from None
    except ValueError:
        raise BadRunFolder(f"{file} is truncated or not JSON") from None
    if not isinstance(raw, dict) or raw.get("schema") != SCHEMA:
        raise BadRunFolder(f"{file} is not a bisection of schema {SCHEMA}")
    try:
        story = _STORY.validate_python(raw)
    except ValidationError as error:
        first = error.errors()[0]
        raise BadRunFolder(f"{file}: {'.'.join(map(str, first['loc']))}: {first['msg']}") from None
    story.folder = file.parent.resolve()  # it may have been moved
    return story


def claim(folder: Path, held: ExitStack) -> bool:
    """Hold a bisection's folder until ``held`` is left, or say that another process does. Raises BadRunFolder."""
    lock = FileLock(folder / ".lock")
    try:
        lock.acquire(blocking=False)
    except Timeout:
        return False
    except OSError as error:
        raise BadRunFolder(f"{folder} cannot be written: {error.strerror}") from error
    held.callback(lock.release)
    return True


def unfinished(request: BisectRequest, history: History, held: ExitStack) -> Story | None:
    """The newest story of the same request over the same history that has not come to its end, and that no other
    process is working on; it is claimed."""
    results = request.results_dir.absolute()
    for path in sorted(results.glob("bisect-2*/"), reverse=True):
        try:
            story = load(path)
        except BadRunFolder:
            continue
        same = dataclasses.replace(story.request, resume=None) == request and story.history == history
        goes_on = same and story.state in (State.RUNNING, State.INTERRUPTED, State.ABORTED)
        if goes_on and claim(story.folder, held):
            return story
    return None


def log(story: Story) -> str:
    """The search so far as `git bisect log` has it: along the request's line and on into what a merge brought.

    git knows one first bad commit: of several changes it is the first one, in the history's order.
    """
    marks: list[tuple[Revision, str]] = []
    first: Revision | None = None
    candidates: Sequence[Revision] = ()
    line: Line | None = story.lines[0]
    while line is not None:
        change = line.found.changes[0] if line.found and line.found.changes else None
        marks += _marks(line, change)
        if change is None:
            break
        points = line.history.points
        first, candidates = points[change.last] if change.one else None, points[change.first : change.last + 1]
        line = None
        for other in story.lines:
            if other.merge is None or other.merge != first:
                continue
            inside = next(iter(other.found.changes), None) if other.found else None
            if inside is not None and inside.diff.relation is change.diff.relation:
                line = other  # of an octopus' branches git can go on in one
            else:
                marks += _marks(other, None)
    return log_of(marks, first, candidates)


def _marks(line: Line, change: Change | None) -> Iterator[tuple[Revision, str]]:
    """The verdicts along one line, as far as there are any, its ends first; ``change`` is what it is blamed for."""
    points, found, size = line.history.points, line.found, line.history.size
    if change:
        low, high = change.first - 1, change.last
    elif line.merge is not None and found:  # what was merged is not to blame
        low, high = size, size + 1
    elif line.merge is not None and not line.high:  # nothing is known of it
        return
    else:
        low, high = line.low, line.high or size
    for point in (size, 0):
        yield points[point], "good" if point <= low else "bad"
    place = {point.id: number for number, point in enumerate(points)}
    for revision, readings in line.readings.items():
        point = place[revision]
        if point in (0, size):
            continue
        if readings[-1].hole or (found and point in found.holes):
            yield points[point], "skip"
        elif point <= low or point >= high:
            yield points[point], "good" if point <= low else "bad"
