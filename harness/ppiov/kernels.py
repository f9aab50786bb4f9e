# SPDX-License-Identifier: GPL-2.0-only
"""Kernels: from a spec to a tree that boots and that modules can be built against.

Each kind of spec has a file of its own: packages (deb.py), builds (lab.py), images (image.py).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path

from ppiov import deb, image, lab
from ppiov.errors import UnfitKernel
from ppiov.events import Event
from ppiov.spec import KernelSpec
from ppiov.store import Entry, Store
from ppiov.tree import KernelTree, read_config

__all__ = ["FEATURES", "KernelTree", "StoredKernel", "already_there", "available", "get", "read_config", "source_of"]

# What a user of this program wants to know about a kernel, in the order of interest.
FEATURES = (
    "NET_DEVMEM", "IO_URING_ZCRX", "UDMABUF", "PAGE_POOL", "PAGE_POOL_STATS", "NETDEVSIM", "ZONE_DEVICE", "PCI_P2PDMA",
    "DEBUG_NET", "KUNIT", "KASAN", "KCSAN", "DEBUG_KMEMLEAK", "PROVE_LOCKING", "FAULT_INJECTION",
    "DEBUG_INFO_BTF",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class StoredKernel:
    """A line of ``ppiov kernel list``."""

    spec: str  # the exact one: deb:6.12.117
    release: str
    size: int  # bytes on disk
    fetched: str  # UTC, ISO 8601, to the microsecond
    features: tuple[str, ...]  # those of FEATURES that are built in or are modules
    path: Path
    cpu_s: float | None = None  # what its build took; None: it came as a package
    version: str = ""  # of the package, or the commit
    outdated: bool = False  # a build that would be made anew, since a fragment or this program has changed


def get(spec: KernelSpec, *, store: Store, refresh: bool = False) -> Generator[Event, None, KernelTree]:
    """The kernel that ``spec`` names, fetched or built if it is not in the store; ``refresh`` asks for a newer one.

    Raises UnknownName, BadImage, UnfitKernel, NetworkGone, UntrustedArchive, DiskFull, MissingTool, BuildFailed.
    """
    if spec.kind == "image":
        return image.find(spec)
    if spec.kind == "deb":
        return (yield from deb.get(spec, store=store, refresh=refresh))
    return (yield from lab.get(spec, store=store, refresh=refresh))


def already_there(spec: KernelSpec, *, store: Store) -> KernelTree | None:
    """The kernel that ``spec`` names, if it can be had without fetching or building anything. Raises BadImage."""
    if spec.kind == "image":
        return image.find(spec)
    if spec.kind == "deb":
        return deb.already_there(spec, store=store)
    return lab.already_there(spec, store=store)


def available(store: Store) -> list[StoredKernel]:
    """The kernels in the store: packages, the oldest version first, then builds, the oldest first."""
    packaged = [_listed(entry, deb.exact_spec(entry)) for entry in deb.entries(store)]
    built = [
        dataclasses.replace(_listed(entry, lab.exact_spec(entry)), outdated=lab.outdated(entry))
        for entry in lab.entries(store)
    ]
    return packaged + built


def source_of(tree: KernelTree) -> Path:
    """All of the source of a kernel that was built here. Raises UnfitKernel; kernel_source.get() fetches it again."""
    if tree.source is None or not (tree.source / "Makefile").is_file():
        raise UnfitKernel(f"{tree.spec} has no source in the store: take a src: or tree: kernel")
    return tree.source


def _listed(entry: Entry, spec: str) -> StoredKernel:
    facts = entry.facts
    config = read_config(entry.path / facts["config"])
    features = tuple(name for name in FEATURES if config.get(f"CONFIG_{name}") in ("y", "m"))
    return StoredKernel(
        spec, facts["release"], entry.size, entry.made, features, entry.path, facts.get("cpu_s"), facts["version"]
    )
