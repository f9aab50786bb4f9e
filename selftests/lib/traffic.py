# SPDX-License-Identifier: GPL-2.0-only
"""Connections over a link, and bytes to send through them."""

from __future__ import annotations

import fcntl
import random
import socket
import sys
import termios
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from lib import backend, devmem
from lib.link import Ends, Link
from lib.netns import Namespace
from lib.poll import PATIENCE, until
from lib.ppcat import Event, Ppcat, receive_args, send_args

PORT = 5201  # of the first flow; the others count on
SO_SNDBUFFORCE = 32
SENT_AT_ONCE = 1 << 20  # bytes that a test may send before it reads

IPV4_AND_IPV6 = pytest.mark.parametrize("family", [socket.AF_INET, socket.AF_INET6], ids=["ipv4", "ipv6"])

# A test makes sense with providers of ppiov's other than dmabuf, too: docs/selftests.md has the table
EVERY_PROVIDER = pytest.mark.providers("page", "hugepage", "zone_device", "ring")
PAGE_PROVIDERS = pytest.mark.providers("page", "hugepage", "zone_device")
SAMPLE = pytest.mark.sample


def flow_type(family: int) -> str:
    """What ethtool -N calls TCP over it."""
    return "tcp4" if family == socket.AF_INET else "tcp6"


def steer(link: Link, family: int, queues: Sequence[int], flows: int = 1, port: int = PORT) -> None:
    """Steer the ports of so many flows to the queues, in turn. The rules go with the link."""
    for flow in range(flows):
        link.rx.ethtool.steer(flow_type(family), port + flow, queues[flow % len(queues)])


def payload(size: int, seed: int = 1) -> bytes:
    """Bytes that repeat nowhere, so that a shifted or repeated piece can't pass for the right one."""
    return random.Random(seed).randbytes(size)


def retransmitted(sender: socket.socket) -> int:
    """Bytes that a TCP socket has sent once more, so far: tcpi_bytes_retrans of struct tcp_info."""
    info = sender.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 256)
    return int.from_bytes(info[208:216], sys.byteorder)


def connect(
    link: Ends, family: int, defer: Callable[..., None], port: int = PORT, prepared: bool = True
) -> tuple[socket.socket, socket.socket]:
    """A connection from tx0 to rx0; returns (the sender's end, the receiver's end).

    :param prepared: the receiver's end can receive device memory
    """
    with link.rx.ns.socket(family, socket.SOCK_STREAM) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.settimeout(PATIENCE)
        listener.bind((link.rx.address(family), port))
        listener.listen()
        sender = link.tx.ns.socket(family, socket.SOCK_STREAM)
        defer(sender.close)
        sender.settimeout(PATIENCE)
        # What a test sends before it reads, and the window does not take, must fit here, however small TCP keeps it.
        sender.setsockopt(socket.SOL_SOCKET, SO_SNDBUFFORCE, SENT_AT_ONCE)
        sender.connect((link.rx.address(family), port))
        receiver, _ = listener.accept()
        defer(receiver.close)
    receiver.settimeout(PATIENCE)
    if prepared:
        backend.current().prepare(receiver)
    return sender, receiver


def receive(sock: socket.socket, size: int) -> bytes:
    """So many bytes of a stream by plain recv().

    :raises AssertionError: if it ends before
    """
    got = bytearray()
    while len(got) < size:
        piece = sock.recv(min(1 << 16, size - len(got)))
        assert piece, f"the stream ended after {len(got)} of {size} bytes"
        got += piece
    return bytes(got)


def queued(sock: socket.socket) -> int:
    """Bytes that can be read from a socket, as FIONREAD has it."""
    told = bytearray(4)
    fcntl.ioctl(sock, termios.FIONREAD, told)
    return int.from_bytes(told, sys.byteorder)


def arrived(link: Link, queue: int) -> int:
    """Bytes that an RX queue of rx0 has received so far."""
    return link.rx_stats(queue)["rx-bytes"]


def progress(link: Link, queue: int, more: int = 1) -> int:
    """Wait until an RX queue has received `more` bytes than now; returns its count then.

    :raises lib.poll.NeverHappenedError: if traffic has stopped
    """
    before = arrived(link, queue)

    def after() -> int:
        now = arrived(link, queue)
        return now if now >= before + more else 0

    return until(f"{more} more bytes on queue {queue} of {link.rx.name}, after {before}", after)


def transfer(
    link: Link,
    start: Callable[..., Ppcat],
    queues: list[int],
    family: int,
    size: str | int,
    flows: int = 1,
    receiver: Sequence[str | int] = (),
    sender: Sequence[str | int] = (),
) -> tuple[Event, Event]:
    """Send `size` bytes per flow to queues that ppcat binds, to the end; returns (receiver's, sender's) summary.

    Steer before. Every byte is checked, and each flow must have used the dma-buf.

    :raises AssertionError: if either end failed
    """
    ports = PORT if flows == 1 else f"{PORT}-{PORT + flows - 1}"
    rx = start(link.rx.ns, *receive_args(link, queues, ports, "--require-devmem", *receiver))
    rx.event("ready")
    tx = start(link.tx.ns, *send_args(link, family, ports, "--size", size, *sender))
    return rx.success(), tx.success()


def in_buffers(received: Event) -> int:
    """Of a receiver's summary, or a flow's: bytes that came in the bound buffers, as far as it can tell."""
    if backend.current().readable:
        return int(received["bytes_plain"] + received["bytes_linear"])
    return int(received["bytes_devmem"])


def of_binding(got: Sequence[devmem.Received], binding: backend.Binding) -> bool:
    """Are all pieces of device memory in this binding's, and is there one? Payload in pages has no such mark."""
    return backend.current().readable or {f.dmabuf_id for r in got for f in r.frags} == {binding.id}


def counter(ns: Namespace, group: str, name: str) -> int:
    """A protocol counter of a namespace, such as ("Tcp", "RetransSegs") or ("TcpExt", "TCPOFOQueue")."""
    file = Path("/proc/thread-self/net", "netstat" if group.endswith("Ext") else "snmp")
    with ns.inside():
        rows = [line.split() for line in file.read_text().splitlines()]
    names, values = (row for row in rows if row[0] == f"{group}:")
    return int(values[names.index(name)])
