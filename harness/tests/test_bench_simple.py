# SPDX-License-Identifier: GPL-2.0-only
"""The kernel's own benchmark module: found in the newest source that has it, and built by the names that it knows."""

from __future__ import annotations

import types
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest
from engines import drain
from ppiov import bench_simple, kbuild, kernel_source
from ppiov.errors import BuildFailed
from ppiov.events import Event, Note
from ppiov.store import Store
from ppiov.tree import KernelTree

RENAMED = "implicit declaration of function 'rdmsrq_safe'"


class FakeStore:
    """Sources of these versions, of which those from 7.1 on have the module."""

    def __init__(self, root: Path, *versions: str) -> None:
        self._entries = []
        for version in versions:
            path = root / version
            path.mkdir()
            if version >= "7.1":
                (path / bench_simple.FOLDER).mkdir(parents=True)
                (path / bench_simple.FOLDER / "Makefile").touch()
            self._entries.append(types.SimpleNamespace(path=path, facts={"version": version}))

    def entries(self, kind: str) -> list[Any]:
        assert kind == kernel_source.KIND
        return self._entries


def built(monkeypatch: pytest.MonkeyPatch, complaint: str) -> list[tuple[Path, tuple[str, ...]]]:
    """What build_modules is asked for; without a define it fails with the complaint, if there is one."""
    asked: list[tuple[Path, tuple[str, ...]]] = []

    def build(
        _: KernelTree, source: Path, *, store: Store, defines: tuple[str, ...] = ()
    ) -> Generator[Event, None, Any]:
        asked.append((source, defines))
        if complaint and not defines:
            raise BuildFailed(complaint)
        yield Note("built")
        return types.SimpleNamespace(directory=Path("/modules"))

    monkeypatch.setattr(kbuild, "build_modules", build)
    return asked


def ask(store: FakeStore) -> tuple[list[Event], Path | None]:
    return drain(bench_simple.build(None, store=store))  # type: ignore[arg-type]


def test_without_a_source_there_is_none(tmp_path: Path) -> None:
    told, path = ask(FakeStore(tmp_path, "6.12.117-1"))
    assert path is None and isinstance(told[0], Note) and "no kernel source" in told[0].text


def test_the_newest_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = built(monkeypatch, "")
    _, path = ask(FakeStore(tmp_path, "7.2.12-1", "7.3.4-1", "6.12.117-1"))
    assert path == Path("/modules/bench_page_pool.ko")
    assert asked == [(tmp_path / "7.3.4-1" / bench_simple.FOLDER, ())]


def test_an_older_kernel_knows_another_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = built(monkeypatch, RENAMED)
    ask(FakeStore(tmp_path, "7.3.4-1"))
    assert [defines for _, defines in asked] == [(), ("rdmsrq_safe=rdmsrl_safe",)]


def test_another_failure_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    built(monkeypatch, "no space")
    with pytest.raises(BuildFailed, match="no space"):
        ask(FakeStore(tmp_path, "7.3.4-1"))
