# SPDX-License-Identifier: GPL-2.0-only
"""Tokens given back before recvmsg() has handed them out. The report: docs/bugs/dontneed.md.

    recvmsg(MSG_SOCK_DEVMEM)                     setsockopt(SO_DEVMEM_DONTNEED)
    reserves tokens for the frags of an skb
    writes a control message: page fault ------> erases the reservations; takes no socket lock
    takes a reference per frag
    stores them under tokens that are gone:
    nobody holds these references any more

A userfaultfd over the buffer for control messages makes recvmsg() wait for as long as it takes.
"""

from __future__ import annotations

import ctypes
import fcntl
import mmap
import os
import select
import socket
import struct
import threading
from collections.abc import Iterator

import pytest
from lib import backend, devmem
from lib.fixtures import Defer
from lib.poll import PATIENCE
from reproducers.conftest import DATA, Stream

# include/uapi/linux/userfaultfd.h
NR_USERFAULTFD = 323  # x86-64
UFFDIO_API, UFFDIO_REGISTER, UFFDIO_ZEROPAGE = 0xC018AA3F, 0xC020AA00, 0xC020AA04
UFFD_API, UFFDIO_REGISTER_MODE_MISSING, UFFD_EVENT_PAGEFAULT = 0xAA, 1, 0x12
SIZE = 1 << 16
GUESSED = [(1, devmem.MAX_DONTNEED_FRAGS)]  # tokens count from 1

_libc = ctypes.CDLL(None, use_errno=True)


class FaultingBuffer:
    """Memory whose first access waits until fill() is called, be it the kernel's."""

    def __init__(self) -> None:
        self.memory = mmap.mmap(-1, SIZE, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        self._pinned = ctypes.c_char.from_buffer(self.memory)
        self.address = ctypes.addressof(self._pinned)
        self._fd = _libc.syscall(NR_USERFAULTFD, os.O_CLOEXEC | os.O_NONBLOCK)
        if self._fd < 0:
            pytest.skip(f"no userfaultfd here: {os.strerror(ctypes.get_errno())}")
        fcntl.ioctl(self._fd, UFFDIO_API, struct.pack("=QQQ", UFFD_API, 0, 0))
        register = struct.pack("=QQQQ", self.address, SIZE, UFFDIO_REGISTER_MODE_MISSING, 0)
        fcntl.ioctl(self._fd, UFFDIO_REGISTER, register)

    def wait(self) -> None:
        """Until somebody has run into it.

        :raises AssertionError: if nobody does
        """
        assert select.select([self._fd], [], [], PATIENCE)[0], "nobody touches the buffer"
        assert os.read(self._fd, 32)[0] == UFFD_EVENT_PAGEFAULT

    def fill(self) -> None:
        """Zeroes everywhere; whoever waits goes on. A second time is no error."""
        if self._fd >= 0:
            os.close(self._fd)  # what waits is woken and finds ordinary memory
            self._fd = -1


class Receiving(threading.Thread):
    """recvmsg() for device memory, with control messages into a buffer of the caller."""

    def __init__(self, sock: socket.socket, control: FaultingBuffer) -> None:
        super().__init__(daemon=True)
        self._data = ctypes.create_string_buffer(SIZE)
        iovec = struct.pack("=QQ", ctypes.addressof(self._data), SIZE)
        self._iovec = ctypes.create_string_buffer(iovec, len(iovec))
        msg = struct.pack("=QQQQQQQ", 0, 0, ctypes.addressof(self._iovec), 1, control.address, SIZE, 0)
        self._msg = ctypes.create_string_buffer(msg, len(msg))
        self._fd, self._control = sock.fileno(), control
        self.length = 0

    def run(self) -> None:
        self.length = _libc.recvmsg(self._fd, self._msg, backend.current().calls.flags)

    def tokens(self) -> Iterator[int]:
        """Of the frags that it was given."""
        calls = backend.current().calls
        (filled,) = struct.unpack_from("=Q", self._msg.raw, 40)
        at = 0
        while at < filled:
            length, level, kind = struct.unpack_from("=QII", self._control.memory, at)
            if level == calls.level and kind == calls.devmem:
                yield struct.unpack_from("=QIII", self._control.memory, at + 16)[2]
            at += (length + 7) & ~7


@pytest.mark.reproducer(
    report="docs/bugs/dontneed.md",
    hits=("6.12", "7.3"),
    kind="fail",
    shows=("references leaked",),
)
def test_tokens_that_are_not_out_yet(stream: Stream, defer: Defer) -> None:
    """Tokens are given back while recvmsg() waits on a page fault: each buffer must come back all the same."""
    control = FaultingBuffer()
    defer(control.fill)
    stream.sender.sendall(DATA[:16384])
    receiving = Receiving(stream.receiver, control)
    receiving.start()
    control.wait()
    assert devmem.dontneed(stream.receiver, GUESSED) == 0, "a token was out that nobody had been given"
    control.fill()
    receiving.join(PATIENCE)
    assert not receiving.is_alive() and receiving.length > 0
    given = list(receiving.tokens())
    assert given, "nothing came in device memory"
    freed = sum(devmem.dontneed(stream.receiver, [(token, 1)]) for token in given)
    assert freed == len(given), f"references leaked: recvmsg() gave {len(given)} tokens, {freed} of them can be freed"
