# SPDX-License-Identifier: GPL-2.0-only
"""Builds modules and guest programs against a kernel, once per content.

The source is copied and built in the store, so that a checkout stays clean, two kernels never mix their objects, and a
second call finds everything there. The key of an entry is made of the source's bytes, the kernel, the compiler and the
flags; absolute paths are mapped away, so that the same key means the same bytes.
"""

from __future__ import annotations

import dataclasses
import functools
import os
import re
import shutil
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from elftools.common.exceptions import ELFError
from elftools.elf.elffile import ELFFile

from ppiov import checker, child, compiler, headers_tools
from ppiov.errors import BuildFailed, PpiovError, UnfitKernel
from ppiov.events import Event, Note, StageBegun, StageEnded
from ppiov.make import Make
from ppiov.results import Module
from ppiov.store import Entry, Fresh, Store, digest, entry_lock, file_sha256
from ppiov.tree import KernelTree, read_config

REQUIRED_CONFIG = "required.config"
DEBUG_SUFFIX = ".debug"  # X.ko.debug is X.ko with its debug information
SYMVERS = "Module.symvers"
_GENERATED = {".o", ".ko", ".mod", ".cmd", ".order", ".symvers", ".d", ".a"}
_NO_SPARSE = "C=2 specified, but"  # Kbuild tries sparse on a few lines first, and does without it if that fails
_CHECKED = "\n  CHECK "


@dataclass(frozen=True, slots=True)
class BuiltModules:
    """Modules in the store: ``directory`` has the .ko files, each once more as .ko.debug, and build.log.

    What the guest loads is without debug information: that is nine tenths of a file that an emulated machine has to
    read from the host. The .ko.debug is what a splat is decoded with.
    """

    directory: Path
    modules: tuple[Module, ...]


@dataclass(frozen=True, slots=True)
class Ppiov:
    """What a module is built against that uses ppiov's functions."""

    source: Path  # its kernel/ folder, for the headers
    built: BuiltModules

    @property
    def symvers(self) -> Path:
        """What it exports, with the CRCs of this very build."""
        return self.built.directory / SYMVERS

    def headers(self) -> Iterator[Path]:
        """The folders that its users include from, relative to ``source``."""
        return (Path(name) for name in ("include", "compat"))


def build_modules(
    kernel: KernelTree,
    source: Path,
    *,
    store: Store,
    checks: bool = False,
    against: Ppiov | None = None,
    defines: Sequence[str] = (),
) -> Generator[Event, None, BuiltModules]:
    """Build the modules of ``source`` (a folder with a Kbuild file) out of tree against ``kernel``, with W=1.

    ``checks`` adds sparse (C=2), and makes any warning a failure. What the modules need of the configuration stands
    in ``source``/required.config, one option a line, and is checked before a compiler runs. With ``against``, make's
    PPIOV names a folder with its headers and Module.symvers. ``defines`` are given to the compiler, too.

    Raises UnfitKernel, MissingTool, BuildFailed (the log stays, and the sentence names it), DiskFull.
    """
    if kernel.build is None:
        raise UnfitKernel(f"{kernel.spec} came without headers, so no modules can be built for it")
    check_config(kernel, source)
    child.find_tool("make")
    sparse = (yield from checker.find(kernel.build, store)) if checks else None
    gcc = compiler.find(kernel.build)
    no_btf = headers_tools.no_btf(kernel.build, _config(kernel))
    flags = ["W=1", "CONFIG_MODULE_SRCVERSION_ALL=y", *kernel.make_flags, *gcc.variables]
    flags += [f"CC={gcc.command}"] if gcc.command != gcc.asked else []
    flags += ["CONFIG_DEBUG_INFO_BTF_MODULES="] if no_btf else []
    # A kernel built without debug information (most lab kernels) asks for none in modules; it changes no instruction.
    debug = "" if "CONFIG_DEBUG_INFO" in _config(kernel) else " -g"
    symvers = file_sha256(kernel.symvers) if kernel.symvers else ""
    made_of: list[str | bytes] = [kernel.release, kernel.config_sha256, _built_against(kernel), symvers]
    made_of += [version_line(gcc.command), *flags, *(sparse.about if sparse else ())]
    flags += sparse.words if sparse else ()
    made_of += [DEBUG_SUFFIX, debug, SYMVERS]  # what else the entry has
    made_of += defines
    if against:
        made_of += [file_sha256(against.symvers)]
        made_of += [word for folder in against.headers() for word in contents(against.source / folder)]
    key = f"{kernel.release}-{digest([*made_of, *contents(source)])}"
    title = f"build the modules for {kernel.release}"

    def build(fresh: Fresh) -> Generator[Event, None, tuple[dict[str, Any], str]]:
        if gcc.note():
            yield Note(gcc.note())
        if no_btf:
            yield Note(f"the modules are built without BTF: {no_btf}")
        work = fresh.path / "build"
        # Paths of the moment must not get into the modules: the same key means the same bytes.
        mapped = f"KCFLAGS=-ffile-prefix-map={work}/={debug}{''.join(f' -D{name}' for name in defines)}"
        words = [*flags]
        if shutil.which("ccache") and not kernel.make_flags:
            words.append(f"CC=ccache {gcc.command}")
        if against:
            beside = work / ".ppiov"
            beside.mkdir()
            for folder in against.headers():
                copy_source(against.source / folder, beside / folder)
            shutil.copy(against.symvers, beside / SYMVERS)
            words.append(f"PPIOV={beside}")
        make = Make("modules", key, title, work, fresh.path / "build.log", store)
        warnings = yield from make.run(["make", "-C", build_folder, f"M={work}", mapped, *words, "modules"])
        if checks and _NO_SPARSE in (said := make.log.read_text()) and _CHECKED not in said:
            yield Note("not checked with sparse: Kbuild does not take it for the kernel's headers", "warning")
        if warnings and checks:
            raise make.failed(f"{_count(warnings)}, the first: {warnings[0]}")
        for path in work.rglob("*.ko"):
            _split(path, fresh.path / path.name)
        modules = [describe(path, kernel) for path in sorted(fresh.path.glob("*.ko"))]
        if not modules:
            raise make.failed("it built no module")
        (work / SYMVERS).rename(fresh.path / SYMVERS)
        facts = {
            "release": kernel.release,
            "modules": [dataclasses.asdict(module) for module in modules],
            "files": {
                **{f"{module.name}.ko": module.sha256 for module in modules},
                SYMVERS: file_sha256(fresh.path / SYMVERS),
            },
        }
        return facts, ", ".join([*(module.name for module in modules), *([_count(warnings)] if warnings else [])])

    build_folder = kernel.build
    # A path that stays: ccache compiles only what has changed, and --checks after a run costs sparse alone.
    place = f"{kernel.release}-{digest([str(source)])}"
    entry = yield from _once("modules", key, title, source, store, build, place=place)
    return BuiltModules(entry.path, tuple(Module(**module) for module in entry.facts["modules"]))


