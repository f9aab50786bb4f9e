# SPDX-License-Identifier: GPL-2.0-only
"""Builds the objects of a tree and remembers what the compiler said about each.

A build folder goes with a series' source from commit to commit, and make compiles what has changed. What it does not
compile again says nothing, so what an object's last compilation said is kept beside it. For that, make has to put a
target's output together (-O), whatever else is compiled meanwhile.
"""

from __future__ import annotations

import dataclasses
import json
import os
import re
import shutil
import subprocess
from collections.abc import Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from ppiov import child, kconfig, toolchain
from ppiov.errors import BadRequest, BuildFailed, MissingTool, PpiovError
from ppiov.events import Event, StageBegun, StageEnded, StageProgress
from ppiov.make import MAKE_ENV
from ppiov.series import warnings
from ppiov.series.scratch import Scratch
from ppiov.store import digest
from ppiov.toolchain import Toolchain

_STATE = "ppiov-objects.json"
_TARGET = re.compile(r"^  (?P<tool>[A-Z][A-Z0-9_]*)(?:\s+\[[A-Z]\])*\s+(?:\.\./)*(?P<path>\S+)$")
_FAILED = re.compile(r"\*\*\* \[(?:[^\]]*: )?(?P<path>\S+\.o)\] Error")
_NO_RULE = re.compile(r"\*\*\* No rule to make target '(?P<path>[^']+)'")
_MODULE = re.compile(r"-DKBUILD_MODFILE='\"(?P<path>[^\"']+)\"'")
_BROKEN = re.compile(r"\*\*\* (?P<why>.*)")
# Of allmodconfig, what only makes an object slower to compile or wants more of the machine than a compiler.
_LIGHTER: Final = """\
CONFIG_WERROR=n
CONFIG_GCC_PLUGINS=n
CONFIG_DEBUG_INFO_NONE=y
CONFIG_KASAN=n
CONFIG_KCSAN=n
CONFIG_KCOV=n
CONFIG_UBSAN=n
CONFIG_GCOV_KERNEL=n
CONFIG_MODULE_SIG=n
CONFIG_RUST=n
CONFIG_SAMPLES=n
"""
_CONFIG_FILES: Final = re.compile(r"(^|/)Kconfig[^/]*$")


@dataclass(frozen=True, slots=True)
class Flavour:
    """One way to build."""

    name: str  # "build_gcc"
    title: str
    arch: str  # x86_64, i386
    llvm: bool
    arguments: tuple[str, ...]  # what make is told: W=1, C=1


@dataclass(frozen=True, slots=True)
class Compiled:
    """What the last compilation of an object said."""

    ok: bool
    lines: tuple[str, ...]

    def warnings(self) -> list[warnings.Warning]:
        return warnings.parse(self.lines)


