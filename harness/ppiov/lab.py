# SPDX-License-Identifier: GPL-2.0-only
"""``src:`` and ``tree:`` kernels: built here, from a small base configuration and the additions of the spec.

A build happens in a folder of the store of its own (O=), which stays when the build is interrupted or fails, so that
the next call goes on where this one stopped; that of a ``tree:`` stays always. What comes out is copied into an entry
that needs neither it nor the source any more: image, modules, the symbols, and what modules are built against, as the
kernel's own packaging picks it. So a kernel that a run uses does not change when its tree is built again.

tuxmake, the library for this, got in the way: it does not look at the fragments again once a build folder has a
configuration, and on the host it takes whatever "clang" is where a version was asked for. So this is make itself.
"""

from __future__ import annotations

import dataclasses
import json
import os
import re
import resource
import shutil
import time
from collections.abc import Generator, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ppiov import child, kconfig, kernel_source, toolchain, worktree
from ppiov.archive import newer
from ppiov.errors import BadSpec, PpiovError, UnfitKernel
from ppiov.events import Event, Note, StageBegun, StageEnded
from ppiov.make import Make
from ppiov.spec import INSIDE, KernelSpec
from ppiov.store import Entry, Store, digest, entry_lock, file_sha256, mb
from ppiov.toolchain import Toolchain
from ppiov.tree import KIND, KernelTree, read_config, tree_of_entry

BUILDS = "builds"  # where src: kernels are built; tree: kernels are built beside their source
_RECIPE = "1"  # a new one makes every kernel anew: change it with what this file does
_ROOM = 1_500_000_000  # bytes that a build takes, generously; DWARF takes more
_ROOM_DWARF = 8_000_000_000
_STATE = "ppiov.json"  # in the build folder: what the build has cost so far
_COMPILED = re.compile(r"^\S+ := .* -c -o \S+ \S+\.c\b")
# What `make W=1 M=...` runs besides what the kernel's packaging picks: kernel-doc, where it has moved.
_DOC_TOOLS = ("tools/docs", "tools/lib/python")


@dataclass(frozen=True, slots=True)
class Configured:
    """A configuration that was made, and what became of the wishes."""

    asked: int
    refused: tuple[kconfig.Refused, ...]


@dataclass(frozen=True, slots=True)
class _Job:
    """One kernel to build."""

    spec: KernelSpec
    name: str  # "7.3.4+kunit", for the user
    source: Path
    version: str  # of the source: a package's version, or a commit
    stamp: int  # what the kernel says it was built at, so that the same source gives the same kernel
    output: Path
    recipe: str  # see _recipe(); taken before the build, since a fragment may be edited during it
    tools: Toolchain
    store: Store

    @property
    def title(self) -> str:
        return f"build {self.name}"

    def make(self, *arguments: str | Path) -> list[str | Path]:
        """The command line of make for this kernel."""
        wishes = kconfig.variables(kconfig.make_files(self.spec.additions))
        variables = [*self.tools.flags, *self.tools.wrapped, *wishes, "LOCALVERSION="]
        return ["make", "-C", self.source, f"O={self.output}", *variables, *arguments]

    def environment(self) -> dict[str, str]:
        return {
            "KBUILD_BUILD_TIMESTAMP": f"@{self.stamp}",
            "KBUILD_BUILD_USER": "ppiov",
            "KBUILD_BUILD_HOST": "lab",
            "KBUILD_BUILD_VERSION": "1",
            "ARCH": "x86_64",
            "CROSS_COMPILE": "",
            "KBUILD_OUTPUT": "",
            "KCFLAGS": "",
            "LLVM": "",
        }


def buildable(spec: KernelSpec) -> KernelSpec:
    """``spec``, if it is one that is built here. Raises BadSpec."""
    if spec.kind not in ("src", "tree"):
        raise BadSpec(f"{spec} is not built here but taken as it is; what is built is src:VERSION and tree:PATH[@REV]")
    return spec


def get(spec: KernelSpec, *, store: Store, refresh: bool = False) -> Generator[Event, None, KernelTree]:
    """The kernel that ``spec`` names, built if the store has not got it as it would be built now.

    ``src:7.3`` means the newest 7.3 that the store has a kernel or the source of; with ``refresh``, the newest in the
    archive. Raises UnknownName, UnfitKernel, BuildFailed, MissingTool, NetworkGone, UntrustedArchive, DiskFull.
    """
    _check_place(store)
    if spec.kind == "src":
        return (yield from _src(spec, store, refresh))
    return (yield from _tree(spec, store))


