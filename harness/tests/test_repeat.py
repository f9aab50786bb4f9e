# SPDX-License-Identifier: GPL-2.0-only
"""One result of several rounds, in all reports."""

from __future__ import annotations

from dataclasses import replace

import pytest
import sample
from hypothesis import given
from hypothesis import strategies as st
from ppiov.repeat import merged
from ppiov.report import render
from ppiov.results import Case, Outcome, TestResult

PASSED = TestResult("traffic/test_a.py::t", "traffic", Outcome.PASS, 1.0)
FAILED = replace(PASSED, outcome=Outcome.FAIL, seconds=2.0, reason="the answer is wrong", detail="trace")


def test_one_round_is_what_it_was() -> None:
    assert merged([FAILED]) == FAILED


def test_counts_first_failure_and_mean_time() -> None:
    flake = merged([PASSED, PASSED, FAILED, PASSED])
    assert flake.outcome is Outcome.FLAKY
    assert flake.reason == "passed 3 of 4 rounds; first, in round 3, fail: the answer is wrong"
    assert (flake.detail, flake.seconds, len(flake.rounds)) == ("trace", 1.25, 4)


def test_a_flaky_case_in_a_flaky_test() -> None:
    good = replace(PASSED, cases=(Case(("s", "a"), Outcome.PASS), Case(("s", "b"), Outcome.PASS)))
    bad = replace(FAILED, cases=(Case(("s", "a"), Outcome.PASS), Case(("s", "b"), Outcome.FAIL, "because")))
    a, b = merged([good, bad, good]).cases
    assert a.outcome is Outcome.PASS
    assert (b.outcome, b.reason) == (Outcome.FLAKY, "passed 2 of 3 rounds; first, in round 2, fail: because")


@given(st.lists(st.sampled_from(Outcome), min_size=2, max_size=8))
def test_a_pass_needs_every_round_and_a_flake_needs_both(outcomes: list[Outcome]) -> None:
    result = merged([replace(PASSED, outcome=outcome) for outcome in outcomes])
    assert result.outcome.ok == all(outcome.ok for outcome in outcomes)
    if not any(outcome is Outcome.FLAKY for outcome in outcomes):
        mixed = len({outcome.ok for outcome in outcomes}) == 2
        assert (result.outcome is Outcome.FLAKY) == mixed
    assert [r.outcome for r in result.rounds] == outcomes


@pytest.mark.parametrize("form", ["text", "html", "junit", "ktap"])
def test_every_report_calls_it_a_flake_with_its_counts(form: str) -> None:
    run = replace(sample.passing(), tests=(merged([PASSED, FAILED, PASSED]),))
    text = " ".join(render(run, form).decode().split())
    assert "passed 2 of 3 rounds" in text
    assert "flaky" in text.lower()
