# SPDX-License-Identifier: GPL-2.0-only
"""Does the kernel's own test of device-memory TCP, unmodified, work over ppnic, and does it notice a wrong byte?

netns «ppiov-tx»                 netns «ppiov-rx»
 sender --> tx0 ============ rx0  queue 0, 1: RSS
                                  queue 2, 3: ncdevmem binds them, and steers its port to queue 2
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from pathlib import Path

import pytest
from lib.fixtures import Defer, MakeLink
from lib.link import Link
from lib.ncdevmem import Ncdevmem
from lib.poll import PATIENCE
from lib.traffic import IPV4_AND_IPV6, PORT

pytestmark = pytest.mark.timeout_s(400)

MODULUS = 7  # -v: ncdevmem expects 1, 2, ... 6, 0, 1, ... through all buffers
CHUNK = 1 << 16
SIZE = 10 << 20
END_SECONDS = 120.0

Serve = Callable[..., Ncdevmem]


@pytest.fixture
def serve(tmp_path: Path, defer: Defer) -> Serve:
    """serve(link, arguments...): an ncdevmem on the queues that RSS leaves alone, ended with the test."""

    def begin(link: Link, *args: str | int, queues: list[int] | None = None) -> Ncdevmem:
        program = Ncdevmem(link, tmp_path / "ncdevmem", queues or link.bindable, *args)
        defer(program.stop)
        return program

    return begin


def pattern(size: int) -> bytes:
    """What `-v 7` of 6.12 takes for right. (Later versions want a newline for the zero.)"""
    return (bytes([*range(1, MODULUS), 0]) * (size // MODULUS + 1))[:size]


def send(link: Link, family: int, data: bytes, defer: Defer) -> None:
    """Send it from tx0, and no more. A receiver that leaves early is not this side's to judge."""
    sender = link.tx.ns.socket(family, socket.SOCK_STREAM)
    defer(sender.close)
    sender.settimeout(PATIENCE)
    sender.connect((link.rx.address(family), PORT))
    try:
        for start in range(0, len(data), CHUNK):  # each with a timeout of its own
            sender.sendall(data[start : start + CHUNK])
        sender.shutdown(socket.SHUT_WR)
    except (BrokenPipeError, ConnectionResetError):
        pass


def server_args(link: Link, family: int) -> list[str | int]:
    return ["-l", "-s", link.rx.address(family), "-p", PORT, "-v", MODULUS]


@pytest.mark.parametrize("mtu", [1500, 4148])  # 4148: a segment's payload is one page
@IPV4_AND_IPV6
def test_receives_and_validates(make_link: MakeLink, serve: Serve, defer: Defer, family: int, mtu: int) -> None:
    """10 MB arrive in ncdevmem's dma-buf, and it finds each byte right."""
    link = make_link(mtu=mtu)
    server = serve(link, *server_args(link, family))
    dmabuf = server.listening()
    assert [link.bound_to(queue) for queue in link.bindable] == [dmabuf] * len(link.bindable)
    send(link, family, pattern(SIZE), defer)
    assert server.wait(END_SECONDS) == 0, server.tail()

    assert server.wrong == []
    assert server.received == SIZE, f"{server.received} of {SIZE} bytes came into the dma-buf"
    assert server.validated == server.buffers > 0, f"{server.validated} of {server.buffers} buffers were validated"
    assert [link.bound_to(queue) for queue in link.bindable] == [None] * len(link.bindable)


def test_notices_a_wrong_byte(link: Link, serve: Serve, defer: Defer) -> None:
    """One byte that is wrong on the wire is the one that ncdevmem complains of: it does look at the data."""
    server = serve(link, *server_args(link, socket.AF_INET))
    server.listening()
    data = bytearray(pattern(1 << 20))
    place = len(data) // 2
    right, data[place] = data[place], 0xEE
    send(link, socket.AF_INET, bytes(data), defer)
    server.wait(END_SECONDS)
    assert server.wrong == [(right, 0xEE)]
    assert server.received == len(data)


def test_notices_a_lost_byte(link: Link, serve: Serve, defer: Defer) -> None:
    """From a byte that is missing on everything is wrong: ncdevmem gives up, with an exit code that says so."""
    server = serve(link, *server_args(link, socket.AF_INET))
    server.listening()
    data = pattern(1 << 20)
    place = len(data) // 2
    send(link, socket.AF_INET, data[:place] + data[place + 1 :], defer)
    assert server.wait(END_SECONDS) == 1
    assert "validation failed." in server.said()


REFUSALS = ("should have failed", "should be illegal", "Failed to", "rss error")


def test_own_checks_of_binding(link: Link, serve: Serve) -> None:
    """Without -l it checks binding: no queues, header split off, queues that are to go. The exit code says nothing."""
    checks = serve(link)
    checks.wait(END_SECONDS)
    said = checks.said()
    complaints = [line for line in said.splitlines() if any(words in line for words in REFUSALS)]
    assert complaints == []
    assert said.count("got dmabuf id=") == 1, f"one bind of three must succeed: {checks.tail()}"
    assert "Running: sudo ethtool -L" in said, f"it did not come to its last check: {checks.tail()}"


def test_own_checks_notice_a_bind_that_fails(link: Link, serve: Serve) -> None:
    """The checks above can fail: with one queue more than there are."""
    checks = serve(link, queues=[*link.bindable, link.queues])
    assert checks.wait(END_SECONDS) == 1
    assert "Failed to bind" in checks.said()
