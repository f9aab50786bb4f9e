# SPDX-License-Identifier: GPL-2.0-only
"""A guest that is asked for one command after the other, where the emulator ends it."""

from __future__ import annotations

import sys
from collections.abc import Generator
from pathlib import Path
from typing import Any

import fake_guest
import pytest
from ppiov import prepare, vm
from ppiov.bisect.guestcmd import CommandGuest, Reply
from ppiov.events import Note
from ppiov.kernels import KernelTree

# The share, what the console of the first guest says before that guest is gone, and how many guests there were before.
GUEST = """\
import json, pathlib, sys, time
share, says, counter = pathlib.Path(sys.argv[1]), sys.argv[2], pathlib.Path(sys.argv[3])
number = int(counter.read_text()) if counter.exists() else 0
counter.write_text(str(number + 1))
def record(kind, **fields):
    with (share / "records.jsonl").open("a") as file:
        file.write(json.dumps({"record": kind, **fields}) + "\\n")
record("job-begun")
while not (share / "requests/1.json").exists():
    time.sleep(0.01)
record("request-loaded", id=1)
if number == 0:
    print(says, flush=True)
else:
    record("request-ended", id=1, load_error=None, code=0, output="fine", clean=True)
    time.sleep(600)
"""


@pytest.mark.parametrize(("before", "guests"), [("0f", 2), ("cc", 1)])
def test_an_accident_is_no_answer(before: str, guests: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    counter, blank = tmp_path / "guests", Path("/nonexistent")
    says = fake_guest.TRAP.format(before=before) + fake_guest.PANIC
    monkeypatch.setattr(
        vm, "command", lambda config, **_: [sys.executable, "-c", GUEST, str(config.share), says, str(counter)]
    )
    monkeypatch.setattr(prepare, "python_zip", lambda: blank)
    tree = KernelTree("image:x", "6.12", "6.12", blank, blank, None, None, None, "", "")
    with CommandGuest(tree, "tcg", tmp_path / "console", exact=False) as guest:
        reply, notes = finish(guest.ask([], ["true"], {}, 60.0))
    assert int(counter.read_text()) == guests
    if guests == 2:
        assert reply == Reply(True, "", 0, "fine") and "the emulator" in notes[0]
    else:
        assert reply.died.startswith("Kernel panic") and notes == []


def finish(asking: Generator[Any, None, Reply]) -> tuple[Reply, list[str]]:
    """What it comes to, and what it noted on the way."""
    notes: list[str] = []
    while True:
        try:
            event = next(asking)
        except StopIteration as stop:
            return stop.value, notes
        if isinstance(event, Note):
            notes.append(event.text)
