# SPDX-License-Identifier: GPL-2.0-only
"""What hash a flow has, by Microsoft's description of the Toeplitz hash."""

from __future__ import annotations

import struct

from lib.frames import Flow
from lib.link import Link

KEY_BYTES = 52
# The specification's key, which is 40 bytes long: no input of these tests reaches further.
KEY = bytes.fromhex("6d5a56da255b0ec24167253d43a38fb0d0ca2bcbae7b30b477cb2da38030f20c6a42b73bbeac01fa").ljust(
    KEY_BYTES, b"\0"
)


def toeplitz(key: bytes, data: bytes) -> int:
    """For each bit of the input that is set: the 32 bits of the key that begin there."""
    bits = int.from_bytes(key, "big")
    result = 0
    for i in range(len(data) * 8):
        if data[i // 8] >> (7 - i % 8) & 1:
            result ^= bits >> (len(key) * 8 - 32 - i) & 0xFFFFFFFF
    return result


def hash_of(key: bytes, flow: Flow, ports: bool = True) -> int:
    return toeplitz(key, flow.addresses + (struct.pack("!HH", flow.sport, flow.dport) if ports else b""))


def set_key(link: Link, key: bytes) -> None:
    link.rx.ethtool.run("-X", "hkey", key.hex(":"))
