# SPDX-License-Identifier: GPL-2.0-only
"""The build tools among a kernel's headers, made to run on this machine.

A kernel packaged for a later release has headers whose programs are linked against that release's C library. Whether
they run here is found out by running them. Those that don't and that a module build needs are built again, from the
very source of that kernel, by the kernel's own makefiles where there are some, and put in their place.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ppiov import child
from ppiov.compiler import Compiler
from ppiov.errors import BuildFailed, MissingTool
from ppiov.events import Event, StageBegun, StageEnded, StageProgress
from ppiov.make import MAKE_ENV
from ppiov.store import Store

# What of the source is needed: files and folders.
PARTS = (
    "scripts/basic", "scripts/include", "scripts/mod", "include/linux",
    "tools/arch", "tools/build", "tools/include", "tools/lib", "tools/objtool", "tools/scripts",
)  # fmt: skip
PARTS_ROOM = 120_000_000  # bytes, with what is built from them
_CANNOT_START = re.compile(r"error while loading shared libraries|version `[^']+' not found|[Ee]xec format error")

_Words = list[str | Path]


@dataclass(frozen=True, slots=True)
class _Tool:
    """A program of the headers: what it is called there, and how it is built (source folder, headers, compiler)."""

    names: tuple[str, ...]  # Debian wraps some: the program proper is NAME.real-WHAT
    built: str  # what the command leaves, below the source
    command: Callable[[Path, Path, Compiler], Sequence[str | Path]]


def _fixdep(source: Path, build: Path, compiler: Compiler) -> _Words:
    made = source / "scripts/basic"
    return ["gcc", "-O2", f"-I{source / 'scripts/include'}", "-o", made / "fixdep", made / "fixdep.c"]


def _modpost(source: Path, build: Path, compiler: Compiler) -> _Words:
    # As an external module, since it has to know the target's ELF format and the layout of its device tables.
    make: _Words = ["make", "-C", build, f"M={source / 'scripts/mod'}", f"HOSTCFLAGS=-I{source / 'scripts/include'}"]
    return [*make, f"CC={compiler.command}", *compiler.variables, "./"]


def _objtool(source: Path, build: Path, compiler: Compiler) -> _Words:
    return ["make", "-C", source / "tools/objtool", "SRCARCH=x86", "ARCH=x86"]


# In the order in which one needs the other.
_TOOLS = (
    _Tool(("scripts/basic/fixdep",), "scripts/basic/fixdep", _fixdep),
    _Tool(("scripts/mod/modpost", "scripts/mod/modpost.real-lsb-64"), "scripts/mod/modpost", _modpost),
    _Tool(("tools/objtool/objtool", "tools/objtool/objtool.real-x86"), "tools/objtool/objtool", _objtool),
)


def runs(program: Path) -> bool:
    """Whether ``program`` gets as far as its own first instruction on this machine."""
    code, _, err = child.output([program])  # none of them does anything without arguments
    return code not in (126, 127) and not _CANNOT_START.search(err)


def unfit(build: Path) -> list[str]:
    """The programs of the headers ``build`` that a module build needs and that do not run here."""
    there = [name for tool in _TOOLS for name in tool.names if (build / name).is_file()]
    return [name for name in there if not runs(build / name)]


def rebuild(
    names: Sequence[str], build: Path, source: Path, compiler: Compiler, store: Store
) -> Generator[Event, None, None]:
    """Build the programs ``names`` of the headers ``build`` from ``source``, which has PARTS, and put them in place.

    Raises BuildFailed, whose sentence names the log, and DiskFull.
    """
    yield StageBegun("tools", f"rebuild {', '.join(Path(name).name for name in names)}", len(names), "programs")
    done = 0
    for tool in _TOOLS:
        wanted = [name for name in tool.names if name in names]
        if not wanted:
            continue
        _run(tool.command(source, build, compiler), wanted[0], source / tool.built, store)
        for name in wanted:
            shutil.copy(source / tool.built, build / name)
            done += 1
            yield StageProgress("tools", done)
    yield StageEnded("tools", note="this machine's C library is older than the headers'")


def _run(command: Sequence[str | Path], name: str, built: Path, store: Store) -> None:
    code, out, err = child.output(command, env=MAKE_ENV)
    if "No space left on device" in err:
        raise store.full(f"the kernel's {name}", built)
    if code or not built.is_file() or not runs(built):
        log = store.dir("logs") / f"tools-{built.name}.log"
        log.write_text(f"{' '.join(map(str, command))}\n{out}{err}")
        lines = [line for line in err.splitlines() if "error" in line or "***" in line]
        why = (lines or err.splitlines() or [f"code {code}"])[0].strip()
        raise BuildFailed(f"failed to rebuild the kernel's {name} for this machine: {why}; log: {log}")


def no_btf(build: Path, config: Mapping[str, str]) -> str:
    """Why the modules of this kernel can't have BTF on this machine; "" if they can, or if the kernel has none.

    The options for pahole come from the headers, which were configured with the version that built the kernel.
    """
    if "CONFIG_DEBUG_INFO_BTF_MODULES" not in config:
        return ""
    try:
        child.find_tool("pahole")
    except MissingTool as missing:
        return str(missing)
    wanted = int(config.get("CONFIG_PAHOLE_VERSION", "0"))
    code, out, err = child.output(["pahole", "--numeric_version"])
    if code or not out.strip().isdecimal():
        return f"pahole does not say its version: {err.strip()}"
    if int(out) < wanted:
        return f"this machine's pahole is {_dotted(int(out))}, and the kernel's headers want {_dotted(wanted)}"
    resolver = build / "tools/bpf/resolve_btfids/resolve_btfids"
    if resolver.is_file() and not runs(resolver):
        return "the headers' resolve_btfids does not run on this machine"
    return ""


def _dotted(version: int) -> str:
    return f"{version // 100}.{version % 100}"
