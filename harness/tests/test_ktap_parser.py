# SPDX-License-Identifier: GPL-2.0-only
"""Reading KTAP with the kernel's parser, and what is mended before it. Needs a kernel's source: see kernel_trees.py."""

from __future__ import annotations

import importlib
import sys
import unittest
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import kernel_trees
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from ppiov.errors import UnfitKernel
from ppiov.ktap import PARSER, Parsed, Parser, normalise
from ppiov.results import Case, Outcome

TREES = kernel_trees.with_parser()
pytestmark = pytest.mark.kernel_source


@pytest.fixture(scope="session", params=TREES or (None,), ids=lambda tree: tree.name if tree else "none")
def tree(request: pytest.FixtureRequest) -> Path:
    """Each source at hand; where there is none, one is fetched."""
    found: Path | None = request.param
    return found or kernel_trees.fetched()


@pytest.fixture(scope="session")
def parser(tree: Path) -> Parser:
    return Parser(tree)


def outcomes(parsed: Parsed) -> dict[str, str]:
    return {" > ".join(case.name): case.outcome.value for case in parsed.cases}


def reasons(parsed: Parsed) -> dict[str, str]:
    return {" > ".join(case.name): case.reason for case in parsed.cases if case.reason}


# The kernel's own expectations


KUNIT_TOOL = ("kunit", "kunit_config", "kunit_json", "kunit_junit", "kunit_kernel", "kunit_parser", "kunit_printer")
# It wants a plan that comes late and is wrong to leave two errors; ours is one complaint (see below).
NOT_OURS = {"test_parse_late_test_plan"}


