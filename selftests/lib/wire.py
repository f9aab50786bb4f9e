# SPDX-License-Identifier: GPL-2.0-only
"""Frames put on one port and taken off the other, as they are, with what the NIC says of each.

Both ends are packet sockets with a virtio_net header (include/uapi/linux/virtio_net.h): the sender can ask for
checksum offload and segmentation, the receiver sees which checksums the NIC has checked and what is a super-packet.
Never use it on a port that a dma-buf is bound to: see lib/capture.py.
"""

from __future__ import annotations

import ctypes
import errno
import socket
import struct
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from lib import faults
from lib.fixtures import Defer
from lib.frames import SOURCE
from lib.link import Link, Port
from lib.poll import PATIENCE, NeverHappenedError, ticks

ETH_P_ALL = 3
SOL_PACKET = 263
PACKET_STATISTICS = 6
PACKET_AUXDATA = 8
PACKET_VNET_HDR = 15
PACKET_IGNORE_OUTGOING = 23
SO_ATTACH_FILTER = 26
SO_SNDBUFFORCE = 32
SO_RCVBUFFORCE = 33

TP_STATUS_VLAN_VALID = 1 << 4

NEEDS_CSUM = 1  # virtio_net_hdr.flags: the checksum is partial
DATA_VALID = 2  # ... was checked, and is right
GSO_NONE, GSO_TCPV4, GSO_TCPV6, GSO_UDP_L4, GSO_ECN = 0, 1, 4, 5, 0x80

_AUXDATA = struct.Struct("=IIIHHHH")
_BUFFER = 16 << 20

# Classic BPF, and its loads from the skb: include/uapi/linux/filter.h
_LOAD_WORD, _LOAD_HALF, _JUMP_EQUAL, _RETURN = 0x20, 0x28, 0x15, 0x06
_AD_QUEUE, _AD_RXHASH = 0xFFFFF000 + 24, 0xFFFFF000 + 32
_WHOLE = 1 << 18


@dataclass(frozen=True, slots=True)
class Vnet:
    """struct virtio_net_hdr."""

    flags: int = 0
    gso_type: int = GSO_NONE
    hdr_len: int = 0
    gso_size: int = 0
    csum_start: int = 0
    csum_offset: int = 0

    def pack(self) -> bytes:
        return struct.pack(
            "=BBHHHH", self.flags, self.gso_type, self.hdr_len, self.gso_size, self.csum_start, self.csum_offset
        )

    @classmethod
    def parse(cls, data: bytes) -> Vnet:
        return cls(*struct.unpack_from("=BBHHHH", data))


SIZE = len(Vnet().pack())


@dataclass(frozen=True, slots=True)
class Received:
    """A frame that came in, VLAN tags where they were, and the queue it came through."""

    data: bytes
    vnet: Vnet
    queue: int


def _equal_to_one_of(load: int, code: int, values: Sequence[int]) -> list[tuple[int, int, int, int]]:
    """Instructions that go on if what is loaded is one of `values`, and otherwise end the program with 0."""
    tests = [(_JUMP_EQUAL, len(values) - i, 0, value) for i, value in enumerate(values)]
    return [(code, 0, 0, load), *tests, (_RETURN, 0, 0, 0)]


def _attach(sock: socket.socket, program: Sequence[tuple[int, int, int, int]]) -> None:
    code = b"".join(struct.pack("=HBBI", *instruction) for instruction in program)
    buffer = ctypes.create_string_buffer(code, len(code))
    sock.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, struct.pack("@HP", len(program), ctypes.addressof(buffer)))


def _listen(port: Port, queue: int, hashes: Sequence[int]) -> socket.socket:
    """A packet socket that gets what frames.py made and came through one RX queue."""
    sock = port.ns.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
    try:
        program = _equal_to_one_of(6, _LOAD_WORD, [int.from_bytes(SOURCE[:4], "big")])
        program += _equal_to_one_of(10, _LOAD_HALF, [int.from_bytes(SOURCE[4:], "big")])
        program += _equal_to_one_of(_AD_QUEUE, _LOAD_WORD, [queue + 1])  # as skb_record_rx_queue() has it
        if hashes:
            program += _equal_to_one_of(_AD_RXHASH, _LOAD_WORD, hashes)
        _attach(sock, [*program, (_RETURN, 0, 0, _WHOLE)])
        sock.setsockopt(SOL_PACKET, PACKET_VNET_HDR, 1)
        sock.setsockopt(SOL_PACKET, PACKET_AUXDATA, 1)
        sock.setsockopt(SOL_PACKET, PACKET_IGNORE_OUTGOING, 1)
        sock.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, _BUFFER)
        sock.setblocking(False)
        sock.bind((port.name, ETH_P_ALL))
    except BaseException:
        sock.close()
        raise
    return sock


