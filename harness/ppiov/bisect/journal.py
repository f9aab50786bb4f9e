# SPDX-License-Identifier: GPL-2.0-only
"""What a bisection leaves on disk, after every step, and how it goes on from there.

::

    results/bisect-20260102T030405-NAME/
        bisect.json    the request, the history and, at the end, what was found; schema SCHEMA
        journal.jsonl  a line a session: its number, its points, its readings; on the disk before the search goes on
        bisect.log     the same as `git bisect log` has it, for `git bisect replay`
        report.*       at the end
        runs/          run folders of benches and tests
        console.log    of guests that stay
    results/bisect-latest   symbolic link to the newest

The search does nothing by chance, so it is not its state that is kept but the answers that it got: the same request and
the same answers lead to the same place. The last line of a journal may be torn by a power cut; it is then dropped.
"""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from pydantic import TypeAdapter, ValidationError

from ppiov.bisect.oracle import Reading
from ppiov.errors import BadRunFolder, DiskFull
from ppiov.folder import write_atomically

SCHEMA: Final = 1


@dataclass(frozen=True, slots=True)
class Step:
    """One session that was measured."""

    points: tuple[str, ...]  # ids of revisions, in the order in which they were measured
    readings: tuple[Reading, ...]
    kept: bool = False  # it came from the store


@dataclass(slots=True)
class Journal:
    """The steps of one line of a bisection, in the order in which they were asked for."""

    path: Path
    steps: list[Step] = field(default_factory=list)
    _next: int = 0

    @classmethod
    def load(cls, path: Path) -> Journal:
        """Read what is there. Raises BadRunFolder."""
        journal = cls(path)
        try:
            lines = path.read_bytes().split(b"\n")
        except FileNotFoundError:
            return journal
        for number, line in enumerate(lines, 1):
            try:
                journal.steps.append(_STEP.validate_json(line))
            except ValidationError as error:
                if number < len(lines):
                    raise BadRunFolder(f"{path}:{number} cannot be read: {error.errors()[0]['msg']}") from None
        return journal

    def recall(self, points: Sequence[str]) -> Step | None:
        """The next step, if it is of ``points``. Raises BadRunFolder if it is of others: this is another bisection."""
        if self._next == len(self.steps):
            return None
        step = self.steps[self._next]
        if step.points != tuple(points):
            raise BadRunFolder(f"{self.path} is the journal of another bisection, or of another version of ppiov")
        self._next += 1
        return step

    def add(self, step: Step) -> None:
        """Put a step on the disk. Raises DiskFull."""
        line = json.dumps(dataclasses.asdict(step)) + "\n"
        try:
            if self.path.exists() and self._torn():
                self._rewrite()
            with self.path.open("a") as file:
                file.write(line)
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise DiskFull(f"{self.path} cannot be written: {error.strerror}") from error
        self.steps.append(step)
        self._next = len(self.steps)

    def _torn(self) -> bool:
        data = self.path.read_bytes()
        return bool(data) and not data.endswith(b"\n")

    def _rewrite(self) -> None:
        text = "".join(json.dumps(dataclasses.asdict(step)) + "\n" for step in self.steps)
        write_atomically(self.path, text.encode())


_STEP: TypeAdapter[Step] = TypeAdapter(Step)
