# SPDX-License-Identifier: GPL-2.0-only
"""Faults on purpose: each must be reported as what it is, under its name, and the test after it must still run.

These tests prove the harness, not the modules; no suite but ``planted`` has them. What kills the guest:

    panic       sysrq-c: the kernel dereferences NULL in its own code
    hang        a test that never ends, in a guest that is alive
    freeze      a real-time task on every CPU of the guest that never yields: no heartbeat either
    power-off   sysrq-o: QEMU goes away with no word on the console
    WARN        a module of ten lines (planted/module), since a stock kernel warns about nothing on demand
"""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest


def test_before() -> None:
    """The first guest runs tests at all."""
    assert os.uname().sysname == "Linux"


def test_panic() -> None:
    """The kernel panics while this test runs: crash."""
    Path("/proc/sysrq-trigger").write_text("c")


def test_after_panic() -> None:
    """A new guest carries on after a panic."""


@pytest.mark.timeout_s(15)
def test_hang() -> None:
    """The test never ends while the guest is alive: hang, and the traceback says where."""
    time.sleep(1e6)


def test_after_hang() -> None:
    """A new guest carries on after a test whose time was up."""


@pytest.mark.timeout_s(20)
def test_freeze() -> None:
    """All CPUs of the guest are taken away from everybody else: hang, found out by the host alone."""
    Path("/proc/sys/kernel/sched_rt_runtime_us").write_text("-1")
    for reserve in Path("/sys/kernel/debug/sched/fair_server").glob("cpu*/runtime"):
        reserve.write_text("0")  # since 6.12 ordinary tasks have 5% whatever real-time tasks do
    for cpu in range(os.cpu_count() or 1):
        if os.fork() == 0:
            os.sched_setaffinity(0, {cpu})
            os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(99))
            while True:
                pass
    time.sleep(1e6)


def test_after_freeze() -> None:
    """A new guest carries on after one that froze."""


def test_power_off() -> None:
    """QEMU is gone without a panic: the VM died."""
    Path("/proc/sysrq-trigger").write_text("o")
    time.sleep(60)


def test_after_power_off() -> None:
    """A new guest carries on after QEMU went away."""


def test_killed() -> None:
    """The test's own process dies: a failure, and the guest is given up with it."""
    os.kill(os.getpid(), 9)


def test_after_killed() -> None:
    """A new guest carries on after pytest itself died."""


def test_warn() -> None:
    """The test passes, but the kernel warns: splat."""
    subprocess.run(["insmod", f"{os.environ['PPIOV_PLANTED']}/ppiov_planted.ko"], check=True)
    subprocess.run(["rmmod", "ppiov_planted"], check=True)


def test_after_warn() -> None:
    """The same guest carries on after a warning."""


def test_fails() -> None:
    """An assertion fails: a failure, with the line that says so."""
    answer = 41
    assert answer == 42, "the answer is wrong"


def test_skips() -> None:
    """A skip keeps its reason."""
    pytest.skip("nothing to do here")


def test_figure(record_property: Callable[[str, object], None]) -> None:
    """A figure arrives with its unit and meter, and a file in the artifacts."""
    record_property("figure", ("answer", 42.0, "packets", "count"))
    Path(os.environ["PPIOV_ARTIFACTS"], "answer.txt").write_text("42\n")
