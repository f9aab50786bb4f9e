# SPDX-License-Identifier: GPL-2.0-only
"""What the kernel logs while a test watches."""

from __future__ import annotations

import os


class KernelLog:
    """Reads /dev/kmsg from now on, without taking anything from other readers."""

    def __init__(self) -> None:
        self._fd = os.open("/dev/kmsg", os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        os.lseek(self._fd, 0, os.SEEK_END)

    def lines(self) -> list[str]:
        """The messages that came since the last call."""
        found: list[str] = []
        while True:
            try:
                record = os.read(self._fd, 8192)
            except BlockingIOError:
                return found
            except BrokenPipeError:  # the ring went round: go on with the oldest that is left
                continue
            found.append(record.decode(errors="replace").partition(";")[2].partition("\n")[0])

    def close(self) -> None:
        os.close(self._fd)
