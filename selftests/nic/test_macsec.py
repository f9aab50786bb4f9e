# SPDX-License-Identifier: GPL-2.0-only
"""Does the NIC protect and validate frames as the stack's MACsec does, and never send in clear what it is to protect?

netns «ppiov-tx»                              netns «ppiov-rx»
 ms0  198.51.100.1                             ms0  198.51.100.2
  |   its SecY is the NIC's, or not             |   as at tx0
 tx0 =========== MACsec, both ways =========== rx0

Where only tx0 has its NIC do it, the stack at rx0, with its own cryptography, judges what is sent, and sends what is to
be validated; and the other way round.
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Callable
from dataclasses import replace
from functools import partial

import pytest
from lib import faults, frames
from lib.fixtures import Defer, MakeLink
from lib.link import Link
from lib.macsec import ICV, NAME, TAG, Macsec, SecTag, Way, changed, is_tagged, tagged
from lib.poll import until
from lib.sealed import Sent, wire_tap
from lib.talk import FAMILIES, MARK, STREAM, UDP_PORT, Datagrams, Flood, macs, through
from lib.traffic import connect

SO_BINDTODEVICE = 25
SECYS, CHANNELS = 16, 32  # that a port, and a SecY, has at most
WHO = pytest.mark.parametrize("who", ["tx", "rx", "both"])
ONE_END = pytest.mark.parametrize("who", ["tx", "rx"])


@pytest.fixture
def link(make_link: MakeLink) -> Link:
    return make_link(bare=True).hush()


@FAMILIES
@WHO
def test_stream(link: Link, defer: Defer, family: int, who: str) -> None:
    """TCP both ways arrives byte by byte, and each end's cryptography is whose it should be."""
    ends = Macsec(link, Way(who, v6=True))
    # IPv6 speaks as soon as one end is up
    dropped = [ends.nic(end).ethtool.stats()["rx_macsec_dropped"] for end in ("tx", "rx")]
    sender, receiver = connect(ends, family, defer, prepared=False)
    for out, into in ((sender, receiver), (receiver, sender)):
        through(out, into)
    for end in ("tx", "rx"):
        protected, accepted = ends.count(end)
        if ends.way.by_nic(end):
            assert min(protected, accepted) > STREAM // 1460, f"{end}: {protected} protected, {accepted} accepted"
        else:
            assert (protected, accepted) == (0, 0), f"{end} has no SecY of the NIC's"
        stats = ends.nic(end).ethtool.stats()
        assert stats["rx_macsec_lost"] == stats["tx_macsec_refused"] == 0
    assert [ends.nic(end).ethtool.stats()["rx_macsec_dropped"] for end in ("tx", "rx")] == dropped
    if who == "tx" and "tcp-segmentation-offload: on" in ends.tx.ethtool.run("-k"):  # 6.12's macsec has none
        # its NIC cuts, and numbers each segment
        assert link.tx.ethtool.stats()["tx_gso_packets"] > 0


@pytest.mark.parametrize("encrypt", ["on", "off"])
def test_what_is_on_the_wire(link: Link, defer: Defer, encrypt: str) -> None:
    """SecTAGs as IEEE 802.1AE has them, numbers one after the other, and the payload encrypted or as it is."""
    ends = Macsec(link, Way("tx", ("encrypt", encrypt)))
    tap = wire_tap(link, defer)
    datagrams = Datagrams(ends, defer, socket.AF_INET)
    sent = [b"", b"0123", b"01234", b"012345", MARK * 10, MARK * 60]
    for data in sent:
        datagrams.send(data)
        assert datagrams.get() == data
    tags = list(tagged(tap.receive(len(sent))))
    assert [tag.pn for tag in tags] == list(range(1, len(sent) + 1))
    user = [2 + 20 + 8 + len(data) for data in sent]  # EtherType, IP, UDP
    assert [len(tag.data) - ICV for tag in tags] == user
    assert [tag.short_length for tag in tags] == [size if size < 48 else 0 for size in user]
    for tag, data in zip(tags, sent, strict=True):
        assert (tag.tci, tag.an) == (0x2C if encrypt == "on" else 0x20, 0)
        assert tag.sci == macs(link)[0] + b"\0\1"
        assert (tag.data[:-ICV].endswith(data) and tag.data[:2] == b"\x08\0") == (encrypt == "off") or not data
    if encrypt == "on":
        assert not [tag for tag in tags if MARK in tag.data]
        blocks = [tags[-1].data[i : i + len(MARK)] for i in range(60, 660, len(MARK))]
        assert len(set(blocks)) == len(blocks), "the same twelve bytes over and over, and two blocks are alike"
    number, octets = ("OutPktsEncrypted", "OutOctetsEncrypted")
    if encrypt == "off":
        number, octets = ("OutPktsProtected", "OutOctetsProtected")
    assert ends.has("tx", **{number: len(sent), octets: sum(user)})
    assert ends.sa_stats("tx")[0][number] == len(sent)
    assert ends.shown("tx")["sa_list"][0]["pn"] == len(sent) + 1


