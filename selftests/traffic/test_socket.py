# SPDX-License-Identifier: GPL-2.0-only
"""Does each call of a socket with the ULP do what uapi/ppiov_tcp.h and TCP promise?

netns «ppiov-tx»                netns «ppiov-rx»
 tx0 ===================== rx0  queue 2: bound, one flow steered to it
                                 |
                    a socket with the ULP: recvmsg(), poll(), shutdown(), ...

Whatever a call refuses, no byte and no buffer may be lost by it: stream.rest() and stream.home() ask.
"""

from __future__ import annotations

import errno
import itertools
import mmap
import os
import socket
import struct
import sys
from functools import partial

import pytest
from lib import backend, devmem, msghdr
from lib.backend import SOL_PPIOV
from lib.bound import ALL, DONTNEED, INFO, Info, Stream, make, refused
from lib.fixtures import Bind, Defer, MakeLink
from lib.link import Link
from lib.poll import until
from lib.traffic import IPV4_AND_IPV6, connect, payload, queued, steer

pytestmark = pytest.mark.only("ppiov")

CMSG = socket.CMSG_SPACE(24)  # a struct ppiov_cmsg
TCP_INQ = TCP_CM_INQ = 36
TCP_ZEROCOPY_RECEIVE = 35


def unmerged(link: Link) -> Link:
    """Each segment comes as a frame of its own, so it is known where buffers begin."""
    link.tx.ethtool.run("-K", "tso", "off", "gso", "off")
    return link


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
        until(f"{end} bytes are in the queue", lambda: queued(receiver) == end)

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
