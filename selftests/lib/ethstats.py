# SPDX-License-Identifier: GPL-2.0-only
"""`ethtool -S` without a process: netlink has no driver's own counters, and on an emulated machine starting a program
takes longer than most tests."""

from __future__ import annotations

import ctypes
import fcntl
import socket
import struct

from lib.netns import Namespace

SIOCETHTOOL = 0x8946
ETHTOOL_GSTRINGS = 0x1B
ETHTOOL_GSTATS = 0x1D
ETHTOOL_GSSET_INFO = 0x37
ETH_SS_STATS = 1
ETH_GSTRING_LEN = 32


def _ask(sock: socket.socket, device: str, request: bytes, room: int = 0) -> bytes:
    """One SIOCETHTOOL; returns the request as the kernel has filled it in, `room` bytes longer."""
    buffer = ctypes.create_string_buffer(request, len(request) + room)
    fcntl.ioctl(sock, SIOCETHTOOL, struct.pack("16sP16x", device.encode(), ctypes.addressof(buffer)))
    return buffer.raw


def read(ns: Namespace, device: str) -> dict[str, int]:
    """All counters, by name.

    :raises OSError: as the kernel says, as for a device that is not there
    """
    with ns.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        answer = _ask(sock, device, struct.pack("=IIQI", ETHTOOL_GSSET_INFO, 0, 1 << ETH_SS_STATS, 0))
        (count,) = struct.unpack_from("=I", answer, 16)
        request = struct.pack("=III", ETHTOOL_GSTRINGS, ETH_SS_STATS, count)
        strings = _ask(sock, device, request, count * ETH_GSTRING_LEN)[12:]
        numbers = _ask(sock, device, struct.pack("=II", ETHTOOL_GSTATS, count), count * 8)[8:]
    values = struct.unpack(f"={count}Q", numbers)
    names = (strings[i : i + ETH_GSTRING_LEN] for i in range(0, count * ETH_GSTRING_LEN, ETH_GSTRING_LEN))
    return {name.split(b"\0", 1)[0].decode(): value for name, value in zip(names, values, strict=True)}
