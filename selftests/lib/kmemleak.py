# SPDX-License-Identifier: GPL-2.0-only
"""Makes the kernel look for memory that nobody can reach any more, where it has CONFIG_DEBUG_KMEMLEAK.

The scan is the kernel's: everything that looks like a pointer counts. An object is told when two scans in a row have
found no pointer to it, and not in its first five seconds (MSECS_MIN_AGE in mm/kmemleak.c). It is told on the console,
with its stack (guest/job.py), where the harness finds it and blames the test during which it was allocated.
"""

from __future__ import annotations

import time

from lib.debugfs import DEBUGFS

FILE = DEBUGFS / "kmemleak"
MIN_AGE = 5.0


def available() -> bool:
    """Does this kernel look for lost memory?"""
    return FILE.exists()


def scan() -> None:
    """Two scans: what is lost by now is on the console after that, each object once."""
    FILE.write_text("scan")
    time.sleep(MIN_AGE)  # not for something to happen: the kernel tells of nothing that is younger
    FILE.write_text("scan")
