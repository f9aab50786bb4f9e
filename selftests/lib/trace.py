# SPDX-License-Identifier: GPL-2.0-only
"""What the kernel's trace events tell: why packets are dropped, as `perf trace -e skb:kfree_skb` or dropwatch show it;
and any other event."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from lib import processes
from lib.frames import ETH_P_LOCAL

TRACEFS = Path("/sys/kernel/tracing")


class Events:
    """Records one kind of event, from now until the test ends; skips where the kernel does not have it.

    :param event: as "skb/kfree_skb"
    :param only: which of them: a filter, as tracefs takes it
    """

    def __init__(self, defer: Callable[..., None], event: str, only: str) -> None:
        if not (TRACEFS / "instances").is_dir():
            processes.run(["mount", "-t", "tracefs", "tracefs", TRACEFS])
        if not (TRACEFS / "events" / event).is_dir():
            pytest.skip(f"this kernel has no event {event}")
        self._instance = TRACEFS / "instances" / f"ppiov-{event.replace('/', '-')}"
        self._instance.mkdir()
        defer(self._instance.rmdir)
        switch = self._instance / "events" / event / "enable"
        switch.with_name("filter").write_text(only)
        switch.write_text("1")
        defer(switch.write_text, "0")

    def lines(self) -> list[str]:
        """Those that came so far, as text."""
        text = (self._instance / "trace").read_text()
        return [line for line in text.splitlines() if line and not line.startswith("#")]


class Drops:
    """Records the drops of frames of one Ethertype, from now until the test ends; skips where the event is missing."""

    def __init__(self, defer: Callable[..., None], ethertype: int = ETH_P_LOCAL) -> None:
        self._events = Events(defer, "skb/kfree_skb", f"protocol == {ethertype}")

    def reasons(self) -> Counter[str]:
        """How often each reason was given so far."""
        return Counter(re.findall(r"reason: (\w+)", "\n".join(self._events.lines())))
