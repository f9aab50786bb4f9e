# SPDX-License-Identifier: GPL-2.0-only
"""The list of complaints that are understood: what is in it, for which kernel, and what is wrong with it."""

from __future__ import annotations

from pathlib import Path

import pytest
from ppiov import complaints
from ppiov.complaints import Complaint
from ppiov.errors import BadRequest

SOURCE = Path(__file__).parents[2]
GOOD = """
[[complaint]]
kind = "warn"
shows = ["f", "g"]
kernels = "7\\\\.3"
report = "docs/bugs/x.md"
"""


def write(folder: Path, text: str) -> Path:
    path = folder / complaints.FILE
    path.parent.mkdir()
    path.write_text(text)
    return folder


def test_each_entry_has_its_report_which_shows_what_it_does() -> None:
    known = complaints.load(SOURCE, "7.3.4-lab")
    assert known
    for one in known:
        report = (SOURCE / one.report).read_text()
        assert all(word in report for word in one.shows)


def test_those_of_a_kernel(tmp_path: Path) -> None:
    source = write(tmp_path, GOOD)
    assert complaints.load(source, "7.3.4-lab") == (Complaint("warn", ("f", "g"), "7\\.3", "docs/bugs/x.md"),)
    assert complaints.load(source, "6.12.117") == ()
    assert complaints.load(tmp_path / "elsewhere", "7.3.4") == ()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[[complaint", "Expected"),
        ("[[splat]]", "unknown splat"),
        (GOOD.replace('kind = "warn"\n', ""), "a .* has kernels, kind"),
        (GOOD + 'why = "x"\n', "a .* has kernels, kind"),
        (GOOD.replace('["f", "g"]', "[]"), "shows something"),
        (GOOD.replace('"warn"', '"warning"'), "no kind warning; there are .*warn"),
    ],
)
def test_what_is_wrong_is_said(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(BadRequest, match=words):
        complaints.load(write(tmp_path, text), "7.3.4")
