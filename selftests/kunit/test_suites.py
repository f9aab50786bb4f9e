# SPDX-License-Identifier: GPL-2.0-only
"""KUnit: one test per suite. The harness says which there are (harness/ppiov/kunit.py), from the modules themselves.

A suite runs alone: KUnit's own filter is set to its name before its module is loaded, and the module is unloaded after
it. So a suite that takes the guest down takes only itself, and what it leaves is its own. A suite that is built in ran
at boot, and is run again through debugfs.

What counts is what the suite wrote, which the host reads with the kernel's parser. modprobe's exit code says only
whether a module was loaded.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from lib import kunit, leaks

SUITES: dict[str, str] = json.loads(os.environ.get("PPIOV_KUNIT", "{}"))

pytestmark = pytest.mark.timeout_s(600)


@pytest.fixture(scope="module", autouse=True)
def leak_questions() -> Iterator[None]:
    """The questions of all suites, asked of the machine as it is: no KUnit suite knows our two namespaces.

    Making those takes a child process each that has to answer within a minute, and under KASAN on a busy machine it
    does not.
    """
    if leaks.begun():  # another suite of this guest has its namespaces still
        yield
        return
    leaks.begin([])
    yield
    leaks.end()


@pytest.mark.parametrize("suite", SUITES)
def test_suite(suite: str, ktap: Callable[[str], None]) -> None:
    """Every case of the suite, with the parameters' and subtests' own names."""
    ktap(kunit.run(suite, Path(SUITES[suite]) if SUITES[suite] else None))
