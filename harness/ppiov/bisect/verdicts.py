# SPDX-License-Identifier: GPL-2.0-only
"""The exit codes of ``ppiov bisect --step``, which `git bisect run` reads.

0 says that HEAD is not worse than the good end, 1 that it is, 125 that there is no telling. git takes every code from 1
to 127 but 125 for «bad», and 0 for «good»; so whatever is no verdict (a wrong option, Ctrl-C, a full disk, a reader
that has gone, a traceback) is 128: git then stops, and its bisection is as it was.
"""

from __future__ import annotations

import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Final

GOOD: Final = 0
BAD: Final = 1
SKIP: Final = 125
NONE: Final = 128


class Verdict(SystemExit):
    """The one way to leave with a code that git takes for a verdict."""


@contextmanager
def only_verdicts(words: Sequence[str]) -> Iterator[None]:
    """Around all of the program, whose command line is ``words``: if that asks for a step, see the file's head."""
    asked = "bisect" in words and "--step" in words and "--help" not in words
    try:
        yield
    except Verdict:
        raise
    except SystemExit as leaving:
        if asked:
            leaving.code = NONE
        raise
    except BaseException:
        if not asked:
            raise
        traceback.print_exc()
        raise SystemExit(NONE) from None
