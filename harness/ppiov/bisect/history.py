# SPDX-License-Identifier: GPL-2.0-only
"""Histories of commits: from two ends to a line of points.

A search for change points needs a line: between two points of it that differ there is a commit that made the
difference. git's history is a graph, so a line is taken from it, as `git log --first-parent` would: from the bad end
back to the good one, at each merge by the first parent that the good end is below. Whatever came in by a merge is one
step of that line. If such a step is what made the difference, the search goes on in what was merged: on the line from
where that branch left the other to its tip. If the branch by itself makes no difference, the merge does.

`git bisect` walks the graph otherwise: it tests commits of both branches and infers from a bad one that all above it
are bad, from a good one that all below it are good. For a figure that goes up and down that inference is wrong, and
figures of commits on different branches have no order. Both end at the same commit where one commit is to blame, and
this one needs no more builds: ceil(log2) of the line's length, and again of the branch's.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from ppiov.errors import BadRequest
from ppiov.worktree import git

_FORMAT: Final = "%H%x00%T%x00%P%x00%an <%ae>%x00%as%x00%s"


@dataclass(frozen=True, slots=True)
class Revision:
    """One point of a history."""

    id: str  # a commit, in full; a package's version
    subject: str = ""
    author: str = ""
    date: str = ""  # YYYY-MM-DD
    content: str = ""  # what it is made of: the same content is the same measurement
    parents: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """What to call it: twelve hex digits of a commit."""
        return self.id[:12] if len(self.id) == 40 and self.content else self.id


@dataclass(frozen=True, slots=True)
class History:
    """A line of points, the good end first."""

    points: tuple[Revision, ...]
    same: int = 0  # commits left out, since they change nothing that is measured
    parted: str = ""  # the good end as it was named, where the line begins where that and the bad end parted

    @property
    def size(self) -> int:
        """How many commits there are to choose from."""
        return len(self.points) - 1


def commits(
    repository: Path, good: str, bad: str, *, paths: Sequence[str] = (), series: bool = False, pair: bool = False
) -> History:
    """The line from ``good`` to ``bad``, both names of commits in ``repository``.

    With ``paths``, commits that change nothing there are left out. If ``good`` is no ancestor of ``bad``, the line
    begins at their last common commit, which `git bisect` would test first, too. With ``series`` that is what is meant,
    and no merge may be between. With ``pair`` it is only the two ends, wherever they are. Raises BadRequest.
    """
    start, tip = resolve(repository, good), resolve(repository, bad)
    if pair:
        return _without_same(_described(repository, [start, tip], paths))
    base = merge_base(repository, start, tip)
    if base is None:
        raise BadRequest(f"{good} and {bad} have no commit in common")
    if base == tip:
        above = "" if start == tip else f": {bad} is an ancestor of {good}"
        raise BadRequest(f"there is no commit between {good} and {bad}{above}")
    line = _line(repository, base, tip, paths)
    if series and (merge := next((r for r in line[1:] if len(r.parents) > 1), None)):
        raise BadRequest(f"{merge.name} is a merge, and a series has none: without --series it is no obstacle")
    return replace(_without_same(line), parted="" if series or base == start else good)


def branches(repository: Path, merge: Revision, start: str, paths: Sequence[str] = ()) -> list[History]:
    """What came in by ``merge``, a step of the line that begins at ``start``: a line for each parent but that line's,
    from where it left it, if there is anything on it."""
    found = []
    mainline = next(parent for parent in merge.parents if merge_base(repository, start, parent) == start)
    for tip in (parent for parent in merge.parents if parent != mainline):
        base = merge_base(repository, mainline, tip)
        if base is not None and base != tip:
            history = _without_same(_line(repository, base, tip, paths))
            if history.size:
                found.append(history)
    return found


def last_below(repository: Path, history: History, commit: str) -> int:
    """The number of the last point that ``commit`` is, or descends from; 0 if there is none."""
    points = history.points
    return max(bisect_left(points, True, key=lambda point: not _is_ancestor(repository, point.id, commit)) - 1, 0)


def first_above(repository: Path, history: History, commit: str) -> int:
    """The number of the first point that is ``commit``, or descends from it; the last point's if there is none."""
    points = history.points
    return min(bisect_left(points, True, key=lambda point: _is_ancestor(repository, commit, point.id)), history.size)


def _is_ancestor(repository: Path, one: str, other: str) -> bool:
    code, _, _ = git(repository, "merge-base", "--is-ancestor", one, other)
    return code == 0


def resolve(repository: Path, name: str) -> str:
    """The commit that ``name`` means, in full. Raises BadRequest."""
    code, commit, _ = git(repository, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{commit}}")
    if code:
        raise BadRequest(f"{repository} has no revision {name!r}")
    return commit.strip()


def top(path: Path) -> Path:
    """The top folder of the repository that ``path`` is in. Raises BadRequest."""
    code, out, _ = git(path, "rev-parse", "--show-toplevel") if path.is_dir() else (1, "", "")
    if code:
        raise BadRequest(f"{path} is not in a git work tree")
    return Path(out.removesuffix("\n"))


def merge_base(repository: Path, one: str, other: str) -> str | None:
    code, out, _ = git(repository, "merge-base", one, other)
    return None if code else out.split("\n")[0].strip()


def _line(repository: Path, start: str, tip: str, paths: Sequence[str]) -> list[Revision]:
    """From ``start``, an ancestor, to ``tip``."""
    code, out, err = git(repository, "rev-list", "--ancestry-path", "--parents", f"{start}..{tip}")
    if code:
        raise BadRequest(f"git cannot list {start[:12]}..{tip[:12]}: {err.strip()}")
    parents = {words[0]: words[1:] for words in map(str.split, out.splitlines())}
    line = [tip]
    while line[-1] != start:
        line.append(next(parent for parent in parents[line[-1]] if parent == start or parent in parents))
    line.reverse()
    return _described(repository, line, paths)


def _described(repository: Path, ids: Sequence[str], paths: Sequence[str]) -> list[Revision]:
    found = []
    for start in range(0, len(ids), 500):  # a command line has an end
        code, out, err = git(repository, "show", "--no-patch", "-z", f"--format={_FORMAT}", *ids[start : start + 500])
        if code:
            raise BadRequest(f"git cannot describe its commits: {err.strip()}")
        fields = out.removesuffix("\0").split("\0")
        for at in range(0, len(fields), 6):
            commit, tree, above, author, date, subject = fields[at : at + 6]
            content = content_of(repository, commit, paths) if paths else tree
            found.append(Revision(commit.strip(), subject, author, date, content, tuple(above.split())))
    return found


def content_of(repository: Path, commit: str, paths: Sequence[str]) -> str:
    """The ids of what ``commit`` has at ``paths``, as one word."""
    ids = []
    for path in paths:
        code, out, _ = git(repository, "rev-parse", "--verify", "--quiet", f"{commit}:{path}")
        ids.append("none" if code else out.strip())
    return "-".join(ids)


def _without_same(line: Sequence[Revision]) -> History:
    """The line without the commits that change nothing."""
    kept = [line[0]]
    for revision in line[1:]:
        if revision.content != kept[-1].content:
            kept.append(revision)
    return History(tuple(kept), len(line) - len(kept))
