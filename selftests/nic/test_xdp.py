# SPDX-License-Identifier: GPL-2.0-only
"""Does native XDP see, change, drop, send back and redirect frames, of one buffer and of several, and at no time else?

netns «ppiov-tx»                    netns «ppiov-rx»
 tx0 ====== frames, one by one ===== rx0  queue 3: a program decides; then a packet socket
  '- packet socket: what came back         rx3_xdp_*: what it said
"""

from __future__ import annotations

import errno
import os
import socket
import struct

import pytest
from lib import bpf
from lib.bpf import ADJUST_HEAD, ADJUST_TAIL, XDP_ABORTED, XDP_DROP, XDP_PASS, XDP_TX, verdict
from lib.fixtures import Bind, Defer, MakeLink
from lib.frames import FLOW4, FLOW6, Flow, plain, tcp, udp
from lib.link import Link
from lib.netlink import refusal
from lib.poll import until
from lib.ppiov import Ppiov
from lib.stream import Stream
from lib.toeplitz import KEY, hash_of, set_key
from lib.traffic import payload
from lib.wire import Back, MakeWire, Wire

pytestmark = pytest.mark.needs_config("BPF_SYSCALL")

MTU = 9000
HEADROOM = 320  # what a program may use, and the frame's own words
ROOM = 4096 - HEADROOM - 320  # less skb_shared_info
SINGLE_MTU = ROOM - 14 - 2 * 4  # Ethernet and two tags
UNKNOWN = 77
COUNTERS = ("pass", "drop", "tx", "redirect", "aborted", "failed")

# Of one buffer and of several, up to the MTU; around the borders between buffers
SIZES = (60, 1500, 3455, 3456, 3457, 6912, 6913, MTU + 14)
FRAMES = [plain(payload(size - 14, seed=size)) for size in SIZES]


def verdicts(wire: Wire) -> dict[str, int]:
    stats = wire.link.rx.ethtool.stats()
    return {name: stats[f"rx3_xdp_{name}"] for name in COUNTERS}


@pytest.fixture
def jumbo(make_wire: MakeWire) -> Wire:
    """Frames over several buffers; no header split."""
    return make_wire(bare=True, mtu=MTU)


@pytest.mark.parametrize("frags", [False, True], ids=["single", "frags"])
def test_verdicts(make_wire: MakeWire, frags: bool) -> None:
    """Pass, drop, abort and nonsense: the frame goes where it should, and is counted as such and as received."""
    wire = make_wire(bare=True)
    frames = [plain(payload(size)) for size in (46, 1500)]
    for action, counter in ((XDP_PASS, "pass"), (XDP_DROP, "drop"), (XDP_ABORTED, "aborted"), (UNKNOWN, "aborted")):
        bpf.attach(wire.link.rx, verdict(action), frags)
        before, received = verdicts(wire), wire.link.rx_stats(3)["rx-packets"]
        if action == XDP_PASS:
            assert [f.data for f in wire.exchange(frames)] == frames
        else:
            wire.send(frames)
            until(f"the frames are counted as {counter}", lambda: verdicts(wire)[counter] == before[counter] + 2)  # noqa: B023
            assert wire.drain() == []
        assert verdicts(wire) == {**before, counter: before[counter] + 2}
        assert wire.link.rx_stats(3)["rx-packets"] == received + 2
    bpf.detach(wire.link.rx)
    before = verdicts(wire)
    assert [f.data for f in wire.exchange(frames)] == frames
    assert verdicts(wire) == before, "a program ran after it was taken off"


@pytest.mark.parametrize("split", ["off", "on"])
def test_pass_keeps_every_byte(jumbo: Wire, split: str) -> None:
    """What the program passes is what was sent, however many buffers it takes, split or not."""
    jumbo.link.rx.ethtool.set_split(split)
    bpf.attach(jumbo.link.rx, verdict(XDP_PASS))
    frames = [*FRAMES, *(tcp(flow, payload(size)) for flow in (FLOW4, FLOW6) for size in (1, 4096, 8900))]
    for frame in frames:
        (got,) = jumbo.exchange([frame])
        assert got.data == frame, f"{len(frame)} bytes sent, {len(got.data)} came, or they differ"
    stats = jumbo.link.rx.ethtool.stats()
    assert (stats["rx3_split"], stats["rx3_xdp_pass"]) == (6 if split == "on" else 0, len(frames))