class Wire:
    """From tx0 to rx0 of a link that is up. close() it.

    :param hashes: take only frames whose hash, as the NIC reports it, is one of these
    """

    def __init__(self, link: Link, hashes: Sequence[int] = ()) -> None:
        self.link = link
        self._sockets: list[socket.socket] = []
        try:
            self._out = link.tx.ns.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
            self._sockets.append(self._out)
            self._out.setsockopt(SOL_PACKET, PACKET_VNET_HDR, 1)
            self._out.setsockopt(socket.SOL_SOCKET, SO_SNDBUFFORCE, _BUFFER)
            self._out.bind((link.tx.name, 0))
            self._in = [_listen(link.rx, queue, hashes) for queue in range(link.queues)]
            self._sockets += self._in
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        for sock in self._sockets:
            sock.close()

    def send(self, frames: Iterable[bytes], vnet: Vnet = Vnet()) -> None:
        """Put frames on the wire, in order, each as `vnet` says."""
        header = vnet.pack()
        for frame in frames:
            self._out.send(header + frame)

    def together(self, defer: Defer, frames: Iterable[bytes]) -> None:
        """Send frames that arrive at once, with no time between them: the sender's device waits until all are there."""
        faults.inject(self.link.tx, "stall_tx", 0xF, defer)
        self.send(frames)
        (faults.folder(self.link.tx) / "stall_tx").write_text("0")

    def drain(self) -> list[Received]:
        """What has come since the last call, queue by queue, in order within a queue."""
        return [frame for queue, sock in enumerate(self._in) for frame in _read(sock, queue)]

    def receive(self, count: int) -> list[Received]:
        """Wait for so many frames.

        :raises lib.poll.NeverHappenedError: if fewer come
        """
        got: list[Received] = []
        for _ in ticks(every=0.005):
            got += self.drain()
            if len(got) >= count:
                return got
        raise NeverHappenedError(
            f"{count} frames at {self.link.rx.name}: only {len(got)} have come; "
            f"no room here for {self.overflows()}; {self._account()}"
        )

    def _account(self) -> str:
        """What each end and its qdisc have counted: a frame that did not come is in one of them."""
        ends = (self.link.tx, self.link.rx)
        return "\n".join(
            f"{port.name}: {', '.join(f'{k} {v}' for k, v in port.ethtool.stats().items() if v)}\n"
            + port.ns.run(["tc", "-s", "qdisc", "show", "dev", port.name])
            for port in ends
        )

    def overflows(self) -> int:
        """Frames that came and found no room here, since the last call."""
        stats = (sock.getsockopt(SOL_PACKET, PACKET_STATISTICS, 8) for sock in self._in)
        return sum(struct.unpack("=II", answer)[1] for answer in stats)

    def exchange(self, frames: Sequence[bytes], vnet: Vnet = Vnet(), count: int | None = None) -> list[Received]:
        """send() and receive(): as many as were sent, or `count`."""
        self.send(frames, vnet)
        return self.receive(len(frames) if count is None else count)


def _read(sock: socket.socket, queue: int) -> Iterable[Received]:
    while True:
        try:
            data, ancillary, _, _ = sock.recvmsg(1 << 17, 256)
        except BlockingIOError:
            return
        except OSError as error:
            if error.errno == errno.ENETDOWN:  # told once; the socket works again when the port does
                continue
            raise
        frame = data[SIZE:]
        for level, kind, value in ancillary:
            if level == SOL_PACKET and kind == PACKET_AUXDATA:
                status, *_, tci, tpid = _AUXDATA.unpack(value)
                if status & TP_STATUS_VLAN_VALID:  # the stack has taken the tag off, not the NIC
                    frame = frame[:12] + struct.pack("!HH", tpid, tci) + frame[12:]
        yield Received(frame, Vnet.parse(data), queue)


class Back:
    """What comes out of tx0 again."""

    def __init__(self, link: Link, defer: Callable[..., None]) -> None:
        self._sock = link.tx.ns.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
        defer(self._sock.close)
        self._sock.setsockopt(SOL_PACKET, PACKET_IGNORE_OUTGOING, 1)
        self._sock.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, _BUFFER)
        self._sock.bind((link.tx.name, ETH_P_ALL))
        self._sock.settimeout(PATIENCE)

    def receive(self, count: int) -> list[bytes]:
        return [self._sock.recv(1 << 16) for _ in range(count)]

    def nothing(self) -> bool:
        self._sock.setblocking(False)
        try:
            self._sock.recv(1)
        except BlockingIOError:
            return True
        finally:
            self._sock.settimeout(PATIENCE)
        return False


class Tap:
    """A packet socket with a virtio_net header on one device: it sends, and takes what is addressed to `address`.

    :param name: a device of the port's namespace, instead of the port
    """

    def __init__(self, port: Port, address: bytes, defer: Callable[..., None], name: str | None = None) -> None:
        self._name = name or port.name
        self._address = address
        self._sock = port.ns.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
        defer(self._sock.close)
        for option in (PACKET_VNET_HDR, PACKET_AUXDATA, PACKET_IGNORE_OUTGOING):
            self._sock.setsockopt(SOL_PACKET, option, 1)
        for option in (SO_SNDBUFFORCE, SO_RCVBUFFORCE):
            self._sock.setsockopt(socket.SOL_SOCKET, option, _BUFFER)
        self._sock.setblocking(False)
        self._sock.bind((self._name, ETH_P_ALL))

    def send(self, frame: bytes, vnet: Vnet, protocol: int) -> None:
        """Send a frame as `vnet` says; `protocol` is what a device without Ethernet headers can't tell."""
        self._sock.sendto(vnet.pack() + frame, (self._name, protocol))

    def receive(self, count: int) -> list[Received]:
        """Wait for so many frames.

        :raises lib.poll.NeverHappenedError: if fewer come
        """
        got: list[Received] = []
        for _ in ticks(every=0.005):
            got += [f for f in _read(self._sock, 0) if f.data.startswith(self._address)]
            if len(got) >= count:
                return got
        raise NeverHappenedError(f"{count} frames at {self._name}: only {len(got)} have come")


MakeWire = Callable[..., Wire]
