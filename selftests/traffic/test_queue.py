# SPDX-License-Identifier: GPL-2.0-only
"""Which memory does a queue have, when two backends share a NIC, settings change, or a restart fails?

netns «ppiov-tx»                netns «ppiov-rx»
 tx0 ===================== rx0  queue 0, 1: RSS
                                queue 2: bound by the test's backend
                                queue 3: by the other one
"""

from __future__ import annotations

import errno
import select
import socket

import pytest
from lib import backend, devmem, faults
from lib.dmabuf import Dmabuf
from lib.fixtures import Bind, Defer, Start
from lib.klog import KernelLog
from lib.link import Link
from lib.netlink import RefusedError, refusal
from lib.poll import PATIENCE, until
from lib.ppcat import send_args
from lib.traffic import IPV4_AND_IPV6, PAGE_PROVIDERS, PORT, connect, payload, progress, steer, transfer
from lib.urgent import announce


def check(link: Link, binding: backend.Binding, defer: Defer) -> None:
    """What is sent to queue 2 comes into this binding's dma-buf, all of it right."""
    sender, receiver = connect(link, socket.AF_INET, defer)
    data = payload(50_000)
    sender.sendall(data)
    got = devmem.receive_all(receiver, len(data))
    assert b"".join(r.content(binding.dmabuf) for r in got) == data
    assert {f.dmabuf_id for r in got for f in r.frags} == {binding.id}
    assert not sum(r.linear for r in got)
    receiver.close()
    sender.close()


@pytest.mark.only("ppiov")
def test_both_backends_at_once(link: Link, start: Start) -> None:
    """Two processes, one with core on queue 2 and one with ppiov on queue 3: each gets its flow, all bytes right."""
    steer(link, socket.AF_INET, [2, 3], flows=2)
    receivers = []
    for index, (queue, which) in enumerate(((2, backend.CORE), (3, backend.PPIOV))):
        bound = ["-i", link.rx.name, "-q", queue, *which.ppcat_bound]
        receivers.append(start(link.rx.ns, "-l", "-p", PORT + index, "--require-devmem", *bound))
    ready = [receiver.event("ready") for receiver in receivers]
    assert [r["backend"] for r in ready] == ["core", "ppiov"]
    senders = [start(link.tx.ns, *send_args(link, socket.AF_INET, PORT + i, "--size", "2M")) for i in range(2)]
    for queue, receiver, sender in zip((2, 3), receivers, senders, strict=True):
        received = receiver.success()
        sender.success()
        assert received["bytes_devmem"] >= 2 << 20
        assert received["flows"][0]["queue"] == queue


@pytest.mark.only("ppiov")
def test_never_both_in_one_queue(link: Link, defer: Defer, klog: KernelLog) -> None:
    """A queue that one backend has bound is refused to the other with EBUSY, and the first goes on working."""
    dmabuf = Dmabuf(4 << 20)
    defer(dmabuf.close)
    steer(link, socket.AF_INET, [2])
    for first, second in ((backend.CORE, backend.PPIOV), (backend.PPIOV, backend.CORE)):
        binding = first.bind(link.rx.ns, link.rx.ifindex, [2], dmabuf)
        defer(binding.unbind)
        with refusal(errno.EBUSY):
            second.bind(link.rx.ns, link.rx.ifindex, [2], dmabuf)
        assert first.bound_to(link.rx.ns, link.rx.ifindex, 2) == binding.id
        assert second.bound_to(link.rx.ns, link.rx.ifindex, 2) is None
        backend.use(first)
        check(link, binding, defer)
        binding.unbind()
    # 6.12's core gives no extack for what a driver refuses
    assert [line for line in klog.lines() if "ppiov binding" in line and "core's memory provider" in line]


def test_rings_and_channels(link: Link, bind: Bind, defer: Defer) -> None:
    """A bound queue keeps its binding when rings change size; it can't be taken away, nor can its header split."""
    binding = bind(link, [2])
    steer(link, socket.AF_INET, [2])
    for size in (64, 1024, 512):
        link.rx.ethtool.set_rings(RX=size)
        assert link.bound_to(2) == binding.id
        check(link, binding, defer)
    with pytest.raises(RefusedError) as refused:
        link.rx.ethtool.set_split("off")
    # The driver, or a core that looks itself, for its own providers
    assert refused.value.errno in (errno.EBUSY, errno.EINVAL) and "tcp-data-split" in refused.value.extack
    with pytest.raises(AssertionError, match="ethtool"):
        link.rx.ethtool.run("-L", "combined", 2)
    check(link, binding, defer)


RESTARTS = {
    "no_memory": ("queue_mem_alloc", 1),
    "no_buffers": ("rx_alloc", 4),
    "no_start": ("queue_start", 1),
    "no_start_twice": ("queue_start", 2),
    "no_stop": ("queue_stop", 1),
}