def already_there(spec: KernelSpec, *, store: Store) -> KernelTree | None:
    """The kernel that ``spec`` names, if no more than looking is needed. A work tree may have changed, so it is not."""
    if spec.kind == "tree":
        if spec.rev is None:
            return None
        try:
            origin = worktree.find(spec, store)
        except PpiovError:
            return None
        entry = _built_before(spec, store, origin.commit[:12])
    else:
        entry = _newest(spec, store)
    return tree_of(spec, entry) if entry else None


def configure(spec: KernelSpec, *, store: Store) -> Generator[Event, None, Configured]:
    """What the fragments of ``spec`` ask for and its kernel refuses. Nothing is built; raises what :func:`get` does."""
    _check_place(store)
    if spec.kind == "src":
        source = yield from kernel_source.whole(spec.version, store=store)
        job = _src_job(spec, source, toolchain.find(source.path, spec.additions), store)
        with (yield from store.lock(entry_lock(BUILDS, job.output.name), job.name)):
            return (yield from _configure(job))
    origin = worktree.find(spec, store)
    with (yield from store.lock(entry_lock(worktree.KIND, origin.folder.name), str(spec))):
        version = yield from worktree.arrive(origin, store)
        return (yield from _configure(_tree_job(origin, version, store)))


def entries(store: Store) -> list[Entry]:
    """The kernels in the store that were built here, the oldest first."""
    return [entry for entry in store.entries(KIND) if "recipe" in entry.facts]


def outdated(entry: Entry) -> bool:
    """Whether ``entry`` is of an older recipe, so that it would be built anew if it was asked for."""
    additions = tuple(entry.facts["additions"])
    return str(entry.facts["recipe"]) != _recipe_of(KernelSpec("src", "", additions), entry.facts)


def exact_spec(entry: Entry) -> str:
    """The spec that means this entry: src:7.3.4+kunit, or the tree and the revision it was built from."""
    facts = entry.facts
    additions = "".join(f"+{name}" for name in facts["additions"])
    if "upstream" in facts:
        return f"src:{facts['upstream']}{additions}"
    rev = f"@{facts['rev']}" if facts["rev"] else ""
    return f"tree:{facts['tree']}{rev}{additions}"


def tree_of(spec: KernelSpec, entry: Entry) -> KernelTree:
    """What the rest of the program knows about the kernel in ``entry``."""
    kernel = tree_of_entry(spec, entry)
    return dataclasses.replace(
        kernel,
        source=Path(entry.facts["source"]),
        vmlinux=kernel.build / "vmlinux" if kernel.build else None,
        make_flags=tuple(entry.facts["make_flags"]),
    )


# src:


def _src(spec: KernelSpec, store: Store, refresh: bool) -> Generator[Event, None, KernelTree]:
    if not refresh and (entry := _newest(spec, store)):
        return tree_of(spec, (yield from _already_there(entry, store)))
    source = yield from kernel_source.whole(spec.version, store=store, refresh=refresh)
    tools = toolchain.find(source.path, spec.additions)
    job = _src_job(spec, source, tools, store)
    key = job.output.name
    with (yield from store.lock(entry_lock(KIND, key), f"kernel {job.name}")):
        if (entry := store.entry(KIND, key)) and _intact(entry):
            return tree_of(spec, (yield from _already_there(entry, store)))
        with (yield from store.lock(entry_lock(BUILDS, key), job.title)):
            made = yield from _build(job)
            entry = yield from _install(job, key, made, {"upstream": source.facts["upstream"]})
            shutil.rmtree(job.output, ignore_errors=True)
    return tree_of(spec, entry)


def _src_job(spec: KernelSpec, source: Entry, tools: Toolchain, store: Store) -> _Job:
    upstream, version = str(source.facts["upstream"]), str(source.facts["version"])
    name = "+".join([upstream, *spec.additions])
    recipe = _recipe(spec, tools)
    key = f"{name}-{digest([version, str(source.facts['sha256']), recipe])}"
    stamp = int((source.path / "Makefile").stat().st_mtime)
    return _Job(spec, name, source.path, version, stamp, store.dir(BUILDS) / key, recipe, tools, store)


