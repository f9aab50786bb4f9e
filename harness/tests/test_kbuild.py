# SPDX-License-Identifier: GPL-2.0-only
"""Building out of tree: what is asked before, what is kept after, and what a failure says.

The kernel is a Makefile that compiles each C file of M= into a .ko, as Kbuild would be called; gcc is real.
"""

from __future__ import annotations

import dataclasses
import subprocess
from pathlib import Path

import fake_archive
import pytest
from elftools.elf.elffile import ELFFile
from engines import drain
from ppiov import kbuild
from ppiov.errors import BuildFailed, DiskFull, UnfitKernel
from ppiov.events import Note, StageBegun, StageEnded, StageProgress
from ppiov.kernels import KernelTree
from ppiov.store import Store

RELEASE = "6.12.9-mine"
MAKEFILE = """\
modules:
\t@for c in $(M)/*.c; do \\
\t\techo "  CC [M]  $${c%.c}.o"; \\
\t\tgcc $(KCFLAGS) $(if $(PPIOV),-I$(PPIOV)/include) $(if $(W),-Wall) -c $$c -o $${c%.c}.ko || exit 1; \\
\tdone
\t@cat /dev/null $(if $(PPIOV),$(PPIOV)/Module.symvers) > $(M)/Module.symvers
\t@for c in $(M)/*.c; do echo "0x1 $$(basename $$c .c)" >> $(M)/Module.symvers; done
"""
MODULE = f"""\
__attribute__((section(".modinfo"))) const char magic[] = "vermagic={RELEASE} SMP";
__attribute__((section(".modinfo"))) const char version[] = "srcversion=ABC";
const char *where = __FILE__;
"""


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


@pytest.fixture
def kernel(tmp_path: Path) -> KernelTree:
    fake_archive.need("make", "gcc")
    build = tmp_path / "headers"
    build.mkdir()
    (build / "Makefile").write_text(MAKEFILE)
    config = build / ".config"
    config.write_text('CONFIG_NET=y\nCONFIG_TUN=m\n# CONFIG_KUNIT is not set\nCONFIG_NAME="x"\n')
    return KernelTree(f"image:{build}", RELEASE, RELEASE, tmp_path, build, build, config, None, "1", "2")


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = tmp_path / "source"
    folder.mkdir()
    (folder / "toy.c").write_text(MODULE)
    return folder


def has_lines(module: Path) -> bool:
    with module.open("rb") as file:
        return bool(ELFFile(file).has_dwarf_info())


def build(kernel: KernelTree, source: Path, store: Store, *, checks: bool = False) -> kbuild.BuiltModules:
    return drain(kbuild.build_modules(kernel, source, store=store, checks=checks))[1]


def test_modules_are_built_described_and_kept(kernel: KernelTree, source: Path, store: Store) -> None:
    told, built = drain(kbuild.build_modules(kernel, source, store=store))
    (module,) = built.modules
    assert (module.name, module.srcversion) == ("toy", "ABC")
    assert module.compiler.startswith("GCC:") and len(module.sha256) == 64
    kept = {"Module.symvers", "build.log", "manifest.json", "toy.ko", "toy.ko.debug"}
    assert {p.name for p in built.directory.iterdir()} == kept
    lines = {path.name: has_lines(path) for path in built.directory.glob("toy.ko*")}
    assert lines == {"toy.ko": False, "toy.ko.debug": True}, "although the kernel is built without"
    assert [e.done for e in told if isinstance(e, StageProgress)] == [1]
    assert sorted(p.name for p in source.iterdir()) == ["toy.c"]  # the checkout stays clean

    told, again = drain(kbuild.build_modules(kernel, source, store=store))
    assert again == built
    assert [e.note for e in told if isinstance(e, StageEnded)] == ["already there"]


def test_the_same_source_gives_the_same_bytes_in_another_store(
    kernel: KernelTree, source: Path, store: Store, tmp_path: Path
) -> None:
    one, two = build(kernel, source, store), build(kernel, source, Store(tmp_path / "elsewhere"))
    assert one.directory != two.directory and one.modules == two.modules
    assert str(store.root).encode() not in (one.directory / "toy.ko").read_bytes()


def test_what_a_module_is_made_of_makes_a_new_one(kernel: KernelTree, source: Path, store: Store) -> None:
    first = build(kernel, source, store)
    (source / "toy.o").write_text("left over from a build by hand")
    (source / ".hidden").write_text("an editor's")
    assert build(kernel, source, store).directory == first.directory
    (source / "toy.h").write_text("")
    second = build(kernel, source, store)
    other_kernel = dataclasses.replace(kernel, config_sha256="3")
    third = build(other_kernel, source, store)
    assert len({first.directory, second.directory, third.directory}) == 3


