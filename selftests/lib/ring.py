# SPDX-License-Identifier: GPL-2.0-only
"""/dev/ppiov-ring: memory that the provider «ring» gives to a queue, and how it comes back: uapi/ppiov_ring.h."""

from __future__ import annotations

import fcntl
import mmap
import os
import socket
import struct
from dataclasses import dataclass
from pathlib import Path

from lib.dmabuf import Dmabuf
from lib.words import Words

DEVICE = Path("/dev/ppiov-ring")
MAX_ENTRIES = 32768
MAX_SIZE = 1 << 30

_CREATE = struct.Struct("=QIiQQ")
_IOC_CREATE = 3 << 30 | _CREATE.size << 16 | 0xBE << 8 | 0x10
_IOC_FLUSH = 0xBE << 8 | 0x11

# struct ppiov_ring
_HEAD_AT = 0
_INVALID_AT = 8
_TAIL_AT = 64
_ENTRIES_AT = 128
_ENTRY = struct.Struct("=II")

_CMSG = struct.Struct("=QIIII")  # struct ppiov_cmsg
_SOL_PPIOV = 0x7070
_LINEAR = 2
_RING = 4


@dataclass(frozen=True, slots=True)
class Piece:
    """Bytes in the ring's memory."""

    offset: int
    size: int
    token: int


class Ring(Dmabuf):
    """The memory is a dma-buf, which a bind takes; closing it unmaps everything.

    :raises OSError: if the kernel said no
    """

    def __init__(self, size: int, entries: int = 256, reserved: int = 0) -> None:
        self.size = size
        self.entries = entries
        self.fd = -1
        self.file = os.open(DEVICE, os.O_RDWR | os.O_CLOEXEC)
        self._tail = 0
        try:
            self.create(size, entries, reserved)
        except BaseException:
            os.close(self.file)
            raise

    def create(self, size: int, entries: int, reserved: int = 0) -> None:
        """The ioctl, which works once."""
        create = bytearray(_CREATE.pack(size, entries, -1, 0, reserved))
        fcntl.ioctl(self.file, _IOC_CREATE, create)
        _, _, self.fd, ring_size, _ = _CREATE.unpack(create)
        self._ring = Words(mmap.mmap(self.file, ring_size))
        self._map = mmap.mmap(self.fd, size)

    def close(self) -> None:
        if self.file >= 0:
            self.close_ring()
        super().close()

    def close_ring(self) -> None:
        """Only the ring: what is out comes back. The memory stays."""
        self._ring.close()
        os.close(self.file)
        self.file = -1

    @property
    def head(self) -> int:
        """Entries that the kernel has taken."""
        return self._ring[_HEAD_AT]

    @property
    def invalid(self) -> int:
        """Entries that it has refused."""
        invalid: int = struct.unpack_from("=Q", self._ring.memory, _INVALID_AT)[0]
        return invalid

    def put(self, token: int, reserved: int = 0) -> None:
        """One token, told at once."""
        at = _ENTRIES_AT + (self._tail & (self.entries - 1)) * _ENTRY.size
        _ENTRY.pack_into(self._ring.memory, at, token, reserved)
        self.set_tail(self._tail + 1)

    def set_tail(self, tail: int) -> None:
        """Right or wrong. x86 and the interpreter keep the order of stores."""
        self._tail = tail & 0xFFFFFFFF
        self._ring[_TAIL_AT] = self._tail

    def flush(self) -> None:
        """Let the kernel look at the ring now."""
        fcntl.ioctl(self.file, _IOC_FLUSH)


def receive(sock: socket.socket, size: int = 1 << 16) -> tuple[int, list[Piece | bytes]]:
    """One recvmsg(): its length, and the pieces in the order of the stream.

    :raises AssertionError: if a message came that is not the ring's
    """
    data, ancillary, flags, _ = sock.recvmsg(size, 1 << 16)
    assert not flags & socket.MSG_CTRUNC
    pieces: list[Piece | bytes] = []
    linear = 0
    for level, kind, payload in ancillary:
        if level != _SOL_PPIOV:
            continue
        offset, length, token, _, _ = _CMSG.unpack(payload)
        assert kind in (_RING, _LINEAR), f"control message {kind} for a ring's payload"
        if kind == _LINEAR:
            pieces.append(data[linear : linear + length])
            linear += length
        else:
            pieces.append(Piece(offset, length, token))
    if not pieces and data:
        pieces.append(data)
    return len(data), pieces
