# SPDX-License-Identifier: GPL-2.0-only
"""KTAP (Documentation/dev-tools/ktap.rst): suite > file > test > its cases, two blanks of indentation per level.

KTAP has no word for a crash or a hang: they are "not ok" with the outcome and its reason in diagnostic lines before it.
A test that never ran is "not ok" too, since "# SKIP" would count as success. What concerns no single test (an
interrupted run, a splat while no test ran) is a test of a suite named "ppiov", first.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from ppiov import summary
from ppiov.results import Case, Outcome, Run, RunState, Splat, TestResult

_INDENT = "  "


@dataclass(frozen=True, slots=True)
class _Node:
    """A test, or a subtest with children."""

    name: str
    ok: bool
    directive: str = ""  # "SKIP no such device"
    notes: tuple[str, ...] = ()  # diagnostic lines
    children: tuple[_Node, ...] = ()


def render(run: Run) -> str:
    """The whole document, ending in a newline."""
    suites: dict[str, list[_Node]] = {}
    for group in summary.groups(run):
        tests = tuple(_test(t) for t in group.tests)
        suites.setdefault(group.suite, []).append(_Node(group.file, group.ok, children=tests))
    nodes = [_Node(name, all(f.ok for f in files), children=tuple(files)) for name, files in suites.items()]
    own = tuple(_own(run))
    if own:
        nodes.insert(0, _Node("ppiov", ok=False, children=own))
    head = [
        summary.headline(run),
        f"kernel: {run.kernel.release} ({run.kernel.spec})",
        f"ran on: {summary.how_it_ran(run)}",
        f"reproduce: {run.command}",
    ]
    lines = ["KTAP version 1", *(f"# {summary.one_line(h)}" for h in head), *_body(tuple(nodes), "")]
    return "\n".join(lines) + "\n"


def _own(run: Run) -> Iterator[_Node]:
    if run.state is not RunState.COMPLETE:
        yield _Node("run is complete", ok=False, notes=(summary.headline(run),))
    if summary.stray(run):
        yield _Node("kernel is quiet between tests", ok=False, notes=tuple(_splats(run.boot_splats)))
    if run.state is RunState.COMPLETE and not any(t.outcome is Outcome.PASS for t in run.tests):
        yield _Node("some test passed", ok=False, notes=(summary.headline(run),))


def _test(test: TestResult) -> _Node:
    notes = [f"{f.name}: {summary.figure_text(f)}" for f in test.figures]
    if not test.outcome.ok:
        notes.append(f"{test.outcome.value}: {test.reason or summary.EXPLAIN[test.outcome]}")
        notes += [f"leak: {leak}" for leak in test.leaks]
        notes += _splats(test.splats)
        notes += [test.detail] if test.detail else []
    children = _cases([(case.name, case) for case in test.cases])
    return _Node(
        summary.split_name(test)[1], test.outcome.ok, _directive(test.outcome, test.reason), tuple(notes), children
    )


def _directive(outcome: Outcome, reason: str) -> str:
    """What KTAP has a word for beside ok and not ok."""
    if outcome not in (Outcome.SKIP, Outcome.XFAIL):
        return ""
    return f"{outcome.name} {summary.one_line(reason) or 'no reason was given'}"


def _cases(cases: list[tuple[tuple[str, ...], Case]]) -> tuple[_Node, ...]:
    """Cases as a tree: neighbours whose names begin alike have one parent. Given is what is left of each name."""
    nodes = []
    for name, group in groupby(cases, key=lambda pair: pair[0][:1]):
        members = list(group)
        below = [(rest[1:], case) for rest, case in members if len(rest) > 1]
        own = [case for rest, case in members if len(rest) <= 1]
        if below:
            notes = tuple(note for case in own for note in _case_notes(case))
            ok = all(case.outcome.ok for _, case in members)
            nodes.append(_Node(name[0], ok, notes=notes, children=_cases(below)))
        else:
            nodes += [
                _Node(
                    " > ".join(name) or "unnamed",
                    case.outcome.ok,
                    _directive(case.outcome, case.reason),
                    tuple(_case_notes(case)),
                )
                for case in own
            ]
    return tuple(nodes)


def _case_notes(case: Case) -> Iterator[str]:
    if not case.outcome.ok:
        yield f"{case.outcome.value}: {case.reason or summary.EXPLAIN[case.outcome]}"
        if case.detail:
            yield case.detail


def _splats(splats: Sequence[Splat]) -> Iterator[str]:
    for splat in summary.counting(splats):
        yield f"{splat.kind}: {splat.title}"
        yield splat.decoded or splat.text


def _body(nodes: tuple[_Node, ...], indent: str) -> Iterator[str]:
    yield f"{indent}1..{len(nodes)}"
    for n, node in enumerate(nodes, 1):
        name = plain_name(node.name)
        if node.children:
            inner = indent + _INDENT
            yield f"{inner}KTAP version 1"
            yield f"{inner}# Subtest: {name}"
            yield from _body(node.children, inner)
        for line in (line for note in node.notes for line in _diagnostic(note)):
            yield f"{indent}# {line}".rstrip()
        directive = f" # {summary.one_line(node.directive)}" if node.directive else ""
        yield f"{indent}{'ok' if node.ok else 'not ok'} {n} {name}{directive}"


def _diagnostic(note: str) -> Iterator[str]:
    """A note's lines; one that a parser would take for the header of a subtest is quoted."""
    for line in summary.visible(note).split("\n"):
        yield f"| {line}" if line.lstrip().startswith("Subtest:") else line


def plain_name(name: str) -> str:
    """A name on one line without "#", which would begin a directive."""
    return summary.one_line(name).replace("#", "\\x23") or "unnamed"
