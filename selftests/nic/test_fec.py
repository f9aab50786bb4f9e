# SPDX-License-Identifier: GPL-2.0-only
"""Which bits that are wrong on the wire are put right, and does nothing arrive of what is not?

netns «ppiov-tx»                              netns «ppiov-rx»
 tx0 ======= a burst of wrong bits in ======== rx0  corrects a frame, or finds its check sequence wrong
             every Nth frame
"""

from __future__ import annotations

import socket
from concurrent.futures import ThreadPoolExecutor

import pytest
from lib import ethmac, faults, fec
from lib.fec import Blocks
from lib.fixtures import Defer, MakeLink
from lib.frames import plain
from lib.link import Link, Port
from lib.poll import until
from lib.traffic import connect, payload, receive
from lib.wire import Wire

BASER, RS = 11, 70  # bits in a row that a code corrects: one burst, and 7 symbols of 10
FRAMES = [plain(payload(60 + 7 * number, seed=number)) for number in range(20)]
# Mb/s: the strongest code of its mode
STRONGEST = {1000: "off", 10000: "baser", 25000: "rs", 40000: "baser", 50000: "rs", 100000: "rs"}


@pytest.fixture
def link(make_link: MakeLink) -> Link:
    return make_link(bare=True)


def force(link: Link, speed: int) -> None:
    for port in (link.tx, link.rx):
        port.ethtool.run("-s", "speed", speed, "autoneg", "off")
        until("carrier", port.running)


def both(link: Link) -> str | None:
    """The code of the link: both ends say the same."""
    one, other = fec.active(link.tx), fec.active(link.rx)
    assert one == other, f"tx0 has {one}, rx0 {other}"
    return one


def damage(port: Port, burst: int, defer: Defer, every: int = 1) -> None:
    """From now on so many bits of what the port sends are wrong when it arrives."""
    (faults.folder(port) / "burst").write_text(str(burst))
    faults.inject(port, "bit_errors", every, defer)


def fcs_errors(port: Port) -> int:
    """As each place has them that shows them, when nothing comes any more."""
    stats = port.attribute("IFLA_STATS64")
    places: dict[str, int] = {
        "ethtool -S": port.ethtool.stats()["rx_fcs_errors"],
        "ip -s link, crc": stats["rx_crc_errors"],
        "ip -s link": stats["rx_errors"],
        "eth-mac": ethmac.counters(port)["FrameCheckSequenceErrors"],
    }
    assert len(set(places.values())) == 1, f"they differ: {places}"
    (errors,) = set(places.values())
    return errors


@pytest.mark.parametrize("speed", STRONGEST)
def test_strongest(link: Link, speed: int) -> None:
    """Two ports that take all there is come to the strongest code that their speed has."""
    force(link, speed)
    assert both(link) == STRONGEST[speed]
    fec.choose(link.rx, "off")
    assert both(link) == "off"


@pytest.mark.parametrize(
    ("one", "other", "code"),
    [
        (["auto"], ["rs"], "rs"),
        (["auto"], ["baser"], "baser"),
        (["rs"], ["baser"], "off"),
        (["rs", "baser"], ["baser"], "baser"),
        (["off"], ["auto"], "off"),
        (["off", "rs"], ["rs", "baser"], "rs"),
    ],
)
def test_agreed(link: Link, one: list[str], other: list[str], code: str) -> None:
    """The strongest that both take, whichever end wants what; the link stays whatever comes of it."""
    force(link, 25000)
    changes = link.tx.attribute("IFLA_CARRIER_CHANGES")
    for ends in ((link.tx, link.rx), (link.rx, link.tx)):
        fec.choose(ends[0], *one)
        fec.choose(ends[1], *other)
        assert both(link) == code
    assert link.tx.attribute("IFLA_CARRIER_CHANGES") == changes


def test_without_a_link(link: Link, defer: Defer) -> None:
    """There is no code then; what a port takes it keeps."""
    fec.choose(link.tx, "rs")
    faults.unplug(link.tx, defer)
    assert both(link) is None
    faults.plug(link.tx)
    until("a code", lambda: both(link) == "rs")
    link.tx.ethtool.run("-K", "loopback", "on")
    assert (fec.active(link.tx), fec.active(link.rx)) == ("rs", None)


