# SPDX-License-Identifier: GPL-2.0-only
"""What is left of a stream and of its tokens when the connection ends, by shutdown, FIN, reset, disconnect or close?"""

from __future__ import annotations

import errno
import socket
import struct

import pytest
from lib import devmem, msghdr
from lib.bound import ALL, WAITS, Stream, refused
from lib.sleeper import Sleeper

pytestmark = pytest.mark.only("ppiov")


def test_shutdown_for_reading(stream: Stream) -> None:
    """shutdown(SHUT_RD): what is in the queue can be read still; then the stream has ended, and nobody waits."""
    stream.send(10_000)
    stream.read(1_000)
    stream.receiver.shutdown(socket.SHUT_RD)
    stream.blocking()
    stream.rest()
    assert stream.read().length == 0
    stream.end()


def test_shutdown_of_a_waiting_reader(stream: Stream) -> None:
    """shutdown(SHUT_RD) by another thread ends a recvmsg() that waits: with 0, or with what it has."""
    stream.blocking()
    reader = Sleeper(lambda: devmem.receive(stream.receiver, ALL, socket.MSG_WAITALL))
    reader.until_asleep(WAITS)
    stream.send_to_a_reader(3_000)
    reader.until_asleep(WAITS)
    stream.receiver.shutdown(socket.SHUT_RD)
    assert stream.check(reader.result()).length == 3_000
    assert stream.read().length == 0
    stream.end()


def test_shutdown_for_writing(stream: Stream) -> None:
    """shutdown(SHUT_WR) with device memory unread: it comes, and so does what is sent afterwards."""
    stream.send(10_000)
    stream.receiver.shutdown(socket.SHUT_WR)
    assert stream.sender.recv(1) == b""
    stream.send(10_000)
    stream.rest()
    stream.finish()
    assert stream.read().length == 0
    stream.end()


def test_end_with_tokens_held(stream: Stream) -> None:
    """After the end of the stream reads give 0, again and again; the tokens are good until they are given back."""
    stream.send(10_000)
    data = stream.unread
    got = stream.read()
    stream.rest()
    stream.finish()
    for _ in range(3):
        assert stream.read().length == 0
    assert data.startswith(got.content(stream.binding.dmabuf))
    stream.end()


def test_reset(stream: Stream) -> None:
    """A reset by the peer: what was received before comes, then ECONNRESET once, then 0; tokens can be given back."""
    stream.send(10_000)
    stream.read(2_000)
    stream.reset()
    stream.rest()
    with refused(errno.ECONNRESET):
        stream.read()
    assert stream.read().length == 0
    stream.end()


def test_reset_and_closed_unread(stream: Stream) -> None:
    """A socket that is closed after a reset, with device memory unread and tokens held, gives all of it back."""
    stream.send(20_000)
    stream.read(5_000)
    stream.reset()
    stream.receiver.close()
    stream.home()


def test_disconnect(stream: Stream) -> None:
    """connect(AF_UNSPEC) drops what is unread, and no token; there is nothing to read, and no way to listen."""
    stream.send(20_000)
    stream.read(5_000)
    unspecified = struct.pack("=H14x", socket.AF_UNSPEC)
    msghdr.checked(msghdr.libc.connect(stream.receiver.fileno(), unspecified, len(unspecified)))
    stream.unread = b""
    with refused(errno.ECONNRESET):  # it was we who reset it
        stream.receiver.recvmsg(ALL, ALL)
    with refused(errno.ENOTCONN):
        stream.receiver.recvmsg(ALL, ALL)
    with refused(errno.EINVAL):
        stream.receiver.listen()
    stream.give_back()
    stream.home()
