# SPDX-License-Identifier: GPL-2.0-only
"""An AF_XDP socket by its system calls and rings: Documentation/networking/af_xdp.rst.

Frames are chunks of one area. Each is at any time in one place: with the test, in a ring, or with the NIC.
"""

from __future__ import annotations

import ctypes
import mmap
import os
import platform
import select
import socket
import struct
from collections.abc import Iterable

from lib.closing import Closing
from lib.link import Port
from lib.poll import NeverHappenedError, ticks
from lib.words import Words

AF_XDP = 44
_SOL_XDP = 283
_MMAP_OFFSETS, _RX_RING, _TX_RING, _UMEM_REG, _FILL_RING, _COMPLETION_RING, _STATISTICS = range(1, 8)
_ZEROCOPY, _USE_NEED_WAKEUP = 4, 8  # of sxdp_flags
_NEED_WAKEUP = 1  # of a ring's flags
_PAGE_OFFSET = {_RX_RING: 0, _TX_RING: 0x80000000, _FILL_RING: 0x100000000, _COMPLETION_RING: 0x180000000}
_DESC = struct.Struct("=QII")  # struct xdp_desc
_ADDR = struct.Struct("=Q")
HEADROOM = 256  # XDP_PACKET_HEADROOM

_libc = ctypes.CDLL(None, use_errno=True)


