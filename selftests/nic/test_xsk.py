# SPDX-License-Identifier: GPL-2.0-only
"""Do AF_XDP sockets receive and send without copies, and does their memory come home whatever ends first?

netns «ppiov-tx»                    netns «ppiov-rx»
 tx0 ====== frames, one by one ===== rx0  queue 3: its buffers are a socket's. A program gives it the frames; without
  '- packet socket: what was sent         one the stack has copies of them, seen by a packet socket
"""

from __future__ import annotations

import contextlib
import errno
import os
import socket

import pytest
from lib import bpf, faults, module
from lib.bpf import XDP_ABORTED, XDP_DROP, XDP_PASS, XDP_TX, verdict
from lib.fixtures import Bind, Defer, MakeLink
from lib.frames import FLOW4, FLOW6, plain, tcp, udp
from lib.link import Link
from lib.netlink import refusal
from lib.poll import NeverHappenedError, ticks, until
from lib.ppiov import Ppiov
from lib.stream import Stream
from lib.traffic import payload
from lib.wire import Back, MakeWire, Wire
from lib.xsk import HEADROOM, Xsk, let_go

pytestmark = [pytest.mark.needs_config("XDP_SOCKETS"), pytest.mark.needs_config("BPF_SYSCALL")]

QUEUE = 3
FILL = 64
ROUNDS = 4 * FILL  # more frames than there are buffers: each has been used again
SIZES = (14, 15, 60, 255, 256, 1024, 1513, 1514)
FRAMES = [plain(payload(size - 14, seed=size)) for size in SIZES]


def stats(link: Link) -> dict[str, int]:
    return link.rx.ethtool.stats()


def set_up(link: Link) -> None:
    """As Link.set_up(), which wants IPv6."""
    link.rx.set(state="up")
    until("carrier", lambda: link.rx.attribute("IFLA_CARRIER"))


def redirect(link: Link, xsk: Xsk, defer: Defer, otherwise: int = XDP_PASS) -> None:
    """Frames of the socket's queue are the socket's from now on."""
    sockets = bpf.socket_map(link.queues)
    defer(os.close, sockets)
    bpf.set_socket(sockets, QUEUE, xsk.sock.fileno())
    bpf.attach(link.rx, bpf.to_socket(sockets, otherwise))


def bound(link: Link, defer: Defer, **parameters: object) -> Xsk:
    """A socket at the queue, closed with the test."""
    xsk = Xsk(link.rx, QUEUE, **parameters)  # type: ignore[arg-type]
    defer(xsk.close)
    return xsk


def next_one(link: Link, queue: int) -> Xsk:
    """A socket at a queue that may have one which was closed."""
    for _ in ticks():
        with contextlib.suppress(OSError):
            return Xsk(link.rx, queue)
    raise NeverHappenedError(f"queue {queue} is not to be had")


@pytest.fixture
def quiet(make_wire: MakeWire) -> Wire:
    return make_wire(bare=True)


@pytest.mark.parametrize("wakeup", [True, False], ids=["wakeup", "busy"])
@pytest.mark.parametrize("split", ["off", "on"])
def test_receives(quiet: Wire, defer: Defer, split: str, wakeup: bool) -> None:
    """What is sent to the queue stands in the socket's memory, whole, also where others split headers; each is counted
    once, and each buffer is used again."""
    quiet.link.rx.ethtool.set_split(split)
    xsk = bound(quiet.link, defer, fill=FILL, wakeup=wakeup)
    redirect(quiet.link, xsk, defer)
    before = stats(quiet.link)
    frames = [*FRAMES, *(make(flow, payload(1000)) for flow in (FLOW4, FLOW6) for make in (tcp, udp))]
    for frame in frames:
        quiet.send([frame])
        assert xsk.receive(1) == [frame], f"{len(frame)} bytes"
    for i in range(ROUNDS):
        quiet.send([plain(i.to_bytes(4, "big") * 100)])
        assert xsk.receive(1) == [plain(i.to_bytes(4, "big") * 100)]
    assert quiet.drain() == [], "the stack has got some, too"
    after = stats(quiet.link)
    for name in ("rx3_packets", "rx3_xsk_frames", "rx3_xdp_redirect"):
        assert after[name] - before[name] == len(frames) + ROUNDS, name
    assert after["rx3_split"] == before["rx3_split"]
    assert xsk.statistics()["rx_dropped"] == 0


