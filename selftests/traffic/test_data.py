# SPDX-License-Identifier: GPL-2.0-only
"""Does payload land in the dma-buf, all of it, right, and nowhere else?

netns «ppiov-tx»                netns «ppiov-rx»
 tx0 ===================== rx0  queue 0, 1: RSS
  |                         |   queue 2..5: bound; each flow's port is steered to one of them
 tx0.7 ---- VLAN 7 ---- rx0.7
"""

from __future__ import annotations

import errno
import os
import select
import socket
from collections.abc import Callable

import pytest
from lib import backend, devmem
from lib.fixtures import Bind, Defer, MakeLink, Record, Start
from lib.link import Link
from lib.poll import PATIENCE
from lib.ppcat import receive_args, send_args
from lib.traffic import (
    EVERY_PROVIDER,
    IPV4_AND_IPV6,
    PORT,
    SAMPLE,
    connect,
    in_buffers,
    payload,
    retransmitted,
    steer,
    transfer,
)

UNTOUCHED = 0xEE


@IPV4_AND_IPV6
def test_payload_lands_in_the_dmabuf(link: Link, bind: Bind, defer: Defer, family: int) -> None:
    """Every byte is where its control message says, headers are not in the dma-buf, and the rest of it is untouched."""
    binding = bind(link, [2])
    binding.dmabuf.fill(UNTOUCHED)
    steer(link, family, [2])
    sender, receiver = connect(link, family, defer)
    data = payload(100_000)
    sender.sendall(data)
    got = devmem.receive_all(receiver, len(data))

    assert b"".join(r.content(binding.dmabuf) for r in got) == data
    assert sum(r.linear for r in got) == 0, "payload came as linear bytes though header split is on"
    frags = [f for r in got for f in r.frags]
    assert {f.dmabuf_id for f in frags} == {binding.id}

    rest = bytearray(binding.dmabuf.read(0, binding.dmabuf.size))
    for frag in frags:
        assert frag.offset + frag.size <= binding.dmabuf.size, f"{frag} is outside of the dma-buf"
        rest[frag.offset : frag.offset + frag.size] = bytes([UNTOUCHED]) * frag.size
    written = len(rest) - rest.count(UNTOUCHED)
    # On a busy host TCP sends a tail once more, and it lands in a buffer that nobody is told of
    assert written <= retransmitted(sender), f"{written} bytes of the dma-buf were written that no message tells of"
    tokens = [f.token for f in frags]
    assert len(set(tokens)) == len(tokens)


@pytest.mark.providers("page", "hugepage", "ring")
@pytest.mark.timeout_s(600)
def test_64_mib_over_4_queues_and_8_flows(make_link: MakeLink, start: Start, record_property: Record) -> None:
    """64 MiB, over 4 bound queues and 8 flows at once, every byte checked."""
    link = make_link(queues=6)
    steer(link, socket.AF_INET, link.bindable, flows=8)
    received, _ = transfer(link, start, link.bindable, socket.AF_INET, "8M", flows=8, receiver=["--memory", "32M"])

    assert in_buffers(received) >= 64 << 20, f"not all of the payload came into the dma-buf: {received}"
    used = sorted(flow["queue"] for flow in received["flows"])
    assert used == sorted(link.bindable * 2), f"flows were served by queues {used}"
    rate = received["bytes"] / received["seconds"]
    record_property("figure", ("64 MiB, 4 queues, 8 flows", rate, "B/s", "guest-clock"))


@EVERY_PROVIDER
@SAMPLE
@IPV4_AND_IPV6
def test_jumbo_frames(make_link: MakeLink, start: Start, family: int) -> None:
    """At MTU 9000 a segment's payload takes several buffers of the dma-buf."""
    link = make_link(mtu=9000)
    steer(link, family, [2])
    received, _ = transfer(link, start, [2], family, "2M")
    assert in_buffers(received) >= 2 << 20


@EVERY_PROVIDER
@IPV4_AND_IPV6
def test_vlan(link: Link, bind: Bind, start: Start, family: int) -> None:
    """The payload of tagged packets lands in the dma-buf too."""
    addresses = {}
    for port, host in ((link.tx, 1), (link.rx, 2)):
        ip = port.ns.ip
        ip.link("add", ifname=f"{port.name}.7", kind="vlan", link=port.ifindex, vlan_id=7)
        (index,) = ip.link_lookup(ifname=f"{port.name}.7")
        ip.addr("add", index=index, address=f"198.51.100.{host}", prefixlen=24)
        ip.addr("add", index=index, address=f"2001:db8:7::{host}", prefixlen=64, flags=2)
        ip.link("set", index=index, state="up")
        addresses[port.name] = f"198.51.100.{host}" if family == socket.AF_INET else f"2001:db8:7::{host}"
    steer(link, family, [2])
    receiver = start(link.rx.ns, *receive_args(link, [2], PORT, "--require-devmem"))
    receiver.event("ready")
    sender = start(link.tx.ns, "-c", addresses["rx0"], "-p", PORT, "--size", "1M")
    received = receiver.success()
    sender.success()
    assert in_buffers(received) >= 1 << 20
    assert received["flows"][0]["queue"] == 2


