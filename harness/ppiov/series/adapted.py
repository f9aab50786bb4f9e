# SPDX-License-Identifier: GPL-2.0-only
"""Our own modules for a kernel whose API a series changes: a revision of them, or a patch to them, from patch N on."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ppiov import child, worktree
from ppiov.errors import BadRequest
from ppiov.store import Store, digest

KIND = "adapted"
_FROM = re.compile(r"(?P<number>[1-9]\d*)=(?P<what>.+)")


@dataclass(frozen=True, slots=True)
class Adapted:
    """One ``--module [N=]REV|PATCH``."""

    since: int  # the first patch that it is for
    what: str

    @classmethod
    def parse(cls, text: str) -> Adapted:
        match = _FROM.fullmatch(text)
        adapted = cls(int(match["number"]), match["what"]) if match else cls(1, text)
        if not adapted.what or adapted.what.startswith("-"):
            raise BadRequest(f"--module {text}: a revision or a patch of this project must be named")
        return adapted


def sources(wanted: Sequence[Adapted], project: Path, store: Store) -> dict[Adapted, Path]:
    """The folder of each, made if it is not there. Raises BadRequest for what is neither a revision nor fits."""
    return {adapted: _made(adapted, project, store) for adapted in wanted}


def for_patch(number: int, found: dict[Adapted, Path], project: Path) -> Path:
    """The source of the modules for a patch; 0 is the base."""
    fit = [adapted for adapted in found if adapted.since <= number]
    return found[max(fit, key=lambda adapted: adapted.since)] if fit else project


def _made(adapted: Adapted, project: Path, store: Store) -> Path:
    patch = Path(adapted.what)
    rev = "HEAD" if patch.is_file() else adapted.what
    code, commit, _ = worktree.git(project, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{rev}^{{commit}}")
    if code:
        raise BadRequest(f"--module {adapted.what}: neither a file nor a revision of {project}")
    data = patch.read_bytes() if patch.is_file() else b""
    folder = store.dir(KIND) / digest([commit.strip(), data])
    if (folder / "kernel").is_dir():
        return folder
    new = folder.with_name(f".new-{folder.name}")
    shutil.rmtree(new, ignore_errors=True)
    new.mkdir()
    with store.room(new, f"the modules of {adapted.what}"):
        with child.child(["git", "-C", project, "archive", commit.strip()], stdout=subprocess.PIPE) as process:
            raw, _ = process.communicate()
        with child.child(["tar", "-x", "-C", new], stdin=subprocess.PIPE) as process:
            process.communicate(raw)
    if data:
        code, _, err = child.output(["git", "-C", new, "apply", "--whitespace=nowarn", "--", patch.absolute()])
        if code:
            shutil.rmtree(new)
            raise BadRequest(f"--module {adapted.what} does not apply to {project}: {err.strip().splitlines()[0]}")
    new.rename(folder)
    return folder
