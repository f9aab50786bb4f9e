# SPDX-License-Identifier: GPL-2.0-only
"""Which sockets can have the ULP, and is every other refused in the way that uapi/ppiov_tcp.h says?

netns «ppiov-tx»                netns «ppiov-rx»
 tx0 ===================== rx0  queue 2: bound where payload matters
"""

from __future__ import annotations

import errno
import select
import socket
import struct
from pathlib import Path

import pytest
from lib import backend, devmem, lacking, sockmap
from lib.fixtures import Bind, Defer
from lib.link import Link
from lib.poll import PATIENCE
from lib.traffic import IPV4_AND_IPV6, PORT, connect, payload, receive, steer

pytestmark = pytest.mark.only("ppiov")

IPPROTO_MPTCP = 262


def refused_with(code: int, sock: socket.socket) -> None:
    with pytest.raises(OSError) as refused:
        backend.current().prepare(sock)
    assert refused.value.errno == code, f"TCP_ULP: {refused.value}"


def still_plain(sender: socket.socket, receiver: socket.socket) -> None:
    """A socket that was refused the ULP works as before."""
    sender.sendall(b"ordinary")
    assert receive(receiver, 8) == b"ordinary"


def carries(link: Link, bind: Bind, sender: socket.socket, receiver: socket.socket, family: int) -> None:
    """The receiver has the ULP, and gets device memory with it."""
    binding = bind(link, [2])
    steer(link, family, [2])
    data = payload(20_000)
    sender.sendall(data)
    got = devmem.receive_all(receiver, len(data))
    assert b"".join(r.content(binding.dmabuf) for r in got) == data
    assert not sum(r.linear for r in got)


@IPV4_AND_IPV6
def test_twice(link: Link, bind: Bind, defer: Defer, family: int) -> None:
    """A second time is refused with EEXIST, and the first stays."""
    sender, receiver = connect(link, family, defer)
    refused_with(errno.EEXIST, receiver)
    carries(link, bind, sender, receiver, family)


@IPV4_AND_IPV6
def test_not_connected(link: Link, defer: Defer, family: int) -> None:
    """ENOTCONN before connect(), and for a listener."""
    sock = link.rx.ns.socket(family, socket.SOCK_STREAM)
    defer(sock.close)
    refused_with(errno.ENOTCONN, sock)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.bind((link.rx.address(family), PORT))
    refused_with(errno.ENOTCONN, sock)
    sock.listen()
    refused_with(errno.ENOTCONN, sock)


def test_not_connected_any_more(link: Link, defer: Defer) -> None:
    """ENOTCONN after a reset by the peer."""
    sender, receiver = connect(link, socket.AF_INET, defer, prepared=False)
    sender.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sender.close()
    assert select.select([receiver], [], [], PATIENCE)[0], "the reset has not come"
    refused_with(errno.ENOTCONN, receiver)


def test_after_the_peer_closed(link: Link, bind: Bind, defer: Defer) -> None:
    """A socket whose peer has closed already can have it, for what is unread."""
    binding = bind(link, [2])
    steer(link, socket.AF_INET, [2])
    sender, receiver = connect(link, socket.AF_INET, defer, prepared=False)
    data = payload(10_000)
    sender.sendall(data)
    sender.shutdown(socket.SHUT_WR)
    poll = select.poll()
    poll.register(receiver, select.POLLRDHUP)
    assert poll.poll(PATIENCE * 1000), "the end of the stream has not come"
    backend.current().prepare(receiver)
    got = devmem.receive_all(receiver, len(data))
    assert b"".join(r.content(binding.dmabuf) for r in got) == data
    assert devmem.receive(receiver).length == 0


def test_udp(link: Link, defer: Defer) -> None:
    """UDP has no such option."""
    sock = link.rx.ns.socket(socket.AF_INET, socket.SOCK_DGRAM)
    defer(sock.close)
    refused_with(errno.ENOPROTOOPT, sock)


# MPTCP


def _no_mptcp(link: Link) -> str | None:
    return None if Path("/proc/sys/net/mptcp").exists() else "MPTCP"


