# SPDX-License-Identifier: GPL-2.0-only
"""Is nothing sent in clear, and nothing lost for good, when SecYs, channels and ports go while MACsec's frames flow?"""

from __future__ import annotations

import socket
from functools import partial

import pytest
from lib import faults
from lib.fixtures import Defer, MakeLink
from lib.link import Link
from lib.macsec import NAME, Macsec, Way
from lib.poll import until
from lib.sealed import wire_tap
from lib.talk import MARK, Datagrams, Flood

WHO = pytest.mark.parametrize("who", ["tx", "rx", "both"])


@pytest.fixture
def link(make_link: MakeLink) -> Link:
    return make_link(bare=True).hush()


@WHO
def test_secys_come_and_go(link: Link, defer: Defer, who: str) -> None:
    """Removed while frames are on their way, and made again: nothing is sent in clear, and all goes on."""
    ends = Macsec(link, Way(who))
    tap = wire_tap(link, defer)
    flood = Flood(ends, defer, socket.AF_INET)
    for _ in range(3):
        before = link.rx.ethtool.stats()["rx_packets"]
        until("frames come", partial(_more_frames, link, before + 20))
        ends.renew()
    flood.stop()
    if who == "tx":
        assert not [f for f in tap.receive(50) if MARK in f.data], "in the clear"
    ends.renew()
    flood.exchange()


def _more_frames(link: Link, count: int) -> bool:
    """Have more than so many frames come to rx0?"""
    return link.rx.ethtool.stats()["rx_packets"] + link.rx.ethtool.stats()["rx_macsec_dropped"] > count


def test_channels_come_and_go(link: Link, defer: Defer) -> None:
    """What is received is removed and made again, in the middle of it; nothing of it reaches the port in clear."""
    ends = Macsec(link, Way("rx"))
    tap = wire_tap(link, defer)
    flood = Flood(ends, defer, socket.AF_INET)
    for _ in range(4):
        until("frames come", partial(_more_frames, link, link.rx.ethtool.stats()["rx_packets"] + 20))
        ends.batch("rx", f"macsec del {NAME} rx {ends.channel('rx')}")
        ends.receive("rx")
    flood.stop()
    flood.exchange()
    assert ends.has("rx", InPktsNotValid=0)
    assert len(tap.receive(50)) >= 50


def test_frames_that_outlive_their_secy(link: Link, defer: Defer) -> None:
    """What stands in the ring when its SecY goes is not sent, and is counted."""
    ends = Macsec(link, Way("tx"))
    datagrams = Datagrams(ends, defer, socket.AF_INET)
    datagrams.exchange(1)
    tap = wire_tap(link, defer)
    faults.inject(link.tx, "stall_tx", 0xF, defer)
    for _ in range(5):
        datagrams.send(MARK)
    ends.delete("tx")
    ends.make("tx")  # the same keys, and another SecY
    ends.receive("tx")
    ends.up("tx")
    (faults.folder(link.tx) / "stall_tx").write_text("0")
    until("they are refused", lambda: link.tx.ethtool.stats()["tx_macsec_refused"] == 5)
    assert datagrams.empty()
    datagrams.exchange(2)
    assert not [f for f in tap.receive(2) if MARK in f.data]


def test_device_goes_down(link: Link, defer: Defer) -> None:
    """While ms0 is down at rx0, what is for it ends in the NIC; up again, it goes on where it was."""
    ends = Macsec(link, Way("rx", ("encrypt", "on", "replay", "on", "window", "0")))
    datagrams = Datagrams(ends, defer, socket.AF_INET)
    datagrams.exchange(2)
    ends.batch("rx", f"link set {NAME} down")
    datagrams.send(MARK)
    until("it is dropped", lambda: link.rx.ethtool.stats()["rx_macsec_dropped"] == 1)
    ends.up_again("rx")
    datagrams.exchange(2)
    assert ends.has("rx", InPktsOK=4)


@WHO
def test_port_goes_down(link: Link, defer: Defer, who: str) -> None:
    """SecYs stay, with their numbers."""
    ends = Macsec(link, Way(who))
    flood = Flood(ends, defer, socket.AF_INET)
    until("frames come", partial(_more_frames, link, 30))
    link.rx.set(state="down")
    flood.stop()
    link.rx.set(state="up")
    for port in (link.rx, link.tx):
        until(f"carrier of {port.name}", partial(port.attribute, "IFLA_CARRIER"))
    for end in ("tx", "rx"):
        ends.up_again(end)
    flood.exchange()


@WHO
def test_port_is_removed(link: Link, defer: Defer, who: str) -> None:
    """With SecYs and traffic; they go with it."""
    ends = Macsec(link, Way(who))
    flood = Flood(ends, defer, socket.AF_INET)
    until("frames come", partial(_more_frames, link, 50))
    link.remove()
    flood.stop()
    for end in ("tx", "rx"):
        assert not ends.port(end).ns.ip.link_lookup(ifname=NAME)
