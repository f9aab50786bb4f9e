# SPDX-License-Identifier: GPL-2.0-only
"""The report of a bisection, for an e-mail (plain ASCII, 72 columns) and as a page.

The same story gives the same bytes.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import jinja2
from markupsafe import Markup

from ppiov import summary
from ppiov.bisect.oracle import Reading, said
from ppiov.bisect.story import Line, State, Story
from ppiov.errors import BadRequest
from ppiov.report.layout import WIDTH, ascii_only, command_lines, title, wrap

FORMS: Final = {"text": "report.txt", "html": "report.html"}
"""Format -> its file's name in the folder."""
_MOST_FUNCTIONS: Final = 20
_MOST_LINES: Final = 60  # of one function's difference, in the text
# What a figure can't say stands where the figure stands.
CAVEATS: Final = {
    "insns": "insns are guest instructions: no cache misses, no mispredictions, no contention.",
    "guest-clock": "guest-clock is time as the guest sees it: under TCG it says nothing about hardware.",
}

_ENVIRONMENT: Final = jinja2.Environment(
    loader=jinja2.PackageLoader("ppiov.report"),
    autoescape=True,
    undefined=jinja2.StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
    finalize=lambda value: summary.visible(value) if type(value) is str else value,
)


@dataclass(frozen=True, slots=True)
class Row:
    """One point of a history in a table."""

    name: str
    subject: str
    said: str
    mark: str  # "culprit", "candidate", "hole" or ""


def headline(story: Story) -> str:
    """What came out, in one line."""
    if story.state is not State.COMPLETE:
        return f"{story.state.value.upper()}: this bisection has not come to its end"
    changes = story.changes
    if not story.found_one:
        return f"NARROWED DOWN: not to one {'release' if story.request.packages else 'commit'}"
    if len(changes) == 1:
        line, change = changes[0]
        return f"FOUND: {line.history.points[change.last].name} {line.history.points[change.last].subject}".rstrip()
    return f"FOUND: {len(changes)} changes"


def rows(story: Story, line: Line) -> Iterator[Row]:
    """The points that were measured, or that are to blame, in the history's order."""
    blamed = {}
    for change in (change for of, change in story.changes if of is line):
        for number in range(change.first, change.last + 1):
            blamed[number] = "culprit" if change.one else "candidate"
    for number, point in enumerate(line.history.points):
        readings = line.readings.get(point.id, [])
        if not readings and number not in blamed:
            continue
        mark = blamed.get(number) or ("hole" if readings and readings[-1].hole else "")
        yield Row(point.name, point.subject, _all(readings), mark)


def _all(readings: list[Reading]) -> str:
    """All readings of a point in a few words."""
    figures = [reading for reading in readings if reading.hole is None]
    if not readings:
        return "not measured"
    if not figures:
        return said(readings[-1])
    if not figures[0].unit:
        failed = sum(reading.value > 0 for reading in figures)
        return said(figures[0]) if len(figures) == 1 else f"failed {failed} of {len(figures)} runs"
    values = {said(figure) for figure in figures}
    if len(values) == 1:
        return values.pop()
    mean = sum(figure.value for figure in figures) / len(figures)
    return f"{mean:.6g} {figures[0].unit} ({figures[0].meter}), mean of {len(figures)}"


def facts(story: Story) -> Iterator[tuple[str, str]]:
    """Label and value."""
    request, size = story.request, story.history.size
    points = story.history.points
    what = "releases" if request.packages else "commits"
    yield "History", f"{points[0].name}..{points[-1].name}, {size} {what} to choose from"
    if story.kernel:
        yield "Kernel", story.kernel
    measured = sum(len(line.readings) for line in story.lines)
    yield "Measured", f"{measured} of {sum(len(line.history.points) for line in story.lines)}"
    for line in story.lines:
        if line.found:
            yield "Decided", line.found.method
    if request.oracle.numeric:
        effect = story.lines[0].found.effect if story.lines and story.lines[0].found else 0.0
        yield "Counts", f"a difference of {effect:.4g} {story.unit} or more"
    if caveat := CAVEATS.get(story.meter):
        yield "Meter", caveat
    yield "Began", story.started
    yield "Tools", f"ppiov {story.environment.ppiov}, {story.environment.qemu}"


def render(story: Story, form: str) -> bytes:
    """The report in the format ``form``. Raises BadRequest for one that is about tests."""
    if form not in FORMS:
        raise BadRequest(f"a bisection has no --format {form}, but {' and '.join(FORMS)}")
    return (page if form == "html" else text)(story).encode("utf-8", "replace")


def text(story: Story) -> str:
    """The report for an e-mail."""
    lines = [*wrap(headline(story)), "=" * WIDTH]
    for label, value in facts(story):
        lines += wrap(value, first=f"{label:<10}", hang=" " * 10)
    if story.changes:
        lines += title("What did it")
        for told in story.verdict:
            indent = " " * (len(told) - len(told.lstrip()))
            is_tag = told.lstrip().startswith("Fixes: ")  # never wrapped: it is to be pasted as it stands
            lines += [ascii_only(told)] if is_tag else wrap(told.strip(), indent, indent + "  ")
    for line in story.lines:
        name = f"What {line.merge.name} merged" if line.merge else "Measured"
        lines += title(name)
        for row in rows(story, line):
            lines += wrap(
                f"{row.name} {row.subject}".rstrip(), first="* " if row.mark == "culprit" else "  ", hang="      "
            )
            lines += wrap(row.said, first="      ", hang="      ")
    if story.functions:
        lines += title("What the compiler made of it")
        for function in story.functions[:_MOST_FUNCTIONS]:
            first, *rest = function.split("\n")
            lines += wrap(first)
            lines += _code(rest[:_MOST_LINES])
            if len(rest) > _MOST_LINES:
                lines.append(f"    and {len(rest) - _MOST_LINES} lines more, in report.html")
        if len(story.functions) > _MOST_FUNCTIONS:
            lines.append(f"and {len(story.functions) - _MOST_FUNCTIONS} functions more, in report.html")
    lines += title("To reproduce")
    lines += command_lines(story.request.command())
    return "\n".join(line.rstrip() for line in lines) + "\n"


def _code(lines: list[str]) -> Iterator[str]:
    """Lines of a difference in ASCII. Code is not wrapped but cut: the page has all of it."""
    for line in lines:
        plain = summary.visible(line).encode("ascii", "backslashreplace").decode("ascii")
        yield f"  {plain}" if len(plain) <= WIDTH - 2 else f"  {plain[: WIDTH - 5]}..."


def page(story: Story) -> str:
    """The report as one HTML file: no script, nothing fetched."""
    from ppiov.bisect import chart  # matplotlib takes a while to import

    pictures = [chart.draw(story, line, number) for number, line in enumerate(story.lines) if line.readings]
    verdict, _, rest = headline(story).partition(": ")
    return _ENVIRONMENT.get_template("bisect.html").render(
        story=story,
        good=story.found_one and story.state is State.COMPLETE,
        verdict=verdict,
        headline=rest,
        facts=list(facts(story)),
        lines=[
            (f"What {line.merge.name} merged" if line.merge else "Measured", list(rows(story, line)))
            for line in story.lines
        ],
        pictures=[(p.title, p.caption, Markup(p.svg)) for p in pictures],
        machine_code="the kernel and its modules" if story.request.tree is not None else "the modules",
        functions=[function.partition("\n")[::2] for function in story.functions],
        command=story.request.command(),
    )
