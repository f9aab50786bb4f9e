# SPDX-License-Identifier: GPL-2.0-only
"""Does a port in loopback hear itself, and nobody else?

netns «ppiov-tx»              netns «ppiov-rx»
 tx0 --. loopback       X      rx0
   ^---'
"""

from __future__ import annotations

import socket

from lib.fixtures import Defer
from lib.frames import plain
from lib.link import Port
from lib.poll import until
from lib.traffic import payload
from lib.wire import ETH_P_ALL, SO_RCVBUFFORCE, MakeWire


def listen(port: Port, defer: Defer) -> socket.socket:
    sock = port.ns.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
    defer(sock.close)
    sock.setsockopt(263, 23, 1)  # SOL_PACKET, PACKET_IGNORE_OUTGOING
    sock.bind((port.name, ETH_P_ALL))
    sock.settimeout(30)
    return sock


def test_loopback(make_wire: MakeWire, defer: Defer) -> None:
    """What a port in loopback sends it receives, and its peer doesn't; it has a carrier for itself alone."""
    wire = make_wire(bare=True, mtu=9000)
    tx, rx = wire.link.tx, wire.link.rx
    ear = listen(tx, defer)
    frames = [plain(payload(size)) for size in (46, 1500, 9000)]
    assert [f.data for f in wire.exchange(frames)] == frames

    tx.ethtool.run("-K", "loopback", "on")
    assert not rx.attribute("IFLA_CARRIER")
    for frame in frames:
        wire.send([frame])
        assert ear.recv(1 << 14) == frame
    rx.set(state="down")
    assert tx.attribute("IFLA_CARRIER")
    wire.send(frames[:1])
    assert ear.recv(1 << 14) == frames[0]
    assert wire.drain() == [], "the peer heard it too"

    rx.set(state="up")
    tx.ethtool.run("-K", "loopback", "off")
    until("the link is back", lambda: rx.attribute("IFLA_CARRIER"))
    assert [f.data for f in wire.exchange(frames)] == frames


def test_loopback_with_small_rings(make_wire: MakeWire, defer: Defer) -> None:
    """Many more frames than buffers: the port pauses itself, and none is lost."""
    wire = make_wire(bare=True)
    tx = wire.link.tx
    tx.ethtool.run("--set-tunable", "pfc-prevention-tout", 20000)
    tx.ethtool.set_rings(RX=64, TX=64)
    tx.ethtool.run("-K", "loopback", "on")
    ear = listen(tx, defer)
    ear.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 16 << 20)
    frames = [plain(i.to_bytes(4, "big") * 20) for i in range(640)]
    wire.send(frames)
    assert [ear.recv(1 << 14) for _ in frames] == frames
    assert tx.ethtool.stats()["rx_overruns"] == 0
