# SPDX-License-Identifier: GPL-2.0-only
"""What a user names as a series: a range of commits, a b4 prep branch, or mails; each becomes commits."""

from __future__ import annotations

import json
import re
from collections.abc import Generator
from pathlib import Path
from typing import Any

from ppiov import worktree
from ppiov.errors import BadRequest, BadSeries, EmptySeries, NotAncestor, UnfitKernel
from ppiov.events import Event, Note, StageBegun, StageEnded, StageProgress
from ppiov.series import mails
from ppiov.series.patch import Cover, Patch, Series, addresses
from ppiov.series.scratch import GitFailed, Scratch

_TRACKING = "--- b4-submit-tracking ---"  # in the message of the commit that holds a prep branch's cover letter
_FAR = 1000  # a prep branch with more commits than this is none
_REV = re.compile(r"[0-9a-f]{40}([0-9a-f]{24})?")


def top_of(tree: Path | None) -> Path:
    """The repository at ``tree``, or around the current folder. Raises UnfitKernel."""
    place = (tree or Path.cwd()).expanduser()
    if not place.is_dir():
        raise UnfitKernel(f"{place} is not a folder" if place.exists() else f"{place} does not exist")
    for what in ("--show-toplevel", "--absolute-git-dir"):
        code, out, _ = worktree.git(place, "rev-parse", what)
        if code == 0:
            return Path(out.removesuffix("\n"))
    raise UnfitKernel(f"{place} is not in a git repository: name the kernel's with --tree")


def read(what: str, scratch: Scratch, base: str = "") -> Generator[Event, None, Series]:
    """The series that ``what`` names: BASE..HEAD, a b4 prep branch, or a path with mails, which go onto ``base``.

    Raises BadSeries or a kind of it, BadRequest, UnfitKernel, DiskFull.
    """
    if ".." in what and not Path(what).exists():
        if base:
            raise BadRequest(f"{what} has its base in itself: --base is for mails")
        series = yield from _range(what, scratch)
    elif Path(what).exists():
        series = yield from apply(mails.read(Path(what)), scratch, base)
    elif commit := _resolve(scratch.top, what):
        if base:
            raise BadRequest(f"{what} is a branch, which has its base in itself: --base is for mails")
        series = yield from _prepared(what, commit, scratch)
    else:
        raise BadSeries(f"{what!r} is no range BASE..HEAD, no branch of {scratch.top}, and no file or folder")
    _kernel(scratch, series.base)
    return series


def _range(what: str, scratch: Scratch) -> Generator[Event, None, Series]:
    """BASE..HEAD; an empty end means HEAD."""
    if "..." in what:
        raise BadRequest(f"{what} is what either side has and the other has not: a series is BASE..HEAD")
    before, _, after = what.partition("..")
    base, head = commit_of(scratch.top, before or "HEAD"), commit_of(scratch.top, after or "HEAD")
    code, _, _ = worktree.git(scratch.top, "merge-base", "--is-ancestor", base, head)
    if code:
        raise NotAncestor(f"{before or 'HEAD'} is not an ancestor of {after or 'HEAD'}: is {after}..{before} meant?")
    commits = _between(scratch, base, head)
    found = _cover_of(scratch, commits)
    if found:
        return (yield from _tracked(scratch, base, commits, *found))
    patches = yield from as_patches(scratch, commits)
    yield from _dirty(scratch.top)
    return Series("range", base, patches)


def _prepared(what: str, head: str, scratch: Scratch) -> Generator[Event, None, Series]:
    """A b4 prep branch, wherever b4 keeps its cover letter."""
    code, out, _ = worktree.git(scratch.top, "config", "--get-regexp", "--null", rf"branch\.{re.escape(what)}\..*")
    settings = dict(item.partition("\n")[::2] for item in out.split("\0") if item) if code == 0 else {}
    described = settings.get(f"branch.{what}.b4-tracking", "")
    if described:
        tracking = _json(described)
        base = _fork(scratch, tracking, head)
        cover = settings.get(f"branch.{what}.description", "")
        return (yield from _tracked(scratch, base, _between(scratch, base, head), "", cover, tracking))
    recent = scratch.text("rev-list", "--first-parent", f"--max-count={_FAR}", "--reverse", head).split()
    found = _cover_of(scratch, recent)
    if not found:
        raise BadSeries(f"{what} is no b4 prep branch (none of its commits holds a cover letter): name BASE..{what}")
    commit, _, tracking = found
    # at the bottom, its parent is the base; at the tip, b4 names the branch that this one left
    base = commit_of(scratch.top, f"{commit}^") if commit != head else _fork(scratch, tracking, head)
    return (yield from _tracked(scratch, base, _between(scratch, base, head), *found))


def _tracked(
    scratch: Scratch, base: str, commits: list[str], holder: str, cover: str, tracking: dict[str, Any]
) -> Generator[Event, None, Series]:
    """The series of a prep branch; ``holder`` is the commit that only holds the cover letter, or ""."""
    patches = yield from as_patches(scratch, [commit for commit in commits if commit != holder])
    yield from _dirty(scratch.top)
    about = tracking.get("series", {})
    about = about if isinstance(about, dict) else {}
    letter = re.sub(r"^#.*\n?", "", cover, flags=re.MULTILINE).strip()
    subject, _, text = letter.partition("\n")
    tags = [line.partition(":")[2] for line in text.splitlines() if re.match(r"(to|cc):", line, re.IGNORECASE)]
    prefixes = about.get("prefixes", [])
    return Series(
        "b4",
        base,
        patches,
        Cover(subject.strip(), text.strip(), addresses(*tags)) if letter else None,
        str(about.get("change-id", "")),
        int(about["revision"]) if str(about.get("revision", "")).isdigit() else 1,
        tuple(map(str, prefixes)) if isinstance(prefixes, list) else (),
    )


