# SPDX-License-Identifier: GPL-2.0-only
"""/dev/ppiov-badbuf: dma-bufs that are wrong in one way each: selftests/modules/ppiov_badbuf.c."""

from __future__ import annotations

import enum
import fcntl
from pathlib import Path

MODULE = "ppiov_badbuf"
DEVICE = Path("/dev/ppiov-badbuf")
SIZE = 16 * 4096


class Kind(enum.IntEnum):
    GOOD = 0
    EMPTY = 1  # 0 bytes
    ODD = 2  # half a page too large
    OFFSET = 3  # begins within a page
    PIECES = 4  # in pieces that are no whole pages
    SHORT = 5  # maps half of what it says
    NOTHING = 6  # maps nothing, and calls it success
    NO_MAP = 7
    NO_ATTACH = 8


def export(kind: Kind) -> int:
    """A new one's descriptor."""
    with DEVICE.open("rb+", buffering=0) as device:
        return int(fcntl.ioctl(device, 0xBE << 8 | 0x20 + kind, 0))
