# SPDX-License-Identifier: GPL-2.0-only
"""What two ends say to each other where something on the way encrypts: datagrams, floods of them, a stream."""

from __future__ import annotations

import socket
import threading
import time
from contextlib import suppress

import pytest

from lib.fixtures import Defer
from lib.link import Ends
from lib.poll import PATIENCE
from lib.traffic import payload, receive
from lib.wire import SO_RCVBUFFORCE

UDP_PORT = 6000
MARK = b"in the clear"
STREAM = 200_000  # bytes
FAMILY = {"ipv4": socket.AF_INET, "ipv6": socket.AF_INET6}
FAMILIES = pytest.mark.parametrize("family", FAMILY.values(), ids=FAMILY)


def macs(ends: Ends) -> tuple[bytes, bytes]:
    """The addresses of tx0 and rx0."""
    tx, rx = (bytes.fromhex(p.attribute("IFLA_ADDRESS").replace(":", "")) for p in (ends.tx, ends.rx))
    return tx, rx


def through(out: socket.socket, into: socket.socket) -> None:
    """What one end sends comes to the other one, to the last byte."""
    data = payload(STREAM)
    thread = threading.Thread(target=out.sendall, args=(data,))
    thread.start()
    try:
        assert receive(into, len(data)) == data
    finally:
        thread.join(PATIENCE)


class Datagrams:
    """From a socket at one end to one at the other; with `back`, from rx0 to tx0."""

    def __init__(self, ends: Ends, defer: Defer, family: int, back: bool = False) -> None:
        source, sink = (ends.rx, ends.tx) if back else (ends.tx, ends.rx)
        self._to = (sink.address(family), UDP_PORT)
        self.out = source.ns.socket(family, socket.SOCK_DGRAM)
        defer(self.out.close)
        self._in = sink.ns.socket(family, socket.SOCK_DGRAM)
        defer(self._in.close)
        self._in.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 8 << 20)
        self._in.bind(self._to)
        self._in.settimeout(PATIENCE)

    def send(self, data: bytes) -> None:
        self.out.sendto(data, self._to)

    def get(self) -> bytes:
        return self._in.recv(1 << 16)

    def empty(self) -> bool:
        """Has nothing come?"""
        self._in.setblocking(False)
        try:
            self._in.recv(1)
        except BlockingIOError:
            return True
        finally:
            self._in.settimeout(PATIENCE)
        return False

    def drain(self) -> None:
        """Forget what has come."""
        while not self.empty():
            pass

    def exchange(self, count: int, size: int = 500) -> None:
        """So many, and each arrives as it was sent."""
        for i in range(count):
            data = payload(size, seed=i)
            self.send(data)
            assert self.get() == data


class Flood:
    """Datagrams both ways until stop(), no more than leave an emulated guest time for what is done to it meanwhile."""

    def __init__(self, ends: Ends, defer: Defer, family: int) -> None:
        self._ends = [Datagrams(ends, defer, family), Datagrams(ends, defer, family, back=True)]
        self._over = threading.Event()
        self._threads = [threading.Thread(target=self._run, args=(end,)) for end in self._ends]
        for thread in self._threads:
            thread.start()
        defer(self.stop)

    def _run(self, end: Datagrams) -> None:
        while not self._over.is_set():
            with suppress(OSError):  # no key, or no port
                end.send(MARK * 20)
            time.sleep(0.005)

    def exchange(self) -> None:
        """After stop(): does what is sent now arrive?"""
        for end in self._ends:
            end.drain()
            end.exchange(3)

    def stop(self) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join(PATIENCE)
