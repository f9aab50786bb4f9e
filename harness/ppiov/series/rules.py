# SPDX-License-Identifier: GPL-2.0-only
"""What is asked of a series as a whole."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ppiov.series.patch import Series
from ppiov.series.results import CheckResult, PatchResult, Relation, Verdict

_MOST = 15  # patches that netdev takes at once
_COVER_FROM = 3
_TEMPLATE = "EDITME"  # what b4 leaves in a cover letter that nobody has written


def of(series: Series) -> list[CheckResult]:
    """Size, cover letter, target tree, and Fixes: where the tree is the one for fixes."""
    return [_size(series), _cover(series), _target(series), _fixes(series)]


def bisectable(patches: Sequence[PatchResult]) -> Iterator[CheckResult]:
    """Whether every patch builds on its own; names the first that doesn't, and the one that repairs it."""
    builds = {check.name for patch in patches for check in patch.checks if check.name.startswith("build_")}
    if not builds:
        return
    broken: list[str] = []
    for name in sorted(builds):
        since: int | None = None
        for patch in patches:
            result = next((check for check in patch.checks if check.name == name), None)
            if result is None:
                continue
            if result.verdict is Verdict.FAIL and result.line.startswith("does not build") and since is None:
                since = patch.number
            elif result.relation is Relation.FIXED and "builds again" in result.line and since is not None:
                broken.append(f"{name}: patch {since} does not build, patch {patch.number} repairs it")
                since = None
        if since is not None:
            broken.append(f"{name}: patch {since} does not build, and nothing behind it repairs that")
    if broken:
        yield CheckResult("bisectable", Verdict.FAIL, broken[0], Relation.NEW, tuple(broken))
    elif any(check.verdict is Verdict.NOT_RUN for patch in patches for check in patch.checks if check.name in builds):
        yield CheckResult("bisectable", Verdict.NOT_RUN, "not every patch was built")
    else:
        yield CheckResult("bisectable", Verdict.PASS, "every patch builds")


def _size(series: Series) -> CheckResult:
    count = len(series.patches)
    if count > _MOST:
        return CheckResult("series_size", Verdict.WARN, f"{count} patches; netdev asks for at most {_MOST} at once")
    return CheckResult("series_size", Verdict.PASS, f"{count} patch{'es' if count > 1 else ''}")


def _cover(series: Series) -> CheckResult:
    name = "cover_letter"
    if series.cover is not None:
        if _TEMPLATE in series.cover.subject or _TEMPLATE in series.cover.text:
            return CheckResult(name, Verdict.FAIL, "the cover letter is still b4's template")
        return CheckResult(name, Verdict.PASS, f"there is one: {series.cover.subject}")
    if len(series.patches) < _COVER_FROM:
        return CheckResult(name, Verdict.SKIP, f"asked for from {_COVER_FROM} patches")
    if series.kind == "range":
        return CheckResult(name, Verdict.SKIP, f"a range has none; {len(series.patches)} patches are sent with one")
    return CheckResult(name, Verdict.FAIL, f"{len(series.patches)} patches without a cover letter")


def _target(series: Series) -> CheckResult:
    words = set(series.prefix)
    trees = [word for word in ("net", "net-next", "bpf", "bpf-next") if word in words]
    if series.kind == "range":
        return CheckResult("target_tree", Verdict.SKIP, "a range says no tree")
    if not trees:
        return CheckResult("target_tree", Verdict.WARN, "the subject names no tree: [PATCH net] or [PATCH net-next]")
    return CheckResult("target_tree", Verdict.PASS, trees[0])


def _fixes(series: Series) -> CheckResult:
    if "net" not in series.prefix:
        return CheckResult("fixes_present", Verdict.SKIP, "asked for in [PATCH net] only")
    lacking = [patch.number for patch in series.patches if patch.commit and not patch.trailers("Fixes")]
    if len(lacking) == len(series.patches):
        return CheckResult("fixes_present", Verdict.FAIL, "for net, but no patch has a Fixes: tag")
    return CheckResult("fixes_present", Verdict.PASS, "there is a Fixes: tag")
