# SPDX-License-Identifier: GPL-2.0-only
"""scripts/lint.sh --kernel: what needs a kernel's source is checked, or it is an error that it was not."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CHECKPATCH = "scripts/checkpatch.pl"


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A repository with one C file, and a netlink generator and a perl that say how they were called."""
    top = tmp_path / "checkout"
    (top / "scripts").mkdir(parents=True)
    (top / "kernel").mkdir()
    (top / "bin").mkdir()
    shutil.copy(ROOT / "scripts/lint.sh", top / "scripts")
    (top / "kernel/a.c").write_text("int a;\n")
    for name in ("scripts/generate-netlink.sh", "bin/perl"):
        say_how(top, top / name, name)
    subprocess.run(["git", "init", "-q", top], check=True)
    subprocess.run(["git", "-C", top, "add", "."], check=True)
    return top


def call(checkout: Path, *arguments: str, tree: Path | None = None) -> tuple[int, str, str]:
    done = subprocess.run(
        [checkout / "scripts/lint.sh", *arguments],
        env={
            **os.environ,
            "PATH": f"{checkout / 'bin'}:{os.environ['PATH']}",
            "XDG_CACHE_HOME": str(checkout.parent / "cache"),
            "KERNEL_TREE": str(tree or ""),
        },
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return done.returncode, done.stdout, done.stderr


def say_how(checkout: Path, script: Path, name: str) -> None:
    """A program that notes how it was called, and complains if there is something to complain of."""
    folder = checkout.parent
    script.parent.mkdir(parents=True, exist_ok=True)
    script.write_text(
        f'#!/bin/sh\necho "{name} $KERNEL_TREE $*" >>{folder}/calls\n! cat {folder}/complaint 2>/dev/null\n'
    )
    script.chmod(0o755)


def make_tree(checkout: Path, path: Path) -> Path:
    say_how(checkout, path / "scripts/kernel-doc", "kernel-doc")
    (path / CHECKPATCH).touch()
    return path


def test_without_a_tree_it_does_not_pass(checkout: Path) -> None:
    code, out, err = call(checkout, "--kernel")
    assert (code, out) == (2, "")
    assert err.startswith("lint: no kernel source tree here (KERNEL_TREE=DIR")


@pytest.mark.parametrize("where", ["named", "stored"])
def test_only_what_needs_the_tree_is_checked(checkout: Path, where: str) -> None:
    tree = make_tree(
        checkout, checkout.parent / ("tree" if where == "named" else "cache/ppiov/sources/linux-source-6.12-0")
    )
    code, out, _ = call(checkout, "--kernel", tree=tree if where == "named" else None)
    assert code == 0
    assert out == f"ok    checkpatch --strict ({tree.name})\nok    kernel-doc\nok    generated netlink code\n"
    perl, doc, generator = (checkout.parent / "calls").read_text().splitlines()
    assert f"{tree}/{CHECKPATCH}" in perl and perl.endswith(" kernel/a.c")
    assert doc.startswith("kernel-doc ") and doc.endswith(" -none kernel/a.c")
    assert generator == f"scripts/generate-netlink.sh {tree} --check"


def test_a_complaint_fails_it(checkout: Path) -> None:
    (checkout.parent / "complaint").write_text("a.c:1: WARNING: x\n")
    code, out, _ = call(checkout, "--kernel", tree=make_tree(checkout, checkout.parent / "tree"))
    assert code == 1
    assert "FAIL  checkpatch --strict (tree)\na.c:1: WARNING: x\n" in out
    assert "FAIL  kernel-doc\na.c:1: WARNING: x\n" in out
    assert out.endswith("lint: checkpatch --strict (tree) kernel-doc generated netlink code failed\n")


@pytest.mark.parametrize("arguments", [("--kern",), ("--kernel", "x"), ("",)])
def test_bad_usage(checkout: Path, arguments: tuple[str, ...]) -> None:
    assert call(checkout, *arguments) == (2, "", "usage: lint.sh [--kernel]\n")
