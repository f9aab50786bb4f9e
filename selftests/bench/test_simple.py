# SPDX-License-Identifier: GPL-2.0-only
"""A second opinion: the kernel's own bench_page_pool_simple, unmodified, in the same guest as our benchmarks.

Its loop takes its way of returning a page from a variable, so that some instructions of what it says are its own; it is
held against a loop of ours that is written so, too (core.simple.*).
"""

from __future__ import annotations

import os
import re
import statistics
from collections.abc import Callable
from pathlib import Path

import pytest
from lib import bench, processes
from lib.klog import KernelLog

LOOPS = 20_000
WITHIN = 0.02
_SAID = re.compile(r": Type:(?P<name>\S+) Per elem: \d+ cycles\(tsc\) (?P<ns>[\d.]+) ns")
_SAME = {
    "direct": "no-softirq-page_pool01",
    "ring": "no-softirq-page_pool02",
    "stolen": "no-softirq-page_pool03",
}

Record = Callable[[str, object], None]

pytestmark = [pytest.mark.usefixtures("benches"), pytest.mark.timeout_s(300), pytest.mark.guest(cpus=1)]


@pytest.fixture(scope="session")
def theirs(benches: None) -> dict[str, float]:
    """What it says of each kind, its empty loop subtracted. It says so in the kernel log and nowhere else."""
    path = os.environ.get("PPIOV_BENCH_SIMPLE")
    if not path:
        pytest.skip("no kernel source in the store has bench_page_pool_simple: docs/bench.md says how to get one")
    log = KernelLog()
    try:
        processes.run(["insmod", path, f"loops={LOOPS}"], 600)
        processes.run(["rmmod", Path(path).stem])
        said = {match["name"]: float(match["ns"]) for line in log.lines() if (match := _SAID.search(line))}
    finally:
        log.close()
    assert {"for_loop", *_SAME.values()} <= said.keys(), f"it spoke of {sorted(said)} only"
    return {name: value - said["for_loop"] for name, value in said.items()}


@pytest.mark.parametrize("operation", [pytest.param(name, id=f"simple.{name}") for name in _SAME])
def test_simple(operation: str, theirs: dict[str, float], meter: str, record_property: Record) -> None:
    """Ours and theirs of the same operation are the same."""
    if meter != "insns":
        pytest.skip("two clocks of one busy machine are no check of each other")
    one = next(one for one in bench.catalog() if one.name == f"core.simple.{operation}")
    ours, other = statistics.median(bench.run(one, 15).cycles), theirs[_SAME[operation]]
    record_property("figure", (f"simple.{operation}", other, "insns/op", meter))
    assert abs(ours / other - 1) < WITHIN, f"{ours:.2f} by ppiov_bench, {other:.2f} by bench_page_pool_simple"
