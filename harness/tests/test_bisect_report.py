# SPDX-License-Identifier: GPL-2.0-only
"""The reports of a bisection: fit for an e-mail, one file for a browser, hostile subjects harmless."""

from __future__ import annotations

import io
from html.parser import HTMLParser
from pathlib import Path

import pytest
from ppiov import events
from ppiov.bisect import folder as folders
from ppiov.bisect import report
from ppiov.bisect.decide import Found
from ppiov.bisect.history import History, Revision
from ppiov.bisect.model import Change, Diff, Hole, Relation, Why
from ppiov.bisect.oracle import GUEST, Oracle, Reading
from ppiov.bisect.request import BisectRequest
from ppiov.bisect.story import Line, State, Story, fixes
from ppiov.errors import BadRequest
from ppiov.render import Renderer, plain, terminal
from ppiov.report import many
from sample import ENVIRONMENT, passing

HOSTILE = '</pre><script>alert(1)</script>\x1b[31m" & ünïcode ' + "long" * 40


def story(folder: Path, *, subject: str = "page_pool: count twice", changes: tuple[Change, ...] | None = None) -> Story:
    points = tuple(
        Revision(
            f"{n:x}" * 40, subject if n == 4 else f"net: step {n}", "A U Thor <a@example.org>", "2026-01-02", f"t{n}"
        )
        for n in range(9)
    )
    history = History(points, same=3)
    worse = Diff(Relation.WORSE, 2.0, 1.98, 2.02)
    found = Found(
        Diff(Relation.WORSE, 3.0, 2.9, 3.1),
        "each commit measured once: two measurements of either end differ by 0.01 at most",
        (Change(4, 4, worse),) if changes is None else changes,
        {6: Hole(Why.PANIC, "Kernel panic - not syncing: on purpose")},
        exact=True,
        effect=0.5,
    )
    readings = {points[n].id: [Reading(25.0 + 2 * (n >= 4) + (n >= 8), "insns/op", "insns")] for n in (0, 3, 4, 8)}
    readings[points[6].id] = [Reading(hole=found.holes[6])]
    request = BisectRequest("v1", "HEAD", Oracle(GUEST, figure="cost", script=Path("/x/cost.sh")), module=Path("m"))
    line = Line(history, None, readings, found)
    made = Story(request, history, folder, "2026-01-02T03:04:05Z", ENVIRONMENT, "deb:6.12.117", state=State.COMPLETE)
    made.lines = [line]
    made.functions = ["m: work (3 instructions, 9 bytes -> 4 instructions, 10 bytes)\n@@ -1,2 +1,3 @@\n   nop\n+  nop"]
    return made


class _Page(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.text: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        assert not any(name in ("src", "href") and value and not value.startswith("#") for name, value in attrs)

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def test_the_text_has_all_that_a_list_wants_to_know(tmp_path: Path) -> None:
    text = report.text(story(tmp_path))
    assert text.splitlines()[0] == "FOUND: 444444444444 page_pool: count twice"
    for part in (
        "+2 insns/op (+8%), +1.98 to +2.02",
        "A U Thor <a@example.org>, 2026-01-02",
        'Fixes: 444444444444 ("page_pool: count twice")',
        "the ends differ by +3 insns/op: --all finds what made the rest",
        "panics: Kernel panic - not syncing: on purpose",
        "no cache misses, no",
        "  +  nop",
        "--in-guest",
    ):
        assert part in text, part


@pytest.mark.parametrize("subject", ["page_pool: count twice", HOSTILE])
def test_the_text_fits_into_an_email(tmp_path: Path, subject: str) -> None:
    text = report.text(story(tmp_path, subject=subject))
    assert text.isascii() and "\x1b" not in text
    assert all(len(line) <= 72 for line in text.splitlines() if "Fixes: " not in line)


@pytest.mark.parametrize("subject", ["page_pool: count twice", HOSTILE])
def test_the_page_is_one_harmless_file(tmp_path: Path, subject: str) -> None:
    made = story(tmp_path, subject=subject)
    made.functions.append(f"m: {subject}\n{subject}")
    html = report.page(made)
    page = _Page()
    page.feed(html)
    assert "script" not in page.tags and "svg" in page.tags and "\x1b" not in html
    assert "://" not in html.replace("http://www.w3.org/", "")
    text = "".join(page.text)
    assert "FOUND" in text and "on purpose" in text and "net: step 8" in text


def test_the_same_story_gives_the_same_bytes(tmp_path: Path) -> None:
    assert report.page(story(tmp_path)) == report.page(story(tmp_path))
    assert report.text(story(tmp_path)) == report.text(story(tmp_path))


def test_it_comes_back_from_the_disk_as_it_was(tmp_path: Path) -> None:
    made = story(tmp_path)
    folders.save(made)
    assert folders.load(tmp_path) == made


def test_a_section_among_the_reports_of_runs(tmp_path: Path) -> None:
    """`ppiov report RUN bisect-latest`: a line on top, and the bisection's own report below."""
    made = story(tmp_path)
    folders.save(made)
    (loaded,) = many.load(tmp_path)
    assert many.render([loaded], "text") == report.text(made).encode()
    assert many.render([loaded], "html") == report.page(made).encode()
    both = many.render([passing(), loaded], "text").decode()
    assert "FOUND: 444444444444 page_pool: count twice [bisect v1..HEAD]" in " ".join(both.split())
    assert both.endswith(report.text(made)) and both.isascii()
    made.state = State.INTERRUPTED
    assert many.render([passing(), made], "text").startswith(b"INTERRUPTED: "), "what is not complete comes first"
    for form in ("junit", "ktap", "kcidb", "markdown"):
        with pytest.raises(BadRequest, match=f"a bisection has no --format {form}, but text and html"):
            many.render([passing(), loaded], form)


def test_candidates_and_an_unfinished_story(tmp_path: Path) -> None:
    several = Change(5, 7, Diff(Relation.WORSE, 2.0, 2.0, 2.0))
    made = story(tmp_path, changes=(several,))
    assert report.headline(made) == "NARROWED DOWN: not to one commit"
    assert report.text(made).count("net: step 5") == 2, "among the candidates, and in the table, not measured"
    spread = Change(5, 7, several.diff, spread=True)
    assert "none of them alone makes a difference that counts" in story(tmp_path, changes=(spread,)).verdict[0]
    made.state = State.INTERRUPTED
    assert report.text(made).startswith("INTERRUPTED: ")


def test_a_tag_is_what_checkpatch_wants() -> None:
    point = Revision("0123456789abcdef" * 2 + "01234567", 'net: say "no"', content="x")
    assert fixes(point) == 'Fixes: 0123456789ab ("net: say "no"")'


def test_steps_and_the_end_are_shown(tmp_path: Path) -> None:
    told: list[events.Event] = [
        events.BisectStep("444444444444", HOSTILE, "27 insns/op (insns)", known=True),
        events.BisectStep("666666666666", "x", "panics", untestable=True),
        events.BisectFinished(story(tmp_path).verdict, True, tmp_path, (tmp_path / "report.html",)),
    ]
    out = io.StringIO()
    renderers: list[Renderer] = [plain.PlainRenderer(out), terminal.TerminalRenderer(out, width=200)]
    for renderer in renderers:
        out.truncate(0)
        with renderer:
            for event in told:
                renderer.show(event)
        text = out.getvalue()
        assert "27 insns/op (insns), known" in text and "666666666666 x: panics" in text and "report.html" in text
        assert "\x1b[31m" not in text
