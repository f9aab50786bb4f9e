# SPDX-License-Identifier: GPL-2.0-only
"""The programs that a kernel is built with, found before a build starts."""

from __future__ import annotations

import re
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ppiov import child
from ppiov.errors import MissingTool

_NEWEST_LLVM = 40  # clang-NN is looked for from here downwards


@dataclass(frozen=True, slots=True)
class Toolchain:
    """A compiler, and what make has to be told about it."""

    compiler: str  # "gcc", "clang-19"
    version: str  # the first line of its --version
    flags: tuple[str, ...]  # what decides about the code: LLVM=-19; modules are built with the same
    wrapped: tuple[str, ...]  # what only makes it quicker: CC=ccache gcc


def find(source: Path, additions: Sequence[str] = ()) -> Toolchain:
    """The toolchain for the kernel in ``source`` with ``additions`` (spec.py).

    Raises MissingTool, naming the package, for whatever is missing.
    """
    for program, package in (("make", "make"), ("flex", "flex"), ("bison", "bison"), ("bc", "bc"), ("perl", "perl")):
        child.find_tool(program, package)
    child.find_tool("gcc")  # the kernel's own build tools are built with it, or with clang
    _library("gelf.h", "libelf-dev", "objtool")
    if "bpf" in additions:
        child.find_tool("pahole")
    llvm = "llvm" in additions
    compiler, suffix = _clang(source) if llvm else ("gcc", "")
    flags = (f"LLVM={suffix or '1'}",) if llvm else ()
    wrapped = (f"CC=ccache {compiler}", f"HOSTCC=ccache {compiler}") if shutil.which("ccache") else ()
    code, out, _ = child.output([compiler, "--version"])
    if code:
        raise MissingTool(f"{compiler} --version failed, so it cannot build a kernel")
    return Toolchain(compiler, out.partition("\n")[0], flags, wrapped)


def _library(header: str, package: str, who: str) -> None:
    code, _, _ = child.output(["gcc", "-fsyntax-only", "-include", header, "-x", "c", "/dev/null"])
    if code:
        raise MissingTool(f"{header} is missing, which the kernel's {who} is built with: apt install {package}")


def _clang(source: Path) -> tuple[str, str]:
    """A clang that ``source`` takes, and its suffix ("-19", or "" for a plain clang)."""
    wanted = _minimum(source)
    for suffix in ("", *(f"-{number}" for number in range(_NEWEST_LLVM, wanted[0] - 1, -1))):
        if shutil.which(f"clang{suffix}") and _version(f"clang{suffix}") >= wanted:
            for program in ("ld.lld", "llvm-ar", "llvm-nm", "llvm-objcopy"):
                package = f"{'lld' if program == 'ld.lld' else 'llvm'}{suffix}"
                child.find_tool(f"{program}{suffix}", package)
            return f"clang{suffix}", suffix
    needed = ".".join(map(str, wanted))
    newest = max(wanted[0], 19)
    packages = " ".join(f"{name}-{newest}" for name in ("clang", "lld", "llvm"))
    raise MissingTool(f"this kernel wants clang {needed} or newer: apt install {packages}, or newer ones")


def _minimum(source: Path) -> tuple[int, ...]:
    """The oldest LLVM that the kernel says it takes; 11 where it does not say."""
    script = source / "scripts/min-tool-version.sh"
    if script.is_file():
        code, out, _ = child.output(["sh", script, "llvm"], env={"SRCARCH": "x86", "ARCH": "x86_64"})
        if code == 0 and re.fullmatch(r"\d+(\.\d+)*", out.strip()):
            return tuple(map(int, out.strip().split(".")))
    return (11,)


def _version(compiler: str) -> tuple[int, ...]:
    code, out, _ = child.output([compiler, "-dumpversion"])
    return tuple(map(int, out.strip().split("."))) if code == 0 and re.fullmatch(r"\d+(\.\d+)*", out.strip()) else ()
