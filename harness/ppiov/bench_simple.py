# SPDX-License-Identifier: GPL-2.0-only
"""The kernel's own bench_page_pool_simple: what our figures of the core's page_pool are checked against."""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path

from ppiov import kbuild, kernel_source
from ppiov.errors import BuildFailed
from ppiov.events import Event, Note
from ppiov.store import Store
from ppiov.tree import KernelTree

FOLDER = "tools/testing/selftests/net/bench/page_pool"
MODULE = "bench_page_pool.ko"
_RENAMED = ("rdmsrq_safe", "rdmsrl_safe")  # what 7.x's source calls, and what 6.12 calls it


def build(kernel: KernelTree, *, store: Store) -> Generator[Event, None, Path | None]:
    """The module, built for ``kernel`` from the newest source of a kernel in the store that has it; None without one.

    Nothing is fetched for it. Raises what :func:`ppiov.kbuild.build_modules` raises.
    """
    found = [entry for entry in store.entries(kernel_source.KIND) if (entry.path / FOLDER / "Makefile").is_file()]
    if not found:
        yield Note("bench_page_pool_simple is not built: no kernel source in the store has it (see docs/bench.md)")
        return None
    source = max(found, key=lambda entry: kernel_source.numbers(entry.facts["version"])).path / FOLDER
    try:
        built = yield from kbuild.build_modules(kernel, source, store=store)
    except BuildFailed as error:
        if _RENAMED[0] not in str(error):
            raise
        built = yield from kbuild.build_modules(kernel, source, store=store, defines=("=".join(_RENAMED),))
    return built.directory / MODULE