def test_sizes(link: Link, defer: Defer) -> None:
    """Either side of what is short, of where the device's headers end, at 256 bytes, and up to the MTU."""
    ends = Macsec(link, Way("tx"))
    there, back = Datagrams(ends, defer, socket.AF_INET), Datagrams(ends, defer, socket.AF_INET, back=True)
    sizes = [*range(16, 21), *range(160, 232, 3), 1440]
    for size in sizes:
        there.exchange(1, size)
        back.exchange(1, size)
    assert ends.count("tx") == (len(sizes), len(sizes))


WAYS = {
    "aes-256": Way(cipher="gcm-aes-256"),
    "xpn-128": Way(cipher="gcm-aes-xpn-128"),
    "xpn-256": Way(cipher="gcm-aes-xpn-256"),
    "xpn over 32 bits": Way(cipher="gcm-aes-xpn-128", start=2**32 - 3),
    "icv 8": Way(options=("icvlen", "8", "encrypt", "on")),
    "icv 8, integrity": Way(options=("icvlen", "8", "encrypt", "off")),
    "integrity": Way(options=("encrypt", "off")),
    "no sci": Way(options=("encrypt", "on", "send_sci", "off")),
    "end station": Way(options=("encrypt", "on", "send_sci", "off", "end_station", "on")),
    "scb": Way(options=("encrypt", "on", "send_sci", "off", "scb", "on")),
    "replay window 0": Way(options=("encrypt", "on", "replay", "on", "window", "0")),
    "port 7": Way(port=7),
}


@pytest.mark.parametrize("way", WAYS)
def test_ways(link: Link, defer: Defer, way: str) -> None:
    """Each cipher suite, length of ICV, and way to name the channel, both ways."""
    ends = Macsec(link, replace(WAYS[way], who="tx"))
    for back in (False, True):
        Datagrams(ends, defer, socket.AF_INET, back).exchange(6)
    assert ends.count("tx") == (6, 6)
    assert ends.has("tx", InPktsOK=6) and ends.has("rx", InPktsOK=6)


@pytest.mark.parametrize("encrypt", ["on", "off"])
def test_what_was_changed_on_the_way(link: Link, defer: Defer, encrypt: str) -> None:
    """A frame with one bit changed, anywhere, is refused and counted; as it was, it is taken; once more, it is late."""
    ends = Macsec(link, Way("rx", ("encrypt", encrypt, "replay", "on", "window", "0")))
    datagrams = Datagrams(ends, defer, socket.AF_INET)
    sent = Sent(link.tx, defer, is_tagged)
    frame = sent.instead(datagrams, MARK * 30, defer)
    assert datagrams.empty()

    places = {"source": 11, "AN": TAG, "number": TAG + 5, "first": TAG + 14, "middle": 256, "last": -17, "ICV": -1}
    del places["AN"]  # bit 4 there is SCB, which with an SCI is no SecTAG
    for i, (name, place) in enumerate(places.items()):
        sent.again(changed(frame, place))
        until(f"the {name} is found wrong", partial(ends.has, "rx", InPktsNotValid=i + 1))
    sent.again(changed(frame, TAG))
    until("the SecTAG is found wrong", partial(ends.has, "rx", InPktsBadTag=1))
    assert datagrams.empty() and ends.count("rx")[1] == 0
    assert ends.sa_stats("rx")[1]["InPktsNotValid"] == len(places)
    assert link.rx.ethtool.stats()["rx_macsec_dropped"] == len(places) + 1

    sent.again(frame)
    assert datagrams.get() == MARK * 30
    sent.again(frame)
    until("it is late", partial(ends.has, "rx", InPktsLate=1, InPktsOK=1))
    assert datagrams.empty() and ends.count("rx")[1] == 1
    datagrams.exchange(2)


