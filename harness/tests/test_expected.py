# SPDX-License-Identifier: GPL-2.0-only
"""The list of skips and failures that are expected of the kernel's own tests."""

from __future__ import annotations

from pathlib import Path

import pytest
from ppiov import expected
from ppiov.errors import BadRequest
from ppiov.expected import Entry, Expected
from ppiov.ktap import Parsed
from ppiov.results import Case, Outcome

TEST = "upstream/test_kernel.py::test_kernel[drivers/net/stats.py]"
FEC = Entry(Outcome.SKIP, "drivers/net/stats.py", "no bits", reason="FEC not supported", case="check_fec$")
SLOW = Entry(Outcome.FAIL, "drivers/net/.*", "the kernel's", case="slow", reason="took long", kernels=r"6\.12\.")


def outcomes(listed: Expected, *cases: Case) -> list[tuple[Outcome, str]]:
    return [(case.outcome, case.reason) for case in listed.apply(TEST, Parsed(cases)).cases]


def skip(name: str, reason: str) -> Case:
    return Case(("stats", name), Outcome.SKIP, reason)


def test_an_allowed_skip_stays_one_and_says_why() -> None:
    listed = Expected([FEC], "7.3.4")
    assert outcomes(listed, skip("check_fec", "FEC not supported")) == [(Outcome.SKIP, "FEC not supported: no bits")]
    assert listed.unmet() == []


@pytest.mark.parametrize(
    "case", [skip("check_fec", "no such device"), skip("check_fec_hist", "FEC not supported"), skip("check_fec", "")]
)
def test_a_new_skip_is_a_failure(case: Case) -> None:
    listed = Expected([FEC], "7.3.4")
    ((outcome, reason),) = outcomes(listed, case)
    assert outcome is Outcome.FAIL and "no entry of expected.toml" in reason and case.reason in reason
    assert listed.unmet() == [FEC]


def test_a_known_failure_is_expected_on_its_kernels_only() -> None:
    slow = Case(("stats", "slow"), Outcome.FAIL, "took long")
    assert outcomes(Expected([SLOW], "6.12.117"), slow) == [(Outcome.XFAIL, "took long: the kernel's")]
    assert outcomes(Expected([SLOW], "7.3.4"), slow) == [(Outcome.FAIL, "took long")]


def test_what_is_worse_than_a_failure_is_never_expected() -> None:
    crash = Case(("stats", "slow"), Outcome.CRASH, "oops")
    assert outcomes(Expected([SLOW], "6.12.117"), crash) == [(Outcome.CRASH, "oops")]


def test_a_program_that_skips_as_a_whole_is_judged_too() -> None:
    listed = Expected([FEC], "7.3.4")
    parsed = listed.apply(TEST, Parsed((), skipped="no root"))
    assert parsed.skipped is None and [case.outcome for case in parsed.cases] == [Outcome.FAIL]


def test_an_entry_about_what_has_not_run_is_not_missed() -> None:
    assert Expected([FEC], "7.3.4").unmet() == []
    broken = Expected([FEC], "7.3.4")
    broken.apply(TEST, Parsed((), complaint="it broke off"))
    assert broken.unmet() == []


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[[skip]]\nprogram = 'x'\nreason = 'r'\n", "without why"),
        ("[[skip]]\nprogram = 'x'\nwhy = 'y'\n", "without reason"),
        ("[[skip]]\nprogram = 'x'\nwhy = 'y'\nreason = '.*'\n", "matches any"),
        ("[[skip]]\nprogram = 'x'\nwhy = 'y'\nreasn = 'z'\n", "unknown reasn"),
        ("[[skips]]\n", "unknown skips"),
        ("[[skip\n", "list"),
    ],
)
def test_a_list_that_is_wrong_is_a_sentence(tmp_path: Path, text: str, says: str) -> None:
    path = tmp_path / "expected.toml"
    path.write_text(text)
    with pytest.raises(BadRequest, match=says):
        expected.load(path, "7.3.4")


def test_that_a_test_gives_no_reason_can_be_said(tmp_path: Path) -> None:
    path = tmp_path / "expected.toml"
    path.write_text("[[skip]]\nprogram = 'drivers/net/stats.py'\nwhy = 'y'\nreason = '^$'\n")
    listed = expected.load(path, "7.3.4")
    assert outcomes(listed, skip("check_fec", "")) == [(Outcome.SKIP, "y")]
    assert outcomes(listed, skip("check_fec", "for a reason"))[0][0] is Outcome.FAIL


def test_our_own_list_can_be_read() -> None:
    path = Path(__file__).parents[2] / "selftests/upstream/expected.toml"
    assert expected.load(path, "7.3.4").unmet() == []
