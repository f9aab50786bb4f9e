# SPDX-License-Identifier: GPL-2.0-only
"""Can sockets send from a dma-buf, where the kernel can; and are they told so, where it can't?

netns «ppiov-tx»                           netns «ppiov-rx»
 dma-buf -- binding -- tx0 =========== rx0  an ordinary socket compares what comes
    ^                   |
 sendmsg(offsets)       '-- the error queue tells when the memory is free again

Whether the kernel can, the module says (dev-get). Where it can't, each test is about the refusal.
"""

from __future__ import annotations

import contextlib
import errno
import os
import signal
import socket
import struct
from collections.abc import Callable
from dataclasses import dataclass

import pytest
from lib import backend, faults, lacking, ppiov
from lib.dmabuf import Dmabuf
from lib.fixtures import Defer, Start
from lib.link import Link
from lib.netlink import RefusedError
from lib.poll import PATIENCE, ticks, until
from lib.ppcat import receive_args, send_args
from lib.send import MSG_ZEROCOPY, SO_ZEROCOPY, Calls, cmsg, completions, named, send, send_raw
from lib.traffic import IPV4_AND_IPV6, PORT, connect, counter, payload, receive, steer

pytestmark = pytest.mark.only("ppiov")

PAGE = 4096
SIZE = 256 * PAGE
TCP_MTU_PROBING = "net/ipv4/tcp_mtu_probing"


def _lacks(link: Link) -> str | None:
    with ppiov.Ppiov(link.tx.ns) as family:
        dev = family.dev(link.tx.ifindex)
    assert (dev.tx_lacks is None) == bool(dev.flags & ppiov.DevFlag.TX), f"{dev} says both, or neither"
    return dev.tx_lacks


def _refused(link: Link, defer: Defer, lacks: str) -> None:
    """bind-tx says why, sendmsg() can't say more than EOPNOTSUPP, and the socket is as good as before."""
    dmabuf = Dmabuf(SIZE)
    defer(dmabuf.close)
    with ppiov.Ppiov(link.tx.ns) as family:
        with pytest.raises(RefusedError, match=lacks) as refused:
            family.bind_tx(link.tx.ifindex, dmabuf.fd)
        assert refused.value.errno == errno.EOPNOTSUPP
        assert not family.bindings(link.tx.ifindex)
    sender, receiver = connect(link, socket.AF_INET, defer, prepared=False)
    _prepare(sender)
    with pytest.raises(OSError) as no:
        send(sender, 1, [(0, 1)])
    assert no.value.errno == errno.EOPNOTSUPP
    sender.sendall(b"bytes")
    assert receiver.recv(16) == b"bytes"
    assert completions(sender) == []


or_refused = lacking.or_refused(_lacks, _refused)


def _prepare(sock: socket.socket) -> None:
    backend.PPIOV.prepare(sock)
    sock.setsockopt(socket.SOL_SOCKET, SO_ZEROCOPY, 1)
    sock.setblocking(True)


@dataclass(slots=True)
class Source:
    """Memory to send from, and what is in it."""

    link: Link
    dmabuf: Dmabuf
    binding: ppiov.Binding
    data: bytes

    def info(self) -> ppiov.BindingInfo:
        with ppiov.Ppiov(self.link.tx.ns) as family:
            return family.binding(self.binding.id)

    def idle(self) -> bool:
        """Is no call's payload in a packet?"""
        return self.info().sends == 0


def _source(link: Link, defer: Defer, size: int = SIZE) -> Source:
    dmabuf = Dmabuf(size)
    defer(dmabuf.close)
    data = payload(size, seed=7)
    dmabuf.write(0, data)
    with ppiov.Ppiov(link.tx.ns) as family:
        binding = family.bind_tx(link.tx.ifindex, dmabuf.fd)
    defer(binding.close)
    return Source(link, dmabuf, binding, data)


def _connected(link: Link, defer: Defer, family: int = socket.AF_INET) -> tuple[socket.socket, socket.socket]:
    sender, receiver = connect(link, family, defer, prepared=False)
    _prepare(sender)
    return sender, receiver


