# SPDX-License-Identifier: GPL-2.0-only
"""What a guest and its console say of a test, put together: a warning that nobody announced is never lost."""

from __future__ import annotations

import pytest
from ppiov.blame import Ledger
from ppiov.console import Detector
from ppiov.results import Outcome, TestResult
from ppiov.suites import PlannedTest

WARN = """\
[    2.0][   T77] ------------[ cut here ]------------
[    2.0][   T77] WARNING: CPU: 1 PID: 77 at a.c:8 f+0x12/0x20 [ppiov]
[    2.0][   T77] ---[ end trace 0000000000000000 ]---
"""
ANNOUNCED = "[    1.9][   T77]     # f_warns: a warning is expected now\n"


def verdict(console: str) -> TestResult:
    """On a passed test that left the kernel's taint flag W behind, and this on the console."""
    ledger = Ledger([PlannedTest("one", "kunit", "", 10.0)], 0)
    ledger.hear_record({"record": "test-begun", "name": "one"})
    detector = Detector()
    for heard in detector.feed(f"ppiov: begin one\n{console}ppiov: end one\n".encode()):
        ledger.hear_console(heard)
    ended = {"outcome": "pass", "reason": "", "seconds": 1, "leaks": [], "figures": [], "warned": True}
    ledger.hear_record({"record": "test-ended", "name": "one", **ended})
    (result,) = ledger.settle(final=True)
    return result


def test_an_announced_warning_explains_the_taint_and_counts_for_nothing() -> None:
    assert (verdict(ANNOUNCED + WARN).outcome, verdict(ANNOUNCED + WARN).splats) == (Outcome.PASS, ())


@pytest.mark.parametrize("console", [WARN, ANNOUNCED + WARN + WARN], ids=["alone", "after an announced one"])
def test_any_other_warning_is_the_tests(console: str) -> None:
    assert [splat.kind for splat in verdict(console).splats] == ["warn"]


@pytest.mark.parametrize("console", ["", ANNOUNCED], ids=["silence", "announced and not come"])
def test_a_taint_without_a_warning_fails_the_test(console: str) -> None:
    assert verdict(console).outcome is Outcome.FAIL
    assert "no trace" in verdict(console).reason
