# SPDX-License-Identifier: GPL-2.0-only
"""Nested results: what a test handed over in KTAP, what becomes of its verdict, and how the reports show it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import sample
from ppiov import summary
from ppiov.blame import Death, Ledger
from ppiov.folder import RunFolder
from ppiov.ktap import Parsed
from ppiov.nested import Reader, judged
from ppiov.report import render
from ppiov.results import Case, Outcome, TestResult
from ppiov.suites import PlannedTest

GOOD = Case(("s", "good"), Outcome.PASS)
BAD = Case(("s", "bad"), Outcome.FAIL, "because")
SKIP = Case(("s", "skip"), Outcome.SKIP, "no such device")
XFAIL = Case(("s", "known"), Outcome.XFAIL, "a known bug")
LOST = Case(("s",), Outcome.CRASH, "1 of 3 results came")
PASSED = TestResult("a.py::t", "s", Outcome.PASS, 1.0)


@pytest.mark.parametrize(
    ("parsed", "outcome", "reason"),
    [
        (None, Outcome.PASS, ""),
        (Parsed((GOOD, XFAIL, SKIP)), Outcome.PASS, ""),
        (Parsed((GOOD, BAD)), Outcome.FAIL, "1 of 2 cases: s > bad (fail: because)"),
        (Parsed((GOOD, LOST)), Outcome.FAIL, "1 of 2 cases: s (crash: 1 of 3 results came)"),
        (Parsed((GOOD,), "2 of 3 results came"), Outcome.FAIL, "2 of 3 results came"),
        (Parsed((), "there is no KTAP in its output"), Outcome.FAIL, "there is no KTAP in its output"),
        (Parsed(()), Outcome.FAIL, "it has no results"),
        (Parsed((), skipped="no NIC"), Outcome.SKIP, "no NIC"),
        (Parsed((SKIP, replace(SKIP, name=("s", "2")))), Outcome.SKIP, "no such device"),
    ],
)
def test_the_verdict_is_what_was_handed_over(parsed: Parsed | None, outcome: Outcome, reason: str) -> None:
    result = judged(PASSED, parsed)
    assert (result.outcome, result.reason) == (outcome, reason)
    assert result.cases == (parsed.cases if parsed else ())


@pytest.mark.parametrize("outcome", [o for o in Outcome if o not in (Outcome.PASS, Outcome.SPLAT)])
def test_good_cases_make_no_verdict_better(outcome: Outcome) -> None:
    result = judged(replace(PASSED, outcome=outcome, reason="said before"), Parsed((GOOD,)))
    assert (result.outcome, result.reason, result.cases) == (outcome, "said before", (GOOD,))


def test_a_splat_with_a_failed_case_is_a_failure_that_keeps_its_splats() -> None:
    test = replace(PASSED, outcome=Outcome.SPLAT, splats=(sample.WARN,))
    assert judged(test, Parsed((BAD,))).outcome is Outcome.FAIL
    assert judged(test, Parsed((BAD,))).splats == (sample.WARN,)
    assert judged(test, Parsed((GOOD,))).outcome is Outcome.SPLAT


def test_without_a_parser_nothing_that_was_handed_over_passes(tmp_path: Path) -> None:
    assert Reader(None, "no source").read(tmp_path, None) is None
    (tmp_path / "1.ktap").write_text("KTAP version 1\n1..1\nok 1 a\n")
    parsed = Reader(None, "no source").read(tmp_path, None)
    assert parsed is not None
    assert "no source" in judged(PASSED, parsed).reason


def test_a_ledger_reads_the_folder_that_the_guest_named_and_knows_who_died() -> None:
    asked = []

    def read(test: PlannedTest, folder: str, died: bool) -> Parsed:
        asked.append((test.name, folder, died))
        return Parsed((GOOD, LOST))

    plan = [PlannedTest(name, "s", "", 10.0) for name in ("one", "two", "three")]
    ledger = Ledger(plan, 0, cases=read)
    ended = {"outcome": "pass", "reason": "", "seconds": 1, "leaks": [], "figures": []}
    ledger.hear_record({"record": "test-begun", "name": "one", "artifacts": "one-dir"})
    ledger.hear_record({"record": "test-ended", "name": "one", **ended})
    ledger.hear_record({"record": "test-begun", "name": "two", "artifacts": "two-dir"})
    first, second = ledger.die(Death("panic", "it oopsed"), "")
    assert asked == [("one", "one-dir", False), ("two", "two-dir", True)]
    assert (first.outcome, second.outcome) == (Outcome.FAIL, Outcome.VM_DIED)
    assert second.cases == (GOOD, LOST)


def test_cases_are_in_run_json_and_older_ones_have_none(tmp_path: Path) -> None:
    run = sample.with_cases()
    folder = RunFolder.create(tmp_path, "run")
    folder.save(run)
    assert RunFolder.load(folder.path) == run
    raw = json.loads(folder.run_json.read_text())
    del raw["tests"][0]["cases"]
    folder.run_json.write_text(json.dumps(raw))
    assert RunFolder.load(folder.path).tests[0].cases == ()


@pytest.mark.parametrize("form", ["text", "html", "junit", "ktap"])
def test_every_report_has_the_names_of_what_did_not_pass(form: str) -> None:
    run = sample.with_cases()
    text = " ".join(render(run, form).decode().replace("<wbr>", "").replace("&gt;", ">").split())
    for case in run.tests[0].cases:
        if case.outcome is Outcome.PASS and form == "text":
            continue  # an e-mail is not the place for 800 names
        name = case.name[-1] if form == "ktap" else summary.case_name(case)
        assert name in text
        assert case.reason in text
    assert "2 pass, 1 fail, 1 skip, 1 xfail" in text or form in ("junit", "ktap")