def test_refused(link: Link) -> None:
    """A code of no mode of the port's."""
    with pytest.raises(Exception, match="Invalid argument"):
        fec.choose(link.rx, "llrs")
    assert both(link) == "rs"


@pytest.mark.parametrize("burst", [1, 10, 11, 69, RS])
def test_rs_corrects(wire: Wire, defer: Defer, burst: int) -> None:
    """Seven symbols of a block: all frames arrive as they were sent, and each block is counted with its symbols."""
    damage(wire.link.tx, burst, defer)
    assert [got.data for got in wire.exchange(FRAMES)] == FRAMES
    assert fec.blocks(wire.link.rx) == Blocks(corrected=len(FRAMES), bits=len(FRAMES) * burst)
    symbols = -(-burst // 10)
    shown = fec.histogram(wire.link.rx)
    if shown:
        assert shown == {(number, number): len(FRAMES) * (number == symbols) for number in range(1, 8)}
    assert fcs_errors(wire.link.rx) == 0
    assert fec.blocks(wire.link.tx) == Blocks()


@pytest.mark.parametrize(
    ("code", "burst"), [("rs", RS + 1), ("baser", BASER + 1), ("baser", RS), ("rs", (1 << 32) - 1)]
)
def test_too_many(wire: Wire, defer: Defer, code: str, burst: int) -> None:
    """One bit more than the code corrects: every third frame is lost, and seen to be lost by those who look."""
    force(wire.link, 25000)
    fec.choose(wire.link.rx, code)
    damage(wire.link.tx, burst, defer, every=3)
    good = [frame for number, frame in enumerate(FRAMES, 1) if number % 3]
    bad = len(FRAMES) - len(good)
    assert [got.data for got in wire.exchange(FRAMES, count=len(good))] == good
    assert fec.blocks(wire.link.rx) == Blocks(uncorrectable=bad)
    assert fcs_errors(wire.link.rx) == bad
    assert faults.hits(wire.link.tx, "bit_errors") == bad
    assert wire.link.netdev.device_stats(wire.link.rx.ifindex)["rx-hw-drops"] == bad
    assert wire.drain() == []


def test_segments_of_a_super_packet_are_frames(link: Link, defer: Defer) -> None:
    """A burst is in one of them, and a stream gets over it: as many are lost as were struck."""
    fec.choose(link.rx, "off")
    damage(link.tx, 1, defer, every=50)
    data = payload(400_000)
    sender, receiver = connect(link, socket.AF_INET, defer)
    with ThreadPoolExecutor(1) as pool:
        sent = pool.submit(sender.sendall, data)
        assert receive(receiver, len(data)) == data
        sent.result()
    struck = faults.hits(link.tx, "bit_errors")
    assert struck >= len(data) // 1500 // 50
    until("each is counted", lambda: link.rx.ethtool.stats()["rx_fcs_errors"] >= struck)


def test_baser_corrects(wire: Wire, defer: Defer) -> None:
    """One burst of a block, whose symbols are not counted."""
    force(wire.link, 10000)
    damage(wire.link.tx, BASER, defer)
    assert [got.data for got in wire.exchange(FRAMES)] == FRAMES
    assert fec.blocks(wire.link.rx) == Blocks(corrected=len(FRAMES), bits=len(FRAMES) * BASER)
    assert not any(fec.histogram(wire.link.rx).values())


def test_without_a_code(wire: Wire, defer: Defer) -> None:
    """A single wrong bit is too many, and there are no blocks to count."""
    fec.choose(wire.link.tx, "off")
    damage(wire.link.tx, 1, defer)
    wire.send(FRAMES)
    until("all are lost", lambda: wire.link.rx.ethtool.stats()["rx_fcs_errors"] == len(FRAMES))
    assert fcs_errors(wire.link.rx) == len(FRAMES)
    assert wire.drain() == []
    assert fec.blocks(wire.link.rx) == Blocks()
    fec.choose(wire.link.tx, "auto")
    assert [got.data for got in wire.exchange(FRAMES)] == FRAMES
