# SPDX-License-Identifier: GPL-2.0-only
"""What is said about each patch, to be kept with it: as a git note, or as a trailer of its message.

Nothing here writes to a repository but :func:`write`, which a user has to ask for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from ppiov import child, summary, worktree
from ppiov.errors import BadRequest, PpiovError
from ppiov.report.layout import ascii_only, wrap
from ppiov.report.series import words
from ppiov.results import RunState
from ppiov.series.results import PatchResult, SeriesRun, Verdict

REF: Final = "refs/notes/ppiov"


def notes(run: SeriesRun) -> str:
    """Every patch's note, below its commit and subject."""
    return "".join(
        f"{patch.commit or 'not applied'} {ascii_only(patch.subject)}\n\n{note(patch, run)}\n" for patch in run.patches
    )


def note(patch: PatchResult, run: SeriesRun) -> str:
    """What goes into a patch's note."""
    lines: list[str] = []
    if run.state is not RunState.COMPLETE:
        lines += wrap(f"The run was {run.state.value}: this is a part of what was asked for.")
    for verdict in Verdict:
        names = [check.name for check in patch.checks if check.verdict is verdict]
        if names and verdict is not Verdict.SKIP:
            lines += wrap(f"{verdict.value}: {', '.join(names)}", hang="    ")
    for check in patch.checks:
        if check.verdict not in (Verdict.PASS, Verdict.SKIP):
            lines += wrap(f"{check.name}: {words.shown(check, run)}", first="  ", hang="    ")
        for one in check.measured:
            lines += wrap(words.measured(one), first="  ", hang="    ")
    lines += wrap(f"by ppiov {run.environment.ppiov} in {run.id}, on {words.base(run)}", hang="    ")
    return "\n".join(lines) + "\n"


def trailers(run: SeriesRun) -> str:
    """A trailer per patch, for ``git interpret-trailers``; none for a patch that is not good, or not known to be."""
    return "".join(f"{patch.commit} {line}\n" for patch in run.patches for line in _trailer(patch, run))


def _trailer(patch: PatchResult, run: SeriesRun) -> Iterator[str]:
    passed = [check.name for check in patch.checks if check.verdict is Verdict.PASS]
    if run.state is RunState.COMPLETE and passed and patch.verdict in (Verdict.PASS, Verdict.WARN):
        yield f"Checked-with: ppiov {summary.one_line(run.environment.ppiov)} ({', '.join(passed)})"


FORMS: Final[dict[str, Callable[[SeriesRun], str]]] = {"notes": notes, "trailers": trailers}


def write(run: SeriesRun, top: Path) -> int:
    """Put the notes into the repository at ``top``, below REF; says how many. Only commits that it has get one.

    Raises BadRequest where it has none of them, and PpiovError with git's words.
    """
    count = 0
    for patch in run.patches:
        code, _, _ = worktree.git(top, "cat-file", "-e", f"{patch.commit}^{{commit}}") if patch.commit else (1, "", "")
        if code:
            continue
        text = note(patch, run)
        code, _, err = child.output(
            ["git", "-C", top, "notes", f"--ref={REF}", "add", "--force", "-m", text, patch.commit]
        )
        if code:
            raise PpiovError(f"the note for patch {patch.number} cannot be written: {err.strip().splitlines()[0]}")
        count += 1
    if not count:
        raise BadRequest(f"{top} has none of the commits of {run.id}: notes are for a range or a prep branch")
    return count
