# SPDX-License-Identifier: GPL-2.0-only
"""An urgent pointer into a later segment, whose payload is in device memory. The report: docs/bugs/tcp-urg.md.

    tx0 -- URG, urgent pointer +100, no payload -->   rx0: noted, the byte is yet to come
    tx0 -- 1448 bytes, no URG ------------------->   rx0: into device memory; tcp_urg() wants byte 100 of it

No Linux sender does that: it sets URG on every segment up to the urgent byte. A peer that wants to may. ppiov.ko, which
ppnic needs, keeps such pointers from TCP; that is turned off here.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from lib.fixtures import Defer
from lib.link import Link
from lib.urgent import announce
from reproducers.conftest import Stream

HIDE = Path("/sys/module/ppiov/parameters/hide_urgent")


@pytest.mark.reproducer(
    report="docs/bugs/tcp-urg.md",
    hits=("6.12", "7.3"),
    kind="bug",
    shows=("net/ipv4/tcp_input.c", "tcp_urg"),
)
def test_urgent_byte_in_device_memory(link: Link, stream: Stream, defer: Defer) -> None:
    """The peer of a device-memory connection says that a byte of its next segment is urgent."""
    defer(HIDE.write_text, HIDE.read_text())
    HIDE.write_text("N")
    announce(link, stream.sender)
    stream.carry()
