# SPDX-License-Identifier: GPL-2.0-only
"""sendmsg(), recvmsg() and socket options with any address and length: what the socket module would not let through."""

from __future__ import annotations

import ctypes
import mmap
import os
import socket

from lib.closing import Closing


class Iovec(ctypes.Structure):
    _fields_ = (("base", ctypes.c_size_t), ("len", ctypes.c_size_t))


class Msghdr(ctypes.Structure):
    _fields_ = (
        ("name", ctypes.c_void_p),
        ("namelen", ctypes.c_uint),
        ("iov", ctypes.POINTER(Iovec)),
        ("iovlen", ctypes.c_size_t),
        ("control", ctypes.c_void_p),
        ("controllen", ctypes.c_size_t),
        ("flags", ctypes.c_int),
    )


libc = ctypes.CDLL(None, use_errno=True)
for _name in ("sendmsg", "recvmsg"):
    getattr(libc, _name).argtypes = (ctypes.c_int, ctypes.POINTER(Msghdr), ctypes.c_int)
    getattr(libc, _name).restype = ctypes.c_ssize_t
libc.mmap.argtypes = (ctypes.c_void_p, ctypes.c_size_t, *[ctypes.c_int] * 3, ctypes.c_long)
libc.mmap.restype = ctypes.c_void_p
libc.munmap.argtypes = (ctypes.c_void_p, ctypes.c_size_t)
libc.mprotect.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int)
libc.setsockopt.argtypes = (ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_void_p, ctypes.c_uint)
libc.getsockopt.argtypes = (ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p)


def checked(result: int) -> int:
    """What a call of libc returned.

    :raises OSError: if it failed
    """
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    return result


class Guarded(Closing):
    """Pages of memory, with one behind them that must not be touched."""

    def __init__(self, pages: int = 1) -> None:
        self._map = mmap.mmap(-1, (pages + 1) * mmap.PAGESIZE)
        self._first = ctypes.c_char.from_buffer(self._map)
        self.address = ctypes.addressof(self._first)
        self.end = self.address + pages * mmap.PAGESIZE
        checked(libc.mprotect(self.end, mmap.PAGESIZE, 0))

    def write(self, address: int, data: bytes) -> None:
        assert self.address <= address and address + len(data) <= self.end
        ctypes.memmove(address, data, len(data))

    def read(self, address: int, length: int) -> bytes:
        return ctypes.string_at(address, length)

    def close(self) -> None:
        if not self._map.closed:
            del self._first
            self._map.close()


def receive(sock: socket.socket, base: int, size: int, control: int, room: int, flags: int = 0) -> tuple[int, int, int]:
    """recvmsg() as it is; the socket's timeout is not heeded.

    :return: bytes, of them in control messages, and MSG_*
    :raises OSError: also for a signal
    """
    msg = Msghdr(iov=ctypes.pointer(Iovec(base, size)), iovlen=1, control=control, controllen=room)
    length = checked(libc.recvmsg(sock.fileno(), ctypes.byref(msg), flags))
    return length, msg.controllen, msg.flags


def set_option(sock: socket.socket, level: int, option: int, address: int, length: int) -> int:
    """setsockopt(); returns what it does.

    :raises OSError: if the kernel said no
    """
    return checked(libc.setsockopt(sock.fileno(), level, option, address, length))


def get_option(sock: socket.socket, level: int, option: int, address: int, length: int) -> int:
    """getsockopt(); returns the length that it gives.

    :raises OSError: if the kernel said no
    """
    given = ctypes.c_int(length)
    checked(libc.getsockopt(sock.fileno(), level, option, address, ctypes.addressof(given)))
    return given.value
