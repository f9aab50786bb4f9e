# SPDX-License-Identifier: GPL-2.0-only
"""What happens to a running stream when its binding, its queue or its link is taken away?

     netns «ppiov-tx»                netns «ppiov-rx»
      tx0 ===================== rx0  queue 0, 1: RSS
                                     queue 2: bound; unbound, restarted, ... while data flows
                                     queue 3: bound; must not notice

That data flows is seen by the counters of a queue, never by the clock.
"""

from __future__ import annotations

import signal
import socket

import pytest
from lib.fixtures import Bind, Start
from lib.link import Link
from lib.ppcat import Event, Ppcat, receive_args, receive_unbound_args, send_args
from lib.traffic import (
    EVERY_PROVIDER,
    IPV4_AND_IPV6,
    PAGE_PROVIDERS,
    PORT,
    SAMPLE,
    arrived,
    counter,
    in_buffers,
    progress,
    steer,
)

ENDLESS = "16G"
SOME = 1 << 20


def stream(
    link: Link, start: Start, family: int, queue: int, size: str, *receiver: str | int, port: int = PORT
) -> tuple[Ppcat, Ppcat]:
    """A running stream to a bound queue, some of which has arrived; returns (receiver, sender)."""
    steer(link, family, [queue], port=port)
    rx = start(link.rx.ns, *receive_args(link, [queue], port, *receiver))
    rx.event("ready")
    tx = start(link.tx.ns, *send_args(link, family, port, "--size", size))
    progress(link, queue, SOME)
    return rx, tx


def ordinary(received: Event) -> int:
    """Bytes that did not come into device memory. Core never mixes the two in one recvmsg(), ppiov does."""
    return int(received["bytes_plain"] + received["bytes_linear"])


@EVERY_PROVIDER
@SAMPLE
@IPV4_AND_IPV6
@pytest.mark.timeout_s(240)
def test_unbind(link: Link, start: Start, family: int) -> None:
    """After an unbind in mid-stream the flow goes on in ordinary memory, to its end, every byte right."""
    steer(link, family, [2])
    rx = start(link.rx.ns, *receive_args(link, [2], PORT, "--unbind-after", "1M"))
    rx.event("ready")
    tx = start(link.tx.ns, *send_args(link, family, PORT, "--size", "4M"))
    rx.event("unbound")
    received = rx.success()
    tx.success()
    assert in_buffers(received) >= SOME
    assert ordinary(received) > 0, "after the unbind everything still came into the dma-buf"
    assert link.bound_to(2) is None


@PAGE_PROVIDERS
@pytest.mark.timeout_s(240)
def test_rebind(link: Link, start: Start, bind: Bind) -> None:
    """A queue unbound and bound to another dma-buf in mid-stream: one flow, three kinds of memory, nothing lost."""
    binding = bind(link, [2])
    steer(link, socket.AF_INET, [2])
    rx = start(link.rx.ns, *receive_unbound_args(link, PORT))
    rx.event("ready")
    tx = start(link.tx.ns, *send_args(link, socket.AF_INET, PORT, "--size", ENDLESS))
    for _ in range(3):
        progress(link, 2, SOME)
        binding.unbind()
        progress(link, 2, SOME)
        binding = bind(link, [2])
    progress(link, 2, SOME)
    for ppcat in (tx, rx):
        ppcat.signal(signal.SIGINT)
    received = rx.summary()
    assert received["mismatch"] is None and not received["flows"][0]["bad_bytes"]
    assert in_buffers(received) > 0
    assert ordinary(received) > 0
    assert received["tokens_freed"] == received["tokens_received"]


@EVERY_PROVIDER
@IPV4_AND_IPV6
@pytest.mark.timeout_s(240)
def test_link_down_and_up(link: Link, start: Start, family: int) -> None:
    """The receiving end goes down and comes up again: the flow goes on, into the same dma-buf, every byte right."""
    rx, tx = stream(link, start, family, 2, ENDLESS, "--require-devmem")
    link.rx.set(state="down")
    link.set_up()
    progress(link, 2, SOME)
    for ppcat in (tx, rx):
        ppcat.signal(signal.SIGINT)
    received = rx.summary()
    assert received["mismatch"] is None and not received["flows"][0]["bad_bytes"]
    assert in_buffers(received) == received["bytes"] >= 2 * SOME


