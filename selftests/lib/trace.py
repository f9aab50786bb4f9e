# SPDX-License-Identifier: GPL-2.0-only
"""Why the kernel drops packets: its skb:kfree_skb event, as `perf trace -e skb:kfree_skb` or dropwatch show it."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from lib import processes
from lib.frames import ETH_P_LOCAL

TRACEFS = Path("/sys/kernel/tracing")


class Drops:
    """Records the drops of frames of one Ethertype, from now until the test ends; skips where the event is missing."""

    def __init__(self, defer: Callable[..., None], ethertype: int = ETH_P_LOCAL) -> None:
        if not (TRACEFS / "instances").is_dir():
            processes.run(["mount", "-t", "tracefs", "tracefs", TRACEFS])
        event = Path("events", "skb", "kfree_skb")
        if not (TRACEFS / event).is_dir():
            pytest.skip("this kernel has no skb:kfree_skb event")
        self._instance = TRACEFS / "instances" / "ppiov-drops"
        self._instance.mkdir()
        defer(self._instance.rmdir)
        (self._instance / event / "filter").write_text(f"protocol == {ethertype}")
        (self._instance / event / "enable").write_text("1")
        defer((self._instance / event / "enable").write_text, "0")

    def reasons(self) -> Counter[str]:
        """How often each reason was given so far."""
        return Counter(re.findall(r"reason: (\w+)", (self._instance / "trace").read_text()))
