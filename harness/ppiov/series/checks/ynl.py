# SPDX-License-Identifier: GPL-2.0-only
"""Netlink code that is generated from a specification, and has to be generated again with it."""

from __future__ import annotations

import os
from collections.abc import Generator, Iterable

from ppiov.events import Event
from ppiov.series.check import Check, failed, passed, skipped
from ppiov.series.patch import Patch
from ppiov.series.place import Place, run
from ppiov.series.results import CheckResult, Relation

_SCRIPT = "tools/net/ynl/ynl-regen.sh"
_CONCERNED = ("Documentation/netlink/", "tools/net/ynl/")


def ynl(patch: Patch, place: Place) -> Generator[Event, None, CheckResult]:
    """What ynl-regen.sh generates from the patch's specifications is what the patch has."""
    if not concerns(patch, place):
        return skipped("no netlink specification, nor anything generated from one")
    if not place.scratch.id_of(patch.commit, _SCRIPT):
        return skipped(f"the tree has no {_SCRIPT}")
    tree = yield from place.scratch.at(patch.commit)
    with place.scratch.changing():
        code, out, err = run(["bash", _SCRIPT, "-f"], cwd=tree, env={"PYTHONDONTWRITEBYTECODE": "1"})
        raw = place.scratch.git("diff-index", "--name-only", "-z", "HEAD")
        place.scratch.git("reset", "--quiet", "--hard", "HEAD")
    if code or "Traceback" in err:
        return failed(
            "the generator failed", details=[*out.splitlines(), *err.splitlines()][-20:], command=f"{_SCRIPT} -f"
        )
    stale = [os.fsdecode(name) for name in raw.split(b"\0") if name]
    if stale:
        text = f"{stale[0]} is not what its specification gives"
        return failed(text, details=stale, command=f"{_SCRIPT} -f && git diff", relation=Relation.NEW)
    return passed("generated anew, it is the same", command=f"{_SCRIPT} -f && git diff")


def concerns(patch: Patch, place: Place) -> bool:
    """Whether the patch touches a specification, the generator, or what was generated."""
    for touched in patch.touched:
        if touched.path.startswith(_CONCERNED):
            return True
        if touched.path.endswith((".c", ".h")) and touched.is_file:
            head = (place.scratch.blob(patch.commit, touched.path) or b"")[:400]
            if b"YNL-GEN" in head:
                return True
    return False


def _reads(patch: Patch, place: Place) -> Iterable[str]:
    """Only where there is something to generate does the rest of the tree matter."""
    return [patch.tree] if concerns(patch, place) else []


CHECKS = (Check("ynl", "code generated from netlink specifications is up to date", ynl, message=False, reads=_reads),)
