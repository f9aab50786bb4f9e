# SPDX-License-Identifier: GPL-2.0-only
"""Renderers: plain lines where there is no terminal, a display that fits where there is one, and nothing made up."""

from __future__ import annotations

import io
import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import sample
from ppiov import events
from ppiov.events import Event
from ppiov.render import Renderer, choose
from ppiov.render.plain import PlainRenderer
from ppiov.render.terminal import TerminalRenderer
from ppiov.results import Outcome, Run

ESCAPE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


class Tty(io.StringIO):
    def isatty(self) -> bool:
        return True


def story(run: Run) -> Iterator[Event]:
    """Every kind of event, in the order of a run."""
    yield events.Waiting("kernel 6.12 is in use by process 4711")
    yield events.StageBegun("fetch", "fetch linux-image-6.12.117+deb12-amd64", 107e6, "B")
    yield events.StageProgress("fetch", 53.5e6)
    yield events.StageEnded("fetch", note="107 MB")
    yield events.StageBegun("build", "build ppnic")
    yield events.StageEnded("build", ok=False, note="see build.log")
    yield events.Note("KVM does not work here, TCG was taken", "warning")
    yield events.Note("a boot was retried")
    yield events.Probe("qemu", Outcome.PASS, "7.2.22")
    yield events.Probe("kvm", Outcome.FAIL, "the guest did not boot", "check nested virtualisation")
    total = len(run.tests)
    for index, test in enumerate(run.tests, 1):
        if test.outcome is not Outcome.NOT_RUN:
            yield events.TestBegun(test.name, index, total)
        yield events.TestEnded(test, index, total)
        if test.outcome is Outcome.CRASH:
            yield events.GuestDied("kernel panic", test.name, total - index)
    yield events.RunFinished(run, Path("results/x"), (Path("results/x/report.html"),))


def shown(renderer: Renderer, run: Run) -> None:
    with renderer:
        for event in story(run):
            renderer.show(event)


def test_plain_says_everything_on_lines_of_its_own() -> None:
    out = io.StringIO()
    shown(PlainRenderer(out, clock=iter(range(0, 10_000, 20)).__next__), sample.every_outcome())
    text = out.getvalue()
    assert "\x1b" not in text
    assert "\r" not in text
    for line in (
        "waiting: kernel 6.12 is in use by process 4711",
        "fetch linux-image-6.12.117+deb12-amd64 ...",
        "fetch linux-image-6.12.117+deb12-amd64: 53.5 of 107 MB (50%)",
        "fetch linux-image-6.12.117+deb12-amd64: done (107 MB)",
        "build ppnic: FAILED (see build.log)",
        "warning: KVM does not work here, TCG was taken",
        "note: a boot was retried",
        "pass  qemu: 7.2.22",
        "      cure: check nested virtualisation",
        "[ 1/76] pass    traffic/test_bind.py::test_bind[ipv4]  0.4 s",
        "[76/76] not-run nic/test_ethtool.py::test_rss_context[ipv6]",
        "    no sign of life for 60 s",
        "    leak: 1 dma-buf (4194304 bytes) is alive",
        "guest died in traffic/test_stream.py::test_plain_recv[ipv6]: kernel panic",
        "FAILED: 5 of 76 tests, 1 skipped, 1 not run",
        "  results/x/report.html",
    ):
        assert line in text.splitlines(), line


def test_plain_does_not_flood_a_log_with_progress() -> None:
    out = io.StringIO()
    renderer = PlainRenderer(out, clock=iter([i * 0.1 for i in range(2000)]).__next__)
    renderer.show(events.StageBegun("f", "fetch", 1000, "B"))
    for done in range(1000):
        renderer.show(events.StageProgress("f", done))
    lines = out.getvalue().splitlines()
    assert len(lines) == 1 + 6  # 100 s, one line every 15 s


