# SPDX-License-Identifier: GPL-2.0-only
"""The report's pictures, drawn by matplotlib as inline SVG.

Colours are left to the page: matplotlib draws in marker colours that are then replaced by CSS variables; one picture
serves light and dark. Text stays text, in the page's font. The same Run gives the same bytes: the ids in the SVG come
from a fixed salt, and no date or version is written.
"""

from __future__ import annotations

import io
import logging
import math
import re
import warnings
import xml.etree.ElementTree as ET
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure as Canvas
from matplotlib.patches import Rectangle

from ppiov import summary
from ppiov.results import Outcome, Run

_SVG: Final = "http://www.w3.org/2000/svg"
_XLINK: Final = "http://www.w3.org/1999/xlink"
_INK, _FAINT, _BAR, _BOOT = "#010101", "#020202", "#030303", "#040404"
_OUTCOMES: Final = {o: f"#0501{i:02x}" for i, o in enumerate(Outcome)}
_VARIABLES: Final = {
    _INK: "var(--ink)",
    _FAINT: "var(--rule)",
    _BAR: "var(--accent)",
    _BOOT: "var(--boot)",
    **{marker: f"var(--{o.value})" for o, marker in _OUTCOMES.items()},
}
_STYLE: Final[dict[Any, Any]] = {
    "svg.fonttype": "none",
    "font.family": "sans-serif",
    "font.size": 9,
    "text.color": _INK,
    "axes.edgecolor": _FAINT,
    "axes.labelcolor": _INK,
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.spines.left": False,
    "xtick.color": _FAINT,
    "xtick.labelcolor": _INK,
    "ytick.color": _FAINT,
    "ytick.labelcolor": _INK,
    "ytick.major.size": 0,
    "grid.color": _FAINT,
    "grid.linewidth": 0.5,
    "text.parse_math": False,  # a "$" in a test's name is a "$"
}
_WIDTH: Final = 9.4  # inches of 72 units: about the width of the page's column
_LONGEST: Final = 44  # characters of a label; the whole of it is in the table beside

logging.getLogger("matplotlib").setLevel(logging.ERROR)  # it tells users about its font cache


@dataclass(frozen=True, slots=True)
class Picture:
    """An <svg> element and what it shows, in words."""

    title: str
    caption: str
    svg: str


def draw(run: Run) -> tuple[Picture, ...]:
    """All pictures that the run has the data for."""
    pictures = [_time_line(run)] if run.boots and any(_finite(t.seconds) for t in run.tests) else []
    return (*pictures, *_figures(run))


def _finite(seconds: float) -> bool:
    return math.isfinite(seconds) and seconds > 0


def _time_line(run: Run) -> Picture:
    """One row per guest: how long it took to come up, then its tests in order, coloured by outcome."""
    titles: dict[str, str] = {}
    with mpl.rc_context({**_STYLE, "svg.hashsalt": "ppiov-time"}):
        labels = [_guest(n, b.attempt) for n, b in enumerate(run.boots)]
        canvas, axes = _axes(labels, 0.30)
        for row, boot in enumerate(run.boots):
            at = boot.seconds_to_job or 0.0
            came_up = f"came up in {summary.duration(at)}" if at else "never came up"
            _box(axes, titles, f"b{row}", f"guest {row + 1} {came_up}", (0, at, row), _BOOT)
            for n, test in enumerate(run.tests):
                if test.boot != row or not _finite(test.seconds):
                    continue
                name = f"{test.name}: {test.outcome.value}, {summary.duration(test.seconds)}"
                _box(axes, titles, f"t{n}", name, (at, test.seconds, row), _OUTCOMES[test.outcome])
                at += test.seconds
            if boot.ended != "done":
                _note(axes, boot.ended, (at, row))
        axes.autoscale_view(scaley=False)
        axes.set_xlim(left=0)
        axes.set_xlabel("seconds")
        svg = _svg(canvas, titles, "Time line of guests and tests")
    return Picture("Time line", "a row per guest: its way up to the first test, then its tests in order", svg)


def _guest(n: int, attempt: int) -> str:
    return f"guest {n + 1}" if attempt == 1 else f"guest {n + 1}, try {attempt}"


