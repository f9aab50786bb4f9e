# SPDX-License-Identifier: GPL-2.0-only
"""The source of ``tree:`` kernels: what a user's git repository has, in a folder of the store.

Nothing is built in the user's tree, and nothing is written to it: no file, no index, no ref. So a stale .config or
include/generated there is neither in the way of a build nor touched by it, and a path that make could not take (with a
blank or a colon) is taken.

``tree:PATH`` is the work tree as it is: the files that git would know after an `add --all`, copied; only what has
changed is copied again, and a file whose content is the same keeps its time, so that switching branches to and fro
rebuilds little. ``tree:PATH@REV`` is a checkout of the store's own, which shares the repository's objects.
"""

from __future__ import annotations

import filecmp
import json
import os
import shutil
import stat
from collections.abc import Generator, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from ppiov import child
from ppiov.errors import PpiovError, UnfitKernel
from ppiov.events import Event, StageBegun, StageEnded, StageProgress
from ppiov.spec import KernelSpec
from ppiov.store import Store, digest

KIND = "trees"
_STATE = "state.json"
# What a git hook that called us left in the environment would lead git to another repository.
CLEAN = ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_OBJECT_DIRECTORY", "GIT_COMMON_DIR", "GIT_PREFIX")


@dataclass(frozen=True, slots=True)
class Origin:
    """A revision or a work tree, before anything of it is in the store."""

    spec: KernelSpec
    top: Path  # of the work tree, or the repository
    commit: str  # the revision asked for, or HEAD
    folder: Path  # in the store; has source/, and the builds

    @property
    def source(self) -> Path:
        return self.folder / "source"


def find(spec: KernelSpec, store: Store) -> Origin:
    """What ``spec`` names. Raises UnfitKernel where that is not a kernel's git tree, or has no such revision."""
    path, rev = spec.path, spec.rev
    assert path is not None  # parse() sees to it
    if not path.is_dir():
        raise UnfitKernel(f"{path} is not a folder" if path.exists() else f"{path} does not exist")
    child.find_tool("git")
    code, out, err = git(path, "rev-parse", "--show-toplevel" if rev is None else "--absolute-git-dir")
    if code:
        why = "" if "not a git repository" in err or not err else f" ({err.splitlines()[0]})"
        raise UnfitKernel(f"{path} is not a git {'work tree' if rev is None else 'repository'}{why}")
    top = Path(out.removesuffix("\n"))
    code, commit, _ = git(path, "rev-parse", "--verify", "--quiet", f"{rev or 'HEAD'}^{{commit}}")
    if code and rev is not None:
        raise UnfitKernel(f"{path} has no revision {rev!r}")
    name = "".join(c if c.isascii() and (c.isalnum() or c in "._-") else "-" for c in path.name).lstrip(".-")
    key = f"{name or 'tree'}-{digest([os.fsencode(top.resolve()), 'work' if rev is None else 'rev'])}"
    return Origin(spec, top, commit.strip(), store.dir(KIND) / key)


def is_there(origin: Origin) -> bool:
    """Whether source/ is already the revision that ``origin`` means."""
    if not (origin.source / ".git").is_dir():
        return False
    code, commit, _ = git(origin.source, "rev-parse", "--verify", "--quiet", "HEAD")
    return code == 0 and commit.strip() == origin.commit


def arrive(origin: Origin, store: Store) -> Generator[Event, None, str]:
    """Bring ``origin``'s source up to date and say what it is: "1a2b3c4d5e6f", or "1a2b3c4d5e6f-dirty".

    The caller holds the folder's lock. Raises UnfitKernel, DiskFull.
    """
    title = f"source of {origin.spec}"
    with store.room(origin.folder, title):
        origin.source.mkdir(parents=True, exist_ok=True)
        if origin.spec.rev is None:
            try:
                dirty = yield from _copy(origin, title)
            except PermissionError as error:
                raise UnfitKernel(f"{error.filename} cannot be read by this user: {error.strerror}") from error
        else:
            yield from _checkout(origin, title, store)
            dirty = False
    for name in ("Makefile", "Kconfig", "scripts/kconfig/merge_config.sh"):
        if not (origin.source / name).is_file():
            raise UnfitKernel(f"{origin.spec} is no kernel: it has no {name}")
    return (origin.commit[:12] or "no-commit") + ("-dirty" if dirty else "")


def git(folder: Path, *args: str) -> tuple[int, str, str]:
    """Run git in ``folder``, without its taking a lock there."""
    unset = [word for name in CLEAN for word in ("-u", name)]
    return child.output(["env", *unset, "git", "-C", folder, *args], env={"GIT_OPTIONAL_LOCKS": "0"})