def test_plain_makes_control_characters_visible() -> None:
    out = io.StringIO()
    shown(PlainRenderer(out), sample.hostile())
    assert "\x1b" not in out.getvalue()
    assert "\\x1b[31m" in out.getvalue()


@pytest.mark.parametrize("width", [20, 40, 59, 60, 80, 200])
def test_terminal_fits_and_gives_the_cursor_back(width: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    out = Tty()
    shown(TerminalRenderer(out, width=width), sample.every_outcome())
    text = out.getvalue()
    assert text.rindex("\x1b[?25h") > text.rindex("\x1b[?25l"), "the cursor was hidden and is back"
    lines = ESCAPE.sub("", text).replace("\r", "\n").splitlines()
    assert max(len(line) for line in lines) <= width
    flat = re.sub(r"\s+", "", ESCAPE.sub("", text))
    assert "FAILED:5of76tests,1skipped,1notrun" in flat
    assert "leak:1dma-buf(4194304bytes)isalive" in flat


def test_terminal_gives_the_cursor_back_after_an_exception(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    out = Tty()
    with pytest.raises(KeyboardInterrupt), TerminalRenderer(out, width=80) as renderer:
        renderer.show(events.StageBegun("b", "boot"))
        raise KeyboardInterrupt
    assert out.getvalue().rindex("\x1b[?25h") > out.getvalue().rindex("\x1b[?25l")


def test_terminal_takes_nothing_for_markup(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    out = Tty()
    with TerminalRenderer(out, width=120) as renderer:
        renderer.show(events.Note("[bold]test_x[ipv4][/nonsense] :smile: \x1b[31m"))
        renderer.show(events.StageBegun("s", "stage [/red]"))
        renderer.show(events.StageEnded("s"))
    text = ESCAPE.sub("", out.getvalue())
    assert "[bold]test_x[ipv4][/nonsense] :smile: \\x1b[31m" in text
    assert "stage [/red]" in text


def test_no_color_keeps_the_bars_and_drops_the_colours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("NO_COLOR", "1")
    out = Tty()
    shown(TerminalRenderer(out, width=80), sample.every_outcome())
    colours = [c for c in re.findall(r"\x1b\[([0-9;]*)m", out.getvalue()) if re.search(r"\b(3|4|9|10)\d\b", c)]
    assert not colours


@pytest.mark.parametrize(
    ("stream", "environ", "kind"),
    [
        (Tty(), {"TERM": "xterm"}, TerminalRenderer),
        (Tty(), {"TERM": "dumb"}, PlainRenderer),
        (Tty(), {"TERM": ""}, PlainRenderer),
        (Tty(), {}, PlainRenderer),
        (Tty(), {"TERM": "xterm", "CI": "true"}, PlainRenderer),
        (io.StringIO(), {"TERM": "xterm"}, PlainRenderer),
    ],
)
def test_choice(stream: io.StringIO, environ: dict[str, str], kind: type) -> None:
    assert type(choose(stream, environ)) is kind


def test_the_terminal_is_left_alone_while_nothing_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    out = Tty()
    with TerminalRenderer(out, width=80) as renderer:
        renderer.show(events.StageBegun("s", "boot"))
        renderer.show(events.StageEnded("s"))
        assert out.getvalue().rindex("\x1b[?25h") > out.getvalue().rindex("\x1b[?25l")
        before = out.getvalue()
        time.sleep(0.3)  # three times what rich's display waits between two drawings
        assert out.getvalue() == before
        renderer.show(events.StageBegun("t", "again"))
        renderer.show(events.StageEnded("t"))
    assert "again" in out.getvalue()


def test_stages_that_end_without_having_begun_are_shown_anyway() -> None:
    for renderer, out in ((PlainRenderer(a := io.StringIO()), a), (TerminalRenderer(b := Tty(), width=80), b)):
        with renderer:
            renderer.show(events.StageProgress("x", 1))
            renderer.show(events.StageEnded("x", note="already there"))
        assert "already there" in out.getvalue()
