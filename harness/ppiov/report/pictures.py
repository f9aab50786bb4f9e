# SPDX-License-Identifier: GPL-2.0-only
"""The report's pictures: the time line, what was measured, and what benchmarks cost. See drawing.py for how."""

from __future__ import annotations

import math
from collections.abc import Sequence

import matplotlib as mpl

from ppiov import summary
from ppiov.report import bench_pictures
from ppiov.report.drawing import BAR, BOOT, OUTCOMES, STYLE, Picture, box, label, note, rows, svg_of
from ppiov.results import Run
from ppiov.suites import BENCH


def draw(run: Run) -> tuple[Picture, ...]:
    """All pictures that the run has the data for."""
    pictures = [_time_line(run)] if run.boots and any(_finite(t.seconds) for t in run.tests) else []
    return (*pictures, *bench_pictures.draw(run), *_figures(run))


def _finite(seconds: float) -> bool:
    return math.isfinite(seconds) and seconds > 0


def _time_line(run: Run) -> Picture:
    """One row per guest: how long it took to come up, then its tests in order, coloured by outcome."""
    titles: dict[str, str] = {}
    with mpl.rc_context({**STYLE, "svg.hashsalt": "ppiov-time"}):
        labels = [_guest(n, b.attempt) for n, b in enumerate(run.boots)]
        canvas, axes = rows(labels, 0.30)
        for row, boot in enumerate(run.boots):
            at = boot.seconds_to_job or 0.0
            came_up = f"came up in {summary.duration(at)}" if at else "never came up"
            box(axes, titles, f"b{row}", f"guest {row + 1} {came_up}", (0, at, row), BOOT)
            for n, test in enumerate(run.tests):
                if test.boot != row or not _finite(test.seconds):
                    continue
                name = f"{test.name}: {test.outcome.value}, {summary.duration(test.seconds)}"
                box(axes, titles, f"t{n}", name, (at, test.seconds, row), OUTCOMES[test.outcome])
                at += test.seconds
            if boot.ended != "done":
                note(axes, boot.ended, (at, row))
        axes.autoscale_view(scaley=False)
        axes.set_xlim(left=0)
        axes.set_xlabel("seconds")
        svg = svg_of(canvas, titles, "Time line of guests and tests")
    return Picture("Time line", "a row per guest: its way up to the first test, then its tests in order", svg)


def _guest(n: int, attempt: int) -> str:
    return f"guest {n + 1}" if attempt == 1 else f"guest {n + 1}, try {attempt}"


def _figures(run: Run) -> list[Picture]:
    """One bar chart per unit and meter: what can't be compared isn't drawn on one axis."""
    by_kind: dict[tuple[str, str, str], list[tuple[str, float]]] = {}
    for test in run.tests:
        for f in () if test.suite == BENCH else test.figures:
            if f.meter.strip() and f.unit.strip() and math.isfinite(f.value):
                by_kind.setdefault((f.name, f.unit, f.meter), []).append((summary.split_name(test)[1], f.value))
    pictures = []
    for n, ((name, unit, meter), values) in enumerate(by_kind.items()):
        largest = max(abs(v) for _, v in values)
        top, shown = summary.scaled(largest, unit)
        factor = top / largest if largest else 1.0  # one scale for all bars of a picture
        scaled = [(word, v * factor) for word, v in values]
        svg = bars(scaled, f"{shown} ({meter})", f"{name}, {unit}, {meter}", f"ppiov-figure-{n}")
        pictures.append(Picture(name, f"in {shown}, measured by {meter}", svg))
    return pictures


def bars(values: Sequence[tuple[str, float]], axis: str, alt: str, salt: str) -> str:
    """An <svg> with a bar per (label, value); ``salt`` makes the ids of each picture of a page its own."""
    with mpl.rc_context({**STYLE, "svg.hashsalt": salt}):
        canvas, axes = rows([label(word) for word, _ in values], 0.26)
        axes.barh(range(len(values)), [v for _, v in values], height=0.62, color=BAR, zorder=2)
        for row, (_, v) in enumerate(values):
            note(axes, summary.number(v), (v, row))
        axes.set_xlabel(label(axis))
        return svg_of(canvas, {}, alt)
