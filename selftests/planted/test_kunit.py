# SPDX-License-Identifier: GPL-2.0-only
"""KUnit suites and KTAP that go wrong on purpose: each must be reported as what it is, with its cases by name.

The suites are a module's (planted/module/ppiov_planted_kunit.c), built where the kernel has KUnit; what is handed over
as text needs none.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from lib import kunit

Hand = Callable[[str], None]

# Two levels, one case that is expected to fail, and a comment that looks like a result.
XFAIL = """TAP version 13
1..2
# selftests: planted: known
# TAP version 13
# 1..2
# ok 1 good
# ok 2 known bug # XFAIL until the core is mended
ok 1 selftests: planted: known
ok 2 selftests: planted: plain
"""


def module() -> Path:
    path = Path(os.environ["PPIOV_PLANTED"], "ppiov_planted_kunit.ko")
    if not path.is_file():
        pytest.skip("the kernel has no KUnit (CONFIG_KUNIT)")
    return path


def test_suite_good(ktap: Hand) -> None:
    """A suite of which one case passes and one is skipped: pass."""
    ktap(kunit.run("planted_good", module()))


def test_suite_bad(ktap: Hand) -> None:
    """A case fails, and one parameter of another: fail, and both are named."""
    ktap(kunit.run("planted_bad", module()))


def test_suite_warning(ktap: Hand) -> None:
    """Its one case passes, and the kernel warns: splat."""
    ktap(kunit.run("planted_warning", module()))


def test_suite_crash(ktap: Hand) -> None:
    """The second case takes the guest down: crash, and what passed before it is kept."""
    ktap(kunit.run("planted_crash", module()))


def test_suite_gone(ktap: Hand) -> None:
    """A suite that is in the plan and not in the module: a failure, not a pass."""
    ktap(kunit.run("planted_gone", module()))


def test_ktap_xfail(ktap: Hand) -> None:
    """What fails as expected is neither a pass nor a failure: the test passes, the case is an xfail."""
    ktap(XFAIL)


def test_ktap_wrong_plan(ktap: Hand) -> None:
    """The plan says three and two came: fail."""
    ktap("KTAP version 1\n1..3\nok 1 a\nok 2 b\n")


def test_ktap_no_plan(ktap: Hand) -> None:
    """Nobody knows how many there should be: fail."""
    ktap("KTAP version 1\nok 1 a\n")


def test_ktap_nothing(ktap: Hand) -> None:
    """Nothing was handed over: fail."""


def test_ktap_all_skipped(ktap: Hand) -> None:
    """All is skipped: skip, with the plan's reason."""
    ktap("TAP version 13\n1..0 # SKIP no such hardware\n")


def test_ktap_panic(ktap: Hand) -> None:
    """The guest dies after the first of two results: crash, and the first is kept."""
    ktap("KTAP version 1\n1..2\nok 1 before the panic\n")
    Path("/proc/sysrq-trigger").write_text("c")
