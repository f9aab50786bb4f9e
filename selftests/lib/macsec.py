# SPDX-License-Identifier: GPL-2.0-only
"""MACsec: a SecY at each end of a link, by its NICs or by the stack, and what a protected frame says of itself."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from lib.link import Link, Port
from lib.talk import macs
from lib.traffic import payload
from lib.wire import Received

NAME = "ms0"
ETH_P_MACSEC = 0x88E5
TAG = 14  # where the SecTAG begins, behind its EtherType
ICV = 16
SALT = "0a" * 12


@dataclass(frozen=True, slots=True)
class Way:
    """How both ends do it."""

    who: str = "both"  # whose NIC: tx, rx, both, or none
    options: tuple[str, ...] = ("encrypt", "on")
    cipher: str = "gcm-aes-128"
    start: int = 1  # packet number that each end has reached
    v6: bool = False  # then IPv6 also talks unasked
    port: int = 1  # of the SCI

    def by_nic(self, port: str) -> bool:
        return self.who in (port, "both")

    @property
    def xpn(self) -> bool:
        return "xpn" in self.cipher


class Macsec:
    """A SecY at each end of a link, which receives from the other one; they go with the link."""

    def __init__(self, link: Link, way: Way, name: str = NAME, net: int = 100) -> None:
        self.link = link
        self.way = way
        self.name = name
        self.tx = Port(link.tx.ns, name, f"198.51.{net}.1", "2001:db8:1::1")
        self.rx = Port(link.rx.ns, name, f"198.51.{net}.2", "2001:db8:1::2")
        self.mac = dict(zip(("tx", "rx"), (mac.hex(":") for mac in macs(link)), strict=True))
        for end in ("tx", "rx"):
            self.make(end)
            self.receive(end)
            self.up(end)

    def port(self, end: str) -> Port:
        return self.tx if end == "tx" else self.rx

    def nic(self, end: str) -> Port:
        return self.link.tx if end == "tx" else self.link.rx

    def other(self, end: str) -> str:
        return "rx" if end == "tx" else "tx"

    def batch(self, end: str, *lines: str) -> None:
        """Commands of ip's, in one process."""
        self.port(end).ns.batch(lines)

    def channel(self, end: str) -> str:
        """How one end names what the other one sends by."""
        return f"port {self.way.port} address {self.mac[self.other(end)]}"

    def key(self, end: str, an: int = 0) -> str:
        """That one end sends by."""
        size = 32 if "256" in self.way.cipher else 16
        return payload(size, seed=an + 16 * (end == "tx") + 32 * self.way.port).hex()

    def sa(self, end: str, an: int = 0, pn: int | None = None) -> str:
        """What both ends say of a key that one sends by."""
        number = pn or self.way.start
        extended = f"xpn {number} salt {SALT} ssci {1 + (end == 'tx')}" if self.way.xpn else f"pn {number}"
        return f"sa {an} {extended} on key {an:02x} {self.key(end, an)}"

    def make(self, end: str) -> None:
        way = self.way
        options = [*way.options, *(["offload", "mac"] if way.by_nic(end) else [])]
        port = f"port {way.port}" if way.port > 1 else ""
        what = f"type macsec {port} cipher {way.cipher} {' '.join(options)}"
        self.batch(
            end, f"link add link {self.nic(end).name} {self.name} {what}", f"macsec add {self.name} tx {self.sa(end)}"
        )
        if not way.v6:
            self.port(end).ns.sysctl(f"net.ipv6.conf.{self.name}.disable_ipv6", "1")

    def receive(self, end: str) -> None:
        """What the other one sends."""
        add = f"macsec add {self.name} rx {self.channel(end)}"
        self.batch(end, add, f"{add} {self.sa(self.other(end))}")

    def up(self, end: str) -> None:
        mine, theirs = self.port(end), self.port(self.other(end))
        lines = [f"link set {self.name} up", f"addr add {mine.v4}/24 dev {self.name}"]
        there = [theirs.v4]
        if self.way.v6:
            lines.append(f"addr add {mine.v6}/64 dev {self.name} nodad")
            there.append(theirs.v6)
        lines += [f"neigh replace {a} lladdr {self.mac[self.other(end)]} dev {self.name}" for a in there]
        self.batch(end, *lines)

    def up_again(self, end: str) -> None:
        """After it, or its port, was down, which forgets neighbours."""
        there = self.port(self.other(end)).v4
        lladdr = self.mac[self.other(end)]
        self.batch(end, f"link set {self.name} up", f"neigh replace {there} lladdr {lladdr} dev {self.name}")

    def delete(self, end: str) -> None:
        self.batch(end, f"link del {self.name}")

    def renew(self) -> None:
        """All anew: the numbers of both ends begin together."""
        for end in ("tx", "rx"):
            self.delete(end)
        for end in ("tx", "rx"):
            self.make(end)
            self.receive(end)
            self.up(end)

    def set(self, end: str, *options: str) -> None:
        self.batch(end, f"link set {self.name} type macsec {' '.join(options)}")

    def shown(self, end: str) -> dict[str, Any]:
        """ip -s -j macsec show."""
        (shown,) = json.loads(self.port(end).ns.run(["ip", "-s", "-j", "macsec", "show", self.name]))
        assert isinstance(shown, dict)
        return shown

    def stats(self, end: str) -> dict[str, int]:
        """Counters of its SecY, of what that sends, and of the channel that it receives."""
        shown = self.shown(end)
        both = _counters(shown)
        for channel in shown["rx_sc"]:
            both |= _counters(channel)
        return both

    def sa_stats(self, end: str) -> tuple[dict[str, int], dict[str, int]]:
        """Counters of the first key that it sends by, and of the first that it receives by."""
        shown = self.shown(end)
        return _counters(shown["sa_list"][0]), _counters(shown["rx_sc"][0]["sa_list"][0])

    def has(self, end: str, **counters: int) -> bool:
        stats = self.stats(end)
        return {name: stats[name] for name in counters} == counters

    def count(self, end: str) -> tuple[int, int]:
        """Frames that its NIC has protected, and accepted."""
        stats = self.nic(end).ethtool.stats()
        return stats["tx_macsec_protected"], stats["rx_macsec_accepted"]


