# SPDX-License-Identifier: GPL-2.0-only
"""The kernel's source and its own programs: what is fetched, what is unpacked of it, and what a failure says.

The archive is a small one on disk, its source package has a kernel of a few lines; apt, tar.xz, make and gcc are real.
"""

from __future__ import annotations

import dataclasses
import io
import subprocess
import tarfile
from collections.abc import Generator, Iterator
from pathlib import Path

import fake_archive
import pytest
from engines import drain
from fake_archive import FakeArchive
from ppiov import kernel_source, suites, upstream
from ppiov.archive import Archive
from ppiov.errors import BadRequest, BuildFailed, DiskFull, UnfitKernel, UnknownName
from ppiov.events import Event, Note, StageBegun, StageEnded, StageProgress
from ppiov.kernels import KernelTree
from ppiov.store import Store

SELFTESTS = "tools/testing/selftests"
NET = f"{SELFTESTS}/net"
VERSION, NONE, BROKEN = (f"6.12.{n}-1~deb12u1" for n in (2, 3, 4))
# `headers` must have been made before, by the same copy; the programs say which python3 came first
TREE = {
    "Makefile": "headers:\n\tmkdir -p usr/include && echo made >usr/include/made.h\n",
    f"{SELFTESTS}/Makefile": "TARGETS += drivers/net\nTARGETS += net/other\n"
    "install:\n\ttest -f ../../../usr/include/made.h\n"
    "\tfor t in $(TARGETS); do mkdir -p $(INSTALL_PATH)/$$t &&"
    ' echo "$$(command -v python3) $(CLANG)" >$(INSTALL_PATH)/$$t/a.py &&'
    ' echo "$$t:a.py" >>$(INSTALL_PATH)/kselftest-list.txt || exit; done\n',
    f"{SELFTESTS}/drivers/net/Makefile": "",
    f"{SELFTESTS}/drivers/net/config": "CONFIG_NET=y\nCONFIG_LACKING=m\n",
    f"{SELFTESTS}/net/other/Makefile": "",
    f"{NET}/Makefile": "$(OUTPUT)/%: %.c ../../../../usr/include/made.h\n"
    '\tgcc -DPYTHON=\\"$$(command -v python3)\\" -o $@ $<\n',
    f"{NET}/ncdevmem.c": '#include <stdio.h>\nint main(void) { return puts("python3: " PYTHON) < 0; }\n',
    "scripts/checkpatch.pl": "# checkpatch\n",
    "scripts_not": "its name only begins like a part's\n",
    "kernel/fork.c": "not needed\n",
}


def tarball(tree: dict[str, str]) -> bytes:
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w:xz") as tar:
        for name, text in tree.items():
            member = tarfile.TarInfo(f"linux-source-6.12/{name}")
            member.size = len(text)
            tar.addfile(member, io.BytesIO(text.encode()))
    return data.getvalue()


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FakeArchive]:
    fake_archive.need("apt-get", "dpkg-deb", "depmod", "gpg", "make", "gcc")
    for made in fake_archive.made():
        place = "usr/src/linux-source-6.12.tar.xz"
        made.add("debian", "linux-source-6.12", VERSION, {place: tarball(TREE)})
        made.add("debian", "linux-source-6.12", BROKEN, {place: tarball(TREE)[:-40]})
        made.index("debian", "bookworm")
        yield made


@pytest.fixture
def fake(archive: FakeArchive, monkeypatch: pytest.MonkeyPatch) -> FakeArchive:
    monkeypatch.setenv("APT_CONFIG", str(archive.top / "host.conf"))
    return archive


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    """A store; the programs that the kernel's tests call (test_tools.py) are there."""
    store = Store(tmp_path / "store")
    tools = store.dir("tools-of-the-test")

    def get(*, store: Store) -> Generator[Event, None, Path]:
        yield from ()
        return tools

    monkeypatch.setattr("ppiov.tools.get", get)
    monkeypatch.setattr("ppiov.upstream._clang", lambda: "clang-19")
    return store


