# SPDX-License-Identifier: GPL-2.0-only
"""What the tests of built C code share: the kernel's headers, and a build of a few files against them.

These tests have the marker ``build``. Nothing is fetched for them: tox's environment of that name has put the kernel
into the store before it calls them.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import fake_archive
import pytest
from ppiov import kernels
from ppiov.kernels import KernelTree
from ppiov.spec import KernelSpec
from ppiov.store import Store

TOP = Path(__file__).resolve().parents[2]


def kernel_with_headers() -> KernelTree:
    """The kernel of PPIOV_KERNEL, if the store has it; else the test is skipped, and says what would bring it."""
    fake_archive.need("make", "sparse")
    spec = os.environ.get("PPIOV_KERNEL", "deb:6.12")
    tree = kernels.already_there(KernelSpec.parse(spec), store=Store())
    if tree is None or tree.build is None:
        pytest.skip(f"the store has no headers of {spec} (ppiov kernel get {spec})")
    return tree


@dataclass(frozen=True, slots=True)
class Outcome:
    """What make said."""

    code: int
    log: str

    @property
    def ok(self) -> bool:
        return self.code == 0 and "warning:" not in self.log


def make(tree: KernelTree, folder: Path, *words: str) -> Outcome:
    """Call the kernel's build system on ``folder``, in English, with none of an outer make's settings."""
    assert tree.build is not None
    env = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    done = subprocess.run(
        ["make", "-C", tree.build, f"M={folder}", "W=1", *words],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        env={**env, "LC_ALL": "C"},
        timeout=600,
        check=False,
    )
    return Outcome(done.returncode, done.stdout)


def copy_headers(into: Path) -> Path:
    """A copy of what a provider's module includes, to be changed; returns its kernel/."""
    for name in ("include", "compat"):
        shutil.copytree(TOP / "kernel" / name, into / "kernel" / name)
    return into / "kernel"


def compile_one(tree: KernelTree, folder: Path, source: str, headers: Path, *words: str) -> Outcome:
    """Compile ``source`` as a module's file against ``headers`` (a kernel/); a warning of sparse is an error."""
    folder.mkdir()
    (folder / "Kbuild").write_text(f"obj-m := probe.o\nccflags-y := -I{headers}/include\n")
    (folder / "probe.c").write_text(source)
    return make(tree, folder, "C=2", "CF=-Wsparse-error", *words, "probe.o")


def change(path: Path, changes: Mapping[str, str]) -> None:
    """Replace text that must be there once."""
    text = path.read_text()
    for old, new in changes.items():
        assert text.count(old) == 1, f"{path.name} has {old!r} {text.count(old)} times"
        text = text.replace(old, new)
    path.write_text(text)