def _through(source: Source, sender: socket.socket, receiver: socket.socket, at: int, size: int) -> int:
    """Send so many bytes from there, as the socket takes them, and compare what comes; returns the number of calls."""
    got, sent, calls = bytearray(), 0, 0
    while len(got) < size:
        if sent < size:
            with contextlib.suppress(BlockingIOError):
                sent += send(sender, source.binding.id, [(at + sent, size - sent)], socket.MSG_DONTWAIT)
                calls += 1
        if sent > len(got):
            got += receiver.recv(1 << 16)
    assert bytes(got) == source.data[at : at + size]
    return calls


def _clog(source: Source, sender: socket.socket) -> tuple[bytes, int]:
    """Send the memory, again and again, until the socket takes no more, which nobody reads; returns what was taken, and
    the number of calls."""
    # Doubled by the kernel: more than receiver and rings take, and full in the middle of a call.
    sender.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 3 * SIZE // 4)
    sent, calls = bytearray(), 0
    while True:
        at = len(sent) % SIZE
        try:
            n = send(sender, source.binding.id, [(at, SIZE - at)], socket.MSG_DONTWAIT)
        except BlockingIOError:
            return bytes(sent), calls
        sent += source.data[at : at + n]
        calls += 1


def _done(source: Source, sender: socket.socket, calls: int) -> None:
    told = Calls(sender)
    until(f"{calls} calls are done", lambda: told.all(calls))
    until("no call is left", source.idle)


def test_the_module_tells(link: Link, defer: Defer) -> None:
    """dev-get of one device and of all says the same; who is no ppnic is not among them."""
    with ppiov.Ppiov(link.tx.ns) as family:
        dev = family.dev(link.tx.ifindex)
        assert family.devs() == [dev]
        assert dev.queues == link.queues
        assert dev.flags & ppiov.DevFlag.RX
        with pytest.raises(RefusedError) as refused:
            family.dev(1)
    assert refused.value.errno == errno.EOPNOTSUPP
    if dev.tx_lacks is None:
        info = _source(link, defer).info()
        assert (info.tx, info.queues, info.size, info.sends, info.drops) == (True, (), SIZE, 0, 0)
    else:
        _refused(link, defer, dev.tx_lacks)


@or_refused
def test_who_listens_is_told(link: Link, defer: Defer) -> None:
    """A binding for sending is told of as such when it comes, and when it goes by request or with its socket."""
    with ppiov.Events(link.tx.ns) as events:
        for end in ("unbind", "close"):
            source = _source(link, defer)
            info = source.info()
            assert info.tx and info.ifindex == link.tx.ifindex
            assert events.next() == ppiov.Event(ppiov.CMD_BIND_NTF, info, None)
            getattr(source.binding, end)()
            assert events.next() == ppiov.Event(ppiov.CMD_UNBIND_NTF, info, None)
        assert events.none()


@IPV4_AND_IPV6
@or_refused
def test_bytes_arrive(link: Link, defer: Defer, family: int) -> None:
    """Pieces of many sizes, at offsets of all kinds, come as they stand in the memory; each call is told done, once."""
    source = _source(link, defer)
    sender, receiver = _connected(link, defer, family)
    calls, at = 0, 1
    for size in (1, 2, 1448, PAGE - 1, PAGE, PAGE + 1, 65536, 65537, 200_000, SIZE - 1):
        at = (at * 31 + 17) % (SIZE - size)
        calls += _through(source, sender, receiver, at, size)
    _done(source, sender, calls)


@or_refused
def test_many_pieces(link: Link, defer: Defer) -> None:
    """An iovec with more pieces than a packet has frags, backwards, some empty."""
    source = _source(link, defer)
    sender, receiver = _connected(link, defer)
    pieces = [(PAGE * n + n, 700 + n) for n in range(100, 0, -1)]
    empty = [(0, 0), *pieces[:50], (SIZE + 1, 0), *pieces[50:], (5, 0)]
    want = b"".join(source.data[at : at + size] for at, size in pieces)
    assert send(sender, source.binding.id, empty) == len(want)
    assert receive(receiver, len(want)) == want
    _done(source, sender, 1)


