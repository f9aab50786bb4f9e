# SPDX-License-Identifier: GPL-2.0-only
"""Does the NIC encrypt and decrypt ESP as the stack does, and never anything by a state that is gone?

netns «ppiov-tx»                              netns «ppiov-rx»
 tx0 ============ ESP, both ways ============ rx0
 its states are the NIC's, or not             as at tx0

Where only tx0 has its NIC do it, the stack at rx0, with its own cryptography, judges what is sent, and sends what is to
be decrypted.
"""

from __future__ import annotations

import re
import socket
import struct
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest
from lib import faults
from lib.fixtures import Defer, MakeLink
from lib.link import Link, Port
from lib.netlink import Netlink, RefusedError
from lib.netns import Namespace
from lib.poll import until
from lib.sealed import Sent, wire_tap
from lib.talk import FAMILIES, MARK, STREAM, Datagrams, Flood, through
from lib.traffic import connect, payload, receive
from lib.wire import Tap
from pyroute2.netlink import NETLINK_XFRM, NLM_F_ACK, NLM_F_CREATE, NLM_F_EXCL, nlmsg

SPI_THERE, SPI_BACK = 0x1000, 0x1001
CIPHER = "rfc4106(gcm(aes))"
ESP_HDR, IV_LEN = 8, 8
STATES = 1024  # that a port has at most
MODES = pytest.mark.parametrize("mode", ["transport", "tunnel"])
WHO = pytest.mark.parametrize("who", ["tx", "both"])


@dataclass(frozen=True, slots=True)
class Way:
    """How both ends do it."""

    family: int = socket.AF_INET
    mode: str = "transport"
    who: str = "both"  # whose NIC: tx, rx, both, or none
    key: int = 16  # bytes, without the salt
    icv: int = 128  # bits
    esn: bool = False
    start: int = 0  # sequence number that each end has reached

    def by_nic(self, port: str) -> bool:
        return self.who in (port, "both")


class Esp:
    """ESP between tx0 and rx0, all that they say to each other; it ends with the test."""

    def __init__(self, link: Link, defer: Defer, way: Way) -> None:
        self.link = link
        self.way = way
        for port in (link.tx, link.rx):
            # Before it, the last of the connections says goodbye in the clear
            defer(forget, port.ns)
        for port, name in ((link.tx, "tx"), (link.rx, "rx")):
            self.add(port, way.by_nic(name))
            self.policies(port)

    def ends(self, spi: int) -> list[str]:
        """What names a state."""
        pair = (self.link.tx, self.link.rx) if spi == SPI_THERE else (self.link.rx, self.link.tx)
        src, dst = (port.address(self.way.family) for port in pair)
        return ["src", src, "dst", dst, "proto", "esp", "spi", hex(spi)]

    def add(self, port: Port, by_nic: bool) -> None:
        """Both states of one end."""
        way = self.way
        out = SPI_THERE if port is self.link.tx else SPI_BACK
        for spi in (SPI_THERE, SPI_BACK):
            key = "0x" + payload(way.key + 4, seed=spi).hex()
            args = ["aead", CIPHER, key, str(way.icv), "mode", way.mode, "replay-window", "64"]
            if way.esn:
                args += ["flag", "esn"]
            if way.start:
                args += ["replay-oseq" if spi == out else "replay-seq", str(way.start)]
            if by_nic:
                args += ["offload", "dev", port.name, "dir", "out" if spi == out else "in"]
            port.ns.run(["ip", "xfrm", "state", "add", *self.ends(spi), *args])

    def delete(self, port: Port) -> None:
        for spi in (SPI_THERE, SPI_BACK):
            port.ns.run(["ip", "xfrm", "state", "delete", *self.ends(spi)])

    def renew(self) -> None:
        """All states anew: the numbers of both ends begin together."""
        for port in (self.link.tx, self.link.rx):
            self.delete(port)
        for port, name in ((self.link.tx, "tx"), (self.link.rx, "rx")):
            self.add(port, self.way.by_nic(name))

    def policies(self, port: Port) -> None:
        out = SPI_THERE if port is self.link.tx else SPI_BACK
        for spi in (SPI_THERE, SPI_BACK):
            src, dst = self.ends(spi)[1], self.ends(spi)[3]
            tmpl = ["tmpl", "src", src, "dst", dst, "proto", "esp", "mode", self.way.mode]
            direction = "out" if spi == out else "in"
            port.ns.run(["ip", "xfrm", "policy", "add", "src", src, "dst", dst, "dir", direction, *tmpl])

    def count(self, port: Port) -> tuple[int, int]:
        """Frames that its NIC has encrypted, and decrypted."""
        stats = port.ethtool.stats()
        return stats["tx_esp_encrypted"], stats["rx_esp_decrypted"]

    def refused(self, port: Port, spi: int = SPI_THERE) -> dict[str, int]:
        """What the stack has refused of a state's frames: replay-window, replay, failed."""
        shown = port.ns.run(["ip", "-s", "xfrm", "state", "get", *self.ends(spi)[2:]])
        found = re.search(r"replay-window (\d+) replay (\d+) failed (\d+)", shown)
        assert found, shown
        return dict(zip(("replay-window", "replay", "failed"), map(int, found.groups()), strict=True))

    def found_bad(self, count: int) -> bool:
        """Have the NIC at rx0, and the stack by its word, refused so many frames?"""
        return self.link.rx.ethtool.stats()["rx_esp_bad"] == self.refused(self.link.rx)["failed"] == count