@pytest.mark.parametrize("program", [False, True], ids=["bare", "pass"])
def test_stack_gets_copies(quiet: Wire, defer: Defer, program: bool) -> None:
    """Without a program, or if it passes them, the stack gets the frames, and the socket's buffers are free again."""
    bound(quiet.link, defer, fill=FILL)
    if program:
        bpf.attach(quiet.link.rx, verdict(XDP_PASS))
    for frame in [*FRAMES, *(plain(i.to_bytes(4, "big") * 100) for i in range(ROUNDS))]:
        (got,) = quiet.exchange([frame])
        assert (got.data, got.queue) == (frame, QUEUE)
    assert stats(quiet.link)["rx3_xsk_frames"] == len(FRAMES) + ROUNDS


def test_verdicts(quiet: Wire, defer: Defer) -> None:
    """Dropped, aborted and sent back: the frame goes where it should, and its buffer is the pool's again."""
    bound(quiet.link, defer, fill=FILL)
    back = Back(quiet.link, defer)
    frames = [plain(i.to_bytes(4, "big") * 100) for i in range(ROUNDS)]
    for action, counter in ((XDP_DROP, "drop"), (XDP_ABORTED, "aborted"), (XDP_TX, "tx")):
        bpf.attach(quiet.link.rx, verdict(action))
        for frame in frames:
            quiet.send([frame])
            if action == XDP_TX:
                assert back.receive(1) == [frame]
        until(f"all are counted as {counter}", lambda: stats(quiet.link)[f"rx3_xdp_{counter}"] == ROUNDS)  # noqa: B023
    assert back.nothing()
    assert quiet.drain() == []


def test_sent_back_before_it_came(quiet: Wire, defer: Defer) -> None:
    """What a program has sent back stands in the port's rings while its queue gets the socket's memory for its own."""
    link = quiet.link
    back = Back(link, defer)
    bpf.attach(link.rx, verdict(XDP_TX))
    faults.inject(link.rx, "stall_tx", 0xF, defer)
    quiet.send(FRAMES)
    until("all are in the rings", lambda: stats(link)["rx3_xdp_tx"] == len(FRAMES))
    bound(link, defer, fill=FILL)
    (faults.folder(link.rx) / "stall_tx").write_text("0")
    assert sorted(back.receive(len(FRAMES))) == sorted(FRAMES)


def test_redirect_without_a_socket(quiet: Wire, defer: Defer) -> None:
    """A redirect that comes to nothing is dropped and counted, and costs the socket no buffer."""
    bound(quiet.link, defer, fill=FILL)
    bpf.attach(quiet.link.rx, bpf.redirect(1 << 20))
    quiet.send([plain(payload(100))] * ROUNDS)
    until("all have failed", lambda: stats(quiet.link)["rx3_xdp_failed"] == ROUNDS)


def test_reader_that_is_late(quiet: Wire, defer: Defer) -> None:
    """A socket that takes nothing loses what its ring and buffers don't hold, and goes on with the next frame."""
    quiet.link.rx.ethtool.run("-A", "tx", "off")
    xsk = bound(quiet.link, defer, fill=FILL, chunks=FILL)
    redirect(quiet.link, xsk, defer, XDP_DROP)
    frames = [plain(i.to_bytes(4, "big") * 100) for i in range(ROUNDS)]
    quiet.send(frames)
    until("the rest is dropped", lambda: stats(quiet.link)["rx3_overruns"] == ROUNDS - FILL)
    assert xsk.fill_ring.wants_wakeup
    assert xsk.receive(FILL) == frames[:FILL]
    quiet.send(FRAMES)
    assert xsk.receive(len(FRAMES)) == FRAMES


@pytest.mark.parametrize("wakeup", [True, False], ids=["wakeup", "busy"])
def test_waits_for_buffers(quiet: Wire, defer: Defer, wakeup: bool) -> None:
    """A socket that has given no buffers holds the sender back; when it gives some, not a frame is missing."""
    quiet.link.rx.ethtool.run("--set-tunable", "pfc-prevention-tout", 20000)
    xsk = bound(quiet.link, defer, fill=0, wakeup=wakeup)
    redirect(quiet.link, xsk, defer)
    before = stats(quiet.link)["rx3_packets"]
    quiet.send(FRAMES)
    until("the sender is held back", lambda: stats(quiet.link)["rx3_pauses"] == 1)
    assert stats(quiet.link)["rx3_packets"] == before
    assert xsk.fill_ring.wants_wakeup == wakeup
    xsk.give(range(4))
    assert xsk.receive(len(FRAMES)) == FRAMES


