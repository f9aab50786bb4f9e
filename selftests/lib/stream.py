# SPDX-License-Identifier: GPL-2.0-only
"""A stream that must not be harmed by what a test does meanwhile."""

from __future__ import annotations

import socket
import threading

from lib.fixtures import Defer
from lib.link import Link
from lib.poll import until
from lib.traffic import connect, payload


class Stream:
    """A TCP connection that never rests until check(): every byte that was sent must have come."""

    def __init__(self, link: Link, defer: Defer, family: int = socket.AF_INET) -> None:
        self._sender, self._receiver = connect(link, family, defer)
        self._pattern = payload(1 << 16)
        self._stop = threading.Event()
        self.received = 0
        self._bad = ""
        self._sent = 0
        self._threads = [threading.Thread(target=t, daemon=True) for t in (self._send, self._receive)]
        for thread in self._threads:
            thread.start()
        defer(self._stop.set)

    def _send(self) -> None:
        while not self._stop.is_set():
            self._sender.sendall(self._pattern)
            self._sent += len(self._pattern)
        self._sender.shutdown(socket.SHUT_WR)

    def _receive(self) -> None:
        while data := self._receiver.recv(1 << 16):
            at = self.received % len(self._pattern)
            if data != (self._pattern[at:] + self._pattern)[: len(data)]:
                self._bad = f"byte {self.received} or one of the {len(data)} that follow differs"
            self.received += len(data)

    def progress(self, what: str) -> None:
        """Wait until data has come that was not on its way before."""
        goal = self.received + 3 * len(self._pattern)
        until(f"the stream goes on {what}", lambda: self.received >= goal)

    def check(self) -> None:
        """End it, and compare."""
        self._stop.set()
        for thread in self._threads:
            thread.join(30)
            assert not thread.is_alive(), "the stream does not end"
        assert not self._bad, self._bad
        assert self.received == self._sent, f"{self._sent} bytes were sent and {self.received} have come"
