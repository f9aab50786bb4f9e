# SPDX-License-Identifier: GPL-2.0-only
"""``deb:`` kernels: the image as the distribution ships it, with its headers, unpacked in the store.

Nothing is installed. The headers name their other halves by absolute paths (/usr/src, /usr/lib), so these few paths are
made relative; and those of the headers' programs that cannot run here are built anew (headers_tools.py). Nothing else
of the packages is changed.
"""

from __future__ import annotations

import dataclasses
import functools
import re
import shutil
from collections.abc import Generator, Iterable, Iterator
from pathlib import Path
from typing import Any

from ppiov import archive, child, compiler, headers_tools, kernel_source
from ppiov.archive import Archive, Package
from ppiov.errors import BadImage, NetworkGone, PpiovError, UnfitKernel, UnknownName
from ppiov.events import Event, Note, StageBegun, StageEnded, StageProgress
from ppiov.spec import KernelSpec
from ppiov.store import Entry, Store, digest, entry_lock, file_sha256, mb
from ppiov.tree import KIND, KernelTree, tree_of_entry

_HEADERS_DEPEND = re.compile(r"\b(linux-(?:headers|kbuild)-[^\s,(|]+)(?:\s*\(=\s*([^)\s]+)\))?")
_IMAGE_DEPENDS = re.compile(r"\b(linux-(?:base|binary|modules)-[^\s,(|]+)\s*\(=\s*([^)\s]+)\)")
IMAGES = "images"  # of the store's entries: kernels without headers, which :func:`get` does not see
_INDEX_ROOM = 120_000_000  # bytes that the package lists and apt's cache of them take (bookworm and backports: 90 MB)


def get(spec: KernelSpec, *, store: Store, refresh: bool = False) -> Generator[Event, None, KernelTree]:
    """The packaged kernel that ``spec`` names, fetched if it is not in the store.

    ``deb:6.12`` means the newest 6.12 that the store has; with ``refresh``, or if it has none, the newest in the
    archive. If the archive cannot be reached, a stored kernel that matches is taken and a note says so.

    Raises UnknownName, BadImage, NetworkGone, UntrustedArchive, DiskFull, MissingTool.
    """
    have = _stored(store, spec.version)
    if have and not refresh:
        if _intact(have):
            yield from _already_there(have)
            return tree_of_entry(spec, store.use(have))
        yield Note(f"{have.facts['release']} in the store is damaged; it is fetched again", "warning")
        with (yield from store.lock(entry_lock(KIND, have.key), f"kernel {have.facts['release']}")):
            store.remove(have)
    with (yield from store.lock("archive", "the package archive")):
        latest = _stored(store, spec.version)
        if latest and not refresh:  # the process that we waited for has fetched it
            yield from _already_there(latest)
            return tree_of_entry(spec, store.use(latest))
        try:
            entry = yield from _fetch(spec, store)
        except NetworkGone as gone:
            if latest is None:
                known = ", ".join(exact_spec(entry) for entry in entries(store)) or "no kernel"
                raise NetworkGone(f"{gone} (in the store: {known})") from gone
            yield Note(f"{gone}; using {latest.facts['release']}, which is in the store", "warning")
            entry = latest
        store.use(entry)
    return tree_of_entry(spec, entry)


def releases(line: str, *, store: Store) -> Generator[Event, None, dict[str, str]]:
    """The point releases of ``line`` ("6.12") that there are images of: version -> package version, the oldest first.

    Those in the archive, backports included; if that cannot be reached, those in the store. Raises UntrustedArchive,
    DiskFull, MissingTool.
    """
    stored = [entry for kind in (KIND, IMAGES) for entry in store.entries(kind) if "packages" in entry.facts]
    found = {str(e.facts["upstream"]): str(e.facts["version"]) for e in stored if _matches(e.facts["upstream"], line)}
    try:
        with (yield from store.lock("archive", "the package archive")):
            source, packages = yield from _index(store)
    except NetworkGone as gone:
        yield Note(f"{gone}; only the kernels in the store count", "warning")
    else:
        for version in {p.upstream for p in packages if p.name.startswith(f"linux-image-{line}")}:
            if _matches(version, line) and (chosen := resolve(packages, version, source.arch, headers=False)):
                found[version] = chosen[0].version
    return dict(sorted(found.items(), key=lambda item: _numbers(item[0])))


