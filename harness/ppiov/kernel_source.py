# SPDX-License-Identifier: GPL-2.0-only
"""The source of a kernel: from Debian's linux-source packages, 150 MB to fetch and 1.5 GB unpacked, or the user's tree.

Of a ``deb:`` kernel the store keeps the 2 % that PARTS names, which is what the kernel's own programs need; what is
built here (``src:``) needs all of it. Either comes through the same archive and the same checks as a kernel
(archive.py). Of a ``tree:`` those parts are kept apart, as they are now: its copy in the store changes with the tree.
"""

from __future__ import annotations

import functools
import lzma
import re
import shutil
import subprocess
import tarfile
from collections.abc import Callable, Generator, Sequence
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryFile

from ppiov import child, kbuild, worktree
from ppiov.archive import Archive, Package, newer
from ppiov.errors import NetworkGone, PpiovError, UnfitKernel, UnknownName
from ppiov.events import Event, Note, StageBegun, StageEnded, StageProgress
from ppiov.ktap import PARSER
from ppiov.spec import KernelSpec
from ppiov.store import Entry, Store, digest, entry_lock, mb
from ppiov.tree import KernelTree

KIND = "sources"
# What is unpacked: files and folders of the source. `make headers` wants the first seven lines; ynl-gen-c.py looks for
# MAINTAINERS to find the root, and without it looks for ever. The selftests want the rest: libbpf, YNL, each other.
PARTS = (
    "Makefile", "Kbuild", "Kconfig", "COPYING", "MAINTAINERS",
    "scripts",
    "include/uapi", "include/asm-generic",
    "arch/x86/Makefile", "arch/x86/entry/syscalls", "arch/x86/include",
    "arch/x86/tools", "tools/arch/x86/include", "tools/build", "tools/include", "tools/lib",
    "tools/scripts",
    "usr/include",
    "Documentation/netlink", "tools/net/ynl",
    "tools/testing/kunit", "tools/testing/selftests",
)  # fmt: skip
WHOLE = (".",)
_INDEX_ROOM = 80_000_000  # bytes that the package lists take, as in kernels.py
_PARTS_ROOM = 120_000_000  # bytes that PARTS take, generously
_WHOLE_ROOM = 1_900_000_000  # bytes that all of it takes (7.3: 1.6 GB)


def get(kernel: KernelTree, *, store: Store) -> Generator[Event, None, Path]:
    """The folder with the source of ``kernel``, fetched if it is not in the store.

    Of a ``src:`` kernel that is the whole source, of others PARTS; of a ``tree:`` the revision's, or those of what was
    built last from the work tree. What is in the folder stays as it is. Raises UnfitKernel for a kernel that came
    without source or whose source is not there any more, and what :func:`ppiov.kernels.get` raises.
    """
    title = f"source of {kernel.release}"
    if kernel.spec.startswith("tree:"):
        return (yield from _of_tree(kernel, title, store)).path
    if kernel.source is not None and (kernel.source / "Makefile").is_file():
        if entry := store.entry(KIND, kernel.source.name):
            store.use(entry)
        yield StageBegun("source", title)
        yield StageEnded("source", note="already there")
        return kernel.source
    if kernel.spec.startswith("src:"):
        return (yield from whole(kernel.version.rpartition("-")[0], store=store, version=kernel.version)).path
    if kernel.build and (kernel.build / "source" / "MAINTAINERS").is_file():  # built out of tree on this machine
        return (kernel.build / "source").resolve()
    if not kernel.spec.startswith("deb:"):
        raise UnfitKernel(
            f"{kernel.spec} came without its source, which the suite upstream is built from: "
            "take a deb:, src: or tree: kernel, or other suites"
        )
    entry = stored(kernel, store)
    if entry is None:
        with (yield from store.lock("archive", "the package archive")):
            entry = stored(kernel, store)  # the process that we waited for may have fetched it
            if entry is None:
                missing = UnfitKernel(
                    f"the archive has no source of {kernel.release} ({kernel.version}); "
                    f"a newer kernel may have: ppiov kernel get --refresh {kernel.spec}"
                )
                archive, packages = yield from _look(title, store, lambda p: p.version == kernel.version)
                if not packages:
                    raise missing
                entry = yield from _fetch(archive, packages[0], title, PARTS, store)
                return entry.path
    yield StageBegun("source", title)
    yield StageEnded("source", note="already there")
    return store.use(entry).path