BAD_TAGS: dict[str, Callable[[bytes], bytes]] = {
    "version": lambda f: f[:TAG] + bytes([f[TAG] | 0x80]) + f[TAG + 1 :],
    "end station and SCI": lambda f: f[:TAG] + bytes([f[TAG] | 0x40]) + f[TAG + 1 :],
    "spare bits": lambda f: f[: TAG + 1] + bytes([f[TAG + 1] | 0x80]) + f[TAG + 2 :],
    "short length of a long frame": lambda f: f[: TAG + 1] + b"\x30" + f[TAG + 2 :],
    "short length 1": lambda f: f[: TAG + 1] + b"\1" + f[TAG + 2 :],
    "number 0": lambda f: f[: TAG + 2] + bytes(4) + f[TAG + 6 :],
    "cut": lambda f: f[: TAG + 14 + 40],
}


def test_bad_tags(link: Link, defer: Defer) -> None:
    """What no SecY sends is refused before the cipher; and a frame with padding behind the ICV is taken."""
    ends = Macsec(link, Way("rx"))
    datagrams = Datagrams(ends, defer, socket.AF_INET)
    sent = Sent(link.tx, defer, is_tagged)
    frame = sent.instead(datagrams, MARK * 30, defer)
    for i, (name, bad) in enumerate(BAD_TAGS.items()):
        sent.again(bad(frame))
        until(f"refused: {name}", partial(ends.has, "rx", InPktsBadTag=i + 1))
    assert ends.has("rx", InPktsNotValid=0, InPktsOK=0)
    short = sent.instead(datagrams, b"short", defer)
    assert SecTag.parse(short).short_length == 2 + 28 + 5
    sent.again(short + bytes(20))
    assert datagrams.get() == b"short"


def test_replay_window(link: Link, defer: Defer) -> None:
    """What is as old as the window allows is taken, and nothing older; without replay protection all is."""
    ends = Macsec(link, Way("rx", ("encrypt", "on", "replay", "on", "window", "5")))
    datagrams = Datagrams(ends, defer, socket.AF_INET)
    sent = Sent(link.tx, defer, is_tagged)
    old = []
    for i in range(8):
        datagrams.send(bytes([i]))
        old.append(sent.frame())
        assert datagrams.get() == bytes([i])
    sent.again(old[3])  # number 4: 9 - 5
    assert datagrams.get() == b"\3"
    sent.again(old[2])
    until("it is late", partial(ends.has, "rx", InPktsLate=1))
    assert datagrams.empty() and ends.has("rx", InPktsOK=9)
    ends.set("rx", "replay", "off", "window", "5")
    sent.again(old[0])
    assert datagrams.get() == b"\0"
    assert ends.has("rx", InPktsDelayed=1, InPktsLate=1)


