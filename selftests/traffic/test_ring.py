# SPDX-License-Identifier: GPL-2.0-only
"""Provider «ring»: does user space get its payload in memory of its own, and return it without a system call?

netns «ppiov-tx»                netns «ppiov-rx»
 tx0 ===================== rx0  queue 2: ring ---- memory and refill ring, mapped by this process
"""

from __future__ import annotations

import contextlib
import errno
import socket
from collections.abc import Callable

import pytest
from lib import backend, ppiov, ring
from lib.dmabuf import Dmabuf
from lib.fixtures import Defer, MakeLink
from lib.link import Link
from lib.netlink import RefusedError
from lib.poll import PATIENCE, until
from lib.ring import Piece, Ring
from lib.traffic import IPV4_AND_IPV6, connect, payload, steer

pytestmark = pytest.mark.only("ppiov")

PAGE = 4096


@pytest.fixture
def memory(link: Link, defer: Defer) -> Ring:
    """1 MiB and 256 tokens, bound to queue 2, which gets the connection's packets."""
    return _bind(link, defer, Ring(1 << 20, 256))


def _bind(link: Link, defer: Defer, memory: Ring) -> Ring:
    defer(memory.close)
    with ppiov.Ppiov(link.rx.ns) as family:
        defer(family.bind(link.rx.ifindex, [2], "ring", memory.fd).close)
    steer(link, socket.AF_INET, [2])
    steer(link, socket.AF_INET6, [2])
    return memory


def _inflight(link: Link) -> int:
    with ppiov.Ppiov(link.rx.ns) as family:
        return sum(p.inflight for p in family.pools(link.rx.ifindex) if p.provider == "ring")


def _receive(
    sock: socket.socket, memory: Ring, length: int, done: Callable[[set[int]], None] | None = None
) -> tuple[bytes, list[set[int]]]:
    """All of it, as bytes, and the tokens of each recvmsg(); done is told these as they come."""
    data, tokens = b"", []
    while len(data) < length:
        n, pieces = ring.receive(sock)
        assert n, f"the stream ended after {len(data)} of {length} bytes"
        data += b"".join(memory.read(p.offset, p.size) if isinstance(p, Piece) else p for p in pieces)
        tokens.append({p.token for p in pieces if isinstance(p, Piece)})
        if done:
            done(tokens[-1])
    return data, tokens


@IPV4_AND_IPV6
def test_more_than_the_memory_has(link: Link, memory: Ring, defer: Defer, family: int) -> None:
    """4 MiB through 1 MiB: all payload is in the memory, right, and comes back through the ring alone."""
    sender, receiver = connect(link, family, defer)

    def give_back(tokens: set[int]) -> None:
        for token in tokens:
            memory.put(token)

    for round_ in range(32):
        data = payload(128 << 10, seed=round_)
        sender.sendall(data)
        got, tokens = _receive(receiver, memory, len(data), give_back)
        assert got == data
        assert any(tokens), "no payload came into the ring's memory"
    assert memory.invalid == 0


def test_one_token_for_a_packet(make_link: MakeLink, defer: Defer) -> None:
    """A packet that lies in several buffers has one token in one recvmsg(), so one entry returns all of it."""
    link = make_link(mtu=9000)
    memory = _bind(link, defer, Ring(1 << 20, 256))
    sender, receiver = connect(link, socket.AF_INET, defer)
    data = payload(8000)
    sender.sendall(data)
    _, pieces = ring.receive(receiver)
    frags = [p for p in pieces if isinstance(p, Piece)]
    assert len(frags) > 1
    assert len({p.token for p in frags}) == 1
    assert b"".join(memory.read(p.offset, p.size) for p in frags) == data


def test_nonsense_in_the_ring(link: Link, memory: Ring, defer: Defer) -> None:
    """What names no token that is out is counted and does nothing: made up, twice, with reserved bits."""
    sender, receiver = connect(link, socket.AF_INET, defer)
    data = payload(1000)
    sender.sendall(data)
    got, tokens = _receive(receiver, memory, len(data))
    assert got == data
    (token,) = set().union(*tokens)

    for nonsense in (token ^ 1, token + (1 << 15), token | 1 << 31, 0xFFFFFFFF, 255, 256):
        memory.put(nonsense)
    memory.put(token, reserved=1)
    memory.flush()
    assert memory.invalid == 7
    memory.put(token)
    memory.put(token)
    memory.flush()
    assert memory.invalid == 8
    assert memory.head == 9

    memory.set_tail(memory.head + 1_000_000)  # more than the ring has: looked at once round, at most
    memory.flush()
    assert memory.head <= 9 + 2 * memory.entries
    memory.set_tail(memory.head)
    sender.sendall(data)
    assert _receive(receiver, memory, len(data))[0] == data


