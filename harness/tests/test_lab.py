# SPDX-License-Identifier: GPL-2.0-only
"""Kernels built from source: what is built, what is built again, what stays as it is, and how it fails.

The kernel is one of a few lines (fake_kernel.py); git, make, apt and tar are real.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import fake_archive
import fake_kernel
import pytest
from engines import drain
from fake_archive import FakeArchive
from ppiov import kernel_source, kernels, lab, toolchain
from ppiov.archive import Archive
from ppiov.errors import BadSpec, BuildFailed, DiskFull, MissingTool, PpiovError, UnfitKernel, UnknownName
from ppiov.events import Event, StageBegun, StageEnded, StageProgress
from ppiov.kconfig import ESSENTIAL, FOLDER, Refused, arrived, asked, files, known_options, variables
from ppiov.render import words
from ppiov.spec import ADDITIONS, KernelSpec
from ppiov.store import Store
from ppiov.toolchain import Toolchain
from ppiov.tree import KernelTree

STAGES = ["source", "configure", "kernel", "install"]


@pytest.fixture(autouse=True)
def tools(monkeypatch: pytest.MonkeyPatch) -> None:
    """The fake kernel needs neither flex nor a compiler."""
    fake_archive.need("make", "git", "depmod")
    made = {llvm: Toolchain("gcc", "gcc 12.2.0", ("LLVM=-19",) if llvm else (), ()) for llvm in (False, True)}
    monkeypatch.setattr(toolchain, "find", lambda _source, additions=(): made["llvm" in additions])


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


@pytest.fixture
def top(tmp_path: Path) -> Path:
    """A repository at a path that no makefile could take."""
    return fake_kernel.repository(tmp_path / "my work: net+next" / "linux@home")


def get(text: str, store: Store, *, refresh: bool = False) -> tuple[list[Event], KernelTree]:
    return drain(kernels.get(KernelSpec.parse(text), store=store, refresh=refresh))


def compiled(told: list[Event]) -> int:
    return max((int(e.done) for e in told if isinstance(e, StageProgress) and e.key == "kernel"), default=0)


def snapshot(top: Path) -> dict[str, tuple[int, int, bytes]]:
    """Every file below ``top``, git's own included, with its times."""
    found = {}
    for path in sorted(top.rglob("*")):
        if path.is_file():
            status = path.stat()
            found[str(path.relative_to(top))] = (status.st_mtime_ns, status.st_ctime_ns, path.read_bytes())
    return found


# tree:


def test_a_work_tree_is_built_as_it_is_and_stays_as_it_is(store: Store, top: Path) -> None:
    (top / "kernel/exit.c").unlink()
    (top / "kernel/new.c").write_text("int new;\n")
    (top / "kernel/fork.c").write_text("int changed;\n")
    (top / ".config").write_text("CONFIG_STALE=y\n")  # of an in-tree build: in the way of any other
    (top / "kernel/stale.o").write_text("")
    before = snapshot(top)
    told, tree = get(f"tree:{top}+kunit", store)
    assert tree.image.read_bytes().startswith(b"int changed;\nint new;\nCONFIG_")
    assert snapshot(top) == before
    assert tree.release == "7.9.0-kunit" and tree.version == f"{fake_kernel.git(top, 'rev-parse', 'HEAD')[:12]}-dirty"
    assert compiled(told) == 2
    assert [e.key for e in told if isinstance(e, StageEnded) and e.ok] == STAGES
    for path in (tree.image, tree.config, tree.symvers, tree.vmlinux, tree.build, tree.source):
        assert path is not None and path.exists() and path.resolve().is_relative_to(store.root)
    assert tree.build is not None and not tree.build.is_symlink()  # it needs the folder of the build no more
    assert kernels.source_of(tree) == tree.source


def test_the_tests_of_a_tree_are_those_that_it_has_now(store: Store, top: Path) -> None:
    """Its copy in the store changes with it; what a run builds its tests from does not change under it."""
    test = top / "tools/testing/selftests/net/one.sh"
    test.parent.mkdir(parents=True)
    (test.parent / "link.sh").symlink_to("one.sh")
    texts = ["first", "second", "second", "first"]
    sources = []
    for text in texts:
        test.write_text(text)
        _, tree = get(f"tree:{top}", store)
        sources.append(drain(kernel_source.get(tree, store=store))[1])
    places = [source / test.relative_to(top) for source in sources]
    assert [place.read_text() for place in places] == texts
    assert sources[0] == sources[3] != sources[1] == sources[2]
    assert (places[0].parent / "link.sh").readlink() == Path("one.sh")
    assert not (sources[0] / "kernel").exists(), "more than the tests need"


