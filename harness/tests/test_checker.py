# SPDX-License-Identifier: GPL-2.0-only
"""Which sparse checks a kernel's modules, and what make is told. The headers are a Makefile, sparse is a script."""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path

import pytest
from engines import drain
from ppiov import checker, tools
from ppiov.checker import Checker
from ppiov.errors import MissingTool
from ppiov.events import Event, Note
from ppiov.store import Store

OLD = 'grep -q __typeof_unqual__ "$1" && echo "$1:3:9: error: undefined identifier" >&2; exit 0'
NEW = "[ $1 != --version ] || echo 9.9.9"


def program(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """This machine's sparse, which knows everything."""
    monkeypatch.setenv("PATH", f"{tmp_path}/bin:/usr/bin:/bin")
    return program(tmp_path / "bin/sparse", NEW)


@pytest.fixture
def newer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The store's."""

    def get(programs: tools.Programs, *, store: Store) -> Generator[Event, None, Path]:
        assert programs is tools.SPARSE
        yield Note("fetched")
        return tmp_path / "entry"

    monkeypatch.setattr(tools, "get", get)
    return program(tmp_path / "entry/bin/sparse", NEW)


def headers(folder: Path, *, asks: bool = True, script: bool = True) -> Path:
    """A kernel's build folder whose makefile includes the one of the source, as Debian's and those of O= do."""
    source = folder / "linux-headers-7.3-common"
    (source / "scripts").mkdir(parents=True)
    (source / "Makefile").write_text(
        "x := $(shell $(srctree)/scripts/checker-valid.sh $(CHECK))\n" if asks else "all:\n"
    )
    if script:
        (source / "scripts/checker-valid.sh").write_text("#!/bin/sh\n")
    build = folder / "linux-headers-7.3-amd64"
    build.mkdir()
    here = "$(realpath $(dir $(realpath $(lastword $(MAKEFILE_LIST))))"
    (build / "Makefile").write_text(f"O := {here}.)\ninclude {here}../{source.name}/Makefile)\n")
    return build


def find(build: Path, tmp_path: Path) -> tuple[list[Event], Checker]:
    return drain(checker.find(build, Store(tmp_path / "store")))


@pytest.mark.parametrize("text", [OLD, NEW])
def test_an_older_kernel_asks_nothing(tmp_path: Path, own: Path, text: str) -> None:
    program(own, text)
    assert find(headers(tmp_path / "h", asks=False), tmp_path)[1] == Checker("sparse", ("C=2",))


def test_the_machines_own_is_taken_if_it_understands(tmp_path: Path, own: Path) -> None:
    assert find(headers(tmp_path / "h"), tmp_path)[1] == Checker("sparse", ("C=2",))


def test_else_a_newer_one_is_fetched(tmp_path: Path, own: Path, newer: Path) -> None:
    program(own, OLD)
    told, found = find(headers(tmp_path / "h"), tmp_path)
    assert found == Checker(str(newer), ("C=2", f"CHECK={newer}"))
    assert told == [Note("fetched")]


def test_headers_without_the_script_that_they_name(tmp_path: Path, own: Path) -> None:
    assert find(headers(tmp_path / "h", script=False), tmp_path)[1].words == ("KBUILD_CHECKSRC=2",)


def test_a_makefile_elsewhere_and_none_at_all(tmp_path: Path, own: Path) -> None:
    source = headers(tmp_path / "h", script=False).parent / "linux-headers-7.3-common"
    build = tmp_path / "out"
    build.mkdir()
    assert find(build, tmp_path)[1].words == ("C=2",)
    (build / "Makefile").write_text(f"include {source}/Makefile\n")
    assert find(build, tmp_path)[1].words == ("KBUILD_CHECKSRC=2",)


def test_where_it_is_is_not_in_the_key(tmp_path: Path, own: Path, newer: Path) -> None:
    assert Checker("sparse", ("C=2",)).about == ("C=2",)
    assert Checker(str(newer), ("C=2", f"CHECK={newer}")).about == ("9.9.9", "C=2")


def test_no_sparse_is_a_sentence(tmp_path: Path, own: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own.unlink()
    monkeypatch.setenv("PATH", str(own.parent))
    with pytest.raises(MissingTool, match="apt install sparse"):
        find(headers(tmp_path / "h"), tmp_path)
