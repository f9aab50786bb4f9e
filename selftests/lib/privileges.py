# SPDX-License-Identifier: GPL-2.0-only
"""What a thread may do, less of it for a while."""

from __future__ import annotations

import contextlib
import ctypes
import os
import struct
from collections.abc import Collection, Iterator

# include/uapi/linux/capability.h
CAP_SYS_ADMIN, CAP_PERFMON = 21, 38
_VERSION_3 = 0x20080522
_SETS = struct.Struct("=6I")  # effective, permitted and inheritable, the lower 32 of each, then the upper

_libc = ctypes.CDLL(None, use_errno=True)


@contextlib.contextmanager
def nobody() -> Iterator[None]:
    """Without privileges in the block: the effective user id goes, and with it the effective capabilities."""
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


@contextlib.contextmanager
def without(capabilities: Collection[int]) -> Iterator[None]:
    """The calling thread lacks these capabilities in the block, and has the rest; what is permitted stays."""
    before = _sets("capget", bytes(_SETS.size))
    low, *rest = _SETS.unpack(before)
    effective = low | rest[2] << 32
    for capability in capabilities:
        effective &= ~(1 << capability)
    rest[2] = effective >> 32
    _sets("capset", _SETS.pack(effective & 0xFFFFFFFF, *rest))
    try:
        yield
    finally:
        _sets("capset", before)


def _sets(call: str, sets: bytes) -> bytes:
    """capget() or capset() of the calling thread."""
    header = ctypes.create_string_buffer(struct.pack("=Ii", _VERSION_3, 0), 8)
    data = ctypes.create_string_buffer(sets, _SETS.size)
    if getattr(_libc, call)(header, data) < 0:
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error))
    return data.raw
