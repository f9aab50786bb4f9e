# SPDX-License-Identifier: GPL-2.0-only
"""Reports: pure functions from a Run to text, and one that writes them all into the run's folder.

Every format is deterministic: the same Run gives the same bytes, so a report can be compared and cached. A format is a
module of this package with a ``render(run) -> str``; it is imported when it is asked for, since HTML brings matplotlib.
"""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Final

from ppiov.folder import RunFolder, write_atomically
from ppiov.results import Run

FILES: Final[dict[str, str]] = {
    "text": "report.txt",
    "markdown": "report.md",
    "html": "report.html",
    "junit": "junit.xml",
    "ktap": "report.ktap",
    "kcidb": "kcidb.json",
}
"""Format -> its file's name in the run folder."""


def render(run: Run, form: str) -> bytes:
    """The report in the format ``form``, a key of FILES."""
    text: str = import_module(f"ppiov.report.{form}").render(run)
    return text.encode("utf-8", "replace")


def write_all(folder: RunFolder, run: Run) -> tuple[Path, ...]:
    """Write every report into the folder and return their paths. Raises DiskFull."""
    paths = []
    for form, name in FILES.items():
        path = folder.path / name
        write_atomically(path, render(run, form))
        paths.append(path)
    return tuple(paths)