def build_userland(kernel: KernelTree, source: Path, *, store: Store) -> Generator[Event, None, Path]:
    """Build the guest programs of ``source`` with its Makefile (``make CC=... O=...``); returns the folder with them.

    The programs bring the uAPI definitions that they need, so one build serves all kernels; ``kernel`` is only named.
    Raises MissingTool, BuildFailed, DiskFull.
    """
    compiler = os.environ.get("CC", "gcc")
    child.find_tool("make")
    key = f"{source.name}-{digest([version_line(compiler), os.uname().machine, *contents(source)])}"
    title = f"build {source.name} for {kernel.release}"

    def build(fresh: Fresh) -> Generator[Event, None, tuple[dict[str, Any], str]]:
        work, out = fresh.path / "build", fresh.path / "build/.out"
        out.mkdir()
        make = Make("userland", key, title, work, fresh.path / "build.log", store)
        warnings = yield from make.run(["make", "-C", work, f"CC={compiler}", f"O={out}"])
        programs = [path for path in sorted(out.rglob("*")) if path.is_file() and os.access(path, os.X_OK)]
        if not programs:
            raise make.failed("it built no program into its O= folder")
        names = [path.rename(fresh.path / path.name).name for path in programs]
        facts = {"files": {name: file_sha256(fresh.path / name) for name in names}}
        return facts, ", ".join([*names, *([_count(warnings)] if warnings else [])])

    entry = yield from _once("userland", key, title, source, store, build)
    return entry.path