@pytest.mark.parametrize("mode", ["strict", "check", "disabled"])
def test_validation(link: Link, defer: Defer, mode: str) -> None:
    """What becomes of a frame that is not authentic, or has no key, where it is not encrypted."""
    ends = Macsec(link, Way("rx", ("encrypt", "off", "validate", mode)))
    datagrams = Datagrams(ends, defer, socket.AF_INET)
    sent = Sent(link.tx, defer, is_tagged)
    frame = sent.instead(datagrams, MARK, defer)
    counter = {"strict": "InPktsNotValid", "check": "InPktsInvalid", "disabled": "InPktsUnchecked"}[mode]
    sent.again(changed(frame, -1))
    until("it is judged", partial(ends.has, "rx", **{counter: 1, "InPktsOK": 0}))
    assert datagrams.empty() if mode == "strict" else datagrams.get() == MARK
    sent.again(frame)
    assert datagrams.get() == MARK
    assert ends.has("rx", **({"InPktsUnchecked": 2} if mode == "disabled" else {"InPktsOK": 1}))
    octets = 0 if mode == "disabled" else 2 * (2 + 28 + len(MARK))
    assert ends.has("rx", InOctetsValidated=octets, InOctetsDecrypted=0)

    ends.batch("rx", f"macsec set {NAME} rx {ends.channel('rx')} sa 0 off")
    sent.again(frame)
    counter = "InPktsNotUsingSA" if mode == "strict" else "InPktsUnusedSA"
    until("it has no key", partial(ends.has, "rx", **{counter: 1}))
    assert datagrams.empty() if mode == "strict" else datagrams.get() == MARK


def test_encrypted_is_never_taken_unvalidated(link: Link, defer: Defer) -> None:
    """With validation disabled too, an encrypted frame that is not authentic, or has no key, is dropped."""
    ends = Macsec(link, Way("rx", ("encrypt", "on", "validate", "disabled")))
    datagrams = Datagrams(ends, defer, socket.AF_INET)
    sent = Sent(link.tx, defer, is_tagged)
    frame = sent.instead(datagrams, MARK, defer)
    sent.again(changed(frame, -1))
    until("it is dropped", partial(ends.has, "rx", InPktsNotValid=1))
    ends.batch("rx", f"macsec set {NAME} rx {ends.channel('rx')} sa 0 off")
    sent.again(frame)
    until("it has no key", partial(ends.has, "rx", InPktsNotUsingSA=1))
    assert datagrams.empty()


@ONE_END
def test_wrong_key(link: Link, defer: Defer, who: str) -> None:
    """Who has another key takes nothing."""
    ends = Macsec(link, Way(who))
    datagrams = Datagrams(ends, defer, socket.AF_INET)
    datagrams.exchange(1)
    add = f"macsec add {NAME} rx {ends.channel('rx')} sa 0 pn 1 on key 00 {'77' * 16}"
    ends.batch(
        "rx",
        f"macsec set {NAME} rx {ends.channel('rx')} sa 0 off",
        f"macsec del {NAME} rx {ends.channel('rx')} sa 0",
        add,
    )
    datagrams.send(MARK)
    until("it is refused", partial(ends.has, "rx", InPktsNotValid=1))
    assert datagrams.empty()


@ONE_END
def test_other_keys(link: Link, defer: Defer, who: str) -> None:
    """Keys are changed while frames flow: another association number, and the first one is removed."""
    ends = Macsec(link, Way(who))
    flood = Flood(ends, defer, socket.AF_INET)
    for an in (1, 2, 3):
        for end in ("tx", "rx"):
            ends.batch(end, f"macsec add {NAME} rx {ends.channel(end)} {ends.sa(ends.other(end), an, 1)}")
        for end in ("tx", "rx"):
            ends.batch(end, f"macsec add {NAME} tx {ends.sa(end, an, 1)}")
            ends.set(end, "encodingsa", str(an))
            ends.batch(end, f"macsec set {NAME} tx sa {an - 1} off", f"macsec del {NAME} tx sa {an - 1}")
    flood.stop()
    flood.exchange()
    assert len(ends.shown("tx")["sa_list"]) == 1
    for end in ("tx", "rx"):
        assert ends.has(end, InPktsNotValid=0, InPktsNotUsingSA=0)


