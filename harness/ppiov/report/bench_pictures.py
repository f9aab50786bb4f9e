# SPDX-License-Identifier: GPL-2.0-only
"""What benchmarks cost: a bar per variant, and lines for what may depend on a number. One meter per picture."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping

import matplotlib as mpl
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure as Canvas

from ppiov import summary
from ppiov.bench.measured import figures
from ppiov.bench.tables import CAVEAT, GIB
from ppiov.report.drawing import BAR, BOOT, INK, STYLE, WIDTH, Picture, label, note, rows, svg_of
from ppiov.results import Figure, Run

_BARS = (
    ("A buffer out of the cache and back", r"(?:core|pool\.\w+)\.(?:direct|napi)(?:\.key)?"),
    ("A buffer through the ring", r"(?:core|pool\.\w+)\.(?:ring|bulk)(?:\.key)?"),
    ("A buffer of the provider's, and back to it", r"(?:core|pool\.\w+)\.(?:slow|stolen)(?:\.key)?"),
    ("Frags, and a second reference", r"(?:core|pool\.\w+)\.(?:frag|elevated)(?:\.key)?"),
    ("Between CPUs", r"(?:core|pool\.\w+)\.cross\.\w+"),
    ("Designs of telling page and iov apart", r"dispatch\.\w+\.(?:page|page\.key|iov)"),
    ("Counting references, per buffer of a packet of 16", r"refs\.\w+"),
    ("Whose buffer is it?", r"lookup\.\w+"),
    ("Which buffers are free?", r"alloc\.\w+\.\w+"),
)
_TRAFFIC = (
    ("A byte to its receiver, MTU 1500", r"traffic\.[\w.]+\.1500\.\d+"),
    ("A byte to its receiver, MTU 9000", r"traffic\.[\w.]+\.9000\.\d+"),
    ("A byte to its receiver, super-packets", r"traffic\.[\w.]+\.super\.\d+"),
)
_LINES = (
    ("Cost against buffers that are out", "buffers", "burst"),
    ("Cost against pools that take turns", "pools", "many"),
)
_SERIES = (("core", "core's page_pool", INK, "--"), ("pool.page", "page", BAR, "-"), ("pool.dmabuf", "iov", BOOT, "-"))


def draw(run: Run) -> list[Picture]:
    """All pictures that the run has benchmarks for."""
    found = {name: f for name, f in figures(run).items() if f.meter in CAVEAT and math.isfinite(f.value)}
    made: list[Picture] = []
    for of, patterns in (("operation", _BARS), ("byte", _TRAFFIC)):
        for title, pattern in patterns:
            for meter in dict.fromkeys(f.meter for f in found.values()):
                names = [name for name, f in found.items() if re.fullmatch(pattern, name) and f.meter == meter]
                if names:
                    made.append(_bars(title, meter, of, {name: found[name].value for name in names}))
    made += _memory(figures(run))
    for title, axis, word in _LINES:
        made += _line(title, axis, word, found)
    return made


def _bars(title: str, meter: str, of: str, values: Mapping[str, float]) -> Picture:
    with mpl.rc_context({**STYLE, "svg.hashsalt": f"ppiov-bench-{title}-{meter}"}):
        canvas, axes = rows([label(name) for name in values], 0.26)
        axes.barh(range(len(values)), list(values.values()), height=0.62, color=BAR, zorder=2)
        for row, value in enumerate(values.values()):
            note(axes, summary.number(round(value, 2)), (value, row))
        axes.set_xlabel(f"{meter} per {of}")
        svg = svg_of(canvas, {}, f"{title}, {meter} per {of}")
    return Picture(title, _caption(meter, of), svg)


def _memory(found: Mapping[str, Figure]) -> list[Picture]:
    """What designs keep beside struct page, for 1 GiB of buffers of a page."""
    bars = {
        f"{match[1]}, {match[2]}s": figure.value * GIB / 4096 / (1 << 20)
        for name, figure in found.items()
        if (match := re.fullmatch(r"dispatch\.(\w+)\.(page|iov): \2_bytes", name))
    }
    if not bars:
        return []
    title = "Memory that a design takes"
    with mpl.rc_context({**STYLE, "svg.hashsalt": "ppiov-bench-memory"}):
        canvas, axes = rows([label(name) for name in bars], 0.26)
        axes.barh(range(len(bars)), list(bars.values()), height=0.62, color=BAR, zorder=2)
        for row, value in enumerate(bars.values()):
            note(axes, summary.number(value), (value, row))
        axes.set_xlabel("MiB per GiB of buffers (count)")
        svg = svg_of(canvas, {}, f"{title}, MiB per GiB of buffers")
    return [Picture(title, "MiB beside struct page, per GiB in buffers of 4 KiB", svg)]


def _line(title: str, axis: str, word: str, found: Mapping[str, Figure]) -> list[Picture]:
    """Cost over a number that it must not depend on; the scale begins at 0, so that flat looks flat."""
    series = {
        key: sorted(
            (int(match[1]), figure.value)
            for name, figure in found.items()
            if (match := re.fullmatch(rf"{re.escape(key)}\.{word}\.(\d+)", name))
        )
        for key, *_ in _SERIES
    }
    if not any(len(points) > 1 for points in series.values()):
        return []
    meter = next(f.meter for name, f in found.items() if f".{word}." in name)
    height = 2.6
    with mpl.rc_context({**STYLE, "svg.hashsalt": f"ppiov-bench-{word}"}):
        canvas = Canvas(figsize=(WIDTH, height))
        FigureCanvasSVG(canvas)
        axes = canvas.add_axes((0.7 / WIDTH, 0.5 / height, 1 - 2.2 / WIDTH, 1 - 0.65 / height))
        axes.grid(axis="y", zorder=0)
        top = 1.08 * max(y for points in series.values() for _, y in points)
        ends = _apart({key: points[-1][1] for key, points in series.items() if points}, top * 0.07)
        for key, words, colour, style in _SERIES:
            points = series[key]
            if not points:
                continue
            x, y = zip(*points, strict=True)
            axes.plot(x, y, color=colour, linestyle=style, marker="o", markersize=3, zorder=2)
            axes.annotate(
                words,
                (x[-1], ends[key]),
                (6, 0),
                textcoords="offset points",
                va="center",
                fontsize=8,
                annotation_clip=False,
            )
        ticks = sorted({x for points in series.values() for x, _ in points})
        axes.set_xscale("log", base=2)
        axes.set_xticks(ticks, [str(tick) for tick in ticks])
        axes.minorticks_off()
        axes.set_ylim(0, top)
        axes.set_xlabel(axis)
        axes.set_ylabel(f"{meter} per operation")
        svg = svg_of(canvas, {}, f"{title}, {meter} per operation")
    return [Picture(title, _caption(meter), svg)]


def _apart(ends: Mapping[str, float], least: float) -> dict[str, float]:
    """Where the lines' names stand: beside their ends, but never over one another."""
    placed: dict[str, float] = {}
    for key in sorted(ends, key=lambda key: ends[key]):
        placed[key] = max(ends[key], max(placed.values(), default=-least) + least)
    return placed


def _caption(meter: str, of: str = "operation") -> str:
    caveat = CAVEAT[meter]
    return f"{meter} per {of}{f'; {caveat}' if caveat else ''}"
