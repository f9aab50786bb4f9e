# SPDX-License-Identifier: GPL-2.0-only
"""KCIDB's JSON of a series: a checkout per patch, its builds, and the other checks as test runs.

KCIDB knows no test without a build, so what only reads the patch belongs to a build called "static", in which nothing
was compiled.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final

from ppiov import summary
from ppiov.report.kcidb import EXCERPT, ORIGIN, document, moment, named, path, text, told
from ppiov.report.series import words
from ppiov.series.results import CheckResult, PatchResult, SeriesRun, Verdict

_STATUS: Final[dict[Verdict, str]] = {
    Verdict.PASS: "PASS",
    Verdict.WARN: "PASS",  # its comment says what there is to ask about
    Verdict.FAIL: "FAIL",
    Verdict.SKIP: "SKIP",
    Verdict.NOT_RUN: "MISS",
}
_ARCH: Final = {"build_32bit": "i386"}


def render(run: SeriesRun) -> str:
    """The whole document, ending in a newline."""
    checkouts, builds, tests = [_checkout(run, "", words.headline(run), True)], [_static(run, "")], []
    tests += [_test(run, "", check) for check in run.checks]
    for patch in run.patches:
        place = f"/{patch.number}"
        checkouts.append(_checkout(run, place, patch.subject, bool(patch.commit)))
        builds += _builds(run, place, patch)
        tests += [_test(run, place, check) for check in patch.checks if not _is_build(check)]
    return document(checkouts, builds, tests)


def _checkout(run: SeriesRun, place: str, comment: str, valid: bool) -> dict[str, Any]:
    made: dict[str, Any] = {"id": named(run.id + place), "origin": ORIGIN, "comment": text(comment), "valid": valid}
    if re.fullmatch(r"[0-9a-f]{40}", run.base):
        made["git_commit_hash"] = run.base
    if run.base_name:
        made["git_commit_name"] = text(run.base_name)
    if time := moment(run.started):
        made["start_time"] = time
    return made


def _static(run: SeriesRun, place: str) -> dict[str, Any]:
    return {
        "id": named(f"{run.id}{place}/static"),
        "checkout_id": named(run.id + place),
        "origin": ORIGIN,
        "comment": "static: nothing was compiled",
    }


def _builds(run: SeriesRun, place: str, patch: PatchResult) -> Iterator[dict[str, Any]]:
    yield _static(run, place)
    for check in patch.checks:
        if _is_build(check):
            made = {
                "id": named(f"{run.id}{place}/{check.name}"),
                "checkout_id": named(run.id + place),
                "origin": ORIGIN,
                "architecture": _ARCH.get(check.name, "x86_64"),
                "status": _STATUS[check.verdict],
                "comment": text(f"{check.verdict.value}: {words.shown(check, run)}"),
                "duration": check.seconds,
            }
            if check.command:
                made["command"] = text(check.command)
            yield made | _excerpt(check)


def _test(run: SeriesRun, place: str, check: CheckResult) -> dict[str, Any]:
    made = {
        "id": named(f"{run.id}{place}/{check.name}"),
        "build_id": named(f"{run.id}{place}/static"),
        "origin": ORIGIN,
        "path": path("series", check.name),
        "status": _STATUS[check.verdict],
        "comment": text(f"{check.verdict.value}: {words.shown(check, run)}"),
        "duration": check.seconds,
        "misc": {"command": text(check.command or run.command), "runs": list(check.runs)},
    }
    return made | _excerpt(check)


def _excerpt(check: CheckResult) -> dict[str, str]:
    said = [*check.details, *map(words.measured, check.measured)]
    said += [told(change.splat) for change in check.changes if change.splat]
    return {"log_excerpt": summary.visible("\n".join(said))[-EXCERPT:]} if said else {}


def _is_build(check: CheckResult) -> bool:
    return check.name.startswith("build_")