def test_exhaustion_by_fault(quiet: Wire, defer: Defer) -> None:
    """The pool refuses at every step for a while: frames wait, and then all come."""
    quiet.link.rx.ethtool.run("--set-tunable", "pfc-prevention-tout", 20000)
    faults.strike_only(quiet.link.rx, [QUEUE], defer)
    xsk = bound(quiet.link, defer, fill=8, wakeup=False)
    redirect(quiet.link, xsk, defer)
    for turn in range(1, 6):
        faults.inject(quiet.link.rx, "rx_alloc", turn, defer)
        quiet.send(FRAMES * 2)
        assert xsk.receive(2 * len(FRAMES)) == FRAMES * 2
    assert faults.hits(quiet.link.rx, "rx_alloc") == sum(range(1, 6))


def test_sends(quiet: Wire, defer: Defer) -> None:
    """What the socket sends comes out of the other port, byte by byte and in order, more than any ring holds; each
    chunk comes back once, and the stack sends beside."""
    back = Back(quiet.link, defer)
    quiet.link.rx.ethtool.set_rings(TX=64)
    xsk = bound(quiet.link, defer, fill=0)
    frames = [*FRAMES, *(plain(i.to_bytes(4, "big") * 100) for i in range(ROUNDS))]
    before = stats(quiet.link)
    xsk.send(frames)
    assert back.receive(len(frames)) == frames
    until("all chunks are back", lambda: xsk.all_free(128))
    assert sorted(xsk.free) == list(range(128))
    after = stats(quiet.link)
    for name in ("tx_xsk_frames", "tx_packets"):
        assert after[name] - before[name] == len(frames), name
    assert after["tx_bytes"] - before["tx_bytes"] == sum(map(len, frames))
    assert after["tx_stop"] == before["tx_stop"], "the stack's queue was stopped"


@pytest.mark.parametrize("end", ["tx", "rx"])
def test_sends_without_a_link(quiet: Wire, defer: Defer, end: str) -> None:
    """The core does not ask for the carrier before it has a socket's frames sent: where no cable is, none comes out,
    each is counted, and the socket has its chunks back; with the cable again they go."""
    link = quiet.link
    back = Back(link, defer)
    xsk = bound(link, defer, fill=0)
    out = link.tx if end == "tx" else link.rx
    faults.unplug(out, defer)
    xsk.send(FRAMES)
    until("all chunks are back", lambda: xsk.all_free(128))
    assert stats(link)["tx3_no_link"] == len(FRAMES)
    until("they are counted", lambda: stats(link)["tx3_dropped"] == len(FRAMES))
    faults.plug(out)
    until("carrier", lambda: link.tx.attribute("IFLA_CARRIER"))
    assert back.nothing()
    xsk.send(FRAMES)
    assert back.receive(len(FRAMES)) == FRAMES


def test_sends_nonsense(quiet: Wire, defer: Defer) -> None:
    """Frames that are none are dropped and counted by the device, or by the core; the next one goes."""
    back = Back(quiet.link, defer)
    xsk = bound(quiet.link, defer, fill=0)
    for size in (1, 13):
        xsk.post(b"\1" * size)
    xsk.kick()
    until("the device has dropped them", lambda: stats(quiet.link)["tx3_malformed"] == 2)
    xsk.settle(2)
    xsk.tx.put(1 << 40, 60, 0)
    xsk.tx.put(0, 1 << 20, 0)

    def refused() -> bool:
        xsk.kick()  # the core looks at one of them each time
        return xsk.statistics()["tx_invalid"] == 2

    until("the core has refused them", refused)
    xsk.send([FRAMES[-1]])
    assert back.receive(1) == [FRAMES[-1]]
    assert back.nothing()


