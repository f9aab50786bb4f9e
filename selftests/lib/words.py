# SPDX-License-Identifier: GPL-2.0-only
"""Memory that the kernel reads and writes at the same time, by words of 32 bits: the heads and tails of rings.

Each access is one load or store. struct.pack_into() is not: it fills the place with zeroes before it writes, and a
softirq in between takes a tail of 0 for the truth (a ring of which 2**32 - head entries are new).
"""

from __future__ import annotations

import mmap


class Words:
    """A mapping, whose bytes are in ``memory`` as before.

    :param memory: of a multiple of 4 bytes
    """

    def __init__(self, memory: mmap.mmap) -> None:
        self.memory = memory
        self._words = memoryview(memory).cast("I")

    def __getitem__(self, at: int) -> int:
        return self._words[self._index(at)]

    def __setitem__(self, at: int, value: int) -> None:
        """:param value: its lower 32 bits are taken"""
        self._words[self._index(at)] = value & 0xFFFFFFFF

    @staticmethod
    def _index(at: int) -> int:
        assert not at % 4, f"a word begins at a multiple of 4, not at {at}"
        return at // 4

    def close(self) -> None:
        """Unmap it."""
        self._words.release()
        self.memory.close()
