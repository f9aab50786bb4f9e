# SPDX-License-Identifier: GPL-2.0-only
"""Where debugfs is, and how to make sure that it is there."""

from __future__ import annotations

from pathlib import Path

from lib import processes

DEBUGFS = Path("/sys/kernel/debug")


def mount_debugfs() -> None:
    """Mount it where it is missing; a kernel without it is no error, what needs it will say so."""
    mounted = any(line.split()[1] == str(DEBUGFS) for line in Path("/proc/mounts").read_text().splitlines())
    if not mounted and DEBUGFS.is_dir():
        processes.run(["mount", "-t", "debugfs", "debugfs", DEBUGFS])
