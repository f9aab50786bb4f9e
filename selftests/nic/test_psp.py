# SPDX-License-Identifier: GPL-2.0-only
"""Does the NIC encrypt and decrypt PSP, and never anything by a key that is gone?

netns «ppiov-tx»                              netns «ppiov-rx»
 tx0 ====== TCP in PSP, both ways =========== rx0

What the wire has is judged by libcrypto: the kernel has no PSP of its own.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Sequence
from dataclasses import dataclass, replace

import pytest
from lib import faults, psp
from lib.fixtures import Defer, MakeLink
from lib.frames import (
    ACK,
    ETH_HLEN,
    ETH_P_8021Q,
    ETH_P_IP,
    ETH_P_IPV6,
    FLOW6,
    MORE_FRAGMENTS,
    Flow,
    ethernet,
    ip,
    tcp,
    udp,
)
from lib.link import Link
from lib.netlink import RefusedError
from lib.poll import PATIENCE, until
from lib.psp import Key, Psp
from lib.sealed import wire_tap
from lib.talk import FAMILIES, through
from lib.traffic import connect, payload, receive
from lib.wire import GSO_UDP_L4, NEEDS_CSUM, Vnet, Wire

pytestmark = pytest.mark.needs_config("INET_PSP")

VERSION = pytest.mark.parametrize("version", psp.VERSIONS.values(), ids=psp.VERSIONS)
L3: dict[int, int] = {socket.AF_INET: 20, socket.AF_INET6: 40}
TCP_WITH_TIMESTAMPS = 32
KEYS = 1024  # that a port gives out at most


@pytest.fixture
def link(make_link: MakeLink) -> Link:
    """A link as it comes: to the NIC, what is encrypted is no TCP."""
    return make_link(bare=True)


@dataclass(slots=True)
class Ends:
    """A connection, and the PSP devices of its ports."""

    tx: Psp
    rx: Psp
    out: socket.socket
    into: socket.socket
    key: Key  # of what goes from tx0 to rx0

    def stats(self) -> tuple[dict[str, int], dict[str, int]]:
        return self.tx.stats(), self.rx.stats()


def devices(link: Link, defer: Defer, versions: int = psp.ALL) -> tuple[Psp, Psp]:
    """Those of both ports, which decrypt."""
    made = Psp(link.tx), Psp(link.rx)
    for one in made:
        defer(one.close)
        one.accept(versions)
    return made


def talking(link: Link, defer: Defer, version: int = psp.GCM_128, family: int = socket.AF_INET) -> Ends:
    """A connection that has changed over to PSP at both ends."""
    tx, rx = devices(link, defer)
    out, into = connect(link, family, defer, prepared=False)
    there, back = rx.receives(into, version), tx.receives(out, version)
    out.sendall(b"hello")
    assert receive(into, 5) == b"hello"  # in the clear: nobody sends by a key yet
    tx.sends(out, there)
    rx.sends(into, back)
    return Ends(tx, rx, out, into, there)


@VERSION
@FAMILIES
def test_stream(link: Link, defer: Defer, version: int, family: int) -> None:
    """Every byte comes, both ways, and all of it was encrypted by one NIC and decrypted by the other."""
    ends = talking(link, defer, version, family)
    through(ends.out, ends.into)
    through(ends.into, ends.out)
    for mine, others in (ends.stats(), ends.stats()[::-1]):
        assert mine["tx_packets"] >= 100 and mine["tx_bytes"] >= 200_000  # no super-packets
        assert others["rx_auth_fail"] == others["rx_error"] == others["rx_bad"] == mine["tx_error"] == 0
    until("all has come", lambda: ends.tx.stats()["tx_bytes"] == ends.rx.stats()["rx_bytes"])
    assert ends.tx.stats()["tx_packets"] == ends.rx.stats()["rx_packets"]


@VERSION
@FAMILIES
def test_on_the_wire(link: Link, defer: Defer, version: int, family: int) -> None:
    """A frame is what the specification says, by another's cryptography; no IV comes twice."""
    ends = talking(link, defer, version, family)
    tap = wire_tap(link, defer)
    ends.rx.accept(0)  # so that frames come as they are
    data = payload(500, seed=version)
    ends.out.sendall(data)
    frames = [received.data for received in tap.receive(2)]  # TCP sends it again, as there is no answer
    ivs = set()
    for frame in frames:
        assert frame[14 + L3[family] + 2 :][:2] == psp.UDP_PORT.to_bytes(2, "big")
        header, text = psp.opened(ends.key, frame, L3[family])
        # TCP, 16 bytes, nothing in the clear, the version with its lowest bit set, the SPI
        assert header[:8] == bytes([6, 1, 0, version << 2 | 1]) + ends.key.spi.to_bytes(4, "big")
        assert text[TCP_WITH_TIMESTAMPS:] == data
        assert (data in frame) == (version in (psp.GMAC_128, psp.GMAC_256))
        ivs.add(header[8:])
    assert len(ivs) == len(frames)
    ends.rx.accept(psp.ALL)
    assert receive(ends.into, len(data)) == data


