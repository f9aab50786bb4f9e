# SPDX-License-Identifier: GPL-2.0-only
"""The kernel's own programs, unmodified, built by the kernel's own makefiles from the kernel's own source.

Today it is one: ncdevmem, the kernel's netcat of device memory.
"""

from __future__ import annotations

import sys
from collections.abc import Generator
from pathlib import Path

from ppiov import kbuild, kernel_source
from ppiov.errors import UnfitKernel
from ppiov.events import Event
from ppiov.store import Store
from ppiov.tree import KernelTree

PROGRAMS = ("ncdevmem",)
_FOLDER = "tools/testing/selftests/net"


def build(kernel: KernelTree, *, store: Store) -> Generator[Event, None, Path]:
    """Build PROGRAMS from the source of ``kernel``; returns the folder with them.

    The uAPI headers come from `make headers`, the netlink code from the kernel's YNL generator, whose Python is the
    one that runs this (it needs PyYAML and jsonschema).

    Raises UnfitKernel for a kernel without source or one that has the programs elsewhere, and what the store, the
    archive and the compiler can raise.
    """
    source = yield from kernel_source.get(kernel, store=store)
    absent = [name for name in PROGRAMS if not (source / _FOLDER / f"{name}.c").is_file()]
    if absent:
        where = f"{_FOLDER}/{absent[0]}.c"
        raise UnfitKernel(f"{kernel.spec} ({kernel.release}) has no {where}, which the suite upstream runs")

    def commands(work: Path, out: Path) -> list[list[str | Path]]:
        return [
            ["make", "-C", work, "headers"],
            ["make", "-C", work / _FOLDER, f"OUTPUT={out}", *(out / name for name in PROGRAMS)],
        ]

    return (
        yield from kbuild.build_programs(
            f"{kernel.release}-{'-'.join(PROGRAMS)}",
            source,
            commands,
            PROGRAMS,
            store=store,
            python=Path(sys.executable).parent,
        )
    )
