# SPDX-License-Identifier: GPL-2.0-only
"""The compiler for a kernel's modules: the one that its headers name, or one that gets along with them."""

from __future__ import annotations

from pathlib import Path

import pytest
from fake_archive import need
from ppiov import compiler
from ppiov.errors import MissingTool

# Kbuild, as far as one file goes. The flag is left out where make is told that the compiler lacks it.
MAKEFILE = """\
CONFIG_CC_HAS_MIN_FUNCTION_ALIGNMENT = y
empty.s:
\t@$(CC) {flags} -S -o $(M)/empty.s $(M)/empty.c
"""
ALIGNMENT = "$(if $(CONFIG_CC_HAS_MIN_FUNCTION_ALIGNMENT),-fmin-function-alignment=16)"


def headers(folder: Path, flags: str, asked: str = "CC = gcc-99") -> Path:
    (folder / "Makefile").write_text(MAKEFILE.format(flags=flags))
    (folder / ".kernelvariables").write_text(asked + "\n")
    return folder


@pytest.fixture(autouse=True)
def _needs_gcc() -> None:
    need("make", "gcc")


@pytest.fixture
def old_gcc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine whose gcc 12 knows no -fmin-function-alignment; another, gcc-13, knows nothing at all."""
    folder = tmp_path / "bin"
    folder.mkdir()
    complaint = (
        "gcc: error: unrecognized command-line option \u2018%s\u2019; did you mean \u2018-falign-functions=\u2019?"
    )
    case = "\n".join(
        [
            "#!/bin/sh",
            'for word; do case "$word" in',
            f'-f*) printf "{complaint}\\n" "$word" >&2; exit 1;;',
            "esac; done",
        ]
    )
    for name, text in (("gcc-12", case), ("gcc-13", "#!/bin/sh\necho 'cc1: error: no luck' >&2; exit 1")):
        (folder / name).write_text(text + "\n")
        (folder / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
    return folder


def test_the_compiler_that_the_headers_name(tmp_path: Path) -> None:
    (tmp_path / ".kernelvariables").write_text("CC = $(if $(DEBIAN_KERNEL_USE_CCACHE),ccache) $(CROSS)gcc\nCROSS =\n")
    found = compiler.find(tmp_path)  # and nothing is compiled: there is no Makefile
    assert found == compiler.Compiler("gcc", "gcc") and not found.note()


def test_headers_that_name_none(tmp_path: Path) -> None:
    assert compiler.find(tmp_path).command == "gcc"


def test_an_older_compiler_with_a_flag_less(tmp_path: Path, old_gcc: Path) -> None:
    found = compiler.find(headers(tmp_path, f"-O2 {ALIGNMENT}"))
    assert found.command == "gcc-12"  # gcc-13 was tried first
    assert found.variables == ("CONFIG_CC_HAS_MIN_FUNCTION_ALIGNMENT=",)
    assert "gcc-99" in found.note() and "without -fmin-function-alignment" in found.note()


def test_a_flag_that_nothing_replaces_is_named(tmp_path: Path, old_gcc: Path) -> None:
    for command in ("gcc-12", "gcc-13"):
        (old_gcc / command).rename(tmp_path / command)
    with pytest.raises(MissingTool, match=r"gcc-99 is missing: apt install gcc-99; .*gcc: .*-fno-such-flag"):
        compiler.find(headers(tmp_path, "-fno-such-flag"))


def test_a_missing_clang_is_not_replaced_by_gcc(tmp_path: Path) -> None:
    with pytest.raises(MissingTool, match=r"clang-99 is missing: apt install clang-99$"):
        compiler.find(headers(tmp_path, "", "CC = clang-99"))
