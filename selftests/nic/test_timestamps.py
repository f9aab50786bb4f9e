# SPDX-License-Identifier: GPL-2.0-only
"""Are frames stamped by the port's clock as they go and come, when asked to be, and is that clock a clock?

netns «ppiov-tx»                    netns «ppiov-rx»
 tx0 ====== datagrams ============== rx0
 its PTP clock, 2001                 its own, 2033
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os
import select
import socket
import struct
import time
from pathlib import Path

import pytest
from lib.fixtures import Defer, MakeLink
from lib.link import Link, Port
from lib.poll import until

pytestmark = pytest.mark.needs_config("PTP_1588_CLOCK")

GET, SET = 0x89B1, 0x89B0  # SIOCGHWTSTAMP, SIOCSHWTSTAMP
OFF, ON, ONE_STEP = 0, 1, 2  # of TX
NONE, ALL, PTP_V2_EVENT = 0, 1, 12  # of RX

SO_TIMESTAMPING = 37
TX_HARDWARE, RX_HARDWARE, RAW_HARDWARE = 1 << 0, 1 << 2, 1 << 6

PORT = 5001
TENTH = 6553600 * 1000  # 10 %, in parts per million with 16 bits behind the point
ADJ_FREQUENCY, ADJ_SETOFFSET, ADJ_NANO = 0x2, 0x100, 0x2000
_libc = ctypes.CDLL(None, use_errno=True)


class Clock:
    """A port's PTP clock; close() it."""

    def __init__(self, port: Port, defer: Defer) -> None:
        (clock,) = Path("/sys/devices", port.parent, "ptp").iterdir()
        self.fd = os.open(Path("/dev", clock.name), os.O_RDWR)
        defer(os.close, self.fd)
        self.id = ~self.fd << 3 | 3

    def now(self) -> int:
        return time.clock_gettime_ns(self.id)

    def set(self, ns: int) -> None:
        time.clock_settime_ns(self.id, ns)

    def _adjust(self, modes: int, frequency: int = 0, ns: int = 0) -> None:
        # struct timex: modes, offset, freq, maxerror, esterror, status, constant, precision, tolerance, time, ...
        timex = ctypes.create_string_buffer(
            struct.pack("=I4xqqqqi4xqqqqq", modes, 0, frequency, 0, 0, 0, 0, 0, 0, *divmod(ns, 10**9)).ljust(256, b"\0")
        )
        if _libc.clock_adjtime(self.id, timex) < 0:
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))

    def step(self, ns: int) -> None:
        self._adjust(ADJ_SETOFFSET | ADJ_NANO, ns=ns)

    def rate(self, scaled_ppm: int) -> None:
        self._adjust(ADJ_FREQUENCY, frequency=scaled_ppm)


def configure(port: Port, tx: int, rx: int) -> tuple[int, int]:
    """Ask for it; what the driver made of it."""
    return _ioctl(port, SET, tx, rx)


def configured(port: Port) -> tuple[int, int]:
    return _ioctl(port, GET, 0, 0)


def _ioctl(port: Port, request: int, tx: int, rx: int) -> tuple[int, int]:
    config = ctypes.create_string_buffer(struct.pack("=iii", 0, tx, rx), 12)
    ifreq = struct.pack("@16sP16x", port.name.encode(), ctypes.addressof(config))
    with port.ns.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        fcntl.ioctl(sock, request, ifreq)
    _, tx, rx = struct.unpack("=iii", config.raw)
    return tx, rx


def stamp(ancillary: list[tuple[int, int, bytes]]) -> int | None:
    """The hardware's time of a message."""
    for level, kind, value in ancillary:
        if (level, kind) == (socket.SOL_SOCKET, SO_TIMESTAMPING):
            *_, seconds, ns = struct.unpack("=6q", value)
            return seconds * 10**9 + ns or None
    return None


class Pair:
    """A socket at each end that asks for hardware stamps."""

    def __init__(self, link: Link, defer: Defer) -> None:
        self.receiver = link.rx.ns.socket(socket.AF_INET, socket.SOCK_DGRAM)
        defer(self.receiver.close)
        self.sender = link.tx.ns.socket(socket.AF_INET, socket.SOCK_DGRAM)
        defer(self.sender.close)
        self.receiver.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPING, RX_HARDWARE | RAW_HARDWARE)
        self.sender.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPING, TX_HARDWARE | RAW_HARDWARE)
        self.receiver.bind((link.rx.v4, PORT))
        self.receiver.settimeout(30)
        self.sender.connect((link.rx.v4, PORT))

    def send(self) -> int | None:
        """One datagram; its stamp where it came."""
        self.sender.send(b"x" * 100)
        _, ancillary, _, _ = self.receiver.recvmsg(200, 256)
        return stamp(ancillary)

    def sent(self) -> int | None:
        """The stamp of where it went, when it comes."""
        poll = select.poll()
        poll.register(self.sender, 0)  # POLLERR is always asked for
        until("the stamp of what was sent", lambda: poll.poll(0))
        _, ancillary, _, _ = self.sender.recvmsg(200, 256, socket.MSG_ERRQUEUE)
        return stamp(ancillary)


