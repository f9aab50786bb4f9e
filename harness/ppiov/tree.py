# SPDX-License-Identifier: GPL-2.0-only
"""A kernel on disk, whatever way it got there: what the rest of the program knows about it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ppiov.spec import KernelSpec
from ppiov.store import Entry

KIND = "kernels"  # of the store's entries


@dataclass(frozen=True, slots=True)
class KernelTree:
    """A kernel on disk."""

    spec: str  # as the user wrote it
    release: str  # uname -r
    version: str  # package version, or the release for an image
    root: Path  # has lib/modules/RELEASE, as virtme looks for it beside the image
    image: Path
    build: Path | None  # for make -C; None: no headers, so no modules can be built
    config: Path | None  # None: an image without its configuration beside it
    symvers: Path | None
    image_sha256: str
    config_sha256: str  # "" without a configuration
    source: Path | None = None  # all of it; only of a kernel that was built here
    vmlinux: Path | None = None  # with the symbol table; with DWARF where the kernel was built with it
    make_flags: tuple[str, ...] = ()  # what modules must be built with besides: LLVM=-19


def tree_of_entry(spec: KernelSpec, entry: Entry) -> KernelTree:
    """The kernel in an entry of the store that has its headers, whoever made it: deb.py or lab.py."""
    facts = entry.facts
    build = entry.path / "lib/modules" / facts["release"] / "build"
    return KernelTree(
        spec=str(spec),
        release=facts["release"],
        version=facts["version"],
        root=entry.path,
        image=entry.path / facts["image"],
        build=build,
        config=entry.path / facts["config"],
        symvers=build / "Module.symvers",
        image_sha256=facts["image_sha256"],
        config_sha256=facts["config_sha256"],
    )


def read_config(path: Path) -> dict[str, str]:
    """A kernel configuration as option -> value ("y", "m", a number, a quoted string); what is off is not in it."""
    found = {}
    for line in path.read_text(errors="replace").splitlines():
        name, equals, value = line.partition("=")
        if equals and name.startswith("CONFIG_"):
            found[name] = value
    return found
