# SPDX-License-Identifier: GPL-2.0-only
"""Does each call of a socket with the ULP do what uapi/ppiov_tcp.h and TCP promise, in every state of the connection?

netns «ppiov-tx»                netns «ppiov-rx»
 tx0 ===================== rx0  queue 2: bound, one flow steered to it
                                 |
                    a socket with the ULP: recvmsg(), poll(), shutdown(), ...

Whatever a call refuses, no byte and no buffer may be lost by it: stream.rest() and stream.home() ask.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import itertools
import mmap
import os
import select
import signal
import socket
import struct
import sys
import termios
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial

import pytest
from lib import backend, devmem, msghdr, processes
from lib.backend import SOL_PPIOV, Binding
from lib.fixtures import Bind, Defer, MakeLink
from lib.link import Link
from lib.poll import PATIENCE, until
from lib.sleeper import Sleeper, asleep_in
from lib.traffic import IPV4_AND_IPV6, connect, payload, steer

pytestmark = pytest.mark.only("ppiov")

DONTNEED, INFO = 1, 2
CMSG = socket.CMSG_SPACE(24)  # a struct ppiov_cmsg
TCP_INQ = TCP_CM_INQ = 36
TCP_ZEROCOPY_RECEIVE = 35
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
        """Bytes that can be read, as FIONREAD has it."""
        told = bytearray(4)
        fcntl.ioctl(self.receiver, termios.FIONREAD, told)
        return int.from_bytes(told, sys.byteorder)

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
        """The sender ends the connection at once, and the receiver knows it."""
        self.sender.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sender.close()
        assert self.events(0, PATIENCE) & select.POLLHUP, "no reset has come"


def make(link: Link, bind: Bind, defer: Defer, family: int = socket.AF_INET) -> Stream:
    binding = bind(link, [2])
    steer(link, family, [2])
    return Stream(link, *connect(link, family, defer), binding)


def unmerged(link: Link) -> Link:
    """Each segment comes as a frame of its own, so it is known where buffers begin."""
    link.tx.ethtool.run("-K", "tso", "off", "gso", "off")
    return link


@pytest.fixture
def stream(link: Link, bind: Bind, defer: Defer) -> Stream:
    return make(link, bind, defer)


@pytest.fixture
def guarded(defer: Defer) -> msghdr.Guarded:
    memory = msghdr.Guarded()
    defer(memory.close)
    return memory


@contextlib.contextmanager
def refused(code: int) -> Iterator[None]:
    with pytest.raises(OSError) as no:
        yield
    assert no.value.errno == code, f"{no.value}, and not {errno.errorcode[code]}"


# What is refused

MSG_SOCK_DEVMEM = 0x2000000
FLAGS = {
    "peek": socket.MSG_PEEK,
    "trunc": socket.MSG_TRUNC,
    "sock_devmem": MSG_SOCK_DEVMEM,
    "peek_and_trunc": socket.MSG_PEEK | socket.MSG_TRUNC,
}


@IPV4_AND_IPV6
@pytest.mark.parametrize("flags", FLAGS)
def test_flags(link: Link, bind: Bind, defer: Defer, family: int, flags: str) -> None:
    """Flags that device memory can't be read with: EOPNOTSUPP, and all bytes are still there."""
    stream = make(link, bind, defer, family)
    stream.send(20_000)
    with refused(errno.EOPNOTSUPP):
        stream.receiver.recvmsg(ALL, ALL, FLAGS[flags])
    assert stream.queued == 20_000
    assert stream.info == Info(0, 0, 0)
    stream.end()