def _checkout(origin: Origin, title: str, store: Store) -> Generator[Event, None, None]:
    """Make source/ the tree of the commit: a repository whose objects are the user's."""
    yield StageBegun("source", title)
    try:
        check_out(origin.source, origin.top, origin.commit, str(origin.spec), store)
    except PpiovError:
        yield StageEnded("source", ok=False)
        raise
    yield StageEnded("source", note=origin.commit[:12])


def check_out(source: Path, top: Path, commit: str, name: str, store: Store) -> None:
    """Make ``source`` a repository that shares the objects of the one at ``top``, with ``commit`` checked out.

    Nothing is written below ``top``. The caller holds the lock of the folder that ``source`` is in. Raises UnfitKernel
    and DiskFull, whose sentences call the source ``name``.
    """
    code, objects, err = git(top, "rev-parse", "--path-format=absolute", "--git-path", "objects")
    for attempt in ("again", "anew"):
        if not code and not (source / ".git").is_dir():
            code, _, err = git(source, "init", "--quiet", "--template=", ".")
        if not code:
            (source / ".git/objects/info").mkdir(exist_ok=True)
            (source / ".git/objects/info/alternates").write_text(objects)
            hookless = ("-c", "core.hooksPath=/dev/null", "-c", "advice.detachedHead=false")
            code, _, err = git(source, *hookless, "checkout", "--quiet", "--force", "--detach", commit)
        if not code:
            return
        if "No space left" in err or attempt == "anew":
            break
        # an index.lock of a process that was killed, or a HEAD that the user's repository has forgotten
        code = 0
        shutil.rmtree(source)
        source.mkdir()
    if "No space left" in err:
        raise store.full(f"source of {name}", source)
    raise UnfitKernel(f"{name} cannot be checked out: {(err.strip().splitlines() or ['git failed'])[0]}")


def _copy(origin: Origin, title: str) -> Generator[Event, None, bool]:
    """Make source/ a copy of the work tree; says whether that differs from its commit."""
    args = ("ls-files", "-z", "--cached", "--others", "--exclude-standard", "--deduplicate")
    code, listed, err = git(origin.top, *args)
    if code:
        raise UnfitKernel(f"{origin.top}: git cannot list its files: {err.strip()}")
    names = [name for name in listed.split("\0") if name]
    yield StageBegun("source", title, len(names), "files")
    before = _read_state(origin)
    now: dict[str, list[int]] = {}
    copied = 0
    try:
        for index, name in enumerate(names):
            try:
                found = os.lstat(origin.top / name)
            except (FileNotFoundError, NotADirectoryError):
                continue  # git knows it, and it has been removed
            if stat.S_ISDIR(found.st_mode):
                continue  # a submodule
            mark = [found.st_mtime_ns, found.st_ctime_ns, found.st_size, found.st_mode]
            if before.get(name) != mark:
                copied += _renew(origin.top / name, origin.source / name)
            now[name] = mark
            if index % 1000 == 0:
                yield StageProgress("source", index)
        for name in before.keys() - now.keys():
            with suppress(FileNotFoundError, NotADirectoryError, IsADirectoryError):
                (origin.source / name).unlink()
            before.pop(name)
    finally:
        _write_state(origin, before | now)
    code, changed, _ = git(origin.top, "status", "--porcelain", "--untracked-files=normal", "--ignore-submodules")
    yield StageEnded("source", note=f"{copied} file{'' if copied == 1 else 's'} changed")
    return bool(changed.strip()) or not origin.commit


def _renew(of: Path, place: Path) -> bool:
    """Make ``place`` what ``of`` is, unless it is already; says whether it was not."""
    if of.is_symlink():
        target = of.readlink()
        if place.is_symlink() and place.readlink() == target:
            return False
    elif place.is_file() and not place.is_symlink() and filecmp.cmp(of, place, shallow=False):
        shutil.copymode(of, place)
        return False
    for above in _inside(place):
        if above.is_symlink() or above.is_file():
            above.unlink()
    if place.is_dir() and not place.is_symlink():
        shutil.rmtree(place)
    place.parent.mkdir(parents=True, exist_ok=True)
    place.unlink(missing_ok=True)
    shutil.copy(of, place, follow_symlinks=False)
    return True


def _inside(place: Path) -> Iterator[Path]:
    """The folders between source/ and ``place``, the innermost first."""
    for above in place.parents:
        if above.name == "source" and above.parent.parent.name == KIND:
            return
        yield above


def _read_state(origin: Origin) -> dict[str, list[int]]:
    try:
        found = json.loads((origin.folder / _STATE).read_text())
        return {str(name): list(mark) for name, mark in found.items()}
    except (OSError, ValueError, AttributeError, TypeError):
        return {}


def _write_state(origin: Origin, state: dict[str, list[int]]) -> None:
    new = origin.folder / f".{_STATE}"
    new.write_text(json.dumps(state))
    new.rename(origin.folder / _STATE)
