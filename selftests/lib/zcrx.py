# SPDX-License-Identifier: GPL-2.0-only
"""Zero-copy receive by io_uring, by its system calls: Documentation/networking/iou-zcrx.rst.

One ring, one RX queue, one area of memory that the device writes payload into. All calls must come from the thread that
made the ring.
"""

from __future__ import annotations

import ctypes
import errno
import mmap
import os
import platform
import struct

from lib.closing import Closing
from lib.netns import Namespace
from lib.poll import PATIENCE
from lib.words import Words

_SETUP, _ENTER, _REGISTER = 425, 426, 427  # system calls, the same on all architectures
_FLAGS = 1 << 11 | 1 << 12 | 1 << 13  # IORING_SETUP_CQE32, _SINGLE_ISSUER, _DEFER_TASKRUN
_OFF_SQES = 0x10000000
_ENTER_GETEVENTS, _ENTER_EXT_ARG = 1, 8
_REGISTER_PROBE, _REGISTER_ZCRX_IFQ = 8, 32
_OP_RECV_ZC = 58
_OP_SUPPORTED = 1  # IO_URING_OP_SUPPORTED
_MULTISHOT = 2  # IORING_RECV_MULTISHOT
_CQE_MORE = 2  # IORING_CQE_F_MORE
_REGION_USER = 1  # IORING_MEM_REGION_TYPE_USER
_AREA_SHIFT = 48
_HUGETLB = 0x40000  # MAP_HUGETLB
_PAGE = mmap.PAGESIZE
_OFFSET = (1 << _AREA_SHIFT) - 1

_REG = struct.Struct("=IIIIQQIIIIQQIIQQQ")  # struct io_uring_zcrx_ifq_reg, its offsets from the 7th number on
_AREA = struct.Struct("=QQQIIQQ")  # struct io_uring_zcrx_area_reg
_REGION = struct.Struct("=QQIIQQQQQ")  # struct io_uring_region_desc
_PROBE_OP = struct.Struct("=BxHxxxx")  # struct io_uring_probe_op: operation and flags
_RQE = struct.Struct("=QII")
_CQE = struct.Struct("=QiIQQ")
_SQE = struct.Struct("=BBHiQQIIQHHIQQ")

_libc = ctypes.CDLL(None, use_errno=True)


def _call(number: int, *args: int | ctypes.Array[ctypes.c_char] | None) -> int:
    words = [ctypes.c_long(a) if isinstance(a, int) else a for a in args]
    result = _libc.syscall(ctypes.c_long(number), *words)
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    return int(result)


def _address(memory: mmap.mmap) -> int:
    return ctypes.addressof(ctypes.c_char.from_buffer(memory))


def supported() -> bool:
    """Does this kernel's io_uring know the operation?"""
    params = ctypes.create_string_buffer(120)
    fd = _call(_SETUP, 1, params)
    try:
        probe = ctypes.create_string_buffer(16 + 256 * _PROBE_OP.size)
        _call(_REGISTER, fd, _REGISTER_PROBE, probe, 256)
    finally:
        os.close(fd)
    _, flags = _PROBE_OP.unpack_from(probe.raw, 16 + _OP_RECV_ZC * _PROBE_OP.size)
    return bool(flags & _OP_SUPPORTED)