def test_numbers_end(link: Link, defer: Defer) -> None:
    """With its last number a key is used up: nothing more is sent, until there is another one."""
    ends = Macsec(link, Way("tx", start=2**32 - 3))
    tap = wire_tap(link, defer)
    datagrams = Datagrams(ends, defer, socket.AF_INET)
    datagrams.exchange(3)
    for _ in range(4):
        datagrams.send(MARK)
    until("they are refused", lambda: link.tx.ethtool.stats()["tx_macsec_refused"] == 4)
    assert datagrams.empty()
    ends.batch("rx", f"macsec add {NAME} rx {ends.channel('rx')} {ends.sa('tx', 1, 1)}")
    ends.batch("tx", f"macsec add {NAME} tx {ends.sa('tx', 1, 1)}")
    ends.set("tx", "encodingsa", "1")
    datagrams.exchange(2)
    assert [(tag.an, tag.pn) for tag in tagged(tap.receive(5))] == [
        (0, 2**32 - 3), (0, 2**32 - 2), (0, 2**32 - 1), (1, 1), (1, 2),
    ]  # fmt: skip


def test_numbers_are_set(link: Link, defer: Defer) -> None:
    """`ip macsec set ... pn` reaches the NIC, both ways."""
    ends = Macsec(link, Way("both", ("encrypt", "on", "replay", "on", "window", "0")))
    datagrams = Datagrams(ends, defer, socket.AF_INET)
    datagrams.exchange(2)
    ends.batch("rx", f"macsec set {NAME} rx {ends.channel('rx')} sa 0 pn 1000")
    datagrams.send(MARK)
    until("it is late", partial(ends.has, "rx", InPktsLate=1))
    ends.batch("tx", f"macsec set {NAME} tx sa 0 pn 1000")
    datagrams.exchange(2)
    assert ends.shown("tx")["sa_list"][0]["pn"] == ends.shown("rx")["rx_sc"][0]["sa_list"][0]["pn"] == 1002


def test_untagged_frames(link: Link, defer: Defer) -> None:
    """A frame without SecTAG is counted, and reaches the port, but no SecY of the NIC's."""
    ends = Macsec(link, Way("rx"))
    inside = Datagrams(ends, defer, socket.AF_INET)
    device = link.rx.ns.socket(socket.AF_INET, socket.SOCK_DGRAM)
    defer(device.close)
    device.setsockopt(socket.SOL_SOCKET, SO_BINDTODEVICE, NAME.encode())
    device.bind(("0.0.0.0", UDP_PORT + 1))
    device.settimeout(0)
    Datagrams(link, defer, socket.AF_INET).exchange(2)
    assert ends.stats("rx")["InPktsNoTag"] >= 2

    flow = frames.Flow(ends.tx.v4, ends.rx.v4, dport=UDP_PORT + 1)
    frame = macs(link)[1] + frames.udp(flow, MARK)[6:]
    before = ends.stats("rx")["InPktsNoTag"]
    Sent(link.tx, defer, is_tagged).again(frame)
    until("it is counted", lambda: ends.stats("rx")["InPktsNoTag"] > before)
    inside.exchange(1)
    with pytest.raises(BlockingIOError):
        device.recv(100)


