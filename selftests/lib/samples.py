# SPDX-License-Identifier: GPL-2.0-only
"""Where tasks are, asked every so many instructions: perf's clock event, read without perf.

The event is the kernel's own cpu-clock, whose timer counts instructions where the guest's clock does (-icount
shift=0). Each sample is the stack of the kernel, or empty where the task was in user space. What the sampling itself
takes is on the account of the tasks and in no sample: so samples tell shares, and the amount is measured without them.
"""

from __future__ import annotations

import bisect
import ctypes
import mmap
import os
import struct
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

PERIOD = 50_021  # a prime: in step with nothing
_PAGES = 2048  # of each ring; twice what a transfer of the benchmarks fills

_PERF_EVENT_OPEN = 298  # x86-64
_SOFTWARE, _CPU_CLOCK = 1, 0
_SAMPLE_IP_CALLCHAIN = 0x1 | 0x20
_DISABLED, _NO_USER_STACK = 1 << 0, 1 << 22
_FD_CLOEXEC = 8
_ENABLE = 0x2400
_LOST, _SAMPLE = 2, 9

_libc = ctypes.CDLL(None, use_errno=True)

Stack = tuple[int, ...]  # addresses in the kernel, the innermost first; empty: in user space


class Event:
    """The samples of one task."""

    def __init__(self, tid: int) -> None:
        flags = _DISABLED | _NO_USER_STACK
        attr = struct.pack("IIQQQQQIIQ", _SOFTWARE, 64, _CPU_CLOCK, PERIOD, _SAMPLE_IP_CALLCHAIN, 0, flags, 0, 0, 0)
        self._fd = _libc.syscall(_PERF_EVENT_OPEN, attr, tid, -1, -1, _FD_CLOEXEC)
        if self._fd < 0:
            raise OSError(ctypes.get_errno(), f"perf_event_open() of task {tid}")
        self._ring = mmap.mmap(self._fd, (1 + _PAGES) * mmap.PAGESIZE)
        if _libc.ioctl(self._fd, _ENABLE, 0):
            raise OSError(ctypes.get_errno(), "PERF_EVENT_IOC_ENABLE")

    def stacks(self) -> Iterator[Stack]:
        """What there is; the task has ended, or sleeps.

        :raises AssertionError: if the ring was too small
        """
        (head,) = struct.unpack_from("Q", self._ring, 1024)
        data = self._ring[mmap.PAGESIZE :]
        at = 0
        while at < head:
            kind, _, size = struct.unpack_from("IHH", data, at)
            assert kind != _LOST and head <= len(data), "samples were lost"
            if kind == _SAMPLE:
                _, entries = struct.unpack_from("QQ", data, at + 8)
                stack = struct.unpack_from(f"{entries}Q", data, at + 24)
                yield tuple(address for address in stack if address < 2**64 - 4095 and address >> 63)
            at += size

    def close(self) -> None:
        self._ring.close()
        os.close(self._fd)


class Symbols:
    """Names of the kernel's functions, and of its modules'."""

    def __init__(self, addresses: Iterable[int]) -> None:
        starts: list[tuple[int, str]] = []
        for line in Path("/proc/kallsyms").read_text().splitlines():
            start, kind, rest = line.split(" ", 2)
            if kind in "tT":
                starts.append((int(start, 16), rest.partition("\t")[0]))
        starts.sort()
        only = [start for start, _ in starts]
        self._names = {address: starts[bisect.bisect_right(only, address) - 1][1] for address in set(addresses)}

    def __getitem__(self, address: int) -> str:
        return self._names[address].partition(".")[0]


def named(stacks: Iterable[Stack]) -> Counter[tuple[str, ...]]:
    """The same with names; equal ones are counted. A part that the compiler split off has its function's name."""
    found = Counter(stacks)
    symbols = Symbols(address for stack in found for address in stack)
    result: Counter[tuple[str, ...]] = Counter()
    for stack, times in found.items():
        result[tuple(symbols[address] for address in stack)] += times
    return result
