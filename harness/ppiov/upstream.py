# SPDX-License-Identifier: GPL-2.0-only
"""The kernel's own selftests, unmodified, built by the kernel's own makefiles from the kernel's own source.

What is built is what `make install` of tools/testing/selftests makes of the collections asked for: a folder with the
test programs, their libraries and kselftest-list.txt. It stays in the store; the source is copied before it is built.
"""

from __future__ import annotations

import re
import shutil
import sys
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from pathlib import Path

from ppiov import child, compiler, headers_tools, kbuild, kernel_source, tools
from ppiov.errors import MissingTool, UnknownName
from ppiov.events import Event, Note
from ppiov.spec import KSELFTEST
from ppiov.store import Store
from ppiov.tree import KernelTree, read_config

DEFAULT_COLLECTIONS = "the default ones"  # no name that a collection could have; it means, where the tree has them:
COLLECTIONS = ("drivers/net", "drivers/net/hw")  # and
NL_NETDEV = "net/nl_netdev.py"
BENCH = "net/bench/test_bench_page_pool.sh"
_SELFTESTS = "tools/testing/selftests"
_LIST = "selftests/kselftest-list.txt"
_NCDEVMEM = "ncdevmem"  # 6.12 has it in net/, where nothing in the tree drives it: selftests/upstream/test_ncdevmem.py


@dataclass(frozen=True, slots=True)
class Programs:
    """Selftests in the store."""

    folder: Path  # kselftest's own layout: drivers/net/hw/devmem.py, net/lib, kselftest-list.txt
    names: tuple[str, ...]  # the tests, as paths below ``folder``
    tools: Path  # of tools.py
    ncdevmem: Path | None = None  # the folder with 6.12's


def build(kernel: KernelTree, collections: Sequence[str] = (), *, store: Store) -> Generator[Event, None, Programs]:
    """Build ``collections``, by default DEFAULT_COLLECTIONS, from the source of ``kernel``.

    The uAPI headers come from `make headers`, the netlink code from the kernel's YNL generator, whose Python is the
    one that runs this (it needs PyYAML and jsonschema).

    Raises UnfitKernel for a kernel without source, UnknownName for a collection that its source lacks, and what the
    store, the archive and the compilers can raise.
    """
    source = yield from kernel_source.get(kernel, store=store)
    tree = source / _SELFTESTS
    named = [name for name in collections if name != DEFAULT_COLLECTIONS]
    default = not named or DEFAULT_COLLECTIONS in collections
    for name in named:
        if not (tree / name / "Makefile").is_file():
            raise UnknownName("collection", name, _collections(tree))
    own = [name for name in COLLECTIONS if default and (tree / name / "Makefile").is_file()]
    targets = list(dict.fromkeys([*own, *named]))
    extra = [name for name in (NL_NETDEV, BENCH) if default and (tree / name).is_file()]
    if BENCH in extra and kernel.build is None:
        extra.remove(BENCH)
    programs = yield from tools.get(store=store)
    child.find_tool("rsync")
    clang = _clang()

    def commands(work: Path, out: Path) -> list[list[str | Path]]:
        # kselftest's makefiles look for liburing with `echo -e`, which is bash's, and put the library before what
        # needs it.
        common = ["SHELL=/bin/bash", f"CLANG={clang}"]
        into = out / "selftests"
        make: list[str | Path] = ["make", "-C"]
        selftests = work / _SELFTESTS
        steps: list[list[str | Path]] = [
            [*make, work, "headers"],
            [
                *(*make, selftests, *common, "CC=gcc -Wl,--no-as-needed", "FORCE_TARGETS=1"),
                *(f"TARGETS={' '.join(targets)}", f"INSTALL_PATH={into}", "install"),
            ],
        ]
        if NL_NETDEV in extra:  # of this collection the scripts only: its programs take minutes to build
            nothing = ["TEST_GEN_PROGS=", "TEST_GEN_FILES=", "TEST_GEN_PROGS_EXTENDED=", "YNL_GEN_FILES="]
            into_net = [f"INSTALL_PATH={into / 'net'}", f"SRC_PATH={selftests}", f"OBJ_PATH={into}"]
            steps.append([*make, selftests / "net", f"OUTPUT={selftests / 'net'}", *nothing, *into_net, "install"])
        if BENCH in extra and kernel.build is not None:
            folder = selftests / "net/bench"
            gcc = compiler.find(kernel.build)
            module = [f"KDIR={kernel.build.resolve()}", f"CC={gcc.command}", *gcc.variables]
            if headers_tools.no_btf(kernel.build, read_config(kernel.config) if kernel.config else {}):
                module.append("CONFIG_DEBUG_INFO_BTF_MODULES=")
            steps.append([*make, folder, f"OUTPUT={folder}", *module, f"INSTALL_PATH={into / 'net/bench'}", "install"])
        return steps

    def environment(work: Path) -> dict[str, str]:
        own = programs / tools.LIBRARY
        return {
            "C_INCLUDE_PATH": f"{own / 'include'}:{work / 'usr/include'}",
            "LIBRARY_PATH": str(own / "lib"),
            "LD_RUN_PATH": str(own / "lib"),  # the host's liburing, if it has one, may be too old
        }

    folder = yield from kbuild.build_programs(
        f"{kernel.release}-{'+'.join(name.replace('/', '-') for name in targets)}",
        source,
        commands,
        (_LIST,),
        store=store,
        python=Path(sys.executable).parent,
        parts=kernel_source.PARTS,
        environment=environment,
    )
    listed = [line.replace(":", "/", 1) for line in (folder / _LIST).read_text().splitlines() if line.strip()]
    if note := _lacking(kernel, tree, targets):
        yield Note(note, "warning")
    ncdevmem = None
    if default and (tree / "net" / f"{_NCDEVMEM}.c").is_file():
        ncdevmem = yield from _build_ncdevmem(kernel, source, store)
    return Programs(folder / "selftests", (*listed, *extra), programs, ncdevmem)