def _of_tree(kernel: KernelTree, title: str, store: Store) -> Generator[Event, None, Entry]:
    """PARTS of a tree, by their content: the next build from that tree changes the copy that this one was made from."""
    origin = worktree.find(KernelSpec.parse(kernel.spec), store)
    with (yield from store.lock(entry_lock(worktree.KIND, origin.folder.name), kernel.spec)):
        if origin.spec.rev is not None and not worktree.is_there(origin):
            yield from worktree.arrive(origin, store)
        if not (origin.source / "Makefile").is_file():
            raise UnfitKernel(f"the copy of {kernel.spec} has just been removed by another process: call again")
        yield StageBegun("source", title)
        key = f"{origin.folder.name}-{digest(kbuild.contents(origin.source, PARTS))}"
        with (yield from store.lock(entry_lock(KIND, key), title)):
            if entry := store.entry(KIND, key):
                yield StageEnded("source", note="already there")
                return store.use(entry)
            store.need(_PARTS_ROOM, f"the {title}")
            with store.fresh(KIND, key) as fresh:
                kbuild.copy_source(origin.source, fresh.path, PARTS)
                entry = fresh.commit({"version": kernel.version, "tree": str(origin.spec.path), "parts": [*PARTS]})
    yield StageEnded("source", note=mb(entry.size))
    return store.use(entry)


def ktap_parser(kernel: KernelTree, *, store: Store) -> Generator[Event, None, Path | str]:
    """The source whose KTAP parser goes with ``kernel``: its own, or of the nearest kernel that is at hand.

    Returns a sentence where there is none. Raises what :func:`get` can raise for a kernel that has its source.
    """
    if kernel.spec.startswith(("deb:", "src:")) or kernel.source is not None:
        return (yield from get(kernel, store=store))
    if kernel.build is not None:
        for place in (kernel.build / "source", kernel.build):
            if (place / PARSER).is_file():
                return place.resolve()
    near = [e for e in store.entries(KIND) if (e.path / PARSER).is_file() and "upstream" in e.facts]
    if not near:
        return f"{kernel.spec} came without its source, and the store has no other kernel's"
    wanted = numbers(kernel.release)
    entry = min(
        near, key=lambda entry: [abs(a - b) for a, b in zip(wanted, numbers(entry.facts["version"]), strict=True)]
    )
    yield Note(f"{kernel.spec} came without its source; its KTAP is read with the parser of {entry.facts['version']}")
    return entry.path


def numbers(version: str) -> tuple[int, int, int]:
    """The first three numbers of a version, 0 for what is not there."""
    found = [int(number) for number in re.findall(r"\d+", version)[:3]]
    major, minor, patch = [*found, 0, 0, 0][:3]
    return major, minor, patch


def stored(kernel: KernelTree, store: Store) -> Entry | None:
    """The entry of the source of ``kernel``, if the store has one: all of it, or today's PARTS."""
    return next(
        (
            entry
            for entry in store.entries(KIND)
            if entry.facts.get("version") == kernel.version and entry.facts["parts"] in ([*PARTS], [*WHOLE])
        ),
        None,
    )


def whole(
    wanted: str, *, store: Store, refresh: bool = False, version: str | None = None
) -> Generator[Event, None, Entry]:
    """All of the source of the newest release of ``wanted`` ("7.3", or exactly "7.3.4") as an entry of the store.

    The newest is that of the store if it has one, unless ``refresh``; ``version`` is a package's, and exact. Raises
    UnknownName, and what :func:`ppiov.kernels.get` raises.
    """

    def fits(upstream: str, full: str) -> bool:
        in_series = upstream == wanted or (wanted.count(".") == 1 and upstream.startswith(f"{wanted}."))
        return full == version if version else in_series

    def newest() -> Entry | None:
        found = [
            entry
            for entry in store.entries(KIND)
            if entry.facts["parts"] == [*WHOLE] and fits(entry.facts["upstream"], entry.facts["version"])
        ]
        return (
            functools.reduce(
                lambda a, b: a if newer(a.facts["version"], b.facts["version"]) else b, found[1:], found[0]
            )
            if found
            else None
        )

    title = f"source of {wanted}"
    entry = None if refresh else newest()
    if entry is None:
        with (yield from store.lock("archive", "the package archive")):
            entry = None if refresh else newest()
            if entry is None:
                try:
                    return (yield from _fetch_whole(wanted, fits, title, store))
                except NetworkGone as gone:
                    entry = newest()
                    if entry is None:
                        raise
                    yield Note(f"{gone}; using {entry.facts['upstream']}, which is in the store", "warning")
    yield StageBegun("source", title)
    yield StageEnded("source", note=f"{entry.facts['upstream']}, already there")
    return store.use(entry)