def get_image(version: str, *, store: Store) -> Generator[Event, None, KernelTree]:
    """The packaged kernel of exactly ``version``, which may be without headers: no modules can be built for it then.

    The archive keeps the images of a line for longer than their headers. Raises what :func:`get` does.
    """
    spec = KernelSpec("deb", version)
    entry = _stored(store, version) or next(
        (entry for entry in store.entries(IMAGES) if entry.facts["upstream"] == version), None
    )
    if entry is None or not _intact(entry):
        with (yield from store.lock("archive", "the package archive")):
            source, packages = yield from _index(store)
            chosen = resolve(packages, version, source.arch, headers=False)
            if not chosen:
                raise UnknownName("kernel", str(spec), {f"deb:{p.upstream}" for p in packages if "-image-" in p.name})
            entry = yield from _make(source, chosen, IMAGES, store)
    tree = tree_of_entry(spec, store.use(entry))
    return tree if entry.kind == KIND else dataclasses.replace(tree, build=None, symvers=None)


def _index(store: Store) -> Generator[Event, None, tuple[Archive, list[Package]]]:
    """What the archive has, backports included. The caller holds the archive's lock."""
    store.need(_INDEX_ROOM, "reading the package lists")
    source = Archive(store)
    yield from source.refresh(backports=True)
    return source, _kernel_packages(source)


def already_there(spec: KernelSpec, *, store: Store) -> KernelTree | None:
    """The packaged kernel that ``spec`` names, if the store has it whole."""
    have = _stored(store, spec.version)
    return tree_of_entry(spec, have) if have and _intact(have) else None


def entries(store: Store) -> list[Entry]:
    """The packaged kernels in the store, the oldest version first."""
    return sorted((entry for entry in store.entries(KIND) if "packages" in entry.facts), key=_version_key)


def exact_spec(entry: Entry) -> str:
    """The spec that means this entry and no other: deb:6.12.117."""
    return f"deb:{entry.facts['upstream']}"


def resolve(packages: Iterable[Package], version: str, arch: str, *, headers: bool = True) -> list[Package]:
    """The newest kernel of ``version`` ("6.12", or exactly "6.12.117") that has headers: image first, then headers.

    Without ``headers``, the newest there is an image of: that alone.
    A signed image is preferred over the same image unsigned, since it is what the distribution installs. The image's
    and the headers' own dependencies say which other packages belong to them: newer releases have the image, its
    modules and its configuration in packages of their own. Returns [] if there is none.
    """
    by_name: dict[str, list[Package]] = {}
    for package in packages:
        by_name.setdefault(package.name, []).append(package)
    sets = []
    for name, versions in by_name.items():
        image_name = re.fullmatch(rf"linux-image-(\d[^-]*(?:-\d+)?)-{re.escape(arch)}(-unsigned)?", name)
        if not image_name:
            continue
        for image in versions:
            if not _matches(image.upstream, version):
                continue
            parts = _parts(by_name, image)
            more = _headers(by_name, image_name[1], arch, image.version) if headers else []
            if parts and (more or not headers):
                sets.append([*parts, *more])

    def order(a: list[Package], b: list[Package]) -> int:
        if a[0].version == b[0].version:
            return a[0].name.endswith("-unsigned") - b[0].name.endswith("-unsigned")
        return -1 if archive.newer(a[0].version, b[0].version) else 1

    return min(sets, key=functools.cmp_to_key(order), default=[])


def _parts(by_name: dict[str, list[Package]], image: Package) -> list[Package]:
    """The image and the packages of the same source that it depends on; [] if one is absent."""
    found = [image]
    for package in found:
        for name, version in _IMAGE_DEPENDS.findall(package.depends):
            match = next((p for p in by_name.get(name, []) if p.version == version), None)
            if match is None:
                return []
            if match not in found:
                found.append(match)
    return found


def _headers(by_name: dict[str, list[Package]], abi: str, arch: str, version: str) -> list[Package]:
    """The headers of one kernel, and those of their dependencies that are headers or kbuild tools; [] if one is absent.

    A meta-package depends on another package's headers and not on a -common of its own, so it falls out here.
    """
    wanted, found = [(f"linux-headers-{abi}-{arch}", version)], list[Package]()
    while wanted:
        name, exact = wanted.pop()
        match = next((p for p in by_name.get(name, []) if p.version == exact), None)
        if match is None:
            return []
        found.append(match)
        for depend, equal in _HEADERS_DEPEND.findall(match.depends):
            if not any(p.name == depend for p in found):
                wanted.append((depend, equal or version))  # linux-kbuild is of the same source, so of the same version
    names = {depend for depend, _ in _HEADERS_DEPEND.findall(found[0].depends)}
    return found if f"linux-headers-{abi}-common" in names else []