def states(ns: Namespace) -> int:
    """How many there are."""
    return int(ns.run(["ip", "xfrm", "state", "count"]).split()[-1])


def forget(ns: Namespace) -> None:
    """All states and policies of a namespace."""
    ns.run(["ip", "xfrm", "state", "flush"])
    ns.run(["ip", "xfrm", "policy", "flush"])


@pytest.fixture
def link(make_link: MakeLink) -> Link:
    """A link as it comes: to the NIC, what is encrypted is no TCP."""
    return make_link(bare=True)


def protocol(frame: bytes) -> int:
    """What the IP header says follows it."""
    return frame[14 + (6 if frame[14] >> 4 == 6 else 9)]


def is_esp(frame: bytes) -> bool:
    return protocol(frame) == socket.IPPROTO_ESP


def esp_at(frame: bytes) -> int:
    return 14 + (40 if frame[14] >> 4 == 6 else 20)


def ip_frames(tap: Tap, count: int) -> list[bytes]:
    """At least so many frames that came for rx0; those of them that are of IP."""
    return [f.data for f in tap.receive(count) if f.data[12:14] in (b"\x08\x00", b"\x86\xdd")]


@FAMILIES
@MODES
@WHO
def test_stream(link: Link, defer: Defer, family: int, mode: str, who: str) -> None:
    """TCP both ways arrives byte by byte, and each end's cryptography is whose it should be."""
    esp = Esp(link, defer, Way(family, mode, who))
    sender, receiver = connect(link, family, defer, prepared=False)
    for out, into in ((sender, receiver), (receiver, sender)):
        through(out, into)

    segments = STREAM // 1460
    for port, name in ((link.tx, "tx"), (link.rx, "rx")):
        encrypted, decrypted = esp.count(port)
        if esp.way.by_nic(name):
            assert min(encrypted, decrypted) > segments, f"{name}: {encrypted} encrypted, {decrypted} decrypted"
        else:
            assert (encrypted, decrypted) == (0, 0), f"{name} has no state of the NIC's"
        stats = port.ethtool.stats()
        assert stats["rx_esp_bad"] == stats["rx_esp_lost"] == stats["tx_esp_refused"] == 0


