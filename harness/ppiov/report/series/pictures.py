# SPDX-License-Identifier: GPL-2.0-only
"""The chart of a series: how far each benchmark is from the base, one picture per meter."""

from __future__ import annotations

from markupsafe import Markup

from ppiov.report.pictures import bars
from ppiov.series.results import Relation, SeriesRun


def draw(run: SeriesRun) -> list[tuple[str, str, Markup]]:
    """(title, caption, svg): the difference to the base in percent; what two meters say is never in one picture.

    Of patches that moved nothing only the last is there: what matters is where the series ends.
    """
    meters: dict[tuple[str, str], list[tuple[str, float]]] = {}
    last = max((patch.number for patch in run.patches if any(check.measured for check in patch.checks)), default=0)
    for patch in run.patches:
        for check in patch.checks:
            for one in check.measured if check.runs else ():
                same = (one.before.meter, one.before.unit) == (one.after.meter, one.after.unit)
                moved = one.relation is not Relation.AS_BEFORE or patch.number == last
                if moved and same and one.after.meter.strip() and one.after.unit.strip() and one.before.value:
                    percent = (one.after.value / one.before.value - 1) * 100
                    label = f"{one.after.name}, patch {patch.number}"
                    meters.setdefault((one.after.meter, one.after.unit), []).append((label, percent))
    found = []
    for n, ((meter, unit), values) in enumerate(sorted(meters.items())):
        svg = bars(sorted(values), "% against the base", f"Benchmarks by {meter}", f"ppiov-series-{n}")
        found.append((f"Benchmarks, {meter}", f"{unit}, difference to the base; less is better", Markup(svg)))
    return found
