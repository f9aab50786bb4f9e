# SPDX-License-Identifier: GPL-2.0-only
"""A connection to a bound queue, of which is known what was sent, what was read, and which tokens are out."""

from __future__ import annotations

import contextlib
import errno
import select
import socket
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial

import pytest

from lib import backend, devmem
from lib.backend import SOL_PPIOV, Binding
from lib.fixtures import Bind, Defer
from lib.link import Link
from lib.poll import PATIENCE, until
from lib.traffic import connect, payload, queued, steer

DONTNEED, INFO = 1, 2
ALL = 1 << 16  # more than any test sends at once
WAITS = "wait_woken"  # where the kernel lets a reader sleep, below sk_wait_data()


@dataclass(frozen=True, slots=True)
class Info:
    """struct ppiov_info"""

    tokens: int
    devmem: int
    linear: int


@dataclass(slots=True)
class Stream:
    """A connection to a bound queue, and what was sent through it and not read yet."""

    link: Link
    sender: socket.socket
    receiver: socket.socket
    binding: Binding
    unread: bytes = b""
    sent: int = 0
    held: list[int] = field(default_factory=list)  # tokens

    def send(self, size: int) -> None:
        """So many bytes more are in the receive queue."""
        before = self.queued
        self.push(size)
        until(f"{size} more bytes are in the queue", lambda: self.queued == before + size)

    def send_to_a_reader(self, size: int) -> None:
        """So many bytes more, which somebody takes at once."""
        before = self.info.devmem
        self.push(size)
        until(f"the reader has taken {size} more bytes", lambda: self.info.devmem == before + size)

    def push(self, size: int) -> None:
        """Send so many bytes more, and don't ask where they are."""
        data = payload(size, seed=self.sent)
        self.sender.sendall(data)
        self.unread += data
        self.sent += size

    @property
    def queued(self) -> int:
        """Bytes that can be read."""
        return queued(self.receiver)

    @property
    def info(self) -> Info:
        return Info(*struct.unpack("=QQQ", self.receiver.getsockopt(SOL_PPIOV, INFO, 24)))

    def check(self, got: devmem.Received) -> devmem.Received:
        """What one recvmsg() has given is the next of the stream, all of it in device memory."""
        assert got.content(self.binding.dmabuf) == self.unread[: got.length]
        assert not got.linear, f"{got.linear} of {got.length} bytes were copied"
        self.unread = self.unread[got.length :]
        self.held += got.tokens
        return got

    def read(self, size: int = ALL, flags: int = 0) -> devmem.Received:
        """One recvmsg(), checked."""
        return self.check(devmem.receive(self.receiver, size, flags))

    def rest(self) -> None:
        """All that is unread comes, and is right; then there is nothing more."""
        while self.unread:
            assert self.read(len(self.unread)).length, f"the stream ended before its last {len(self.unread)} bytes"
        assert not self.queued

    def give_back(self) -> None:
        """Each token is freed, once, and there were no others."""
        assert len(set(self.held)) == len(self.held) == self.info.tokens
        for token in self.held:
            assert devmem.dontneed(self.receiver, [(token, 1)]) == 1, f"token {token} was not to be had"
        if self.held:
            assert devmem.dontneed(self.receiver, [(token, 1) for token in self.held]) == 0, "freed twice"
        assert self.info.tokens == 0
        self.held.clear()

    def home(self) -> None:
        """No buffer is out any more: the pool, which ends with the binding, ends."""
        self.binding.unbind()
        pools = partial(backend.current().inflight, self.link.rx.ns, self.binding.id)
        until(f"no pool of binding {self.binding.id}", lambda: not pools())

    def end(self) -> None:
        """All of it: read to the end, give back, and nothing is missing."""
        self.rest()
        self.give_back()
        self.home()

    def blocking(self) -> None:
        """From here on the receiver's calls wait as long as they like, or as its options say."""
        self.receiver.settimeout(None)

    def events(self, wanted: int, seconds: float = 0) -> int:
        """What poll() says of the receiver."""
        poll = select.poll()
        poll.register(self.receiver, wanted)
        found = poll.poll(seconds * 1000)
        return found[0][1] if found else 0

    def finish(self) -> None:
        """The sender has no more to send, and the receiver knows it."""
        self.sender.shutdown(socket.SHUT_WR)
        assert self.events(select.POLLRDHUP, PATIENCE), "no FIN has come"

    def reset(self) -> None:
        """The sender ends the connection at once, and the receiver knows it.

        All of it: tcp_reset() sets the error, which poll() tells as POLLERR, before it closes.
        """
        self.sender.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sender.close()
        until("the reset has come", lambda: bool(self.events(0) & select.POLLHUP))


def make(link: Link, bind: Bind, defer: Defer, family: int = socket.AF_INET) -> Stream:
    binding = bind(link, [2])
    steer(link, family, [2])
    return Stream(link, *connect(link, family, defer), binding)


@contextlib.contextmanager
def refused(code: int) -> Iterator[None]:
    with pytest.raises(OSError) as no:
        yield
    assert no.value.errno == code, f"{no.value}, and not {errno.errorcode[code]}"