@pytest.fixture
def clocks(nic: Link, defer: Defer) -> tuple[Clock, Clock]:
    """Those of tx0 and rx0, decades apart."""
    pair = Clock(nic.tx, defer), Clock(nic.rx, defer)
    pair[0].set(10**18)
    pair[1].set(2 * 10**18)
    return pair


def test_stamps(nic: Link, clocks: tuple[Clock, Clock], defer: Defer) -> None:
    """Each frame has the time at which it went, by the one clock, and came, by the other."""
    tx, rx = clocks
    assert configure(nic.tx, ON, NONE) == (ON, NONE)
    assert configure(nic.rx, OFF, ALL) == (OFF, ALL)
    pair = Pair(nic, defer)
    for _ in range(5):
        before = tx.now(), rx.now()
        came, went = pair.send(), pair.sent()
        assert came and before[1] < came < rx.now()
        assert went and before[0] < went < tx.now()


def test_not_asked(nic: Link, clocks: tuple[Clock, Clock], defer: Defer) -> None:
    """Nothing is stamped at first, nor after it was switched off again, nor what nobody asks for."""
    pair = Pair(nic, defer)
    assert configured(nic.tx) == configured(nic.rx) == (OFF, NONE)
    assert pair.send() is None
    configure(nic.rx, ON, ALL)
    configure(nic.tx, ON, NONE)
    assert pair.send() is not None
    assert pair.sent() is not None
    configure(nic.rx, OFF, NONE)
    configure(nic.tx, OFF, NONE)
    assert pair.send() is None
    with pytest.raises(BlockingIOError):
        pair.sender.recvmsg(200, 256, socket.MSG_ERRQUEUE | socket.MSG_DONTWAIT)


def test_modes(nic: Link) -> None:
    """A filter for some frames becomes one for all; what would change a frame on its way is refused."""
    assert configure(nic.rx, OFF, PTP_V2_EVENT) == (OFF, ALL)
    with pytest.raises(OSError) as refused:
        configure(nic.rx, ONE_STEP, NONE)
    assert refused.value.errno == errno.ERANGE
    assert configured(nic.rx) == (OFF, ALL)


def test_clock(nic: Link, clocks: tuple[Clock, Clock], defer: Defer) -> None:
    """The clock is set, stepped and runs fast or slow as told; the other port's doesn't care."""
    clock, other = clocks
    start = clock.now()
    assert start >= 10**18
    clock.step(-(10**15))
    assert clock.now() < start
    clock.step(10**15)
    assert clock.now() > start

    for rate, low, high in ((TENTH, 1.05, 1.15), (-TENTH, 0.85, 0.95), (0, 0.98, 1.02)):
        clock.rate(rate)
        began = time.clock_gettime_ns(time.CLOCK_MONOTONIC_RAW), clock.now()
        until("a second has gone by", lambda: time.clock_gettime_ns(time.CLOCK_MONOTONIC_RAW) > began[0] + 10**9)  # noqa: B023
        raw, mine = time.clock_gettime_ns(time.CLOCK_MONOTONIC_RAW), clock.now()
        assert low < (mine - began[1]) / (raw - began[0]) < high
    assert 2 * 10**18 <= other.now() < 2 * 10**18 + 10**12

    # Stamps follow
    configure(nic.tx, ON, NONE)
    clock.rate(-TENTH)
    pair = Pair(nic, defer)
    before = clock.now()
    pair.send()
    went = pair.sent()
    assert went and before < went < clock.now()


def test_clock_of_a_port_that_is_gone(make_link: MakeLink, defer: Defer) -> None:
    """Who has the clock open is told."""
    link = make_link(bare=True)
    clock = Clock(link.rx, defer)
    assert clock.now()
    link.remove()

    def gone() -> bool:
        try:
            clock.now()
        except OSError as error:
            return error.errno == errno.ENODEV
        return False

    until("the clock says that it is gone", gone)