@EVERY_PROVIDER
@IPV4_AND_IPV6
def test_flow_that_is_not_steered(link: Link, start: Start, family: int) -> None:
    """A flow on a queue without a binding comes as ordinary bytes, all right, none of it in the dma-buf."""
    receiver = start(link.rx.ns, *receive_args(link, [2, 3], PORT))
    receiver.event("ready")
    sender = start(link.tx.ns, *send_args(link, family, PORT, "--size", "1M"))
    received = receiver.success()
    sender.success()
    assert received["bytes_devmem"] == 0
    assert received["bytes_linear"] + received["bytes_plain"] == received["bytes"] > 1 << 20
    assert received["flows"][0]["queue"] in (0, 1)


@EVERY_PROVIDER
def test_steered_and_other_flow_at_once(link: Link, start: Start) -> None:
    """Of two flows of one receiver, the steered one uses the dma-buf and the other does not; both are right."""
    steer(link, socket.AF_INET, [2], flows=1)
    ports = f"{PORT}-{PORT + 1}"
    receiver = start(link.rx.ns, *receive_args(link, [2], ports))
    receiver.event("ready")
    sender = start(link.tx.ns, *send_args(link, socket.AF_INET, ports, "--size", "512K"))
    flows = {flow["port"]: flow for flow in receiver.success()["flows"]}
    sender.success()
    assert in_buffers(flows[PORT]) >= 512 << 10
    assert flows[PORT + 1]["bytes_devmem"] == 0


@EVERY_PROVIDER
def test_setup_by_ppcat(link: Link, start: Start) -> None:
    """`ppcat --setup` alone makes a flow use the dma-buf, and undoes what it set."""
    link.rx.ethtool.set_split("off")
    received, _ = transfer(link, start, [2], socket.AF_INET, "256K", receiver=["--setup"])
    assert in_buffers(received) >= 256 << 10
    assert link.rx.ethtool.split() == "off"
    assert "Total 0 rules" in link.rx.ethtool.run("-n")


PLAIN_READS: dict[str, Callable[[socket.socket], object]] = {
    "recv": lambda s: s.recv(4096),
    "read": lambda s: (select.select([s], [], [], PATIENCE), os.read(s.fileno(), 4096)),  # does not wait by itself
    "peek": lambda s: s.recv(4096, socket.MSG_PEEK),
    "recvmsg": lambda s: s.recvmsg(4096, 4096),
}


@pytest.mark.parametrize("how", PLAIN_READS)
def test_plain_read_of_device_memory(link: Link, bind: Bind, defer: Defer, how: str) -> None:
    """The CPU can't read it: EFAULT. Nothing is lost or leaked by asking: the right recvmsg() then gets all of it."""
    binding = bind(link, [2])
    steer(link, socket.AF_INET, [2])
    sender, receiver = connect(link, socket.AF_INET, defer, prepared=False)
    data = payload(30_000)
    sender.sendall(data)
    assert select.select([receiver], [], [], PATIENCE)[0], "nothing has come"
    for _ in range(3):
        with pytest.raises(OSError) as refused:
            PLAIN_READS[how](receiver)
        assert refused.value.errno == errno.EFAULT, f"{how} of device memory: {refused.value}"
    backend.current().prepare(receiver)
    got = devmem.receive_all(receiver, len(data))
    assert b"".join(r.content(binding.dmabuf) for r in got) == data


TIMESTAMPS = {"SO_TIMESTAMP": 29, "SO_TIMESTAMPNS": 35}


@pytest.mark.only("ppiov")
@pytest.mark.providers("ring")
@pytest.mark.parametrize("option", TIMESTAMPS)
def test_timestamps_beside_device_memory(link: Link, bind: Bind, defer: Defer, option: str) -> None:
    """A socket with the ULP gives no timestamps: asking for them takes nothing from its own messages, nor adds any."""
    binding = bind(link, [2])
    steer(link, socket.AF_INET, [2])
    sender, receiver = connect(link, socket.AF_INET, defer)
    receiver.setsockopt(socket.SOL_SOCKET, TIMESTAMPS[option], 1)
    data = payload(20_000)
    sender.sendall(data)
    assert select.select([receiver], [], [], PATIENCE)[0], "nothing has come"
    space = socket.CMSG_SPACE(24)  # struct ppiov_cmsg
    first, told, flags, _ = receiver.recvmsg(1, space)  # room for one message, and one there is
    assert len(first) == 1 and not flags & socket.MSG_CTRUNC
    assert [(level, kind) for level, kind, _ in told] == [
        (backend.current().calls.level, backend.current().calls.devmem)
    ]
    got = devmem.receive_all(receiver, len(data) - 1)
    assert b"".join(r.content(binding.dmabuf) for r in got) == data[1:]


@pytest.mark.providers("page", "zone_device", "ring")
def test_closed_unread(link: Link, bind: Bind, defer: Defer) -> None:
    """A socket closed with device memory in its receive queue gives all of it back."""
    binding = bind(link, [2], size=1 << 20)
    steer(link, socket.AF_INET, [2])
    for _ in range(8):  # more than there is memory for, were it not given back
        sender, receiver = connect(link, socket.AF_INET, defer)
        data = payload(200_000)
        sender.sendall(data[:150_000])
        assert select.select([receiver], [], [], PATIENCE)[0], "nothing has come"
        receiver.close()
        sender.close()
    sender, receiver = connect(link, socket.AF_INET, defer)
    data = payload(100_000)
    sender.sendall(data)
    got = devmem.receive_all(receiver, len(data))
    assert b"".join(r.content(binding.dmabuf) for r in got) == data
