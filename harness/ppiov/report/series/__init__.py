# SPDX-License-Identifier: GPL-2.0-only
"""Reports of a series: pure functions from a SeriesRun to text. The same SeriesRun gives the same bytes."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Final

from ppiov.folder import RunFolder, write_atomically
from ppiov.series.results import SeriesRun

FILES: Final[dict[str, str]] = {
    "text": "report.txt",
    "markdown": "report.md",
    "html": "report.html",
    "junit": "junit.xml",
    "ktap": "report.ktap",
    "kcidb": "kcidb.json",
}
"""Format -> its file's name in the folder."""


def render(run: SeriesRun, form: str) -> bytes:
    """The report in the format ``form``, a key of FILES."""
    text: str = import_module(f"ppiov.report.series.{form}").render(run)
    return text.encode("utf-8", "replace")


def write_all(folder: RunFolder, run: SeriesRun) -> tuple[Path, ...]:
    """Write every report into the folder and return their paths. Raises DiskFull."""
    paths = []
    for form, name in FILES.items():
        path = folder.path / name
        write_atomically(path, render(run, form))
        paths.append(path)
    return tuple(paths)
