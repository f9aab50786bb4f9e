# SPDX-License-Identifier: GPL-2.0-only
"""Which compiler builds modules for a kernel, found out by asking it.

A kernel's headers name the compiler that built the kernel. Where that one is at hand, it is taken. A kernel newer than
the machine names one that its distribution does not have; then the machine's own compilers are tried on an empty file,
with the flags that these very headers give it. A flag that one does not know is left to Kbuild, which has its own way
around it: a make variable says that the compiler lacks the ability that the kernel's configuration noted. No source
and no header is changed.
"""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from ppiov import child
from ppiov.errors import MissingTool, UnfitKernel
from ppiov.make import MAKE_ENV

# A flag that not every compiler knows -> what makes Kbuild do without it. The configuration was made with the kernel's
# compiler, so its CONFIG_CC_HAS_ options speak of that one.
_WITHOUT = {
    # gcc 14 and newer; Kbuild falls back to -falign-functions, which leaves functions marked __cold as they are
    "-fmin-function-alignment": "CONFIG_CC_HAS_MIN_FUNCTION_ALIGNMENT=",
}
_UNKNOWN = re.compile(r"unrecognized command[- ]line option\W+(-[\w-]+)|unknown argument: '(-[\w-]+)")


@dataclass(frozen=True, slots=True)
class Compiler:
    """A compiler for the modules of one kernel."""

    command: str
    asked: str  # what the headers name
    variables: tuple[str, ...] = ()  # for make, where the headers speak of another compiler

    def note(self) -> str:
        """One sentence where it is not the compiler that the headers name, else ""."""
        if self.command == self.asked:
            return ""
        without = "".join(f"; without {flag}" for flag, value in _WITHOUT.items() if value in self.variables)
        return f"{self.asked}, which built this kernel, is not here: {self.command} builds its modules{without}"


def find(build: Path) -> Compiler:
    """The compiler for modules of the kernel whose headers are ``build``.

    Raises MissingTool, naming the package of the compiler that the headers ask for, if no compiler here will do.
    """
    asked = _asked(build)
    package = re.search(r"(gcc|clang)(-\d+)?$", asked)
    try:
        child.find_tool(asked, package[0] if package else None)
    except MissingTool as missing:
        if not package or package[1] != "gcc":
            raise
        reasons = []
        for command in _compilers_here():
            variables = _try(build, command)
            if not isinstance(variables, str):
                return Compiler(command, asked, variables)
            reasons.append(f"{command}: {variables}")
        raise MissingTool("; ".join([str(missing), *reasons])) from missing
    return Compiler(asked, asked)


def _asked(build: Path) -> str:
    """The compiler that the headers name. Debian's say it in .kernelvariables, which make itself evaluates."""
    variables = build / ".kernelvariables"
    if not variables.is_file():
        return "gcc"
    asked: list[str | Path] = ["make", "-s", "--no-print-directory", "-f", variables, "--eval=cc:;@echo $(CC)", "cc"]
    code, out, err = child.output(asked, env=MAKE_ENV)
    if code or not out.split():
        raise UnfitKernel(f"{variables} does not say which compiler it wants: {err.strip()}")
    return out.split()[-1]


def _compilers_here() -> Iterator[str]:
    """The gcc of this machine, the newest first."""
    found = set()
    for folder in os.environ.get("PATH", os.defpath).split(os.pathsep):
        found |= {int(path.name[4:]) for path in Path(folder or ".").glob("gcc-*") if path.name[4:].isdecimal()}
    yield from (f"gcc-{version}" for version in sorted(found, reverse=True))
    yield "gcc"


def _try(build: Path, command: str) -> tuple[str, ...] | str:
    """The make variables that ``command`` needs to compile an empty file against ``build``; a str says why it can't."""
    try:
        child.find_tool(command)
    except MissingTool:
        return "missing"
    variables: list[str] = []
    while True:
        code, err = _compile(build, command, variables)
        if code == 0:
            return tuple(variables)
        unknown = {first or second for first, second in _UNKNOWN.findall(err)}
        more = sorted({_WITHOUT[flag] for flag in unknown if flag in _WITHOUT} - set(variables))
        if not more:
            lines = [line for line in err.splitlines() if "error:" in line] or err.splitlines() or [f"code {code}"]
            return lines[0].strip()
        variables += more


def _compile(build: Path, command: str, variables: Sequence[str]) -> tuple[int, str]:
    """Compile an empty file as a module's. To assembly, since that needs none of the kernel's own build tools."""
    with tempfile.TemporaryDirectory(prefix="ppiov-cc-") as folder:
        (Path(folder) / "Kbuild").write_text("obj-m := empty.o\n")
        (Path(folder) / "empty.c").write_text("")
        made: list[str | Path] = ["make", "-s", "-C", build, f"M={folder}", f"CC={command}", *variables, "empty.s"]
        code, _, err = child.output(made, env=MAKE_ENV)
        return code, err
