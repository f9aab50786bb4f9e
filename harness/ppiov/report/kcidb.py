# SPDX-License-Identifier: GPL-2.0-only
"""KCIDB's JSON (kernelci.org's database): one checkout, one build, and every test and figure as a test run of it.

What comes out has been validated by kcidb-io itself. Submitting it needs an account and an origin of one's own, so the
origin is "ppiov" here and kcidb-io's tools send it.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from typing import Any, Final

from kcidb_io.schema import V5_3

from ppiov import summary
from ppiov.results import Figure, Outcome, Run, Splat, TestResult

ORIGIN: Final = "ppiov"
EXCERPT: Final = 16384  # characters, the schema's limit
_STATUS: Final[dict[Outcome, str]] = {
    Outcome.PASS: "PASS",
    Outcome.FLAKY: "FAIL",
    Outcome.FAIL: "FAIL",
    Outcome.SKIP: "SKIP",
    Outcome.XFAIL: "SKIP",
    Outcome.SPLAT: "FAIL",
    Outcome.CRASH: "FAIL",
    Outcome.HANG: "FAIL",
    Outcome.VM_DIED: "ERROR",
    Outcome.NOT_RUN: "MISS",
}


def render(run: Run) -> str:
    """The whole document, ending in a newline."""
    return document([checkout(run)], [build(run)], list(tests(run)))


def document(checkouts: list[dict[str, Any]], builds: list[dict[str, Any]], tests: list[dict[str, Any]]) -> str:
    """JSON that kcidb-io has found valid; raises ValueError with its words if it has not."""
    data = {"version": {"major": 5, "minor": 3}, "checkouts": checkouts, "builds": builds, "tests": tests}
    try:
        V5_3.validate(data)
    except Exception as error:  # jsonschema's, which kcidb-io doesn't wrap
        raise ValueError(f"kcidb-io refuses the report: {str(error).splitlines()[0]}") from error
    return json.dumps(data, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def checkout(run: Run) -> dict[str, Any]:
    """The kernel's source, as far as it is known."""
    made: dict[str, Any] = {
        "id": named(run.id),
        "origin": ORIGIN,
        "comment": text(f"{run.kernel.release} ({run.kernel.spec}, {run.kernel.version})"),
        "valid": True,
    }
    if time := moment(run.started):
        made["start_time"] = time
    return made


def build(run: Run) -> dict[str, Any]:
    compilers = sorted({module.compiler for module in run.modules})
    return {
        "id": named(run.id),
        "checkout_id": named(run.id),
        "origin": ORIGIN,
        "architecture": "x86_64",
        "comment": text(run.kernel.spec),
        "status": "PASS",
        **({"compiler": text(", ".join(compilers))} if compilers else {}),
        "misc": {"config_sha256": run.kernel.config_sha256, "image_sha256": run.kernel.image_sha256},
    }


def tests(run: Run) -> Iterator[dict[str, Any]]:
    """Every test, its figures behind it; what concerns no single test, last."""
    for number, test in enumerate(run.tests, 1):
        yield _test(run, number, test)
        yield from (_figure(run, number, test, n, f) for n, f in enumerate(test.figures, 1) if math.isfinite(f.value))
    for number, splat in enumerate(summary.stray(run), 1):
        yield _made(run, f"splat-{number}", "ppiov.kernel_is_quiet", "FAIL", splat.title, excerpt=told(splat))


def _test(run: Run, number: int, test: TestResult) -> dict[str, Any]:
    said = [test.detail, *(told(splat) for splat in test.splats), *(f"leak: {leak}" for leak in test.leaks)]
    excerpt = "\n".join(part for part in said if part)
    why = f"{test.outcome.value}: {test.reason or summary.EXPLAIN[test.outcome]}"
    made = _made(run, str(number), path(test.suite, test.name), _STATUS[test.outcome], why, excerpt=excerpt)
    if math.isfinite(test.seconds):
        made["duration"] = test.seconds
    return made


def _figure(run: Run, number: int, test: TestResult, index: int, figure: Figure) -> dict[str, Any]:
    name = f"{path(test.suite, test.name)}.{path('', figure.name)}"
    if not figure.meter.strip() or not figure.unit.strip():
        return _made(run, f"{number}-{index}", name, "MISS", summary.figure_text(figure))
    made = _made(run, f"{number}-{index}", name, "DONE", f"{figure.name} ({figure.meter})")
    made["number"] = {"value": figure.value, "unit": text(figure.unit)}
    made["misc"] = {"meter": figure.meter}
    return made


def _made(run: Run, key: str, where: str, status: str, comment: str, *, excerpt: str = "") -> dict[str, Any]:
    made: dict[str, Any] = {
        "id": named(f"{run.id}/{key}"),
        "build_id": named(run.id),
        "origin": ORIGIN,
        "path": where,
        "status": status,
        "comment": text(comment),
        "environment": {"comment": text(summary.how_it_ran(run)), "misc": {"command": run.command}},
    }
    if excerpt:
        made["log_excerpt"] = summary.visible(excerpt)[-EXCERPT:]
    if time := moment(run.started):
        made["start_time"] = time
    return made


def told(splat: Splat) -> str:
    return splat.decoded or splat.text


def path(suite: str, name: str) -> str:
    """ "traffic/test_bind.py::test_bind[ipv4]" -> "traffic.test_bind.test_bind_ipv4"."""
    parts = re.split(r"::|/|\.", name.replace(".py::", "::"))
    words = [re.sub(r"[^A-Za-z0-9_-]+", "_", part).strip("_") for part in ([suite] if suite else []) + parts]
    if len(words) > 1 and words[0] == words[1]:
        words.pop(0)
    return ".".join(word for word in words if word) or "unnamed"


def named(name: str) -> str:
    """An id of ours."""
    return f"{ORIGIN}:{text(name)}"


def text(words: str) -> str:
    return summary.one_line(words).replace("\0", "")


def moment(stamp: str) -> str:
    """A time as the schema wants it, or "" for what is none."""
    return stamp.replace("Z", "+00:00") if re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", stamp) else ""
