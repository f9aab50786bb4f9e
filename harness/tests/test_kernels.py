# SPDX-License-Identifier: GPL-2.0-only
"""Kernels: which packages a spec means, what arrives in the store, and what is left when it goes wrong."""

from __future__ import annotations

import dataclasses
import subprocess
from collections.abc import Iterator
from pathlib import Path

import fake_archive
import pytest
from engines import drain
from fake_archive import ARCH, FakeArchive, boot_image, release_of
from ppiov import deb, headers_tools, kernels
from ppiov.archive import Archive, Package
from ppiov.bisect.packages import releases
from ppiov.errors import BadImage, BadRequest, DiskFull, NetworkGone, PpiovError, UnknownName, UntrustedArchive
from ppiov.events import Event, Note, StageBegun, StageEnded, StageProgress
from ppiov.image import image_release
from ppiov.spec import KernelSpec
from ppiov.store import Store
from ppiov.tree import KernelTree


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FakeArchive]:
    fake_archive.need("apt-get", "dpkg-deb", "depmod", "gpg", "make")
    yield from fake_archive.made()


@pytest.fixture
def fake(archive: FakeArchive, monkeypatch: pytest.MonkeyPatch) -> FakeArchive:
    monkeypatch.setenv("APT_CONFIG", str(archive.top / "host.conf"))
    return archive


