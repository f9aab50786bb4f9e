# SPDX-License-Identifier: GPL-2.0-only
"""How the report's pictures are drawn: by matplotlib, as inline SVG.

Colours are left to the page: matplotlib draws in marker colours that are then replaced by CSS variables; one picture
serves light and dark. Text stays text, in the page's font. The same Run gives the same bytes: the ids in the SVG come
from a fixed salt, and no date or version is written.
"""

from __future__ import annotations

import io
import logging
import re
import warnings
import xml.etree.ElementTree as ET
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure as Canvas
from matplotlib.patches import Rectangle

from ppiov import summary
from ppiov.results import Outcome

_SVG: Final = "http://www.w3.org/2000/svg"
_XLINK: Final = "http://www.w3.org/1999/xlink"
INK, FAINT, BAR, BOOT = "#010101", "#020202", "#030303", "#040404"
OUTCOMES: Final = {o: f"#0501{i:02x}" for i, o in enumerate(Outcome)}
_VARIABLES: Final = {
    INK: "var(--ink)",
    FAINT: "var(--rule)",
    BAR: "var(--accent)",
    BOOT: "var(--boot)",
    **{marker: f"var(--{o.value})" for o, marker in OUTCOMES.items()},
}
STYLE: Final[dict[Any, Any]] = {
    "svg.fonttype": "none",
    "font.family": "sans-serif",
    "font.size": 9,
    "text.color": INK,
    "axes.edgecolor": FAINT,
    "axes.labelcolor": INK,
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.spines.left": False,
    "xtick.color": FAINT,
    "xtick.labelcolor": INK,
    "ytick.color": FAINT,
    "ytick.labelcolor": INK,
    "ytick.major.size": 0,
    "grid.color": FAINT,
    "grid.linewidth": 0.5,
    "text.parse_math": False,  # a "$" in a test's name is a "$"
}
WIDTH: Final = 9.4  # inches of 72 units: about the width of the page's column
_LONGEST: Final = 44  # characters of a label; the whole of it is in the table beside

logging.getLogger("matplotlib").setLevel(logging.ERROR)  # it tells users about its font cache


@dataclass(frozen=True, slots=True)
class Picture:
    """An <svg> element and what it shows, in words."""

    title: str
    caption: str
    svg: str


def rows(labels: Sequence[str], row_height: float) -> tuple[Canvas, Axes]:
    """Axes with a row per label. Margins are fixed, in inches, so that text has one size in all pictures of a page."""
    height = 0.6 + row_height * len(labels)
    canvas = Canvas(figsize=(WIDTH, height))
    FigureCanvasSVG(canvas)
    left = 0.15 + 0.075 * max(map(len, labels), default=0)
    axes = canvas.add_axes((left / WIDTH, 0.5 / height, 1 - (left + 0.95) / WIDTH, 1 - 0.55 / height))
    axes.grid(axis="x", zorder=0)
    axes.set_axisbelow(True)
    axes.set_yticks(range(len(labels)), labels)
    axes.set_ylim(len(labels) - 0.4, -0.6)
    return canvas, axes


def note(axes: Axes, text: str, end: tuple[float, int]) -> None:
    """A word behind the end of a bar."""
    axes.annotate(f" {label(text)}", end, va="center", fontsize=8, annotation_clip=False)


def box(axes: Axes, titles: dict[str, str], gid: str, title: str, where: tuple[float, float, int], colour: str) -> None:
    """A segment of the time line, with a title for whoever points at it."""
    start, length, row = where
    box = Rectangle((start, row - 0.32), length, 0.64, facecolor=colour, edgecolor="none", gid=gid, zorder=2)
    axes.add_patch(box)
    titles[gid] = title


def label(text: str) -> str:
    text = summary.one_line(text)
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST // 2]}…{text[-_LONGEST // 2 + 1 :]}"


def svg_of(canvas: Canvas, titles: Mapping[str, str], alt: str) -> str:
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