def test_all_tokens_are_out(link: Link, defer: Defer) -> None:
    """ENOBUFS, and nothing is lost: with a token back the next read goes on where this one stood."""
    memory = _bind(link, defer, Ring(1 << 20, 2))
    sender, receiver = connect(link, socket.AF_INET, defer)
    data = payload(1000)
    sender.sendall(data)
    got, held = b"", []
    for _ in range(2):
        _, (piece,) = ring.receive(receiver, 100)
        assert isinstance(piece, Piece)
        got += memory.read(piece.offset, piece.size)
        held.append(piece.token)
    with pytest.raises(OSError) as refused:
        ring.receive(receiver, 100)
    assert refused.value.errno == errno.ENOBUFS
    memory.put(held[0])
    got += _receive(receiver, memory, len(data) - len(got))[0]
    assert got == data


def test_starved_and_refilled(link: Link, defer: Defer) -> None:
    """User space keeps all of the memory, traffic stops; what it puts into the ring makes it go on, with no call."""
    memory = _bind(link, defer, Ring(256 << 10, 256))
    sender, receiver = connect(link, socket.AF_INET, defer)
    data = payload(2 << 20)
    sender.setblocking(False)
    sent, got = 0, b""
    held: list[int] = []  # tokens
    while len(got) < len(data):
        with contextlib.suppress(BlockingIOError):
            sent += sender.send(data[sent:])
        try:
            # With nothing out, what was lost comes again when TCP's timer says, which backs off
            receiver.settimeout(1 if held else PATIENCE)
            n, pieces = ring.receive(receiver)
        except TimeoutError:
            assert held, "nothing is out, and nothing comes"
            while held:
                memory.put(held.pop())
            continue
        assert n
        got += b"".join(memory.read(p.offset, p.size) if isinstance(p, Piece) else p for p in pieces)
        held += {p.token for p in pieces if isinstance(p, Piece)}
    assert got == data


def test_close_returns_what_is_out(link: Link, memory: Ring, defer: Defer) -> None:
    """A process that goes without a word leaves nothing behind; nor does its socket, which goes first."""
    sender, receiver = connect(link, socket.AF_INET, defer)
    data = payload(100_000)
    sender.sendall(data)
    _receive(receiver, memory, len(data))
    receiver.close()
    memory.close_ring()
    sender, receiver = connect(link, socket.AF_INET, defer)
    sender.sendall(data)
    with pytest.raises(OSError) as refused:
        ring.receive(receiver)
    assert refused.value.errno == errno.ESHUTDOWN


def test_a_token_outlives_socket_and_binding(link: Link, defer: Defer) -> None:
    """The memory that user space has is not written to by a later binding; that one has to wait."""
    memory = Ring(1 << 20, 256)
    defer(memory.close)
    with ppiov.Ppiov(link.rx.ns) as family:
        binding = family.bind(link.rx.ifindex, [2], "ring", memory.fd)
        defer(binding.close)
        steer(link, socket.AF_INET, [2])
        sender, receiver = connect(link, socket.AF_INET, defer)
        data = payload(1000)
        sender.sendall(data)
        _, pieces = ring.receive(receiver)
        receiver.close()
        binding.close()
        with pytest.raises(RefusedError) as refused:
            family.bind(link.rx.ifindex, [2], "ring", memory.fd)
        assert refused.value.errno == errno.EBUSY
        (piece,) = pieces
        assert isinstance(piece, Piece)
        assert memory.read(piece.offset, piece.size) == data
        memory.put(piece.token)
        memory.flush()
        until("the last binding's pool is gone", lambda: not _inflight(link))
        defer(family.bind(link.rx.ifindex, [2], "ring", memory.fd).close)


def test_only_a_rings_memory(link: Link, defer: Defer) -> None:
    """Another dma-buf is refused, and stays free for a provider that takes it."""
    dmabuf = Dmabuf(1 << 20)
    defer(dmabuf.close)
    with ppiov.Ppiov(link.rx.ns) as family:
        with pytest.raises(RefusedError) as refused:
            family.bind(link.rx.ifindex, [2], "ring", dmabuf.fd)
        assert refused.value.errno == errno.EINVAL
    defer(backend.current().bind(link.rx.ns, link.rx.ifindex, [2], dmabuf).unbind)


BAD_RINGS = {
    "no memory": (0, 256),
    "part of a page": (PAGE + 1, 256),
    "too much memory": (ring.MAX_SIZE + PAGE, 256),
    "no entries": (PAGE, 0),
    "no power of two": (PAGE, 3),
    "too many entries": (PAGE, 2 * ring.MAX_ENTRIES),
}


@pytest.mark.parametrize("name", BAD_RINGS)
def test_a_bad_ring_is_refused(link: Link, name: str) -> None:
    """EINVAL, and the file is as it was."""
    with pytest.raises(OSError) as refused:
        Ring(*BAD_RINGS[name])
    assert refused.value.errno == errno.EINVAL


def test_a_ring_is_made_once(link: Link, memory: Ring) -> None:
    """EBUSY for the second time."""
    with pytest.raises(OSError) as refused:
        memory.create(PAGE, 1)
    assert refused.value.errno == errno.EBUSY
