# SPDX-License-Identifier: GPL-2.0-only
"""What a run has measured, as tables: for the terminal, the text report and the page."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from ppiov.bench import stats, targets
from ppiov.bench.measured import figures
from ppiov.bench.targets import Judged
from ppiov.events import Table
from ppiov.results import Figure, Run

CAVEAT: Final[dict[str, str]] = {
    "insns": "insns see no cache misses, no mispredictions and no contention",
    "cycles": "cycles are of the guest's TSC, at its own rate",
    "ns": "",
}
GIB: Final = 1 << 30
_PAGE: Final = 4096
_POOLS: Final = ("core", "pool.page", "pool.hugepage", "pool.dmabuf", "pool.ring")
_OPERATIONS: Final = (
    "direct",
    "napi",
    "ring",
    "bulk",
    "elevated",
    "frag",
    "slow",
    "stolen",
    "cross.alloc",
    "cross.put",
)
_DESIGNS: Final = ("none", "static", "tag", "ops", "wrapper", "separate", "aligned")


def of(run: Run) -> Iterator[Table]:
    """All tables that the run has figures for."""
    found = figures(run)
    meter = next((figure.meter for figure in found.values() if figure.meter in CAVEAT), "")
    if not meter:
        return
    caveat = CAVEAT[meter]
    yield from _present(_pools(found, meter, caveat), _key(found, meter, caveat), _designs(found, meter, caveat))
    yield from _present(_traffic(found, meter, caveat), *_budgets(found, meter, caveat))
    yield from _present(_scaling(found, meter, caveat), _plain(found, meter, caveat))
    yield from _present(_verdicts(run, meter, caveat))


def _present(*tables: Table) -> Iterator[Table]:
    yield from (table for table in tables if table.rows)


def _cell(found: Mapping[str, Figure], name: str) -> str:
    """ "75", "161.5": as many digits as mean something; with its spread where it has one."""
    figure = found.get(name)
    if figure is None:
        return ""
    half = stats.spread(figure.samples)
    text = f"{figure.value:.2f}".rstrip("0").rstrip(".")
    return text if half < stats.EXACT else f"{text} ±{half:.2g}"


def _rows(names: Sequence[str], cells: Sequence[Sequence[str]]) -> tuple[tuple[str, ...], ...]:
    return tuple((name, *row) for name, row in zip(names, cells, strict=True) if any(row))


def _pools(found: Mapping[str, Figure], meter: str, caveat: str) -> Table:
    cells = [[_cell(found, f"{pool}.{operation}") for pool in _POOLS] for operation in _OPERATIONS]
    headings = ("alloc and put", "core's page_pool", "page", "hugepage", "dmabuf iov", "ring iov")
    return Table(f"The pool, {meter} per buffer", headings, _rows(_OPERATIONS, cells), caveat=caveat)


def _key(found: Mapping[str, Figure], meter: str, caveat: str) -> Table:
    names = [f"pool.{provider}.{operation}" for provider in ("page", "hugepage") for operation in _OPERATIONS]
    names = [name for name in names if f"{name}.key" in found]
    cells = [[_cell(found, name), _cell(found, f"{name}.key")] for name in names]
    return Table(
        f"What the static branch costs pages, {meter} per buffer",
        ("alloc and put", "key off", "key on"),
        _rows(names, cells),
        caveat=caveat,
    )


def _designs(found: Mapping[str, Figure], meter: str, caveat: str) -> Table:
    cells = []
    for design in _DESIGNS:
        name = f"dispatch.{design}"
        cells.append(
            [
                *(_cell(found, f"{name}.{kind}") for kind in ("page", "page.key", "iov", "dma.page", "dma.iov")),
                _cell(found, f"{name}: text"),
                *(_per_gib(found, name, kind) for kind in ("page", "iov")),
                _cell(found, f"{name}: lines twice"),
            ]
        )
    return Table(
        f"Designs of telling page and iov apart, {meter} per buffer",
        (
            *("design", "page", "page, key on", "iov", "address of page", "of iov", "text B"),
            *("MiB per GiB of pages", "of iovs", "lines twice"),
        ),
        _rows(_DESIGNS, cells),
        caveat=caveat,
    )


def _per_gib(found: Mapping[str, Figure], name: str, kind: str) -> str:
    """Metadata beside struct page, for 1 GiB in buffers of a page."""
    figure = found.get(f"{name}.{'page' if kind == 'page' else 'iov'}: {kind}_bytes")
    return "" if figure is None else f"{figure.value * GIB / _PAGE / (1 << 20):.3g}"


def _traffic(found: Mapping[str, Figure], meter: str, caveat: str) -> Table:
    names = [name for name in found if name.startswith("traffic.") and ": " not in name]
    ends = (
        "",
        ": as executed",
        ": receiver per frame",
        ": sender",
        ": sender per frame",
        ": device",
        ": bytes per frame",
    )
    headings = ("", "receiver/B", "as executed", "per frame", "sender/B", "per frame", "device/B", "B per frame")
    cells = [[_cell(found, f"{name}{end}") for end in ends] for name in names]
    return Table(f"What a byte costs its two ends, {meter}", headings, _rows(names, cells), caveat=caveat)


def _budgets(found: Mapping[str, Figure], meter: str, caveat: str) -> Iterator[Table]:
    """Line by line, what a receiver does for a KiB: a table for each size of packets."""
    parts = [(name.split(": ")[0], name.partition(": ")[2]) for name in found if name.startswith("budget.")]
    for size in dict.fromkeys(name.rpartition(".")[2] for name, _ in parts):
        names = [name for name in dict.fromkeys(name for name, _ in parts) if name.endswith(f".{size}")]
        lines = dict.fromkeys(line for name, line in parts if name in names and line not in ("", "samples"))
        keys = {line: [f"{name}: {line}" for name in names] for line in lines}
        order = sorted(lines, key=lambda line: -max(found[key].value for key in keys[line] if key in found))
        cells = [[_per_kib(found, key) for key in keys[line]] for line in order]
        cells.append([_per_kib(found, name) for name in names])
        yield Table(
            f"What a KiB takes its receiver, {meter}, packets of {size}",
            ("", *(name.removeprefix("budget.").removesuffix(f".{size}") for name in names)),
            _rows([*order, "all"], cells),
            caveat=caveat,
        )


def _per_kib(found: Mapping[str, Figure], name: str) -> str:
    figure = found.get(name)
    return "" if figure is None else f"{figure.value * 1024:.0f}"


def _scaling(found: Mapping[str, Figure], meter: str, caveat: str) -> Table:
    sizes = sorted({int(m[1]) for name in found if (m := re.fullmatch(r"\S+\.burst\.(\d+)", name))})
    pools = sorted({int(m[1]) for name in found if (m := re.fullmatch(r"\S+\.many\.(\d+)", name))})
    names = [*(f"{n} buffers out" for n in sizes), *(f"{n} pools in turn" for n in pools)]
    keys = [*(f"burst.{n}" for n in sizes), *(f"many.{n}" for n in pools)]
    cells = [[_cell(found, f"{pool}.{key}") for pool in ("core", "pool.page", "pool.dmabuf")] for key in keys]
    return Table(
        f"Is the cost flat? {meter} per buffer",
        ("", "core's page_pool", "page", "dmabuf iov"),
        _rows(names, cells),
        caveat=caveat,
    )


def _plain(found: Mapping[str, Figure], meter: str, caveat: str) -> Table:
    names = [name for name in found if name.startswith(("refs.", "lookup.", "alloc.", "meter.")) and ": " not in name]
    return Table(
        f"References, lookups, allocators, and the meter itself, {meter} per operation",
        ("benchmark", meter),
        _rows(names, [[_cell(found, name)] for name in names]),
        caveat=caveat,
    )


def judged(run: Run) -> tuple[Judged, ...]:
    """The targets that the run can say something of."""
    return tuple(targets.judge(targets.load(), figures(run)))


def _verdicts(run: Run, meter: str, caveat: str) -> Table:
    rows, marks = [], []
    for one in judged(run):
        limit = {"ratio": "ratio", "flat": "largest by least", "difference": "difference", "most": "value"}[one.kind]
        met = "met" if one.met else f"NOT MET{f': {one.known}' if one.known else ''}"
        right = "" if one.right is None else f"{one.right:.4g}"
        measure = f"{one.measure:.3f} <= {one.limit:g}" if one.met else f"{one.measure:.3f} > {one.limit:g}"
        rows.append((one.what, one.of, f"{one.left:.4g}", right, measure, limit, met))
        marks.append("" if one.met else "odd" if one.known else "bad")
    return Table(
        "Targets",
        ("", "figure", "is", "against", "", "", "verdict"),
        tuple(rows),
        marks=tuple(marks),
        caveat=caveat,
    )