@pytest.fixture
def kunit_tool_test(tree: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """kunit_tool_test.py of that kernel, whose parser gets everything through normalise()."""
    before = {name: sys.modules.pop(name, None) for name in (*KUNIT_TOOL, "kunit_tool_test", "qemu_config")}
    monkeypatch.syspath_prepend(str((tree / PARSER).parent))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    module = importlib.import_module("kunit_tool_test")
    kunit_parser = module.kunit_parser
    parse, isolate = kunit_parser.parse_run_tests, kunit_parser.extract_tap_lines

    def mended(lines: list[str], *printer: object) -> object:
        isolated = list(isolate(lines))
        return parse(normalise(isolated) if isolated else [], *printer)

    monkeypatch.setattr(kunit_parser, "parse_run_tests", mended)
    yield module
    for name, old in before.items():
        sys.modules.pop(name, None)
        if old is not None:
            sys.modules[name] = old


def test_what_is_normalised_meets_the_expectations_of_kunit_tool_test(kunit_tool_test: ModuleType) -> None:
    suite = unittest.defaultTestLoader.loadTestsFromTestCase(kunit_tool_test.KUnitParserTest)
    cases = [test for test in suite if isinstance(test, unittest.TestCase)]
    tests = [test for test in cases if test.id().rpartition(".")[2] not in NOT_OURS]
    result = unittest.TestResult()
    unittest.TestSuite(tests).run(result)
    assert result.testsRun == len(tests) > 15
    assert [(str(test), text) for test, text in [*result.errors, *result.failures]] == []


def test_its_data_have_the_verdicts_that_their_names_promise(parser: Parser, tree: Path) -> None:
    for file in sorted((tree / PARSER).parent.glob("test_data/*.log")):
        parsed = parser.parse(file.read_text())
        good = not parsed.complaint and parsed.cases and all(case.outcome.ok for case in parsed.cases)
        bad = ("failure", "no_tests", "panic", "insufficient", "missing_plan", "isolated")  # the last has no plan
        assert bool(good) != any(word in file.name for word in bad), file.name


# What the parser gets wrong by itself


def test_kselftests_nested_results_are_found(parser: Parser) -> None:
    parsed = parser.parse(
        """TAP version 13
1..2
# selftests: net: a.sh
# some words
# TAP version 13
# 1..3
# ok 1 first
# # a comment of second
# not ok 2 second # rcode=1
# ok 3 third # SKIP no such device
not ok 1 selftests: net: a.sh # exit=1
# selftests: net: b.sh
ok 2 selftests: net: b.sh
"""
    )
    assert parsed.complaint == ""
    assert outcomes(parsed) == {
        "selftests: net: a.sh > first": "pass",
        "selftests: net: a.sh > second": "fail",
        "selftests: net: a.sh > third": "skip",
        "selftests: net: b.sh": "pass",
    }
    assert reasons(parsed) == {
        "selftests: net: a.sh > second": "rcode=1",
        "selftests: net: a.sh > third": "no such device",
    }


def test_results_of_results_of_results(parser: Parser) -> None:
    parsed = parser.parse(
        "TAP version 13\n1..1\n# TAP version 13\n# 1..1\n# # TAP version 13\n# # 1..2\n# # ok 1 a\n# # not ok 2 b\n"
        "# not ok 1 inner\nnot ok 1 outer\n"
    )
    assert outcomes(parsed) == {"outer > inner > a": "pass", "outer > inner > b": "fail"}


def test_directives(parser: Parser) -> None:
    parsed = parser.parse(
        """KTAP version 1
1..9
ok 1 known # XFAIL a bug of the core
not ok 2 known_too # XFAIL
ok 3 mended # XPASS so it works
not ok 4 slow # TIMEOUT 45 seconds
not ok 5 broken # ERROR no memory
ok 6 # SKIP no such device
ok 7 # XFAIL kselftest.h puts the name here
not ok 8 skipped # SKIP not ok, and a skip
not ok 9 later # TODO
"""
    )
    assert parsed.complaint == ""
    assert outcomes(parsed) == {
        "known": "xfail",
        "known_too": "xfail",
        "mended": "fail",
        "slow": "fail",
        "broken": "fail",
        "no such device": "skip",
        "kselftest.h puts the name here": "xfail",
        "skipped": "skip",
        "later": "xfail",
    }
    assert reasons(parsed)["known"] == "a bug of the core"
    assert reasons(parsed)["mended"] == "passed, though it was expected to fail: so it works"
    assert reasons(parsed)["slow"] == "TIMEOUT 45 seconds"
    assert reasons(parsed)["no such device"] == "no such device"


def test_what_kselftests_python_library_says(parser: Parser) -> None:
    """The exception that ended a case, with what a command complained of, or the first check that failed."""
    parsed = parser.parse(
        """TAP version 13
1..3
# Exception| Traceback (most recent call last):
# Exception|   File "/lib/py/ksft.py", line 420, in ksft_run
# Exception|     func(*args)
# Exception| Exception: Waiting for port listen timed out
# Exception|
not ok 1 devmem.check_tx
# Exception| Traceback (most recent call last):
# Exception|   File "/lib/py/utils.py", line 9, in cmd
# Exception|     raise CmdExitFailure("Command failed", self)
# Exception| lib.py.utils.CmdExitFailure: Command failed
# Exception| CMD: modprobe netdevsim
# Exception|   EXIT: 1
# Exception|   STDERR: modprobe: FATAL: Module netdevsim not found
# Exception|
not ok 2 irq.check
# Check| At /stats.py, line 7, in check:
# Check|     ksft_eq(a, b)
# Check failed 1 != 2 of packets
# Check| At /stats.py, line 8, in check:
# Check failed 3 != 4
not ok 3 stats.check
"""
    )
    assert reasons(parsed) == {
        "devmem.check_tx": "Exception: Waiting for port listen timed out",
        "irq.check": "lib.py.utils.CmdExitFailure: Command failed CMD: modprobe netdevsim "
        "STDERR: modprobe: FATAL: Module netdevsim not found",
        "stats.check": "Check failed 1 != 2 of packets",
    }


def test_names_with_a_hash_or_none_at_all(parser: Parser) -> None:
    parsed = parser.parse("KTAP version 1\n1..3\nok 1 a#b\nnot ok 2 c #1 of 2\nok 3\n")
    assert list(outcomes(parsed).items()) == [("a#b", "pass"), ("c #1 of 2", "fail"), ("unnamed", "pass")]


def test_time_where_it_is_said(parser: Parser) -> None:
    parsed = parser.parse("TAP version 13\n1..2\nok 1 - mptcp # time=12ms\nok 2 quick\n")
    assert [case.seconds for case in parsed.cases] == [0.012, None]


def test_all_skipped_by_the_plan(parser: Parser) -> None:
    assert parser.parse("TAP version 13\n1..0 # SKIP no hardware\n").skipped == "no hardware"
    parsed = parser.parse("TAP version 13\n1..1\n# TAP version 13\n# 1..0 # SKIP no hardware\nok 1 t # SKIP\n")
    assert (outcomes(parsed), reasons(parsed)) == ({"t": "skip"}, {"t": "no hardware"})


def test_kselftests_way_to_give_up_in_the_middle(parser: Parser) -> None:
    parsed = parser.parse("TAP version 13\n1..5\nok 1 a\nok 1 # SKIP no more memory\n# Totals: pass:1\n")
    assert outcomes(parsed) == {"a": "pass", "no more memory": "skip"}
    assert parsed.complaint == ""


def test_a_plan_at_the_end(parser: Parser) -> None:
    assert parser.parse("TAP version 13\nok 1 a\nok 2 b\n1..2\n").complaint == ""
    assert "1..4 is not what came" in parser.parse("TAP version 13\nok 4 test4\n1..4\n").complaint


# Output that is not whole


SUITE = """KTAP version 1
1..1
    KTAP version 1
    # Subtest: carrier
    # module: ppiov_kunit
    1..3
    ok 1 first
        KTAP version 1
        # Subtest: second
        ok 1 iov
        # carrier_second: EXPECTATION FAILED at kernel/kunit/a.c:12
    Expected a == b, but
        not ok 2 page, readable
    not ok 2 second
    ok 3 third
# carrier: pass:2 fail:1 skip:0 total:3
not ok 1 carrier
"""


def test_parameters_keep_their_names(parser: Parser) -> None:
    parsed = parser.parse(SUITE)
    assert outcomes(parsed) == {
        "carrier > first": "pass",
        "carrier > second > iov": "pass",
        "carrier > second > page, readable": "fail",
        "carrier > third": "pass",
    }
    assert reasons(parsed) == {"carrier > second > page, readable": "kernel/kunit/a.c:12: Expected a == b, but"}


@pytest.mark.parametrize("lines", range(2, SUITE.count("\n")))
def test_a_cut_is_always_seen_and_names_the_suite(parser: Parser, lines: int) -> None:
    cut = "\n".join(SUITE.split("\n")[:lines])
    parsed = parser.parse(cut + "\n", planned=("first", "second", "third"))
    bad = [case for case in parsed.cases if case.outcome is Outcome.CRASH]
    assert parsed.complaint or bad
    whole = parser.parse(SUITE)
    assert {c for c in parsed.cases if c.outcome is Outcome.PASS} <= set(whole.cases)
    if lines >= 4:
        assert any(case.name[0] == "carrier" for case in bad)


def test_the_case_that_ran_is_blamed_and_the_rest_is_named(parser: Parser) -> None:
    cut = SUITE.partition("        KTAP version 1")[0]
    parsed = parser.parse(cut, planned=("first", "second", "third"))
    assert outcomes(parsed) == {
        "carrier > first": "pass",
        "carrier > second": "crash",
        "carrier > third": "not-run",
        "carrier": "crash",
    }


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "no KTAP"),
        ("[ 1.0] hello\n", "no KTAP"),
        ("KTAP version 1\n", "no plan"),
        ("KTAP version 1\n1..0\n", "no results"),
        ("KTAP version 1\n1..3\nok 1 a\n", "1 of 3 results came"),
        ("KTAP version 1\nok 1 a\n", "no plan"),
        ("KTAP version 1\n1..1\nok 1 a\nok 2 b\n", "1 more than its plan"),
        ("KTAP version 1\n1..2\nok 1 a\n1..1\nok 2 b\n", "1..1 is not what came"),
    ],
)
def test_what_is_wrong_with_the_whole(parser: Parser, text: str, complaint: str) -> None:
    assert complaint in parser.parse(text).complaint