@pytest.mark.only("ppiov")
@pytest.mark.parametrize("how", RESTARTS)
def test_bind_that_fails(link: Link, bind: Bind, start: Start, defer: Defer, how: str) -> None:
    """A bind whose restart fails is refused and says so; the queue has its own memory, and can be bound again."""
    fault, times = RESTARTS[how]
    if how == "no_buffers":  # of the headers' pool: a provider may be short of buffers
        times = 1
    steer(link, socket.AF_INET, [2])
    faults.strike_only(link.rx, [2], defer)
    faults.inject(link.rx, fault, times, defer)
    with pytest.raises(RefusedError) as refused:
        bind(link, [2])
    assert refused.value.errno in (errno.ENOMEM, errno.EIO)
    assert "RX queue 2 could not be restarted" in refused.value.extack
    assert link.bound_to(2) is None
    sender, receiver = connect(link, socket.AF_INET, defer, prepared=False)
    sender.sendall(b"ordinary")
    assert receiver.recv(8) == b"ordinary"
    transfer(link, start, [2], socket.AF_INET, "256K", receiver=["--memory", "4M"])


@pytest.mark.only("ppiov")
@pytest.mark.parametrize("how", ["no_memory", "no_start", "no_start_twice", "no_stop"])
def test_bind_that_fails_while_down(link: Link, bind: Bind, start: Start, defer: Defer, how: str) -> None:
    """The same of a port that is down: up again, its queue works, and as often as it likes."""
    fault, times = RESTARTS[how]
    link.rx.set(state="down")
    faults.inject(link.rx, fault, times, defer)
    with pytest.raises(RefusedError):
        bind(link, [2])
    assert faults.hits(link.rx, fault) == times
    for _ in range(2):
        link.set_up()
        link.rx.set(state="down")
    link.set_up()
    assert link.bound_to(2) is None
    steer(link, socket.AF_INET, [2])
    sender, receiver = connect(link, socket.AF_INET, defer, prepared=False)
    sender.sendall(b"ordinary")
    assert receiver.recv(8) == b"ordinary"
    transfer(link, start, [2], socket.AF_INET, "256K", receiver=["--memory", "4M"])


@pytest.mark.only("ppiov")
@pytest.mark.parametrize("how", RESTARTS)
def test_unbind_that_fails(link: Link, bind: Bind, defer: Defer, how: str) -> None:
    """An unbind can't fail: the queue stops until it can be restarted, then works with memory of its own."""
    binding = bind(link, [2])
    steer(link, socket.AF_INET, [2])
    check(link, binding, defer)
    fault, times = RESTARTS[how]
    faults.strike_only(link.rx, [2], defer)
    faults.inject(link.rx, fault, times, defer)
    binding.unbind()
    assert link.bound_to(2) is None
    until("the binding's pool is gone", lambda: not backend.current().inflight(link.rx.ns, binding.id))
    sender, receiver = connect(link, socket.AF_INET, defer, prepared=False)
    sender.sendall(b"ordinary")
    assert receiver.recv(8) == b"ordinary"
    assert faults.hits(link.rx, fault) == times


@pytest.mark.only("ppiov")
def test_unbind_that_fails_lets_senders_go(link: Link, bind: Bind, defer: Defer) -> None:
    """Who waits for a queue that is taken down for want of memory waits no longer than for any other."""
    link.rx.ethtool.run("--set-tunable", "pfc-prevention-tout", 3000)  # ms
    binding = bind(link, [2])
    link.rx.ethtool.run("-N", "flow-type", "udp4", "dst-port", PORT, "action", 2)
    for port in (link.rx, link.tx):  # whatever else was sent would have the queue look again
        port.ns.sysctl(f"net.ipv6.conf.{port.name}.disable_ipv6", "1")
    neighbour = ["lladdr", link.rx.attribute("IFLA_ADDRESS"), "dev", link.tx.name, "nud", "permanent"]
    link.tx.ns.run(["ip", "neigh", "replace", link.rx.v4, *neighbour])
    faults.inject(link.rx, "stall_rx", 1 << 2, defer)
    with link.tx.ns.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.sendto(b"x", (link.rx.v4, PORT))
    until("it waits", lambda: link.rx.ethtool.stats()["rx2_pauses"])
    faults.strike_only(link.rx, [2], defer)
    faults.inject(link.rx, "rx_alloc", 1 << 20, defer)
    binding.unbind()
    until("it has waited long enough", lambda: link.rx.ethtool.stats()["rx2_pause_expired"])