@or_refused
def test_nothing_is_done_before_it_is_acknowledged(link: Link, defer: Defer) -> None:
    """What waits in the socket keeps its calls; one that took but a part is one call; then all are done, in order."""
    source = _source(link, defer)
    sender, receiver = _connected(link, defer)
    receiver.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 16)
    want, calls = _clog(source, sender)
    assert len(want) % SIZE, "no call was cut short"
    told = Calls(sender)
    for _ in ticks(0.5):
        assert calls - 1 not in told.look(), "a call is done whose bytes nobody has"
    assert source.info().sends
    assert receive(receiver, len(want)) == want
    until(f"{calls} calls are done", lambda: told.all(calls))
    until("no call is left", source.idle)


@or_refused
def test_unbind_in_flight(link: Link, defer: Defer) -> None:
    """What was taken is sent all the same; the next call finds no binding. Memory goes with the last packet."""
    source = _source(link, defer)
    sender, receiver = _connected(link, defer)
    receiver.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 16)
    want, calls = _clog(source, sender)
    source.binding.unbind()
    with pytest.raises(OSError) as refused:
        send(sender, source.binding.id, [(0, 1)], socket.MSG_DONTWAIT)
    assert refused.value.errno == errno.ENOENT
    assert receive(receiver, len(want)) == want
    told = Calls(sender)
    until(f"{calls} calls are done", lambda: told.all(calls))


@or_refused
def test_close_in_flight(link: Link, defer: Defer) -> None:
    """Socket and binding are closed while most of it is queued: all of it arrives, then the end of the stream."""
    source = _source(link, defer)
    sender, receiver = _connected(link, defer)
    receiver.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 16)
    want, _ = _clog(source, sender)
    sender.close()
    source.binding.close()
    assert receive(receiver, len(want)) == want
    assert receiver.recv(1) == b""


@or_refused
def test_abort_in_flight(link: Link, defer: Defer) -> None:
    """A socket that is closed with a reset drops what it has, and the memory with it."""
    source = _source(link, defer)
    sender, receiver = _connected(link, defer)
    receiver.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 16)
    _clog(source, sender)
    sender.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("=ii", 1, 0))
    sender.close()
    until("no call is left", source.idle)