@pytest.mark.parametrize("split", ["off", "on"])
def test_program_reaches_every_byte(jumbo: Wire, split: str) -> None:
    """A program writes to a place in the frame, in any of its buffers, and the stack sees it there."""
    jumbo.link.rx.ethtool.set_split(split)
    frame = tcp(FLOW4, payload(8900))
    for at in (14, 50, 54, 3454, 3456, 4148, 6000, len(frame) - 4):
        bpf.attach(jumbo.link.rx, [*bpf.store(at, b"\1\2\3\4"), *verdict(XDP_PASS)])
        (got,) = jumbo.exchange([frame])
        assert got.data == frame[:at] + b"\1\2\3\4" + frame[at + 4 :], f"at {at}"


@pytest.mark.parametrize("delta", [-256, -16, 16, 40])
def test_head(jumbo: Wire, defer: Defer, delta: int) -> None:
    """A frame's head is moved, into all of the headroom: its length is right, and the rest is as it was."""
    back = Back(jumbo.link, defer)
    # What is before the frame is nobody's, and might look like a VLAN tag
    kind = b"\x88\xb5\0\0"
    bpf.attach(jumbo.link.rx, [*bpf.adjust(ADJUST_HEAD, delta), *bpf.store(12, kind), *verdict(XDP_TX)])
    for size in (1400, 3456, 8700):
        frame = plain(payload(size - 14, seed=size))
        jumbo.send([frame])
        (got,) = back.receive(1)
        assert len(got) == size - delta
        assert got[12:16] == kind
        after = max(16, -delta)
        assert got[after:] == frame[after + delta :]


@pytest.mark.parametrize("delta", [-3000, -300, -1, 1, 200])
def test_tail(jumbo: Wire, delta: int) -> None:
    """A frame's tail is moved, out of whole buffers where it has to be; what is added is zero, and only in the last."""
    bpf.attach(jumbo.link.rx, [*bpf.adjust(ADJUST_TAIL, delta), *verdict(XDP_PASS)])
    for frame in [f for f in FRAMES if len(f) + delta >= 60]:
        last = (len(frame) - 1) % ROOM + 1
        # A frag may grow to the page's end, the linear part not into what stands there
        room = ROOM - last if last == len(frame) else 4096 - HEADROOM - last
        before = verdicts(jumbo)
        if delta > room:
            jumbo.send([frame])
            until("the program gives up", lambda: verdicts(jumbo)["aborted"] == before["aborted"] + 1)  # noqa: B023
            continue
        (got,) = jumbo.exchange([frame])
        assert got.data == (frame + bytes(max(delta, 0)))[: len(frame) + delta], f"{len(frame)} bytes"


def test_tx(jumbo: Wire, defer: Defer) -> None:
    """What the program sends back comes out of the other port, byte by byte, and both sides have counted it."""
    back = Back(jumbo.link, defer)
    bpf.attach(jumbo.link.rx, verdict(XDP_TX))
    before = jumbo.link.rx.ethtool.stats()
    for frame in FRAMES:
        jumbo.send([frame])
        assert back.receive(1) == [frame], f"{len(frame)} bytes"
    assert jumbo.drain() == []
    stats = jumbo.link.rx.ethtool.stats()
    for name in ("rx3_xdp_tx", "tx_xdp_frames", "tx_packets"):
        assert stats[name] == before[name] + len(FRAMES), name
    assert stats["tx_bytes"] == before["tx_bytes"] + sum(map(len, FRAMES))
    assert jumbo.link.netdev.device_stats(jumbo.link.rx.ifindex)["tx-packets"] == stats["tx_packets"]