def _figures(run: Run) -> list[Picture]:
    """One bar chart per unit and meter: what can't be compared isn't drawn on one axis."""
    by_kind: dict[tuple[str, str, str], list[tuple[str, float]]] = {}
    for test in run.tests:
        for f in test.figures:
            if f.meter.strip() and f.unit.strip() and math.isfinite(f.value):
                by_kind.setdefault((f.name, f.unit, f.meter), []).append((summary.split_name(test)[1], f.value))
    pictures = []
    for n, ((name, unit, meter), values) in enumerate(by_kind.items()):
        largest = max(abs(v) for _, v in values)
        top, shown = summary.scaled(largest, unit)
        factor = top / largest if largest else 1.0  # one scale for all bars of a picture
        scaled = [(label, v * factor) for label, v in values]
        svg = bars(scaled, f"{shown} ({meter})", f"{name}, {unit}, {meter}", f"ppiov-figure-{n}")
        pictures.append(Picture(name, f"in {shown}, measured by {meter}", svg))
    return pictures


def bars(values: Sequence[tuple[str, float]], axis: str, alt: str, salt: str) -> str:
    """An <svg> with a bar per (label, value); ``salt`` makes the ids of each picture of a page its own."""
    with mpl.rc_context({**_STYLE, "svg.hashsalt": salt}):
        canvas, axes = _axes([_label(label) for label, _ in values], 0.26)
        axes.barh(range(len(values)), [v for _, v in values], height=0.62, color=_BAR, zorder=2)
        for row, (_, v) in enumerate(values):
            _note(axes, summary.number(v), (v, row))
        axes.set_xlabel(_label(axis))
        return _svg(canvas, {}, alt)


def _axes(labels: Sequence[str], row_height: float) -> tuple[Canvas, Axes]:
    """Axes with a row per label. Margins are fixed, in inches, so that text has one size in all pictures of a page."""
    height = 0.6 + row_height * len(labels)
    canvas = Canvas(figsize=(_WIDTH, height))
    FigureCanvasSVG(canvas)
    left = 0.15 + 0.075 * max(map(len, labels), default=0)
    axes = canvas.add_axes((left / _WIDTH, 0.5 / height, 1 - (left + 0.95) / _WIDTH, 1 - 0.55 / height))
    axes.grid(axis="x", zorder=0)
    axes.set_axisbelow(True)
    axes.set_yticks(range(len(labels)), labels)
    axes.set_ylim(len(labels) - 0.4, -0.6)
    return canvas, axes


def _note(axes: Axes, text: str, end: tuple[float, int]) -> None:
    """A word behind the end of a bar."""
    axes.annotate(f" {_label(text)}", end, va="center", fontsize=8, annotation_clip=False)


def _box(
    axes: Axes, titles: dict[str, str], gid: str, title: str, where: tuple[float, float, int], colour: str
) -> None:
    """A segment of the time line, with a title for whoever points at it."""
    start, length, row = where
    box = Rectangle((start, row - 0.32), length, 0.64, facecolor=colour, edgecolor="none", gid=gid, zorder=2)
    axes.add_patch(box)
    titles[gid] = title


def _label(text: str) -> str:
    text = summary.one_line(text)
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST // 2]}…{text[-_LONGEST // 2 + 1 :]}"


def _svg(canvas: Canvas, titles: Mapping[str, str], alt: str) -> str:
    """The picture as an element to be put into a page, coloured by the page's variables."""
    out = io.StringIO()
    metadata = {"Date": None, "Creator": None, "Format": None, "Type": None}
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph")  # only measured here; the page's own fonts draw it
        canvas.savefig(out, format="svg", transparent=True, metadata=metadata)
    ET.register_namespace("", _SVG)
    ET.register_namespace("xlink", _XLINK)
    root = ET.fromstring(out.getvalue())
    for tag in ("metadata", "defs/style"):
        parent = root if "/" not in tag else root.find(f"{{{_SVG}}}defs")
        found = parent.find(f"{{{_SVG}}}{tag.rsplit('/', 1)[-1]}") if parent is not None else None
        if parent is not None and found is not None:
            parent.remove(found)
    for element in root.iter(f"{{{_SVG}}}g"):
        title = titles.get(element.get("id", ""))
        if title is not None:
            child = ET.Element(f"{{{_SVG}}}title")
            child.text = summary.one_line(title)
            element.insert(0, child)
    root.set("role", "img")
    root.set("aria-label", summary.one_line(alt))
    text = ET.tostring(root, encoding="unicode")
    text = re.sub(r"font: [^;\"]*?(\d+(?:\.\d+)?px)[^;\"]*", r"font-size: \1", text)
    for marker, variable in _VARIABLES.items():
        text = text.replace(marker, variable)
    return text