@FAMILIES
@MODES
def test_what_is_on_the_wire(link: Link, defer: Defer, family: int, mode: str) -> None:
    """What the NIC sends is ESP, each byte of the payload encrypted, and no IV comes twice."""
    esp = Esp(link, defer, Way(family, mode, "tx"))
    tap = wire_tap(link, defer)
    datagrams = Datagrams(link, defer, family)
    sent = [MARK * 20 + bytes([i]) for i in range(5)]
    for data in sent:
        datagrams.send(data)
        assert datagrams.get() == data
    frames = [f for f in ip_frames(tap, len(sent)) if protocol(f) == socket.IPPROTO_ESP]
    assert len(frames) == len(sent)
    assert not [f for f in frames if MARK in f]
    bodies = [f[esp_at(f) :] for f in frames]
    numbers = [struct.unpack_from("!II", body) for body in bodies]
    assert numbers == [(SPI_THERE, i + 1) for i in range(len(sent))]
    assert len({body[ESP_HDR : ESP_HDR + IV_LEN] for body in bodies}) == len(sent)
    # The same twelve bytes over and over: no two blocks of the cipher are alike
    cipher = bodies[0][ESP_HDR + IV_LEN : -16]
    blocks = [cipher[i : i + 12] for i in range(0, len(cipher) - 12, 12)]
    assert len(set(blocks)) == len(blocks)
    assert esp.count(link.tx)[0] == len(sent)


@FAMILIES
def test_sizes(link: Link, defer: Defer, family: int) -> None:
    """Every padding, and ICVs on either side of where the device's headers end, at 256 bytes."""
    esp = Esp(link, defer, Way(family, "transport", "tx"))
    there, back = Datagrams(link, defer, family), Datagrams(link, defer, family, back=True)
    sizes = [0, 1, 2, 3, 13, *range(140, 205), 1300]
    for size in sizes:
        there.exchange(1, size)
        back.exchange(1, size)
    assert esp.count(link.tx) == (len(sizes), len(sizes))


@pytest.mark.parametrize(("key", "icv"), [(24, 128), (32, 96), (16, 64)], ids=["192-128", "256-96", "128-64"])
def test_keys(link: Link, defer: Defer, key: int, icv: int) -> None:
    """Each length of key, and of ICV."""
    esp = Esp(link, defer, Way(who="tx", key=key, icv=icv))
    Datagrams(link, defer, socket.AF_INET).exchange(5)
    Datagrams(link, defer, socket.AF_INET, back=True).exchange(5)
    assert esp.count(link.tx) == (5, 5)


@WHO
@FAMILIES
def test_extended_numbers(link: Link, defer: Defer, family: int, who: str) -> None:
    """64 bits of sequence number, of which 32 are on the wire, over the end of those."""
    esp = Esp(link, defer, Way(family, who=who, esn=True, start=2**32 - 10))
    Datagrams(link, defer, family).exchange(20)
    Datagrams(link, defer, family, back=True).exchange(20)
    assert esp.count(link.tx) == ((20, 20) if esp.way.by_nic("tx") else (0, 0))
    assert esp.count(link.rx) == ((20, 20) if esp.way.by_nic("rx") else (0, 0))


def test_extended_numbers_of_segments(link: Link, defer: Defer) -> None:
    """The 32 bits end within what the stack cuts for the NIC."""
    esp = Esp(link, defer, Way(who="tx", esn=True, start=2**32 - 100))
    sender, receiver = connect(link, socket.AF_INET, defer, prepared=False)
    through(sender, receiver)
    assert esp.refused(link.rx)["failed"] == 0


def _changed(frame: bytes, at: int) -> bytes:
    return frame[:at] + bytes([frame[at] ^ 0x10]) + frame[at + 1 :]


@FAMILIES
@MODES
def test_what_was_changed_on_the_way(link: Link, defer: Defer, family: int, mode: str) -> None:
    """A frame with one bit changed, anywhere, is refused and counted; as it was, it is taken; once more, it is not."""
    esp = Esp(link, defer, Way(family, mode, "rx"))
    datagrams = Datagrams(link, defer, family)
    sent = Sent(link.tx, defer, is_esp)
    faults.inject(link.tx, "lose", 1, defer)
    datagrams.send(MARK * 30)
    frame = sent.frame()
    (faults.folder(link.tx) / "lose").write_text("0")
    assert MARK not in frame and datagrams.empty()

    at = esp_at(frame)
    places = {"number": at + 7, "IV": at + 9, "first": at + 16, "middle": 256, "last": len(frame) - 17, "ICV": -1}
    for i, (name, place) in enumerate(places.items()):
        sent.again(_changed(frame, place % len(frame)))
        until(f"the {name} is found wrong", partial(esp.found_bad, i + 1))
    assert datagrams.empty() and esp.count(link.rx)[1] == 0

    sent.again(frame)
    assert datagrams.get() == MARK * 30
    sent.again(frame)
    until("it was seen", lambda: esp.refused(link.rx)["replay"] == 1)
    assert datagrams.empty() and esp.count(link.rx)[1] == 2


