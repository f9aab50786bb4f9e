# SPDX-License-Identifier: GPL-2.0-only
"""Do buffers come back, however a process gives them back, or doesn't?

netns «ppiov-tx»                netns «ppiov-rx»
 tx0 ===================== rx0  queue 2: bound, one flow steered to it
                                 |
                     recvmsg() -> tokens -> setsockopt() -> the queue's pool
"""

from __future__ import annotations

import errno
import signal
import socket
import struct
from dataclasses import dataclass

import pytest
from lib import backend, devmem
from lib.backend import Binding
from lib.fixtures import Bind, Defer, MakeLink, Start
from lib.link import Link
from lib.poll import until
from lib.ppcat import receive_args, send_args
from lib.traffic import PORT, connect, payload, steer, transfer

UNKNOWN = 1 << 24  # tokens are handed out from low numbers


@dataclass(frozen=True, slots=True)
class Held:
    """A connection whose receiver holds tokens."""

    socket: socket.socket
    tokens: list[int]  # ascending; there may be numbers between them that are nobody's

    @property
    def first(self) -> int:
        return self.tokens[0]

    def span(self, number: int) -> int:
        """From the first token on, how many numbers have so many tokens."""
        return self.tokens[number - 1] - self.first + 1

    def within(self, *ranges: tuple[int, int]) -> int:
        """How many of them the ranges have, together."""
        return sum(any(start <= token < start + count for start, count in ranges) for token in self.tokens)

    def free_rest(self, freed: int) -> None:
        """Return all tokens; what was not freed before is freed now, and only that."""
        rest = self._free_all()
        assert freed + rest == len(self.tokens), f"{freed} + {rest} were freed, {len(self.tokens)} were held"
        assert self._free_all() == 0, "freed twice"

    def _free_all(self) -> int:
        most = devmem.MAX_DONTNEED_TOKENS
        chunks = (self.tokens[at : at + most] for at in range(0, len(self.tokens), most))
        return sum(devmem.dontneed(self.socket, [(token, 1) for token in chunk]) for chunk in chunks)


@pytest.fixture
def binding(link: Link, bind: Bind) -> Binding:
    return bind(link, [2])


@pytest.fixture
def held(link: Link, binding: Binding, defer: Defer) -> Held:
    """A flow of which 20 or more buffers are held."""
    steer(link, socket.AF_INET, [2])
    sender, receiver = connect(link, socket.AF_INET, defer)
    data = payload(160_000)
    sender.sendall(data)
    got = devmem.receive_all(receiver, len(data))
    tokens = sorted(t for r in got for t in r.tokens)
    assert len(tokens) >= 20, f"only {len(tokens)} tokens came with {len(data)} bytes"
    assert len(set(tokens)) == len(tokens)
    return Held(receiver, tokens)


def test_return(held: Held) -> None:
    """Tokens returned one by one and in a range are each freed, once."""
    assert devmem.dontneed(held.socket, [(t, 1) for t in held.tokens[:3]]) == 3
    held.free_rest(3)


def test_unknown_tokens(held: Held) -> None:
    """Tokens that were never handed out are no error and free nothing."""
    assert devmem.dontneed(held.socket, [(UNKNOWN, 16), (2**32 - 1, 1)]) == 0
    held.free_rest(0)


def test_unknown_among_known(held: Held) -> None:
    """Unknown tokens among known ones don't keep these from being freed."""
    known = (held.first, held.span(2)), (held.tokens[-1], 50)
    assert devmem.dontneed(held.socket, [(UNKNOWN, 4), *known]) == held.within(*known) == 3
    held.free_rest(3)


def test_duplicate_tokens(held: Held) -> None:
    """A token named twice is freed once, in one call as in two."""
    assert devmem.dontneed(held.socket, [(held.first, 1)] * 3) == 1
    assert devmem.dontneed(held.socket, [(held.first, 1)]) == 0
    held.free_rest(1)


def test_overlapping_ranges(held: Held) -> None:
    """Ranges that overlap free what they cover together."""
    n = held.span(4)
    ranges = [(held.first, n - 1), (held.first + 1, n - 1), (held.first, n)]
    assert devmem.dontneed(held.socket, ranges) == held.within(*ranges) == 4
    held.free_rest(4)


