# SPDX-License-Identifier: GPL-2.0-only
"""Which sparse checks the modules of a kernel, found out by asking it.

The headers of newer kernels say ``__typeof_unqual__`` to a checker, which sparse 0.6.4 does not know. Kbuild tries that
first, by a script of its own, and checks nothing if it fails. Where this machine's sparse is too old, a newer one comes
from a later release of Debian (tools.py). Debian's packaged headers of 7.3 lack the script, so with them Kbuild finds
every sparse too old: there make is told to check all the same.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from pathlib import Path

from ppiov import child, tools
from ppiov.events import Event
from ppiov.store import Store

_SCRIPT = "scripts/checker-valid.sh"
_TRIAL = """\
static inline int read(const int *from)
{
	__typeof_unqual__(*from) value = *from;
	return value;
}
"""
_INCLUDE = re.compile(r"^include\s.*?([^\s()]+)/Makefile\)?$", re.M)


@dataclass(frozen=True, slots=True)
class Checker:
    """A sparse that understands the headers of one kernel."""

    command: str  # "sparse" is the machine's own
    words: tuple[str, ...]  # for make

    @property
    def about(self) -> tuple[str, ...]:
        """What of it belongs into a key: where it is does not."""
        if self.command == "sparse":
            return self.words
        _, out, _ = child.output([self.command, "--version"])
        return (out.strip(), *(word for word in self.words if not word.startswith("CHECK=")))


def find(build: Path, store: Store) -> Generator[Event, None, Checker]:
    """The sparse for modules of the kernel whose headers are ``build``.

    Raises MissingTool if this machine has none, and what tools.get() raises where a newer one is needed.
    """
    child.find_tool("sparse")
    asks = [folder for folder in _folders(build) if _SCRIPT in (folder / "Makefile").read_text(errors="replace")]
    if not asks:
        return Checker("sparse", ("C=2",))
    how = "C=2" if any((folder / _SCRIPT).is_file() for folder in asks) else "KBUILD_CHECKSRC=2"
    if understands("sparse"):
        return Checker("sparse", (how,))
    newer = str((yield from tools.get(tools.SPARSE, store=store)) / "bin/sparse")
    return Checker(newer, (how, f"CHECK={newer}"))


def understands(sparse: str) -> bool:
    """Does it know what the headers of newer kernels say?"""
    with tempfile.NamedTemporaryFile("w", suffix=".c") as file:
        file.write(_TRIAL)
        file.flush()
        _, _, err = child.output([sparse, file.name])
    return "error" not in err


def _folders(build: Path) -> Iterator[Path]:
    """Where the kernel's makefile may be: here, or where the one here includes it from."""
    makefile = build / "Makefile"
    if makefile.is_file():
        yield build
        for match in _INCLUDE.finditer(makefile.read_text(errors="replace")):
            folder = build / match[1]
            if (folder / "Makefile").is_file():
                yield folder
