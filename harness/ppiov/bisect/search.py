# SPDX-License-Identifier: GPL-2.0-only
"""The search for change points: which points of a history to look at next, and when it is known which commit it was.

A threshold («is it bad?») finds one crossing, which with several steps, a half repaired regression or an improvement in
between is a commit of no interest. So what is asked here is always whether two *points* differ, and the search goes on
between two points that do. Where it ends, at two neighbours that differ, there is a change point, whatever the rest of
the history looks like:

- Of the two halves of an interval that got worse, at least one got worse by as much as counts, or the change is spread.
  The search follows the half that got worse most. With ``every_change`` it follows all halves that differ, in either
  direction; the changes it finds then add up to the difference of the ends.
- Changes that cancel each other out between two points that were compared are not seen, except with ``every_commit``,
  which looks at each commit.
- A clean culprit among n commits takes the two ends and ceil(log2 n) points more.
- A point without a verdict (it does not build, boot or load, or is undecided) is left out, as `git bisect skip` does: a
  neighbour is tried, then where a run of such points may begin or end, since they come in runs. If nothing is left to
  try, the answer is the set of commits that it may have been.
- With ``jobs`` n, n points are looked at at once, which cuts an interval in n + 1 parts.

This is a generator: it yields an :class:`Ask` and is sent a :class:`Told`. It has no memory outside itself and does
nothing by chance, so the same answers give the same search; that is how a search is resumed.
"""

from __future__ import annotations

import itertools
from collections.abc import Generator, Iterable

from ppiov.bisect.model import Ask, Change, Diff, Relation, Told

Search = Generator[Ask, Told, list[Change]]


def search(
    ends: Diff,
    size: int,
    *,
    jobs: int = 1,
    every_change: bool = False,
    every_commit: bool = False,
    known_holes: Iterable[int] = (),
) -> Search:
    """Find the change points between 0 and ``size``, whose difference is ``ends``.

    Returns one Change that got worse or, with ``every_change`` or ``every_commit``, all of them in the history's order.
    """
    every = every_change or every_commit
    holes = set(known_holes)
    found: list[Change] = []
    todo = [(0, size, ends)]
    while todo:
        low, high, diff = todo.pop()
        points = choose(low, high, holes, jobs)
        if not points:
            if diff.relation is not Relation.SAME:
                found.append(Change(low + 1, high, diff))
            continue
        told = yield Ask((low, *points, high), each=every)
        holes |= set(told.holes)
        left = [low, *(point for point in points if point not in told.holes), high]
        if len(left) == 2:  # nothing was learnt but that
            todo.append((low, high, diff))
            continue
        parts = [(a, b, told.diffs[a, b]) for a, b in itertools.pairwise(left) if (a, b) in told.diffs]
        differing = [part for part in parts if part[2].relation is not Relation.SAME]
        if not differing and diff.relation is not Relation.SAME:
            # Each part is too small to count, but not all of them together. What is in the parts cannot be told apart.
            found.append(Change(low + 1, high, diff, spread=True))
            if not every_commit:
                continue
        if every:
            todo += reversed(parts if every_commit else differing)
            continue
        worse = [part for part in parts if part[2].relation is Relation.WORSE]
        if worse:
            todo = [max(worse, key=lambda part: part[2].estimate)]
    return sorted(found, key=lambda change: (change.first, change.last))


def choose(low: int, high: int, holes: set[int], jobs: int) -> list[int]:
    """The points between ``low`` and ``high`` to look at next, in order, ``jobs`` at most; none where all are holes."""
    avoided = {hole for hole in holes if low < hole < high}
    free = set(range(low + 1, high)) - avoided
    chosen: set[int] = set()
    count = min(jobs, high - low - 1)
    for number in range(1, count + 1):
        point: int | None = low + (high - low) * number // (count + 1)
        if point in avoided:
            point = _beside(point, low, high, avoided | chosen)
        if point is not None and point in free:
            chosen.add(point)
    return sorted(chosen) or sorted(free)[:1]


def _beside(point: int, low: int, high: int, taken: set[int]) -> int | None:
    """A point to take for ``point``, which is a hole; ``taken`` has all holes, and what was chosen already."""
    if point - 1 not in taken and point + 1 not in taken:  # it stands alone: its neighbour costs the search nothing
        return point + 1 if point + 1 < high else (point - 1 if point - 1 > low else None)
    marks = [low, *sorted(other for other in taken if low < other < high), high]
    gaps = [(b - a, (a + b) // 2) for a, b in itertools.pairwise(marks) if b - a > 1]
    # Holes come in runs, so what is between two of them is probably one, too: first where the run begins and ends.
    outer = [gap for gap in gaps if gap[1] < marks[1] or gap[1] > marks[-2]]
    return max(outer or gaps, key=lambda gap: gap[0])[1] if gaps else None