def test_stream_beside(nic: Link, defer: Defer) -> None:
    """A TCP stream through the socket's own queue, received as copies, and its ACKs among what the socket sends."""
    xsk = Xsk(nic.rx, 0)
    defer(xsk.close)
    nic.rx.ethtool.spread(1)
    stream = Stream(nic, defer)
    stream.progress("in the socket's buffers")
    for _ in range(8):
        xsk.send([plain(payload(500))] * 100)
    stream.progress("while the socket sends")
    stream.check()
    assert stats(nic)["rx0_xsk_frames"] > 0


def test_refused(make_wire: MakeWire, defer: Defer, bind: Bind) -> None:
    """A second socket, a queue that is no pair, an MTU too large, a provider: refused, and all stays as it was."""
    wire = make_wire(queue=3)
    link = wire.link

    def refused(code: int, queue: int = QUEUE) -> None:
        with pytest.raises(OSError) as info:
            Xsk(link.rx, queue).close()
        assert info.value.errno == code

    refused(errno.EINVAL, 4)
    link.rx.ethtool.run("-L", "combined", 2, "rx", 2, "tx", 0)
    refused(errno.EINVAL)
    link.rx.ethtool.run("-L", "combined", 4, "rx", 0)

    link.rx.set(mtu=2048)
    refused(errno.EINVAL)
    link.rx.set(mtu=1500)

    provider = bind(link, [2])
    refused(errno.EBUSY, 2)
    provider.unbind()

    xsk = bound(link, defer)
    refused(errno.EBUSY)
    room = 2048 - HEADROOM - 14 - 8
    with pytest.raises(Exception, match="22"):
        link.rx.set(mtu=room + 1)
    link.rx.set(mtu=room)
    link.rx.set(mtu=1500)
    with refusal(errno.EBUSY, "AF_XDP"):
        bind(link, [QUEUE])
    with Ppiov(link.rx.ns) as ppiov, refusal(errno.EBUSY, "AF_XDP"):
        ppiov.bind(link.rx.ifindex, [QUEUE], "page")
    for channels in (("combined", 2), ("combined", 2, "rx", 2)):
        with pytest.raises(AssertionError, match="ethtool"):
            link.rx.ethtool.run("-L", *channels)
    with pytest.raises(OSError, match="busy"):
        faults.hold(link.rx, QUEUE, 1)
    redirect(link, xsk, defer)
    wire.send(FRAMES)
    assert xsk.receive(len(FRAMES)) == FRAMES


def test_super_packets_go(nic: Link, defer: Defer) -> None:
    """rx-gro-hw is off while there is a socket, and back after it."""

    def on() -> bool:
        return "rx-gro-hw: on" in nic.rx.ethtool.run("-k")

    assert on()
    xsk = bound(nic, defer)
    assert not on()
    xsk.close()
    until("rx-gro-hw is back", on)


def test_settings_under_traffic(quiet: Wire, defer: Defer) -> None:
    """Rings, channels, programs and the port itself change; the socket stays, and so do its buffers."""
    back = Back(quiet.link, defer)
    xsk = bound(quiet.link, defer, fill=FILL)
    redirect(quiet.link, xsk, defer)
    rx = quiet.link.rx

    def works(what: str) -> None:
        frames = [plain(i.to_bytes(4, "big") * 100) for i in range(FILL + 8)]
        for frame in frames:
            quiet.send([frame])
            assert xsk.receive(1) == [frame], what
        xsk.send(frames)
        assert back.receive(len(frames)) == frames, what
        until("all chunks are back", lambda: xsk.all_free(128 - FILL))

    works("at first")
    for size in (64, 1024, 512):
        rx.ethtool.set_rings(RX=size, TX=size)
        works(f"with rings of {size}")
    for state in ("on", "off"):
        rx.ethtool.set_split(state)
        works(f"with tcp-data-split {state}")
    bpf.detach(rx)
    (got,) = quiet.exchange([FRAMES[0]])
    assert got.data == FRAMES[0]
    redirect(quiet.link, xsk, defer)
    works("after the program was gone")
    rx.set(state="down")
    with pytest.raises(OSError, match="down"):
        xsk.kick()
    set_up(quiet.link)
    works("after the port was down")