@IPV4_AND_IPV6
def test_splice(link: Link, bind: Bind, defer: Defer, family: int) -> None:
    """splice() and sendfile() into a pipe: EOPNOTSUPP; sendfile() to a file: EINVAL, as for any socket."""
    stream = make(link, bind, defer, family)
    source = stream.receiver.fileno()
    ends = os.pipe()
    file = os.memfd_create("ppiov-test")
    for fd in (*ends, file):
        defer(os.close, fd)
    stream.send(20_000)
    with refused(errno.EOPNOTSUPP):
        os.splice(source, ends[1], 4096)
    with refused(errno.EOPNOTSUPP):
        os.sendfile(ends[1], source, None, 4096)
    with refused(errno.EINVAL):
        os.sendfile(file, source, None, 4096)
    assert os.fstat(file).st_size == 0
    assert stream.queued == 20_000
    stream.end()


ZEROCOPY = struct.Struct("=QIIIiQiIQQII")  # struct tcp_zerocopy_receive


@pytest.mark.parametrize("copy", [0, 64, 8_000])
def test_zerocopy_receive(stream: Stream, defer: Defer, guarded: msghdr.Guarded, copy: int) -> None:
    """TCP_ZEROCOPY_RECEIVE maps no device memory and copies none; where all is to be copied it says EFAULT."""
    pages = 4 * mmap.PAGESIZE
    area = msghdr.libc.mmap(None, pages, mmap.PROT_READ, mmap.MAP_SHARED, stream.receiver.fileno(), 0)
    assert area not in (None, 2**64 - 1)
    defer(msghdr.libc.munmap, area, pages)
    buffer = msghdr.Guarded(pages=2)
    defer(buffer.close)
    stream.send(8_000)
    guarded.write(guarded.address, ZEROCOPY.pack(area, pages, 0, 0, 0, buffer.address, copy, 0, 0, 0, 0, 0))
    ask = partial(msghdr.get_option, stream.receiver, socket.IPPROTO_TCP, TCP_ZEROCOPY_RECEIVE)
    if copy == 8_000:
        with refused(errno.EFAULT):
            ask(guarded.address, ZEROCOPY.size)
    else:
        ask(guarded.address, ZEROCOPY.size)
        _, mapped, _, inq, failed, _, copied, *_ = ZEROCOPY.unpack(guarded.read(guarded.address, ZEROCOPY.size))
        assert (mapped, inq, failed, copied) == (0, 8_000, 0, 0)
    assert not any(buffer.read(buffer.address, 8_000))
    assert stream.queued == 8_000
    stream.end()


@pytest.mark.parametrize("room", [0, 1, 16, CMSG - 1])
def test_no_room_for_a_message(stream: Stream, room: int) -> None:
    """EMSGSIZE where the first message doesn't fit, and nothing is consumed; where one fits, one comes."""
    stream.send(10_000)
    for _ in range(3):
        with refused(errno.EMSGSIZE):
            stream.receiver.recvmsg(ALL, room)
    assert stream.queued == 10_000
    assert stream.info == Info(0, 0, 0)
    got, told, flags, _ = stream.receiver.recvmsg(ALL, CMSG)
    assert len(told) == 1 and not flags & socket.MSG_CTRUNC
    assert len(got) < 10_000
    offset, size, token = struct.unpack_from("=QII", told[0][2])
    stream.check(devmem.Received(len(got), (devmem.Frag(offset, size, token, stream.binding.id),)))
    stream.end()


def test_bad_control_buffer(stream: Stream, guarded: msghdr.Guarded) -> None:
    """EFAULT where the first message can't be written; where the second can't, the call ends before it."""
    stream.send(10_000)
    with refused(errno.EFAULT):
        msghdr.receive(stream.receiver, guarded.address, ALL, guarded.end, 4096)
    assert stream.queued == 10_000
    assert stream.info == Info(0, 0, 0), "a token was made that nobody knows"
    length, told, _ = msghdr.receive(stream.receiver, guarded.end, ALL, guarded.end - CMSG, 4096)
    assert 0 < length < 10_000 and told == CMSG
    assert stream.info == Info(1, length, 0)
    assert devmem.dontneed(stream.receiver, [(0, 1000)]) == 1
    stream.unread = stream.unread[length:]
    stream.end()


