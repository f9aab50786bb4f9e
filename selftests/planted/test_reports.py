# SPDX-License-Identifier: GPL-2.0-only
"""One fault for each way in which the kernel complains; each must be reported as its kind, with its line.

The faults are those of planted/module/ppiov_faults.c. What a test here needs of the kernel's configuration it says; a
kernel without it does not get the test. harness/tests/vm/test_reports_run.py looks at what comes of it.

The kernel waits up to two minutes before it complains about some; those times are made as short as it allows.
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

SYSCTL = Path("/proc/sys")
RCU_TIMEOUT = Path("/sys/module/rcupdate/parameters/rcu_cpu_stall_timeout")

pytestmark = pytest.mark.timeout_s(300)


def plant(fault: str, seconds: int = 5) -> None:
    """Load the module with the fault; it is over when this returns."""
    module = f"{os.environ['PPIOV_PLANTED']}/ppiov_faults.ko"
    subprocess.run(["insmod", module, f"fault={fault}", f"seconds={seconds}"], check=True)


def remove() -> None:
    subprocess.run(["rmmod", "ppiov_faults"], check=True)


@pytest.mark.needs_config("PROVE_LOCKING")
def test_lockdep() -> None:
    """Two locks are taken in one order, then in the other. The first one here: KASAN's reports end lockdep, too."""
    plant("abba")
    remove()


@pytest.mark.needs_config("KASAN")
@pytest.mark.parametrize("fault", ["uaf", "oob"])
def test_kasan(fault: str) -> None:
    """Memory is read that is freed, or behind its end; the second in one boot is reported, too."""
    plant(fault)
    remove()


@pytest.mark.needs_config("KCSAN")
def test_kcsan() -> None:
    """Two CPUs count with one variable, and nothing says that they may."""
    assert (os.cpu_count() or 1) > 1, "a race takes two CPUs"
    plant("race", 15)
    remove()


def test_refcount() -> None:
    """A reference is taken of what has none left."""
    plant("refcount")
    remove()


@pytest.mark.needs_config("NET_DEV_REFCNT_TRACKER")
def test_ref_tracker() -> None:
    """A network device is removed and somebody holds it: the kernel says who."""
    (SYSCTL / "net/core/netdev_unregister_timeout_secs").write_text("1")
    plant("netdev")
    remove()


def test_unregister_netdevice() -> None:
    """A network device is removed and somebody holds it: the kernel says that it waits."""
    (SYSCTL / "net/core/netdev_unregister_timeout_secs").write_text("1")
    plant("netdev")
    remove()


@pytest.mark.needs_config("DETECT_HUNG_TASK")
def test_hung_task() -> None:
    """A task sleeps where nothing can wake it."""
    timeout = SYSCTL / "kernel/hung_task_timeout_secs"
    before = timeout.read_text()
    timeout.write_text("2")
    plant("hung", 8)
    timeout.write_text(before)
    remove()


@pytest.mark.needs_config("SOFTLOCKUP_DETECTOR")
def test_soft_lockup() -> None:
    """A CPU belongs to one task for longer than twice the watchdog's threshold."""
    threshold = SYSCTL / "kernel/watchdog_thresh"
    before = threshold.read_text()
    threshold.write_text("2")
    plant("spin", 10)
    threshold.write_text(before)
    remove()


def test_rcu_stall() -> None:
    """A CPU passes through no quiescent state, and somebody waits for one."""
    before = RCU_TIMEOUT.read_text()
    RCU_TIMEOUT.write_text("3")
    plant("stall", 15)
    RCU_TIMEOUT.write_text(before)
    remove()


def test_page_pool() -> None:
    """A page_pool is destroyed while a buffer of it is out: after a minute, which no setting shortens, it says so."""
    plant("pool", 70)
    remove()


@pytest.mark.needs_config("DEBUG_KMEMLEAK")
def test_kmemleak() -> None:
    """Memory is lost; the kernel is asked after the last test, and this one is blamed. So the module stays loaded."""
    plant("leak")


def test_after_all() -> None:
    """The guest goes on after all of that."""
