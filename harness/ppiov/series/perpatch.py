# SPDX-License-Identifier: GPL-2.0-only
"""One patch on standard input: the per-patch check of b4.

b4 prep (``b4.prep-perpatch-check-cmd``) takes every line that is printed for a finding, one with "ERROR:" for a
failure, and silence for success. b4 review (``b4.review-perpatch-check-cmd``) reads a JSON list. Neither says where the
patch belongs, so it is looked for in the branch by its patch-id; one that is not there goes onto HEAD.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Generator, Sequence

from ppiov import summary
from ppiov.errors import EmptySeries
from ppiov.events import Event
from ppiov.series import check as checks
from ppiov.series import engine, mails, scratch, source
from ppiov.series.checks.build import FLAVOURS
from ppiov.series.place import Place
from ppiov.series.results import CheckResult, Verdict
from ppiov.store import Store, entry_lock

_RECENT = 200  # commits of the branch that are looked through
_STATUS = {Verdict.PASS: "pass", Verdict.WARN: "warn", Verdict.FAIL: "fail"}


def check(request: engine.SeriesRequest, raw: bytes) -> Generator[Event, None, list[CheckResult]]:
    """The verdicts on the patch in ``raw``: of the checks that the request names, by default all but the builds.

    Raises BadSeries or a kind of it, UnknownName, UnfitKernel, DiskFull.
    """
    builds = () if request.checks else tuple(flavour.name for flavour in FLAVOURS)
    chosen = checks.choose(request.checks, (*request.without, *builds))
    mail = mails.parse(raw, "standard input")
    if mail is None or not mail.is_patch:
        raise EmptySeries("standard input is no mail with a patch")
    thread = mails.thread([dataclasses.replace(mail, number=1, total=1)], "standard input")
    top = source.top_of(request.tree)
    store = Store()
    repository = scratch.open_for(top, store)
    title = f"the scratch repository of {top}"
    with (yield from store.lock(entry_lock(scratch.KIND, repository.folder.name), title)):
        base = request.base or _below(raw, repository)
        series = yield from source.apply(thread, repository, base)
        patch = series.patches[0]
        if not patch.commit:
            return [CheckResult("apply", Verdict.FAIL, f"does not apply: {patch.refused}")]
        place = Place(repository, series, store, request.options)
        found = []
        for one in chosen:
            result, _ = yield from engine.one(one, patch, place, request.anew)
            found.append(result)
        return found


def prep(found: Sequence[CheckResult]) -> str:
    """As b4 prep reads it."""
    words = {Verdict.FAIL: "ERROR", Verdict.WARN: "WARNING"}
    lines = [f"{words[r.verdict]}: {r.name}: {summary.one_line(r.line)}" for r in found if r.verdict in words]
    return "".join(f"{line}\n" for line in lines)


def review(found: Sequence[CheckResult]) -> str:
    """As b4 review reads it; what does not concern the patch is left out."""
    entries = [
        {
            "tool": f"ppiov {result.name}",
            "status": _STATUS[result.verdict],
            "summary": summary.one_line(result.line),
            "details": summary.visible("\n".join(result.details)),
        }
        for result in found
        if result.verdict in _STATUS
    ]
    return json.dumps(entries, indent=1) + "\n"


FORMS: dict[str, Callable[[Sequence[CheckResult]], str]] = {"prep": prep, "review": review}


def _below(raw: bytes, repository: scratch.Scratch) -> str:
    """The parent of the commit of the branch that is this patch; "" where none is."""
    wanted = repository.git("patch-id", "--stable", stdin=raw).split()
    if not wanted:
        return ""
    head = source.head(repository)
    log = repository.git("log", "-p", "--no-merges", f"--max-count={_RECENT}", "--first-parent", head)
    for line in repository.git("patch-id", "--stable", stdin=log).decode().splitlines():
        identity, _, commit = line.partition(" ")
        if identity == wanted[0].decode():
            return f"{commit.strip()}^"
    return ""