def test_several(link: Link, defer: Defer) -> None:
    """SecYs of the NIC's on one port, each with its keys, and one of the stack's beside them."""
    ways = [Way("both"), Way("both", port=2), Way("none", port=3), Way("tx", ("encrypt", "off"), port=4)]
    several = [Macsec(link, way, f"ms{i}", 100 + i) for i, way in enumerate(ways)]
    talk = [Datagrams(ends, defer, socket.AF_INET, back) for ends in several for back in (False, True)]
    for _ in range(2):
        for datagrams in talk:
            datagrams.exchange(2)
    for ends in several:
        for end in ("tx", "rx"):
            assert ends.has(end, InPktsOK=8 // 2)
    assert several[0].count("tx") == (12, 12) and several[0].count("rx") == (8, 8)
    several[0].delete("rx")
    talk[2].exchange(2)
    # Of a channel that the NIC no longer knows: the stack has the last word
    before = several[1].stats("rx")["InPktsNoSCI"]
    with several[0].tx.ns.socket(socket.AF_INET, socket.SOCK_DGRAM) as out:
        out.sendto(MARK, (several[0].rx.v4, UDP_PORT))
    until("nobody knew it", partial(several[1].has, "rx", InPktsNoSCI=before + 1))


def test_as_many_as_there_can_be(link: Link, defer: Defer) -> None:
    """One more SecY, or channel, is refused, and the others go on working."""
    ends = Macsec(link, Way("both"))
    rx = link.rx.ns
    rx.batch([f"link add link {link.rx.name} more{i} type macsec port {i + 10} offload mac" for i in range(SECYS - 1)])
    with pytest.raises(AssertionError, match="No space left on device"):
        rx.run(["ip", "link", "add", "link", link.rx.name, "more99", "type", "macsec", "port", "99", "offload", "mac"])
    add = "macsec add ms0 rx address 02:00:00:00:00:99 port"
    rx.batch([f"{add} {i + 1}" for i in range(CHANNELS - 1)])
    with pytest.raises(AssertionError, match="No space left on device"):
        rx.run(["ip", *f"{add} 99".split()])
    Datagrams(ends, defer, socket.AF_INET).exchange(2)
    rx.batch(["link del more3", f"link add link {link.rx.name} more99 type macsec port 99 offload mac"])


def test_not_to_be_turned_off(link: Link, defer: Defer) -> None:
    """The feature is fixed; a VLAN device has none, as the NIC looks for a SecTAG behind the addresses only."""
    assert "macsec-hw-offload: on [fixed]" in link.tx.ethtool.run("-k")
    link.tx.ns.run(["ip", "link", "add", "link", link.tx.name, "tagged", "type", "vlan", "id", "5"])
    with pytest.raises(AssertionError, match="not supported"):
        link.tx.ns.run(["ip", "link", "add", "link", "tagged", "ms0", "type", "macsec", "offload", "mac"])
    assert not link.tx.ns.ip.link_lookup(ifname="ms0")


def test_protection_off(link: Link, defer: Defer) -> None:
    """`protect off` sends as it is, and says so; turned on again, nothing is."""
    ends = Macsec(link, Way("tx", ("encrypt", "on", "protect", "off")))
    tap = wire_tap(link, defer)
    datagrams = Datagrams(ends, defer, socket.AF_INET)
    datagrams.send(MARK)
    (received,) = (f for f in tap.receive(1) if MARK in f.data)
    assert received.data[12:14] == b"\x08\0"
    assert ends.has("tx", OutPktsUntagged=1, OutPktsEncrypted=0)
    ends.set("tx", "protect", "on")
    datagrams.drain()
    datagrams.exchange(2)
    assert len(list(tagged(tap.receive(2)))) == 2


def test_too_long(link: Link, defer: Defer) -> None:
    """What would be longer than the port's MTU with its SecTAG is not sent, and counted."""
    ends = Macsec(link, Way("tx"))
    datagrams = Datagrams(ends, defer, socket.AF_INET)
    mtu = ends.tx.ns.ip.get_links(ends.tx.ns.ip.link_lookup(ifname=NAME)[0])[0].get_attr("IFLA_MTU")
    vlan = struct.pack("!HHH", 0x8100, 5, 0x0800)  # for its tag the stack grants four bytes more
    sent = Sent(ends.tx, defer, is_tagged)
    sent.again(macs(link)[1] + macs(link)[0] + vlan + bytes(mtu))
    until("it is counted", partial(ends.has, "tx", OutPktsTooLong=1, OutPktsEncrypted=0))
    sent.again(macs(link)[1] + macs(link)[0] + vlan + bytes(mtu - 4))
    datagrams.exchange(1, mtu - 28)
    assert ends.has("tx", OutPktsTooLong=1, OutPktsEncrypted=2)


def test_frames_that_wait(link: Link, defer: Defer) -> None:
    """Held back by a full queue, each frame is sealed once and judged once: none is late, none has another number."""
    ends = Macsec(link, Way("both", ("encrypt", "on", "replay", "on", "window", "0")))
    link.rx.ethtool.run("--set-tunable", "pfc-prevention-tout", 20000)
    datagrams = Datagrams(ends, defer, socket.AF_INET)
    stall = faults.folder(link.rx) / "stall_rx"
    for i in range(3):
        faults.inject(link.rx, "stall_rx", 0xF, defer)
        for n in range(5):
            datagrams.send(bytes([n]))
        until("they wait", partial(_has_paused, link, i + 1))
        assert datagrams.empty()
        stall.write_text("0")
        assert [datagrams.get() for _ in range(5)] == [bytes([n]) for n in range(5)]
    assert ends.has("rx", InPktsLate=0, InPktsOK=15) and ends.has("tx", OutPktsEncrypted=15)
    assert ends.count("tx")[0] == ends.count("rx")[1] == 15


def _has_paused(link: Link, times: int) -> bool:
    return link.rx.ethtool.stats()["rx_pauses"] >= times


@pytest.mark.parametrize("fault", ["duplicate", "corrupt", "lose", "reorder"])
def test_faults_of_the_wire(link: Link, defer: Defer, fault: str) -> None:
    """What the wire does to every second frame is seen: once more, changed, not at all, or late."""
    ends = Macsec(link, Way("both", ("encrypt", "on", "replay", "on", "window", "0")))
    datagrams = Datagrams(ends, defer, socket.AF_INET)
    faults.inject(link.tx, fault, 2, defer)
    faults.inject(link.tx, "stall_tx", 0xF, defer)
    for _ in range(8):
        datagrams.send(MARK)
    (faults.folder(link.tx) / "stall_tx").write_text("0")
    expected = {
        "duplicate": {"InPktsOK": 8, "InPktsLate": 4},
        "corrupt": {"InPktsOK": 4, "InPktsNotValid": 4},
        "lose": {"InPktsOK": 4},
        "reorder": {"InPktsOK": 5, "InPktsLate": 3},  # nothing follows the last one
    }[fault]
    until(f"{expected}", partial(ends.has, "rx", **expected))


@WHO
def test_joined_by_the_nic(link: Link, defer: Defer, who: str) -> None:
    """rx-gro-hw joins what came by one channel."""
    for port in (link.tx, link.rx):
        port.ethtool.run("-K", "gro", "off", "rx-gro-hw", "on")
    ends = Macsec(link, Way(who))
    sender, receiver = connect(ends, socket.AF_INET, defer, prepared=False)
    through(sender, receiver)
    through(receiver, sender)
    for end in ("tx", "rx"):
        joined = ends.nic(end).ethtool.stats()["rx_hw_gro_packets"]
        assert (joined > 0) == ends.way.by_nic(end), f"{end}: {joined}"


def test_split(make_link: MakeLink, defer: Defer) -> None:
    """With header split, the payload of a validated frame stands in data buffers, as that of any other."""
    link = make_link()
    ends = Macsec(link, Way("rx"))
    sender, receiver = connect(ends, socket.AF_INET, defer, prepared=False)
    through(sender, receiver)
    stats = link.rx.ethtool.stats()
    assert stats["rx_split"] >= STREAM // 1460 and stats["rx_macsec_accepted"] >= stats["rx_split"]


def test_turned_over(link: Link, defer: Defer) -> None:
    """`offload off` and `mac` on one device; with keys, or up, the stack refuses."""
    link.tx.ns.batch(["link add link tx0 ms0 type macsec encrypt on offload mac"])
    for mode in ("off", "mac", "off", "mac"):
        link.tx.ns.run(["ip", "link", "set", "ms0", "type", "macsec", "offload", mode])
    link.tx.ns.run(["ip", "link", "del", "ms0"])
    ends = Macsec(link, Way("both"))
    with pytest.raises(AssertionError, match="busy"):
        link.tx.ns.run(["ip", "link", "set", "ms0", "type", "macsec", "offload", "off"])
    Datagrams(ends, defer, socket.AF_INET).exchange(1)