@or_refused
def test_killed_in_flight(link: Link, defer: Defer) -> None:
    """A process with the only reference to socket and memory is killed; the receiver gets what was taken."""
    source = _source(link, defer)
    sender, receiver = _connected(link, defer)
    receiver.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 16)
    done, told = os.pipe()
    child = os.fork()
    if not child:
        want, _ = _clog(source, sender)
        os.write(told, struct.pack("=Q", len(want)))
        signal.pause()
    sender.close()
    os.close(told)
    (size,) = struct.unpack("=Q", os.read(done, 8))
    os.close(done)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    want = (source.data * (size // SIZE + 1))[:size]
    assert receive(receiver, size) == want
    assert receiver.recv(1) == b""
    until("no call is left", source.idle)


@or_refused
def test_beside_ordinary_sends(link: Link, defer: Defer) -> None:
    """Bytes from the dma-buf, from memory and by ordinary MSG_ZEROCOPY are one stream, their calls one row."""
    source = _source(link, defer)
    sender, receiver = _connected(link, defer)
    want, calls = bytearray(), 0
    lent = []  # what the kernel sends without a copy must stay as it is
    for n in range(30):
        size = 50 + 97 * n  # all of it fits into the socket's buffers
        if n % 3 == 0:
            assert send(sender, source.binding.id, [(n, size)]) == size
            want += source.data[n : n + size]
            calls += 1
        elif n % 3 == 1:
            assert sender.send(source.data[:size]) == size
            want += source.data[:size]
        else:
            lent.append(source.data[:size])
            try:
                assert sender.send(lent[-1], MSG_ZEROCOPY) == size
                want += lent[-1]
                calls += 1
            except OSError as error:  # the last skb in the queue is of another kind of sender
                assert error.errno == errno.ENOBUFS, error
    assert receive(receiver, len(want)) == bytes(want)
    told = Calls(sender)
    until(f"{calls} calls are done", lambda: told.look() == set(range(calls)))
    until("no call is left", source.idle)


BAD_CALLS: dict[str, tuple[int, Callable[[int], bytes], list[tuple[int, int]], int]] = {
    "behind the end": (errno.EFAULT, named, [(SIZE, 1)], MSG_ZEROCOPY),
    "across the end": (errno.EFAULT, named, [(SIZE - 10, 11)], MSG_ZEROCOPY),
    "the last piece": (errno.EFAULT, named, [(0, 100), (SIZE - 1, 2)], MSG_ZEROCOPY),
    "far away": (errno.EFAULT, named, [(1 << 40, 1)], MSG_ZEROCOPY),
    "no MSG_ZEROCOPY": (errno.EINVAL, named, [(0, 1)], 0),
    "MSG_OOB": (errno.EOPNOTSUPP, named, [(0, 1)], MSG_ZEROCOPY | socket.MSG_OOB),
    "MSG_FASTOPEN": (errno.EOPNOTSUPP, named, [(0, 1)], MSG_ZEROCOPY | 0x20000000),
    "no such binding": (errno.ENOENT, lambda b: named(b + 1000), [(0, 1)], MSG_ZEROCOPY),
    "binding 0": (errno.EINVAL, lambda _: named(0), [(0, 1)], MSG_ZEROCOPY),
    "reserved": (errno.EINVAL, lambda b: named(b, 1), [(0, 1)], MSG_ZEROCOPY),
    "named twice": (errno.EINVAL, lambda b: named(b) + named(b), [(0, 1)], MSG_ZEROCOPY),
    "too short": (errno.EINVAL, lambda b: cmsg(struct.pack("=I", b)), [(0, 1)], MSG_ZEROCOPY),
    "another message": (errno.EINVAL, lambda b: cmsg(struct.pack("=II", b, 0), kind=1), [(0, 1)], MSG_ZEROCOPY),
}


@pytest.mark.parametrize("name", BAD_CALLS)
@or_refused
def test_bad_calls(link: Link, defer: Defer, name: str) -> None:
    """Refused with nothing sent, nothing held and no completion owed."""
    number, control, pieces, flags = BAD_CALLS[name]
    source = _source(link, defer)
    sender, receiver = _connected(link, defer)
    with pytest.raises(OSError) as refused:
        send_raw(sender, control(source.binding.id), pieces, flags)
    assert refused.value.errno == number
    assert source.idle()
    assert completions(sender) == []
    assert send(sender, source.binding.id, [(3, 5)]) == 5
    assert receive(receiver, 5) == source.data[3:8]
    _done(source, sender, 1)


@or_refused
def test_no_so_zerocopy(link: Link, defer: Defer) -> None:
    """Who did not ask for completions can't wait for any: EINVAL."""
    source = _source(link, defer)
    sender, _ = _connected(link, defer)
    sender.setsockopt(socket.SOL_SOCKET, SO_ZEROCOPY, 0)
    with pytest.raises(OSError) as refused:
        send(sender, source.binding.id, [(0, 1)])
    assert refused.value.errno == errno.EINVAL


@or_refused
def test_a_binding_for_receiving(link: Link, defer: Defer) -> None:
    """Its memory is mapped for the other direction: ENOENT."""
    dmabuf = Dmabuf(SIZE)
    defer(dmabuf.close)
    with ppiov.Ppiov(link.rx.ns) as family:
        binding = family.bind(link.rx.ifindex, [2], "dmabuf", dmabuf.fd)
    defer(binding.close)
    _source(link, defer)
    sender, _ = _connected(link, defer)
    with pytest.raises(OSError) as refused:
        send(sender, binding.id, [(0, 1)])
    assert refused.value.errno == errno.ENOENT


@or_refused
def test_another_way(link: Link, defer: Defer) -> None:
    """A socket whose route is not through the binding's device: over the loopback device, or from the other port."""
    source = _source(link, defer)
    with link.tx.ns.socket(socket.AF_INET, socket.SOCK_STREAM) as listener:
        listener.bind((link.tx.v4, 0))
        listener.listen()
        near = link.tx.ns.socket(socket.AF_INET, socket.SOCK_STREAM)
        defer(near.close)
        near.connect(listener.getsockname())
        peer, _ = listener.accept()
        defer(peer.close)
    _, far = connect(link, socket.AF_INET, defer, prepared=False)
    for sock in (near, far):
        _prepare(sock)
        with pytest.raises(OSError) as refused:
            send(sock, source.binding.id, [(0, 1)])
        assert refused.value.errno == errno.ENODEV
        assert completions(sock) == []
    assert source.idle()


def _reroute(link: Link, defer: Defer, kind: str) -> tuple[Callable[[], None], Callable[[], int]]:
    """Another device in tx0's namespace takes the receiver's address; returns (undo, packets that it dropped)."""
    ip = link.tx.ns.ip
    before = {found["index"] for found in ip.get_links()}
    ip.link("add", ifname="other0", kind=kind)
    (index,) = ip.link_lookup(ifname="other0")
    defer(lambda: ip.link("del", index=index))
    for found in ip.get_links():
        if found["index"] not in before:  # a pair has a second one
            ip.link("set", index=found["index"], state="up")
    (other,) = ip.get_links(index)
    ip.neigh("add", dst=link.rx.v4, lladdr=other.get_attr("IFLA_ADDRESS"), ifindex=index, state="permanent")
    ip.route("add", dst=f"{link.rx.v4}/32", oif=index)

    def dropped() -> int:
        (found,) = ip.get_links(index)
        count: int = found.get_attr("IFLA_STATS64")["tx_dropped"]
        return count

    return lambda: ip.route("del", dst=f"{link.rx.v4}/32", oif=index), dropped


@or_refused
def test_the_route_changes(link: Link, defer: Defer) -> None:
    """Packets that would leave through a device without netmem_tx are dropped and counted there, not leaked; with the
    route back, TCP sends them again."""
    source = _source(link, defer)
    sender, receiver = _connected(link, defer)
    receiver.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 16)
    want, calls = _clog(source, sender)
    back, dropped = _reroute(link, defer, "dummy")
    with pytest.raises(OSError) as refused:
        send(sender, source.binding.id, [(0, 1)], socket.MSG_DONTWAIT)
    assert refused.value.errno == errno.ENODEV
    receiver.settimeout(1)
    got = bytearray()
    while len(got) < len(want):
        try:
            got += receiver.recv(1 << 16)
        except TimeoutError:
            break
    assert len(got) < len(want), "the route did not matter"
    until("packets are dropped", dropped)
    back()
    receiver.settimeout(PATIENCE)
    got += receive(receiver, len(want) - len(got))
    assert bytes(got) == want
    _done(source, sender, calls)


@or_refused
def test_the_route_changes_to_another_port(link: Link, defer: Defer) -> None:
    """To another port, which takes unreadable packets too, an address of ours means other memory: dropped, counted."""
    source = _source(link, defer)
    sender, receiver = _connected(link, defer)
    receiver.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 16)
    want, calls = _clog(source, sender)
    back, _ = _reroute(link, defer, "ppnic")
    receiver.settimeout(1)
    got = bytearray()
    while len(got) < len(want):
        try:
            got += receiver.recv(1 << 16)
        except TimeoutError:
            break
    assert len(got) < len(want), "the route did not matter"
    until("packets are dropped", lambda: source.info().drops)
    back()
    receiver.settimeout(PATIENCE)
    got += receive(receiver, len(want) - len(got))
    assert bytes(got) == want
    _done(source, sender, calls)


