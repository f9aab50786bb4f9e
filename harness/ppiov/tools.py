# SPDX-License-Identifier: GPL-2.0-only
"""Programs that a stable distribution has too old, or a machine not at all: what the kernel's tests call, and sparse.

They come from a later release of Debian through the same archive and the same checks as the kernels (archive.py), with
all the libraries that they need, the C library included, and stay in the store: nothing of the host changes. Each has a
small script in ``bin/`` that starts it with its own loader and libraries, so the host's need not be as new.

``liburing/`` is what programs are built with, not a program: headers, and the library.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Generator, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from ppiov import archive, child
from ppiov.archive import Archive, Package
from ppiov.errors import NetworkGone, PpiovError, UnknownName
from ppiov.events import Event, StageBegun, StageEnded
from ppiov.store import Entry, Store, digest, entry_lock, mb

KIND = "tools"
RELEASE = "forky"
# Package -> the programs of it that the tests call
PROGRAMS = {
    "bpftool": ("bpftool",),
    "bpftrace": ("bpftrace",),
    "ethtool": ("ethtool",),
    "iperf3": ("iperf3",),
    "iproute2": ("bridge", "ip", "nstat", "ss", "tc"),
    "lldpad": ("lldpad", "lldptool"),
    "ncat": ("ncat",),
    "netsniff-ng": ("mausezahn",),
    "socat": ("socat",),
}
LIBRARY = "liburing"


@dataclass(frozen=True, slots=True)
class Programs:
    """What is fetched together, and stays in the store as one entry."""

    title: str
    packages: Mapping[str, tuple[str, ...]]  # package -> the programs of it that get a script
    library: str = ""  # its -dev package comes too

    @property
    def wanted(self) -> list[str]:
        """The packages, those apart that these need."""
        return sorted([*self.packages, *([f"{self.library}-dev"] if self.library else [])])


TESTS = Programs("programs for the kernel's tests", PROGRAMS, LIBRARY)
SPARSE = Programs("a newer sparse", {"sparse": ("sparse",)})

# What a program needs to start. libc6 names its character sets, which nothing here converts.
_LIBRARY_PACKAGE = re.compile(r"\b(lib[a-z0-9.+-]+)(?<!-bin)(?<!-dev)(?<!-extra)(?=\s|,|$|\()")
_ROOM = 120_000_000  # bytes that the package lists take, those of another release included
_SCRIPT = """\
#!/bin/sh
here=${{0%/*}}/..
exec "$here/{loader}" --argv0 {name} --library-path "$here/{libraries}" "$here/{program}" "$@"
"""


def get(programs: Programs = TESTS, *, store: Store) -> Generator[Event, None, Path]:
    """The folder with ``bin/``, and ``liburing/`` for the tests, fetched if the store has none.

    Raises NetworkGone, UntrustedArchive, DiskFull, MissingTool, UnknownName.
    """
    entry = stored(store, programs)
    if entry is None:
        with (yield from store.lock("archive", "the package archive")):
            entry = stored(store, programs)  # the process that we waited for may have fetched it
            if entry is None:
                return store.use((yield from _fetch(store, programs))).path
    yield StageBegun(KIND, programs.title)
    yield StageEnded(KIND, note="already there")
    return store.use(entry).path


def stored(store: Store, programs: Programs = TESTS) -> Entry | None:
    """The newest entry with today's programs, if there is one."""
    return next((e for e in reversed(store.entries(KIND)) if e.facts.get("wanted") == programs.wanted), None)


def _fetch(store: Store, programs: Programs) -> Generator[Event, None, Entry]:
    """Fetch and unpack. The caller holds the archive's lock."""
    store.need(_ROOM, "reading the package lists")
    source = Archive(store)
    try:
        yield from source.refresh(release=RELEASE)
        packages = closure(source, programs.wanted)
    except NetworkGone as gone:
        raise NetworkGone(f"{gone} (not in the store: {programs.title})") from gone
    key = f"{RELEASE}-{digest(f'{p.name} {p.version} {p.sha256}' for p in packages)}"
    store.need(sum(p.size + p.installed for p in packages), programs.title)
    with (
        (yield from store.lock(entry_lock(KIND, key), programs.title)),
        store.fresh(KIND, key) as fresh,
    ):
        files = yield from source.download(packages)
        yield StageBegun(KIND, f"unpack {programs.title}")
        for file in files:
            code, _, err = child.output(["dpkg-deb", "--extract", file, fresh.path / "root"])
            if code:
                raise PpiovError(f"{file.name} cannot be unpacked: {err.strip()}")
        settle(fresh.path, programs)
        yield StageEnded(KIND, note=mb(sum(p.installed for p in packages)))
        entry = fresh.commit({"wanted": programs.wanted, "packages": [[p.name, p.version] for p in packages]})
        source.forget(files)
    return entry


def closure(source: Archive, names: Iterable[str]) -> list[Package]:
    """The newest packages ``names``, and the libraries that they need. Raises UnknownName."""
    found: dict[str, Package] = {}
    asked = list(names)
    wanted = [*asked]
    while wanted:
        name = wanted.pop()
        if name in found:
            continue
        versions = source.packages(name, re.compile(re.escape(name)))
        if not versions:
            raise UnknownName("package", name, asked)
        newest = versions[0]
        for package in versions[1:]:
            newest = package if archive.newer(package.version, newest.version) else newest
        found[name] = newest
        wanted += libraries(newest.depends)
    return [found[name] for name in sorted(found)]


def libraries(depends: str) -> list[str]:
    """The library packages of a Depends field; of alternatives the first."""
    first = (alternatives.partition("|")[0].strip() for alternatives in depends.split(","))
    return [match[1] for text in first if (match := _LIBRARY_PACKAGE.match(text))]


def settle(folder: Path, programs: Programs = TESTS) -> None:
    """Make ``bin/``, and the library's folder, from what was unpacked to ``folder``/root; what nobody needs goes."""
    root = folder / "root"
    loader = next(iter(sorted(root.rglob("ld-linux-*.so.*"))), None)
    if loader is None:
        raise PpiovError("the C library's package has no ld-linux-*.so.*")
    if programs.library:
        own = folder / programs.library
        (own / "lib").mkdir(parents=True)
        for path in sorted(loader.parent.glob(f"{programs.library}.so*")):  # the link of the -dev package included
            shutil.copy(path, own / "lib" / path.name, follow_symlinks=False)
        shutil.copytree(root / "usr/include", own / "include")
    (folder / "bin").mkdir()
    for name in sorted(name for names in programs.packages.values() for name in names):
        places = [root / place / name for place in ("usr/sbin", "usr/bin", "sbin", "bin")]
        program = next((place for place in places if place.is_file()), None)
        if program is None:
            raise PpiovError(f"no package of {', '.join(programs.wanted)} has the program {name}")
        script = folder / "bin" / name
        script.write_text(
            _SCRIPT.format(
                name=name,
                loader=loader.relative_to(folder),
                libraries=loader.parent.relative_to(folder),
                program=program.relative_to(folder),
            )
        )
        script.chmod(0o755)
    for unneeded in ("usr/share", "usr/include", "etc", "var"):
        shutil.rmtree(root / unneeded, ignore_errors=True)
