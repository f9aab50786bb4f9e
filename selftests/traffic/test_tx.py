# SPDX-License-Identifier: GPL-2.0-only
"""Is what the core sends from a dma-buf what arrives, without a CPU having read it?

netns «ppiov-tx»                netns «ppiov-rx»
 tx0 ===================== rx0  plain recv(), or a bound queue 2
  |  a dma-buf bound for TX

On a kernel without it, each test is about the refusal.
"""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from lib import devmem, devmem_tx, faults
from lib.devmem_tx import or_refused
from lib.dmabuf import Dmabuf
from lib.fixtures import Bind, Defer
from lib.link import Link
from lib.poll import until
from lib.send import SO_ZEROCOPY, Calls
from lib.traffic import IPV4_AND_IPV6, payload, receive, steer

pytestmark = pytest.mark.only("core")

SIZE = 1 << 20


@pytest.fixture
def source(defer: Defer) -> Dmabuf:
    """A dma-buf with bytes that repeat nowhere."""
    dmabuf = Dmabuf(SIZE)
    defer(dmabuf.close)
    dmabuf.write(0, payload(SIZE))
    return dmabuf


def completed(sock: socket.socket, calls: int) -> None:
    """The kernel tells that each of so many calls is done, and that it copied nothing."""
    done = Calls(sock)
    until(f"{calls} sends are completed", lambda: done.all(calls))


@pytest.fixture
def behind() -> Iterator[ThreadPoolExecutor]:
    """Where one end runs while the test is the other."""
    with ThreadPoolExecutor(1) as executor:
        yield executor


@pytest.mark.parametrize("tso", ["on", "off"])
@IPV4_AND_IPV6
@or_refused
def test_what_is_sent_arrives(
    link: Link, source: Dmabuf, defer: Defer, behind: ThreadPoolExecutor, family: int, tso: str
) -> None:
    """All of a dma-buf, cut into segments by the device or by the stack; each send is completed, none by a copy."""
    binding = devmem_tx.bind(link, source, defer)
    link.tx.ethtool.run("-K", "tso", tso)
    sender, receiver = devmem_tx.connected(link, family, defer)
    got = behind.submit(receive, receiver, SIZE)
    calls = devmem_tx.send_all(sender, binding.id, 0, SIZE)
    assert got.result() == source.read(0, SIZE)
    completed(sender, calls)


@or_refused
def test_pieces(link: Link, source: Dmabuf, defer: Defer) -> None:
    """Pieces of any length, from any place in any order, and ordinary bytes between them."""
    binding = devmem_tx.bind(link, source, defer)
    sender, receiver = devmem_tx.connected(link, socket.AF_INET, defer)
    pieces = [(4095, 1), (0, 1), (4096, 4096), (12345, 6789), (SIZE - 1, 1), (4094, 4), (1, 1)]
    for count in range(1, len(pieces) + 1):
        wanted = b"".join(source.read(*piece) for piece in pieces[:count])
        assert devmem_tx.send(sender, binding.id, pieces[:count]) == len(wanted)
        sender.sendall(b"plain")
        assert receive(receiver, len(wanted) + 5) == wanted + b"plain"


@or_refused
def test_from_one_device_memory_to_another(
    link: Link, source: Dmabuf, bind: Bind, defer: Defer, behind: ThreadPoolExecutor
) -> None:
    """From a dma-buf into a dma-buf: only the engine has touched the bytes."""
    sending_from = devmem_tx.bind(link, source, defer)
    binding = bind(link, [2])
    steer(link, socket.AF_INET, [2])
    sender, receiver = devmem_tx.connected(link, socket.AF_INET, defer, prepared=True)
    got = behind.submit(devmem.receive_all, receiver, SIZE)
    devmem_tx.send_all(sender, sending_from.id, 0, SIZE)
    pieces = got.result()
    assert b"".join(r.content(binding.dmabuf) for r in pieces) == source.read(0, SIZE)
    assert sum(r.linear for r in pieces) == 0


@or_refused
def test_wire_faults(link: Link, source: Dmabuf, defer: Defer, behind: ThreadPoolExecutor) -> None:
    """Lost, doubled, corrupted and reordered frames are sent again from the dma-buf, which nobody has let go."""
    binding = devmem_tx.bind(link, source, defer)
    wrong = {"lose": 37, "duplicate": 5, "reorder": 11, "corrupt": 41}
    link.tx.ethtool.run("-K", "tso", "off")  # more frames
    for fault, period in wrong.items():
        faults.inject(link.tx, fault, period, defer)
    sender, receiver = devmem_tx.connected(link, socket.AF_INET, defer)
    got = behind.submit(receive, receiver, SIZE)
    calls = devmem_tx.send_all(sender, binding.id, 0, SIZE)
    assert got.result() == source.read(0, SIZE)
    completed(sender, calls)
    assert all(faults.hits(link.tx, fault) for fault in wrong)


@or_refused
def test_unbound_while_it_is_sent(link: Link, source: Dmabuf, defer: Defer) -> None:
    """The binding ends with bytes still in the ring: they arrive all the same, and new sends are refused."""
    binding = devmem_tx.bind(link, source, defer)
    sender, receiver = devmem_tx.connected(link, socket.AF_INET, defer)
    faults.inject(link.tx, "stall_tx", 0b1111, defer)
    size = 10_000
    assert devmem_tx.send(sender, binding.id, [(0, size)]) == size
    binding.unbind()
    with pytest.raises(OSError, match="Invalid argument") as refused:
        devmem_tx.send(sender, binding.id, [(0, 1)])
    assert refused.value.errno == errno.EINVAL
    faults.inject(link.tx, "stall_tx", 0, defer)
    assert receive(receiver, size) == source.read(0, size)
    completed(sender, 1)


@or_refused
def test_refused(link: Link, source: Dmabuf, defer: Defer) -> None:
    """An offset beyond the dma-buf, a binding that there is not, and the other device's socket: nothing is sent."""
    binding = devmem_tx.bind(link, source, defer)
    sender, receiver = devmem_tx.connected(link, socket.AF_INET, defer)
    receiver.setsockopt(socket.SOL_SOCKET, SO_ZEROCOPY, 1)
    wrong = [
        (sender, binding.id, (SIZE, 1), errno.EFAULT),
        (sender, binding.id + 1000, (0, 1), errno.EINVAL),
        (receiver, binding.id, (0, 1), errno.ENODEV),
    ]
    for sock, number, piece, error in wrong:
        with pytest.raises(OSError, match=os.strerror(error)):
            devmem_tx.send(sock, number, [piece])
    sender.sendall(b"still good")
    assert receive(receiver, 10) == b"still good"