def test_tx_in_bulk(jumbo: Wire, defer: Defer) -> None:
    """Many frames, more than a ring has room for: each is sent back or counted as not, and none is lost between."""
    back = Back(jumbo.link, defer)
    jumbo.link.rx.ethtool.set_rings(TX=64)
    bpf.attach(jumbo.link.rx, verdict(XDP_TX))
    frames = [plain(i.to_bytes(4, "big") * 1200) for i in range(1000)]
    jumbo.send(frames)
    until("all have been seen", lambda: sum(verdicts(jumbo).values()) == len(frames))
    count = verdicts(jumbo)
    assert count["tx"] + count["failed"] == len(frames) and count["tx"] > 0
    got = back.receive(count["tx"])
    assert back.nothing()
    assert set(got) <= set(frames) and len(set(got)) == len(got)
    assert jumbo.link.rx.ethtool.stats()["tx_xdp_full"] == count["failed"]

    # The stack's queues were stopped meanwhile, and are not any more
    with jumbo.link.rx.ns.socket(socket.AF_PACKET, socket.SOCK_RAW, 0) as stack:
        stack.bind((jumbo.link.rx.name, 0))
        cpus = os.sched_getaffinity(0)
        defer(os.sched_setaffinity, 0, cpus)
        for cpu in cpus:  # it chooses the queue
            os.sched_setaffinity(0, {cpu})
            stack.send(FRAMES[0])
            assert back.receive(1) == [FRAMES[0]]


def test_redirect(jumbo: Wire, defer: Defer) -> None:
    """What is redirected to a port leaves by it, mapped anew, however many buffers it has."""
    back = Back(jumbo.link, defer)
    bpf.attach(jumbo.link.rx, bpf.redirect(jumbo.link.rx.ifindex))
    for frame in FRAMES:
        jumbo.send([frame])
        assert back.receive(1) == [frame], f"{len(frame)} bytes"
    stats = jumbo.link.rx.ethtool.stats()
    assert (stats["rx3_xdp_redirect"], stats["tx_xdp_frames"]) == (len(FRAMES), len(FRAMES))


def test_redirect_to_nowhere(make_wire: MakeWire) -> None:
    """What can't be redirected is dropped and counted: to a device that can't, and to one that there is not."""
    wire = make_wire(bare=True)
    for count, ifindex in enumerate((1, 1 << 20), 1):
        bpf.attach(wire.link.rx, bpf.redirect(ifindex))
        wire.send([plain(payload(100))])
        until("it has failed", lambda: verdicts(wire)["failed"] == count)  # noqa: B023
    assert wire.link.rx.attribute("IFLA_STATS64")["rx_dropped"] == 2


@pytest.mark.needs_config("DEBUG_INFO_BTF")
@pytest.mark.parametrize("flow", [FLOW4, FLOW6], ids=["ipv4", "ipv6"])
def test_hash(make_wire: MakeWire, flow: Flow) -> None:
    """bpf_xdp_metadata_rx_hash() gives the NIC's hash of the flow, and says what it is of."""
    wire = make_wire(bare=True)
    set_key(wire.link, KEY)
    v6 = flow.family == socket.AF_INET6
    at = 100
    bpf.attach(wire.link.rx, [*bpf.metadata_hash(at), *verdict(XDP_PASS)], bound=True)
    for make, l4 in ((tcp, 1 << 4), (udp, 1 << 5)):
        (got,) = wire.exchange([make(flow, payload(200))])
        value, kind = struct.unpack_from("=II", got.data, at)
        assert value == hash_of(KEY, flow)
        assert kind == (1 << 1 if v6 else 1 << 0) | 1 << 3 | l4
    wire.link.rx.ethtool.run("-K", "rxhash", "off")
    wire.send([udp(flow, payload(200))])
    until("without a hash the kfunc has none to give", lambda: verdicts(wire)["aborted"] == 1)