@pytest.mark.only("ppiov")
def test_unbind_that_fails_and_a_port_that_goes(link: Link, bind: Bind, defer: Defer) -> None:
    """A queue that waits for memory is no obstacle to taking the port down and up, or away."""
    for gone in (False, True):
        binding = bind(link, [2])
        faults.inject(link.rx, "queue_mem_alloc", 1, defer)
        binding.unbind()
        if gone:
            link.remove()
        else:
            link.rx.set(state="down")
            link.set_up()
            steer(link, socket.AF_INET, [2])
            sender, receiver = connect(link, socket.AF_INET, defer, prepared=False)
            sender.sendall(b"ordinary")
            assert receiver.recv(8) == b"ordinary"
            receiver.close()
            sender.close()
    assert not link.exists


@PAGE_PROVIDERS
def test_transmit_of_a_stopped_pair(link: Link, bind: Bind, start: Start, defer: Defer) -> None:
    """Queue pair 2 sends, with its interrupt and NAPI, while its receive queue is bound and unbound under traffic.

    The dma-buf is larger than a receive window: else all of it can wait behind a lost segment that finds no buffer.
    """
    steer(link, socket.AF_INET, [2])
    receiver = start(link.rx.ns, "-l", "-p", PORT, "--no-bind", "-i", link.rx.name, *backend.current().ppcat_unbound)
    receiver.event("ready")
    start(link.tx.ns, *send_args(link, socket.AF_INET, PORT, "--size", "16G"))
    for _ in range(3):
        progress(link, 2, 1 << 18)
        binding = bind(link, [2], size=16 << 20)
        progress(link, 2, 1 << 18)
        binding.unbind()
    before = link.rx.ethtool.stats()["tx_packets"]
    until("rx0 acknowledges what it gets", lambda: link.rx.ethtool.stats()["tx_packets"] > before)


@pytest.mark.parametrize("inline", [False, True], ids=["out_of_band", "inline"])
def test_urgent_data(link: Link, bind: Bind, defer: Defer, inline: bool) -> None:
    """TCP reads an urgent byte itself, so such segments are not split; the stream around it is whole."""
    binding = bind(link, [2])
    steer(link, socket.AF_INET, [2])
    sender, receiver = connect(link, socket.AF_INET, defer)
    receiver.setsockopt(socket.SOL_SOCKET, socket.SO_OOBINLINE, inline)
    before, after = payload(20_000, 1), payload(20_000, 2)
    sender.sendall(before)
    sender.send(b"!", socket.MSG_OOB)
    sender.sendall(after)
    wanted = before + (b"!" if inline else b"") + after
    assert select.select([], [], [receiver], PATIENCE)[2], "no urgent data was announced"
    got = devmem.receive_all(receiver, len(before))
    if not inline:
        assert receiver.recv(1, socket.MSG_OOB) == b"!"
    got += devmem.receive_all(receiver, len(wanted) - len(before))
    assert b"".join(r.content(binding.dmabuf) for r in got) == wanted
    assert any(r.frags for r in got), "nothing came into the dma-buf at all"


@pytest.mark.only("ppiov")
@pytest.mark.parametrize("stdurg", [0, 1])
def test_urgent_byte_of_a_later_segment(link: Link, bind: Bind, defer: Defer, stdurg: int) -> None:
    """A peer names a byte that a segment without urgent pointer brings into iovs: tcp_urg() must not look for it.

    core's devices have nothing against it: reproducers/test_urgent.py.
    """
    link.rx.ns.sysctl("net.ipv4.tcp_stdurg", str(stdurg))
    defer(link.rx.ns.sysctl, "net.ipv4.tcp_stdurg", "0")
    binding = bind(link, [2])
    steer(link, socket.AF_INET, [2])
    sender, receiver = connect(link, socket.AF_INET, defer)
    data = payload(20_000)
    announce(link, sender)
    sender.sendall(data)
    got = devmem.receive_all(receiver, len(data))
    assert b"".join(r.content(binding.dmabuf) for r in got) == data
    assert not sum(r.linear for r in got)


@pytest.mark.only("ppiov")
@IPV4_AND_IPV6
@pytest.mark.parametrize("fragments", [False, True], ids=["whole", "fragments"])
@pytest.mark.parametrize("bound", [False, True], ids=["before_the_bind", "bound"])
def test_urgent_pointer_by_every_way(
    link: Link, bind: Bind, defer: Defer, family: int, fragments: bool, bound: bool
) -> None:
    """... nor if the pointer came before there were iovs, or in pieces that only the stack puts together."""

    def packets() -> int:
        return sum(link.rx_stats(queue)["rx-packets"] for queue in range(link.queues))

    steer(link, family, [2])
    sender, receiver = connect(link, family, defer)
    binding = bind(link, [2]) if bound else None
    before = packets()
    sent = announce(link, sender, fragments)
    until("the pointer has come", lambda: packets() >= before + sent)
    binding = binding or bind(link, [2])
    data = payload(20_000)
    sender.sendall(data)
    got = devmem.receive_all(receiver, len(data))
    assert b"".join(r.content(binding.dmabuf) for r in got) == data
    assert not sum(r.linear for r in got)
