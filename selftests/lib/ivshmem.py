# SPDX-License-Identifier: GPL-2.0-only
"""The guest's PCI device with memory of its own (QEMU's ivshmem-plain), and dma-bufs over it.

The memory is a file on the host, which the shared folder shows: what a NIC wrote into the device is read there, and no
CPU of the guest ever touches it.
"""

from __future__ import annotations

import fcntl
import os
import struct
from pathlib import Path

import pytest

from lib import module, processes
from lib.dmabuf import Dmabuf
from lib.poll import until

MODULE = "ppiov_ivshmem"
DEVICE = Path("/dev/ppiov-ivshmem0")
FILE = Path("/run/ppiov/device-memory")

_INFO = struct.Struct("=QQ")
_EXPORT = struct.Struct("=QQiI")
_IOC_INFO = 2 << 30 | _INFO.size << 16 | 0xBE << 8 | 0x00
_IOC_EXPORT = 3 << 30 | _EXPORT.size << 16 | 0xBE << 8 | 0x01


def load(zone_mib: int = 0) -> None:
    """Load the driver; skip the test where there is none, or no such device."""
    module.load()
    folder = os.environ.get("PPIOV_MODULES", "")
    if not FILE.exists():
        pytest.skip("this guest has no ivshmem device")
    if module.built_in():
        if zone_mib:
            pytest.skip("the driver of the device is built into this kernel, without struct pages of its memory")
        return
    processes.run(["insmod", Path(folder, f"{MODULE}.ko"), f"zone_mib={zone_mib}"])


def unload() -> None:
    """Unload it.

    :raises AssertionError: with rmmod's words, if it is in use
    """
    if not module.built_in():
        processes.run(["rmmod", MODULE])


def unload_unused() -> None:
    """Unload the driver as soon as nobody has its memory any more.

    A page_pool whose last buffers came back after it was given up looks for them once a second, and lets go of its
    dma-buf only then.

    :raises lib.poll.NeverHappenedError: if somebody keeps it
    """
    if module.built_in():
        return
    users = Path("/sys/module", MODULE, "refcnt")
    until(f"nobody uses {MODULE}", lambda: int(users.read_text()) == 0)
    unload()


def info() -> tuple[int, int]:
    """(bytes that can be exported, bytes behind them that are struct pages)."""
    answer = bytearray(_INFO.size)
    with DEVICE.open("rb+", buffering=0) as device:
        fcntl.ioctl(device, _IOC_INFO, answer)
    size, zone = _INFO.unpack(answer)
    return size, zone


def export(offset: int, size: int, reserved: int = 0) -> int:
    """A dma-buf's file descriptor.

    :raises OSError: if the kernel said no
    """
    request = bytearray(_EXPORT.pack(offset, size, -1, reserved))
    with DEVICE.open("rb+", buffering=0) as device:
        fcntl.ioctl(device, _IOC_EXPORT, request)
    fd: int = _EXPORT.unpack(request)[2]
    return fd


class DeviceMemory(Dmabuf):
    """A dma-buf over a part of the device; what stands in it is asked of the host."""

    def __init__(self, size: int, offset: int = 0) -> None:
        self.size = size
        self.offset = offset
        self._file = FILE.open("rb+", buffering=0)
        try:
            self.fd = export(offset, size)
        except BaseException:
            self._file.close()
            raise

    def close(self) -> None:
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1
            self._file.close()

    def read(self, offset: int, length: int) -> bytes:
        return os.pread(self._file.fileno(), length, self.offset + offset)

    def fill(self, byte: int) -> None:
        os.pwrite(self._file.fileno(), bytes([byte]) * self.size, self.offset)
