# SPDX-License-Identifier: GPL-2.0-only
"""JUnit XML of a series: one testsuite per patch, one testcase per check; a warning is a success with output."""

from __future__ import annotations

from junitparser import Error, Failure, JUnitXml, Skipped, TestCase, TestSuite

from ppiov import summary
from ppiov.report.series import words
from ppiov.results import RunState
from ppiov.series.results import CheckResult, SeriesRun, Verdict


def render(run: SeriesRun) -> str:
    """The whole document."""
    xml = JUnitXml(summary.visible(f"ppiov {run.id}: {words.headline(run)}"))
    own = [_case("series", check, run) for check in run.checks]
    if run.state is not RunState.COMPLETE:
        case = TestCase("series is complete", classname="ppiov")
        case.result = [Error(summary.one_line(words.headline(run)))]
        own.insert(0, case)
    xml.add_testsuite(_suite("series", own, run))
    for patch in run.patches:
        name = f"{patch.number}/{len(run.patches)} {patch.subject}"
        cases = [_case(f"patch-{patch.number}", check, run) for check in patch.checks]
        xml.add_testsuite(_suite(name, cases, run))
    xml.update_statistics()  # type: ignore[no-untyped-call, unused-ignore]
    text: bytes = xml.tostring()  # type: ignore[no-untyped-call, unused-ignore]
    return text.decode("utf-8")


def _suite(name: str, cases: list[TestCase], run: SeriesRun) -> TestSuite:
    suite = TestSuite(summary.one_line(name))
    suite.timestamp = summary.visible(run.started)
    for key, value in (("base", words.base(run)), ("command", run.command)):
        suite.add_property(key, summary.visible(value))
    suite.add_testcases(cases)
    return suite


def _case(classname: str, check: CheckResult, run: SeriesRun) -> TestCase:
    case = TestCase(summary.visible(check.name), classname=classname, time=check.seconds)
    line = summary.one_line(words.shown(check, run))
    body = summary.visible("\n".join([*check.details, *map(words.measured, check.measured)]))
    if check.verdict is Verdict.FAIL:
        case.result = [_with(Failure(line, check.relation.value or "fail"), body)]
    elif check.verdict is Verdict.NOT_RUN:
        case.result = [_with(Error(line, "not-run"), body)]
    elif check.verdict is Verdict.SKIP:
        case.result = [Skipped(line)]
    else:
        case.system_out = summary.visible(f"{check.verdict.value}: {line}\n{body}").rstrip()
    return case


def _with(result: Failure | Error, body: str) -> Failure | Error:
    result.text = body
    return result