@pytest.mark.parametrize("fault", ["lose", "reorder", "corrupt"])
@or_refused
def test_packets_are_sent_again(link: Link, defer: Defer, fault: str) -> None:
    """Every 20th frame is lost, late or broken on the wire; the memory is kept until TCP needs it no more."""
    source = _source(link, defer)
    sender, receiver = _connected(link, defer)
    faults.inject(link.tx, fault, 20, defer)
    calls = _through(source, sender, receiver, 3, SIZE - 3)
    assert faults.hits(link.tx, fault), "the fault never struck"
    if fault != "reorder":
        assert counter(link.tx.ns, "Tcp", "RetransSegs")
    _done(source, sender, calls)


@or_refused
def test_without_segmentation_offload(link: Link, defer: Defer) -> None:
    """The stack cuts the packets itself, frags of the dma-buf and all."""
    source = _source(link, defer)
    link.tx.ethtool.run("-K", "tso", "off")
    sender, receiver = _connected(link, defer)
    _done(source, sender, _through(source, sender, receiver, 1, SIZE - 1))


@or_refused
def test_without_gathering(link: Link, defer: Defer) -> None:
    """TCP would copy then, from the user's memory: EOPNOTSUPP."""
    source = _source(link, defer)
    link.tx.ethtool.run("-K", "sg", "off")
    sender, _ = _connected(link, defer)
    with pytest.raises(OSError) as refused:
        send(sender, source.binding.id, [(0, 1)])
    assert refused.value.errno == errno.EOPNOTSUPP
    assert source.idle()


