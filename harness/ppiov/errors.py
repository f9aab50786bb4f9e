# SPDX-License-Identifier: GPL-2.0-only
"""What can go wrong, by name, and the exit code that each one means.

Every error that a user can cause derives from :class:`PpiovError`; its text is one sentence that says what happened
and, where there is one, the cure. The CLI prints that sentence and exits with ``exit_code``; nothing else prints them.
"""

from __future__ import annotations

import difflib
import errno
from collections.abc import Iterable
from enum import IntEnum


class ExitCode(IntEnum):
    """The exit codes of every ``ppiov`` command (documented in docs/exit-codes.md)."""

    PASSED = 0
    FAILED = 1  # a test, probe or verdict failed
    UNUSABLE = 2  # bad input, or a machine that can't
    INTERRUPTED = 3  # Ctrl-C or SIGTERM


class PpiovError(Exception):
    """Base of all errors that are the user's to see: one sentence, one exit code."""

    exit_code = ExitCode.UNUSABLE


class UnknownName(PpiovError):
    """A kernel, suite, test or run that does not exist; names the nearest ones."""

    def __init__(self, kind: str, name: str, known: Iterable[str]) -> None:
        known = sorted(known)
        near = difflib.get_close_matches(name, known, n=3, cutoff=0.4) or known[:6]
        hint = f" (nearest: {', '.join(near)})" if near else ""
        super().__init__(f"unknown {kind} {name!r}{hint}")
        self.kind, self.name, self.near = kind, name, near


class BadSpec(PpiovError):
    """A kernel spec that cannot be read, or names a kind of kernel that this version does not build."""


class BadRequest(PpiovError):
    """Options of a run that cannot be: no test matches, a number out of range, an expression that cannot be read."""


class NoGuest(PpiovError):
    """No guest boots on this machine as asked."""


class UnfitKernel(PpiovError):
    """A kernel that cannot do what is asked of it: an option is off, or it came without headers."""


class Unwritable(PpiovError):
    """A folder that this program keeps its things in cannot be created or written."""


class DiskFull(PpiovError):
    """No space left where something has to be written."""


def of_system(error: OSError, place: object = None) -> PpiovError:
    """The sentence for an error of the operating system that nobody nearer to its cause has put into words.

    ``place`` is where it happened, for errors that name no file.
    """
    where = error.filename or place
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return DiskFull(f"no space left to write {where}" if where else "no space left on the disk")
    what = error.strerror or str(error) or type(error).__name__
    return PpiovError(f"{where}: {what}" if where else what)


class NetworkGone(PpiovError):
    """The package archive cannot be reached."""


class UntrustedArchive(PpiovError):
    """The archive's signature or a package's checksum does not match."""


class BuildFailed(PpiovError):
    """A module or program did not build; the log's path is in the sentence."""


class BadImage(PpiovError):
    """A kernel image that is missing, unreadable or not bootable."""


class MissingTool(PpiovError):
    """A program this machine lacks; the sentence names the package that has it."""


class BadRunFolder(PpiovError):
    """A run folder that is missing, truncated or of a schema this version cannot read."""


class BadSeries(PpiovError):
    """A patch series that cannot be read, or cannot be what the user means; its kinds follow."""


class NotAncestor(BadSeries):
    """The base of a range is not below its head."""


class EmptySeries(BadSeries):
    """There is no patch in what was named."""


class MissingPatches(BadSeries):
    """Some of the patches that the subjects count are not there, or are there twice."""


class TruncatedPatch(BadSeries):
    """A mail that ends in the middle of a hunk."""


class CrlfPatch(BadSeries):
    """A patch whose lines end in CR LF: some mail program has changed it on its way."""


class MetersDiffer(PpiovError):
    """Figures of two meters were to be compared: instructions are no cycles, and neither is a nanosecond."""


class Interrupted(PpiovError):
    """Ctrl-C or SIGTERM."""

    exit_code = ExitCode.INTERRUPTED