@pytest.fixture
def gone(archive: FakeArchive, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A host whose archive cannot be reached."""
    sources = tmp_path / "sources.list"
    sources.write_text(f"deb [signed-by={archive.keyring}] http://127.0.0.1:9/debian bookworm main\n")
    config = tmp_path / "gone.conf"
    config.write_text((archive.top / "host.conf").read_text().replace(str(archive.sources), str(sources)))
    monkeypatch.setenv("APT_CONFIG", str(config))


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


def get(text: str, store: Store, *, refresh: bool = False) -> tuple[list[Event], KernelTree]:
    return drain(kernels.get(KernelSpec.parse(text), store=store, refresh=refresh))


def test_the_newest_kernel_with_headers_arrives_and_works_from_the_store(fake: FakeArchive, store: Store) -> None:
    told, tree = get("deb:6.12", store)
    release = release_of("6.12.2")  # 6.12.3 has no headers any more
    assert (tree.spec, tree.release, tree.version) == ("deb:6.12", release, "6.12.2-1~deb12u1")
    assert image_release(tree.image) == release
    assert not tree.image.read_bytes().endswith(b"-unsigned")
    assert tree.build is not None and tree.build.resolve().is_relative_to(store.root)
    made = subprocess.run(["make", "-s", "-C", tree.build, "modules"], capture_output=True, text=True, check=True)
    assert made.stdout == "from the store\n"
    assert (tree.root / f"lib/modules/{release}/modules.dep").is_file()
    assert not list((store.root / "apt/debs").glob("*.deb"))
    stages = {e.key: e.total for e in told if isinstance(e, StageBegun)}
    assert set(stages) == {"archive", "download", "unpack", "depmod"}
    assert [e.done for e in told if isinstance(e, StageProgress) and e.key == "download"][-1] == stages["download"]
    assert {e.key for e in told if isinstance(e, StageEnded) and e.ok} == set(stages)


def test_the_tree_may_be_moved(fake: FakeArchive, store: Store, tmp_path: Path) -> None:
    _, tree = get("deb:6.12", store)
    moved = tree.root.rename(tmp_path / "moved")
    build = moved / f"lib/modules/{tree.release}/build"
    made = subprocess.run(["make", "-s", "-C", build, "modules"], capture_output=True, text=True, check=True)
    assert made.stdout == "from the store\n"


def test_a_second_call_asks_nobody(fake: FakeArchive, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    _, first = get("deb:6.12", store)
    monkeypatch.setenv("PATH", "/nonexistent")
    monkeypatch.setattr(Archive, "__init__", lambda *_: pytest.fail("the archive was asked"))
    told, second = get("deb:6.12", store)
    assert second == first
    assert [e.note for e in told if isinstance(e, StageEnded)] == ["already there"]
    assert get("deb:6.12.2", store)[1] == dataclasses.replace(first, spec="deb:6.12.2")


def test_an_exact_version_and_refresh(fake: FakeArchive, store: Store) -> None:
    assert get("deb:6.12.1", store)[1].release == release_of("6.12.1")
    assert get("deb:6.12", store)[1].release == release_of("6.12.1")  # what is there will do
    assert get("deb:6.12", store, refresh=True)[1].release == release_of("6.12.2")
    assert get("deb:6.12", store)[1].release == release_of("6.12.2")
    listed = kernels.available(store)
    assert [k.spec for k in listed] == ["deb:6.12.1", "deb:6.12.2"]
    assert listed[0].features == ("NET_DEVMEM",) and listed[0].size > 0


@pytest.mark.parametrize("spec", ["deb:6.13", "deb:6.12.3", "deb:6.1"])
def test_a_kernel_that_the_archive_lacks_names_the_nearest(fake: FakeArchive, store: Store, spec: str) -> None:
    with pytest.raises(UnknownName, match=r"nearest: .*deb:6\.12"):
        get(spec, store)


def test_without_the_archive_a_stored_kernel_will_do(
    fake: FakeArchive, store: Store, request: pytest.FixtureRequest
) -> None:
    get("deb:6.12.1", store)
    request.getfixturevalue("gone")
    told, tree = get("deb:6.12", store, refresh=True)
    assert tree.release == release_of("6.12.1")
    assert any(isinstance(e, Note) and "cannot be reached" in e.text and tree.release in e.text for e in told)
    with pytest.raises(NetworkGone, match=r"in the store: deb:6\.12\.1"):
        get("deb:6.12.2", store)


def test_an_apt_that_fails_by_itself_is_no_reason_for_an_old_kernel(
    fake: FakeArchive, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    get("deb:6.12.1", store)
    config = tmp_path / "broken.conf"
    config.write_text((fake.top / "host.conf").read_text() + 'Dir::Bin::methods "/nonexistent";\n')
    monkeypatch.setenv("APT_CONFIG", str(config))
    with pytest.raises(PpiovError, match=r"apt failed: The method driver /nonexistent/file could not be found"):
        get("deb:6.12", store, refresh=True)


@pytest.mark.usefixtures("gone")
def test_without_the_archive_and_without_a_kernel(store: Store) -> None:
    with pytest.raises(NetworkGone, match="in the store: no kernel"):
        get("deb:6.12", store)


def test_a_damaged_kernel_is_fetched_again(fake: FakeArchive, store: Store) -> None:
    _, tree = get("deb:6.12", store)
    tree.image.write_bytes(b"")  # a power cut
    assert kernels.already_there(KernelSpec.parse("deb:6.12"), store=store) is None
    told, again = get("deb:6.12", store)
    assert again == tree and image_release(again.image) == tree.release
    assert any(isinstance(e, Note) and "damaged" in e.text for e in told)


@pytest.mark.parametrize("stage", ["archive", "download", "unpack", "depmod"])
def test_interrupted_at_any_stage_nothing_half_made_is_left(fake: FakeArchive, store: Store, stage: str) -> None:
    engine = kernels.get(KernelSpec.parse("deb:6.12"), store=store)
    for event in engine:
        if isinstance(event, StageBegun) and event.key == stage:
            break
    else:
        pytest.fail(f"no stage {stage}")
    with pytest.raises(KeyboardInterrupt):
        engine.throw(KeyboardInterrupt())
    assert kernels.available(store) == []
    folder = store.root / "kernels"
    assert not folder.exists() or list(folder.iterdir()) == []
    assert get("deb:6.12", store)[1].release == release_of("6.12.2")  # no lock is left either


def test_too_little_space_is_said_before_anything_is_fetched(
    fake: FakeArchive, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deb, "_INDEX_ROOM", 1 << 60)
    with pytest.raises(DiskFull, match="package lists needs"):
        get("deb:6.12", store)
    assert not (store.root / "apt").exists()


def test_a_swapped_package_never_gets_into_the_store(
    fake: FakeArchive, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The last line of defence, tried by an apt that has been fooled."""
    real = Archive.packages

    def fooled(self: Archive, *args: object) -> list[Package]:
        return [dataclasses.replace(p, sha256="0" * 64) for p in real(self, *args)]  # type: ignore[arg-type]

    monkeypatch.setattr(Archive, "packages", fooled)
    with pytest.raises(UntrustedArchive):
        get("deb:6.12", store)
    assert kernels.available(store) == []


# resolve()


def packages(abi: str, version: str, *, headers: bool = True, kbuild: str = "", unsigned: bool = True) -> list[Package]:
    def one(name: str, depends: str = "") -> Package:
        return Package(name, version, ARCH, 1, 1, "00", depends)

    found = [one(f"linux-image-{abi}-{ARCH}{'-unsigned' if unsigned else ''}")]
    if headers:
        kbuild = kbuild or f"linux-kbuild-{abi}"
        depends = f"linux-headers-{abi}-common (= {version}), linux-image-{abi}-{ARCH} (= {version}), {kbuild}, gcc-12"
        found += [
            one(f"linux-headers-{abi}-{ARCH}", depends),
            one(f"linux-headers-{abi}-common"),
            one(kbuild.split()[0]),
        ]
    return found


def names(chosen: list[Package]) -> set[str]:
    return {package.name for package in chosen}


def test_resolve_reads_the_version_of_the_package_not_of_its_name() -> None:
    old_style = packages("6.1.0-50", "6.1.164-1", kbuild="linux-kbuild-6.1 (>= 6.1.164-1)")
    assert names(deb.resolve(old_style, "6.1", ARCH)) == names(old_style)
    assert deb.resolve(old_style, "6.1.0", ARCH) == []
    assert deb.resolve(old_style, "6.16", ARCH) == []


def test_resolve_takes_ten_for_later_than_nine_and_the_signed_image() -> None:
    nine, ten = packages("6.12.9+deb12", "6.12.9-1"), packages("6.12.10+deb12", "6.12.10-1")
    signed = packages("6.12.10+deb12", "6.12.10-1", headers=False, unsigned=False)
    assert names(deb.resolve([*nine, *ten], "6.12", ARCH)) == names(ten)
    assert deb.resolve([*nine, *ten, *signed], "6.12", ARCH)[0] == signed[0]


@pytest.mark.parametrize("flavour", ["cloud-", "rt-"])
def test_resolve_leaves_other_flavours_alone(flavour: str) -> None:
    other = [
        dataclasses.replace(p, name=p.name.replace(f"-{ARCH}", f"-{flavour}{ARCH}"))
        for p in packages("6.12.9", "6.12.9-1")
    ]
    assert deb.resolve(other, "6.12", ARCH) == []


def test_resolve_wants_all_of_the_headers() -> None:
    whole = packages("6.12.9+deb12", "6.12.9-1")
    for missing in whole:
        assert deb.resolve([p for p in whole if p is not missing], "6.12", ARCH) == []


def test_resolve_wants_all_pieces_of_the_image() -> None:
    """Newer releases have the modules, the image and its configuration in packages of their own."""
    abi, version = "7.3.4+deb13", "7.3.4-1~bpo13+1"
    whole = packages(abi, version, unsigned=False)
    pieces = [f"linux-{kind}-{abi}-{ARCH}" for kind in ("base", "binary", "modules")]
    depends = ", ".join(f"{name} (= {version})" for name in pieces)
    whole[0] = dataclasses.replace(whole[0], depends=f"dracut | initramfs-tools (>= 0.120), {depends}")
    whole += [dataclasses.replace(whole[0], name=name, depends="") for name in pieces]
    assert names(deb.resolve(whole, "7.3", ARCH)) == names(whole)
    for missing in pieces:
        assert deb.resolve([p for p in whole if p.name != missing], "7.3", ARCH) == []


def test_a_kernel_of_a_later_release_arrives_with_programs_that_run(fake: FakeArchive, store: Store) -> None:
    told, tree = get("deb:7.3", store)
    assert (tree.release, tree.version) == (f"7.3.4+deb13-{ARCH}", "7.3.4-1~bpo13+1")
    assert image_release(tree.image) == tree.release
    assert tree.config is not None and "IO_URING_ZCRX" in tree.config.read_text()
    build = tree.build
    assert build is not None and headers_tools.unfit(build) == []
    assert (build / "scripts/mod/modpost.real-lsb-64").read_text() == "#!/bin/sh\n"
    assert (build / "scripts/mod/modpost.real-msb-64").read_bytes() == fake_archive.TOO_NEW  # not a module's
    assert not list(tree.root.glob(".source")) and not list((store.root / "apt/debs").glob("*.deb"))
    made = subprocess.run(["make", "-s", "-C", build, "modules"], capture_output=True, text=True, check=True)
    assert made.stdout == f"from the store, in {build.resolve()}\n"
    assert {"source", "tools"} <= {e.key for e in told if isinstance(e, StageEnded) and e.ok}
    assert not [e for e in told if isinstance(e, StageEnded) and not e.ok]
    assert kernels.available(store)[0].features == ("IO_URING_ZCRX",)


# image:


@pytest.fixture
def image(tmp_path: Path) -> Path:
    path = tmp_path / "boot" / "vmlinuz-mine"
    path.parent.mkdir()
    path.write_bytes(boot_image("6.12.9-mine"))
    return path


def test_an_image_by_itself(image: Path, store: Store) -> None:
    _, tree = get(f"image:{image}", store)
    assert (tree.release, tree.image, tree.build, tree.config) == ("6.12.9-mine", image, None, None)


def test_an_image_with_what_lies_beside_it(image: Path, store: Store, tmp_path: Path) -> None:
    (image.parent / "config-6.12.9-mine").write_text("CONFIG_NET=y\n")
    build = tmp_path / "lib/modules/6.12.9-mine/build"
    build.mkdir(parents=True)
    _, tree = get(f"image:{image}", store)
    assert tree.root == tmp_path and tree.build is None  # an empty build folder is none
    for name in ("Makefile", ".config", "Module.symvers"):
        (build / name).write_text("")
    _, tree = get(f"image:{image}", store)
    assert tree.build == build and tree.symvers == build / "Module.symvers"
    assert tree.config == image.parent / "config-6.12.9-mine" and tree.config_sha256


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "no Linux kernel image"),
        (b"\x7fELF" + bytes(0x1000), "an uncompressed vmlinux"),
        (boot_image("")[:0x3000], "does not say which kernel release"),
        (boot_image("$(reboot)"), "does not say which kernel release"),
    ],
)
def test_what_is_no_image_is_said_to_be_none(image: Path, store: Store, content: bytes, says: str) -> None:
    image.write_bytes(content)
    with pytest.raises(BadImage, match=says):
        get(f"image:{image}", store)