@or_refused
def test_mtu_changes(link: Link, defer: Defer) -> None:
    """Up and down in mid-stream."""
    source = _source(link, defer)
    sender, receiver = _connected(link, defer)
    calls = 0
    for mtu in (9000, 1280, 1500):
        for port in (link.rx, link.tx):
            port.set(mtu=mtu)
        for n in range(4):
            calls += _through(source, sender, receiver, n, SIZE - n)
    _done(source, sender, calls)


@or_refused
def test_mtu_probing_is_on(link: Link, defer: Defer) -> None:
    """A probe would have frags of the dma-buf and not say whose they are: EOPNOTSUPP as long as there may be one."""
    source = _source(link, defer)
    sender, receiver = _connected(link, defer)
    with link.tx.ns.inside():
        path = f"/proc/sys/{TCP_MTU_PROBING}"
        with open(path, "w") as file:  # noqa: PTH123 - of this thread's namespace
            file.write("1")
    with pytest.raises(OSError) as refused:
        send(sender, source.binding.id, [(0, 1)])
    assert refused.value.errno == errno.EOPNOTSUPP
    with link.tx.ns.inside(), open(path, "w") as file:  # noqa: PTH123
        file.write("0")
    assert send(sender, source.binding.id, [(0, 1)]) == 1
    assert receive(receiver, 1) == source.data[:1]


@or_refused
def test_somebody_looks(link: Link, defer: Defer) -> None:
    """A packet socket on the sending port, with plain recv(): it may miss payload, the stream does not."""
    source = _source(link, defer)
    watcher = link.tx.ns.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
    defer(watcher.close)
    watcher.bind((link.tx.name, 0))
    watcher.setblocking(False)
    sender, receiver = _connected(link, defer)
    calls = _through(source, sender, receiver, 0, SIZE)
    seen = 0
    while True:
        try:
            seen += len(watcher.recv(1 << 16))
        except BlockingIOError:
            break
    assert seen, "not even acknowledgements were seen"
    _done(source, sender, calls)


@or_refused
def test_bad_bindings(link: Link, defer: Defer) -> None:
    """A file that is no dma-buf, a closed one, none at all, a device that is none of ours: each with its sentence."""
    dmabuf = Dmabuf(PAGE)
    defer(dmabuf.close)
    with ppiov.Ppiov(link.tx.ns) as family, open("/dev/null") as null:  # noqa: PTH123 - for its fd
        message, command = ppiov.BindingMessage, ppiov.CMD_BIND_TX
        index, fd = ("IFINDEX", link.tx.ifindex), ("DMABUF_FD", dmabuf.fd)
        for attrs, number, sentence in (
            ([index, ("DMABUF_FD", null.fileno())], errno.EINVAL, "is not a dma-buf"),
            ([index, ("DMABUF_FD", 1 << 20)], errno.EBADF, "is not open"),
            ([fd], errno.EINVAL, "ifindex is missing"),
            ([index], errno.EINVAL, "dmabuf-fd is missing"),
            ([index, index, fd], errno.EINVAL, "twice"),
            ([("IFINDEX", 1), fd], errno.EOPNOTSUPP, "can't bind"),
            ([("IFINDEX", 12345), fd], errno.ENODEV, "no such device"),
        ):
            with pytest.raises(RefusedError, match=sentence) as refused:
                family.request(message, command, attrs)
            assert refused.value.errno == number, sentence
        assert family.bindings(link.tx.ifindex) == []


@IPV4_AND_IPV6
@or_refused
def test_from_one_memory_into_the_other(link: Link, defer: Defer, start: Start, family: int) -> None:
    """ppcat sends 8 flows from dma-bufs and receives them into one; every byte is checked, and each call is done."""
    flows, ports = 8, f"{PORT}-{PORT + 7}"
    steer(link, family, [2, 3], flows)
    rx = start(link.rx.ns, *receive_args(link, [2, 3], ports, "--require-devmem"))
    rx.event("ready")
    tx = start(link.tx.ns, *send_args(link, family, ports, "--size", "1M", "--from-dmabuf", link.tx.name))
    assert tx.success()["bytes"] == flows * ((1 << 20) + 32)
    rx.success()
