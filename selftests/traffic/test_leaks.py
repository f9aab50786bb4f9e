# SPDX-License-Identifier: GPL-2.0-only
"""Would a leak be found? Each kind is planted here, found by the questions that every test is asked, and removed.

netns «ppiov-tx»                netns «ppiov-rx»
 tx0 ===================== rx0  queue 2: bound, one flow steered to it
"""

from __future__ import annotations

import socket

import pyroute2.netns
import pytest
from lib import backend, devmem, leaks, link, processes
from lib.dmabuf import Dmabuf
from lib.fixtures import Bind, Defer, MakeLink
from lib.link import Link
from lib.poll import ticks
from lib.traffic import connect, payload, steer


@pytest.fixture(autouse=True)
def no_grace(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is planted stays; waiting for it to go would be in vain."""
    monkeypatch.setattr(leaks, "GRACE", 0.1)


def found(what: str) -> bool:
    """Is there a sentence with this text among the answers? Consumes them, so that they are not held against us."""

    def expected(sentences: list[str]) -> bool:
        return all(what in s or "dma-buf" in s for s in sentences)

    # A page_pool that was given up while a packet's head was on its way back looks for it once a second
    for _ in ticks(every=0.1):
        if expected(leaks.outlook()):
            break
    sentences = leaks.leak_questions()
    assert expected(sentences), f"besides «{what}» something else leaks: {sentences}"
    return any(what in s for s in sentences)


def test_nothing_leaks_yet(link: Link, bind: Bind) -> None:
    """A link with a binding that a test still uses is no leak, but its dma-buf is; with all gone nothing is."""
    binding = bind(link, [2])
    assert leaks.leak_questions() == ["1 dma-buf is still alive"]
    assert leaks.leak_questions() == [], "what was told once was told again"
    binding.unbind()
    binding.dmabuf.close()


def test_dmabuf(namespaces: object) -> None:
    """A dma-buf that nobody closed is found, and found again after it was gone in between."""
    for _ in range(2):
        dmabuf = Dmabuf(1 << 20)
        assert found("1 dma-buf is still alive")
        dmabuf.close()
        assert not leaks.leak_questions()


def test_process(defer: Defer) -> None:
    """A process that was not ended is found."""
    process = processes.start(["sleep", "1000"])
    defer(processes.end, process)
    assert found(f"process {process.pid} is still running: sleep 1000")


def test_namespace(namespaces: object, defer: Defer) -> None:
    """A namespace that was not removed is found."""
    pyroute2.netns.create("ppiov-planted")
    defer(pyroute2.netns.remove, "ppiov-planted")
    assert found("network namespace ppiov-planted is still there")


def test_link(make_link: MakeLink) -> None:
    """A link that nobody answers for is found, and so are its parent devices."""
    pair = make_link()
    link.ALIVE.discard(pair)
    sentences = leaks.leak_questions()
    link.ALIVE.add(pair)
    for what in ("link rx0", "link tx0", pair.rx.parent, pair.tx.parent):
        assert any(what in s for s in sentences), f"{what} is missing in {sentences}"


@pytest.mark.parametrize("device_goes", [True, False], ids=["device_gone", "unbound"])
def test_pool(link: Link, bind: Bind, defer: Defer, device_goes: bool) -> None:
    """A pool that a held token keeps alive is found, whether its device is gone or has only been unbound."""
    binding = bind(link, [2], size=1 << 20)
    steer(link, socket.AF_INET, [2])
    _, receiver = flow(link, defer)
    binding.unbind()
    binding.dmabuf.close()
    if device_goes:
        link.remove()
    assert found(backend.current().leak(binding.id))
    receiver.close()


def flow(link: Link, defer: Defer) -> tuple[socket.socket, socket.socket]:
    """A connection whose receiver holds tokens and won't say goodbye when it is closed."""
    sender, receiver = connect(link, socket.AF_INET, defer)
    sender.sendall(payload(20_000))
    devmem.receive_all(receiver, 20_000)
    linger = b"\1\0\0\0\0\0\0\0"  # struct linger {1, 0}: close() resets, and frees at once
    receiver.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    return sender, receiver
