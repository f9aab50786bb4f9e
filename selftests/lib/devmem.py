# SPDX-License-Identifier: GPL-2.0-only
"""The socket side of device memory, call by call, for tests that have to see each return value.

Bulk traffic is ppcat's job. The calls are those of Documentation/networking/devmem.rst, or of ppiov's uapi: the backend
(lib/backend.py) has their numbers, and the structures are alike.
"""

from __future__ import annotations

import ctypes
import os
import socket
import struct
from collections.abc import Sequence
from dataclasses import dataclass

from lib import backend
from lib.dmabuf import Dmabuf

MAX_DONTNEED_TOKENS = 128  # ranges in one call: net/core/sock.c, uapi/ppiov_tcp.h
MAX_DONTNEED_FRAGS = 1024  # tokens in one call

_CMSG = struct.Struct("=QIIII")  # struct dmabuf_cmsg
_TOKEN = struct.Struct("=II")  # struct dmabuf_token
_libc = ctypes.CDLL(None, use_errno=True)


@dataclass(frozen=True, slots=True)
class Frag:
    """Bytes in the dma-buf, and the token that gives them back."""

    offset: int
    size: int
    token: int
    dmabuf_id: int  # the binding's


@dataclass(frozen=True, slots=True)
class Received:
    """What one recvmsg() returned."""

    length: int  # 0: the stream has ended
    pieces: tuple[Frag | bytes, ...]  # in the order of the stream; bytes are what was copied to the caller

    @property
    def frags(self) -> list[Frag]:
        return [p for p in self.pieces if isinstance(p, Frag)]

    @property
    def tokens(self) -> list[int]:
        return [f.token for f in self.frags]

    @property
    def linear(self) -> int:
        """Bytes that did not come into the dma-buf."""
        return sum(len(p) for p in self.pieces if isinstance(p, bytes))

    def content(self, dmabuf: Dmabuf) -> bytes:
        """The bytes themselves."""
        return b"".join(p if isinstance(p, bytes) else dmabuf.read(p.offset, p.size) for p in self.pieces)


def receive(sock: socket.socket, size: int = 1 << 16, flags: int = 0) -> Received:
    """One recvmsg() for device memory.

    :raises AssertionError: if control data was cut short, or does not add up to the length returned
    :raises OSError: as recvmsg() does
    """
    calls = backend.current().calls
    data, ancillary, msg_flags, _ = sock.recvmsg(size, 1 << 16, calls.flags | flags)
    assert not msg_flags & socket.MSG_CTRUNC, f"control data was truncated after {len(ancillary)} messages"
    pieces: list[Frag | bytes] = []
    linear = 0  # where the next linear piece stands: they lie one after the other
    for level, kind, payload in ancillary:
        if level != calls.level or kind not in (calls.linear, calls.devmem):
            continue
        offset, length, token, dmabuf_id, _ = _CMSG.unpack(payload)
        if kind == calls.linear:
            pieces.append(data[linear : linear + length])
            linear += length
        else:
            pieces.append(Frag(offset, length, token, dmabuf_id))
    if not pieces:
        return Received(len(data), (data,))  # an ordinary packet, which comes without a word
    told = sum(len(p) if isinstance(p, bytes) else p.size for p in pieces)
    assert told == len(data), f"recvmsg returned {len(data)} bytes, its control data tells of {told}"
    return Received(len(data), tuple(pieces))


def receive_all(sock: socket.socket, length: int) -> list[Received]:
    """recvmsg() until `length` bytes have come.

    :raises AssertionError: if the stream ends before
    """
    got: list[Received] = []
    while (have := sum(r.length for r in got)) < length:
        got.append(receive(sock, length - have))
        assert got[-1].length, f"the stream ended after {have} of {length} bytes"
    return got


def dontneed(sock: socket.socket, ranges: Sequence[tuple[int, int]]) -> int:
    """Give back tokens, as (first, count) ranges; returns how many the kernel freed.

    :raises OSError: as setsockopt() does
    """
    return dontneed_bytes(sock, b"".join(_TOKEN.pack(*r) for r in ranges))


def dontneed_bytes(sock: socket.socket, option: bytes) -> int:
    """The option with any bytes. Unlike others it returns a count, which socket.setsockopt() hides."""
    calls = backend.current().calls
    result = _libc.setsockopt(sock.fileno(), calls.level, calls.dontneed, option, len(option))
    if result < 0:
        errno = ctypes.get_errno()
        raise OSError(errno, os.strerror(errno))
    return int(result)