def _counters(node: dict[str, Any]) -> dict[str, int]:
    """What is counted there, but not in its channels and associations."""
    found = {k: int(v) for k, v in node.items() if k.startswith(("In", "Out"))}
    for name, value in node.items():
        for inner in value if isinstance(value, list) and name not in ("rx_sc", "sa_list") else [value]:
            if isinstance(inner, dict):
                found |= _counters(inner)
    return found


@dataclass(frozen=True, slots=True)
class SecTag:
    """What a protected frame says of itself."""

    tci: int
    an: int
    short_length: int
    pn: int
    sci: bytes
    data: bytes  # the user's, encrypted or not, and the ICV

    @classmethod
    def parse(cls, frame: bytes) -> SecTag:
        assert int.from_bytes(frame[12:14], "big") == ETH_P_MACSEC
        first, short, pn = struct.unpack_from("!BBI", frame, TAG)
        end = TAG + 6 + (8 if first & 0x20 else 0)
        return cls(first & ~3, first & 3, short, pn, frame[TAG + 6 : end], frame[end:])


def is_tagged(frame: bytes) -> bool:
    return frame[12:14] == ETH_P_MACSEC.to_bytes(2, "big")


def tagged(got: Sequence[Received]) -> Iterator[SecTag]:
    return (SecTag.parse(f.data) for f in got if is_tagged(f.data))


def changed(frame: bytes, at: int) -> bytes:
    at %= len(frame)
    return frame[:at] + bytes([frame[at] ^ 0x10]) + frame[at + 1 :]