class _Ring:
    """One of the four. We produce into two of them and consume from the others."""

    def __init__(self, sock: socket.socket, which: int, offsets: tuple[int, ...], entries: int) -> None:
        self._producer, self._consumer, self._desc, self._flags = offsets
        self._entry = _ADDR if which in (_FILL_RING, _COMPLETION_RING) else _DESC
        size = self._desc + entries * self._entry.size
        self._words = Words(mmap.mmap(sock.fileno(), -(-size // 4) * 4, offset=_PAGE_OFFSET[which]))
        self._entries = entries

    def close(self) -> None:
        self._words.close()

    @property
    def wants_wakeup(self) -> bool:
        return bool(self._words[self._flags] & _NEED_WAKEUP)

    @property
    def used(self) -> int:
        """Entries that the other side has not taken yet."""
        return (self._words[self._producer] - self._words[self._consumer]) & 0xFFFFFFFF

    def put(self, *values: int) -> None:
        assert self.used < self._entries, "the ring is full"
        at = self._words[self._producer]
        self._entry.pack_into(self._words.memory, self._desc + at % self._entries * self._entry.size, *values)
        self._words[self._producer] = at + 1

    def take(self) -> tuple[int, ...] | None:
        at = self._words[self._consumer]
        if at == self._words[self._producer]:
            return None
        entry = self._entry.unpack_from(self._words.memory, self._desc + at % self._entries * self._entry.size)
        self._words[self._consumer] = at + 1
        return entry


class Xsk(Closing):
    """A socket bound to a queue of a port, without copies.

    The NIC's queue stays with the socket until some time after close(): see :func:`let_go`.

    :param fill: how many chunks the NIC is given at once; the others are for sending
    :param chunk: bytes of a chunk, 2048 or 4096
    :param wakeup: the kernel says when it wants to be woken; otherwise it looks by itself
    :raises OSError: what bind() says, EBUSY where somebody has the queue
    """

    def __init__(
        self, port: Port, queue: int, fill: int = 64, chunks: int = 128, chunk: int = 2048, wakeup: bool = True
    ) -> None:
        assert platform.machine() == "x86_64", "the rings are read and written as x86's memory order allows"
        self.chunk = chunk
        self.area = mmap.mmap(-1, chunks * chunk, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        self.sock = port.ns.socket(AF_XDP, socket.SOCK_RAW)
        self._rings: list[_Ring] = []
        try:
            address = ctypes.addressof(ctypes.c_char.from_buffer(self.area))
            area = struct.pack("=QQIIII", address, len(self.area), chunk, 0, 0, 0)
            self.sock.setsockopt(_SOL_XDP, _UMEM_REG, area)
            self.rx, self.tx, self.fill_ring, self.completions = self._make_rings(chunks)
            self._bind(port, queue, _ZEROCOPY | (_USE_NEED_WAKEUP if wakeup else 0))
        except BaseException:
            self.close()
            raise
        self._wakeup = wakeup
        self.free = list(range(fill, chunks))  # chunks of ours, by number
        self.give(range(fill))

    def _make_rings(self, entries: int) -> list[_Ring]:
        for which in (_RX_RING, _TX_RING, _FILL_RING, _COMPLETION_RING):
            self.sock.setsockopt(_SOL_XDP, which, entries)
        offsets = struct.unpack("=16Q", self.sock.getsockopt(_SOL_XDP, _MMAP_OFFSETS, 128))
        for i, which in enumerate((_RX_RING, _TX_RING, _FILL_RING, _COMPLETION_RING)):
            self._rings.append(_Ring(self.sock, which, offsets[i * 4 : i * 4 + 4], entries))
        return self._rings

    def _bind(self, port: Port, queue: int, flags: int) -> None:
        address = struct.pack("=HHIII", AF_XDP, flags, port.ifindex, queue, 0)
        if _libc.bind(self.sock.fileno(), address, len(address)) < 0:
            error = ctypes.get_errno()
            raise OSError(error, f"{os.strerror(error)}: AF_XDP at queue {queue} of {port.name}")

    def close(self) -> None:
        """A second time is no error. The rings' mappings keep the socket, so they go with it."""
        for ring in self._rings:
            ring.close()
        self._rings = []
        self.sock.close()

    # Receive

    def give(self, chunks: Iterable[int]) -> None:
        """Chunks for the NIC to receive into; it is woken if it asks for that."""
        for chunk in chunks:
            self.fill_ring.put(chunk * self.chunk)
        if self.fill_ring.wants_wakeup:
            self.wake()

    def wake(self) -> int:
        """poll() for data, which wakes the driver where it has asked for that; what poll() has said."""
        poll = select.poll()
        poll.register(self.sock, select.POLLIN)
        events = poll.poll(0)
        return events[0][1] if events else 0

    def take(self) -> bytes | None:
        """A frame that has come, if there is one; its chunk goes back to the NIC."""
        got = self.take_and_keep()
        if got is None:
            return None
        chunk, frame = got
        self.give([chunk])
        return frame

    def take_and_keep(self) -> tuple[int, bytes] | None:
        """A frame that has come, and the number of its chunk, which is ours."""
        entry = self.rx.take()
        if entry is None:
            return None
        address, length, options = entry
        assert not options, "a frame in several pieces"
        return address // self.chunk, self.area[address : address + length]

    def receive(self, count: int) -> list[bytes]:
        """Wait for so many frames.

        :raises NeverHappenedError: if fewer come
        """
        got: list[bytes] = []
        for _ in ticks(every=0.005):
            while (frame := self.take()) is not None:
                got.append(frame)
            if len(got) >= count:
                return got
        raise NeverHappenedError(f"{count} frames at an AF_XDP socket: only {len(got)} have come; {self.statistics()}")

    # Send

    def post(self, frame: bytes) -> None:
        """Put a frame into the TX ring, in a chunk of ours; kick() lets it go."""
        chunk = self.free.pop()
        self.area[chunk * self.chunk : chunk * self.chunk + len(frame)] = frame
        self.tx.put(chunk * self.chunk, len(frame), 0)

    def kick(self) -> None:
        """sendto(), which has the driver look at the TX ring."""
        self.sock.send(b"", socket.MSG_DONTWAIT)

    def reclaim(self) -> int:
        """Take back the chunks of frames that the NIC is done with; how many."""
        count = 0
        while (entry := self.completions.take()) is not None:
            self.free.append(entry[0] // self.chunk)
            count += 1
        return count

    def send(self, frames: Iterable[bytes]) -> None:
        """Put frames on the wire, as chunks become free.

        :raises NeverHappenedError: if none does
        """
        for frame in frames:
            if not self.free:
                self.kick()
                self.settle(1)
            self.post(frame)
        self.kick()

    def settle(self, count: int) -> None:
        """Wait until so many more of our chunks have come back from the NIC.

        :raises NeverHappenedError: if fewer do
        """
        back = 0
        for _ in ticks(every=0.005):
            back += self.reclaim()
            if back >= count:
                return
            self.kick()
        raise NeverHappenedError(f"{count} completions at an AF_XDP socket: only {back} have come; {self.statistics()}")

    def all_free(self, count: int) -> bool:
        """Are so many chunks ours, once those that the NIC is done with are taken back?"""
        self.reclaim()
        return len(self.free) == count

    def statistics(self) -> dict[str, int]:
        """struct xdp_statistics."""
        names = ("rx_dropped", "rx_invalid", "tx_invalid", "rx_ring_full", "fill_ring_empty", "tx_ring_empty")
        data = self.sock.getsockopt(_SOL_XDP, _STATISTICS, 48)
        return dict(zip(names, struct.unpack("=6Q", data), strict=True))


def let_go(port: Port, queue: int) -> bool:
    """Has the queue no socket any more? Asked by binding one, which goes at once."""
    try:
        Xsk(port, queue).close()
    except OSError:
        return False
    return True
