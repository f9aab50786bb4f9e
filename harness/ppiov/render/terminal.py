# SPDX-License-Identifier: GPL-2.0-only
"""For people at a terminal: finished things scroll by, what is going on stays at the bottom with a bar each."""

from __future__ import annotations

from typing import Final, Self, TextIO

from rich import box
from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    ProgressColumn,
    SpinnerColumn,
    Task,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
)
from rich.table import Table
from rich.text import Text

from ppiov import events, summary
from ppiov.events import Event
from ppiov.render import words
from ppiov.results import Outcome

STYLES: Final[dict[str, str]] = {
    "pass": "green",
    "skip": "bright_black",
    "xfail": "bright_black",
    "flaky": "bold yellow",
    "fail": "bold red",
    "splat": "bold yellow",
    "crash": "bold magenta",
    "hang": "bold magenta",
    "vm-died": "bold magenta",
    "not-run": "bright_black",
    "FAIL": "bold red",
    "not run": "bright_black",
}
MARKS: Final[dict[str, str]] = {"": "", "good": "green", "bad": "bold red", "odd": "yellow"}
_TESTS: Final = "\0tests"  # the key of our own bar; no stage has it


class _HowFar(ProgressColumn):
    """ "34.1 MB of 107 MB (32%)", in the stage's own unit."""

    def render(self, task: Task) -> Text:
        if task.total is None and not task.completed:
            return Text("")
        return Text(words.how_far(task.completed, task.total, task.fields["unit"]), style="bright_black")


