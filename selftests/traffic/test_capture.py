# SPDX-License-Identifier: GPL-2.0-only
"""What does tcpdump see of packets whose payload the CPU can't read?

netns «ppiov-tx»                netns «ppiov-rx»
 tx0 ===================== rx0  queue 2: bound, the flow steered to it
  '- tcpdump (the control)  '- tcpdump
"""

from __future__ import annotations

import socket
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest
from lib import devmem
from lib.capture import Capture, Packet
from lib.fixtures import Bind, Defer
from lib.link import Link
from lib.poll import until
from lib.traffic import IPV4_AND_IPV6, PORT, connect, steer

# Payload that no header and no address contains, and that is found wherever a packet is cut
SECRET = b"ppiov-payload-that-nobody-must-see/"
ETHERNET = 14
DATA = SECRET * 3000


FIN = 1


@dataclass(frozen=True, slots=True)
class Segment:
    """What the headers of a frame to PORT tell."""

    payload: int  # bytes
    flags: int


def segments(packets: list[Packet], family: int) -> list[Segment]:
    """The frames among these that go to PORT."""
    found = []
    for packet in packets:
        ip = packet.data[ETHERNET:]
        size, protocol = ((ip[0] & 15) * 4, ip[9]) if family == socket.AF_INET else (40, ip[6])
        tcp = ip[size:]
        if protocol == socket.IPPROTO_TCP and int.from_bytes(tcp[2:4], "big") == PORT:
            found.append(Segment(packet.length - ETHERNET - size - (tcp[12] >> 4) * 4, tcp[13]))
    return found


def ended(capture: Capture, family: int) -> bool:
    """Has the capture come to the end of the stream?"""
    return any(s.flags & FIN for s in segments(capture.packets(), family))


@pytest.mark.providers("ring")
@IPV4_AND_IPV6
@pytest.mark.timeout_s(240)
def test_headers_and_lengths_only(link: Link, bind: Bind, defer: Defer, artifacts: Path, family: int) -> None:
    """On rx0 tcpdump sees every header and full length and no byte of payload; on tx0 it sees the payload."""
    binding = bind(link, [2])
    steer(link, family, [2])
    captures = {}
    for port in (link.rx, link.tx):
        captures[port.name] = Capture(port, artifacts / f"{port.name}.pcap")
        defer(captures[port.name].stop)
    sender, receiver = connect(link, family, defer)
    sender.sendall(DATA)
    got = devmem.receive_all(receiver, len(DATA))
    assert b"".join(r.content(binding.dmabuf) for r in got) == DATA
    sender.close()
    assert devmem.receive(receiver).length == 0

    for name, capture in captures.items():
        until(f"tcpdump on {name} has seen the FIN", partial(ended, capture, family), every=0.2)
    seen = {name: capture.stop() for name, capture in captures.items()}

    assert any(SECRET in p.data for p in seen["tx0"]), "the control is broken: the payload is not even seen on tx0"
    showing = [p for p in seen["rx0"] if SECRET[:8] in p.data]
    assert not showing, f"{len(showing)} of {len(seen['rx0'])} captured frames show payload"

    told = [s.payload for s in segments(seen["rx0"], family)]
    assert sum(told) >= len(DATA), f"headers tell of {sum(told)} payload bytes, {len(DATA)} were sent"
    cut = [p for p in seen["rx0"] if len(p.data) < p.length]
    assert len(cut) >= len([n for n in told if n]), "frames with payload were captured in full"
