# SPDX-License-Identifier: GPL-2.0-only
"""What does the stack do to payload in a provider's buffers, wherever it may touch it: does all survive and go home?

netns «ppiov-tx»                netns «ppiov-rx»
 tx0 ===================== rx0  queue 2: bound to a provider, the flow steered to it
                            '- packet sockets, tc, nft, a bridge, a route to «out0»
                                                   out0 ==== out1 (another link, where packets may leave)

With the core's own dma-buf provider Linux 6.12 panics on the first plain packet socket, so these ask ppiov's only. The
stream itself is the judge: it goes on and is right, or, where its packets are taken away from it, the machine survives
and every buffer goes home, which the leak questions see after each test.
"""

from __future__ import annotations

import ctypes
import errno
import shutil
import socket
import struct
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass

import pytest
from lib import devmem
from lib.dmabuf import Dmabuf
from lib.fixtures import Defer
from lib.link import Link
from lib.mirror import NEEDS, Mirror
from lib.netns import Namespace
from lib.nfqueue import Queue
from lib.poll import until
from lib.ppiov import Ppiov
from lib.traffic import arrived, connect, payload, queued, steer

pytestmark = [
    pytest.mark.only("ppiov"),
    pytest.mark.parametrize("gro", ["gro", "no-gro"]),
    pytest.mark.parametrize("provider", ["dmabuf", "page"]),
]