@pytest.fixture
def kernel(tmp_path: Path) -> KernelTree:
    """All that is asked of it is which one it is."""
    return KernelTree("deb:6.12", "6.12.2+deb12-amd64", VERSION, tmp_path, tmp_path, None, None, None, "1", "2")


def test_the_programs_of_the_very_version_are_built(
    fake: FakeArchive, store: Store, kernel: KernelTree, monkeypatch: pytest.MonkeyPatch
) -> None:
    python = store.dir("bin") / "python3"
    python.write_text("#!/bin/sh\n")
    python.chmod(0o755)
    monkeypatch.setattr("sys.executable", str(python))
    told, programs = drain(upstream.build(kernel, store=store))
    assert programs.names == ("drivers/net/a.py",)
    assert (programs.folder / "drivers/net/a.py").read_text() == f"{python} clang-19\n"
    assert programs.ncdevmem is not None
    assert subprocess.check_output([programs.ncdevmem / "ncdevmem"], text=True) == f"python3: {python}\n"
    assert {e.key for e in told if isinstance(e, StageEnded) and e.ok} == {"archive", "download", "source", "userland"}
    assert [e for e in told if isinstance(e, StageProgress) and e.key == "source"]

    monkeypatch.setattr(Archive, "__init__", lambda *_: pytest.fail("the archive was asked"))
    told, again = drain(upstream.build(kernel, store=store))
    assert again == programs
    assert [e.note for e in told if isinstance(e, StageEnded)] == ["already there"] * 3


def test_a_collection_of_the_tree(fake: FakeArchive, store: Store, kernel: KernelTree) -> None:
    _, programs = drain(upstream.build(kernel, ["net/other"], store=store))
    assert programs.names == ("net/other/a.py",) and programs.ncdevmem is None
    with pytest.raises(UnknownName, match="net/othr"):
        drain(upstream.build(kernel, ["net/othr"], store=store))


def test_a_collection_beside_the_default_ones(fake: FakeArchive, store: Store, kernel: KernelTree) -> None:
    wanted = suites.collections(["upstream", "upstream:net/other"])
    _, programs = drain(upstream.build(kernel, wanted, store=store))
    assert programs.names == ("drivers/net/a.py", "net/other/a.py") and programs.ncdevmem is not None


@pytest.mark.parametrize(
    ("asked", "named"),
    [
        (["upstream"], [upstream.DEFAULT_COLLECTIONS]),
        (["all", "upstream:net/mptcp"], [upstream.DEFAULT_COLLECTIONS, "net/mptcp"]),
        (["upstream:net/mptcp", "upstream:net/mptcp/"], ["net/mptcp"]),
        (["upstream:net//forwarding/"], ["net/forwarding"]),
        (["traffic"], []),
    ],
)
def test_which_collections_are_meant(asked: list[str], named: list[str]) -> None:
    assert suites.collections(asked) == named


@pytest.mark.parametrize("asked", ["upstream:", "upstream:/", "upstream:."])
def test_a_collection_without_a_name(asked: str) -> None:
    with pytest.raises(BadRequest, match="names no collection"):
        suites.collections([asked])


def test_options_that_a_collection_would_like_are_named(fake: FakeArchive, store: Store, kernel: KernelTree) -> None:
    config = store.dir("bin") / "config"
    config.write_text("CONFIG_NET=y\n")
    told, _ = drain(upstream.build(dataclasses.replace(kernel, config=config), store=store))
    (note,) = [e.text for e in told if isinstance(e, Note)]
    assert note == "6.12.2+deb12-amd64 lacks CONFIG_LACKING, which drivers/net would like"


def test_only_what_is_needed_is_unpacked_and_it_stays_as_it_is(
    fake: FakeArchive, store: Store, kernel: KernelTree
) -> None:
    _, source = drain(kernel_source.get(kernel, store=store))
    drain(upstream.build(kernel, store=store))
    unpacked = {str(path.relative_to(source)) for path in source.rglob("*") if path.is_file()}
    assert unpacked == TREE.keys() - {"kernel/fork.c", "scripts_not"} | {"manifest.json"}
    assert not list((store.root / "apt/debs").glob("*.deb"))


