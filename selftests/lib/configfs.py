# SPDX-License-Identifier: GPL-2.0-only
"""Where configfs is, and how to make sure that it is there."""

from __future__ import annotations

import contextlib
from pathlib import Path

from lib import processes

CONFIGFS = Path("/sys/kernel/config")


def mount_configfs() -> None:
    """Load it where it is a module, mount it where it is missing, as udev and systemd do it on a machine.

    A kernel without it is no error, what needs it will say so.
    """
    if not CONFIGFS.is_dir():
        with contextlib.suppress(AssertionError):
            processes.run(["modprobe", "configfs"])
    if CONFIGFS.is_dir() and not CONFIGFS.is_mount():
        processes.run(["mount", "-t", "configfs", "configfs", CONFIGFS])
