# SPDX-License-Identifier: GPL-2.0-only
"""How long does a read wait, and what ends it: bytes, the low-water mark, a timeout, a signal, a kill?"""

from __future__ import annotations

import contextlib
import errno
import select
import signal
import socket
import struct
import sys
import time
from collections.abc import Callable

import pytest
from lib import devmem, msghdr, processes
from lib.bound import ALL, WAITS, Stream, refused
from lib.fixtures import Defer
from lib.poll import PATIENCE, until
from lib.sleeper import Sleeper, asleep_in

pytestmark = pytest.mark.only("ppiov")


def low_water_mark(stream: Stream, size: int) -> None:
    stream.receiver.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, size)


def test_low_water_mark(stream: Stream) -> None:
    """Below SO_RCVLOWAT poll() says nothing and recvmsg() waits; at it both are content."""
    low_water_mark(stream, 10_000)
    stream.send(9_999)
    assert not stream.events(select.POLLIN)
    stream.send(1)
    assert stream.events(select.POLLIN, PATIENCE) == select.POLLIN
    stream.rest()

    stream.blocking()
    reader = Sleeper(lambda: devmem.receive(stream.receiver, ALL))
    for size in (4_000, 5_999):
        reader.until_asleep(WAITS)
        stream.send(size)
    reader.until_asleep(WAITS)
    stream.push(1)
    assert stream.check(reader.result()).length == 10_000

    stream.send(4_000)
    reader = Sleeper(lambda: devmem.receive(stream.receiver, ALL))
    until("the reader has taken what there is", lambda: not stream.queued)
    reader.until_asleep(WAITS)
    stream.push(10_000)  # TCP itself wakes nobody while less than the mark is in the queue
    assert stream.check(reader.result()).length == 14_000
    stream.end()


def test_end_below_the_low_water_mark(stream: Stream) -> None:
    """With the end of the stream there is nothing to wait for: what is there comes, then 0 bytes."""
    low_water_mark(stream, 10_000)
    stream.blocking()
    stream.send(4_000)
    reader = Sleeper(lambda: devmem.receive(stream.receiver, ALL))
    until("the reader has taken what there is", lambda: not stream.queued)
    reader.until_asleep(WAITS)
    stream.finish()
    assert stream.check(reader.result()).length == 4_000
    assert stream.events(select.POLLIN) == select.POLLIN
    assert stream.read().length == 0
    stream.end()


def test_wait_for_all(stream: Stream) -> None:
    """MSG_WAITALL: not before all that was asked for, or the end of the stream."""
    stream.blocking()
    reader = Sleeper(lambda: devmem.receive(stream.receiver, 20_000, socket.MSG_WAITALL))
    for size in (5_000, 14_999):
        reader.until_asleep(WAITS)
        stream.send_to_a_reader(size)
    reader.until_asleep(WAITS)
    stream.push(2)
    assert stream.check(reader.result()).length == 20_000
    until("the last byte is in the queue", lambda: stream.queued == 1)
    reader = Sleeper(lambda: devmem.receive(stream.receiver, 20_000, socket.MSG_WAITALL))
    reader.until_asleep(WAITS)
    stream.finish()
    assert stream.check(reader.result()).length == 1
    stream.end()


@pytest.mark.parametrize("size", [0, 3_000], ids=["nothing", "a_part"])
def test_timeout(stream: Stream, size: int) -> None:
    """SO_RCVTIMEO: EAGAIN if nothing has come by then, else what has."""
    stream.blocking()
    stream.receiver.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.pack("ll", 0, 300_000))
    if size:
        stream.send(size)
    begun = time.monotonic()
    with contextlib.nullcontext() if size else refused(errno.EAGAIN):
        assert stream.read(ALL, socket.MSG_WAITALL).length == size
    assert time.monotonic() - begun > 0.29, "it did not wait"
    stream.send(1_000)
    stream.end()


def test_empty(stream: Stream) -> None:
    """Nothing there: EAGAIN with MSG_DONTWAIT, and again when all was read."""
    stream.blocking()
    for size in (1_000, 5_000):
        with refused(errno.EAGAIN):
            stream.receiver.recvmsg(ALL, ALL, socket.MSG_DONTWAIT)
        stream.send(size)
        stream.rest()
    stream.end()


def test_poll(stream: Stream) -> None:
    """poll() tells of data and of the end of the stream, and of neither before it is there."""
    asked = select.POLLIN | select.POLLRDNORM | select.POLLRDHUP | select.POLLPRI
    data = select.POLLIN | select.POLLRDNORM
    assert stream.events(asked) == 0
    stream.send(3_000)
    assert stream.events(asked) == data
    stream.read(1_000)
    assert stream.events(asked) == data
    stream.rest()
    assert stream.events(asked) == 0
    stream.send(1_000)
    stream.finish()
    assert stream.events(asked) == data | select.POLLRDHUP
    stream.rest()
    assert stream.events(asked) == data | select.POLLRDHUP
    assert stream.read().length == 0
    stream.end()


