# SPDX-License-Identifier: GPL-2.0-only
"""JUnit: what CI reads must count as the run counts, and nothing that didn't pass may look green."""

from __future__ import annotations

from dataclasses import replace

import pytest
import sample
from hypothesis import example, given, settings
from junitparser import Error, Failure, JUnitXml, Skipped
from ppiov import summary
from ppiov.report import junit
from ppiov.results import Outcome, Run, RunState


def parse(run: Run) -> JUnitXml:
    return JUnitXml.fromstring(junit.render(run).encode("utf-8", "strict"))


def test_counts_and_kinds() -> None:
    run = sample.every_outcome()
    xml = parse(run)
    assert (xml.tests, xml.failures, xml.errors, xml.skipped) == (76, 2, 4, 1)
    cases = {f"{suite.name}::{case.name}": case for suite in xml for case in suite}
    assert set(cases) == {t.name for t in run.tests}
    kinds = {Outcome.FAIL: Failure, Outcome.SPLAT: Failure, Outcome.SKIP: Skipped}
    for test in run.tests:
        result = cases[test.name].result
        if test.outcome is Outcome.PASS:
            assert result == []
        else:
            assert type(result[0]) is kinds.get(test.outcome, Error)
            assert result[0].message == summary.one_line(test.reason)
            assert result[0].type == test.outcome.value
            assert all(splat.text in result[0].text for splat in test.splats)
        if test.figures:
            assert "(guest-clock)" in cases[test.name].system_out


@pytest.mark.parametrize("state", [RunState.INTERRUPTED, RunState.ABORTED])
def test_an_unfinished_run_has_an_error_and_says_so_first(state: RunState) -> None:
    xml = parse(replace(sample.passing(), state=state, reason="Ctrl-C"))
    assert state.value.upper() in xml.name
    first = next(iter(xml))
    assert first.name == "ppiov"
    assert state.value.upper() in next(iter(first)).result[0].message
    assert xml.errors == 1


def test_what_no_test_is_to_blame_for_is_not_green() -> None:
    assert parse(replace(sample.passing(), boot_splats=(sample.WARN,))).errors == 1
    assert parse(replace(sample.passing(), tests=())).errors == 1
    assert parse(sample.passing()).errors == 0


@settings(max_examples=30)
@given(run=sample.runs)
@example(run=sample.hostile())
def test_any_run_is_well_formed_and_green_only_if_passed(run: Run) -> None:
    xml = parse(run)
    assert (xml.failures + xml.errors == 0) == run.passed
