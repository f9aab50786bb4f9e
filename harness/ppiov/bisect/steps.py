# SPDX-License-Identifier: GPL-2.0-only
"""``ppiov bisect --step``: one commit's verdict as an exit code, for `git bisect run`.

HEAD is compared with the good end, by the same judges as in a bisection: 0 if it is not worse, 1 if it is, 125 if it
has no verdict. git treats every code from 1 to 127 but 125 as a verdict of «bad», so whatever is not one is 128 here:
git then stops, and its bisection is as it was.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from typing import Final

from ppiov.bisect import history as histories
from ppiov.bisect.engine import Ends, bisect
from ppiov.bisect.judge import Untestable
from ppiov.bisect.request import BisectRequest
from ppiov.errors import BadRequest, PpiovError
from ppiov.events import Event, Note

GOOD: Final = 0
BAD: Final = 1
SKIP: Final = 125


class NoVerdict(PpiovError):
    """A step that came to no verdict; its exit code ends `git bisect run`."""

    exit_code = 128  # type: ignore[assignment]


@contextmanager
def codes(step: bool) -> Iterator[None]:
    """In a step, every error ends with 128."""
    try:
        yield
    except PpiovError as error:
        if not step:
            raise
        raise NoVerdict(str(error)) from error


def judge(request: BisectRequest) -> Generator[Event, None, int]:
    """The verdict on HEAD, as `git bisect run` wants it. Raises what :func:`ppiov.bisect.engine.bisect` does."""
    if request.packages is not None:
        raise BadRequest("--step judges a commit, and packages have none")
    repository, _ = request.repository()
    if histories.resolve(repository, request.good) == histories.resolve(repository, "HEAD"):
        return GOOD
    try:
        yield from bisect(dataclasses.replace(request, bad="HEAD", pair=True))
    except Ends as ends:
        yield Note(str(ends))
        return SKIP if ends.undecided else GOOD
    except Untestable as error:
        if error.point == 0:
            raise
        yield Note(str(error))
        return SKIP
    return BAD
