# SPDX-License-Identifier: GPL-2.0-only
"""Can a dma-buf be bound to RX queues and taken off again, and is what can't be bound refused and told why?

netns «ppiov-tx»                netns «ppiov-rx»
 tx0 ===================== rx0  queue 0, 1: RSS
                                queue 2, 3: a dma-buf is bound here by the test
"""

from __future__ import annotations

import errno
import os
import socket
from functools import partial

import pytest
from lib import backend, devmem
from lib.dmabuf import Dmabuf
from lib.fixtures import Bind, Defer, MakeLink, Start
from lib.klog import KernelLog
from lib.link import Link
from lib.netdev import QUEUE_TX, Binding
from lib.netlink import RefusedError, refusal
from lib.netns import INIT
from lib.poll import until
from lib.ppcat import receive_args
from lib.traffic import (
    EVERY_PROVIDER,
    IPV4_AND_IPV6,
    PORT,
    SAMPLE,
    connect,
    in_buffers,
    of_binding,
    payload,
    steer,
    transfer,
)


def pools_of(link: Link, binding: int) -> list[int]:
    """Buffers in flight of each pool of rx0 that a binding feeds."""
    return backend.current().inflight(link.rx.ns, binding, link.rx.ifindex)


def no_pools_of(link: Link, binding: int) -> bool:
    return not pools_of(link, binding)


@EVERY_PROVIDER
@SAMPLE
def test_bind_unbind_rebind(link: Link, bind: Bind) -> None:
    """A bound queue shows its binding and a pool fed by it; after the unbind both are gone; again, with a new id."""
    ids = set()
    for _ in range(3):
        binding = bind(link, [2])
        ids.add(binding.id)
        assert link.bound_to(2) == binding.id
        assert link.bound_to(3) is None, "a queue that was not named is bound"
        pools = pools_of(link, binding.id)
        assert len(pools) == 1 and pools[0] > 0, f"the queue's pool should have buffers posted; in flight: {pools}"
        binding.unbind()
        assert link.bound_to(2) is None
        until(f"the pool of binding {binding.id} is gone", partial(no_pools_of, link, binding.id))
    assert len(ids) == 3, f"ids were used twice: {ids}"


@EVERY_PROVIDER
def test_bind_several_queues(link: Link, bind: Bind) -> None:
    """One dma-buf feeds two queues, each through a pool of its own."""
    binding = bind(link, [2, 3])
    assert [link.bound_to(q) for q in (2, 3)] == [binding.id, binding.id]
    assert len(pools_of(link, binding.id)) == 2


@EVERY_PROVIDER
@SAMPLE
@IPV4_AND_IPV6
@pytest.mark.timeout_s(240)
def test_rebind_carries_traffic(link: Link, start: Start, family: int) -> None:
    """After each of three binds in a row, data lands in the dma-buf that is bound then."""
    steer(link, family, [2])
    bindings = set()
    for _ in range(3):
        received, _ = transfer(link, start, [2], family, "256K")
        assert in_buffers(received) >= 256 << 10
        bindings.add(link.bound_to(2))
    assert bindings == {None}, "ppcat has ended, its binding has not"


@EVERY_PROVIDER
def test_two_processes_on_two_queues(link: Link, start: Start) -> None:
    """Two processes bind a queue each of one device; each gets its own flow in its own dma-buf."""
    steer(link, socket.AF_INET, [2, 3], flows=2)
    receivers = []
    for index, queue in enumerate((2, 3)):
        receivers.append(start(link.rx.ns, *receive_args(link, [queue], PORT + index, "--require-devmem")))
    ready = [r.event("ready") for r in receivers]
    assert ready[0]["dmabuf_id"] != ready[1]["dmabuf_id"]
    assert [link.bound_to(q) for q in (2, 3)] == [r["dmabuf_id"] for r in ready]
    senders = [start(link.tx.ns, "-c", link.rx.v4, "-p", PORT + i, "--size", "256K") for i in range(2)]
    for queue, receiver, sender in zip((2, 3), receivers, senders, strict=True):
        assert receiver.success()["flows"][0]["queue"] == queue
        sender.success()


@EVERY_PROVIDER
def test_second_process_on_the_same_queue(link: Link, bind: Bind, start: Start, defer: Defer) -> None:
    """A bound queue is refused to another process, with EEXIST and its reason; the first binding goes on working."""
    binding = bind(link, [2])
    number, reason = backend.current().refusals.bound
    name = errno.errorcode[number]
    second = start(link.rx.ns, *receive_args(link, [2], PORT + 1, "--expect-errno", name))
    failure = second.summary()["failure"]
    assert failure is not None and failure["errno"] == name, f"the second bind: {failure}, said {second.said()}"
    assert reason in failure["extack"]
    assert link.bound_to(2) == binding.id

    steer(link, socket.AF_INET, [2])
    sender, receiver = connect(link, socket.AF_INET, defer)
    sender.sendall(payload(10000))
    got = devmem.receive_all(receiver, 10000)
    assert of_binding(got, binding)


