# SPDX-License-Identifier: GPL-2.0-only
"""KTAP (Documentation/dev-tools/ktap.rst): suite > file > test, two blanks of indentation per level.

KTAP has no word for a crash or a hang: they are "not ok" with the outcome and its reason in diagnostic lines before it.
A test that never ran is "not ok" too, since "# SKIP" would count as success. What concerns no single test (an
interrupted run, a splat while no test ran) is a test of a suite named "ppiov", first.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from ppiov import summary
from ppiov.results import Outcome, Run, RunState, Splat, TestResult

_INDENT = "  "


@dataclass(frozen=True, slots=True)
class _Node:
    """A test, or a subtest with children."""

    name: str
    ok: bool
    skip: str | None = None  # reason
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
    if run.boot_splats:
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
    skip = (test.reason or "no reason was given") if test.outcome is Outcome.SKIP else None
    return _Node(summary.split_name(test)[1], test.outcome.ok, skip, tuple(notes))


def _splats(splats: tuple[Splat, ...]) -> Iterator[str]:
    for splat in splats:
        yield f"{splat.kind}: {splat.title}"
        yield splat.text


def _body(nodes: tuple[_Node, ...], indent: str) -> Iterator[str]:
    yield f"{indent}1..{len(nodes)}"
    for n, node in enumerate(nodes, 1):
        name = _name(node.name)
        if node.children:
            inner = indent + _INDENT
            yield f"{inner}KTAP version 1"
            yield f"{inner}# Subtest: {name}"
            yield from _body(node.children, inner)
        for line in (line for note in node.notes for line in _diagnostic(note)):
            yield f"{indent}# {line}".rstrip()
        directive = "" if node.skip is None else f" # SKIP {summary.one_line(node.skip)}"
        yield f"{indent}{'ok' if node.ok else 'not ok'} {n} {name}{directive}"


def _diagnostic(note: str) -> Iterator[str]:
    """A note's lines; one that a parser would take for the header of a subtest is quoted."""
    for line in summary.visible(note).split("\n"):
        yield f"| {line}" if line.lstrip().startswith("Subtest:") else line


def _name(name: str) -> str:
    """A name on one line without "#", which would begin a directive."""
    return summary.one_line(name).replace("#", "\\x23") or "unnamed"
