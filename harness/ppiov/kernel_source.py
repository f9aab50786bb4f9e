# SPDX-License-Identifier: GPL-2.0-only
"""The source of a ``deb:`` kernel, as far as the kernel's own programs need it.

Debian's linux-source package of the very version of the kernel: 150 MB to fetch and 1.5 GB unpacked, of which the
store keeps the 2 % that PARTS names. It comes through the same archive and the same checks as the kernel (archive.py).
"""

from __future__ import annotations

import lzma
import re
import shutil
import tarfile
from collections.abc import Generator, Sequence
from pathlib import Path

from ppiov import child
from ppiov.archive import Archive, Package
from ppiov.errors import NetworkGone, PpiovError, UnfitKernel
from ppiov.events import Event, Note, StageBegun, StageEnded, StageProgress
from ppiov.ktap import PARSER
from ppiov.store import Entry, Store, digest, entry_lock, mb
from ppiov.tree import KernelTree

KIND = "sources"
# What is unpacked: files and folders of the source. `make headers` wants the first seven lines; ynl-gen-c.py looks for
# MAINTAINERS to find the root, and without it looks for ever.
PARTS = (
    "Makefile", "Kbuild", "Kconfig", "COPYING", "MAINTAINERS",
    "scripts",
    "include/uapi", "include/asm-generic",
    "arch/x86/Makefile", "arch/x86/entry/syscalls", "arch/x86/include",
    "arch/x86/tools", "tools/include/tools",
    "tools/scripts", "tools/include/uapi",
    "usr/include",
    "Documentation/netlink", "tools/net/ynl",
    "tools/testing/kunit",
    "tools/testing/selftests/lib.mk", "tools/testing/selftests/kselftest.h",
    "tools/testing/selftests/kselftest_harness.h", "tools/testing/selftests/net",
)  # fmt: skip
_INDEX_ROOM = 80_000_000  # bytes that the package lists take, as in kernels.py
_PARTS_ROOM = 60_000_000  # bytes that PARTS take, generously


def get(kernel: KernelTree, *, store: Store) -> Generator[Event, None, Path]:
    """The folder with the source of ``kernel``, fetched if it is not in the store.

    Raises UnfitKernel for a kernel that did not come from the archive or whose source is not there any more, and what
    :func:`ppiov.kernels.get` raises.
    """
    title = f"source of {kernel.release}"
    if not kernel.spec.startswith("deb:"):
        raise UnfitKernel(
            f"{kernel.spec} came without its source, which the suite upstream is built from: "
            "take a deb: kernel, or other suites"
        )
    entry = stored(kernel, store)
    if entry is None:
        with (yield from store.lock("archive", "the package archive")):
            entry = stored(kernel, store)  # the process that we waited for may have fetched it
            if entry is None:
                entry = yield from _fetch(kernel, title, store)
                return entry.path
    yield StageBegun("source", title)
    yield StageEnded("source", note="already there")
    return entry.path


def ktap_parser(kernel: KernelTree, *, store: Store) -> Generator[Event, None, Path | str]:
    """The source whose KTAP parser goes with ``kernel``: its own, or of the nearest kernel that is at hand.

    Returns a sentence where there is none. Raises what :func:`get` can raise for a kernel that has its source.
    """
    if kernel.spec.startswith("deb:"):
        return (yield from get(kernel, store=store))
    if kernel.build is not None:
        for place in (kernel.build / "source", kernel.build):
            if (place / PARSER).is_file():
                return place.resolve()
    near = [entry for entry in store.entries(KIND) if (entry.path / PARSER).is_file()]
    if not near:
        return f"{kernel.spec} came without its source, and the store has no other kernel's"
    wanted = _numbers(kernel.release)
    entry = min(
        near, key=lambda entry: [abs(a - b) for a, b in zip(wanted, _numbers(entry.facts["version"]), strict=True)]
    )
    yield Note(f"{kernel.spec} came without its source; its KTAP is read with the parser of {entry.facts['version']}")
    return entry.path


def _numbers(version: str) -> tuple[int, int, int]:
    """The first three numbers of a version, 0 for what is not there."""
    found = [int(number) for number in re.findall(r"\d+", version)[:3]]
    major, minor, patch = [*found, 0, 0, 0][:3]
    return major, minor, patch