def test_other_parts_make_another_entry(
    fake: FakeArchive, store: Store, kernel: KernelTree, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, source = drain(kernel_source.get(kernel, store=store))
    monkeypatch.setattr(kernel_source, "PARTS", (*kernel_source.PARTS, "kernel"))
    _, more = drain(kernel_source.get(kernel, store=store))
    assert more != source and (more / "kernel/fork.c").is_file()


def test_an_image_has_no_source(store: Store, kernel: KernelTree) -> None:
    image = dataclasses.replace(kernel, spec="image:/boot/vmlinuz")
    with pytest.raises(UnfitKernel, match="image:/boot/vmlinuz came without its source, which the suite upstream"):
        drain(upstream.build(image, store=store))


@pytest.mark.parametrize(
    ("version", "says"),
    [
        (NONE, "the archive has no source of .*ppiov kernel get --refresh deb:6.12"),
        (BROKEN, "cannot be unpacked"),
    ],
)
def test_a_source_that_will_not_do_is_a_sentence(
    fake: FakeArchive, store: Store, kernel: KernelTree, version: str, says: str
) -> None:
    with pytest.raises(UnfitKernel, match=says):
        drain(upstream.build(dataclasses.replace(kernel, version=version), store=store))
    assert not list(store.root.glob("*/.new-*"))


def test_a_make_that_does_nothing_is_no_success(
    fake: FakeArchive, store: Store, kernel: KernelTree, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a prerequisite missing the kernel's makefile says «nothing to be done» and exits 0."""
    _, source = drain(kernel_source.get(kernel, store=store))
    (source / SELFTESTS / "Makefile").write_text("install:\n")
    with pytest.raises(BuildFailed, match=r"it built no selftests/kselftest-list.txt; log: "):
        drain(upstream.build(kernel, store=store))


def test_too_little_space_is_said_before_it_is_fetched(
    fake: FakeArchive, store: Store, kernel: KernelTree, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kernel_source, "_PARTS_ROOM", 1 << 60)
    with pytest.raises(DiskFull, match=r"the source of 6\.12\.2\+deb12-amd64 needs"):
        drain(kernel_source.get(kernel, store=store))


@pytest.mark.parametrize("stage", ["archive", "download", "source", "userland"])
def test_interrupted_at_any_stage_nothing_half_made_is_left(
    fake: FakeArchive, store: Store, kernel: KernelTree, stage: str
) -> None:
    engine = upstream.build(kernel, store=store)
    for event in engine:
        if isinstance(event, StageBegun) and event.key == stage:
            break
    else:
        pytest.fail(f"no stage {stage}")
    engine.close()
    assert not list(store.root.glob("*/.new-*"))
    assert drain(upstream.build(kernel, store=store))[1].names


def test_the_suite_is_in_all_and_not_the_default(tmp_path: Path) -> None:
    for folder in ("nic", "upstream"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / f"test_{folder}.py").write_text("def test(): ...\n")
    assert suites.resolve(tmp_path, ()) == ["selftests"]
    assert suites.resolve(tmp_path, ["all"]) == ["selftests", "upstream"]
    assert [t.suite for t in suites.collect(tmp_path, (), "", ["upstream/test_upstream.py"])] == ["upstream"]


def test_ours_for_ncdevmem_are_there_where_it_was_built_and_nowhere_else(tmp_path: Path) -> None:
    """A kernel whose own tests drive it would only get eight skips of them."""
    selftests = suites.find_source() / "selftests"
    without = upstream.Programs(tmp_path, ("drivers/net/ping.py",), tmp_path)
    names = {test.name.partition("::")[0] for test in suites.collect(selftests, ["upstream"], programs=without)}
    assert names == {"upstream/test_kernel.py"}
    with_it = dataclasses.replace(without, ncdevmem=tmp_path)
    names = {test.name.partition("::")[0] for test in suites.collect(selftests, ["upstream"], programs=with_it)}
    assert names == {"upstream/test_kernel.py", "upstream/test_ncdevmem.py"}