@EVERY_PROVIDER
@pytest.mark.parametrize("hold", [False, True], ids=["", "tokens_held"])
@pytest.mark.timeout_s(240)
def test_link_removed(link: Link, start: Start, hold: bool) -> None:
    """The link is removed under a running stream, tokens returned or held: all ends in order, nothing is left."""
    more: list[str | int] = ["--hold", 64] if hold else []
    rx, tx = stream(link, start, socket.AF_INET, 2, ENDLESS, *more)
    link.remove()
    assert not link.exists
    assert rx.running and tx.running
    for ppcat in (tx, rx):
        ppcat.signal(signal.SIGINT)
        assert ppcat.summary()["signal"] == "SIGINT"


@EVERY_PROVIDER
@pytest.mark.timeout_s(240)
def test_peer_removed(link: Link, start: Start) -> None:
    """The sending end is removed, and the receiving one with it: the binding's end finds no device, nothing is left."""
    rx, tx = stream(link, start, socket.AF_INET6, 2, ENDLESS)
    link.tx.ns.ip.link("del", index=link.tx.ifindex)
    assert not link.exists
    for ppcat in (tx, rx):
        ppcat.signal(signal.SIGINT)
        assert ppcat.summary()["signal"] == "SIGINT"


@pytest.mark.providers("page", "zone_device", "ring")
@pytest.mark.timeout_s(300)
def test_restart_of_another_queue(link: Link, start: Start, bind: Bind) -> None:
    """Queue 2 is bound and unbound five times; queue 3 goes on meanwhile, and loses no frame by it."""
    rx, tx = stream(link, start, socket.AF_INET, 3, ENDLESS, "--require-devmem")
    before = link.rx.ethtool.stats()
    for _ in range(5):
        at = arrived(link, 3)
        binding = bind(link, [2], size=1 << 20)
        binding.unbind()
        assert progress(link, 3) > at
    after = link.rx.ethtool.stats()
    assert after["rx3_down"] == before["rx3_down"], "queue 3 had no memory for a while"
    assert rx.running and tx.running
    for ppcat in (tx, rx):
        ppcat.signal(signal.SIGINT)
    received = rx.summary()
    assert received["mismatch"] is None and not received["flows"][0]["bad_bytes"]
    assert in_buffers(received) > 0


@pytest.mark.providers("page", "zone_device")
@pytest.mark.timeout_s(300)
def test_restart_of_the_queue_itself(link: Link, start: Start, bind: Bind) -> None:
    """The queue of a running flow is restarted five times: frames are lost and sent again, no byte is wrong."""
    steer(link, socket.AF_INET, [2])
    rx = start(link.rx.ns, *receive_unbound_args(link, PORT))
    rx.event("ready")
    tx = start(link.tx.ns, *send_args(link, socket.AF_INET, PORT, "--size", ENDLESS))
    for _ in range(5):
        progress(link, 2, SOME // 4)
        bind(link, [2], size=1 << 20).unbind()
    progress(link, 2, SOME)
    for ppcat in (tx, rx):
        ppcat.signal(signal.SIGINT)
    received = rx.summary()
    assert received["mismatch"] is None and not received["flows"][0]["bad_bytes"]


@EVERY_PROVIDER
def test_receiver_stops(link: Link, start: Start) -> None:
    """A receiver that ends in mid-stream resets the flow, gives all back, and the next one works."""
    steer(link, socket.AF_INET, [2])
    resets = counter(link.rx.ns, "Tcp", "OutRsts")
    rx = start(link.rx.ns, *receive_args(link, [2], PORT, "--stop-after", "1M"))
    rx.event("ready")
    tx = start(link.tx.ns, *send_args(link, socket.AF_INET, PORT, "--size", ENDLESS))
    received = rx.success()
    assert received["stopped"] and in_buffers(received) >= SOME
    assert tx.summary()["failure"] is not None
    assert counter(link.rx.ns, "Tcp", "OutRsts") > resets
    assert link.bound_to(2) is None