def _newest(spec: KernelSpec, store: Store) -> Entry | None:
    """The kernel of the newest source that ``spec`` can mean, as today's recipe makes it."""
    found: Entry | None = None
    for entry in entries(store):
        facts = entry.facts
        upstream = str(facts.get("upstream", ""))
        fits = upstream == spec.version or (spec.version.count(".") == 1 and upstream.startswith(f"{spec.version}."))
        fits = fits and facts["recipe"] == _recipe_of(spec, facts) and tuple(facts["additions"]) == spec.additions
        if fits and _intact(entry) and (found is None or newer(facts["version"], found.facts["version"])):
            found = entry
    return found


# tree:


def _tree(spec: KernelSpec, store: Store) -> Generator[Event, None, KernelTree]:
    origin = worktree.find(spec, store)
    if spec.rev is not None and (entry := _built_before(spec, store, origin.commit[:12])):
        if not worktree.is_there(origin):  # it was switched to another revision since, or collected
            with (yield from store.lock(entry_lock(worktree.KIND, origin.folder.name), str(spec))):
                yield from worktree.arrive(origin, store)
        return tree_of(spec, (yield from _already_there(entry, store)))
    with (yield from store.lock(entry_lock(worktree.KIND, origin.folder.name), str(spec))):
        version = yield from worktree.arrive(origin, store)
        job = _tree_job(origin, version, store)
        made = yield from _build(job)
        boot = job.output / "arch/x86/boot/bzImage"
        made_of = [file_sha256(path) for path in (boot, job.output / ".config", job.output / "Module.symvers")]
        key = f"{origin.folder.name}-{digest([*made_of, version, job.recipe])}"
        with (yield from store.lock(entry_lock(KIND, key), f"kernel {job.name}")):
            if (entry := store.entry(KIND, key)) and _intact(entry):
                return tree_of(spec, (yield from _already_there(entry, store)))
            entry = yield from _install(job, key, made, {"tree": str(spec.path), "rev": spec.rev or ""})
    return tree_of(spec, entry)


def _tree_job(origin: worktree.Origin, version: str, store: Store) -> _Job:
    spec = origin.spec
    tools = toolchain.find(origin.source, spec.additions)
    assert spec.path is not None  # worktree.find() has seen it
    name = "+".join([f"{spec.path.name}@{version}", *spec.additions])
    # with our modules in it or without, it is one folder: little more than they is compiled when that changes
    output = origin.folder / "+".join(["build", *(name for name in spec.additions if name not in INSIDE)])
    return _Job(spec, name, origin.source, version, 0, output, _recipe(spec, tools), tools, store)


def _built_before(spec: KernelSpec, store: Store, version: str) -> Entry | None:
    """The newest kernel of the revision ``version`` of the tree that ``spec`` names, as today's recipe makes it."""
    for entry in reversed(entries(store)):
        facts = entry.facts
        same = (facts.get("tree"), facts["version"], tuple(facts["additions"])) == (
            str(spec.path), version, spec.additions,
        )  # fmt: skip
        if same and facts["recipe"] == _recipe_of(spec, facts) and _intact(entry):
            return entry
    return None


# both


def _check_place(store: Store) -> None:
    if bad := re.search(r"[\s:]", str(store.root)):
        what = "colon" if bad[0] == ":" else "blank"
        raise UnfitKernel(
            f"no kernel can be built in {store.root}: the kernel's makefiles take no path with a {what}; "
            "set XDG_CACHE_HOME to another folder"
        )


def recipe(spec: KernelSpec) -> str:
    """What, besides its source, decides about a ``tree:`` kernel that is built here now. Raises MissingTool."""
    assert spec.path is not None  # a tree's spec has one
    return _recipe(spec, toolchain.find(spec.path, spec.additions))


def _recipe(spec: KernelSpec, tools: Toolchain) -> str:
    """What, besides the source, decides about the kernel."""
    return _recipe_of(spec, {"compiler": tools.version, "make_flags": tools.flags})


def _recipe_of(spec: KernelSpec, facts: dict[str, Any]) -> str:
    """The recipe for ``spec`` of today, with the compiler that ``facts`` name."""
    made_of = [*kconfig.files(spec.additions), *kconfig.make_files(spec.additions)]
    contents = [path.read_bytes() for path in made_of]
    return digest([_RECIPE, facts["compiler"], *facts["make_flags"], *spec.additions, *contents])


def _already_there(entry: Entry, store: Store) -> Generator[Event, None, Entry]:
    yield StageBegun("kernel", f"kernel {entry.facts['release']}")
    yield StageEnded("kernel", note="already there")
    return store.use(entry)


