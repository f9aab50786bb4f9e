# SPDX-License-Identifier: GPL-2.0-only
"""A BPF sockmap of one socket, without a program: what it does to the socket's calls is enough for tests."""

from __future__ import annotations

import ctypes
import os
import platform
import socket
import struct
from pathlib import Path

from lib.closing import Closing
from lib.msghdr import checked, libc

_SYS_BPF = {"x86_64": 321, "aarch64": 280}
_MAP_CREATE, _MAP_UPDATE_ELEM = 0, 2
_MAP_TYPE_SOCKMAP = 15


def in_kernel() -> bool:
    """Does the kernel have bpf()?"""
    return Path("/proc/sys/kernel/unprivileged_bpf_disabled").exists()


def _bpf(command: int, attr: bytes) -> int:
    return checked(libc.syscall(_SYS_BPF[platform.machine()], command, attr, len(attr)))


class Sockmap(Closing):
    """:raises OSError: if the kernel said no"""

    def __init__(self) -> None:
        self.fd = _bpf(_MAP_CREATE, struct.pack("=IIIII", _MAP_TYPE_SOCKMAP, 4, 4, 1, 0))

    def take(self, sock: socket.socket) -> None:
        """Put a socket into it, which makes its calls BPF's.

        :raises OSError: if the kernel said no
        """
        key, value = ctypes.c_uint32(0), ctypes.c_uint32(sock.fileno())
        attr = struct.pack("=IxxxxQQQ", self.fd, ctypes.addressof(key), ctypes.addressof(value), 0)
        _bpf(_MAP_UPDATE_ELEM, attr)

    def close(self) -> None:
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1
