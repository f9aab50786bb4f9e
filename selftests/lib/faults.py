# SPDX-License-Identifier: GPL-2.0-only
"""ppnic's faults on demand, one debugfs file each: see kernel/nic/fault.c.

A port's files are in the folder of its parent device. lose, duplicate, reorder and corrupt take N for "every Nth frame
that this port sends"; rx_alloc, rx_attach, stray_dma and the steps of a queue restart take N for "the next N". Of these
the first three strike whichever queue comes first, unless strike_only() says which.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from lib.debugfs import DEBUGFS
from lib.link import Port


def folder(port: Port) -> Path:
    """Where a port's files are; without debugfs, skip the test."""
    path = DEBUGFS / "ppnic" / port.parent
    if not port.parent or not path.is_dir():
        pytest.skip(f"no faults to be had: {path} is not there")
    return path


def inject(port: Port, fault: str, argument: int, defer: Callable[..., None]) -> None:
    """Turn a fault on, and off again with the test."""
    file = folder(port) / fault
    file.write_text(str(argument))
    defer(_off, file)


def unplug(port: Port, defer: Callable[..., None]) -> None:
    """Take the cable out at this port, until plug() or the test's end."""
    inject(port, "unplugged", 1, defer)


def plug(port: Port) -> None:
    """Put back what unplug() took out."""
    (folder(port) / "unplugged").write_text("0")


def strike_only(port: Port, queues: Iterable[int], defer: Callable[..., None]) -> None:
    """Spare all RX queues but these, until the test's end, from faults of a receive queue.

    Any port receives unasked: neighbour and multicast listener discovery come when they like, through the RSS queues.
    """
    file = folder(port) / "rx_queues"
    before = file.read_text()
    file.write_text(str(sum(1 << queue for queue in queues)))
    defer(_restore, file, before)


def _restore(file: Path, text: str) -> None:
    if file.exists():
        file.write_text(text)


def _off(file: Path) -> None:
    if file.exists():  # it goes with its port
        file.write_text("0")


def hits(port: Port, fault: str) -> int:
    """How often a fault has struck since the port exists."""
    return int((folder(port) / f"{fault}_hits").read_text())


def dma_faults(port: Port) -> int:
    """Accesses of the port's device that its table of mapped regions refused; 0 where that can't be seen (any more)."""
    file = DEBUGFS / "ppnic" / port.parent / "dma_faults"
    return int(file.read_text()) if port.parent and file.exists() else 0


def mapped(port: Port) -> set[int]:
    """The lengths of the regions that the port's device may access, of which a buffer of a page_pool is one."""
    lines = (folder(port) / "dma_regions").read_text().splitlines()[1:]
    return {int(line.split()[1]) for line in lines}


def hold(port: Port, queue: int, buffers: int) -> None:
    """Take up to so many free buffers away from an RX queue of the port; release() gives them back."""
    (folder(port) / "hold").write_text(f"{queue} {buffers}")


def release(port: Port) -> None:
    """Give back what hold() took."""
    file = folder(port) / "hold"
    if file.exists():
        file.write_text("0")
