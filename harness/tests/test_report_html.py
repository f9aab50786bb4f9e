# SPDX-License-Identifier: GPL-2.0-only
"""The HTML report: one file that fetches nothing, escapes everything and is the same for the same run."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from html.parser import HTMLParser

import pytest
import sample
from hypothesis import given, settings
from ppiov import summary
from ppiov.report import html, pictures
from ppiov.results import Figure, Outcome, Run, RunState

VOID = {"meta", "br", "wbr", "img", "input", "hr", "link"}
OPTIONAL_END = {"th", "td", "tr", "p"}


class Page(HTMLParser):
    """Collects elements and attributes, and complains about what isn't balanced."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str, str]] = []
        self.titles: list[str] = []
        self.words: list[str] = []
        self._open: list[str] = []
        self.feed(text)
        self.close()
        assert not self._open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(tag, name, value or "") for name, value in attrs]
        if tag not in VOID | OPTIONAL_END:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(tag, name, value or "") for name, value in attrs]

    def handle_endtag(self, tag: str) -> None:
        if tag not in OPTIONAL_END:
            assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)


@pytest.fixture(scope="module")
def page() -> Page:
    return Page(html.render(sample.every_outcome()))


def test_it_fetches_nothing_and_runs_nothing(page: Page) -> None:
    assert not {"script", "link", "iframe", "img", "object", "embed", "base", "form"} & set(page.tags)
    for tag, name, value in page.attributes:
        if name in ("href", "src", "xlink:href", "action"):
            assert value.startswith("#"), (tag, value)
        assert not name.startswith("on")
    made = html.render(sample.every_outcome())
    assert "url(http" not in made
    assert "@import" not in made


def test_hostile_names_stay_text() -> None:
    made = html.render(sample.hostile())
    parsed = Page(made)
    assert "script" not in parsed.tags
    assert "img" not in parsed.tags
    assert "\x1b" not in made
    assert "\x00" not in made
    assert "alert('x')" in "".join(parsed.words)


@settings(max_examples=10)
@given(run=sample.runs)
def test_any_run_makes_a_balanced_page(run: Run) -> None:
    Page(html.render(run))


def test_same_run_same_bytes_even_in_another_process() -> None:
    code = (
        "import sys, hashlib; sys.path[:0] = sys.argv[1:]; import sample; from ppiov.report import html;"
        "print(hashlib.sha256(html.render(sample.every_outcome()).encode()).hexdigest())"
    )
    paths = [p for p in sys.path if p]
    out = {subprocess.run([sys.executable, "-c", code, *paths], capture_output=True, text=True, check=True).stdout
           for _ in range(2)}  # fmt: skip
    assert len(out) == 1
    assert html.render(sample.every_outcome()) == html.render(sample.every_outcome())


def test_every_outcome_is_explained_and_every_link_arrives(page: Page) -> None:
    titles = {value for tag, name, value in page.attributes if name == "title"}
    for outcome in Outcome:
        assert summary.EXPLAIN[outcome] in titles
    ids = [value for _, name, value in page.attributes if name == "id"]
    assert len(ids) == len(set(ids)) or all(not i.startswith("test-") for i in ids if ids.count(i) > 1)
    for _, name, value in page.attributes:
        if name == "href" and value.startswith("#test-"):
            assert value[1:] in ids


def test_splats_and_logs_are_there_but_folded(page: Page) -> None:
    words = "".join(page.words)
    assert "___pskb_trim+0x5e/0x2d0" in words
    folded = [(n, v) for t, n, v in page.attributes if t == "details"]
    assert ("class", "log") in folded


@pytest.mark.parametrize("state", [RunState.INTERRUPTED, RunState.ABORTED])
def test_an_unfinished_run_says_so_at_the_top(state: RunState) -> None:
    made = html.render(replace(sample.passing(), state=state, reason="Ctrl-C"))
    body = made[made.index("<body") :]
    assert body.index(state.value.upper()) < body.index("</header>")
    assert 'class="bad"' in body[:100]


def test_figures_of_two_meters_never_share_a_picture() -> None:
    run = sample.passing()
    figures = (Figure("cost", 80.0, "ns", "ns"), Figure("cost", 81.0, "ns", "insns"), Figure("cost", 5.0, "ns", ""))
    drawn = pictures.draw(replace(run, tests=(replace(run.tests[0], figures=figures),)))
    captions = [p.caption for p in drawn]
    assert captions[1:] == ["in ns, measured by ns", "in ns, measured by insns"]


def test_the_time_line_names_each_test_and_takes_its_colour_from_the_page() -> None:
    run = sample.every_outcome()
    svg = pictures.draw(run)[0].svg
    assert "traffic/test_tokens.py::test_sigkill[ipv6]: vm-died, 3.1 s</title>" in svg
    assert "var(--vm-died)" in svg
    assert "#05" not in svg
    assert "never came up</title>" in svg


def test_a_run_without_guests_or_tests_has_no_pictures() -> None:
    run = replace(sample.passing(), tests=(), boots=())
    assert pictures.draw(run) == ()
    Page(html.render(run))
