# SPDX-License-Identifier: GPL-2.0-only
"""PSP: the netlink family `psp`, a connection whose ends have keys, and its cipher without the kernel's.

The layout is that of the PSP Architecture Specification: behind the UDP header stand 16 bytes (next header, length,
crypt offset, version, SPI, IV), then what is encrypted, then 16 bytes that authenticate all of it. There is no PSP in
software in the kernel that could judge what a NIC sends; libcrypto does.
"""

from __future__ import annotations

import ctypes
import socket
import struct
import sys
from dataclasses import dataclass

from pyroute2.netlink import NLA_F_NESTED, genlmsg, nla

from lib.link import Port
from lib.netlink import Genl

UDP_PORT = 1000
HEADER, ICV = 16, 16
UDP = 8
GCM_128, GCM_256, GMAC_128, GMAC_256 = range(4)
VERSIONS = {"gcm-128": GCM_128, "gcm-256": GCM_256, "gmac-128": GMAC_128, "gmac-256": GMAC_256}
ALL = 0b1111

_DEV_GET, _DEV_SET, _KEY_ROTATE, _RX_ASSOC, _TX_ASSOC, _GET_STATS = 1, 4, 6, 8, 9, 10
_SET_TAG, _GET_TAG, _SET_IVLEN = 0x11, 0x10, 0x9  # EVP_CTRL_AEAD_*


class _DevMessage(genlmsg):
    nla_map = (
        ("UNSPEC", "none"),
        ("ID", "uint32"),
        ("IFINDEX", "uint32"),
        ("VERSIONS_CAP", "uint32"),
        ("VERSIONS_ENA", "uint32"),
        ("ASSOC_LIST", "hex"),
        ("NSID", "int32"),
        ("BY_ASSOCIATION", "flag"),
    )


class _KeysNla(nla):
    nla_flags = NLA_F_NESTED
    nla_map = (("UNSPEC", "none"), ("KEY", "cdata"), ("SPI", "uint32"))


class _AssocMessage(genlmsg):
    nla_map = (
        ("UNSPEC", "none"),
        ("DEV_ID", "uint32"),
        ("VERSION", "uint32"),
        ("RX_KEY", "keys"),
        ("TX_KEY", "keys"),
        ("SOCK_FD", "uint32"),
    )
    keys = _KeysNla


STATS = (
    *("key_rotations", "stale_events", "rx_packets", "rx_bytes", "rx_auth_fail", "rx_error", "rx_bad"),
    *("tx_packets", "tx_bytes", "tx_error"),
)


class _StatsMessage(genlmsg):
    nla_map = (("UNSPEC", "none"), ("DEV_ID", "uint32"), *((name, "cdata") for name in STATS))  # of 4 or 8 bytes


@dataclass(frozen=True, slots=True)
class Key:
    spi: int
    key: bytes
    version: int


class Psp:
    """The PSP device of one port; close() it.

    :raises RefusedError: ENOENT, where the kernel has no PSP
    """

    def __init__(self, port: Port) -> None:
        self._genl = Genl(port.ns, "psp")
        found = self._genl.request(_DevMessage, _DEV_GET, [], dump=True)
        (self._id,) = (m.get_attr("ID") for m in found if m.get_attr("IFINDEX") == port.ifindex)

    def close(self) -> None:
        self._genl.close()

    def capable(self) -> int:
        """The mask of versions that it knows."""
        (answer,) = self._genl.request(_DevMessage, _DEV_GET, [("ID", self._id)])
        return int(answer.get_attr("VERSIONS_CAP"))

    def accept(self, versions: int) -> None:
        """The mask of versions that it decrypts."""
        self._genl.request(_DevMessage, _DEV_SET, [("ID", self._id), ("VERSIONS_ENA", versions)])

    def rotate(self) -> None:
        self._genl.request(_DevMessage, _KEY_ROTATE, [("ID", self._id)])

    def receives(self, sock: socket.socket, version: int) -> Key:
        """A key by which `sock` receives."""
        attrs = [("DEV_ID", self._id), ("VERSION", version), ("SOCK_FD", sock.fileno())]
        (answer,) = self._genl.request(_AssocMessage, _RX_ASSOC, attrs)
        keys = answer.get_attr("RX_KEY")
        return Key(keys.get_attr("SPI"), bytes(keys.get_attr("KEY")), version)

    def sends(self, sock: socket.socket, key: Key) -> None:
        """`sock` sends by that key, which the other end receives by."""
        keys = ("TX_KEY", {"attrs": [("KEY", key.key), ("SPI", key.spi)]})
        attrs = [("DEV_ID", self._id), ("VERSION", key.version), keys, ("SOCK_FD", sock.fileno())]
        self._genl.request(_AssocMessage, _TX_ASSOC, attrs)

    def stats(self) -> dict[str, int]:
        (answer,) = self._genl.request(_StatsMessage, _GET_STATS, [("DEV_ID", self._id)])
        return {name: int.from_bytes(answer.get_attr(name), sys.byteorder) for name in STATS}


