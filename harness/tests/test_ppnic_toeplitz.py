# SPDX-License-Identifier: GPL-2.0-only
"""ppnic's hash is the one real NICs compute: the verification suite of Microsoft's RSS specification."""

from __future__ import annotations

import ctypes
import re
import shutil
import subprocess
from collections.abc import Callable
from ipaddress import ip_address
from pathlib import Path

import pytest

RSS_C = Path(__file__).parents[2] / "kernel" / "nic" / "rss.c"
KEY = bytes.fromhex("6d5a56da255b0ec24167253d43a38fb0d0ca2bcbae7b30b477cb2da38030f20c6a42b73bbeac01fa")

# source, port, destination, port, hash of the addresses, hash with the ports
VECTORS = [
    ("66.9.149.187", 2794, "161.142.100.80", 1766, 0x323E8FC2, 0x51CCC178),
    ("199.92.111.2", 14230, "65.69.140.83", 4739, 0xD718262A, 0xC626B0EA),
    ("24.19.198.95", 12898, "12.22.207.184", 38024, 0xD2D0A5DE, 0x5C2B394A),
    ("38.27.205.30", 48228, "209.142.163.6", 2217, 0x82989176, 0xAFC7327F),
    ("153.39.163.191", 44251, "202.188.127.2", 1303, 0x5D1809C5, 0x10E828A2),
    ("3ffe:2501:200:1fff::7", 2794, "3ffe:2501:200:3::1", 1766, 0x2CC18CD5, 0x40207D3D),
    ("3ffe:501:8::260:97ff:fe40:efab", 14230, "ff02::1", 4739, 0x0F0C461C, 0xDDE51BBF),
    ("3ffe:1900:4545:3:200:f8ff:fe21:67cf", 44251, "fe80::200:f8ff:fe21:67cf", 38024, 0x4B61E985, 0x02D1FEEF),
]

Toeplitz = Callable[[bytes], int]


def function_text() -> str:
    """The C function as it stands in rss.c; it needs nothing of the kernel but two type names."""
    found = re.search(r"^u32 ppnic_toeplitz\(.*?^}\n", RSS_C.read_text(), re.MULTILINE | re.DOTALL)
    assert found, f"no ppnic_toeplitz() in {RSS_C}"
    return found.group()


def build(text: str, folder: Path) -> Toeplitz:
    """Compile the function for user space, with the kernel's type names, and make it callable."""
    compiler = shutil.which("cc")
    if not compiler:
        pytest.skip("needs a C compiler (cc)")
    source = folder / "toeplitz.c"
    source.write_text(f"#include <stdint.h>\ntypedef uint8_t u8;\ntypedef uint32_t u32;\n{text}")
    library = folder / "toeplitz.so"
    subprocess.run([compiler, "-shared", "-fPIC", "-O2", "-o", library, source], check=True)
    function = ctypes.CDLL(str(library)).ppnic_toeplitz
    function.restype = ctypes.c_uint32
    return lambda data: int(function(KEY, data, len(data)))


def mismatches(toeplitz: Toeplitz) -> list[str]:
    wrong = []
    for source, sport, destination, dport, by_address, by_port in VECTORS:
        addresses = ip_address(source).packed + ip_address(destination).packed
        ports = sport.to_bytes(2, "big") + dport.to_bytes(2, "big")
        if toeplitz(addresses) != by_address:
            wrong.append(f"{source} -> {destination}")
        if toeplitz(addresses + ports) != by_port:
            wrong.append(f"{source}:{sport} -> {destination}:{dport}")
    return wrong


def test_verification_suite(tmp_path: Path) -> None:
    assert mismatches(build(function_text(), tmp_path)) == []


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("key[i + 4]", "key[i + 3]"),
        ("hash ^= window", "hash += window"),
        ("bit = 7; bit >= 0; bit--", "bit = 0; bit < 8; bit++"),
    ],
    ids=["key-byte", "sum", "bit-order"],
)
def test_suite_notices_a_wrong_hash(tmp_path: Path, right: str, wrong: str) -> None:
    text = function_text()
    assert right in text
    assert len(mismatches(build(text.replace(right, wrong), tmp_path))) >= len(VECTORS)
