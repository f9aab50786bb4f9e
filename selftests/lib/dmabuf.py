# SPDX-License-Identifier: GPL-2.0-only
"""Memory that devices may write and that this process can look at: a udmabuf over a memfd."""

from __future__ import annotations

import fcntl
import mmap
import os
import struct

from lib.closing import Closing

UDMABUF_CREATE = 0x40187542  # _IOW('u', 0x42, struct udmabuf_create), 24 bytes
F_ADD_SEALS = 1033
F_SEAL_SHRINK = 2


class Dmabuf(Closing):
    """A dma-buf of `size` bytes, a multiple of the page size.

    The CPU reads it through the memfd below, which shares its pages. The dma-buf lives on after close() for as long as
    the kernel uses it.

    :raises OSError: if the kernel has no udmabuf, or no such amount of memory
    """

    def __init__(self, size: int) -> None:
        self.size = size
        self.fd = -1
        memfd = os.memfd_create("ppiov-test", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        try:
            os.ftruncate(memfd, size)
            fcntl.fcntl(memfd, F_ADD_SEALS, F_SEAL_SHRINK)  # udmabuf insists
            create = bytearray(struct.pack("=IIQQ", memfd, 1, 0, size))  # mutable: ioctl() then returns the new fd
            with open("/dev/udmabuf", "rb+", buffering=0) as device:  # noqa: PTH123 - a device, not a path to read
                self.fd = fcntl.ioctl(device, UDMABUF_CREATE, create)
            self._map = mmap.mmap(memfd, size)
        except BaseException:
            if self.fd >= 0:
                os.close(self.fd)
            raise
        finally:
            os.close(memfd)

    def close(self) -> None:
        """Give up our references; a second time is no error."""
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1
            self._map.close()

    def read(self, offset: int, length: int) -> bytes:
        """What stands there now."""
        return self._map[offset : offset + length]

    def write(self, offset: int, data: bytes) -> None:
        """Put bytes there, for a device to read."""
        self._map[offset : offset + len(data)] = data

    def fill(self, byte: int) -> None:
        """Overwrite all of it, so that what is there afterwards came from a device."""
        self._map[:] = bytes([byte]) * self.size