def test_corrupted(link: Link, defer: Defer) -> None:
    """The wire corrupts each frame: none arrives, all are counted; then all do."""
    esp = Esp(link, defer, Way())
    datagrams = Datagrams(link, defer, socket.AF_INET)
    faults.inject(link.tx, "corrupt", 1, defer)
    for _ in range(10):
        datagrams.send(MARK)
    until("all are refused", lambda: esp.found_bad(10))
    assert datagrams.empty()
    (faults.folder(link.tx) / "corrupt").write_text("0")
    datagrams.exchange(3)


def test_old_frames_of_extended_numbers(link: Link, defer: Defer) -> None:
    """A frame from before the 32 bits ended is no new one after that."""
    esp = Esp(link, defer, Way(who="rx", esn=True, start=2**32 - 100))
    datagrams = Datagrams(link, defer, socket.AF_INET)
    sent = Sent(link.tx, defer, is_esp)
    datagrams.send(MARK)
    old = sent.frame()
    assert datagrams.get() == MARK
    datagrams.exchange(300)
    sent.again(old)
    until("it is refused", lambda: esp.found_bad(1))
    assert datagrams.empty()
    datagrams.exchange(3)


def test_checksums(link: Link, defer: Defer) -> None:
    """The checksum of what is encrypted is the NIC's, or with esp-tx-csum-hw-offload off the stack's."""
    Esp(link, defer, Way(who="tx"))
    sender, receiver = connect(link, socket.AF_INET, defer, prepared=False)
    for state, grows in (("on", True), ("off", False), ("on", True)):
        link.tx.ethtool.run("-K", "esp-tx-csum-hw-offload", state)
        before = link.tx.ethtool.stats()["tx_needs_csum"]
        sender.sendall(payload(50_000))
        assert receive(receiver, 50_000) == payload(50_000)
        assert (link.tx.ethtool.stats()["tx_needs_csum"] > before) == grows, f"esp-tx-csum-hw-offload {state}"


def test_feature_off(link: Link, defer: Defer) -> None:
    """With esp-hw-offload off the stack does all of it, by the same states; its checksums go with it."""
    esp = Esp(link, defer, Way())
    datagrams = Datagrams(link, defer, socket.AF_INET)
    datagrams.exchange(3)
    counts = esp.count(link.tx), esp.count(link.rx)
    for port in (link.tx, link.rx):
        port.ethtool.run("-K", "esp-hw-offload", "off")
        assert "esp-tx-csum-hw-offload: off" in port.ethtool.run("-k")
    datagrams.exchange(3)
    assert (esp.count(link.tx), esp.count(link.rx)) == counts
    for port in (link.tx, link.rx):
        port.ethtool.run("-K", "esp-hw-offload", "on", "esp-tx-csum-hw-offload", "on")
    datagrams.exchange(3)
    assert (esp.count(link.tx)[0], esp.count(link.rx)[1]) == (counts[0][0] + 3, counts[1][1] + 3)


@FAMILIES
def test_fragments(link: Link, defer: Defer, family: int) -> None:
    """What is longer than the MTU goes in fragments, and is the stack's at both ends."""
    esp = Esp(link, defer, Way(family))
    Datagrams(link, defer, family).exchange(3, 4000)
    assert (esp.count(link.tx)[0], esp.count(link.rx)[1]) == (0, 0)


