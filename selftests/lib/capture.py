# SPDX-License-Identifier: GPL-2.0-only
"""tcpdump on a port, and what it wrote.

tcpdump reads through a memory-mapped ring. A plain packet socket must never be opened on the receiving port: on Linux
6.12 its first unreadable packet takes the machine down (packet_rcv() -> ___pskb_trim() -> pskb_expand_head()).
"""

from __future__ import annotations

import errno
import signal
import struct
import subprocess
from dataclasses import dataclass
from pathlib import Path

from lib import processes
from lib.link import Port
from lib.poll import until

_PCAP = struct.Struct("=IHHiIII")
_RECORD = struct.Struct("=IIII")
_MAGIC = (0xA1B2C3D4, 0xA1B23C4D)  # microseconds, nanoseconds


@dataclass(frozen=True, slots=True)
class Packet:
    """One captured frame: its bytes, and how long it was."""

    data: bytes
    length: int


class Capture:
    """A running tcpdump on a port.

    :raises AssertionError: if it does not come up
    """

    def __init__(self, port: Port, file: Path, expression: str = "tcp") -> None:
        self.file = file
        file.unlink(missing_ok=True)  # what stands there already is not ours
        command = ["tcpdump", "-i", port.name, "-n", "-U", "-s", "262144", "-B", "16384", "-Z", "root"]
        self._process = port.ns.start([*command, "-w", file, expression], stderr=subprocess.PIPE)
        # It writes the file's header when it is listening
        until(f"tcpdump on {port.name} writes {file}", lambda: file.exists() and file.stat().st_size >= _PCAP.size)

    def packets(self) -> list[Packet]:
        """What it has written so far: the kernel hands packets over a block at a time, up to a second late.

        Nothing, where 9p says that a file which has just grown ends before its end.
        """
        try:
            return read_pcap(self.file)
        except OSError as no:
            if no.errno != errno.ENODATA:
                raise
            return []

    def stop(self) -> list[Packet]:
        """End it and read what it has written; what the kernel has not handed over yet is lost."""
        processes.end(self._process, signal.SIGINT)
        if self._process.stderr is not None:
            self._process.stderr.close()
        return read_pcap(self.file)


def read_pcap(file: Path) -> list[Packet]:
    """All whole records of a capture file.

    :raises AssertionError: if it is none
    """
    data = file.read_bytes()
    assert len(data) >= _PCAP.size and _PCAP.unpack_from(data)[0] in _MAGIC, f"{file} is no pcap file of this machine"
    packets = []
    at = _PCAP.size
    while at + _RECORD.size <= len(data):
        _, _, captured, length = _RECORD.unpack_from(data, at)
        at += _RECORD.size
        packets.append(Packet(data[at : at + captured], length))
        at += captured
    return packets
