# SPDX-License-Identifier: GPL-2.0-only
"""What benchmarks cost over several runs, in the order in which they are named. One meter per picture."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import matplotlib as mpl
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure as Canvas

from ppiov.bench import stats
from ppiov.bench.measured import figures
from ppiov.bench.tables import CAVEAT
from ppiov.report.drawing import BAR, BOOT, INK, STYLE, WIDTH, Picture, label, svg_of
from ppiov.results import Figure, Run

_STROKES: Final = tuple((colour, style) for style in ("-", "--", ":") for colour in (BAR, BOOT, INK))
_HEIGHT: Final = 3.4


@dataclass(frozen=True, slots=True)
class _Course:
    """A benchmark's way through the runs that have it: (number of the run, in percent of the first)."""

    name: str
    points: tuple[tuple[int, float], ...]
    moved: bool  # by more than its own spread

    @property
    def reach(self) -> float:
        values = [value for _, value in self.points]
        return max(values) - min(values)


def draw(runs: Sequence[Run]) -> list[Picture]:
    """A picture for each meter with which two runs or more have measured the same benchmark."""
    found = [
        {name: f for name, f in figures(run).items() if f.meter in CAVEAT and math.isfinite(f.value) and f.value > 0}
        for run in runs
    ]
    made = []
    for meter in dict.fromkeys(figure.meter for one in found for figure in one.values()):
        courses = _courses(found, meter)
        if courses:
            made.append(_picture(meter, courses, len(runs)))
    return made


def _courses(found: Sequence[Mapping[str, Figure]], meter: str) -> list[_Course]:
    """Of every benchmark that two runs or more have, by how much it moved, what moved most first."""
    courses = []
    for name in dict.fromkeys(name for one in found for name in one):
        has = [(n, one[name]) for n, one in enumerate(found, 1) if name in one and one[name].meter == meter]
        if len(has) < 2:
            continue
        first = has[0][1]
        moved = any(_moved(first, figure) for _, figure in has)
        courses.append(_Course(name, tuple((n, 100 * figure.value / first.value) for n, figure in has), moved))
    return sorted(courses, key=lambda course: -course.reach)


def _moved(first: Figure, figure: Figure) -> bool:
    reach = max(stats.EXACT, stats.spread(figure.samples) + stats.spread(first.samples))
    return abs(figure.value - first.value) > reach


def _picture(meter: str, courses: Sequence[_Course], runs: int) -> Picture:
    """The benchmarks that moved, as many as there are strokes; without any, the first three, so that flat is seen."""
    shown = [course for course in courses if course.moved][: len(_STROKES)] or courses[:3]
    rest = len(courses) - len(shown)
    title = "Cost against history"
    with mpl.rc_context({**STYLE, "svg.hashsalt": f"ppiov-history-{meter}"}):
        canvas = Canvas(figsize=(WIDTH, _HEIGHT))
        FigureCanvasSVG(canvas)
        axes = canvas.add_axes((0.7 / WIDTH, 0.5 / _HEIGHT, 1 - 3.6 / WIDTH, 1 - 0.65 / _HEIGHT))
        axes.grid(axis="y", zorder=0)
        values = [value for course in shown for _, value in course.points]
        low, high = min(99.0, *values), max(101.0, *values)
        room = 0.06 * (high - low)
        axes.set_ylim(low - room, high + room)
        axes.set_xlim(1, runs)
        place = math.inf
        for course, (colour, style) in zip(
            sorted(shown, key=lambda course: -course.points[-1][1]), _STROKES, strict=False
        ):
            x, y = zip(*course.points, strict=True)
            axes.plot(x, y, color=colour, linestyle=style, marker="o", markersize=3, zorder=2, clip_on=False)
            place = min(y[-1], place - 1.2 * room)  # beside the line's end, but never over another's name
            axes.annotate(
                f"{label(course.name)} {y[-1] - 100:+.3g} %",
                (x[-1], place),
                (6, 0),
                textcoords="offset points",
                va="center",
                fontsize=8,
                annotation_clip=False,
            )
        axes.set_xticks(range(1, runs + 1), [f"({n})" for n in range(1, runs + 1)])
        axes.set_xlabel("run")
        axes.set_ylabel("% of its first run")
        svg = svg_of(canvas, {}, f"{title}, {meter}")
    return Picture(title, _caption(meter, shown, rest, courses), svg)


def _caption(meter: str, shown: Sequence[_Course], rest: int, courses: Sequence[_Course]) -> str:
    moved = sum(course.moved for course in courses)
    what = f"{len(shown)} that moved most" if moved else "nothing moved"
    beside = f", {rest} more {'moved less or not' if moved else 'as flat'}" if rest else ""
    caveat = f"; {CAVEAT[meter]}" if CAVEAT[meter] else ""
    return f"{meter}, each benchmark in percent of the first run that has it; {what}{beside}{caveat}"