class TerminalRenderer:
    """Draws on the terminal ``stream``, ``width`` columns wide (None: as wide as it is)."""

    def __init__(self, stream: TextIO, width: int | None = None) -> None:
        self._console = Console(file=stream, width=width, highlight=False, markup=False, emoji=False)
        narrow = self._console.width < 60
        columns: list[ProgressColumn] = [SpinnerColumn(), TextColumn("{task.description}", markup=False)]
        if not narrow:
            columns += [BarColumn(bar_width=16), _HowFar(), TimeElapsedColumn()]
        self._progress = Progress(*columns, console=self._console, transient=True)
        self._tasks: dict[str, TaskID] = {}
        self._titles: dict[str, str] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self._progress.stop()  # gives the terminal its cursor back, whatever happened

    def show(self, event: Event) -> None:
        match event:
            case events.StageBegun():
                self._titles[event.key] = summary.one_line(event.title)
                self._add(event.key, self._fit(event.title), event.total, event.unit)
            case events.StageProgress():
                if event.key in self._tasks:
                    self._progress.update(self._tasks[event.key], completed=event.done)
            case events.StageEnded():
                self._stage_ended(event)
            case events.TestBegun():
                self._test_begun(event)
            case events.TestEnded():
                self._test_ended(event)
            case events.RunFinished():
                self._drop(_TESTS)
                self._verdict(event)
            case events.SeriesFinished():
                self._series(event)
            case events.BisectStep():
                self._say(*words.lines(event), style="bright_black" if event.untestable else "")
            case events.BisectFinished():
                first, *rest = words.lines(event)
                self._say(first, style="bold green" if event.found else "bold yellow")
                self._say(*rest, style="")
            case events.Probe():
                first, *rest = words.lines(event)
                self._marked(event.outcome.value, first.removeprefix(event.outcome.value).lstrip())
                self._say(*rest, style="bright_black")
            case events.Note(level=level):
                self._say(*words.lines(event), style="yellow" if level == "warning" else "bright_black")
            case events.Table():
                self._table(event)
            case events.GuestDied():
                self._say(*words.lines(event), style="bold magenta")
            case events.Waiting():
                self._say(*words.lines(event), style="yellow")

    def _stage_ended(self, event: events.StageEnded) -> None:
        self._drop(event.key)
        title = self._titles.pop(event.key, event.key)
        note = f"  {summary.one_line(event.note)}" if event.note else ""
        mark, style = ("✓", "green") if event.ok else ("✗", "bold red")
        self._console.print(Text.assemble((f"{mark} ", style), title, (note, "bright_black")))

    def _test_begun(self, event: events.TestBegun) -> None:
        if _TESTS not in self._tasks:
            self._add(_TESTS, "", event.total, "tests")
        name = self._fit(event.name)
        self._progress.update(self._tasks[_TESTS], description=name, completed=event.index - 1, total=event.total)

    def _test_ended(self, event: events.TestEnded) -> None:
        test = event.result
        took = "" if test.outcome is Outcome.NOT_RUN else f"  {summary.duration(test.seconds)}"
        took = f"  {summary.cases_text(test)}{took}" if test.cases else took
        self._marked(test.outcome.value, summary.one_line(test.name), took)
        self._say(*(f"        {line}" for line in words.why(test)), style="bright_black")
        if _TESTS in self._tasks:
            self._progress.update(self._tasks[_TESTS], completed=event.index)

    def _verdict(self, event: events.RunFinished) -> None:
        run = event.run
        table = Table(box=box.SIMPLE_HEAD, pad_edge=False, header_style="bright_black")
        for heading in ("file", "", "tests"):
            table.add_column(heading, overflow="fold")
        table.add_column("time", justify="right", no_wrap=True)
        for file, word, counts, took in words.table_rows(run):
            table.add_row(Text(file), Text(word, STYLES[word]), Text(counts), took)
        if table.row_count:
            self._console.print(table)
        for splat in summary.stray(run):
            self._say(f"while no test ran: {summary.one_line(splat.title)}", style="bold yellow")
        if own := summary.known_text(run):
            self._say(summary.one_line(own), style="yellow")
        verdict = summary.verdict(run)
        rest = summary.one_line(summary.headline(run).removeprefix(verdict))
        self._console.print(Text.assemble((verdict, "bold green" if run.passed else "bold red"), rest))
        self._say(words.sub_line(run), *(f"  {p}" for p in event.reports or (event.folder,)), style="bright_black")

    def _series(self, event: events.SeriesFinished) -> None:
        *lines, last = list(words.series_lines(event))[: -len(event.reports or (event.folder,))]
        self._say(*lines, style="default")
        self._console.print(Text(last, "bold green" if event.run.passed else "bold red"))
        self._say(*(f"  {path}" for path in event.reports or (event.folder,)), style="bright_black")

    def _table(self, event: events.Table) -> None:
        table = Table(box=box.SIMPLE_HEAD, pad_edge=False, header_style="bright_black", title_justify="left")
        table.title, table.title_style = event.title, "bold"
        last = len(event.headings) - 1
        for at, heading in enumerate(event.headings):
            table.add_column(heading, justify="left" if at in (0, last) else "right", overflow="fold")
        marks = event.marks or ("",) * len(event.rows)
        for row, mark in zip(event.rows, marks, strict=True):
            table.add_row(*(Text(cell) for cell in row), style=MARKS[mark])
        self._console.print(table)
        if event.caveat:
            self._say(event.caveat, style="bright_black")

    def _marked(self, word: str, text: str, dim: str = "") -> None:
        self._console.print(Text.assemble((f"{word:<7} ", STYLES[word]), text, (dim, "bright_black")))

    def _say(self, *lines: str, style: str) -> None:
        for line in lines:
            self._console.print(Text(summary.visible(line), style))

    # The display is up only while something goes on: between that, an engine may use the terminal itself (a shell).

    def _add(self, key: str, title: str, total: float | None, unit: str) -> None:
        self._drop(key)
        self._tasks[key] = self._progress.add_task(title, total=total, unit=unit)
        self._progress.start()

    def _drop(self, key: str) -> None:
        task = self._tasks.pop(key, None)
        if task is not None:
            self._progress.remove_task(task)
            if not self._tasks:
                self._progress.stop()

    def _fit(self, text: str) -> str:
        """A description that leaves the bar its place: a line that wraps breaks the live display."""
        room = max(self._console.width - (4 if self._console.width < 60 else 56), 16)
        text = summary.one_line(text)
        return text if len(text) <= room else f"…{text[-room + 1 :]}"