def _mptcp_refused(link: Link, defer: Defer, lack: str) -> None:
    with pytest.raises(OSError) as refused:
        link.rx.ns.socket(socket.AF_INET, socket.SOCK_STREAM, IPPROTO_MPTCP)
    assert refused.value.errno == errno.EPROTONOSUPPORT


mptcp = lacking.or_refused(_no_mptcp, _mptcp_refused)


def over_mptcp(link: Link, defer: Defer, sends: int, receives: int) -> tuple[socket.socket, socket.socket]:
    """A connection whose ends ask for these protocols; returns (sender, receiver)."""
    with link.rx.ns.socket(socket.AF_INET, socket.SOCK_STREAM, receives) as listener:
        if receives == IPPROTO_MPTCP:
            refused_with(errno.ENOPROTOOPT, listener)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.settimeout(PATIENCE)
        listener.bind((link.rx.v4, PORT))
        listener.listen()
        sender = link.tx.ns.socket(socket.AF_INET, socket.SOCK_STREAM, sends)
        defer(sender.close)
        sender.settimeout(PATIENCE)
        sender.connect((link.rx.v4, PORT))
        receiver, _ = listener.accept()
        defer(receiver.close)
    receiver.settimeout(PATIENCE)
    return sender, receiver


@mptcp
def test_mptcp(link: Link, defer: Defer) -> None:
    """ENOPROTOOPT, from MPTCP itself: before it is connected, at both ends of a connection, and they go on working."""
    sender, receiver = over_mptcp(link, defer, IPPROTO_MPTCP, IPPROTO_MPTCP)
    still_plain(sender, receiver)
    refused_with(errno.ENOPROTOOPT, receiver)
    refused_with(errno.ENOPROTOOPT, sender)
    still_plain(sender, receiver)
    still_plain(receiver, sender)


@mptcp
def test_mptcp_that_fell_back(link: Link, defer: Defer) -> None:
    """The same where the peer has no MPTCP, and the connection is TCP in all but its calls."""
    sender, receiver = over_mptcp(link, defer, IPPROTO_MPTCP, 0)
    still_plain(sender, receiver)
    refused_with(errno.ENOPROTOOPT, sender)
    still_plain(receiver, sender)


@mptcp
def test_tcp_from_an_mptcp_listener(link: Link, defer: Defer, bind: Bind) -> None:
    """What a listener of MPTCP accepts from a peer without it is a TCP socket, and can have the ULP."""
    sender, receiver = over_mptcp(link, defer, 0, IPPROTO_MPTCP)
    backend.current().prepare(receiver)
    carries(link, bind, sender, receiver, socket.AF_INET)


# sockmap


def _no_bpf(link: Link) -> str | None:
    return None if sockmap.in_kernel() else "bpf()"


def _bpf_refused(link: Link, defer: Defer, lack: str) -> None:
    with pytest.raises(OSError) as refused:
        sockmap.Sockmap()
    assert refused.value.errno == errno.ENOSYS


bpf = lacking.or_refused(_no_bpf, _bpf_refused)


@bpf
def test_sockmap(link: Link, defer: Defer) -> None:
    """EBUSY for a socket in a sockmap, whose calls are BPF's."""
    sender, receiver = connect(link, socket.AF_INET, defer, prepared=False)
    taken = sockmap.Sockmap()
    defer(taken.close)
    taken.take(receiver)
    refused_with(errno.EBUSY, receiver)
    still_plain(sender, receiver)


@bpf
def test_into_a_sockmap(link: Link, defer: Defer, bind: Bind) -> None:
    """A socket with the ULP is refused by a sockmap, with EINVAL, and keeps its calls."""
    sender, receiver = connect(link, socket.AF_INET, defer)
    taken = sockmap.Sockmap()
    defer(taken.close)
    with pytest.raises(OSError) as refused:
        taken.take(receiver)
    assert refused.value.errno == errno.EINVAL
    carries(link, bind, sender, receiver, socket.AF_INET)