def opened(key: Key, frame: bytes, l3: int) -> tuple[bytes, bytes]:
    """(PSP header, payload) of a frame whose IP header is `l3` bytes long, and that has nothing in the clear.

    :raises ValueError: if it is not authentic
    """
    psp = 14 + l3 + UDP
    header, body = frame[psp : psp + HEADER], frame[psp + HEADER :]
    text, icv = body[:-ICV], body[-ICV:]
    if _conceals(key):
        return header, _Gcm(key.key, header[4:], False).run(header, text, icv)[0]
    _Gcm(key.key, header[4:], False).run(header + text, b"", icv)
    return header, text


def sealed(key: Key, text: bytes, options: bytes = b"", offset: int = 0, length: int | None = None) -> bytes:
    """What a datagram to UDP_PORT has to be, to become a TCP segment, `text`, at the other end.

    :param options: of the PSP header, 8 bytes each
    :param offset: so many times 4 bytes, options first, are not encrypted
    :param length: that the header says, instead of its own
    """
    hdrlen = 1 + len(options) // 8 if length is None else length
    header = struct.pack("!BBBBIQ", socket.IPPROTO_TCP, hdrlen, offset, key.version << 2 | 1, key.spi, 1)
    body = options + text
    clear, secret = (body[: 4 * offset], body[4 * offset :]) if _conceals(key) else (body, b"")
    made, icv = _Gcm(key.key, header[4:], True).run(header + clear, secret)
    return header + clear + made + icv


def _conceals(key: Key) -> bool:
    return key.version in (GCM_128, GCM_256)


class _Gcm:
    """AES-GCM of libcrypto, which Python's ssl uses: EVP_EncryptInit(3)."""

    def __init__(self, key: bytes, nonce: bytes, encrypt: bool) -> None:
        self._lib = ctypes.CDLL("libcrypto.so.3")
        for name in ("EVP_CIPHER_CTX_new", "EVP_aes_128_gcm", "EVP_aes_256_gcm"):
            getattr(self._lib, name).restype = ctypes.c_void_p
        self._context = ctypes.c_void_p(self._lib.EVP_CIPHER_CTX_new())
        self._encrypt = encrypt
        cipher = self._lib.EVP_aes_128_gcm() if len(key) == 16 else self._lib.EVP_aes_256_gcm()
        self._call("EVP_CipherInit_ex", ctypes.c_void_p(cipher), None, None, None, int(encrypt))
        self._call("EVP_CIPHER_CTX_ctrl", _SET_IVLEN, len(nonce), None)
        self._call("EVP_CipherInit_ex", None, None, key, nonce, int(encrypt))

    def _call(self, name: str, *arguments: object) -> None:
        if getattr(self._lib, name)(self._context, *arguments) <= 0:
            raise OSError(f"libcrypto: {name}")

    def run(self, clear: bytes, text: bytes, icv: bytes = b"") -> tuple[bytes, bytes]:
        """(the other text, the ICV); once.

        :raises ValueError: if `icv`, which decryption asks for, is not that
        """
        out, length = ctypes.create_string_buffer(len(text) + ICV), ctypes.c_int()
        try:
            self._call("EVP_CipherUpdate", None, ctypes.byref(length), clear, len(clear))
            if text:
                self._call("EVP_CipherUpdate", out, ctypes.byref(length), text, len(text))
            if not self._encrypt:
                self._call("EVP_CIPHER_CTX_ctrl", _SET_TAG, len(icv), icv)
            if self._lib.EVP_CipherFinal_ex(self._context, None, ctypes.byref(length)) <= 0:
                raise ValueError("not authentic")
            made = ctypes.create_string_buffer(icv, ICV)
            if self._encrypt:
                self._call("EVP_CIPHER_CTX_ctrl", _GET_TAG, ICV, made)
            return out.raw[: len(text)], made.raw
        finally:
            self._lib.EVP_CIPHER_CTX_free(self._context)
