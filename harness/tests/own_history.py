# SPDX-License-Identifier: GPL-2.0-only
"""Histories of ppiov's own modules: this checkout's kernel/ and selftests/, with commits on top, one of which is to
blame."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from built import TOP
from gitrepo import Repository
from ppiov.kbuild import copy_source

SIZE = 8
# What the other commits change: a comment at the end of each is not the same source, and the same code.
_HARMLESS = (
    "kernel/nic/mac.c",
    "kernel/pool/ring.c",
    "kernel/nic/dma.c",
    "kernel/bench/refs.c",
    "kernel/pool/tx.c",
    "kernel/nic/link.c",
    "kernel/pool/provider.c",
    "kernel/nic/stats.c",
)


@dataclass(frozen=True)
class Fault:
    """One change of one file."""

    file: str
    old: str
    new: str


def repository(folder: Path, fault: Fault, culprit: int, seed: int) -> list[str]:
    """A git repository of SIZE commits on top of what is checked out; the commits, the good end first.

    ``culprit`` counts from 1. ``seed`` is in the first commit, so that the store knows nothing of this history.
    """
    made = Repository(folder)
    for name in ("kernel", "selftests"):
        copy_source(TOP / name, folder / name)
    commits = [made.commit("what is checked out", **{"kernel__SEED": f"{seed}\n"})]
    for number in range(1, SIZE + 1):
        if number == culprit:
            name, text = fault.file, (folder / fault.file).read_text()
            assert text.count(fault.old) == 1, f"{fault.file} has changed"
            text = text.replace(fault.old, fault.new)
        else:
            name = _HARMLESS[number - 1]
            text = (folder / name).read_text() + f"/* commit {number} */\n"
        commits.append(made.commit(f"commit {number}", **{name.replace("/", "__"): text}))
    return commits
