# SPDX-License-Identifier: GPL-2.0-only
"""What the kernel itself says nobody can reach any more, where it has CONFIG_DEBUG_KMEMLEAK.

The scan is the kernel's: everything that looks like a pointer counts. An object is told when two scans in a row have
found no pointer to it, and not in its first five seconds (MSECS_MIN_AGE in mm/kmemleak.c).
"""

from __future__ import annotations

import re
import time
from dataclasses import dataclass
from pathlib import Path

from lib.debugfs import DEBUGFS

FILE = DEBUGFS / "kmemleak"
MIN_AGE = 5.0
_FRAME = re.compile(r"^\s+(?:\[<[^>]*>\] )?([\w.]+\+0x\S+(?: \[\w+\])?)$", re.MULTILINE)
# The allocators, which every trace begins with
_ALLOCATORS = re.compile(
    r"^(kmem|__?k|___?slab|slab|kvm|__kvm|create_object|__alloc|alloc_|__vmalloc|vmalloc|pcpu|dup)"
)


@dataclass(frozen=True, slots=True)
class Lost:
    """An object that nothing points to."""

    address: str
    size: int
    comm: str
    jiffies: int  # when it was allocated
    trace: tuple[str, ...]

    def __str__(self) -> str:
        where = next((f for f in self.trace if not _ALLOCATORS.match(f)), self.trace[0] if self.trace else "nowhere")
        return f"kmemleak: {self.size} bytes that {self.comm} has allocated in {where} can't be reached any more"


def available() -> bool:
    """Does this kernel look for lost memory?"""
    return FILE.exists()


def parse(text: str) -> list[Lost]:
    """The objects in what the kernel's file says."""
    found = []
    for part in text.split("unreferenced object ")[1:]:
        head, _, rest = part.partition("\n")
        match = re.match(r"(0x[0-9a-f]+) \(size (\d+)\)", head)
        who = re.search(r'comm "([^"]*)", pid \d+, jiffies (\d+)', rest)
        if match and who:
            found.append(Lost(match[1], int(match[2]), who[1], int(who[2]), tuple(_FRAME.findall(rest))))
    return found


def now() -> int:
    """The kernel's clock."""
    match = re.search(r"^jiffies: (\d+)", Path("/proc/timer_list").read_text(), re.MULTILINE)
    return int(match[1]) if match else 0


def lost(since: int) -> list[Lost]:
    """What was allocated since then and lost, and was not told yet. What was there before is nobody's fault."""
    if not available():
        return []
    FILE.write_text("scan")
    time.sleep(MIN_AGE)  # not for something to happen: the kernel tells of nothing that is younger
    FILE.write_text("scan")
    found = parse(FILE.read_text())
    FILE.write_text("clear")
    return [one for one in found if one.jiffies >= since]