def test_changed(link: Link, defer: Defer) -> None:
    """What was changed on its way is not delivered, and TCP sends it again."""
    ends = talking(link, defer)
    faults.inject(link.tx, "corrupt", 10, defer)
    through(ends.out, ends.into)
    assert ends.rx.stats()["rx_auth_fail"] > 0
    assert link.rx.ethtool.stats()["rx_psp_dropped"] == ends.rx.stats()["rx_auth_fail"]


def test_wrong_key(link: Link, defer: Defer) -> None:
    """By another key than the receiver's nothing comes."""
    tx, rx = devices(link, defer)
    out, into = connect(link, socket.AF_INET, defer, prepared=False)
    there = rx.receives(into, psp.GCM_128)
    tx.receives(out, psp.GCM_128)
    tx.sends(out, Key(there.spi, bytes(16), there.version))
    out.sendall(b"something")
    until("it is refused", lambda: rx.stats()["rx_auth_fail"] > 0)
    into.setblocking(False)
    with pytest.raises(BlockingIOError):
        into.recv(1)


INNER4, INNER6 = Flow(sport=5, dport=6), Flow(FLOW6.src, FLOW6.dst, 5, 6)
FLOWS = pytest.mark.parametrize("inner", [INNER4, INNER6], ids=["ipv4", "ipv6"])


def given(wire: Wire, defer: Defer, version: int) -> tuple[Psp, Key]:
    """rx0's device, and a key that it has given out."""
    _, rx = devices(wire.link, defer)
    sock = wire.link.rx.ns.socket(socket.AF_INET, socket.SOCK_STREAM)
    defer(sock.close)
    return rx, rx.receives(sock, version)


def datagram(inner: Flow, what: bytes, vlans: Sequence[tuple[int, int]] = ()) -> bytes:
    """A frame to PSP's port, between the ends of `inner`."""
    return udp(Flow(inner.src, inner.dst, 7, psp.UDP_PORT), what, vlans)


@FLOWS
@VERSION
@pytest.mark.parametrize(
    ("options", "offset"),
    [(b"", 0), (b"", 1), (b"12345678", 0), (b"12345678", 2), (b"1234567890123456", 7)],
)
def test_made_by_others(wire: Wire, defer: Defer, version: int, inner: Flow, options: bytes, offset: int) -> None:
    """With options, and with a part in the clear, as this NIC never sends it: headers and ICV come off."""
    rx, key = given(wire, defer, version)
    plain = tcp(inner, payload(333), flags=ACK)
    text = plain[ETH_HLEN + L3[inner.family] :]
    (got,) = wire.exchange([datagram(inner, psp.sealed(key, text, options, offset))])
    assert got.data == plain
    assert rx.stats()["rx_bytes"] == len(options) + len(text)


@FLOWS
def test_vlan(wire: Wire, defer: Defer, inner: Flow) -> None:
    """A tag stays where it was."""
    _, key = given(wire, defer, psp.GCM_128)
    plain = tcp(inner, payload(99), vlans=[(ETH_P_8021Q, 7)], flags=ACK)
    text = plain[ETH_HLEN + 4 + L3[inner.family] :]
    (got,) = wire.exchange([datagram(inner, psp.sealed(key, text), [(ETH_P_8021Q, 7)])])
    assert got.data == plain


