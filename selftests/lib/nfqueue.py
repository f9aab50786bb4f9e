# SPDX-License-Identifier: GPL-2.0-only
"""The user-space end of nftables' `queue`: packets are handed over, looked at, and accepted.

Numbers are those of include/uapi/linux/netfilter/nfnetlink_queue.h.
"""

from __future__ import annotations

import contextlib
import os
import socket
import struct
import threading
from collections.abc import Iterator

from lib.netns import Namespace

NETLINK_NETFILTER = 12
_SUBSYS = 3 << 8
_PACKET, _VERDICT, _CONFIG = _SUBSYS | 0, _SUBSYS | 1, _SUBSYS | 2
_CFG_CMD, _CFG_PARAMS, _CFG_MASK, _CFG_FLAGS = 1, 2, 4, 5
_BIND = 1
_COPY_PACKET = 2
_F_GSO = 1 << 2
_PACKET_HDR, _VERDICT_HDR, _PAYLOAD = 1, 2, 10
_ACCEPT = 1
_REQUEST, _ACK = 1, 4
_HEADER = struct.Struct("=IHHII")  # struct nlmsghdr
_GENERIC = struct.Struct("!BBH")  # struct nfgenmsg
_ATTRIBUTE = struct.Struct("=HH")


def _attribute(kind: int, value: bytes) -> bytes:
    return _ATTRIBUTE.pack(_ATTRIBUTE.size + len(value), kind) + value + bytes(-len(value) % 4)


def _attributes(data: bytes) -> Iterator[tuple[int, bytes]]:
    while len(data) >= _ATTRIBUTE.size:
        length, kind = _ATTRIBUTE.unpack_from(data)
        yield kind & 0x3FFF, data[_ATTRIBUTE.size : length]
        data = data[(length + 3) & ~3 :]


class Queue:
    """Accepts what comes to a queue, with super-packets whole, until it is closed.

    :param copy: bytes of each packet that are handed over
    """

    def __init__(self, ns: Namespace, number: int, copy: int) -> None:
        self.payloads: list[bytes] = []  # what was handed over
        self._number = number
        self._socket = ns.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_NETFILTER)
        try:
            self._socket.settimeout(10)
            self._configure(_attribute(_CFG_CMD, struct.pack("!BBH", _BIND, 0, 0)))
            self._configure(
                _attribute(_CFG_PARAMS, struct.pack("!IB", copy, _COPY_PACKET)),
                _attribute(_CFG_FLAGS, struct.pack("!I", _F_GSO)),
                _attribute(_CFG_MASK, struct.pack("!I", _F_GSO)),
            )
            self._socket.settimeout(0.1)
        except BaseException:
            self._socket.close()
            raise
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """The queue has no user then; `bypass` says what becomes of packets."""
        self._ended.set()
        self._thread.join(10)
        self._socket.close()

    def _send(self, kind: int, flags: int, *attributes: bytes) -> None:
        body = _GENERIC.pack(socket.AF_UNSPEC, 0, self._number) + b"".join(attributes)
        self._socket.send(_HEADER.pack(_HEADER.size + len(body), kind, _REQUEST | flags, 0, 0) + body)

    def _configure(self, *attributes: bytes) -> None:
        self._send(_CONFIG, _ACK, *attributes)
        reply = self._socket.recv(1 << 16)
        (code,) = struct.unpack_from("=i", reply, _HEADER.size)
        if code:
            raise OSError(-code, f"nfnetlink_queue: {os.strerror(-code)}")

    def _serve(self) -> None:
        while not self._ended.is_set():
            with contextlib.suppress(TimeoutError):
                self._take(self._socket.recv(1 << 18))

    def _take(self, data: bytes) -> None:
        while len(data) >= _HEADER.size:
            length, kind, *_ = _HEADER.unpack_from(data)
            if kind == _PACKET:
                attributes = dict(_attributes(data[_HEADER.size + _GENERIC.size : length]))
                self.payloads.append(attributes.get(_PAYLOAD, b""))
                (packet,) = struct.unpack_from("!I", attributes[_PACKET_HDR])
                self._send(_VERDICT, 0, _attribute(_VERDICT_HDR, struct.pack("!II", _ACCEPT, packet)))
            data = data[(length + 3) & ~3 :]