def test_an_image_that_is_not_there(tmp_path: Path, store: Store) -> None:
    with pytest.raises(BadImage, match="does not exist"):
        get(f"image:{tmp_path}/vmlinuz", store)
    with pytest.raises(BadImage, match="is not a file"):
        get(f"image:{tmp_path}", store)


def test_point_releases_of_a_line_and_images_without_headers(fake: FakeArchive, store: Store) -> None:
    _, found = drain(deb.releases("6.12", store=store))
    assert list(found) == ["6.12.1", "6.12.2", "6.12.3"], "in version order, headers or not"
    _, tree = drain(deb.get_image("6.12.3", store=store))
    assert (tree.spec, tree.release, tree.build, tree.symvers) == ("deb:6.12.3", release_of("6.12.3"), None, None)
    assert image_release(tree.image) == tree.release and tree.config is not None
    told, again = drain(deb.get_image("6.12.3", store=store))
    assert again == tree and not any(isinstance(event, StageBegun) and event.key == "download" for event in told)
    # deb:6.12 goes on meaning a kernel that modules can be built for
    assert get("deb:6.12", store)[1].release == release_of("6.12.2")
    assert drain(deb.get_image("6.12.2", store=store))[1].build is not None, "the one with headers will do"
    with pytest.raises(UnknownName, match=r"deb:6\.12\.3"):
        drain(deb.get_image("6.12.4", store=store))


@pytest.mark.usefixtures("gone")
def test_point_releases_without_an_archive(store: Store) -> None:
    told, found = drain(deb.releases("6.12", store=store))
    assert found == {} and any(
        isinstance(event, Note) and "only the kernels in the store" in event.text for event in told
    )


def test_a_history_of_packages(fake: FakeArchive, store: Store) -> None:
    line = KernelSpec.parse("deb:6.12")
    _, history = drain(releases(line, "oldest", "6.12.3", store=store))
    assert [(p.id, p.name) for p in history.points] == [("6.12.1",) * 2, ("6.12.2",) * 2, ("6.12.3",) * 2]
    for good, bad, kind in (("6.12.9", "newest", UnknownName), ("newest", "oldest", BadRequest)):
        with pytest.raises(kind):
            drain(releases(line, good, bad, store=store))
    with pytest.raises(BadRequest, match="takes a line of packaged kernels"):
        drain(releases(KernelSpec.parse("deb:6.12.2"), "oldest", "newest", store=store))