class Zcrx(Closing):
    """An io_uring that receives without a copy.

    :param entries: of the refill ring
    :param buf_len: of a buffer, if not a page; the area is made of huge pages then
    :raises OSError: what registering the queue says: EINVAL where the kernel has no such thing
    """

    def __init__(
        self, ns: Namespace, ifindex: int, queue: int, size: int = 4 << 20, entries: int = 1024, buf_len: int = 0
    ) -> None:
        assert platform.machine() == "x86_64", "the rings are read and written as x86's memory order allows"
        params = ctypes.create_string_buffer(struct.pack("=III108x", 0, 0, _FLAGS), 120)
        self.fd = _call(_SETUP, 8, params)
        self._rings: list[mmap.mmap | Words] = []
        try:
            self._map_rings(params.raw)
            flags = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS
            self._area = mmap.mmap(-1, size, flags | (_HUGETLB if buf_len else 0))
            self._refill = Words(mmap.mmap(-1, _PAGE + entries * _RQE.size, flags))
            with ns.inside():
                self._register(ifindex, queue, entries, buf_len)
        except BaseException:
            self.close()
            raise
        self._mask = entries - 1
        self._tail = 0
        self.received = 0

    def close(self) -> None:
        """Give the ring up; the kernel gives the queue back some time later. A second time is no error."""
        if self.fd >= 0:
            for memory in self._rings:  # keeps the ring as the file descriptor does
                memory.close()
            os.close(self.fd)
            self.fd = -1

    def _map_rings(self, params: bytes) -> None:
        sq_entries, cq_entries = struct.unpack_from("=II", params)
        sq = struct.unpack_from("=8I", params, 40)
        cq = struct.unpack_from("=8I", params, 80)
        self._cqes = cq[5]
        self._ring = Words(mmap.mmap(self.fd, max(sq[6] + sq_entries * 4, cq[5] + cq_entries * _CQE.size)))
        self._rings.append(self._ring)
        self._sqes = mmap.mmap(self.fd, sq_entries * 64, offset=_OFF_SQES)
        self._rings.append(self._sqes)
        self._sq_tail, self._sq_mask, self._sq_array = sq[1], sq_entries - 1, sq[6]
        self._cq_head, self._cq_tail, self._cq_mask = cq[0], cq[1], cq_entries - 1

    def _register(self, ifindex: int, queue: int, entries: int, buf_len: int) -> None:
        area = ctypes.create_string_buffer(_AREA.pack(_address(self._area), len(self._area), 0, 0, 0, 0, 0), _AREA.size)
        refill = self._refill.memory
        region = (_address(refill), len(refill), _REGION_USER, 0, 0, 0, 0, 0, 0)
        described = ctypes.create_string_buffer(_REGION.pack(*region), _REGION.size)
        where = (ctypes.addressof(area), ctypes.addressof(described))
        values = (ifindex, queue, entries, 0, *where, 0, 0, 0, 0, 0, 0, 0, buf_len, 0, 0, 0)
        reg = ctypes.create_string_buffer(_REG.pack(*values), _REG.size)
        _call(_REGISTER, self.fd, _REGISTER_ZCRX_IFQ, reg, 1)
        answer = _REG.unpack(reg.raw)
        self._refill_tail, self._rqes = answer[7], answer[8]
        self._id, self.buf_len = answer[12], answer[13]
        self._token = _AREA.unpack(area.raw)[2]

    def _submit(self, sock: int) -> None:
        """A receive that goes on until the stream ends."""
        tail = self._ring[self._sq_tail]
        index = tail & self._sq_mask
        _SQE.pack_into(self._sqes, index * 64, _OP_RECV_ZC, 0, _MULTISHOT, sock, 0, 0, 0, 0, 1, 0, 0, self._id, 0, 0)
        self._ring[self._sq_array + index * 4] = index
        self._ring[self._sq_tail] = tail + 1
        _call(_ENTER, self.fd, 1, 0, 0, None, 0)

    def _wait(self) -> None:
        limit = ctypes.create_string_buffer(struct.pack("=qq", int(PATIENCE), 0), 16)
        arg = ctypes.create_string_buffer(struct.pack("=QIIQ", 0, 0, 0, ctypes.addressof(limit)), 24)
        try:
            _call(_ENTER, self.fd, 0, 1, _ENTER_GETEVENTS | _ENTER_EXT_ARG, arg, 24)
        except OSError as error:
            assert error.errno != errno.ETIME, f"nothing more came, after {self.received} bytes"
            raise

    def receive(self, sock: int, size: int) -> bytes:
        """So many bytes of a socket or, where the last buffer has more, a few more; each buffer given back once it was
        read.

        :raises AssertionError: if they don't come
        """
        self._submit(sock)
        got = bytearray()
        while len(got) < size:
            head = self._ring[self._cq_head]
            if head == self._ring[self._cq_tail]:
                self._wait()
                continue
            at = self._cqes + (head & self._cq_mask) * _CQE.size
            _, result, flags, offset, _ = _CQE.unpack_from(self._ring.memory, at)
            self._ring[self._cq_head] = head + 1
            if result == -errno.ENOSPC:  # no room to complete into: the receive ends, and nothing is lost
                self._submit(sock)
                continue
            if result < 0:
                raise OSError(-result, os.strerror(-result))
            assert result or flags & _CQE_MORE, f"the stream ended after {len(got)} bytes"
            start = offset & _OFFSET
            got += self._area[start : start + result]
            self.received += result
            self._give_back(offset, result)
            if not flags & _CQE_MORE:
                self._submit(sock)
        return bytes(got)

    def _give_back(self, offset: int, size: int) -> None:
        at = self._rqes + (self._tail & self._mask) * _RQE.size
        _RQE.pack_into(self._refill.memory, at, (offset & _OFFSET) | self._token, size, 0)
        self._tail += 1
        self._refill[self._refill_tail] = self._tail
