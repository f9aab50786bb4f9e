# SPDX-License-Identifier: GPL-2.0-only
"""Sending from device memory: Documentation/networking/devmem.rst, "TX Interface".

What an iovec calls an address is an offset in the dma-buf here, which Python's own sendmsg() has no way to say.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import select
import socket
import struct
from collections.abc import Callable, Sequence

import pytest

from lib import netdev
from lib.dmabuf import Dmabuf
from lib.link import Link
from lib.netdev import TxBinding
from lib.netlink import Genl
from lib.poll import PATIENCE

SO_ZEROCOPY = 60
MSG_ZEROCOPY = 0x4000000
SCM_DEVMEM_DMABUF = 79
SO_EE_ORIGIN_ZEROCOPY = 5
_ERROR = struct.Struct("=IBBBBII")  # struct sock_extended_err

_libc = ctypes.CDLL(None, use_errno=True)


class _Iovec(ctypes.Structure):
    _fields_ = (("base", ctypes.c_void_p), ("len", ctypes.c_size_t))


class _Msghdr(ctypes.Structure):
    _fields_ = (
        ("name", ctypes.c_void_p),
        ("namelen", ctypes.c_uint32),
        ("iov", ctypes.POINTER(_Iovec)),
        ("iovlen", ctypes.c_size_t),
        ("control", ctypes.c_char_p),
        ("controllen", ctypes.c_size_t),
        ("flags", ctypes.c_int),
    )


def bind(link: Link, dmabuf: Dmabuf, defer: Callable[..., None]) -> TxBinding:
    """Let sockets of tx0's side send from the dma-buf; skips where the kernel can't."""
    with Genl(link.tx.ns, netdev.FAMILY) as genl:
        if netdev.CMD_BIND_TX not in genl.commands:
            pytest.skip("this kernel has no device-memory TX")
    binding = TxBinding(link.tx.ns, link.tx.ifindex, dmabuf)
    defer(binding.unbind)
    return binding


def send(sock: socket.socket, binding: int, pieces: Sequence[tuple[int, int]], flags: int = 0) -> int:
    """One sendmsg() of (offset, length) pieces of the bound dma-buf; returns the bytes taken.

    :raises OSError: as sendmsg() does
    """
    iov = (_Iovec * len(pieces))(*(_Iovec(offset, length) for offset, length in pieces))
    control = struct.pack("=QiiI4x", 16 + 4, socket.SOL_SOCKET, SCM_DEVMEM_DMABUF, binding)
    msg = _Msghdr(None, 0, iov, len(pieces), control, len(control), 0)
    sent = _libc.sendmsg(sock.fileno(), ctypes.byref(msg), MSG_ZEROCOPY | flags)
    if sent < 0:
        errno = ctypes.get_errno()
        raise OSError(errno, os.strerror(errno))
    return int(sent)


def send_all(sock: socket.socket, binding: int, offset: int, length: int) -> int:
    """Send one stretch, waiting for room; returns the number of calls, each of which is completed by itself."""
    calls = 0
    end = offset + length
    while offset < end:
        select.select([], [sock], [], PATIENCE)
        with contextlib.suppress(BlockingIOError):
            offset += send(sock, binding, [(offset, end - offset)])
            calls += 1
    return calls


def completions(sock: socket.socket, calls: int) -> list[int]:
    """Wait until the kernel is done with so many calls; returns the codes, 0 where nothing was copied.

    :raises AssertionError: if they don't come
    """
    codes: dict[int, int] = {}
    poll = select.poll()
    poll.register(sock, 0)  # POLLERR comes unasked
    while len(codes) < calls:
        assert poll.poll(PATIENCE * 1000), f"{len(codes)} of {calls} sends were completed"
        _, ancillary, _, _ = sock.recvmsg(0, 512, socket.MSG_ERRQUEUE)
        for _, _, data in ancillary:
            _, origin, _, code, _, first, last = _ERROR.unpack_from(data)
            assert origin == SO_EE_ORIGIN_ZEROCOPY, f"an error of origin {origin}"
            codes.update(dict.fromkeys(range(first, last + 1), code))
    return [codes[call] for call in sorted(codes)]