def test_refused(make_wire: MakeWire) -> None:
    """A program that wants a frame in one buffer gets neither header split nor an MTU that is too large."""
    wire = make_wire(bare=True)
    rx = wire.link.rx
    bpf.attach(rx, verdict(XDP_PASS), frags=False)
    rx.set(mtu=SINGLE_MTU)
    with pytest.raises(Exception, match="22"):
        rx.set(mtu=SINGLE_MTU + 1)
    with refusal(errno.EBUSY, "one buffer", (errno.EINVAL, "single buffer")):
        rx.ethtool.set_split("on")
    bpf.detach(rx)

    rx.set(mtu=SINGLE_MTU + 1)
    with refusal(errno.EOPNOTSUPP, "takes a program with frags"):
        bpf.attach(rx, verdict(XDP_PASS), frags=False)
    bpf.attach(rx, verdict(XDP_PASS))
    with refusal(errno.EOPNOTSUPP, "takes a program with frags"):
        bpf.attach(rx, verdict(XDP_DROP), frags=False)
    frame = plain(payload(1000))
    assert [f.data for f in wire.exchange([frame])] == [frame], "the old program is not there any more"
    bpf.detach(rx)

    rx.set(mtu=1500)
    rx.ethtool.set_split("on")
    with refusal(errno.EBUSY, "tcp-data-split"):
        bpf.attach(rx, verdict(XDP_PASS), frags=False)


def test_no_provider(link: Link, bind: Bind) -> None:
    """XDP and memory that can't be read exclude each other, whoever provides it and whichever comes first."""

    def bind_ppiov() -> None:
        with Ppiov(link.rx.ns) as ppiov:
            ppiov.bind(link.rx.ifindex, [2], "page")

    bpf.attach(link.rx, verdict(XDP_PASS))
    with refusal(errno.EBUSY, "", (errno.EEXIST, "XDP program attached")):
        bind(link, [2])
    with refusal(errno.EBUSY, "while an XDP program is attached"):
        bind_ppiov()
    bpf.detach(link.rx)

    bound = bind(link, [2])
    with refusal(errno.EBUSY, "memory provider"):
        bpf.attach(link.rx, verdict(XDP_PASS))
    bound.unbind()
    with (
        Ppiov(link.rx.ns) as ppiov,
        ppiov.bind(link.rx.ifindex, [2], "page"),
        refusal(errno.EBUSY, "memory provider"),
    ):
        bpf.attach(link.rx, verdict(XDP_PASS))
    bpf.attach(link.rx, verdict(XDP_PASS))


@pytest.mark.parametrize("feature", ["rx-gro-hw", "large-receive-offload"])
def test_super_packets_go(nic: Link, feature: str) -> None:
    """rx-gro-hw and LRO are off while there is a program, and back after it."""

    def state() -> bool:
        return f"{feature}: on" in nic.rx.ethtool.run("-k")

    if feature != "rx-gro-hw":
        nic.rx.ethtool.run("-K", "rx-gro-hw", "off", feature, "on")
    assert state()
    bpf.attach(nic.rx, verdict(XDP_PASS))
    assert not state()
    bpf.detach(nic.rx)
    assert state()


def test_exchange_under_traffic(nic: Link, defer: Defer) -> None:
    """Programs come, change and go, also while the port is down or its rings change, and a stream goes on unharmed."""
    stream = Stream(nic, defer)
    for round_ in range(3):
        bpf.attach(nic.rx, verdict(XDP_PASS), frags=bool(round_ % 2))
        stream.progress("with a program")
        bpf.attach(nic.rx, verdict(XDP_PASS))
        stream.progress("with another")
        nic.rx.ethtool.set_rings(RX=256 << round_)
        stream.progress("with other rings")
        bpf.detach(nic.rx)
        stream.progress("without")
    for attached in (True, False):
        nic.rx.set(state="down")
        if attached:
            bpf.attach(nic.rx, verdict(XDP_PASS))
        else:
            bpf.detach(nic.rx)
        nic.set_up()
        stream.progress(f"after the port was down, program {attached}")
    stream.check()


def test_removed_with_a_program(make_link: MakeLink) -> None:
    """A port is removed with its program, up and down."""
    for up in (True, False):
        link = make_link(bare=True)
        bpf.attach(link.rx, verdict(XDP_PASS))
        bpf.attach(link.tx, verdict(XDP_TX))
        if not up:
            link.rx.set(state="down")
        link.remove()
        until("the link is gone", lambda: not link.exists)  # noqa: B023