REFUSED = {
    "cipher": (["aead", "rfc4543(gcm(aes))", "0x" + "01" * 20, "128"], "rfc4106(gcm(aes)) only"),
    "two": (["auth-trunc", "hmac(sha256)", "0x" + "01" * 32, "96", "enc", "cbc(aes)", "0x" + "01" * 16], "only"),
    "beet": (["mode", "beet"], "transport and tunnel mode only"),
    "wrap": (["extra-flag", "oseq-may-wrap"], "an IV would come twice"),
    "mark": (["mark", "1"], "a frame has none yet"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_refused(link: Link, defer: Defer, what: str) -> None:
    """What the NIC can't do is refused with a sentence, and leaves no state behind."""
    args, sentence = REFUSED[what]
    ns = link.rx.ns
    defer(forget, ns)
    end = ["src", link.tx.v4, "dst", link.rx.v4, "proto", "esp", "spi", "0x1000"]
    good = ["aead", CIPHER, "0x" + "01" * 20, "128"]
    if args[0] not in ("aead", "auth-trunc"):
        args = [*good, *args]
    command = ["ip", "xfrm", "state", "add", *end, *args, "offload", "dev", link.rx.name, "dir", "in"]
    with pytest.raises(AssertionError, match=re.escape(sentence)):
        ns.run(command)
    assert states(ns) == 0


def test_second_state(link: Link, defer: Defer) -> None:
    """The stack asks the NIC before it finds that it has such a state: the first stays, and goes on working."""
    esp = Esp(link, defer, Way())
    datagrams = Datagrams(link, defer, socket.AF_INET)
    datagrams.exchange(2)
    other = ["aead", CIPHER, "0x" + "77" * 20, "128", "mode", "transport"]
    offload = ["offload", "dev", link.rx.name, "dir", "in"]
    with pytest.raises(AssertionError, match="File exists"):
        link.rx.ns.run(["ip", "xfrm", "state", "add", *esp.ends(SPI_THERE), *other, *offload])
    datagrams.exchange(2)
    link.rx.ns.run(["ip", "xfrm", "state", "update", *esp.ends(SPI_THERE), *other, *offload])
    datagrams.exchange(2)
    assert esp.count(link.rx)[1] == 6


class NewSa(nlmsg):  # type: ignore[misc]  # pyroute2 does not say its type
    """XFRM_MSG_NEWSA: struct xfrm_usersa_info and attributes, as bytes."""

    fields = (("info", "224s"),)
    nla_map = ((18, "XFRMA_ALG_AEAD", "cdata"), (28, "XFRMA_OFFLOAD_DEV", "cdata"))


def test_packet_offload_is_refused(link: Link, defer: Defer) -> None:
    """Policies, replay and lifetimes are not the NIC's."""
    defer(forget, link.rx.ns)
    src, dst = (socket.inet_aton(address).ljust(16, b"\0") for address in (link.tx.v4, link.rx.v4))
    forever = struct.pack("=4Q", *[2**64 - 1] * 4).ljust(64, b"\0")
    info = bytes(56) + dst + struct.pack("!IBxxx", SPI_THERE, socket.IPPROTO_ESP) + src + forever + bytes(44)
    info += struct.pack("=IIHBBBxxxxxxx", 0, 0, socket.AF_INET, 0, 32, 0)[:20]
    msg = NewSa()
    msg["info"] = info.ljust(224, b"\0")
    aead = CIPHER.encode().ljust(64, b"\0") + struct.pack("=II", 160, 128) + bytes(range(20))
    inbound, packet = 2, 4
    offload = struct.pack("=iBxxx", link.rx.ifindex, inbound | packet)
    msg["attrs"] = [("XFRMA_ALG_AEAD", aead), ("XFRMA_OFFLOAD_DEV", offload)]
    with Netlink(link.rx.ns, NETLINK_XFRM) as xfrm, pytest.raises(RefusedError, match="cryptography only"):
        xfrm.talk(msg, 16, NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL)
    assert states(link.rx.ns) == 0


def more_frames(link: Link, count: int) -> bool:
    """Have more than so many frames come to rx0?"""
    return link.rx.ethtool.stats()["rx_packets"] > count


@WHO
def test_states_come_and_go(link: Link, defer: Defer, who: str) -> None:
    """Removed while frames are on their way, and made again: nothing is sent in clear, and all goes on."""
    esp = Esp(link, defer, Way(who=who))
    tap = wire_tap(link, defer)
    flood = Flood(link, defer, socket.AF_INET)
    for _ in range(3):
        before = link.rx.ethtool.stats()["rx_packets"]
        until("frames come", partial(more_frames, link, before + 20))
        esp.renew()
    flood.stop()
    frames = ip_frames(tap, 50)
    if who == "tx":
        assert not [f for f in frames if protocol(f) != socket.IPPROTO_ESP or MARK in f], "in the clear"
    esp.renew()
    flood.exchange()


def test_frames_that_outlive_their_state(link: Link, defer: Defer) -> None:
    """What stands in the ring when its state goes is not sent, and is counted."""
    esp = Esp(link, defer, Way(who="tx"))
    datagrams = Datagrams(link, defer, socket.AF_INET)
    datagrams.exchange(1)
    tap = wire_tap(link, defer)
    faults.inject(link.tx, "stall_tx", 0xF, defer)
    for _ in range(5):
        datagrams.send(MARK)
    esp.delete(link.tx)
    esp.add(link.tx, True)  # the same keys, and another state
    (faults.folder(link.tx) / "stall_tx").write_text("0")
    until("they are refused", lambda: link.tx.ethtool.stats()["tx_esp_refused"] == 5)
    assert datagrams.empty()
    esp.delete(link.rx)
    esp.add(link.rx, False)
    datagrams.exchange(2)
    assert not [f for f in ip_frames(tap, 2) if protocol(f) != socket.IPPROTO_ESP]


def test_port_goes_down(link: Link, defer: Defer) -> None:
    """The stack takes the states of a port that goes down; new ones work when it is up again."""
    esp = Esp(link, defer, Way())
    flood = Flood(link, defer, socket.AF_INET)
    until("frames are decrypted", lambda: esp.count(link.rx)[1] > 20)
    link.rx.set(state="down")
    assert states(link.rx.ns) == 0
    flood.stop()
    link.set_up()
    esp.delete(link.tx)
    for port in (link.tx, link.rx):
        esp.add(port, True)
    flood.exchange()


@WHO
def test_port_is_removed(link: Link, defer: Defer, who: str) -> None:
    """With states and traffic; the states of the NIC's go with it."""
    esp = Esp(link, defer, Way(who=who))
    flood = Flood(link, defer, socket.AF_INET)
    until("frames come", partial(more_frames, link, 50))
    link.remove()
    flood.stop()
    for port, name in ((link.tx, "tx"), (link.rx, "rx")):
        if esp.way.by_nic(name):
            assert states(port.ns) == 0


def test_many_states(link: Link, defer: Defer, tmp_path: Path) -> None:
    """As many states as there can be, and frames of some, each by its own; one more is refused."""
    base = Esp(link, defer, Way(who="none"))
    base.delete(link.tx)
    base.delete(link.rx)
    for port in (link.tx, link.rx):
        port.ns.run(["ip", "xfrm", "policy", "flush"])
    spis = range(0x2000, 0x2000 + STATES)
    lines = []
    for spi in spis:
        key = "0x" + payload(20, seed=spi).hex()
        lines.append(
            f"xfrm state add src {link.tx.v4} dst {link.rx.v4} proto esp spi {spi} reqid {spi} "
            f"aead {CIPHER} {key} 128 mode transport"
        )
    for port, direction in ((link.tx, "out"), (link.rx, "in")):
        file = tmp_path / direction
        file.write_text("".join(f"{line} offload dev {port.name} dir {direction}\n" for line in lines))
        port.ns.run(["ip", "-batch", file])
    datagrams = Datagrams(link, defer, socket.AF_INET)
    for spi in (spis[0], spis[STATES // 2], spis[-1]):
        policy = ["src", link.tx.v4, "dst", link.rx.v4, "dir"]
        tmpl = ["tmpl", "proto", "esp", "reqid", str(spi), "mode", "transport"]
        link.tx.ns.run(["ip", "xfrm", "policy", "update", *policy, "out", *tmpl])
        link.rx.ns.run(["ip", "xfrm", "policy", "update", *policy, "in", *tmpl])
        before = base.count(link.rx)[1]
        datagrams.exchange(2)
        assert base.count(link.rx)[1] == before + 2

    more = [*base.ends(SPI_BACK), "aead", CIPHER, "0x" + "01" * 20, "128", "mode", "transport"]
    with pytest.raises(AssertionError, match="all the states it can have"):
        link.tx.ns.run(["ip", "xfrm", "state", "add", *more, "offload", "dev", link.tx.name, "dir", "in"])
