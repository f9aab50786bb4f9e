# SPDX-License-Identifier: GPL-2.0-only
"""A kernel that has our modules in its own tree: they are taken from it, and where they are built in there are none."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from pathlib import Path

import fake_archive
import pytest
from engines import drain
from ppiov import inside, kunit
from ppiov.errors import BuildFailed
from ppiov.events import Note
from ppiov.kbuild import DEBUG_SUFFIX, SYMVERS
from ppiov.store import Store
from ppiov.tree import KernelTree

RELEASE = "7.3.4-ppiov"


def kernel(folder: Path, config: str, *modules: str) -> KernelTree:
    (folder / "config").write_text(config)
    root = folder / "lib/modules" / RELEASE / "kernel"
    for name in modules:
        place = root / name
        place.parent.mkdir(parents=True, exist_ok=True)
        text = f'static const char v[] __attribute__((used, section(".modinfo"))) = "vermagic={RELEASE} SMP";\n'
        subprocess.run(["gcc", "-c", "-x", "c", "-o", place, "-"], input=text.encode(), check=True)
    root.mkdir(parents=True, exist_ok=True)
    return KernelTree("tree:/x", RELEASE, "1", folder, folder, None, folder / "config", None, config, "2")


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_archive.need("gcc")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.mark.parametrize(
    ("config", "how"), [("CONFIG_PPNIC=m\n", "m"), ("CONFIG_PPNIC=y\n", "y"), ("CONFIG_X=y\n", "")]
)
def test_how_a_kernel_has_them(tmp_path: Path, config: str, how: str) -> None:
    assert inside.how(kernel(tmp_path, config)) == how


def test_those_of_the_tree_are_taken_and_no_others(tmp_path: Path) -> None:
    tree = kernel(
        tmp_path,
        "CONFIG_PPNIC=m\n",
        "drivers/net/ppiov/pool/ppiov.ko",
        "drivers/net/ppiov/nic/ppnic.ko",
        "drivers/net/dummy.ko",
    )
    for _ in range(2):  # made, and found again
        _, built = drain(inside.modules(tree, store=Store()))
        assert [module.name for module in built.modules] == ["ppiov", "ppnic"]
        names = {path.name for path in built.directory.iterdir()}
        assert {"ppiov.ko", "ppnic.ko", f"ppnic.ko{DEBUG_SUFFIX}", SYMVERS} <= names and "dummy.ko" not in names
        assert (built.directory / SYMVERS).read_text() == ""


def test_built_in_there_is_nothing_to_load(tmp_path: Path) -> None:
    told, built = drain(inside.modules(kernel(tmp_path, "CONFIG_PPNIC=y\n"), store=Store()))
    assert built.modules == () and not list(built.directory.glob("*.ko"))
    assert any(isinstance(event, Note) and "built in" in event.text for event in told)


def test_modules_that_were_not_installed_are_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(BuildFailed, match="CONFIG_PPNIC=m and no module below"):
        drain(inside.modules(kernel(tmp_path, "CONFIG_PPNIC=m\n"), store=Store()))


def test_our_suites_of_a_kernel_that_has_them_built_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tree = kernel(tmp_path, "CONFIG_KUNIT=y\nCONFIG_PPIOV_KUNIT=y\n")
    tree = replace(tree, build=tmp_path)
    (tmp_path / "vmlinux").write_bytes(b"")
    listed = [kunit.Suite("ppiov_pool", ""), kunit.Suite("net_core", "")]
    monkeypatch.setattr(kunit, "built_in", lambda _: listed)
    assert kunit.find(tree, tmp_path) == listed[:1]