def test_edge_triggered(stream: Stream, defer: Defer) -> None:
    """An edge-triggered epoll wakes once for what has come, and again for more, read or unread."""
    epoll = select.epoll()
    defer(epoll.close)
    epoll.register(stream.receiver, select.EPOLLIN | select.EPOLLRDHUP | select.EPOLLET)

    def woken() -> int:
        found = epoll.poll(0)
        return found[0][1] if found else 0

    assert not woken()
    for read in (False, True, True, False):
        stream.send(3_000)
        assert woken() == select.EPOLLIN
        assert not woken(), "it was told already"
        if read:
            stream.rest()
            assert not woken(), "reading is no event"
    stream.finish()
    assert woken() == select.EPOLLIN | select.EPOLLRDHUP
    stream.end()


def receive_raw(stream: Stream, control: msghdr.Guarded, flags: int = 0) -> Callable[[], int]:
    """recvmsg() that a signal ends. Device memory needs no place of the caller's, so it brings none."""
    return lambda: msghdr.receive(stream.receiver, 0, ALL, control.address, 4096, flags)[0]


@pytest.fixture
def handled(defer: Defer) -> list[int]:
    """SIGUSR1 is handled, and noted here."""
    seen: list[int] = []
    defer(signal.signal, signal.SIGUSR1, signal.signal(signal.SIGUSR1, lambda number, _: seen.append(number)))
    return seen


def test_signal(stream: Stream, guarded: msghdr.Guarded, handled: list[int]) -> None:
    """A signal ends a recvmsg() that has nothing yet with EINTR, and one that has something with that."""
    stream.blocking()
    for size in (0, 3_000):
        reader = Sleeper(receive_raw(stream, guarded, socket.MSG_WAITALL))
        reader.until_asleep(WAITS)
        if size:
            stream.send_to_a_reader(size)
            reader.until_asleep(WAITS)
        reader.signal(signal.SIGUSR1)
        with contextlib.nullcontext() if size else refused(errno.EINTR):
            assert reader.result() == size
        until("the handler has run", lambda: handled)
        handled.clear()
        assert bool(stream.info.tokens) == bool(size)
    assert devmem.dontneed(stream.receiver, [(0, 1000)]) > 0
    stream.unread = b""
    stream.send(5_000)
    stream.end()


@pytest.mark.parametrize("timeout", [False, True], ids=["for_ever", "with_timeout"])
def test_signal_that_restarts(stream: Stream, guarded: msghdr.Guarded, handled: list[int], timeout: bool) -> None:
    """With SA_RESTART it goes on; but not one with SO_RCVTIMEO, whose time would begin anew: EINTR, see signal(7)."""
    signal.siginterrupt(signal.SIGUSR1, False)
    stream.blocking()
    if timeout:
        stream.receiver.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.pack("ll", int(PATIENCE), 0))
    reader = Sleeper(receive_raw(stream, guarded))
    reader.until_asleep(WAITS)
    reader.signal(signal.SIGUSR1)
    until("the handler has run", lambda: handled)
    if timeout:
        with refused(errno.EINTR):
            reader.result()
        stream.send(1_000)
    else:
        reader.until_asleep(WAITS)
        stream.sender.sendall(b"x" * 1_000)
        assert reader.result() == 1_000
        assert devmem.dontneed(stream.receiver, [(0, 1000)]) == 1
    stream.end()


CHILD = """
import socket
socket.socket(fileno=0).recvmsg(1 << 20, 1 << 16, socket.MSG_WAITALL)
"""


def test_killed(stream: Stream) -> None:
    """A process that is killed inside recvmsg(), with device memory taken, leaves nothing behind."""
    stream.blocking()
    child = processes.start([sys.executable, "-c", CHILD], stdin=stream.receiver.fileno())
    try:
        until("the child waits", lambda: asleep_in(WAITS, child.pid, child.pid))
        stream.send_to_a_reader(20_000)
        until("the child waits for more", lambda: asleep_in(WAITS, child.pid, child.pid))
        assert stream.info.tokens > 0
        stream.receiver.close()
    finally:
        processes.end(child, signal.SIGKILL)
    assert child.returncode == -signal.SIGKILL
    assert stream.sender.recv(1) == b"", "the connection goes on without a reader"
    stream.home()