@EVERY_PROVIDER
def test_failed_bind_leaves_nothing(link: Link, bind: Bind) -> None:
    """A bind to a free queue and a bound one fails as a whole: the free one is free afterwards."""
    first = bind(link, [2])
    with refusal(*backend.current().refusals.bound):
        bind(link, [3, 2])
    assert link.bound_to(2) == first.id
    assert link.bound_to(3) is None
    bind(link, [3])


@EVERY_PROVIDER
def test_split_off(link: Link, bind: Bind, klog: KernelLog) -> None:
    """Without header split a bind is refused. Where the core does not check (6.12), the driver logs why."""
    link.rx.ethtool.set_split("off")
    with pytest.raises(RefusedError) as refused:
        bind(link, [2])
    assert refused.value.errno == errno.EINVAL
    if refused.value.extack:
        assert "tcp-data-split" in refused.value.extack
    else:
        logged = [line for line in klog.lines() if link.rx.name in line and "header split" in line]
        assert len(logged) == 1, f"neither an extack message nor one line in the log: {logged}"
    assert link.bound_to(2) is None

    link.rx.ethtool.set_split("on")
    assert link.bound_to(2) is None
    bind(link, [2])


@EVERY_PROVIDER
@pytest.mark.parametrize("queues", [[4], [65535], [2**32 - 1], [2, 4]], ids=["next", "16-bit", "32-bit", "second"])
def test_queue_out_of_range(link: Link, bind: Bind, queues: list[int]) -> None:
    """A queue that the device does not have is refused with ERANGE and its reason, and nothing stays bound."""
    with refusal(*backend.current().refusals.no_queue):
        bind(link, queues)
    assert link.bound_to(2) is None


@pytest.mark.only("core")
def test_wrong_requests(link: Link, defer: Defer) -> None:
    """What can't be bound is refused, each with its errno: no dma-buf, a TX queue, no device, no permission."""
    dmabuf = Dmabuf(1 << 20)
    defer(dmabuf.close)
    ns, ifindex = link.rx.ns, link.rx.ifindex
    null = os.open("/dev/null", os.O_RDWR)
    defer(os.close, null)

    with refusal(errno.EBADF):
        Binding(ns, ifindex, [2], dmabuf, fd=1 << 20)
    with refusal(errno.EINVAL):
        Binding(ns, ifindex, [2], dmabuf, fd=null)
    with refusal(errno.EINVAL):
        Binding(ns, ifindex, [2], dmabuf, kind=QUEUE_TX)
    with refusal(errno.EINVAL):
        Binding(ns, ifindex, [], dmabuf)
    with refusal(errno.ENODEV):
        Binding(ns, ifindex + 1000, [2], dmabuf)
    with ns.inside():
        os.seteuid(65534)
        try:
            with refusal(errno.EPERM):
                Binding(INIT, ifindex, [2], dmabuf)  # where we are, which takes no privilege to enter
        finally:
            os.seteuid(0)
    assert link.bound_to(2) is None


@EVERY_PROVIDER
def test_device_of_another_namespace(link: Link, defer: Defer) -> None:
    """From the namespace of tx0, rx0 can't be bound: an ifindex counts in its own namespace only."""
    dmabuf = Dmabuf(1 << 20)
    defer(dmabuf.close)
    link.tx.ns.ip.link("del", index=link.tx.ifindex)  # the numbers of both may be equal
    with refusal(errno.ENODEV):
        backend.current().bind(link.tx.ns, link.rx.ifindex, [2], dmabuf)


@EVERY_PROVIDER
@IPV4_AND_IPV6
def test_bind_while_down(make_link: MakeLink, bind: Bind, defer: Defer, family: int) -> None:
    """A queue bound while the device is down gets its data into the dma-buf once the device is up."""
    link = make_link(up=False)
    binding = bind(link, [2])
    link.set_up()
    assert link.bound_to(2) == binding.id
    steer(link, family, [2])
    sender, receiver = connect(link, family, defer)
    data = payload(20000)
    sender.sendall(data)
    got = devmem.receive_all(receiver, len(data))
    assert b"".join(r.content(binding.dmabuf) for r in got) == data
    assert of_binding(got, binding), "no byte came into the dma-buf"


@EVERY_PROVIDER
def test_bind_and_unbind_while_down(make_link: MakeLink, bind: Bind) -> None:
    """A binding made and ended while the device is down leaves nothing, and the device comes up."""
    link = make_link(up=False)
    binding = bind(link, [2])
    binding.unbind()
    link.set_up()
    assert link.bound_to(2) is None
    assert not pools_of(link, binding.id)


@EVERY_PROVIDER
def test_binding_survives_down_and_up(link: Link, bind: Bind, defer: Defer) -> None:
    """A bound queue is bound to the same dma-buf after the device was down."""
    binding = bind(link, [2])
    link.rx.set(state="down")
    link.set_up()
    assert link.bound_to(2) == binding.id
    steer(link, socket.AF_INET, [2])
    sender, receiver = connect(link, socket.AF_INET, defer)
    data = payload(20000)
    sender.sendall(data)
    got = devmem.receive_all(receiver, len(data))
    assert b"".join(r.content(binding.dmabuf) for r in got) == data