def test_a_kernel_built_here_with_the_same_headers_takes_the_same_modules(
    kernel: KernelTree, source: Path, store: Store, tmp_path: Path
) -> None:
    """A patch that changes no header makes another kernel, and no other modules; a package's kernel is its own."""
    assert kernel.build is not None
    (kernel.build / "include").mkdir()
    (kernel.build / "include/a.h").write_text("int a;\n")
    (kernel.build / "vmlinux").write_text("one")
    here = dataclasses.replace(kernel, source=tmp_path)
    first = build(here, source, store)
    (kernel.build / "vmlinux").write_text("two")
    assert build(dataclasses.replace(here, image_sha256="9"), source, store).directory == first.directory
    (kernel.build / "include/a.h").write_text("long a;\n")
    assert build(dataclasses.replace(here, image_sha256="10"), source, store).directory != first.directory
    packaged = dataclasses.replace(here, source=None)
    other = dataclasses.replace(packaged, image_sha256="11")
    assert build(packaged, source, store).directory != build(other, source, store).directory


def test_a_module_that_uses_anothers_headers_and_symbols(
    kernel: KernelTree, source: Path, store: Store, tmp_path: Path
) -> None:
    for name, text in (("include/base.h", "#define BASE 1\n"), ("compat/probes.mk", "")):
        (source / name).parent.mkdir()
        (source / name).write_text(text)
    user = tmp_path / "user"
    user.mkdir()
    (user / "user.c").write_text(MODULE + "#include <base.h>\nint base = BASE;\n")

    def against() -> kbuild.Ppiov:
        return kbuild.Ppiov(source, build(kernel, source, store))

    first = drain(kbuild.build_modules(kernel, user, store=store, against=against()))[1]
    assert (first.directory / "Module.symvers").read_text() == "0x1 toy\n0x1 user\n"
    assert str(store.root).encode() not in (first.directory / "user.ko").read_bytes()
    (source / "toy.c").rename(source / "tool.c")  # exports something else
    second = drain(kbuild.build_modules(kernel, user, store=store, against=against()))[1]
    (source / "include" / "base.h").write_text("#define BASE 2\n")
    third = drain(kbuild.build_modules(kernel, user, store=store, against=against()))[1]
    assert len({first.directory, second.directory, third.directory}) == 3


def test_a_damaged_module_is_built_again(kernel: KernelTree, source: Path, store: Store) -> None:
    built = build(kernel, source, store)
    (built.directory / "toy.ko").write_bytes(b"")
    assert build(kernel, source, store) == built
    assert (built.directory / "toy.ko").stat().st_size


def test_an_error_is_a_sentence_with_its_log_and_leaves_nothing_else(
    kernel: KernelTree, source: Path, store: Store
) -> None:
    (source / "toy.c").write_text(MODULE + "int f(void) { return nothing; }\n")
    with pytest.raises(BuildFailed, match=r"toy\.c:4:\d+: error: .*nothing.*; log: ") as error:
        build(kernel, source, store)
    log = Path(str(error.value).rpartition("log: ")[2])
    assert "error" in log.read_text() and log.is_relative_to(store.root)
    assert list((store.root / "modules").iterdir()) == []


def test_a_warning_fails_only_where_checks_were_asked_for(kernel: KernelTree, source: Path, store: Store) -> None:
    fake_archive.need("sparse")
    build(kernel, source, store, checks=True)
    (source / "toy.c").write_text(MODULE + "static int unused(void) { return 0; }\n")
    told, built = drain(kbuild.build_modules(kernel, source, store=store))
    assert built.modules and "1 warning" in [e.note for e in told if isinstance(e, StageEnded)][-1]
    with pytest.raises(BuildFailed, match=r"1 warning, the first: toy\.c:4:.*unused.*; log: "):
        build(kernel, source, store, checks=True)


def test_a_module_for_another_kernel_is_refused(kernel: KernelTree, source: Path, store: Store) -> None:
    (source / "toy.c").write_text(MODULE.replace(RELEASE, "6.1.0"))
    with pytest.raises(BuildFailed, match=r"built for '6\.1\.0 SMP', not for 6\.12\.9-mine"):
        build(kernel, source, store)


def test_a_source_without_modules_is_said_to_be_one(kernel: KernelTree, source: Path, store: Store) -> None:
    assert kernel.build is not None
    (kernel.build / "Makefile").write_text("modules:\n")
    with pytest.raises(BuildFailed, match="built no module"):
        build(kernel, source, store)


def test_a_full_disk_is_told_from_a_bad_program(kernel: KernelTree, source: Path, store: Store) -> None:
    assert kernel.build is not None
    (kernel.build / "Makefile").write_text("modules:\n\t@echo 'toy.s: No space left on device'; false\n")
    with pytest.raises(DiskFull):
        build(kernel, source, store)


def test_options_that_are_lacking_are_named_before_a_compiler_runs(
    kernel: KernelTree, source: Path, store: Store
) -> None:
    (source / "required.config").write_text("# why\nCONFIG_NET\nCONFIG_TUN  # y or m\nCONFIG_NET=y\n\n")
    kbuild.check_config(kernel, source)
    (source / "required.config").write_text("CONFIG_NET\nCONFIG_KUNIT\nCONFIG_TUN=y\nCONFIG_NE\n")
    with pytest.raises(UnfitKernel, match="lacks CONFIG_KUNIT, CONFIG_TUN=y, CONFIG_NE, which the modules need"):
        build(kernel, source, store)
    assert not (store.root / "modules").exists()
    (source / "required.config").write_text("CONFIG_NET\nNET\n")
    with pytest.raises(BuildFailed, match=r"required\.config:2: 'NET'"):
        kbuild.check_config(kernel, source)