def test_empty_range(held: Held) -> None:
    """A range of no tokens is no error."""
    assert devmem.dontneed(held.socket, [(held.first, 0)]) == 0
    held.free_rest(0)


def test_most_ranges_in_a_call(held: Held) -> None:
    """128 ranges are taken."""
    ranges = [(t, 1) for t in held.tokens][: devmem.MAX_DONTNEED_TOKENS]
    ranges += [(UNKNOWN, 1)] * (devmem.MAX_DONTNEED_TOKENS - len(ranges))
    freed = devmem.dontneed(held.socket, ranges)
    assert freed == min(len(held.tokens), devmem.MAX_DONTNEED_TOKENS)
    held.free_rest(freed)


def test_too_many_ranges(held: Held) -> None:
    """129 ranges are refused as a whole."""
    with pytest.raises(OSError) as refused:
        devmem.dontneed(held.socket, [(held.first, 1)] * (devmem.MAX_DONTNEED_TOKENS + 1))
    assert refused.value.errno == errno.EINVAL
    held.free_rest(0)


def test_too_many_tokens(held: Held) -> None:
    """One call looks at 1024 tokens and no more; the others are still there for the next."""
    unknown = devmem.MAX_DONTNEED_FRAGS - held.span(4)
    freed = devmem.dontneed(held.socket, [(UNKNOWN, unknown), (held.first, held.span(len(held.tokens)))])
    assert freed == 4, f"of {devmem.MAX_DONTNEED_FRAGS} tokens looked at, the last 4 were held; freed were {freed}"
    held.free_rest(4)


def test_endless_range(held: Held) -> None:
    """A range of four thousand million tokens ends after 1024, whether there is one of that number or not."""
    start = held.first
    freed = devmem.dontneed(held.socket, [(start, 2**32 - start)])
    assert freed == held.within((start, devmem.MAX_DONTNEED_FRAGS))
    held.free_rest(freed)


@pytest.mark.parametrize("size", [1, 4, 7, 12], ids=lambda n: f"{n}_bytes")
def test_broken_option(held: Held, size: int) -> None:
    """An option that is no whole number of ranges is refused."""
    with pytest.raises(OSError) as refused:
        devmem.dontneed_bytes(held.socket, struct.pack("=III", held.first, 1, held.first)[:size])
    assert refused.value.errno == errno.EINVAL
    held.free_rest(0)


def test_other_sockets(link: Link, held: Held, defer: Defer) -> None:
    """Tokens are a socket's own: another TCP socket frees nothing with them, a UDP socket has none."""
    with link.rx.ns.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
        with pytest.raises(OSError) as refused:
            devmem.dontneed(udp, [(held.first, 1)])
        assert refused.value.errno == backend.current().calls.no_dontneed
    _, other = connect(link, socket.AF_INET, defer, PORT + 1)
    assert devmem.dontneed(other, [(held.first, held.span(len(held.tokens)))]) == 0
    held.free_rest(0)


def test_return_after_unbind(held: Held, binding: Binding) -> None:
    """Tokens outlive the binding: they can still be read and returned."""
    binding.unbind()
    held.free_rest(0)


def test_unbind_with_tokens_held(link: Link, held: Held, binding: Binding) -> None:
    """After an unbind the pool waits for the tokens; with the socket closed it goes."""
    binding.unbind()

    def pools() -> list[int]:
        return backend.current().inflight(link.rx.ns, binding.id)

    # The free buffers go back at once or at the next poll of the queue, the held ones can't
    until(f"only held buffers of binding {binding.id} in flight", lambda: pools() == [len(held.tokens)])
    held.socket.close()
    until(f"no pool of binding {binding.id}", lambda: not pools())


SMALL = 512 << 10  # bytes: 128 buffers, of which 64 are posted


