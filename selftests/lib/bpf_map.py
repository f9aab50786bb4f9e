# SPDX-License-Identifier: GPL-2.0-only
"""BPF maps in a device's memory, as user space sees them."""

from __future__ import annotations

import ctypes
import os
import struct
from collections.abc import Callable, Iterator

from lib.bpf import call
from lib.link import Port

ARRAY, HASH = 2, 1  # BPF_MAP_TYPE_*
ANY, NO_EXIST, EXIST = 0, 1, 2  # flags of update()

# include/uapi/linux/bpf.h
_CREATE, _LOOKUP, _UPDATE, _DELETE, _NEXT = 0, 1, 2, 3, 4


def _buffer(data: bytes) -> ctypes.Array[ctypes.c_char]:
    return ctypes.create_string_buffer(data, len(data))


class DeviceMap:
    """A map of a port's device.

    :raises OSError: if the device has none such
    """

    def __init__(
        self, port: Port, kind: int, entries: int, value_size: int, defer: Callable[..., None], key_size: int = 4
    ) -> None:
        self._key_size, self._value_size = key_size, value_size
        attributes = struct.pack(
            "=IIIIIII16sI", kind, key_size, value_size, entries, 0, 0, 0, b"ppiov_test", port.ifindex
        )
        with port.ns.inside():
            self.fd = call(_CREATE, attributes)
        defer(os.close, self.fd)

    def _element(self, command: int, key: bytes, value: ctypes.Array[ctypes.c_char], flags: int = 0) -> None:
        name = _buffer(key)
        call(command, struct.pack("=IxxxxQQQ", self.fd, ctypes.addressof(name), ctypes.addressof(value), flags))

    def __getitem__(self, key: bytes) -> bytes:
        value = _buffer(bytes(self._value_size))
        self._element(_LOOKUP, key, value)
        return value.raw

    def update(self, key: bytes, value: bytes, flags: int = ANY) -> None:
        """Set an element; `flags` say whether it has to be there before, or must not."""
        self._element(_UPDATE, key, _buffer(value), flags)

    def __delitem__(self, key: bytes) -> None:
        name = _buffer(key)
        call(_DELETE, struct.pack("=IxxxxQ", self.fd, ctypes.addressof(name)))

    def __iter__(self) -> Iterator[bytes]:
        """The keys."""
        following = _buffer(bytes(self._key_size))
        name = None
        while True:
            address = ctypes.addressof(name) if name else 0
            try:
                call(_NEXT, struct.pack("=IxxxxQQQ", self.fd, address, ctypes.addressof(following), 0))
            except FileNotFoundError:
                return
            yield following.raw
            name = _buffer(following.raw)