def test_bound_while_down(make_wire: MakeWire, defer: Defer) -> None:
    """A socket comes to a port that is down, goes, and another one comes and is there when the port is up."""
    wire = make_wire(bare=True)
    wire.link.rx.set(state="down")
    Xsk(wire.link.rx, QUEUE).close()
    xsk = next_one(wire.link, QUEUE)
    defer(xsk.close)
    set_up(wire.link)
    redirect(wire.link, xsk, defer)
    wire.send(FRAMES)
    assert xsk.receive(len(FRAMES)) == FRAMES


@pytest.mark.parametrize(
    ("step", "times"), [("queue_mem_alloc", 1), ("queue_stop", 1), ("queue_start", 1), ("queue_start", 2)]
)
def test_restart_fails(quiet: Wire, defer: Defer, step: str, times: int) -> None:
    """A restart that fails when the socket comes leaves the queue as it was; when it goes, the queue works again soon,
    without the socket's memory."""
    link = quiet.link
    faults.inject(link.rx, step, 1, defer)
    with pytest.raises(OSError, match="AF_XDP at queue"):
        Xsk(link.rx, QUEUE)
    (got,) = quiet.exchange([FRAMES[0]])
    assert got.data == FRAMES[0]

    xsk = bound(link, defer)
    redirect(link, xsk, defer)
    quiet.send(FRAMES)
    assert xsk.receive(len(FRAMES)) == FRAMES
    hits = faults.hits(link.rx, step)
    faults.inject(link.rx, step, times, defer)
    xsk.close()
    until("the fault strikes", lambda: faults.hits(link.rx, step) == hits + times)
    bpf.detach(link.rx)
    assert [got.data for got in quiet.exchange(FRAMES)] == FRAMES
    assert stats(link)["rx3_xsk_frames"] == len(FRAMES)


@pytest.mark.parametrize("end", ["close", "down"])
def test_ends_with_frames_in_the_ring(quiet: Wire, defer: Defer, end: str) -> None:
    """The socket, or the port, goes while the device has frames of it: none of them is sent any more, and it is said
    of each that it was dropped."""
    link = quiet.link
    back = Back(link, defer)
    xsk = bound(link, defer, fill=0)
    stall = faults.folder(link.rx) / "stall_tx"
    stall.write_text(str(1 << QUEUE))
    for frame in FRAMES:
        xsk.post(frame)
    xsk.kick()
    until("they are in the ring", lambda: stats(link)["tx3_xsk_frames"] == len(FRAMES))
    if end == "close":
        xsk.close()
        until("the queue is free", lambda: let_go(link.rx, QUEUE))
    else:
        link.rx.set(state="down")
        assert xsk.reclaim() == len(FRAMES)
        assert sorted(xsk.free) == list(range(128))
        set_up(link)
    stall.write_text("0")
    assert stats(link)["tx3_dropped"] == len(FRAMES)
    assert back.nothing()

    if end == "down":
        xsk.send(FRAMES)
        assert back.receive(len(FRAMES)) == FRAMES


def test_closed_in_traffic(make_link: MakeLink, defer: Defer) -> None:
    """Sockets come and go at the queue of a stream that goes on unharmed."""
    link = make_link(bare=True)
    link.rx.ethtool.spread(1)
    stream = Stream(link, defer)
    for _ in range(5):
        xsk = next_one(link, 0)
        stream.progress("in its buffers")
        for _ in range(64):
            xsk.post(plain(payload(500)))
        xsk.kick()
        xsk.close()
        stream.progress("after it is gone")
    stream.check()


@pytest.mark.parametrize("how", ["link", "module"])
def test_removed_under_the_socket(make_link: MakeLink, defer: Defer, how: str) -> None:
    """The link, or the module, is removed under a socket that has buffers and frames everywhere. It is told so."""
    link = make_link(bare=True)
    link.rx.ethtool.run("-N", "flow-type", "ether", "src", "02:00:00:00:00:aa", "action", QUEUE, "loc", 1000)
    xsk = bound(link, defer, fill=FILL)
    redirect(link, xsk, defer)
    (faults.folder(link.rx) / "stall_tx").write_text(str(1 << QUEUE))
    for frame in FRAMES:
        xsk.post(frame)
    xsk.kick()
    if how == "link":
        link.remove()
    else:
        module.unload()
    assert xsk.sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == errno.ENETDOWN
    with pytest.raises(OSError, match="No such device"):
        xsk.kick()
    xsk.close()
    if how == "module":
        module.load()
