# SPDX-License-Identifier: GPL-2.0-only
"""What a commit message has to have: who signs it off, and what it says it fixes."""

from __future__ import annotations

import re
from collections.abc import Iterable
from email.utils import parseaddr

from ppiov import worktree
from ppiov.series.check import Check, failed, passed, plain, skipped, warned
from ppiov.series.patch import Patch
from ppiov.series.place import Place
from ppiov.series.results import CheckResult
from ppiov.series.scratch import GitFailed

_FIXES = re.compile(r"(?P<commit>[0-9a-f]+) \(\"(?P<subject>.*)\"\)")
_FIXES_LIKE = re.compile(r"^\s*fixes:?\s+(commit\s+)?[0-9a-f]{6,40}\b.*", re.IGNORECASE)
_DIGITS = 12
_HISTORY = 100  # commits; a kernel with fewer was imported


def signoff(patch: Patch, _place: Place) -> CheckResult:
    """The author and, of a commit, the committer have signed the patch off."""
    signed = {address(tag) for tag in patch.trailers("Signed-off-by")}
    if not signed:
        return failed("no Signed-off-by")
    bad = [tag for tag in patch.trailers("Signed-off-by") if "@" not in address(tag)]
    if bad:
        return failed(f"a Signed-off-by without an address: {bad[0]}")
    for who, role in ((patch.author, "author"), (patch.committer, "committer")):
        if who and address(who) not in signed:
            return failed(f"the {role} {who} has not signed it off")
    return passed("author and committer have signed it off" if patch.committer else "the author has signed it off")


def verify_fixes(patch: Patch, place: Place) -> CheckResult:
    """Each Fixes: tag has 12 digits, names a commit that this patch's tree has, and quotes its subject."""
    tags = patch.trailers("Fixes")
    untagged = [line.strip() for line in patch.body.splitlines() if _FIXES_LIKE.match(line)]
    lost = [line for line in untagged if not any(tag in line for tag in tags)]
    bad = [f"{line}: no tag, since a tag is 'Fixes: ' and 12 digits" for line in lost]
    unknown = []
    for tag in tags:
        why = _wrong(tag, patch, place)
        if why is None:
            unknown.append(tag)
        elif why:
            bad.append(f"Fixes: {tag}: {why}")
    if bad:
        return failed(bad[0], details=bad)
    if unknown:
        return warned(
            "the history here is too short to look the commit up", details=[f"Fixes: {tag}" for tag in unknown]
        )
    return passed(f"{len(tags)} valid" if len(tags) > 1 else "valid") if tags else skipped("no Fixes: tag")


def _wrong(tag: str, patch: Patch, place: Place) -> str | None:
    """What is wrong with a tag's value; "" for nothing, None where this tree's history can't say."""
    match = _FIXES.fullmatch(tag)
    if match is None:
        return 'is not of the form 123456789abc ("subject")'
    if len(match["commit"]) < _DIGITS:
        return f"{len(match['commit'])} digits of the commit, {_DIGITS} are wanted"
    try:
        subject = place.scratch.text("show", "-s", "--format=%s", f"{match['commit']}^{{commit}}", "--").strip()
    except GitFailed:
        return None if _short(place) else "this tree has no such commit"
    if subject != match["subject"]:
        return f'the subject of that commit is "{subject}"'
    try:
        place.scratch.git("merge-base", "--is-ancestor", match["commit"], patch.parent)
    except GitFailed:
        return None if _short(place) else "that commit is not below this patch"
    return ""


def _short(place: Place) -> bool:
    """Whether this is a part of the history only: a shallow clone, or a release that was imported."""
    code, out, _ = worktree.git(place.scratch.top, "rev-parse", "--is-shallow-repository")
    count = place.scratch.text("rev-list", "--count", f"--max-count={_HISTORY}", place.series.base)
    return (code == 0 and out.strip() == "true") or int(count) < _HISTORY


def subject(patch: Patch, _place: Place) -> CheckResult:
    """The subject names a subsystem, is not too long and does not end in a full stop."""
    text = patch.subject
    if not re.match(r"[^\s:][^:]*: \S", text) and not text.startswith("Revert "):
        return warned(f"no subsystem before a colon: {text}")
    if len(text) > 75:
        return warned(f"{len(text)} characters, 75 is the most that lists show well")
    if text.endswith("."):
        return warned("ends in a full stop")
    if not _prose(patch.body):
        return failed("no description below the subject")
    return passed("names a subsystem, and a description follows")


def _prose(body: str) -> list[str]:
    return [line for line in body.splitlines() if line.strip() and not re.match(r"[A-Z][A-Za-z-]+: \S", line)]


def address(who: str) -> str:
    """The address in "Name <address>", in lower case."""
    return parseaddr(who)[1].lower()


def _history(_patch: Patch, place: Place) -> Iterable[str]:
    return [place.series.base]  # what is below it decides which commits there are


CHECKS = (
    Check("subject", "the subject names a subsystem, and a description follows", plain(subject)),
    Check("signoff", "author and committer have signed it off", plain(signoff)),
    Check(
        "verify_fixes",
        "Fixes: tags name commits of this tree, by 12 digits and subject",
        plain(verify_fixes),
        reads=_history,
    ),
)