def test_the_tests_of_a_revision_are_its_own(store: Store, top: Path) -> None:
    """Also when the store's checkout is of another one by then."""
    test = top / "tools/testing/selftests/net/one.sh"
    test.parent.mkdir(parents=True)
    trees = {}
    for name in ("old", "new"):
        test.write_text(name)
        fake_kernel.commit(top, name)
        trees[name] = get(f"tree:{top}@{fake_kernel.git(top, 'rev-parse', 'HEAD')}", store)[1]
    for name, tree in trees.items():
        source = drain(kernel_source.get(tree, store=store))[1]
        assert (source / test.relative_to(top)).read_text() == name


def test_only_what_has_changed_is_built_again(store: Store, top: Path) -> None:
    spec = f"tree:{top}"
    _, first = get(spec, store)
    told, second = get(spec, store)
    assert second == first and compiled(told) == 0
    (top / "kernel/fork.c").write_text("int other;\n")
    told, third = get(spec, store)
    assert compiled(told) == 1 and third.root != first.root
    assert first.image.read_bytes().startswith(b"int exit;\nint fork;\n")  # a run may be using it
    (top / "kernel/exit.c").unlink()
    told, fourth = get(spec, store)
    assert compiled(told) == 0 and b"exit" not in fourth.image.read_bytes()


def test_switching_branches_to_and_fro_builds_nothing(store: Store, top: Path) -> None:
    spec = f"tree:{top}"
    get(spec, store)
    fake_kernel.git(top, "checkout", "--quiet", "-b", "side")
    (top / "kernel/fork.c").write_text("int side;\n")
    fake_kernel.commit(top, "side")
    fake_kernel.git(top, "checkout", "--quiet", "main")  # fork.c is as it was, and newer than what was built of it
    told, tree = get(spec, store)
    assert compiled(told) == 0 and tree.version == fake_kernel.git(top, "rev-parse", "main")[:12]


def test_a_file_may_become_a_folder_and_a_link(store: Store, top: Path) -> None:
    spec, source = f"tree:{top}", top / "kernel/thing"
    source.write_text("a file")
    _, tree = get(spec, store)
    place = kernels.source_of(tree) / "kernel/thing"
    source.unlink()
    source.mkdir()
    (source / "below").write_text("a folder")
    get(spec, store)
    assert (place / "below").read_text() == "a folder"
    (source / "below").unlink()
    source.rmdir()
    source.symlink_to("fork.c")
    get(spec, store)
    assert place.readlink() == Path("fork.c")


