# SPDX-License-Identifier: GPL-2.0-only
"""What a check is given: the series, the scratch repository, and ways to look at either."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

from ppiov import child
from ppiov.events import Event
from ppiov.series.patch import Patch, Series, Touched
from ppiov.series.scratch import Scratch
from ppiov.store import Store


@dataclass(frozen=True, slots=True)
class Options:
    """What the user can choose about checks."""

    config: str = "allmodconfig"  # what is built: allmodconfig, lab, or a file
    includers: int = 12  # of a header that a patch touches: how many of the files that include it are built
    whole_tree: bool = False  # build everything, not only what a patch touches


@dataclass(frozen=True, slots=True)
class Place:
    """Where checks look. Nothing here leads to the user's tree but to its objects."""

    scratch: Scratch
    series: Series
    store: Store
    options: Options = field(default_factory=Options)

    def base_tree(self) -> Generator[Event, None, Path]:
        """The folder with the tree below the series: its scripts are the ones that are run."""
        return (yield from self.scratch.at(self.series.base))

    @contextmanager
    def files(self, patch: Patch, touched: Sequence[Touched]) -> Iterator[tuple[Path, Path]]:
        """The files before and after a patch, in two folders that are gone afterwards. Only regular files are there."""
        with TemporaryDirectory(prefix="ppiov-series-") as folder:
            sides = Path(folder) / "before", Path(folder) / "after"
            for side, commit, names in (
                (sides[0], patch.parent, [t.before for t in touched if t.before]),
                (sides[1], patch.commit, [t.path for t in touched if t.is_file]),
            ):
                side.mkdir()
                for name in names:
                    data = self.scratch.blob(commit, name)
                    path = side / name
                    # git itself refuses to make such a tree, but not to read one
                    if data is not None and side in path.parents and ".." not in path.parts:
                        path.parent.mkdir(parents=True, exist_ok=True)
                        path.write_bytes(data)
            yield sides


def find_program(program: str) -> str | None:
    """A program on the PATH or beside this Python, as in a virtual environment that was not activated."""
    own = str(Path(sys.executable).parent)
    return shutil.which(program) or shutil.which(program, path=own)


def run(
    command: Sequence[str | Path], *, cwd: Path, stdin: bytes = b"", env: Mapping[str, str] | None = None
) -> tuple[int, str, str]:
    """Run a checker to its end, with this Python before others on the PATH: exit code, output, errors."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])
    with child.child(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=cwd,
        env={"PATH": path, **(env or {})},
    ) as process:
        out, err = process.communicate(stdin)
    return process.returncode, out.decode(errors="replace"), err.decode(errors="replace")