@pytest.mark.parametrize("room", [CMSG, 2 * CMSG, ALL], ids=["one", "two", "all"])
def test_bytes_and_device_memory(link: Link, bind: Bind, defer: Defer, room: int) -> None:
    """Bytes before, and behind, device memory: the messages that come tell the order, and none is left out."""
    steer(unmerged(link), socket.AF_INET, [2])
    sender, receiver = connect(link, socket.AF_INET, defer)
    data = payload(9000)

    def part(first: int, end: int) -> None:
        sender.sendall(data[first:end])
        told = bytearray(4)

        def queued() -> bool:
            fcntl.ioctl(receiver, termios.FIONREAD, told)
            return int.from_bytes(told, sys.byteorder) == end

        until(f"{end} bytes are in the queue", queued)

    part(0, 2000)
    binding = bind(link, [2])
    part(2000, 6000)
    binding.unbind()
    part(6000, 9000)

    content, order = b"", ""
    while len(content) < len(data):
        got, told, flags, _ = receiver.recvmsg(ALL, room)
        assert got and not flags & socket.MSG_CTRUNC
        pieces = [(kind, *struct.unpack_from("=QI", message)) for _, kind, message in told]
        told_of = sum(size for _, _, size in pieces)
        if pieces:
            assert told_of == len(got), f"{len(got)} bytes, the messages {pieces} tell of {told_of}"
        else:
            content, order = content + got, order + "b"
        linear = 0
        for kind, offset, size in pieces:
            if kind == backend.current().calls.linear:
                content, order = content + got[linear : linear + size], order + "b"
                linear += size
            else:
                content, order = content + binding.dmabuf.read(offset, size), order + "d"
        order += "|"
    assert content == data
    # of 4000 bytes in device memory are 3 segments
    assert order == {CMSG: "b|d|d|d|b|", 2 * CMSG: "bd|dd|b|", ALL: "bdddb|"}[room]


# Parts


@pytest.mark.parametrize("beside", [-1, 0, 1], ids=["one_before", "at", "one_behind"])
@pytest.mark.parametrize("mtu", [1500, 9000])
@pytest.mark.parametrize("family", [socket.AF_INET, socket.AF_INET6], ids=["ipv4", "ipv6"])
def test_cut(make_link: MakeLink, bind: Bind, defer: Defer, family: int, mtu: int, beside: int) -> None:
    """Reads that end at a buffer's edge, one byte before it and one behind: each piece is right, and has a token."""
    stream = make(unmerged(make_link(mtu=mtu)), bind, defer, family)
    segment = stream.sender.getsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG)
    total = 3 * segment
    edges = {at for start in range(0, total, segment) for at in range(start, start + segment, 4096)} | {total}
    stream.send(total)
    size = (segment if mtu == 1500 else 4096) + beside
    tokens = 0
    for start in range(0, total, size):
        end = min(start + size, total)
        cuts = [start, *sorted(at for at in edges if start < at < end), end]
        got = stream.read(size)
        assert [f.size for f in got.frags] == [b - a for a, b in itertools.pairwise(cuts)]
        tokens += len(got.frags)
        assert stream.info == Info(tokens, end, 0)
        assert stream.queued == total - end
    stream.end()


# How long a read waits


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


# The end of a connection


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


# Options


def test_inq(stream: Stream) -> None:
    """TCP_INQ: each read tells how many bytes are left, and 1 at the end of the stream, so that one reads on."""
    stream.receiver.setsockopt(socket.IPPROTO_TCP, TCP_INQ, 1)
    stream.send(10_000)
    stream.finish()
    left = []
    while True:
        got, told, _, _ = stream.receiver.recvmsg(4_000, ALL)
        (inq,) = [data for level, kind, data in told if (level, kind) == (socket.IPPROTO_TCP, TCP_CM_INQ)]
        left.append((len(got), int.from_bytes(inq, sys.byteorder)))
        if not got:
            break
    # The FIN counts as a byte that is left, until it is read with the last of the stream
    assert left == [(4_000, 6_001), (4_000, 2_001), (2_000, 1), (0, 1)]