def _intact(entry: Entry) -> bool:
    """Whether image and symbols are still what was built: a power cut may have lost what had not reached the disk."""
    try:
        return file_sha256(entry.path / entry.facts["image"]) == str(entry.facts["image_sha256"])
    except OSError:
        return False


def _configure(job: _Job) -> Generator[Event, None, Configured]:
    """Merge the fragments on allnoconfig. Raises UnknownName, BuildFailed."""
    yield StageBegun("configure", f"configure {job.name}")
    wishes = kconfig.files(job.spec.additions)
    with job.store.room(job.output, f"the build of {job.name}"):
        job.output.mkdir(parents=True, exist_ok=True)
        local = job.output / "local.config"
        local.write_text(f'CONFIG_LOCALVERSION="{_local_version(job.spec)}"\nCONFIG_LOCALVERSION_AUTO=n\n')
        log = job.output / "build.log"
        log.write_text("")
        merged = job.output / "wanted.config"
        merged.write_text("")
    make = Make("configure", job.output.name, job.title, job.output, log, job.store)
    merge: list[str | Path] = [
        "env",
        "-C",
        job.output,
        job.source / "scripts/kconfig/merge_config.sh",
        "-m",
        "-y",  # what a collection has as a module, and the base built in, stays built in
        "-O",
        job.output,
    ]
    environment = job.environment() | {"KCONFIG_CONFIG": str(merged)}
    try:
        wishes += kconfig.of_collections(job.spec.additions, job.source)
        with _cost(job):
            code, out, err = child.output([*merge, *wishes, local], env=environment)
            if code:
                log.write_text(out + err)
                raise make.failed(f"the fragments cannot be merged: {(err.strip().splitlines() or ['no reason'])[-1]}")
            yield from make.run(job.make(f"KCONFIG_ALLCONFIG={merged}", "allnoconfig"), job.environment())
        asked = kconfig.asked(wishes)
        config = read_config(job.output / ".config")
        refused = kconfig.refused(asked, config, kconfig.known_options(job.source))
    except PpiovError:
        yield StageEnded("configure", ok=False)
        raise
    on = sum(value in ("y", "m") for value in config.values())
    yield StageEnded("configure", note=f"{on} options" + (f", {len(refused)} refused" if refused else ""))
    return Configured(len(asked), tuple(refused))


def _local_version(spec: KernelSpec) -> str:
    """What follows the version in uname -r; all of that must not be longer than 64 characters."""
    text = "-".join(["", *(spec.additions or ("lab",))])
    return text if len(text) <= 40 else f"-lab-{digest(spec.additions)[:8]}"


def _build(job: _Job) -> Generator[Event, None, Configured]:
    """Configure and compile in job.output, going on where an earlier call stopped."""
    job.store.need(_ROOM_DWARF if {"dwarf", "bpf"} & set(job.spec.additions) else _ROOM, job.title)
    made = yield from _configure(job)
    _check_additions(job)
    make = Make("kernel", job.output.name, job.title, job.output, job.output / "build.log", job.store)
    yield StageBegun("kernel", job.title, _compiled_before(job), "files")
    try:
        with _cost(job) as cost:
            warnings = yield from make.run(job.make("bzImage", "modules"), job.environment())
    except PpiovError:
        yield StageEnded("kernel", ok=False)
        raise
    if warnings:
        yield Note(f"{job.name}: {len(warnings)} warnings, the first: {warnings[0]}")
    yield StageEnded("kernel", note=f"{cost['cpu_s'] / 60:.1f} CPU-minutes" + (", ccache" if job.tools.wrapped else ""))
    return made


def _check_additions(job: _Job) -> None:
    """Raise UnfitKernel if an addition did not arrive: a tool that is not there is silent, too."""
    config = read_config(job.output / ".config")
    lacking = [name for name in job.spec.additions if not kconfig.arrived(name, config)]
    if lacking:
        what = ", ".join(f"+{name} ({kconfig.ESSENTIAL[name]})" for name in lacking)
        raise UnfitKernel(f"{job.name} refuses {what}: see `ppiov kernel config {job.spec}`")


def _compiled_before(job: _Job) -> float | None:
    """How many files a kernel with the same additions had, to measure the progress by."""
    same = [entry for entry in entries(job.store) if tuple(entry.facts["additions"]) == job.spec.additions]
    return same[-1].facts["files"] if same and not (job.output / "vmlinux").exists() else None