def test_a_revision_is_built_and_found_again(store: Store, top: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (top / "kernel/fork.c").write_text("int two;\n")
    fake_kernel.commit(top, "two")
    (top / "kernel/fork.c").write_text("int uncommitted;\n")
    before = snapshot(top)
    monkeypatch.setenv("GIT_DIR", "/nonexistent")  # as in a git hook
    _, old = get(f"tree:{top}@v1", store)
    told, new = get(f"tree:{top}@main", store)
    assert b"int fork;" in old.image.read_bytes() and b"int two;" in new.image.read_bytes()
    assert compiled(told) == 1
    monkeypatch.delenv("GIT_DIR")
    assert snapshot(top) == before
    spec = KernelSpec.parse(f"tree:{top}@v1")
    assert lab.already_there(spec, store=store) == old
    told, again = get(f"tree:{top}@v1", store)
    assert again == old and compiled(told) == 0
    assert (kernels.source_of(again) / "kernel/fork.c").read_text() == "int fork;\n"  # and not main's
    told, _ = get(f"tree:{top}@v1", store)
    assert [e.note for e in told if isinstance(e, StageEnded)] == ["already there"]
    assert lab.already_there(KernelSpec.parse(f"tree:{top}@v1+kunit"), store=store) is None
    assert lab.already_there(KernelSpec.parse(f"tree:{top}"), store=store) is None  # who knows


def test_a_checkout_that_was_left_locked_is_made_anew(store: Store, top: Path) -> None:
    _, tree = get(f"tree:{top}@v1", store)
    assert tree.source is not None
    (tree.source / ".git/index.lock").write_text("")
    (top / "kernel/fork.c").write_text("int two;\n")
    fake_kernel.commit(top, "two")
    assert b"int two;" in get(f"tree:{top}@HEAD", store)[1].image.read_bytes()


@pytest.mark.parametrize(
    ("rest", "says"),
    [
        ("/nowhere", "does not exist"),
        ("/Makefile", "is not a folder"),
        ("@v2", "has no revision 'v2'"),
        ("@HEAD:Makefile", "has no revision"),
        ("/../bare", "is not a git work tree"),
        ("/../bare@HEAD", "is not a git repository"),
        ("/../empty", "has no Makefile"),
    ],
)
def test_what_is_no_kernel_tree_is_said_to_be_none(store: Store, top: Path, rest: str, says: str) -> None:
    (top.parent / "bare").mkdir()
    (top.parent / "empty").mkdir()
    fake_kernel.git(top.parent / "empty", "init", "--quiet", ".")
    with pytest.raises(UnfitKernel, match=says):
        get(f"tree:{top}{rest}", store)
    assert kernels.available(store) == []


# what can go wrong


def test_a_compile_error_is_a_sentence_and_the_rest_is_kept(store: Store, top: Path) -> None:
    (top / "kernel/fork.c").write_text("#error\n")
    with pytest.raises(BuildFailed, match=r"kernel/fork\.c:1:2: error: #error; log: ") as raised:
        get(f"tree:{top}", store)
    assert "CC      kernel/fork.o" in Path(str(raised.value).partition("log: ")[2]).read_text()
    assert kernels.available(store) == []
    (top / "kernel/fork.c").write_text("int mended;\n")
    assert b"int mended;" in get(f"tree:{top}", store)[1].image.read_bytes()


@pytest.mark.parametrize("stage", STAGES)
def test_interrupted_at_any_stage_the_next_call_goes_on(store: Store, top: Path, stage: str) -> None:
    engine = kernels.get(KernelSpec.parse(f"tree:{top}"), store=store)
    for event in engine:
        if isinstance(event, StageBegun) and event.key == stage:
            break
    with pytest.raises(KeyboardInterrupt):
        engine.throw(KeyboardInterrupt())
    assert kernels.available(store) == []
    told, _ = get(f"tree:{top}", store)  # no lock is left either
    assert compiled(told) == (0 if stage == "install" else 2)


def test_interrupted_while_compiling_nothing_is_left_running(store: Store, top: Path) -> None:
    (top / "kernel/zzz.c").write_text("#sleep\n")
    engine = kernels.get(KernelSpec.parse(f"tree:{top}"), store=store)
    for event in engine:
        if isinstance(event, StageProgress) and event.key == "kernel" and event.done == 3:
            break
    with pytest.raises(KeyboardInterrupt):
        engine.throw(KeyboardInterrupt())
    running = subprocess.run(["ps", "-e", "-o", "args="], capture_output=True, text=True, check=True).stdout
    assert str(store.root) not in running
    (top / "kernel/zzz.c").write_text("int quick;\n")
    # With two compilers at a time, what one of them had begun may be lost with the other's; never all of it.
    assert compiled(get(f"tree:{top}", store)[0]) in (1, 2)


def test_an_addition_that_does_not_arrive_is_an_error_and_other_refusals_are_told(store: Store, top: Path) -> None:
    with pytest.raises(UnfitKernel, match=r"refuses \+lockdep \(CONFIG_PROVE_LOCKING\)"):
        get(f"tree:{top}+kunit+lockdep", store)
    _, made = drain(lab.configure(KernelSpec.parse(f"tree:{top}+kunit+lockdep"), store=store))
    assert "CONFIG_PROVE_LOCKING" in {one.option for one in made.refused}  # what the sentence above sends the user to
    _, made = drain(lab.configure(KernelSpec.parse(f"tree:{top}+kunit+kasan"), store=store))
    refused = {one.option: one for one in made.refused}
    assert "CONFIG_KUNIT" not in refused and "CONFIG_64BIT" not in refused
    assert (refused["CONFIG_KASAN_OUTLINE"].fragment, refused["CONFIG_KASAN_OUTLINE"].known) == ("kasan", False)
    lines = list(words.config_lines(made))
    assert lines[0] == f"{made.asked} options asked for, {len(refused)} refused:"
    assert any("CONFIG_SMP" in line and "this kernel has none" in line for line in lines)
    made = lab.Configured(2, (Refused("CONFIG_A", "n", "y", "base", True), Refused("CONFIG_B", "y", "n", "base", True)))
    _, first, second = words.config_lines(made)
    assert first.endswith("asks for n: is y, since something selects it")
    assert second.endswith("asks for y: is n, since something that it depends on is off")


def test_what_a_collection_of_tests_wants_comes_from_the_kernel(store: Store, top: Path) -> None:
    """From that very source; the base keeps what it has built in, and a collection that is not there is refused."""
    place = top / "tools/testing/selftests/net/mptcp"
    place.mkdir(parents=True)
    (place / "Makefile").write_text("")
    (place / "config").write_text("CONFIG_KASAN=y\nCONFIG_NET=m\nCONFIG_MPTCP=y\n")
    spec = f"tree:{top}+kselftest.net.mptcp+kunit"
    _, tree = get(spec, store)
    assert tree.config is not None
    config = tree.config.read_text().splitlines()
    assert {"CONFIG_KASAN=y", "CONFIG_KUNIT=y"} <= set(config)
    assert tree.release.endswith("-kunit-kselftest.net.mptcp")
    _, made = drain(lab.configure(KernelSpec.parse(spec), store=store))
    (mptcp,) = (one for one in made.refused if one.option == "CONFIG_MPTCP")
    assert mptcp.fragment == "net/mptcp/config"
    assert any("net/mptcp/config asks for y: this kernel has none" in line for line in words.config_lines(made))
    assert asked([*files(()), place / "config"])["CONFIG_NET"] == ("y", "base")
    with pytest.raises(UnknownName, match=r"net/mptpc.*nearest: net/mptcp"):
        get(f"tree:{top}+kselftest.net.mptpc", store)


def test_llvm_reaches_the_modules(store: Store, top: Path) -> None:
    _, tree = get(f"tree:{top}+llvm", store)
    assert tree.make_flags == ("LLVM=-19",) and tree.config is not None
    assert "CONFIG_CC_IS_CLANG=y" in tree.config.read_text()


def test_a_kernel_without_its_packaging_is_named(store: Store, top: Path) -> None:
    (top / "scripts/package/install-extmod-build").unlink()
    with pytest.raises(UnfitKernel, match="has no scripts/package/install-extmod-build"):
        get(f"tree:{top}", store)


def test_a_store_that_make_cannot_take_is_named(tmp_path: Path, top: Path) -> None:
    with pytest.raises(UnfitKernel, match="no path with a blank; set XDG_CACHE_HOME"):
        get(f"tree:{top}", Store(tmp_path / "a store"))


def test_too_little_space_is_said_before_anything_is_built(
    store: Store, top: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lab, "_ROOM", 1 << 60)
    with pytest.raises(DiskFull, match=r"build linux@home.* needs"):
        get(f"tree:{top}", store)


def test_a_packaged_kernel_is_not_built() -> None:
    with pytest.raises(BadSpec, match=r"deb:6\.12 is not built here"):
        lab.buildable(KernelSpec.parse("deb:6.12"))


def test_the_release_never_gets_too_long(store: Store, top: Path) -> None:
    spec = KernelSpec.parse("src:7.3+kunit+kasan+lockdep+kmemleak+fault+dwarf+bpf+llvm")
    assert len(lab._local_version(spec)) <= 40


# src:


@pytest.fixture(scope="module")
def archive() -> Iterator[FakeArchive]:
    fake_archive.need("apt-get", "dpkg-deb", "gpg", "tar")
    for made in fake_archive.made():
        place = "usr/src/linux-source-7.9.tar.xz"
        good = fake_kernel.tarball("linux-source-7.9")
        made.add("debian", "linux-source-7.9", "7.9.9-1", {place: good})
        made.add("debian", "linux-source-7.9", "7.9.10-1~deb12u1", {place: good})
        made.add("debian", "linux-source-7.8", "7.8.1-1", {place: good[:-60]})
        made.index("debian", "bookworm")
        yield made


@pytest.fixture
def fake(archive: FakeArchive, monkeypatch: pytest.MonkeyPatch) -> FakeArchive:
    monkeypatch.setenv("APT_CONFIG", str(archive.top / "host.conf"))
    return archive


def test_a_source_package_is_built_and_found_again(
    fake: FakeArchive, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert get("src:7.9.9", store)[1].version == "7.9.9-1"
    assert get("src:7.9", store)[1].version == "7.9.9-1"  # what is there will do
    told, tree = get("src:7.9+kunit", store, refresh=True)
    assert (tree.version, tree.release, compiled(told)) == ("7.9.10-1~deb12u1", "7.9.0-kunit", 2)
    assert not list(store.dir(lab.BUILDS).iterdir())
    monkeypatch.setattr(Archive, "__init__", lambda *_: pytest.fail("the archive was asked"))
    told, again = get("src:7.9+kunit", store)
    assert again == tree and [e.note for e in told if isinstance(e, StageEnded)] == ["already there"]
    assert lab.already_there(KernelSpec.parse("src:7.9+kunit"), store=store) == tree
    assert lab.already_there(KernelSpec.parse("src:7.9+kasan"), store=store) is None
    assert drain(kernel_source.get(tree, store=store))[1] == kernels.source_of(tree)
    listed = kernels.available(store)
    assert [kernel.spec for kernel in listed] == ["src:7.9.9", "src:7.9.10+kunit"]
    assert listed[1].features == ("KUNIT",) and listed[1].cpu_s is not None
    lines = list(words.kernel_lines(listed))
    assert "CPU-minutes" in lines[2] and lines[3].strip() == "KUNIT"


def test_what_an_addition_asks_of_the_makefiles(
    fake: FakeArchive, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "base.config").write_text("CONFIG_NET=y\n")
    (tmp_path / "kasan.config").write_text("CONFIG_KASAN=y\n")
    monkeypatch.setattr("ppiov.kconfig.FOLDER", tmp_path)
    wishes = tmp_path / "kasan.make"
    for release in ("7.9.0-one", "7.9.0-two"):  # what changes there makes another kernel, as in a fragment
        wishes.write_text(f"# why\n\nrelease={release}\n")
        assert get("src:7.9.9+kasan", store)[1].release == release
    assert get("src:7.9.9", store)[1].release not in ("7.9.0-one", "7.9.0-two"), "another addition's"


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.make")), ids=lambda path: path.name)
def test_each_line_for_make_is_one(path: Path) -> None:
    assert path.stem in ADDITIONS
    lines = [line for line in path.read_text().splitlines() if line.strip() and not line.startswith("#")]
    assert lines and variables([path]) == lines


def test_a_fragment_that_has_changed_makes_another_kernel(
    fake: FakeArchive, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, first = get("src:7.9.9", store)
    (tmp_path / "base.config").write_text("CONFIG_NET=y\n")
    monkeypatch.setattr("ppiov.kconfig.FOLDER", tmp_path)
    told, second = get("src:7.9.9", store)
    assert second.root != first.root and compiled(told) == 2
    assert [kernel.outdated for kernel in kernels.available(store)] == [True, False]


def test_what_the_archive_lacks_names_the_nearest(fake: FakeArchive, store: Store) -> None:
    with pytest.raises(UnknownName, match=r"nearest: .*src:7\.9"):
        get("src:7.7", store)


def test_a_damaged_source_is_said_to_be(fake: FakeArchive, store: Store) -> None:
    with pytest.raises(UnfitKernel, match=r"source of 7\.8 cannot be unpacked"):
        get("src:7.8", store)
    assert store.entries(kernel_source.KIND) == []


def test_a_kernel_whose_source_is_gone_gets_it_again(fake: FakeArchive, store: Store) -> None:
    _, tree = get("src:7.9.9", store)
    for entry in store.entries(kernel_source.KIND):
        store.remove(entry)
    with pytest.raises(UnfitKernel, match="has no source in the store"):
        kernels.source_of(tree)
    assert (drain(kernel_source.get(tree, store=store))[1] / "Makefile").is_file()


# the toolchain


def program(folder: Path, name: str, text: str = "exit 0") -> None:
    (folder / name).write_text(f"#!/bin/sh\n{text}\n")
    (folder / name).chmod(0o755)


@pytest.mark.parametrize("missing", ["flex", "bison", "bc", "gcc", "pahole"])
def test_a_missing_tool_is_named_with_its_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, missing: str
) -> None:
    monkeypatch.undo()
    for name in {"make", "flex", "bison", "bc", "perl", "gcc", "pahole"} - {missing}:
        program(tmp_path, name)
    (tmp_path / "setpriv").symlink_to("/usr/bin/setpriv")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(MissingTool, match=f"{missing} is missing: apt install {missing}"):
        toolchain.find(tmp_path, ["bpf"])


def test_a_missing_header_is_named_with_its_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    for name in ("make", "flex", "bison", "bc", "perl"):
        program(tmp_path, name)
    program(tmp_path, "gcc", "exit 1")
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    with pytest.raises(MissingTool, match="apt install libelf-dev"):
        toolchain.find(tmp_path)


def test_the_clang_that_a_kernel_takes_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    bin_dir, source = tmp_path / "bin", tmp_path / "source"
    (source / "scripts").mkdir(parents=True)
    (source / "scripts/min-tool-version.sh").write_text("echo 17.0.1\n")
    bin_dir.mkdir()
    for name in (
        "make",
        "flex",
        "bison",
        "bc",
        "perl",
        "gcc",
        "ld.lld-18",
        "llvm-ar-18",
        "llvm-nm-18",
        "llvm-objcopy-18",
    ):
        program(bin_dir, name)
    for name, version in (("clang", "14.0.6"), ("clang-16", "16.0.0"), ("clang-18", "18.1.8")):
        program(bin_dir, name, f"echo {version}")
    for name in ("setpriv", "sh"):
        (bin_dir / name).symlink_to(f"/usr/bin/{name}")
    monkeypatch.setenv("PATH", str(bin_dir))
    found = toolchain.find(source, ["llvm"])
    assert (found.compiler, found.flags, found.wrapped) == ("clang-18", ("LLVM=-18",), ())
    program(bin_dir, "ccache")
    assert toolchain.find(source, ["llvm"]).wrapped == ("CC=ccache clang-18", "HOSTCC=ccache clang-18")
    (bin_dir / "clang-18").unlink()
    with pytest.raises(MissingTool, match=r"wants clang 17\.0\.1 or newer: apt install clang-19"):
        toolchain.find(source, ["llvm"])


def test_the_options_of_a_kernel_are_those_of_its_architecture(tmp_path: Path) -> None:
    places = {
        "Kconfig": "A",
        "net/ipv4/Kconfig": "B",
        "arch/x86/Kconfig.debug": "C",
        "arch/arm/Kconfig": "D",
        "tools/Kconfig": "E",
    }
    fake_kernel.write(tmp_path, {place: f"\tmenuconfig {name}\n\t  depends on F\n" for place, name in places.items()})
    assert known_options(tmp_path) == {"CONFIG_A", "CONFIG_B", "CONFIG_C"}


def test_every_addition_has_an_option_that_proves_it() -> None:
    assert set(ESSENTIAL) == set(ADDITIONS)
    for name in ADDITIONS:
        if name not in ("llvm", "dwarf"):  # a compiler, and a choice that brings the option
            wanted = "m" if name == "ppiov-m" else "y"
            assert asked(files([name]))[ESSENTIAL[name]] == (wanted, name)
            assert arrived(name, {ESSENTIAL[name]: wanted})
            assert not arrived(name, {ESSENTIAL[name]: "m" if wanted == "y" else "y"}) and not arrived(name, {})
    assert arrived("llvm", {"CONFIG_CC_IS_CLANG": "y"}) and not arrived("llvm", {})
    with pytest.raises(PpiovError, match="cannot be in one kernel"):
        KernelSpec.parse("tree:/x+ppiov-m+ppiov-y")
    with pytest.raises(PpiovError):
        KernelSpec.parse("src:7.3+base")
