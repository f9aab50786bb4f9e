# SPDX-License-Identifier: GPL-2.0-only
"""/sys/class/net of another namespace: a sysfs shows that of the namespace it was mounted in."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path

from lib import processes
from lib.link import Port


def folder(port: Port, defer: Callable[..., None]) -> Path:
    """The port's folder below class/net, mounted until the test ends."""
    root = Path(tempfile.mkdtemp(prefix="ppiov-sysfs-", dir="/run"))
    defer(root.rmdir)
    port.ns.run(["mount", "-t", "sysfs", "sysfs", root])
    defer(processes.run, ["umount", root])
    return root / "class" / "net" / port.name