@FLOWS
def test_not_what_it_should_be(wire: Wire, defer: Defer, inner: Flow) -> None:
    """Nothing of it comes up, each is counted as what it is, and the next good one comes."""
    rx, key = given(wire, defer, psp.GCM_128)
    text = tcp(inner, payload(64), flags=ACK)[ETH_HLEN + L3[inner.family] :]
    good = psp.sealed(key, text)
    lengths = [
        b"",
        good[: psp.HEADER - 1],  # not even the header
        good[: psp.HEADER],
        good[: psp.HEADER + psp.ICV - 1],  # less than an ICV
        psp.sealed(key, text, length=0),  # a header shorter than it can be
        psp.sealed(key, text, length=255),  # longer than the frame
        psp.sealed(key, text, offset=63),  # in the clear up to behind the end
    ]
    bad = [
        psp.sealed(replace(key, spi=key.spi + 1), text),
        psp.sealed(replace(key, spi=0), text),
        psp.sealed(replace(key, version=psp.GMAC_128), text),  # another version than the key's
        psp.sealed(replace(key, version=15), text),
    ]
    changed = [good[:at] + bytes([good[at] ^ 1]) + good[at + 1 :] for at in (0, 8, psp.HEADER, len(good) - 1)]
    frames = [datagram(inner, what) for what in (*lengths, *bad, *changed)]
    (got,) = wire.exchange([*frames, datagram(inner, good)], count=1)
    assert got.data[ETH_HLEN + L3[inner.family] :] == text
    stats = rx.stats()
    counted = {name: stats[name] for name in ("rx_error", "rx_bad", "rx_auth_fail", "rx_packets")}
    wanted = {"rx_error": len(lengths), "rx_bad": len(bad), "rx_auth_fail": len(changed), "rx_packets": 1}
    assert counted == wanted
    assert wire.link.rx.ethtool.stats()["rx_psp_dropped"] == len(frames)
    assert wire.drain() == []


@FLOWS
def test_segments_have_headers_of_their_own(wire: Wire, defer: Defer, inner: Flow) -> None:
    """Of a super-packet that a sender has cut, each segment is judged by its own SPI, not by that of the first."""
    rx, first = given(wire, defer, psp.GCM_128)
    with wire.link.rx.ns.socket(socket.AF_INET, socket.SOCK_STREAM) as sock:
        second = rx.receives(sock, psp.GCM_128)
    texts = [tcp(inner, payload(64, seed=i), flags=ACK)[ETH_HLEN + L3[inner.family] :] for i in range(3)]
    forged = psp.sealed(replace(first, spi=second.spi), texts[2])  # by a key that is not the one of that SPI
    parts = [psp.sealed(first, texts[0]), psp.sealed(second, texts[1]), forged]
    flow, l4 = Flow(inner.src, inner.dst, 7, psp.UDP_PORT), ETH_HLEN + L3[inner.family]
    whole = udp(flow, b"".join(parts), partial=True)
    got = wire.exchange([whole], Vnet(NEEDS_CSUM, GSO_UDP_L4, l4 + psp.UDP, len(parts[0]), l4, 6), 2)
    assert [received.data[l4:] for received in got] == texts[:2]
    assert wire.link.tx.ethtool.stats()["tx_gso_packets"] == 1
    until("the third is refused", lambda: rx.stats()["rx_auth_fail"] == 1)
    assert rx.stats()["rx_packets"] == 2


def test_extension_headers(wire: Wire, defer: Defer) -> None:
    """The stack takes off none, so such a frame ends in the device."""
    rx, key = given(wire, defer, psp.GCM_128)
    flow = Flow(INNER6.src, INNER6.dst, 7, psp.UDP_PORT)
    inside = datagram(INNER6, psp.sealed(key, bytes(100)))[ETH_HLEN + 40 :]
    nothing = bytes([socket.IPPROTO_UDP, 0, 1, 4, 0, 0, 0, 0])  # destination options: padding
    wire.send([ethernet(ip(flow, socket.IPPROTO_DSTOPTS, inside, nothing), ETH_P_IPV6)])
    until("it is refused", lambda: rx.stats()["rx_bad"] == 1)
    assert wire.drain() == []


