# SPDX-License-Identifier: GPL-2.0-only
"""The programs among a kernel's headers: which ones do not run here, and what a failed rebuild says."""

from __future__ import annotations

import re
from pathlib import Path

import fake_archive
import pytest
from ppiov import headers_tools
from ppiov.compiler import Compiler
from ppiov.errors import BuildFailed
from ppiov.events import StageEnded, StageProgress
from ppiov.store import Store

GCC = Compiler("gcc", "gcc")


def program(path: Path, text: bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text)
    path.chmod(0o755)
    return path


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


def test_what_runs_and_what_does_not(tmp_path: Path) -> None:
    assert headers_tools.runs(program(tmp_path / "usage", b"#!/bin/sh\nexit 129\n"))
    assert not headers_tools.runs(program(tmp_path / "new", fake_archive.TOO_NEW))
    assert not headers_tools.runs(program(tmp_path / "lib", b"#!/bin/sh\nexit 127\n"))


def test_only_what_a_module_build_needs_is_asked(tmp_path: Path) -> None:
    program(tmp_path / "scripts/mod/modpost", b"#!/bin/sh\n")
    program(tmp_path / "scripts/mod/modpost.real-lsb-64", fake_archive.TOO_NEW)
    program(tmp_path / "scripts/mod/modpost.real-msb-32", fake_archive.TOO_NEW)
    program(tmp_path / "tools/objtool/objtool.real-powerpc", fake_archive.TOO_NEW)
    program(tmp_path / "certs/extract-cert", fake_archive.TOO_NEW)
    assert headers_tools.unfit(tmp_path) == ["scripts/mod/modpost.real-lsb-64"]


def test_fixdep_is_compiled_for_this_machine(tmp_path: Path, store: Store) -> None:
    fake_archive.need("gcc")
    build, source = tmp_path / "headers", tmp_path / "source"
    old = program(build / "scripts/basic/fixdep", fake_archive.TOO_NEW)
    program(source / "scripts/basic/fixdep.c", b'#include "made.h"\nint main(void) { return WHAT; }\n')
    program(source / "scripts/include/made.h", b"#define WHAT 1\n")
    told = list(headers_tools.rebuild(headers_tools.unfit(build), build, source, GCC, store))
    assert headers_tools.runs(old) and headers_tools.unfit(build) == []
    assert [e.done for e in told if isinstance(e, StageProgress)] == [1]
    assert any(isinstance(e, StageEnded) and e.ok for e in told)


def test_a_failed_rebuild_is_a_sentence_with_its_log(tmp_path: Path, store: Store) -> None:
    fake_archive.need("gcc")
    build, source = tmp_path / "headers", tmp_path / "source"
    program(build / "scripts/basic/fixdep", fake_archive.TOO_NEW)
    program(source / "scripts/basic/fixdep.c", b"int main(void) { return nothing; }\n")
    with pytest.raises(BuildFailed, match=r"failed to rebuild the kernel's scripts/basic/fixdep .*log: ") as failed:
        list(headers_tools.rebuild(["scripts/basic/fixdep"], build, source, GCC, store))
    assert "nothing" in Path(str(failed.value).rpartition("log: ")[2]).read_text()


def pahole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, says: str) -> None:
    program(tmp_path / "bin/pahole", f"#!/bin/sh\necho {says}\n".encode())
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/usr/bin:/bin")


@pytest.mark.parametrize(
    ("says", "config", "hindrance"),
    [
        ("124", {"CONFIG_DEBUG_INFO_BTF_MODULES": "y", "CONFIG_PAHOLE_VERSION": "130"}, "1.24, and .* want 1.30"),
        ("130", {"CONFIG_DEBUG_INFO_BTF_MODULES": "y", "CONFIG_PAHOLE_VERSION": "130"}, ""),
        ("124", {"CONFIG_DEBUG_INFO_BTF_MODULES": "y"}, ""),
        ("nonsense", {"CONFIG_DEBUG_INFO_BTF_MODULES": "y"}, "does not say its version"),
        ("124", {"CONFIG_PAHOLE_VERSION": "130"}, ""),  # the kernel has none
    ],
)
def test_why_there_is_no_btf(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, says: str, config: dict[str, str], hindrance: str
) -> None:
    pahole(tmp_path, monkeypatch, says)
    why = headers_tools.no_btf(tmp_path, config)
    assert re.fullmatch(f".*({hindrance}).*" if hindrance else "", why)


def test_no_btf_without_a_resolver_that_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pahole(tmp_path, monkeypatch, "130")
    program(tmp_path / "tools/bpf/resolve_btfids/resolve_btfids", fake_archive.TOO_NEW)
    assert "resolve_btfids" in headers_tools.no_btf(tmp_path, {"CONFIG_DEBUG_INFO_BTF_MODULES": "y"})