def test_a_lost_line_is_seen_by_the_numbers(parser: Parser) -> None:
    parsed = parser.parse("KTAP version 1\n1..2\nok 1 a\nok 3 c\n")
    assert reasons(parsed) == {"c": "expected test number 2 but found 3"}


def test_a_source_without_a_parser(tmp_path: Path) -> None:
    with pytest.raises(UnfitKernel, match=r"kunit_parser\.py cannot be used"):
        Parser(tmp_path)


# Any tree, in both dialects


@dataclass(frozen=True)
class Tree:
    name: str
    outcome: Outcome = Outcome.PASS
    reason: str = ""
    below: tuple[Tree, ...] = ()

    @property
    def ok(self) -> bool:
        return all(child.ok for child in self.below) if self.below else self.outcome.ok

    def cases(self, above: tuple[str, ...] = ()) -> Iterator[Case]:
        path = (*above, self.name)
        for child in self.below:
            yield from child.cases(path)
        if not self.below:
            yield Case(path, self.outcome, self.reason)


_text = st.text(st.characters(codec="utf-8", exclude_categories=("C", "Z"), include_characters=" "), min_size=1)
_names = _text.map(str.strip).filter(
    lambda name: name and " # " not in f"{name} " and not f"{name} ".startswith(("#", "- ", ":- "))
)
_whys = _text.map(str.strip).filter(bool)
_leaves = st.one_of(
    st.builds(Tree, _names),
    st.builds(Tree, _names, st.just(Outcome.FAIL), st.just("not ok")),
    st.builds(Tree, _names, st.sampled_from([Outcome.SKIP, Outcome.XFAIL]), _whys),
)
_trees = st.recursive(
    _leaves,
    lambda below: st.builds(Tree, _names, below=st.lists(below, min_size=1, max_size=4).map(tuple)),
    max_leaves=12,
)
_documents = st.lists(_trees, min_size=1, max_size=4)