def apply(thread: mails.Thread, scratch: Scratch, base: str = "") -> Generator[Event, None, Series]:
    """Apply mails onto ``base``; by default onto what they say their base-commit is, if the tree has it, or HEAD."""
    start = (
        commit_of(scratch.top, base)
        if base
        else _resolve(scratch.top, thread.base if _REV.fullmatch(thread.base) else "")
    )
    if not start:
        start = commit_of(scratch.top, "HEAD")
        if thread.base:
            yield Note(f"the base-commit {thread.base[:12]} is not in {scratch.top}: applied onto HEAD", "warning")
    yield StageBegun("apply", f"apply {len(thread.patches)} patches", len(thread.patches), "patches")
    patches: list[Patch] = []
    at, refused = start, ""
    for number, mail in enumerate(thread.patches, 1):
        if not refused:
            try:
                at = scratch.apply(mail, at)
                patches.append(scratch.patch(at, number, mail=mail))
            except GitFailed as error:
                refused = str(error).splitlines()[0]
                patches.append(_unapplied(mail, number, refused))
        else:
            patches.append(_unapplied(mail, number, ""))
        yield StageProgress("apply", number)
    yield StageEnded("apply", ok=not refused, note=f"onto {start[:12]}")
    return Series(
        "mail",
        start,
        tuple(patches),
        thread.cover,
        thread.change_id,
        thread.first.version,
        thread.first.prefix,
    )


def _unapplied(mail: mails.Mail, number: int, refused: str) -> Patch:
    return Patch(number, mail.subject, mail.prefix, recipients=mail.recipients, refused=refused)


def as_patches(scratch: Scratch, commits: list[str]) -> Generator[Event, None, tuple[Patch, ...]]:
    """What each commit is as a patch. Raises EmptySeries."""
    if not commits:
        raise EmptySeries("there is no commit in that range")
    yield StageBegun("apply", f"read {len(commits)} commits", len(commits), "patches")
    found = []
    for number, commit in enumerate(commits, 1):
        found.append(scratch.patch(commit, number))
        yield StageProgress("apply", number)
    yield StageEnded("apply")
    return tuple(found)


def _between(scratch: Scratch, base: str, head: str) -> list[str]:
    """The commits of a range, the oldest first. Raises BadSeries for a merge."""
    commits = scratch.text("rev-list", "--reverse", "--topo-order", "--parents", f"{base}..{head}").splitlines()
    for line in commits:
        commit, *parents = line.split()
        if len(parents) != 1:
            raise BadSeries(f"{commit[:12]} is a merge, which a series has none of: rebase it first")
    return [line.split()[0] for line in commits]


def _cover_of(scratch: Scratch, commits: list[str]) -> tuple[str, str, dict[str, Any]] | None:
    """The commit that holds b4's cover letter, if one of these does: itself, the letter, and b4's tracking."""
    if not commits:
        return None
    found = scratch.text("log", "--no-walk", "--format=%H", "--fixed-strings", f"--grep={_TRACKING}", *commits).split()
    if not found:
        return None
    cover, _, rest = scratch.text("show", "-s", "--format=%B", found[0]).partition(_TRACKING)
    return found[0], cover, _json("{" + rest.partition("{")[2])


def _json(text: str) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except ValueError:
        raise BadSeries(
            "b4's tracking information of this branch is not JSON: b4 prep --edit-cover repairs it"
        ) from None
    return found if isinstance(found, dict) else {}


def _fork(scratch: Scratch, tracking: dict[str, Any], head: str) -> str:
    """Where a prep branch left the branch that b4 says it is based on."""
    about = tracking.get("series")
    branch = str(about.get("base-branch", "")) if isinstance(about, dict) else ""
    if not branch:
        raise BadSeries("b4's tracking information names no base-branch: name the range BASE..HEAD")
    code, out, _ = worktree.git(scratch.top, "merge-base", commit_of(scratch.top, branch), head)
    if code:
        raise NotAncestor(f"the branch and its base-branch {branch} have nothing in common")
    return out.strip()


def head(scratch: Scratch) -> str:
    """The commit that is checked out in the user's repository."""
    return commit_of(scratch.top, "HEAD")


def commit_of(top: Path, rev: str) -> str:
    """The commit that ``rev`` means in the repository at ``top``. Raises BadSeries."""
    found = _resolve(top, rev)
    if not found:
        raise BadSeries(f"{top} has no revision {rev!r}")
    return found


def _resolve(top: Path, rev: str) -> str:
    if not rev or rev.startswith("-") or "\0" in rev:
        return ""
    code, out, _ = worktree.git(top, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{rev}^{{commit}}")
    return out.strip() if code == 0 else ""


def _dirty(top: Path) -> Generator[Event, None, None]:
    """Say that what is not committed is not checked."""
    code, changed, _ = worktree.git(top, "status", "--porcelain", "--untracked-files=no", "--ignore-submodules")
    if code == 0 and changed.strip():
        count = len(changed.splitlines())
        yield Note(
            f"{top} has {count} changed file{'s' if count > 1 else ''} that no commit has: not checked", "warning"
        )


def _kernel(scratch: Scratch, commit: str) -> None:
    missing = [name for name in ("Makefile", "Kconfig", "MAINTAINERS") if not scratch.id_of(commit, name)]
    if missing:
        raise UnfitKernel(f"{commit[:12]} of {scratch.top} is no kernel: it has no {', '.join(missing)}")