@contextmanager
def _cost(job: _Job) -> Iterator[dict[str, Any]]:
    """Add up what the block costs, over all calls that a build has taken."""
    state = job.output / _STATE
    cost: dict[str, Any] = {"cpu_s": 0.0, "wall_s": 0.0}
    with suppress(OSError, ValueError):
        cost |= json.loads(state.read_text())
    cpu, wall = _children_cpu(), time.monotonic()
    try:
        yield cost
    finally:
        cost["cpu_s"] += _children_cpu() - cpu
        cost["wall_s"] += time.monotonic() - wall
        with suppress(OSError):
            state.write_text(json.dumps(cost))


def _compiled(output: Path) -> int:
    """How many files of the kernel proper were compiled in ``output``."""
    found = 0
    for folder, below, names in os.walk(output):
        if Path(folder) == output:
            below[:] = [name for name in below if name not in ("scripts", "tools")]
        for name in names:
            if name.startswith(".") and name.endswith(".o.cmd"):
                found += bool(_COMPILED.search((Path(folder) / name).read_text(errors="replace")))
    return found


def _children_cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _install(job: _Job, key: str, made: Configured, facts: dict[str, Any]) -> Generator[Event, None, Entry]:
    """Copy what was built into a new entry. The caller holds its lock."""
    yield StageBegun("install", f"keep {job.name}")
    make = Make("install", key, job.title, job.output, job.output / "build.log", job.store)
    release = (job.output / "include/config/kernel.release").read_text().strip()
    with job.store.fresh(KIND, key) as fresh:
        root = fresh.path
        try:
            depmod = child.find_tool("depmod")
            install = job.make(f"INSTALL_MOD_PATH={root}", f"DEPMOD={depmod}", "modules_install")
            yield from make.run(install, job.environment())
            modules = root / "lib/modules" / release
            build = modules / "build"
            build.unlink(missing_ok=True)
            pick = job.source / "scripts/package/install-extmod-build"
            if not pick.is_file():
                raise UnfitKernel(
                    f"{job.name} has no {pick.relative_to(job.source)}, so no modules can be built for it"
                )
            yield from make.run(job.make(f"KBUILD_RUN_COMMAND={pick} {build}", "run-command"), job.environment())
            _keep(job, root, release)
        except PpiovError:
            yield StageEnded("install", ok=False)
            raise
        image, config = Path(f"boot/vmlinuz-{release}"), Path(f"boot/config-{release}")
        cost = json.loads((job.output / _STATE).read_text())
        facts |= {
            "release": release,
            "version": job.version,
            "additions": [*job.spec.additions],
            "recipe": job.recipe,
            "compiler": job.tools.version,
            "make_flags": [*job.tools.flags],
            "ccache": bool(job.tools.wrapped),
            "cpu_s": round(cost["cpu_s"], 1),
            "wall_s": round(cost["wall_s"], 1),
            "files": _compiled(job.output),
            "source": str(job.source),
            "refused": [dataclasses.asdict(one) for one in made.refused],
            "asked": made.asked,
            "image": str(image),
            "config": str(config),
            "image_sha256": file_sha256(root / image),
            "config_sha256": file_sha256(root / config),
        }
        entry = fresh.commit(facts)
    (job.output / _STATE).unlink()  # the next build of this tree costs for itself
    yield StageEnded("install", note=mb(entry.size))
    return job.store.use(entry)


def _keep(job: _Job, root: Path, release: str) -> None:
    """Copy what the kernel's own targets have not copied."""
    boot, build = root / "boot", root / "lib/modules" / release / "build"
    boot.mkdir()
    with job.store.room(root, f"kernel {job.name}"):
        shutil.copy(job.output / "arch/x86/boot/bzImage", boot / f"vmlinuz-{release}")
        shutil.copy(job.output / "System.map", boot / f"System.map-{release}")
        shutil.copy(job.output / ".config", boot / f"config-{release}")
        shutil.copy(job.output / ".config", build / ".config")
        shutil.copy(job.output / "vmlinux", build / "vmlinux")
        shutil.copy(job.output / "build.log", root / "build.log")
        if job.tools.compiler != "gcc":
            (build / ".kernelvariables").write_text(f"CC = {job.tools.compiler}\n")
        for name in _DOC_TOOLS:
            if (job.source / name).is_dir():
                shutil.copytree(job.source / name, build / name, symlinks=True, dirs_exist_ok=True)