def result(number: int, tree: Tree) -> str:
    directive = f" # {tree.outcome.name} {tree.reason}" if tree.outcome in (Outcome.SKIP, Outcome.XFAIL) else ""
    return f"{'ok' if tree.ok else 'not ok'} {number} {tree.name}{directive}"


def kunit_dialect(trees: list[Tree], plan: bool = True) -> Iterator[str]:
    """Four blanks a level, and Subtest lines; parameters have no plan."""
    yield "KTAP version 1"
    for number, tree in enumerate(trees, 1):
        if number == 1 and plan:
            yield f"1..{len(trees)}"
        if tree.below:
            version, *rest = kunit_dialect(list(tree.below), plan=tree.name[0] < "m")
            yield from (f"    {line}" for line in (version, f"# Subtest: {tree.name}", *rest))
        yield result(number, tree)


def kselftest_dialect(trees: list[Tree]) -> Iterator[str]:
    """The runner's: "# " before all that is nested, and a comment before it that names it."""
    yield "TAP version 13"
    yield f"1..{len(trees)}"
    for number, tree in enumerate(trees, 1):
        if tree.below:
            yield from (f"# {line}" for line in (f"selftests: {tree.name}", *kselftest_dialect(list(tree.below))))
        yield result(number, tree)


@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(trees=_documents, kselftest=st.booleans())
def test_round_trip(parser: Parser, trees: list[Tree], kselftest: bool) -> None:
    dialect = kselftest_dialect if kselftest else kunit_dialect
    parsed = parser.parse("\n".join(dialect(trees)) + "\n")
    assert [Case(c.name, c.outcome, c.reason) for c in parsed.cases] == [c for t in trees for c in t.cases()]
    assert parsed.complaint == ""


@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(trees=_documents, kselftest=st.booleans(), data=st.data())
def test_no_part_of_a_document_is_taken_for_the_whole(
    parser: Parser, trees: list[Tree], kselftest: bool, data: st.DataObject
) -> None:
    lines = list((kselftest_dialect if kselftest else kunit_dialect)(trees))
    cut = data.draw(st.integers(1, len(lines) - 1))
    parsed = parser.parse("\n".join(lines[:cut]) + "\n")
    assert parsed.complaint or any(case.outcome in (Outcome.CRASH, Outcome.FAIL) for case in parsed.cases)


@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(lines=st.lists(st.sampled_from([
    "KTAP version 1", "  KTAP version 1", "# TAP version 13", "# # TAP version 13", "  # Subtest: a", "# Subtest: b",
    "1..2", "  1..2", "# 1..2", "1..0 # SKIP x", "ok 1 a", "  ok 1 a", "# ok 1 a", "# # not ok 2 b", "not ok 2 b # x",
    "  ok 2 # SKIP", "ok 1 # XFAIL", "[ 1.0] noise", "", "# noise",
]), max_size=30))  # fmt: skip
def test_nothing_makes_it_stumble(parser: Parser, lines: list[str]) -> None:
    parser.parse("\n".join(["KTAP version 1", *lines]))
