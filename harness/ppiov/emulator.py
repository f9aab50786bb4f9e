# SPDX-License-Identifier: GPL-2.0-only
"""What the emulator did wrong, told from what the kernel does.

One such accident of QEMU's TCG is known. The kernel patches a live instruction (arch/x86/kernel/alternative.c): it
writes an ``int3`` over its first byte, the rest, then the first byte, and forgets the place. Where each vCPU has a
thread, another may have translated the ``int3`` and execute it after that: the trap finds nobody who knows of it, and
the kernel dies of "Oops: int3". The oops prints the bytes about the instruction pointer as they are in memory. The
trap's own byte is the one before it: where that is not ``cc``, the CPU has executed what memory does not have.
"""

from __future__ import annotations

import re

from ppiov.results import Splat

ACCIDENT = "the emulator, not the kernel: it executed an int3 that memory does not have"  # as the user is told

_TRAP = re.compile(r"^(?:Oops: )?int3: 0000", re.MULTILINE)
_BEFORE = re.compile(r"^Code:(?: [0-9a-f]{2})* ([0-9a-f]{2}) <[0-9a-f]{2}>", re.MULTILINE)
_INT3 = "cc"


def accident(splat: Splat) -> bool:
    """Whether ``splat`` is of a guest under TCG in which the kernel cannot have done what it says."""
    if splat.kind != "oops" or not _TRAP.search(splat.text):
        return False
    code = _BEFORE.search(splat.text)  # the first: of the instruction that trapped
    return code is not None and code[1] != _INT3