def _fetch_whole(
    wanted: str, fits: Callable[[str, str], bool], title: str, store: Store
) -> Generator[Event, None, Entry]:
    archive, packages = yield from _look(title, store, lambda p: fits(p.upstream, p.version))
    if not packages:
        known = {p.upstream if wanted.count(".") == 2 else p.upstream.rpartition(".")[0] for p in _sources(archive)}
        raise UnknownName("kernel source", f"src:{wanted}", {f"src:{name}" for name in known})
    newest = functools.reduce(lambda a, b: a if newer(a.version, b.version) else b, packages)
    return (yield from _fetch(archive, newest, title, WHOLE, store))


def _look(
    title: str, store: Store, fits: Callable[[Package], bool]
) -> Generator[Event, None, tuple[Archive, list[Package]]]:
    """The source packages that fit, with backports if there is none without. The caller holds the archive's lock."""
    store.need(_INDEX_ROOM, "reading the package lists")
    archive = Archive(store)
    try:
        yield from archive.refresh()
        found = [package for package in _sources(archive) if fits(package)]
        if not found:
            yield from archive.refresh(backports=True)
            found = [package for package in _sources(archive) if fits(package)]
    except NetworkGone as gone:
        raise NetworkGone(f"{gone} (the {title} is not in the store)") from gone
    return archive, found


def _fetch(
    archive: Archive, package: Package, title: str, parts: Sequence[str], store: Store
) -> Generator[Event, None, Entry]:
    """Fetch and unpack. The caller holds the archive's lock."""
    key = f"{package.name}-{digest([package.version, package.sha256, *parts])}"
    if entry := store.entry(KIND, key):  # the newest in the archive is the one that is here
        yield StageBegun("source", title)
        yield StageEnded("source", note=f"{package.upstream}, already there")
        return store.use(entry)
    # fetched, then its one file unpacked from the package, then the parts of that
    room = _WHOLE_ROOM if parts == WHOLE else _PARTS_ROOM
    store.need(package.size + package.installed + room, f"the {title}")
    with (yield from store.lock(entry_lock(KIND, key), title)), store.fresh(KIND, key) as fresh:
        files = yield from unpack(archive, package, parts, fresh.path, title, store)
        entry = fresh.commit(
            {
                "version": package.version,
                "upstream": package.upstream,
                "package": package.name,
                "sha256": package.sha256,
                "parts": [*parts],
            }
        )
        archive.forget(files)
    return store.use(entry)


def find(archive: Archive, version: str) -> Package | None:
    """The package linux-source-X.Y of exactly the kernel package version ``version``."""
    return next((package for package in _sources(archive) if package.version == version), None)


def _sources(archive: Archive) -> list[Package]:
    return archive.packages("linux-source-", re.compile(r"linux-source-\d+\.\d+"))


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
    if parts == WHOLE:
        yield from _unpack_whole(tarballs[0], into, title, store)
    else:
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


def _unpack_whole(tarball: Path, into: Path, title: str, store: Store) -> Generator[Event, None, None]:
    """Unpack all of the source, with tar: 90,000 files take Python four times as long."""
    size = tarball.stat().st_size
    yield StageBegun("source", f"unpack the {title}", size, "B")
    command: list[str | Path] = ["tar", "-xJ", "--strip-components=1", "--no-same-owner", "-C", into]
    with (
        TemporaryFile() as said,
        tarball.open("rb") as file,
        child.child(command, stdin=subprocess.PIPE, stderr=said) as process,
    ):
        assert process.stdin is not None  # it was asked for
        with suppress(BrokenPipeError):  # tar has given up, and says why
            while data := file.read(size // 100 + 1):
                process.stdin.write(data)
                yield StageProgress("source", file.tell())
            process.stdin.close()
        process.wait()
        said.seek(0)
        text = said.read().decode(errors="replace")
    if process.returncode:
        yield StageEnded("source", ok=False)
        if "No space left" in text:
            raise store.full(f"the {title}", into)
        raise UnfitKernel(f"the {title} cannot be unpacked: {(text.strip().splitlines() or ['tar failed'])[0]}")
    yield StageEnded("source", note=mb(size))
