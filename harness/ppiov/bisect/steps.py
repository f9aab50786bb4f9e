# SPDX-License-Identifier: GPL-2.0-only
"""``ppiov bisect --step``: one commit's verdict, for `git bisect run`.

HEAD is compared with the good end, by the same judges as in a bisection. What is no verdict is no code that git would
take for one: see verdicts.py.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Generator

from ppiov.bisect import history as histories
from ppiov.bisect.engine import Ends, bisect
from ppiov.bisect.judge import Untestable
from ppiov.bisect.request import BisectRequest
from ppiov.bisect.verdicts import BAD, GOOD, SKIP
from ppiov.errors import BadRequest
from ppiov.events import Event, Note


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
