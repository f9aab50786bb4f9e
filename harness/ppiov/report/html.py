# SPDX-License-Identifier: GPL-2.0-only
"""One self-contained HTML file: no script, nothing fetched, light and dark, readable on a phone.

The page is templates/report.html; jinja2 escapes everything that goes into it. Only the pictures, which are made here
and whose texts were escaped by the XML writer, go in as they are.
"""

from __future__ import annotations

import re
from typing import Final

import jinja2
from markupsafe import Markup

from ppiov import summary
from ppiov.report import pictures
from ppiov.results import Outcome, Run, RunState

ENVIRONMENT: Final = jinja2.Environment(
    loader=jinja2.PackageLoader("ppiov.report"),
    autoescape=True,
    undefined=jinja2.StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
    finalize=lambda value: summary.visible(value) if type(value) is str else value,
)


def render(run: Run) -> str:
    """The whole page."""
    counts = summary.count(run.tests)
    anchors = {id(t): f"test-{n}" for n, t in enumerate(run.tests)}
    return ENVIRONMENT.get_template("report.html").render(
        run=run,
        complete=run.state is RunState.COMPLETE,
        verdict=summary.verdict(run),
        headline=summary.headline(run).removeprefix(summary.verdict(run)).lstrip(": "),
        counts=[(o, counts[o], summary.EXPLAIN[o]) for o in Outcome],
        explain=summary.EXPLAIN,
        groups=summary.groups(run),
        wrong=[t for t in run.tests if summary.is_bad(t)],
        anchor=lambda test: anchors[id(test)],
        pictures=[(p.title, p.caption, Markup(p.svg)) for p in pictures.draw(run)],
        how_it_ran=summary.how_it_ran(run),
        tools=summary.tools(run),
        boots_text=summary.boots_text(run),
        elapsed=summary.elapsed(run),
        duration=summary.duration,
        counts_text=summary.counts_text,
        cases_text=summary.cases_text,
        bad_cases=summary.bad_cases,
        counting=summary.counting,
        case_name=summary.case_name,
        stray=summary.stray(run),
        known=summary.known(run),
        places=summary.places,
        lockdep_is_off=summary.LOCKDEP_IS_OFF,
        figure_text=summary.figure_text,
        split_name=summary.split_name,
        breakable=breakable,
    )


def breakable(name: str) -> Markup:
    """A test's name, escaped, that a narrow page may wrap behind "/", "::", "_" and before "["."""
    parts = re.split(r"(?<=[/_])|(?<=::)|(?=\[)", summary.visible(name))
    return Markup("<wbr>").join(parts)
