# SPDX-License-Identifier: GPL-2.0-only
"""Frames that may follow another one into a packet, and frames that may not: for the driver's merging and the
device's."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest

from lib.frames import ACK, CWR, ETH_P_8021Q, FIN, FLOW4, FLOW6, PSH, RST, Flow, tcp
from lib.traffic import payload

STAMPS = bytes.fromhex("0101080a0000000100000002")


@dataclass(frozen=True)
class Next:
    """The second of two frames: how it differs from what would follow, and whether it joins all the same."""

    size: int = 1000
    joins: bool = False
    v4_only: bool = False  # IPv6 has no such field
    options: bytes = STAMPS
    flags: int = ACK
    vlans: tuple[tuple[int, int], ...] = ()
    flow: dict[str, int] = field(default_factory=dict)
    words: dict[str, Any] = field(default_factory=dict)


NEXT = {
    "as it should be": Next(joins=True),
    "shorter": Next(size=1, joins=True),
    "with PSH": Next(flags=ACK | PSH, joins=True),
    "longer": Next(size=1001),
    "a gap": Next(words={"seq": 2001}),
    "again": Next(words={"seq": 1000}),
    "another port from": Next(flow={"sport": 1001}),
    "another port to": Next(flow={"dport": 2001}),
    "another ack": Next(words={"ack": 2}),
    "another window": Next(words={"window": 8191}),
    "another time to live": Next(words={"ttl": 63}),
    "another class": Next(words={"tos": 4}),
    "an id too far": Next(words={"ident": 9}, v4_only=True),
    "the same id": Next(words={"ident": 7}, v4_only=True),
    "another stamp": Next(options=STAMPS[:-1] + b"\3"),
    "no options": Next(options=b""),
    "FIN": Next(flags=ACK | FIN),
    "RST": Next(flags=ACK | RST),
    "CWR": Next(flags=ACK | CWR),
    "no ACK": Next(flags=0),
    "a VLAN": Next(vlans=((ETH_P_8021Q, 5),)),
    "bytes behind a fragment": Next(words={"fragment": 1}, v4_only=True),
}


def who_follows(*, without: tuple[str, ...] = ()) -> pytest.MarkDecorator:
    """A test's ``flow`` and ``how``: each of NEXT over IPv4 and, where it has the field, IPv6."""
    cases = [
        pytest.param(flow, how, id=f"{how}-{version}")
        for how, second in NEXT.items()
        for flow, version in ((FLOW4, "ipv4"), (FLOW6, "ipv6"))
        if how not in without and (flow is FLOW4 or not second.v4_only)
    ]
    return pytest.mark.parametrize(("flow", "how"), cases)


def two(flow: Flow, second: Next) -> list[bytes]:
    """A frame, and the one that is held against it."""
    other = Flow(flow.src, flow.dst, **{"sport": flow.sport, "dport": flow.dport, **second.flow})
    words: dict[str, Any] = {"seq": 2000, "ident": 8, **second.words}
    return [
        tcp(flow, payload(1000), options=STAMPS),
        tcp(other, payload(second.size), second.vlans, options=second.options, flags=second.flags, **words),
    ]