def build_programs(
    name: str,
    source: Path,
    commands: Callable[[Path, Path], Sequence[Sequence[str | Path]]],
    programs: Sequence[str],
    *,
    store: Store,
    python: Path,
    parts: Sequence[str] = (),
    environment: Callable[[Path], Mapping[str, str]] = lambda _: {},
) -> Generator[Event, None, Path]:
    """Build ``programs`` from a kernel's source, which stays as it is; returns the folder with them.

    ``commands`` is given a copy of the source and the folder that the programs are to be built into, and says what
    make is called with, in order. ``programs`` are paths in that folder; where one is in a folder, all of that folder
    is kept. Only ``parts`` of the source are copied, if there are any. ``environment``, given the copy too, is added
    to make's; its "python3" is the one in the folder ``python``.
    Raises MissingTool, BuildFailed, DiskFull.
    """
    child.find_tool("make")
    # the paths in the commands are those of the moment, so their words are taken with others
    words = [str(word) for command in commands(Path("source"), Path("out")) for word in command]
    words += [f"{key}={value}" for key, value in environment(Path("source")).items()]
    # a folder of the store's has its content in its name; any other may have changed since
    of = [str(source)] if source.is_relative_to(store.root) else contents(source, parts)
    key = f"{name}-{digest([version_line('gcc'), os.uname().machine, *of, *words])}"
    title = f"build {name}"

    def build(fresh: Fresh) -> Generator[Event, None, tuple[dict[str, Any], str]]:
        work, out = fresh.path / "build", fresh.path / "build/.out"
        out.mkdir()
        make = Make("userland", key, title, work, fresh.path / "build.log", store)
        path = os.pathsep.join([str(python), os.environ.get("PATH", os.defpath)])
        for command in commands(work, out):
            yield from make.run(command, {"PATH": path, **environment(work)})
        absent = [program for program in programs if not (out / program).is_file()]
        if absent:  # a makefile whose prerequisites are missing says «nothing to be done»
            raise make.failed(f"it built no {', '.join(absent)}")
        for top in sorted({Path(program).parts[0] for program in programs}):
            (out / top).rename(fresh.path / top)
        return {"files": {program: file_sha256(fresh.path / program) for program in programs}}, ""

    entry = yield from _once("userland", key, title, source, store, build, files=False, parts=parts)
    return entry.path


def _once(
    kind: str,
    key: str,
    title: str,
    source: Path,
    store: Store,
    build: Callable[[Fresh], Generator[Event, None, tuple[dict[str, Any], str]]],
    *,
    files: bool = True,
    parts: Sequence[str] = (),
    place: str = "",
) -> Generator[Event, None, Entry]:
    """The entry, built from a copy of ``source`` in the fresh entry's build/ if it is not there yet.

    ``parts`` of the source are copied, or all. Without ``files`` the C files of ``source`` are not what the progress
    counts to: most of them are not built. ``place`` is that of :meth:`Store.fresh`.
    """
    with (yield from store.lock(entry_lock(kind, key), title)):
        if entry := _intact(store.entry(kind, key)):
            yield StageBegun(kind, title)
            yield StageEnded(kind, note="already there")
            return store.use(entry)
        with ExitStack() as stack:
            if place:
                stack.enter_context((yield from store.lock(entry_lock(kind, place), title)))
            fresh = stack.enter_context(store.fresh(kind, key, place))
            copy_source(source, fresh.path / "build", parts)
            total = len(list((fresh.path / "build").rglob("*.c"))) if files else 0
            yield StageBegun(kind, title, total or None, "files")
            try:
                facts, note = yield from build(fresh)
            except PpiovError:
                yield StageEnded(kind, ok=False)
                raise
            shutil.rmtree(fresh.path / "build")
            entry = fresh.commit(facts)
        yield StageEnded(kind, note=note)
        return store.use(entry)


def check_config(kernel: KernelTree, source: Path) -> None:
    """Raise UnfitKernel, naming every option of ``source``/required.config that the kernel lacks.

    A line is ``CONFIG_X`` (y or m will do) or ``CONFIG_X=y``; ``#`` begins a comment.
    """
    path = source / REQUIRED_CONFIG
    if not path.is_file():
        return
    config = _config(kernel)
    lacking = []
    for number, line in enumerate(path.read_text().splitlines(), 1):
        wanted = line.partition("#")[0].strip()
        if not wanted:
            continue
        match = re.fullmatch(r"(CONFIG_\w+)(?:=(\w+))?", wanted)
        if not match:
            raise BuildFailed(f"{path}:{number}: {wanted!r} is neither CONFIG_X nor CONFIG_X=y")
        accepted = (match[2],) if match[2] else ("y", "m")
        if config.get(match[1]) not in accepted:
            lacking.append(wanted)
    if lacking:
        raise UnfitKernel(f"{kernel.spec} ({kernel.release}) lacks {', '.join(lacking)}, which the modules need")


def _config(kernel: KernelTree) -> dict[str, str]:
    """The kernel's configuration. Raises UnfitKernel where there is none."""
    path = kernel.config or (kernel.build / ".config" if kernel.build else None)
    if path is None:
        raise UnfitKernel(f"{kernel.spec} came without its configuration (config-{kernel.release} beside the image)")
    return read_config(path)


