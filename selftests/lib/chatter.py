# SPDX-License-Identifier: GPL-2.0-only
"""A link that is never at rest."""

from __future__ import annotations

import contextlib
import socket
import threading

from lib.link import Link


class Chatter:
    """Datagrams to the other end of a link, in a thread, whatever becomes of them."""

    def __init__(self, link: Link) -> None:
        self._stop = threading.Event()
        self._sockets = []
        for port, other in ((link.tx, link.rx), (link.rx, link.tx)):
            sock = port.ns.socket(socket.AF_INET, socket.SOCK_DGRAM)
            sock.setblocking(False)
            sock.connect((other.v4, 9))
            self._sockets.append(sock)
        self.sent = 0
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while not self._stop.is_set():
            for sock in self._sockets:
                with contextlib.suppress(OSError):  # refused, unreachable, no device: all part of it
                    sock.send(b"x" * 1000)  # not a fragment, of which half could wait for long
                    self.sent += 1

    def end(self) -> None:
        self._stop.set()
        self._thread.join(30)
        for sock in self._sockets:
            sock.close()
