# SPDX-License-Identifier: GPL-2.0-only
"""The picture of a bisection: the figure at each commit that was measured, and where it changed."""

from __future__ import annotations

import matplotlib as mpl
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure as Canvas
from matplotlib.ticker import MaxNLocator

from ppiov.bisect.oracle import said
from ppiov.bisect.story import Line, Story, mean_of
from ppiov.report.drawing import BAR, FAINT, INK, OUTCOMES, STYLE, WIDTH, Picture, svg_of
from ppiov.results import Outcome

_HEIGHT = 3.2  # inches


def draw(story: Story, line: Line, number: int) -> Picture:
    """The line's picture; ``number`` tells it from the page's others."""
    points = line.history.points
    place = {point.id: at for at, point in enumerate(points)}
    titles: dict[str, str] = {}
    measured = sorted(place[r] for r, readings in line.readings.items() if any(x.hole is None for x in readings))
    holes = sorted(place[r] for r, readings in line.readings.items() if readings[-1].hole)
    with mpl.rc_context({**STYLE, "svg.hashsalt": f"ppiov-bisect-{number}", "axes.spines.left": True}):
        canvas = Canvas(figsize=(WIDTH, _HEIGHT))
        FigureCanvasSVG(canvas)
        axes = canvas.add_axes((0.09, 0.17, 0.88, 0.76))
        axes.grid(axis="y", zorder=0)
        axes.set_axisbelow(True)
        values = [mean_of(line, at) for at in measured]
        axes.plot(measured, values, color=FAINT, linewidth=1.2, drawstyle="steps-post", zorder=1)
        for at, value in zip(measured, values, strict=True):
            gid = f"p{number}-{at}"
            titles[gid] = f"{points[at].name} {points[at].subject}: {_value(story, line, at)}"
            axes.plot([at], [value], marker="o", markersize=6, color=BAR, linestyle="none", gid=gid, zorder=3)
        bottom, top = axes.get_ylim()
        margin = (top - bottom) * 0.08 or 0.5
        axes.set_ylim(bottom - margin, top + margin)
        for at in holes:
            gid = f"h{number}-{at}"
            titles[gid] = f"{points[at].name} {points[at].subject}: {line.readings[points[at].id][-1].hole}"
            axes.plot([at], [bottom - margin / 2], marker="x", color=FAINT, linestyle="none", gid=gid, zorder=2)
        for change in line.found.changes if line.found else ():
            colour = OUTCOMES[Outcome.FAIL if change.diff.estimate > 0 else Outcome.PASS]
            axes.axvspan(change.first - 1, change.last, color=colour, alpha=0.22, linewidth=0, zorder=0)
            name = points[change.last].name if change.one else f"{change.last - change.first + 1} commits"
            side = "left" if change.last <= len(points) / 2 else "right"  # above the frame, where no figure is
            axes.text(change.last, 1.02, name, fontsize=8, color=INK, ha=side, transform=axes.get_xaxis_transform())
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.set_xlim(-0.7, len(points) - 0.3)
        axes.set_xlabel("releases" if story.request.packages else "commits, the good end first")
        axes.set_ylabel(f"{story.unit} ({story.meter})" if story.unit else "failure rate")
        svg = svg_of(canvas, titles, "The figure at each commit that was measured")
    merge = line.merge
    title = f"What {merge.name} merged" if merge else "History"
    return Picture(title, f"{len(measured)} of {len(points)} measured" + (", x: no verdict" if holes else ""), svg)


def _value(story: Story, line: Line, at: int) -> str:
    readings = [r for r in line.readings[line.history.points[at].id] if r.hole is None]
    if story.unit and len(readings) == 1:
        return said(readings[0])
    if story.unit:
        return f"{mean_of(line, at):.6g} {story.unit} ({story.meter}), mean of {len(readings)}"
    return f"failed {sum(r.value > 0 for r in readings)} of {len(readings)} runs"
