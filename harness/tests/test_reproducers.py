# SPDX-License-Identifier: GPL-2.0-only
"""Reproducers: where a bug is known its sign is the pass, and its absence is not."""

from __future__ import annotations

import dataclasses
import json
import re
from pathlib import Path

import pytest
from ppiov import suites
from ppiov.reproducers import Reproducer, judge, series_of
from ppiov.results import Outcome, Splat
from ppiov.results import TestResult as Result

OOPS = Splat("oops", "BUG: kernel NULL pointer dereference", "f", "RIP: 0010:pskb_expand_head+0x1\n packet_rcv+0x2")
PANIC = Splat("panic", "Kernel panic - not syncing: Fatal exception in interrupt", "p", "Kernel panic")
WARN = Splat("warn", "WARNING: CPU: 0 PID: 1 at x.c:1", "w", "WARNING: pskb_expand_head packet_rcv")
BUG = Reproducer("docs/bugs/x.md", ("6.12",), ("7.3",), "oops", ("pskb_expand_head", "packet_rcv"))
LEAK = Reproducer("docs/bugs/y.md", ("6.12",), (), "fail", ("references leaked",))


def result(outcome: Outcome, *splats: Splat, reason: str = "as it was") -> Result:
    return Result("reproducers/test_x.py::test_x", "reproducers", outcome, 1.0, reason, splats=splats)


@pytest.mark.parametrize(
    ("release", "outcome", "reason"),
    [
        ("6.12.117+deb12-amd64", Outcome.PASS, r"reproduced: BUG: kernel NULL"),
        ("7.3.4+deb13-amd64", Outcome.FAIL, r"is back in 7\.3, against the table"),
        ("6.16.3", Outcome.FAIL, r"also hits 6\.16, against the table"),
    ],
)
def test_the_sign_was_seen(release: str, outcome: Outcome, reason: str) -> None:
    told = judge(result(Outcome.CRASH, OOPS, PANIC), [BUG], release)
    assert told.outcome is outcome and re.search(reason, told.reason)
    assert told.splats == (OOPS, PANIC)  # the evidence stays


@pytest.mark.parametrize(
    ("release", "outcome", "reason"),
    [
        ("6.12.200", Outcome.FAIL, r"not reproduced: mended in 6\.12\.200\? the table says that 6\.12 is hit"),
        ("7.3.4+deb13-amd64", Outcome.PASS, r"not reproduced, as the table says"),
        ("6.16.3", Outcome.PASS, r"not reproduced, and the table says nothing of 6\.16"),
    ],
)
def test_the_test_went_through(release: str, outcome: Outcome, reason: str) -> None:
    told = judge(result(Outcome.PASS), [BUG], release)
    assert told.outcome is outcome and re.search(reason, told.reason)


@pytest.mark.parametrize(
    "other",
    [
        result(Outcome.CRASH, WARN, OOPS, PANIC),  # something else came first
        result(Outcome.CRASH, Splat("oops", "BUG: unable to handle", "o", "RIP: 0010:elsewhere"), PANIC),
        result(Outcome.SPLAT, WARN),  # the words, but another kind
        result(Outcome.CRASH),  # a guest that died without a word
        result(Outcome.FAIL, OOPS),  # the test says that its trigger was never pulled
        result(Outcome.HANG),
        result(Outcome.SKIP),
    ],
)
@pytest.mark.parametrize("release", ["6.12.117", "7.3.4"])
def test_what_is_not_the_sign_stays_what_it_is(other: Result, release: str) -> None:
    assert judge(other, [BUG], release) == other


def test_a_sign_that_only_the_test_sees() -> None:
    leaked = result(Outcome.FAIL, reason="AssertionError: references leaked: 3 of 5")
    assert judge(leaked, [LEAK], "6.12.117").outcome is Outcome.PASS
    assert judge(leaked, [LEAK], "7.3.4").outcome is Outcome.FAIL
    for other in (result(Outcome.FAIL), result(Outcome.CRASH, OOPS), result(Outcome.FAIL, WARN, reason=leaked.reason)):
        assert judge(other, [LEAK], "6.12.117") == other


def test_what_the_kernel_does_by_itself_is_not_held_against_it() -> None:
    known = dataclasses.replace(WARN, known="baseline")
    assert judge(result(Outcome.CRASH, known, OOPS, PANIC), [BUG], "6.12.117").outcome is Outcome.PASS


def test_a_complaint_that_is_understood_is_a_sign_all_the_same() -> None:
    """It does not spoil a pass (complaints.py), and so the test that is about it has passed."""
    known = dataclasses.replace(OOPS, known="docs/bugs/x.md")
    assert judge(result(Outcome.PASS, known), [BUG], "6.12.117").outcome is Outcome.PASS
    assert judge(result(Outcome.PASS, known), [BUG], "7.3.4").outcome is Outcome.FAIL


def test_two_bugs_with_one_trigger() -> None:
    """Each shows by its own sign, on the kernels that it hits; the other's sign there is news."""
    other = Reproducer("docs/bugs/z.md", ("7.3",), (), "fail", ("references leaked",))
    both = [BUG, other]
    crashed = result(Outcome.CRASH, OOPS, PANIC)
    leaked = result(Outcome.FAIL, reason="AssertionError: references leaked: 3 of 5")
    assert judge(crashed, both, "6.12.117").outcome is Outcome.PASS
    assert judge(leaked, both, "7.3.4").outcome is Outcome.PASS
    for seen, release, reason in (
        (crashed, "7.3.4", "is back in 7.3"),
        (leaked, "6.12.117", "also hits 6.12"),
        (result(Outcome.PASS), "6.12.117", "not reproduced: mended"),
        (result(Outcome.PASS), "7.3.4", "not reproduced: mended"),
    ):
        told = judge(seen, both, release)
        assert told.outcome is Outcome.FAIL and reason in told.reason
    for seen in (crashed, leaked):
        assert "also hits 6.16" in judge(seen, both, "6.16.3").reason
    assert "says nothing of 6.16" in judge(result(Outcome.PASS), both, "6.16.3").reason


def test_other_tests_are_left_alone() -> None:
    assert judge(result(Outcome.PASS), [], "6.12.117") == result(Outcome.PASS)


def test_series() -> None:
    assert [series_of(r) for r in ("6.12.117+deb12-amd64", "7.3.0-rc1", "6.1", "odd")] == ["6.12", "7.3", "6.1", "odd"]


def test_every_reproducer_here_says_what_it_must_and_has_its_report() -> None:
    """The suite is collected as for a run; it is part of nothing else."""
    source = Path(__file__).parents[2]
    planned = suites.collect(source / "selftests", ["reproducers"])
    assert planned
    for test in planned:
        assert test.reproducers, f"{test.name} is not marked as a reproducer"
        told = [series for said in test.reproducers for series in (*said.hits, *said.spared)]
        assert len(told) == len(set(told)), f"{test.name} says more than one thing of a series"
        for said in test.reproducers:
            assert said.hits and said.shows
            report = (source / said.report).read_text()
            assert test.name.partition("/")[2] in report, f"{said.report} does not say how to run {test.name}"
            for series in said.hits:
                assert series in report, f"{said.report} does not name {series}, which its test says is hit"
    names = {test.suite for words in ([], ["all"]) for test in suites.collect(source / "selftests", words)}
    assert "reproducers" not in names


def test_a_marker_survives_the_way_through_json() -> None:
    said = {"report": "r.md", "hits": ("6.12",), "kind": "oops", "shows": ("a",)}
    assert Reproducer.of(json.loads(json.dumps(said))) == Reproducer("r.md", ("6.12",), (), "oops", ("a",))
