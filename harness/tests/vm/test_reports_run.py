# SPDX-License-Identifier: GPL-2.0-only
"""Real guests that complain: each planted fault is reported as its kind, blamed on its test, and decoded to its line.

A stock kernel has some of the tools; the others need a kernel that was built with them, which takes its time: those
tests are marked ``lab``. So silence of a tool in another run means that there was nothing to report.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import pytest
from ppiov import events as ev
from ppiov import run as engine
from ppiov.results import Outcome, RunState, TestResult
from ppiov.spec import KernelSpec

SOURCE = Path(__file__).parents[3] / "selftests/planted/module/ppiov_faults.c"
LAB_KERNELS = ("src:7.3+kunit+kasan+lockdep+kmemleak", "src:7.3+kunit+kcsan")


@dataclass(frozen=True)
class Expected:
    kind: str
    fault: str = ""  # what marks its line; "": the complaint shows no stack
    loop: bool = False  # an interrupt may hit any line of it


EXPECTED = {
    "kasan[uaf]": Expected("kasan", "uaf"),
    "kasan[oob]": Expected("kasan", "oob"),
    "kmemleak": Expected("kmemleak", "leak"),
    "kcsan": Expected("kcsan", "race"),
    "refcount": Expected("refcount", "refcount"),
    "ref_tracker": Expected("ref-tracker", "netdev"),
    "unregister_netdevice": Expected("unregister-netdevice"),
    "hung_task": Expected("hung-task", "hung"),
    "soft_lockup": Expected("soft-lockup", "spin", loop=True),
    "rcu_stall": Expected("rcu-stall", "stall", loop=True),
    "page_pool": Expected("page-pool-stall"),
    "lockdep": Expected("lockdep", "abba"),
}
# What each kernel must be able to show at least.
STOCK = {"refcount", "unregister_netdevice", "hung_task", "soft_lockup", "rcu_stall", "page_pool"}
TOOLS = {
    "kasan": {"kasan[uaf]", "kasan[oob]"},
    "lockdep": {"lockdep", "ref_tracker"},
    "kmemleak": {"kmemleak"},
    "kcsan": {"kcsan"},
}


def line_of(fault: str) -> int:
    lines = SOURCE.read_text().splitlines()
    (number,) = (n for n, line in enumerate(lines, 1) if line.endswith(f"/* planted: {fault} */"))
    return number


def check(test: TestResult, expected: Expected) -> None:
    assert test.outcome is Outcome.SPLAT, (test.name, test.reason)
    found = [splat for splat in test.splats if splat.kind == expected.kind]
    assert found, f"{test.name}: {[splat.title for splat in test.splats]}"
    if expected.loop:
        assert any(f"planted_{expected.fault}+" in s.decoded and "(ppiov_faults.c:" in s.decoded for s in found)
    elif expected.fault:
        place = f"ppiov_faults.c:{line_of(expected.fault)}"
        assert any(place in splat.decoded for splat in found), f"{test.name}: no {place} in {found[0].decoded}"


def run_faults(kernel: str, results: Path) -> dict[str, TestResult]:
    """The tests that the kernel has the options for, by their short names, each looked at."""
    spec = KernelSpec.parse(kernel)
    *_, finished = engine.run(engine.RunRequest(spec, ("planted",), expression="test_reports", results_dir=results))
    assert isinstance(finished, ev.RunFinished)
    run = finished.run
    assert run.state is RunState.COMPLETE and not run.passed
    unfit = [test for test in run.tests if test.outcome is Outcome.SKIP and "kernel has no CONFIG_" in test.reason]
    tests = {test.name.rpartition("::test_")[2]: test for test in run.tests if test not in unfit}
    assert tests.pop("after_all").outcome is Outcome.PASS
    assert {boot.ended for boot in run.boots} == {"done"}, "no fault of these ends its guest"
    for name, test in tests.items():
        check(test, EXPECTED[name])
    assert [splat.title for splat in run.boot_splats] == []
    return tests


def test_a_stock_kernel_reports_what_it_can(kernel: str, tmp_path: Path) -> None:
    assert run_faults(kernel, tmp_path).keys() >= STOCK


@pytest.mark.lab
@pytest.mark.parametrize("spec", os.environ.get("PPIOV_LAB_KERNELS", " ".join(LAB_KERNELS)).split())
def test_each_tool_finds_its_fault(spec: str, tmp_path: Path) -> None:
    tests = run_faults(spec, tmp_path)
    wanted = {name for tool, names in TOOLS.items() if f"+{tool}" in spec for name in names}
    assert tests.keys() >= wanted
