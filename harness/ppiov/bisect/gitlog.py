# SPDX-License-Identifier: GPL-2.0-only
"""The log that `git bisect log` writes and `git bisect replay` reads, both ways."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from ppiov.bisect.history import Revision
from ppiov.errors import BadRequest

_NOTED = re.compile(r"^# (?P<word>\S+): \[(?P<commit>[0-9a-f]{40})\]")
_MARK = re.compile(r"^(?:git[- ]bisect|ppiov bisect) (?P<word>\S+)(?P<rest>.*)$")


@dataclass(slots=True)
class Marks:
    """The commits that a log names, by verdict, in its order."""

    good: list[str] = field(default_factory=list)
    bad: list[str] = field(default_factory=list)
    skip: list[str] = field(default_factory=list)


def _terms(marks: Marks) -> list[tuple[str, list[str]]]:
    """The options of `git bisect start` that rename good and bad."""
    return [(f"--term-{w}", marks.good) for w in ("good", "old")] + [(f"--term-{w}", marks.bad) for w in ("bad", "new")]


def marks_of(path: Path) -> Marks:
    """Read a log of git bisect, with its terms if it has other words for good and bad. Raises BadRequest.

    What `git bisect start BAD GOOD` was told stands in comments above it: the names in it may mean others by now.
    """
    try:
        text = path.read_text(errors="replace")
    except OSError as error:
        raise BadRequest(f"{path} cannot be read: {error.strerror}") from None
    marks = Marks()
    lists = {"good": marks.good, "old": marks.good, "bad": marks.bad, "new": marks.bad, "skip": marks.skip}
    noted: list[tuple[str, str]] = []
    for number, line in enumerate(text.splitlines(), 1):
        if comment := _NOTED.match(line):
            noted.append((comment["word"], comment["commit"]))
        if not line.strip() or line.startswith("#"):
            continue
        match = _MARK.match(line)
        if not match:
            raise BadRequest(f"{path}:{number} is not a line of git bisect log: {line!r}")
        words = shlex.split(match["rest"])
        if match["word"] == "start":
            terms = dict(word.partition("=")[::2] for word in words if word.startswith("--term-"))
            lists |= {terms[option]: into for option, into in _terms(marks) if option in terms}
            for word, commit in noted:
                lists.get(word, []).append(commit)
        elif match["word"] in lists:
            for commit in words:
                if not re.fullmatch(r"[0-9a-f]{40}", commit):
                    raise BadRequest(f"{path}:{number}: {commit!r} is not a full commit id")
                lists[match["word"]].append(commit)
        elif match["word"] not in ("reset", "visualize", "log", "run", "terms"):
            raise BadRequest(f"{path}:{number}: {match['word']!r} is not a word of git bisect log")
    return marks


def log_of(
    marks: Iterable[tuple[Revision, str]], first: Revision | None = None, candidates: Iterable[Revision] = ()
) -> str:
    """A log: ``marks`` are commits with "good", "bad" or "skip" in the order of their verdicts, the ends first.

    ``first`` is the first bad commit, if it is known; else ``candidates`` are those that it may be.
    """
    lines = ["git bisect start"]
    for commit, word in marks:
        lines += [f"# {word}: [{commit.id}] {commit.subject}", f"git bisect {word} {commit.id}"]
    if first is not None:
        lines.append(f"# first bad commit: [{first.id}] {first.subject}")
    else:
        lines += [f"# possible first bad commit: [{commit.id}] {commit.subject}" for commit in candidates]
    return "\n".join(lines) + "\n"
