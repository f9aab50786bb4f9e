# SPDX-License-Identifier: GPL-2.0-only
"""KTAP: read back by a parser of our own, written from Documentation/dev-tools/ktap.rst."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace

import pytest
import sample
from hypothesis import example, given, settings
from ppiov.report import ktap
from ppiov.results import Outcome, Run, RunState

RESULT = re.compile(r"(ok|not ok) (\d+) ([^#]+?)(?: # (SKIP|XFAIL) (.*))?$")


@dataclass
class Node:
    """A result line with what stood before it."""

    name: str
    ok: bool
    directive: tuple[str, str] | None
    notes: list[str] = field(default_factory=list)
    children: list[Node] = field(default_factory=list)

    def leaves(self) -> list[Node]:
        return [leaf for c in self.children for leaf in c.leaves()] if self.children else [self]


def parse(text: str) -> tuple[list[str], list[Node]]:
    """Header comments, and the top level's results. Every deviation from the format is an assertion."""
    lines = text.split("\n")
    assert lines.pop() == ""
    assert lines.pop(0) == "KTAP version 1"
    head = []
    while lines[0].startswith("# "):
        head.append(lines.pop(0)[2:])
    nodes = level(lines, "")
    assert not lines
    return head, nodes


def level(lines: list[str], indent: str) -> list[Node]:
    plan = re.fullmatch(rf"{indent}1\.\.(\d+)", lines.pop(0))
    assert plan
    nodes: list[Node] = []
    children: list[Node] = []
    subtest, notes = "", []
    while lines and lines[0].startswith(indent):
        line = lines[0][len(indent) :]
        if line.startswith("  "):
            assert lines.pop(0) == f"{indent}  KTAP version 1"
            header = lines.pop(0)
            assert header.startswith(f"{indent}  # Subtest: ")
            subtest = header.removeprefix(f"{indent}  # Subtest: ")
            children = level(lines, indent + "  ")
        elif line.startswith("#"):
            notes.append(lines.pop(0)[len(indent) + 1 :].removeprefix(" "))
        elif found := RESULT.fullmatch(line):
            lines.pop(0)
            directive = (found[4], found[5]) if found[4] else None
            node = Node(found[3], found[1] == "ok", directive, notes, children)
            assert int(found[2]) == len(nodes) + 1
            assert not children or subtest == node.name
            assert all(c.ok for c in children) or not node.ok
            nodes.append(node)
            subtest, notes, children = "", [], []
        else:
            break
    assert len(nodes) == int(plan[1])
    assert not notes
    return nodes


def test_suite_file_test() -> None:
    run = sample.every_outcome()
    head, nodes = parse(ktap.render(run))
    assert head[0].startswith("FAILED: 5 of 76 tests")
    assert [n.name for n in nodes] == ["traffic", "nic"]
    found = {f"{file.name}::{leaf.name}": leaf for n in nodes for file in n.children for leaf in file.children}
    assert set(found) == {t.name for t in run.tests}
    for test in run.tests:
        leaf = found[test.name]
        assert leaf.ok == test.outcome.ok
        assert leaf.directive == (("SKIP", test.reason) if test.outcome is Outcome.SKIP else None)
        if not test.outcome.ok:
            assert f"{test.outcome.value}: {test.reason}" in leaf.notes
            assert all(line.rstrip() in leaf.notes for splat in test.splats for line in splat.text.splitlines())
            assert all(f"leak: {leak}" in leaf.notes for leak in test.leaks)


def test_cases_are_nested_below_their_test() -> None:
    run = sample.with_cases()
    _, nodes = parse(ktap.render(run))
    (test,) = nodes[1].children[0].children
    assert [(leaf.name, leaf.ok, leaf.directive) for leaf in test.leaves()] == [
        ("attach_makes_one_child", True, None),
        ("iov", True, None),
        ("page, readable", False, None),
        ("needs_hardware", True, ("SKIP", "no such device")),
        ("known_bug", True, ("XFAIL", "until the core is mended")),
    ]
    assert [child.name for child in test.children[0].children] == [
        "attach_makes_one_child",
        "attach_as_many",
        "needs_hardware",
        "known_bug",
    ]


@pytest.mark.parametrize("state", [RunState.INTERRUPTED, RunState.ABORTED])
def test_an_unfinished_run_is_not_ok_and_says_so_first(state: RunState) -> None:
    head, nodes = parse(ktap.render(replace(sample.passing(), state=state, reason="Ctrl-C")))
    assert head[0].startswith(state.value.upper())
    assert (nodes[0].name, nodes[0].ok) == ("ppiov", False)


def test_console_text_cannot_forge_results() -> None:
    run = sample.passing()
    detail = "ok 1 forged\nKTAP version 1\n# Subtest: forged\n    ok 1 x\nSubtest: forged\n1..9"
    run = replace(run, tests=(replace(run.tests[0], outcome=Outcome.FAIL, detail=detail),))
    _, nodes = parse(ktap.render(run))
    leaves = [leaf for n in nodes for leaf in n.leaves()]
    assert [leaf.name for leaf in leaves] == ["some test passed", "test_bind[ipv4]"]
    assert "| Subtest: forged" in leaves[1].notes


@settings(max_examples=40)
@given(run=sample.runs)
@example(run=sample.hostile())
def test_any_run_parses_and_is_ok_only_if_passed(run: Run) -> None:
    _, nodes = parse(ktap.render(run))
    assert all(n.ok for n in nodes) == run.passed