def test_short_datagrams_are_the_stacks(wire: Wire, defer: Defer) -> None:
    """A packet longer than its datagram, which may be UDP with options, comes up as it is: nobody takes it for TCP."""
    rx, key = given(wire, defer, psp.GCM_128)
    frame = bytearray(datagram(INNER4, psp.sealed(key, bytes(100))))
    frame[ETH_HLEN + 24 : ETH_HLEN + 26] = b"\0\x60"
    (got,) = wire.exchange([bytes(frame)])
    assert got.data == frame
    assert rx.stats()["rx_packets"] == 0


def test_fragments_are_the_stacks(wire: Wire, defer: Defer) -> None:
    """Who reassembles them is told nothing of keys: TCP will not take it."""
    rx, _ = given(wire, defer, psp.GCM_128)
    flow = Flow(dport=psp.UDP_PORT)
    frame = ethernet(
        ip(flow, socket.IPPROTO_UDP, udp(flow, bytes(100))[ETH_HLEN + 20 :], fragment=MORE_FRAGMENTS), ETH_P_IP
    )
    (got,) = wire.exchange([frame])
    assert got.data == frame
    assert rx.stats()["rx_error"] == rx.stats()["rx_bad"] == 0


def test_rotation(link: Link, defer: Defer) -> None:
    """One rotation ends nothing; the second one ends what the first key has given out."""
    ends = talking(link, defer)
    ends.rx.rotate()
    through(ends.out, ends.into)
    later = ends.rx.receives(socket.socket(), psp.GCM_128)
    assert later.spi >> 31 != ends.key.spi >> 31
    ends.rx.rotate()
    ends.out.sendall(b"too late")
    until("it is refused", lambda: ends.rx.stats()["rx_bad"] > 0)
    assert ends.rx.stats()["key_rotations"] == 2


def test_all_keys_given_out(link: Link, defer: Defer) -> None:
    """The next is refused, until the second rotation."""
    _, rx = devices(link, defer)
    sock = link.rx.ns.socket(socket.AF_INET, socket.SOCK_STREAM)
    defer(sock.close)
    given = set()
    with pytest.raises(RefusedError, match="rotate"):
        for _ in range(KEYS + 1):
            with link.rx.ns.socket(socket.AF_INET, socket.SOCK_STREAM) as each:
                given.add(rx.receives(each, psp.GCM_128).spi)
    assert len(given) == KEYS
    rx.rotate()
    rx.rotate()
    assert rx.receives(sock, psp.GCM_128).spi


def test_without_a_key_all_is_as_ever(link: Link, defer: Defer) -> None:
    devices(link, defer)
    out, into = connect(link, socket.AF_INET, defer, prepared=False)
    through(out, into)
    assert link.tx.ethtool.stats()["tx_psp_encrypted"] == 0


def test_not_accepted(link: Link, defer: Defer) -> None:
    """A version that was not turned on is refused; where none was, frames go up as they are."""
    ends = talking(link, defer, psp.GCM_256)
    ends.rx.accept(1 << psp.GCM_128)
    ends.out.sendall(b"something")
    until("it is refused", lambda: ends.rx.stats()["rx_bad"] > 0)
    ends.rx.accept(psp.ALL)
    assert receive(ends.into, 9) == b"something"


def test_port_goes(link: Link, defer: Defer) -> None:
    """The ports go while both directions are full."""
    ends = talking(link, defer)
    stop = threading.Event()

    def flood(sock: socket.socket) -> None:
        sock.settimeout(0.2)
        while not stop.is_set():
            try:
                sock.send(bytes(10_000))
            except OSError:
                stop.wait(0.01)

    threads = [threading.Thread(target=flood, args=(sock,)) for sock in (ends.out, ends.into)]
    for thread in threads:
        thread.start()
    try:
        until("it flows", lambda: ends.rx.stats()["rx_packets"] > 20)
        link.remove()
    finally:
        stop.set()
        for thread in threads:
            thread.join(PATIENCE)