def _build_ncdevmem(kernel: KernelTree, source: Path, store: Store) -> Generator[Event, None, Path]:
    def commands(work: Path, out: Path) -> list[list[str | Path]]:
        return [
            ["make", "-C", work, "headers"],
            ["make", "-C", work / _SELFTESTS / "net", f"OUTPUT={out}", out / _NCDEVMEM],
        ]

    return (
        yield from kbuild.build_programs(
            f"{kernel.release}-{_NCDEVMEM}",
            source,
            commands,
            (_NCDEVMEM,),
            store=store,
            python=Path(sys.executable).parent,
            parts=kernel_source.PARTS,
        )
    )


def _clang() -> str:
    """The newest clang: some tests are BPF programs. Raises MissingTool."""
    for number in range(30, 13, -1):
        if shutil.which(f"clang-{number}"):
            return f"clang-{number}"
    if shutil.which("clang"):
        return "clang"
    raise MissingTool("clang is missing: apt install clang")


def _collections(tree: Path) -> list[str]:
    """The collections that kselftest's own Makefile lists."""
    text = (tree / "Makefile").read_text()
    return re.findall(r"^TARGETS \+= (\S+)", text, re.MULTILINE)


def _lacking(kernel: KernelTree, tree: Path, targets: Sequence[str]) -> str:
    """What the collections' config files ask for and the kernel was built without, as a sentence; "" for nothing."""
    if kernel.config is None:
        return ""
    have = read_config(kernel.config)
    lacking: set[str] = set()
    for target in targets:
        path = tree / target / "config"
        for name, value in read_config(path).items() if path.is_file() else ():
            if value in ("y", "m") and have.get(name) not in ("y", "m"):
                lacking.add(name)
    if not lacking:
        return ""
    said = f"{kernel.release} lacks {', '.join(sorted(lacking))}, which {' and '.join(targets)} would like"
    additions = [f"+{KSELFTEST}{target.replace('/', '.')}" for target in targets]
    more = "".join(addition for addition in additions if addition not in kernel.spec)
    return f"{said}: {more} adds what it has" if more and kernel.source is not None else said