def stored(kernel: KernelTree, store: Store) -> Entry | None:
    """The entry of the source of ``kernel``, if the store has one with today's PARTS."""
    return next(
        (e for e in store.entries(KIND) if e.facts.get("version") == kernel.version and e.facts["parts"] == [*PARTS]),
        None,
    )


def _fetch(kernel: KernelTree, title: str, store: Store) -> Generator[Event, None, Entry]:
    """Fetch and unpack. The caller holds the archive's lock."""
    store.need(_INDEX_ROOM, "reading the package lists")
    archive = Archive(store)
    try:
        yield from archive.refresh()
        package = find(archive, kernel.version)
        if package is None:
            yield from archive.refresh(backports=True)
            package = find(archive, kernel.version)
    except NetworkGone as gone:
        raise NetworkGone(f"{gone} (the {title} is not in the store)") from gone
    if package is None:
        raise UnfitKernel(
            f"the archive has no source of {kernel.release} ({kernel.version}); "
            f"a newer kernel may have: ppiov kernel get --refresh {kernel.spec}"
        )
    key = f"{package.name}-{digest([package.version, package.sha256, *PARTS])}"
    # fetched, then its one file unpacked from the package, then the parts of that
    store.need(package.size + package.installed + _PARTS_ROOM, f"the {title}")
    with (yield from store.lock(entry_lock(KIND, key), title)), store.fresh(KIND, key) as fresh:
        files = yield from unpack(archive, package, PARTS, fresh.path, title, store)
        entry = fresh.commit({"version": package.version, "package": package.name, "parts": [*PARTS]})
        archive.forget(files)
    return entry


def find(archive: Archive, version: str) -> Package | None:
    """The package linux-source-X.Y of exactly the kernel package version ``version``."""
    found = archive.packages("linux-source-", re.compile(r"linux-source-\d+\.\d+"))
    return next((package for package in found if package.version == version), None)


def unpack(
    archive: Archive, package: Package, parts: Sequence[str], into: Path, title: str, store: Store
) -> Generator[Event, None, list[Path]]:
    """Fetch a source package and unpack ``parts`` of it; returns what was fetched. The caller holds the archive's lock.

    Raises UnfitKernel if the package has no source, and what Archive.download() raises.
    """
    files = yield from archive.download([package])
    outer = into / ".package"
    code, _, err = child.output(["dpkg-deb", "--extract", files[0], outer])
    if code:
        if "No space left" in err:
            raise store.full(f"the {title}", into)
        raise PpiovError(f"{files[0].name} cannot be unpacked: {err.strip()}")
    tarballs = sorted(outer.glob("usr/src/linux-source-*.tar.xz"))
    if not tarballs:
        raise UnfitKernel(f"{package.name} {package.version} has no usr/src/linux-source-*.tar.xz")
    yield from _unpack(tarballs[0], parts, into, title)
    shutil.rmtree(outer)
    return files


def _unpack(tarball: Path, parts: Sequence[str], into: Path, title: str) -> Generator[Event, None, None]:
    """Unpack ``parts`` of the source. Raises UnfitKernel if the tarball is damaged."""
    size = tarball.stat().st_size
    wanted = re.compile(rf"[^/]+/(?P<path>({'|'.join(map(re.escape, parts))})(/.*)?)", re.DOTALL)
    yield StageBegun("source", f"unpack the {title}", size, "B")
    told = 0
    try:
        with tarball.open("rb") as raw, lzma.open(raw) as plain, tarfile.open(fileobj=plain, mode="r|") as tar:
            for member in tar:
                if match := wanted.fullmatch(member.name):
                    member.name = match["path"]
                    tar.extract(member, into, set_attrs=not member.isdir())
                if raw.tell() - told > size / 100:
                    told = raw.tell()
                    yield StageProgress("source", told)
    except (tarfile.TarError, lzma.LZMAError, EOFError) as error:
        yield StageEnded("source", ok=False)
        raise UnfitKernel(f"the {title} cannot be unpacked: {error}") from error
    yield StageEnded("source", note=mb(size))