@pytest.mark.timeout_s(240)
def test_held_until_the_pool_is_empty(link: Link, start: Start) -> None:
    """With all buffers held traffic stops, and when they are returned it goes on to the end, every byte right."""
    link.rx.ethtool.set_rings(RX=64)
    steer(link, socket.AF_INET, [2])
    receiver = start(
        link.rx.ns,
        *receive_args(link, [2], PORT, "--memory", SMALL, "--require-devmem"),
        *("--hold", "all", "--hold-until-stalled", 3000),
    )
    receiver.event("ready")
    sender = start(link.tx.ns, *send_args(link, socket.AF_INET, PORT, "--size", "2M"))
    released = receiver.event("released", 60)
    assert released["reason"] == "stalled"
    assert released["bytes"] <= SMALL, "more bytes came than there is memory for, with every token held"
    assert released["tokens"] * 4096 > SMALL // 2, f"traffic stopped though only {released['tokens']} tokens were held"
    received = receiver.success()
    sender.success()
    assert received["bytes_devmem"] >= 2 << 20
    assert link.rx_stats(2)["rx-alloc-fail"] > 0, "the pool never ran dry"


def test_twice_the_memory_with_prompt_return(link: Link, start: Start) -> None:
    """A flow of four times the memory passes when tokens are returned as they come; returned twice, freed once."""
    link.rx.ethtool.set_rings(RX=64)
    steer(link, socket.AF_INET, [2])
    received, _ = transfer(link, start, [2], socket.AF_INET, "2M", receiver=["--memory", SMALL, "--duplicate-return"])
    assert received["tokens_freed"] == received["tokens_received"] > 0
    assert received["duplicates_freed"] == 0


def test_close_with_tokens_held(link: Link, bind: Bind, defer: Defer) -> None:
    """A socket closed with tokens held gives its buffers back: a small dma-buf serves many such sockets."""
    link.rx.ethtool.set_rings(RX=64)
    binding = bind(link, [2], size=SMALL)
    steer(link, socket.AF_INET, [2])
    data = payload(SMALL // 4)
    for _ in range(8):
        sender, receiver = connect(link, socket.AF_INET, defer)
        sender.sendall(data)
        got = devmem.receive_all(receiver, len(data))
        assert b"".join(r.content(binding.dmabuf) for r in got) == data
        receiver.close()
        sender.close()


@pytest.mark.parametrize("how", ["SIGKILL", "exit"])
@pytest.mark.timeout_s(240)
def test_process_ends_with_tokens_held(link: Link, start: Start, how: str) -> None:
    """A process that is killed, or exits, with tokens and binding held leaves a queue that works for the next."""
    steer(link, socket.AF_INET, [2])
    hooks = ["--hold", "all"]
    hooks += ["--pause-after", "256K:60000"] if how == "SIGKILL" else ["--exit-holding", "--stop-after", "256K"]
    receiver = start(link.rx.ns, *receive_args(link, [2], PORT, *hooks))
    binding = receiver.event("ready")["dmabuf_id"]
    sender = start(link.tx.ns, *send_args(link, socket.AF_INET, PORT, "--size", "64M"))
    if how == "SIGKILL":
        receiver.event("paused")
        receiver.kill()
    else:
        assert receiver.success()["tokens_held"] > 0
    assert sender.summary()["failure"] is not None, "the sender did not notice that its receiver is gone"

    assert link.bound_to(2) is None
    until(
        f"no pool of binding {binding}",
        lambda: not backend.current().inflight(link.rx.ns, binding),
    )
    transfer(link, start, [2], socket.AF_INET, "256K")


def test_many_small_messages(make_link: MakeLink, start: Start) -> None:
    """1000 messages of one byte: a buffer and a token each, all of which come back."""
    link = make_link()
    steer(link, socket.AF_INET, [2])
    received, _ = transfer(link, start, [2], socket.AF_INET, 1000, sender=["--msg-sizes", "1"])
    assert received["tokens_freed"] == received["tokens_received"] >= 1000


def test_signal_releases(link: Link, start: Start) -> None:
    """Tokens held for the whole of a flow are all freed when the process decides so."""
    steer(link, socket.AF_INET, [2])
    receiver = start(link.rx.ns, *receive_args(link, [2], PORT, "--hold", "all", "--memory", "4M"))
    receiver.event("ready")
    sender = start(link.tx.ns, *send_args(link, socket.AF_INET, PORT, "--size", "64M"))
    until("some data came", lambda: link.rx_stats(2)["rx-bytes"] > 1 << 20)
    receiver.signal(signal.SIGUSR1)
    assert receiver.event("released")["tokens"] > 0
    received = receiver.success()
    sender.success()
    assert received["tokens_freed"] == received["tokens_received"]