def test_a_kernel_without_headers_is_a_sentence(kernel: KernelTree, source: Path, store: Store) -> None:
    with pytest.raises(UnfitKernel, match="came without headers"):
        build(dataclasses.replace(kernel, build=None), source, store)


def test_another_compiler_than_the_headers_name_is_told_and_used(
    kernel: KernelTree, source: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert kernel.build is not None
    (kernel.build / ".kernelvariables").write_text("CC = gcc-99\n")
    makefile = "CC = gcc-99\nempty.s:\n\t@true\n" + MAKEFILE.replace("gcc $(KCFLAGS)", "$(CC) $(KCFLAGS)")
    (kernel.build / "Makefile").write_text("modules:\n" + makefile)
    told, built = drain(kbuild.build_modules(kernel, source, store=store))
    assert built.modules
    assert any(isinstance(e, Note) and e.text.startswith("gcc-99, which built this kernel, is not here") for e in told)


def test_a_machine_that_cannot_make_btf_is_told_and_does_without(
    kernel: KernelTree, source: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert kernel.build is not None and kernel.config is not None
    kernel.config.write_text("CONFIG_DEBUG_INFO_BTF_MODULES=y\nCONFIG_PAHOLE_VERSION=9999\n")
    asked = "$(if $(filter command,$(origin CONFIG_DEBUG_INFO_BTF_MODULES)),,$(error BTF was asked for))\n"
    (kernel.build / "Makefile").write_text(asked + MAKEFILE)
    told, built = drain(kbuild.build_modules(kernel, source, store=store))
    assert built.modules
    assert any(isinstance(e, Note) and "without BTF" in e.text for e in told)


def test_sparse_that_kbuild_refuses_is_not_silence(kernel: KernelTree, source: Path, store: Store) -> None:
    fake_archive.need("sparse")
    assert kernel.build is not None
    (kernel.build / "Makefile").write_text(
        "$(if $(C),$(warning C=$(C) specified, but sparse is not available or not up to date))\n" + MAKEFILE
    )
    told, _ = drain(kbuild.build_modules(kernel, source, store=store, checks=True))
    assert any(isinstance(e, Note) and "not checked with sparse" in e.text for e in told)


def test_an_outer_make_has_no_say(
    kernel: KernelTree, source: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert kernel.build is not None
    (kernel.build / "Makefile").write_text("$(if $(MINE),$(error the outer make's variable is here))\n" + MAKEFILE)
    monkeypatch.setenv("MAKEFLAGS", "-- MINE=1")
    monkeypatch.setenv("MAKELEVEL", "2")
    assert build(kernel, source, store).modules


def test_interrupted_nothing_half_built_is_left(kernel: KernelTree, source: Path, store: Store) -> None:
    engine = kbuild.build_modules(kernel, source, store=store)
    while not isinstance(next(engine), StageProgress):
        pass
    engine.close()
    assert list((store.root / "modules").iterdir()) == []
    assert build(kernel, source, store).modules


def test_a_program_is_built_kept_and_runs(kernel: KernelTree, store: Store, tmp_path: Path) -> None:
    source = tmp_path / "prog"
    source.mkdir()
    (source / "Makefile").write_text("$(O)/prog: prog.c\n\t$(CC) $(CFLAGS) -o $@ $<\n")
    (source / "prog.c").write_text("int main(void) { return 7; }\n")
    told, folder = drain(kbuild.build_userland(kernel, source, store=store))
    assert subprocess.run([folder / "prog"], check=False).returncode == 7
    assert any(isinstance(e, StageBegun) and e.total == 1 for e in told)
    told, again = drain(kbuild.build_userland(kernel, source, store=store))
    assert again == folder and [e.note for e in told if isinstance(e, StageEnded)] == ["already there"]
    (source / "Makefile").write_text("all:\n")
    with pytest.raises(BuildFailed, match="built no program"):
        drain(kbuild.build_userland(kernel, source, store=store))


def test_programs_of_a_source_that_changed_are_built_again(store: Store, tmp_path: Path) -> None:
    """A folder of the user's, unlike the store's own, is known by its content."""
    source = tmp_path / "linux"
    (source / "tests").mkdir(parents=True)
    program = source / "tests/run.sh"
    (source / "tests/Makefile").write_text("all:\n\tcp run.sh $(O)\n")

    def build() -> str:
        folder = drain(
            kbuild.build_programs(
                "tests",
                source,
                lambda work, out: [["make", "-C", work / "tests", f"O={out}"]],
                ("run.sh",),
                store=store,
                python=tmp_path,
                parts=("tests",),
            )
        )[1]
        return (folder / "run.sh").read_text()

    for text in ("one", "two", "one"):
        program.write_text(text)
        assert build() == text