@dataclass(slots=True)
class Builder:
    """One flavour's build folder. Whoever uses it holds the lock of the scratch repository."""

    scratch: Scratch
    flavour: Flavour
    config: str
    tools: Toolchain
    known: dict[str, Compiled] = field(default_factory=dict)
    configured: str = ""  # what the configuration was made from

    @property
    def output(self) -> Path:
        return self.scratch.folder / f"{self.flavour.name}-{digest([self.config])[:8]}"

    @property
    def log(self) -> Path:
        return self.output / "build.log"

    def build(self, commit: str, objects: Sequence[str] | None) -> Generator[Event, None, dict[str, Compiled]]:
        """Build ``objects`` of a commit (None: everything) and say what the compiler has said of each.

        One that this configuration does not build is not in the answer. Raises BuildFailed where there is nothing to
        build with (no configuration, no prepared tree), MissingTool, DiskFull, UnfitKernel.
        """
        source = yield from self.scratch.at(commit)
        self._load()
        with self.scratch.store.room(self.output, f"the build {self.flavour.name}"):
            self.output.mkdir(exist_ok=True)
            self.log.write_text("")
            yield from self._configure(source, commit)
            if objects is not None and not objects:
                return {}
            self._save(pending=True)
            goals = list(objects) if objects is not None else []
            lines = yield from self._make(source, ["-k", "-O", *self.flavour.arguments, *goals], objects, commit)
            absent = {match["path"] for line in lines if (match := _NO_RULE.search(line))}
            if objects is not None:  # a folder that the configuration leaves out is not even looked at
                absent |= {
                    name for name in objects if not (self.output / name).exists() and name not in self._said(lines)
                }
                strays = {Path(name).parent for name in objects if self._strayed(name, source)}
                absent |= {name for name in objects if Path(name).parent in strays}
            self.known.update(self._said(lines))
            self._save(pending=False)
        wanted = self.known if objects is None else {name: self.known[name] for name in objects if name in self.known}
        return {name: told for name, told in wanted.items() if name not in absent}

    def command(self, objects: Sequence[str]) -> str:
        """What a user types to see it again, in a tree of the user's own."""
        words = ["make", f"ARCH={self.flavour.arch}", *self.tools.flags, *self.flavour.arguments, *objects[:4]]
        return " ".join(words) + (" ..." if len(objects) > 4 else "")

    def _said(self, lines: Iterable[str]) -> dict[str, Compiled]:
        """Put each line to the object whose compilation printed it."""
        said: dict[str, list[str]] = {}
        bad: set[str] = set()
        current = ""
        for line in lines:
            if match := _TARGET.match(line):
                current = re.sub(r"\.[cS]$", ".o", match["path"]) if match["tool"] in ("CC", "AS", "CHECK") else ""
                if current:
                    said.setdefault(current, [])
            elif match := _FAILED.search(line):
                bad.add(match["path"].removeprefix(f"{self.output}/"))
                said.setdefault(match["path"].removeprefix(f"{self.output}/"), [])
            elif current:
                said[current].append(line)
        return {name: Compiled(name not in bad, tuple(text)) for name, text in said.items()}

    def _strayed(self, name: str, source: Path) -> bool:
        """Whether an object was compiled with the flags of a folder above its own, which the configuration leaves out.

        A makefile's pattern fits below its folder too; what is then compiled is of a module named after itself, not
        there but beside that makefile.
        """
        path = Path(name)
        if not any((source / path.parent / makefile).is_file() for makefile in ("Makefile", "Kbuild")):
            return False  # a makefile above it is the one that it has
        try:
            match = _MODULE.search((self.output / path.parent / f".{path.name}.cmd").read_text(errors="replace"))
        except OSError:
            return False
        module = Path(match["path"]) if match else path.with_suffix("")
        return module.name == path.stem and module.parent != path.parent

    def _configure(self, source: Path, commit: str) -> Generator[Event, None, None]:
        made_of = digest(
            [self.config, *wishes(self.flavour, self.config), *self._kconfig_ids(commit), self.tools.version]
        )
        if made_of == self.configured and (self.output / ".config").is_file():
            return
        key = f"configure-{self.flavour.name}"
        yield StageBegun(key, f"configure {self.flavour.name} ({Path(self.config).name})")
        wanted = self.output / "ppiov.config"
        wanted.write_text("".join(wishes(self.flavour, self.config)))
        try:
            if self.config in ("allmodconfig", "lab"):
                target = "allmodconfig" if self.config == "allmodconfig" else "allnoconfig"
                lines = yield from self._make(source, [f"KCONFIG_ALLCONFIG={wanted}", target], (), commit)
            else:
                (self.output / ".config").write_text(wanted.read_text())
                lines = yield from self._make(source, ["olddefconfig"], (), commit)
            if not (self.output / ".config").is_file():
                raise self._failed("configure", lines)
        except PpiovError:
            yield StageEnded(key, ok=False)
            raise
        self.configured = made_of
        yield StageEnded(key)

    def _kconfig_ids(self, commit: str) -> list[str]:
        """The ids of all Kconfig files at a commit."""
        listed = self.scratch.git("ls-tree", "-r", "-z", commit).split(b"\0")
        return [
            line.partition(b"\t")[0].decode()
            for line in listed
            if _CONFIG_FILES.search(os.fsdecode(line.partition(b"\t")[2]))
        ]

    def _make(
        self, source: Path, arguments: Sequence[str | Path], objects: Sequence[str] | None, commit: str
    ) -> Generator[Event, None, list[str]]:
        """Run make and return its lines. Raises DiskFull, and BuildFailed where it came to no object at all.

        ``objects`` are those to be compiled: none where it configures, None for whatever is out of date.
        """
        command: list[str | Path] = ["make", "-C", source, f"O={self.output}", *self.tools.flags, *self.tools.wrapped]
        command += [f"ARCH={self.flavour.arch}", "LOCALVERSION=", *arguments, f"-j{len(os.sched_getaffinity(0))}"]
        env = MAKE_ENV | {"CROSS_COMPILE": "", "KBUILD_OUTPUT": "", "KCFLAGS": "", "KBUILD_BUILD_TIMESTAMP": "@0"}
        key = f"make-{self.flavour.name}"
        what = f"{self.flavour.title} at {commit[:12]}"
        compiles = objects is None or bool(objects)
        if compiles:
            yield StageBegun(key, what, None if objects is None else len(objects), "objects")
        lines: list[str] = []
        done: set[str] = set()
        with (
            self.log.open("a") as log,
            child.child(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=env) as process,
        ):
            assert process.stdout is not None  # it was asked for
            for raw in process.stdout:
                line = raw.decode(errors="replace").rstrip("\n").replace(f"{source}/", "")
                log.write(line + "\n")
                lines.append(line)
                if path := self._compiled(line, objects):
                    done.add(path)
                    yield StageProgress(key, len(done))
        if any("No space left on device" in line for line in lines):
            raise self.scratch.store.full(self.flavour.name, self.output)
        if compiles:
            yield StageEnded(key, ok=process.returncode == 0, note=f"{len(done)} compiled")
        if process.returncode and not self._explained(lines, objects):
            raise self._failed("build", lines)
        return lines

    def _compiled(self, line: str, objects: Sequence[str] | None) -> str:
        """The object that a line of make says is being compiled, if it is one of those to be compiled."""
        match = _TARGET.match(line)
        if not match or match["tool"] not in ("CC", "AS"):
            return ""
        return match["path"] if objects is None or match["path"] in objects else ""

    def _explained(self, lines: Sequence[str], objects: Sequence[str] | None) -> bool:
        """Whether make has failed for objects that were asked for, and not for what they all need."""
        failed = {m["path"].removeprefix(f"{self.output}/") for line in lines if (m := _FAILED.search(line))}
        if objects is None:
            return bool(failed)
        return failed <= set(objects) and bool(failed or any(_NO_RULE.search(line) for line in lines))

    def _failed(self, what: str, lines: Sequence[str]) -> BuildFailed:
        """The error, after the log was put where it stays."""
        errors = [line.shown for line in warnings.parse(lines) if line.error]
        errors += [match["why"] for line in lines if (match := _BROKEN.search(line))]
        kept = self.scratch.store.dir("logs") / f"series-{self.output.name}.log"
        shutil.copyfile(self.log, kept)
        return BuildFailed(f"{self.flavour.name} cannot {what}: {(errors or ['no reason given'])[0]}; log: {kept}")

    def _load(self) -> None:
        """Read what is known; objects whose compilation was not seen to its end are removed."""
        if self.known or self.configured:
            return
        try:
            raw = json.loads((self.output / _STATE).read_text())
            self.known = {name: Compiled(bool(told["ok"]), tuple(told["lines"])) for name, told in raw["known"].items()}
            self.configured = str(raw["configured"])
            pending = bool(raw["pending"])
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            self.known, self.configured, pending = {}, "", self.output.exists()
        if pending:
            for path in self.output.rglob("*.o"):
                path.unlink(missing_ok=True)
            self.known = {}

    def _save(self, *, pending: bool) -> None:
        known = {name: dataclasses.asdict(told) for name, told in self.known.items()}
        new = self.output / f".{_STATE}"
        new.write_text(json.dumps({"pending": pending, "configured": self.configured, "known": known}))
        new.rename(self.output / _STATE)