def source_files(source: Path) -> Iterator[Path]:
    """The files that make up ``source``, relative to it and sorted: neither hidden nor generated by a build."""
    for path in sorted(source.rglob("*")):
        relative = path.relative_to(source)
        hidden = any(part.startswith(".") for part in relative.parts)
        generated = path.suffix in _GENERATED or path.name.endswith(".mod.c") or "__pycache__" in relative.parts
        if path.is_file() and not hidden and not generated:
            yield relative


def part_files(source: Path, parts: Sequence[str]) -> Iterator[Path]:
    """The files and links of ``parts``, files and folders of a kernel's source, that are there; relative to it."""
    for part in parts:
        place = source / part
        for path in sorted(place.rglob("*")) if place.is_dir() else [place]:
            if (path.is_symlink() or path.is_file()) and path.suffix not in (".o", ".a"):
                yield path.relative_to(source)


def copy_source(source: Path, into: Path, parts: Sequence[str] = ()) -> None:
    """Copy what :func:`source_files` names; links are followed, so that the copy stands alone.

    With ``parts`` it is what :func:`part_files` names, links as links. ``into`` may be there, if it is empty.
    """
    into.mkdir(exist_ok=True)
    for relative in part_files(source, parts) if parts else source_files(source):
        (into / relative).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(source / relative, into / relative, follow_symlinks=not parts)


def _built_against(kernel: KernelTree) -> str:
    """What of the kernel gets into a module, besides its configuration and what it exports.

    Of a kernel built here it is what stands in its build folder: most patches change no header, and the modules of the
    kernel before them fit. Of others, and where types come from vmlinux (BTF), it is the kernel.
    """
    if kernel.source is None or kernel.build is None or _config(kernel).get("CONFIG_DEBUG_INFO_BTF_MODULES") == "y":
        return kernel.image_sha256
    return _build_folder(kernel.build, kernel.image_sha256)


@functools.cache
def _build_folder(folder: Path, _image: str) -> str:
    """The digest of a kernel's build folder without the kernel and what it exports; of each kernel once."""
    files = sorted(path for path in folder.rglob("*") if path.is_file() and path.name not in ("vmlinux", SYMVERS))
    return digest([word for path in files for word in (str(path.relative_to(folder)), path.read_bytes())])


def contents(source: Path, parts: Sequence[str] = ()) -> Iterator[str | bytes]:
    """Names and bytes of what :func:`copy_source` copies, for a digest."""
    for relative in part_files(source, parts) if parts else source_files(source):
        path = source / relative
        if parts and path.is_symlink():
            yield f"{relative} -> {path.readlink()}"
            continue
        yield f"{relative} {os.access(path, os.X_OK)}"
        yield path.read_bytes()


def _split(built: Path, into: Path) -> None:
    """Put the module to ``into`` without its debug information, and with it beside that."""
    code, _, err = child.output([child.find_tool("objcopy", "binutils"), "--strip-debug", built, into])
    if code:
        raise BuildFailed(f"objcopy cannot copy {built.name}: {err.strip()}")
    built.rename(into.with_name(into.name + DEBUG_SUFFIX))


def describe(path: Path, kernel: KernelTree) -> Module:
    """What a .ko says about itself in .modinfo and .comment."""
    try:
        with path.open("rb") as file:
            elf = ELFFile(file)
            modinfo = _section(elf, ".modinfo")
            comment = _section(elf, ".comment")
    except ELFError as error:
        raise BuildFailed(f"{path.name} is no kernel module: {error}") from error
    said = dict(word.partition("=")[::2] for word in modinfo)
    if said.get("vermagic", "").split()[:1] != [kernel.release]:
        raise BuildFailed(f"{path.name} was built for {said.get('vermagic', 'no kernel')!r}, not for {kernel.release}")
    return Module(path.stem, file_sha256(path), said.get("srcversion", ""), comment[0] if comment else "")


def _section(elf: Any, name: str) -> list[str]:
    section = elf.get_section_by_name(name)
    data: bytes = section.data() if section else b""
    return [word.decode(errors="replace") for word in data.split(b"\0") if word]


def _intact(entry: Entry | None) -> Entry | None:
    """The entry, if its files are still what was built."""
    if entry is None:
        return None
    try:
        right = all(file_sha256(entry.path / name) == value for name, value in entry.facts["files"].items())
    except (OSError, KeyError):
        return None
    return entry if right else None


def version_line(command: str) -> str:
    """What a compiler calls itself. Raises BuildFailed."""
    code, out, err = child.output([command, "--version"])
    if code:
        raise BuildFailed(f"{command} --version failed: {err.strip()}")
    return out.partition("\n")[0]


def _count(lines: Sequence[str]) -> str:
    return f"{len(lines)} warning{'s' if len(lines) != 1 else ''}"