def _fetch(spec: KernelSpec, store: Store) -> Generator[Event, None, Entry]:
    """Resolve ``spec`` in the archive and make its entry. The caller holds the archive's lock."""
    store.need(_INDEX_ROOM, "reading the package lists")
    source = Archive(store)
    yield from source.refresh()
    packages = _kernel_packages(source)
    chosen = resolve(packages, spec.version, source.arch)
    if not chosen:
        yield from source.refresh(backports=True)
        packages = _kernel_packages(source)
        chosen = resolve(packages, spec.version, source.arch)
    if not chosen:
        exact = spec.version.count(".") == 2
        series = [p.upstream if exact else p.upstream.rpartition(".")[0] for p in packages if "-image-" in p.name]
        known = {v for v in series if v and resolve(packages, v, source.arch)}
        raise UnknownName("kernel", str(spec), {f"deb:{v}" for v in known})
    return (yield from _make(source, chosen, KIND, store))


def _make(source: Archive, chosen: list[Package], kind: str, store: Store) -> Generator[Event, None, Entry]:
    """The entry of the packages ``chosen``. The caller holds the archive's lock."""
    image = chosen[0]
    key = f"{image.upstream}-{source.arch}-{digest(f'{p.name} {p.version} {p.sha256}' for p in chosen)}"
    if (entry := store.entry(kind, key)) and _intact(entry):
        yield from _already_there(entry)
        return entry
    room = sum(p.size + p.installed for p in chosen)
    store.need(room + room // 10, f"kernel {image.upstream}")  # a tenth for depmod's indexes and block rounding
    with (yield from store.lock(entry_lock(kind, key), f"kernel {image.upstream}")), store.fresh(kind, key) as fresh:
        files = yield from source.download(chosen)
        yield from _unpack(list(zip(chosen, files, strict=True)), fresh.path, store)
        facts = yield from _settle(fresh.path, store, headers=kind == KIND)
        build = fresh.path / "lib/modules" / facts["release"] / "build"
        more, rebuilt = list[Path](), list[str]()
        if kind == KIND:
            more, rebuilt = yield from _mend(source, image.version, build, fresh.path, store)
        facts |= {
            "rebuilt": rebuilt,
            "upstream": image.upstream,
            "version": image.version,
            "packages": [[p.name, p.version, p.sha256] for p in chosen],
        }
        entry = fresh.commit(facts)
        source.forget([*files, *more])
    return entry


def _kernel_packages(source: Archive) -> list[Package]:
    kinds = "image|headers|kbuild|base|binary|modules"
    return source.packages("linux-", re.compile(rf"linux-({kinds})-\d(?!.*(-dbg|-cloud-|-rt-|-rt$)).*"))


def _mend(
    source: Archive, version: str, build: Path, root: Path, store: Store
) -> Generator[Event, None, tuple[list[Path], list[str]]]:
    """Rebuild the programs of the headers that do not run here; returns what was fetched for it, and their names."""
    lame = headers_tools.unfit(build)
    if not lame:
        return [], []
    package = kernel_source.find(source, version)
    if package is None:
        raise UnfitKernel(f"{', '.join(lame)} of {build} do not run on this machine, and the archive has no source")
    title = f"source of {version}"
    store.need(package.size + package.installed + headers_tools.PARTS_ROOM, f"the {title}")
    unpacked = root / ".source"
    unpacked.mkdir()
    files = yield from kernel_source.unpack(source, package, headers_tools.PARTS, unpacked, title, store)
    yield from headers_tools.rebuild(lame, build, unpacked, compiler.find(build), store)
    shutil.rmtree(unpacked)
    return files, lame


def _unpack(parts: list[tuple[Package, Path]], into: Path, store: Store) -> Generator[Event, None, None]:
    total = sum(package.installed for package, _ in parts)
    done = 0
    yield StageBegun("unpack", f"unpack {parts[0][0].name}", total, "B")
    for package, path in parts:
        code, _, err = child.output(["dpkg-deb", "--extract", path, into])
        if code:
            raise _failed(f"{path.name} cannot be unpacked", err, store, into)
        done += package.installed
        yield StageProgress("unpack", done)
    yield StageEnded("unpack", note=mb(total))


def _settle(root: Path, store: Store, *, headers: bool) -> Generator[Event, None, dict[str, Any]]:
    """Make the unpacked packages work where they are, and say what is where (paths relative to ``root``)."""
    yield StageBegun("depmod", "index the modules")
    if not (root / "lib/modules").is_dir() and (root / "usr/lib/modules").is_dir():
        (root / "lib").symlink_to("usr/lib")  # newer packages; depmod and virtme look in /lib
    image = next(iter(sorted([*root.glob("boot/vmlinuz-*"), *root.glob("lib/modules/*/vmlinuz")])), None)
    if image is None:
        raise BadImage(f"the kernel's package has no image in {root / 'boot'} and none with its modules")
    beside = image.name == "vmlinuz"  # newer packages have image and configuration in the module folder
    release = image.parent.name if beside else image.name.removeprefix("vmlinuz-")
    config = image.with_name("config") if beside else image.with_name(f"config-{release}")
    if headers:
        relocate(root, release)
    code, _, err = child.output(["depmod", "-b", root, release])
    if code:
        raise _failed(f"depmod cannot index the modules of {release}", err, store, root)
    yield StageEnded("depmod")
    return {
        "release": release,
        "image": str(image.relative_to(root)),
        "config": str(config.relative_to(root)),
        "image_sha256": file_sha256(image),
        "config_sha256": file_sha256(config),
    }


def _failed(what: str, err: str, store: Store, place: Path) -> PpiovError:
    if "No space left" in err or "quota exceeded" in err:
        return store.full("the kernel", place)
    return PpiovError(f"{what}: {(err.strip().splitlines() or ['no reason given'])[-1]}")


def relocate(root: Path, release: str) -> None:
    """Make the absolute paths inside Debian's header packages relative, so that the tree works below any ``root``.

    There are four: the module folder's build and source links, and the include line of the headers' Makefile and, in
    newer ones, its KBUILD_OUTPUT.
    """
    modules = root / "lib/modules" / release
    up = Path(*[".."] * len(modules.resolve().relative_to(root.resolve()).parts))
    for name in ("build", "source"):
        link = modules / name
        if link.is_symlink() and link.readlink().is_absolute():
            target = link.readlink().relative_to("/")
            link.unlink()
            link.symlink_to(up / target)
    makefile = modules / "build" / "Makefile"
    if not makefile.is_file():
        raise UnfitKernel(f"the headers of {release} have no Makefile where {modules / 'build'} points")
    makefile.write_text(
        re.sub(
            r"^(include |KBUILD_OUTPUT)( *:?= *)?/usr/src/(\S+)$",
            lambda line: (
                f"{line[1]}{':=' if line[2] else ''}"  # at once, since the list of makefiles grows
                f"$(realpath $(dir $(realpath $(lastword $(MAKEFILE_LIST))))../{line[3]})"
            ),
            makefile.read_text(),
            flags=re.MULTILINE,
        )
    )


def _matches(upstream: str, version: str) -> bool:
    """Whether the full version ``upstream`` ("6.12.117") is one of ``version`` ("6.12" or "6.12.117")."""
    return upstream == version or (version.count(".") == 1 and upstream.startswith(version + "."))


def _version_key(entry: Entry) -> tuple[int, ...]:
    return _numbers(str(entry.facts["version"]))


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version))


def _stored(store: Store, version: str) -> Entry | None:
    """The newest stored kernel that ``version`` names."""
    return max(
        (entry for entry in entries(store) if _matches(str(entry.facts["upstream"]), version)),
        key=_version_key,
        default=None,
    )


def _intact(entry: Entry) -> bool:
    """Whether the image is still what was unpacked: a power cut may have lost what had not reached the disk."""
    try:
        return file_sha256(entry.path / entry.facts["image"]) == str(entry.facts["image_sha256"])
    except OSError:
        return False


def _already_there(entry: Entry) -> Iterator[Event]:
    yield StageBegun("kernel", f"kernel {entry.facts['release']}")
    yield StageEnded("kernel", note="already there")
