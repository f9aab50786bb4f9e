# SPDX-License-Identifier: GPL-2.0-only
"""Tests of what not every kernel has: on one without it, such a test is about the refusal.

Whether the kernel has it must be asked elsewhere than where it is used, so that one that has it and refuses fails.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import TypeVar

from lib.fixtures import Defer
from lib.link import Link

Lack = TypeVar("Lack")
Test = Callable[..., None]


def or_refused(
    lacks: Callable[[Link], Lack | None], refused: Callable[[Link, Defer, Lack], None]
) -> Callable[[Test], Test]:
    """A decorator of tests that have the fixtures `link` and `defer`.

    :param lacks: what the kernel at hand lacks, or None: then the test itself runs
    :param refused: what is asked of a kernel that lacks it
    """

    def decorate(test: Test) -> Test:
        @functools.wraps(test)
        def run(link: Link, defer: Defer, **others: object) -> None:
            lack = lacks(link)
            if lack is None:
                test(link=link, defer=defer, **others)
            else:
                refused(link, defer, lack)

        return run

    return decorate