def wishes(flavour: Flavour, config: str) -> list[str]:
    """What the configuration of a build is made from. Raises BadRequest for a file that cannot be read."""
    if config == "allmodconfig":
        return [_LIGHTER, "CONFIG_64BIT=y\n" if flavour.arch == "x86_64" else "CONFIG_64BIT=n\n"]
    if config == "lab":
        # what a tree has not got (our modules, but for --self) is passed over
        return [path.read_text() for path in kconfig.files(("kunit", "ppiov-m"))]
    try:
        return [Path(config).read_text(errors="replace")]
    except OSError as error:
        raise BadRequest(
            f"the configuration {config} cannot be read ({error.strerror}): name a .config, or allmodconfig or lab"
        ) from None


def made_of(flavour: Flavour, config: str) -> list[str]:
    """What decides, besides the source, about what a build says; found out without looking at the source."""
    compilers = [f"clang{suffix}" for suffix in ("", *(f"-{n}" for n in range(11, 40)))] if flavour.llvm else ["gcc"]
    programs = [Path(found).resolve() for name in [*compilers, "sparse"] if (found := shutil.which(name))]
    return [*wishes(flavour, config), *(f"{path} {path.stat().st_size}" for path in programs)]


def programs(flavour: Flavour) -> Iterator[str]:
    """The compiler of a flavour, and sparse where it is used, each with the first line of its version."""
    clangs = ["clang", *(f"clang-{n}" for n in range(40, 10, -1))]
    compiler = next((name for name in (clangs if flavour.llvm else ["gcc"]) if shutil.which(name)), None)
    wanted = [compiler] + (["sparse"] if "C=1" in flavour.arguments else [])
    for name in wanted:
        if name is not None and shutil.which(name):
            out = child.output([name, "--version"])[1].strip()
            version = (out.splitlines() or ["of unknown version"])[0]
            yield version if name.startswith(("gcc", "clang")) else f"{name} {version}"


def toolchain_for(flavour: Flavour, source: Path) -> Toolchain:
    """The compiler of a flavour. Raises MissingTool, naming the package."""
    tools = toolchain.find(source, ("llvm",) if flavour.llvm else ())
    if any(argument.startswith("C=") for argument in flavour.arguments):
        child.find_tool("sparse")
    if flavour.arch == "i386":
        code, _, _ = child.output([tools.compiler, "-m32", "-fsyntax-only", "-x", "c", "/dev/null"])
        if code:
            raise MissingTool(f"{tools.compiler} cannot compile for 32 bit: apt install gcc-multilib")
    return tools
