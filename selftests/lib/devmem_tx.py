# SPDX-License-Identifier: GPL-2.0-only
"""Sending from device memory by the core: Documentation/networking/devmem.rst, "TX Interface"."""

from __future__ import annotations

import contextlib
import errno
import select
import socket
import struct
from collections.abc import Sequence

import pytest

from lib import netdev
from lib.dmabuf import Dmabuf
from lib.fixtures import Defer
from lib.lacking import or_refused as lacking
from lib.link import Link
from lib.netdev import TxBinding
from lib.netlink import Genl, refusal
from lib.poll import PATIENCE
from lib.send import MSG_ZEROCOPY, SO_ZEROCOPY, cmsg, completions, send_raw
from lib.traffic import connect

SCM_DEVMEM_DMABUF = 79


def bind(link: Link, dmabuf: Dmabuf, defer: Defer) -> TxBinding:
    """Let sockets of tx0's side send from the dma-buf, until the test ends."""
    binding = TxBinding(link.tx.ns, link.tx.ifindex, dmabuf)
    defer(binding.unbind)
    return binding


def connected(link: Link, family: int, defer: Defer, prepared: bool = False) -> tuple[socket.socket, socket.socket]:
    """A connection whose sender may send from device memory."""
    sender, receiver = connect(link, family, defer, prepared=prepared)
    sender.setsockopt(socket.SOL_SOCKET, SO_ZEROCOPY, 1)
    sender.setblocking(True)  # with a timeout, Python waits for data before it looks at the error queue
    return sender, receiver


def send(sock: socket.socket, binding: int, pieces: Sequence[tuple[int, int]]) -> int:
    """One sendmsg() of (offset, length) pieces of the bound dma-buf, which doesn't wait; returns the bytes taken.

    :raises OSError: as sendmsg() does
    """
    control = cmsg(struct.pack("=I", binding), SCM_DEVMEM_DMABUF, socket.SOL_SOCKET)
    return send_raw(sock, control, pieces, MSG_ZEROCOPY | socket.MSG_DONTWAIT)


def send_all(sock: socket.socket, binding: int, offset: int, length: int) -> int:
    """Send one stretch, waiting for room; returns the number of calls, each of which is completed by itself.

    :raises AssertionError: if there is never room
    """
    calls = 0
    end = offset + length
    while offset < end:
        assert select.select([], [sock], [], PATIENCE)[1], f"no room to send the last {end - offset} bytes"
        with contextlib.suppress(BlockingIOError):
            offset += send(sock, binding, [(offset, end - offset)])
            calls += 1
    return calls


def _lacks(link: Link) -> str | None:
    with Genl(link.tx.ns, netdev.FAMILY) as genl:
        return None if netdev.CMD_BIND_TX in genl.commands else "bind-tx"


def _refused(link: Link, defer: Defer, lack: str) -> None:
    """No binding, no such control message, and the socket is as good as before."""
    dmabuf = Dmabuf(1 << 16)
    defer(dmabuf.close)
    with refusal(errno.EOPNOTSUPP):
        bind(link, dmabuf, defer)
    sender, receiver = connected(link, socket.AF_INET, defer)
    with pytest.raises(OSError) as no:
        send(sender, 1, [(0, 1)])
    assert no.value.errno == errno.EINVAL
    sender.sendall(b"bytes")
    assert receiver.recv(16) == b"bytes"
    assert completions(sender) == []


or_refused = lacking(_lacks, _refused)