ETH_P_ALL = 3
SO_ATTACH_FILTER = 26
SIZE = 150_000
LARGEST_WITHOUT_PAYLOAD = 120  # bytes of a frame: headers with all their options
MARK = b"ppiov-payload-that-nobody-must-see/"
DATA = (MARK * (SIZE // len(MARK) + 1))[:SIZE]
OTHER = payload(SIZE)


@dataclass(frozen=True, slots=True)
class Stream:
    """Both ends of a connection whose payload comes in a provider's buffers."""

    sender: socket.socket
    receiver: socket.socket
    dmabuf: Dmabuf
    readable: bool

    def carry(self, data: bytes = DATA) -> None:
        """All of it arrives, and is right."""
        self.sender.sendall(data)
        self.take(data)

    def take(self, data: bytes) -> None:
        """What was sent arrives, and is right; its tokens are returned."""
        got = devmem.receive_all(self.receiver, len(data))
        assert b"".join(r.content(self.dmabuf) for r in got) == data
        for frag in (f for r in got for f in r.frags):
            assert devmem.dontneed(self.receiver, [(frag.token, 1)]) == 1


@pytest.fixture
def bound(link: Link, defer: Defer, provider: str, gro: str) -> Dmabuf:
    """Queue 2 of rx0 takes its payload buffers from the provider."""
    link.rx.ethtool.run("-K", "gro", "on" if gro == "gro" else "off")
    dmabuf = Dmabuf(4 << 20)
    defer(dmabuf.close)
    with Ppiov(link.rx.ns) as family:
        binding = family.bind(link.rx.ifindex, [2], provider, dmabuf.fd if provider == "dmabuf" else None)
    defer(binding.close)
    steer(link, socket.AF_INET, [2])
    return dmabuf


@pytest.fixture
def stream(link: Link, bound: Dmabuf, defer: Defer, provider: str) -> Stream:
    """A connection over it, which has carried data already."""
    sender, receiver = connect(link, socket.AF_INET, defer)
    stream = Stream(sender, receiver, bound, provider == "page")
    stream.carry()
    return stream


def plain_socket(ns: Namespace, device: str, snaplen: int | None) -> socket.socket:
    """A packet socket that is read with recv(); with `snaplen`, its filter keeps so many bytes."""
    sock = ns.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
    try:
        if snaplen is not None:
            code = struct.pack("=HBBI", 0x06, 0, 0, snaplen)  # return snaplen
            program = ctypes.create_string_buffer(code, len(code))
            sock.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, struct.pack("@HP", 1, ctypes.addressof(program)))
        sock.setblocking(False)
        sock.bind((device, ETH_P_ALL))
    except BaseException:
        sock.close()
        raise
    return sock


def frames(sock: socket.socket) -> Iterator[bytes]:
    """What it has got; what the kernel can't copy is told by EFAULT, and the frame is gone."""
    while True:
        try:
            yield sock.recv(1 << 17)
        except BlockingIOError:
            return
        except OSError as error:
            assert error.errno == errno.EFAULT, f"recv() on a packet socket: {error}"


@pytest.mark.parametrize("snaplen", [None, 40, 66, 1000], ids=lambda s: f"snap{s}" if s else "whole")
def test_plain_packet_socket(link: Link, stream: Stream, snaplen: int | None) -> None:
    """A packet socket read with recv(), whatever its filter cuts: the stream goes on, and iovs show no payload."""
    with closing(plain_socket(link.rx.ns, link.rx.name, snaplen)) as sock:
        for _ in range(3):
            stream.carry()
        seen = list(frames(sock))
    assert seen, "the packet socket has seen nothing"
    showing = sum(MARK in frame for frame in seen)
    if not stream.readable:
        assert not showing, f"{showing} of {len(seen)} frames show payload that the CPU can't read"
    elif snaplen is None:  # a filter that cuts in the payload needs a clone of the child, which is shared: dropped
        assert showing, "payload in pages is not shown"
    stream.carry()


def tc(link: Link, *words: str) -> None:
    """`tc ... dev rx0 ...` in rx0's namespace."""
    link.rx.ns.run(["tc", *(link.rx.name if w == "RX" else w for w in words)])


def ingress(link: Link, *action: str) -> None:
    """Each packet that comes in at rx0 meets these actions."""
    tc(link, "qdisc", "add", "dev", "RX", "clsact")
    tc(link, "filter", "add", "dev", "RX", "ingress", "protocol", "ip", "matchall", *action)


def test_pedit(link: Link, stream: Stream) -> None:
    """tc rewrites the IP header, for which the head has to be writable, on every packet: the stream goes on."""
    ingress(link, "action", "pedit", "ex", "munge", "ip", "ttl", "set", "33", "pipe", "action", "csum", "ip")
    for _ in range(3):
        stream.carry()
    said = link.rx.ns.run(["tc", "-s", "filter", "show", "dev", link.rx.name, "ingress"])
    assert "Sent 0 bytes" not in said, f"pedit has seen nothing: {said}"


@pytest.mark.needs_config(*NEEDS)
def test_pedit_of_what_is_mirrored(link: Link, stream: Stream, defer: Defer) -> None:
    """What waits to be read keeps its buffers when the clones go that a mirror made before it was rewritten."""
    mirror = Mirror(link.rx, defer)
    data = DATA[:16384]
    stream.sender.sendall(data)
    until("all of it is in the receive queue", lambda: queued(stream.receiver) == len(data))
    assert mirror.held, "the mirror holds nothing"
    mirror.drop()
    other = Stream(*connect(link, socket.AF_INET, defer), stream.dmabuf, stream.readable)
    for _ in range(40):  # in more bytes than there are buffers for
        other.carry(OTHER)
    stream.take(data)


@pytest.fixture
def out(link: Link, defer: Defer) -> str:
    """A veth whose other end is up in the sender's namespace: where packets may leave."""
    ns = link.rx.ns
    ns.run(["ip", "link", "add", "out0", "type", "veth", "peer", "name", "out1", "netns", str(link.tx.ns.name)])
    defer(_remove, ns, "out0")
    ns.run(["ip", "link", "set", "out0", "up"])
    link.tx.ns.run(["ip", "link", "set", "out1", "up"])
    return "out0"


def _remove(ns: Namespace, device: str) -> None:
    """Remove a device, unless it went with the namespace of its other end."""
    for index in ns.ip.link_lookup(ifname=device):
        ns.ip.link("del", index=index)


@pytest.fixture
def leaving(link: Link, out: str, defer: Defer) -> socket.socket:
    """Sees what arrives at the other end of it."""
    sock = plain_socket(link.tx.ns, "out1", None)
    defer(sock.close)
    return sock


def check_copies(stream: Stream, leaving: socket.socket) -> None:
    """The stream goes on while copies leave: those of pages whole, those of iovs not at all, headers alone included."""
    for _ in range(3):
        stream.carry()
    if stream.readable:
        until("copies leave", lambda: any(MARK in frame for frame in frames(leaving)))
    else:
        assert [len(frame) for frame in frames(leaving) if len(frame) > LARGEST_WITHOUT_PAYLOAD] == []


def test_mirror(link: Link, stream: Stream, out: str, leaving: socket.socket) -> None:
    """tc mirrors every packet out of another device."""
    ingress(link, "action", "mirred", "egress", "mirror", "dev", out)
    check_copies(stream, leaving)


def test_redirect(link: Link, stream: Stream, out: str) -> None:
    """tc redirects every packet out of another device, and nothing is left of them; without it, all arrives."""
    before = arrived(link, 2)
    ingress(link, "action", "mirred", "egress", "redirect", "dev", out)
    stream.sender.sendall(DATA[:50_000])
    until("payload has come in", lambda: arrived(link, 2) > before)
    tc(link, "qdisc", "del", "dev", "RX", "clsact")
    stream.take(DATA[:50_000])  # TCP sends it again


@pytest.fixture
def nft(link: Link, defer: Defer) -> Callable[[str], str]:
    """nft("rules") loads them in rx0's namespace, nft("") lists what they have counted."""
    if not shutil.which("nft"):
        pytest.fail("nft is missing (apt install nftables)")
    defer(link.rx.ns.run, ["nft", "flush", "ruleset"])
    return lambda rules: link.rx.ns.run(["nft", *([rules] if rules else ["list", "ruleset"])])


def chain(family: str, hook: str, rule: str) -> str:
    return f"table {family} t {{\n chain c {{ type filter hook {hook} priority 0; {rule}\n}}\n}}\n"


def test_nft(stream: Stream, nft: Callable[[str], str]) -> None:
    """nftables counts and mangles what comes in: the stream goes on."""
    nft(chain("netdev", "ingress device rx0", "counter;") + chain("ip", "prerouting", "counter; ip dscp set af21;"))
    for _ in range(3):
        stream.carry()
    said = nft("")
    assert "packets 0" not in said, f"nft has seen nothing: {said}"


@pytest.mark.parametrize("where", ["ingress", "prerouting"])
def test_nft_dup(
    link: Link, stream: Stream, out: str, leaving: socket.socket, nft: Callable[[str], str], where: str
) -> None:
    """nftables duplicates what comes in to another device, by a clone or by a copy of its head."""
    if where == "ingress":
        nft(chain("netdev", "ingress device rx0", f"counter; dup to {out};"))
    else:
        link.rx.ns.run(["ip", "addr", "add", "198.51.100.1/24", "dev", out])
        link.rx.ns.run(["ip", "neigh", "add", "198.51.100.2", "lladdr", "02:00:00:00:00:02", "dev", out])
        nft(chain("ip", "prerouting", f"counter; dup to 198.51.100.2 device {out};"))
    check_copies(stream, leaving)
    said = nft("")
    assert "packets 0" not in said, f"nft has seen nothing: {said}"


def test_nft_fwd(link: Link, stream: Stream, out: str, nft: Callable[[str], str]) -> None:
    """nftables sends all that comes in out of another device, and nothing is left of it; without it, all arrives."""
    before = arrived(link, 2)
    nft(chain("netdev", "ingress device rx0", f"fwd to {out};"))
    stream.sender.sendall(DATA[:50_000])
    until("payload has come in", lambda: arrived(link, 2) > before)
    nft("flush ruleset")
    stream.take(DATA[:50_000])  # TCP sends it again


@pytest.mark.parametrize("copy", [40, 0xFFFF], ids=["headers", "whole"])
def test_nft_queue(link: Link, stream: Stream, nft: Callable[[str], str], defer: Defer, copy: int) -> None:
    """Each packet goes through user space, which is shown its headers, or all: then iovs are dropped, and go home."""
    queue = Queue(link.rx.ns, 7, copy)
    defer(queue.close)
    nft(chain("ip", "input", "tcp dport 5201 counter queue flags bypass to 7;"))
    if copy == 40 or stream.readable:
        stream.carry()
        assert queue.payloads
    else:
        before = arrived(link, 2)
        stream.sender.sendall(DATA[:50_000])
        until("payload has come in", lambda: arrived(link, 2) > before)
        nft("flush ruleset")
        stream.take(DATA[:50_000])
    shown = any(MARK in payload for payload in queue.payloads)
    assert shown == (stream.readable and copy > 40)


def test_forwarded(link: Link, bound: Dmabuf, out: str, provider: str, defer: Defer) -> None:
    """A flow that is routed out of another device: pages arrive there, iovs are dropped on the way, nothing is left."""
    rx, tx = link.rx.ns, link.tx.ns
    server = Namespace("ppiov-out")
    server.create()
    defer(server.remove)
    defer(_remove, rx, out)  # before the namespace of its other end, which goes in its own time
    tx.run(["ip", "link", "set", "out1", "netns", str(server.name)])
    for ns, device, address in ((rx, "out0", "198.51.100.1/24"), (server, "out1", "198.51.100.2/24")):
        ns.run(["ip", "addr", "add", address, "dev", device])
        ns.run(["ip", "link", "set", device, "up"])
    server.run(["ip", "route", "add", "192.0.2.0/24", "via", "198.51.100.1"])
    tx.run(["ip", "route", "add", "198.51.100.0/24", "via", link.rx.v4])
    rx.sysctl("net.ipv4.ip_forward", "1")
    defer(rx.sysctl, "net.ipv4.ip_forward", "0")

    data = payload(50_000)
    with server.socket(socket.AF_INET, socket.SOCK_STREAM) as listener:
        listener.settimeout(30)
        listener.bind(("198.51.100.2", 5201))
        listener.listen()
        with tx.socket(socket.AF_INET, socket.SOCK_STREAM) as sender:
            sender.settimeout(30)
            # all of it, though nothing is acknowledged: what a socket takes by itself goes by the kernel's options
            sender.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 2 * len(data))
            sender.connect(("198.51.100.2", 5201))
            receiver, _ = listener.accept()
            with closing(receiver):
                receiver.settimeout(30)
                before = arrived(link, 2)
                sender.sendall(data)
                until("payload has come in", lambda: arrived(link, 2) > before)
                if provider == "page":
                    got = b""
                    while len(got) < len(data) and (piece := receiver.recv(len(data))):
                        got += piece
                    assert got == data
                else:
                    receiver.settimeout(1)
                    with pytest.raises(TimeoutError):
                        receiver.recv(1)


def test_bridge(link: Link, bound: Dmabuf, out: str, provider: str, defer: Defer) -> None:
    """rx0 is a port of a bridge that also floods out of another device: the stream to the bridge's address goes on."""
    ns = link.rx.ns
    ns.run(["ip", "link", "add", "br0", "type", "bridge"])
    defer(ns.run, ["ip", "link", "del", "br0"])
    for device in (link.rx.name, out):
        ns.run(["ip", "link", "set", device, "master", "br0"])
    ns.run(["ip", "addr", "flush", "dev", link.rx.name])
    ns.run(["ip", "addr", "add", f"{link.rx.v4}/24", "dev", "br0"])
    ns.run(["ip", "link", "set", "br0", "address", link.rx.attribute("IFLA_ADDRESS"), "up"])
    sender_mac = link.tx.attribute("IFLA_ADDRESS")
    ns.run(["ip", "neigh", "replace", link.tx.v4, "lladdr", sender_mac, "dev", "br0"])
    sender, receiver = connect(link, socket.AF_INET, defer)
    stream = Stream(sender, receiver, bound, provider == "page")
    for _ in range(3):
        stream.carry()
