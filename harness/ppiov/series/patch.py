# SPDX-License-Identifier: GPL-2.0-only
"""A series and its patches, once each of them is a commit."""

from __future__ import annotations

import re
from dataclasses import dataclass
from email.utils import getaddresses

_TRAILER = re.compile(r"(?P<key>[A-Za-z][A-Za-z-]*):[ \t]+(?P<value>\S.*)")


@dataclass(frozen=True, slots=True)
class Touched:
    """A file that a patch adds, changes, renames or removes."""

    path: str  # after the patch; of a removed file, before it
    status: str  # git's letter: A, M, D, R, C or T
    mode: str  # after the patch: "100644", "100755", "120000" for a symbolic link; "000000" for a removed file
    before: str  # the path before the patch; "" for a new file

    @property
    def is_file(self) -> bool:
        """Whether it is a regular file after the patch: what a symbolic link points at is never read."""
        return self.mode.startswith("100")


@dataclass(frozen=True, slots=True)
class Cover:
    """A cover letter."""

    subject: str
    text: str
    recipients: tuple[str, ...] = ()  # addresses, in lower case


@dataclass(frozen=True, slots=True)
class Patch:
    """One patch. Where it does not apply, and behind one that doesn't, it has no commit."""

    number: int  # from 1
    subject: str  # without "[PATCH ...]"
    prefix: tuple[str, ...] = ()  # the words in the subject's brackets but for PATCH and the count
    body: str = ""  # the message below the subject
    author: str = ""  # "Name <address>"
    committer: str = ""  # of a commit of the user's; "" for a mail
    commit: str = ""
    parent: str = ""  # commit
    tree: str = ""
    parent_tree: str = ""
    patch_id: str = ""
    touched: tuple[Touched, ...] = ()
    text: str = ""  # as git format-patch writes it
    recipients: tuple[str, ...] = ()  # of the mail, and of its Cc: tags; addresses, in lower case
    refused: str = ""  # why it does not apply, in git's words

    def trailers(self, key: str) -> list[str]:
        """The values of a tag, wherever in the message it stands."""
        found = (_TRAILER.fullmatch(line) for line in self.body.splitlines())
        return [match["value"].strip() for match in found if match and match["key"].lower() == key.lower()]

    def added(self) -> list[tuple[str, str]]:
        """(file, line) for each line that the patch adds."""
        return _lines(self.text, "+")

    def removed(self) -> list[tuple[str, str]]:
        """(file, line) for each line that the patch removes."""
        return _lines(self.text, "-")


@dataclass(frozen=True, slots=True)
class Series:
    """What is to be checked."""

    kind: str  # "range", "b4", "mail"
    base: str  # commit
    patches: tuple[Patch, ...]
    cover: Cover | None = None
    change_id: str = ""
    version: int = 1
    prefix: tuple[str, ...] = ()  # that of the cover letter, or of the first patch


def addresses(*fields: str) -> tuple[str, ...]:
    """The addresses in header fields or tags, in lower case, each once."""
    found = (address.lower() for _, address in getaddresses(list(fields)) if "@" in address)
    return tuple(dict.fromkeys(found))


def _lines(text: str, sign: str) -> list[tuple[str, str]]:
    found = []
    for file, line in diff_lines(text):
        if line.startswith(sign):
            found.append((file, line[1:]))
    return found


_HUNK = re.compile(r"@@ -\d+(?:,(?P<old>\d+))? \+\d+(?:,(?P<new>\d+))? @@")


def diff_lines(text: str) -> list[tuple[str, str]]:
    """(file, line with its sign) of the hunks of a diff; a hunk's own counts say where it ends.

    Raises EOFError, with the file's name, for a diff that ends inside a hunk.
    """
    found: list[tuple[str, str]] = []
    name, old, new = "", 0, 0
    for line in text.removesuffix("\n").split("\n"):
        if old > 0 or new > 0:
            sign = line[:1] or " "  # some mail programs strip the blank of an empty line
            if sign == "\\":
                continue
            old -= sign in " -"
            new -= sign in " +"
            found.append((name, line))
            continue
        if match := _HUNK.match(line):
            old, new = int(match["old"] or 1), int(match["new"] or 1)
        elif line.startswith(("--- ", "+++ ")) and line[4:].rstrip("\r") != "/dev/null":
            name = _plain(line[4:])
    if old > 0 or new > 0:
        raise EOFError(name)
    return found


def _plain(name: str) -> str:
    """ "a/net/core/dev.c" -> "net/core/dev.c"."""
    return name.rstrip("\r").strip('"').partition("/")[2]
