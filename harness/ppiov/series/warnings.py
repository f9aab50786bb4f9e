# SPDX-License-Identifier: GPL-2.0-only
"""Warnings by identity: what the same warning is before and behind a patch that moves lines.

A warning is its file, the function it is in where the compiler says so, and its text without lines, columns and sizes.
Counting is not enough: a patch that repairs one warning and brings another has brought one.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

_AT = re.compile(r"(?P<file>[^\s:][^:]*):(?P<line>\d+)(?::\d+)?: (?P<text>.*)")
_SEVERE = re.compile(r"(?P<kind>warning|error|fatal error): (?P<text>.*)")
_DOC = re.compile(r"(?:warning|error): (?P<file>[^\s:]+):(?P<line>\d+):? (?P<text>.*)", re.IGNORECASE)
_PLAIN = re.compile(r"(?P<kind>WARNING|ERROR): (?P<text>.*)")  # modpost
_IN = re.compile(
    r"(?P<file>[^\s:][^:]*): (?:In (?:function|member function) .(?P<name>[^'\u2019]+)['\u2019]|At top level):"
)
_VOLATILE = re.compile(r"\bline \d+|\b\d+ bytes\b|:\d+(:\d+)?\b|0x[0-9a-f]{8,}|\.(?:constprop|isra|part|cold)\.\d+")


@dataclass(frozen=True, slots=True, order=True)
class Warning:
    """One warning or error of a compiler, sparse, kernel-doc or a linter."""

    file: str
    symbol: str  # the function it is in, or ""
    text: str  # without what moves
    error: bool
    shown: str  # as it was printed

    @property
    def identity(self) -> tuple[str, str, str]:
        return self.file, self.symbol, self.text


def parse(lines: Iterable[str]) -> list[Warning]:
    """The warnings and errors in a tool's output; "note:", source excerpts and the rest are left out."""
    found: list[Warning] = []
    symbol: dict[str, str] = {}
    for line in lines:
        if match := _IN.match(line):
            symbol[match["file"]] = match["name"] or ""
        elif match := _DOC.fullmatch(line):
            found.append(_made(match["file"], "", match["text"], "error" in line[:5].lower(), line))
        elif match := _AT.fullmatch(line):
            file, text = _short(match["file"]), match["text"]
            if severe := _SEVERE.fullmatch(text):
                where = symbol.get(match["file"], "")
                found.append(_made(file, where, severe["text"], severe["kind"] != "warning", line))
            elif text.startswith("   ") and found and found[-1].file == file:  # sparse: expected..., got...
                last = found[-1]
                found[-1] = _made(file, last.symbol, f"{last.text};{text.rstrip()}", last.error, last.shown)
        elif match := _PLAIN.fullmatch(line):
            found.append(_made("", "", match["text"], match["kind"] == "ERROR", line))
    return found


def new(before: Iterable[Warning], after: Iterable[Warning], renamed: Mapping[str, str] | None = None) -> list[Warning]:
    """What is in ``after`` more often than in ``before``; ``renamed`` says what files of before are called after."""
    known = Counter(_renamed(warning, renamed or {}) for warning in before)
    found = []
    for warning in after:
        if known[warning.identity] > 0:
            known[warning.identity] -= 1
        else:
            found.append(warning)
    return found


def gone(
    before: Iterable[Warning], after: Iterable[Warning], renamed: Mapping[str, str] | None = None
) -> list[Warning]:
    """What is in ``before`` more often than in ``after``."""
    left = Counter(warning.identity for warning in after)
    found = []
    for warning in before:
        identity = _renamed(warning, renamed or {})
        if left[identity] > 0:
            left[identity] -= 1
        else:
            found.append(warning)
    return found


def _renamed(warning: Warning, renamed: Mapping[str, str]) -> tuple[str, str, str]:
    return renamed.get(warning.file, warning.file), warning.symbol, warning.text


def _made(file: str, symbol: str, text: str, error: bool, shown: str) -> Warning:
    return Warning(_short(file), symbol, _VOLATILE.sub("", text), error, shown)


def _short(file: str) -> str:
    """Out-of-tree builds print ../ or ./ before the path."""
    return re.sub(r"^(?:\.{1,2}/)+", "", file)
