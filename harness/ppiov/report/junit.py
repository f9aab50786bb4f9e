# SPDX-License-Identifier: GPL-2.0-only
"""JUnit XML, for CI systems: one testsuite per file, and nothing that didn't pass ever looks green.

A failed assertion or a splat is a <failure>; a crash, a hang, a dead VM and a test that was never run are <error>s.
What fails as expected is <skipped>, of type "xfail". What a test reported in KTAP comes after it, one case each, with
the test's name as its class. What concerns no single test (an interrupted run, a splat while no test ran) is a case
of a suite named "ppiov", first.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from junitparser import Error, Failure, JUnitXml, Skipped, TestCase, TestSuite

from ppiov import summary
from ppiov.results import Case, Outcome, Run, RunState, Splat, TestResult

_KINDS: Final[dict[Outcome, type[Failure | Error | Skipped]]] = {
    Outcome.FLAKY: Failure,
    Outcome.FAIL: Failure,
    Outcome.SPLAT: Failure,
    Outcome.SKIP: Skipped,
    Outcome.XFAIL: Skipped,
    Outcome.CRASH: Error,
    Outcome.HANG: Error,
    Outcome.VM_DIED: Error,
    Outcome.NOT_RUN: Error,
}


def render(run: Run) -> str:
    """The whole document."""
    xml = JUnitXml(summary.visible(f"ppiov {run.id}: {summary.headline(run)}"))
    own = _own_suite(run)
    if own is not None:
        xml.add_testsuite(own)
    for group in summary.groups(run):
        suite = TestSuite(summary.visible(group.file))
        _describe(suite, run)
        suite.add_testcases([case for test in group.tests for case in (_case(test), *_nested(test))])
        xml.add_testsuite(suite)
    xml.update_statistics()  # type: ignore[no-untyped-call, unused-ignore]
    text: bytes = xml.tostring()  # type: ignore[no-untyped-call, unused-ignore]
    return text.decode("utf-8")


def _describe(suite: TestSuite, run: Run) -> None:
    suite.timestamp = summary.visible(run.started)
    for name, value in (
        ("kernel", f"{run.kernel.release} ({run.kernel.spec})"),
        ("vm", summary.how_it_ran(run)),
        ("command", run.command),
    ):
        suite.add_property(name, summary.visible(value))


def _own_suite(run: Run) -> TestSuite | None:
    cases = []
    if run.state is not RunState.COMPLETE:
        cases.append(_error("run is complete", summary.headline(run), run.reason))
    if stray := summary.stray(run):
        text = "\n\n".join(s.decoded or s.text for s in stray)
        cases.append(_error("kernel is quiet between tests", _splats(run.boot_splats), text))
    if run.state is RunState.COMPLETE and not any(t.outcome is Outcome.PASS for t in run.tests):
        cases.append(_error("some test passed", summary.headline(run), ""))
    if not cases:
        return None
    suite = TestSuite("ppiov")
    _describe(suite, run)
    suite.add_testcases(cases)
    return suite


def _error(name: str, message: str, text: str) -> TestCase:
    case = TestCase(name, classname="ppiov")
    error = Error(summary.one_line(message))
    error.text = summary.visible(text)
    case.result = [error]
    return case


def _case(test: TestResult) -> TestCase:
    file, name = summary.split_name(test)
    classname = file.removesuffix(".py").replace("/", ".")
    case = TestCase(summary.visible(name), classname=summary.visible(classname), time=test.seconds)
    kind = _KINDS.get(test.outcome)
    if kind is not None:
        why = test.reason or _splats(test.splats) or "; ".join(test.leaks) or summary.EXPLAIN[test.outcome]
        result = kind(summary.one_line(why), test.outcome.value)
        result.text = summary.visible("\n".join(_body(test)))
        case.result = [result]
    if test.figures:
        case.system_out = summary.visible("\n".join(f"{f.name}: {summary.figure_text(f)}" for f in test.figures))
    return case


def _nested(test: TestResult) -> list[TestCase]:
    """What the test reported in KTAP."""
    file, name = summary.split_name(test)
    classname = summary.visible(f"{file.removesuffix('.py').replace('/', '.')}.{name}")
    return [_nested_case(case, classname) for case in test.cases]


def _nested_case(nested: Case, classname: str) -> TestCase:
    case = TestCase(summary.visible(summary.case_name(nested)), classname=classname, time=nested.seconds or 0.0)
    kind = _KINDS.get(nested.outcome)
    if kind is not None:
        result = kind(summary.one_line(nested.reason or summary.EXPLAIN[nested.outcome]), nested.outcome.value)
        result.text = summary.visible(nested.detail)
        case.result = [result]
    return case


def _splats(splats: Sequence[Splat]) -> str:
    return "; ".join(splat.title for splat in summary.counting(splats))


def _body(test: TestResult) -> list[str]:
    parts = [f"{test.outcome.value}: {summary.EXPLAIN[test.outcome]}"]
    parts += [f"leak: {leak}" for leak in test.leaks]
    parts += [splat.decoded or splat.text for splat in summary.counting(test.splats)]
    return [*parts, test.detail] if test.detail else parts