def test_info(stream: Stream, guarded: msghdr.Guarded) -> None:
    """PPIOV_INFO: all of it, its beginning for a shorter buffer, no more for a longer one; EFAULT and EINVAL else."""
    stream.send(10_000)
    stream.read(5_000)
    tokens = len(stream.held)
    whole = struct.pack("=QQQ", tokens, 5_000, 0)
    for size in (0, 1, 8, 23, 24, 25, 64):
        given = stream.receiver.getsockopt(SOL_PPIOV, INFO, size) if size else b""
        assert given == whole[:size]
        assert msghdr.get_option(stream.receiver, SOL_PPIOV, INFO, guarded.address, size) == min(size, 24)
    for address, length, code in (
        (guarded.end, 24, errno.EFAULT),
        (guarded.end - 8, 24, errno.EFAULT),
        (guarded.address, -1, errno.EINVAL),
    ):
        with refused(code):
            msghdr.get_option(stream.receiver, SOL_PPIOV, INFO, address, length)
    with refused(errno.EFAULT):
        msghdr.checked(msghdr.libc.getsockopt(stream.receiver.fileno(), SOL_PPIOV, INFO, guarded.address, guarded.end))
    assert devmem.dontneed(stream.receiver, [(stream.held.pop(), 1)]) == 1
    assert stream.info == Info(tokens - 1, 5_000, 0)
    stream.end()


def test_other_options(stream: Stream) -> None:
    """An option that is not there, or only the other way round: ENOPROTOOPT. TCP's own work as ever."""
    for option in (0, DONTNEED, 3):
        with refused(errno.ENOPROTOOPT):
            stream.receiver.getsockopt(SOL_PPIOV, option, 24)
    for option in (0, INFO, 3):
        with refused(errno.ENOPROTOOPT):
            stream.receiver.setsockopt(SOL_PPIOV, option, bytes(24))
    assert stream.receiver.getsockopt(socket.IPPROTO_TCP, backend.TCP_ULP, 16).rstrip(b"\0") == b"ppiov"
    stream.send(1_000)
    stream.end()


def test_return_of_what_is_no_array(stream: Stream, guarded: msghdr.Guarded) -> None:
    """PPIOV_DONTNEED: EFAULT for memory that isn't there, EINVAL for a wrong length; neither frees a token."""
    stream.send(10_000)
    stream.rest()
    one = struct.pack("=II", stream.held[0], 1)
    guarded.write(guarded.end - 8, one)
    for address, length, code in (
        (guarded.end, 8, errno.EFAULT),
        (guarded.end - 8, 16, errno.EFAULT),  # the first range is there, and right
        (0, 8, errno.EFAULT),
        (guarded.end - 8, 0, errno.EINVAL),
        (guarded.end - 8, 0x7FFFFFF8, errno.EINVAL),
        (guarded.end - 8, 0xFFFFFFF8, errno.EINVAL),  # below 0
    ):
        with refused(code):
            msghdr.set_option(stream.receiver, SOL_PPIOV, DONTNEED, address, length)
    with refused(errno.EINVAL):  # the second range overflows
        devmem.dontneed(stream.receiver, [(stream.held[0], 1), (2**32 - 1, 2)])
    assert stream.info.tokens == len(stream.held)
    for shift in range(1, 8):  # any address will do
        guarded.write(guarded.address + shift, struct.pack("=II", stream.held[0], 1))
        assert msghdr.set_option(stream.receiver, SOL_PPIOV, DONTNEED, guarded.address + shift, 8) == 1
        del stream.held[0]
        if len(stream.held) < 2:
            break
    stream.end()
