# SPDX-License-Identifier: GPL-2.0-only
"""Sending from a dma-buf: addresses in the iovec are offsets in the dma-buf. What names a binding is the ULP's here."""

from __future__ import annotations

import ctypes
import socket
import struct
from collections.abc import Sequence
from dataclasses import dataclass, field

from lib.backend import SOL_PPIOV
from lib.msghdr import Iovec, Msghdr, checked, libc

CMSG_TX_DEVMEM = 3
MSG_ZEROCOPY = 0x4000000
SO_ZEROCOPY = 60
_MSG_ERRQUEUE = 0x2000
_ORIGIN_ZEROCOPY = 5
_RECVERR = {(socket.IPPROTO_IP, 11), (socket.IPPROTO_IPV6, 25)}


def cmsg(data: bytes, kind: int = CMSG_TX_DEVMEM, level: int = SOL_PPIOV) -> bytes:
    """A control message, padded; of the ULP's level unless told otherwise."""
    head = struct.pack("=Qii", 16 + len(data), level, kind)
    return (head + data).ljust((16 + len(data) + 7) & ~7, b"\0")


def named(binding: int, reserved: int = 0) -> bytes:
    """The control message that names a binding."""
    return cmsg(struct.pack("=II", binding, reserved))


def send_raw(sock: socket.socket, control: bytes, pieces: Sequence[tuple[int, int]], flags: int) -> int:
    """sendmsg() as it is; the socket's timeout is not heeded, it blocks unless MSG_DONTWAIT is set.

    :raises OSError: if the kernel said no
    """
    iov = (Iovec * len(pieces))(*(Iovec(*piece) for piece in pieces))
    data = ctypes.cast(ctypes.c_char_p(control), ctypes.c_void_p)
    msg = Msghdr(iov=iov, iovlen=len(pieces), control=data, controllen=len(control))
    return checked(libc.sendmsg(sock.fileno(), ctypes.byref(msg), flags))


def send(sock: socket.socket, binding: int, pieces: Sequence[tuple[int, int]], flags: int = 0) -> int:
    """Send (offset, length) pieces of a binding's memory; returns the bytes that were taken.

    :raises OSError: if the kernel said no
    """
    return send_raw(sock, named(binding), pieces, MSG_ZEROCOPY | flags)


@dataclass(frozen=True, slots=True)
class Completion:
    """Calls `first` to `last` of sendmsg(MSG_ZEROCOPY), counted from 0, are done with their memory."""

    first: int
    last: int
    copied: bool


def completions(sock: socket.socket) -> list[Completion]:
    """What is in the socket's error queue now."""
    found: list[Completion] = []
    while True:
        try:
            _, control, _, _ = sock.recvmsg(0, 512, _MSG_ERRQUEUE | socket.MSG_DONTWAIT)
        except BlockingIOError:
            return found
        for level, kind, data in control:
            assert (level, kind) in _RECVERR, f"a control message of level {level}, type {kind}"
            number, origin, _, code, first, last = struct.unpack_from("=IBBBxII", data)
            assert (number, origin) == (0, _ORIGIN_ZEROCOPY), f"errno {number}, origin {origin}"
            found.append(Completion(first, last, bool(code & 1)))


@dataclass(slots=True)
class Calls:
    """Which calls of a socket are done. They may be told out of order: packets that were sent again may linger."""

    sock: socket.socket
    told: set[int] = field(default_factory=set)

    def look(self) -> set[int]:
        """Take what the error queue has; each call is told once, and the kernel copied nothing."""
        for completion in completions(self.sock):
            assert not completion.copied, f"{completion}: the kernel says that it copied"
            calls = set(range(completion.first, completion.last + 1))
            assert not calls & self.told, f"{completion}: told before"
            self.told |= calls
        return self.told

    def all(self, calls: int) -> bool:
        """Are calls 0 to `calls` - 1 done, and no others?"""
        assert self.look() <= set(range(calls)), f"{self.told} are done, of {calls}"
        return len(self.told) == calls
