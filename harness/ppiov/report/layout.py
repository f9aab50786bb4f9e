# SPDX-License-Identifier: GPL-2.0-only
"""Plain ASCII in 72 columns, for what goes into an e-mail: nothing is cut short, and a command can be pasted."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from typing import Final

from ppiov import summary

WIDTH: Final = 72
_LABEL: Final = 10


def fact(label: str, value: str) -> Iterator[str]:
    if value:
        yield from wrap(value, first=label.ljust(_LABEL), hang=" " * _LABEL)


def title(text: str) -> tuple[str, ...]:
    return ("", text, "-" * len(text))


def ascii_only(text: str) -> str:
    """One line of printable ASCII; everything else as a backslash escape."""
    return summary.one_line(text).encode("ascii", "backslashreplace").decode("ascii")


def wrap(text: str, first: str = "", hang: str = "  ", width: int = WIDTH) -> Iterator[str]:
    """Wrap at blanks. A word longer than a line is split, with a backslash at the split: nothing is lost or guessed."""
    line, empty = first, True
    for whole in ascii_only(text).split(" "):
        word = whole
        room = width - len(line) - (0 if empty else 1)
        if not empty and len(word) > room:
            yield line
            line, empty, room = hang, True, width - len(hang)
        while len(word) > room:
            cut = max(_cut(word, room - 1), 1)
            yield f"{line}{word[:cut]}\\"
            word, line, room = word[cut:], hang, width - len(hang)
        line = f"{line}{'' if empty else ' '}{word}"
        empty = False
    yield line


def _cut(word: str, room: int) -> int:
    """Where to split a word: behind the last "/", "::", "[" or "-" in its second half, else as late as possible."""
    best = max((m.end() for m in re.finditer(r"/|::|\[|-|_", word[:room])), default=0)
    return best if best > room // 2 else room


def command_lines(command: str) -> Iterator[str]:
    """The command, split over lines that a POSIX shell reads as one.

    Arguments are kept whole where they fit. One that doesn't is split into quoted pieces with backslash-newline between
    them and no indentation, which the shell joins without a blank.
    """
    try:
        words = [shlex.quote(w) for w in shlex.split(command)]
    except ValueError:  # unbalanced quotes: nothing that a shell would take, so just show it
        yield from wrap(command, first="  ", hang="    ")
        return
    if not all(w.isascii() and w.isprintable() for w in words):
        yield from wrap(command, first="  ", hang="    ")
        return
    line = " "
    for word in words:
        if len(line) + 1 + len(word) + 2 > WIDTH and line.strip():
            yield f"{line} \\"
            line = "   "
        if len(line) + 1 + len(word) + 2 <= WIDTH:
            line = f"{line} {word}"
            continue
        pieces = _pieces(shlex.split(word)[0], WIDTH - 8)
        yield f"{line} {pieces[0]}\\"
        yield from (f"{piece}\\" for piece in pieces[1:-1])
        line = pieces[-1]
    yield line


def _pieces(word: str, room: int) -> list[str]:
    """A word as quoted pieces, none longer than room."""
    pieces, start = [], 0
    for end in range(1, len(word) + 1):
        if end == len(word) or len(shlex.quote(word[start : end + 1])) > room:
            pieces.append(shlex.quote(word[start:end]))
            start = end
    return pieces
